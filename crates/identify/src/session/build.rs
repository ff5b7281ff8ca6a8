//! Builds a request of the catalogue: fills in its values and checks its effect.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use vigie_catalog::{Request, SigId};
use vigie_model::{EffectSet, RequestLine};

use super::Session;
use crate::ask::{Ask, Target};

impl Session {
    /// Fills in the values of a request and checks its effect; `None`: a value in the path is missing, or the effect is forbidden.
    pub(super) fn ask(&self, request: &Request, known: Option<u32>) -> Option<Ask> {
        let path = self.fill(&request.path, known)?;
        let headers = request
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), self.fill(value, known)?)))
            .collect();
        let body = request.body.clone().unwrap_or_default();
        let session = match &request.session {
            Some(id) => Some(self.session_sig(request, id)?),
            None => None,
        };
        if session.is_none() && self.permit(known, &request.method, &path, &body, EffectSet::HARMLESS).is_err() {
            return None;
        }
        Some(Ask {
            request: RequestLine {
                method: request.method.clone(),
                path,
                headers,
                body,
            },
            reply: request.reply,
            session,
            known,
            allowed: EffectSet::HARMLESS,
            sig: request.sig,
            target: Target::Plain { follow: request.follow },
        })
    }

    /// A request about one model that may have certain effects; the proof may infer.
    pub(super) fn model_ask(&self, request: &Request, number: u32, name: &str, allowed: EffectSet) -> Option<Ask> {
        // The name is JSON-escaped in the body and percent-encoded in the path.
        let quoted = serde_json::Value::String(name.to_owned()).to_string();
        let inner = quoted.trim_matches('"');
        let body = request.body.as_ref().map(|body| body.replace("{model}", inner)).unwrap_or_default();
        let path = request.path.replace("{model}", &percent_encoded(name));
        self.permit(Some(number), &request.method, &path, &body, allowed).ok()?;
        Some(Ask {
            request: RequestLine {
                method: request.method.clone(),
                path,
                headers: request.headers.clone(),
                body,
            },
            reply: request.reply,
            session: None,
            known: Some(number),
            allowed,
            sig: request.sig,
            target: Target::Plain { follow: false },
        })
    }

    /// The request that opened the event stream of a `session` request, if that stream is open.
    fn session_sig(&self, request: &Request, id: &str) -> Option<SigId> {
        let owner = self
            .identifier
            .catalog
            .products()
            .iter()
            .find(|product| product.requests.iter().any(|r| r.sig == request.sig))?;
        let opener = owner.requests.iter().find(|r| r.id == id)?;
        let parsed = self.here.transcript.reply_to(opener.sig)?;
        parsed.is_event_stream().then_some(opener.sig)
    }

    /// Fills `{ID.header.NAME}` and `{ID.json./pointer}` from earlier replies.
    fn fill(&self, template: &str, known: Option<u32>) -> Option<String> {
        if !template.contains('{') {
            return Some(template.to_owned());
        }
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, tail) = after.split_once('}')?;
            out.push_str(before);
            out.push_str(&self.value(name, known)?);
            rest = tail;
        }
        out.push_str(rest);
        Some(out)
    }

    /// The value of `ID.header.NAME` or `ID.json./pointer`.
    fn value(&self, name: &str, known: Option<u32>) -> Option<String> {
        let mut parts = name.splitn(3, '.');
        let (id, kind, what) = (parts.next()?, parts.next()?, parts.next()?);
        let sig = known
            .map(|number| self.identifier.catalog.nth(number))
            .into_iter()
            .chain(self.identifier.catalog.products())
            .find_map(|product| {
                product
                    .requests
                    .iter()
                    .find(|request| request.id == id && self.here.transcript.reply_to(request.sig).is_some())
            })?
            .sig;
        let parsed = self.here.transcript.reply_to(sig)?;
        let value = match kind {
            "header" => parsed.reply()?.header(what)?.to_owned(),
            "json" => match vigie_catalog::Pointer::parse(what).ok()?.first(parsed.json()?)? {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            _ => return None,
        };
        // The value comes from the network and goes into a request, so it must not end a line or a path.
        let clean = value.len() <= 512 && value.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        clean.then_some(value)
    }
}

fn percent_encoded(text: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');
    utf8_percent_encode(text, ENCODED).to_string()
}
