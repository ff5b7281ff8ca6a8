//! The arguments of `vigie guard`.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use vigie_guard::key::{Certificate, Hours, Network};
use vigie_guard::limit::Limit;
use vigie_model::Effect;
use vigie_run::Failure;

use super::serve::RunArgs;

#[derive(Clone, Debug, Args)]
pub(crate) struct GuardArgs {
    #[command(subcommand)]
    pub(super) verb: GuardVerb,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum GuardVerb {
    /// Make a gateway's folder: configuration, certificate, signing key, and one key for a client.
    Init(InitArgs),
    /// Create, list, show, change, rotate and revoke keys.
    Key(KeyArgs),
    /// Run the gateway until it is interrupted.
    Run(RunArgs),
    /// Answer a proxy that is already there (nginx, Caddy, Traefik, Envoy, HAProxy) whether it may pass a request on.
    Authorize(super::authorize::AuthorizeArgs),
    /// Check the gateway's folder and report the first error with its line.
    Check(DirArg),
    /// Verify the audit log, print its head, or print its entries.
    Log(LogArgs),
    /// Show who uses what right now: keys, models, requests under way, tokens, refusals.
    Top(super::top::TopArgs),
    /// Run detectors over the audit log, and measure what they notice.
    Detect(super::detect::DetectArgs),
}

/// The gateway's folder.
#[derive(Clone, Debug, Args)]
pub(super) struct DirArg {
    /// The gateway's folder [default: vigie/guard in the user's data folder].
    #[arg(long, value_name = "DIR", global = true)]
    dir: Option<PathBuf>,
}

impl DirArg {
    pub(super) fn folder(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        let data = vigie_run::data_folder().map(|data| data.join("guard"));
        data.ok_or_else(|| Failure::usage("no data folder: this user has no home folder; name one with --dir DIR"))
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    pub(super) dir: DirArg,
    /// The server behind the gateway, on this machine or in a private network.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:11434")]
    pub(super) upstream: String,
    /// The product behind the gateway, by its id in the catalogue [default: identified].
    #[arg(long, value_name = "ID")]
    pub(super) product: Option<String>,
    /// With --product: its version; without it the strictest route table is used.
    #[arg(long, value_name = "VERSION", requires = "product")]
    pub(super) product_version: Option<String>,
    /// The address and port for clients.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:11443")]
    pub(super) listen: SocketAddr,
    /// Serve without TLS. Keys then cross the network in the clear.
    #[arg(long)]
    pub(super) plain_http: bool,
    /// A name under which clients reach the gateway; may be given several times [default: localhost, this machine's addresses].
    #[arg(long = "host", value_name = "NAME")]
    pub(super) hosts: Vec<String>,
    /// Do not ask.
    #[arg(short, long)]
    pub(super) yes: bool,
}

#[derive(Clone, Debug, Args)]
pub(super) struct KeyArgs {
    #[command(subcommand)]
    pub(super) verb: KeyVerb,
    #[command(flatten)]
    pub(super) dir: DirArg,
    /// Print JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum KeyVerb {
    /// Create a key and print it once.
    Create(CreateArgs),
    /// Change what a key may do; its secret stays.
    Change(super::change::ChangeArgs),
    /// List the keys.
    List,
    /// Show one key.
    Show {
        /// Its name or id.
        name: String,
    },
    /// Give a key a new secret; the old one works until the overlap ends.
    Rotate {
        /// Its name or id.
        name: String,
        /// How long the old secret still works.
        #[arg(long, value_name = "TIME", default_value = "24h", value_parser = crate::when::age)]
        overlap: chrono::TimeDelta,
    },
    /// Revoke a key at once.
    Revoke {
        /// Its name or id.
        name: String,
    },
}

#[derive(Clone, Debug, Args)]
pub(super) struct CreateArgs {
    /// A name for it.
    pub(super) name: String,
    /// An effect that it may have beyond reading; may be given several times [default: infer].
    #[arg(long, value_name = "EFFECT")]
    pub(super) allow: Vec<EffectArg>,
    /// The models that it may use; * stands for any characters but a slash, and alone for every model. NAME@sha256:DIGEST holds while the
    /// server has that digest under the name.
    #[arg(long, value_name = "PATTERN", value_delimiter = ',', default_value = "*")]
    pub(super) models: Vec<String>,
    /// What its requests may contain beyond text: tools, images, audio …; cloud: models that run on the account of the server's owner;
    /// may be given several times.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = super::caps::can)]
    pub(super) can: Vec<String>,
    /// A limit on an option, e.g. num_predict=128, num_ctx=4096, n=1, keep_alive=5m, or on what a request holds: images=2,
    /// prompt_bytes=65536; may be given several times.
    #[arg(long, value_name = "OPTION=MOST", value_parser = super::caps::cap)]
    pub(super) cap: Vec<(String, u32)>,
    /// A limit on use: requests-per-minute=60, tokens-per-minute=20000, tokens-per-day=100000, concurrent=4; may be given several times.
    #[arg(long, value_name = "LIMIT=MOST", value_parser = Limit::parse)]
    pub(super) limit: Vec<(Limit, NonZeroU64)>,
    /// A network from which it may be used, such as 192.0.2.0/24; may be given several times [default: any].
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    pub(super) from: Vec<Network>,
    /// Hours at which it may be used, such as "Mon-Fri 08:00-18:00 Europe/Berlin"; may be given several times [default: any].
    #[arg(long, value_name = "HOURS")]
    pub(super) hours: Vec<Hours>,
    /// A client certificate that it belongs to: sha256:FINGERPRINT, cn=NAME or san=NAME; may be given several times. The certificate alone
    /// opens the key, and the secret opens it only with the certificate.
    #[arg(long, value_name = "CERTIFICATE")]
    pub(super) certificate: Vec<Certificate>,
    /// When it expires: 90d, 12h.
    #[arg(long, value_name = "TIME", value_parser = crate::when::interval)]
    pub(super) expires: Option<chrono::TimeDelta>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum EffectArg {
    /// Read what shows the whole server: metrics, properties, the slots of other conversations.
    Enumerate,
    /// Run a model.
    Infer,
    /// Load and unload models as it likes.
    Load,
    /// Change what is stored: pull, push, create, copy, delete.
    Write,
    /// Use the credentials that the server holds.
    Account,
}

impl From<EffectArg> for Effect {
    fn from(effect: EffectArg) -> Self {
        match effect {
            EffectArg::Enumerate => Self::Enumerate,
            EffectArg::Infer => Self::Infer,
            EffectArg::Load => Self::Load,
            EffectArg::Write => Self::Write,
            EffectArg::Account => Self::Account,
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    pub(super) verb: LogVerb,
    #[command(flatten)]
    pub(super) dir: DirArg,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum LogVerb {
    /// Check the log's chain and signatures, with nothing but the public key.
    Verify(super::log::VerifyArgs),
    /// Print the number and the hash of the last entry, to keep elsewhere.
    Head,
    /// Print the entries as JSON lines.
    Export,
    /// Erase what the entries say about a person; the chain stays provable.
    Erase(super::log::EraseArgs),
}
