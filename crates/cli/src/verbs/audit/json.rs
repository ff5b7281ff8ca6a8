//! `--format json`: one document, version 1.

use std::io::Write;

use serde::Serialize;
use vigie_audit::Report;
use vigie_model::{Finding, Location};
use vigie_run::Failure;

use crate::failure::print_json;

#[derive(Serialize)]
struct Document<'r> {
    schema: &'static str,
    tool: Tool,
    files: usize,
    workloads: usize,
    products: Vec<&'r str>,
    findings: Vec<&'r Finding>,
    problems: Vec<Problem<'r>>,
}

#[derive(Serialize)]
struct Tool {
    name: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Problem<'r> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<&'r Location>,
    message: &'r str,
}

pub(super) fn write(out: &mut impl Write, report: &Report) -> Result<(), Failure> {
    let document = Document {
        schema: "vigie.audit/1",
        tool: Tool {
            name: "vigie",
            version: env!("CARGO_PKG_VERSION"),
        },
        files: report.files,
        workloads: report.workloads,
        products: report.products.iter().map(String::as_str).collect(),
        findings: report.findings.iter().map(|one| &one.finding).collect(),
        problems: report
            .problems
            .iter()
            .map(|(problem, location)| Problem {
                path: problem.path.display().to_string(),
                location: location.as_ref(),
                message: &problem.message,
            })
            .collect(),
    };
    print_json(out, &document)
}
