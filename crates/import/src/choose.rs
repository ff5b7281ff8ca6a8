//! Choosing the format of a text.

use std::io;

use crate::bad;
use crate::format::Format;
use crate::frame::is_empty_list;
use crate::recognise::{Author, author};
use crate::refuse;

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The first bytes could not be read.
    #[error("cannot read the first bytes: {0}")]
    Read(#[from] io::Error),
    /// There are no bytes, and no format was given.
    #[error("it is empty: there is nothing to import")]
    Empty,
    /// No format was given, and an empty list fits several.
    #[error("it is an empty list without a record; if the tool found something, check whether it ended without an error")]
    EmptyList,
    /// No format was given, and the first bytes fit none.
    #[error("not recognised as the output of a tool that vigie reads; name its format with --from ({words}); it begins with {begins}", words = Format::words())]
    NotRecognised {
        /// Its beginning, escaped.
        begins: String,
    },
    /// No format was given, and several tools could have written it.
    #[error(
        "several tools write such a file, and nothing in it shows which; name the format with --from ({candidates}); it begins with {begins}"
    )]
    Ambiguous {
        /// The formats that could read it, and what else to do.
        candidates: String,
        /// Its beginning, escaped.
        begins: String,
    },
    /// The file is of a kind that is not supported.
    #[error("not read: {why}")]
    Refused {
        /// What it is, and what to export in its place.
        why: &'static str,
    },
}

/// The format of a text: the caller's choice, else the one tool that writes such a text.
pub(crate) fn chosen(head: &[u8], said: Option<Format>, name: Option<&str>) -> Result<Format, ImportError> {
    if let Some(refusal) = refuse::packed(head) {
        return Err(ImportError::Refused { why: refusal.why });
    }
    if let Some(format) = said {
        // Unsupported output of nmap is reported line by line.
        let sure = refuse::hint(head).filter(|refusal| refusal.of == said && format != Format::Nmap);
        let fits = matches!(author(head, None), Author::One(found) if found == format);
        return match sure {
            Some(refusal) if !fits => Err(ImportError::Refused { why: refusal.why }),
            _ => Ok(format),
        };
    }
    let begins = || bad::quote(head.split(|byte| *byte == b'\n').next().unwrap_or_default());
    match author(head, name) {
        Author::One(format) => Ok(format),
        _ if head.trim_ascii().is_empty() => Err(ImportError::Empty),
        _ if is_empty_list(head) => Err(ImportError::EmptyList),
        found => match (refuse::hint(head), found) {
            (Some(refusal), _) => Err(ImportError::Refused { why: refusal.why }),
            (None, Author::Several(formats)) => Err(ImportError::Ambiguous {
                candidates: candidates(&formats),
                begins: begins(),
            }),
            (None, _) => Err(ImportError::NotRecognised { begins: begins() }),
        },
    }
}

/// The formats that fit a text, with the exports that would be recognised.
fn candidates(formats: &[Format]) -> String {
    let words: Vec<&str> = formats.iter().map(|format| format.word()).collect();
    let better: Vec<&str> = formats
        .iter()
        .filter_map(|format| match format {
            Format::Naabu => Some("naabu's -json"),
            Format::Zmap => Some("zmap's -O csv with its fields"),
            Format::Fofa => Some("FOFA's export with lastupdatetime"),
            _ => None,
        })
        .collect();
    let mut text = words.join(", ");
    if !better.is_empty() {
        text.push_str("; ");
        text.push_str(&better.join(", "));
        text.push_str(if better.len() == 1 {
            " says it by itself"
        } else {
            " say it by themselves"
        });
    }
    text
}
