//! The formats: splitting each tool's text into records, and parsing them.

mod censys;
pub(crate) mod fofa;
mod httpx;
mod masscan;
pub(crate) mod naabu;
pub(crate) mod nmap;
mod nuclei;
mod shadowserver;
mod shodan;
mod vigie;
mod zgrab2;
mod zmap;

use crate::bad::Fault;
use crate::format::Format;
use crate::frame::{CsvFrames, Frames, GrepFrames, JsonFrames, LineFrames, MarkupFrames, is_empty_list, may_be_json};
use crate::gateway_log;
use crate::out::Out;

/// Reads one record of a format.
///
/// # Errors
///
/// Why the record, or the rest of it, is bad.
pub(crate) fn parse(format: Format, bytes: &[u8], out: &mut Out<'_>) -> Result<(), Fault> {
    match format {
        Format::Shodan => shodan::parse(bytes, out)?,
        Format::Censys => censys::parse(bytes, out)?,
        Format::Zmap => zmap::parse(bytes, out)?,
        Format::Zgrab2 => zgrab2::parse(bytes, out)?,
        Format::Masscan => masscan::parse(bytes, out)?,
        Format::Nmap if bytes.trim_ascii_start().starts_with(b"<") => nmap::parse(bytes, out)?,
        Format::Nmap => nmap::text::parse(bytes, out)?,
        Format::Nuclei => nuclei::parse(bytes, out)?,
        Format::Fofa => fofa::parse(bytes, out)?,
        Format::Naabu => naabu::parse(bytes, out)?,
        Format::Httpx => httpx::parse(bytes, out)?,
        Format::Shadowserver => shadowserver::parse(bytes, out)?,
        Format::Vigie => vigie::parse(bytes, out)?,
        Format::VigieGuard => gateway_log::parse(bytes, out)?,
    }
    Ok(())
}

/// The splitter into records for a text of a format, chosen by its first bytes.
pub(crate) fn frames(format: Format, head: &[u8]) -> Frames {
    let first = head.iter().copied().find(|byte| !byte.is_ascii_whitespace());
    let json = may_be_json(head);
    if is_empty_list(head) {
        return Frames::Json(JsonFrames::new(head, &[]));
    }
    match format {
        Format::Vigie | Format::VigieGuard => Frames::Lines(LineFrames::default()),
        Format::Shodan => Frames::Json(JsonFrames::new(head, shodan::PATHS)),
        Format::Censys => Frames::Json(JsonFrames::new(head, censys::PATHS)),
        Format::Zgrab2 | Format::Httpx => Frames::Json(JsonFrames::new(head, &[])),
        Format::Nuclei => Frames::Json(JsonFrames::new(head, &[])),
        Format::Fofa if json => Frames::Json(JsonFrames::new(head, fofa::PATHS)),
        Format::Fofa => Frames::Csv(CsvFrames::default()),
        Format::Nmap if nmap::text::is_greppable(head) => Frames::Grep(GrepFrames::default()),
        Format::Nmap => Frames::Markup(MarkupFrames::new(head)),
        Format::Shadowserver => Frames::Csv(CsvFrames::default()),
        _ if json => Frames::Json(JsonFrames::new(head, &[])),
        Format::Masscan if first == Some(b'<') => Frames::Markup(MarkupFrames::new(head)),
        // A comment before the records describes the run.
        Format::Masscan if head.trim_ascii_start().starts_with(b"# Masscan ") => Frames::Grep(GrepFrames::default()),
        Format::Zmap if zmap::has_header(head) => Frames::Csv(CsvFrames::default()),
        Format::Naabu if naabu::has_header(head) => Frames::Csv(CsvFrames::default()),
        Format::Zmap | Format::Naabu | Format::Masscan => Frames::Lines(LineFrames::default()),
    }
}
