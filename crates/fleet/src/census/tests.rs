use std::collections::HashSet;

use super::*;

fn figure(figures: &[Planted], question: &str, label: &str, field: &str) -> f64 {
    figures
        .iter()
        .find(|figure| {
            figure.question == question && figure.field == field && (label.is_empty() || figure.row.values().any(|value| value == label))
        })
        .and_then(|figure| figure.value.as_f64())
        .unwrap_or_else(|| panic!("{question} {label} {field}"))
}

#[test]
fn the_published_marginals_are_planted() {
    let census = Census::plan(7, 0.1);
    assert_eq!((census.hosts(), census.observations()), (17_511, 723_000));
    let truth = census.truth();
    for (question, label, field, published, within) in [
        ("observation-buckets", ">100", "share", 0.13, 0.0005),
        ("observation-buckets", ">100", "observations_share", 0.76, 0.0005),
        ("observation-buckets", "1", "share", 0.36, 0.0005),
        ("totals", "", "countries", 130.0, 0.0),
        ("models-per-host", "2-3", "share", 0.41, 0.005),
        ("models-per-host", ">=20", "share", 0.0146, 0.001),
        ("capabilities", "tools", "share", 0.485, 0.005),
        ("capabilities", "vision", "share", 0.22, 0.005),
        ("capabilities", "thinking", "share", 0.26, 0.005),
        ("capability-sets", "completion+tools", "share", 0.38, 0.005),
        ("quantisation", "Q4_K_M", "share", 0.48, 0.01),
        ("quantisation", "4-bit", "models_share", 0.72, 0.02),
        ("quantisation", "16-bit", "models_share", 0.19, 0.02),
        ("parameters", "8-14B", "share", 0.26, 0.005),
        ("networks", "fixed-access-telecom", "share", 0.56, 0.005),
        ("networks", "hyperscaler", "share", 0.32, 0.005),
        ("family-pairs", "llama", "share", 0.52, 0.005),
    ] {
        let planted = figure(&truth, question, label, field);
        assert!((planted - published).abs() <= within, "{question} {label}: {planted}");
    }
}

#[test]
fn a_population_is_its_seeds() {
    let (one, again, other) = (Census::plan(1, 0.001), Census::plan(1, 0.001), Census::plan(2, 0.001));
    let all = |census: &Census| -> Vec<Observation> { (0..census.days()).flat_map(|day| census.day(day).collect::<Vec<_>>()).collect() };
    assert_eq!(all(&one), all(&again));
    assert_ne!(all(&one), all(&other));
    assert_eq!(all(&one).len(), one.observations());
    let keys: HashSet<_> = all(&one).iter().map(|visit| (visit.seen, visit.endpoint.key())).collect();
    assert_eq!(keys.len(), one.observations(), "no two are the same");
}
