//! Follows redirects within one endpoint.

use vigie_model::{EffectSet, RequestLine};

use super::Session;
use crate::ask::{Ask, Target};

/// Most redirects followed in a row.
const MAX_REDIRECTS: u8 = 2;

impl Session {
    /// Follows a redirect to the same endpoint if the effect of its target is harmless; others are only recorded.
    pub(super) fn redirect(&mut self, ask: &Ask, index: usize, landing: bool) {
        let depth = match ask.target {
            Target::Plain { follow: true } => 0,
            Target::Redirect { depth, .. } => depth,
            _ => return,
        };
        let Some(reply) = self.here.transcript.replies[index].reply() else {
            return;
        };
        let keeps_method = matches!(reply.status, 307 | 308);
        if landing
            && matches!(reply.status, 301..=303 | 307 | 308)
            && let Some(location) = reply.header("location")
        {
            self.prefix
                .note_redirect(&self.identifier.catalog, location, &self.authority, &ask.request.path);
        }
        if depth >= MAX_REDIRECTS || !(keeps_method || (matches!(reply.status, 301..=303) && ask.request.method == "GET")) {
            return;
        }
        let Some(path) = reply
            .header("location")
            .and_then(|location| self.own_path(location, &ask.request.path))
        else {
            return;
        };
        if path == ask.request.path
            || self
                .permit(ask.known, &ask.request.method, &path, &ask.request.body, EffectSet::HARMLESS)
                .is_err()
        {
            return;
        }
        self.pending = Some(Ask {
            request: RequestLine {
                path,
                ..ask.request.clone()
            },
            target: Target::Redirect { depth: depth + 1, landing },
            ..ask.clone()
        });
    }
}

/// The path of a redirect's target, if it is at the same host and port; the scheme is ignored.
pub(super) fn same_endpoint(location: &str, authority: &str, from: &str) -> Option<String> {
    let path = if let Some(rest) = location.strip_prefix("http://").or_else(|| location.strip_prefix("https://")) {
        let cut = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(cut);
        // Some servers leave the default port out.
        let bare = |text: &str| text.trim_end_matches(":80").trim_end_matches(":443").to_ascii_lowercase();
        if bare(host) != bare(authority) {
            return None;
        }
        if path.is_empty() { "/".to_owned() } else { path.to_owned() }
    } else if location.starts_with("//") {
        return None;
    } else if location.starts_with('/') {
        location.to_owned()
    } else if location.contains("://") {
        return None;
    } else {
        let base = vigie_http::path::without_query(from);
        let folder = base.rfind('/').map_or("/", |cut| &base[..=cut]);
        format!("{folder}{}", location.trim_start_matches("./"))
    };
    let path = path.split('#').next().unwrap_or_default().to_owned();
    let clean = vigie_http::path::is_sendable(&path) && !path.contains("..");
    clean.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_at_the_endpoint() {
        let to = |location| same_endpoint(location, "127.0.0.1:8888", "/a/b?x=1");
        assert_eq!(to("/lab?").as_deref(), Some("/lab?"));
        assert_eq!(to("http://127.0.0.1:8888/tree#x").as_deref(), Some("/tree"));
        assert_eq!(to("next").as_deref(), Some("/a/next"));
        for elsewhere in [
            "http://127.0.0.1:8889/",
            "https://example.net/",
            "//example.net/",
            "ftp://127.0.0.1:8888/",
            "/../x",
            "/a b",
            "/a\r\nX: y",
        ] {
            assert_eq!(to(elsewhere), None, "{elsewhere}");
        }
    }
}
