//! The files of an import, one after the other.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use vigie_identify::Identifier;
use vigie_import::{Archive, ChainCheck, Importer, Options};
use vigie_network::Enricher;

use super::counting::CountingReader;
use super::event::{ImportEvent, ImportListener};
use super::options::{ImportOptions, SeenAt};
use super::pipeline::{self, Sink};
use super::report::{EarlyEnd, Imported, ImportedFile};
use super::source::{Opened, Source, is_macs_own};
use crate::failure::Failure;
use crate::intake::Intake;
use crate::stop::Stop;

/// Why a file of no bytes is not imported.
const EMPTY: &str = "it is empty: there is nothing to import; look whether the tool that wrote it ended well, or name another file";

/// Why a file is not read.
enum ReadError {
    /// A fault of the file: the others are still read.
    File(String),
    /// A fault of the lake, of the error file or of the listener: the import ends.
    Import(Failure),
}

impl From<Failure> for ReadError {
    fn from(failure: Failure) -> Self {
        Self::Import(failure)
    }
}

/// A file that was read, and the part of the intake that counts it.
struct ReadFile {
    report: ImportedFile,
    /// `None` if nothing was read.
    part: Option<usize>,
}

/// The files that were read so far, and what the next one is read with.
pub(super) struct Files<'f, 'l> {
    options: &'f ImportOptions,
    identifier: Arc<Identifier>,
    enricher: Enricher,
    intake: Intake,
    chains: ChainCheck,
    stop: &'f Stop,
    listener: &'f mut ImportListener<'l>,
    done: Vec<ReadFile>,
}

impl<'f, 'l> Files<'f, 'l> {
    pub(super) fn new(
        options: &'f ImportOptions,
        identifier: Arc<Identifier>,
        enricher: Enricher,
        intake: Intake,
        stop: &'f Stop,
        listener: &'f mut ImportListener<'l>,
    ) -> Self {
        Self {
            options,
            identifier,
            enricher,
            intake,
            chains: ChainCheck::default(),
            stop,
            listener,
            done: Vec::new(),
        }
    }

    /// Reads a file; of an archive, each file in it.
    pub(super) fn read(&mut self, path: &Path) -> Result<(), Failure> {
        let (source, opened) = match Source::open(path) {
            Ok(opened) => opened,
            Err(reason) => return self.failed(path.display().to_string(), reason),
        };
        let read = match opened {
            Opened::Stdin(input) => self.text(&source, input),
            Opened::File(input) => self.text(&source, input),
            Opened::Archive(file) => self.archive(&source, file),
        };
        self.end(&source, read)
    }

    /// Commits what the files before a failure gave, if it can be.
    pub(super) fn rescue(&mut self) {
        let _ = self.intake.commit();
    }

    /// Commits everything, and makes the report.
    pub(super) fn finish(mut self) -> Result<Imported, Failure> {
        self.intake.commit()?;
        for file in &mut self.done {
            if let Some(counts) = file.part.and_then(|part| self.intake.all_counts().get(part)) {
                file.report.set_counts(*counts);
            }
        }
        if !self.stop.is_asked() {
            for file in self.done.iter().filter(|file| file.report.has_no_record()) {
                (self.listener)(ImportEvent::NoRecord { file: &file.report.file })?;
            }
        }
        let only_bad: Vec<_> = self
            .done
            .iter()
            .filter(|file| file.report.has_only_bad())
            .filter_map(|file| Some((&file.report, self.intake.first_bad(file.part?)?.clone())))
            .collect();
        let errors = self.intake.close()?;
        let interrupted = self.stop.is_asked();
        for (file, first) in &only_bad {
            (self.listener)(ImportEvent::OnlyBad {
                file,
                first,
                errors: errors.as_deref(),
            })?;
        }
        Ok(Imported {
            schema: "vigie.import/1",
            files: self.done.into_iter().map(|file| file.report).collect(),
            errors,
            interrupted,
        })
    }

    /// Reports a file that was not read as it should be.
    fn end(&mut self, source: &Source, read: Result<(), ReadError>) -> Result<(), Failure> {
        match read {
            Ok(()) => Ok(()),
            Err(ReadError::File(reason)) => self.failed(source.name.clone(), reason),
            Err(ReadError::Import(failure)) => Err(failure),
        }
    }

    fn failed(&mut self, file: String, reason: String) -> Result<(), Failure> {
        (self.listener)(ImportEvent::Failed {
            file: &file,
            reason: &reason,
        })?;
        self.done.push(ReadFile {
            report: ImportedFile::failed(file, reason),
            part: None,
        });
        Ok(())
    }

    /// Reads each file in a zip archive. A file that cannot be read costs no other.
    fn archive(&mut self, source: &Source, file: File) -> Result<(), ReadError> {
        let mut archive = Archive::open(file).map_err(|error| ReadError::File(error.to_string()))?;
        let entries = archive.entries().to_vec();
        let (macs, entries): (Vec<_>, Vec<_>) = entries.into_iter().partition(|entry| is_macs_own(&entry.name));
        if !macs.is_empty() {
            (self.listener)(ImportEvent::MacFilesLeftOut {
                archive: &source.name,
                count: macs.len(),
            })?;
        }
        if entries.is_empty() {
            return Err(ReadError::File("a zip archive without a file in it".to_owned()));
        }
        for entry in entries {
            let inner = source.inside(&entry.name);
            let read = match archive.unpack(&entry) {
                Ok(unpacked) => self.text(&inner, unpacked),
                Err(reason) => Err(ReadError::File(reason)),
            };
            self.end(&inner, read)?;
            if self.stop.is_asked() {
                break;
            }
        }
        Ok(())
    }

    /// Reads the records of one text.
    fn text<R: Read + Send>(&mut self, source: &Source, reader: R) -> Result<(), ReadError> {
        let (reader, read) = CountingReader::new(reader);
        let is_empty = || read.load(Ordering::Relaxed) == 0;
        let importer = Importer::new(reader, self.options.from, self.options_of(source)).map_err(|error| match is_empty() {
            true => ReadError::File(EMPTY.to_owned()),
            false => ReadError::File(error.to_string()),
        })?;
        let mut report = ImportedFile {
            file: source.name.clone(),
            format: Some(importer.format().word()),
            ..ImportedFile::default()
        };
        let (records, parser) = importer.split();
        (self.listener)(ImportEvent::FileBegun {
            name: &source.name,
            size: source.size,
        })?;
        let part = Some(self.intake.start_part());
        let mut sink = Sink {
            file: &source.name,
            is_alone: self.options.files.len() < 2 && !source.is_packed,
            read: &read,
            intake: &mut self.intake,
            chains: &mut self.chains,
            listener: self.listener,
        };
        let end = pipeline::run(records, &parser, &self.enricher, self.stop, &mut sink)?;
        report.chain = self.chains.end_of_file();
        report.unfinished = end.unfinished.map(EarlyEnd::from);
        let file = &source.name;
        (self.listener)(ImportEvent::FileEnded)?;
        if let Some(text) = end.warning {
            (self.listener)(ImportEvent::Warning { file, text })?;
        }
        if let Some(damaged) = end.damaged {
            let reason = format!("{damaged}; what could be read is imported, and may not be what was written");
            (self.listener)(ImportEvent::Failed { file, reason: &reason })?;
            report.failed = Some(reason);
        }
        if is_empty() && !self.stop.is_asked() {
            // It has no end either, which is not worth a report.
            return Err(ReadError::File(EMPTY.to_owned()));
        }
        if let Some(chain) = report.chain.as_ref().filter(|chain| chain.broken > 0) {
            (self.listener)(ImportEvent::ChainBroken { file, chain })?;
        }
        if let Some(end) = &report.unfinished {
            (self.listener)(ImportEvent::Unfinished { file, end })?;
        }
        self.done.push(ReadFile { report, part });
        Ok(())
    }

    fn options_of(&self, source: &Source) -> Options {
        let mut options = Options::new(Arc::clone(&self.identifier), chrono::Utc::now());
        options.vantage.clone_from(&self.options.vantage);
        options.default_port = self.options.port;
        options.gateway.clone_from(&self.options.gateway);
        options.public_keys.clone_from(&self.options.public_keys);
        options.recognised_only = self.options.recognised_only;
        options.file_name.clone_from(&source.file_name);
        options.seen = match self.options.seen {
            Some(SeenAt::FileTime) => source.modified,
            Some(SeenAt::Instant(instant)) => Some(instant),
            None => None,
        };
        options
    }
}
