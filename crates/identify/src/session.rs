//! The conversation with one endpoint: replies choose the next request.
//!
//! A pure state machine: [`Session::next_ask`] says what to ask, the caller sends it and gives the exchange to
//! [`Session::answer`], [`Session::conclude`] says what was learned.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use vigie_model::{EvidenceWeight, Exchange, FailureKind, RequestLine};

use vigie_catalog::{Forbidden, Place, Purpose, ReplyEnd, Request, SigId};

use crate::Identifier;
use crate::dialogue::Turn;
use crate::holds::{Holds as _, Pass as _, Seen};
use crate::memory::{Known, Recalled};
use crate::under::Under;
use crate::view::View;

/// How much a session may ask.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests to an endpoint, recognised or not, redirects included.
    pub requests: usize,
    /// Requests about single models, besides.
    pub models: usize,
    /// Whether the owner's proof may be asked for, and whether a model may be loaded for it.
    pub prove: Option<Prove>,
}

/// What the owner allows for a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prove {
    /// A model that is not in memory may be loaded.
    pub may_load: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests: 12,
            models: 16,
            prove: None,
        }
    }
}

/// The next request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// What to send.
    pub request: RequestLine,
    /// Where the reply ends.
    pub reply: ReplyEnd,
    /// The stream on which it is answered: the body is POSTed to the URL that the stream named.
    pub session: Option<SigId>,
    /// The product that is known, for the check of its effect.
    pub known: Option<u32>,
    /// Whether it is the owner's proof.
    pub prove: bool,
    /// Its number.
    pub sig: SigId,
    target: Target,
}

impl Ask {
    /// A request outside a conversation, for recordings: of this product, or of the openings.
    #[must_use]
    pub fn alone(request: &Request, known: Option<u32>) -> Self {
        Self {
            request: RequestLine {
                method: request.method.clone(),
                path: request.path.clone(),
                headers: request.headers.clone(),
                body: request.body.clone().unwrap_or_default(),
            },
            reply: request.reply,
            session: None,
            known,
            prove: false,
            sig: request.sig,
            target: Target::Plain { follow: false },
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Target {
    /// An ordinary request; redirects of it are followed if so.
    Plain { follow: bool },
    /// A redirect of an earlier request.
    Redirect { depth: u8, landing: bool },
    /// About one model.
    Model(String),
    /// The proof.
    Proof,
}

/// The number of a request that no file of the catalogue makes.
const NO_REQUEST: SigId = SigId::MAX;

/// The most redirects followed in a row.
const MAX_REDIRECTS: u8 = 2;

/// How much the evidence for a product says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) unique: u32,
    pub(crate) strong: u32,
    pub(crate) weak: u32,
    pub(crate) contradicted: bool,
}

impl Tally {
    /// Whether it is enough to name the product.
    pub(crate) fn names(self) -> bool {
        !self.contradicted && (self.unique > 0 || self.strong > 1)
    }

    pub(crate) fn points(self) -> u32 {
        self.unique * 100 + self.strong * 10 + self.weak
    }
}

/// What was seen, by request.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) views: Vec<View>,
    /// Which exchange is the reply to a request; of several for one request, the last. They are a dozen.
    by_sig: Vec<(SigId, usize)>,
    pub(crate) landing: Option<usize>,
    pub(crate) models: Vec<(String, usize)>,
    pub(crate) proof: Option<usize>,
}

impl Seen for Record {
    fn at(&self, sig: SigId) -> Option<&View> {
        let (_, index) = self.by_sig.iter().rev().find(|(of, _)| *of == sig)?;
        self.views.get(*index)
    }

    fn landing(&self) -> Option<&View> {
        self.landing.and_then(|index| self.views.get(index))
    }

    fn every(&self) -> &[View] {
        &self.views
    }
}

/// The conversation with one endpoint.
#[derive(Debug)]
pub struct Session {
    pub(crate) identifier: Arc<Identifier>,
    pub(crate) record: Record,
    port: u16,
    pub(crate) authority: String,
    limits: Limits,
    pub(crate) asked: BTreeSet<SigId>,
    pub(crate) models_asked: BTreeSet<String>,
    sent: usize,
    failures: usize,
    replies: usize,
    over: bool,
    pub(crate) pending: Option<Ask>,
    /// Evidence whose own clause holds: product, rule, exchange.
    pub(crate) hits: BTreeSet<(u32, u32, usize)>,
    pub(crate) tallies: BTreeMap<u32, Tally>,
    /// The models of a product, as its lists name them, until another list comes.
    pub(crate) names: Option<(u32, Vec<String>)>,
    /// Where this conversation is among those that were had before, while it goes like one of them or may teach one.
    pub(crate) turn: Option<Arc<Turn>>,
    /// What was said since and is not in the record yet: it was met in this place before.
    unread: Vec<(Arc<Ask>, Exchange)>,
    /// The path under which it is asked.
    pub(crate) under: Under,
}

/// The method of a JSON-RPC call; `None`: it is none, or asks for a further page of a list.
fn called(body: &str) -> Option<String> {
    let call: serde_json::Value = serde_json::from_str(body).ok()?;
    let further = call.pointer("/params/cursor").is_some_and(|cursor| !cursor.is_null());
    (call.get("jsonrpc")?.as_str()? == "2.0" && !further).then_some(())?;
    Some(call.get("method")?.as_str()?.to_owned())
}

impl Session {
    /// A conversation that has not begun. `authority` is what stands in `Host` (`127.0.0.1:11434`).
    #[must_use]
    pub fn new(identifier: Arc<Identifier>, port: u16, authority: impl Into<String>, limits: Limits) -> Self {
        let turn = Some(identifier.dialogues.begin(port, &limits));
        Self {
            identifier,
            record: Record::default(),
            port,
            authority: authority.into(),
            limits,
            asked: BTreeSet::new(),
            models_asked: BTreeSet::new(),
            sent: 0,
            failures: 0,
            replies: 0,
            over: false,
            pending: None,
            hits: BTreeSet::new(),
            tallies: BTreeMap::new(),
            names: None,
            turn,
            unread: Vec::new(),
            under: Under::default(),
        }
    }

    /// A conversation that another tool had: what stands in these exchanges was asked, and nothing else was.
    ///
    /// A request that no file of the catalogue makes is looked at by the rules that look at any exchange. Nothing more is asked.
    #[must_use]
    pub fn from_transcript(
        identifier: Arc<Identifier>,
        port: u16,
        authority: impl Into<String>,
        exchanges: impl IntoIterator<Item = Exchange>,
    ) -> Self {
        let mut session = Self::new(identifier, port, authority, Limits::default());
        // Another tool's choice of requests leads nowhere that a conversation of ours would come by.
        session.turn = None;
        session.over = true;
        for exchange in exchanges {
            let request = &exchange.request;
            let redirected = session
                .pending
                .take()
                .filter(|ask| ask.request.method == request.method && ask.request.path == request.path);
            let ask = redirected.unwrap_or_else(|| session.overheard(request));
            session.asked.insert(ask.sig);
            session.read(&ask, exchange);
        }
        session
    }

    /// The request as if it had been asked here.
    fn overheard(&self, request: &RequestLine) -> Ask {
        let signature = vigie_catalog::Signature {
            method: request.method.clone(),
            path: request.path.clone(),
            body: (!request.body.is_empty()).then(|| request.body.clone()),
        };
        Ask {
            request: request.clone(),
            reply: ReplyEnd::default(),
            session: None,
            known: None,
            prove: false,
            sig: (self.identifier.catalog.sig(&signature))
                .or_else(|| self.same_call(&signature))
                .unwrap_or(NO_REQUEST),
            target: Target::Plain { follow: true },
        }
    }

    /// The request that makes the same JSON-RPC call: another client's number, name and capabilities in it change nothing of the answer.
    fn same_call(&self, overheard: &vigie_catalog::Signature) -> Option<SigId> {
        let method = called(overheard.body.as_deref()?)?;
        let all = (0..).zip(self.identifier.catalog.signatures());
        let same = all.filter(|(_, one)| one.method == overheard.method && one.path == overheard.path);
        same.filter(|(_, one)| one.body.as_deref().and_then(called).is_some_and(|called| called == method))
            .map(|(id, _)| id)
            .next()
    }

    /// Says that nothing more is to be asked (a deadline, an interrupt).
    pub fn stop(&mut self) {
        self.over = true;
    }

    /// Counts a request that was sent in another speech (TLS, HTTP/2) than the one that is answered.
    pub fn spent(&mut self) {
        // How much may still be asked is no longer what the replies alone say.
        self.read_up();
        self.turn = None;
        self.sent += 1;
    }

    /// The path that an open event stream named in its `endpoint` event, if it is one of this endpoint's.
    #[must_use]
    pub fn stream_path(&self, opener: SigId) -> Option<String> {
        let view = self.record.at(opener)?;
        let named = vigie_http::events::data_of("endpoint", view.text().as_bytes())?;
        self.own_path(named.trim(), &view.exchange.request.path)
    }

    /// Requests given out so far, those about single models not counted.
    #[must_use]
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// How many more may be given out, those about single models not counted.
    pub(crate) fn left(&self) -> usize {
        self.limits.requests.saturating_sub(self.sent)
    }

    /// The next request; `None`: there is nothing more to ask.
    pub fn next_ask(&mut self) -> Option<Arc<Ask>> {
        if self.over {
            return None;
        }
        let known = self.turn.as_ref().and_then(|turn| turn.next.get().cloned());
        let ask = known.unwrap_or_else(|| {
            self.read_up();
            let ask = self.choose().map(Arc::new);
            if let Some(turn) = &self.turn {
                let _ = turn.next.set(ask.clone());
            }
            ask
        });
        match &ask {
            Some(ask) => match &ask.target {
                Target::Model(name) => {
                    self.models_asked.insert(name.clone());
                }
                _ => {
                    self.sent += 1;
                    self.asked.insert(ask.sig);
                }
            },
            None => self.over = true,
        }
        ask
    }

    /// Gives back what was said, in order, with the paths as they were sent.
    #[must_use]
    pub fn into_exchanges(self) -> Vec<Exchange> {
        let unread = self.unread.into_iter().map(|(_, exchange)| exchange);
        let said = self.record.views.into_iter().map(|view| view.exchange).chain(unread);
        self.under.whole(said)
    }

    fn choose(&mut self) -> Option<Ask> {
        let room = self.sent < self.limits.requests;
        if room && let Some(ask) = self.pending.take() {
            return Some(ask);
        }
        if room {
            self.turn_aside();
        }
        let named = self.named();
        let winner = named.first().copied();
        if room && let Some(ask) = self.about_endpoint(&named) {
            return Some(ask);
        }
        self.about_models(winner?)
    }

    /// The next request about the endpoint itself, where these products are named, the answer first.
    fn about_endpoint(&self, named: &[u32]) -> Option<Ask> {
        let every = &[Purpose::Identify, Purpose::Read];
        let is_side = |number: &u32| self.identifier.catalog.nth(*number).is_side();
        let side = named.iter().copied().find(is_side);
        let main = named.iter().copied().find(|number| !is_side(number));
        // What a server is besides is read by the requests of its own file, unless the server itself gives one a harmful effect.
        let beside = || self.of_product(side?, side, every).filter(|ask| self.lets(main, ask));
        match main {
            Some(main) if !self.identifier.catalog.nth(main).last_resort => {
                // What answers as this product may be something that emulates it: its own evidence decides.
                let mut rivals = self.rivals(main).into_iter();
                rivals
                    .find_map(|rival| self.of_product(rival, None, &[Purpose::Identify]))
                    .or_else(|| self.of_product(main, Some(main), every))
                    .or_else(beside)
                    .or_else(|| self.side_of(main))
                    .or_else(|| self.ask_unknown_path(main))
            }
            Some(main) => beside()
                .or_else(|| self.search())
                .or_else(|| self.of_product(main, Some(main), every)),
            None if side.is_some() => beside().or_else(|| self.search_beside()).or_else(|| self.ask_unknown_path(side?)),
            None => self.search().or_else(|| {
                // What a stranger meets on the rest of its routes; that it is this product is not sure enough to lower an effect.
                self.of_product(self.behind_a_door()?, None, every)
            }),
        }
    }

    /// Whether the server that is known, if any is, gives a request no harmful effect.
    fn lets(&self, main: Option<u32>, ask: &Ask) -> bool {
        let Some(main) = main else { return true };
        let RequestLine { method, path, body, .. } = &ask.request;
        !matches!(
            self.identifier.catalog.permit(Some(main), method, path, Some(body), false),
            Err(Forbidden::Effect { .. })
        )
    }

    /// Where a server has a route of its own for what tools are asked by, that may tell of them.
    fn side_of(&self, main: u32) -> Option<Ask> {
        let kinds = (0_u32..)
            .zip(self.identifier.catalog.products())
            .filter(|(_, product)| product.is_side());
        kinds.into_iter().find_map(|(number, _)| {
            // Asked as a request of the server's: it must have the route, and a harmless effect for it.
            self.of_product(number, Some(main), &[Purpose::Identify])
        })
    }

    /// Where tools alone are named: a server that offers them beside its own interface may be hinted at strongly, or list models as
    /// many do.
    fn search_beside(&self) -> Option<Ask> {
        let families = (0_u32..)
            .zip(self.identifier.catalog.products())
            .filter(|(_, product)| product.last_resort);
        let mut due = self
            .candidates()
            .into_iter()
            .filter(|(_, tally)| tally.points() >= 10)
            .map(|(number, _)| number);
        due.find_map(|number| self.of_product(number, None, &[Purpose::Identify]))
            .or_else(|| {
                families
                    .into_iter()
                    .find_map(|(number, _)| self.of_product(number, None, &[Purpose::Identify]))
            })
    }

    /// The page that no product has, asked of what was recognised before its turn among the openings: what it says there is hard to
    /// imitate. A product that does something on any path is not asked.
    pub(crate) fn ask_unknown_path(&self, number: u32) -> Option<Ask> {
        let absent = self.identifier.absent;
        if self.asked.contains(&absent) {
            return None;
        }
        let own = self
            .identifier
            .catalog
            .permit(Some(number), "GET", vigie_catalog::ABSENT_PATH, None, false);
        if matches!(own, Err(Forbidden::Effect { .. })) {
            return None;
        }
        let opening = self
            .identifier
            .catalog
            .openings()
            .iter()
            .find(|opening| opening.request.sig == absent)?;
        self.ask(&opening.request, None)
    }

    /// Looks for a product: strong candidates, then the openings, then weak candidates, then those whose port it is.
    fn search(&self) -> Option<Ask> {
        let candidates = self.candidates();
        let ask_first = |mut found: &mut dyn Iterator<Item = u32>| {
            Iterator::find_map(&mut found, |number| self.of_product(number, None, &[Purpose::Identify]))
        };
        ask_first(
            &mut candidates
                .iter()
                .filter(|(_, tally)| tally.points() >= 10)
                .map(|(number, _)| *number),
        )
        .or_else(|| self.opening())
        .or_else(|| ask_first(&mut candidates.iter().map(|(number, _)| *number)))
        .or_else(|| {
            let on_port = (0_u32..).zip(self.identifier.catalog.products()).filter(|(number, product)| {
                product.ports.contains(&self.port) && self.tallies.get(number).is_none_or(|tally| !tally.contradicted)
            });
            ask_first(&mut on_port.map(|(number, _)| number))
        })
    }

    /// The products that something speaks for and nothing against, the most likely first.
    fn candidates(&self) -> Vec<(u32, Tally)> {
        let mut candidates: Vec<(u32, Tally)> = self
            .tallies
            .iter()
            .filter(|(_, tally)| !tally.contradicted && tally.points() > 0)
            .map(|(n, t)| (*n, *t))
            .collect();
        candidates.sort_by_key(|(number, tally)| {
            (
                std::cmp::Reverse(tally.points()),
                !self.identifier.catalog.nth(*number).ports.contains(&self.port),
                *number,
            )
        });
        candidates
    }

    fn opening(&self) -> Option<Ask> {
        self.identifier.catalog.openings().iter().find_map(|opening| {
            let due = !self.asked.contains(&opening.request.sig)
                && opening.when.iter().all(|look| look.holds(&self.record))
                && !opening.unless.iter().any(|look| look.holds(&self.record));
            if due { self.ask(&opening.request, None) } else { None }
        })
    }

    /// Whether anything more is to be asked about the endpoint where it is asked now.
    pub(crate) fn has_more(&self) -> bool {
        self.about_endpoint(&self.named()).is_some()
    }

    /// Whether a product that is known has more to be asked.
    pub(crate) fn has_own_requests(&self, number: u32) -> bool {
        self.of_product(number, Some(number), &[Purpose::Identify, Purpose::Read]).is_some()
    }

    fn of_product(&self, number: u32, known: Option<u32>, purposes: &[Purpose]) -> Option<Ask> {
        let product = self.identifier.catalog.nth(number);
        purposes.iter().find_map(|purpose| {
            product
                .requests
                .iter()
                .filter(|request| request.purpose == *purpose)
                .find_map(|request| {
                    let due = !self.asked.contains(&request.sig) && request.when.iter().all(|look| look.holds(&self.record));
                    if due { self.ask(request, known) } else { None }
                })
        })
    }

    /// A request with its values filled in and its effect checked; `None` where a value in the path is missing or the effect
    /// forbids it.
    fn ask(&self, request: &Request, known: Option<u32>) -> Option<Ask> {
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
        if session.is_none() && self.permit(known, &request.method, &path, &body, false).is_err() {
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
            prove: false,
            sig: request.sig,
            target: Target::Plain { follow: request.follow },
        })
    }

    /// The stream that a `session` request belongs to, if it was opened and named a URL.
    fn session_sig(&self, request: &Request, id: &str) -> Option<SigId> {
        let owner = self
            .identifier
            .catalog
            .products()
            .iter()
            .find(|product| product.requests.iter().any(|r| r.sig == request.sig))?;
        let opener = owner.requests.iter().find(|r| r.id == id)?;
        let view = self.record.at(opener.sig)?;
        view.is_event_stream().then_some(opener.sig)
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
                    .find(|request| request.id == id && self.record.at(request.sig).is_some())
            })?
            .sig;
        let view = self.record.at(sig)?;
        let value = match kind {
            "header" => view.reply()?.header(what)?.to_owned(),
            "json" => match vigie_catalog::Pointer::parse(what).ok()?.first(view.json()?)? {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            },
            _ => return None,
        };
        // What goes back into a request comes from the network: nothing in it may end a line or a path.
        let clean = value.len() <= 512 && value.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        clean.then_some(value)
    }

    fn about_models(&mut self, number: u32) -> Option<Ask> {
        if self.names.as_ref().is_none_or(|(of, _)| *of != number) {
            let names = crate::read::model_names(self.identifier.catalog.nth(number), &self.record);
            self.names = Some((number, names));
        }
        self.about_named(number)
    }

    fn about_named(&self, number: u32) -> Option<Ask> {
        let product = self.identifier.catalog.nth(number);
        let (_, names) = self.names.as_ref()?;
        if self.models_asked.len() < self.limits.models
            && let Some(request) = product.requests.iter().find(|request| request.purpose == Purpose::Model)
            && request.when.iter().all(|look| look.holds(&self.record))
        {
            // A model about which a question would do harm is left out: its server may pass the question on with its owner's key.
            let unasked = names.iter().filter(|name| !self.models_asked.contains(*name));
            if let Some((name, ask)) = unasked
                .filter_map(|name| Some((name, self.model_ask(request, number, name, false)?)))
                .next()
            {
                return Some(Ask {
                    target: Target::Model(name.clone()),
                    ..ask
                });
            }
        }
        let prove = self.limits.prove?;
        let (position, _) = product.prove.as_ref()?;
        if self.record.proof.is_some() {
            return None;
        }
        let name = crate::read::model_for_proof(&self.identifier.catalog, product, &self.record, prove.may_load)?;
        let ask = self.model_ask(product.requests.get(*position)?, number, &name, true)?;
        (!self.asked.contains(&ask.sig)).then_some(Ask {
            target: Target::Proof,
            prove: true,
            ..ask
        })
    }

    fn model_ask(&self, request: &Request, number: u32, name: &str, prove: bool) -> Option<Ask> {
        // The name goes into JSON as JSON and into a path percent-encoded.
        let quoted = serde_json::Value::String(name.to_owned()).to_string();
        let inner = quoted.trim_matches('"');
        let body = request.body.as_ref().map(|body| body.replace("{model}", inner)).unwrap_or_default();
        let path = request.path.replace("{model}", &percent_encoded(name));
        self.permit(Some(number), &request.method, &path, &body, prove).ok()?;
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
            prove,
            sig: request.sig,
            target: Target::Plain { follow: false },
        })
    }

    /// Takes what became of a request.
    pub fn answer(&mut self, ask: &Arc<Ask>, exchange: Exchange) {
        let hash = crate::dialogue::leads(&self.identifier.memory, exchange.reply.as_ref());
        let next = match (&self.turn, hash, &exchange.reply) {
            (Some(turn), Some(hash), Some(reply)) => turn.after(hash, reply),
            _ => None,
        };
        if next.is_some() {
            self.turn = next;
            self.unread.push((Arc::clone(ask), exchange));
            return;
        }
        self.read_up();
        let remembered = self.read(ask, exchange);
        self.turn = match (self.turn.take(), hash, remembered) {
            (Some(turn), Some(hash), Some(known)) => Some(self.identifier.dialogues.lead(&turn, hash, known)),
            _ => None,
        };
    }

    /// Puts what was passed over into the record, in order.
    pub(crate) fn read_up(&mut self) {
        for (ask, exchange) in std::mem::take(&mut self.unread) {
            self.read(&ask, exchange);
        }
    }

    /// Puts an exchange into the record and weighs it; gives what is remembered of its reply.
    fn read(&mut self, ask: &Ask, exchange: Exchange) -> Option<Arc<Known>> {
        let index = self.record.views.len();
        let failure = exchange.failure.as_ref().map(|failure| failure.kind);
        self.record.views.push(View::new(exchange));
        match failure {
            None => self.replies += 1,
            Some(kind) => {
                self.failures += 1;
                // What does not speak HTTP will not speak it on another path either; nor is a mute server asked a third time.
                if self.replies == 0 && (kind == FailureKind::NotHttp || kind == FailureKind::Connect || self.failures >= 2) {
                    self.over = true;
                }
                if self.failures >= 4 {
                    self.over = true;
                }
            }
        }
        let mut places = vec![Place::Any];
        match &ask.target {
            Target::Model(name) => self.record.models.push((name.clone(), index)),
            Target::Proof => self.record.proof = Some(index),
            Target::Plain { .. } | Target::Redirect { .. } => {
                self.names = None;
                // `GET /` stays the first page of its chain: the last one is the landing page. Of other requests the answer is
                // what the redirect led to.
                if !matches!(ask.target, Target::Redirect { landing: true, .. }) {
                    self.record.by_sig.push((ask.sig, index));
                    places.push(Place::Sig(ask.sig));
                }
                if let Some(path_sig) = self.own_sig(index).filter(|sig| *sig != ask.sig) {
                    // A redirect led to a page that some rule looks at by its own path.
                    self.asked.insert(path_sig);
                    self.record.by_sig.push((path_sig, index));
                    places.push(Place::Sig(path_sig));
                }
                let landing = ask.sig == self.identifier.root || matches!(ask.target, Target::Redirect { landing: true, .. });
                if landing {
                    self.record.landing = Some(index);
                    places.push(Place::Landing);
                    // Rules on the landing page that fitted an earlier page of the chain do not count any more.
                    let catalog = Arc::clone(&self.identifier.catalog);
                    self.hits
                        .retain(|(product, rule, _)| catalog.nth(*product).evidence[*rule as usize].look.place != Place::Landing);
                }
                self.redirect(ask, index, landing);
            }
        }
        self.weigh(index, &places)
    }

    fn own_sig(&self, index: usize) -> Option<SigId> {
        let request = &self.record.views[index].exchange.request;
        if request.method != "GET" {
            return None;
        }
        self.identifier.catalog.sig(&vigie_catalog::Signature::get(&request.path))
    }

    /// Follows a redirect to the same endpoint if the catalogue gives its target a harmless effect; others are only recorded.
    fn redirect(&mut self, ask: &Ask, index: usize, landing: bool) {
        let depth = match ask.target {
            Target::Plain { follow: true } => 0,
            Target::Redirect { depth, .. } => depth,
            _ => return,
        };
        let Some(reply) = self.record.views[index].reply() else {
            return;
        };
        let keeps_method = matches!(reply.status, 307 | 308);
        if landing
            && matches!(reply.status, 301..=303 | 307 | 308)
            && let Some(location) = reply.header("location")
        {
            self.under
                .leads(&self.identifier.catalog, location, &self.authority, &ask.request.path);
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
                .permit(ask.known, &ask.request.method, &path, &ask.request.body, false)
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

    fn weigh(&mut self, index: usize, places: &[Place]) -> Option<Arc<Known>> {
        let catalog = Arc::clone(&self.identifier.catalog);
        let view = &self.record.views[index];
        let recalled = view
            .reply()
            .map_or(Recalled::New, |reply| self.identifier.memory.recall(reply, places));
        let mut remembered = None;
        let fitting = match recalled {
            Recalled::Known(known) => {
                view.take_json(known.json.as_ref());
                let fitting = known.fitting.clone();
                remembered = Some(known);
                fitting
            }
            other => {
                let mut fitting = self.identifier.index.candidates(view, places);
                fitting.retain(|(product, rule)| {
                    let evidence = &catalog.nth(*product).evidence[*rule as usize];
                    crate::holds::fits(&evidence.look.clause, view)
                });
                if let (Recalled::Again(key), Some(reply)) = (other, view.reply()) {
                    remembered = Some(
                        self.identifier
                            .memory
                            .keep(key, reply, places, &fitting, view.shared_json().cloned()),
                    );
                }
                fitting
            }
        };
        for (product, rule) in fitting {
            self.hits.insert((product, rule, index));
            self.tallies.entry(product).or_default();
        }
        // Guards look at other exchanges, so whatever has any is weighed anew; the rest only where something was added or taken.
        let moved = places.contains(&Place::Landing);
        let due: Vec<u32> = self
            .tallies
            .keys()
            .copied()
            .filter(|number| moved || catalog.nth(*number).guarded || self.hits_of(*number).any(|(_, _, at)| *at == index))
            .collect();
        for number in due {
            if self.hits_of(number).next().is_none() {
                self.tallies.remove(&number);
            } else {
                let tally = self.tally(number);
                self.tallies.insert(number, tally);
            }
        }
        remembered
    }

    pub(crate) fn hits_of(&self, number: u32) -> impl Iterator<Item = &(u32, u32, usize)> {
        self.hits.range((number, 0, 0)..(number + 1, 0, 0))
    }

    fn tally(&self, number: u32) -> Tally {
        let product = self.identifier.catalog.nth(number);
        let mut tally = Tally::default();
        let mut last = None;
        for (_, rule, _) in self.hits_of(number) {
            if last.replace(*rule) == Some(*rule) {
                continue;
            }
            let evidence = &product.evidence[*rule as usize];
            if evidence.guards.pass(&self.record) {
                match evidence.weight {
                    EvidenceWeight::Unique => tally.unique += 1,
                    EvidenceWeight::Strong => tally.strong += 1,
                    EvidenceWeight::Weak => tally.weak += 1,
                    EvidenceWeight::Contradicts => {}
                }
            }
        }
        tally.contradicted = product.contradicts.iter().any(|at| {
            let evidence = &product.evidence[*at];
            evidence.look.holds(&self.record) && evidence.guards.pass(&self.record)
        });
        tally
    }

    /// Every product that the evidence names, the answer first; emulated ones are left out.
    pub(crate) fn named(&self) -> Vec<u32> {
        let named: Vec<u32> = self
            .tallies
            .iter()
            .filter(|(_, tally)| tally.names())
            .map(|(number, _)| *number)
            .collect();
        let mut standing: Vec<u32> = named
            .iter()
            .copied()
            .filter(|number| {
                !named
                    .iter()
                    .any(|other| other != number && self.identifier.catalog.nth(*other).emulates.contains(number))
            })
            .collect();
        standing.sort_by_key(|number| {
            let product = self.identifier.catalog.nth(*number);
            (
                // Beside another product, and beside a list of models, tools are the second thing a server is.
                product.is_side(),
                product.last_resort,
                std::cmp::Reverse(self.tallies.get(number).copied().unwrap_or_default().points()),
                *number,
            )
        });
        standing
    }

    /// Every product that the whole conversation names, the answer first, and whether that is named only by what stands before a
    /// door.
    pub(crate) fn concluded(&self) -> (Vec<u32>, bool) {
        let named = self.named();
        if named.iter().any(|number| !self.identifier.catalog.nth(*number).last_resort) {
            return (named, false);
        }
        match self.behind_a_door() {
            Some(number) => (vec![number], true),
            None => (named, false),
        }
    }

    /// The product that one strong piece of evidence names, where all else that it would be known by is refused: a server behind a
    /// proxy that lets its front page through, say. `None` where there is none, or where several would do.
    pub(crate) fn behind_a_door(&self) -> Option<u32> {
        let strong = |tally: &Tally| !tally.contradicted && tally.unique == 0 && tally.strong == 1;
        let likely: Vec<u32> = self
            .tallies
            .iter()
            .filter(|(number, tally)| strong(tally) && self.is_shut(**number))
            .map(|(number, _)| *number)
            .collect();
        // What emulates it answers with the same page: its own words, a refusal's too, speak for it.
        let posing = |number: u32| {
            let mut others = self.tallies.iter().filter(|(other, tally)| {
                **other != number && strong(tally) && self.identifier.catalog.nth(**other).emulates.contains(&number)
            });
            others.next().is_some()
        };
        let mut only = likely.into_iter().filter(|number| !posing(*number));
        only.next().filter(|_| only.next().is_none())
    }

    /// Whether a product's evidence was shown and every other route of its own that was asked for was refused, at least one.
    fn is_shut(&self, number: u32) -> bool {
        let product = self.identifier.catalog.nth(number);
        let status = |at: usize| self.record.views[at].reply().map_or(0, |reply| reply.status);
        // What only words a refusal may be worded alike by others, unless the file says that it is a constant.
        let shown = self.hits_of(number).any(|(_, rule, at)| {
            let evidence = &product.evidence[*rule as usize];
            evidence.weight == EvidenceWeight::Strong
                && evidence.guards.pass(&self.record)
                && (evidence.alone || (200..300).contains(&status(*at)))
        });
        if !shown {
            return false;
        }
        let mut refused = 0;
        for (at, view) in self.record.views.iter().enumerate() {
            let path = view.exchange.request.path.as_str();
            let front = path == "/" || path == vigie_catalog::ABSENT_PATH || self.record.landing == Some(at);
            if front || crate::read::own_effect(&self.identifier.catalog, product, view).is_none() {
                continue;
            }
            if crate::refusal::door(view).is_some() {
                refused += 1;
            } else if (200..300).contains(&status(at))
                && view.body_type() != vigie_catalog::BodyType::Html
                && !self.hits_of(number).any(|(_, _, hit)| *hit == at)
            {
                // It answered, and not as this product does.
                return false;
            }
        }
        refused > 0
    }

    /// Products that emulate this one and for which something speaks.
    fn rivals(&self, number: u32) -> Vec<u32> {
        self.tallies
            .iter()
            .filter(|(other, tally)| {
                **other != number
                    && !tally.contradicted
                    && tally.points() > 0
                    && self.identifier.catalog.nth(**other).emulates.contains(&number)
            })
            .map(|(other, _)| *other)
            .collect()
    }
}

/// The path of a redirect's target, if it is the same scheme-less endpoint.
pub(crate) fn same_endpoint(location: &str, authority: &str, from: &str) -> Option<String> {
    let path = if let Some(rest) = location.strip_prefix("http://").or_else(|| location.strip_prefix("https://")) {
        let cut = rest.find('/').unwrap_or(rest.len());
        let (host, path) = rest.split_at(cut);
        // A scheme's default port is left out in Host by some servers.
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

fn percent_encoded(text: &str) -> String {
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');
    utf8_percent_encode(text, ENCODED).to_string()
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
