//! The findings of each rule, and observations without them.

#[path = "findings/limits.rs"]
mod limits;

use std::net::SocketAddr;
use std::sync::OnceLock;

use vigie_assess::Knowledge;
use vigie_model::{
    Activity, Capability, Confidence, Deception, Endpoint, EvidenceKind, Exposure, Finding, Identity, Known, Leak, LeakKind, Listener,
    Model, Network, Observation, Posture, PromptClass, Reach, SCHEMA, Severity, Source, SourceKind, Subject, Tell, TextPrint, Timestamp,
    Tool, ToolRisk, Why,
};

/// A server on a private network, reached without TLS.
fn seen(product: &str, version: &str, posture: Posture) -> Observation {
    let address: SocketAddr = "10.20.30.40:11434".parse().expect("an address");
    let mut endpoint = Endpoint::at(address);
    endpoint.tls = Known::Known(false);
    let mut exposure = Exposure::unknown(Why::NotAsked);
    exposure.posture = Known::Known(posture);
    exposure.posture_from = Some("GET /list".to_owned());
    exposure.reach = Known::Known(Reach::Private);
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
            product: Known::Known(product.to_owned()),
            version: Known::Known(version.to_owned()),
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

fn with_models(mut observation: Observation, models: Vec<Model>) -> Observation {
    observation.exposure.activity = Known::Known(if models.is_empty() { Activity::Dormant } else { Activity::Active });
    observation.exposure.models = Known::Known(models);
    observation
}

fn model(name: &str) -> Model {
    Model::named(name, Why::NotCarried)
}

fn knowledge() -> &'static Knowledge {
    static LOADED: OnceLock<Knowledge> = OnceLock::new();
    LOADED.get_or_init(Knowledge::embedded)
}

fn judged(mut observation: Observation) -> Observation {
    knowledge().assess(&mut observation);
    observation
}

fn ids(observation: &Observation) -> Vec<&str> {
    observation.findings.iter().map(|finding| finding.id.as_str()).collect()
}

fn find<'o>(observation: &'o Observation, id: &str) -> &'o Finding {
    observation
        .findings
        .iter()
        .find(|finding| finding.id == id)
        .unwrap_or_else(|| panic!("no {id} in {:?}", ids(observation)))
}

#[test]
fn an_open_server_with_a_model_has_inference_management_and_disclosure() {
    let open = judged(with_models(seen("ollama", "0.17.4", Posture::Open), vec![model("made-up:1b")]));
    let inference = find(&open, "open-inference");
    assert_eq!((inference.severity, inference.confidence), (Severity::High, Confidence::Medium));
    assert_eq!(inference.evidence, EvidenceKind::Inferred, "nothing was run");
    assert!(
        inference.detail.contains("GET /list") && inference.detail.contains("1 model."),
        "{}",
        inference.detail
    );
    assert!(!inference.standards.is_empty() && !inference.remedy.is_empty());
    find(&open, "management-reachable");
    assert_eq!(find(&open, "models-readable").evidence, EvidenceKind::Observed);
    find(&open, "plain-http");
    assert!(!ids(&open).contains(&"empty-server-fillable"));
    assert!(
        open.findings.is_sorted_by(|a, b| a.severity >= b.severity),
        "not in descending order of severity: {:?}",
        ids(&open)
    );
}

#[test]
fn a_finding_names_the_settings_that_act_on_it() {
    let open = judged(with_models(seen("ollama", "0.17.4", Posture::Open), vec![model("made-up:1b")]));
    let fixes = |id: &str| -> Vec<String> { find(&open, id).fixes.iter().map(ToString::to_string).collect() };
    assert_eq!(fixes("open-inference"), ["OLLAMA_HOST=127.0.0.1:11434"]);
    assert_eq!(fixes("models-readable"), [""; 0], "no setting of the product's file names it");
    let unknown = Observation {
        identity: Identity {
            product: Known::unknown(Why::NotCarried),
            ..(*open.identity).clone()
        }
        .into(),
        ..open.clone()
    };
    assert!(judged(unknown).findings.iter().all(|finding| finding.fixes.is_empty()));
}

#[test]
fn the_reach_decides_the_severity() {
    let mut public = with_models(seen("ollama", "0.17.4", Posture::Open), vec![model("made-up:1b")]);
    public.exposure.reach = Known::Known(Reach::Public);
    assert_eq!(find(&judged(public), "open-inference").severity, Severity::Critical);

    let mut own = with_models(seen("ollama", "0.17.4", Posture::Open), vec![model("made-up:1b")]);
    own.exposure.reach = Known::Known(Reach::Loopback);
    own.listener = Some(Listener {
        bound: vec!["127.0.0.1".parse().expect("an address")],
        answers_on: Vec::new(),
        process: Known::unknown(Why::Refused),
        pid: Known::unknown(Why::Refused),
    });
    let own = judged(own);
    find(&own, "loopback-only");
    for finding in &own.findings {
        let most = if finding.id == "vulnerable-version" {
            Severity::Low
        } else {
            Severity::Info
        };
        assert!(finding.severity <= most, "{} is {:?} on loopback", finding.id, finding.severity);
    }
    assert!(!ids(&own).contains(&"plain-http"), "nothing goes over a wire");
}

#[test]
fn a_proof_gives_high_confidence() {
    let mut proved = with_models(seen("ollama", "0.17.4", Posture::Open), vec![model("made-up:1b")]);
    proved.exposure.inference_proved = Some(true);
    let finding = judged(proved);
    let finding = find(&finding, "open-inference");
    assert_eq!((finding.confidence, finding.evidence), (Confidence::High, EvidenceKind::Observed));
}

#[test]
fn a_list_that_was_cut_is_a_lower_bound() {
    let mut cut = with_models(seen("ollama", "0.17.4", Posture::Open), vec![model("made-up:1b"); 5]);
    let whole = judged(cut.clone());
    assert!(find(&whole, "open-inference").detail.contains("It lists 5 models."));
    assert!(find(&whole, "models-readable").detail.contains(" and 2 more."));
    cut.exposure.models_at_least = Some(3312);
    let cut = judged(cut);
    assert!(find(&cut, "open-inference").detail.contains("It lists at least 3312 models."));
    assert!(find(&cut, "models-readable").detail.contains(" and at least 3309 more."));
}

#[test]
fn an_empty_server_is_fillable_without_open_inference() {
    let dormant = judged(with_models(seen("ollama", "0.17.4", Posture::Open), Vec::new()));
    find(&dormant, "empty-server-fillable");
    assert!(!ids(&dormant).contains(&"open-inference"));
    assert!(!ids(&dormant).contains(&"models-readable"));
}

#[test]
fn a_protected_server_has_no_finding_but_its_leaks() {
    let locked = judged(seen("ollama", "0.17.4", Posture::Key));
    for id in ["open-inference", "management-reachable", "models-readable", "partial-key"] {
        assert!(!ids(&locked).contains(&id), "{id}");
    }
    let mut beside = seen("llama-cpp", "b8000", Posture::Key);
    beside.exposure.leaks = vec![Leak {
        what: LeakKind::Models,
        request: "GET /v1/models".to_owned(),
    }];
    let beside = judged(beside);
    find(&beside, "models-readable");
    assert!(find(&beside, "partial-key").detail.contains("GET /v1/models"));
}

#[test]
fn unknown_is_neither_open_nor_locked() {
    let mut dark = seen("ollama", "0.17.4", Posture::Open);
    dark.exposure.posture = Known::unknown(Why::NotCarried);
    dark.exposure.posture_from = None;
    let dark = judged(dark);
    for id in [
        "open-inference",
        "management-reachable",
        "empty-server-fillable",
        "partial-key",
        "paid-quota-exposed",
    ] {
        assert!(!ids(&dark).contains(&id), "{id}");
    }
    // Unknown models are not an empty list.
    let open = judged(seen("ollama", "0.17.4", Posture::Open));
    assert!(!ids(&open).contains(&"empty-server-fillable"));
    assert!(ids(&open).contains(&"open-inference"));
}

#[test]
fn an_unrecognised_suspect_has_one_finding() {
    let mut stranger = seen("ollama", "0.17.4", Posture::Open);
    stranger.identity.product = Known::unknown(Why::NotCarried);
    assert_eq!(ids(&judged(stranger.clone())), Vec::<&str>::new());
    stranger.deception = Deception::from_tells(vec![Tell {
        id: "any-path-answers".to_owned(),
        weight: 0.9,
        seen: "/vigie-no-such-page is 200 with JSON".to_owned(),
    }]);
    let suspect = judged(stranger);
    assert_eq!(ids(&suspect), ["suspected-deception"]);
    let detail = &suspect.findings[0].detail;
    assert!(
        detail.starts_with("/vigie-no-such-page is 200 with JSON (any-path-answers). "),
        "{detail}"
    );
}

#[test]
fn a_leak_of_an_unrecognised_server_is_a_partial_key() {
    let mut stranger = seen("ollama", "0.17.4", Posture::Key);
    stranger.identity.product = Known::unknown(Why::NotCarried);
    assert_eq!(ids(&judged(stranger.clone())), Vec::<&str>::new());
    stranger.exposure.leaks = vec![vigie_model::Leak {
        what: LeakKind::Models,
        request: "GET /v1/models".to_owned(),
    }];
    let found = judged(stranger);
    assert_eq!(ids(&found), ["partial-key"]);
    assert!(find(&found, "partial-key").detail.contains("GET /v1/models"));
    assert_ne!(find(&found, "partial-key").confidence, vigie_model::Confidence::High);
}

#[test]
fn each_kind_of_leak_has_its_finding() {
    for (what, id) in [
        (LeakKind::SystemPrompt, "system-prompt-readable"),
        (LeakKind::Prompts, "prompts-readable"),
        (LeakKind::Settings, "settings-readable"),
        (LeakKind::Credentials, "credentials-readable"),
        (LeakKind::Data, "data-readable"),
        (LeakKind::Metrics, "metrics-readable"),
    ] {
        let mut leaking = seen("open-webui", "0.6.0", Posture::Login);
        leaking.exposure.leaks = vec![Leak {
            what,
            request: "GET /leak".to_owned(),
        }];
        let leaking = judged(leaking);
        assert_eq!(find(&leaking, id).evidence, EvidenceKind::Observed, "{id}");
        find(&leaking, "partial-key");
    }
}

#[test]
fn open_registration_has_its_findings() {
    assert!(ids(&judged(seen("open-webui", "0.6.0", Posture::FirstAdmin))).contains(&"first-visitor-admin"));
    assert!(ids(&judged(seen("open-webui", "0.6.0", Posture::Signup))).contains(&"open-signup"));
    let login = judged(seen("open-webui", "0.6.0", Posture::Login));
    assert!(!ids(&login).contains(&"first-visitor-admin") && !ids(&login).contains(&"open-signup"));
}

#[test]
fn an_application_without_a_login_is_open() {
    let notebook = judged(seen("jupyter", "2.14.0", Posture::Open));
    assert_eq!(find(&notebook, "open-application").severity, Severity::High);
    assert!(!ids(&notebook).contains(&"open-inference"), "a notebook serves no model");
}

#[test]
fn the_riskiest_tool_decides_the_severity() {
    let tool = |name: &str, risk| Tool {
        name: name.to_owned(),
        risks: vec![risk],
    };
    let with = |tools: Vec<Tool>| {
        let mut server = seen("mcp", "1.0", Posture::Open);
        server.exposure.tools = Known::Known(tools);
        judged(server)
    };
    let shell = with(vec![tool("add", ToolRisk::Other), tool("run_shell", ToolRisk::CodeExecution)]);
    let finding = find(&shell, "tools-without-authentication");
    assert_eq!(finding.severity, Severity::Critical);
    assert!(
        finding.detail.contains("run_shell") && finding.detail.contains("code-execution"),
        "{}",
        finding.detail
    );
    let add = with(vec![tool("add", ToolRisk::Other)]);
    assert_eq!(find(&add, "tools-without-authentication").severity, Severity::Low);
    assert!(!ids(&with(Vec::new())).contains(&"tools-without-authentication"));
}

#[test]
fn models_and_tools_on_one_port_have_the_findings_of_both() {
    let mut seen = with_models(seen("openai-compatible", "", Posture::Open), vec![model("tiny")]);
    seen.identity.also = vec!["mcp".to_owned()];
    seen.exposure.tools = Known::Known(vec![Tool {
        name: "run_shell".to_owned(),
        risks: vec![ToolRisk::CodeExecution],
    }]);
    let judged = judged(seen);
    for id in ["open-inference", "models-readable", "tools-without-authentication"] {
        assert!(ids(&judged).contains(&id), "{id}: {:?}", ids(&judged));
    }
}

#[test]
fn a_version_is_compared_with_the_advisories() {
    let old = judged(seen("ollama", "0.1.33", Posture::Key));
    let finding = find(&old, "vulnerable-version");
    assert!(
        finding.advisories.iter().any(|id| id == "CVE-2024-37032"),
        "{:?}",
        finding.advisories
    );
    assert_eq!(finding.evidence, EvidenceKind::Inferred);
    let mut hidden = seen("ollama", "0.1.33", Posture::Key);
    hidden.identity.version = Known::unknown(Why::Hidden);
    let hidden = judged(hidden);
    assert!(!ids(&hidden).contains(&"vulnerable-version"), "unknown is not affected");
    assert!(!hidden.advisories.is_empty(), "and it is not cleared either");
    // The version of an MCP server is chosen by its author.
    let author = judged(seen("mcp", "0.0.1", Posture::Open));
    assert!(author.advisories.is_empty() && !ids(&author).contains(&"vulnerable-version"));
}

#[test]
fn disputed_advisories_alone_make_no_finding() {
    for product in knowledge().catalog.products() {
        for version in ["0.0.1", "0.1.0", "1.0.0"] {
            let seen = judged(seen(&product.id, version, Posture::Key));
            let counted = |id: &String| seen.advisories.iter().any(|advisory| advisory.id == *id && !advisory.disputed);
            for finding in seen.findings.iter().filter(|finding| finding.id == "vulnerable-version") {
                assert!(
                    !finding.advisories.is_empty() && finding.advisories.iter().all(counted),
                    "{}",
                    product.id
                );
            }
        }
    }
}

#[test]
fn plain_http_needs_a_server_beyond_loopback() {
    let mut secure = seen("ollama", "0.17.4", Posture::Key);
    secure.endpoint.tls = Known::Known(true);
    assert!(!ids(&judged(secure)).contains(&"plain-http"));
    let mut untold = seen("ollama", "0.17.4", Posture::Key);
    untold.endpoint.tls = Known::unknown(Why::NotAsked);
    assert!(!ids(&judged(untold)).contains(&"plain-http"));
    assert!(ids(&judged(seen("ollama", "0.17.4", Posture::Key))).contains(&"plain-http"));
}

#[test]
fn uncensored_by_name_and_by_prompt_are_two_signals() {
    let mut by_name = model("made-up-abliterated:7b");
    by_name.uncensored_by_name = Known::Known(true);
    let mut by_prompt = model("assistant");
    by_prompt.uncensored_by_prompt = Known::Known(true);
    let both = judged(with_models(seen("ollama", "0.17.4", Posture::Open), vec![by_name, by_prompt]));
    let two: Vec<&Finding> = both.findings.iter().filter(|finding| finding.id == "uncensored-model").collect();
    assert_eq!(two.len(), 2);
    assert_ne!(two[0].subject, two[1].subject, "a baseline can accept one without the other");
    assert!(
        two.iter()
            .all(|finding| finding.detail.matches("made-up").count() + finding.detail.matches("assistant").count() == 1)
    );
}

#[test]
fn custom_prompts_and_paid_models_are_reported() {
    let mut own = model("helper:latest");
    own.system_prompt = Known::Known(TextPrint {
        sha256: String::new(),
        characters: 40,
        class: PromptClass::Custom,
        text: None,
    });
    own.capabilities = Known::Known(vec![Capability::new("tools")]);
    let mut cloud = model("made-up:cloud");
    cloud.remote = Known::Known(true);
    let observation = judged(with_models(
        seen("ollama", "0.17.4", Posture::Open),
        vec![own.clone(), cloud.clone()],
    ));
    assert!(find(&observation, "system-prompt-readable").detail.contains("helper:latest"));
    assert!(find(&observation, "paid-quota-exposed").detail.contains("made-up:cloud"));
    // The published template of a model is no secret.
    own.system_prompt = Known::Known(TextPrint {
        sha256: String::new(),
        characters: 0,
        class: PromptClass::Empty,
        text: None,
    });
    cloud.remote = Known::unknown(Why::TooOld);
    let quiet = judged(with_models(seen("ollama", "0.17.4", Posture::Open), vec![own, cloud]));
    assert!(!ids(&quiet).contains(&"system-prompt-readable") && !ids(&quiet).contains(&"paid-quota-exposed"));
}

#[test]
fn cached_findings_are_the_same() {
    let base = with_models(seen("ollama", "0.17.4", Posture::Open), vec![model("made-up:1b")]);
    let change = |change: &dyn Fn(&mut Observation)| {
        let mut changed = base.clone();
        change(&mut changed);
        changed
    };
    let of_model = |change: &dyn Fn(&mut Model)| {
        let mut changed = model("made-up:1b");
        change(&mut changed);
        with_models(base.clone(), vec![changed])
    };
    // All share the evidence of the first, and each differs in one input of the rules.
    let kinds = [
        base.clone(),
        change(&|o| o.endpoint.address = "10.20.30.41".parse().expect("an address")),
        change(&|o| o.endpoint.address = "127.0.0.2".parse().expect("an address")),
        change(&|o| o.endpoint.tls = Known::Known(true)),
        change(&|o| o.endpoint.tls = Known::unknown(Why::Refused)),
        change(&|o| o.identity.product = Known::Known("vllm".to_owned())),
        change(&|o| o.identity.product = Known::unknown(Why::NotAsked)),
        change(&|o| o.identity.version = Known::Known("0.1.0".to_owned())),
        change(&|o| o.exposure.posture = Known::Known(Posture::Key)),
        change(&|o| o.exposure.posture_from = None),
        change(&|o| o.exposure.reach = Known::Known(Reach::Public)),
        change(&|o| o.exposure.inference_proved = Some(true)),
        change(&|o| o.exposure.activity = Known::Known(Activity::Dormant)),
        change(&|o| {
            o.exposure.reach = Known::Known(Reach::Loopback);
            o.listener = Some(Listener {
                bound: Vec::new(),
                answers_on: Vec::new(),
                process: Known::unknown(Why::Refused),
                pid: Known::unknown(Why::Refused),
            });
        }),
        change(&|o| {
            o.deception = Deception::from_tells(vec![Tell {
                id: "made-up".to_owned(),
                weight: 0.9,
                seen: "made up".to_owned(),
            }]);
        }),
        of_model(&|m| m.uncensored_by_name = Known::Known(true)),
        of_model(&|m| m.remote = Known::Known(true)),
    ];
    let one = Knowledge::embedded();
    for round in 0..3 {
        for kind in &kinds {
            let (mut remembered, mut fresh) = (kind.clone(), kind.clone());
            one.assess(&mut remembered);
            Knowledge::embedded().assess(&mut fresh);
            assert_eq!(remembered, fresh, "round {round}");
            let subject = fresh.endpoint.socket().to_string();
            for finding in &remembered.findings {
                assert!(finding.subject.to_string().starts_with(&subject));
                // What a reader of the record gets is what was judged.
                assert_eq!(Subject::from_record(&finding.subject.to_string()), finding.subject);
            }
        }
    }
}
