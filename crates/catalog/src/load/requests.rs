//! Compiles requests and generic probes.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_saphyr::Spanned;

use super::{Loader, Parsed};
use crate::catalog::product::{Request, Signature};
use crate::condition::SigId;
use crate::rule::{Purpose, ReplyEnd, RequestRule};

impl Loader {
    /// The number of a request; a new one if it has none yet.
    fn intern(&mut self, signature: Signature) -> SigId {
        if let Some(id) = self.sig_ids.get(&signature) {
            return *id;
        }
        let id = SigId::try_from(self.signatures.len()).unwrap_or(SigId::MAX);
        self.signatures.push(signature.clone());
        self.sig_ids.insert(signature, id);
        id
    }

    /// Checks and compiles a request of a product, without its conditions.
    pub(super) fn request(&mut self, file: &str, rule: &RequestRule) -> Option<Request> {
        let text = rule.send.value.clone();
        let Some((method, path)) = text.split_once(' ') else {
            self.report(file, rule.send.defined, format!("invalid request {text:?}: write METHOD PATH"));
            return None;
        };
        if !matches!(method, "GET" | "HEAD" | "POST") {
            self.report(
                file,
                rule.send.defined,
                format!("method {method:?} is not allowed: a scan sends only GET, HEAD and POST"),
            );
            return None;
        }
        if !path.starts_with('/') || path.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.report(
                file,
                rule.send.defined,
                format!("invalid path {path:?}: it must start with / and contain no white space"),
            );
            return None;
        }
        for (name, value) in &rule.headers {
            let forbidden = [
                "authorization",
                "cookie",
                "host",
                "user-agent",
                "content-length",
                "x-api-key",
                "proxy-authorization",
                "transfer-encoding",
            ];
            if forbidden.contains(&name.to_ascii_lowercase().as_str()) || name.to_ascii_lowercase() != *name || value.contains(['\r', '\n'])
            {
                self.report(
                    file,
                    rule.send.defined,
                    format!("header {name:?} is not allowed: write names in lower case, and no credentials or framing"),
                );
            }
        }
        let body = rule.body.as_ref().map(Value::to_string);
        let signature = Signature {
            method: method.to_owned(),
            path: rule
                .session
                .as_ref()
                .map_or_else(|| path.to_owned(), |session| format!("session:{session}")),
            body: body.clone(),
        };
        Some(Request {
            id: rule.id.value.clone(),
            sig: self.intern(signature),
            method: method.to_owned(),
            path: path.to_owned(),
            headers: rule.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            body,
            purpose: rule.purpose,
            when: Vec::new(),
            reply: rule.reply,
            session: rule.session.clone(),
            follow: rule.follow,
        })
    }

    /// The request of a generic probe.
    pub(super) fn probe_request(
        &mut self,
        send: &Spanned<String>,
        parsed: &[Parsed],
        ids: &BTreeMap<String, u32>,
        requests: &[Vec<Request>],
    ) -> Result<Request, String> {
        if let Some((method, path)) = send.value.split_once(' ') {
            if method != "GET" || !path.starts_with('/') {
                return Err(format!("invalid generic probe {:?}: write GET PATH or PRODUCT.REQUEST", send.value));
            }
            let sig = self.intern(Signature::get(path));
            return Ok(Request {
                id: send.value.clone(),
                sig,
                method: "GET".to_owned(),
                path: path.to_owned(),
                headers: Vec::new(),
                body: None,
                purpose: Purpose::Identify,
                when: Vec::new(),
                reply: ReplyEnd::Body,
                session: None,
                follow: path == "/",
            });
        }
        let (product, id) = send
            .value
            .split_once('.')
            .ok_or_else(|| format!("invalid generic probe {:?}: write GET PATH or PRODUCT.REQUEST", send.value))?;
        let number = ids.get(product).ok_or_else(|| format!("unknown product {product:?}"))?;
        let position = usize::try_from(*number).unwrap_or(usize::MAX);
        let file = parsed.get(position).map_or("", |p| p.file.as_str());
        requests
            .get(position)
            .and_then(|all| all.iter().find(|request| request.id == id))
            .cloned()
            .ok_or_else(|| format!("unknown request {id:?} in {file}"))
    }
}
