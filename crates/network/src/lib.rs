//! The country, city and autonomous system of an address, and the class of its network in the two views that the study publishes. Reads
//! files that the user names and sends nothing.
//!
//! [`Databases`] looks an address up in MMDB files, [`Classes`] gives the class of an autonomous system, and [`Enricher`] adds both to a
//! record. See `docs/src/network.md`.

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
