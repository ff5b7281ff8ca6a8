//! A new gateway's folder.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::config::{AuthConfig, Config, Listen, LogConfig, QueueConfig, RefusalConfig, SCHEMA, Tls, UpstreamConfig, files};
use crate::key::KeyFile;
use crate::log::SigningKey;

/// What a new gateway is made from.
#[derive(Clone, Debug)]
pub struct Init {
    /// The server behind: `http://ADDRESS:PORT`.
    pub upstream: String,
    /// Its product's id.
    pub product: String,
    /// Its version, if it is known.
    pub version: Option<String>,
    /// Where clients connect to.
    pub listen: SocketAddr,
    /// Whether without TLS.
    pub plain_http: bool,
    /// The names of this machine under which clients may reach it.
    pub hosts: Vec<String>,
}

/// Why a folder cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// There is a gateway already.
    #[error("{0} is there already; a new gateway gets a folder of its own")]
    Exists(PathBuf),
    /// A file cannot be written.
    #[error("cannot write {0}: {1}")]
    Write(PathBuf, std::io::Error),
    /// A key or a certificate cannot be made.
    #[error("cannot make {0}")]
    Make(String),
}

/// Makes the folder of a gateway without keys. What is secret is readable by its owner only.
///
/// # Errors
///
/// See [`InitError`].
pub fn init(dir: &Path, init: &Init) -> Result<Config, InitError> {
    let config_path = dir.join(files::CONFIG);
    if config_path.exists() {
        return Err(InitError::Exists(config_path));
    }
    let write = |name: &str, bytes: &[u8]| {
        let path = dir.join(name);
        owners_file(&path, bytes, true).map_err(|error| InitError::Write(path, error))
    };
    std::fs::create_dir_all(dir).map_err(|error| InitError::Write(dir.to_owned(), error))?;
    let signing = SigningKey::generate().map_err(|_| InitError::Make("the signing key".to_owned()))?;
    let public = SigningKey::read(&signing)
        .map_err(|error| InitError::Make(format!("the signing key: {error}")))?
        .verifying();
    let tls = match init.plain_http {
        true => None,
        false => {
            let (certificate, key) = certificate(init).map_err(|error| InitError::Make(format!("the certificate: {error}")))?;
            write(files::CERTIFICATE, certificate.as_bytes())?;
            write(files::CERTIFICATE_KEY, key.as_bytes())?;
            Some(Tls {
                certificate: files::CERTIFICATE.into(),
                key: files::CERTIFICATE_KEY.into(),
            })
        }
    };
    let config = Config {
        schema: SCHEMA.to_owned(),
        listen: Listen {
            address: init.listen,
            plain_http: init.plain_http,
            tls,
            acme: None,
            client_ca: None,
            client_crl: None,
            client_required: false,
            path_keys: false,
            query_key: None,
            hosts: init.hosts.clone(),
            workers: None,
            max_connections: None,
            max_connections_per_address: None,
            origins: Vec::new(),
        },
        upstream: UpstreamConfig::new(init.upstream.clone(), init.product.clone(), init.version.clone()),
        servers: Vec::new(),
        queue: QueueConfig::default(),
        refusal: RefusalConfig::default(),
        auth: AuthConfig::default(),
        limits: None,
        log: LogConfig::default(),
        admin: None,
        authorize: None,
        detect: None,
        telemetry: None,
    };
    write(files::SIGNING_KEY, &signing)?;
    write(files::PUBLIC_KEY, format!("{public}\n").as_bytes())?;
    write(files::KEYS, KeyFile::default().to_text().as_bytes())?;
    let text = toml::to_string(&config).map_err(|error| InitError::Make(format!("the configuration: {error}")))?;
    // Last: a folder without it is no gateway.
    write(files::CONFIG, text.as_bytes())?;
    Ok(config)
}

/// Replaces the key store whole.
///
/// # Errors
///
/// It cannot be written.
pub fn write_keys(dir: &Path, keys: &KeyFile) -> std::io::Result<()> {
    owners_file(&dir.join(files::KEYS), keys.to_text().as_bytes(), true)
}

/// Writes a file whole or not at all, readable by its owner only. `durable`: waits until the disk has it.
pub(crate) fn owners_file(path: &Path, bytes: &[u8], durable: bool) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.partial", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut options = std::fs::File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let done = options.open(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        if durable { file.sync_all() } else { Ok(()) }
    });
    match done.and_then(|()| std::fs::rename(&beside, path)) {
        Err(error) => {
            let _ = std::fs::remove_file(&beside);
            Err(error)
        }
        Ok(()) => Ok(()),
    }
}

/// A certificate for the hosts, and its key, both in PEM. It is its own authority: add it to what your clients trust.
fn certificate(init: &Init) -> Result<(String, String), rcgen::Error> {
    let names: Vec<String> = init
        .hosts
        .iter()
        .map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned())
        .filter(|host| host.parse::<IpAddr>().is_ok() || !host.contains(':'))
        .collect();
    let made = rcgen::generate_simple_self_signed(names)?;
    Ok((made.cert.pem(), made.signing_key.serialize_pem()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_is_complete_and_its_secrets_are_its_owners() {
        for plain_http in [false, true] {
            let dir = tempfile::tempdir().expect("a folder");
            let wanted = Init {
                upstream: "http://127.0.0.1:11434".to_owned(),
                product: "ollama".to_owned(),
                version: Some("0.17.4".to_owned()),
                listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
                plain_http,
                hosts: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()],
            };
            let config = init(dir.path(), &wanted).unwrap_or_else(|error| panic!("{error}"));
            let text = std::fs::read_to_string(dir.path().join(files::CONFIG)).expect("read");
            assert_eq!(Config::parse(&text), Ok(config.clone()));
            assert_eq!(config.listen.tls.is_some(), !plain_http);
            let checked = crate::check(dir.path()).unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(checked.valid_keys, 0);
            #[cfg(unix)]
            for entry in std::fs::read_dir(dir.path()).expect("listed") {
                use std::os::unix::fs::PermissionsExt as _;
                let path = entry.expect("an entry").path();
                assert_eq!(
                    path.metadata().expect("there").permissions().mode() & 0o777,
                    0o600,
                    "{}",
                    path.display()
                );
            }
            assert!(matches!(init(dir.path(), &wanted), Err(InitError::Exists(_))));
        }
    }
}
