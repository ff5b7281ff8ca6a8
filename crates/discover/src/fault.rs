//! Faults of a service, by their consequence for the run.

use std::time::Duration;

use vigie_export::text::is_unsafe;

/// Why a discovery ends early. What was read is kept, and a later run resumes there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopReason {
    /// The next request would exceed the budget. Holds the reason why its last attempt failed, if there was one.
    #[error("the budget is used up{}", after(.0.as_deref()))]
    Budget(Option<String>),
    /// The caller stopped the run.
    #[error("interrupted")]
    Interrupted,
    /// The service rejects the key.
    #[error("the service rejected the key: {0}")]
    Key(String),
    /// The account has no credits left.
    #[error("the account has no credits left: {0}")]
    Credits(String),
    /// The account's plan does not allow the request.
    #[error("the account's plan does not allow it: {0}")]
    Plan(String),
    /// The service asks for a longer wait than a run makes.
    #[error("the service asks to wait {} minutes", .0.as_secs().div_ceil(60))]
    Wait(Duration),
    /// Every attempt failed: no reply, or no usable one.
    #[error("{0}")]
    Unreachable(String),
}

/// What a reply without a result means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServiceFault {
    /// No further request can succeed with this account.
    Stop(StopReason),
    /// The service rejects the query.
    Query(String),
    /// Requests come too fast.
    Slow,
    /// A repeat may succeed.
    Again(String),
}

fn after(why: Option<&str>) -> String {
    why.map_or_else(String::new, |why| format!("; the last request failed ({why})"))
}

/// A service's error text: short, on one line, without characters that are invisible or control a terminal.
pub(crate) fn excerpt(text: &str) -> String {
    let line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !is_unsafe(*c))
        .take(200)
        .collect();
    if line.is_empty() { "it gives no reason".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_texts_are_harmless() {
        assert_eq!(excerpt("a\u{202e}b\u{200b}c \u{1b}]0;d\u{7}\n\u{9b}2J e"), "abc ]0;d 2J e");
        assert_eq!(excerpt("\u{200b}"), "it gives no reason");
        assert!(excerpt(&"x".repeat(1_000)).len() <= 200);
    }

    #[test]
    fn a_budget_spent_on_faults_names_the_last_one() {
        assert_eq!(StopReason::Budget(None).to_string(), "the budget is used up");
        let text = StopReason::Budget(Some("it answers 503: busy".to_owned())).to_string();
        assert!(text.starts_with("the budget is used up; ") && text.contains("503"), "{text}");
    }
}
