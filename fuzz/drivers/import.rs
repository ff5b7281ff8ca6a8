//! Any bytes as another tool's file: read at once and in small pieces alike, and every record is one that vigie reads again.

use std::io::Read;

use vigie_identify::Identifier;
use vigie_import::{Format, Importer, Options};
use vigie_model::{Observation, Timestamp};

/// Imports it. A first byte that is a format's number names the format; any other belongs to the file, whose format is then recognised.
pub(crate) fn drive(data: &[u8]) {
    let (format, bytes) = match data.split_first() {
        Some((first, rest)) if usize::from(*first) < Format::ALL.len() => (Some(Format::ALL[usize::from(*first)]), rest),
        _ => (None, data),
    };
    let whole = import(bytes, format);
    assert_eq!(
        whole,
        import(Pieces { rest: bytes, turn: 0 }, format),
        "what is read depends on how it arrives"
    );
    for line in whole.iter().flatten().flatten() {
        let again: Observation = serde_json::from_str(line).expect("a record that was written reads");
        assert_eq!(*line, written(&again), "a record changes when it is read again");
    }
}

/// Every observation as its JSON, every bad record as its reason; or why nothing was imported.
fn import(reader: impl Read, format: Option<Format>) -> Result<Vec<Result<String, String>>, String> {
    let mut options = Options::new(Identifier::embedded(), Timestamp::UNIX_EPOCH);
    // So that records without a time or a port get further, and long ones are met.
    options.seen = Some(Timestamp::UNIX_EPOCH);
    options.default_port = Some(11434);
    options.max_record = 64 * 1024;
    let importer = Importer::new(reader, format, options).map_err(|error| error.to_string())?;
    Ok(importer
        .map(|item| item.map(|seen| written(&seen)).map_err(|bad| bad.to_string()))
        .collect())
}

fn written(seen: &Observation) -> String {
    serde_json::to_string(seen).expect("a record is written")
}

/// Gives 1, 2, … 7 bytes at a time, over and over.
struct Pieces<'a> {
    rest: &'a [u8],
    turn: usize,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.turn = self.turn % 7 + 1;
        let length = self.turn.min(self.rest.len()).min(buffer.len());
        let (piece, rest) = self.rest.split_at(length);
        buffer[..length].copy_from_slice(piece);
        self.rest = rest;
        Ok(length)
    }
}
