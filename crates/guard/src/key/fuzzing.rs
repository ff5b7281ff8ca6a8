//! What must hold for any client certificate and any credential.

use vigie_http::headers::Header;

use super::certificate::{Certificate, Presented};
use crate::credential::{credential, in_target, redact};

/// Any bytes as a certificate in DER: a bounded number of names, each of which a grant can write down and read again.
pub(crate) fn certificate(data: &[u8]) {
    let presented = Presented::of(data);
    assert!(matches!(presented.names().next(), Some(Certificate::Fingerprint(_))));
    assert!(presented.names().count() <= 34);
    for name in presented.names() {
        assert_eq!(name.to_string().parse::<Certificate>().as_ref(), Ok(name));
    }
    assert!(presented.names().filter(|name| matches!(name, Certificate::CommonName(_))).count() <= 1);
    crate::proxy::fuzzing::authorities(data);
}

/// Any target (the first line) and header lines: the credential that is found is one of those that are there, the target that is left is
/// without it, and no path that is logged shows it.
pub(crate) fn credentials(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (target, lines) = text.split_once('\n').unwrap_or((text, ""));
    let headers: Vec<Header> = lines
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    if let Ok(Some(secret)) = credential(&headers) {
        let holds =
            |value: &str| value.contains(&*secret) || value.trim_start().get(..5).is_some_and(|start| start.eq_ignore_ascii_case("basic"));
        assert!(headers.iter().any(|(_, value)| holds(value)), "it is nowhere");
        // The order of lines with other names makes no difference.
        let turned: Vec<Header> = headers.iter().rev().cloned().collect();
        assert_eq!(credential(&turned).ok().flatten().as_deref(), Some(&*secret));
    }
    if let Ok(Some(found)) = in_target(target, true, Some("key")) {
        assert!(!found.secret.is_empty() && target.contains(&found.secret));
        assert!(found.target.starts_with('/') || !target.starts_with('/'));
        assert_eq!(in_target(&found.target, false, Some("key")), Ok(None), "one is left");
    }
    let path = target.split('?').next().unwrap_or_default();
    let shown = redact(path);
    assert!(!shown.contains(crate::key::PREFIX), "{shown}");
    assert_eq!(redact(&shown), shown, "what was redacted stays as it is");
}
