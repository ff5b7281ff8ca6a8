//! The published JSON Schemas accept every valid record and reject invalid ones.
//!
//! The published ones are open, because a later version may add keys. Here a closed copy is used as well, so that a
//! field that the model has and the schema lacks is noticed.

use boon::{Compiler, Draft, SchemaIndex, UrlLoader};
use serde_json::{Value, json};
use vigie_export::{Format, Options};
use vigie_model::{Known, Observation, Why};

use crate::formats::written;
use crate::samples;

fn read(text: &str) -> Value {
    serde_json::from_str(text).expect("a schema is JSON")
}

fn observation_schema() -> Value {
    read(include_str!("../../../../docs/src/schemas/observation-1.json"))
}

fn report_schema() -> Value {
    read(include_str!("../../../../docs/src/schemas/report-1.json"))
}

/// Forbids every key that a schema's object does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            for value in map.values_mut() {
                close(value);
            }
            let named = map.contains_key("properties") && map.get("type") == Some(&json!("object"));
            if named && !map.contains_key("oneOf") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

struct Schemas {
    compiled: boon::Schemas,
    observation: SchemaIndex,
    report: SchemaIndex,
}

impl Schemas {
    fn new(closed: bool) -> Self {
        let (mut observation, mut report) = (observation_schema(), report_schema());
        if closed {
            close(&mut observation);
            close(&mut report);
        }
        // The compiler has draft 2020-12 built in, checks each schema against it, and cannot fetch anything.
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(Nothing));
        let mut compiled = boon::Schemas::new();
        let mut compile = |url: &str, schema: Value| {
            compiler.add_resource(url, schema).expect("the schema is a resource");
            compiler
                .compile(url, &mut compiled)
                .unwrap_or_else(|error| panic!("{url}: {error:#}"))
        };
        let observation = compile("urn:vigie:schema:observation-1", observation);
        let report = compile("urn:vigie:schema:report-1", report);
        Self {
            compiled,
            observation,
            report,
        }
    }

    fn is_valid(&self, schema: SchemaIndex, value: &Value) -> bool {
        self.compiled.validate(value, schema).is_ok()
    }

    fn assert_valid(&self, schema: SchemaIndex, value: &Value, what: &str) {
        if let Err(error) = self.compiled.validate(value, schema) {
            panic!("{what}: {error:#}");
        }
    }
}

/// Whatever a schema asks for that is not there.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("{url} is asked for and not there").into())
    }
}

fn record(observation: &Observation) -> Value {
    serde_json::to_value(observation).expect("a record is JSON")
}

#[test]
fn schemas_are_valid_draft_2020_12() {
    // Compiling checks them against the draft's own schema.
    for closed in [false, true] {
        Schemas::new(closed);
    }
    let mut wrong = observation_schema();
    wrong["type"] = json!("objekt");
    let mut compiler = Compiler::new();
    compiler.set_default_draft(Draft::V2020_12);
    compiler.add_resource("urn:wrong", wrong).expect("it is a resource");
    assert!(
        compiler.compile("urn:wrong", &mut boon::Schemas::new()).is_err(),
        "an invalid schema is reported"
    );
}

#[test]
fn every_sample_is_accepted() {
    for closed in [false, true] {
        let schemas = Schemas::new(closed);
        let out = written(Format::Jsonl, &samples::all(), Options::default());
        for line in out.lines() {
            schemas.assert_valid(schemas.observation, &read(line), line);
        }
        let out = written(Format::Json, &samples::all(), Options::default());
        schemas.assert_valid(schemas.report, &read(&out), "report");
        let mut bare = vigie_export::Summary::new("vigie", "0.1.0");
        bare.complete = false;
        bare.notes = vec!["a note".to_owned()];
        let document = json!({"schema": "vigie.report/1", "observations": [],
            "summary": serde_json::to_value(bare).expect("a summary is JSON")});
        schemas.assert_valid(schemas.report, &document, "bare");
    }
}

#[test]
fn every_code_of_the_unknown_is_accepted() {
    let schemas = Schemas::new(true);
    for why in Why::ALL {
        let mut seen = samples::ollama_open();
        seen.exposure = vigie_model::Exposure::unknown(why).into();
        seen.identity.product = Known::unknown_because(why, "a detail");
        seen.scope = Known::unknown(why);
        schemas.assert_valid(schemas.observation, &record(&seen), why.code());
    }
}

/// Every word of every closed list, taken from the model's own types.
#[test]
fn every_word_is_accepted() {
    use vigie_model::{
        Activity, Confidence, EvidenceKind, EvidenceWeight, LeakKind, Posture, PromptClass, Reach, Severity, SourceKind, ToolRisk, Verdict,
    };
    fn words<T: serde::Serialize>(values: &[T]) -> Vec<Value> {
        values.iter().map(|value| serde_json::to_value(value).expect("a word")).collect()
    }
    let schemas = Schemas::new(true);
    let mut seen = samples::ollama_open();
    seen.exposure.tools = samples::mcp_with_a_shell().exposure.tools.clone();
    let base = record(&seen);
    let cases = [
        ("/source/kind", words(&[SourceKind::Scan, SourceKind::Import, SourceKind::Fleet])),
        (
            "/identity/evidence/0/weight",
            words(&[
                EvidenceWeight::Unique,
                EvidenceWeight::Strong,
                EvidenceWeight::Weak,
                EvidenceWeight::Contradicts,
            ]),
        ),
        (
            "/exposure/posture/known",
            words(&[
                Posture::Open,
                Posture::Key,
                Posture::Login,
                Posture::Signup,
                Posture::FirstAdmin,
                Posture::Forbidden,
            ]),
        ),
        ("/exposure/activity/known", words(&[Activity::Active, Activity::Dormant])),
        (
            "/exposure/models/known/0/system_prompt/known/class",
            words(&[
                PromptClass::Empty,
                PromptClass::Default,
                PromptClass::Custom,
                PromptClass::Uncensored,
            ]),
        ),
        (
            "/exposure/tools/known/0/risks/0",
            words(&[
                ToolRisk::CodeExecution,
                ToolRisk::FileAccess,
                ToolRisk::Network,
                ToolRisk::Database,
                ToolRisk::Secrets,
                ToolRisk::Privileged,
                ToolRisk::Other,
            ]),
        ),
        (
            "/exposure/leaks/0/what",
            words(&[
                LeakKind::Models,
                LeakKind::SystemPrompt,
                LeakKind::Prompts,
                LeakKind::Settings,
                LeakKind::Credentials,
                LeakKind::Data,
                LeakKind::Metrics,
            ]),
        ),
        (
            "/advisories/0/verdict",
            words(&[Verdict::Affected, Verdict::NotAffected, Verdict::Unknown]),
        ),
        ("/findings/0/severity", words(&Severity::ALL)),
        (
            "/findings/0/confidence",
            words(&[Confidence::Low, Confidence::Medium, Confidence::High]),
        ),
        ("/findings/0/evidence", words(&[EvidenceKind::Observed, EvidenceKind::Inferred])),
    ];
    for (pointer, words) in cases {
        for word in words {
            let mut value = base.clone();
            *value.pointer_mut(pointer).expect(pointer) = word;
            schemas.assert_valid(schemas.observation, &value, pointer);
        }
        let mut value = base.clone();
        *value.pointer_mut(pointer).expect(pointer) = json!("no-such-word");
        assert!(!schemas.is_valid(schemas.observation, &value), "{pointer}");
    }
    for reach in [Reach::Loopback, Reach::Private, Reach::Public] {
        seen.exposure.reach = Known::Known(reach);
        schemas.assert_valid(schemas.observation, &record(&seen), "reach");
    }
}

#[test]
fn wrong_records_are_refused() {
    let schemas = Schemas::new(false);
    let base = record(&samples::ollama_open());
    schemas.assert_valid(schemas.observation, &base, "the base itself");
    for (pointer, wrong) in [
        ("/schema", json!("vigie.observation/2")),
        ("/seen", json!("yesterday")),
        ("/seen", json!("2026-11-21T22:27:39+01:00")),
        ("/endpoint/port", json!(65_536)),
        ("/endpoint/port", json!("11434")),
        ("/endpoint/address", json!("example.net")),
        ("/endpoint/transport", json!("udp")),
        ("/endpoint/tls", json!(false)),
        ("/endpoint/tls", json!(null)),
        ("/endpoint/tls", json!({})),
        ("/endpoint/tls", json!({"known": "no"})),
        ("/identity/product", json!("ollama")),
        ("/identity/product", json!({"known": null})),
        ("/identity/product", json!({"known": "ollama", "unknown": "hidden"})),
        ("/identity/version", json!({"unknown": "because"})),
        ("/identity/version", json!({"unknown": "hidden", "detail": 3})),
        ("/identity/confidence", json!(1.5)),
        ("/exposure/models", json!([])),
        ("/exposure/models/known/0/size_bytes/known", json!(-1)),
        ("/exposure/models/known/0/capabilities", json!(["tools"])),
        ("/exposure/posture", json!({"known": "ajar"})),
        ("/deception/score", json!({"known": 2})),
        ("/advisories/0/verdict", json!("not-affected")),
        ("/findings/0/severity", json!("HIGH")),
        ("/findings/0/standards", json!(["LLM10"])),
    ] {
        let mut value = base.clone();
        *value.pointer_mut(pointer).expect(pointer) = wrong.clone();
        assert!(!schemas.is_valid(schemas.observation, &value), "{pointer}: {wrong}");
    }
    for key in base.as_object().expect("a record is an object").keys() {
        let mut value = base.clone();
        value.as_object_mut().expect("a record is an object").remove(key);
        assert!(!schemas.is_valid(schemas.observation, &value), "without {key}");
    }
    let report = json!({"schema": "vigie.report/1", "observations": [{}], "summary": {}});
    assert!(!schemas.is_valid(schemas.report, &report));
}

/// The reader and the schema reject the same records.
#[test]
fn a_later_version_may_add_keys() {
    let schemas = Schemas::new(false);
    let mut value = record(&samples::ollama_open());
    value["new_key"] = json!(1);
    value["endpoint"]["new_key"] = json!({});
    schemas.assert_valid(schemas.observation, &value, "new keys");
    assert!(serde_json::from_value::<Observation>(value).is_ok());
}
