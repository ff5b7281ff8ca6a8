//! What can go wrong, by what it means for the rest.

use std::time::Duration;

/// Why a discovery ends before its end. What was done stays done; a later run goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The next request would cost more than is left.
    #[error("the budget is used up")]
    Budget,
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
    Stop(Stop),
    /// The query is not one.
    Query(String),
    /// Too fast.
    Slow,
    /// Worth asking again.
    Again(String),
}

/// What a service says of an error, short, on one line and without control characters.
pub(crate) fn said(text: &str) -> String {
    let line: String = text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect();
    if line.is_empty() { "it does not say why".to_owned() } else { line }
}
