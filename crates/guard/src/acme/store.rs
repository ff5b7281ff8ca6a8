//! What is kept of an authority: the account, and the certificate with its key. Both are their owner's only.

use std::path::Path;

use instant_acme::AccountCredentials;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use serde::{Deserialize, Serialize};

use crate::config::{Acme, files};
use crate::init::owners_file;
use crate::proxy::Certificate;

/// An account, and with whom.
#[derive(Serialize, Deserialize)]
struct Kept {
    directory: String,
    credentials: AccountCredentials,
}

/// The account with the authority of a directory; `None`: there is none yet.
pub(super) fn account(dir: &Path, directory: &str) -> Result<Option<AccountCredentials>, String> {
    let path = dir.join(files::ACME_ACCOUNT);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let kept: Kept = serde_json::from_slice(&bytes)
        // The text holds a private key, which the error would quote.
        .map_err(|_| format!("{} is no account; without the file a new one is made", path.display()))?;
    Ok((kept.directory == directory).then_some(kept.credentials))
}

/// Keeps an account.
pub(super) fn keep_account(dir: &Path, directory: &str, credentials: AccountCredentials) -> Result<(), String> {
    let path = dir.join(files::ACME_ACCOUNT);
    let kept = Kept {
        directory: directory.to_owned(),
        credentials,
    };
    let text = serde_json::to_vec_pretty(&kept).map_err(|error| error.to_string())?;
    owners_file(&path, &text, true).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Keeps a certificate and its key, in one file, so that the two always belong together.
pub(super) fn keep_certificate(dir: &Path, chain: &str, key: &str) -> Result<(), String> {
    let path = dir.join(files::ACME_CERTIFICATE);
    let text = format!("{key}{chain}");
    owners_file(&path, text.as_bytes(), true).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The certificate that was kept, if it is for the names that are wanted. One that does not read is as good as none: another is asked for.
pub(crate) fn stored(dir: &Path, acme: &Acme) -> Option<Certificate> {
    let path = dir.join(files::ACME_CERTIFICATE);
    let text = std::fs::read(&path).ok()?;
    let certificate = Certificate::parse(&text, &text)
        .inspect_err(|why| eprintln!("vigie: {}: {why}; another certificate is asked for", path.display()))
        .ok()?;
    covers(&certificate, acme).then_some(certificate)
}

/// Whether a certificate is for all names that are wanted.
pub(super) fn covers(certificate: &Certificate, acme: &Acme) -> bool {
    let Some(parsed) = certificate
        .key
        .cert
        .first()
        .and_then(|first| ParsedCertificate::try_from(first).ok())
    else {
        return false;
    };
    let covers = |name: &String| ServerName::try_from(name.as_str()).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok());
    acme.domains.iter().all(covers)
}
