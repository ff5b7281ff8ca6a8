//! Instants and ages as users write them.

use chrono::TimeDelta;
#[cfg(feature = "watch")]
use vigie_model::Timestamp;

/// An instant: a day, a time, or how long ago.
#[cfg(feature = "watch")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// At this instant.
    At(Timestamp),
    /// That long ago.
    Ago(TimeDelta),
}

#[cfg(feature = "watch")]
impl When {
    /// The instant, if it is `now`. The lake keeps microseconds.
    pub(crate) fn at(self, now: Timestamp) -> Timestamp {
        let at = match self {
            Self::At(instant) => instant,
            // No lake is older than the epoch.
            Self::Ago(age) => now.checked_sub_signed(age).unwrap_or_default().max(Timestamp::UNIX_EPOCH),
        };
        Timestamp::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
    }
}

#[cfg(feature = "watch")]
impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "now" {
            return Ok(Self::Ago(TimeDelta::zero()));
        }
        let day = || Some(text.parse::<chrono::NaiveDate>().ok()?.and_time(chrono::NaiveTime::MIN).and_utc());
        if let Some(instant) = text.parse::<Timestamp>().ok().or_else(day) {
            return Ok(Self::At(instant));
        }
        age(text)
            .map(Self::Ago)
            .map_err(|_| "not a time: write 2026-11-22, 2026-11-22T08:00:00Z, or an age such as 7d or 12h".to_owned())
    }
}

/// Reads `7d`, `12h`, `30m`, `10s`, `2w`, and several together: `1h30m`.
pub(crate) fn age(text: &str) -> Result<TimeDelta, String> {
    humantime::parse_duration(text)
        .ok()
        .and_then(|age| TimeDelta::from_std(age).ok())
        .ok_or_else(|| "not a duration: write numbers with w, d, h, m or s, such as 7d or 1h30m".to_owned())
}

/// Reads the interval of a schedule: from one second to a year.
pub(crate) fn interval(text: &str) -> Result<TimeDelta, String> {
    age(text).and_then(|age| {
        if age >= TimeDelta::seconds(1) && age <= TimeDelta::days(366) {
            Ok(age)
        } else {
            Err("not an interval from a second to a year".to_owned())
        }
    })
}

#[cfg(all(test, feature = "watch"))]
mod tests {
    use super::*;

    #[test]
    fn times_and_ages() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().expect("an instant");
        for (text, at) in [
            ("now", "2026-11-22T08:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T07:30:00Z", "2026-11-20T07:30:00Z"),
            ("2026-11-20T07:30:00.123456+02:00", "2026-11-20T05:30:00.123456Z"),
            ("7d", "2026-11-15T08:00:00Z"),
            ("2w", "2026-11-08T08:00:00Z"),
            ("12h", "2026-11-21T20:00:00Z"),
            ("30m", "2026-11-22T07:30:00Z"),
            ("10s", "2026-11-22T07:59:50Z"),
            ("1h30m", "2026-11-22T06:30:00Z"),
            ("1d 12h", "2026-11-20T20:00:00Z"),
        ] {
            let when: When = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(when.at(now), at.parse::<Timestamp>().expect("an instant"), "{text}");
        }
        for wrong in [
            "",
            "d",
            "7",
            "-7d",
            "7q",
            "1h-30m",
            "yesterday",
            "2026-13-01",
            "99999999999999999999d",
            "7é",
        ] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
        assert!(interval("0s").is_err() && interval("1ms").is_err() && interval("400d").is_err() && interval("1s").is_ok());
        let longest: When = "99999999d".parse().expect("an age");
        assert_eq!(longest.at(now), Timestamp::UNIX_EPOCH);
    }
}
