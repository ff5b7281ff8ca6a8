//! TLS towards clients, and towards servers.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certificate::{CHALLENGE_ALPN, Resolver};
use super::life::Life;
use super::peer::Verifier;
use crate::config::Listen;

/// TLS 1.2 and 1.3 with the certificates of a gateway; HTTP/2 and HTTP/1.1. `None`: the configuration wants none.
pub(crate) fn acceptor(listen: &Listen, clients: Option<&Verifier>, life: &Arc<Life>) -> Result<Option<TlsAcceptor>, String> {
    if listen.plain_http {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(Verifier(verifier)) => builder.with_client_cert_verifier(Arc::clone(verifier)),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Resolver(Arc::clone(life))));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if listen.acme.is_some() {
        config.alpn_protocols.push(CHALLENGE_ALPN.to_vec());
    }
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}

/// TLS to a server: the system's authorities, or those of a PEM file.
pub(crate) fn connector(authority: Option<&Path>) -> Result<TlsConnector, String> {
    connector_as(authority, None)
}

/// [`connector`], with a certificate of this side's own: the PEM files of its chain and its key.
pub(crate) fn connector_as(authority: Option<&Path>, own: Option<(&Path, &Path)>) -> Result<TlsConnector, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match authority {
        None => {
            let verifier = rustls_platform_verifier::Verifier::new(provider).map_err(|error| error.to_string())?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        }
        Some(path) => {
            let wrong = |why: String| format!("{}: {why}", path.display());
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))? {
                let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
                roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(wrong("it holds no certificate".to_owned()));
            }
            builder.with_root_certificates(roots)
        }
    };
    let mut config = match own {
        None => builder.with_no_client_auth(),
        Some((certificate, key)) => {
            let wrong = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
            let chain = CertificateDer::pem_file_iter(certificate)
                .and_then(Iterator::collect)
                .map_err(|error| wrong(certificate, &error))?;
            let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, &error))?;
            builder
                .with_client_auth_cert(chain, private)
                .map_err(|error| wrong(certificate, &error))?
        }
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}
