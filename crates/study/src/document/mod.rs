//! The document of a study: HTML, Markdown, JSON, and a CSV file per question.

mod chart;
mod csv;
mod html;
mod map;
mod markdown;
mod text;

use crate::published::Compared;
use crate::{Lang, StudyReport};

/// A file of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The path within the document's folder.
    pub name: String,
    /// The content.
    pub text: String,
}

/// Every file of a study's document.
///
/// # Errors
///
/// A report that cannot be serialised as JSON.
pub fn files(report: &StudyReport, compared: &[Compared], lang: Lang) -> Result<Vec<File>, serde_json::Error> {
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
