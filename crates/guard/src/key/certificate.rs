//! Client certificates, as a key names them and as they are presented.

use std::fmt;
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use yasna::models::ObjectIdentifier;
use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, Tag};

use super::Hash;
use crate::der::is_sound;

/// The longest name of a subject that is compared.
const MOST_NAME: usize = 256;
/// The most names of a certificate that are compared.
const MOST_NAMES: usize = 32;

/// A client certificate that belongs to a key: its fingerprint, the common name of its subject, or one of its alternative names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Certificate {
    /// The SHA-256 of the certificate.
    Fingerprint(Hash),
    /// The common name of the subject.
    CommonName(String),
    /// A DNS name, an email address or a URI among the alternative names of the subject.
    AlternativeName(String),
}

impl FromStr for Certificate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} is no certificate: write sha256:DIGITS, cn=NAME or san=NAME");
        // As openssl prints a fingerprint.
        if let Some(digits) = text.strip_prefix("sha256:") {
            let digits = digits.replace(':', "").to_ascii_lowercase();
            return format!("sha256:{digits}").parse().map(Self::Fingerprint).map_err(|_| wrong());
        }
        let (kind, name) = text.split_once('=').ok_or_else(wrong)?;
        if name.is_empty() || name.len() > MOST_NAME || name.chars().any(char::is_control) {
            return Err(wrong());
        }
        match kind {
            "cn" => Ok(Self::CommonName(name.to_owned())),
            "san" => Ok(Self::AlternativeName(name.to_owned())),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fingerprint(hash) => write!(f, "{hash}"),
            Self::CommonName(name) => write!(f, "cn={name}"),
            Self::AlternativeName(name) => write!(f, "san={name}"),
        }
    }
}

super::as_text!(Certificate);

/// What a client's certificate may be named by, the most exact first. Its chain was verified before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented(Vec<Certificate>);

impl Presented {
    /// Reads a certificate in DER. One whose names do not read has its fingerprint only.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, der).as_ref());
        let mut all = vec![Certificate::Fingerprint(Hash::from_bytes(hash))];
        all.extend(names(der).unwrap_or_default());
        Self(all)
    }

    /// Its names.
    pub fn names(&self) -> impl Iterator<Item = &Certificate> {
        self.0.iter()
    }
}

/// The names in a certificate (RFC 5280, section 4.1). Two common names, or a name with a NUL in it, are none.
fn names(der: &[u8]) -> ASN1Result<Vec<Certificate>> {
    // The reader adds lengths up without a bound.
    if !is_sound(der) {
        return Err(ASN1Error::new(ASN1ErrorKind::Invalid));
    }
    let mut common = Vec::new();
    let mut others = Vec::new();
    yasna::parse_der(der, |reader| {
        reader.read_sequence(|certificate| {
            certificate.next().read_sequence(|signed| {
                // The version, which the first has not; the serial number, the algorithm, the issuer and the validity.
                signed.read_optional(|reader| reader.read_tagged(Tag::context(0), |reader| reader.read_der()))?;
                for _ in 0..4 {
                    signed.next().read_der()?;
                }
                signed
                    .next()
                    .read_sequence_of(|part| part.read_set_of(|pair| common_name(pair, &mut common)))?;
                // The public key. Of the unique ids that could follow nobody knows; with them the names do not read.
                signed.next().read_der()?;
                signed.read_optional(|reader| {
                    reader.read_tagged(Tag::context(3), |reader| {
                        reader.read_sequence_of(|extension| alternative_names(extension, &mut others))
                    })
                })?;
                Ok(())
            })?;
            while certificate.read_optional(|reader| reader.read_der())?.is_some() {}
            Ok(())
        })
    })?;
    if common.len() > 1 {
        common.clear();
    }
    let is_plain = |name: &str| !name.is_empty() && name.len() <= MOST_NAME && !name.chars().any(char::is_control);
    let common = common.into_iter().filter(|name| is_plain(name)).map(Certificate::CommonName);
    let others = others
        .into_iter()
        .filter(|name| is_plain(name))
        .take(MOST_NAMES)
        .map(Certificate::AlternativeName);
    Ok(common.chain(others).collect())
}

fn common_name(pair: BERReader<'_, '_>, names: &mut Vec<String>) -> ASN1Result<()> {
    pair.read_sequence(|pair| {
        let kind = pair.next().read_oid()?;
        let value = pair.next().read_tagged_der()?;
        let is_text = value.tag() == yasna::tags::TAG_UTF8STRING || value.tag() == yasna::tags::TAG_PRINTABLESTRING;
        if kind == ObjectIdentifier::from_slice(&[2, 5, 4, 3]) && is_text {
            names.extend(std::str::from_utf8(value.value()).ok().map(str::to_owned));
        }
        Ok(())
    })
}

fn alternative_names(extension: BERReader<'_, '_>, names: &mut Vec<String>) -> ASN1Result<()> {
    extension.read_sequence(|extension| {
        let kind = extension.next().read_oid()?;
        extension.read_optional(|reader| reader.read_bool())?;
        let value = extension.next().read_bytes()?;
        if kind != ObjectIdentifier::from_slice(&[2, 5, 29, 17]) {
            return Ok(());
        }
        if !is_sound(&value) {
            return Err(ASN1Error::new(ASN1ErrorKind::Invalid));
        }
        yasna::parse_der(&value, |reader| {
            reader.read_sequence_of(|name| {
                let name = name.read_tagged_der()?;
                // An email address, a DNS name and a URI.
                if [1, 2, 6].map(Tag::context).contains(&name.tag()) && names.len() < MOST_NAMES {
                    names.extend(std::str::from_utf8(name.value()).ok().map(str::to_owned));
                }
                Ok(())
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn made(common: Option<&str>, others: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.subject_alt_names = others;
        let key = KeyPair::generate().expect("a key");
        params.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn a_certificate_is_known_by_its_names() {
        let others = vec![
            SanType::DnsName("laptop.example.org".try_into().expect("a name")),
            SanType::Rfc822Name("alice@example.org".try_into().expect("a name")),
            SanType::URI("spiffe://example.org/alice".try_into().expect("a name")),
            SanType::IpAddress([192, 0, 2, 1].into()),
        ];
        let der = made(Some("alice é"), others);
        let names: Vec<String> = Presented::of(&der).names().map(ToString::to_string).collect();
        assert!(names[0].starts_with("sha256:"));
        assert_eq!(
            names[1..],
            [
                "cn=alice é",
                "san=laptop.example.org",
                "san=alice@example.org",
                "san=spiffe://example.org/alice"
            ]
        );
        for name in names {
            assert_eq!(name.parse::<Certificate>().map(|read| read.to_string()), Ok(name));
        }
    }

    #[test]
    fn strange_certificates_have_a_fingerprint_only() {
        for der in [
            &b""[..],
            b"\x30\x80",
            &[0x30; 500],
            &made(None, Vec::new()),
            &made(Some("a\0b"), Vec::new()),
        ] {
            assert_eq!(Presented::of(der).names().count(), 1);
        }
        let der = made(Some("x"), Vec::new());
        for cut in 0..der.len() {
            assert!(Presented::of(&der[..cut]).names().count() <= 2);
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let digits = "AB:".repeat(31) + "CD";
        assert!(format!("sha256:{digits}").parse::<Certificate>().is_ok());
        for wrong in ["", "sha256:", "sha256:12", "cn=", "CN=x", "x", "ou=x", "cn=a\nb"] {
            assert!(wrong.parse::<Certificate>().is_err(), "{wrong}");
        }
    }
}
