//! Hours of the week, as a grant names them.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike as _, FixedOffset, Timelike as _};
use chrono_tz::Tz;
use vigie_model::Timestamp;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
/// The minutes of a day.
const DAY: u16 = 24 * 60;

/// Hours on days of the week, in a time zone: `Mon-Fri 08:00-18:00 Europe/Berlin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hours {
    text: String,
    /// A bit for each day, from Monday.
    days: u8,
    /// Minutes of the day; the end is not part of the hours. An end before the start is on the next day.
    start: u16,
    end: u16,
    zone: Zone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Zone {
    Named(Tz),
    Offset(FixedOffset),
}

impl Hours {
    /// Whether a moment is within the hours.
    #[must_use]
    pub fn contain(&self, at: Timestamp) -> bool {
        let local = match self.zone {
            Zone::Named(zone) => at.with_timezone(&zone).naive_local(),
            Zone::Offset(offset) => at.with_timezone(&offset).naive_local(),
        };
        let minute = u16::try_from(local.hour() * 60 + local.minute()).unwrap_or(u16::MAX);
        let day = local.weekday().num_days_from_monday();
        let has = |day: u32| self.days & 1 << day != 0;
        if self.start < self.end {
            has(day) && (self.start..self.end).contains(&minute)
        } else {
            (has(day) && minute >= self.start) || (has((day + 6) % 7) && minute < self.end)
        }
    }
}

impl FromStr for Hours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |what: &str| format!("{text:?}: {what}; write hours such as \"Mon-Fri 08:00-18:00 Europe/Berlin\"");
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [days, hours, zone] = words[..] else {
            return Err(wrong("there have to be days, hours and a time zone"));
        };
        let (start, end) = hours.split_once('-').ok_or_else(|| wrong("the hours are START-END"))?;
        let (start, end) = minutes(start).zip(minutes(end)).ok_or_else(|| wrong("a time is HH:MM"))?;
        if start == end || start == DAY {
            return Err(wrong("these hours are empty"));
        }
        Ok(Self {
            text: words.join(" "),
            days: days_of(days).ok_or_else(|| wrong("days are such as Mon-Fri or Mon,Wed"))?,
            start,
            end,
            zone: zone_of(zone).ok_or_else(|| wrong("the time zone is none that is known, and no offset such as +01:00"))?,
        })
    }
}

fn days_of(text: &str) -> Option<u8> {
    let number = |name: &str| DAYS.iter().position(|day| day.eq_ignore_ascii_case(name));
    let mut days = 0;
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        let mut day = first;
        days |= 1 << day;
        while day != last {
            day = (day + 1) % DAYS.len();
            days |= 1 << day;
        }
    }
    Some(days)
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        digits
            .parse::<u16>()
            .ok()
            .filter(|_| digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let all = hour * 60 + minute;
    (minute < 60 && all <= DAY).then_some(all)
}

fn zone_of(text: &str) -> Option<Zone> {
    if let Ok(zone) = text.parse::<Tz>() {
        return Some(Zone::Named(zone));
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let seconds = i32::from(minutes(rest)?) * 60;
    FixedOffset::east_opt(sign * seconds).map(Zone::Offset)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

super::as_text!(Hours);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    #[test]
    fn a_moment_is_within_the_hours_of_its_zone() {
        // 30 November 2026 is a Monday.
        for (hours, inside, outside) in [
            ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-30T07:00:00Z", "2026-11-30T06:59:59Z"),
            ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-11-30T16:59:59Z", "2026-11-30T17:00:00Z"),
            // In summer the same hours begin earlier in UTC.
            ("Mon-Fri 08:00-18:00 Europe/Berlin", "2026-07-06T06:00:00Z", "2026-07-06T16:00:00Z"),
            ("Mon-Fri 08:00-18:00 +01:00", "2026-07-06T07:00:00Z", "2026-07-06T06:59:59Z"),
            ("Mon 00:00-24:00 UTC", "2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z"),
            ("mon,WED 10:00-11:00 -03:30", "2026-12-02T13:30:00Z", "2026-12-01T13:30:00Z"),
            // Over midnight: the hours are of the day on which they begin.
            ("Fri 22:00-06:00 UTC", "2026-12-05T05:59:00Z", "2026-12-04T05:59:00Z"),
            ("Sat-Mon 08:00-09:00 UTC", "2026-12-06T08:00:00Z", "2026-12-01T08:00:00Z"),
        ] {
            let read: Hours = hours.parse().expect(hours);
            assert!(read.contain(at(inside)), "{hours} {inside}");
            assert!(!read.contain(at(outside)), "{hours} {outside}");
            assert_eq!(read.to_string().parse(), Ok(read));
        }
    }

    #[test]
    fn what_are_no_hours_is_refused() {
        for wrong in [
            "",
            "Mon-Fri",
            "08:00-18:00 UTC",
            "Mon-Fri 08:00-18:00",
            "Mon-Fri 08:00-18:00 Mars/Base",
            "Mon-Fri 8-18 UTC",
            "Mon-Fri 08:00-08:00 UTC",
            "Mon-Fri 24:00-08:00 UTC",
            "Mon-Fri 08:00-24:01 UTC",
            "Mon-Fri 08:60-09:00 UTC",
            "Mon-Xyz 08:00-18:00 UTC",
            "Mon-Fri 08:00-18:00 +25:00",
            "Mon-Fri 08:00-18:00 UTC UTC",
        ] {
            assert!(wrong.parse::<Hours>().is_err(), "{wrong}");
        }
    }
}
