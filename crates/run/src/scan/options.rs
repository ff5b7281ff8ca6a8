//! The options of a scan.

use std::path::PathBuf;
use std::time::Duration;

use vigie_scope::Shard;

/// The options of a scan, with texts and files as the user named them.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// Addresses, networks, ranges, host names, `host:port`, URLs. Without targets and files, this machine is scanned.
    pub targets: Vec<String>,
    /// Files with targets, one per line; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// Numbers, ranges, lists, or `all`; `None`: the catalogue's.
    pub ports: Option<String>,
    /// The scope file.
    pub scope: Option<PathBuf>,
    /// Opt-out lists.
    pub opt_out: Vec<PathBuf>,
    /// Whether the owner's proof is requested where the scope allows it.
    pub prove: bool,
    /// The seed of the order; `None`: a new one.
    pub seed: Option<u64>,
    /// The part of the plan to scan.
    pub shard: Shard,
    /// A resume file. Its targets, files, ports, scope, opt-out lists, seed and shard replace the ones here.
    pub resume: Option<PathBuf>,
    /// The lake that keeps the observations; `None`: they are not kept.
    pub lake: Option<PathBuf>,
    /// A baseline of accepted findings.
    pub baseline: Option<PathBuf>,
    /// The catalogue's folder; `None`: the embedded one.
    pub catalog: Option<PathBuf>,
    /// The folder for transcripts, one file per endpoint.
    pub transcripts: Option<PathBuf>,
    /// The place of addresses in the network.
    #[cfg(feature = "watch")]
    pub network: crate::NetworkFiles,
    /// Whether the texts of prompts are kept, not only their hash and class.
    pub keep_prompts: bool,
    /// The longest wait for a reply.
    pub timeout: Duration,
    /// The watch whose round it is. A round leaves no resume file.
    pub watch: Option<String>,
}

impl Default for ScanOptions {
    /// This machine, with the embedded catalogue and no lake.
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            files: Vec::new(),
            ports: None,
            scope: None,
            opt_out: Vec::new(),
            prove: false,
            seed: None,
            shard: Shard::whole(),
            resume: None,
            lake: None,
            baseline: None,
            catalog: None,
            transcripts: None,
            #[cfg(feature = "watch")]
            network: crate::NetworkFiles::default(),
            keep_prompts: false,
            timeout: Duration::from_secs(5),
            watch: None,
        }
    }
}

impl ScanOptions {
    /// Whether targets were named, by words or files.
    pub(crate) fn names_targets(&self) -> bool {
        !self.targets.is_empty() || !self.files.is_empty()
    }
}
