//! What a transcript says: version, posture, models, tools, leaks.

use std::collections::{BTreeMap, HashSet};

use chrono::DateTime;
use serde_json::Value;
use vigie_model::{Capability, Known, Model, Posture, RunningModel, Timestamp, Tool, Why};

use crate::catalog::{Catalog, CompiledList, CompiledValue, Product};
use crate::clause::{Place, Seen};
use crate::rule::{Field, FieldPlace, Step, ValueRule};
use crate::session::Record;
use crate::view::View;

/// The fields that a list rule may name.
pub(crate) const FIELDS: [&str; 20] = [
    "name",
    "digest",
    "family",
    "parameters",
    "quantisation",
    "format",
    "size_bytes",
    "context_length",
    "capabilities",
    "modified",
    "remote",
    "remote_host",
    "loaded",
    "template",
    "system_prompt",
    "vram_bytes",
    "expires",
    "description",
    "schema",
    "lineage",
];

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
#[derive(Clone, Copy, Debug, Default)]
struct Met {
    refused: bool,
    answered: bool,
    silent: bool,
}

impl Met {
    /// Why the value is unknown.
    fn why(self) -> Known<String> {
        if self.silent {
            // What was not answered may have told: nothing is hidden.
            Known::unknown_because(Why::NotAsked, "no answer came to a request that tells it")
        } else if self.refused && !self.answered {
            Known::unknown(Why::Refused)
        } else if self.refused || self.answered {
            Known::unknown(Why::Hidden)
        } else {
            Known::unknown(Why::NotAsked)
        }
    }
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
            met.refused |= matches!(reply.status, 401 | 403);
            met.answered |= reply.status < 400;
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
pub(crate) fn posture(product: Option<&Product>, catalog: &Catalog, seen: &Record) -> (Known<Posture>, Option<String>) {
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
    // Without a rule that holds, refusals decide; a page that answers decides nothing.
    let mut refusal = None;
    let mut looked = 0;
    for view in seen.every() {
        let Some(reply) = view.reply() else { continue };
        let request = &view.exchange.request;
        let matters = match product {
            Some(product) => catalog
                .by_id
                .get(&product.id)
                .and_then(|number| {
                    catalog
                        .permit(Some(*number), &request.method, &request.path, Some(&request.body), false)
                        .ok()
                })
                .is_some_and(|effect| effect == vigie_model::Effect::Enumerate),
            None => true,
        };
        if !matters {
            continue;
        }
        looked += 1;
        let found = match reply.status {
            401 if has_scheme(reply.header("www-authenticate"), "basic") => Posture::Login,
            401 => Posture::Key,
            403 => Posture::Forbidden,
            301..=303 | 307 | 308 if reply.header("location").is_some_and(is_sign_in) => Posture::Login,
            _ => continue,
        };
        refusal = refusal.or(Some((found, view)));
        if product.is_some() {
            break;
        }
    }
    match refusal {
        // An unrecognised endpoint is behind a door only if every path is.
        Some((found, view)) if product.is_some() || all_refused(seen) => (Known::Known(found), named(view)),
        _ if looked == 0 => (Known::unknown(Why::NotAsked), None),
        _ => (Known::unknown_because(Why::NotCarried, "no rule fits what it answered"), None),
    }
}

fn all_refused(seen: &Record) -> bool {
    seen.every().iter().filter_map(View::reply).all(|reply| {
        matches!(reply.status, 401 | 403) || ((300..400).contains(&reply.status) && reply.header("location").is_some_and(is_sign_in))
    })
}

fn has_scheme(header: Option<&str>, scheme: &str) -> bool {
    header.is_some_and(|value| value.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn is_sign_in(location: &str) -> bool {
    let path = location.split(['?', '#']).next().unwrap_or_default().to_ascii_lowercase();
    ["login", "signin", "sign-in", "sign_in", "oauth2", "oauth", "auth", "sso", "saml"]
        .iter()
        .any(|word| path.split('/').any(|part| part == *word))
}

/// One element of a list, with the key it stands under in an object.
struct Element<'v> {
    key: Option<&'v str>,
    value: &'v Value,
}

/// The elements that a list rule finds; `None`: the rule does not apply, or what it looks at is no list.
fn elements<'s>(list: &CompiledList, seen: &'s Record) -> Option<Vec<Element<'s>>> {
    let view = list.look.find(seen)?;
    if !list.guards.pass(seen) {
        return None;
    }
    let json = view.json()?;
    let Some(each) = &list.rule.each else {
        return Some(vec![Element { key: None, value: json }]);
    };
    let values = each.all(json);
    let found = *values.first()?;
    if list.rule.none.contains(found) {
        return Some(Vec::new());
    }
    let all: Vec<Element<'s>> = match found {
        // A pointer that ends in `*` gives the elements themselves.
        _ if values.len() > 1 || each.as_str().ends_with("/*") => values.into_iter().map(|value| Element { key: None, value }).collect(),
        Value::Array(items) => items.iter().map(|value| Element { key: None, value }).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| Element { key: Some(key), value }).collect(),
        _ => return None,
    };
    Some(
        all.into_iter()
            .filter(|element| {
                list.rule
                    .filter
                    .0
                    .iter()
                    .all(|(pointer, test)| test.passes(&pointer.all(element.value)))
            })
            .take(MAX_MODELS)
            .collect(),
    )
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
        for name in elements.iter().filter_map(|element| model_name(list, element)) {
            if met.insert(name.clone()) {
                names.push(name);
            }
        }
    }
    names
}

fn model_name(list: &CompiledList, element: &Element<'_>) -> Option<String> {
    text(list, "name", element).map(|name| shorten(&name, MAX_NAME))
}

/// A model for the owner's proof: local, and in memory unless one may be loaded.
pub(crate) fn model_for_proof(catalog: &Catalog, product: &Product, seen: &Record, may_load: bool) -> Option<String> {
    let models = models(catalog, product, seen, &Known::unknown(Why::NotAsked)).into_known()?;
    let running = running(product, seen).into_known().unwrap_or_default();
    let local = |model: &&Model| model.remote.known() != Some(&true);
    let loaded = |model: &&Model| model.loaded.known() == Some(&true) || running.iter().any(|r| r.name == model.name);
    models
        .iter()
        .filter(local)
        .find(loaded)
        .or_else(|| if may_load { models.iter().find(local) } else { None })
        .map(|model| model.name.clone())
}

/// The models; known none and unknown are two things.
pub(crate) fn models(catalog: &Catalog, product: &Product, seen: &Record, version: &Known<String>) -> Known<Vec<Model>> {
    let mut models: Vec<Model> = Vec::new();
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    let mut known = false;
    for list in &product.models {
        let Some(elements) = elements(list, seen) else {
            continue;
        };
        let first = !known;
        known = true;
        for element in elements {
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
        return Known::unknown(unread(product.models.iter().map(|list| list.look.place), seen));
    }
    if let Some(details) = &product.details {
        for (name, index) in &seen.models {
            let (Some(at), Some(view)) = (place.get(name), seen.views.get(*index)) else {
                continue;
            };
            if crate::clause::fits(&details.look.clause, view)
                && let Some(json) = view.json()
            {
                fill(catalog, details, &Element { key: None, value: json }, &mut models[*at]);
                // A reply in full that holds no system prompt says that there is none.
                if details.rule.fields.contains_key("system_prompt") && models[*at].system_prompt.why() == Some(Why::NotCarried) {
                    let none = catalog.markers.print("");
                    models[*at].uncensored_by_prompt = Known::Known(false);
                    models[*at].system_prompt = Known::Known(none);
                }
            } else if let Some(reply) = view.reply()
                && matches!(reply.status, 401 | 403)
            {
                refuse(&mut models[*at]);
            }
        }
        for model in &mut models {
            if !seen.models.iter().any(|(name, _)| *name == model.name) {
                unasked(details, model);
            }
        }
    }
    if let Some(running) = running(product, seen).known() {
        for model in &mut models {
            if model.loaded.why() == Some(Why::NotCarried) {
                model.loaded = Known::Known(running.iter().any(|r| r.name == model.name));
            }
        }
    }
    for model in &mut models {
        let marked = catalog.markers.uncensored_name(&model.name);
        model.uncensored_by_name = Known::Known(marked);
        if model.uncensored_by_prompt.why() == Some(Why::NotCarried) {
            model.uncensored_by_prompt = match &model.system_prompt {
                Known::Known(print) => Known::Known(print.class == vigie_model::PromptClass::Uncensored),
                Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
            };
        }
        too_old(product, version, model);
    }
    Known::Known(models)
}

/// Why a list could not be read from these exchanges.
fn unread(places: impl Iterator<Item = Place>, seen: &Record) -> Why {
    let mut why = None;
    for place in places {
        let view = match place {
            Place::Sig(sig) => seen.at(sig),
            Place::Landing => seen.landing(),
            Place::Any => None,
        };
        let found = match view.and_then(View::reply) {
            Some(reply) if matches!(reply.status, 401 | 403) => Why::Refused,
            Some(reply) if reply.status < 400 => Why::Unparsable,
            Some(_) => Why::Refused,
            None => Why::NotAsked,
        };
        why = Some(match why {
            None | Some(Why::NotAsked) => found,
            Some(Why::Unparsable) if found == Why::Refused => found,
            Some(earlier) => earlier,
        });
    }
    why.unwrap_or(Why::NotCarried)
}

/// The details of a model that was not asked about are not asked, rather than not carried.
fn unasked(details: &CompiledList, model: &mut Model) {
    let asks = |name: &str| details.rule.fields.contains_key(name);
    let not_carried = |why: Option<Why>| why == Some(Why::NotCarried);
    macro_rules! mark {
        ($($name:literal => $field:ident),*) => {
            $(if asks($name) && not_carried(model.$field.why()) { model.$field = Known::unknown(Why::NotAsked); })*
        };
    }
    mark!("template" => template, "system_prompt" => system_prompt, "capabilities" => capabilities, "context_length" => context_length,
          "family" => family, "parameters" => parameters, "quantisation" => quantisation, "format" => format);
    if asks("system_prompt") && not_carried(model.uncensored_by_prompt.why()) {
        model.uncensored_by_prompt = Known::unknown(Why::NotAsked);
    }
}

fn refuse(model: &mut Model) {
    for field in [&mut model.template, &mut model.system_prompt] {
        if !field.is_known() {
            *field = Known::unknown(Why::Refused);
        }
    }
    if !model.capabilities.is_known() {
        model.capabilities = Known::unknown(Why::Refused);
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
            *target = Known::Known(catalog.markers.print(&shorten(&text, MAX_PROMPT)));
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
pub(crate) fn running(product: &Product, seen: &Record) -> Known<Vec<RunningModel>> {
    for list in &product.running {
        let Some(elements) = elements(list, seen) else {
            continue;
        };
        let models = elements.iter().filter_map(|element| {
            let known = |value: Option<u64>| value.map_or(Known::unknown(Why::NotCarried), Known::Known);
            Some(RunningModel {
                name: shorten(&text(list, "name", element)?, MAX_NAME),
                size_bytes: known(count(list, "size_bytes", element)),
                vram_bytes: known(count(list, "vram_bytes", element)),
                context_length: known(count(list, "context_length", element)),
                expires: instant(list, "expires", element).map_or(Known::unknown(Why::NotCarried), Known::Known),
            })
        });
        return Known::Known(models.collect());
    }
    Known::unknown(unread(product.running.iter().map(|list| list.look.place), seen))
}

/// The tools, with their risk classes.
pub(crate) fn tools(catalog: &Catalog, product: &Product, seen: &Record) -> Known<Vec<Tool>> {
    for list in &product.tools {
        let Some(elements) = elements(list, seen) else {
            continue;
        };
        let tools = elements.iter().filter_map(|element| {
            let name = shorten(&text(list, "name", element)?, MAX_NAME);
            let description = text(list, "description", element).unwrap_or_default();
            let schema = field(list, "schema", element)
                .map(|value| shorten(&value.to_string(), 4096))
                .unwrap_or_default();
            Some(Tool {
                risks: catalog.markers.tool_risks(&name, &description, &schema),
                name,
            })
        });
        return Known::Known(tools.collect());
    }
    Known::unknown(unread(product.tools.iter().map(|list| list.look.place), seen))
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
