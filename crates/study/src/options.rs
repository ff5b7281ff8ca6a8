//! What a study can be asked to do otherwise.

use chrono::NaiveDate;

/// The definitions that can be chosen, and what counts.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Options {
    /// The persistent core by observations: more than this.
    pub core_observations: u32,
    /// By different days: more than this.
    pub core_days: u32,
    /// By the share of the window's days: at least this.
    pub core_share: f64,
    /// Days without a sign after which a host counts as gone.
    pub grace: u32,
    /// Hosts that a prompt must be on to be a standard one.
    pub standard_hosts: u32,
    /// Only observations from this day on.
    pub since: Option<NaiveDate>,
    /// Only observations up to this day, itself included.
    pub until: Option<NaiveDate>,
    /// Only these products' endpoints; empty: all.
    pub products: Vec<String>,
    /// Only what these sources saw (`vigie`, `shodan` …); empty: all.
    pub sources: Vec<String>,
}

impl Default for Options {
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

impl Options {
    /// A text with the options in the places that name them.
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

/// A condition on a column; nothing where every value will do.
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
        let options = Options {
            products: vec!["a' OR 'b' = 'b".to_owned()],
            ..Options::default()
        };
        assert_eq!(
            options.fill("WHERE TRUE{products}"),
            "WHERE TRUE AND t.product IN ('a'' OR ''b'' = ''b')"
        );
        assert_eq!(Options::default().fill("{core_share} {window}|"), "0.5 |");
    }
}
