//! The models, the models in memory, and the tools.

use std::collections::{BTreeMap, HashSet};

use vigie_catalog::{Catalog, CompiledList, Product};
use vigie_model::{Capability, Known, Model, RunningModel, Tool, Why};

use super::list::{Element, Listed, MAX_NAME, capabilities, count, elements, field, flag, instant, model_name, shorten, text};
use super::unknown::unread;
use super::values::{before, scalar};
use crate::condition::fits;
use crate::reply::refusal;
use crate::transcript::Transcript;

/// Longest prompt or template that is classified, in characters; the rest is ignored.
const MAX_PROMPT: usize = 64 * 1024;

/// The names of a product's models in the first list that can be read, in its order, each once.
pub(crate) fn model_names(product: &Product, transcript: &Transcript) -> Vec<String> {
    let mut met = HashSet::new();
    let mut names = Vec::new();
    let listed = product.models.iter().find_map(|list| Some((list, elements(list, transcript)?)));
    for (list, elements) in listed.iter() {
        for name in elements.all.iter().filter_map(|element| model_name(list, element)) {
            if met.insert(name.clone()) {
                names.push(name);
            }
        }
    }
    names
}

/// A model that the first readable list contains twice with the same digest.
pub(crate) fn model_listed_twice(product: &Product, transcript: &Transcript) -> Option<String> {
    let (list, elements) = product.models.iter().find_map(|list| Some((list, elements(list, transcript)?)))?;
    let mut met = HashSet::new();
    let mut named = elements
        .all
        .iter()
        .filter_map(|element| Some((model_name(list, element)?, text(list, "digest", element)?)));
    let twice = named.find(|one| !met.insert(one.clone()))?;
    Some(twice.0)
}

/// A model for the owner's proof: a local one that is in memory, else, with `may_load`, any local one.
pub(crate) fn model_for_proof(catalog: &Catalog, product: &Product, transcript: &Transcript, may_load: bool) -> Option<String> {
    let models = models(catalog, product, transcript, &Known::unknown(Why::NotAsked))
        .list
        .into_known()?;
    let running = running(product, transcript).list.into_known().unwrap_or_default();
    let local = |model: &&Model| model.remote.known() != Some(&true);
    let loaded = |model: &&Model| model.loaded.known() == Some(&true) || running.iter().any(|r| r.name == model.name);
    models
        .iter()
        .filter(local)
        .find(loaded)
        .or_else(|| if may_load { models.iter().find(local) } else { None })
        .map(|model| model.name.clone())
}

/// The models of a product: those of its first readable list, with what its other lists and details add.
pub(crate) fn models(catalog: &Catalog, product: &Product, transcript: &Transcript, version: &Known<String>) -> Listed<Model> {
    let mut models: Vec<Model> = Vec::new();
    let mut at_least = None;
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    let mut known = false;
    for list in &product.models {
        let Some(elements) = elements(list, transcript) else {
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
        return Listed::unknown(unread(product, &product.models, transcript));
    }
    if let Some(details) = &product.details {
        for (name, index) in &transcript.models {
            let (Some(at), Some(parsed)) = (place.get(name), transcript.replies.get(*index)) else {
                continue;
            };
            if fits(&details.condition.rule, parsed)
                && let Some(json) = parsed.json()
            {
                fill(catalog, details, &Element { key: None, value: json }, &mut models[*at]);
                // A complete reply without a system prompt means that the model has none.
                let whole = parsed.truncated().is_none();
                if whole && details.rule.fields.contains_key("system_prompt") && models[*at].system_prompt.why() == Some(Why::NotCarried) {
                    let none = catalog.classifiers().print("");
                    models[*at].uncensored_by_prompt = Known::Known(false);
                    models[*at].system_prompt = Known::Known(none);
                }
            } else if let Some(why) = refusal::why(parsed) {
                mark_unknown(details, why, &mut models[*at]);
            }
        }
        for model in &mut models {
            if !transcript.models.iter().any(|(name, _)| *name == model.name) {
                mark_unknown(details, Why::NotAsked, model);
            }
        }
    }
    let running = running(product, transcript);
    if let Some(names) = running.list.known() {
        for model in &mut models {
            let loaded = names.iter().any(|r| r.name == model.name);
            if model.loaded.why() == Some(Why::NotCarried) && (loaded || running.at_least.is_none()) {
                model.loaded = Known::Known(loaded);
            }
        }
    }
    for model in &mut models {
        let marked = catalog.classifiers().uncensored_name(&model.name);
        model.uncensored_by_name = Known::Known(marked);
        if model.uncensored_by_prompt.why() == Some(Why::NotCarried) {
            model.uncensored_by_prompt = match &model.system_prompt {
                Known::Known(print) => Known::Known(print.class == vigie_model::PromptClass::Uncensored),
                Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
            };
        }
        mark_too_old(product, version, model);
    }
    Listed {
        list: Known::Known(models),
        at_least,
    }
}

/// Marks the details of a model as unknown for the reason `why` (not asked, refused) rather than as not carried.
fn mark_unknown(details: &CompiledList, why: Why, model: &mut Model) {
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

/// Fills the unknown fields of a model from an element.
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
        // A product that marks remote models leaves local ones unmarked; releases before that had local models only.
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
            *target = Known::Known(catalog.classifiers().print(&shorten(&text, MAX_PROMPT)));
        }
    }
}

/// Marks fields that the server's version does not report yet as unknown because it is too old.
fn mark_too_old(product: &Product, version: &Known<String>, model: &mut Model) {
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

/// The models in memory.
pub(crate) fn running(product: &Product, transcript: &Transcript) -> Listed<RunningModel> {
    for list in &product.running {
        let Some(elements) = elements(list, transcript) else {
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
    Listed::unknown(unread(product, &product.running, transcript))
}

/// The tools, with their risk classes.
pub(crate) fn tools(catalog: &Catalog, product: &Product, transcript: &Transcript) -> Listed<Tool> {
    for list in &product.tools {
        let Some(elements) = elements(list, transcript) else {
            continue;
        };
        let tools = elements.all.iter().filter_map(|element| {
            let name = shorten(&text(list, "name", element)?, MAX_NAME);
            let description = text(list, "description", element).unwrap_or_default();
            let schema = field(list, "schema", element)
                .map(|value| shorten(&value.to_string(), 4096))
                .unwrap_or_default();
            Some(Tool {
                risks: catalog.classifiers().tool_risks(&name, &description, &schema),
                name,
            })
        });
        return Listed {
            list: Known::Known(tools.collect()),
            at_least: elements.at_least,
        };
    }
    Listed::unknown(unread(product, &product.tools, transcript))
}
