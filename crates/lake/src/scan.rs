//! The records of scans.

use std::net::SocketAddr;

use vigie_model::{Known, ScopeRef, Timestamp, Why};

/// A scan, with what is needed to repeat it and the scope under which it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Its id; in observations it is `source.scan`.
    pub id: String,
    /// The version of vigie.
    pub vigie: String,
    /// The seed of the order of the addresses.
    pub seed: u64,
    /// The scope's hash.
    pub scope: ScopeRef,
    /// The catalogue's hash.
    pub catalog: String,
    /// The date of the advisories.
    pub advisories: Known<String>,
    /// The vantage.
    pub vantage: String,
    /// The hash of the text of the targets.
    pub targets: String,
    /// The ports, as text.
    pub ports: String,
    /// The number of the shard, and how many there are.
    pub shard: Option<(u32, u32)>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; `None`: it is running or was interrupted.
    pub finished: Option<Timestamp>,
    /// The number of addresses and ports to scan, if known beforehand.
    pub planned: Option<u64>,
    /// The number of those scanned.
    pub swept: Option<u64>,
    /// The number of open ones.
    pub open: Option<u64>,
    /// The number of observations.
    pub observed: Option<u64>,
    /// The planned addresses and ports of all shards, in the notation of `vigie-scope`. Unknown for a scan that resumed another one, and for
    /// scans recorded before this column existed.
    pub covers: Known<String>,
    /// The planned endpoints that were not scanned: this machine had no route, or the scope's window had closed.
    pub missed: Known<Vec<SocketAddr>>,
    /// The watch whose round it was.
    pub watch: Option<String>,
}

impl Scan {
    pub(crate) fn blank() -> Self {
        Self {
            id: String::new(),
            vigie: String::new(),
            seed: 0,
            scope: Known::unknown(Why::NotCarried),
            catalog: String::new(),
            advisories: Known::unknown(Why::NotCarried),
            vantage: String::new(),
            targets: String::new(),
            ports: String::new(),
            shard: None,
            started: Timestamp::MIN_UTC,
            finished: None,
            planned: None,
            swept: None,
            open: None,
            observed: None,
            covers: Known::unknown(Why::NotCarried),
            missed: Known::unknown(Why::NotCarried),
            watch: None,
        }
    }
}
