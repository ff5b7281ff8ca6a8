//! Imports the files of other tools into the lake.
//!
//! [`import`] reads the files one after the other. One thread reads a file, others parse it, and one writes to the lake, so that memory does
//! not grow with the file.

mod counting;
mod event;
mod files;
mod options;
mod pipeline;
mod report;
mod room;
mod source;

pub use event::{ImportEvent, ImportListener};
pub use options::{ImportOptions, SeenAt};
pub use report::{EarlyEnd, Imported, ImportedFile};

pub use crate::intake::ImportCounts;

use self::files::Files;
use crate::failure::Failure;
use crate::intake::Intake;
use crate::lake::Writer;
use crate::stop::Stop;

/// Imports files. What is committed stays, however the import ends, and importing the same files again adds only the rest.
///
/// A file that cannot be read, and a bad record, stop nothing: the report says what became of each file.
///
/// # Errors
///
/// The catalogue or a network file cannot be read, the lake or the error file cannot be written, or the listener fails.
pub fn import(options: &ImportOptions, stop: &Stop, listener: &mut ImportListener<'_>) -> Result<Imported, Failure> {
    let knowledge = crate::knowledge::knowledge(options.catalog.as_deref())?;
    let identifier = crate::knowledge::identifier(options.catalog.as_deref(), &knowledge.catalog)?;
    let enricher = options.network.open()?;
    let lake = crate::lake::folder(options.lake.as_deref())?;
    let intake = Intake::new(Writer::open(&lake)?, &options.errors);
    listener(ImportEvent::Begun)?;
    let mut files = Files::new(options, identifier, enricher, intake, stop, listener);
    for file in &options.files {
        if let Err(failure) = files.read(file) {
            files.rescue();
            return Err(failure);
        }
        if stop.is_asked() {
            break;
        }
    }
    files.finish()
}
