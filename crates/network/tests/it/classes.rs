//! The mapping: attribution, contradictions, errors with their line.

use vigie_network::{AsType, Classes, EMBEDDED, Tier};

const HEAD: &str = "schema: vigie.network-classes/1\ndate: 2026-11-22\n";

fn parsed(body: &str) -> Classes {
    Classes::parse("mine.yaml", &format!("{HEAD}{body}")).expect("a sound mapping")
}

fn problems(body: &str) -> Vec<String> {
    let errors = Classes::parse("mine.yaml", &format!("{HEAD}{body}")).expect_err("a mapping with errors");
    errors.0.iter().map(ToString::to_string).collect()
}

fn both(classes: &Classes, asn: u32, organisation: Option<&str>, word: Option<&str>) -> (AsType, Tier) {
    let attribution = classes.attribute(asn, organisation, word);
    (attribution.as_type.class, attribution.tier.class)
}

const MINE: &str = r#"numbers:
  - {as: 64496, name: "Example Cloud", as_type: hosting, tier: hyperscaler, reason: "it says so", date: 2026-11-22}
  - {as: 64497, name: "Example Carrier", as_type: transit, reason: "sells transit", date: 2026-11-22}
words:
  - {word: isp, as_type: fixed-access-telecom, tier: telecom-residential, reason: "the database", date: 2026-11-22}
names:
  - {words: [universit*], as_type: education, tier: academic, reason: "teaches", date: 2026-11-22}
  - {words: [telecom], as_type: fixed-access-telecom, tier: telecom-residential, reason: "carries", date: 2026-11-22}
  - {regex: '^dorm ', tier: telecom-residential, reason: "a dormitory", date: 2026-11-22}
"#;

#[test]
fn numbers_take_precedence_over_words_and_words_over_names() {
    let classes = parsed(MINE);
    // The number decides, regardless of the name and the database.
    assert_eq!(
        both(&classes, 64_496, Some("University Telecom"), Some("isp")),
        (AsType::Hosting, Tier::Hyperscaler)
    );
    // A view that the entry does not give is not filled in from the name.
    assert_eq!(
        both(&classes, 64_497, Some("Example University"), Some("isp")),
        (AsType::Transit, Tier::Unattributed)
    );
    assert_eq!(
        both(&classes, 64_500, Some("Example University"), Some("ISP")),
        (AsType::FixedAccessTelecom, Tier::TelecomResidential)
    );
    assert_eq!(
        both(&classes, 64_500, Some("EXAMPLE UNIVERSITY"), Some("unheard")),
        (AsType::Education, Tier::Academic)
    );
    assert_eq!(
        classes.attribute(64_500, Some("Universitas Exempli"), None).as_type.reason,
        "the name: teaches (2026-11-22)"
    );
}

#[test]
fn the_views_are_independent() {
    let classes = parsed(MINE);
    // The patterns contradict each other in one view only.
    let attribution = classes.attribute(64_500, Some("Dorm Net of Example University"), None);
    assert_eq!(attribution.as_type.class, AsType::Education);
    assert_eq!(attribution.tier.class, Tier::Unattributed);
    assert_eq!(
        attribution.tier.reason,
        "the name contradicts itself: academic (teaches), and telecom-residential (a dormitory)"
    );
}

#[test]
fn a_contradiction_is_unattributed() {
    let classes = parsed(MINE);
    assert_eq!(
        both(&classes, 64_500, Some("Telecom University"), None),
        (AsType::Unattributed, Tier::Unattributed)
    );
    // Two patterns that agree are not a contradiction.
    assert_eq!(
        both(&classes, 64_500, Some("Telecom"), None),
        (AsType::FixedAccessTelecom, Tier::TelecomResidential)
    );
}

#[test]
fn an_unmapped_system_is_unattributed() {
    let classes = parsed(MINE);
    assert_eq!(
        both(&classes, 64_500, Some("Example Works"), None),
        (AsType::Unattributed, Tier::Unattributed)
    );
    assert_eq!(both(&classes, 64_500, None, None), (AsType::Unattributed, Tier::Unattributed));
    // A word that only starts like a pattern.
    assert_eq!(
        both(&classes, 64_500, Some("Telecommuters' Club"), None),
        (AsType::Unattributed, Tier::Unattributed)
    );
}

#[test]
fn errors_have_their_line() {
    let entry = |rest: &str| format!("numbers:\n  - {{as: 64496, name: A, {rest}, date: 2026-11-22}}\n");
    let cases = [
        (entry("as_type: cloud, reason: x"), "mine.yaml:4: ", "cloud"),
        (entry("as_type: hosting, colour: red, reason: x"), "mine.yaml:4: ", "colour"),
        (entry("as_type: hosting, reason: ''"), "mine.yaml:4: ", "`reason` is empty"),
        (entry("as_type: hosting, reason: \"a\\nb\""), "mine.yaml:4: ", "one line"),
        (entry("reason: x"), "mine.yaml:4: ", "neither `as_type` nor `tier`"),
        (entry("as_type: hosting"), "mine.yaml:4: ", "reason"),
        (
            "numbers:\n  - {as: 0, name: A, tier: edge, reason: x, date: 2026-11-22}\n".to_owned(),
            "mine.yaml:4: ",
            "AS 0",
        ),
        (
            "numbers:\n  - {as: 1, name: A, tier: edge, reason: x, date: 2026-11-22}\n\n  - {as: 1, name: B, tier: edge, reason: x, date: 2026-11-22}\n"
                .to_owned(),
            "mine.yaml:6: ",
            "AS 1 is already on line 4",
        ),
        (
            "numbers:\n  - {as: 1, name: A, tier: edge, reason: x, date: yesterday}\n".to_owned(),
            "mine.yaml:4: ",
            "",
        ),
        (
            "names:\n  - {regex: 'a(', tier: edge, reason: x, date: 2026-11-22}\n".to_owned(),
            "mine.yaml:4: ",
            "does not compile: unclosed group",
        ),
        (
            "names:\n  - {regex: 'a*', tier: edge, reason: x, date: 2026-11-22}\n".to_owned(),
            "mine.yaml:4: ",
            "matches every name",
        ),
        (
            "names:\n  - {words: ['*'], tier: edge, reason: x, date: 2026-11-22}\n".to_owned(),
            "mine.yaml:4: ",
            "is not a word",
        ),
        (
            "names:\n  - {words: [a], regex: b, tier: edge, reason: x, date: 2026-11-22}\n".to_owned(),
            "mine.yaml:4: ",
            "either `words` or `regex`",
        ),
        (
            "words:\n  - {word: isp, tier: edge, reason: x, date: 2026-11-22}\n  - {word: ISP, tier: edge, reason: x, date: 2026-11-22}\n"
                .to_owned(),
            "mine.yaml:5: ",
            "has an entry already",
        ),
    ];
    for (body, place, message) in cases {
        let problems = problems(&body);
        assert!(
            problems.len() == 1 && problems[0].starts_with(place) && problems[0].contains(message),
            "{body}\n{problems:?}"
        );
    }
    let error = Classes::parse("mine.yaml", "schema: vigie.network-classes/9\ndate: 2026-11-22\n").expect_err("another schema");
    assert!(error.to_string().starts_with("mine.yaml:1: schema is"), "{error}");
    let error = Classes::open(std::path::Path::new("absent.yaml")).expect_err("no file");
    assert!(error.to_string().starts_with("absent.yaml: cannot be read"), "{error}");
}

#[test]
fn every_error_is_reported_at_once() {
    let problems = problems(
        "numbers:\n  - {as: 1, name: A, reason: x, date: 2026-11-22}\n  - {as: 2, name: '', tier: edge, reason: x, date: 2026-11-22}\n",
    );
    assert_eq!(problems.len(), 2, "{problems:?}");
}

#[test]
fn the_embedded_mapping_is_sound() {
    let classes = Classes::parse("classes.yaml", EMBEDDED).expect("sound");
    assert!(classes.listed().count() > 400, "{}", classes.listed().count());
    assert_eq!(classes.listed().count(), Classes::embedded().listed().count());
    for (asn, as_type, tier) in [
        (16_509, AsType::Hosting, Tier::Hyperscaler),
        (15_169, AsType::Content, Tier::Hyperscaler),
        (24_940, AsType::Hosting, Tier::CloudVps),
        (13_335, AsType::Content, Tier::Edge),
        (4134, AsType::FixedAccessTelecom, Tier::TelecomResidential),
        (9808, AsType::Mobile, Tier::TelecomResidential),
        (680, AsType::Education, Tier::Academic),
        (721, AsType::Government, Tier::Government),
        (174, AsType::Transit, Tier::Unattributed),
    ] {
        assert_eq!(both(&classes, asn, None, None), (as_type, tier), "AS {asn}");
    }
    for (name, as_type) in [
        ("Università degli Studi di Esempio", AsType::Education),
        ("Uniwersytet Przykładowy", AsType::Education),
        ("Example College", AsType::Education),
        ("Ministry of Examples", AsType::Government),
        ("Example Telecomunicacoes Ltda", AsType::FixedAccessTelecom),
        ("Example Hosting B.V.", AsType::Hosting),
        ("Example Cloud Telecom", AsType::Unattributed),
        ("Bank of Example", AsType::Business),
        ("Universal Examples Inc.", AsType::Unattributed),
        ("Cloudy Bay Wines", AsType::Unattributed),
        ("Example GmbH", AsType::Unattributed),
    ] {
        assert_eq!(both(&classes, 64_500, Some(name), None).0, as_type, "{name}");
    }
}

#[test]
fn the_words_are_documented_in_the_file() {
    let documented = |word: &str| EMBEDDED.lines().any(|line| line.starts_with(&format!("#     {word} ")));
    for word in AsType::ALL.iter().map(|class| class.word()) {
        assert!(documented(word), "{word}");
    }
    for word in Tier::ALL.iter().map(|class| class.word()) {
        assert!(documented(word), "{word}");
    }
}
