//! The arguments of `vigie hosts`.

use clap::{Args, ValueEnum};
use vigie_model::Severity;

use crate::args::{LakeDir, severity};
use crate::sort::SortArgs;

/// The formats of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// A table for people.
    Table,
    /// One JSON document.
    Json,
    /// JSON lines: one object per endpoint.
    Jsonl,
    /// Comma-separated values, for a spreadsheet.
    Csv,
}

/// The worst verdict of the advisories on an endpoint's version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerdictArg {
    Affected,
    NotAffected,
    /// The verdict cannot be determined, or no advisory covers the product.
    Unknown,
}

#[derive(Clone, Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct HostsArgs {
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Only this product, or unknown for endpoints that no rule recognised; may be given several times.
    #[arg(long = "product", value_name = "ID", value_delimiter = ',')]
    pub(crate) products: Vec<String>,
    /// Only this version or range, in each product's own order: 0.1.33, '<0.1.34', '>=0.1,<0.1.34', unknown.
    #[arg(long, value_name = "VERSIONS", allow_hyphen_values = true)]
    pub(crate) version: Option<String>,
    /// Only this posture: open, key, login, signup, first-admin, forbidden, unknown; may be given several times.
    #[arg(long = "posture", value_name = "POSTURE", value_delimiter = ',')]
    pub(crate) postures: Vec<String>,
    /// Only this country, by its two-letter code, or unknown; may be given several times.
    #[arg(long = "country", value_name = "CODE", value_delimiter = ',')]
    pub(crate) countries: Vec<String>,
    /// Only endpoints with a finding at or above this severity, computed now: info, low, medium, high, critical.
    #[arg(long, value_name = "SEVERITY", value_parser = severity())]
    pub(crate) severity: Option<Severity>,
    /// Only endpoints with this as the worst verdict of the advisories on their version, computed now; may be given several times.
    #[arg(long = "verdict", value_name = "VERDICT", value_delimiter = ',')]
    pub(crate) verdicts: Vec<VerdictArg>,
    /// Only endpoints that appeared, went or changed since then, as vigie diff reports them: a day, an instant, or an age such as 7d.
    #[cfg(feature = "watch")]
    #[arg(long, value_name = "TIME")]
    pub(crate) changed_since: Option<crate::when::When>,
    /// List at most this many; all or 0: all [default: 50 for a table on a terminal, else all].
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<crate::verbs::hosts::Limit>,
    /// The order [default: the latest seen first].
    #[command(flatten)]
    pub(crate) sort: SortArgs,
    /// The format of the list.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: ListFormat,
}
