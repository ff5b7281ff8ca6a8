//! The arguments of `vigie hosts`.

use clap::{Args, ValueEnum};
use vigie_model::Severity;

use crate::args::{LakeDir, severity};
use crate::sort::SortArgs;

/// The forms of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// For people.
    Table,
    /// One document.
    Json,
    /// A JSON object per endpoint and line.
    Jsonl,
    /// Comma-separated values, for a spreadsheet.
    Csv,
}

/// The worst of what the advisories say of an endpoint's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerdictArg {
    Affected,
    NotAffected,
    /// It cannot be told, or no advisory covers the product.
    Unknown,
}

#[derive(Clone, Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct HostsArgs {
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Only this product; may be given several times; unknown: what nothing recognised.
    #[arg(long = "product", value_name = "ID", value_delimiter = ',')]
    pub(crate) products: Vec<String>,
    /// Only this version or range, in each product's own order: 0.1.33, '<0.1.34', '>=0.1,<0.1.34', unknown.
    #[arg(long, value_name = "VERSIONS", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,
    /// Only this posture: open, key, login, signup, first-admin, forbidden, unknown; may be given several times.
    #[arg(long = "posture", value_name = "POSTURE", value_delimiter = ',')]
    pub(crate) postures: Vec<String>,
    /// Only this country, by its code of two letters, or unknown; may be given several times.
    #[arg(long = "country", value_name = "CODE", value_delimiter = ',')]
    pub(crate) countries: Vec<String>,
    /// Only where something is found at or above this severity, with the knowledge of today: info, low, medium, high, critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    pub(crate) severity: Option<Severity>,
    /// Only where this is the worst that the advisories of today say of the version; may be given several times.
    #[arg(long = "verdict", value_name = "VERDICT", value_delimiter = ',')]
    pub(crate) verdicts: Vec<VerdictArg>,
    /// Only what came, went or changed since then, as vigie diff tells it: a day, an instant, or an age such as 7d.
    #[cfg(feature = "watch")]
    #[arg(long, value_name = "TIME")]
    pub(crate) changed_since: Option<crate::when::When>,
    /// At most so many; all or 0: all [default: 50 where the table goes to a terminal, else all].
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<crate::verbs::hosts::Limit>,
    /// How they are listed [default: the latest seen first].
    #[command(flatten)]
    pub(crate) sort: SortArgs,
    /// The form of the list.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: ListFormat,
}
