//! The document of a study: one HTML file, the same as Markdown, as JSON, and a CSV file per table.

mod chart;
mod csv;
mod html;
mod map;
mod markdown;
mod text;

use crate::published::Compared;
use crate::{Lang, Report};

/// A file of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name within the folder.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// Every file of a study's document.
///
/// # Errors
///
/// If the report cannot be written as JSON.
pub fn files(report: &Report, compared: &[Compared], lang: Lang) -> Result<Vec<File>, serde_json::Error> {
    let mut files = vec![
        File {
            name: "study.html".to_owned(),
            text: html::page(report, compared, lang),
        },
        File {
            name: "study.md".to_owned(),
            text: markdown::page(report, compared, lang),
        },
        File {
            name: "study.json".to_owned(),
            text: serde_json::to_string_pretty(report)? + "\n",
        },
    ];
    files.extend(report.entries.iter().map(|entry| File {
        name: format!("tables/{}.csv", entry.question.id),
        text: csv::table(&entry.all.rows),
    }));
    Ok(files)
}

pub use markdown::{comparison, known};
pub use text::{Cells, cells, word};
