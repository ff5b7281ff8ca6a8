//! The collector: how it is reached, and what it answers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde_json::{Map, Value};
use tokio_rustls::TlsConnector;
use vigie_http::headers;

use crate::config::{Config, TelemetryConfig};
use crate::proxy::{Forwarded, Target, Upstream, connector};

/// How long sending may take, with the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of an answer so much is read.
const MOST: usize = 64 * 1024;
/// The longest wait that a collector can ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Header lines, at most, and their size.
const HEADERS: (usize, usize) = (32, 16 * 1024);

/// How a collector is reached.
#[derive(Clone)]
pub(crate) struct Collector {
    target: Target,
    authority: String,
    /// The path before `/v1/`; it may be as secret as a header.
    path: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Header lines for it, each with its end. They are secrets.
    lines: String,
    /// The files that say how.
    files: Vec<PathBuf>,
}

impl std::fmt::Debug for Collector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collector({})", self.authority)
    }
}

/// Why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// It may be taken later, not before so long.
    Later(String, Option<Duration>),
    /// It will not be taken.
    Never(String),
}

impl Collector {
    /// Reads how a collector is reached, with the files that the configuration names.
    ///
    /// # Errors
    ///
    /// What is wrong, with its file.
    pub(crate) fn read(dir: &Path, config: &TelemetryConfig) -> Result<Self, String> {
        let (place, path) = config.place().ok_or("the endpoint of [telemetry] is no URL of a collector")?;
        let mut files = Vec::new();
        let mut named = |file: &Option<PathBuf>| {
            let path = file.as_ref().map(|file| Config::beside(dir, file))?;
            files.push(path.clone());
            Some(path)
        };
        let (authorities, headers) = (named(&config.ca), named(&config.headers));
        let tls = match place.tls {
            false => None,
            true => {
                let name = ServerName::try_from(place.host.clone()).map_err(|_| format!("{:?} is no name of a server", place.host))?;
                Some((connector(authorities.as_deref())?, name))
            }
        };
        let lines = match headers {
            None => String::new(),
            Some(path) => {
                let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                lines(&text).map_err(|(line, why)| format!("{}: line {line}: {why}", path.display()))?
            }
        };
        Ok(Self {
            target: match place.address() {
                Some(address) => Target::Address(address),
                None => Target::Name(place.host.clone(), place.port),
            },
            authority: place.authority,
            path,
            tls,
            lines,
            files,
        })
    }

    /// The files that were read.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// The host and port, for messages.
    pub(super) fn name(&self) -> &str {
        &self.authority
    }

    /// Connections to it.
    pub(super) fn connect(&self) -> Upstream {
        Upstream::new(self.target.clone(), self.authority.clone(), PATIENCE)
            .with(self.tls.clone(), None)
            .with_lines(&self.lines)
    }

    /// Sends metrics or traces. Returns how many of them the collector rejected.
    pub(super) async fn send(&self, connection: &Upstream, signal: &str, body: &[u8]) -> Result<u64, NotTaken> {
        let target = format!("{}/v1/{signal}", self.path);
        let request = Forwarded {
            method: "POST",
            target: &target,
            accept: Some("application/json"),
            traceparent: None,
            body: Some(("application/json", body)),
        };
        match tokio::time::timeout(PATIENCE, exchange(connection, &request)).await {
            Ok(answer) => answer,
            Err(_) => Err(NotTaken::Later("it did not answer in time".to_owned(), None)),
        }
    }
}

async fn exchange(connection: &Upstream, request: &Forwarded<'_>) -> Result<u64, NotTaken> {
    let later = |error: crate::proxy::UpstreamError| NotTaken::Later(error.to_string(), None);
    let mut answer = connection.send(request).await.map_err(later)?;
    let status = answer.head.status;
    let wait = headers::first(&answer.head.headers, "retry-after").and_then(retry_after);
    let mut body = Vec::new();
    while let Some(piece) = answer.piece(PATIENCE).await.map_err(later)? {
        if body.len() + piece.len() > MOST {
            return Err(NotTaken::Never("its answer is too long".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    connection.keep(answer);
    let why = format!("it answers with the status {status}");
    match status {
        200..=299 => rejected(&body).ok_or_else(|| NotTaken::Never("what it answers is not OTLP in JSON".to_owned())),
        // As the specification of OTLP has it.
        429 | 502 | 503 | 504 => Err(NotTaken::Later(why, wait)),
        _ => Err(NotTaken::Never(why)),
    }
}

/// How many spans or points a collector rejected of a request that it took; `None`: that is no answer of a collector.
fn rejected(body: &[u8]) -> Option<u64> {
    if body.is_empty() {
        return Some(0);
    }
    let answer: Map<String, Value> = serde_json::from_slice(body).ok()?;
    let Some(partial) = answer.get("partialSuccess") else {
        return Some(0);
    };
    let count = ["rejectedSpans", "rejectedDataPoints"].iter().find_map(|name| partial.get(name));
    match count {
        None => Some(0),
        // 64-bit numbers are texts in OTLP's JSON.
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64(),
    }
}

/// The wait that a collector asks for: seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    let wait = match value.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = chrono::DateTime::parse_from_rfc2822(value.trim()).ok()?;
            (date.to_utc() - chrono::Utc::now()).to_std().unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

/// The header lines of a file: `NAME: VALUE`, empty lines and those with `#` left out. The error has the number of the line, and not the line.
fn lines(text: &str) -> Result<String, (usize, &'static str)> {
    let mut lines = String::new();
    let mut count = 0;
    for (number, line) in text.lines().enumerate().map(|(number, line)| (number + 1, line.trim())) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once(':').ok_or((number, "it is no NAME: VALUE"))?;
        let (name, value) = (name.trim(), value.trim());
        let is_token = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !is_token || !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err((
                number,
                "a header has a name of letters, digits, - and _, and a value of printable characters",
            ));
        }
        let own = [
            "host",
            "content-type",
            "content-length",
            "transfer-encoding",
            "connection",
            "accept",
        ];
        if own.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            return Err((number, "the gateway sets this header itself"));
        }
        lines.push_str(&format!("{name}: {value}\r\n"));
        count += 1;
        if count > HEADERS.0 || lines.len() > HEADERS.1 {
            return Err((number, "these are too many headers"));
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_a_file() {
        let text = "# for the vendor\n\nAuthorization: Basic abc==\n api-key:  x y \n";
        assert_eq!(lines(text).as_deref(), Ok("Authorization: Basic abc==\r\napi-key: x y\r\n"));
        for (wrong, line) in [
            ("secret", 1),
            ("\n: secret", 2),
            ("a b: c", 1),
            ("a: \u{1}", 1),
            ("Host: evil", 1),
            ("x: 1\ncontent-LENGTH: 5", 2),
        ] {
            assert_eq!(lines(wrong).map_err(|(line, _)| line), Err(line), "{wrong}");
        }
        let many: String = (0..40).map(|number| format!("h{number}: x\n")).collect();
        assert!(lines(&many).is_err());
    }

    #[test]
    fn what_a_collector_answers() {
        for (body, wanted) in [
            ("", Some(0)),
            ("{}", Some(0)),
            ("{\"partialSuccess\":{}}", Some(0)),
            ("{\"partialSuccess\":{\"rejectedSpans\":\"3\",\"errorMessage\":\"x\"}}", Some(3)),
            ("{\"partialSuccess\":{\"rejectedDataPoints\":4}}", Some(4)),
            ("{\"partialSuccess\":{\"rejectedSpans\":\"-1\"}}", None),
            ("<html>", None),
            ("[]", None),
        ] {
            assert_eq!(rejected(body.as_bytes()), wanted, "{body}");
        }
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("99999999"), Some(LONGEST_WAIT));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(retry_after("soon"), None);
    }
}
