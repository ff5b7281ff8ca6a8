//! The rules: one file each, named by the finding's id, with its id, its kind and its check.
//!
//! The texts and the references to standards are in `catalog/findings/<id>.yaml`, and each rule has a section in `docs/src/findings.md`.

mod draft;

mod advisories_not_covered;
mod credentials_readable;
mod data_readable;
mod empty_server_fillable;
mod first_visitor_admin;
mod loopback_only;
mod management_reachable;
mod metrics_readable;
mod models_readable;
mod open_application;
mod open_inference;
mod open_signup;
mod paid_quota_exposed;
mod partial_key;
mod plain_http;
mod prompts_readable;
mod settings_readable;
mod suspected_deception;
mod system_prompt_readable;
mod tools_without_authentication;
mod uncensored_model;
mod vulnerable_version;

use std::sync::Arc;

use vigie_catalog::Product;
use vigie_model::{Claim, FindingKind, Severity};

use self::draft::Draft;
use crate::fixes::Fixes;
use crate::input::{AssessmentInput, SubjectClaim};
use crate::texts::Texts;

/// Every rule, in the order of [`vigie_catalog::FINDINGS`].
pub static RULES: [Rule; 22] = [
    open_inference::RULE,
    management_reachable::RULE,
    empty_server_fillable::RULE,
    models_readable::RULE,
    system_prompt_readable::RULE,
    prompts_readable::RULE,
    settings_readable::RULE,
    credentials_readable::RULE,
    data_readable::RULE,
    metrics_readable::RULE,
    partial_key::RULE,
    first_visitor_admin::RULE,
    open_signup::RULE,
    open_application::RULE,
    tools_without_authentication::RULE,
    vulnerable_version::RULE,
    advisories_not_covered::RULE,
    plain_http::RULE,
    uncensored_model::RULE,
    paid_quota_exposed::RULE,
    loopback_only::RULE,
    suspected_deception::RULE,
];

/// The page of the book that has a section for each rule.
const HELP_PAGE: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/src/findings.md");

/// A rule, which makes findings of one id.
#[derive(Debug)]
pub struct Rule {
    /// The id of its findings.
    pub id: &'static str,
    /// The kind of its findings.
    pub kind: FindingKind,
    check: Check,
}

impl Rule {
    /// The address of the rule's section in the book.
    #[must_use]
    pub fn help_url(&self) -> String {
        format!("{HELP_PAGE}#{}", self.id)
    }
}

/// What a rule needs, and how many findings it makes.
#[derive(Debug)]
enum Check {
    /// At most one finding about a recognised product. Its file says how to read the replies, so the confidence is at most that of the
    /// product.
    Product(fn(&AssessmentInput<'_>, &Product) -> Option<Draft>),
    /// The same with several findings, each about another part of the endpoint.
    ProductSubjects(fn(&AssessmentInput<'_>, &Product) -> Vec<Draft>),
    /// At most one finding about an endpoint, whether or not its product was recognised.
    Endpoint(fn(&AssessmentInput<'_>) -> Option<Draft>),
}

impl Check {
    fn run(&self, input: &AssessmentInput<'_>, found: &mut impl FnMut(Draft)) {
        let at_most_product = |mut draft: Draft| {
            if !draft.without_product {
                draft.confidence = draft.confidence.min(input.confidence.product);
            }
            draft
        };
        match (self, input.product) {
            (Self::Product(check), Some(product)) => {
                if let Some(draft) = check(input, product) {
                    found(at_most_product(draft));
                }
            }
            (Self::ProductSubjects(check), Some(product)) => {
                for draft in check(input, product) {
                    found(at_most_product(draft));
                }
            }
            (Self::Product(_) | Self::ProductSubjects(_), None) => {}
            (Self::Endpoint(check), _) => {
                if let Some(draft) = check(input) {
                    found(draft);
                }
            }
        }
    }
}

/// Runs every rule on an input. The claims are in descending order of severity.
pub(crate) fn claims(input: &AssessmentInput<'_>, texts: &Texts, fixes: &Fixes) -> Vec<SubjectClaim> {
    let mut claims: Vec<SubjectClaim> = Vec::new();
    for rule in &RULES {
        rule.check
            .run(input, &mut |draft| claims.extend(claim(rule, draft, input, texts, fixes)));
    }
    claims.sort_by(|a, b| {
        b.claim
            .severity
            .cmp(&a.claim.severity)
            .then_with(|| a.claim.id.cmp(&b.claim.id))
            .then_with(|| a.part.cmp(&b.part))
    });
    claims
}

/// Adds the texts and the fixes to a draft.
fn claim(rule: &Rule, draft: Draft, input: &AssessmentInput<'_>, texts: &Texts, fixes: &Fixes) -> Option<SubjectClaim> {
    let text = texts.get(rule.id)?;
    let mut severity = draft.severity.unwrap_or(text.severity);
    if input.is_loopback_only() {
        // A server bound to loopback is as it should be, so this is only information. A vulnerable version should still be upgraded.
        severity = severity.min(match rule.kind {
            FindingKind::Vulnerable => Severity::Low,
            _ => Severity::Info,
        });
    }
    let own_remedy = input.product.and_then(|product| product.remedies.get(rule.id));
    let case = draft.case.and_then(|case| text.cases.get(case));
    let claim = Claim {
        id: rule.id.to_owned(),
        severity,
        confidence: draft.confidence,
        evidence: draft.evidence,
        title: case.and_then(|case| case.title.as_ref()).unwrap_or(&text.title).clone(),
        detail: draft.detail + case.map_or(&text.why, |case| &case.why),
        remedy: own_remedy.unwrap_or(&text.remedy).clone(),
        fixes: fixes.of(rule.id),
        standards: text.standards.clone(),
        advisories: draft.advisories,
    };
    Some(SubjectClaim {
        part: draft.part,
        claim: Arc::new(claim),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn ids() -> BTreeSet<String> {
        RULES.iter().map(|rule| rule.id.to_owned()).collect()
    }

    #[test]
    fn the_rules_are_the_findings_that_product_files_may_name() {
        assert_eq!(RULES.each_ref().map(|rule| rule.id), vigie_catalog::FINDINGS);
        assert_eq!(ids().len(), RULES.len(), "an id is used twice");
    }

    #[test]
    fn each_rule_has_a_file_of_its_own() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rules");
        let files: BTreeSet<String> = std::fs::read_dir(folder)
            .expect("the folder of the rules")
            .map(|entry| entry.expect("an entry").path())
            .map(|path| path.file_stem().expect("a name").to_string_lossy().replace('_', "-"))
            .filter(|stem| stem != "mod" && stem != "draft")
            .collect();
        assert_eq!(files, ids());
    }

    #[test]
    fn each_rule_has_texts() {
        let texts = Texts::embedded().expect("the embedded texts load");
        let described: BTreeSet<String> = texts.all().map(|text| text.id.clone()).collect();
        assert_eq!(described, ids());
    }

    #[test]
    fn the_book_has_the_texts_of_each_rule() {
        let book = include_str!("../../../../docs/src/findings.md");
        let texts = Texts::embedded().expect("the embedded texts load");
        for text in texts.all() {
            let (id, severity, title) = (&text.id, text.severity, text.title.trim());
            let row = format!("| [`{id}`](#{id}) | {severity} | {title} |\n");
            assert!(book.contains(&row), "{id}: no row {row}");
            let (_, section) = book.split_once(&format!("\n## {id}\n")).expect("a section");
            let section = section.split("\n## ").next().unwrap_or_default();
            for part in [
                format!("*{title}* ({severity}). {}", text.why.trim()),
                format!("**What to do:** {}", text.remedy.trim()),
            ] {
                assert!(section.contains(&part), "{id}: not in its section: {part}");
            }
        }
    }

    #[test]
    fn the_help_url_of_each_rule_is_a_section_of_the_book() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let page = HELP_PAGE.split_once("/blob/main/").expect("a page of the repository").1;
        let text = std::fs::read_to_string(root.join(page)).expect("the page");
        let sections: BTreeSet<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("## "))
            .map(str::to_owned)
            .collect();
        assert_eq!(sections, ids());
        for rule in &RULES {
            let (_, anchor) = rule
                .help_url()
                .split_once('#')
                .map(|(a, b)| (a.to_owned(), b.to_owned()))
                .expect("an anchor");
            assert!(sections.contains(&anchor), "{anchor}");
        }
    }
}
