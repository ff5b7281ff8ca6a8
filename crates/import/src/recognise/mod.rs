//! Recognising the tool that wrote a text by what only that tool writes. If several could have written it, all are named and none is chosen.

mod json;
mod lines;

use json::of_json;
use lines::of_lines;

use crate::format::Format;
use crate::frame::{is_empty_list, without_status};

/// The tool that wrote a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// Exactly this tool.
    One(Format),
    /// One of these, or an unknown tool: nothing in the text distinguishes them.
    Several(Vec<Format>),
    /// An unknown tool.
    Unknown,
}

/// The formats that a text fits.
#[derive(Default)]
struct Found {
    /// The text has marks that only this tool writes.
    own: Vec<Format>,
    /// The format could be read from the text, but other tools write such texts too.
    may: Vec<Format>,
}

impl Found {
    fn own(format: Format) -> Self {
        Self {
            own: vec![format],
            may: Vec::new(),
        }
    }

    fn may(format: Format) -> Self {
        Self {
            own: Vec::new(),
            may: vec![format],
        }
    }

    fn add(&mut self, format: Format, own: bool, may: bool) {
        if own {
            self.own.push(format);
        } else if may {
            self.may.push(format);
        }
    }

    /// The author. That a format can be read proves nothing, even if it is the only one.
    fn author(self, name: Option<&str>) -> Author {
        match self.own.as_slice() {
            [one] => return Author::One(*one),
            [] if self.may.is_empty() => return Author::Unknown,
            _ => {}
        }
        let all = if self.own.is_empty() { self.may } else { self.own };
        let name = name.map(file_name).unwrap_or_default();
        let mut named = all.iter().filter(|format| name.contains(format.word()));
        match (named.next(), named.next()) {
            (Some(one), None) => Author::One(*one),
            _ => Author::Several(all),
        }
    }
}

/// Recognises the author from the first bytes of an unpacked text. The file's name decides between several, or if there are no bytes.
pub(crate) fn author(head: &[u8], name: Option<&str>) -> Author {
    let head = head.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(head);
    let found = match head.iter().copied().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => of_json(head),
        Some(b'<') => of_markup(head),
        Some(_) => of_lines(head),
        None => Found::default(),
    };
    let author = found.author(name);
    if author == Author::Unknown
        && let Some(format) = name.and_then(|name| of_name(head, name))
    {
        return Author::One(format);
    }
    author
}

impl Format {
    /// Recognises a format from the first bytes of a text (unpacked), by what only its tool writes. `None` where another could have written it as
    /// well: the file's name decides only between those, or where there are no bytes.
    #[must_use]
    pub fn recognise(head: &[u8], file_name: Option<&str>) -> Option<Self> {
        match author(head, file_name) {
            Author::One(format) => Some(format),
            Author::Several(_) | Author::Unknown => None,
        }
    }
}

fn contains(head: &[u8], what: &str) -> bool {
    memchr::memmem::find(head, what.as_bytes()).is_some()
}

fn of_markup(head: &[u8]) -> Found {
    let head = without_status(head);
    let Some(start) = memchr::memmem::find(&head, b"<nmaprun") else {
        // A file that ends early may hold nothing else.
        let nmap = contains(&head, "<!DOCTYPE nmaprun");
        return if nmap { Found::own(Format::Nmap) } else { Found::default() };
    };
    let tag = head[start..].split(|byte| *byte == b'>').next().unwrap_or_default();
    if contains(tag, "scanner=\"masscan\"") {
        Found::own(Format::Masscan)
    } else if contains(tag, "scanner=\"nmap\"") || !contains(tag, "scanner=") {
        Found::own(Format::Nmap)
    } else {
        Found::may(Format::Nmap)
    }
}

/// The last part of a path, in lower case.
fn file_name(name: &str) -> String {
    name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase()
}

/// The format by the file's name, for a file that is empty or holds only comments.
fn of_name(head: &[u8], name: &str) -> Option<Format> {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    if lines.any(|line| !line.is_empty() && !line.starts_with(b"#")) && !is_empty_list(head) {
        return None;
    }
    let name = file_name(name);
    let dated = name.len() > 11 && name.is_char_boundary(10) && name[..10].bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if dated && name.contains(".csv") {
        return Some(Format::Shadowserver);
    }
    let named = Format::ALL.into_iter().filter(|format| name.contains(format.word()));
    // One format's word may begin with another's.
    named.max_by_key(|format| format.word().len())
}
