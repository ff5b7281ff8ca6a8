//! What must hold for any question of a proxy.

use vigie_http::head::RequestHead;
use vigie_http::headers;

use super::Asker;
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
