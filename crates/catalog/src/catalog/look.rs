//! The requests that tell whether a known product answers, and its version.

use serde_json::Value;

use crate::catalog::Catalog;
use crate::catalog::product::{CompiledValue, Product, Request};
use crate::condition::ExchangeRef;
use crate::rule::{Purpose, ValueRule};

/// Longest version, in bytes.
const MAX_VERSION: usize = 100;

/// A harmless GET request whose reply names the version of a product.
#[derive(Clone, Copy, Debug)]
pub struct VersionLook<'c> {
    /// The path.
    pub path: &'c str,
    rule: &'c ValueRule,
}

impl VersionLook<'_> {
    /// The version that a reply names; `None`: the reply is not that of the product, or names none.
    #[must_use]
    pub fn version(&self, status: u16, body: &[u8]) -> Option<String> {
        if !(self.rule.status.0.is_empty() || self.rule.status.0.contains(&status)) {
            return None;
        }
        let mut text = match (&self.rule.json, &self.rule.body) {
            (Some(pointer), _) => match pointer.first(&serde_json::from_slice::<Value>(body).ok()?)? {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            },
            (None, Some(take)) => take.take(std::str::from_utf8(body).ok()?)?.to_owned(),
            (None, None) => return None,
        };
        if let Some(take) = &self.rule.take {
            text = take.take(&text)?.to_owned();
        }
        let text = text.trim();
        let is_version = !text.is_empty() && text.len() <= MAX_VERSION && !text.chars().any(char::is_control);
        is_version.then(|| text.to_owned())
    }
}

impl Catalog {
    /// The requests that name the version of a product, best first, as far as a single reply to a GET request tells it. Empty: the product
    /// reports no version, or only in a way that takes a scan.
    #[must_use]
    pub fn version_looks<'c>(&'c self, product: &'c Product) -> Vec<VersionLook<'c>> {
        let look = |value: &'c CompiledValue| {
            let ExchangeRef::Sig(sig) = value.exchange else { return None };
            let signature = self.signature(sig)?;
            let is_plain = signature.method == "GET" && signature.body.is_none() && is_fixed(&signature.path);
            let is_single =
                value.guards.is_empty() && value.rule.then.is_empty() && (value.rule.json.is_some() || value.rule.body.is_some());
            (is_plain && is_single).then_some(VersionLook {
                path: &signature.path,
                rule: &value.rule,
            })
        };
        product.version.iter().filter_map(look).collect()
    }
}

impl Product {
    /// A path that any server of the product answers to a harmless GET request.
    #[must_use]
    pub fn harmless_path(&self) -> &str {
        let is_plain = |request: &&Request| {
            request.method == "GET" && matches!(request.purpose, Purpose::Identify | Purpose::Read) && is_fixed(&request.path)
        };
        self.requests.iter().find(is_plain).map_or("/", |request| &request.path)
    }
}

/// Whether nothing is filled into a path.
fn is_fixed(path: &str) -> bool {
    path.starts_with('/') && !path.contains(['{', '?'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_tells_its_version_where_its_own_file_says() {
        let catalog = Catalog::embedded();
        let read = |id: &str, path: &str, status, body: &str| {
            let product = catalog.product(id).unwrap_or_else(|| panic!("{id} is in the catalogue"));
            let looks = catalog.version_looks(product);
            let look = looks.iter().find(|look| look.path == path).unwrap_or_else(|| panic!("{id} {path}"));
            look.version(status, body.as_bytes())
        };
        for (id, path, body, version) in [
            ("ollama", "/api/version", r#"{"version":"0.17.4"}"#, "0.17.4"),
            ("vllm", "/version", r#"{"version":"0.32.0"}"#, "0.32.0"),
            (
                "llama-cpp",
                "/props",
                r#"{"build_info":"b10434-abcdef0","total_slots":1}"#,
                "b10434",
            ),
            ("sglang", "/get_server_info", r#"{"model_path":"m","version":"0.5.6"}"#, "0.5.6"),
            ("tgi", "/info", r#"{"model_id":"m","version":"3.3.6"}"#, "3.3.6"),
            ("localai", "/version", r#"{"version":"v2.12.0 (0123abc)"}"#, "v2.12.0"),
            ("localai", "/.well-known/localai.json", r#"{"version":"v4.9.0"}"#, "v4.9.0"),
        ] {
            assert_eq!(read(id, path, 200, body).as_deref(), Some(version), "{id}");
            for wrong in [
                "",
                "{}",
                "<html>",
                r#"{"version":{"a":1},"build_info":null}"#,
                r#"{"version":"a\nb","build_info":"x"}"#,
            ] {
                assert_eq!(read(id, path, 200, wrong), None, "{id} {wrong}");
            }
        }
        assert_eq!(
            read("vllm", "/version", 404, r#"{"version":"0.32.0"}"#),
            None,
            "the rule names a status"
        );
        for id in ["lm-studio", "openai-compatible"] {
            let product = catalog.product(id).expect("it is in the catalogue");
            assert!(product.version_never && catalog.version_looks(product).is_empty(), "{id}");
            assert!(is_fixed(product.harmless_path()));
        }
    }

    #[test]
    fn recorded_replies_name_the_version_that_a_scan_reads() {
        let catalog = Catalog::embedded();
        let all = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/fixtures");
        let mut read = std::collections::BTreeMap::<&str, usize>::new();
        // llama.cpp's own were recorded from a build without a number.
        for id in ["ollama", "vllm", "sglang", "tgi", "localai"] {
            let looks = catalog.version_looks(catalog.product(id).expect("it is in the catalogue"));
            for folder in std::fs::read_dir(all.join(id)).expect("fixtures").flatten() {
                let about = std::fs::read_to_string(folder.path().join("fixture.yaml")).expect("a fixture");
                let expected = about.lines().rev().find_map(|line| line.strip_prefix("  version: "));
                let Some(expected) = expected.map(|text| text.trim_matches('"')) else {
                    continue;
                };
                let exchanges = std::fs::read_to_string(folder.path().join("exchanges.jsonl")).expect("its exchanges");
                let exchanges: Vec<Value> = exchanges.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
                let named = looks.iter().find_map(|look| {
                    exchanges.iter().find_map(|exchange| {
                        let is_it = exchange["request"]["method"] == "GET" && exchange["request"]["path"] == look.path;
                        let status = u16::try_from(exchange["reply"]["status"].as_u64()?).ok()?;
                        look.version(status, exchange["reply"]["body"].as_str()?.as_bytes())
                            .filter(|_| is_it)
                    })
                });
                // An old page or a hidden version takes a scan.
                if let Some(named) = named {
                    assert_eq!(named, expected, "{}", folder.path().display());
                    *read.entry(id).or_default() += 1;
                }
            }
        }
        assert_eq!(read.len(), 5, "{read:?}");
        assert!(read.values().sum::<usize>() >= 20, "{read:?}");
    }
}
