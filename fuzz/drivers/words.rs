//! Any text as targets, ports, opt-out list and scope file.

use vigie_model::Timestamp;
use vigie_scope::{OptOutList, Ports, ScopeFile, Targets};

/// Parses it as each.
pub(crate) fn drive(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = Targets::parse_lines(&text);
    let _ = text.parse::<Ports>();
    let _ = OptOutList::parse("list", &text);
    let _ = ScopeFile::parse(&text, Timestamp::UNIX_EPOCH);
}
