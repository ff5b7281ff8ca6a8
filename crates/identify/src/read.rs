//! What a transcript says: version, posture, models, tools, leaks.

use std::collections::{BTreeMap, HashSet};

use chrono::DateTime;
use serde_json::Value;
use vigie_http::path::without_query;
use vigie_model::{Capability, Effect, Known, Model, Posture, RunningModel, Timestamp, Tool, Unknown, Why};

use crate::holds::{Holds as _, Pass as _, Seen};
use crate::refusal;
use crate::session::Record;
use crate::view::View;
use vigie_catalog::Place;
use vigie_catalog::{BodyType, Field, FieldPlace, Kind, Step, ValueRule};
use vigie_catalog::{Catalog, CompiledList, CompiledValue, Product};

/// The most models kept of one server, and the longest name.
const MAX_MODELS: usize = 2_000;
const MAX_NAME: usize = 512;
/// The longest text kept of any other field, prompts aside.
const MAX_TEXT: usize = 1_024;
/// The longest version in bytes.
const MAX_VERSION: usize = 100;
/// The shortest and the longest id of an instance in bytes: fewer cannot tell hosts of the Internet apart.
const MIN_INSTANCE: usize = 8;
const MAX_INSTANCE: usize = 200;
/// The most characters of a prompt or a template that are looked at.
const MAX_PROMPT: usize = 64 * 1024;

/// The version as the server says it.
pub(crate) fn version(product: &Product, seen: &Record) -> Known<String> {
    let (said, met) = said(&product.version, seen, |text| text.len() <= MAX_VERSION);
    match said {
        Some(text) if product.hidden.contains(&text) => {
            Known::unknown_because(Why::Hidden, format!("it says {text:?}, which is no version"))
        }
        Some(text) => Known::Known(text),
        None if product.version_never => Known::unknown(Why::NotCarried),
        None => met.why(),
    }
}

/// Which running copy or installation it says it is; not carried where the product's file names no place for it.
pub(crate) fn instance(product: &Product, seen: &Record) -> Known<String> {
    let (said, met) = said(&product.instance, seen, |text| (MIN_INSTANCE..=MAX_INSTANCE).contains(&text.len()));
    match said {
        Some(text) => Known::Known(text),
        None if product.instance.is_empty() => Known::unknown(Why::NotCarried),
        None => met.why(),
    }
}

/// What came back from the requests that would have told a value.
#[derive(Clone, Debug, Default)]
struct Met {
    answered: bool,
    silent: bool,
    /// The weightiest reason that a reply gave, with its sentence.
    declined: Option<(Why, Option<String>)>,
}

impl Met {
    /// Why the value is unknown.
    fn why(self) -> Known<String> {
        if self.silent {
            // What was not answered may have told: nothing is hidden.
            return Known::unknown_because(Why::NotAsked, "no answer came to a request that tells it");
        }
        match self.declined {
            _ if self.answered => Known::unknown(Why::Hidden),
            Some((why, Some(detail))) => Known::unknown_because(why, detail),
            Some((why, None)) => Known::unknown(why),
            None => Known::unknown(Why::NotAsked),
        }
    }
}

/// Of two reasons why a value is unknown, the one that says more: what stands first would have told, had it been let through.
fn weighs_more(one: Why, other: Why) -> bool {
    let weight = |why: Why| match why {
        Why::Refused => 0,
        Why::Throttled => 1,
        Why::Unavailable => 2,
        Why::Unparsable => 3,
        Why::Absent => 4,
        _ => 5,
    };
    weight(one) < weight(other)
}

/// The first value that an entry gives and that passes for one.
fn said(entries: &[CompiledValue], seen: &Record, passes: impl Fn(&str) -> bool) -> (Option<String>, Met) {
    let mut met = Met::default();
    for entry in entries {
        let view = match entry.place {
            Place::Sig(sig) => seen.at(sig),
            Place::Landing => seen.landing(),
            Place::Any => None,
        };
        let views: Vec<&View> = match entry.place {
            Place::Any => seen.every().iter().collect(),
            _ => view.into_iter().collect(),
        };
        for view in views {
            let Some(reply) = view.reply() else {
                met.silent = true;
                continue;
            };
            match refusal::why(view) {
                Some(why) if met.declined.as_ref().is_none_or(|(met, _)| weighs_more(why, *met)) => {
                    met.declined = Some((why, refusal::detail(why, Some(view))));
                }
                Some(_) => {}
                None => met.answered = true,
            }
            let status_fits = entry.rule.status.0.is_empty() || entry.rule.status.0.contains(&reply.status);
            if !status_fits || !entry.guards.pass(seen) {
                continue;
            }
            if let Some(text) = take(&entry.rule, view) {
                let text = text.trim();
                if !text.is_empty() && passes(text) && !text.chars().any(char::is_control) {
                    return (Some(text.to_owned()), met);
                }
            }
        }
    }
    (None, met)
}

fn take(rule: &ValueRule, view: &View) -> Option<String> {
    let mut text = if let Some(pointer) = &rule.json {
        scalar(pointer.first(view.json()?)?)?
    } else if let Some(name) = &rule.header {
        view.reply()?.header(name)?.to_owned()
    } else if let Some(take) = &rule.body {
        take.take(view.text())?.to_owned()
    } else {
        rule.title.as_ref()?.take(view.title()?)?.to_owned()
    };
    if let Some(take) = &rule.take {
        text = take.take(&text)?.to_owned();
    }
    for step in &rule.then {
        text = match step {
            Step::Base64 => {
                use base64::Engine as _;
                use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
                let trimmed = text.trim();
                let bytes = STANDARD.decode(trimmed).or_else(|_| STANDARD_NO_PAD.decode(trimmed)).ok()?;
                String::from_utf8(bytes).ok()?
            }
            Step::Json(pointer) => scalar(pointer.first(&serde_json::from_str::<Value>(&text).ok()?)?)?,
            Step::Take(take) => take.take(&text)?.to_owned(),
        };
    }
    Some(text)
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// What a stranger meets, and the request that showed it.
///
/// `behind_a_door`: the product is named by what it shows in front of routes that are all refused.
pub(crate) fn posture(
    product: Option<&Product>,
    catalog: &Catalog,
    seen: &Record,
    behind_a_door: bool,
) -> (Known<Posture>, Option<String>) {
    let named = |view: &View| Some(format!("{} {}", view.exchange.request.method, view.exchange.request.path));
    if let Some(product) = product {
        for rule in &product.posture {
            if let Some(view) = rule.look.find(seen)
                && rule.guards.pass(seen)
            {
                return (Known::Known(rule.posture), named(view));
            }
        }
    }
    let Some(product) = product else {
        return stranger(catalog, seen);
    };
    // Without a rule that holds, refusals decide; a page that answers decides nothing.
    let mut looked = 0;
    for view in seen.every().iter().filter(|view| view.reply().is_some()) {
        if own_effect(catalog, product, view) != Some(Effect::Enumerate) {
            continue;
        }
        looked += 1;
        if let Some(found) = refusal::door(view) {
            return (Known::Known(found), named(view));
        }
    }
    if behind_a_door {
        return stranger(catalog, seen);
    }
    match looked {
        0 => (Known::unknown(Why::NotAsked), None),
        _ => (Known::unknown_because(Why::NotCarried, "no rule fits what it answered"), None),
    }
}

/// The door before another list of a model server whose list of models is open, or before what it says of a model; with the request that
/// met it. Other routes, such as metrics, are often kept apart, and say nothing of those that matter.
pub(crate) fn door_beside(product: &Product, seen: &Record) -> Option<(Posture, String)> {
    if !matches!(product.kind, Kind::Inference | Kind::Gateway) {
        return None;
    }
    let lists = product.models.iter().chain(&product.running);
    let lists = lists.filter_map(|list| match list.look.place {
        Place::Sig(sig) => seen.at(sig),
        Place::Landing | Place::Any => None,
    });
    // A server may decline to speak of one model by itself: 403 is Ollama's word where the cloud is switched off.
    let details = seen.models.iter().filter_map(|(_, index)| seen.views.get(*index));
    let details = details.filter(|view| view.reply().is_some_and(|reply| matches!(reply.status, 401 | 407)));
    lists.chain(details).find_map(|view| {
        let request = &view.exchange.request;
        Some((refusal::door(view)?, format!("{} {}", request.method, request.path)))
    })
}

/// A gate before every path but a list of models, which is open: its posture, the request that met it first, and the open list.
///
/// Every other request was refused, that for a path which nobody has too. The front page may be open: it says nothing of the rest.
pub(crate) fn gate_beside(catalog: &Catalog, seen: &Record) -> Option<(Posture, String, String)> {
    let named = |view: &View| format!("{} {}", view.exchange.request.method, view.exchange.request.path);
    let (mut met, mut open, mut unknown_path) = (None, None, false);
    for (index, view) in seen.every().iter().enumerate() {
        let Some(reply) = view.reply() else { continue };
        let is_front = view.exchange.request.path == "/" || seen.landing == Some(index);
        let is_list = view.body_type() == BodyType::Json && lists_models(catalog, view);
        if (200..300).contains(&reply.status) && is_list {
            open.get_or_insert_with(|| named(view));
        } else if let Some(door) = refusal::door(view) {
            unknown_path |= view.exchange.request.path == vigie_catalog::ABSENT_PATH;
            met.get_or_insert_with(|| (door, named(view)));
        } else if !is_front {
            return None;
        }
    }
    let (posture, door) = met.filter(|_| unknown_path)?;
    Some((posture, door, open?))
}

/// The effect that a product's own file gives the request of an exchange; `None`: it is no route of it.
pub(crate) fn own_effect(catalog: &Catalog, product: &Product, view: &View) -> Option<Effect> {
    let request = &view.exchange.request;
    let number = catalog.number(&product.id)?;
    catalog
        .permit(Some(number), &request.method, &request.path, Some(&request.body), false)
        .ok()
}

/// What a request of a conversation is to a server that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// It lists what is there: `/v1/models`, `/api/tags`.
    List,
    /// It is of some interface for programs: a version, a description, a handshake.
    Interface,
    /// A page, of which there are many kinds.
    Page,
}

fn part(catalog: &Catalog, view: &View) -> Part {
    let request = &view.exchange.request;
    let path = without_query(&request.path);
    if path == "/" || path == vigie_catalog::ABSENT_PATH || refusal::is_sign_in(path) {
        return Part::Page;
    }
    match catalog.permit(None, &request.method, &request.path, Some(&request.body), false) {
        Ok(Effect::Enumerate) if request.method == "GET" => Part::List,
        Ok(_) => Part::Interface,
        Err(_) => Part::Page,
    }
}

/// The posture of an endpoint that is not recognised: the door on a list of what it has, else on another route for programs, else
/// on its front page.
///
/// A page that answers, or one that does not exist, says nothing of the routes behind it; a list that answers says that there is no
/// door. A bare 403 is a door only on a list, or where every path has one: servers forbid a folder, and a POST that lacks their
/// form's token, for reasons of their own.
fn stranger(catalog: &Catalog, seen: &Record) -> (Known<Posture>, Option<String>) {
    let mut first: [Option<(Posture, &View)>; 3] = [None; 3];
    let (mut answered, mut every, mut replies) = (false, true, 0);
    for view in seen.every() {
        let Some(reply) = view.reply() else { continue };
        replies += 1;
        let part = part(catalog, view);
        let door = refusal::door(view);
        if part == Part::List && (200..300).contains(&reply.status) && view.body_type() == BodyType::Json {
            answered = true;
        }
        // The page on which one signs in is no room behind the door.
        every &= door.is_some() || refusal::is_sign_in(&view.exchange.request.path);
        if let Some(door) = door {
            first[part as usize].get_or_insert((door, view));
        }
    }
    let certain = |(door, _): &(Posture, &View)| *door != Posture::Forbidden;
    let [list, interface, page] = first;
    let found = if every {
        list.or(interface).or(page)
    } else {
        list.or(interface.filter(certain)).or(page.filter(certain))
    };
    match found {
        Some((door, view)) if !answered => {
            let request = &view.exchange.request;
            (Known::Known(door), Some(format!("{} {}", request.method, request.path)))
        }
        _ if replies == 0 => (Known::unknown(Why::NotAsked), None),
        _ => (Known::unknown_because(Why::NotCarried, "no rule fits what it answered"), None),
    }
}

/// Why the models of an endpoint that is not recognised are unknown: a list was asked for and did not come, or came and is no known
/// product's, or none was asked for.
pub(crate) fn unlisted(catalog: &Catalog, seen: &Record) -> Unknown {
    let mut found = Unknown {
        why: Why::NotAsked,
        detail: None,
    };
    for view in seen.every() {
        let (why, detail) = match refusal::why(view) {
            Some(why) => (why, refusal::detail(why, Some(view))),
            None if view.reply().is_some_and(|reply| (200..300).contains(&reply.status)) => {
                let path = without_query(&view.exchange.request.path);
                (
                    Why::Unparsable,
                    Some(format!("GET {path} answered as no product of the catalogue lists models")),
                )
            }
            None => continue,
        };
        // A refusal is one whatever list it guards; only of a list of models does it say anything that it is not there.
        let is_list = match why {
            Why::Refused | Why::Throttled | Why::Unavailable => part(catalog, view) == Part::List,
            _ => lists_models(catalog, view),
        };
        if is_list && weighs_more(why, found.why) {
            found = Unknown { why, detail };
        }
    }
    found
}

/// Whether a request is one by which some product lists its models.
fn lists_models(catalog: &Catalog, view: &View) -> bool {
    let request = &view.exchange.request;
    let path = without_query(&request.path);
    let lists = catalog.products().iter().flat_map(|product| &product.models);
    let mut requests = lists.filter_map(|list| match list.look.place {
        Place::Sig(sig) => catalog.signature(sig),
        Place::Landing | Place::Any => None,
    });
    request.method == "GET" && path != "/" && requests.any(|asked| asked.method == "GET" && without_query(&asked.path) == path)
}

/// One element of a list, with the key it stands under in an object.
struct Element<'v> {
    key: Option<&'v str>,
    value: &'v Value,
}

/// What a list rule finds.
struct Elements<'v> {
    /// The elements that are read.
    all: Vec<Element<'v>>,
    /// Where the list goes on: how many elements came of it, those included that are not read.
    at_least: Option<u64>,
}

/// The elements that a list rule finds; `None`: the rule does not apply, or what it looks at is no list.
fn elements<'s>(list: &CompiledList, seen: &'s Record) -> Option<Elements<'s>> {
    let view = list.look.find(seen)?;
    if !list.guards.pass(seen) {
        return None;
    }
    let json = view.json()?;
    let whole = |all| Elements { all, at_least: None };
    let Some(each) = &list.rule.each else {
        return Some(whole(vec![Element { key: None, value: json }]));
    };
    let values = each.all(json);
    let found = *values.first()?;
    if list.rule.none.contains(found) {
        return Some(whole(Vec::new()));
    }
    let goes_on = list.rule.more.0.iter().any(|(pointer, test)| test.passes(&pointer.all(json)))
        || view.cut().is_some_and(|cut| cut.is_open(each.deepest(json)));
    let all: Vec<Element<'s>> = match found {
        // A pointer that ends in `*` gives the elements themselves.
        _ if values.len() > 1 || each.as_str().ends_with("/*") => values.into_iter().map(|value| Element { key: None, value }).collect(),
        Value::Array(items) => items.iter().map(|value| Element { key: None, value }).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| Element { key: Some(key), value }).collect(),
        _ => return None,
    };
    let mut all: Vec<Element<'s>> = all
        .into_iter()
        .filter(|element| {
            let tests = &list.rule.filter.0;
            tests.iter().all(|(pointer, test)| test.passes(&pointer.all(element.value)))
        })
        .collect();
    // That none came of a list that goes on does not say that there are none.
    if goes_on && all.is_empty() {
        return None;
    }
    let at_least = (goes_on || all.len() > MAX_MODELS).then_some(all.len() as u64);
    all.truncate(MAX_MODELS);
    Some(Elements { all, at_least })
}

/// What a field says of an element: the first of its places that gives something that is not null.
fn field<'v>(list: &'v CompiledList, name: &str, element: &Element<'v>) -> Option<std::borrow::Cow<'v, Value>> {
    use std::borrow::Cow;
    if let Some(Field(places)) = list.rule.fields.get(name) {
        for place in places {
            match place {
                FieldPlace::Key => {
                    if let Some(key) = element.key {
                        return Some(Cow::Owned(Value::String(key.to_owned())));
                    }
                }
                FieldPlace::At(pointer, take) => {
                    // An element that is itself a text is named by it.
                    let Some(value) = pointer.first(element.value).filter(|value| !value.is_null()) else {
                        continue;
                    };
                    match take {
                        None => return Some(Cow::Borrowed(value)),
                        Some(take) => {
                            if let Some(part) = scalar(value).and_then(|text| take.take(&text).map(str::to_owned)) {
                                return Some(Cow::Owned(Value::String(part)));
                            }
                        }
                    }
                }
            }
        }
    }
    list.rule.always.get(name).map(Cow::Borrowed)
}

fn text(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<String> {
    let value = field(list, name, element)?;
    let text = scalar(&value)?;
    let text = text.trim();
    (!text.is_empty()).then(|| shorten(text, MAX_TEXT))
}

fn shorten(text: &str, most: usize) -> String {
    // As many bytes are at least as many characters.
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text[..end].to_owned()
}

/// A number, or a number written as text; negative and fractional ones are none.
fn count(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<u64> {
    match field(list, name, element)?.as_ref() {
        Value::Number(number) => number.as_u64().or_else(|| {
            number
                .as_f64()
                .filter(|n| *n >= 0.0 && n.fract() == 0.0 && *n < 1e18)
                .map(|n| n as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn instant(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<Timestamp> {
    let stamp: Timestamp = match field(list, name, element)?.as_ref() {
        Value::String(text) => DateTime::parse_from_rfc3339(text.trim()).ok()?.to_utc(),
        Value::Number(number) => DateTime::from_timestamp(number.as_i64()?, 0)?,
        _ => return None,
    };
    // Stored to the microsecond; year 1 is Go's zero time, which means none.
    let stamp = DateTime::from_timestamp_micros(stamp.timestamp_micros())?;
    (stamp.timestamp() > 0).then_some(stamp)
}

fn flag(list: &CompiledList, name: &str, element: &Element<'_>) -> Option<bool> {
    match field(list, name, element)?.as_ref() {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => match text.as_str() {
            "true" | "loaded" | "ready" | "READY" => Some(true),
            "false" | "not-loaded" | "unloaded" | "UNAVAILABLE" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

fn capabilities(list: &CompiledList, element: &Element<'_>) -> Option<Vec<Capability>> {
    let value = field(list, "capabilities", element)?;
    let words: Vec<String> = match value.as_ref() {
        Value::Array(items) => items.iter().filter_map(scalar).collect(),
        Value::Object(members) => members
            .iter()
            .filter(|(_, on)| on.as_bool() == Some(true))
            .map(|(word, _)| word.clone())
            .collect(),
        other => vec![scalar(other)?],
    };
    let map = list.rule.map.get("capabilities");
    let mut all: Vec<Capability> = words
        .iter()
        .take(64)
        .flat_map(|word| match map.and_then(|map| map.get(word)) {
            Some(ours) => ours.iter().map(|word| Capability::new(word)).collect(),
            None => vec![Capability::new(&shorten(word, 64))],
        })
        .collect();
    all.sort();
    all.dedup();
    Some(all)
}

/// The names of a product's models, in the order listed, each once: of the first list that can be read, as in [`models`].
pub(crate) fn model_names(product: &Product, seen: &Record) -> Vec<String> {
    let mut met = HashSet::new();
    let mut names = Vec::new();
    let listed = product.models.iter().find_map(|list| Some((list, elements(list, seen)?)));
    for (list, elements) in listed.iter() {
        for name in elements.all.iter().filter_map(|element| model_name(list, element)) {
            if met.insert(name.clone()) {
                names.push(name);
            }
        }
    }
    names
}

/// A model's name as the server sent it, white space included: it is what the server is asked about.
fn model_name(list: &CompiledList, element: &Element<'_>) -> Option<String> {
    let name = scalar(field(list, "name", element)?.as_ref())?;
    (!name.trim().is_empty()).then(|| shorten(&name, MAX_NAME))
}

/// A model that the first list that can be read names twice, with one digest.
pub(crate) fn model_listed_twice(product: &Product, seen: &Record) -> Option<String> {
    let (list, elements) = product.models.iter().find_map(|list| Some((list, elements(list, seen)?)))?;
    let mut met = HashSet::new();
    let mut named = elements
        .all
        .iter()
        .filter_map(|element| Some((model_name(list, element)?, text(list, "digest", element)?)));
    let twice = named.find(|one| !met.insert(one.clone()))?;
    Some(twice.0)
}

/// A model for the owner's proof: local, and in memory unless one may be loaded.
pub(crate) fn model_for_proof(catalog: &Catalog, product: &Product, seen: &Record, may_load: bool) -> Option<String> {
    let models = models(catalog, product, seen, &Known::unknown(Why::NotAsked)).list.into_known()?;
    let running = running(product, seen).list.into_known().unwrap_or_default();
    let local = |model: &&Model| model.remote.known() != Some(&true);
    let loaded = |model: &&Model| model.loaded.known() == Some(&true) || running.iter().any(|r| r.name == model.name);
    models
        .iter()
        .filter(local)
        .find(loaded)
        .or_else(|| if may_load { models.iter().find(local) } else { None })
        .map(|model| model.name.clone())
}

/// A list as far as it was read.
pub(crate) struct Listed<T> {
    /// What is in it; known none and unknown are two things.
    pub(crate) list: Known<Vec<T>>,
    /// Where it goes on: how many came, at least.
    pub(crate) at_least: Option<u64>,
}

impl<T> Listed<T> {
    fn untold(list: Known<Vec<T>>) -> Self {
        Self { list, at_least: None }
    }
}

/// The models.
pub(crate) fn models(catalog: &Catalog, product: &Product, seen: &Record, version: &Known<String>) -> Listed<Model> {
    let mut models: Vec<Model> = Vec::new();
    let mut at_least = None;
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    let mut known = false;
    for list in &product.models {
        let Some(elements) = elements(list, seen) else {
            continue;
        };
        let first = !known;
        known = true;
        if first {
            at_least = elements.at_least;
        }
        for element in elements.all {
            let Some(name) = model_name(list, &element) else {
                continue;
            };
            let at = match place.get(&name) {
                Some(at) => *at,
                None if first => {
                    models.push(Model::named(&name, Why::NotCarried));
                    place.insert(name.clone(), models.len() - 1);
                    models.len() - 1
                }
                None => continue,
            };
            fill(catalog, list, &element, &mut models[at]);
        }
    }
    if !known {
        return Listed::untold(unread(product, &product.models, seen));
    }
    if let Some(details) = &product.details {
        for (name, index) in &seen.models {
            let (Some(at), Some(view)) = (place.get(name), seen.views.get(*index)) else {
                continue;
            };
            if crate::holds::fits(&details.look.clause, view)
                && let Some(json) = view.json()
            {
                fill(catalog, details, &Element { key: None, value: json }, &mut models[*at]);
                // A reply in full that holds no system prompt says that there is none.
                let whole = view.cut().is_none();
                if whole && details.rule.fields.contains_key("system_prompt") && models[*at].system_prompt.why() == Some(Why::NotCarried) {
                    let none = catalog.markers().print("");
                    models[*at].uncensored_by_prompt = Known::Known(false);
                    models[*at].system_prompt = Known::Known(none);
                }
            } else if let Some(why) = refusal::why(view) {
                untold(details, why, &mut models[*at]);
            }
        }
        for model in &mut models {
            if !seen.models.iter().any(|(name, _)| *name == model.name) {
                untold(details, Why::NotAsked, model);
            }
        }
    }
    let running = running(product, seen);
    if let Some(names) = running.list.known() {
        for model in &mut models {
            let loaded = names.iter().any(|r| r.name == model.name);
            if model.loaded.why() == Some(Why::NotCarried) && (loaded || running.at_least.is_none()) {
                model.loaded = Known::Known(loaded);
            }
        }
    }
    for model in &mut models {
        let marked = catalog.markers().uncensored_name(&model.name);
        model.uncensored_by_name = Known::Known(marked);
        if model.uncensored_by_prompt.why() == Some(Why::NotCarried) {
            model.uncensored_by_prompt = match &model.system_prompt {
                Known::Known(print) => Known::Known(print.class == vigie_model::PromptClass::Uncensored),
                Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
            };
        }
        too_old(product, version, model);
    }
    Listed {
        list: Known::Known(models),
        at_least,
    }
}

/// Why none of these lists could be read.
fn unread<T>(product: &Product, lists: &[CompiledList], seen: &Record) -> Known<T> {
    let mut found: Option<(Why, Option<&View>)> = None;
    for list in lists {
        let view = match list.look.place {
            Place::Sig(sig) => seen.at(sig),
            Place::Landing => seen.landing(),
            Place::Any => None,
        };
        let met = match view.filter(|view| view.reply().is_some()) {
            Some(view) => (refusal::why(view).unwrap_or(Why::Unparsable), Some(view)),
            None => unsent(product, list.look.place, seen),
        };
        if found.is_none_or(|(why, _)| weighs_more(met.0, why)) {
            found = Some(met);
        }
    }
    let Some((why, view)) = found else {
        return Known::unknown(Why::NotCarried);
    };
    match refusal::detail(why, view) {
        Some(detail) => Known::unknown_because(why, detail),
        None => Known::unknown(why),
    }
}

/// Why a request was not sent: the one that must come before it was declined, or nothing kept it back but the budget.
fn unsent<'s>(product: &Product, place: Place, seen: &'s Record) -> (Why, Option<&'s View>) {
    let Place::Sig(sig) = place else {
        return (Why::NotAsked, None);
    };
    let mut found = (Why::NotAsked, None);
    let waiting = product
        .requests
        .iter()
        .filter(|request| request.sig == sig && !request.when.is_empty());
    for look in waiting.flat_map(|request| &request.when).filter(|look| !look.holds(seen)) {
        let view = match look.place {
            Place::Sig(sig) => seen.at(sig),
            Place::Landing => seen.landing(),
            Place::Any => None,
        };
        if let Some(view) = view
            && let Some(why) = refusal::why(view).filter(|why| matches!(why, Why::Refused | Why::Throttled | Why::Unavailable))
            && weighs_more(why, found.0)
        {
            found = (why, Some(view));
        }
    }
    found
}

/// The details of a model that was not asked about, or about which the server did not answer, are unknown for that reason, rather
/// than not carried.
fn untold(details: &CompiledList, why: Why, model: &mut Model) {
    let asks = |name: &str| details.rule.fields.contains_key(name);
    let not_carried = |why: Option<Why>| why == Some(Why::NotCarried);
    macro_rules! mark {
        ($($name:literal => $field:ident),*) => {
            $(if asks($name) && not_carried(model.$field.why()) { model.$field = Known::unknown(why); })*
        };
    }
    mark!("template" => template, "system_prompt" => system_prompt, "capabilities" => capabilities, "context_length" => context_length,
          "family" => family, "parameters" => parameters, "quantisation" => quantisation, "format" => format);
    if asks("system_prompt") && not_carried(model.uncensored_by_prompt.why()) {
        model.uncensored_by_prompt = Known::unknown(why);
    }
}

fn fill(catalog: &Catalog, list: &CompiledList, element: &Element<'_>, model: &mut Model) {
    fn set<T>(field: &mut Known<T>, value: Option<T>) {
        if !field.is_known()
            && let Some(value) = value
        {
            *field = Known::Known(value);
        }
    }
    set(
        &mut model.digest,
        text(list, "digest", element).map(|digest| digest.trim_start_matches("sha256:").to_owned()),
    );
    set(&mut model.family, text(list, "family", element));
    set(&mut model.parameters, text(list, "parameters", element));
    set(
        &mut model.quantisation,
        text(list, "quantisation", element).filter(|q| q != "unknown"),
    );
    set(&mut model.format, text(list, "format", element));
    set(&mut model.size_bytes, count(list, "size_bytes", element));
    set(&mut model.context_length, count(list, "context_length", element));
    set(&mut model.capabilities, capabilities(list, element));
    set(&mut model.modified, instant(list, "modified", element));
    set(&mut model.remote_host, text(list, "remote_host", element));
    set(&mut model.loaded, flag(list, "loaded", element));
    if list.rule.fields.contains_key("remote") || list.rule.always.contains_key("remote") {
        set(&mut model.remote, flag(list, "remote", element));
    }
    if !list.rule.remote_if.0.is_empty() && model.remote.known() != Some(&true) {
        let remote = list
            .rule
            .remote_if
            .0
            .iter()
            .any(|(pointer, test)| test.passes(&pointer.all(element.value)));
        // Where the product can tell a remote model, not telling means a local one; before it could, every model was local.
        model.remote = Known::Known(remote);
    }
    if model.remote_host.is_known() && !model.remote.is_known() {
        model.remote = Known::Known(true);
    }
    for (name, target) in [("template", &mut model.template), ("system_prompt", &mut model.system_prompt)] {
        if !target.is_known()
            && let Some(value) = field(list, name, element)
            && let Some(text) = scalar(&value)
        {
            *target = Known::Known(catalog.markers().print(&shorten(&text, MAX_PROMPT)));
        }
    }
}

/// What the server's version cannot tell yet is unknown because it is too old, not for another reason.
fn too_old(product: &Product, version: &Known<String>, model: &mut Model) {
    let Some(version) = version.known() else {
        return;
    };
    let old = |thing: &str| product.since.get(thing).is_some_and(|since| before(version, since));
    if model.capabilities.why() == Some(Why::NotCarried) && old("capabilities") {
        model.capabilities = Known::unknown(Why::TooOld);
    }
    if model.context_length.why() == Some(Why::NotCarried) && old("context_length") {
        model.context_length = Known::unknown(Why::TooOld);
    }
    if let Known::Known(capabilities) = &model.capabilities {
        model.capabilities_untold = product
            .since
            .iter()
            .filter_map(|(thing, since)| Some((thing.strip_prefix("capability.")?, since)))
            .filter(|(word, since)| before(version, since) && !capabilities.iter().any(|c| c.as_str() == *word))
            .map(|(word, _)| Capability::new(word))
            .collect();
    }
}

/// Whether a version is older than another, by its numbers alone: enough to know what a release can tell, not to judge advisories.
pub(crate) fn before(version: &str, since: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.trim_start_matches(['v', 'b'])
            .split(['.', '-', '+', '_'])
            .map_while(|part| part.chars().take_while(char::is_ascii_digit).collect::<String>().parse().ok())
            .collect()
    };
    let (a, b) = (numbers(version), numbers(since));
    !a.is_empty() && a < b
}

/// The models in memory.
pub(crate) fn running(product: &Product, seen: &Record) -> Listed<RunningModel> {
    for list in &product.running {
        let Some(elements) = elements(list, seen) else {
            continue;
        };
        let models = elements.all.iter().filter_map(|element| {
            let known = |value: Option<u64>| value.map_or(Known::unknown(Why::NotCarried), Known::Known);
            Some(RunningModel {
                name: model_name(list, element)?,
                size_bytes: known(count(list, "size_bytes", element)),
                vram_bytes: known(count(list, "vram_bytes", element)),
                context_length: known(count(list, "context_length", element)),
                expires: instant(list, "expires", element).map_or(Known::unknown(Why::NotCarried), Known::Known),
            })
        });
        return Listed {
            list: Known::Known(models.collect()),
            at_least: elements.at_least,
        };
    }
    Listed::untold(unread(product, &product.running, seen))
}

/// The tools, with their risk classes.
pub(crate) fn tools(catalog: &Catalog, product: &Product, seen: &Record) -> Listed<Tool> {
    for list in &product.tools {
        let Some(elements) = elements(list, seen) else {
            continue;
        };
        let tools = elements.all.iter().filter_map(|element| {
            let name = shorten(&text(list, "name", element)?, MAX_NAME);
            let description = text(list, "description", element).unwrap_or_default();
            let schema = field(list, "schema", element)
                .map(|value| shorten(&value.to_string(), 4096))
                .unwrap_or_default();
            Some(Tool {
                risks: catalog.markers().tool_risks(&name, &description, &schema),
                name,
            })
        });
        return Listed {
            list: Known::Known(tools.collect()),
            at_least: elements.at_least,
        };
    }
    Listed::untold(unread(product, &product.tools, seen))
}

#[cfg(test)]
mod tests {
    use super::before;

    #[test]
    fn releases_by_their_numbers() {
        assert!(before("0.6.3", "0.6.4"));
        assert!(before("v0.6.4-rc1", "0.6.10"));
        assert!(!before("0.10.12", "0.9.0"));
        assert!(!before("0.6.4", "0.6.4"));
        assert!(!before("unknown", "0.6.4"));
        assert!(before("b100", "b8492"));
    }
}
