//! vigie's own JSON lines. All values are kept, including time and source.

use std::fmt;

use chrono::NaiveDate;
use memchr::memmem;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use vigie_model::{Advised, Endpoint, Known, Listener, Observation, SCHEMA, ScopeRef, Source, Timestamp};

use crate::json;
use crate::line_cache::{LineCache, LineEnd};
use crate::out::Out;
use crate::time;

/// Where a line is cut: before it is what differs in each observation, after it the contents.
const CUT: &[u8] = b",\"identity\":";

/// The part before the cut.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    schema: String,
    #[serde(deserialize_with = "instant")]
    seen: Timestamp,
    #[serde(deserialize_with = "instant")]
    recorded: Timestamp,
    source: Source,
    scope: ScopeRef,
    endpoint: Endpoint,
    #[serde(default)]
    listener: Option<Listener>,
}

/// Only the schema, to explain a bad line.
#[derive(Deserialize)]
struct Schema<'a> {
    #[serde(borrow)]
    schema: std::borrow::Cow<'a, str>,
}

/// Parses an instant as vigie writes it, ten times faster than RFC 3339 in general; other instants are parsed as that.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    struct Instant;

    impl Visitor<'_> for Instant {
        type Value = Timestamp;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an instant")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
            as_written(text.as_bytes()).map_or_else(|| text.parse().map_err(E::custom), Ok)
        }
    }

    deserializer.deserialize_str(Instant)
}

/// `2026-11-22T08:00:00.123456Z`, with up to nine digits after the point or without any.
fn as_written(text: &[u8]) -> Option<Timestamp> {
    let number = |from: usize, to: usize| {
        text.get(from..to)?.iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let is = |at: usize, sign: u8| text.get(at) == Some(&sign);
    if !(is(4, b'-') && is(7, b'-') && is(10, b'T') && is(13, b':') && is(16, b':') && text.last() == Some(&b'Z')) {
        return None;
    }
    let end = text.len() - 1;
    let nanos = match end {
        19 => 0,
        21..=29 if is(19, b'.') => number(20, end)? * 10_u32.pow(u32::try_from(29 - end).ok()?),
        _ => return None,
    };
    let day = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    Some(
        day.and_hms_nano_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, nanos)?
            .and_utc(),
    )
}

/// Reads a line in two parts, the second from the cache if it is there; `None`: the line must be read as a whole.
///
/// If the part before the cut, with a closing brace, and the part after it, with an opening one, are objects without common keys, then the
/// line is the object with the keys of both.
fn in_two(line: &[u8], cache: &LineCache) -> Option<Observation> {
    let cut = memmem::find(line, CUT)?;
    let (before, after) = (line.get(..cut)?, line.get(cut + 1..)?);
    let mut text = Vec::with_capacity(before.len() + 1);
    text.extend_from_slice(before);
    text.push(b'}');
    // Checking UTF-8 once is faster than checking each string.
    let head: Head = serde_json::from_str(std::str::from_utf8(&text).ok()?).ok()?;
    let said = match cache.get(after) {
        Some(said) => said,
        None => {
            text.clear();
            text.push(b'{');
            text.extend_from_slice(after);
            let mut said: LineEnd = serde_json::from_str(std::str::from_utf8(&text).ok()?).ok()?;
            // The entry is kept for long, and parsed lists have spare capacity.
            if let Known::Known(models) = &mut said.exposure.models {
                models.shrink_to_fit();
            }
            cache.keep(after, said.clone());
            said
        }
    };
    Some(Observation {
        schema: head.schema,
        seen: head.seen,
        recorded: head.recorded,
        source: head.source,
        scope: head.scope,
        endpoint: head.endpoint,
        listener: head.listener,
        identity: said.identity,
        exposure: said.exposure,
        network: said.network,
        deception: said.deception,
        advisories: Advised::as_recorded(said.advisories, said.advisory_coverage),
        findings: said.findings,
    })
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    if let Some(observation) = in_two(bytes, out.cache)
        && observation.schema == SCHEMA
    {
        sound(&observation, out)?;
        out.observation(observation);
        return Ok(());
    }
    // Checking UTF-8 once is faster than checking each string.
    let text = std::str::from_utf8(bytes).map_err(|error| format!("no UTF-8 from byte {} on", error.valid_up_to()))?;
    match serde_json::from_str::<Observation>(text) {
        Ok(observation) if observation.schema == SCHEMA => {
            sound(&observation, out)?;
            out.observation(observation);
            Ok(())
        }
        Ok(observation) => Err(foreign(&observation.schema)),
        Err(error) => Err(match serde_json::from_str::<Schema<'_>>(text) {
            Ok(Schema { schema }) if schema != SCHEMA => foreign(&schema),
            _ => json::plain(&error),
        }),
    }
}

/// Rejects values that no scan of vigie writes, although they fit the schema.
fn sound(observation: &Observation, out: &Out<'_>) -> Result<(), String> {
    let part = |number: f64| (0.0..=1.0).contains(&number);
    if observation.endpoint.port == 0 {
        return Err("0 is not a port".to_owned());
    }
    if !part(observation.identity.confidence) {
        return Err(format!("{} is not a confidence", observation.identity.confidence));
    }
    if let Known::Known(score) = observation.deception.score
        && !part(score)
    {
        return Err(format!("{score} is not a deception score"));
    }
    if let Known::Known(country) = &observation.network.country
        && !(country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()))
    {
        return Err(format!("{country:?} is not a country code"));
    }
    time::not_yet(observation.seen, out.maker.options.recorded)
}

fn foreign(schema: &str) -> String {
    let number = |schema: &str| {
        schema
            .strip_prefix("vigie.observation/")
            .and_then(|number| number.parse::<u64>().ok())
    };
    match (number(schema), number(SCHEMA)) {
        (Some(theirs), Some(ours)) if theirs > ours => {
            format!("its schema is {schema:?}, which is newer than {SCHEMA:?}; a newer vigie reads it")
        }
        _ => format!("its schema is {schema:?}; this vigie reads {SCHEMA:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"schema":"vigie.observation/1","seen":"2026-11-22T08:00:00Z","recorded":"2026-11-22T08:00:01Z","source":{"kind":"scan","name":"vigie","version":"0.1.0"},"scope":{"unknown":"not-asked"},"endpoint":{"address":"192.0.2.7","port":11434,"transport":"tcp","name":null,"tls":{"known":false}},"identity":{"product":{"known":"ollama"},"version":{"known":"0.9.0"},"confidence":0.9,"evidence":[]},"exposure":{"posture":{"known":"open"},"posture_from":null,"reach":{"unknown":"not-asked"},"activity":{"unknown":"not-asked"},"models":{"known":[]},"running":{"unknown":"not-asked"},"capabilities":{"unknown":"not-asked"},"tools":{"unknown":"not-asked"}},"network":{"country":{"known":"DE"},"asn":{"known":1},"class":{"unknown":"not-asked"}},"deception":{"score":{"known":0.0},"tells":[]},"advisories":[],"findings":[]}"#;

    #[test]
    fn an_instant_is_read_as_chrono_reads_it() {
        for text in [
            "2026-11-22T08:00:00Z",
            "2024-02-29T23:59:59.5Z",
            "2025-03-01T13:38:40.729394Z",
            "1969-12-31T00:00:00.000000001Z",
        ] {
            assert_eq!(as_written(text.as_bytes()), text.parse().ok(), "{text}");
            assert!(as_written(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "",
            "Z",
            "2026-11-22T08:00:00",
            "2026-11-22T08:00:00.Z",
            "2026-11-22T08:00:00.1234567890Z",
            "2026-11-22T08:00:00+01:00",
            "2026-11-22t08:00:00Z",
            "2026-02-30T08:00:00Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T08:00:60Z",
            "2026-11-2 T08:00:00Z",
            "+026-11-22T08:00:00Z",
        ] {
            assert_eq!(as_written(text.as_bytes()), None, "{text}");
        }
        let shifted = LINE.replace("08:00:00Z", "08:00:00+02:00");
        let read = in_two(shifted.as_bytes(), &LineCache::default()).expect("read as a whole it is the same");
        assert_eq!(read, serde_json::from_str(&shifted).expect("a record"));
    }

    #[test]
    fn a_line_in_two_is_the_line() {
        let cache = LineCache::default();
        let whole: Observation = serde_json::from_str(LINE).expect("a record");
        for _ in ["read", "from the cache"] {
            assert_eq!(in_two(LINE.as_bytes(), &cache), Some(whole.clone()));
        }
        let later = LINE.replace("08:00:0", "09:00:0").replace("192.0.2.7", "192.0.2.8");
        let read = |line: &str| in_two(line.as_bytes(), &cache).expect("a record");
        let (first, second) = (read(LINE), read(&later));
        assert!(first.exposure.is(&second.exposure) && first.identity.is(&second.identity));
        assert_eq!(second, serde_json::from_str(&later).expect("a record"));
    }

    #[test]
    fn a_line_that_is_not_as_vigie_writes_it_is_read_as_a_whole() {
        for other in [
            // No object before, or none after, the cut.
            LINE.replace(r#""tls":{"known":false}},"#, r#""tls":{"known":false},"#),
            LINE.replace(r#""tls":{"known":false}},"#, r#""tls":{"known":false}}},"#),
            format!("{LINE}}}"),
            LINE.trim_end_matches('}').to_owned(),
            // A key twice, once in each part; a key of a later schema.
            LINE.replace(r#","findings":[]"#, r#","findings":[],"seen":"2026-11-22T09:00:00Z""#),
            LINE.replace(r#","scope""#, r#","colour":1,"scope""#),
            LINE.replace(r#","findings":[]"#, r#","findings":[],"colour":1"#),
            // Another order.
            LINE.replace(r#"{"schema":"vigie.observation/1","#, "{")
                .replace(r#","findings":[]"#, r#","findings":[],"schema":"vigie.observation/1""#),
            // The cut within a text: a quote ends it, so this is no JSON.
            LINE.replace(r#""vigie","version""#, r#""vig,"identity":{"a":"b","version""#),
        ] {
            assert_ne!(other, LINE);
            assert_eq!(in_two(other.as_bytes(), &LineCache::default()), None, "{other}");
        }
    }
}
