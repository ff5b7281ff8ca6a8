//! The options of a study.

use chrono::NaiveDate;

/// Thresholds of the questions' definitions, and filters on observations and products.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct StudyOptions {
    /// Persistent core by observations: hosts with more than this number.
    pub core_observations: u32,
    /// Persistent core by days: hosts seen on more than this number of different days.
    pub core_days: u32,
    /// Persistent core by the share of the window's days: hosts seen on at least this share.
    pub core_share: f64,
    /// Days without an observation after which a host counts as gone.
    pub grace: u32,
    /// Number of hosts from which on a system prompt counts as a standard one.
    pub standard_hosts: u32,
    /// Only observations from this day on.
    pub since: Option<NaiveDate>,
    /// Only observations up to and including this day.
    pub until: Option<NaiveDate>,
    /// Only endpoints of these products; empty: all.
    pub products: Vec<String>,
    /// Only observations of these sources (`vigie`, `shodan` …); empty: all.
    pub sources: Vec<String>,
}

impl Default for StudyOptions {
    fn default() -> Self {
        Self {
            core_observations: 100,
            core_days: 100,
            core_share: 0.5,
            grace: 14,
            standard_hosts: 5,
            since: None,
            until: None,
            products: Vec::new(),
            sources: Vec::new(),
        }
    }
}

impl StudyOptions {
    /// Replaces the placeholders of a text (`{grace}` …) by the options.
    #[must_use]
    pub fn fill(&self, text: &str) -> String {
        if !text.contains('{') {
            return text.to_owned();
        }
        let mut window = String::new();
        if let Some(since) = self.since {
            window.push_str(&format!(" AND date >= DATE '{since}'"));
        }
        if let Some(until) = self.until {
            window.push_str(&format!(" AND date <= DATE '{until}'"));
        }
        [
            ("{core_observations}", self.core_observations.to_string()),
            ("{core_days}", self.core_days.to_string()),
            ("{core_share}", format!("{:?}", self.core_share)),
            ("{grace}", self.grace.to_string()),
            ("{standard_hosts}", self.standard_hosts.to_string()),
            ("{window}", window),
            ("{products}", one_of("t.product", &self.products)),
            ("{sources}", one_of("source_name", &self.sources)),
        ]
        .into_iter()
        .fold(text.to_owned(), |text, (place, value)| text.replace(place, &value))
    }
}

/// An SQL condition that a column has one of the values; empty if there are none.
fn one_of(column: &str, values: &[String]) -> String {
    if values.is_empty() {
        return String::new();
    }
    let quoted: Vec<String> = values.iter().map(|value| format!("'{}'", value.replace('\'', "''"))).collect();
    format!(" AND {column} IN ({})", quoted.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_quotes() {
        let options = StudyOptions {
            products: vec!["a' OR 'b' = 'b".to_owned()],
            ..StudyOptions::default()
        };
        assert_eq!(
            options.fill("WHERE TRUE{products}"),
            "WHERE TRUE AND t.product IN ('a'' OR ''b'' = ''b')"
        );
        assert_eq!(StudyOptions::default().fill("{core_share} {window}|"), "0.5 |");
    }
}
