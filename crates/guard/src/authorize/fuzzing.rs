//! What must hold for any question of a proxy.

use bytes::Bytes;
use vigie_http::head::{MAX_HEAD, MAX_HEADERS, RequestHead};
use vigie_http::headers;

use super::{Asker, Check};
use crate::config::Authorize;

/// Any head as a question of each proxy: what is accepted is one request, and the head claims no other.
pub(crate) fn drive(data: &[u8]) {
    let Ok((head, _)) = RequestHead::strict(data) else { return };
    for proxy in ["nginx", "caddy", "traefik", "envoy", "haproxy"] {
        let config: Authorize = toml::from_str(&format!("proxy = {proxy:?}")).expect("a configuration");
        let asker = Asker::new(&config, "0123456789abcdef0123456789abcdef");
        let Ok((asked, _)) = asker.question(&head) else { continue };
        assert!(headers::is_token(asked.method.as_bytes()) && !asked.target.is_empty());
        assert!(asked.target.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(headers::all(&asked.headers, "host").count(), 1);
        assert_eq!(headers::first(&asked.headers, "x-vigie-proxy"), None, "the secret goes no further");
        for (name, value) in &head.headers {
            let own = match name.as_str() {
                "x-original-method" | "x-forwarded-method" => &asked.method,
                "x-original-uri" | "x-forwarded-uri" => &asked.target,
                _ => continue,
            };
            assert_eq!(value, own, "{proxy}: {name} claims another request");
        }
    }
}

/// Any bytes as a question of Envoy's over gRPC: within its bounds, and one request.
pub(crate) fn check(data: &[u8]) {
    let Ok(check) = Check::read(Bytes::copy_from_slice(data)) else {
        return;
    };
    // Each of the two lists of headers has its own bound.
    assert!(check.headers.len() <= 2 * (MAX_HEADERS + 16));
    let bytes: usize = check.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert!(bytes <= 2 * MAX_HEAD && bytes + check.body.len() <= data.len());
    // A field that is not known is stepped over.
    let more = [data, &[0xfa, 0x3f, 3, 1, 2, 3]].concat();
    assert_eq!(Check::read(more.into()).as_ref(), Ok(&check));
    let config: Authorize = toml::from_str("proxy = \"envoy\"").expect("a configuration");
    let asker = Asker::new(&config, "0123456789abcdef0123456789abcdef");
    let Ok((asked, _)) = asker.request_of(&check) else { return };
    assert_eq!((&asked.method, &asked.target), (&check.method, &check.path));
    assert!(headers::is_token(asked.method.as_bytes()) && asked.target.starts_with('/'));
    assert_eq!(headers::all(&asked.headers, "host").count(), 1);
    let is_plain = |text: &str| !text.contains(['\r', '\n', '\0']);
    assert!(
        asked
            .headers
            .iter()
            .all(|(name, value)| headers::is_token(name.as_bytes()) && (is_plain(value) || name == "host"))
    );
}
