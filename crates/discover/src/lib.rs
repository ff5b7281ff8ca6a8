//! Queries Shodan and Censys within a budget.
//!
//! A [`Discovery`] works through the queries of a [`DiscoveryState`]. It counts the records of a query, splits the query by country
//! and port where the service has no page for all of them, and returns each reply as it arrived, for `vigie-import` to read. It keeps
//! no record itself. The state holds at any time what was requested and which pages were read; it can be saved and resumed.
//!
//! - A request's cost is counted before the request is sent. If its reply is lost it stays counted, because the service may have
//!   charged for it.
//! - Requests go to the service's base URL only. Redirects are not followed.
//! - A [`Secret`] appears nowhere: not in an error, and not in a reply that repeats it.

mod api;
mod client;
mod decode;
mod discovery;
mod fault;
mod kind;
mod part;
mod secret;
mod sender;
mod service;
mod services;
mod state;
mod url;

pub use discovery::{Discovery, DiscoveryOptions, DiscoveryStep, ReplyKind, ServiceReply};
pub use fault::StopReason;
pub use kind::{ServiceKind, SplitField};
pub use part::{PartStatus, QueryPart};
pub use secret::{Secret, SecretError};
pub use service::Service;
pub use state::{DiscoveryState, QueryState, STATE_SCHEMA, StateError};
pub use url::{BaseUrl, BaseUrlError};
