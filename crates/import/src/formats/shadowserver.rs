//! Shadowserver's reports: CSV with columns in any order. Every scan report with `ip` and `port` is read; the columns of the
//! HTTP ones carry status and headers, none carries a body.

use vigie_model::Known;

use crate::endpoint::{address, host_name, is_tcp, port};
use crate::frame::split_row;
use crate::http;
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation, tagged};
use crate::time;

/// Columns that hold a header of the reply.
const HEADERS: [(&str, &str); 8] = [
    ("content_type", "content-type"),
    ("connection", "connection"),
    ("www_authenticate", "www-authenticate"),
    ("set_cookie", "set-cookie"),
    ("server", "server"),
    ("content_length", "content-length"),
    ("transfer_encoding", "transfer-encoding"),
    ("http_date", "date"),
];

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let columns = &out.head.columns;
    let cells = split_row(bytes);
    if cells.len() != columns.len() {
        return Err(format!("{} cells under {} columns", cells.len(), columns.len()));
    }
    let cell = |name: &str| {
        let at = columns.iter().position(|column| column == name)?;
        cells.get(at).map(|cell| cell.trim()).filter(|cell| !cell.is_empty())
    };
    let address = address(cell("ip"))?;
    // Reports of TCP only lack this column.
    if let Some(protocol) = cell("protocol")
        && !is_tcp(protocol)?
    {
        out.not_tcp();
        return Ok(());
    }
    let port = port(cell("port").ok_or("it has no port")?)?;
    let seen = time::said(cell("timestamp"), time::instant)?;
    let status = cell("http_code")
        .and_then(|text| text.parse::<u16>().ok())
        .filter(|status| (100..600).contains(status));
    let carries = if status.is_some() { Carries::Replies } else { Carries::Port };
    let mut observed = RawObservation::at(address, port, seen, carries);
    observed.asn = cell("asn").and_then(|text| text.trim_start_matches("AS").parse().ok());
    observed.country = cell("geo").map(str::to_owned);
    observed.city = cell("city").map(str::to_owned);
    // `hostname` is from a reverse lookup, unless the source of the name says otherwise.
    if matches!(cell("hostname_source"), Some("sni" | "host" | "url")) {
        observed.name = host_name(cell("hostname").map(str::to_owned));
    }
    let tags: Vec<&str> = cell("tag").unwrap_or_default().split([';', ',']).map(str::trim).collect();
    let speech = cell("http").unwrap_or_default().to_ascii_lowercase();
    if speech == "https" || tags.iter().any(|tag| matches!(*tag, "ssl" | "tls" | "https")) {
        observed.tls = Known::Known(true);
    } else if speech == "http" {
        observed.tls = Known::Known(false);
    }
    if let Some(tag) = tags.iter().find(|tag| tag.eq_ignore_ascii_case("honeypot")) {
        observed
            .tells
            .push(tagged("source-tag-honeypot", format!("shadowserver tags it {tag:?}")));
    }
    let named = tags.iter().filter(|tag| !tag.is_empty());
    observed.claims.extend(named.map(|tag| Claim {
        product: (*tag).to_owned(),
        version: None,
        place: "tag",
    }));
    if let Some(status) = status {
        let headers = HEADERS
            .iter()
            .filter_map(|(column, header)| Some(((*header).to_owned(), cell(column)?.to_owned())));
        let mut reply = http::head(status, cell("http"), headers);
        http::without_body(&mut reply, cell("html_title").or_else(|| cell("title")));
        observed.exchanges.push(http::get("/", reply, seen.unwrap_or_default()));
    }
    out.add(observed);
    Ok(())
}
