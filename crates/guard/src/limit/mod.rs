//! Rates and quotas per key.
//!
//! A [`Grant`](crate::key::Grant) may hold [`Limits`]. The threads of the gateway share one [`Limiter`]. What it promises:
//!
//! - **Requests per minute.** At most the limit is admitted in any 60 seconds, on all threads together. The window slides: a request
//!   gives its place back after 60 seconds, or up to 250 ms later where several came close together. A request that is refused takes no
//!   place, whatever it is refused for.
//! - **Tokens per minute, tokens per day.** How many tokens a request takes is known when its answer ends, so an inference is admitted
//!   while anything is left. The overshoot is what the requests take that run at the same time; with `concurrent` set it is bounded.
//!   Only inference needs tokens left: lists and metadata still answer.
//! - **The day** is a calendar day in UTC. Each day has one count, in whatever order the clock visits the days: a clock that goes back
//!   continues the count of the day that it goes back to. A clock that goes forward begins the next day early and takes from it.
//! - **The minute** is measured with the monotonic clock; a jump of the wall clock does not touch it.
//! - **Concurrent.** At most the limit is under way. A request gives its place back before its client sees the end of the answer.
//! - **Without usage.** Where the server reports no tokens, or the client leaves before they are reported, they are estimated
//!   ([`estimate`]); the audit log marks the number as an estimate (`counted.estimated`).
//! - **A restart forgets nothing that the audit log holds**, after a kill as well: counts come from the log's lines. Beside the keys,
//!   `counts.json` holds the sums up to one line of the log; it is replaced whole about once a second. A start reads it and the lines
//!   after it. Without it, or where it does not fit the log, the start reads the log's files of the day. The last minute is read from the
//!   log as well. What a kill can lose are the requests that had no line yet: those under way, and those that waited for the log's
//!   writer. A power failure can lose the second of lines that the disk had not stored, as for the log itself.
//! - **Cost.** Two short locks of one of 64 shards per request, and one look-up in a hash map, however many keys there are.
//!
//! # Headers
//!
//! A request over a limit gets 429 with `retry-after` in whole seconds, rounded up (RFC 9110, section 10.2.3): the time until a request
//! would be admitted. A full `concurrent` says one second, for nobody knows when a request ends.
//!
//! Answers of a key with limits carry the headers of OpenAI (API guide, "Rate limits in headers"):
//! `x-ratelimit-limit-requests`, `x-ratelimit-remaining-requests` and `x-ratelimit-reset-requests`, and the same with `-tokens`. Limits
//! and remaining amounts are whole numbers. A reset is the time until the limit is as if unused, in the form of the guide's examples,
//! `1s` and `6m0s` (the form of Go's `Duration.String`), here in whole seconds, rounded up. Of two token limits the one with less left is
//! shown.

mod account;
mod beside;
mod clock;
mod counts;
mod days;
pub mod estimate;
mod headers;
mod keeper;
mod limits;
mod redis;
mod shared;
mod window;

pub use account::{Gauge, Over, Standing};
pub use clock::{Clock, Now};
pub use limits::{Limit, Limits};
pub use shared::{Limiter, Permit};

pub(crate) use headers::{header_lines, retry_after};
pub(crate) use keeper::open;
#[cfg(any(test, fuzzing))]
pub(crate) use redis::fuzzing;
pub(crate) use redis::{Away, Link, Remote, RemotePermit};
