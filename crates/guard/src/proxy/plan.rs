//! What a gateway's folder says, read and checked whole: a start, a reload and a check read the same.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vigie_catalog::{Catalog, RouteTable};

use super::certificate::Certificate;
use super::gate::KeyStore;
use super::stamp::{Stamp, stamp};
use crate::config::{Config, files};
use crate::log::SigningKey;

/// What a gateway's folder says.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) config: Config,
    /// The address of the server behind, and its authority.
    pub(crate) upstream: (SocketAddr, String),
    /// The route table of the product, for the version that the file names.
    pub(crate) table: Arc<RouteTable>,
    /// The certificate of `[listen.tls]`.
    pub(crate) certificate: Option<Certificate>,
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
        let catalog = Catalog::embedded();
        let product = &config.upstream.product;
        let product = catalog
            .product(product)
            .ok_or_else(|| format!("{}: unknown product {product:?}; vigie catalog list shows all", path.display()))?;
        let table = Arc::new(RouteTable::compile(product, config.upstream.version.as_deref()));
        let upstream = config
            .upstream
            .address()
            .ok_or_else(|| format!("{}: no address of a server", path.display()))?;
        let certificate = match &config.listen.tls {
            None => None,
            Some(named) => {
                let [certificate, key] = [&named.certificate, &named.key].map(|file| Config::beside(dir, file));
                files.extend([&certificate, &key].map(|file| (file.clone(), stamp(file))));
                Some(Certificate::read(&certificate, &key)?)
            }
        };
        Ok(Self {
            config,
            upstream,
            table,
            certificate,
            files,
        })
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
