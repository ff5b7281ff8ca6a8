//! Instants as sources write them. Without a zone they are UTC: every supported tool documents or does so.

use chrono::{DateTime, NaiveDateTime, TimeDelta};
use vigie_model::Timestamp;

/// The first second of the year 10000, after which RFC 3339 has no text.
const END: i64 = 253_402_300_800;

/// Reads an instant: RFC 3339, the same without a zone, with a blank for the `T`, with `+0000`, or with ` UTC` behind.
pub(crate) fn instant(text: &str) -> Option<Timestamp> {
    // Year 1 is Go's zero time, which means none.
    sound(parsed(text)?)
}

/// The instant of a text, whatever its year.
fn parsed(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if text.len() > 64 {
        return None;
    }
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    DateTime::parse_from_rfc3339(text)
        .ok()
        .or_else(|| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z").ok())
        .or_else(|| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%z").ok())
        .or_else(|| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f %z").ok())
        .or_else(|| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z").ok())
        .map(|at| at.to_utc())
        .or_else(|| {
            ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f"]
                .iter()
                .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
                .map(|naive| naive.and_utc())
        })
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

/// Parses the time of a record; `None`: it is missing, or it is Go's zero time or the second 0. An invalid text is an error and is never
/// replaced by another time.
///
/// # Errors
///
/// The text is not an instant.
pub(crate) fn said(text: Option<&str>, read: fn(&str) -> Option<Timestamp>) -> Result<Option<Timestamp>, String> {
    let text = text.unwrap_or_default().trim();
    if text.is_empty() || text == "0" || text.starts_with("0001-01-01") || text.starts_with("1970-01-01T00:00:00") {
        return Ok(None);
    }
    read(text).map(Some).ok_or_else(|| match before_1970(text) {
        true => format!("{text:?} is not a time that something was seen at: it lies before 1970"),
        false => format!("{text:?} is not a time"),
    })
}

/// Whether a text is an instant before 1970, which none of the tools was there to see.
fn before_1970(text: &str) -> bool {
    let seconds = text
        .strip_prefix('-')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()));
    seconds || parsed(text).is_some_and(|at| at.timestamp() < 0)
}

/// The known beginning and end of a run: what it saw was seen in between.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    pub(crate) began: Option<Timestamp>,
    pub(crate) ended: Option<Timestamp>,
}

impl Run {
    /// Of what stands around the records.
    ///
    /// # Errors
    ///
    /// A time that is none.
    pub(crate) fn of(run: &[(String, String)]) -> Result<Self, String> {
        let get = |name: &str| run.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str());
        let began = said(get("start"), either)?;
        // An end before the beginning says nothing.
        let ended = said(get(FINISHED), either)
            .ok()
            .flatten()
            .filter(|ended| began.is_none_or(|began| began <= *ended));
        Ok(Self { began, ended })
    }

    /// Of the comment at the head of a greppable output, whose clock is that of its machine, in a zone that it does not say: a day is left for it.
    pub(crate) fn headed(run: &[(String, String)]) -> Self {
        let text = run.iter().find(|(name, _)| name == "started").map(|(_, value)| value.as_str());
        let began = text.and_then(|text| NaiveDateTime::parse_from_str(text, "%a %b %e %H:%M:%S %Y").ok());
        Self {
            began: began.map(|naive| naive.and_utc() - TimeDelta::days(1)),
            ended: None,
        }
    }

    /// Rejects a time outside the run: a wrong clock or a forgery.
    ///
    /// # Errors
    ///
    /// Such an instant.
    pub(crate) fn holds(self, seen: Timestamp) -> Result<(), String> {
        match self {
            Self { began: Some(began), .. } if seen < began => Err(format!("its time is {seen}, before its run began at {began}")),
            Self { ended: Some(ended), .. } if seen > ended => Err(format!("its time is {seen}, after its run ended at {ended}")),
            _ => Ok(()),
        }
    }
}

/// The name under which it is kept beside the attributes of a run when it was finished.
pub(crate) const FINISHED: &str = "<finished>";

/// Rejects a time in the future (a wrong clock or a forgery), which would stretch every time window. One day is tolerated for clocks and
/// zones. Times before 1970 are rejected too: none of these tools is that old.
///
/// # Errors
///
/// Such an instant.
pub(crate) fn not_yet(seen: Timestamp, recorded: Timestamp) -> Result<(), String> {
    if seen > recorded + TimeDelta::days(1) {
        return Err(format!("its time is {seen}, which is yet to come"));
    }
    if seen.timestamp() < 0 {
        return Err(format!("its time is {seen}, before 1970"));
    }
    Ok(())
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
            "2026-11-01 07:21:33+00",
            "2026-11-01T07:21:33.000+0000",
            "2026-11-01 07:21:33.123456789 +0000 UTC",
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
        for none in [None, Some(""), Some("0"), Some("0001-01-01T00:00:00Z")] {
            assert_eq!(said(none, either), Ok(None));
        }
        assert!(said(Some("1793517693000"), either).is_err_and(|error| error.contains("is not a time")));
        assert_eq!(said(Some("1793517693"), either), Ok(seconds(1_793_517_693)));
    }
}
