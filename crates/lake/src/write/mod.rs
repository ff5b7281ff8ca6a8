//! Writing: contents first, then the observations that point to them.

mod append;
mod commit;
mod durable;
mod files;
mod requests;
mod rows;
mod writer;

pub use append::Committed;
#[cfg(any(test, feature = "upkeep"))]
pub(crate) use commit::committed;
#[cfg(feature = "upkeep")]
pub(crate) use commit::{APPLICATION, ATTEMPTS, is_conflict, pause};
#[cfg(feature = "upkeep")]
pub(crate) use durable::{discard, durable, sync_checkpoint};
#[cfg(test)]
pub(crate) use durable::{fault, sync};
#[cfg(feature = "upkeep")]
pub(crate) use files::{compacted_properties, conformed};
pub use requests::CommittedRequests;
#[cfg(feature = "upkeep")]
pub(crate) use rows::write_error;
pub(crate) use rows::{OF_A_STATE, OF_OBSERVATIONS, OF_RUNNING, ObservationRows, RowBatches, in_columns, running_of, states_of};
pub(crate) use writer::Writer;
