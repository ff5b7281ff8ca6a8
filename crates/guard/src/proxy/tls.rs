//! TLS towards clients.

use std::sync::Arc;

use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;

use super::certificate::Resolver;
use super::life::Life;
use crate::config::Listen;

/// TLS 1.2 and 1.3 with the certificates of a gateway; HTTP/2 and HTTP/1.1. `None`: the configuration wants none.
pub(crate) fn acceptor(listen: &Listen, life: &Arc<Life>) -> Result<Option<TlsAcceptor>, String> {
    if listen.plain_http {
        return Ok(None);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver(Arc::clone(life))));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Some(TlsAcceptor::from(Arc::new(config))))
}
