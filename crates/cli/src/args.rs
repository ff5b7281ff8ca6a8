//! The command line.

#[cfg(feature = "watch")]
mod discover;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use vigie_export::Format;
use vigie_model::Severity;

use crate::sort::SortArgs;

#[cfg(feature = "watch")]
pub(crate) use discover::{AskArgs, DiscoverArgs, DiscoverService};

/// Find, watch and lock down the self-hosted AI servers you answer for.
#[derive(Debug, Parser)]
#[command(name = "vigie", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 nothing at or above --fail-on; 1 something; 2 wrong usage or input file; 3 the scan failed or could look \
                        at nothing; 4 results could not be written; 5 an imported file ends early; 130 interrupted."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say which AI servers answer, what they expose, and to whom.
    ///
    /// Without targets: this machine. It reads and says who it is; it never infers, loads, writes, logs in, or tries a credential.
    Scan(Box<ScanArgs>),
    /// Hold the published advisories against a product, without a scan.
    Advisory(AdvisoryArgs),
    /// List the endpoints that earlier scans saw.
    Hosts(HostsArgs),
    /// Tell what is known of one address, with its history.
    Show(ShowArgs),
    /// Bring what other tools saw into the lake.
    ///
    /// Shodan, Censys, zmap, zgrab2, masscan, nmap, naabu, httpx, nuclei, FOFA, Shadowserver CSV, and vigie's own JSON lines; gzip, zstd
    /// and zip too. A file that several tools could have written asks for --from.
    /// It sends nothing. What a source does not carry is unknown, and importing the same file twice adds nothing. A file that ends
    /// early is taken as far as it goes, and the exit code is 5.
    #[cfg(feature = "watch")]
    Import(ImportArgs),
    /// Ask Shodan or Censys what they saw, within a budget of credits, and bring it into the lake.
    ///
    /// Nothing is sent but to the service. --confirm then scans what was found, within your scope.
    #[cfg(feature = "watch")]
    Discover(DiscoverArgs),
    /// Say what changed between two instants, as far as the lake knows.
    ///
    /// Appeared, gone and changed: authentication, models, capabilities, tools, versions. Only what was looked for and did not answer
    /// is gone; what one look does not tell did not change. It sends nothing.
    #[cfg(feature = "watch")]
    Diff(DiffArgs),
    /// Scan on a schedule, and say after each round what changed.
    ///
    /// Without targets: the ranges of the scope file, else this machine. After a pause it makes one round, not those that were missed. Two
    /// watches of the same in one lake do not run at a time.
    #[cfg(feature = "watch")]
    Watch(Box<WatchArgs>),
    /// Ask the lake a question in SQL.
    ///
    /// The tables: observations, states, models, running, tools, evidence, scans; SHOW TABLES and DESCRIBE TABLE tell more.
    /// NULL means unknown where a column has a _why beside it.
    #[cfg(feature = "study")]
    Sql(SqlArgs),
    /// Answer the study's questions: how many, where, what they can do, what one flaw would touch.
    ///
    /// Without ids: every question. With --out it writes the document: one HTML file, Markdown, JSON, and a CSV file per table.
    #[cfg(feature = "study")]
    Study(Box<StudyArgs>),
    /// The upkeep of the lake: its files, compaction, and forgetting.
    #[cfg(feature = "study")]
    Lake(LakeArgs),
    /// What vigie knows of each product: list, explain, check, test, record.
    Catalog(CatalogArgs),
    /// Scope files: who authorised what. Write one, check one.
    Scope(ScopeArgs),
    /// Raise simulated servers on loopback, scan them, and write the findings to a folder.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Raise simulated servers on loopback until interrupted.
    #[cfg(feature = "demo")]
    Fleet(FleetArgs),
    /// Write a simulated population of hosts over months into a lake, to try a study on.
    ///
    /// Its shares follow the published ones, its addresses are nobody's, and what a study must find is known.
    #[cfg(feature = "demo")]
    Population(PopulationArgs),
    /// Print a completion script for a shell.
    Completions(CompletionsArgs),
    /// Write the man pages into a folder.
    Man(ManArgs),
}

/// The lake's folder.
#[derive(Clone, Debug, Args)]
pub(crate) struct LakeDir {
    /// The lake's folder, or s3://bucket/prefix in a build with the feature s3 [default: vigie/lake in the user's data folder].
    #[arg(long, value_name = "DIR", env = "VIGIE_LAKE", global = true)]
    pub(crate) lake: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ScanArgs {
    /// Addresses, CIDR, ranges (A-B), host names, host:port or URLs, whose path is where the server is looked for; none: this machine.
    pub(crate) targets: Vec<String>,
    /// Read targets from a file, one per line; - for standard input.
    #[arg(short = 'f', long = "targets", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Ports: numbers, ranges, lists, or "all" [default: the catalogue's].
    #[arg(short, long, value_name = "LIST")]
    pub(crate) ports: Option<String>,
    /// The scope file: who authorised what. Public addresses need one.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) scope: Option<PathBuf>,
    /// A list of those who opted out; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) opt_out: Vec<PathBuf>,
    /// Print each address, and each request that may follow with its condition; resolve no name and open no socket.
    #[arg(long, conflicts_with_all = ["notice", "prove"])]
    pub(crate) dry_run: bool,
    /// Print the note to hand to the network's operations team beforehand, and scan nothing.
    #[arg(long)]
    pub(crate) notice: bool,
    /// Ask one loaded model "What is 2+2?" (8 tokens at most) where the scope says owner = true and allow = ["infer"].
    #[arg(long, requires = "scope")]
    pub(crate) prove: bool,
    /// The seed of the order [default: a new one each time].
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Only this part of the scan, e.g. 2/8.
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<String>,
    /// Go on with an interrupted scan.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["targets", "files", "ports", "scope", "opt_out", "seed", "shard", "dry_run", "notice"])]
    pub(crate) resume: Option<PathBuf>,
    /// The format of the results.
    #[arg(short = 'F', long, default_value_t, value_parser = format())]
    pub(crate) format: Format,
    /// Write the results to a file, whole or not at all [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Keep nothing in the lake.
    #[arg(long, conflicts_with = "lake")]
    pub(crate) no_lake: bool,
    /// Accept known findings, each with a reason and an expiry.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write a baseline that accepts what was found, for you to give reasons in.
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
    /// Exit with 1 if a finding is at or above this severity.
    #[arg(long, value_name = "SEVERITY", default_value = "never")]
    pub(crate) fail_on: FailOn,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    /// Keep what was said with each endpoint, one JSON file each.
    #[arg(long, value_name = "DIR")]
    pub(crate) transcripts: Option<PathBuf>,
    #[cfg(feature = "watch")]
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Keep the text of system prompts and templates, not only hash and class.
    #[arg(long)]
    pub(crate) keep_prompts: bool,
    /// How endpoints are listed; with --sort every format waits for the end of the scan [default: the table, the worst first].
    #[command(flatten)]
    pub(crate) sort: SortArgs,
    /// Everything about every endpoint.
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// No progress; notes and errors are still told on standard error.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The longest wait for one reply, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub(crate) timeout: u64,
    /// For IntelMQ before 3.5: keys it does not know go under extra.
    #[arg(long)]
    pub(crate) intelmq_legacy: bool,
}

/// The words of `--format` are the formats' own.
fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::word)).try_map(|word| word.parse::<Format>())
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
    /// The severity from which on it fails; `None`: it never does.
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

/// What advisories are listed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AdvisorySort {
    /// Exploited, affected, unknown, not affected; within these the worst severity.
    Verdict,
    /// The worst first.
    Severity,
    /// By id, its numbers as numbers.
    Id,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct AdvisoryArgs {
    /// A product of the catalogue, and a version: ollama, ollama@0.1.33, llama-cpp@b8491.
    pub(crate) product: String,
    /// List by this: exploited and affected ones first, the worst severity first, or the id.
    #[arg(long, value_name = "KEY", default_value = "verdict")]
    pub(crate) sort: AdvisorySort,
    /// Table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
}

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

/// The words of a severity.
fn severity() -> impl TypedValueParser<Value = Severity> {
    PossibleValuesParser::new(Severity::ALL.map(Severity::word)).try_map(|word| {
        let found = Severity::ALL.into_iter().find(|severity| severity.word() == word);
        found.ok_or("it is no severity")
    })
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// The address, of IPv4 or IPv6, with a port as vigie hosts prints it or without.
    #[arg(value_name = "ADDRESS")]
    pub(crate) place: crate::verbs::show::Place,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
}

/// Where addresses stand.
#[cfg(feature = "watch")]
#[derive(Clone, Debug, Args)]
pub(crate) struct NetworkArgs {
    /// An MMDB file that says where addresses stand: country, city or AS; may be given several times, the first that knows tells.
    #[arg(long, value_name = "FILE.mmdb")]
    pub(crate) geo: Vec<PathBuf>,
    /// The mapping from networks to their classes [default: the embedded one].
    #[arg(long, value_name = "FILE")]
    pub(crate) classes: Option<PathBuf>,
}

#[cfg(feature = "watch")]
#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files; - or none: standard input.
    pub(crate) files: Vec<PathBuf>,
    /// Whose records they are [default: recognised from how they begin].
    #[arg(long, value_name = "FORMAT", value_parser = crate::verbs::import::format())]
    pub(crate) from: Option<vigie_import::Format>,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// The time of records that say none: 2026-11-22T08:00:00Z, a day, or "file" for the file's own time.
    #[arg(long, value_name = "TIME")]
    pub(crate) seen: Option<crate::verbs::import::SeenAt>,
    /// From where it was seen [default: what the source says].
    #[arg(long, value_name = "TEXT")]
    pub(crate) vantage: Option<String>,
    /// The port of records that are an address alone, as zmap's are.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) port: Option<u16>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Leave out what nothing recognised; it is counted.
    #[arg(long)]
    pub(crate) recognised_only: bool,
    /// Where bad records are told, each with its line and the reason; made if there is one.
    #[arg(long, value_name = "FILE", default_value = "vigie-import-errors.jsonl")]
    pub(crate) errors: PathBuf,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    /// What is told at the end: table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
    /// No progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[cfg(feature = "watch")]
#[derive(Clone, Debug, Args)]
pub(crate) struct DiffArgs {
    /// From when: a day (its start, UTC), an instant (2026-11-22T08:00:00Z), or an age (7d, 12h, 30m).
    pub(crate) since: crate::when::When,
    /// Until when.
    #[arg(default_value = "now")]
    pub(crate) until: crate::when::When,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
    /// Exit with 1 if anything changed, or anything at or above a severity.
    #[arg(long, value_name = "SEVERITY", num_args = 0..=1, default_missing_value = "info", default_value = "never", require_equals = true)]
    pub(crate) fail_on_change: FailOn,
    /// List also what was not looked at, and what is in an earlier import and not in a later one.
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

/// How a watch tells its rounds.
#[cfg(feature = "watch")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoundFormat {
    /// A block for each round.
    Table,
    /// A JSON object per round and line.
    Jsonl,
}

#[cfg(feature = "watch")]
#[derive(Clone, Debug, Args)]
pub(crate) struct WatchArgs {
    /// Addresses, CIDR, ranges (A-B), host names, host:port or URLs [default: the scope file's ranges, else this machine].
    pub(crate) targets: Vec<String>,
    /// Read targets from a file, one per line; it is read again for each round.
    #[arg(short = 'f', long = "targets", value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Ports: numbers, ranges, lists, or "all" [default: the catalogue's].
    #[arg(short, long, value_name = "LIST")]
    pub(crate) ports: Option<String>,
    /// The scope file: who authorised what. Public addresses need one. It is read again for each round.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) scope: Option<PathBuf>,
    /// A list of those who opted out; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) opt_out: Vec<PathBuf>,
    /// From the start of one round to the start of the next: 6h, 1d, 30m.
    #[arg(long, value_name = "TIME", value_parser = crate::when::interval, required_unless_present = "once")]
    pub(crate) every: Option<chrono::TimeDelta>,
    /// Wait up to this much longer before each round, at random.
    #[arg(long, value_name = "TIME", value_parser = crate::when::age, requires = "every")]
    pub(crate) jitter: Option<chrono::TimeDelta>,
    /// One round, and no waiting: for a timer. With --every, only if one is due.
    #[arg(long)]
    pub(crate) once: bool,
    /// With --once: exit with 1 if anything changed, or anything at or above a severity.
    #[arg(long, value_name = "SEVERITY", num_args = 0..=1, default_missing_value = "info", default_value = "never", require_equals = true, requires = "once")]
    pub(crate) fail_on_change: FailOn,
    /// How rounds are told.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: RoundFormat,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Keep the text of system prompts and templates, not only hash and class.
    #[arg(long)]
    pub(crate) keep_prompts: bool,
    /// List also what could not be looked at.
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// No progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The longest wait for one reply, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=120))]
    pub(crate) timeout: u64,
}

#[cfg(feature = "study")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerForm {
    /// For people; unknown is a question mark.
    Table,
    /// A JSON object per row and line; unknown is null.
    Json,
    /// Comma-separated values; unknown is empty.
    Csv,
    /// One Parquet file.
    Parquet,
}

#[cfg(feature = "study")]
#[derive(Clone, Debug, Args)]
pub(crate) struct SqlArgs {
    /// The question; - or none: from standard input.
    pub(crate) query: Option<String>,
    /// Read the question from a file.
    #[arg(short, long, value_name = "FILE", conflicts_with = "query")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// The form of the answer.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: AnswerForm,
    /// Write the answer to a file, whole or not at all [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The memory that the question may use, in MiB; what needs more goes to temporary files.
    #[arg(long, value_name = "MIB", default_value_t = 1536, value_parser = clap::value_parser!(u64).range(64..).map(|mib| mib as usize))]
    pub(crate) memory: usize,
}

#[cfg(feature = "study")]
#[derive(Clone, Debug, Args)]
pub(crate) struct StudyArgs {
    /// The questions, by id; none: all of them. --list names them.
    pub(crate) questions: Vec<String>,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// List the questions and end.
    #[arg(long)]
    pub(crate) list: bool,
    /// Write the document into this folder: study.html, study.md, study.json, tables/*.csv.
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// The form on standard output, where no document is written.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
    /// The language of the document and of the tables.
    #[arg(long, default_value = "en")]
    pub(crate) lang: LangArg,
    /// Put published figures beside this lake's.
    #[arg(long, value_name = "WHAT")]
    pub(crate) compare: Option<CompareArg>,
    /// With --compare: what was planted, as vigie population --truth wrote it.
    #[arg(long, value_name = "FILE", requires = "compare")]
    pub(crate) planted: Option<PathBuf>,
    /// Draw so many samples of the hosts, and say how often their intervals hold what all hosts give.
    #[arg(long, value_name = "SAMPLES", conflicts_with_all = ["out", "compare"], value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) coverage: Option<u32>,
    /// With --coverage: the share of the hosts that is in a sample.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01, value_parser = share, requires = "coverage")]
    pub(crate) sample: f64,
    /// Only observations from this day on (UTC).
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<chrono::NaiveDate>,
    /// Only observations up to this day, itself included (UTC).
    #[arg(long, value_name = "DATE")]
    pub(crate) until: Option<chrono::NaiveDate>,
    /// Only endpoints of this product; may be given more than once.
    #[arg(long = "product", value_name = "ID")]
    pub(crate) products: Vec<String>,
    /// Only what this source saw (vigie, shodan …); may be given more than once.
    #[arg(long = "source", value_name = "NAME")]
    pub(crate) sources: Vec<String>,
    /// The persistent core by observations: more than this.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Definitions")]
    pub(crate) core_observations: u32,
    /// The persistent core by days: seen on more than this.
    #[arg(long, value_name = "N", default_value_t = 100, help_heading = "Definitions")]
    pub(crate) core_days: u32,
    /// The persistent core by share: seen on at least this share of the window's days.
    #[arg(long, value_name = "SHARE", default_value_t = 0.5, value_parser = share, help_heading = "Definitions")]
    pub(crate) core_share: f64,
    /// Days without a sign after which a host counts as gone.
    #[arg(long, value_name = "DAYS", default_value_t = 14, help_heading = "Definitions")]
    pub(crate) grace: u32,
    /// Hosts that a prompt must be on to be a standard one.
    #[arg(long, value_name = "N", default_value_t = 5, help_heading = "Definitions")]
    pub(crate) standard_hosts: u32,
    /// Say nothing on the way.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The catalogue's folder [default: the embedded one].
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    /// Let a Ballista cluster answer; its scheduler is here, and every executor reads the lake under the same path or URL.
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "coverage", help_heading = "Cluster")]
    pub(crate) engine: Option<String>,
    /// Where the cluster keeps what it makes until the study ends: a folder that all its machines share, or s3://BUCKET/PREFIX
    /// [default: the lake].
    #[arg(long, value_name = "DIR", requires = "engine", help_heading = "Cluster")]
    pub(crate) scratch: Option<PathBuf>,
    /// Into how many parts each step is cut: the cores of all executors together.
    #[arg(long, value_name = "N", default_value_t = 4, requires = "engine", value_parser = clap::value_parser!(u16).range(1..=4096), help_heading = "Cluster")]
    pub(crate) partitions: u16,
    /// The memory that the questions may use, in MiB; what needs more goes to temporary files.
    #[arg(long, value_name = "MIB", default_value_t = 1536, value_parser = clap::value_parser!(u64).range(64..).map(|mib| mib as usize))]
    pub(crate) memory: usize,
}

/// A share from 0 to 1.
#[cfg(feature = "study")]
fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}

/// A language.
#[cfg(feature = "study")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LangArg {
    /// English.
    En,
    /// French.
    Fr,
}

/// What to compare with.
#[cfg(feature = "study")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CompareArg {
    /// What SentinelLABS with Censys, Cisco Talos and others published.
    Published,
}

#[cfg(feature = "study")]
#[derive(Clone, Debug, Args)]
pub(crate) struct LakeArgs {
    #[command(subcommand)]
    pub(crate) verb: LakeVerb,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Text or JSON.
    #[arg(short = 'F', long, default_value = "table", global = true)]
    pub(crate) format: TableOrJson,
}

#[cfg(feature = "study")]
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum LakeVerb {
    /// List the files that count, for engines without a Delta reader: table, bytes, path.
    Files,
    /// Put small files together and squeeze them harder; readers and writers notice nothing.
    Compact,
    /// Remove files that no longer count.
    Vacuum {
        /// Only those that have not counted for this long: 7d, 12h, 0d.
        #[arg(long, value_name = "AGE", default_value = "7d", value_parser = crate::when::age)]
        older: chrono::TimeDelta,
    },
    /// Take out the texts of prompts and templates that --keep-prompts kept; their hashes stay.
    Redact {
        /// Remove them from the disk too, with whatever else does not count any more.
        #[arg(long)]
        now: bool,
    },
    /// Take out every observation of an address, or all before a date, with what only those pointed to.
    Forget {
        /// The addresses.
        addresses: Vec<std::net::IpAddr>,
        /// All that was seen before this day (UTC): YYYY-MM-DD.
        #[arg(long, value_name = "DATE")]
        before: Option<chrono::NaiveDate>,
        /// Remove it from the files and the logs at once; older versions can no longer be read.
        #[arg(long)]
        now: bool,
    },
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CatalogArgs {
    #[command(subcommand)]
    pub(crate) verb: CatalogVerb,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CatalogVerb {
    /// List the products, how sure vigie is of each, and on which fixtures that rests.
    List {
        /// Use this catalogue in place of the embedded one.
        #[arg(long, value_name = "DIR")]
        catalog: Option<PathBuf>,
        /// Table or JSON.
        #[arg(short = 'F', long, default_value = "table")]
        format: TableOrJson,
    },
    /// Say in plain words what vigie knows of a product.
    Explain {
        /// The product's id.
        product: String,
        /// Use this catalogue in place of the embedded one.
        #[arg(long, value_name = "DIR")]
        catalog: Option<PathBuf>,
    },
    /// Read a catalogue folder, or one product file beside the embedded others, and point at the line of each error.
    Check {
        /// A folder with products/, openings.yaml and markers.yaml; a products folder; or a file.
        path: PathBuf,
    },
    /// Replay every fixture, as it is and behind a proxy, against the whole catalogue.
    Test {
        /// The catalogue folder.
        #[arg(default_value = "catalog")]
        dir: PathBuf,
        /// Print which fixture is taken for which product.
        #[arg(long)]
        matrix: bool,
        /// Only fixtures whose name holds this.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Write what was measured to measured.json in the catalogue folder.
        #[arg(long)]
        write: bool,
    },
    /// Record a fixture from a real server: the scan's own requests and nothing else.
    Record(RecordArgs),
}

#[derive(Clone, Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct RecordArgs {
    /// The server's address and port; loopback or private, unless a scope file is given to a scan first.
    pub(crate) address: std::net::SocketAddr,
    /// What answers there, a product's id; left out: a fixture of something that is none.
    #[arg(long)]
    pub(crate) product: Option<String>,
    /// The version that is installed.
    #[arg(long, default_value = "")]
    pub(crate) version: String,
    /// The state, for the folder's name: one-model-open, key, fresh …
    #[arg(long)]
    pub(crate) state: String,
    /// How the server was started, for whoever repeats it.
    #[arg(long)]
    pub(crate) started: String,
    /// The port as rules should see it.
    #[arg(long, value_name = "PORT")]
    pub(crate) port_label: Option<u16>,
    /// Replace this text wherever it stands in a reply, e.g. a folder: FROM=TO; may be given several times.
    #[arg(long, value_name = "FROM=TO")]
    pub(crate) replace: Vec<String>,
    /// The folder of fixtures.
    #[arg(long, value_name = "DIR", default_value = "catalog/fixtures")]
    pub(crate) out: PathBuf,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    /// Overwrite a fixture that is there, and keep what its head expects.
    #[arg(long)]
    pub(crate) again: bool,
    /// A note for the head.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ScopeArgs {
    #[command(subcommand)]
    pub(crate) verb: ScopeVerb,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ScopeVerb {
    /// Print a scope file for these ranges, for you to complete.
    New {
        /// Addresses, CIDR, ranges or names.
        targets: Vec<String>,
    },
    /// Read a scope file and say what it allows.
    Check {
        /// The file.
        file: PathBuf,
    },
}

#[cfg(feature = "demo")]
#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// The folder for the results.
    #[arg(long, value_name = "DIR", default_value = "vigie-demo")]
    pub(crate) out: PathBuf,
    /// The seed that the servers are drawn from.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// How many servers.
    #[arg(long, default_value_t = 60)]
    pub(crate) count: usize,
}

#[cfg(feature = "demo")]
#[derive(Clone, Debug, Args)]
pub(crate) struct FleetArgs {
    /// A population file (vigie.population/1) [default: the demo's].
    #[arg(long, value_name = "FILE")]
    pub(crate) population: Option<PathBuf>,
    /// The seed that the servers are drawn from.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// How many servers.
    #[arg(long, default_value_t = 60)]
    pub(crate) count: usize,
}

#[cfg(feature = "demo")]
#[derive(Clone, Debug, Args)]
pub(crate) struct PopulationArgs {
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// The seed that the hosts are drawn from.
    #[arg(long, default_value_t = 2026)]
    pub(crate) seed: u64,
    /// Of 175,108 hosts and 7.23 million observations, this share.
    #[arg(long, value_name = "SHARE", default_value_t = 0.01)]
    pub(crate) scale: f64,
    /// Write what a study of it must find (vigie.planted/1).
    #[arg(long, value_name = "FILE")]
    pub(crate) truth: Option<PathBuf>,
    /// Write the observations to standard output as JSON lines, and no lake.
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// Say nothing on the way.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    pub(crate) shell: Shell,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ManArgs {
    /// The folder.
    pub(crate) dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
