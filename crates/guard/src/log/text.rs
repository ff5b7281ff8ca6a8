//! The texts of requests and answers, encrypted to a key that the gateway does not have.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::age::Recipient;
use super::chain::{hex, sha256};
use super::files::owners_only;

/// The folder of texts, in that of a stream.
pub(crate) const FOLDER: &str = "text";
/// The most that is kept of a request and of an answer, each.
const MOST: usize = 1 << 20;

/// What a line says of the text that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StoredText {
    /// The file, from the folder of the stream on.
    pub file: String,
    /// The SHA-256 of the file.
    pub sha256: String,
    /// Its bytes.
    pub bytes: u64,
    /// Whether the request or the answer was longer than what is kept.
    pub cut: bool,
}

/// The texts of a request under way.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    request: Vec<u8>,
    answer: Vec<u8>,
    cut: bool,
}

impl Texts {
    pub(crate) fn request(&mut self, bytes: &[u8]) {
        self.cut |= !take(&mut self.request, bytes);
    }

    pub(crate) fn answer(&mut self, bytes: &[u8]) {
        self.cut |= !take(&mut self.answer, bytes);
    }
}

fn take(to: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let room = MOST.saturating_sub(to.len()).min(bytes.len());
    to.extend_from_slice(bytes.get(..room).unwrap_or_default());
    room == bytes.len()
}

/// Encrypts texts and writes them beside the log.
#[derive(Debug)]
pub(crate) struct TextStore {
    recipient: Recipient,
    dir: PathBuf,
}

impl TextStore {
    /// `dir`: the folder of the stream.
    pub(crate) fn new(recipient: Recipient, dir: &Path) -> Self {
        Self {
            recipient,
            dir: dir.to_owned(),
        }
    }

    /// Writes the texts of a request.
    pub(crate) fn store(&self, id: &str, texts: &Texts) -> io::Result<StoredText> {
        let text = json!({
            "schema": "vigie.guard-text/1",
            "id": id,
            "request": String::from_utf8_lossy(&texts.request),
            "answer": String::from_utf8_lossy(&texts.answer),
            "cut": texts.cut,
        });
        let sealed = self
            .recipient
            .encrypt(text.to_string().as_bytes())
            .map_err(|_| io::Error::other("a text cannot be encrypted"))?;
        let day = chrono::Utc::now().format("%Y-%m-%d");
        let folder = self.dir.join(FOLDER).join(day.to_string());
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{id}.age"));
        let mut options = File::options();
        options.create_new(true).write(true);
        owners_only(&mut options);
        let written = options.open(&path).and_then(|mut file| file.write_all(&sealed));
        if let Err(error) = written {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        Ok(StoredText {
            file: format!("{FOLDER}/{day}/{id}.age"),
            sha256: hex(&sha256(&sealed)),
            bytes: sealed.len() as u64,
            cut: texts.cut,
        })
    }
}
