//! Where an address stands: country, city, autonomous system, and the class of its network in the two views that the study
//! publishes. Reads files that the user names; sends nothing.
//!
//! [`Places`] looks an address up in MMDB files, [`Classes`] says what kind of network an autonomous system is, and [`Enricher`]
//! puts both into a record. See `docs/src/network.md`.

mod attribution;
mod classes;
mod database;
mod databases;
mod enrich;
mod mapping;
mod record;
mod views;

pub use attribution::{Attributed, Attribution};
pub use classes::Classes;
pub use database::{Database, DatabaseField, Error};
pub use databases::{Databases, Location, Sourced};
pub use enrich::Enricher;
pub use mapping::{ClassErrors, ClassProblem, EMBEDDED};
pub use views::{AsType, Tier};
