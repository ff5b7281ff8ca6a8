//! What is noticed in a stream of requests to AI servers.
//!
//! An [`Event`] is what is known of one request; it comes from the gateway while it runs, from its audit log ([`log`]), or from another log. An
//! [`Engine`] gives each event to the detectors ([`detectors`]) and returns [`Alert`]s. The memory of all of them is bounded, whatever the
//! stream is. Texts are read once ([`content`]), and numbers remain of them.

pub mod alert;
pub mod content;
pub mod detectors;
mod engine;
mod event;
pub mod log;
pub mod measure;
mod memory;
pub mod traffic;

pub use alert::{About, Alert, Subject};
pub use content::{Content, Family, SketchKey};
pub use engine::Engine;
pub use event::{Event, Outcome};
