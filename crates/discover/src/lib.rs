//! Asks Shodan and Censys what they saw, within a budget.
//!
//! A [`Discovery`] works through the queries of a [`State`]: it counts, splits by country and port what lies past the service's page
//! cap, and gives each page's reply as it came, for `vigie-import` to read. It keeps no result itself. [`State`] says at any time
//! what was asked and which pages are done, and can be written to a file and read again.
//!
//! - The budget is counted before a request is sent. A request whose reply was lost stays counted: the service may have charged it.
//! - Nothing is sent but to the service's base URL; redirects are not followed.
//! - A [`Secret`] shows itself nowhere: not in errors, and not in a reply that repeats it.

mod base;
mod client;
mod discovery;
mod fault;
mod legacy;
mod platform;
mod secret;
mod service;
mod shodan;
mod state;

pub use base::{BaseUrl, BaseUrlError};
pub use discovery::{Discovery, DiscoveryOptions, DiscoveryStep, ReplyKind, ServiceReply};
pub use fault::StopReason;
pub use secret::{Secret, SecretError};
pub use service::{Service, ServiceKind, SplitField};
pub use state::{DiscoveryState, PartStatus, QueryPart, QueryState, STATE_SCHEMA, StateError};
