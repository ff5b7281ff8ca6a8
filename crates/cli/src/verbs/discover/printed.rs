//! What a discovery prints on standard output: the report, or the queries of a dry run.

use std::io::Write as _;
use std::process::ExitCode;

use vigie_export::grid::Column;
use vigie_export::text::{clean, lines};
use vigie_run::Failure;
use vigie_run::discover::{DiscoverReport, QueryReport, Ready};

use crate::args::TableOrJson;
use crate::failure::{Done, print_json, written};

/// Prints each query and what it can cost. No request is sent, so the number of pages is unknown.
pub(super) fn dry_run(ready: &Ready) -> Done {
    let mut text = String::new();
    let (budget, cost, pages) = (ready.budget(), ready.cost(), ready.pages());
    let bound = u64::from(pages).saturating_mul(cost);
    let queries = &ready.state().queries;
    for query in queries {
        let product = query.product.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        text.push_str(&lines(&format!("{}{product}\n", query.query)));
        text.push_str(&format!(
            "  at most {bound} credits for {pages} pages; beyond them it is split by country and port, which costs more\n"
        ));
    }
    text.push_str(&format!(
        "{} queries, {cost} a page, and never more than {budget} credits in all (--budget). Nothing was sent.\n",
        queries.len()
    ));
    written(anstream::stdout().lock().write_all(text.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the report.
pub(super) fn report(report: &DiscoverReport, format: TableOrJson) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    if format == TableOrJson::Json {
        return print_json(&mut out, report);
    }
    let rows: Vec<Vec<String>> = report.queries.iter().map(row).collect();
    let head = [
        Column::Text("query"),
        Column::Text("status"),
        Column::Token("in all"),
        Column::Token("read"),
        Column::Token("new"),
        Column::Token("duplicates"),
        Column::Token("not reached"),
    ];
    let mut text = vigie_export::grid::grid(&head, &rows, crate::terminal::width());
    text.push('\n');
    for query in &report.queries {
        if let Some(word) = &query.refused {
            text.push_str(&format!("Refused: {}: {}\n", clean(&query.query, 200), clean(word, 200)));
        }
        for note in &query.notes {
            text.push_str(&format!("Note: {}\n", clean(note, 400)));
        }
    }
    text.push_str(&format!(
        "Credits: {} of {}, as counted beforehand.",
        report.credits.spent, report.credits.budget
    ));
    if let Some(account) = report.credits.account {
        text.push_str(&format!(" The account had {account}."));
    }
    text.push('\n');
    if let Some(errors) = &report.errors {
        text.push_str(&format!("Bad records, each with the reason: {}\n", errors.display()));
    }
    if let Some(confirm) = &report.confirm {
        text.push_str(&format!(
            "To be confirmed: {} of {} endpoints; {} are left alone.\n",
            confirm.asked, confirm.found, confirm.left
        ));
        for reason in &confirm.reasons {
            text.push_str(&format!("  {}\n", clean(reason, 400)));
        }
    }
    written(write!(out, "{text}"))
}

fn row(query: &QueryReport) -> Vec<String> {
    let count = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), |count| count.to_string());
    let status = match (&query.refused, query.done) {
        (Some(_), _) => "refused",
        (None, true) => "done",
        (None, false) if query.pages > 0 || query.total.is_some() => "begun",
        (None, false) => "not begun",
    };
    vec![
        clean(&query.query, 60),
        status.to_owned(),
        count(query.total),
        query.records.to_string(),
        query.added.to_string(),
        query.duplicates.to_string(),
        query.missed.to_string(),
    ]
}
