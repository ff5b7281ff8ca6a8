//! Has the counters of a stream asked for.

use vigie_catalog::table::{Amount, At, Decision, Json, JsonKind, Knob, Place};

use super::rewrite::Edits;
use crate::meter::{Strips, UsageHabit};

/// The option of vLLM and SGLang that puts counters into every chunk. Without the counters it has no effect.
const CONTINUOUS: &str = "continuous_usage_stats";

/// Asks for the counters of a stream where the client did not. Returns what has to be taken out of the answer then.
pub(super) fn ask<'t>(habit: UsageHabit, decision: &Decision<'t, '_>, json: &Json<'_>, edits: &mut Edits<'t>) -> Option<Strips> {
    let strips = habit.on(&decision.path)?;
    let Some(Place::Body(place)) = decision.knob_places(Knob::Usage).first() else {
        return None;
    };
    let mut streams = decision.sets.iter().filter(|set| set.knob == Knob::Stream).map(|set| set.amount);
    if streams.next() != Some(Amount::Flag(true)) || streams.next().is_some() {
        return None;
    }
    // Of several answers each has its last chunk, and those before the last one could not be held back until the fingerprint is known: what
    // passes on is counted piece by piece instead.
    let several = |set: &vigie_catalog::table::Set<'_>| matches!(set.knob, Knob::Choices | Knob::Prompts) && set.amount != Amount::Count(1);
    if strips.moves_fingerprint && decision.sets.iter().any(several) {
        return None;
    }
    let pointer = place.as_str();
    let (parent, _) = pointer.rsplit_once('/')?;
    match decision.sets.iter().find(|set| set.knob == Knob::Usage) {
        None => {}
        // The client asked, or in a way that servers read differently.
        Some(set) if set.amount != Amount::Flag(false) => return None,
        Some(set) => match &set.at {
            At::Body(_) => {}
            At::Segment(_) | At::Query | At::Form(_) => return None,
        },
    }
    // One object is on the way, absent, null, or an object; a server refuses anything else, and is left to.
    let options = json
        .root()
        .entries()
        .find(|(key, _)| parent.strip_prefix('/').is_some_and(|parent| key.text().as_deref() == Some(parent)));
    if let Some((_, options)) = options {
        if !matches!(options.kind(), JsonKind::Object | JsonKind::Null) {
            return None;
        }
        for (_, value) in options.entries().filter(|(key, _)| key.text().as_deref() == Some(CONTINUOUS)) {
            edits.drop(value);
        }
    }
    edits.insert(pointer, "true".to_owned());
    Some(strips)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use vigie_catalog::{Catalog, RouteTable};
    use vigie_model::{Effect, EffectSet};

    use super::*;
    use crate::key::{Grant, Pattern};
    use crate::meter::Others;
    use crate::policy::{Asked, Notes, judge, judge_metered};

    fn judged(product: &str, target: &str, more: &Value) -> (Value, Option<Strips>) {
        let catalog = Catalog::embedded();
        let table = RouteTable::compile(catalog.product(product).expect("it is in the catalogue"), None);
        let grant = Grant {
            effects: EffectSet::EMPTY.with(Effect::Infer),
            models: vec![Pattern::new("*")],
            ..Grant::default()
        };
        let mut body = json!({"model": "m", "prompt": "a", "messages": [{"role": "user", "content": "a"}]});
        for (key, value) in more.as_object().expect("an object") {
            body[key] = value.clone();
        }
        let body = body.to_string();
        let asked = Asked {
            method: "POST",
            target,
            content_type: Some("application/json"),
            body: body.as_bytes(),
        };
        assert!(judge(&table, &grant, &asked).expect("it is passed on").strips.is_none());
        let passed = judge_metered(&table, &grant, &asked, UsageHabit::of(product), &mut Notes::default())
            .unwrap_or_else(|refusal| panic!("{refusal}"));
        let body: Value = serde_json::from_slice(&passed.body.expect("a body").1).expect("it is JSON");
        (body["stream_options"].clone(), passed.strips)
    }

    fn strips(product: &str, others: Others) -> Strips {
        Strips {
            others,
            moves_fingerprint: product == "vllm",
        }
    }

    #[test]
    fn counters_are_asked_for_where_a_client_streams_and_did_not_ask() {
        let (chat, text) = ("/v1/chat/completions", "/v1/completions");
        let asked = json!({"include_usage": true});
        for (product, target, others) in [
            ("ollama", chat, Others::Any),
            ("ollama", text, Others::Any),
            ("vllm", chat, Others::Null),
            ("vllm", text, Others::Nothing),
            ("openai-compatible", chat, Others::Null),
        ] {
            for options in [json!(null), json!({}), json!({"include_usage": false}), json!({CONTINUOUS: true})] {
                let done = judged(product, target, &json!({"stream": true, "stream_options": options}));
                assert_eq!(done, (asked.clone(), Some(strips(product, others))), "{product} {target} {options}");
            }
            assert_eq!(
                judged(product, target, &json!({"stream": true})),
                (asked.clone(), Some(strips(product, others)))
            );
        }
        for (product, target, more, options) in [
            ("ollama", chat, json!({}), json!(null)),
            ("ollama", chat, json!({"stream": false}), json!(null)),
            ("ollama", chat, json!({"stream": true, "stream_options": asked}), asked.clone()),
            ("ollama", "/api/chat", json!({"stream": true}), json!(null)),
            ("llama-cpp", chat, json!({"stream": true}), json!(null)),
            ("vllm", chat, json!({"stream": "true"}), json!(null)),
            ("vllm", chat, json!({"stream": true, "n": 2}), json!(null)),
            ("vllm", text, json!({"stream": true, "prompt": ["a", "b"]}), json!(null)),
            ("vllm", chat, json!({"stream": true, "stream_options": "x"}), json!("x")),
        ] {
            assert_eq!(judged(product, target, &more), (options, None), "{product} {target} {more}");
        }
    }
}
