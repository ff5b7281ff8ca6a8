//! Reads product files, checks them, and compiles them into a [`Catalog`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_saphyr::{Location, Spanned};
use vigie_model::{Effect, EvidenceWeight, Posture, sha256};

use crate::beside::{Beside, OpenAt};
use crate::catalog::{
    Catalog, CompiledEvidence, CompiledList, CompiledMade, CompiledPosture, CompiledTell, CompiledValue, Opening, Product, Request,
    Signature,
};
use crate::clause::{Guards, Look, Place, SigId, literal};
use crate::condition::Asked;
use crate::embedded::Built;
use crate::markers::Markers;
use crate::rule::{Clause, ListRule, MadeRule, MarkersFile, OpeningsFile, PRODUCT_SCHEMA, ProductFile, Purpose, RequestRule, ValueRule};
use crate::settings::{Setting, SettingRule};
use crate::table::Reading;
use crate::table::effects::{EffectTable, ReadingOf, Routes};

/// The largest file, in bytes.
pub const MAX_FILE_BYTES: usize = 256 * 1024;
/// The deepest nesting of a file.
const MAX_DEPTH: usize = 24;
/// The most YAML nodes in a file.
const MAX_NODES: usize = 20_000;
/// The most rules (evidence, posture, lists, leaks, tells) in a file.
const MAX_RULES: usize = 400;
/// The most product files in a catalogue.
const MAX_PRODUCTS: usize = 5_000;
/// The most queries of a product for one service.
const MAX_QUERIES: usize = 20;
/// The longest of them, in characters.
const MAX_QUERY: usize = 1_000;
/// The most evidence rules without a literal in a whole catalogue: they are tried on every reply.
const MAX_UNINDEXED: usize = 64;

/// Something wrong in a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file's name.
    pub file: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: u64,
    /// The column, from 1.
    pub column: u64,
    /// What is wrong and what to write.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.message),
            line => write!(f, "{}:{line}:{}: {}", self.file, self.column, self.message),
        }
    }
}

/// The files of a catalogue: names (`products/ollama.yaml`, `openings.yaml`, `markers.yaml`) and texts.
pub type Files = BTreeMap<String, String>;

impl Catalog {
    /// Reads, checks and compiles a catalogue.
    ///
    /// `floor` is a catalogue whose effects no file may lower: the embedded one, when a rule pack replaces it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, each with file and line.
    pub fn load(files: &Files, floor: Option<&Catalog>) -> Result<Self, Vec<Diagnostic>> {
        let yaml: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        Loader::default().load(files, &yaml, floor)
    }

    /// The same of the files that this build carries, which were made JSON when it was built. Their expressions are compiled when
    /// they are first used: the tests compile them all.
    pub(crate) fn load_built(files: &Files, built: &'static Built) -> Result<Self, Vec<Diagnostic>> {
        let loader = Loader {
            built: Some(built),
            ..Loader::default()
        };
        crate::pattern::compile_later(|| loader.load(files, built.files, None))
    }
}

#[derive(Default)]
struct Loader {
    /// The files are JSON, and of this build.
    built: Option<&'static Built>,
    diagnostics: Vec<Diagnostic>,
    signatures: Vec<Signature>,
    sig_ids: HashMap<Signature, SigId>,
}

struct Parsed {
    file: String,
    rule: ProductFile,
}

impl Loader {
    /// `files` are what the catalogue is made of, `texts` what is read: the same, or made of it.
    fn load(mut self, files: &Files, texts: &[(&str, &str)], floor: Option<&Catalog>) -> Result<Catalog, Vec<Diagnostic>> {
        let catalog = self
            .parse(texts)
            .and_then(|(openings, markers, products)| self.compile(files, openings, markers, products, floor));
        match catalog {
            Some(catalog) if self.diagnostics.is_empty() => Ok(catalog),
            _ => {
                self.diagnostics
                    .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
                Err(self.diagnostics)
            }
        }
    }

    fn say(&mut self, file: &str, at: Location, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic {
            file: file.to_owned(),
            line: at.line(),
            column: at.column(),
            message: message.into(),
        });
    }

    fn say_of_file(&mut self, file: &str, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
        });
    }

    fn parse(&mut self, files: &[(&str, &str)]) -> Option<(OpeningsFile, Markers, Vec<Parsed>)> {
        let text_of = |wanted: &str| files.iter().find(|(name, _)| *name == wanted).map(|(_, text)| *text);
        let openings = text_of("openings.yaml").and_then(|text| self.read::<OpeningsFile>("openings.yaml", text));
        let markers = text_of("markers.yaml").and_then(|text| self.read::<MarkersFile>("markers.yaml", text));
        for name in ["openings.yaml", "markers.yaml"] {
            if text_of(name).is_none() {
                self.say_of_file(name, "is missing; a catalogue has openings.yaml, markers.yaml and products/*.yaml");
            }
        }
        if let Some(file) = &openings
            && file.schema != "vigie.openings/1"
        {
            self.say_of_file(
                "openings.yaml",
                format!("schema is {:?}; this vigie reads \"vigie.openings/1\"", file.schema),
            );
        }
        if let Some(file) = &markers
            && file.schema != "vigie.markers/1"
        {
            self.say_of_file(
                "markers.yaml",
                format!("schema is {:?}; this vigie reads \"vigie.markers/1\"", file.schema),
            );
        }
        let markers = markers.and_then(|file| match Markers::compile(&file) {
            Ok(markers) => Some(markers),
            Err(message) => {
                self.say_of_file("markers.yaml", message);
                None
            }
        });
        let mut products = Vec::new();
        for (file, text) in files.iter().filter(|(name, _)| name.starts_with("products/")) {
            if products.len() >= MAX_PRODUCTS {
                self.say_of_file(file, format!("a catalogue has at most {MAX_PRODUCTS} products"));
                break;
            }
            if let Some(rule) = self.read::<ProductFile>(file, text) {
                products.push(Parsed {
                    file: (*file).to_owned(),
                    rule,
                });
            }
        }
        Some((openings?, markers?, products))
    }

    fn read<T: DeserializeOwned>(&mut self, file: &str, text: &str) -> Option<T> {
        if self.built.is_some() {
            return match serde_json::from_str(text) {
                Ok(value) => Some(value),
                Err(error) => {
                    self.say_of_file(file, error.to_string());
                    None
                }
            };
        }
        if text.len() > MAX_FILE_BYTES {
            self.say_of_file(file, format!("has {} bytes; a file has at most {MAX_FILE_BYTES}", text.len()));
            return None;
        }
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options::<T>(text, options) {
            Ok(value) => Some(value),
            Err(error) => {
                let at = error.location().unwrap_or(Location::UNKNOWN);
                let message = error.to_string();
                // The library adds "at line …, column …"; the place already stands before the message.
                let message = message.split(" at line ").next().unwrap_or(&message).trim().to_owned();
                self.say(file, at, message);
                None
            }
        }
    }

    fn intern(&mut self, signature: Signature) -> SigId {
        if let Some(id) = self.sig_ids.get(&signature) {
            return *id;
        }
        let id = SigId::try_from(self.signatures.len()).unwrap_or(SigId::MAX);
        self.signatures.push(signature.clone());
        self.sig_ids.insert(signature, id);
        id
    }

    fn compile(
        &mut self,
        files: &Files,
        openings: OpeningsFile,
        markers: Markers,
        parsed: Vec<Parsed>,
        floor: Option<&Catalog>,
    ) -> Option<Catalog> {
        let ids: BTreeMap<String, u32> = parsed.iter().zip(0..).map(|(p, index)| (p.rule.id.value.clone(), index)).collect();
        self.check_heads(&parsed, &ids);

        // Effects first: whether a request may be sent depends on every file.
        let mut effects = self.built.map(|built| EffectTable::of_build(built.shelves)).unwrap_or_default();
        for (index, p) in (0_u32..).zip(&parsed) {
            for (effect, routes) in &p.rule.routes {
                for route in routes {
                    effects.add(index, &route.value, *effect);
                }
            }
        }
        for (effect, routes) in &openings.routes {
            for route in routes {
                effects.add(u32::MAX, &route.value, *effect);
            }
        }

        let mut requests: Vec<Vec<Request>> = Vec::new();
        for p in &parsed {
            let compiled = p.rule.requests.iter().filter_map(|rule| self.request(&p.file, rule)).collect();
            requests.push(compiled);
        }
        let mut opened: Vec<(Request, usize)> = Vec::new();
        for (position, rule) in openings.openings.iter().enumerate() {
            match self.opening_request(&rule.send, &parsed, &ids, &requests) {
                Ok(request) => opened.push((request, position)),
                Err(message) => self.say("openings.yaml", rule.send.defined, message),
            }
        }
        let opening_sigs: BTreeSet<SigId> = opened.iter().map(|(request, _)| request.sig).collect();

        let mut unindexed = 0;
        let mut products = Vec::new();
        for (number, (p, own)) in (0_u32..).zip(parsed.iter().zip(&requests)) {
            let mut scope = Scope {
                loader: self,
                file: &p.file,
                own,
                opening_sigs: &opening_sigs,
            };
            let product = scope.product(number, p, &ids, &mut unindexed);
            products.push(product);
        }
        if unindexed > MAX_UNINDEXED {
            self.say_of_file(
                "products",
                format!("{unindexed} evidence rules show no literal of 4 characters; a catalogue has at most {MAX_UNINDEXED} of them"),
            );
        }

        let mut compiled_openings = Vec::new();
        for (request, position) in opened {
            let rule = &openings.openings[position];
            let mut scope = Scope {
                loader: self,
                file: "openings.yaml",
                own: &[],
                opening_sigs: &opening_sigs,
            };
            let when = scope.looks(&rule.when);
            let unless = scope.looks(&rule.unless);
            compiled_openings.push(Opening { request, when, unless });
        }

        self.check_effects(&parsed, &products, &compiled_openings, &openings, &effects, floor);

        let hash = hash_of(files);
        let signatures = std::mem::take(&mut self.signatures);
        let sig_ids = std::mem::take(&mut self.sig_ids);
        if ["/", crate::ABSENT_PATH]
            .iter()
            .any(|path| !sig_ids.contains_key(&Signature::get(path)))
        {
            self.say_of_file("openings.yaml", format!("the openings hold GET / and GET {}", crate::ABSENT_PATH));
            return None;
        }
        Some(Catalog {
            products,
            by_id: ids,
            signatures,
            sig_ids,
            openings: compiled_openings,
            effects,
            harmful: std::sync::OnceLock::new(),
            floor: floor.map(|floor| Arc::new((floor.effects.clone(), floor.by_id.clone()))),
            judged: crate::judged::Judged::default(),
            markers,
            hash,
            date: openings.date,
        })
    }

    fn check_heads(&mut self, parsed: &[Parsed], ids: &BTreeMap<String, u32>) {
        if ids.len() != parsed.len() {
            self.say_of_file("products", "two files have the same id");
        }
        for p in parsed {
            let stem = p.file.trim_start_matches("products/").trim_end_matches(".yaml");
            if p.rule.schema != PRODUCT_SCHEMA {
                self.say_of_file(
                    &p.file,
                    format!("schema is {:?}; this vigie reads {PRODUCT_SCHEMA:?}", p.rule.schema),
                );
            }
            if p.rule.id.value != stem {
                self.say(
                    &p.file,
                    p.rule.id.defined,
                    format!("id is {:?} and the file is {stem:?}; they are the same", p.rule.id.value),
                );
            }
            for emulated in &p.rule.emulates {
                if !ids.contains_key(&emulated.value) || emulated.value == p.rule.id.value {
                    self.say(
                        &p.file,
                        emulated.defined,
                        format!("{:?} is no other product of this catalogue", emulated.value),
                    );
                }
            }
            let rules = p.rule.identify.len() + p.rule.posture.len() + p.rule.models.len() + p.rule.leaks.len() + p.rule.tells.len();
            if rules > MAX_RULES {
                self.say_of_file(&p.file, format!("has {rules} rules; a file has at most {MAX_RULES}"));
            }
            if p.rule.identify.iter().all(|rule| rule.evidence == EvidenceWeight::Contradicts) {
                self.say_of_file(&p.file, "has no evidence under identify: nothing could ever be this product");
            }
            let mut seen = BTreeSet::new();
            for rule in &p.rule.identify {
                if !seen.insert(&rule.id.value) {
                    self.say(&p.file, rule.id.defined, format!("{:?} stands twice under identify", rule.id.value));
                }
            }
            for word in &p.rule.by_option {
                if let Err(message) = Beside::read([word.value.as_str()]) {
                    self.say(&p.file, word.defined, message);
                }
            }
            for rule in &p.rule.posture {
                let Some(words) = &rule.beside else { continue };
                if rule.posture != Posture::Open {
                    self.say(
                        &p.file,
                        rule.on.defined,
                        "beside belongs to an open posture: it says which routes are open too",
                    );
                }
                for word in words {
                    if let Err(message) = Beside::read([word.value.as_str()]) {
                        self.say(&p.file, word.defined, message);
                    }
                }
            }
            for finding in p.rule.remedies.keys() {
                if !crate::FINDINGS.contains(&finding.as_str()) {
                    self.say_of_file(
                        &p.file,
                        format!(
                            "remedies: unknown finding id {finding:?}; known ids: {}",
                            crate::FINDINGS.join(", ")
                        ),
                    );
                }
            }
            self.check_takes(p);
            self.check_queries(&p.file, &p.rule.discover.shodan);
            self.check_queries(&p.file, &p.rule.discover.censys);
            for tell in &p.rule.tells {
                if !(0.0..=1.0).contains(&tell.weight) {
                    self.say(
                        &p.file,
                        tell.on.defined,
                        format!("the weight of {:?} lies between 0 and 1", tell.id),
                    );
                }
            }
        }
    }

    /// What `reads`, `takes` and the versions of routes say is of routes that are there, and of versions that can be compared.
    fn check_takes(&mut self, p: &Parsed) {
        let order = p.rule.versions;
        let readable = |version: &str| crate::table::is_version(order, version);
        for route in p.rule.routes.values().flatten() {
            for version in [&route.value.since, &route.value.until].into_iter().flatten() {
                if !readable(version) {
                    let message = format!("{version:?} is no version that can be compared with others of this product");
                    self.say(&p.file, route.defined, message);
                }
            }
        }
        let routes: Vec<_> = p.rule.routes.values().flatten().map(|route| &route.value).collect();
        for rule in &p.rule.takes {
            for version in [&rule.since, &rule.until].into_iter().flatten() {
                if !readable(&version.value) {
                    let message = format!("{:?} is no version that can be compared with others of this product", version.value);
                    self.say(&p.file, version.defined, message);
                }
            }
            for (on, message) in rule.faults(&routes) {
                self.say(&p.file, on.defined, message);
            }
        }
        if let (None, Some(first)) = (&p.rule.reads, p.rule.takes.iter().find_map(|rule| rule.on.first())) {
            self.say(
                &p.file,
                first.defined,
                "takes needs reads: how the server reads JSON and paths decides what stands in these places",
            );
        }
        for message in crate::table::too_large(&routes, &p.rule.takes) {
            self.say_of_file(&p.file, message);
        }
    }

    fn check_queries(&mut self, file: &str, queries: &[Spanned<String>]) {
        if queries.len() > MAX_QUERIES {
            self.say_of_file(
                file,
                format!("discover has {} queries; a service gets at most {MAX_QUERIES}", queries.len()),
            );
        }
        let mut seen = BTreeSet::new();
        for query in queries {
            let text = query.value.as_str();
            let quotes = text.matches('"').count() - text.matches("\\\"").count();
            let wrong = if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
                "a query is one line without white space at its ends"
            } else if text.chars().count() > MAX_QUERY {
                "a query is shorter than 1,001 characters"
            } else if quotes % 2 == 1 {
                "a quote is not closed"
            } else if !seen.insert(text) {
                "stands twice"
            } else {
                continue;
            };
            self.say(file, query.defined, format!("{text:?}: {wrong}"));
        }
    }

    fn request(&mut self, file: &str, rule: &RequestRule) -> Option<Request> {
        let text = rule.send.value.clone();
        let Some((method, path)) = text.split_once(' ') else {
            self.say(file, rule.send.defined, format!("{text:?}: a request is METHOD PATH"));
            return None;
        };
        if !matches!(method, "GET" | "HEAD" | "POST") {
            self.say(
                file,
                rule.send.defined,
                format!("{method:?}: a scanner sends GET, HEAD and POST, nothing else"),
            );
            return None;
        }
        if !path.starts_with('/') || path.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.say(
                file,
                rule.send.defined,
                format!("{path:?}: a path starts with / and has no white space"),
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
                self.say(
                    file,
                    rule.send.defined,
                    format!("header {name:?} is not a rule's to send (lower case, no credentials, no framing)"),
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

    fn opening_request(
        &mut self,
        send: &Spanned<String>,
        parsed: &[Parsed],
        ids: &BTreeMap<String, u32>,
        requests: &[Vec<Request>],
    ) -> Result<Request, String> {
        if let Some((method, path)) = send.value.split_once(' ') {
            if method != "GET" || !path.starts_with('/') {
                return Err(format!("{:?}: an opening is GET PATH, or PRODUCT.REQUEST", send.value));
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
                reply: crate::rule::ReplyEnd::Body,
                session: None,
                follow: path == "/",
            });
        }
        let (product, id) = send
            .value
            .split_once('.')
            .ok_or_else(|| format!("{:?}: an opening is GET PATH, or PRODUCT.REQUEST", send.value))?;
        let number = ids
            .get(product)
            .ok_or_else(|| format!("{product:?} is no product of this catalogue"))?;
        let position = usize::try_from(*number).unwrap_or(usize::MAX);
        let file = parsed.get(position).map_or("", |p| p.file.as_str());
        requests
            .get(position)
            .and_then(|all| all.iter().find(|request| request.id == id))
            .cloned()
            .ok_or_else(|| format!("{file} has no request {id:?}"))
    }

    /// The check that no forbidden effect can be asked for: until the product is known a request carries the worst effect that
    /// any file gives it; afterwards the product's own.
    fn check_effects(
        &mut self,
        parsed: &[Parsed],
        products: &[Product],
        openings: &[Opening],
        openings_file: &OpeningsFile,
        effects: &EffectTable,
        floor: Option<&Catalog>,
    ) {
        let worst = |request: &Asked<'_>| effects.worst(request).max(floor.and_then(|floor| floor.effects.worst(request)));
        for (number, (p, product)) in (0_u32..).zip(parsed.iter().zip(products)) {
            for (rule, request) in p.rule.requests.iter().zip(&product.requests) {
                if request.session.is_some() {
                    // Its path comes from the server; the transport judges it when it is known.
                    continue;
                }
                let asked = Asked {
                    method: &request.method,
                    path: &request.path,
                    body: rule.body.as_ref().into(),
                };
                let own = effects.of_product(number, &asked);
                let Some(own) = own else {
                    self.say(
                        &p.file,
                        rule.send.defined,
                        format!(
                            "{:?} fits none of this file's routes: a request without an effect class is never sent; add it under routes",
                            rule.send.value
                        ),
                    );
                    continue;
                };
                // A rule pack's word for a product that the embedded catalogue knows is not enough to lower its effect.
                let floored = floor.and_then(|floor| {
                    let known = floor.by_id.get(&p.rule.id.value);
                    match known {
                        Some(known) => floor.effects.of_product(*known, &asked),
                        None => floor.effects.worst(&asked),
                    }
                });
                let effect = match request.purpose {
                    Purpose::Identify => worst(&asked).unwrap_or(own),
                    _ => own.max(floored.unwrap_or(own)),
                };
                let allowed = match request.purpose {
                    Purpose::Prove => effect == Effect::Infer,
                    _ => effect.is_harmless(),
                };
                if !allowed {
                    let whose: BTreeSet<String> = effects
                        .blame(&asked)
                        .filter(|(_, e)| *e == effect)
                        .filter_map(|(n, _)| products.get(usize::try_from(n).ok()?).map(|p| p.id.clone()))
                        .collect();
                    let whose = whose.into_iter().collect::<Vec<_>>().join(", ");
                    self.say(
                        &p.file,
                        rule.send.defined,
                        match request.purpose {
                            Purpose::Prove => format!("{:?} has the effect {effect}; a proof infers and does nothing else", rule.send.value),
                            Purpose::Identify => format!("{:?} has the effect {effect} ({whose}): until the product is known a request carries the worst effect that any file gives it; ask for it with for: read", rule.send.value),
                            _ => format!("{:?} has the effect {effect}; a scan sends identify and enumerate only", rule.send.value),
                        },
                    );
                }
            }
            for rule in &p.rule.posture {
                if rule.posture == Posture::Open {
                    let request = product
                        .requests
                        .iter()
                        .find(|r| r.id == rule.on.value)
                        .map(|r| (r.method.clone(), r.path.clone(), r.body.clone()));
                    let (method, path, body) = match request {
                        Some(found) => found,
                        None => match rule.on.value.split_once(' ') {
                            Some((method, path)) => (method.to_owned(), path.to_owned(), None),
                            None => {
                                self.say(
                                    &p.file,
                                    rule.on.defined,
                                    "an open posture looks at one enumerate request, not at \"any\" or \"landing\"",
                                );
                                continue;
                            }
                        },
                    };
                    let body: Option<Value> = body.and_then(|text| serde_json::from_str(&text).ok());
                    let effect = effects.of_product(
                        number,
                        &Asked {
                            method: &method,
                            path: &path,
                            body: body.as_ref().into(),
                        },
                    );
                    let on_session = product.requests.iter().any(|r| r.id == rule.on.value && r.session.is_some());
                    if effect != Some(Effect::Enumerate) && !on_session {
                        self.say(
                            &p.file,
                            rule.on.defined,
                            format!(
                                "posture open rests on {:?}, which is {}; it rests on an enumerate route",
                                rule.on.value,
                                effect.map_or("no route of this file", Effect::word)
                            ),
                        );
                    }
                }
            }
        }
        for (opening, rule) in openings.iter().zip(&openings_file.openings) {
            let request = &opening.request;
            let body: Option<Value> = request.body.as_ref().and_then(|text| serde_json::from_str(text).ok());
            if request.session.is_some() {
                continue;
            }
            let asked = Asked {
                method: &request.method,
                path: &request.path,
                body: body.as_ref().into(),
            };
            match worst(&asked) {
                Some(effect) if effect.is_harmless() => {}
                Some(effect) => self.say(
                    "openings.yaml",
                    rule.send.defined,
                    format!("{:?} has the effect {effect} in some product's file", rule.send.value),
                ),
                None => self.say(
                    "openings.yaml",
                    rule.send.defined,
                    format!("{:?} fits no route; add it under routes", rule.send.value),
                ),
            }
        }
    }
}

/// What a clause's `on` may name: the file's own requests and the openings.
struct Scope<'l> {
    loader: &'l mut Loader,
    file: &'l str,
    own: &'l [Request],
    opening_sigs: &'l BTreeSet<SigId>,
}

impl Scope<'_> {
    fn place(&mut self, on: &Spanned<String>) -> Option<Place> {
        match on.value.as_str() {
            "landing" => return Some(Place::Landing),
            "any" => return Some(Place::Any),
            _ => {}
        }
        if let Some(request) = self.own.iter().find(|request| request.id == on.value) {
            return Some(Place::Sig(request.sig));
        }
        let Some((method, path)) = on.value.split_once(' ') else {
            let known: Vec<_> = self.own.iter().map(|request| request.id.as_str()).collect();
            self.loader.say(
                self.file,
                on.defined,
                format!(
                    "{:?} is no request of this file ({}); write METHOD PATH, a request's id, landing or any",
                    on.value,
                    known.join(", ")
                ),
            );
            return None;
        };
        let signature = Signature {
            method: method.to_owned(),
            path: path.to_owned(),
            body: None,
        };
        let id = self.loader.sig_ids.get(&signature).copied();
        match id {
            Some(id) if self.opening_sigs.contains(&id) || self.own.iter().any(|request| request.sig == id) => Some(Place::Sig(id)),
            _ => {
                self.loader.say(
                    self.file,
                    on.defined,
                    format!(
                        "nobody asks for {:?}: it is neither an opening nor a request of this file",
                        on.value
                    ),
                );
                None
            }
        }
    }

    fn look(&mut self, clause: &Clause) -> Option<Look> {
        if clause.header.iter().any(|(name, _)| name == crate::clause::PASSING) {
            self.loader.say(
                self.file,
                clause.on.defined,
                "a rule cannot rest on the date header: it says when, not what",
            );
        }
        self.place(&clause.on).map(|place| Look {
            place,
            clause: clause.clone(),
        })
    }

    fn looks(&mut self, clauses: &[Clause]) -> Vec<Look> {
        clauses.iter().filter_map(|clause| self.look(clause)).collect()
    }

    fn guards(&mut self, (also, either, unless): (&[Clause], &[Clause], &[Clause])) -> Guards {
        Guards {
            also: self.looks(also),
            either: self.looks(either),
            unless: self.looks(unless),
        }
    }

    fn list(&mut self, rule: &ListRule) -> Option<CompiledList> {
        let look = self.look(&rule.clause())?;
        if rule.each.is_some() && !rule.fields.contains_key("name") {
            self.loader.say(self.file, rule.on.defined, "fields needs a name");
        }
        for key in rule.fields.keys().chain(rule.always.keys()).chain(rule.map.keys()) {
            if !crate::rule::FIELDS.contains(&key.as_str()) {
                self.loader.say(
                    self.file,
                    rule.on.defined,
                    format!("{key:?} is no field; there are {}", crate::rule::FIELDS.join(", ")),
                );
            }
        }
        Some(CompiledList {
            look,
            guards: self.guards(rule.guards()),
            rule: rule.clone(),
        })
    }

    fn lists(&mut self, rules: &[ListRule]) -> Vec<CompiledList> {
        rules.iter().filter_map(|rule| self.list(rule)).collect()
    }

    fn settings(&mut self, rules: &[SettingRule]) -> Vec<Setting> {
        let mut all: Vec<Setting> = Vec::with_capacity(rules.len());
        for rule in rules {
            let at = rule.id.defined;
            if all.iter().any(|other| other.id == rule.id.value) {
                self.loader
                    .say(self.file, at, format!("the setting {:?} is declared twice", rule.id.value));
            }
            match Setting::compile(rule, &crate::FINDINGS) {
                Ok(setting) => all.push(setting),
                Err(wrong) => wrong
                    .into_iter()
                    .for_each(|message| self.loader.say(self.file, at, format!("settings: {message}"))),
            }
        }
        for rule in rules {
            for other in rule.needs.0.iter().chain(&rule.unless.0) {
                if !rules.iter().any(|rule| rule.id.value == *other) {
                    let message = format!(
                        "settings: {} names the unknown setting {other:?} under needs or unless",
                        rule.id.value
                    );
                    self.loader.say(self.file, rule.id.defined, message);
                }
            }
        }
        all
    }

    fn remedies(&mut self, texts: &BTreeMap<String, String>, settings: &[Setting]) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (finding, text) in texts {
            match crate::settings::expand(text, settings) {
                Ok(text) => drop(all.insert(finding.clone(), text)),
                Err(message) => self.loader.say_of_file(self.file, format!("remedies: {finding}: {message}")),
            }
        }
        all
    }

    /// The entries of `version` or `instance`.
    fn values(&mut self, key: &str, rules: &[ValueRule]) -> Vec<CompiledValue> {
        let mut value = |rule: &ValueRule| {
            let ways = [
                rule.json.is_some(),
                rule.header.is_some(),
                rule.body.is_some(),
                rule.title.is_some(),
            ];
            if ways.iter().filter(|way| **way).count() != 1 {
                self.loader.say(
                    self.file,
                    rule.on.defined,
                    format!("an entry of {key} takes from one of json, header, body and title"),
                );
            }
            Some(CompiledValue {
                place: self.place(&rule.on)?,
                guards: self.guards((&rule.also, &rule.either, &rule.unless)),
                rule: rule.clone(),
            })
        };
        rules.iter().filter_map(&mut value).collect()
    }

    fn product(&mut self, number: u32, p: &Parsed, ids: &BTreeMap<String, u32>, unindexed: &mut usize) -> Product {
        let rule = &p.rule;
        let mut requests = self.own.to_vec();
        for (request, written) in requests.iter_mut().zip(&rule.requests) {
            request.when = self.looks(&written.when);
            if let Some(session) = &written.session
                && !rule.requests.iter().any(|other| other.id.value == *session)
            {
                self.loader.say(
                    self.file,
                    written.send.defined,
                    format!("session: {session:?} is no request of this file"),
                );
            }
        }
        let mut evidence = Vec::new();
        for written in &rule.identify {
            let clause = written.clause();
            let Some(look) = self.look(&clause) else {
                continue;
            };
            let guards = self.guards(written.guards());
            let literal = literal(&clause);
            if written.evidence != EvidenceWeight::Contradicts {
                *unindexed += usize::from(literal.is_none());
                if literal.is_none() && written.evidence == EvidenceWeight::Unique {
                    self.loader.say(
                        self.file,
                        written.id.defined,
                        "unique evidence shows a literal of at least 4 characters (in body, title, header, location, or json)",
                    );
                }
            }
            evidence.push(CompiledEvidence {
                id: written.id.value.clone(),
                weight: written.evidence,
                why: written.why.clone(),
                alone: written.alone,
                look,
                guards,
                literal,
            });
        }
        let posture = rule
            .posture
            .iter()
            .filter_map(|written| {
                let look = self.look(&written.clause())?;
                Some(CompiledPosture {
                    posture: written.posture,
                    look,
                    guards: self.guards(written.guards()),
                })
            })
            .collect();
        let open_at = rule
            .posture
            .iter()
            .filter(|written| written.posture == Posture::Open)
            .filter_map(|written| {
                let of_id = requests.iter().find(|request| request.id == written.on.value);
                let (method, path) = of_id
                    .map(|request| (request.method.as_str(), request.path.as_str()))
                    .or_else(|| written.on.value.split_once(' '))?;
                // What does not read was said when the file was checked.
                let beside = written
                    .beside
                    .as_ref()
                    .and_then(|words| Beside::read(words.iter().map(|word| word.value.as_str())).ok());
                Some(OpenAt {
                    method: method.to_owned(),
                    path: path.to_owned(),
                    beside,
                })
            });
        let open_at = open_at.collect();
        let leaks = rule
            .leaks
            .iter()
            .filter_map(|written| {
                let look = self.look(&written.clause())?;
                Some((written.what, look, self.guards(written.guards())))
            })
            .collect();
        let tells = rule
            .tells
            .iter()
            .filter_map(|written| {
                let look = self.look(&written.clause())?;
                Some(CompiledTell {
                    id: written.id.clone(),
                    weight: written.weight,
                    why: written.why.clone(),
                    look,
                    guards: self.guards(written.guards()),
                })
            })
            .collect();
        let unknown_path = self.looks(&rule.unknown_path);
        let mut made = |rules: &[MadeRule]| -> Vec<CompiledMade> {
            let compiled = rules.iter().filter_map(|written| {
                Some(CompiledMade {
                    look: self.look(&written.clause())?,
                    guards: self.guards(written.guards()),
                    at: written.at.clone(),
                })
            });
            compiled.collect()
        };
        let (made_when_asked, drawn_anew) = (made(&rule.made_when_asked), made(&rule.drawn_anew));
        let prove = rule.prove.as_ref().and_then(|written| {
            let found = requests
                .iter()
                .position(|request| request.id == written.request.value && request.purpose == Purpose::Prove);
            if found.is_none() {
                self.loader.say(
                    self.file,
                    written.request.defined,
                    format!("{:?} is no request with for: prove", written.request.value),
                );
            }
            found.map(|position| (position, written.answer.clone()))
        });
        let routes = match self.loader.built {
            Some(built) => Routes::of_build(built.routes.get(number as usize).copied().unwrap_or_default()),
            None => Routes::new(
                rule.routes
                    .iter()
                    .map(|(effect, routes)| (*effect, routes.iter().map(|r| r.value.clone()).collect()))
                    .collect(),
            ),
        };
        let settings = self.settings(&rule.settings);
        let remedies = self.remedies(&rule.remedies, &settings);
        let reading = match self.loader.built {
            Some(built) => ReadingOf::of_build(built.readings.get(number as usize).copied().unwrap_or("{}")),
            None => ReadingOf::new(Reading {
                reads: rule.reads,
                takes: rule.takes.clone(),
            }),
        };
        Product {
            id: rule.id.value.clone(),
            name: rule.name.clone(),
            kind: rule.kind,
            source: rule.source.clone(),
            ports: rule.ports.clone(),
            versions: rule.versions,
            packages: rule.packages.clone(),
            emulates: rule.emulates.iter().filter_map(|id| ids.get(&id.value).copied()).collect(),
            since: rule.since.clone(),
            neighbours: rule.neighbours.clone(),
            newest: rule.newest.clone(),
            last_resort: rule.last_resort,
            // What is named only if nothing else is can be no product of its own.
            family: rule.family || rule.last_resort,
            open_at,
            by_option: (!rule.by_option.is_empty())
                .then(|| Beside::read(rule.by_option.iter().map(|word| word.value.as_str())).ok())
                .flatten(),
            routes,
            reading,
            requests,
            guarded: evidence
                .iter()
                .any(|e: &CompiledEvidence| e.weight == EvidenceWeight::Contradicts || !e.guards.is_empty()),
            contradicts: (0..evidence.len())
                .filter(|at| evidence[*at].weight == EvidenceWeight::Contradicts)
                .collect(),
            evidence,
            version: self.values("version", &rule.version),
            hidden: rule.hidden.clone(),
            version_never: rule.version_never,
            instance: self.values("instance", &rule.instance),
            posture,
            models: self.lists(&rule.models),
            details: rule.details.as_ref().and_then(|list| self.list(list)),
            running: self.lists(&rule.running),
            tools: self.lists(&rule.tools),
            leaks,
            tells,
            stack: rule.stack.clone(),
            server: rule.server.clone(),
            unknown_path,
            made_when_asked,
            drawn_anew,
            prove,
            settings,
            remedies,
            shodan: rule.discover.shodan.iter().map(|query| query.value.clone()).collect(),
            censys: rule.discover.censys.iter().map(|query| query.value.clone()).collect(),
        }
    }
}

/// The hash of a catalogue: over the names and texts of its files, in order.
fn hash_of(files: &Files) -> String {
    let mut all = String::with_capacity(files.iter().map(|(name, text)| name.len() + text.len() + 2).sum());
    for (name, text) in files {
        all.push_str(name);
        all.push('\0');
        all.push_str(text);
        all.push('\0');
    }
    sha256(all.as_bytes())
}
