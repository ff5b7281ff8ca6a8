//! Other tools' records -> observations. No network.
//!
//! An [`Importer`] reads a file or a pipe record by record and gives the same [`Observation`](vigie_model::Observation)s that
//! a scan gives. What a source cannot carry is unknown, never zero and never false; what something is, the catalogue says from
//! the replies that the record holds. A bad record is told and passed over: nothing in a file ends the reading of it.
//!
//! Memory does not grow with the file. To parse on several threads, take the two halves with [`Importer::split`]: one thread
//! fills [`Batch`]es, the others parse them.

mod archive;
mod bad;
mod censys;
mod fofa;
mod format;
mod frame;
mod http;
mod httpx;
mod importer;
mod input;
mod json;
mod make;
mod masscan;
mod masscan_text;
mod memory;
mod naabu;
mod nmap;
mod nmap_scripts;
mod nmap_text;
mod nuclei;
mod out;
mod recognise;
mod refuse;
mod shadowserver;
mod shodan;
mod time;
mod vigie;
mod xml;
mod zgrab2;
mod zmap;

pub use archive::{Archive, ArchiveError, Entry, Unpacked};
pub use bad::Bad;
pub use format::Format;
pub use frame::Unfinished;
pub use importer::{Batch, ImportError, Importer, MAX_RECORD, Options, Parser, Records};
pub use make::{CLAIM_CONFIDENCE, MANY_SERVICES};
pub use out::{Parsed, PassedOver};
