//! The scanner: sweep, probes, and the pipeline with its budgets.
//!
//! One thread sweeps for open ports ([`mod@sweep`]) and passes the socket of each open port to one of the probe threads. A probe thread
//! has a `current_thread` runtime; it talks to the endpoint and assesses the observation. The results are one stream of [`Event`]s. A
//! caller that reads them slowly slows the sweep down and loses nothing.

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
pub use engine::{Clock, Engine, EngineOptions, EnrichFn, Event, Handle, PlannedVisit, Progress, Rules, Target, Work};
pub use limits::{descriptors, probes, sweep_sockets};
pub use probe::{Gate, ProbeOptions, Probed, Visit, left_out, probe, send_one};
pub use tls::certificate;

/// The `User-Agent` of a scan: vigie, its version, and whom to contact.
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
