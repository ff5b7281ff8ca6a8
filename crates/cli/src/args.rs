//! Arguments that several verbs have.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use vigie_model::Severity;
use vigie_run::Failure;
#[cfg(feature = "watch")]
use vigie_run::NetworkFiles;

/// The lake's folder.
#[derive(Clone, Debug, Args)]
pub(crate) struct LakeDir {
    /// The lake's folder, or s3://bucket/prefix in a build with the feature s3 [default: vigie/lake in the user's data folder].
    #[arg(long, value_name = "DIR", env = "VIGIE_LAKE", global = true)]
    pub(crate) lake: Option<PathBuf>,
}

impl LakeDir {
    /// The folder: as given, else the default one.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        vigie_run::lake::folder(self.lake.as_deref())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Never,
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl FailOn {
    /// The lowest severity that counts as a failure; `None`: none does.
    pub(crate) fn severity(self) -> Option<Severity> {
        match self {
            Self::Never => None,
            Self::Info => Some(Severity::Info),
            Self::Low => Some(Severity::Low),
            Self::Medium => Some(Severity::Medium),
            Self::High => Some(Severity::High),
            Self::Critical => Some(Severity::Critical),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableOrJson {
    Table,
    Json,
}

/// Parses a severity.
pub(crate) fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::word)).try_map(|word| {
        let found = Severity::ALL.into_iter().find(|severity| severity.word() == word);
        found.ok_or("unknown severity")
    })
}

/// Files with the place of addresses in the network.
#[cfg(feature = "watch")]
#[derive(Clone, Debug, Args)]
pub(crate) struct NetworkArgs {
    /// An MMDB file with the country, city or AS of addresses; may be given several times, the first that has an address is used.
    #[arg(long, value_name = "FILE.mmdb")]
    pub(crate) geo: Vec<PathBuf>,
    /// The mapping from networks to their classes [default: the embedded one].
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
}

#[cfg(feature = "watch")]
impl NetworkArgs {
    /// The files as options.
    pub(crate) fn files(&self) -> NetworkFiles {
        NetworkFiles {
            geo: self.geo.clone(),
            classes: self.classes.clone(),
        }
    }
}
