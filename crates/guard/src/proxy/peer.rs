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
        let bytes = |path: &Path| std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
        let (authorities, lists) = (bytes(ca)?, revoked.map(bytes).transpose()?);
        Self::parse(&authorities, lists.as_deref(), is_required).map_err(|(is_of_list, why)| {
            let path = if is_of_list { revoked.unwrap_or(ca) } else { ca };
            format!("{}: {why}", path.display())
        })
    }

    /// The same, from what the files hold. The error says whether it is of the list of revoked certificates.
    pub(super) fn parse(authorities: &[u8], revoked: Option<&[u8]>, is_required: bool) -> Result<Self, (bool, String)> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities) {
            let certificate = certificate.map_err(|error| (false, error.to_string()))?;
            roots.add(certificate).map_err(|error| (false, error.to_string()))?;
        }
        if roots.is_empty() {
            return Err((false, "it holds no certificate".to_owned()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        if let Some(revoked) = revoked {
            let lists: Vec<CertificateRevocationListDer<'static>> = CertificateRevocationListDer::pem_slice_iter(revoked)
                .collect::<Result<_, _>>()
                .map_err(|error| (true, error.to_string()))?;
            if lists.is_empty() {
                return Err((true, "it holds no list of revoked certificates".to_owned()));
            }
            // A list that is too old says nothing of what was revoked since.
            builder = builder.with_crls(lists).enforce_revocation_expiration();
        }
        if !is_required {
            builder = builder.allow_unauthenticated();
        }
        builder.build().map(Self).map_err(|error| (revoked.is_some(), error.to_string()))
    }
}
