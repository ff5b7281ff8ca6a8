//! Servers that answer under a path: one that the user named, or one to which the root of the endpoint redirects.
//!
//! Rules, routes and the record speak of the server's own paths; only what is sent has the prefix before it.

use std::mem;

use vigie_model::{Effect, Exchange, PathPrefix};

use crate::catalog::Forbidden;
use crate::clause::Seen as _;
use crate::session::{Record, Session, Tally, same_endpoint};

/// Other requests than that of the root page whose replies show that nothing answers at the root.
const BARREN: usize = 2;

/// A candidate with as many points has more than a hint for it, and is asked for at the root first.
const STRONG: u32 = 10;

/// The path under which a conversation is had.
#[derive(Debug, Default)]
pub(crate) struct Under {
    /// The path before every request.
    prefix: Option<PathPrefix>,
    /// Where the root redirects to.
    leads: Option<PathPrefix>,
    /// What the root said, once the conversation goes on under the path that it redirects to.
    root: Option<Box<Root>>,
    /// What was said under a path where nothing was recognised, with the paths as they were sent.
    in_vain: Vec<Exchange>,
}

/// A conversation at the root that was set aside.
#[derive(Debug)]
struct Root {
    record: Record,
    hits: std::collections::BTreeSet<(u32, u32, usize)>,
    tallies: std::collections::BTreeMap<u32, Tally>,
}

impl Under {
    /// Notes where the root page, or the page that it led to, redirects to.
    pub(crate) fn leads(&mut self, location: &str, authority: &str, from: &str) {
        if self.prefix.is_none() {
            let path = same_endpoint(location, authority, from);
            self.leads = path.and_then(|path| folder(&path)).or(self.leads.take());
        }
    }

    /// Every exchange in order, with the paths as they were sent.
    pub(crate) fn whole(self, said: impl Iterator<Item = Exchange>) -> Vec<Exchange> {
        let root = self.root.map(|root| root.record.views).unwrap_or_default();
        let root = root.into_iter().map(|view| view.exchange);
        match &self.prefix {
            None => root.chain(said).chain(self.in_vain).collect(),
            Some(prefix) => root.chain(said.map(|exchange| sent(prefix, exchange))).chain(self.in_vain).collect(),
        }
    }
}

/// The path of a page as a prefix: the folder in which it lies, or the page itself if it stands alone.
fn folder(path: &str) -> Option<PathPrefix> {
    let path = crate::route::bare(path);
    let (before, last) = path.rsplit_once('/')?;
    // `/jupyter/lab` is a page of `/jupyter`; `/index.html` is one of the root; `/ollama` may be either, and is tried.
    let of = if last.is_empty() || !before.is_empty() || last.contains('.') { before } else { path };
    PathPrefix::parse(of).ok().flatten()
}

fn sent(prefix: &PathPrefix, mut exchange: Exchange) -> Exchange {
    exchange.request.path = prefix.join(&exchange.request.path);
    exchange
}

impl Session {
    /// The same conversation under a path: every request is sent below it.
    #[must_use]
    pub fn under(mut self, prefix: Option<PathPrefix>) -> Self {
        if prefix.is_some() {
            // What is permitted hangs on the path, and with it what comes next.
            self.turn = None;
        }
        self.under.prefix = prefix;
        self
    }

    /// The path before every request: that which was given, or that to which the root redirects once it is asked there.
    #[must_use]
    pub fn prefix(&self) -> Option<&PathPrefix> {
        self.under.prefix.as_ref()
    }

    /// Whether a request may be sent, under the path at which this conversation is.
    pub(crate) fn permit(&self, known: Option<u32>, method: &str, path: &str, body: &str, prove: bool) -> Result<Effect, Forbidden> {
        self.catalog.permit_under(self.prefix(), known, method, path, Some(body), prove)
    }

    /// The server's own path to which a reply to `from` leads; `None`: it leads elsewhere, or out of the prefix.
    pub(crate) fn own_path(&self, location: &str, from: &str) -> Option<String> {
        let Some(prefix) = self.prefix() else {
            return same_endpoint(location, &self.authority, from);
        };
        let path = same_endpoint(location, &self.authority, &prefix.join(from))?;
        prefix.strip(&path).map(str::to_owned)
    }

    /// Whether the conversation goes on under the path to which the root redirects: nothing is recognised at the root, and either the
    /// search there is over or what it asked for is not there. The page itself may have been read already, as the landing page of the
    /// root: it names a product only if anything else of it answers at the root too.
    pub(crate) fn turns_aside(&self) -> bool {
        if self.under.prefix.is_some() || self.under.root.is_some() || self.under.leads.is_none() {
            return false;
        }
        match self.winner() {
            Some(winner) => self.is_barren() && self.is_only_landing(winner),
            None => {
                let likely = self.tallies.values().any(|tally| !tally.contradicted && tally.points() >= STRONG);
                (self.is_barren() && !likely) || self.search().is_none()
            }
        }
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
            if !view.reply().is_some_and(|reply| matches!(reply.status, 301..=308 | 404 | 405 | 410 | 502 | 503)) {
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

    /// Sets aside what the root said and begins anew under the path that it redirects to, with what is left of the requests.
    pub(crate) fn go_under(&mut self) {
        self.turn = None;
        self.under.prefix = self.under.leads.take();
        self.under.root = Some(Box::new(Root {
            record: mem::take(&mut self.record),
            hits: mem::take(&mut self.hits),
            tallies: mem::take(&mut self.tallies),
        }));
        self.asked.clear();
        self.models_asked.clear();
        self.names = None;
        self.pending = None;
    }

    /// Goes back to what the root said if nothing was recognised under the path that it redirects to: then there is no such server.
    pub(crate) fn come_back(&mut self) {
        if self.under.root.is_none() || self.winner().is_some() {
            return;
        }
        let (Some(root), Some(prefix)) = (self.under.root.take(), self.under.prefix.take()) else {
            return;
        };
        let said = mem::replace(&mut self.record, root.record).views;
        self.under.in_vain = said.into_iter().map(|view| sent(&prefix, view.exchange)).collect();
        self.hits = root.hits;
        self.tallies = root.tallies;
    }
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
