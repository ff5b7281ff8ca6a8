//! May this key send this request, and what is passed on of it?
//!
//! What a request is, is the catalogue's business ([`RouteTable::decide`]); here a grant is compared with it, caps are put in, and the
//! request is written anew from what was compared.

mod lists;
mod refusal;
mod rewrite;
mod usage;

use vigie_catalog::RouteTable;
use vigie_catalog::table::{Amount, At, Body, BodyKind, Decision, Doubts, Form, Json, JsonKind, Knob, ListPlace, Place, Request, Role};
use vigie_model::Effect;

use crate::key::Grant;
use crate::meter::{Others, UsageHabit};
use rewrite::{Edits, rewrite};

pub use lists::filter;
pub use refusal::Refusal;

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
    pub(crate) strips: Option<Others>,
}

/// Judges a request.
///
/// # Errors
///
/// Why it is not passed on.
pub fn judge<'t>(table: &'t RouteTable, grant: &Grant, asked: &Asked<'_>) -> Result<Passed<'t>, Refusal> {
    judge_metered(table, grant, asked, UsageHabit::Unasked)
}

/// Judges a request, and has the counters of a stream asked for where the product has that habit.
pub(crate) fn judge_metered<'t>(table: &'t RouteTable, grant: &Grant, asked: &Asked<'_>, habit: UsageHabit) -> Result<Passed<'t>, Refusal> {
    let ambiguous = |why: &dyn std::fmt::Display| Refusal::Ambiguous(why.to_string());
    vigie_http::path::strict(asked.target).map_err(|why| ambiguous(&why))?;
    let expected = table
        .expects(asked.method, asked.target)
        .map_err(|unknown| Refusal::UnknownRoute(unknown.to_string()))?;
    let (json, form);
    let body = match expected {
        _ if asked.body.is_empty() => Body::None,
        Some(BodyKind::Bytes) => Body::Other,
        Some(BodyKind::Form) => {
            form = Form::parse(asked.content_type.unwrap_or_default(), asked.body).map_err(|why| ambiguous(&why))?;
            Body::Form(&form)
        }
        Some(BodyKind::Json | BodyKind::None) | None => {
            json = Json::parse(asked.body).map_err(|why| ambiguous(&why))?;
            Body::Json(&json)
        }
    };
    let request = Request {
        method: asked.method,
        target: asked.target,
        content_type: asked.content_type,
        body,
    };
    let decision = table
        .decide(&request)
        .map_err(|unknown| Refusal::UnknownRoute(unknown.to_string()))?;
    // What a server ignores is left out; curl's own content type is read as what it is; a canonical path is passed on.
    let harmless = Doubts::UNKNOWN_KEY | Doubts::CONTENT_TYPE | Doubts::ENCODED_PATH;
    let doubts = decision.doubts.without(harmless);
    if !doubts.is_empty() {
        return Err(ambiguous(&doubts));
    }
    if !grant.allows(decision.effect) {
        return Err(Refusal::NotGranted(format!("{} ({})", decision.effect, decision.route)));
    }
    let models = models(table, grant, &decision)?;
    if let Some(ask) = decision.asks.iter().find(|ask| !grant.allows_ask(*ask)) {
        return Err(Refusal::NotGranted(format!("it asks for {}", ask.word())));
    }
    let mut edits = Edits::default();
    settings(grant, &decision, &mut edits)?;
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
        // A form was read strictly: every reader splits it alike.
        Body::Form(_) | Body::Other | Body::Unseen => Some((
            asked.content_type.unwrap_or("application/octet-stream").to_owned(),
            asked.body.to_vec(),
        )),
    };
    Ok(Passed {
        effect: decision.effect,
        route: decision.route,
        target: target(asked.target, &decision)?,
        models,
        body,
        lists: decision.lists(),
        strips,
    })
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
            return Err(Refusal::NotGranted(format!("the model {:?}", named.name)));
        }
        let canonical = names.canonical(&named.name).into_owned();
        if !models.contains(&canonical) {
            models.push(canonical);
        }
    }
    let must_name = matches!(decision.effect, Effect::Infer | Effect::Load) && !decision.model_places(Role::Model).is_empty();
    if must_name && decision.model(Role::Model).is_none_or(|named| named.name.is_empty()) {
        return Err(Refusal::NotGranted("it names no model".to_owned()));
    }
    Ok(models)
}

/// Puts caps in, and refuses settings that are no part of inference.
fn settings(grant: &Grant, decision: &Decision<'_, '_>, edits: &mut Edits) -> Result<(), Refusal> {
    if !matches!(decision.effect, Effect::Infer | Effect::Load) {
        return Ok(());
    }
    let may = |word: &str| grant.can.iter().any(|can| can == word);
    for set in &decision.sets {
        let refused = match set.knob {
            Knob::Hardware => !may("settings"),
            Knob::Logprobs | Knob::PromptLogprobs => !may("logprobs"),
            Knob::IgnoreEnd => set.amount != Amount::Flag(false) && !may("settings"),
            _ => false,
        };
        if refused {
            return Err(Refusal::NotGranted(format!("it sets {}", set.knob.word())));
        }
        let Some(cap) = cap(grant, set.knob) else { continue };
        let within = match set.amount {
            Amount::Count(count) => count <= cap,
            // A model that is unloaded at once is one that others lose.
            Amount::Seconds(seconds) => seconds > 0.0 && seconds <= f64::from(cap),
            Amount::Flag(_) => true,
            Amount::Unlimited => false,
        };
        match &set.at {
            _ if within => {}
            // The list of prompts itself cannot be made shorter without changing what is asked.
            _ if set.knob == Knob::Prompts => return Err(Refusal::NotGranted(format!("more than {cap} prompts"))),
            At::Body(range) => edits.replace(range.start, cap.to_string()),
            At::Segment(_) | At::Query | At::Form(_) => return Err(Refusal::NotGranted(format!("it sets {}", set.knob.word()))),
        }
    }
    for knob in [Knob::MaxTokens, Knob::Context, Knob::Choices, Knob::Candidates] {
        let (Some(cap), Some(place)) = (cap(grant, knob), decision.knob_places(knob).first()) else {
            continue;
        };
        let is_default_one = matches!(knob, Knob::Choices | Knob::Candidates);
        if is_default_one || decision.sets.iter().any(|set| set.knob == knob) {
            continue;
        }
        match place {
            Place::Body(pointer) => edits.insert(pointer.as_str(), cap.to_string()),
            Place::Segment(_) | Place::Query(_) | Place::Form(_) => {
                return Err(Refusal::NotGranted("a cap that cannot be put into this body".to_owned()));
            }
        }
    }
    Ok(())
}

fn cap(grant: &Grant, knob: Knob) -> Option<u32> {
    let own = grant.cap(knob);
    match knob {
        Knob::KeepAlive if !grant.effects.contains(Effect::Load) => Some(own.unwrap_or(KEEP_ALIVE)),
        _ => own,
    }
}

/// Leaves out what the route is not known to take, and refuses what is no part of inference and has no place of its own.
fn keys(grant: &Grant, decision: &Decision<'_, '_>, json: &Json<'_>, edits: &mut Edits) -> Result<(), Refusal> {
    for (key, value) in json.root().entries() {
        let name = key.text().unwrap_or_default();
        if !decision.takes_key(&name) {
            edits.drop(value);
        } else if name == "logprobs"
            && !matches!(value.kind(), JsonKind::False | JsonKind::Null)
            && !grant.can.iter().any(|can| can == "logprobs")
        {
            return Err(Refusal::NotGranted("it asks for logprobs".to_owned()));
        }
    }
    Ok(())
}

/// The target to pass on: the path that the server reads alike, and the query only where the route takes one.
fn target(asked: &str, decision: &Decision<'_, '_>) -> Result<String, Refusal> {
    let mut target = decision.path.clone().into_owned();
    let takes_query = Knob::ALL
        .iter()
        .flat_map(|knob| decision.knob_places(*knob))
        .chain(decision.model_places(Role::Model))
        .any(|place| matches!(place, Place::Query(_)));
    if takes_query && let Some((_, query)) = asked.split_once('?') {
        target.push('?');
        target.push_str(query);
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            cloud: false,
            can: Vec::new(),
            caps: BTreeMap::new(),
            limits: crate::limit::Limits::default(),
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
            r#"{"model":"tiny","messages":[{"role":"user","content":"a"}],"max_completion_tokens":9,"user":"x"}"#,
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
