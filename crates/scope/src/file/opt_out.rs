//! Opt-out lists: addresses and names whose owners asked not to be scanned.

use std::fmt;

use chrono::NaiveDate;
use vigie_model::address::{Hosts, parse_hosts};

use super::date::parse_date;
use crate::comment::uncomment;

/// One entry of an opt-out list.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptOut {
    /// The addresses or the name.
    pub hosts: Hosts,
    /// The date, if the list gives one.
    pub date: Option<NaiveDate>,
    /// The reason, if the list gives one.
    pub reason: Option<String>,
    /// The line, from 1.
    pub line: usize,
}

/// An opt-out list that was parsed without a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptOutList {
    /// The name of the list, as in the scope file or on the command line.
    pub name: String,
    /// The entries, in the order of their lines.
    pub entries: Vec<OptOut>,
}

/// Every line that does not parse. Nothing is scanned under a list that is understood in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptOutErrors {
    /// The name of the list.
    pub name: String,
    /// The lines, and what is wrong with each.
    pub errors: Vec<(usize, String)>,
}

impl fmt::Display for OptOutErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the opt-out list {} is rejected:", self.name)?;
        self.errors.iter().try_for_each(|(line, why)| write!(f, "\n  line {line}: {why}"))
    }
}

impl std::error::Error for OptOutErrors {}

impl OptOutList {
    /// Parses a list: on each line an address, network, range or name, then optionally a date, then optionally `# reason`.
    ///
    /// # Errors
    ///
    /// Every line that does not parse.
    pub fn parse(name: &str, text: &str) -> Result<Self, OptOutErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let (words, reason) = uncomment(line);
            let mut words = words.split_whitespace();
            let Some(subject) = words.next() else { continue };
            let read = || -> Result<OptOut, String> {
                // A network with bits set beyond its prefix is accepted: excluding all of it is the safe reading.
                let (subject, _) = parse_hosts(subject)?;
                let date = match words.next() {
                    Some(word) => {
                        Some(parse_date(word).ok_or_else(|| format!("`{word}` is not a date: write 2026-11-30, and a reason after `#`"))?)
                    }
                    None => None,
                };
                if let Some(word) = words.next() {
                    return Err(format!(
                        "`{word}` is not expected here: put a reason after `#`, and one entry on each line"
                    ));
                }
                let reason = reason.filter(|r| !r.is_empty()).map(|r| r.replace(char::is_control, " "));
                Ok(OptOut {
                    hosts: subject,
                    date,
                    reason,
                    line: index + 1,
                })
            };
            let mut read = read;
            match read() {
                Ok(entry) => entries.push(entry),
                Err(why) => errors.push((index + 1, why)),
            }
        }
        if errors.is_empty() {
            Ok(Self {
                name: name.to_owned(),
                entries,
            })
        } else {
            Err(OptOutErrors {
                name: name.to_owned(),
                errors,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list() {
        let text = "# asked by mail\n10.0.0.0/24 2026-05-01 # ticket 7\r\n\nfd00::1\nexample.org # their domain\n\
                    10.1.0.5/24\n10.2.0.1-10.2.0.9 2026-06-01\n";
        let list = OptOutList::parse("no.txt", text).expect("a list");
        let shown: Vec<String> = list
            .entries
            .iter()
            .map(|e| format!("{} {} {:?} {:?}", e.line, e.hosts, e.date.map(|d| d.to_string()), e.reason))
            .collect();
        assert_eq!(
            shown,
            [
                "2 10.0.0.0/24 Some(\"2026-05-01\") Some(\"ticket 7\")",
                "4 fd00::1 None None",
                "5 example.org None Some(\"their domain\")",
                "6 10.1.0.0/24 None None",
                "7 10.2.0.1-10.2.0.9 Some(\"2026-06-01\") None",
            ]
        );
    }

    #[test]
    fn a_list_with_a_mistake_is_rejected() {
        let text = "10.0.0.1\n10.0.0.300\n10.0.0.2 yesterday\n10.0.0.3 2026-05-01 10.0.0.4\n*.example.org\n::/0\n";
        let error = OptOutList::parse("no.txt", text).expect_err("mistakes");
        insta::assert_snapshot!("opt_out_refused", error);
    }
}
