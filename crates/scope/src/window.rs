//! The hours in which a scan may run.

use std::fmt;

use chrono::{Datelike as _, Duration, NaiveDate, NaiveTime, TimeZone as _, Timelike as _, Utc};
use vigie_model::Timestamp;

/// Days and hours in UTC. Hours that end before they start run past midnight and belong to the day on which they start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// For each day from Monday, whether it is included.
    days: [bool; 7],
    /// The start, in minutes after midnight.
    start: u32,
    /// The end, in minutes after midnight, not included; 1440 is the end of the day.
    end: u32,
}

const DAY: u32 = 24 * 60;
const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl Window {
    /// Parses days (`mon` … `sun`; an empty list means every day) and hours (`08:00-18:00`; `None` means the whole day).
    ///
    /// # Errors
    ///
    /// What is wrong and what to write instead.
    pub fn parse<'a>(days: impl IntoIterator<Item = &'a str>, hours: Option<&str>) -> Result<Self, String> {
        let mut on = [false; 7];
        for day in days {
            match NAMES.iter().position(|name| *name == day) {
                Some(index) => on[index] = true,
                None => return Err(format!("`{day}` is not a day: write {}", NAMES.join(", "))),
            }
        }
        if on == [false; 7] {
            on = [true; 7];
        }
        let (start, end) = match hours {
            None => (0, DAY),
            Some(text) => text
                .split_once('-')
                .and_then(|(start, end)| Some((minutes(start)?, minutes(end)?)))
                .filter(|(start, end)| *start < DAY && start != end)
                .ok_or_else(|| format!("`{text}` is not a range of hours: write hours in UTC as 08:00-18:00"))?,
        };
        Ok(Self { days: on, start, end })
    }

    /// Whether the window is open at an instant.
    #[must_use]
    pub fn is_open(&self, at: Timestamp) -> bool {
        let minute = at.hour() * 60 + at.minute();
        let today = self.days[day_index(at.date_naive())];
        let yesterday = at.date_naive().pred_opt().is_some_and(|day| self.days[day_index(day)]);
        if self.start < self.end {
            today && (self.start..self.end).contains(&minute)
        } else {
            (today && minute >= self.start) || (yesterday && minute < self.end)
        }
    }

    /// The first instant at or after `at` at which the window is open.
    #[must_use]
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) {
            return Some(at);
        }
        (0..=7).find_map(|ahead| {
            let day = at.date_naive().checked_add_signed(Duration::days(ahead))?;
            let time = NaiveTime::from_hms_opt(self.start / 60, self.start % 60, 0)?;
            let start = Utc.from_utc_datetime(&day.and_time(time));
            (self.days[day_index(day)] && start > at).then_some(start)
        })
    }
}

fn day_index(day: NaiveDate) -> usize {
    // At most 6.
    day.weekday().num_days_from_monday() as usize
}

fn minutes(text: &str) -> Option<u32> {
    let (hours, minutes) = text.trim().split_once(':')?;
    let two = |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok());
    let (hours, minutes): (u32, u32) = (two(hours)??, two(minutes)??);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days: Vec<&str> = NAMES.iter().zip(self.days).filter(|(_, on)| *on).map(|(name, _)| *name).collect();
        let days = if days.len() == 7 { "every day".to_owned() } else { days.join(", ") };
        let (start, end) = (self.start, self.end);
        write!(f, "{days} {:02}:{:02}-{:02}:{:02} UTC", start / 60, start % 60, end / 60, end % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant")
    }

    #[test]
    fn hours_and_days() {
        // 2026-11-23 is a Monday.
        let work = Window::parse(["mon", "tue"], Some("08:00-18:00")).expect("a window");
        for (instant, open) in [
            ("2026-11-23T07:59:59Z", false),
            ("2026-11-23T08:00:00Z", true),
            ("2026-11-23T17:59:59.999Z", true),
            ("2026-11-23T18:00:00Z", false),
            ("2026-11-25T09:00:00Z", false),
        ] {
            assert_eq!(work.is_open(at(instant)), open, "{instant}");
        }
        assert_eq!(work.next_open(at("2026-11-24T18:00:00Z")), Some(at("2026-11-30T08:00:00Z")));
        assert_eq!(work.next_open(at("2026-11-23T09:00:00Z")), Some(at("2026-11-23T09:00:00Z")));

        let night = Window::parse(["mon"], Some("22:00-06:00")).expect("a window");
        assert!(night.is_open(at("2026-11-23T23:00:00Z")));
        assert!(night.is_open(at("2026-11-24T05:59:00Z")));
        assert!(!night.is_open(at("2026-11-23T05:59:00Z")));
        assert!(!night.is_open(at("2026-11-24T22:30:00Z")));
        assert_eq!(night.to_string(), "mon 22:00-06:00 UTC");
        assert_eq!(Window::parse([], None).expect("a window").to_string(), "every day 00:00-24:00 UTC");
    }

    #[test]
    fn mistakes_name_what_to_write() {
        for hours in [
            "8-18",
            "08:00",
            "24:00-06:00",
            "08:60-09:00",
            "08:00-08:00",
            "25:00-26:00",
            "+8:00-18:00",
        ] {
            assert!(Window::parse([], Some(hours)).is_err(), "{hours}");
        }
        assert_eq!(
            Window::parse(["monday"], None).err().as_deref(),
            Some("`monday` is not a day: write mon, tue, wed, thu, fri, sat, sun")
        );
    }
}
