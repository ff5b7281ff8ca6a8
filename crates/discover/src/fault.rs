//! What can go wrong, by what it means for the rest.

use std::time::Duration;

use vigie_export::text::is_unsafe;

/// Why a discovery ends before its end. What was done stays done; a later run goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// The next request would cost more than is left.
    ///
    /// With what the last reply to it said, if it was asked for before and nothing came of it.
    #[error("the budget is used up{}", after(.0.as_deref()))]
    Budget(Option<String>),
    /// The caller said so.
    #[error("interrupted")]
    Interrupted,
    /// The service does not take the key.
    #[error("the service does not take the key: {0}")]
    Key(String),
    /// The account has nothing left.
    #[error("the account has no credits left: {0}")]
    Credits(String),
    /// The account's plan does not allow it.
    #[error("the account's plan does not allow it: {0}")]
    Plan(String),
    /// The service asks to wait longer than is worth waiting for.
    #[error("the service asks to wait {} minutes", .0.as_secs().div_ceil(60))]
    Wait(Duration),
    /// The service does not answer, or not as it should, again and again.
    #[error("{0}")]
    Unreachable(String),
}

/// What a reply that is no result means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing more can be asked with this account.
    Stop(StopReason),
    /// The query is not one.
    Query(String),
    /// Too fast.
    Slow,
    /// Worth asking again.
    Again(String),
}

fn after(word: Option<&str>) -> String {
    word.map_or_else(String::new, |word| {
        format!(", the last of it for a request that gave nothing ({word})")
    })
}

/// What a service says of an error, short, on one line and without characters that act on a terminal or are not seen.
pub(crate) fn excerpt(text: &str) -> String {
    let line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !is_unsafe(*c))
        .take(200)
        .collect();
    if line.is_empty() { "it does not say why".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_says_nothing_that_acts() {
        assert_eq!(excerpt("a\u{202e}b\u{200b}c \u{1b}]0;d\u{7}\n\u{9b}2J e"), "abc ]0;d 2J e");
        assert_eq!(excerpt("\u{200b}"), "it does not say why");
        assert!(excerpt(&"x".repeat(1_000)).len() <= 200);
    }

    #[test]
    fn a_budget_that_faults_ate_says_so() {
        assert_eq!(StopReason::Budget(None).to_string(), "the budget is used up");
        let told = StopReason::Budget(Some("it answers 503: busy".to_owned())).to_string();
        assert!(told.starts_with("the budget is used up, ") && told.contains("503"), "{told}");
    }
}
