//! The gateway's certificate: read from files, looked at for its end, given to handshakes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use vigie_model::Timestamp;

/// A certificate that ends within this time is warned of.
const WARN: TimeDelta = TimeDelta::days(14);
/// The protocol in which an authority checks that a name leads here (RFC 8737).
pub(crate) const CHALLENGE_ALPN: &[u8] = b"acme-tls/1";

/// A certificate with its key, ready for handshakes.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) key: Arc<CertifiedKey>,
    /// From when to when it holds; `None`: the certificate does not say it in a form that is known.
    pub(crate) validity: Option<(Timestamp, Timestamp)>,
}

impl Certificate {
    /// Reads a chain and its key, both in PEM.
    ///
    /// # Errors
    ///
    /// A file does not read, or the two do not belong together.
    pub(crate) fn read(certificate: &Path, key: &Path) -> Result<Self, String> {
        let bytes = |path: &Path| std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
        Self::parse(&bytes(certificate)?, &bytes(key)?).map_err(|wrong| match wrong {
            Wrong::Chain(why) => format!("{}: {why}", certificate.display()),
            Wrong::Key(why) => format!("{}: {why}", key.display()),
            Wrong::Pair => format!(
                "the key in {} does not belong to the first certificate in {}: put the two that were made together there",
                key.display(),
                certificate.display()
            ),
        })
    }

    /// Reads a chain and its key from PEM.
    pub(crate) fn parse(chain: &[u8], key: &[u8]) -> Result<Self, Wrong> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| Wrong::Chain(error.to_string()))?;
        let Some(first) = chain.first() else {
            return Err(Wrong::Chain("it holds no certificate in PEM".to_owned()));
        };
        let validity = validity(first);
        let private = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            rustls::pki_types::pem::Error::NoItemsFound => Wrong::Key("it holds no private key in PEM".to_owned()),
            error => Wrong::Key(error.to_string()),
        })?;
        let provider = rustls::crypto::ring::default_provider();
        let key = CertifiedKey::from_der(chain, private, &provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Wrong::Pair,
            rustls::Error::InvalidCertificate(_) => Wrong::Chain(error.to_string()),
            error => Wrong::Key(error.to_string()),
        })?;
        Ok(Self {
            key: Arc::new(key),
            validity,
        })
    }

    /// When it ends.
    pub(crate) fn until(&self) -> Option<Timestamp> {
        self.validity.map(|(_, until)| until)
    }

    /// What has to be done about its end.
    pub(crate) fn warning(&self, now: Timestamp) -> Option<String> {
        let until = self.until()?;
        let date = until.format("%Y-%m-%d %H:%M UTC");
        if until <= now {
            return Some(format!(
                "the certificate ended on {date}: clients refuse it; put a new one in its place"
            ));
        }
        (until - now <= WARN).then(|| format!("the certificate ends on {date}: put a new one in its place before that"))
    }
}

/// What is wrong with a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    Chain(String),
    Key(String),
    Pair,
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chain(why) | Self::Key(why) => f.write_str(why),
            Self::Pair => f.write_str("the key does not belong to the first certificate"),
        }
    }
}

/// From when to when a certificate holds (RFC 5280, section 4.1.2.5).
fn validity(certificate: &[u8]) -> Option<(Timestamp, Timestamp)> {
    use yasna::{ASN1Error, ASN1ErrorKind, BERReader, Tag};
    fn time(reader: BERReader<'_, '_>) -> Result<Timestamp, ASN1Error> {
        let seconds = match reader.lookahead_tag()? {
            yasna::tags::TAG_UTCTIME => reader.read_utctime()?.datetime().unix_timestamp(),
            _ => reader.read_generalized_time()?.datetime().unix_timestamp(),
        };
        DateTime::from_timestamp(seconds, 0).ok_or_else(|| ASN1Error::new(ASN1ErrorKind::Invalid))
    }
    // The reader adds lengths up without a bound.
    if !crate::der::is_sound(certificate) {
        return None;
    }
    let read = yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|certificate| {
            let validity = certificate.next().read_sequence(|signed| {
                // The version, which the first has not; the serial number, the algorithm and the issuer.
                signed.read_optional(|reader| reader.read_tagged(Tag::context(0), |reader| reader.read_der()))?;
                for _ in 0..3 {
                    signed.next().read_der()?;
                }
                let validity = signed
                    .next()
                    .read_sequence(|validity| Ok((time(validity.next())?, time(validity.next())?)))?;
                while signed.read_optional(|reader| reader.read_der())?.is_some() {}
                Ok(validity)
            })?;
            while certificate.read_optional(|reader| reader.read_der())?.is_some() {}
            Ok(validity)
        })
    });
    read.ok()
}

/// The certificates of a running gateway: handshakes take the one that is there.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    current: RwLock<Option<Certificate>>,
    /// By name: what an authority is shown that asks whether the name leads here.
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
}

impl Certificates {
    /// Puts a certificate in place, for handshakes from now on.
    pub(crate) fn set(&self, certificate: Option<Certificate>) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = certificate;
    }

    pub(crate) fn current(&self) -> Option<Certificate> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows an authority this for a name; `None`: nothing any more.
    pub(crate) fn challenge(&self, name: &str, shown: Option<Arc<CertifiedKey>>) {
        let mut challenges = self.challenges.write().unwrap_or_else(PoisonError::into_inner);
        match shown {
            Some(shown) => challenges.insert(name.to_owned(), shown),
            None => challenges.remove(name),
        };
    }
}

/// Gives handshakes the certificates of a gateway.
#[derive(Debug)]
pub(crate) struct Resolver(pub(crate) Arc<super::life::Life>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certificates = &self.0.certificates;
        if hello
            .alpn()
            .is_some_and(|mut offered| offered.any(|protocol| protocol == CHALLENGE_ALPN))
        {
            let challenges = certificates.challenges.read().unwrap_or_else(PoisonError::into_inner);
            return challenges.get(hello.server_name()?).cloned();
        }
        certificates.current().map(|certificate| certificate.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_how_long_it_holds() {
        let made = |from: (i32, u8, u8), until: (i32, u8, u8)| {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
            params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
            params.not_after = rcgen::date_time_ymd(until.0, until.1, until.2);
            (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
        };
        // Until 2049 in one form, after it in another.
        for (from, until, expected) in [
            ((2020, 1, 2), (2030, 3, 4), ("2020-01-02T00:00:00Z", "2030-03-04T00:00:00Z")),
            ((1999, 1, 2), (2077, 3, 4), ("1999-01-02T00:00:00Z", "2077-03-04T00:00:00Z")),
        ] {
            let (chain, key) = made(from, until);
            let certificate = Certificate::parse(chain.as_bytes(), key.as_bytes()).expect("it reads");
            let times = [expected.0, expected.1].map(|text| text.parse::<Timestamp>().expect("a time"));
            assert_eq!(certificate.validity, Some((times[0], times[1])));
            assert_eq!(certificate.warning(times[1] - TimeDelta::days(15)), None);
            assert!(
                certificate
                    .warning(times[1] - TimeDelta::days(13))
                    .expect("a warning")
                    .contains("ends on")
            );
            assert!(certificate.warning(times[1]).expect("a warning").contains("ended on"));
        }
        let (chain, _) = made((2020, 1, 2), (2030, 3, 4));
        let (_, other) = made((2020, 1, 2), (2030, 3, 4));
        assert_eq!(Certificate::parse(chain.as_bytes(), other.as_bytes()).err(), Some(Wrong::Pair));
        assert!(matches!(Certificate::parse(b"", other.as_bytes()), Err(Wrong::Chain(_))));
        assert!(matches!(Certificate::parse(chain.as_bytes(), b""), Err(Wrong::Key(_))));
        assert_eq!(validity(b"\x30\x80nonsense"), None);
    }
}
