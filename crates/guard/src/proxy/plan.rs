//! What a gateway's folder says, read and checked whole: a start, a reload and a check read the same.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::certificate::Certificate;
use super::gate::KeyStore;
use super::peer::Verifier;
use super::stamp::{Stamp, stamp};
use super::tls::connector;
use super::upstreams::Reach;
use crate::authorize::{Asked, Asker};
use crate::config::{Config, UpstreamConfig, files};
use crate::known;
use crate::log::SigningKey;
use crate::pool::Pool;
use crate::telemetry::Collector;
use crate::token::Tokens;
use crate::watch::Hook;

/// What a gateway's folder says.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    /// The servers behind, as the file describes them.
    pub(crate) pool: Arc<Pool>,
    /// How they are reached.
    pub(crate) reaches: Vec<Reach>,
    /// The files that say how, as they were.
    reach_stamps: Vec<Option<Stamp>>,
    /// The files of the issuers' authorities.
    issuer_stamps: Vec<Option<Stamp>>,
    /// Verifies the certificates of clients, if they are asked for one.
    pub(crate) clients: Option<Verifier>,
    /// The issuers of tokens.
    pub(crate) tokens: Arc<Tokens>,
    /// The certificate of `[listen.tls]`, or the one that an authority gave.
    pub(crate) certificate: Option<Certificate>,
    /// The OpenTelemetry collector, if there is one.
    pub(crate) collector: Option<Collector>,
    /// The proxy that asks, where the connections are those of a proxy and not of clients.
    pub(crate) asker: Option<Asker>,
    /// The file of the webhook's authority, as it was.
    webhook_stamp: Option<Stamp>,
    /// The files that were read, as they were.
    files: Vec<(PathBuf, Option<Stamp>)>,
}

impl Plan {
    /// Reads the configuration of a folder and the files that it names.
    ///
    /// # Errors
    ///
    /// What is wrong first, with its file and what to do.
    pub(crate) fn read(dir: &Path) -> Result<Self, String> {
        let path = dir.join(files::CONFIG);
        let mut files = vec![(path.clone(), stamp(&path))];
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}; vigie guard init makes a whole folder", path.display()))?;
        let config = Config::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        let wrong = |why: String| format!("{}: {why}", path.display());
        let pool = Arc::new(Pool::new(config.behind(), &config.queue).map_err(wrong)?);
        let named = config.behind().flat_map(|server| server.ca.iter().chain(&server.bearer));
        files.extend(named.map(|file| Config::beside(dir, file)).map(|file| (file.clone(), stamp(&file))));
        let reach_stamps = files.iter().skip(1).map(|(_, stamp)| *stamp).collect();
        let reaches = config
            .behind()
            .map(|server| Reach::read(dir, server))
            .collect::<Result<_, _>>()
            .map_err(wrong)?;
        let products: Vec<&str> = config.behind().map(|server| &*server.product).collect();
        for issuer in &config.auth.issuer {
            let pins = issuer.rule.iter().try_for_each(|rule| known::check_pins(&products, &rule.grant));
            pins.map_err(|why| wrong(format!("the issuer {}: {why}", issuer.name)))?;
        }
        let clients = match &config.listen.client_ca {
            None => None,
            Some(ca) => {
                let ca = Config::beside(dir, ca);
                let revoked = config.listen.client_crl.as_deref().map(|file| Config::beside(dir, file));
                files.extend(
                    [Some(&ca), revoked.as_ref()]
                        .into_iter()
                        .flatten()
                        .map(|file| (file.clone(), stamp(file))),
                );
                Some(Verifier::read(&ca, revoked.as_deref(), config.listen.client_required)?)
            }
        };
        let of_issuers = config.auth.issuer.iter().filter_map(|issuer| issuer.ca.as_deref());
        let of_issuers: Vec<_> = of_issuers
            .map(|file| Config::beside(dir, file))
            .map(|file| (file.clone(), stamp(&file)))
            .collect();
        let issuer_stamps = of_issuers.iter().map(|(_, stamp)| *stamp).collect();
        files.extend(of_issuers);
        let tokens = Tokens::read(dir, &config.auth).map_err(wrong)?;
        let collector = config
            .telemetry
            .as_ref()
            .map(|telemetry| Collector::read(dir, telemetry))
            .transpose()
            .map_err(wrong)?;
        files.extend(collector.iter().flat_map(Collector::files).map(|file| (file.clone(), stamp(file))));
        let mut webhook_stamp = None;
        if let Some(detect) = &config.detect {
            if let Some(ca) = &detect.webhook_ca {
                let ca = Config::beside(dir, ca);
                webhook_stamp = stamp(&ca);
                files.push((ca, webhook_stamp));
            }
            Hook::read(dir, detect).map_err(|why| wrong(format!("detect.webhook: {why}")))?;
        }
        let certificate = match (&config.listen.tls, &config.listen.acme) {
            (None, None) => None,
            (None, Some(acme)) => {
                if let Some(ca) = &acme.ca {
                    let ca = Config::beside(dir, ca);
                    files.push((ca.clone(), stamp(&ca)));
                }
                let authority = acme.ca.as_ref().map(|ca| Config::beside(dir, ca));
                connector(authority.as_deref())?;
                crate::acme::stored(dir, acme)
            }
            (Some(named), _) => {
                let [certificate, key] = [&named.certificate, &named.key].map(|file| Config::beside(dir, file));
                files.extend([&certificate, &key].map(|file| (file.clone(), stamp(file))));
                Some(Certificate::read(&certificate, &key)?)
            }
        };
        Ok(Self {
            config,
            pool,
            reaches,
            reach_stamps,
            issuer_stamps,
            clients,
            tokens: Arc::new(tokens),
            certificate,
            collector,
            asker: None,
            webhook_stamp,
            files,
        })
    }

    /// The same for a gateway that a proxy asks, as `asked` says; `None`: it is one for clients.
    pub(crate) fn read_as(dir: &Path, asked: Option<&Asked>) -> Result<Self, String> {
        let mut plan = Self::read(dir)?;
        if let Some(asked) = asked {
            plan.asker = Some(asked.prepare(dir, &mut plan.config)?);
            // Certificates are asked of clients, and not of the proxy.
            plan.clients = None;
            if plan.config.listen.tls.is_none() {
                plan.certificate = None;
            }
            let secret = dir.join(files::PROXY_SECRET);
            plan.files.push((secret.clone(), stamp(&secret)));
        }
        Ok(plan)
    }

    /// Whether the same servers are behind, reached in the same way.
    pub(crate) fn has_same_servers(&self, other: &Self) -> bool {
        let of = |plan: &Self| (plan.config.behind().cloned().collect::<Vec<_>>(), plan.config.queue.clone());
        of(self) == of(other) && self.reach_stamps == other.reach_stamps
    }

    /// Whether the same issuers are asked in the same way.
    pub(crate) fn has_same_issuers(&self, other: &Self) -> bool {
        self.config.auth == other.config.auth && self.issuer_stamps == other.issuer_stamps
    }

    /// Whether the same is noticed and done then.
    pub(crate) fn detects_the_same(&self, other: &Self) -> bool {
        self.config.detect == other.config.detect && self.webhook_stamp == other.webhook_stamp
    }

    /// What is behind, for the log.
    pub(crate) fn behind(&self) -> String {
        let of = |(number, server): (usize, &UpstreamConfig)| {
            let table = self.pool.table(number);
            let version = table.as_ref().and_then(|table| table.version());
            let version = version.unwrap_or("of an unknown version, which gets the strictest table");
            format!("{} {version} at {}", server.product, server.url)
        };
        self.config.behind().enumerate().map(of).collect::<Vec<_>>().join(", ")
    }

    /// The files that were read, as they are now.
    pub(crate) fn stamps(&self) -> Vec<Option<Stamp>> {
        self.files.iter().map(|(path, _)| stamp(path)).collect()
    }

    /// The files as they were when they were read.
    pub(crate) fn read_stamps(&self) -> Vec<Option<Stamp>> {
        self.files.iter().map(|(_, stamp)| *stamp).collect()
    }

    /// The keys whose values differ, without the values: `listen.hosts`.
    pub(crate) fn changes(&self, before: &Self) -> Vec<String> {
        let mut changes = config_changes(&before.config, &self.config);
        let chain = |plan: &Self| plan.certificate.as_ref().map(|certificate| certificate.key.cert.clone());
        if chain(self) != chain(before) {
            changes.push("certificate".to_owned());
        }
        // Files that the configuration names, by their names: of authorities, revoked certificates, credentials. It comes first itself, and the
        // certificate was compared.
        let pair = self.config.listen.tls.iter().flat_map(|tls| [&tls.certificate, &tls.key]);
        let pair: Vec<_> = pair.collect();
        for (path, stamp) in self.files.iter().skip(1) {
            let was = before.files.iter().find(|(other, _)| other == path);
            let is_of_pair = pair.iter().any(|file| path.ends_with(file));
            if let (Some((_, was)), Some(name), false) = (was, path.file_name(), is_of_pair)
                && was != stamp
            {
                changes.push(name.to_string_lossy().into_owned());
            }
        }
        changes
    }
}

/// The keys of a configuration whose values differ, without the values.
pub(super) fn config_changes(before: &Config, after: &Config) -> Vec<String> {
    let table = |config: &Config| toml::Table::try_from(config).unwrap_or_default();
    let mut changes = Vec::new();
    differ("", &table(before), &table(after), &mut changes);
    changes
}

/// Adds the keys whose values differ.
fn differ(within: &str, before: &toml::Table, after: &toml::Table, changes: &mut Vec<String>) {
    let mut keys: Vec<&String> = before.keys().chain(after.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let name = if within.is_empty() {
            key.clone()
        } else {
            format!("{within}.{key}")
        };
        match (before.get(key), after.get(key)) {
            (before, after) if before == after => {}
            (Some(toml::Value::Table(before)), Some(toml::Value::Table(after))) => differ(&name, before, after, changes),
            _ => changes.push(name),
        }
    }
}

/// What a folder that can be started holds.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Its configuration.
    pub config: Config,
    /// Keys that are valid now.
    pub valid_keys: usize,
    /// What works and should be looked at all the same.
    pub warnings: Vec<String>,
}

/// Checks a folder as far as a start would, without listening.
///
/// # Errors
///
/// What is wrong first, with its file and what to do.
pub fn check(dir: &Path) -> Result<Checked, String> {
    let plan = Plan::read(dir)?;
    let keys = KeyStore::open(dir.join(files::KEYS))?;
    let products: Vec<&str> = plan.config.behind().map(|server| &*server.product).collect();
    for key in keys.living() {
        known::check_pins(&products, &key.grant).map_err(|why| format!("the key {:?}: {why}", key.name))?;
    }
    signing_key(dir)?;
    let mut warnings: Vec<String> = plan.certificate.iter().filter_map(|one| one.warning(chrono::Utc::now())).collect();
    let valid_keys = keys.valid(chrono::Utc::now());
    if valid_keys == 0 {
        warnings.push("no key is valid, so every request is refused; vigie guard key create makes one".to_owned());
    }
    Ok(Checked {
        config: plan.config,
        valid_keys,
        warnings,
    })
}

/// The key that signs the log.
pub(crate) fn signing_key(dir: &Path) -> Result<SigningKey, String> {
    let path = dir.join(files::SIGNING_KEY);
    let bytes =
        std::fs::read(&path).map_err(|error| format!("cannot read {}: {error}; vigie guard init makes a whole folder", path.display()))?;
    SigningKey::read(&bytes).map_err(|error| format!("{} is no signing key: {error}", path.display()))
}
