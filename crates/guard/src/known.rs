//! What the server behind tells of its models: their digests, and which of them run on the account of its owner.
//!
//! The product's file in the catalogue says which list tells it and where. Lists that pass through are read; one is asked for only where a
//! request depends on it. A request of a key with a pinned digest asks again once what is known is a second old. What runs elsewhere is
//! asked for where a grant of some key makes a difference of it, and again after something was stored through the gateway or the server
//! was lost.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde_json::Value;
use vigie_catalog::rule::ListRule;
use vigie_catalog::table::NameReading;
use vigie_catalog::{Catalog, ExchangeRef, Field, FieldPlace, Product};

use crate::key::{Grant, Hash};

/// For how long the digests behind names are taken as they were.
pub(crate) const PINNED: Duration = Duration::from_secs(1);
/// How long after a list that did not read another one is asked for, where no digest depends on it.
const AGAIN: Duration = Duration::from_secs(10);

/// A list of models, and where it tells what.
#[derive(Clone, Debug)]
struct List {
    path: String,
    rule: ListRule,
}

/// The lists of models of a product.
#[derive(Clone, Debug)]
pub struct ModelLists {
    lists: Vec<List>,
    names: NameReading,
}

/// What a list told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownModels {
    /// The digests behind the one name of each model.
    pub digests: HashMap<String, Hash>,
    /// The one names of models that another service runs.
    pub remote: HashSet<String>,
}

/// Checks that every pinned model of a grant can be pinned: its digest reads, and each product behind, by its id, tells those of its models.
///
/// # Errors
///
/// Which one cannot, and why.
pub fn check_pins(products: &[&str], grant: &Grant) -> Result<(), String> {
    for pattern in grant.models.iter().filter(|pattern| pattern.is_pinned()) {
        if let Some(Err(why)) = pattern.pin() {
            return Err(format!("the model {pattern}: {why}; the server's list of models shows it"));
        }
        let tells = |product: &str| {
            let product = Catalog::embedded()
                .product(product)
                .map(|known| ModelLists::of(known, NameReading::default()));
            product.is_some_and(|lists| lists.tell_digests())
        };
        if let Some(product) = products.iter().find(|product| !tells(product)) {
            return Err(format!(
                "the model {pattern}: {product} does not tell the digests of its models, so none can be pinned"
            ));
        }
    }
    Ok(())
}

impl ModelLists {
    /// Those of a product.
    #[must_use]
    pub fn of(product: &Product, names: NameReading) -> Self {
        let catalog = Catalog::embedded();
        let lists = product.models.iter().filter_map(|list| {
            let ExchangeRef::Sig(sig) = list.condition.exchange else {
                return None;
            };
            let signature = catalog.signature(sig)?;
            (signature.method == "GET" && signature.path.starts_with('/')).then(|| List {
                path: signature.path.clone(),
                rule: list.rule.clone(),
            })
        });
        Self {
            lists: lists.collect(),
            names,
        }
    }

    /// Whether the product tells the digests of its models.
    #[must_use]
    pub fn tell_digests(&self) -> bool {
        self.lists.iter().any(|list| list.rule.fields.contains_key("digest"))
    }

    /// Whether the product tells which of its models another service runs.
    fn tell_remote(&self) -> bool {
        self.lists.iter().any(|list| !list.rule.remote_if.0.is_empty())
    }

    /// The route to ask for them.
    fn path(&self) -> Option<&str> {
        let tells = |list: &&List| list.rule.fields.contains_key("digest") || !list.rule.remote_if.0.is_empty();
        self.lists.iter().find(tells).map(|list| &*list.path)
    }

    /// Reads the reply of a route that lists models; `None`: the route is none of them, or this is no list.
    #[must_use]
    pub fn read(&self, path: &str, reply: &[u8]) -> Option<KnownModels> {
        let list = self.lists.iter().find(|list| list.path == path)?;
        let reply: Value = serde_json::from_slice(reply).ok()?;
        let each = list.rule.each.as_ref().map_or(Some(&reply), |each| each.first(&reply))?;
        let mut known = KnownModels::default();
        if list.rule.none.contains(each) {
            return Some(known);
        }
        for element in each.as_array()? {
            let Some(name) = text(list.rule.fields.get("name"), element) else {
                continue;
            };
            let name = self.names.canonical(name).into_owned();
            if list.rule.remote_if.0.iter().any(|(place, test)| test.passes(&place.all(element))) {
                known.remote.insert(name.clone());
            }
            let digest = text(list.rule.fields.get("digest"), element).and_then(|digest| {
                let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
                format!("sha256:{digits}").parse::<Hash>().ok()
            });
            if let Some(digest) = digest {
                // Two entries of one name: nobody knows which of them runs.
                if known.digests.insert(name.clone(), digest).is_some_and(|other| other != digest) {
                    known.digests.remove(&name);
                    return None;
                }
            }
        }
        Some(known)
    }
}

fn text<'v>(field: Option<&Field>, element: &'v Value) -> Option<&'v str> {
    field?.0.iter().find_map(|place| match place {
        FieldPlace::At(pointer, None) => pointer.first(element)?.as_str().filter(|text| !text.is_empty()),
        FieldPlace::At(_, Some(_)) | FieldPlace::Key => None,
    })
}

/// What is known of the models of one server, shared by all threads.
#[derive(Debug)]
pub(crate) struct Models {
    lists: ModelLists,
    known: RwLock<Arc<KnownModels>>,
    state: Mutex<State>,
    /// Held while the server is asked, so that many requests ask once.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    /// When the list that is known was asked for; `None`: something has happened since.
    read: Option<Instant>,
    /// When one was asked for in vain.
    failed: Option<Instant>,
    /// How often something happened after which the list may be another.
    changes: u64,
}

impl Models {
    pub(crate) fn new(lists: ModelLists) -> Self {
        Self {
            lists,
            known: RwLock::default(),
            state: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The models behind may be others from now on.
    pub(crate) fn forget(&self) {
        let mut state = self.state();
        state.read = None;
        state.failed = None;
        state.changes += 1;
    }

    /// The digests behind names, at most [`PINNED`] old. `ask`: asks the server for a path.
    ///
    /// # Errors
    ///
    /// The server does not tell them.
    pub(crate) async fn digests<F: Future<Output = Option<Vec<u8>>>>(
        &self,
        ask: impl Fn(String) -> F,
    ) -> Result<Arc<KnownModels>, &'static str> {
        let is_fresh = |state: &State| state.read.is_some_and(|read| read.elapsed() < PINNED);
        if !is_fresh(&self.state()) {
            let _asking = self.asking.lock().await;
            // Another request may have asked meanwhile.
            if !is_fresh(&self.state()) && !self.ask(ask).await {
                return Err("the server does not tell the digests of its models");
            }
        }
        Ok(self.now())
    }

    /// The models that another service runs. Where the server does not tell them, names alone tell of such models.
    pub(crate) async fn remote<F: Future<Output = Option<Vec<u8>>>>(&self, ask: impl Fn(String) -> F) -> Arc<KnownModels> {
        let is_due = |state: &State| state.read.is_none() && state.failed.is_none_or(|failed| failed.elapsed() > AGAIN);
        if self.lists.tell_remote() && is_due(&self.state()) {
            let _asking = self.asking.lock().await;
            if is_due(&self.state()) {
                self.ask(ask).await;
            }
        }
        self.now()
    }

    /// Reads a list that passes through, and returns what is known then.
    pub(crate) fn pass(&self, path: &str, reply: &[u8]) -> Arc<KnownModels> {
        if let Some(mut told) = self.lists.tell_remote().then(|| self.lists.read(path, reply)).flatten() {
            let known = self.now();
            if self.lists.path() != Some(path) {
                // A list that tells less: what is known of a name stays.
                let all: HashSet<String> = told.remote.union(&known.remote).cloned().collect();
                told = KnownModels {
                    remote: all,
                    digests: known.digests.clone(),
                };
            }
            if *known != told {
                *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(told);
            }
        }
        self.now()
    }

    async fn ask<F: Future<Output = Option<Vec<u8>>>>(&self, ask: impl Fn(String) -> F) -> bool {
        let Some(path) = self.lists.path() else { return false };
        let (asked, changes) = (Instant::now(), self.state().changes);
        let told = ask(path.to_owned()).await.and_then(|reply| self.lists.read(path, &reply));
        let mut state = self.state();
        let Some(told) = told else {
            state.failed = Some(asked);
            return false;
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(told);
        state.failed = None;
        // What happened while the server was asked may not be in its answer.
        state.read = (state.changes == changes).then_some(asked);
        true
    }

    /// What is known now.
    pub(crate) fn now(&self) -> Arc<KnownModels> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn ollama() -> ModelLists {
        let catalog = Catalog::embedded();
        ModelLists::of(catalog.product("ollama").expect("it is there"), NameReading::Ollama)
    }

    fn tags(digest: char) -> Vec<u8> {
        let digest: String = std::iter::repeat_n(digest, 64).collect();
        serde_json::json!({"models": [
            {"name": "tiny:latest", "model": "tiny:latest", "digest": digest},
            {"name": "mine:latest", "model": "mine:latest", "digest": "b".repeat(64), "remote_host": "https://ollama.com:443", "remote_model": "gpt-oss:120b"},
            {"name": "gpt-oss:120b-cloud", "model": "gpt-oss:120b-cloud"},
        ]})
        .to_string()
        .into_bytes()
    }

    #[test]
    fn a_list_tells_digests_and_what_runs_elsewhere() {
        let lists = ollama();
        assert!(lists.tell_digests() && lists.tell_remote());
        let known = lists.read("/api/tags", &tags('a')).expect("it reads");
        assert_eq!(known.digests["tiny:latest"].to_string(), format!("sha256:{}", "a".repeat(64)));
        let remote: std::collections::BTreeSet<&str> = known.remote.iter().map(String::as_str).collect();
        assert_eq!(remote.into_iter().collect::<Vec<_>>(), ["gpt-oss:120b-cloud", "mine:latest"]);
        assert_eq!(lists.read("/api/tags", br#"{"models": null}"#), Some(KnownModels::default()));
        for wrong in ["", "{}", "[]", "<html>", r#"{"models": 7}"#] {
            assert_eq!(lists.read("/api/tags", wrong.as_bytes()), None, "{wrong}");
        }
        let twice = String::from_utf8(tags('a')).expect("text").replace("mine:latest", "tiny");
        assert_eq!(lists.read("/api/tags", twice.as_bytes()), None, "one name with two digests");
        let catalog = Catalog::embedded();
        let vllm = ModelLists::of(catalog.product("vllm").expect("it is there"), NameReading::Plain);
        assert!(!vllm.tell_digests());
    }

    #[test]
    fn the_server_is_asked_again_after_a_change_and_after_a_time() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let models = Models::new(ollama());
        let asked = AtomicUsize::new(0);
        let ask = |_: String| {
            let number = asked.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Some(tags(if number == 0 { 'a' } else { 'c' })))
        };
        let digest = || runtime.block_on(models.digests(ask)).expect("it is known").digests["tiny:latest"].to_string();
        assert!(digest().ends_with('a') && digest().ends_with('a'));
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        models.forget();
        assert!(digest().ends_with('c'));
        models.state().read = Instant::now().checked_sub(PINNED);
        assert!(
            runtime.block_on(models.digests(|_: String| std::future::ready(None))).is_err(),
            "nobody knows them"
        );
        assert!(runtime.block_on(models.remote(ask)).remote.contains("mine:latest"));
        assert_eq!(
            asked.load(Ordering::SeqCst),
            2,
            "what runs elsewhere is asked for after a change only"
        );
        models.forget();
        runtime.block_on(models.remote(|_: String| std::future::ready(None)));
        runtime.block_on(models.remote(ask));
        assert_eq!(
            asked.load(Ordering::SeqCst),
            2,
            "a server that does not tell it is not asked each time"
        );
    }
}
