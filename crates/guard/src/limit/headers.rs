//! The headers that tell a client of its limits. The formats and their sources are in the documentation of [`crate::limit`].

use std::fmt::Write as _;
use std::time::Duration;

use super::account::{Gauge, Standing};

/// The header lines of a standing; none for a key without limits.
pub(crate) fn header_lines(standing: &Standing) -> String {
    let mut lines = String::new();
    for (name, gauge) in [("requests", standing.requests), ("tokens", standing.tokens)] {
        let Some(Gauge { limit, remaining, reset }) = gauge else { continue };
        // Writing to a string does not fail.
        let _ = write!(
            lines,
            "x-ratelimit-limit-{name}: {limit}\r\nx-ratelimit-remaining-{name}: {remaining}\r\nx-ratelimit-reset-{name}: {}\r\n",
            time(reset)
        );
    }
    lines
}

/// The header line of a refusal.
pub(crate) fn retry_after(wait: Duration) -> String {
    format!("retry-after: {}\r\n", seconds(wait).max(1))
}

/// Whole seconds, rounded up.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// `1s`, `6m0s`, `23h59m1s`.
fn time(time: Duration) -> String {
    let seconds = seconds(time);
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_openai_writes_them() {
        for (ms, text) in [
            (0, "0s"),
            (1, "1s"),
            (1_000, "1s"),
            (59_001, "1m0s"),
            (360_000, "6m0s"),
            (3_600_000, "1h0m0s"),
            (86_340_500, "23h59m1s"),
        ] {
            assert_eq!(time(Duration::from_millis(ms)), text);
        }
        assert_eq!(retry_after(Duration::from_millis(1_001)), "retry-after: 2\r\n");
        assert_eq!(retry_after(Duration::ZERO), "retry-after: 1\r\n");
        let standing = Standing {
            requests: Some(Gauge {
                limit: 60,
                remaining: 59,
                reset: Duration::from_secs(1),
            }),
            tokens: None,
        };
        assert_eq!(
            header_lines(&standing),
            "x-ratelimit-limit-requests: 60\r\nx-ratelimit-remaining-requests: 59\r\nx-ratelimit-reset-requests: 1s\r\n"
        );
        assert_eq!(header_lines(&Standing::default()), "");
    }
}
