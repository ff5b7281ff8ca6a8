//! A varied set of observations for the snapshots, the schemas and the validators.
//!
//! Constructed, not recorded: addresses, names and numbers are those reserved for documentation (RFC 5737, 3849, 5398),
//! and the verdicts follow the ranges of the published advisories named (the condition on one of them is made up).

use std::net::SocketAddr;
use std::sync::Arc;

use vigie_export::{Counts, RuleText, Summary};
use vigie_model::{
    Activity, AdvisoryVerdict, Capability, Certificate, Claim, Confidence, Deception, Endpoint, Evidence, EvidenceKind, EvidenceWeight,
    Exposure, Finding, FindingKind, Fix, Identity, Impact, Known, Leak, LeakKind, Listener, Model, Network, Observation, Posture,
    PromptClass, Reach, RunningModel, SCHEMA, SettingPlace, Severity, Source, SourceKind, Standard, Subject, Tell, TextPrint, Timestamp,
    Tool, ToolRisk, Verdict, Why, sha256,
};

/// The whole set, in the order in which a scan might see it.
pub(crate) fn all() -> Vec<Observation> {
    vec![
        ollama_open(),
        ollama_loopback(),
        ollama_bound_everywhere(),
        llama_cpp_with_key(),
        open_webui_first_admin(),
        mcp_with_a_shell(),
        vllm_vulnerable(),
        litellm_exploited(),
        ipv6_ollama(),
        unrecognised(),
        honeypot(),
        hostile(),
    ]
}

/// The summary of a run that saw these.
pub(crate) fn summary(observations: &[Observation]) -> Summary {
    let mut summary = Summary::new("vigie", "0.1.0");
    summary.scan = Known::Known("20261121T222739Z-7f3a".to_owned());
    summary.seed = Known::Known("18446744073709551615".to_owned());
    summary.scope = Known::Known(sha256(b"scope"));
    summary.catalog.sha256 = Known::Known(sha256(b"catalogue"));
    summary.catalog.date = Known::Known("2026-11-20".to_owned());
    summary.catalog.advisories_date = Known::Known("2026-11-19".to_owned());
    summary.started = Known::Known(at("2026-11-21T22:27:39Z"));
    summary.duration_ms = Known::Known(3_250);
    summary.tried = Known::Known(65_536);
    summary.next = Some("vigie show 192.0.2.16".to_owned());
    let mut counts = Counts::default();
    for observation in observations {
        counts.add(observation);
    }
    summary.counts = counts;
    summary
}

/// Descriptions of all rules of the samples.
pub(crate) fn rules() -> Vec<RuleText> {
    [
        (
            "open-inference",
            FindingKind::Exposure,
            "Inference is open to anyone",
            "Whoever reaches the server can run its models without credentials",
        ),
        (
            "models-readable",
            FindingKind::Disclosure,
            "The list of models is readable",
            "Anyone can read the names of the models",
        ),
        (
            "system-prompt-readable",
            FindingKind::Disclosure,
            "A system prompt is readable",
            "System prompts often hold instructions and names that are not meant for strangers",
        ),
        (
            "metrics-readable",
            FindingKind::Disclosure,
            "Metrics are readable",
            "Metrics show how much a server is used",
        ),
        (
            "management-reachable",
            FindingKind::Exposure,
            "Models can be changed",
            "Anyone can pull, copy and delete models",
        ),
        (
            "partial-key",
            FindingKind::Exposure,
            "Some routes need no key",
            "The key covers only part of the routes",
        ),
        (
            "first-visitor-admin",
            FindingKind::Exposure,
            "The first visitor becomes administrator",
            "No account exists yet",
        ),
        (
            "tools-without-authentication",
            FindingKind::Exposure,
            "Tools are listed without authentication",
            "Whoever lists the tools can most likely call them",
        ),
        (
            "plain-http",
            FindingKind::Exposure,
            "Requests travel in plain text",
            "Anyone on the way can read them",
        ),
        (
            "uncensored-model",
            FindingKind::Exposure,
            "A model without safeguards is offered",
            "Its safeguards were removed",
        ),
        (
            "vulnerable-version",
            FindingKind::Vulnerable,
            "The version has published vulnerabilities",
            "Published advisories apply to the version",
        ),
        (
            "advisories-not-covered",
            FindingKind::Information,
            "Whether vulnerabilities apply is unknown",
            "No advisory lists the product",
        ),
        (
            "loopback-only",
            FindingKind::Information,
            "Only programs on this machine can reach it",
            "The server is bound to loopback",
        ),
        (
            "suspected-deception",
            FindingKind::Deception,
            "It may not be what it seems",
            "Its replies have the marks of a honeypot",
        ),
    ]
    .map(|(id, kind, title, help)| RuleText {
        id: id.to_owned(),
        kind,
        title: title.to_owned(),
        help: help.to_owned(),
        url: format!("https://example.net/vigie/findings#{id}"),
    })
    .into()
}

pub(crate) fn ollama_open() -> Observation {
    let mut seen = observation("192.0.2.10:11434", "ollama", "0.17.0", 0.99);
    seen.endpoint.tls = Known::Known(false);
    seen.exposure.posture = Known::Known(Posture::Open);
    seen.exposure.posture_from = Some("GET /api/tags".to_owned());
    seen.exposure.activity = Known::Known(Activity::Active);
    let mut tiny = model("tiny:latest", &["completion", "tools"]);
    tiny.digest = Known::Known("07d5".repeat(16));
    tiny.family = Known::Known("llama".to_owned());
    tiny.parameters = Known::Known("1.2B".to_owned());
    tiny.quantisation = Known::Known("Q4_K_M".to_owned());
    tiny.format = Known::Known("gguf".to_owned());
    tiny.size_bytes = Known::Known(815_319_791);
    tiny.context_length = Known::Known(32_768);
    tiny.loaded = Known::Known(true);
    tiny.remote = Known::Known(false);
    tiny.modified = Known::Known(at("2026-10-02T08:00:00Z"));
    tiny.system_prompt = Known::Known(TextPrint {
        sha256: sha256(b"You are a helpful assistant."),
        characters: 28,
        class: PromptClass::Default,
        text: None,
    });
    let mut eye = model("eye-uncensored:7b", &["completion", "vision"]);
    eye.uncensored_by_name = Known::Known(true);
    eye.uncensored_by_prompt = Known::Known(false);
    eye.loaded = Known::Known(false);
    seen.exposure.models = Known::Known(vec![tiny, eye]);
    seen.exposure.running = Known::Known(vec![RunningModel {
        name: "tiny:latest".to_owned(),
        size_bytes: Known::Known(1_400_000_000),
        vram_bytes: Known::Known(0),
        context_length: Known::unknown_because(Why::TooOld, "before 0.9.0"),
        expires: Known::Known(at("2026-11-21T22:32:39Z")),
    }]);
    seen.exposure.capabilities = capabilities(&["completion", "tools", "vision"]);
    seen.exposure.leaks = vec![Leak {
        what: LeakKind::SystemPrompt,
        request: "POST /api/show".to_owned(),
    }];
    seen.network = Network {
        country: Known::Known("DE".to_owned()),
        city: Known::Known("Neuss".to_owned()),
        asn: Known::Known(64_500),
        organisation: Known::Known("Example Hosting".to_owned()),
        class: Known::Known("hosting".to_owned()),
        tier: Known::Known("cloud-vps".to_owned()),
    };
    seen.advisories = [
        verdict("CVE-2026-7482", Verdict::Affected, Severity::Critical, Some("0.17.1")),
        verdict("CVE-2026-42248", Verdict::Affected, Severity::High, Some("0.23.3")),
        AdvisoryVerdict {
            disputed: true,
            ..verdict("CVE-2025-63389", Verdict::Affected, Severity::Critical, None)
        },
        verdict("CVE-2026-5757", Verdict::Unknown, Severity::High, None),
        verdict("CVE-2024-37032", Verdict::NotAffected, Severity::High, Some("0.1.34")),
    ]
    .into();
    let mut vulnerable = finding(
        "vulnerable-version",
        Severity::Critical,
        "192.0.2.10:11434",
        "Published vulnerabilities apply to ollama 0.17.0",
    );
    vulnerable.advisories = vec!["CVE-2026-7482".to_owned(), "CVE-2026-42248".to_owned()];
    vulnerable.standards = [standard("owasp-llm-2025", "LLM03"), standard("cwe", "CWE-1395")].into();
    vulnerable.remedy = "Upgrade to 0.31.2 or later".to_owned();
    seen.findings = vec![
        vulnerable,
        open_inference("192.0.2.10:11434"),
        finding(
            "management-reachable",
            Severity::High,
            "192.0.2.10:11434",
            "Strangers can pull, copy and delete models",
        ),
        finding(
            "system-prompt-readable",
            Severity::Medium,
            "192.0.2.10:11434 tiny:latest",
            "A system prompt is readable",
        ),
        finding("plain-http", Severity::Medium, "192.0.2.10:11434", "Requests travel in plain text"),
        finding(
            "uncensored-model",
            Severity::Low,
            "192.0.2.10:11434 eye-uncensored:7b",
            "A model without safeguards is offered",
        ),
    ]
    .into();
    seen
}

pub(crate) fn ollama_loopback() -> Observation {
    let mut seen = observation("127.0.0.1:11434", "ollama", "0.31.2", 0.99);
    seen.endpoint.tls = Known::Known(false);
    seen.listener = Some(Listener {
        bound: vec!["127.0.0.1".parse().expect("an address")],
        answers_on: Vec::new(),
        process: Known::Known("ollama".to_owned()),
        pid: Known::Known(812),
    });
    seen.exposure.posture = Known::Known(Posture::Open);
    seen.exposure.reach = Known::Known(Reach::Loopback);
    seen.exposure.activity = Known::Known(Activity::Dormant);
    seen.exposure.models = Known::Known(Vec::new());
    seen.exposure.running = Known::Known(Vec::new());
    seen.exposure.capabilities = Known::Known(Vec::new());
    seen.findings = vec![finding(
        "open-inference",
        Severity::Info,
        "127.0.0.1:11434",
        "Programs on this machine can run its models",
    )]
    .into();
    seen
}

pub(crate) fn ollama_bound_everywhere() -> Observation {
    let mut seen = observation("10.0.0.5:11434", "ollama", "0.6.0", 0.99);
    seen.endpoint.tls = Known::Known(false);
    seen.listener = Some(Listener {
        bound: vec!["0.0.0.0".parse().expect("an address"), "::".parse().expect("an address")],
        answers_on: vec!["10.0.0.5".parse().expect("an address")],
        process: Known::unknown_because(Why::Refused, "owned by another user"),
        pid: Known::unknown(Why::Refused),
    });
    seen.exposure.posture = Known::Known(Posture::Open);
    seen.exposure.reach = Known::Known(Reach::Private);
    seen.exposure.models = Known::Known(
        (0..8)
            .map(|n| {
                let mut model = model(&format!("model-{n}:latest"), &[]);
                model.capabilities = Known::unknown_because(Why::TooOld, "before 0.6.4");
                model
            })
            .collect(),
    );
    seen.exposure.capabilities = Known::unknown_because(Why::TooOld, "before 0.6.4");
    seen.exposure.running = Known::Known(Vec::new());
    let mut accepted = open_inference("10.0.0.5:11434");
    accepted.accepted = Some("the team's own server, until the gateway is up".to_owned());
    seen.findings = vec![
        accepted,
        finding("plain-http", Severity::Medium, "10.0.0.5:11434", "Requests travel in plain text"),
    ]
    .into();
    seen
}

pub(crate) fn llama_cpp_with_key() -> Observation {
    let mut seen = observation("192.0.2.11:8080", "llama-cpp", "", 0.95);
    seen.identity.version = Known::unknown(Why::Refused);
    seen.endpoint.name = Some("ai.example.net".to_owned());
    seen.endpoint.tls = Known::Known(true);
    seen.endpoint.certificate = Some(Certificate {
        sha256: sha256(b"certificate"),
        subject: "CN=ai.example.net".to_owned(),
        issuer: "CN=ai.example.net".to_owned(),
        names: vec!["ai.example.net".to_owned()],
        not_before: Some(at("2026-01-01T00:00:00Z")),
        not_after: None,
        self_signed: true,
    });
    seen.exposure.posture = Known::Known(Posture::Key);
    seen.exposure.posture_from = Some("GET /props".to_owned());
    seen.exposure.models = Known::Known(vec![model("gemma-3-4b-it", &["completion"])]);
    seen.exposure.running = Known::unknown_because(Why::Refused, "GET /slots asks for a key");
    seen.exposure.leaks = vec![Leak {
        what: LeakKind::Models,
        request: "GET /v1/models".to_owned(),
    }];
    seen.advisories = [verdict("CVE-2026-21869", Verdict::Unknown, Severity::High, None)].into();
    let mut readable = finding(
        "models-readable",
        Severity::Low,
        "192.0.2.11:8080",
        "The list of models is readable without the key",
    );
    readable.standards = [standard("owasp-llm-2025", "LLM02")].into();
    seen.findings = vec![readable].into();
    seen
}

pub(crate) fn open_webui_first_admin() -> Observation {
    let mut seen = observation("192.0.2.12:3000", "open-webui", "0.11.4", 0.8);
    seen.endpoint.tls = Known::Known(false);
    seen.exposure.posture = Known::Known(Posture::FirstAdmin);
    seen.exposure.models = Known::unknown(Why::Refused);
    seen.exposure.running = Known::unknown(Why::NotCarried);
    let mut first = finding(
        "first-visitor-admin",
        Severity::Critical,
        "192.0.2.12:3000",
        "The first visitor becomes administrator",
    );
    first.evidence = EvidenceKind::Inferred;
    first.confidence = Confidence::Medium;
    first.remedy = "Create the administrator's account now.\nThen set ENABLE_SIGNUP=false.".to_owned();
    first.standards = [standard("mitre-atlas", "AML.T0132"), standard("anssi-genai", "R26")].into();
    seen.findings = vec![first].into();
    seen
}

pub(crate) fn mcp_with_a_shell() -> Observation {
    let mut seen = observation("192.0.2.13:8000", "mcp", "1.0.0", 0.97);
    seen.exposure.posture = Known::Known(Posture::Open);
    seen.exposure.models = Known::unknown(Why::NotCarried);
    seen.exposure.running = Known::unknown(Why::NotCarried);
    seen.exposure.tools = Known::Known(vec![
        Tool {
            name: "weather".to_owned(),
            risks: vec![ToolRisk::Network],
        },
        Tool {
            name: "run_shell".to_owned(),
            risks: vec![ToolRisk::CodeExecution, ToolRisk::FileAccess],
        },
        Tool {
            name: "echo".to_owned(),
            risks: vec![ToolRisk::Other],
        },
    ]);
    let mut tools = finding(
        "tools-without-authentication",
        Severity::Critical,
        "192.0.2.13:8000 run_shell",
        "Anyone can see and call a tool that runs commands",
    );
    tools.evidence = EvidenceKind::Inferred;
    tools.standards = [standard("owasp-llm-2025", "LLM06")].into();
    seen.findings = vec![tools].into();
    seen
}

pub(crate) fn vllm_vulnerable() -> Observation {
    let mut seen = observation("192.0.2.14:8000", "vllm", "0.21.0", 0.98);
    seen.exposure.posture = Known::Known(Posture::Open);
    seen.exposure.activity = Known::Known(Activity::Active);
    let mut served = model("Qwen/Qwen3-8B", &[]);
    served.capabilities = Known::unknown(Why::NotCarried);
    seen.exposure.models = Known::Known(vec![served]);
    seen.exposure.capabilities = Known::unknown(Why::NotCarried);
    seen.exposure.running = Known::unknown(Why::NotCarried);
    let mut conditional = verdict("CVE-2026-41523", Verdict::Affected, Severity::High, Some("0.22.0"));
    conditional.conditions = vec!["only where an option is set".to_owned()];
    conditional.confidence = Confidence::Medium;
    seen.advisories = [
        verdict("CVE-2026-48746", Verdict::Affected, Severity::Critical, Some("0.22.0")),
        conditional,
        verdict("CVE-2026-53923", Verdict::Affected, Severity::High, Some("0.23.1")),
        verdict("CVE-2026-54232", Verdict::Affected, Severity::High, Some("0.22.1")),
        verdict("CVE-2026-7141", Verdict::Unknown, Severity::Medium, None),
        verdict("CVE-2025-24357", Verdict::NotAffected, Severity::High, Some("0.7.0")),
    ]
    .into();
    let mut vulnerable = finding(
        "vulnerable-version",
        Severity::Critical,
        "192.0.2.14:8000",
        "Published vulnerabilities apply to vllm 0.21.0",
    );
    vulnerable.advisories = vec![
        "CVE-2026-48746".to_owned(),
        "CVE-2026-41523".to_owned(),
        "CVE-2026-53923".to_owned(),
        "CVE-2026-54232".to_owned(),
    ];
    seen.findings = vec![vulnerable, open_inference("192.0.2.14:8000")].into();
    seen
}

pub(crate) fn litellm_exploited() -> Observation {
    let mut seen = observation("192.0.2.16:4000", "litellm", "1.83.0", 0.9);
    seen.endpoint.tls = Known::Known(true);
    seen.exposure.posture = Known::Known(Posture::Key);
    seen.exposure.models = Known::unknown(Why::Refused);
    seen.advisories = [
        AdvisoryVerdict {
            exploited: true,
            ..verdict("CVE-2026-42208", Verdict::Affected, Severity::Critical, Some("1.83.7"))
        },
        AdvisoryVerdict {
            exploited: true,
            ..verdict("CVE-2026-42271", Verdict::Affected, Severity::High, Some("1.83.7"))
        },
    ]
    .into();
    let mut vulnerable = finding(
        "vulnerable-version",
        Severity::Critical,
        "192.0.2.16:4000",
        "Exploited vulnerabilities apply to litellm 1.83.0",
    );
    vulnerable.advisories = vec!["CVE-2026-42208".to_owned(), "CVE-2026-42271".to_owned()];
    vulnerable.remedy = "Upgrade to 1.83.7 or later, then change the keys it holds".to_owned();
    seen.findings = vec![vulnerable].into();
    seen
}

pub(crate) fn ipv6_ollama() -> Observation {
    let mut seen = observation("[2001:db8::10]:11434", "ollama", "0.5.7", 0.99);
    seen.exposure.posture = Known::unknown(Why::Unparsable);
    seen.exposure.models = Known::unknown_because(Why::Unparsable, "GET /api/tags: cut short");
    seen.findings = vec![finding(
        "plain-http",
        Severity::Medium,
        "[2001:db8::10]:11434",
        "Requests travel in plain text",
    )]
    .into();
    seen
}

pub(crate) fn unrecognised() -> Observation {
    let mut seen = observation("192.0.2.20:8080", "", "", 0.0);
    seen.identity.product = Known::unknown(Why::NotCarried);
    seen.identity.version = Known::unknown(Why::NotAsked);
    seen.identity.evidence = [Evidence {
        product: "openai-compatible".to_owned(),
        rule: "json-error".to_owned(),
        weight: EvidenceWeight::Weak,
        request: "GET /v1/models".to_owned(),
        seen: "status 404 with a JSON body".to_owned(),
    }]
    .into();
    seen
}

pub(crate) fn honeypot() -> Observation {
    let mut seen = observation("198.51.100.7:11434", "ollama", "0.5.0", 0.6);
    seen.exposure.posture = Known::Known(Posture::Open);
    seen.exposure.models = Known::Known(vec![model("llama3:latest", &["completion"])]);
    seen.deception = Deception::from_tells(vec![
        Tell {
            id: "tags-with-chat-fields".to_owned(),
            weight: 0.9,
            seen: "GET /api/tags holds total_duration beside models".to_owned(),
        },
        Tell {
            id: "answers-everything".to_owned(),
            weight: 0.5,
            seen: "GET /nothing-here: 200".to_owned(),
        },
    ]);
    seen.findings = vec![open_inference("198.51.100.7:11434")].into();
    seen
}

/// A server with texts that attack a terminal, a spreadsheet or a viewer of SARIF.
pub(crate) fn hostile() -> Observation {
    const BAD: &str = "=cmd|'/C calc'!A0\u{1b}[2J\u{1b}]0;owned\u{7}\r\nNext: rm -rf ~\u{202e}gpj.\u{2066}\u{9b}31m";
    let mut seen = observation("192.0.2.66:11434", "ollama", BAD, 0.99);
    seen.endpoint.name = Some("evil\u{1b}[1m.example.net".to_owned());
    seen.exposure.posture = Known::Known(Posture::Open);
    let mut long = model(&"very-long-name-".repeat(500), &["completion"]);
    long.family = Known::Known(BAD.to_owned());
    seen.exposure.models = Known::Known(vec![
        model("@SUM(1+1)*cmd;x", &["\u{1b}[31mtools"]),
        model(&format!("a{}", "\u{301}".repeat(2_000)), &[]),
        long,
        model("modèle-東京:latest", &["completion"]),
    ]);
    seen.exposure.tools = Known::Known(vec![Tool {
        name: "click [here](https://evil.example) {0}\u{200b}".to_owned(),
        risks: vec![ToolRisk::Other],
    }]);
    seen.exposure.running = Known::unknown_because(Why::Unparsable, BAD);
    let mut evidence = seen.identity.evidence.to_vec();
    evidence[0].seen = BAD.to_owned();
    seen.identity.evidence = evidence.into();
    seen.identity.also = vec!["\u{202e}pcm".to_owned()];
    let mut open = open_inference("192.0.2.66:11434 @SUM(1+1)*cmd;x");
    open.detail = format!("{BAD} [click](https://evil.example) {{0}}");
    open.title = format!("Anyone can run {BAD}");
    seen.findings = vec![open].into();
    seen
}

/// Many endpoints with few differences, as a large scan gives.
pub(crate) fn many(count: u32) -> Vec<Observation> {
    (0..count)
        .map(|n| {
            let mut seen = match n % 5 {
                0 => ollama_open(),
                1 => vllm_vulnerable(),
                2 => llama_cpp_with_key(),
                3 => honeypot(),
                _ => unrecognised(),
            };
            let address = std::net::Ipv4Addr::from_bits(0x0a00_0000 + n);
            seen.endpoint.address = address.into();
            if n % 7 == 0 {
                seen.identity.version = Known::Known(format!("0.{}.0", n % 90));
            }
            seen
        })
        .collect()
}

fn observation(socket: &str, product: &str, version: &str, confidence: f64) -> Observation {
    let socket: SocketAddr = socket.parse().expect("an address and port");
    let mut endpoint = Endpoint::at(socket);
    endpoint.tls = Known::unknown(Why::NotAsked);
    Observation {
        schema: SCHEMA.to_owned(),
        seen: at("2026-11-21T22:27:39.480123Z"),
        recorded: at("2026-11-21T22:27:41Z"),
        source: Source {
            kind: SourceKind::Scan,
            name: "vigie".to_owned(),
            version: "0.1.0".to_owned(),
            catalog: sha256(b"catalogue"),
            vantage: "samples".to_owned(),
            scan: Some("20261121T222739Z-7f3a".to_owned()),
        },
        scope: Known::Known(sha256(b"scope")),
        endpoint,
        listener: None,
        identity: Identity {
            product: Known::Known(product.to_owned()),
            version: Known::Known(version.to_owned()),
            instance: Known::unknown(Why::NotCarried),
            confidence,
            evidence: [Evidence {
                product: product.to_owned(),
                rule: "banner".to_owned(),
                weight: EvidenceWeight::Unique,
                request: "GET /".to_owned(),
                seen: "its banner".to_owned(),
            }]
            .into(),
            also: Vec::new(),
        }
        .into(),
        exposure: Exposure::unknown(Why::NotAsked).into(),
        network: Network::unknown(Why::NotCarried),
        deception: Deception::from_tells(Vec::new()),
        advisories: [].into(),
        findings: Vec::new().into(),
    }
}

fn model(name: &str, words: &[&str]) -> Model {
    let mut model = Model::named(name, Why::NotAsked);
    model.capabilities = capabilities(words);
    model
}

fn capabilities(words: &[&str]) -> Known<Vec<Capability>> {
    Known::Known(words.iter().map(|word| Capability::new(word)).collect())
}

fn verdict(id: &str, verdict: Verdict, severity: Severity, fixed: Option<&str>) -> AdvisoryVerdict {
    AdvisoryVerdict {
        id: id.to_owned(),
        verdict,
        why: match (verdict, fixed) {
            (Verdict::NotAffected, Some(fixed)) => format!("fixed in {fixed}"),
            (Verdict::Affected, Some(fixed)) => format!("below {fixed}"),
            (Verdict::Affected, None) => "every version".to_owned(),
            _ => "no version, or above what was tested".to_owned(),
        },
        severity,
        exploited: false,
        disputed: false,
        fixed: fixed.map(str::to_owned),
        conditions: Vec::new(),
        confidence: Confidence::High,
    }
}

fn open_inference(subject: &str) -> Finding {
    let mut open = finding("open-inference", Severity::High, subject, "Anyone can run its models without a key");
    open.evidence = EvidenceKind::Inferred;
    open.confidence = Confidence::Medium;
    open.standards = [
        standard("owasp-llm-2025", "LLM10"),
        standard("mitre-atlas", "AML.T0132"),
        standard("anssi-genai", "R13"),
        standard("cwe", "CWE-306"),
    ]
    .into();
    open.remedy = "Bind it to loopback, or put a gateway that asks for a key before it".to_owned();
    let fix = |setting: &str, set, to: Option<&str>| Fix {
        setting: Some(setting.to_owned()),
        set,
        to: to.map(str::to_owned),
        impact: Impact::BreaksClients,
    };
    open.fixes = [
        fix("host", SettingPlace::Env("OLLAMA_HOST".to_owned()), Some("127.0.0.1:11434")),
        fix("api-key", SettingPlace::Flag("--api-key".to_owned()), None),
        fix(
            "listen",
            SettingPlace::File {
                file: "config.yaml".to_owned(),
                key: "server.listen".to_owned(),
            },
            Some("127.0.0.1"),
        ),
    ]
    .into();
    open
}

fn finding(id: &str, severity: Severity, subject: &str, title: &str) -> Finding {
    let claim = Claim {
        id: id.to_owned(),
        severity,
        confidence: Confidence::High,
        evidence: EvidenceKind::Observed,
        title: title.to_owned(),
        detail: "The routes that the product's file names answered without credentials".to_owned(),
        remedy: "Bind it to loopback or ask for a key".to_owned(),
        fixes: [].into(),
        standards: [].into(),
        advisories: [].into(),
    };
    Finding {
        subject: Subject::from_record(subject),
        location: None,
        accepted: None,
        claim: Arc::new(claim),
    }
}

fn standard(scheme: &str, id: &str) -> Standard {
    Standard {
        scheme: scheme.to_owned(),
        id: id.to_owned(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}
