//! Instants as the sources write them. One without a zone is UTC: every tool here says so or runs so.

use chrono::{DateTime, NaiveDateTime};
use vigie_model::Timestamp;

/// The first second of the year 10000, after which RFC 3339 has no text.
const END: i64 = 253_402_300_800;

/// Reads an instant: RFC 3339, the same without a zone, with a blank for the `T`, with `+0000`, or with ` UTC` behind.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let found = DateTime::parse_from_rfc3339(text)
        .ok()
        .or_else(|| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").ok())
        .or_else(|| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%z").ok())
        .map(|at| at.to_utc())
        .or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                .iter()
                .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
                .map(|naive| naive.and_utc())
        })?;
    // Year 1 is Go's zero time, which means none.
    sound(found)
}

/// Seconds since 1970, as masscan and nmap write them.
pub(crate) fn seconds(seconds: i64) -> Option<Timestamp> {
    sound(DateTime::from_timestamp(seconds, 0)?)
}

/// Seconds or a text.
pub(crate) fn either(text: &str) -> Option<Timestamp> {
    match text.trim().parse::<i64>() {
        Ok(number) => seconds(number),
        Err(_) => instant(text),
    }
}

fn sound(at: Timestamp) -> Option<Timestamp> {
    let within = at.timestamp() > 0 && at.timestamp() < END;
    // Records keep microseconds.
    within.then(|| DateTime::from_timestamp_micros(at.timestamp_micros())).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms() {
        for text in [
            "2026-11-01T07:21:33Z",
            "2026-11-01T08:21:33+01:00",
            "2026-11-01T07:21:33.000000",
            "2026-11-01 07:21:33",
            "2026-11-01 07:21:33 UTC",
            "2026-11-01T07:21:33.000+0000",
            "1793517693",
        ] {
            assert_eq!(either(text).map(|at| at.timestamp()), Some(1_793_517_693), "{text}");
        }
        for text in [
            "",
            "0",
            "-1",
            "0001-01-01T00:00:00Z",
            "99999999999999",
            "yesterday",
            "2026-13-01 00:00:00",
        ] {
            assert_eq!(either(text), None, "{text}");
        }
    }
}
