//! The output of the verbs matches the published schemas, read strictly: keys that they do not name are errors.

use boon::{Compiler, Draft, SchemaIndex, Schemas, UrlLoader};
use serde_json::{Value, json};

/// The schemas of a diff and of a watch's round.
pub(crate) struct Published {
    compiled: Schemas,
    diff: SchemaIndex,
    watch: SchemaIndex,
    #[cfg(feature = "study")]
    study: SchemaIndex,
}

impl Published {
    pub(crate) fn new() -> Self {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.use_loader(Box::new(Nothing));
        let texts = [
            include_str!("../../../../docs/src/schemas/observation-1.json"),
            include_str!("../../../../docs/src/schemas/diff-1.json"),
            include_str!("../../../../docs/src/schemas/watch-1.json"),
            include_str!("../../../../docs/src/schemas/study-1.json"),
        ];
        for text in texts {
            let mut schema: Value = serde_json::from_str(text).expect("a schema is JSON");
            // The schema of a study is composed of parts, and each question adds its own columns.
            if schema["$id"] != "urn:vigie:schema:study-1" {
                close(&mut schema);
            }
            let url = schema["$id"].as_str().expect("it has an id").to_owned();
            compiler.add_resource(&url, schema).expect("the schema is a resource");
        }
        let mut compiled = Schemas::new();
        let mut compile = |url| {
            compiler
                .compile(url, &mut compiled)
                .unwrap_or_else(|error| panic!("{url}: {error:#}"))
        };
        let (diff, watch) = (compile("urn:vigie:schema:diff-1"), compile("urn:vigie:schema:watch-1"));
        #[cfg(feature = "study")]
        let study = compile("urn:vigie:schema:study-1");
        Self {
            compiled,
            diff,
            watch,
            #[cfg(feature = "study")]
            study,
        }
    }

    #[track_caller]
    pub(crate) fn assert_diff(&self, value: &Value) {
        if let Err(error) = self.compiled.validate(value, self.diff) {
            panic!("{error:#}\n{value:#}");
        }
    }

    #[cfg(feature = "study")]
    #[track_caller]
    pub(crate) fn assert_study(&self, value: &Value) {
        if let Err(error) = self.compiled.validate(value, self.study) {
            panic!("{error:#}");
        }
    }

    #[track_caller]
    pub(crate) fn assert_round(&self, value: &Value) {
        if let Err(error) = self.compiled.validate(value, self.watch) {
            panic!("{error:#}\n{value:#}");
        }
    }
}

/// Forbids every key that a schema's object does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(close);
            let named = map.contains_key("properties") && map.get("type") == Some(&json!("object"));
            if named && !map.contains_key("oneOf") {
                map.insert("additionalProperties".to_owned(), json!(false));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}

/// A loader without files: every schema must be among the resources.
struct Nothing;

impl UrlLoader for Nothing {
    fn load(&self, url: &str) -> Result<Value, Box<dyn std::error::Error>> {
        Err(format!("{url} is not among the resources").into())
    }
}

/// The schema and the program have the same words.
#[test]
fn the_words_are_those_of_the_program() {
    let schema: Value = serde_json::from_str(include_str!("../../../../docs/src/schemas/diff-1.json")).expect("JSON");
    let words = |pointer: &str| -> Vec<String> {
        let list = schema.pointer(pointer).and_then(Value::as_array).expect(pointer);
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    assert_eq!(
        words("/$defs/change/properties/id/enum"),
        vigie_assess::ChangeId::ALL.map(|id| id.word().to_owned())
    );
    assert_eq!(
        words("/$defs/endpoint/properties/presence/enum"),
        vigie_assess::Lifecycle::ALL.map(|presence| presence.word().to_owned())
    );
    let wrong = json!({"schema": "vigie.diff/1", "since": "yesterday"});
    let published = Published::new();
    assert!(published.compiled.validate(&wrong, published.diff).is_err());
}
