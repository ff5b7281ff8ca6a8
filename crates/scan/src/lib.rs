//! Sweep, probe, and the pipeline with its budgets.
//!
//! One thread sweeps for open ports ([`mod@sweep`]); the socket of an open port goes to one of the probing threads, each with a
//! `current_thread` runtime; what they see is judged there and comes out as one stream of [`Event`]s, which the caller reads. A
//! slow caller slows the sweep down and nothing else.

mod body;
mod engine;
mod http1;
mod http2;
mod limits;
mod probe;
pub mod sweep;
mod tls;
mod wire;

pub use body::LargeReplies;
pub use engine::{Clock, Dress, Engine, EngineOptions, Event, Handle, Look, Progress, Rules, Target, Work};
pub use limits::{descriptors, probes, sweep_sockets};
pub use probe::{Gate, ProbeOptions, Probed, Visit, left_out, probe, send_one};
pub use tls::certificate;

/// The `User-Agent`: who it is, which version, and whom to ask.
#[must_use]
pub fn user_agent(contact: Option<&str>) -> String {
    let contact = contact.unwrap_or("inventory of AI servers by their own operator");
    let clean: String = contact
        .chars()
        .filter(|c| (' '..='~').contains(c) && !"()\\".contains(*c))
        .take(120)
        .collect();
    format!("vigie/{} ({clean})", env!("CARGO_PKG_VERSION"))
}
