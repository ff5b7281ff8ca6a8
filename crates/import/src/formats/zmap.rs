//! zmap: addresses alone (its default), addresses with ports (its default for several), CSV with a header, JSON lines. Carries only that a port answered a SYN.

use serde::Deserialize;
use vigie_model::Timestamp;

use crate::bad::Fault;
use crate::endpoint::{address, port};
use crate::frame::split_row;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, RawObservation};
use crate::time;

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    saddr: Raw<'a>,
    #[serde(borrow, default)]
    sport: Raw<'a>,
    #[serde(borrow, default)]
    classification: Raw<'a>,
    #[serde(borrow, default)]
    success: Raw<'a>,
    #[serde(borrow, default, rename = "timestamp-ts", alias = "timestamp_ts")]
    seconds: Raw<'a>,
    #[serde(borrow, default, rename = "timestamp-str", alias = "timestamp_str")]
    text: Raw<'a>,
}

/// One answer.
#[derive(Default)]
struct Answer {
    address: Option<String>,
    port: Option<String>,
    classification: Option<String>,
    success: Option<String>,
    seen: Option<Timestamp>,
}

/// Whether the text begins with a header.
pub(crate) fn has_header(head: &[u8]) -> bool {
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    split_row(first).iter().any(|cell| cell.trim() == "saddr")
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), Fault> {
    let answer = if out.head.columns.is_empty() && bytes.trim_ascii_start().starts_with(b"{") {
        let line: Line<'_> = json::read(bytes)?;
        let owned = |raw: Raw<'_>| raw.scalar().map(|text| text.into_owned());
        Answer {
            address: owned(line.saddr),
            port: line.sport.said()?.map(|text| text.into_owned()),
            classification: owned(line.classification),
            success: line.success.word_of_any(),
            seen: if line.seconds.is_some() { line.seconds } else { line.text }.time_said(time::either)?,
        }
    } else if out.head.columns.is_empty() {
        let text = String::from_utf8_lossy(bytes);
        if text.trim_start().starts_with('#') {
            return Ok(());
        }
        // With several ports it writes the port after the address.
        let (address, port) = match text.split_once(',') {
            Some((address, port)) => (address, Some(port.to_owned())),
            None => (text.as_ref(), None),
        };
        Answer {
            address: Some(address.to_owned()),
            port,
            ..Answer::default()
        }
    } else {
        row(&split_row(bytes), &out.head.columns)?
    };
    match answer.success.as_deref().map(str::trim) {
        None | Some("" | "1") => {}
        Some("0") => {
            out.not_open();
            return Ok(());
        }
        Some(word) if word.eq_ignore_ascii_case("true") => {}
        Some(word) if word.eq_ignore_ascii_case("false") => {
            out.not_open();
            return Ok(());
        }
        Some(other) => return Err(format!("success is {other:?}, which is neither 1 nor 0").into()),
    }
    match answer.classification.as_deref().map(str::trim) {
        None | Some("" | "synack") => {}
        Some("rst") => {
            out.not_open();
            return Ok(());
        }
        // All other probes are UDP or ICMP, with their own classifications: `udp`, `dns`, `ntp`, `echoreply` …
        Some(_) => {
            out.not_tcp();
            return Ok(());
        }
    }
    let address = address(answer.address.as_deref())?;
    let port = match answer.port {
        Some(text) => port(&text)?,
        None => out.maker.options.default_port.ok_or_else(Fault::missing_port)?,
    };
    out.add(RawObservation::at(address, port, answer.seen, Carries::Port));
    Ok(())
}

fn row(cells: &[String], columns: &[String]) -> Result<Answer, String> {
    if cells.len() != columns.len() {
        return Err(format!("{} cells under {} columns", cells.len(), columns.len()));
    }
    let cell = |names: &[&str]| {
        let at = columns.iter().position(|column| names.contains(&column.as_str()))?;
        cells.get(at).filter(|cell| !cell.trim().is_empty()).cloned()
    };
    Ok(Answer {
        address: cell(&["saddr"]),
        port: cell(&["sport"]),
        classification: cell(&["classification"]),
        success: cell(&["success"]),
        seen: time::said(
            cell(&["timestamp-ts", "timestamp_ts"])
                .or_else(|| cell(&["timestamp-str", "timestamp_str"]))
                .as_deref(),
            time::either,
        )?,
    })
}
