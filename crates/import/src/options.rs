//! Options of an import.

use std::sync::Arc;

use vigie_catalog::Catalog;
use vigie_identify::Identifier;
use vigie_model::Timestamp;

use crate::gateway_log::PublicKey;

/// The longest record, in bytes. A longer one is rejected and skipped.
pub const MAX_RECORD: usize = 16 << 20;

/// The caller's options.
#[derive(Clone, Debug)]
pub struct Options {
    /// Identifies the servers behind records.
    pub identifier: Arc<Identifier>,
    /// The time of the import.
    pub recorded: Timestamp,
    /// The time of records without one, for example the file's time; if `None`, they are bad.
    pub seen: Option<Timestamp>,
    /// The vantage; if `None`, the source's own.
    pub vantage: Option<String>,
    /// The port of records that are only an address (zmap's default output); if `None`, they are bad.
    pub default_port: Option<u16>,
    /// Leaves out endpoints that no rule recognises; [`PassedOver`](crate::PassedOver) counts them.
    pub recognised_only: bool,
    /// The file's name, which helps to recognise its format.
    pub file_name: Option<String>,
    /// The name of the gateway whose log this is, if its lines do not name it and there is no public key.
    pub gateway: Option<String>,
    /// The keys that the signatures in gateways' logs are checked with. If there are none, signatures are not checked; if there are, a log
    /// must be signed with one of them.
    pub public_keys: Vec<PublicKey>,
    /// The longest record in bytes, at most [`MAX_RECORD`].
    pub max_record: usize,
}

impl Options {
    /// Options with only the required values.
    #[must_use]
    pub fn new(identifier: Arc<Identifier>, recorded: Timestamp) -> Self {
        Self {
            identifier,
            recorded,
            seen: None,
            vantage: None,
            default_port: None,
            recognised_only: false,
            file_name: None,
            gateway: None,
            public_keys: Vec::new(),
            max_record: MAX_RECORD,
        }
    }

    pub(crate) fn catalog(&self) -> &Catalog {
        self.identifier.catalog()
    }
}
