//! Every kind of change, and unknown values, which are never changes.

use std::net::SocketAddr;

use vigie_model::{
    Certificate, Deception, Endpoint, Identity, Leak, Network, RunningModel, SCHEMA, Source, SourceKind, Tell, Timestamp, Why,
};

use super::*;

fn sample() -> Observation {
    let address: SocketAddr = "10.20.30.40:11434".parse().expect("an address");
    let mut endpoint = Endpoint::at(address);
    endpoint.tls = Known::Known(false);
    let mut exposure = Exposure::unknown(Why::NotAsked);
    exposure.posture = Known::Known(Posture::Key);
    exposure.reach = Known::Known(Reach::Private);
    exposure.models = Known::Known(vec![model("llama3:8b", "aa"), model("qwen3:4b", "bb")]);
    exposure.capabilities = Known::Known(vec![Capability::new("completion")]);
    exposure.tools = Known::Known(vec![tool("search", ToolRisk::Network)]);
    Observation {
        schema: SCHEMA.to_owned(),
        seen: Timestamp::UNIX_EPOCH,
        recorded: Timestamp::UNIX_EPOCH,
        source: Source {
            kind: SourceKind::Scan,
            name: "vigie".to_owned(),
            version: "0".to_owned(),
            catalog: String::new(),
            vantage: "test".to_owned(),
            scan: None,
        },
        scope: Known::unknown(Why::NotAsked),
        endpoint,
        listener: None,
        identity: Identity {
            product: Known::Known("ollama".to_owned()),
            version: Known::Known("0.12.6".to_owned()),
            instance: Known::unknown(Why::NotCarried),
            confidence: 0.9,
            evidence: [].into(),
            also: Vec::new(),
        }
        .into(),
        exposure: exposure.into(),
        network: Network::unknown(Why::NotAsked),
        deception: Deception::from_tells(Vec::new()),
        advisories: [].into(),
        findings: Vec::new().into(),
    }
}

fn model(name: &str, digest: &str) -> Model {
    let mut model = Model::named(name, Why::NotCarried);
    model.digest = Known::Known(digest.to_owned());
    model.capabilities = Known::Known(vec![Capability::new("completion")]);
    model
}

fn tool(name: &str, risk: ToolRisk) -> Tool {
    Tool {
        name: name.to_owned(),
        risks: vec![risk],
    }
}

fn models(observation: &mut Observation) -> &mut Vec<Model> {
    match &mut observation.exposure.models {
        Known::Known(models) => models,
        Known::Unknown(_) => panic!("the models are known"),
    }
}

/// The changes as lines: severity, id, subject, before, after.
fn differences(before: &Observation, after: &Observation) -> Vec<String> {
    changes(before, after, &Catalog::embedded())
        .iter()
        .map(|change| {
            let value = |value: &Option<Known<String>>| match value {
                None => "-".to_owned(),
                Some(Known::Known(value)) => value.clone(),
                Some(Known::Unknown(unknown)) => format!("?{}", unknown.why),
            };
            let subject = change.subject.as_deref().unwrap_or("-");
            let (before, after) = (value(&change.before), value(&change.after));
            format!("{} {} {subject} {before} {after}", change.severity, change.id)
        })
        .collect()
}

/// A modification of the later observation, and the expected changes.
#[track_caller]
fn assert_changes(change: impl FnOnce(&mut Observation), expected: &[&str]) {
    let before = sample();
    let mut after = sample();
    change(&mut after);
    assert_eq!(differences(&before, &after), expected);
}

#[test]
fn the_same_is_no_change() {
    assert_changes(|_| {}, &[]);
    // Values that change by themselves, and conclusions of vigie, are no changes either.
    assert_changes(
        |o| {
            o.seen += chrono_day();
            o.identity.confidence = 0.5;
            o.exposure.activity = Known::Known(vigie_model::Activity::Active);
            o.exposure.running = Known::Known(vec![RunningModel {
                name: "llama3:8b".to_owned(),
                size_bytes: Known::Known(1),
                vram_bytes: Known::Known(1),
                context_length: Known::Known(1),
                expires: Known::unknown(Why::NotAsked),
            }]);
            models(o).reverse();
        },
        &[],
    );
}

fn chrono_day() -> std::time::Duration {
    std::time::Duration::from_secs(86_400)
}

#[test]
fn posture_has_a_direction() {
    for (was, is, expected) in [
        (Posture::Key, Posture::Open, "high lost-authentication - key open"),
        (Posture::Login, Posture::FirstAdmin, "high lost-authentication - login first-admin"),
        (Posture::Key, Posture::Signup, "high lost-authentication - key signup"),
        (Posture::Signup, Posture::Open, "high lost-authentication - signup open"),
        (Posture::Open, Posture::Key, "info gained-authentication - open key"),
        (
            Posture::FirstAdmin,
            Posture::Login,
            "info gained-authentication - first-admin login",
        ),
        (Posture::Key, Posture::Login, "low posture-changed - key login"),
        (Posture::Open, Posture::FirstAdmin, "low posture-changed - open first-admin"),
    ] {
        let (mut before, mut after) = (sample(), sample());
        before.exposure.posture = Known::Known(was);
        after.exposure.posture = Known::Known(is);
        assert_eq!(differences(&before, &after), [expected]);
    }
}

#[test]
fn versions_are_compared_in_the_order_of_their_product() {
    for (product, was, is, expected) in [
        ("ollama", "0.9.0", "0.12.6", "info upgraded - 0.9.0 0.12.6"),
        ("ollama", "0.12.6", "0.9.0", "medium downgraded - 0.12.6 0.9.0"),
        ("ollama", "0.12.6", "0.12.6-rc1", "medium downgraded - 0.12.6 0.12.6-rc1"),
        ("ollama", "0.12.6", "home-made", "low version-changed - 0.12.6 home-made"),
        ("ollama", "0.12.6", "0.0.0", "low version-changed - 0.12.6 0.0.0"),
        ("llama-cpp", "b9999", "b10434", "info upgraded - b9999 b10434"),
        ("not-in-the-catalogue", "1", "2", "low version-changed - 1 2"),
    ] {
        let (mut before, mut after) = (sample(), sample());
        for o in [&mut before, &mut after] {
            o.identity.product = Known::Known(product.to_owned());
        }
        before.identity.version = Known::Known(was.to_owned());
        after.identity.version = Known::Known(is.to_owned());
        assert_eq!(differences(&before, &after), [expected]);
    }
}

#[test]
fn models_are_added_changed_and_removed() {
    assert_changes(
        |o| {
            models(o).remove(1);
            models(o)[0].digest = Known::Known("cc".to_owned());
            models(o).push(model("new", "dd"));
            let mut uncensored = model("dolphin", "ee");
            uncensored.uncensored_by_name = Known::Known(true);
            models(o).push(uncensored);
        },
        &[
            "medium new-model dolphin - -",
            "low new-model new - -",
            "low model-changed llama3:8b aa cc",
            "info removed-model qwen3:4b - -",
        ],
    );
    // A digest that is unknown in one observation is not another digest.
    assert_changes(|o| models(o)[0].digest = Known::unknown(Why::NotCarried), &[]);
    assert_changes(
        |o| models(o).clear(),
        &["info removed-model llama3:8b - -", "info removed-model qwen3:4b - -"],
    );
}

#[test]
fn the_order_of_models_with_one_name_is_irrelevant() {
    let twice = |digests: [&str; 2]| {
        let mut observation = sample();
        *models(&mut observation) = digests.map(|digest| model("a", digest)).to_vec();
        observation
    };
    assert_eq!(differences(&twice(["aa", "bb"]), &twice(["bb", "aa"])), [""; 0]);
    assert_eq!(
        differences(&twice(["aa", "bb"]), &twice(["cc", "aa"])),
        ["low model-changed a bb cc"]
    );
    // It is unknown which of them became which.
    assert_eq!(differences(&twice(["aa", "bb"]), &twice(["cc", "dd"])), ["low model-changed a - -"]);
    let (same, mut more) = (twice(["aa", "aa"]), twice(["aa", "bb"]));
    assert_eq!(differences(&same, &more), ["low model-changed a - -"]);
    // The unknown one may be unchanged.
    models(&mut more)[1].digest = Known::unknown(Why::NotCarried);
    assert_eq!(differences(&same, &more), [""; 0]);
    // The worst of them decides.
    let mut before = sample();
    models(&mut before).clear();
    models(&mut more)[0].remote = Known::Known(true);
    assert_eq!(differences(&before, &more), ["medium new-model a - -"]);
}

#[test]
fn capabilities_are_those_of_any_model() {
    assert_changes(
        |o| {
            o.exposure.capabilities = Known::Known(vec![Capability::new("tools"), Capability::new("vision")]);
        },
        &[
            "medium new-capability tools - -",
            "low new-capability vision - -",
            "info removed-capability completion - -",
        ],
    );
}

#[test]
fn a_capability_that_an_old_version_cannot_report_is_not_new() {
    let (mut before, mut after) = (sample(), sample());
    models(&mut before)[0].capabilities_untold = vec![Capability::new("thinking")];
    after.exposure.capabilities = Known::Known(vec![Capability::new("completion"), Capability::new("thinking")]);
    assert_eq!(differences(&before, &after), ["info now-told capability thinking - -"]);
    assert_eq!(differences(&after, &before), ["info no-longer-told capability thinking - -"]);
    // The same holds if a model's capabilities are unknown.
    models(&mut before)[0].capabilities_untold.clear();
    models(&mut before)[1].capabilities = Known::unknown(Why::Refused);
    assert_eq!(differences(&before, &after), ["info now-told capability thinking - -"]);
}

#[test]
fn the_risks_of_a_tool_decide_the_severity() {
    assert_changes(
        |o| {
            o.exposure.tools = Known::Known(vec![
                Tool {
                    name: "search".to_owned(),
                    risks: vec![ToolRisk::Network, ToolRisk::FileAccess],
                },
                tool("run_shell", ToolRisk::CodeExecution),
                tool("weather", ToolRisk::Other),
            ]);
        },
        &[
            "high new-tool run_shell - -",
            "medium tool-changed search network file-access, network",
            "low new-tool weather - -",
        ],
    );
    assert_changes(|o| o.exposure.tools = Known::Known(Vec::new()), &["info removed-tool search - -"]);
}

#[test]
fn reach_tls_and_certificates() {
    assert_changes(
        |o| o.exposure.reach = Known::Known(Reach::Public),
        &["high wider-reach - private public"],
    );
    assert_changes(
        |o| o.exposure.reach = Known::Known(Reach::Loopback),
        &["info narrower-reach - private loopback"],
    );
    let certificate = |sha256: &str| Certificate {
        sha256: sha256.to_owned(),
        subject: "CN=box".to_owned(),
        issuer: "CN=box".to_owned(),
        names: Vec::new(),
        not_before: None,
        not_after: None,
        self_signed: true,
    };
    let mut plain = sample();
    plain.endpoint.tls = Known::Known(false);
    let mut tls = sample();
    tls.endpoint.tls = Known::Known(true);
    tls.endpoint.certificate = Some(certificate("01"));
    assert_eq!(differences(&plain, &tls), ["info gained-tls - - -"]);
    assert_eq!(differences(&tls, &plain), ["medium lost-tls - - -"]);
    let mut renewed = tls.clone();
    renewed.endpoint.certificate = Some(certificate("02"));
    assert_eq!(differences(&tls, &renewed), ["low certificate-changed CN=box 01 02"]);
    let mut untold = tls.clone();
    untold.endpoint.certificate = None;
    assert_eq!(differences(&tls, &untold), ["info no-longer-told certificate 01 -"]);
}

#[test]
fn items_missing_from_an_incomplete_list_are_no_change() {
    let (mut before, mut after) = (sample(), sample());
    models(&mut before).truncate(1);
    models(&mut after).remove(0);
    assert_eq!(differences(&before, &after).iter().filter(|line| line.contains("model")).count(), 2);
    before.exposure.models_at_least = Some(1);
    after.exposure.models_at_least = Some(1);
    assert_eq!(differences(&before, &after), Vec::<String>::new());
}

#[test]
fn values_of_another_product_are_not_compared() {
    assert_changes(
        |o| {
            o.identity.product = Known::Known("vllm".to_owned());
            o.identity.version = Known::Known("0.1.0".to_owned());
            o.exposure.models = Known::Known(Vec::new());
            o.exposure.capabilities = Known::unknown(Why::NotCarried);
            o.exposure.posture = Known::Known(Posture::Open);
        },
        &["high lost-authentication - key open", "medium product-changed - ollama vllm"],
    );
}

#[test]
fn leaks_appear_but_are_never_reported_as_gone() {
    let (before, mut after) = (sample(), sample());
    let leak = |what| Leak {
        what,
        request: "GET /".to_owned(),
    };
    after.exposure.leaks = vec![leak(LeakKind::Metrics), leak(LeakKind::Credentials)];
    assert_eq!(
        differences(&before, &after),
        ["high newly-readable credentials - -", "low newly-readable metrics - -"]
    );
    assert_eq!(
        differences(&after, &before),
        [
            "info no-longer-told readable credentials - -",
            "info no-longer-told readable metrics - -"
        ]
    );
}

#[test]
fn suspicion_has_a_direction() {
    let mut suspect = sample();
    suspect.deception = Deception::from_tells(vec![Tell {
        id: "many-services".to_owned(),
        weight: 0.6,
        seen: "46".to_owned(),
    }]);
    assert_eq!(differences(&sample(), &suspect), ["medium became-suspect - 0 0.6"]);
    assert_eq!(differences(&suspect, &sample()), ["info no-longer-suspect - 0.6 0"]);
    let mut louder = suspect.clone();
    louder.exposure.posture = Known::Known(Posture::Open);
    assert_eq!(differences(&suspect, &louder), ["low lost-authentication - key open"]);
    assert_eq!(
        differences(&sample(), &louder),
        ["medium became-suspect - 0 0.6", "low lost-authentication - key open"]
    );
    let mut untold = sample();
    untold.deception = Deception::unknown(Why::NotAsked);
    assert_eq!(differences(&untold, &suspect), ["info now-told deception ?not-asked 0.6"]);
}

/// A value that becomes known or unknown is never a change.
#[test]
fn unknown_is_never_a_change() {
    type Hide = fn(&mut Observation);
    let hide: [(&str, Hide); 8] = [
        ("posture", |o| o.exposure.posture = Known::unknown(Why::Refused)),
        ("reach", |o| o.exposure.reach = Known::unknown(Why::NotAsked)),
        ("tls", |o| o.endpoint.tls = Known::unknown(Why::NotAsked)),
        ("version", |o| o.identity.version = Known::unknown(Why::Hidden)),
        ("models", |o| o.exposure.models = Known::unknown(Why::Refused)),
        ("capabilities", |o| o.exposure.capabilities = Known::unknown(Why::TooOld)),
        ("tools", |o| o.exposure.tools = Known::unknown(Why::Refused)),
        ("product", |o| o.identity.product = Known::unknown(Why::Unparsable)),
    ];
    for (what, hide) in hide {
        let mut hidden = sample();
        hide(&mut hidden);
        for (before, after, id) in [
            (sample(), hidden.clone(), ChangeId::NoLongerKnown),
            (hidden.clone(), sample(), ChangeId::NowKnown),
        ] {
            let all = changes(&before, &after, &Catalog::embedded());
            assert_eq!(all.len(), 1, "{what}: {all:?}");
            assert_eq!((all[0].id, all[0].subject.as_deref()), (id, Some(what)));
            assert!(!all[0].is_change());
        }
        // Unknown for another reason is not a change.
        let mut other = hidden.clone();
        hide(&mut other);
        assert_eq!(differences(&hidden, &other), [""; 0]);
    }
    // A server that no longer answers has not lost its models or anything else.
    let mut silent = sample();
    silent.exposure = Exposure::unknown(Why::Refused).into();
    silent.identity.version = Known::unknown(Why::Refused);
    assert!(
        changes(&sample(), &silent, &Catalog::embedded())
            .iter()
            .all(|change| !change.is_change())
    );
}

#[test]
fn words_are_the_ones_in_json_and_in_their_order() {
    for pair in ChangeId::ALL.windows(2) {
        assert!(pair[0] < pair[1]);
    }
    for id in ChangeId::ALL {
        assert_eq!(json_word(&id), id.word());
    }
    for reach in [Reach::Loopback, Reach::Private, Reach::Public] {
        assert_eq!(json_word(&reach), reach_word(reach));
    }
    for leak in [LeakKind::Models, LeakKind::SystemPrompt, LeakKind::Data, LeakKind::Credentials] {
        assert_eq!(json_word(&leak), leak_word(leak));
    }
}
