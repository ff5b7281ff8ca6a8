//! TLS: certificates are recorded and never verified. A self-signed certificate is an observation, not an error.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use vigie_model::{Certificate, sha256};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// The client's configuration: any certificate, HTTP/2 and HTTP/1.1.
pub(crate) fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    Arc::clone(CONFIG.get_or_init(|| {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        #[expect(clippy::expect_used, reason = "ring supports the default versions")]
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("ring supports TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Recorder(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        // A scan gains nothing from resumption, and a session cache would let servers link its connections.
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }))
}

/// Accepts every certificate: the scanner sends no secret, and it records the certificate that the server presented.
#[derive(Debug)]
struct Recorder(Arc<CryptoProvider>);

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Parses a certificate in DER; a field that cannot be parsed is left empty.
#[must_use]
pub fn certificate(der: &[u8]) -> Certificate {
    let mut certificate = Certificate {
        sha256: sha256(der),
        subject: String::new(),
        issuer: String::new(),
        names: Vec::new(),
        not_before: None,
        not_after: None,
        self_signed: false,
    };
    let Ok((_, parsed)) = X509Certificate::from_der(der) else {
        return certificate;
    };
    let short = |text: String| text.chars().filter(|c| !c.is_control()).take(256).collect::<String>();
    certificate.subject = short(parsed.subject().to_string());
    certificate.issuer = short(parsed.issuer().to_string());
    certificate.self_signed = parsed.subject() == parsed.issuer();
    let instant = |time: x509_parser::time::ASN1Time| chrono::DateTime::from_timestamp(time.timestamp(), 0);
    certificate.not_before = instant(parsed.validity().not_before);
    certificate.not_after = instant(parsed.validity().not_after);
    if let Ok(Some(names)) = parsed.subject_alternative_name() {
        certificate.names = names
            .value
            .general_names
            .iter()
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(short((*name).to_owned())),
                GeneralName::IPAddress(bytes) => match bytes.len() {
                    4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
                    16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
                    _ => None,
                },
                _ => None,
            })
            .take(64)
            .collect();
    }
    certificate
}
