//! Who a connection comes from: its address, and the certificate that it presented.

use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::key::Presented;

/// Who a connection comes from.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// The certificate, if it presented one; its chain is verified.
    pub(super) certificate: Option<Rc<Presented>>,
}

impl Peer {
    /// One with the certificates of a handshake.
    pub(super) fn of(address: SocketAddr, chain: Option<&[CertificateDer<'_>]>) -> Self {
        let first = chain.and_then(|chain| chain.first());
        Self {
            address,
            certificate: first.map(|der| Rc::new(Presented::of(der))),
        }
    }
}

/// Verifies the certificates of clients.
#[derive(Clone)]
pub(crate) struct Verifier(pub(super) Arc<dyn ClientCertVerifier>);

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// Reads the authorities of clients, and what they revoked. `is_required`: a client without a certificate is not served.
    ///
    /// # Errors
    ///
    /// A file does not read.
    pub(crate) fn read(ca: &Path, revoked: Option<&Path>, is_required: bool) -> Result<Self, String> {
        let wrong = |path: &Path, why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca).map_err(|error| wrong(ca, &error))? {
            let certificate = certificate.map_err(|error| wrong(ca, &error))?;
            roots.add(certificate).map_err(|error| wrong(ca, &error))?;
        }
        if roots.is_empty() {
            return Err(wrong(ca, &"it holds no certificate"));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if let Some(path) = revoked {
            let lists: Vec<CertificateRevocationListDer<'static>> = CertificateRevocationListDer::pem_file_iter(path)
                .and_then(Iterator::collect)
                .map_err(|error| wrong(path, &error))?;
            if lists.is_empty() {
                return Err(wrong(path, &"it holds no list of revoked certificates"));
            }
            // A list that is too old says nothing of what was revoked since.
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        if !is_required {
            builder = builder.allow_unauthenticated();
        }
        builder.build().map(Self).map_err(|error| wrong(revoked.unwrap_or(ca), &error))
    }
}
