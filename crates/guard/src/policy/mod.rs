//! May this key send this request, and what is passed on of it?
//!
//! What a request is, is the catalogue's business ([`RouteTable::decide`]); here a grant is compared with it, caps are put in, and the
//! request is written anew from what was compared.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod lists;
mod notes;
mod presence;
mod refusal;
mod rewrite;
mod usage;
mod verbatim;

use vigie_catalog::RouteTable;
use vigie_catalog::table::{
    Amount, Ask, At, Body, BodyKind, Decision, Doubts, Form, Json, JsonKind, Knob, ListPlace, Place, Request, Role, Set, Unknown,
};
use vigie_model::Effect;

use crate::key::{CAP_BYTES, CAP_IMAGES, Grant};
use crate::meter::{Strips, UsageHabit};
use rewrite::{Edits, rewrite};

pub use lists::{filter, filter_known};
pub(crate) use lists::{merge, names_of};
pub(crate) use notes::Notes;
pub use presence::present;
pub use refusal::Refusal;
pub(crate) use verbatim::{Seen, judge_verbatim};

/// The longest that a model stays loaded for a key that may infer and not load, if its grant says nothing else.
const KEEP_ALIVE: u32 = 300;

/// A request of a client, as far as the policy looks at it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'r> {
    /// The method.
    pub method: &'r str,
    /// The target as it came.
    pub target: &'r str,
    /// The content type.
    pub content_type: Option<&'r str>,
    /// The body, with nothing encoded.
    pub body: &'r [u8],
}

/// A request that is passed on.
#[derive(Debug)]
pub struct Passed<'t> {
    /// Its worst effect.
    pub effect: Effect,
    /// Whether a model answers, on this server or on the account of its owner.
    pub infers: bool,
    /// The line of the product's file that it fits.
    pub route: &'t str,
    /// The target to pass on.
    pub target: String,
    /// The models that it names, each under its one name.
    pub models: Vec<String>,
    /// The body to pass on, with its content type.
    pub body: Option<(String, Vec<u8>)>,
    /// Where the reply lists models.
    pub lists: &'t [ListPlace],
    /// What to take out of the reply, because the stream's counters are asked for and the client did not ask; `None`: nothing.
    pub(crate) strips: Option<Strips>,
}

/// Judges a request.
///
/// # Errors
///
/// Why it is not passed on.
pub fn judge<'t>(table: &'t RouteTable, grant: &Grant, asked: &Asked<'_>) -> Result<Passed<'t>, Refusal> {
    judge_metered(table, grant, asked, UsageHabit::Unasked, &mut Notes::default())
}

/// Judges a request, and has the counters of a stream asked for where the product has that habit. `notes`: what the log says of it.
pub(crate) fn judge_metered<'t>(
    table: &'t RouteTable,
    grant: &Grant,
    asked: &Asked<'_>,
    habit: UsageHabit,
    notes: &mut Notes<'t>,
) -> Result<Passed<'t>, Refusal> {
    let ambiguous = |why: &dyn std::fmt::Display| Refusal::Ambiguous(why.to_string());
    vigie_http::path::strict(asked.target).map_err(|why| ambiguous(&why))?;
    if matches!(asked.method, "GET" | "HEAD" | "OPTIONS") && !asked.body.is_empty() {
        return Err(ambiguous(&"a body where the method has none"));
    }
    let unknown_route = |unknown: Unknown| Refusal::UnknownRoute(unknown.to_string());
    let fit = table.fit(asked.method, asked.target).map_err(unknown_route)?;
    let (json, form);
    let body = match fit.body() {
        _ if asked.body.is_empty() => Body::None,
        Some(BodyKind::Bytes) => Body::Other,
        Some(BodyKind::Form) => {
            form = Form::parse(asked.content_type.unwrap_or_default(), asked.body).map_err(|why| ambiguous(&why))?;
            notes.form(&form);
            Body::Form(&form)
        }
        Some(BodyKind::Json | BodyKind::None) | None => {
            json = Json::parse(asked.body).map_err(|why| ambiguous(&why))?;
            notes.json(&json);
            Body::Json(&json)
        }
    };
    let request = Request {
        method: asked.method,
        target: asked.target,
        content_type: asked.content_type,
        body,
    };
    let decision = fit.decide(&request).map_err(unknown_route)?;
    notes.decision(&decision);
    // What a server ignores is left out; curl's own content type is read as what it is; a canonical path is passed on.
    let harmless = Doubts::UNKNOWN_KEY | Doubts::CONTENT_TYPE | Doubts::ENCODED_PATH;
    let doubts = decision.doubts.without(harmless);
    if !doubts.is_empty() {
        return Err(ambiguous(&doubts));
    }
    let infers = infers(&decision);
    effect(grant, &decision, asked.method)?;
    let models = models(table, grant, &decision)?;
    if let Some(ask) = decision.asks.iter().find(|ask| !grant.allows_ask(*ask)) {
        return Err(Refusal::NotGranted(format!("it asks for {}", ask.word())));
    }
    let mut edits = Edits::default();
    if infers || decision.effect == Effect::Load {
        settings(grant, &decision, &mut edits, notes)?;
    }
    amounts(grant, &decision, asked)?;
    let mut strips = None;
    let body = match body {
        Body::None => None,
        Body::Json(json) => {
            if json.root().kind() == JsonKind::Object {
                keys(grant, &decision, json, &mut edits)?;
                strips = usage::ask(habit, &decision, json, &mut edits);
            }
            let bytes = rewrite(json, &edits).map_err(|_| Refusal::Ambiguous("an object of the body has two equal keys".to_owned()))?;
            Some(("application/json".to_owned(), bytes))
        }
        Body::Form(_) | Body::Other | Body::Unseen if !edits.is_empty() => {
            return Err(Refusal::NotGranted("a cap that cannot be put into this body".to_owned()));
        }
        Body::Form(form) => Some(write_form(form, &decision)),
        Body::Other | Body::Unseen => Some((
            asked.content_type.unwrap_or("application/octet-stream").to_owned(),
            asked.body.to_vec(),
        )),
    };
    Ok(Passed {
        effect: decision.effect,
        infers,
        route: decision.route,
        target: target(asked.target, &decision)?,
        models,
        body,
        lists: decision.lists(),
        strips,
    })
}

/// Checks the effect of a request.
fn effect(grant: &Grant, decision: &Decision<'_, '_>, method: &str) -> Result<(), Refusal> {
    if !grant.allows(decision.effect) && !is_granted_cloud(grant, decision, infers(decision)) {
        return Err(Refusal::NotGranted(format!("{} ({})", decision.effect, decision.route)));
    }
    // A route that infers may load its model; one that loads, unloads or puts an adapter on is for keys that may do that.
    let is_of_inference = decision.effect != Effect::Load || decision.may_have(Effect::Infer);
    if !is_of_inference && !grant.effects.contains(Effect::Load) {
        return Err(Refusal::NotGranted(format!("{} ({})", decision.effect, decision.route)));
    }
    // Lists are cut to the key's models and a model's description is that of a model of the key; what else a server tells of itself
    // (the slots of llama.cpp hold the prompts of others) is for keys that may read it, or change the server.
    let is_cut = !decision.lists().is_empty() || decision.models.iter().any(|named| !named.name.is_empty()) || method == "HEAD";
    let reads_all = grant.effects.contains(Effect::Enumerate) || grant.effects.contains(Effect::Write);
    if decision.effect == Effect::Enumerate && !is_cut && !reads_all {
        return Err(Refusal::NotGranted(format!(
            "{} of the whole server ({})",
            decision.effect, decision.route
        )));
    }
    Ok(())
}

/// Whether a model answers: here, or under a name that the server passes on with the credentials of its owner.
fn infers(decision: &Decision<'_, '_>) -> bool {
    decision.effect == Effect::Infer || (decision.effect == Effect::Account && decision.is_by_model() && decision.may_have(Effect::Infer))
}

/// Whether the request uses the owner's credentials for nothing but a cloud model, and the key may use such models.
fn is_granted_cloud(grant: &Grant, decision: &Decision<'_, '_>, infers: bool) -> bool {
    grant.cloud
        && decision.effect == Effect::Account
        && decision.is_by_model()
        && !decision.asks.contains(Ask::Search)
        && (!infers || grant.allows(Effect::Infer))
}

/// Compares what a request holds with the caps on that.
fn amounts(grant: &Grant, decision: &Decision<'_, '_>, asked: &Asked<'_>) -> Result<(), Refusal> {
    if let Some(most) = grant.caps.get(CAP_IMAGES)
        && decision.images > *most
    {
        return Err(Refusal::NotGranted(format!("{} images, and {most} are the most", decision.images)));
    }
    // What is stored is no prompt.
    let is_prompt = decision.effect != Effect::Write;
    if let Some(most) = grant.caps.get(CAP_BYTES).filter(|_| is_prompt)
        && asked.body.len() > usize::try_from(*most).unwrap_or(usize::MAX)
    {
        return Err(Refusal::TooLarge);
    }
    Ok(())
}

/// The models that a request names, each allowed.
fn models(table: &RouteTable, grant: &Grant, decision: &Decision<'_, '_>) -> Result<Vec<String>, Refusal> {
    let names = table.names();
    let mut models: Vec<String> = Vec::new();
    for named in &decision.models {
        // A place that says nothing beside one that names a model.
        if named.name.is_empty()
            && decision
                .models
                .iter()
                .any(|other| other.role == named.role && !other.name.is_empty())
        {
            continue;
        }
        if !grant.allows_model(&named.name, names) {
            let why = match grant.pins(&named.name, names) {
                true => ", whose digest is not the pinned one",
                false => "",
            };
            return Err(Refusal::NotGranted(format!("the model {:?}{why}", named.name)));
        }
        let canonical = names.canonical(&named.name).into_owned();
        if !models.contains(&canonical) {
            models.push(canonical);
        }
    }
    // On a route without a place for a name nobody knows which model runs.
    let must_name = infers(decision) || decision.effect == Effect::Load;
    // Servers with one model take it where none is named: nobody who may use every model needs to name it.
    let must_name = must_name && !grant.allows_every_model();
    if must_name && decision.model(Role::Model).is_none_or(|named| named.name.is_empty()) {
        return Err(Refusal::NotGranted("it names no model".to_owned()));
    }
    Ok(models)
}

/// Puts caps into a request that runs or loads a model, and refuses settings that are no part of inference.
fn settings<'t>(grant: &Grant, decision: &Decision<'t, '_>, edits: &mut Edits<'t>, notes: &mut Notes<'_>) -> Result<(), Refusal> {
    let may = |word: &str| grant.can.iter().any(|can| can == word);
    for set in &decision.sets {
        let refused = match set.knob {
            Knob::Hardware => !may("settings"),
            Knob::Logprobs | Knob::PromptLogprobs => !is_no_logprobs(decision, set) && !may("logprobs"),
            Knob::IgnoreEnd => set.amount != Amount::Flag(false) && !may("settings"),
            _ => false,
        };
        if refused {
            return Err(Refusal::NotGranted(format!("it sets {}", set.knob.word())));
        }
        let Some(cap) = cap(grant, decision, set.knob) else { continue };
        let within = match set.amount {
            Amount::Count(count) => count <= cap,
            // A model that is unloaded at once is one that others lose; less than a second is nothing to Ollama.
            Amount::Seconds(seconds) => seconds >= 1.0 && seconds <= f64::from(cap),
            Amount::Flag(_) => true,
            Amount::Unlimited => false,
        };
        match &set.at {
            _ if within => {}
            // The list of prompts itself cannot be made shorter without changing what is asked.
            _ if set.knob == Knob::Prompts => return Err(Refusal::NotGranted(format!("more than {cap} prompts"))),
            At::Body(range) => {
                notes.put(set.knob, cap);
                edits.replace(range.start, cap.to_string());
            }
            At::Segment(_) | At::Query | At::Form(_) => return Err(Refusal::NotGranted(format!("it sets {}", set.knob.word()))),
        }
    }
    for knob in [Knob::MaxTokens, Knob::Context, Knob::Choices, Knob::Candidates, Knob::KeepAlive] {
        let (Some(cap), [first, ..]) = (cap(grant, decision, knob), decision.knob_places(knob)) else {
            continue;
        };
        let sets = decision.sets.iter().filter(|set| set.knob == knob);
        let limit = match (sets.clone().find(|set| set.counts), knob) {
            // These are one where nothing is said, and this is the server's own.
            (None, Knob::Choices | Knob::Candidates) => continue,
            (None, Knob::KeepAlive) if grant.cap(knob).is_none() => continue,
            (None, _) => cap,
            (Some(set), _) => match set.amount {
                Amount::Count(count) => count.min(cap),
                _ => cap,
            },
        };
        // One place is many: whether each of them has a limit is not known.
        if is_many(first) && matches!(knob, Knob::MaxTokens | Knob::Context) {
            return Err(Refusal::NotGranted("a cap that cannot be put into this body".to_owned()));
        }
        // Of several places not every route of a product reads each.
        for (number, place) in decision.knob_places(knob).iter().enumerate() {
            match place {
                _ if is_many(place) || sets.clone().any(|set| usize::from(set.place) == number) => {}
                Place::Body(pointer) => {
                    notes.put(knob, limit);
                    edits.insert(pointer.as_str(), limit.to_string());
                }
                Place::Segment(_) | Place::Query(_) | Place::Form(_) => {
                    return Err(Refusal::NotGranted("a cap that cannot be put into this body".to_owned()));
                }
            }
        }
    }
    Ok(())
}

/// Whether a setting of probabilities asks for none. Zero does so only where it is a number of alternatives: `"logprobs": 0` of a
/// completion asks for one probability.
fn is_no_logprobs(decision: &Decision<'_, '_>, set: &Set<'_>) -> bool {
    let counts_alternatives = matches!(decision.knob_places(set.knob).get(usize::from(set.place)),
        Some(Place::Body(pointer)) if pointer.as_str().ends_with("top_logprobs") || pointer.as_str().ends_with("n_probs"));
    set.raw == "false" || (set.raw == "0" && counts_alternatives)
}

/// Whether a place stands for several values of a body.
fn is_many(place: &Place) -> bool {
    matches!(place, Place::Body(pointer) if pointer.as_str().contains('*'))
}

/// The most that a setting may be. Several answers to one request would each have the tokens that one may have, so that there is one of
/// them where tokens are capped and the grant says no other number.
fn cap(grant: &Grant, decision: &Decision<'_, '_>, knob: Knob) -> Option<u32> {
    // Zero is no limit to servers.
    let own = grant.cap(knob).map(|cap| cap.max(1));
    let has_tokens = || grant.cap(Knob::MaxTokens).is_some() && !decision.knob_places(Knob::MaxTokens).is_empty();
    match knob {
        Knob::KeepAlive if !grant.effects.contains(Effect::Load) => Some(own.unwrap_or(KEEP_ALIVE)),
        Knob::Choices | Knob::Candidates | Knob::Prompts => own.or_else(|| has_tokens().then_some(1)),
        _ => own,
    }
}

/// Leaves out what the route is not known to take, and refuses what is no part of inference and has no place of its own.
fn keys(grant: &Grant, decision: &Decision<'_, '_>, json: &Json<'_>, edits: &mut Edits<'_>) -> Result<(), Refusal> {
    for value in decision.unknown_keys(json) {
        edits.drop(value);
    }
    for (key, value) in json.root().entries() {
        let name = key.text().unwrap_or_default();
        if decision.takes_key(&name)
            && name == "logprobs"
            && !matches!(value.kind(), JsonKind::False | JsonKind::Null)
            && !grant.can.iter().any(|can| can == "logprobs")
        {
            return Err(Refusal::NotGranted("it asks for logprobs".to_owned()));
        }
    }
    Ok(())
}

/// A form written anew from its parts, without those that the route is not known to take; with its content type.
fn write_form(form: &Form<'_>, decision: &Decision<'_, '_>) -> (String, Vec<u8>) {
    let parts: Vec<_> = form.parts().iter().filter(|part| decision.takes_field(part.name)).collect();
    let boundary = (0_u32..)
        .map(|number| format!("vigie-{number}"))
        .find(|boundary| {
            let line = format!("--{boundary}");
            !parts.iter().any(|part| memchr::memmem::find(part.value, line.as_bytes()).is_some())
        })
        .unwrap_or_default();
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"", part.name).as_bytes());
        if let Some(file) = part.file {
            out.extend_from_slice(format!("; filename=\"{file}\"\r\ncontent-type: application/octet-stream").as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(part.value);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), out)
}

/// The target to pass on: the path that the server reads alike, and of the query what the route takes.
fn target(asked: &str, decision: &Decision<'_, '_>) -> Result<String, Refusal> {
    let mut target = decision.path.clone().into_owned();
    let taken: Vec<&str> = Knob::ALL
        .iter()
        .flat_map(|knob| decision.knob_places(*knob))
        .chain(decision.model_places(Role::Model))
        .filter_map(|place| match place {
            Place::Query(key) => Some(key.as_str()),
            _ => None,
        })
        .collect();
    let Some((_, query)) = asked.split_once('?').filter(|_| !taken.is_empty()) else {
        return Ok(target);
    };
    if query.contains(';') {
        return Err(Refusal::Ambiguous(
            "a semicolon in the query, which separates keys for some servers".to_owned(),
        ));
    }
    let mut separator = '?';
    for pair in query.split('&') {
        // A key in another spelling is left out as one that is not known.
        if taken.contains(&pair.split_once('=').map_or(pair, |(key, _)| key)) {
            target.push(separator);
            target.push_str(pair);
            separator = '&';
        }
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use vigie_catalog::Catalog;
    use vigie_model::EffectSet;

    use super::*;
    use crate::key::Pattern;

    fn table() -> RouteTable {
        let catalog = Catalog::embedded();
        RouteTable::compile(catalog.product("ollama").expect("it is in the catalogue"), Some("0.17.4"))
    }

    fn grant() -> Grant {
        Grant {
            effects: EffectSet::EMPTY.with(Effect::Infer),
            models: vec![Pattern::new("tiny")],
            ..Grant::default()
        }
    }

    fn post<'r>(target: &'r str, body: &'r str) -> Asked<'r> {
        Asked {
            method: "POST",
            target,
            content_type: Some("application/json"),
            body: body.as_bytes(),
        }
    }

    fn sent(grant: &Grant, target: &str, body: &str) -> Result<Value, String> {
        let table = table();
        let passed = judge(&table, grant, &post(target, body)).map_err(|refusal| refusal.to_string())?;
        Ok(serde_json::from_slice(&passed.body.expect("a body").1).expect("it is JSON"))
    }

    #[test]
    fn an_ordinary_chat_is_passed_on_as_it_is() {
        let body = json!({"model": "tiny:latest", "messages": [{"role": "user", "content": "hi"}], "stream": true, "options": {"seed": 1}, "tools": []});
        assert_eq!(sent(&grant(), "/api/chat", &body.to_string()), Ok(body));
    }

    #[test]
    fn what_is_not_granted_is_refused() {
        for (target, body) in [
            ("/api/chat", r#"{"model":"secret","messages":[{"role":"user","content":"hi"}]}"#),
            ("/api/chat", r#"{"messages":[{"role":"user","content":"hi"}]}"#),
            ("/api/chat", r#"{"model":"","messages":[{"role":"user","content":"hi"}]}"#),
            ("/api/generate", r#"{"model":"tiny","prompt":"hi","raw":true}"#),
            ("/api/generate", r#"{"model":"tiny","prompt":"hi","template":"x"}"#),
            ("/api/generate", r#"{"model":"tiny","prompt":"hi","logprobs":true}"#),
            ("/api/generate", r#"{"model":"tiny","prompt":"hi","images":["aGk="]}"#),
            ("/api/generate", r#"{"model":"tiny","prompt":"hi","options":{"num_gpu":0}}"#),
            ("/api/chat", r#"{"model":"tiny","messages":[],"tools":[{"type":"function"}]}"#),
            ("/api/pull", r#"{"model":"tiny"}"#),
            ("/api/delete", r#"{"model":"tiny"}"#),
            ("/debug/pprof", r#"{}"#),
            (
                "/v1/chat/completions",
                r#"{"model":"tiny:cloud","messages":[{"role":"user","content":"hi"}]}"#,
            ),
        ] {
            let refused = sent(&grant(), target, body).expect_err(body);
            assert!(
                refused.starts_with("not-granted") || refused.starts_with("unknown-route"),
                "{body}: {refused}"
            );
        }
    }

    #[test]
    fn cloud_models_are_a_permission_of_their_own() {
        let mut cloud = grant();
        cloud.models = vec![Pattern::new("*")];
        cloud.caps = [("max-tokens".to_owned(), 9)].into();
        let chat = |model: &str, more: &str| format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"hi"}}]{more}}}"#);
        let refused = sent(&cloud, "/api/chat", &chat("gpt-oss:120b-cloud", "")).expect_err("not granted");
        assert!(refused.starts_with("not-granted: account"), "{refused}");
        cloud.cloud = true;
        for (target, place) in [
            ("/api/chat", "/options/num_predict"),
            ("/v1/chat/completions", "/max_tokens"),
            ("/v1/messages", "/max_tokens"),
        ] {
            let body = sent(&cloud, target, &chat("gpt-oss:120b-cloud", r#","max_tokens":4096"#)).expect(target);
            assert_eq!(body.pointer(place), Some(&json!(9)), "{target}: the caps hold for cloud models too");
        }
        let table = table();
        let body = chat("x:cloud", "");
        let passed = judge(&table, &cloud, &post("/api/chat", &body)).expect("it is granted");
        assert!(passed.infers && passed.effect == Effect::Account);
        // The rest of the account is not part of it, and a pattern of models holds for them too.
        cloud.can = vec!["search".to_owned()];
        let search = chat(
            "x:cloud",
            r#","max_tokens":9,"tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
        );
        assert!(sent(&cloud, "/v1/messages", &search).is_err());
        assert!(sent(&cloud, "/api/me", "{}").is_err());
        assert!(sent(&cloud, "/api/signout", "{}").is_err());
        cloud.models = vec![Pattern::new("tiny")];
        assert!(sent(&cloud, "/api/chat", &chat("x:cloud", "")).is_err());
        cloud.models = vec![Pattern::new("*")];
        cloud.effects = EffectSet::EMPTY;
        assert!(
            sent(&cloud, "/api/chat", &chat("x:cloud", "")).is_err(),
            "without inference there is none in the cloud"
        );
    }

    #[test]
    fn images_and_bytes_are_capped() {
        let mut capped = grant();
        capped.can = vec!["images".to_owned(), "tools".to_owned()];
        capped.caps = [("images".to_owned(), 2), ("prompt-bytes".to_owned(), 1000)].into();
        let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}});
        let source = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}});
        let text = json!({"type": "text", "text": "what?"});
        let content =
            |parts: &[&Value]| json!({"model": "tiny", "messages": [{"role": "user", "content": parts}], "max_tokens": 5}).to_string();
        for (target, body, is_granted) in [
            ("/v1/chat/completions", content(&[&text, &image, &image]), true),
            ("/v1/chat/completions", content(&[&image, &text, &image, &image]), false),
            ("/v1/messages", content(&[&source, &source]), true),
            ("/v1/messages", content(&[&source, &source, &source]), false),
            ("/v1/messages", content(&[&source, &source, &json!({"type": "tool_result", "content": [source]})]), false),
            ("/api/generate", json!({"model": "tiny", "prompt": "a", "images": ["aGk=", "aGk="]}).to_string(), true),
            ("/api/generate", json!({"model": "tiny", "prompt": "a", "images": ["aGk=", "aGk=", "aGk="]}).to_string(), false),
            ("/api/chat", json!({"model": "tiny", "messages": [{"role": "user", "content": "a", "images": ["a", "b"]}, {"role": "user", "content": "a", "images": ["c"]}]}).to_string(), false),
        ] {
            let done = sent(&capped, target, &body);
            assert_eq!(done.is_ok(), is_granted, "{target} {body}: {done:?}");
            assert!(is_granted || done.is_err_and(|why| why.contains("3 images")), "{target} {body}");
        }
        let long = json!({"model": "tiny", "prompt": "a".repeat(1000)}).to_string();
        assert_eq!(sent(&capped, "/api/generate", &long), Err("too-large".to_owned()));
    }

    #[test]
    fn what_reads_in_two_ways_is_refused() {
        for body in [
            r#"{"model":"tiny","model":"secret","prompt":"hi"}"#,
            r#"{"model":"tiny","Model":"secret","prompt":"hi"}"#,
            r#"{"model":"tiny","prompt":"hi","optionſ":{"num_predict":-1}}"#,
            r#"{"model":"tiny","prompt":"hi"} {"model":"secret"}"#,
            r#"{"model":"tiny","prompt":"hi","options":{"a":1,"a":2}}"#,
            "\u{feff}{\"model\":\"tiny\",\"prompt\":\"hi\"}",
            r#"{"model":"tiny","prompt":"hi""#,
        ] {
            let refused = sent(&grant(), "/api/generate", body).expect_err(body);
            assert!(refused.starts_with("ambiguous"), "{body}: {refused}");
        }
        let table = table();
        for target in [
            "/api//generate",
            "/api/../api/generate",
            "/api/generate;x",
            "/api%2fgenerate",
            "/API/generate\\",
            "/api/generate#x",
        ] {
            assert!(
                judge(&table, &grant(), &post(target, r#"{"model":"tiny","prompt":"hi"}"#)).is_err(),
                "{target}"
            );
        }
    }

    #[test]
    fn caps_are_put_in_where_there_is_no_limit() {
        let mut capped = grant();
        capped.caps = [("max-tokens".to_owned(), 128), ("context".to_owned(), 4096)].into();
        let predict = |options: Value| {
            let body = json!({"model": "tiny", "prompt": "hi", "options": options});
            sent(&capped, "/api/generate", &body.to_string()).expect("it is passed on")["options"].clone()
        };
        assert_eq!(
            predict(json!({"num_predict": 5, "num_ctx": 2048})),
            json!({"num_predict": 5, "num_ctx": 2048})
        );
        for unlimited in [json!(-1), json!(0), json!(0.5), json!(1e300), json!(129), json!("5"), json!(null)] {
            let done = predict(json!({"num_predict": unlimited}));
            assert_eq!(done["num_predict"], json!(128), "{unlimited}");
        }
        let none = sent(&capped, "/api/generate", r#"{"model":"tiny","prompt":"hi"}"#).expect("it is passed on");
        assert_eq!(none["options"], json!({"num_predict": 128, "num_ctx": 4096}));
        let openai = sent(
            &capped,
            "/v1/chat/completions",
            r#"{"model":"tiny","messages":[{"role":"user","content":"a"}],"max_tokens":0}"#,
        );
        assert_eq!(openai.expect("it is passed on")["max_tokens"], json!(128));
    }

    #[test]
    fn loading_is_part_of_inference_with_a_capped_time() {
        for (keep_alive, wanted) in [
            (json!(-1), json!(300)),
            (json!(0), json!(300)),
            (json!("24h"), json!(300)),
            (json!("1m"), json!("1m")),
        ] {
            let body = json!({"model": "tiny", "keep_alive": keep_alive});
            let done = sent(&grant(), "/api/generate", &body.to_string()).expect("ollama run loads first");
            assert_eq!(done["keep_alive"], wanted, "{keep_alive}");
        }
        let mut loader = grant();
        loader.effects = loader.effects.with(Effect::Load);
        assert_eq!(
            sent(&loader, "/api/generate", r#"{"model":"tiny","keep_alive":0}"#).expect("unloads")["keep_alive"],
            json!(0)
        );
    }

    #[test]
    fn keys_that_the_server_ignores_are_left_out() {
        let done = sent(
            &grant(),
            "/v1/chat/completions",
            r#"{"model":"tiny","messages":[{"role":"user","content":"a"}],"max_completion_tokens":9,"no_such_key":"x"}"#,
        );
        assert_eq!(done, Ok(json!({"model": "tiny", "messages": [{"role": "user", "content": "a"}]})));
    }

    #[test]
    fn a_name_deep_inside_a_tool_is_nobodys_model() {
        let mut tools = grant();
        tools.can = vec!["tools".to_owned()];
        let schema = json!({"type": "object", "properties": {"model": {"type": "string"}, "MODEL": {"enum": ["secret"]}}});
        let body = json!({"model": "tiny", "messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]});
        assert_eq!(sent(&tools, "/api/chat", &body.to_string()), Ok(body));
    }
}
