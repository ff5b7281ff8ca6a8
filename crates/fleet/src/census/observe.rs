//! The observation of a visit, as a scan or an import records it.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, LazyLock};

use chrono::{DateTime, NaiveDate, TimeDelta};
use sha2::{Digest as _, Sha256};
use vigie_model::{
    Activity, Capability, Deception, Endpoint, Evidence, EvidenceWeight, Exposure, Identity, Known, Model, Network, Observation, Posture,
    PromptClass, RunningModel, SCHEMA, Source, SourceKind, Tell, TextPrint, Timestamp, Why,
};

use super::host::{CensusHost, PlantedModel, Prompt};
use super::marginals::FIRST_DAY;
use super::quota::Dice;

/// The start of the window.
pub(super) fn window_start() -> Timestamp {
    let (year, month, day) = FIRST_DAY;
    NaiveDate::from_ymd_opt(year, month, day)
        .unwrap_or_default()
        .and_time(chrono::NaiveTime::MIN)
        .and_utc()
}

/// The time of a visit: at about the same hour each day, with microseconds as in a real scan.
fn seen(at: usize, host: &CensusHost, visit: usize) -> Timestamp {
    let day = i64::from(host.days.get(visit).copied().unwrap_or_default());
    let hour = (at as i64 * 7919) % 82_800;
    let jitter = Dice::new(at as u64, visit as u64).below(3_600_000_000) as i64;
    window_start() + TimeDelta::days(day) + TimeDelta::seconds(hour) + TimeDelta::microseconds(jitter)
}

static EVIDENCE: LazyLock<[Arc<[Evidence]>; 3]> = LazyLock::new(|| {
    ["ollama", "openai-compatible", "open-webui"].map(|product| {
        Arc::from([Evidence {
            product: product.to_owned(),
            rule: "planted".to_owned(),
            weight: EvidenceWeight::Unique,
            request: "GET /".to_owned(),
            seen: "a simulated population".to_owned(),
        }])
    })
});

/// The observation of a visit.
pub(super) fn observe(at: usize, host: &CensusHost, visit: usize) -> Observation {
    let seen = seen(at, host, visit);
    let listing = host.is_listing(visit);
    let second = host.is_second(visit);
    let port = if second { 3000 } else { 11_434 };
    let product = if second { "open-webui" } else { host.product_at(visit) };
    let evidence = match product {
        "ollama" => &EVIDENCE[0],
        "openai-compatible" => &EVIDENCE[1],
        _ => &EVIDENCE[2],
    };
    let state = host.state_at(visit);
    let version = if second {
        Some("0.6.5")
    } else {
        state.version.filter(|_| !listing)
    };
    Observation {
        schema: SCHEMA.to_owned(),
        seen,
        recorded: if listing {
            seen + TimeDelta::hours(12)
        } else {
            seen + TimeDelta::seconds(1)
        },
        source: Source {
            kind: if listing { SourceKind::Import } else { SourceKind::Scan },
            name: if listing { "shodan" } else { "vigie" }.to_owned(),
            version: if listing { "" } else { "census" }.to_owned(),
            catalog: String::new(),
            vantage: if listing { "shodan" } else { "census" }.to_owned(),
            scan: None,
        },
        scope: Known::unknown(if listing { Why::NotCarried } else { Why::NotAsked }),
        endpoint: Endpoint {
            tls: if listing {
                Known::unknown(Why::NotCarried)
            } else {
                Known::Known(false)
            },
            ..Endpoint::at(SocketAddr::new(IpAddr::V4(host.address), port))
        },
        listener: None,
        identity: Identity {
            product: Known::Known(product.to_owned()),
            version: version.map_or_else(
                || Known::unknown(if listing { Why::NotCarried } else { Why::Refused }),
                |version| Known::Known(version.to_owned()),
            ),
            instance: Known::unknown(Why::NotCarried),
            confidence: 0.99,
            evidence: Arc::clone(evidence),
            also: Vec::new(),
        }
        .into(),
        exposure: exposure(host, visit, listing, second).into(),
        network: network(host),
        deception: match (listing, host.suspect) {
            (true, _) => Deception::unknown(Why::NotCarried),
            (false, true) => Deception::from_tells(vec![Tell {
                id: "planted".to_owned(),
                weight: 0.7,
                seen: "a simulated suspect".to_owned(),
            }]),
            (false, false) => Deception::from_tells(Vec::new()),
        },
        advisories: [].into(),
        findings: Vec::new().into(),
    }
}

fn network(host: &CensusHost) -> Network {
    let known = |word: &str| Known::Known(word.to_owned());
    let Some(country) = host.country else {
        return Network::unknown(Why::NotAsked);
    };
    Network {
        country: known(country),
        asn: Known::Known(host.asn),
        class: known(host.class),
        tier: known(host.tier),
        ..Network::unknown(Why::NotCarried)
    }
}

fn exposure(host: &CensusHost, visit: usize, listing: bool, second: bool) -> Exposure {
    let why = match (listing, host.visibility) {
        (true, _) => Why::NotCarried,
        _ => Why::Refused,
    };
    let posture = match (listing, second) {
        (true, _) => None,
        (false, true) => Some(Posture::Login),
        (false, false) => host.posture.map(posture),
    };
    let models = if listing || second {
        None
    } else {
        host.state_at(visit).models.as_ref()
    };
    let serving = usize::from(host.serving);
    Exposure {
        posture: posture.map_or_else(|| Known::unknown(why), Known::Known),
        posture_from: posture.map(|_| "GET /api/tags".to_owned()),
        reach: Known::unknown(Why::NotAsked),
        activity: match models {
            None => Known::unknown(why),
            Some(models) if models.is_empty() => Known::Known(Activity::Dormant),
            Some(_) => Known::Known(Activity::Active),
        },
        models: models.map_or_else(|| Known::unknown(why), |models| Known::Known(models.iter().map(model).collect())),
        models_at_least: None,
        running_at_least: None,
        tools_at_least: None,
        running: models.map_or_else(
            || Known::unknown(why),
            |models| {
                let loaded = models.iter().take(serving).map(|model| RunningModel {
                    name: model.name.clone(),
                    size_bytes: Known::unknown(Why::NotCarried),
                    vram_bytes: Known::unknown(Why::NotCarried),
                    context_length: Known::unknown(Why::NotCarried),
                    expires: Known::unknown(Why::NotCarried),
                });
                Known::Known(loaded.collect())
            },
        ),
        capabilities: match models {
            None => Known::unknown(why),
            Some(models) => {
                let mut all: Vec<&str> = models
                    .iter()
                    .filter_map(|model| model.capabilities.as_ref())
                    .flatten()
                    .copied()
                    .collect();
                all.sort_unstable();
                all.dedup();
                if all.is_empty() && !models.is_empty() {
                    Known::unknown(Why::TooOld)
                } else {
                    Known::Known(all.into_iter().map(Capability::new).collect())
                }
            }
        },
        tools: Known::unknown(Why::NotAsked),
        leaks: Vec::new(),
        inference_proved: None,
    }
}

fn posture(word: &str) -> Posture {
    match word {
        "open" => Posture::Open,
        "key" => Posture::Key,
        "login" => Posture::Login,
        _ => Posture::Forbidden,
    }
}

fn model(planted: &PlantedModel) -> Model {
    Model {
        name: planted.name.clone(),
        digest: Known::Known(hex(&planted.name)),
        family: Known::Known(planted.family.to_owned()),
        parameters: Known::Known(planted.parameters.to_owned()),
        quantisation: Known::Known(planted.quantisation.to_owned()),
        format: Known::Known("gguf".to_owned()),
        size_bytes: Known::unknown(Why::NotCarried),
        context_length: Known::unknown(Why::NotCarried),
        capabilities: match &planted.capabilities {
            None => Known::unknown(Why::TooOld),
            Some(words) => Known::Known(words.iter().map(|word| Capability::new(word)).collect()),
        },
        capabilities_untold: if planted.thinking_untold {
            vec![Capability::new("thinking")]
        } else {
            Vec::new()
        },
        remote: Known::Known(planted.remote),
        remote_host: Known::unknown(Why::NotCarried),
        loaded: Known::unknown(Why::NotCarried),
        modified: DateTime::from_timestamp(planted.modified, 0).map_or_else(|| Known::unknown(Why::Unparsable), Known::Known),
        template: Known::unknown(Why::NotCarried),
        system_prompt: match planted.prompt {
            None => Known::unknown(Why::NotCarried),
            Some(prompt) => Known::Known(print(prompt)),
        },
        uncensored_by_name: Known::Known(planted.uncensored_by_name),
        uncensored_by_prompt: match planted.prompt {
            None => Known::unknown(Why::NotCarried),
            Some(prompt) => Known::Known(matches!(prompt, Prompt::Uncensored(_))),
        },
    }
}

/// The hash and the class of a prompt; the text is not stored.
fn print(prompt: Prompt) -> TextPrint {
    let (text, class) = match prompt {
        Prompt::Empty => (String::new(), PromptClass::Empty),
        Prompt::Default => ("default".to_owned(), PromptClass::Default),
        Prompt::Uncensored(which) => (format!("uncensored {which}"), PromptClass::Uncensored),
        Prompt::Custom(which) => (format!("custom {which}"), PromptClass::Custom),
    };
    TextPrint {
        sha256: prompt_hash(prompt),
        characters: text.len() as u64,
        class,
        text: None,
    }
}

/// The hash of a prompt in the record.
pub(super) fn prompt_hash(prompt: Prompt) -> String {
    format!("sha256:{}", hex(&format!("{prompt:?}")))
}

fn hex(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
