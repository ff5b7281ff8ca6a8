//! `vigie advisory PRODUCT[@VERSION]`: the advisories on a product or version, without a scan.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use vigie_export::grid::Column;
use vigie_model::{AdvisoryCoverage, AdvisoryVerdict, Known, Verdict, VersionOrder, Why};
use vigie_run::Failure;

use crate::args::TableOrJson;
use crate::failure::{Done, written};

/// The sort keys of advisories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AdvisorySort {
    /// Exploited, affected, unknown, not affected; within each the worst severity first.
    Verdict,
    /// The worst severity first.
    Severity,
    /// By id, with numbers in numeric order.
    Id,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AdvisoryArgs {
    /// A product of the catalogue, with or without a version: ollama, ollama@0.1.33, llama-cpp@b8491.
    pub(crate) product: String,
    /// Sort by this key: exploited and affected ones first, the worst severity first, or the id.
    #[arg(long, value_name = "KEY", default_value = "verdict")]
    pub(crate) sort: AdvisorySort,
    /// Table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    product: &'a str,
    version: &'a Known<String>,
    catalog: &'a str,
    advisories_date: String,
    /// Absent for an interface, which is not a product.
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<AdvisoryCoverage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    searched: Option<String>,
    verdicts: &'a [AdvisoryVerdict],
}

pub(crate) fn run(args: &AdvisoryArgs) -> Done {
    let knowledge = vigie_run::knowledge::knowledge(args.catalog.as_deref())?;
    let (id, version) = match args.product.split_once('@') {
        Some((id, version)) if !version.trim().is_empty() => (id, Known::Known(version.trim().to_owned())),
        Some((id, _)) => (id, Known::unknown(Why::NotAsked)),
        None => (args.product.as_str(), Known::unknown(Why::NotAsked)),
    };
    let product = knowledge
        .catalog
        .product(id)
        .ok_or_else(|| Failure::usage(format!("unknown product {id:?}; vigie catalog list shows all")))?;
    let mut verdicts = knowledge.verdicts(&product.id, &version).to_vec();
    match args.sort {
        // They are in this order already.
        AdvisorySort::Verdict => {}
        AdvisorySort::Severity => verdicts.sort_by_key(|verdict| std::cmp::Reverse(verdict.severity)),
        AdvisorySort::Id => verdicts.sort_by_cached_key(|verdict| numbered(&verdict.id)),
    }
    let coverage = knowledge.coverage(&product.id);
    let searched = knowledge.advisories.searched(&product.id).map(|date| date.to_string());
    let date = knowledge.advisories.date().to_string();
    let mut out = anstream::stdout().lock();
    match args.format {
        TableOrJson::Json => {
            let document = Document {
                schema: "vigie.advisory/1",
                product: &product.id,
                version: &version,
                catalog: knowledge.catalog.hash(),
                advisories_date: date,
                coverage: (!product.family).then_some(coverage),
                searched,
                verdicts: &verdicts,
            };
            let text = serde_json::to_string_pretty(&document).map_err(Failure::output)?;
            written(writeln!(out, "{text}"))?;
        }
        TableOrJson::Table => {
            let version_text = version.known().map_or_else(String::new, |version| format!(" {version}"));
            if verdicts.is_empty() {
                let why = match (product.versions, coverage) {
                    _ if product.family => {
                        "an interface that many products speak; advisories are about products, so none applies to it".to_owned()
                    }
                    (VersionOrder::Author, _) => {
                        "advisories: not covered; its version is chosen by the author of the server and cannot be compared with any advisory".to_owned()
                    }
                    (_, AdvisoryCoverage::NotCovered) => format!(
                        "advisories: not covered for {id}; vigie has no advisories for this product, so whether any applies is unknown (advisories of {date})"
                    ),
                    (_, AdvisoryCoverage::NoneFound) => format!(
                        "no known advisories: a search on {} found none",
                        searched.as_deref().unwrap_or(&date)
                    ),
                    (_, AdvisoryCoverage::Listed) => format!("no advisories: all that listed it were rejected (advisories of {date})"),
                };
                written(writeln!(out, "{}{version_text}: {why}.", product.name))?;
                return Ok(ExitCode::SUCCESS);
            }
            let rows: Vec<Vec<String>> = verdicts
                .iter()
                .map(|verdict| {
                    let mut marks = Vec::new();
                    if verdict.exploited {
                        marks.push("exploited");
                    }
                    if verdict.disputed {
                        marks.push("disputed");
                    }
                    vec![
                        verdict.id.clone(),
                        verdict.verdict.to_string(),
                        verdict.severity.to_string(),
                        marks.join(", "),
                        verdict.why.clone(),
                    ]
                })
                .collect();
            let heads = [
                Column::Token("advisory"),
                Column::Token("verdict"),
                Column::Token("severity"),
                Column::Text("mark"),
                Column::Text("why"),
            ];
            let grid = vigie_export::grid::grid(&heads, &rows, crate::terminal::width());
            let count = |wanted: Verdict| verdicts.iter().filter(|v| v.verdict == wanted).count();
            written(writeln!(
                out,
                "{grid}\n{}{version_text}: {} affected, {} unknown, {} not affected; advisories of {date}.",
                product.name,
                count(Verdict::Affected),
                count(Verdict::Unknown),
                count(Verdict::NotAffected)
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The parts of an id, with numbers parsed: CVE-2024-9999 comes before CVE-2024-10000.
fn numbered(id: &str) -> Vec<(u64, String)> {
    let part = |part: &str| match part.parse() {
        Ok(number) => (number, String::new()),
        Err(_) => (0, part.to_owned()),
    };
    id.split('-').map(part).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn ids_sort_by_their_numbers() {
        let mut ids = ["GHSA-2222-3333-4444", "CVE-2024-10000", "CVE-2024-9999", "CVE-2023-20000"];
        ids.sort_by_cached_key(|id| super::numbered(id));
        assert_eq!(ids, ["CVE-2023-20000", "CVE-2024-9999", "CVE-2024-10000", "GHSA-2222-3333-4444"]);
    }
}
