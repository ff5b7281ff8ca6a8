//! `tools-without-authentication`: the tools of a server are listed without credentials.

use std::collections::BTreeMap;

use vigie_catalog::Product;
use vigie_model::{FindingKind, Severity, ToolRisk};

use super::draft::Draft;
use super::{Check, Rule};
use crate::comparison::json_word;
use crate::input::AssessmentInput;

pub(super) const RULE: Rule = Rule {
    id: "tools-without-authentication",
    kind: FindingKind::Exposure,
    check: Check::Product(check),
};

fn check(input: &AssessmentInput<'_>, _product: &Product) -> Option<Draft> {
    let mut by_risk: BTreeMap<ToolRisk, Vec<&str>> = BTreeMap::new();
    for tool in input.exposure.tools.known()? {
        let worst = tool.risks.iter().copied().min().unwrap_or(ToolRisk::Other);
        by_risk.entry(worst).or_default().push(&tool.name);
    }
    let severity = match by_risk.keys().next()? {
        ToolRisk::CodeExecution => Severity::Critical,
        ToolRisk::FileAccess | ToolRisk::Database | ToolRisk::Secrets | ToolRisk::Privileged => Severity::High,
        ToolRisk::Network => Severity::Medium,
        ToolRisk::Other => Severity::Low,
    };
    let classes: Vec<String> = by_risk
        .iter()
        .map(|(risk, names)| {
            let some = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 3 { ", …" } else { "" };
            format!("{}: {} ({some}{more})", json_word(risk), names.len())
        })
        .collect();
    Some(Draft::observed(format!("{}. ", classes.join("; "))).severity(severity))
}
