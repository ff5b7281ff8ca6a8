//! Every kind of change, and unknown values, which are never changes.

use std::net::SocketAddr;

use vigie_model::{
    Certificate, Deception, Endpoint, Identity, Leak, Network, RunningModel, SCHEMA, Source, SourceKind, Tell, Timestamp, Why,
};

use super::*;

fn look() -> Observation {
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
fn said(before: &Observation, after: &Observation) -> Vec<String> {
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
fn once(change: impl FnOnce(&mut Observation), expected: &[&str]) {
    let before = look();
    let mut after = look();
    change(&mut after);
    assert_eq!(said(&before, &after), expected);
}

#[test]
fn the_same_is_no_change() {
    once(|_| {}, &[]);
    // Values that change by themselves, and conclusions of vigie, are no changes either.
    once(
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
        let (mut before, mut after) = (look(), look());
        before.exposure.posture = Known::Known(was);
        after.exposure.posture = Known::Known(is);
        assert_eq!(said(&before, &after), [expected]);
    }
}

#[test]
fn versions_are_ordered_as_their_product_orders_them() {
    for (product, was, is, expected) in [
        ("ollama", "0.9.0", "0.12.6", "info upgraded - 0.9.0 0.12.6"),
        ("ollama", "0.12.6", "0.9.0", "medium downgraded - 0.12.6 0.9.0"),
        ("ollama", "0.12.6", "0.12.6-rc1", "medium downgraded - 0.12.6 0.12.6-rc1"),
        ("ollama", "0.12.6", "home-made", "low version-changed - 0.12.6 home-made"),
        ("ollama", "0.12.6", "0.0.0", "low version-changed - 0.12.6 0.0.0"),
        ("llama-cpp", "b9999", "b10434", "info upgraded - b9999 b10434"),
        ("not-in-the-catalogue", "1", "2", "low version-changed - 1 2"),
    ] {
        let (mut before, mut after) = (look(), look());
        for o in [&mut before, &mut after] {
            o.identity.product = Known::Known(product.to_owned());
        }
        before.identity.version = Known::Known(was.to_owned());
        after.identity.version = Known::Known(is.to_owned());
        assert_eq!(said(&before, &after), [expected]);
    }
}

#[test]
fn models_come_change_and_go() {
    once(
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
    once(|o| models(o)[0].digest = Known::unknown(Why::NotCarried), &[]);
    once(
        |o| models(o).clear(),
        &["info removed-model llama3:8b - -", "info removed-model qwen3:4b - -"],
    );
}

#[test]
fn models_of_one_name_have_no_order() {
    let twice = |digests: [&str; 2]| {
        let mut observation = look();
        *models(&mut observation) = digests.map(|digest| model("a", digest)).to_vec();
        observation
    };
    assert_eq!(said(&twice(["aa", "bb"]), &twice(["bb", "aa"])), [""; 0]);
    assert_eq!(said(&twice(["aa", "bb"]), &twice(["cc", "aa"])), ["low model-changed a bb cc"]);
    // It is unknown which of them became which.
    assert_eq!(said(&twice(["aa", "bb"]), &twice(["cc", "dd"])), ["low model-changed a - -"]);
    let (same, mut more) = (twice(["aa", "aa"]), twice(["aa", "bb"]));
    assert_eq!(said(&same, &more), ["low model-changed a - -"]);
    // The unknown one may be unchanged.
    models(&mut more)[1].digest = Known::unknown(Why::NotCarried);
    assert_eq!(said(&same, &more), [""; 0]);
    // The worst of them decides.
    let mut before = look();
    models(&mut before).clear();
    models(&mut more)[0].remote = Known::Known(true);
    assert_eq!(said(&before, &more), ["medium new-model a - -"]);
}

#[test]
fn capabilities_are_those_of_any_model() {
    once(
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
fn a_capability_that_had_no_word_yet_is_not_new() {
    let (mut before, mut after) = (look(), look());
    models(&mut before)[0].capabilities_untold = vec![Capability::new("thinking")];
    after.exposure.capabilities = Known::Known(vec![Capability::new("completion"), Capability::new("thinking")]);
    assert_eq!(said(&before, &after), ["info now-told capability thinking - -"]);
    assert_eq!(said(&after, &before), ["info no-longer-told capability thinking - -"]);
    // The same holds if a model's capabilities are unknown.
    models(&mut before)[0].capabilities_untold.clear();
    models(&mut before)[1].capabilities = Known::unknown(Why::Refused);
    assert_eq!(said(&before, &after), ["info now-told capability thinking - -"]);
}

#[test]
fn tools_weigh_what_they_can_do() {
    once(
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
    once(|o| o.exposure.tools = Known::Known(Vec::new()), &["info removed-tool search - -"]);
}

#[test]
fn reach_tls_and_certificates() {
    once(
        |o| o.exposure.reach = Known::Known(Reach::Public),
        &["high wider-reach - private public"],
    );
    once(
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
    let mut plain = look();
    plain.endpoint.tls = Known::Known(false);
    let mut tls = look();
    tls.endpoint.tls = Known::Known(true);
    tls.endpoint.certificate = Some(certificate("01"));
    assert_eq!(said(&plain, &tls), ["info gained-tls - - -"]);
    assert_eq!(said(&tls, &plain), ["medium lost-tls - - -"]);
    let mut renewed = tls.clone();
    renewed.endpoint.certificate = Some(certificate("02"));
    assert_eq!(said(&tls, &renewed), ["low certificate-changed CN=box 01 02"]);
    let mut untold = tls.clone();
    untold.endpoint.certificate = None;
    assert_eq!(said(&tls, &untold), ["info no-longer-told certificate 01 -"]);
}

#[test]
fn what_a_cut_list_lacks_is_neither_gone_nor_new() {
    let (mut before, mut after) = (look(), look());
    models(&mut before).truncate(1);
    models(&mut after).remove(0);
    assert_eq!(said(&before, &after).iter().filter(|line| line.contains("model")).count(), 2);
    before.exposure.models_at_least = Some(1);
    after.exposure.models_at_least = Some(1);
    assert_eq!(said(&before, &after), Vec::<String>::new());
}

#[test]
fn of_another_product_nothing_else_is_compared_that_hangs_on_it() {
    once(
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
fn what_is_readable_comes_and_is_never_said_to_have_gone() {
    let (before, mut after) = (look(), look());
    let leak = |what| Leak {
        what,
        request: "GET /".to_owned(),
    };
    after.exposure.leaks = vec![leak(LeakKind::Metrics), leak(LeakKind::Credentials)];
    assert_eq!(
        said(&before, &after),
        ["high newly-readable credentials - -", "low newly-readable metrics - -"]
    );
    assert_eq!(
        said(&after, &before),
        [
            "info no-longer-told readable credentials - -",
            "info no-longer-told readable metrics - -"
        ]
    );
}

#[test]
fn suspicion_has_a_direction() {
    let mut suspect = look();
    suspect.deception = Deception::from_tells(vec![Tell {
        id: "many-services".to_owned(),
        weight: 0.6,
        seen: "46".to_owned(),
    }]);
    assert_eq!(said(&look(), &suspect), ["medium became-suspect - 0 0.6"]);
    assert_eq!(said(&suspect, &look()), ["info no-longer-suspect - 0.6 0"]);
    let mut louder = suspect.clone();
    louder.exposure.posture = Known::Known(Posture::Open);
    assert_eq!(said(&suspect, &louder), ["low lost-authentication - key open"]);
    assert_eq!(
        said(&look(), &louder),
        ["medium became-suspect - 0 0.6", "low lost-authentication - key open"]
    );
    let mut untold = look();
    untold.deception = Deception::unknown(Why::NotAsked);
    assert_eq!(said(&untold, &suspect), ["info now-told deception ?not-asked 0.6"]);
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
        let mut hidden = look();
        hide(&mut hidden);
        for (before, after, id) in [
            (look(), hidden.clone(), ChangeId::NoLongerTold),
            (hidden.clone(), look(), ChangeId::NowTold),
        ] {
            let all = changes(&before, &after, &Catalog::embedded());
            assert_eq!(all.len(), 1, "{what}: {all:?}");
            assert_eq!((all[0].id, all[0].subject.as_deref()), (id, Some(what)));
            assert!(!all[0].is_change());
        }
        // Unknown for another reason is not a change.
        let mut other = hidden.clone();
        hide(&mut other);
        assert_eq!(said(&hidden, &other), [""; 0]);
    }
    // A server that no longer answers has not lost its models or anything else.
    let mut silent = look();
    silent.exposure = Exposure::unknown(Why::Refused).into();
    silent.identity.version = Known::unknown(Why::Refused);
    assert!(
        changes(&look(), &silent, &Catalog::embedded())
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
