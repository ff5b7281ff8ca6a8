//! Signs from the models: values that contradict each other, or the version.

use std::collections::{BTreeMap, BTreeSet};

use vigie_catalog::Product;
use vigie_model::{Known, Model};

use super::{CLOCK, Session, Tells};
use crate::extract;
use crate::reply::ParsedReply;

/// Bits per parameter in a file, by the start of the name of the quantisation; approximate, with metadata included.
const BITS_PER_PARAMETER: [(&str, f64); 13] = [
    ("q2", 3.0),
    ("iq1", 2.0),
    ("iq2", 2.6),
    ("iq3", 3.5),
    ("q3", 3.8),
    ("iq4", 4.5),
    ("q4", 4.7),
    ("q5", 5.6),
    ("q6", 6.6),
    ("q8", 8.5),
    ("f16", 16.0),
    ("bf16", 16.0),
    ("f32", 32.0),
];

/// Tolerated factor between the size of a file and the size that its parameters need. Image projectors, embeddings with more bits and
/// omitted layers explain a factor of two.
const SIZE_FACTOR: f64 = 4.0;

/// Fewest parameters of a model whose size is compared: in smaller files the metadata dominates.
const MIN_PARAMETERS: f64 = 10e6;

impl Session {
    /// A list that contains one model twice, or models that the server then does not find.
    pub(super) fn asked_models(&self, product: &Product, tells: &mut Tells) {
        if let Some(name) = extract::model_listed_twice(product, &self.here.transcript) {
            // A balancer that merges the lists of several servers may list it twice too.
            tells.add("same-model-twice", 0.4, format!("{name} is listed twice, with one digest"));
        }
        let asked = self.here.transcript.models.iter().filter_map(|(name, index)| {
            let parsed = self.here.transcript.replies.get(*index).filter(|parsed| parsed.reply().is_some())?;
            // Some servers list a name in a case in which they do not find it.
            (*name == name.to_lowercase()).then_some((name, parsed))
        });
        let (mut count, mut missing) = (0, Vec::new());
        for (name, parsed) in asked {
            count += 1;
            if is_not_found(parsed, name) {
                missing.push((name, parsed));
            }
        }
        if let Some((name, parsed)) = missing.first() {
            // One model may have been removed in between, or be on another server behind a balancer; hardly all of several.
            let all = missing.len() == count && count > 1;
            tells.add(
                "listed-model-not-found",
                if all { 0.4 } else { 0.2 },
                format!("{} does not find {name}, which its list contains", parsed.line()),
            );
        }
    }

    /// Models that contradict themselves or each other.
    pub(super) fn models(&self, models: &[Model], tells: &mut Tells) {
        let mut by_digest: BTreeMap<&str, &Model> = BTreeMap::new();
        for model in models {
            let Some(digest) = model.digest.known().filter(|digest| !digest.is_empty()) else {
                continue;
            };
            let other = *by_digest.entry(digest).or_insert(model);
            if differ(&other.size_bytes, &model.size_bytes) || differ(&other.parameters, &model.parameters) {
                tells.add(
                    "one-digest-for-several",
                    0.5,
                    format!("{} and {} have the same digest and differ", other.name, model.name),
                );
                break;
            }
        }
        if let Some(model) = models.iter().find(|model| has_impossible_size(model)) {
            tells.add(
                "size-disagrees",
                0.5,
                format!("{}: its size does not fit its parameters", model.name),
            );
        }
        let changed: BTreeSet<_> = models.iter().filter_map(|model| model.modified.known()).collect();
        if models.len() > 2
            && let (Some(instant), None) = (changed.first(), changed.iter().nth(1))
            && models.iter().all(|model| model.modified.is_known())
        {
            // Models unpacked from an archive have times in whole seconds.
            let exact = instant.timestamp_subsec_micros() != 0;
            tells.add(
                "one-instant-for-all",
                if exact { 0.4 } else { 0.2 },
                format!("{} models changed at {}", models.len(), instant.to_rfc3339()),
            );
        }
        let now = self.here.transcript.replies.iter().find_map(|parsed| {
            let date = parsed.reply()?.header("date")?;
            chrono::DateTime::parse_from_rfc2822(date).ok()
        });
        if let Some(now) = now
            && let Some(model) = models
                .iter()
                .find(|model| model.modified.known().is_some_and(|at| at.timestamp() > now.timestamp() + CLOCK))
        {
            tells.add(
                "changed-in-the-future",
                0.4,
                format!("{} changed after the date of the reply", model.name),
            );
        }
    }
}

/// Whether a reply says that the server does not find the model. A proxy's 404 does not name the model.
fn is_not_found(parsed: &ParsedReply, name: &str) -> bool {
    let missing = parsed.reply().is_some_and(|reply| reply.status == 404);
    let error = parsed.json().and_then(|json| json.get("error"));
    let text = error.and_then(|error| error.as_str().or_else(|| error.get("message")?.as_str()));
    missing && text.is_some_and(|text| text.contains(name) && text.to_lowercase().contains("not found"))
}

/// Whether two known values differ.
fn differ<T: PartialEq>(one: &Known<T>, other: &Known<T>) -> bool {
    matches!((one.known(), other.known()), (Some(one), Some(other)) if one != other)
}

/// Whether the size of a model is impossible for its parameters and quantisation.
fn has_impossible_size(model: &Model) -> bool {
    let local = model.remote.known() != Some(&true);
    let gguf = model.format.known().is_none_or(|format| format == "gguf");
    let (Some(size), Some(parameters), Some(quantisation)) =
        (model.size_bytes.known(), model.parameters.known(), model.quantisation.known())
    else {
        return false;
    };
    let quantisation = quantisation.to_ascii_lowercase();
    let Some((_, bits)) = BITS_PER_PARAMETER.iter().find(|(start, _)| quantisation.starts_with(start)) else {
        return false;
    };
    let Some(parameters) = number_of(parameters).filter(|parameters| *parameters >= MIN_PARAMETERS) else {
        return false;
    };
    let expected = parameters * bits / 8.0;
    let ratio = *size as f64 / expected;
    local && gguf && !(1.0 / SIZE_FACTOR..=SIZE_FACTOR).contains(&ratio)
}

/// Parses `8.0B`, `494.03M`, `115K`; `None` for mixtures (`8x7B`).
fn number_of(parameters: &str) -> Option<f64> {
    let text = parameters.trim();
    let unit = match text.chars().last()?.to_ascii_uppercase() {
        'T' => 1e12,
        'B' => 1e9,
        'M' => 1e6,
        'K' => 1e3,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1].trim().parse::<f64>().ok().map(|number| number * unit)
}

/// A capability or a kind of model that this version cannot report yet.
pub(super) fn ahead_of_version(product: &Product, version: &str, models: &[Model]) -> Option<String> {
    let old = |thing: &str| product.since.get(thing).filter(|since| extract::before(version, since));
    for model in models {
        if let Some(capabilities) = model.capabilities.known() {
            if let Some(since) = old("capabilities") {
                return Some(format!("version {version} reports capabilities, which need {since}"));
            }
            for capability in capabilities {
                if let Some(since) = old(&format!("capability.{capability}")) {
                    return Some(format!("version {version} reports {capability}, which needs {since}"));
                }
            }
        }
        if model.remote.known() == Some(&true)
            && let Some(since) = old("remote")
        {
            return Some(format!("version {version} lists a remote model, which needs {since}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use vigie_model::Why;

    use super::*;

    #[test]
    fn sizes_match_parameters_and_quantisation() {
        let model = |parameters: &str, quantisation: &str, size: u64| {
            let mut model = Model::named("m", Why::NotCarried);
            model.parameters = Known::Known(parameters.to_owned());
            model.quantisation = Known::Known(quantisation.to_owned());
            model.size_bytes = Known::Known(size);
            has_impossible_size(&model)
        };
        // As Ollama lists them: llama3.1, qwen2.5 of half a billion, moondream with its projector, gemma3n, all-minilm.
        for (parameters, quantisation, size) in [
            ("8.0B", "Q4_K_M", 4_920_753_328),
            ("494.03M", "Q4_K_M", 397_821_319),
            ("1B", "Q4_0", 1_738_451_197),
            ("6.9B", "Q4_K_M", 7_547_589_116),
            ("23M", "F16", 45_960_996),
            ("671.0B", "Q4_K_M", 404_430_188_519),
            ("115K", "unknown", 470_027),
            ("8x7B", "Q4_0", 1),
            ("7B", "new", 1),
        ] {
            assert!(!model(parameters, quantisation, size), "{parameters} {quantisation} {size}");
        }
        assert!(model("70B", "Q4_0", 3_826_793_677));
        assert!(model("7B", "Q4_K_M", 123));
        assert!(model("1B", "Q4_K_M", 400_000_000_000));
    }
}
