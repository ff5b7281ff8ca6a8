//! Servers below a path prefix: one that the user named, or one to which the root of the endpoint redirects.
//!
//! Rules, routes and the transcript hold the server's own paths; the prefix is added only to what is sent.

use std::mem;

use vigie_catalog::{AtRoot, BodyType, Catalog, Forbidden};
use vigie_model::{Effect, EffectSet, Exchange, PathPrefix};

use super::redirect::same_endpoint;
use super::scores::STRONG;
use super::{Progress, Session};
use crate::reply::{ParsedReply, refusal};

/// After this many requests to absent paths, besides the root page, the root counts as empty.
const EMPTY_AFTER: usize = 2;

/// Requests reserved for the path to which the root redirects: its page, and those that identify a server.
const RESERVE: usize = 4;

/// The current path prefix of a session, and the other one.
#[derive(Debug, Default)]
pub(super) struct PrefixState {
    /// Prefix of every request; `None`: the root.
    current: Option<PathPrefix>,
    /// The prefix that is not current: the target of the root's redirect, or the one that the user named.
    alternative: Option<PathPrefix>,
    /// Whether the redirect named a folder: then it is tried before the search at the root is over.
    folder: bool,
    /// Whether the user named the prefix, and it may be a gateway's route, so that the root is asked first.
    given: bool,
    /// What is known about the root.
    at_root: AtRoot,
    /// What was asked and answered at the other prefix.
    other: Option<Box<Progress>>,
    /// Whether the first page below the prefix was examined.
    examined: bool,
}

impl PrefixState {
    /// Notes the target of a redirect of the root page, or of the page to which it led.
    pub(super) fn note_redirect(&mut self, catalog: &Catalog, location: &str, authority: &str, from: &str) {
        if self.current.is_none() && self.other.is_none() && !self.given {
            let Some(path) = same_endpoint(location, authority, from) else {
                return;
            };
            if let Some(prefix) = folder(&path).filter(|prefix| !catalog.is_harmful_prefix(prefix)) {
                self.alternative = Some(prefix);
                self.folder = vigie_http::path::without_query(&path).ends_with('/');
            }
        }
    }

    /// Every exchange in order, with the paths as they were sent.
    pub(super) fn all_exchanges(self, exchanges: impl Iterator<Item = Exchange>) -> Vec<Exchange> {
        let as_sent = |prefix: Option<PathPrefix>, exchange| match &prefix {
            None => exchange,
            Some(prefix) => sent(prefix, exchange),
        };
        let (here, there) = (self.current, self.alternative);
        let mut all: Vec<Exchange> = exchanges.map(|exchange| as_sent(here.clone(), exchange)).collect();
        if let Some(other) = self.other {
            // If the current prefix is not the root, the other is.
            let there = there.filter(|_| here.is_none());
            let others = other.transcript.replies.into_iter();
            all.extend(others.map(|parsed| as_sent(there.clone(), parsed.exchange)));
            all.sort_by_key(|exchange| exchange.at);
        }
        all
    }
}

/// The prefix that a page suggests: its folder, or the page itself if it is directly below the root and has no extension.
fn folder(path: &str) -> Option<PathPrefix> {
    let path = vigie_http::path::without_query(path);
    let (before, last) = path.rsplit_once('/')?;
    // `/jupyter/lab` is a page of `/jupyter`; `/index.html` is one of the root; `/ollama` may be either, and is tried.
    let of = if last.is_empty() || !before.is_empty() || last.contains('.') {
        before
    } else {
        path
    };
    PathPrefix::parse(of).ok().flatten()
}

/// The exchange with its path as it was sent.
fn sent(prefix: &PathPrefix, mut exchange: Exchange) -> Exchange {
    exchange.request.path = prefix.join(&exchange.request.path);
    exchange
}

impl Session {
    /// The same session below a path prefix: every request is sent below it.
    ///
    /// Where the prefix may be a gateway's route to a server behind it, the root is asked first ([`Catalog::asks_root_first`]).
    #[must_use]
    pub fn under(mut self, prefix: Option<PathPrefix>) -> Self {
        let Some(prefix) = prefix else { return self };
        // The permitted requests depend on the prefix, so the session cannot be cached.
        self.cached = None;
        if self.identifier.catalog.asks_root_first(&prefix) {
            self.prefix.alternative = Some(prefix);
            self.prefix.given = true;
        } else {
            self.prefix.current = Some(prefix);
        }
        self
    }

    /// The prefix of every request: the one that the user named, or the one to which the root redirects, once it is current.
    #[must_use]
    pub fn prefix(&self) -> Option<&PathPrefix> {
        self.prefix.current.as_ref()
    }

    /// Whether a request may be sent below the current prefix.
    ///
    /// # Errors
    ///
    /// As [`Catalog::permit_under`].
    pub fn permit(&self, known: Option<u32>, method: &str, path: &str, body: &str, allowed: EffectSet) -> Result<Effect, Forbidden> {
        let under = self.prefix().map(|prefix| (prefix, self.prefix.at_root));
        self.identifier
            .catalog
            .permit_under(under, known, method, path, Some(body), allowed)
    }

    /// The server's own path to which a reply to `from` redirects; `None`: it leads elsewhere, or out of the prefix.
    pub(super) fn own_path(&self, location: &str, from: &str) -> Option<String> {
        let Some(prefix) = self.prefix() else {
            return same_endpoint(location, &self.authority, from);
        };
        let path = same_endpoint(location, &self.authority, &prefix.join(from))?;
        prefix.strip(&path).map(str::to_owned)
    }

    /// Switches to the path to which the root redirects, or back to the root, if the search should go on there.
    ///
    /// That path is searched if nothing is recognised at the root: its first page is requested once the first paths requested at the
    /// root are absent, or few requests are left; the search goes on wherever a server seems to be, and switches for good when the
    /// search at the root is over.
    pub(super) fn switch_path_if_due(&mut self) {
        if self.prefix.current.is_none() {
            if self.prefix.alternative.is_some() && self.root_is_done() {
                self.swap();
            }
        } else if self.prefix.other.is_some() && !self.prefix.examined {
            self.prefix.examined = true;
            if !self.prefix.given && !self.is_promising() && self.root_has_more() {
                self.swap();
            }
        }
    }

    /// Whether the search at the root has nothing to wait for. The page below the path may have been read as the landing page already:
    /// it names a product at the root only if something else of that product is at the root too.
    fn root_is_done(&self) -> bool {
        match self.winner() {
            Some(_) if self.prefix.given => true,
            // Whether the root serves its page on any path must be known before the same page is examined below a path.
            Some(winner) => {
                self.is_only_landing(winner) && !self.has_own_requests(winner) && self.ask_unknown_path(winner).is_none() && self.is_empty()
            }
            None => {
                let likely = self
                    .here
                    .scores
                    .values()
                    .any(|score| !score.contradicted && score.points() >= STRONG);
                let first = !self.prefix.examined && !likely;
                let due = (self.prefix.folder || self.prefix.given) && self.is_empty();
                (first && (due || self.left() <= RESERVE)) || !self.has_more()
            }
        }
    }

    /// Whether the search at the root, which is not current, has further requests.
    fn root_has_more(&mut self) -> bool {
        self.swap();
        let more = self.has_more();
        self.swap();
        more
    }

    /// Whether the first page below the prefix seems to be a server's: there is strong evidence for a product, or it is no HTML page. A page
    /// that the root serves on other paths too does not count.
    fn is_promising(&self) -> bool {
        let page = self.here.transcript.replies.iter().last();
        if page.is_some_and(|page| self.root_serves(page)) {
            return false;
        }
        let likely = self
            .here
            .scores
            .values()
            .any(|score| !score.contradicted && score.points() >= STRONG);
        likely
            || page
                .and_then(|parsed| Some((parsed, parsed.reply()?)))
                .is_some_and(|(parsed, reply)| reply.status == 401 || (reply.status < 300 && parsed.body_type() != BodyType::Html))
    }

    /// Whether any reply below the prefix differs from what the root serves on any path. An application may serve its page on every path,
    /// also below its landing page, which does not make that folder the prefix of a server. Where the root serves pages on absent paths,
    /// pages do not count, as they may differ from path to path.
    fn differs_from_root(&self) -> bool {
        let has_pages = self.other_root_replies().any(is_page);
        let answers = |parsed: &&ParsedReply| refusal::posture(parsed).is_some() || parsed.reply().is_some_and(|reply| reply.status < 300);
        let mut answered = self.here.transcript.replies.iter().filter(answers);
        answered.any(|parsed| !(self.root_serves(parsed) || has_pages && is_page(parsed)))
    }

    /// Whether the root, which is not current, serves the same reply outside the path to which it redirects.
    fn root_serves(&self, below: &ParsedReply) -> bool {
        self.other_root_replies().any(|parsed| is_same(parsed, below))
    }

    /// The replies of the root, which is not current, to paths other than `/` and those below the path to which it redirects.
    fn other_root_replies(&self) -> impl Iterator<Item = &ParsedReply> {
        let root = self.prefix.other.iter().flat_map(|root| root.transcript.replies.iter());
        let below = |path: &str| self.prefix.current.as_ref().is_none_or(|prefix| prefix.strip(path).is_some());
        root.filter(move |parsed| parsed.exchange.request.path != "/" && !below(&parsed.exchange.request.path))
    }

    /// The product that is named at the current prefix.
    fn winner(&self) -> Option<u32> {
        self.named().first().copied()
    }

    /// Whether all paths requested at the root are absent, its page aside.
    fn is_empty(&self) -> bool {
        let others = self.here.transcript.replies.iter().enumerate().filter(|(index, parsed)| {
            let page = parsed.exchange.request.path == "/" || self.here.transcript.landing == Some(*index);
            !page
        });
        let mut count = 0;
        for (_, parsed) in others {
            count += 1;
            let absent = parsed.reply().is_some_and(|reply| match reply.status {
                404 | 405 | 410 | 502 | 503 => true,
                // The root redirects every page to the prefix; a redirect to a sign-in page does not count.
                301..=303 | 307 | 308 => reply
                    .header("location")
                    .and_then(|to| same_endpoint(to, &self.authority, &parsed.exchange.request.path))
                    .is_some_and(|to| {
                        self.prefix
                            .alternative
                            .as_ref()
                            .is_some_and(|prefix| leads_into(prefix, &to, &parsed.exchange.request.path))
                    }),
                _ => false,
            });
            if !absent {
                return false;
            }
        }
        count >= EMPTY_AFTER
    }

    /// Whether the landing page is the only evidence for a product.
    fn is_only_landing(&self, product: u32) -> bool {
        let landing = self.here.transcript.landing.filter(|index| {
            let parsed = self.here.transcript.replies.get(*index);
            parsed.is_some_and(|parsed| parsed.exchange.request.path != "/")
        });
        landing.is_some() && self.hits_of(product).all(|(_, _, index)| Some(*index) == landing)
    }

    /// Switches between the root and the prefix, each with its own transcript.
    fn swap(&mut self) {
        self.cached = None;
        if self.prefix.current.is_none() {
            self.prefix.at_root = match self.winner() {
                _ if self.is_empty() => AtRoot::Nothing,
                Some(product) => AtRoot::Product(product),
                None => AtRoot::Unknown,
            };
        }
        mem::swap(&mut self.prefix.current, &mut self.prefix.alternative);
        let mut other = self.prefix.other.take().unwrap_or_default();
        mem::swap(&mut self.here, &mut other);
        self.prefix.other = Some(other);
        self.names = None;
        self.pending = None;
    }

    /// Switches back to the root if nothing was recognised below the path to which it redirects.
    pub(super) fn switch_back(&mut self) {
        // A prefix that the user named is reported, unless nothing could be requested there.
        let likely = self.winner().is_some() || self.named_despite_refusals().is_some();
        let stays = match self.prefix.given {
            true => likely || !self.here.transcript.replies.is_empty(),
            false => likely && self.differs_from_root(),
        };
        if self.prefix.current.is_some() && self.prefix.other.is_some() && !stays {
            self.swap();
        }
    }
}

/// Whether a reply is a page with a status of success.
fn is_page(parsed: &ParsedReply) -> bool {
    parsed.body_type() == BodyType::Html && parsed.reply().is_some_and(|reply| reply.status < 300)
}

/// Whether two replies are the same; pages may differ in what is generated per request, such as a nonce.
fn is_same(one: &ParsedReply, other: &ParsedReply) -> bool {
    let (Some(a), Some(b)) = (one.reply(), other.reply()) else {
        return false;
    };
    let page = one.body_type() == BodyType::Html && one.title().is_some() && one.title() == other.title();
    a.status == b.status && one.body_type() == other.body_type() && (page || a.body == b.body)
}

/// Whether a redirect leads to the prefix itself, or to the same page below it.
fn leads_into(prefix: &PathPrefix, to: &str, from: &str) -> bool {
    let below = PathPrefix::parse(vigie_http::path::without_query(to)).ok().flatten();
    below.as_ref() == Some(prefix) && (to.ends_with('/') || !prefix.as_str()[1..].contains('/')) || to == prefix.join(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_suggests_its_folder() {
        let of = |path| folder(path).map(String::from);
        for (path, expected) in [
            ("/", None),
            ("/ollama/", Some("/ollama")),
            ("/ollama", Some("/ollama")),
            ("/ollama/?x=/y/", Some("/ollama")),
            ("/jupyter/lab?", Some("/jupyter")),
            ("/index.html", None),
            ("/ui/index.html", Some("/ui")),
            ("/a%2fb/", None),
            ("/a;b/", None),
        ] {
            assert_eq!(of(path).as_deref(), expected, "{path}");
        }
    }
}
