//! The arguments of `vigie import`.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use vigie_import::{Format, PublicKey};
use vigie_model::Timestamp;
use vigie_run::Failure;
use vigie_run::import::{ImportOptions, SeenAt};

use crate::args::{LakeDir, NetworkArgs, TableOrJson};

#[derive(Clone, Debug, Args)]
pub(crate) struct ImportArgs {
    /// The files to import; - or none: standard input.
    files: Vec<PathBuf>,
    /// The tool that wrote the files [default: recognised from their first bytes].
    #[arg(long, value_name = "FORMAT", value_parser = format())]
    from: Option<Format>,
    #[command(flatten)]
    lake: LakeDir,
    /// The time of records without one: 2026-11-22T08:00:00Z, a day, or "file" for the file's own time.
    #[arg(long, value_name = "TIME", value_parser = seen_at)]
    seen: Option<SeenAt>,
    /// The vantage, from where the records were seen [default: the source's own].
    #[arg(long, value_name = "TEXT")]
    vantage: Option<String>,
    /// The port of records that are only an address, as zmap's are.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
    /// The name of the gateway whose logs these are, if their lines do not name it.
    #[arg(long, value_name = "NAME", value_parser = gateway)]
    gateway: Option<String>,
    /// The public key of a gateway, log-signing.pub, to check the signatures of its log; can be given several times.
    #[arg(long = "public-key", value_name = "FILE")]
    public_keys: Vec<PathBuf>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Leave out endpoints that no rule recognises; they are counted.
    #[arg(long)]
    recognised_only: bool,
    /// Write rejected records to this file, each with its line and the reason; created if there is one.
    #[arg(long, value_name = "FILE", default_value = "vigie-import-errors.jsonl")]
    errors: PathBuf,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    catalog: Option<PathBuf>,
    /// The format of the report: table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(super) format: TableOrJson,
    /// No progress.
    #[arg(short, long)]
    pub(super) quiet: bool,
}

impl ImportArgs {
    /// The options of the import.
    pub(super) fn options(&self) -> Result<ImportOptions, Failure> {
        Ok(ImportOptions {
            files: match self.files.is_empty() {
                true => vec![PathBuf::from("-")],
                false => self.files.clone(),
            },
            from: self.from,
            lake: self.lake.lake.clone(),
            seen: self.seen,
            vantage: self.vantage.clone(),
            port: self.port,
            gateway: self.gateway.clone(),
            public_keys: self.public_keys.iter().map(|file| public_key(file)).collect::<Result<_, _>>()?,
            network: self.network.files(),
            recognised_only: self.recognised_only,
            errors: self.errors.clone(),
            catalog: self.catalog.clone(),
        })
    }
}

/// The most characters of a gateway's name: that many are kept of the smallest and the largest name in a file of the lake.
const MAX_NAME: usize = 64;

fn gateway(name: &str) -> Result<String, String> {
    let is_sound = !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(|c| c.is_ascii_graphic());
    is_sound
        .then(|| name.to_owned())
        .ok_or_else(|| format!("a gateway's name has 1 to {MAX_NAME} printable ASCII characters and no space"))
}

fn public_key(file: &Path) -> Result<PublicKey, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| Failure::usage(format!("cannot read {}: {error}", file.display())))?;
    text.parse()
        .map_err(|error| Failure::usage(format!("{} is {error}", file.display())))
}

/// `--from` takes the formats' own words.
fn format() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::word)).try_map(|word| word.parse::<Format>())
}

/// Parses an instant, a day, or `file`.
fn seen_at(text: &str) -> Result<SeenAt, String> {
    if text == "file" {
        return Ok(SeenAt::FileTime);
    }
    let day = || {
        text.parse::<chrono::NaiveDate>()
            .ok()
            .map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc())
    };
    text.parse::<Timestamp>()
        .ok()
        .or_else(day)
        .map(SeenAt::Instant)
        .ok_or_else(|| format!("{text:?} is no time: write 2026-11-22T08:00:00Z, 2026-11-22, or \"file\" for the file's own time"))
}
