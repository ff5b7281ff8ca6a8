//! Every example of a rule: the line before the change is reported, and after it nothing of that rule.

use std::path::Path;

use vigie_audit::files::Files;
use vigie_audit::text::{Example, Texts};
use vigie_audit::{Options, Persona, Report, audit_files};
use vigie_catalog::Catalog;

#[test]
fn every_example_is_reported_before_and_silent_after() {
    let texts = Texts::embedded().expect("the texts load");
    let mut wrong = Vec::new();
    for rule in texts.all() {
        assert!(!rule.examples.is_empty(), "{} has no example", rule.id);
        for (number, example) in rule.examples.iter().enumerate() {
            let before = report(example, &example.before);
            let lines = |report: &Report| -> Vec<u32> {
                let of_rule = report.findings.iter().filter(|one| one.finding.id == rule.id);
                of_rule.filter_map(|one| one.finding.location.as_ref()?.line).collect()
            };
            let all = |report: &Report| -> Vec<String> {
                report
                    .findings
                    .iter()
                    .map(|one| format!("{} {}", one.finding.id, one.finding.location.clone().unwrap_or_default()))
                    .collect()
            };
            if lines(&before) != [example.line] {
                wrong.push(format!(
                    "{} example {number}: before: {:?}, expected line {}",
                    rule.id,
                    all(&before),
                    example.line
                ));
            }
            let after = report(example, &example.after);
            if !lines(&after).is_empty() {
                wrong.push(format!("{} example {number}: after: {:?}", rule.id, all(&after)));
            }
            for report in [before, after] {
                wrong.extend(
                    report
                        .problems
                        .iter()
                        .map(|(problem, _)| format!("{} example {number}: {problem}", rule.id)),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn report(example: &Example, text: &str) -> Report {
    let mut files = Files::default();
    files.add(Path::new(&example.file), text);
    for (path, text) in &example.with {
        files.add(Path::new(path), text);
    }
    let options = Options {
        persona: Persona::Auditor,
        ..Options::default()
    };
    audit_files(&files, &options, &Catalog::embedded()).expect("an audit")
}

#[test]
fn every_rule_that_a_setting_names_has_a_text() {
    let texts = Texts::embedded().expect("the texts load");
    let catalog = Catalog::embedded();
    for product in catalog.products() {
        for rule in product.settings.iter().filter_map(|setting| setting.audit.as_deref()) {
            assert!(texts.get(rule).is_some(), "{}: {rule} has no text", product.id);
        }
    }
}
