//! The events of a running import.

use std::path::Path;

use vigie_import::{Bad, ChainReport};

use super::report::{EarlyEnd, ImportedFile};
use crate::failure::Failure;
use crate::intake::ImportCounts;

/// An event of an import. Texts may quote a file and can hold control characters.
#[derive(Clone, Copy, Debug)]
pub enum ImportEvent<'e> {
    /// The options are checked and the lake is open. Reading starts.
    Begun,
    /// The reading of a file, or of a file in an archive, starts.
    FileBegun {
        /// Its name: `archive: file` in an archive, `-` for standard input.
        name: &'e str,
        /// Its size in bytes, as stored; `None` for pipes and for files in an archive.
        size: Option<u64>,
    },
    /// Some more of the file was read.
    Progress {
        /// The bytes read of the file, as stored.
        read: u64,
        /// The counts of the file so far. Observations are counted when they are committed.
        counts: ImportCounts,
    },
    /// The reading of the file ended.
    FileEnded,
    /// Files that macOS added to an archive are left out.
    MacFilesLeftOut {
        /// The archive.
        archive: &'e str,
        /// How many.
        count: usize,
    },
    /// A fault of a file that costs nothing.
    Warning {
        /// The file.
        file: &'e str,
        /// The fault.
        text: &'e str,
    },
    /// A file was not read, or not read to its end.
    Failed {
        /// The file.
        file: &'e str,
        /// Why.
        reason: &'e str,
    },
    /// A file ends early. What it holds is imported.
    Unfinished {
        /// The file.
        file: &'e str,
        /// Where it ends.
        end: &'e EarlyEnd,
    },
    /// The chain of a gateway's log breaks. What the file holds is imported.
    ChainBroken {
        /// The file.
        file: &'e str,
        /// Where.
        chain: &'e ChainReport,
    },
    /// A file was read and holds no record.
    NoRecord {
        /// The file.
        file: &'e str,
    },
    /// A file was read and holds only bad records.
    OnlyBad {
        /// The file.
        file: &'e ImportedFile,
        /// Its first bad record.
        first: &'e Bad,
        /// The error file.
        errors: Option<&'e Path>,
    },
}

/// Takes the events, on the thread that called the import. An error ends the import.
pub type ImportListener<'l> = dyn FnMut(ImportEvent<'_>) -> Result<(), Failure> + 'l;
