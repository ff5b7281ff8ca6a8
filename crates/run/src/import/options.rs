//! The options of an import.

use std::path::PathBuf;

use vigie_import::{Format, PublicKey};
use vigie_model::Timestamp;

use crate::network::NetworkFiles;

/// The options of an import.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// The files, in order; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// The format of the files; `None`: it is recognised from the first bytes of each.
    pub from: Option<Format>,
    /// The folder of the lake; `None`: the user's own.
    pub lake: Option<PathBuf>,
    /// The time of records without one; `None`: such records are bad.
    pub seen: Option<SeenAt>,
    /// The vantage of the records; `None`: what the source says.
    pub vantage: Option<String>,
    /// The port of records that are only an address; `None`: such records are bad.
    pub port: Option<u16>,
    /// The name of the gateway whose logs these are, if their lines do not name it.
    pub gateway: Option<String>,
    /// The keys that signatures in the logs of gateways are checked with; if there are none, they are not checked.
    pub public_keys: Vec<PublicKey>,
    /// The files that give country, AS and network class of addresses.
    pub network: NetworkFiles,
    /// Whether endpoints that no rule recognises are left out. They are counted.
    pub recognised_only: bool,
    /// The error file: bad records are written to it. It is created only if there is one.
    pub errors: PathBuf,
    /// The catalogue's folder; `None`: the embedded one.
    pub catalog: Option<PathBuf>,
}

impl ImportOptions {
    /// Imports these files into the user's lake; bad records go to the error file.
    #[must_use]
    pub fn new(files: Vec<PathBuf>, errors: PathBuf) -> Self {
        Self {
            files,
            from: None,
            lake: None,
            seen: None,
            vantage: None,
            port: None,
            gateway: None,
            public_keys: Vec::new(),
            network: NetworkFiles::default(),
            recognised_only: false,
            errors,
            catalog: None,
        }
    }
}

/// The time of records without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeenAt {
    /// The time when their file was last modified.
    FileTime,
    /// This instant.
    Instant(Timestamp),
}
