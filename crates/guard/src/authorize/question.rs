//! A proxy's question: which request it asks about.
//!
//! A client can send any header, so one is believed only if the proxy proves itself (by its address and by the secret) and sets that header
//! on every question. Which one that is, is fixed by the configuration; where another claims something else, the question is refused.

use std::net::{IpAddr, SocketAddr};

use vigie_http::head::RequestHead;
use vigie_http::headers::{self, Header};

use super::Asker;
use super::check::Check;
use crate::config::Proxy;
use crate::credential::{BadCredential, KEY_HEADERS};
use crate::key::Hash;
use crate::policy::Refusal;

/// The header with the secret.
const SECRET: &str = "x-vigie-proxy";
/// The path where a proxy asks.
pub(crate) const PATH: &str = "/authorize";

/// Headers that claim another method; a server behind may believe them, and the proxy passes them on.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];
/// Headers that claim another target.
const TARGET_OVERRIDES: [&str; 3] = ["x-original-url", "x-rewrite-url", "x-override-url"];
/// Envoy's own claim of one, which it makes after it has asked, when it writes a path anew.
const ENVOYS_TARGET: &str = "x-envoy-original-path";

/// Where a proxy says what the request is.
struct Dialect {
    /// `None`: the method and the target of the question itself, behind [`PATH`].
    request: Option<(&'static str, &'static str)>,
    host: &'static str,
    client: &'static str,
}

const ORIGINAL: (&str, &str) = ("x-original-method", "x-original-uri");
const FORWARDED: (&str, &str) = ("x-forwarded-method", "x-forwarded-uri");

fn dialect(proxy: Proxy) -> Dialect {
    let (request, host, client) = match proxy {
        Proxy::Nginx | Proxy::HAProxy => (Some(ORIGINAL), "host", "x-real-ip"),
        Proxy::Caddy | Proxy::Traefik => (Some(FORWARDED), "x-forwarded-host", "x-forwarded-for"),
        Proxy::Envoy => (None, "host", "x-real-ip"),
    };
    Dialect { request, host, client }
}

impl Asker {
    /// Checks that the proxy itself asks.
    pub(crate) fn proves(&self, address: IpAddr, head: &RequestHead) -> Result<(), Refusal> {
        let no = |why: &str| Err(Refusal::Stranger(format!("{why} ({address})")));
        if !self.trusts(address) {
            return no("it asks from an address that is not trusted");
        }
        match only(&head.headers, SECRET)? {
            None => no("it shows no secret"),
            Some(secret) if !Hash::of(secret).is(&self.secret) => no("it shows another secret"),
            Some(_) => Ok(()),
        }
    }

    /// Which request the proxy asks about: as the client sent it, with the address of the client, if the proxy says it. Its port is 0 where
    /// it is not known.
    pub(crate) fn question(&self, head: &RequestHead) -> Result<(RequestHead, Option<SocketAddr>), Refusal> {
        let dialect = dialect(self.proxy);
        let all = &head.headers;
        let ambiguous = |why: String| Refusal::Ambiguous(why);
        let (method, target) = match dialect.request {
            None => {
                let target = head.target.strip_prefix(PATH).filter(|target| target.starts_with('/'));
                let target = target.ok_or_else(|| ambiguous(format!("the path of the question does not begin with {PATH}")))?;
                (head.method.as_str(), target)
            }
            Some((method, target)) => {
                if head.target != PATH {
                    return Err(ambiguous(format!("the path of the question is not {PATH}")));
                }
                let missing = |name: &str| Refusal::Ambiguous(format!("the proxy sends no {name}"));
                (
                    only(all, method)?.ok_or_else(|| missing(method))?,
                    only(all, target)?.ok_or_else(|| missing(target))?,
                )
            }
        };
        self.check_claims(all, method, target)?;
        let host = only(all, dialect.host)?.ok_or_else(|| ambiguous(format!("the proxy sends no {}", dialect.host)))?;
        let client = match self.proxy {
            // A list, to which the proxy adds the address that it sees.
            Proxy::Caddy | Proxy::Traefik => headers::elements(all, dialect.client).last(),
            Proxy::Nginx | Proxy::HAProxy | Proxy::Envoy => only(all, dialect.client)?,
        };
        let client = match client {
            None => None,
            Some(text) => Some(
                text.parse()
                    .map_err(|_| ambiguous(format!("{} holds no address", dialect.client)))?,
            ),
        };
        let mut headers: Vec<Header> = all.iter().filter(|(name, _)| name != "host" && name != SECRET).cloned().collect();
        headers.push(("host".to_owned(), host.to_owned()));
        let (method, target) = (method.to_owned(), target.to_owned());
        let asked = RequestHead {
            method,
            target,
            version: head.version,
            headers,
        };
        Ok((asked, client.map(|client| SocketAddr::new(client, 0))))
    }

    /// Which request a message of Envoy's asks about.
    pub(crate) fn request_of(&self, check: &Check) -> Result<(RequestHead, Option<SocketAddr>), Refusal> {
        let ambiguous = |why: String| Refusal::Ambiguous(why);
        let (method, target) = (check.method.as_str(), check.path.as_str());
        if !check.query.is_empty() || !check.fragment.is_empty() {
            return Err(ambiguous("the message has a query or a fragment beside the path".to_owned()));
        }
        if check.has_text {
            let why = "the proxy shows the body as a text, in which it has replaced bytes: set pack_as_bytes";
            return Err(ambiguous(why.to_owned()));
        }
        if !target.starts_with('/') {
            return Err(ambiguous("the target does not begin with a slash".to_owned()));
        }
        let mut all: Vec<Header> = Vec::with_capacity(check.headers.len() + 1);
        for (name, value) in &check.headers {
            let value = std::str::from_utf8(value).map_err(|_| ambiguous(format!("the value of {name} is not UTF-8")))?;
            let own = match name.as_str() {
                ":method" => Some(method),
                ":path" => Some(target),
                ":authority" | "host" => Some(check.host.as_str()),
                ":scheme" => Some(value),
                _ => None,
            };
            match own {
                Some(own) if own != value => return Err(ambiguous(format!("{name} claims another request"))),
                Some(_) => continue,
                None => {}
            }
            if !headers::is_token(name.as_bytes()) || name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                return Err(ambiguous("the name of a header is not a token in lower case".to_owned()));
            }
            if value.bytes().any(|byte| byte != b'\t' && (byte < b' ' || byte == 0x7f)) {
                return Err(ambiguous(format!("the value of {name} holds a control character")));
            }
            // Of joined lines the comma is left. No credential and no content type that is taken has one.
            if check.is_joined && value.contains(',') {
                if name == "authorization" || KEY_HEADERS.contains(&name.as_str()) {
                    return Err(Refusal::Credential(BadCredential::Several));
                }
                if name == "content-type" {
                    return Err(ambiguous("two content types".to_owned()));
                }
            }
            all.push((name.clone(), value.to_owned()));
        }
        self.check_claims(&all, method, target)?;
        all.push(("host".to_owned(), check.host.clone()));
        let asked = RequestHead {
            method: method.to_owned(),
            target: target.to_owned(),
            version: "HTTP/1.1",
            headers: all,
        };
        Ok((asked, check.client))
    }

    /// Checks that no header claims another method or target than these, and that they are ones.
    fn check_claims(&self, all: &[Header], method: &str, target: &str) -> Result<(), Refusal> {
        let ambiguous = |why: String| Err(Refusal::Ambiguous(why));
        if !headers::is_token(method.as_bytes()) || target.is_empty() || !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return ambiguous("the method or the target is empty, or holds a character that none has".to_owned());
        }
        for (own, claims) in [(method, [ORIGINAL.0, FORWARDED.0]), (target, [ORIGINAL.1, FORWARDED.1])] {
            if let Some(name) = claims.into_iter().find(|name| headers::all(all, name).any(|other| other != own)) {
                return ambiguous(format!("{name} claims another request"));
            }
        }
        // Of these the proxy passes on what the client sent.
        let envoys = [ENVOYS_TARGET];
        let envoys = envoys.iter().filter(|_| self.proxy == Proxy::Envoy);
        match METHOD_OVERRIDES
            .iter()
            .chain(&TARGET_OVERRIDES)
            .chain(envoys)
            .find(|name| headers::first(all, name).is_some())
        {
            Some(name) => ambiguous(format!("{name} claims another request")),
            None => Ok(()),
        }
    }
}

/// The one line of a header; two of them are refused.
fn only<'h>(all: &'h [Header], name: &str) -> Result<Option<&'h str>, Refusal> {
    let mut lines = headers::all(all, name);
    let line = lines.next();
    match lines.next() {
        Some(_) => Err(Refusal::Ambiguous(format!("two lines of {name}"))),
        None => Ok(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Authorize;

    fn asker(proxy: &str) -> Asker {
        let config: Authorize = toml::from_str(&format!("proxy = \"{proxy}\"")).expect("it reads");
        Asker::new(&config, "s3cret")
    }

    fn head(first: &str, lines: &[(&str, &str)]) -> RequestHead {
        let mut text = format!("{first} HTTP/1.1\r\n");
        if !lines.iter().any(|(name, _)| *name == "host") {
            text.push_str("host: gpu\r\n");
        }
        for (name, value) in lines {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        RequestHead::strict(text.as_bytes()).expect("a head").0
    }

    fn asks(proxy: &str, first: &str, lines: &[(&str, &str)]) -> Result<(String, String, Option<String>), String> {
        let head = head(first, lines);
        let (asked, client) = asker(proxy).question(&head).map_err(|refusal| refusal.to_string())?;
        Ok((asked.method, asked.target, client.map(|client| client.ip().to_string())))
    }

    fn is(method: &str, target: &str, client: &str) -> Result<(String, String, Option<String>), String> {
        Ok((method.to_owned(), target.to_owned(), Some(client.to_owned())))
    }

    #[test]
    fn each_proxy_says_it_in_its_way() {
        for proxy in ["nginx", "haproxy"] {
            let lines = [
                ("X-Original-Method", "POST"),
                ("X-Original-URI", "/api/chat?a=b"),
                ("X-Real-IP", "192.0.2.1"),
            ];
            assert_eq!(
                asks(proxy, "GET /authorize", &lines),
                is("POST", "/api/chat?a=b", "192.0.2.1"),
                "{proxy}"
            );
        }
        for proxy in ["caddy", "traefik"] {
            let lines = [
                ("X-Forwarded-Method", "DELETE"),
                ("X-Forwarded-Uri", "/api/delete"),
                ("X-Forwarded-Host", "gpu"),
                ("X-Forwarded-For", "203.0.113.9, 2001:db8::1"),
            ];
            assert_eq!(
                asks(proxy, "GET /authorize", &lines),
                is("DELETE", "/api/delete", "2001:db8::1"),
                "{proxy}"
            );
        }
        let lines = [("X-Forwarded-For", "203.0.113.9, 192.0.2.7"), ("X-Real-IP", "192.0.2.1")];
        assert_eq!(
            asks("envoy", "POST /authorize/api/chat", &lines),
            is("POST", "/api/chat", "192.0.2.1")
        );
    }

    #[test]
    fn two_claims_that_differ_are_refused() {
        let own = [("x-original-method", "GET"), ("x-original-uri", "/api/version")];
        assert!(asks("nginx", "GET /authorize", &own).is_ok());
        for more in [
            ("x-original-uri", "/api/version"),
            ("x-original-uri", "/api/tags"),
            ("x-original-method", "GET"),
            ("x-forwarded-uri", "/api/tags"),
            ("x-forwarded-method", "POST"),
            ("x-http-method-override", "DELETE"),
            ("x-original-url", "/api/version"),
            ("x-rewrite-url", "/api/tags"),
            ("x-real-ip", "unknown"),
        ] {
            let lines = [&own[..], &[more]].concat();
            assert!(asks("nginx", "GET /authorize", &lines).is_err(), "{more:?}");
        }
        assert!(asks("envoy", "GET /authorize/api/version", &own).is_ok(), "an equal claim is none");
        assert!(asks("envoy", "GET /authorize/api/tags", &own).is_err());
        let forwarded = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/"), ("x-forwarded-host", "gpu")];
        assert!(asks("caddy", "GET /authorize", &forwarded).is_ok());
        assert!(
            asks(
                "caddy",
                "GET /authorize",
                &[&forwarded[..], &[("x-original-uri", "/api/tags")]].concat()
            )
            .is_err()
        );
    }

    #[test]
    fn what_the_proxy_does_not_say_is_refused() {
        for (proxy, first, lines) in [
            ("nginx", "GET /authorize", &[("x-original-uri", "/")][..]),
            ("nginx", "GET /authorize", &[("x-original-method", "GET")]),
            ("nginx", "GET /", &[("x-original-method", "GET"), ("x-original-uri", "/")]),
            ("nginx", "GET /authorize", &[("x-original-method", "G T"), ("x-original-uri", "/")]),
            (
                "nginx",
                "GET /authorize",
                &[("x-original-method", "GET"), ("x-original-uri", "/a b")],
            ),
            (
                "caddy",
                "GET /authorize",
                &[("x-forwarded-method", "GET"), ("x-forwarded-uri", "/")],
            ),
            ("caddy", "GET /authorize", &[("x-original-method", "GET"), ("x-original-uri", "/")]),
            ("envoy", "GET /api/version", &[]),
            ("envoy", "GET /authorizeapi/version", &[]),
        ] {
            assert!(asks(proxy, first, lines).is_err(), "{proxy} {first} {lines:?}");
        }
    }

    #[test]
    fn a_message_is_read_like_a_request() {
        use crate::credential::credential;
        let check = |lines: &[(&str, &str)], is_joined| Check {
            method: "POST".to_owned(),
            path: "/api/chat?a=b".to_owned(),
            host: "gpu".to_owned(),
            headers: lines
                .iter()
                .map(|(name, value)| ((*name).to_owned(), bytes::Bytes::copy_from_slice(value.as_bytes())))
                .collect(),
            is_joined,
            ..Check::default()
        };
        let pseudo = [
            (":method", "POST"),
            (":path", "/api/chat?a=b"),
            (":authority", "gpu"),
            (":scheme", "http"),
            ("accept", "a,b"),
        ];
        let (asked, _) = asker("envoy").request_of(&check(&pseudo, true)).expect("it reads");
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/api/chat?a=b"));
        assert_eq!(
            asked.headers,
            [("accept".to_owned(), "a,b".to_owned()), ("host".to_owned(), "gpu".to_owned())]
        );
        for wrong in [
            (":method", "GET"),
            (":path", "/api/chat"),
            (":authority", "evil"),
            (":protocol", "websocket"),
            ("host", "evil"),
            ("X-A", "b"),
            ("x a", "b"),
            ("x-a", "b\r\nauthorization: c"),
            ("x-a", "b\0"),
            ("x-original-uri", "/api/version"),
            ("x-forwarded-method", "GET"),
            ("x-http-method-override", "POST"),
            ("x-envoy-original-path", "/api/chat?a=b"),
            ("authorization", "Bearer a,Bearer b"),
            ("x-api-key", "a,a"),
            ("content-type", "application/json,text/plain"),
        ] {
            assert!(asker("envoy").request_of(&check(&[wrong], true)).is_err(), "{wrong:?}");
        }
        // Not joined: each line is there, and two credentials are what they are elsewhere.
        let two = check(&[("authorization", "Bearer a"), ("authorization", "Bearer a")], false);
        let (asked, _) = asker("envoy").request_of(&two).expect("it reads");
        assert_eq!(credential(&asked.headers), Err(BadCredential::Several));
        for wrong in [
            Check {
                has_text: true,
                ..check(&[], true)
            },
            Check {
                query: "a".to_owned(),
                ..check(&[], true)
            },
            Check {
                fragment: "a".to_owned(),
                ..check(&[], true)
            },
            Check {
                path: "http://gpu/".to_owned(),
                ..check(&[], true)
            },
            Check {
                path: "/a b".to_owned(),
                ..check(&[], true)
            },
            Check {
                method: "G T".to_owned(),
                ..check(&[], true)
            },
            Check {
                method: String::new(),
                ..check(&[], true)
            },
        ] {
            assert!(asker("envoy").request_of(&wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_stranger_is_refused() {
        let proves = |address: &str, lines: &[(&str, &str)]| {
            let head = head("GET /authorize", lines);
            asker("nginx").proves(address.parse().expect("an address"), &head).is_ok()
        };
        let secret = [("X-Vigie-Proxy", "s3cret")];
        assert!(proves("127.0.0.1", &secret) && proves("::1", &secret) && proves("::ffff:127.0.0.1", &secret));
        assert!(!proves("192.0.2.1", &secret));
        assert!(!proves("127.0.0.1", &[]));
        assert!(!proves("127.0.0.1", &[("X-Vigie-Proxy", "s3creT")]));
        assert!(!proves("127.0.0.1", &[secret[0], secret[0]]));
    }
}
