//! Imports the records of other tools as observations. Uses no network.
//!
//! An [`Importer`] reads a file or a pipe record by record and returns [`Observation`](vigie_model::Observation)s like a scan's. What a
//! source cannot carry is unknown, never zero and never false. The catalogue identifies products from the replies in the records. A bad
//! record is reported and skipped: nothing in a file stops the import.
//!
//! The log of vigie's gateway holds requests instead of observations: they are in [`Parsed::requests`], with the links of its chain.
//!
//! Memory does not grow with the file. To parse on several threads, take the two halves with [`Importer::split`]: one thread
//! fills [`Batch`]es, the others parse them.

mod archive;
mod bad;
mod choose;
mod endpoint;
mod format;
mod formats;
mod frame;
mod gateway_log;
mod http;
mod importer;
mod input;
mod json;
mod line_cache;
mod make;
mod options;
mod out;
mod parser;
mod products;
mod raw;
mod recognise;
mod records;
mod refuse;
mod time;
mod xml;

pub use archive::{Archive, ArchiveError, Entry, Unpacked};
pub use bad::{Bad, BadKind};
pub use choose::ImportError;
pub use format::Format;
pub use frame::Unfinished;
pub use gateway_log::{BreakKind, ChainBreak, ChainCheck, ChainReport, PublicKey, Segment};
pub use importer::Importer;
pub use make::CLAIM_CONFIDENCE;
pub use options::{MAX_RECORD, Options};
pub use out::{Parsed, PassedOver};
pub use parser::Parser;
pub use raw::MANY_SERVICES;
pub use records::{Batch, Records};
