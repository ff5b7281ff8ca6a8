//! Servers that answer under a path: one that the user named, or one to which the root of the endpoint redirects.
//!
//! Rules, routes and the record speak of the server's own paths; only what is sent has the prefix before it.

use std::mem;

use vigie_model::{Effect, Exchange, PathPrefix};

use crate::holds::Seen as _;
use crate::session::{Record, Session, Tally, same_endpoint};
use crate::view::View;
use vigie_catalog::{AtRoot, Catalog, Forbidden};

/// Other requests than that of the root page whose replies show that nothing answers at the root.
const BARREN: usize = 2;

/// As many requests are kept for the path to which the root redirects: its page, and what a server is told by.
const RESERVE: usize = 4;

/// A candidate with as many points has more than a hint for it, and is asked for at the root first.
const STRONG: u32 = 10;

/// The path under which a conversation is had.
#[derive(Debug, Default)]
pub(crate) struct Under {
    /// The path before every request.
    prefix: Option<PathPrefix>,
    /// The other path at which this conversation may be: where the root redirects to, or what was given, while it is at the root.
    leads: Option<PathPrefix>,
    /// Whether the redirect named a folder: then it is looked at before the search at the root is over.
    folder: bool,
    /// Whether the path was given, and may mean something at the root, which is asked first for that.
    given: bool,
    /// What is known of the root.
    at_root: AtRoot,
    /// What was said at the other of the two.
    other: Option<Box<Side>>,
    /// Whether the first page under the path was looked at.
    glanced: bool,
}

/// What was said at one path, the root or the other.
#[derive(Debug, Default)]
struct Side {
    record: Record,
    hits: std::collections::BTreeSet<(u32, u32, usize)>,
    tallies: std::collections::BTreeMap<u32, Tally>,
    asked: std::collections::BTreeSet<vigie_catalog::SigId>,
    models_asked: std::collections::BTreeSet<String>,
}

impl Under {
    /// Notes where the root page, or the page that it led to, redirects to.
    pub(crate) fn leads(&mut self, catalog: &Catalog, location: &str, authority: &str, from: &str) {
        if self.prefix.is_none() && self.other.is_none() && !self.given {
            let Some(path) = same_endpoint(location, authority, from) else {
                return;
            };
            if let Some(leads) = folder(&path).filter(|leads| !catalog.is_harmful_prefix(leads)) {
                self.leads = Some(leads);
                self.folder = vigie_http::path::without_query(&path).ends_with('/');
            }
        }
    }

    /// Every exchange in order, with the paths as they were sent.
    pub(crate) fn whole(self, said: impl Iterator<Item = Exchange>) -> Vec<Exchange> {
        let as_sent = |prefix: Option<PathPrefix>, exchange| match &prefix {
            None => exchange,
            Some(prefix) => sent(prefix, exchange),
        };
        let (here, there) = (self.prefix, self.leads);
        let mut all: Vec<Exchange> = said.map(|exchange| as_sent(here.clone(), exchange)).collect();
        if let Some(other) = self.other {
            // Where this one is under a path, the other is the root.
            let there = there.filter(|_| here.is_none());
            let others = other.record.views.into_iter();
            all.extend(others.map(|view| as_sent(there.clone(), view.exchange)));
            all.sort_by_key(|exchange| exchange.at);
        }
        all
    }
}

/// The path of a page as a prefix: the folder in which it lies, or the page itself if it stands alone.
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

fn sent(prefix: &PathPrefix, mut exchange: Exchange) -> Exchange {
    exchange.request.path = prefix.join(&exchange.request.path);
    exchange
}

impl Session {
    /// The same conversation under a path: every request is sent below it.
    ///
    /// Where the path may be a gateway's way to what is behind it, the root is asked first ([`Catalog::asks_root_first`]).
    #[must_use]
    pub fn under(mut self, prefix: Option<PathPrefix>) -> Self {
        let Some(prefix) = prefix else { return self };
        // What is permitted hangs on the path, and with it what comes next.
        self.turn = None;
        if self.identifier.catalog.asks_root_first(&prefix) {
            self.under.leads = Some(prefix);
            self.under.given = true;
        } else {
            self.under.prefix = Some(prefix);
        }
        self
    }

    /// The path before every request: that which was given, or that to which the root redirects once it is asked there.
    #[must_use]
    pub fn prefix(&self) -> Option<&PathPrefix> {
        self.under.prefix.as_ref()
    }

    /// Whether a request may be sent, under the path at which this conversation is.
    ///
    /// # Errors
    ///
    /// As [`vigie_catalog::Catalog::permit_under`].
    pub fn permit(&self, known: Option<u32>, method: &str, path: &str, body: &str, prove: bool) -> Result<Effect, Forbidden> {
        let under = self.prefix().map(|prefix| (prefix, self.under.at_root));
        self.identifier.catalog.permit_under(under, known, method, path, Some(body), prove)
    }

    /// The server's own path to which a reply to `from` leads; `None`: it leads elsewhere, or out of the prefix.
    pub(crate) fn own_path(&self, location: &str, from: &str) -> Option<String> {
        let Some(prefix) = self.prefix() else {
            return same_endpoint(location, &self.authority, from);
        };
        let path = same_endpoint(location, &self.authority, &prefix.join(from))?;
        prefix.strip(&path).map(str::to_owned)
    }

    /// Goes over to the path to which the root redirects, or back to the root, if that is where to look next.
    ///
    /// A server is looked for under that path if nothing is recognised at the root: once the first things asked for there are not there, or
    /// few requests are left, its first page under the path is looked at, and the search goes on with whatever seems to be a server; else
    /// when the search at the root is over.
    pub(crate) fn turn_aside(&mut self) {
        if self.under.prefix.is_none() {
            if self.under.leads.is_some() && self.root_is_done() {
                self.swap();
            }
        } else if self.under.other.is_some() && !self.under.glanced {
            self.under.glanced = true;
            if !self.under.given && !self.is_promising() && self.root_has_more() {
                self.swap();
            }
        }
    }

    /// Whether there is nothing to wait for at the root. Its page may have been read already, as the landing page: it names a product only
    /// if anything else of it answers at the root too.
    fn root_is_done(&self) -> bool {
        match self.winner() {
            Some(_) if self.under.given => true,
            // Whether its page is shown on any path is to be known before it is looked at under another.
            Some(winner) => {
                self.is_only_landing(winner)
                    && !self.has_own_requests(winner)
                    && self.ask_unknown_path(winner).is_none()
                    && self.is_barren()
            }
            None => {
                let likely = self.tallies.values().any(|tally| !tally.contradicted && tally.points() >= STRONG);
                let first = !self.under.glanced && !likely;
                let due = (self.under.folder || self.under.given) && self.is_barren();
                (first && (due || self.left() <= RESERVE)) || !self.has_more()
            }
        }
    }

    /// Whether the root, set aside, was left before the search there was over.
    fn root_has_more(&mut self) -> bool {
        self.swap();
        let more = self.has_more();
        self.swap();
        more
    }

    /// Whether the first page under the path is a server's: strong evidence speaks for a product, or it is no page for people. One that
    /// the root shows on other paths too is no page of this path.
    fn is_promising(&self) -> bool {
        let page = self.record.every().last();
        if page.is_some_and(|page| self.root_says(page)) {
            return false;
        }
        let spoken_for = self.tallies.values().any(|tally| !tally.contradicted && tally.points() >= STRONG);
        spoken_for
            || page.and_then(|view| Some((view, view.reply()?))).is_some_and(|(view, reply)| {
                reply.status == 401 || (reply.status < 300 && view.body_type() != vigie_catalog::BodyType::Html)
            })
    }

    /// Whether anything that is said under the path is not what the root says to any path. An application shows its page wherever it is
    /// asked: below the page to which its root redirects as well, which does not make that page's folder the path of a server. Where the
    /// root shows pages on paths that a server does not have, a page is no sign: it may differ from path to path.
    fn says_more(&self) -> bool {
        let has_pages = self.beside().any(is_page);
        let answers = |view: &&View| crate::refusal::door(view).is_some() || view.reply().is_some_and(|reply| reply.status < 300);
        let mut said = self.record.every().iter().filter(answers);
        said.any(|view| !(self.root_says(view) || has_pages && is_page(view)))
    }

    /// Whether the root, set aside, says the same to another path than that to which it redirects.
    fn root_says(&self, below: &View) -> bool {
        self.beside().any(|view| is_same(view, below))
    }

    /// What the root, set aside, said to other paths than `/` and those below the one to which it redirects.
    fn beside(&self) -> impl Iterator<Item = &View> {
        let root = self.under.other.iter().flat_map(|root| root.record.every());
        let below = |path: &str| self.under.prefix.as_ref().is_none_or(|prefix| prefix.strip(path).is_some());
        root.filter(move |view| view.exchange.request.path != "/" && !below(&view.exchange.request.path))
    }

    /// The product that answers where it is asked now, if one is named.
    fn winner(&self) -> Option<u32> {
        self.named().first().copied()
    }

    /// Whether what was asked for at the root, other than its page, is not there.
    fn is_barren(&self) -> bool {
        let others = self.record.every().iter().enumerate().filter(|(index, view)| {
            let page = view.exchange.request.path == "/" || self.record.landing == Some(*index);
            !page
        });
        let mut count = 0;
        for (_, view) in others {
            count += 1;
            let absent = view.reply().is_some_and(|reply| match reply.status {
                404 | 405 | 410 | 502 | 503 => true,
                // A redirect of every page into the path, not one to a page for signing in.
                301..=303 | 307 | 308 => reply
                    .header("location")
                    .and_then(|to| same_endpoint(to, &self.authority, &view.exchange.request.path))
                    .is_some_and(|to| {
                        self.under
                            .leads
                            .as_ref()
                            .is_some_and(|leads| leads_into(leads, &to, &view.exchange.request.path))
                    }),
                _ => false,
            });
            if !absent {
                return false;
            }
        }
        count >= BARREN
    }

    /// Whether all that speaks for a product is the page to which the root redirects.
    fn is_only_landing(&self, product: u32) -> bool {
        let landing = self.record.landing.filter(|index| {
            let view = self.record.every().get(*index);
            view.is_some_and(|view| view.exchange.request.path != "/")
        });
        landing.is_some() && self.hits_of(product).all(|(_, _, index)| Some(*index) == landing)
    }

    /// Goes from the root to the path or back, to what was said there before.
    fn swap(&mut self) {
        self.turn = None;
        if self.under.prefix.is_none() {
            self.under.at_root = match self.winner() {
                _ if self.is_barren() => AtRoot::Nothing,
                Some(product) => AtRoot::Product(product),
                None => AtRoot::Unknown,
            };
        }
        mem::swap(&mut self.under.prefix, &mut self.under.leads);
        let other = self.under.other.take().map(|other| *other).unwrap_or_default();
        self.under.other = Some(Box::new(Side {
            record: mem::replace(&mut self.record, other.record),
            hits: mem::replace(&mut self.hits, other.hits),
            tallies: mem::replace(&mut self.tallies, other.tallies),
            asked: mem::replace(&mut self.asked, other.asked),
            models_asked: mem::replace(&mut self.models_asked, other.models_asked),
        }));
        self.names = None;
        self.pending = None;
    }

    /// Goes back to what the root said if nothing was recognised under the path that it redirects to: then there is no such server.
    pub(crate) fn come_back(&mut self) {
        // A path that was given is what the record is of, unless nothing could be asked there.
        let likely = self.winner().is_some() || self.behind_a_door().is_some();
        let stays = match self.under.given {
            true => likely || !self.record.views.is_empty(),
            false => likely && self.says_more(),
        };
        if self.under.prefix.is_some() && self.under.other.is_some() && !stays {
            self.swap();
        }
    }
}

/// Whether a reply is a page, and no refusal or fault.
fn is_page(view: &View) -> bool {
    view.body_type() == vigie_catalog::BodyType::Html && view.reply().is_some_and(|reply| reply.status < 300)
}

/// Whether two replies are the same but for what a page is given for each request, such as a nonce.
fn is_same(one: &View, other: &View) -> bool {
    let (Some(a), Some(b)) = (one.reply(), other.reply()) else {
        return false;
    };
    let page = one.body_type() == vigie_catalog::BodyType::Html && one.title().is_some() && one.title() == other.title();
    a.status == b.status && one.body_type() == other.body_type() && (page || a.body == b.body)
}

/// Whether a redirect of a page leads to the path itself, or to the same page below it.
fn leads_into(prefix: &PathPrefix, to: &str, from: &str) -> bool {
    let below = PathPrefix::parse(vigie_http::path::without_query(to)).ok().flatten();
    below.as_ref() == Some(prefix) && (to.ends_with('/') || !prefix.as_str()[1..].contains('/')) || to == prefix.join(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_lie_in_folders() {
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
