//! Replies that refuse or lack what was requested: the posture that they show, and why a value stays unknown.

use vigie_catalog::BodyType;
use vigie_http::headers;
use vigie_model::{Posture, Reply, Why};

use super::ParsedReply;

/// The part of a refusal's body that is searched for [`ASKS`], in bytes.
const MAX_READ: usize = 2 * 1024;

/// Words with which a refusal asks for a key, a token or an account, in lower case.
const ASKS: [&str; 18] = [
    "api key",
    "api-key",
    "api_key",
    "apikey",
    "authentication",
    "authenticated",
    "unauthenticated",
    "unauthorized",
    "authorization header",
    "\"authorization\"",
    "credential",
    "bearer",
    "access token",
    "auth token",
    "missing token",
    "invalid token",
    "token required",
    "token is required",
];

/// Schemes of `WWW-Authenticate` for which a browser asks for a name and a password.
const PERSONAL: [&str; 4] = ["basic", "digest", "negotiate", "ntlm"];

/// Parts of a path, and first labels of a host, that name a sign-in page.
const SIGN_IN: [&str; 20] = [
    "login",
    "log-in",
    "log_in",
    "logon",
    "signin",
    "sign-in",
    "sign_in",
    "oauth",
    "oauth2",
    "openid",
    "openid-connect",
    "oidc",
    "auth",
    "authn",
    "authorize",
    "authenticate",
    "sso",
    "saml",
    "saml2",
    "outpost.goauthentik.io",
];

/// Why the requested value did not come; `None`: it may have come.
pub(crate) fn why(parsed: &ParsedReply) -> Option<Why> {
    let reply = parsed.reply()?;
    match reply.status {
        401 | 403 | 407 | 421 | 451 | 511 => Some(Why::Refused),
        300..=399 if leads_to_sign_in(reply) => Some(Why::Refused),
        404 | 405 | 410 | 501 => Some(Why::Absent),
        429 => Some(Why::Throttled),
        408 | 425 | 500..=599 => Some(Why::Unavailable),
        400 | 422 if asks_for_credentials(parsed) => Some(Why::Refused),
        400..=499 => Some(Why::Unparsable),
        _ => None,
    }
}

/// The request and status, for the reasons that are not refusals.
pub(crate) fn detail(why: Why, parsed: Option<&ParsedReply>) -> Option<String> {
    let status = parsed?.reply()?.status;
    let request = &parsed?.exchange.request;
    let path = vigie_http::path::without_query(&request.path);
    matches!(why, Why::Absent | Why::Throttled | Why::Unavailable).then(|| format!("{} {path} answered {status}", request.method))
}

/// The posture that a refusal shows; `None`: it is no refusal.
pub(crate) fn posture(parsed: &ParsedReply) -> Option<Posture> {
    let reply = parsed.reply()?;
    match reply.status {
        401 | 407 if asks_for_password(reply) || has_password_field(parsed) => Some(Posture::Login),
        401 | 407 => Some(Posture::Key),
        403 if has_password_field(parsed) => Some(Posture::Login),
        403 if asks_for_credentials(parsed) => Some(Posture::Key),
        403 | 421 => Some(Posture::Forbidden),
        400 | 422 if asks_for_credentials(parsed) => Some(Posture::Key),
        300..=399 if leads_to_sign_in(reply) => Some(Posture::Login),
        _ => None,
    }
}

/// Whether a reply asks for a name and a password.
fn asks_for_password(reply: &Reply) -> bool {
    let mut challenges = ["www-authenticate", "proxy-authenticate"]
        .into_iter()
        .flat_map(|name| headers::all(&reply.headers, name))
        .map(str::trim_start);
    challenges.any(|value| {
        PERSONAL
            .iter()
            .any(|scheme| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    })
}

/// Whether the body is a page with a password field.
fn has_password_field(parsed: &ParsedReply) -> bool {
    parsed.body_type() == BodyType::Html && {
        let text = parsed.text();
        text.contains("type=\"password\"") || text.contains("type='password'") || text.contains("type=password")
    }
}

/// Whether a refusal asks for a key, a token or an account. Pages are not searched: they mention many things.
fn asks_for_credentials(parsed: &ParsedReply) -> bool {
    if !matches!(parsed.body_type(), BodyType::Json | BodyType::Text) {
        return false;
    }
    let text = parsed.text();
    let mut end = text.len().min(MAX_READ);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let words = text[..end].to_ascii_lowercase();
    ASKS.iter().any(|asked| words.contains(asked))
}

/// Whether a reply redirects to a sign-in page.
fn leads_to_sign_in(reply: &Reply) -> bool {
    (300..400).contains(&reply.status) && reply.header("location").is_some_and(is_sign_in)
}

/// Whether a URL or path is that of a sign-in page: by a part of its path, by its host's first label, or by OAuth parameters.
pub(crate) fn is_sign_in(location: &str) -> bool {
    let location = location.to_ascii_lowercase();
    let (address, query) = location.split_once(['?', '#']).unwrap_or((&location, ""));
    let (host, path) = match address
        .split_once("://")
        .map(|(_, rest)| rest)
        .or_else(|| address.strip_prefix("//"))
    {
        Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
        None => ("", address),
    };
    let label = host.split(['.', ':']).next().unwrap_or_default();
    let named = |part: &str| {
        let part = part
            .rsplit_once('.')
            .filter(|_| !SIGN_IN.contains(&part))
            .map_or(part, |(stem, _)| stem);
        SIGN_IN.contains(&part) || part.starts_with("login-") || part.starts_with("login_")
    };
    let returns = query.contains("response_type=") || query.contains("redirect_uri=");
    (!label.is_empty() && SIGN_IN.contains(&label)) || path.split('/').any(|part| !part.is_empty() && named(part)) || returns
}

#[cfg(test)]
mod tests {
    use super::*;
    use vigie_model::{Exchange, RequestLine, Timestamp};

    fn parsed(status: u16, headers: &[(&str, &str)], body: &str) -> ParsedReply {
        ParsedReply::new(Exchange {
            request: RequestLine {
                method: "GET".into(),
                path: "/v1/models".into(),
                headers: vec![],
                body: String::new(),
            },
            at: Timestamp::UNIX_EPOCH,
            micros: 0,
            reply: Some(Reply {
                status,
                version: "HTTP/1.1".into(),
                headers: headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect(),
                body: body.as_bytes().to_vec(),
                truncated: false,
            }),
            failure: None,
        })
    }

    #[test]
    fn each_status_has_its_reason() {
        for (status, reason) in [
            (401, Some(Why::Refused)),
            (403, Some(Why::Refused)),
            (407, Some(Why::Refused)),
            (421, Some(Why::Refused)),
            (451, Some(Why::Refused)),
            (511, Some(Why::Refused)),
            (404, Some(Why::Absent)),
            (405, Some(Why::Absent)),
            (410, Some(Why::Absent)),
            (501, Some(Why::Absent)),
            (429, Some(Why::Throttled)),
            (408, Some(Why::Unavailable)),
            (425, Some(Why::Unavailable)),
            (500, Some(Why::Unavailable)),
            (502, Some(Why::Unavailable)),
            (503, Some(Why::Unavailable)),
            (504, Some(Why::Unavailable)),
            (520, Some(Why::Unavailable)),
            (599, Some(Why::Unavailable)),
            (400, Some(Why::Unparsable)),
            (418, Some(Why::Unparsable)),
            (422, Some(Why::Unparsable)),
            (200, None),
            (206, None),
            (304, None),
        ] {
            assert_eq!(why(&parsed(status, &[], "no")), reason, "{status}");
        }
        let key = parsed(400, &[], r#"{"error":{"message":"Authentication Error, No api key passed in."}}"#);
        assert_eq!((why(&key), posture(&key)), (Some(Why::Refused), Some(Posture::Key)));
        let field = parsed(
            422,
            &[],
            r#"{"detail":[{"type":"missing","loc":["header","authorization"],"msg":"Field required"}]}"#,
        );
        assert_eq!(posture(&field), Some(Posture::Key), "the framework names the missing header");
        let sent_on = parsed(302, &[("location", "/login")], "");
        assert_eq!((why(&sent_on), posture(&sent_on)), (Some(Why::Refused), Some(Posture::Login)));
        assert_eq!(
            detail(Why::Throttled, Some(&parsed(429, &[], ""))).as_deref(),
            Some("GET /v1/models answered 429")
        );
        assert_eq!(detail(Why::Refused, Some(&parsed(401, &[], ""))), None);
    }

    #[test]
    fn refusals_show_the_posture() {
        for (status, headers, body, expected) in [
            (401, &[("www-authenticate", "Basic realm=\"x\"")][..], "", Some(Posture::Login)),
            (401, &[("www-authenticate", "Negotiate")][..], "", Some(Posture::Login)),
            (401, &[("www-authenticate", "Bearer")][..], "", Some(Posture::Key)),
            (401, &[][..], "Unauthorized", Some(Posture::Key)),
            (
                401,
                &[][..],
                "<html><form><input name=p type=\"password\"></form></html>",
                Some(Posture::Login),
            ),
            (403, &[][..], "<html><title>403 Forbidden</title></html>", Some(Posture::Forbidden)),
            (403, &[][..], "{\"detail\":\"Not authenticated\"}", Some(Posture::Key)),
            (403, &[][..], "", Some(Posture::Forbidden)),
            (421, &[][..], "Invalid Host header", Some(Posture::Forbidden)),
            (404, &[][..], "{\"error\":\"unauthorized\"}", None),
            (429, &[][..], "", None),
            (200, &[][..], "", None),
            (302, &[("location", "/ui/")][..], "", None),
        ] {
            assert_eq!(posture(&parsed(status, headers, body)), expected, "{status} {headers:?} {body}");
        }
    }

    #[test]
    fn sign_in_pages() {
        for location in [
            "/login",
            "/login?next=%2Fv1%2Fmodels",
            "/Login.aspx",
            "/ui/sign_in",
            "/oauth2/start?rd=%2F",
            "https://auth.example.net/?rd=https%3A%2F%2Fa.example.net%2F",
            "https://sso.example.net/",
            "https://x.example.net/cdn-cgi/access/login/a.example.net?kid=1",
            "https://id.example.net/realms/a/protocol/openid-connect/auth?client_id=a",
            "/outpost.goauthentik.io/start?rd=1",
            "https://accounts.example.net/o?response_type=code&client_id=a",
        ] {
            assert!(is_sign_in(location), "{location}");
        }
        for location in [
            "/ui/",
            "/docs",
            "/v1/models/",
            "https://example.net/",
            "/blog/how-to-login-fast",
            "https://authors.example.net/books",
            "/author",
            "",
        ] {
            assert!(!is_sign_in(location), "{location}");
        }
    }
}
