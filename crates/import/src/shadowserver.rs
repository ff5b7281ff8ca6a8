//! Shadowserver's reports: CSV whose columns stand in any order. Every scan report with `ip` and `port` is read; the columns of the
//! HTTP ones carry status and headers, none carries a body.

use vigie_model::{Known, Reply};

use crate::frame::split_row;
use crate::http;
use crate::make::{Carries, Claim, Sight, tagged};
use crate::naabu::name;
use crate::out::{Out, address, is_tcp, port};
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
    // Some reports are of TCP alone, and have no such column.
    if let Some(protocol) = cell("protocol")
        && !is_tcp(protocol)?
    {
        out.not_tcp();
        return Ok(());
    }
    let port = port(cell("port").ok_or("it says no port")?)?;
    let seen = time::said(cell("timestamp"), time::instant)?;
    let status = cell("http_code")
        .and_then(|text| text.parse::<u16>().ok())
        .filter(|status| (100..600).contains(status));
    let carries = if status.is_some() { Carries::Replies } else { Carries::Port };
    let mut sight = Sight::at(address, port, seen, carries);
    sight.asn = cell("asn").and_then(|text| text.trim_start_matches("AS").parse().ok());
    sight.country = cell("geo").map(str::to_owned);
    sight.city = cell("city").map(str::to_owned);
    // `hostname` is what a reverse look-up says, unless the source of the name says that it was asked for.
    if matches!(cell("hostname_source"), Some("sni" | "host" | "url")) {
        sight.name = name(cell("hostname").map(str::to_owned));
    }
    let tags: Vec<&str> = cell("tag").unwrap_or_default().split([';', ',']).map(str::trim).collect();
    let speech = cell("http").unwrap_or_default().to_ascii_lowercase();
    if speech == "https" || tags.iter().any(|tag| matches!(*tag, "ssl" | "tls" | "https")) {
        sight.tls = Known::Known(true);
    } else if speech == "http" {
        sight.tls = Known::Known(false);
    }
    if let Some(tag) = tags.iter().find(|tag| tag.eq_ignore_ascii_case("honeypot")) {
        sight
            .tells
            .push(tagged("source-tag-honeypot", format!("shadowserver tags it {tag:?}")));
    }
    let named = tags.iter().filter(|tag| !tag.is_empty());
    sight.claims.extend(named.map(|tag| Claim {
        product: (*tag).to_owned(),
        version: None,
        place: "tag",
    }));
    if let Some(status) = status {
        let mut reply: Reply = http::bare(status);
        if let Some(version) = cell("http").filter(|text| http::is_version(text)) {
            version.clone_into(&mut reply.version);
        }
        for (column, header) in HEADERS {
            if let Some(value) = cell(column) {
                http::header(&mut reply, header, value);
            }
        }
        http::without_body(&mut reply, cell("html_title").or_else(|| cell("title")));
        sight.exchanges.push(http::get("/", reply, seen.unwrap_or_default()));
    }
    out.sight(sight);
    Ok(())
}
