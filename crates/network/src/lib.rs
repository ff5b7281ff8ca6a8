//! Where an address stands: country, city, autonomous system, and the class of its network in the two views that the study
//! publishes. Reads files that the user names; sends nothing.
//!
//! [`Places`] looks an address up in MMDB files, [`Classes`] says what kind of network an autonomous system is, and [`Enricher`]
//! puts both into a record. See `docs/src/network.md`.

mod attribution;
mod classes;
mod database;
mod enrich;
mod places;
mod record;

pub use attribution::{Attributed, Attribution};
pub use classes::{AsType, ClassErrors, Classes, EMBEDDED, Problem, Tier};
pub use database::{Database, Error, Field};
pub use enrich::Enricher;
pub use places::{Place, Places, Told};
