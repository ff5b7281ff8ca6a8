//! May this key send this request, as it is?
//!
//! A proxy that asks the gateway passes on the client's bytes itself, so nothing can be put in or left out: a request passes only if the
//! gateway would have passed it on unchanged. Where the proxy does not show the body, it passes only if every body would.

use vigie_catalog::table::{Body, Doubts, Json, Knob, Reach, Request};
use vigie_catalog::{RouteTable, table::Asks};
use vigie_model::Effect;

use super::rewrite::{Edits, rewrite};
use super::{Asked, Passed, Refusal, cap, effect, judge, models};
use crate::key::{CAP_BYTES, CAP_IMAGES, Grant};

/// The settings whose caps cannot be checked without the body.
const CAPPED: [Knob; 6] = [
    Knob::MaxTokens,
    Knob::Context,
    Knob::Choices,
    Knob::Candidates,
    Knob::Prompts,
    Knob::KeepAlive,
];

/// Whether a proxy shows the body of the request that it asks about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// [`Asked::body`] is the whole body.
    Whole,
    /// Nothing is known of the body.
    Nothing,
}

/// Judges a request that somebody else passes on as it came.
///
/// # Errors
///
/// Why it may not be passed on.
pub(crate) fn judge_verbatim<'t>(table: &'t RouteTable, grant: &Grant, asked: &Asked<'_>, seen: Seen) -> Result<Passed<'t>, Refusal> {
    let passed = match seen {
        Seen::Nothing => unseen(table, grant, asked)?,
        Seen::Whole => {
            let passed = judge(table, grant, asked)?;
            if is_json(&passed) {
                unchanged(asked, &passed)?;
            } else if !matches!(asked.method, "GET" | "HEAD") {
                // A body that the proxy did not show, or one that is no JSON and so would be written anew.
                unseen(table, grant, asked)?;
            }
            passed
        }
    };
    if passed.target != asked.target {
        return Err(refused("the path or the query would have to be written anew"));
    }
    if !passed.lists.is_empty() && asked.method != "HEAD" && !grant.allows_every_model() {
        return Err(refused("its answer lists models that would have to be left out"));
    }
    Ok(passed)
}

fn is_json(passed: &Passed<'_>) -> bool {
    passed.body.as_ref().is_some_and(|(kind, _)| kind == "application/json")
}

fn refused(why: &str) -> Refusal {
    Refusal::NotGranted(format!("{why}, which the proxy cannot do"))
}

/// Checks that a JSON body would be passed on as it is, but for white space.
fn unchanged(asked: &Asked<'_>, passed: &Passed<'_>) -> Result<(), Refusal> {
    let kind = asked.content_type.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    if !kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json")) {
        return Err(refused("a content type other than application/json would have to be replaced"));
    }
    let same = Json::parse(asked.body).ok().and_then(|json| rewrite(&json, &Edits::default()).ok());
    match (&same, &passed.body) {
        (Some(same), Some((_, body))) if same == body => Ok(()),
        _ => Err(refused("caps would have to be put into the body, or unknown keys left out of it")),
    }
}

/// Judges a request of whose body nothing is known: every reading of it has to be granted.
fn unseen<'t>(table: &'t RouteTable, grant: &Grant, asked: &Asked<'_>) -> Result<Passed<'t>, Refusal> {
    let unknown = |unknown: vigie_catalog::table::Unknown| Refusal::UnknownRoute(unknown.to_string());
    vigie_http::path::strict(asked.target).map_err(|why| Refusal::Ambiguous(why.to_string()))?;
    let request = Request {
        method: asked.method,
        target: asked.target,
        content_type: asked.content_type,
        body: Body::Unseen,
    };
    let decision = table.decide(&request).map_err(unknown)?;
    let doubts = decision.doubts.without(Doubts::UNSEEN_BODY | Doubts::ENCODED_PATH);
    if !doubts.is_empty() {
        return Err(Refusal::Ambiguous(doubts.to_string()));
    }
    let reach = table.reach(asked.method, asked.target).map_err(unknown)?;
    let hidden = |what: String| Refusal::NotGranted(format!("{what} ({}), and the proxy does not show the body", decision.route));
    if let Some(other) = reach.effects.iter().find(|effect| !grant.allows(*effect)) {
        return Err(hidden(format!("its body can {other}")));
    }
    // Inference includes loading for the model that runs, with a time that would have to be put in.
    if reach.effects.contains(Effect::Load) && !grant.effects.contains(Effect::Load) {
        return Err(hidden(format!("its body can {}", Effect::Load)));
    }
    effect(grant, &decision, asked.method)?;
    if reach.names_models() && !grant.allows_every_model() {
        return Err(hidden("its body can name a model".to_owned()));
    }
    if let Some(word) = ungranted(grant, &reach, decision.asks) {
        return Err(hidden(format!("its body can ask for {word}")));
    }
    if let Some(knob) = CAPPED
        .into_iter()
        .find(|knob| reach.sets(*knob) && cap(grant, &decision, *knob).is_some())
    {
        return Err(hidden(format!("its body can set {}, which is capped", knob.word())));
    }
    // What a body holds of these is not known, and neither is its length.
    let changes = reach.effects.iter().any(|effect| !effect.is_harmless());
    if let Some(cap) = [CAP_IMAGES, CAP_BYTES]
        .into_iter()
        .find(|cap| changes && grant.caps.contains_key(*cap))
    {
        return Err(hidden(format!("its body can hold more than the cap {cap}")));
    }
    Ok(Passed {
        effect: decision.effect,
        infers: reach.effects.contains(Effect::Infer),
        route: decision.route,
        target: super::target(asked.target, &decision)?,
        models: models(table, grant, &decision)?,
        body: None,
        lists: decision.lists(),
        strips: None,
    })
}

/// What a body can ask for that the key may not have.
fn ungranted(grant: &Grant, reach: &Reach<'_>, named: Asks) -> Option<&'static str> {
    let may = |word: &str| grant.can.iter().any(|can| can == word);
    let settings = [Knob::Hardware, Knob::IgnoreEnd].into_iter().any(|knob| reach.sets(knob));
    let logprobs = [Knob::Logprobs, Knob::PromptLogprobs].into_iter().any(|knob| reach.sets(knob)) || reach.takes_key("logprobs");
    (reach.asks | named)
        .iter()
        .find(|ask| !grant.allows_ask(*ask))
        .map(|ask| ask.word())
        .or((settings && !may("settings")).then_some("settings"))
        .or((logprobs && !may("logprobs")).then_some("logprobs"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use vigie_catalog::Catalog;

    use super::*;

    fn grant(effects: &[Effect], models: &str, can: &[&str], caps: &[(&str, u32)]) -> Grant {
        serde_json::from_value(json!({
            "effects": effects.iter().map(|effect| effect.word()).collect::<Vec<_>>(),
            "models": [models],
            "can": can,
            "caps": caps.iter().map(|(word, most)| ((*word).to_owned(), *most)).collect::<std::collections::BTreeMap<_, _>>(),
        }))
        .expect("a grant")
    }

    fn judged(grant: &Grant, method: &str, target: &str, body: Option<&str>) -> Result<Effect, String> {
        let catalog = Catalog::embedded();
        let table = RouteTable::compile(catalog.product("ollama").expect("it is there"), Some("0.17.4"));
        let asked = Asked {
            method,
            target,
            content_type: Some("application/json"),
            body: body.unwrap_or_default().as_bytes(),
        };
        let seen = if body.is_some() { Seen::Whole } else { Seen::Nothing };
        judge_verbatim(&table, grant, &asked, seen)
            .map(|passed| passed.effect)
            .map_err(|refusal| refusal.to_string())
    }

    const EVERY: [&str; 10] = [
        "tools", "images", "audio", "video", "fetch", "search", "template", "adapter", "settings", "state",
    ];

    #[test]
    fn a_body_that_is_seen_passes_as_it_is_or_not_at_all() {
        let tiny = grant(&[Effect::Infer], "tiny", &[], &[]);
        let chat = |body: serde_json::Value| judged(&tiny, "POST", "/api/chat", Some(&format!("{body:#}")));
        let message = json!([{"role": "user", "content": "hi"}]);
        assert_eq!(chat(json!({"model": "tiny", "messages": message})), Ok(Effect::Infer));
        for (body, why) in [
            (json!({"model": "secret", "messages": message}), "the model"),
            (json!({"model": "tiny", "messages": message, "no_such": 1}), "unknown keys"),
            (json!({"model": "tiny", "messages": message, "keep_alive": -1}), "caps"),
        ] {
            let refused = chat(body.clone()).expect_err("it is refused");
            assert!(refused.contains(why), "{body}: {refused}");
        }
        let capped = grant(&[Effect::Infer], "tiny", &[], &[("max-tokens", 16)]);
        let generate = |options: serde_json::Value| {
            let body = json!({"model": "tiny", "prompt": "hi", "options": options});
            judged(&capped, "POST", "/api/generate", Some(&body.to_string())).is_ok()
        };
        assert!(generate(json!({"num_predict": 16})));
        assert!(!generate(json!({"num_predict": 17})));
        assert!(!generate(json!({})), "a cap has to be put in");
    }

    #[test]
    fn a_body_that_is_not_seen_passes_if_every_one_would() {
        use Effect::{Account, Infer, Load, Write};
        let chat = |grant: &Grant| judged(grant, "POST", "/api/chat", None);
        let all = [&EVERY[..], &["logprobs"]].concat();
        assert_eq!(chat(&grant(&[Infer, Load, Account], "*", &all, &[])), Ok(Account));
        for (lacking, why) in [
            (grant(&[Infer, Load, Account], "tiny", &all, &[]), "name a model"),
            (grant(&[Infer, Load], "*", &all, &[]), "account"),
            (grant(&[Infer, Account], "*", &all, &[]), "load"),
            (grant(&[Load, Account], "*", &all, &[]), "infer"),
            (grant(&[Infer, Load, Account], "*", &EVERY, &[]), "logprobs"),
            (grant(&[Infer, Load, Account], "*", &all[1..], &[]), "tools"),
            (grant(&[Infer, Load, Account], "*", &all, &[("max-tokens", 16)]), "capped"),
            (grant(&[Infer, Load, Account], "*", &all, &[("keep-alive", 60)]), "capped"),
            (grant(&[Infer, Load, Account], "*", &all, &[("images", 1)]), "the cap images"),
            (
                grant(&[Infer, Load, Account], "*", &all, &[("prompt-bytes", 1_000)]),
                "the cap prompt-bytes",
            ),
        ] {
            let refused = chat(&lacking).expect_err("it is refused");
            assert!(refused.contains(why), "{why}: {refused}");
        }
        assert_eq!(judged(&grant(&[Write], "*", &[], &[]), "DELETE", "/api/delete", None), Ok(Write));
        assert!(judged(&grant(&[Write], "tiny", &[], &[]), "DELETE", "/api/delete", None).is_err());
    }

    #[test]
    fn lists_are_for_keys_that_may_see_all_of_them() {
        let (tiny, every) = (grant(&[Effect::Infer], "tiny", &[], &[]), grant(&[Effect::Infer], "*", &[], &[]));
        for body in [None, Some("")] {
            assert!(judged(&tiny, "GET", "/api/tags", body).is_err());
            assert_eq!(judged(&tiny, "HEAD", "/api/tags", body), Ok(Effect::Enumerate));
            assert_eq!(judged(&every, "GET", "/api/tags", body), Ok(Effect::Enumerate));
            assert_eq!(judged(&tiny, "GET", "/api/version", body), Ok(Effect::Identify));
            assert_eq!(judged(&tiny, "GET", "/v1/models/tiny", body), Ok(Effect::Enumerate));
            assert!(judged(&tiny, "GET", "/v1/models/secret", body).is_err());
        }
    }

    #[test]
    fn a_target_passes_as_it_is_or_not_at_all() {
        let every = grant(&[Effect::Infer, Effect::Write, Effect::Load, Effect::Account], "*", &EVERY, &[]);
        for target in [
            "//api/tags",
            "/api//tags",
            "/api/%74ags",
            "/api%2ftags",
            "/api/tags/",
            "/api/../api/tags",
            "/api/tags;x",
            "/api/tags?no-such=1",
            "/api/tags?",
            "/API/tags",
            "http://h/api/tags",
        ] {
            for body in [None, Some("")] {
                assert!(judged(&every, "GET", target, body).is_err(), "{target}");
            }
        }
    }
}
