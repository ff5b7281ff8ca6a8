//! An observation as rows, and back. Nothing is lost but verdicts and findings, which are computed anew.

use std::collections::HashMap;
use std::io::BufWriter;
use std::net::{IpAddr, SocketAddr};

use chrono::NaiveDate;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StrDeserializer};
use serde::{Deserialize, Serialize};
use vigie_model::{
    Activity, Capability, Certificate, Deception, Endpoint, EndpointKey, Evidence, Exposure, Identity, Known, Leak, Listener, Model,
    Network, Observation, PathPrefix, Posture, Reach, RunningModel, ScopeRef, Source, Tell, TextPrint, Timestamp, Tool, Why,
};

use crate::rows::{Batch, Rows};

/// What makes two observations the same: source, instant and endpoint.
///
/// Of the source its kind, its name and its vantage count: the same file imported again, with a newer catalogue or by
/// a newer version, is the same observation still.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key<'k> {
    seen: i64,
    address: &'k str,
    port: i32,
    transport: &'k str,
    name: Option<&'k str>,
    prefix: Option<&'k str>,
    source: [&'k str; 3],
}

impl<'k> Key<'k> {
    /// The columns that [`Key::read`] needs.
    pub(crate) const COLUMNS: [&'static str; 9] = [
        "seen",
        "address",
        "port",
        "transport",
        "name",
        "prefix",
        "source_kind",
        "source_name",
        "vantage",
    ];

    /// Microseconds since 1970.
    pub(crate) fn seen(&self) -> i64 {
        self.seen
    }

    pub(crate) fn read(rows: &'k Rows, row: usize) -> Option<Self> {
        Some(Self {
            seen: rows.micros("seen", row)?,
            address: rows.text("address", row)?,
            port: rows.int("port", row)?,
            transport: rows.text("transport", row)?,
            name: rows.text("name", row),
            prefix: rows.text("prefix", row),
            source: [
                rows.text("source_kind", row)?,
                rows.text("source_name", row)?,
                rows.text("vantage", row).unwrap_or_default(),
            ],
        })
    }
}

/// An observation with the ids of what it says.
pub(crate) struct Prepared<'a> {
    pub(crate) observation: &'a Observation,
    /// The address as text.
    pub(crate) address: String,
    /// By which rows are sorted: the day, then the endpoint, then the instant in microseconds since 1970. Neighbours say the same
    /// things, so they compress.
    pub(crate) place: (NaiveDate, IpAddr, u16, i64),
    pub(crate) ids: ContentIds,
}

/// The ids of what an observation says: of its state, and of its list of models in memory if it has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentIds {
    pub(crate) state: i64,
    pub(crate) running: Option<i64>,
}

impl ContentIds {
    pub(crate) fn of(observation: &Observation) -> Result<Self, serde_json::Error> {
        Ok(Self {
            state: content_id(&Said::of(observation))?,
            running: match observation.exposure.running.known() {
                Some(running) if !running.is_empty() => Some(content_id(running)?),
                _ => None,
            },
        })
    }
}

/// Exactly what the tables of a state hold: two observations share a state if these are equal. Its hash is the state's id, so its
/// form is part of the lake's.
#[derive(PartialEq, Serialize)]
struct Said<'a>(
    &'a Known<bool>,
    &'a Option<Certificate>,
    &'a Identity,
    &'a Known<Posture>,
    &'a Option<String>,
    &'a Known<Reach>,
    &'a Known<Activity>,
    &'a Known<Vec<Model>>,
    &'a Known<Vec<Capability>>,
    &'a Known<Vec<Tool>>,
    &'a [Leak],
    &'a Option<bool>,
    &'a Deception,
    // Left out where every list is whole, so that a state keeps the id that it had before there was this.
    #[serde(skip_serializing_if = "is_whole")] (Option<u64>, Option<u64>),
);

fn is_whole((models, tools): &(Option<u64>, Option<u64>)) -> bool {
    models.is_none() && tools.is_none()
}

impl<'a> Said<'a> {
    fn of(observation: &'a Observation) -> Self {
        let exposure = &observation.exposure;
        Self(
            &observation.endpoint.tls,
            &observation.endpoint.certificate,
            &observation.identity,
            &exposure.posture,
            &exposure.posture_from,
            &exposure.reach,
            &exposure.activity,
            &exposure.models,
            &exposure.capabilities,
            &exposure.tools,
            &exposure.leaks,
            &exposure.inference_proved,
            &observation.deception,
            (exposure.models_at_least, exposure.tools_at_least),
        )
    }
}

impl<'a> Prepared<'a> {
    pub(crate) fn new(observation: &'a Observation, ids: ContentIds) -> Self {
        Self {
            observation,
            address: observation.endpoint.address.to_string(),
            place: (
                observation.seen.date_naive(),
                observation.endpoint.address,
                observation.endpoint.port,
                observation.seen.timestamp_micros(),
            ),
            ids,
        }
    }

    pub(crate) fn key(&self) -> Key<'_> {
        let Observation { endpoint, source, .. } = self.observation;
        Key {
            seen: self.seen(),
            address: &self.address,
            port: i32::from(endpoint.port),
            transport: endpoint.transport.word(),
            name: endpoint.name.as_deref(),
            prefix: endpoint.prefix.as_ref().map(PathPrefix::as_str),
            source: [source.kind.word(), &source.name, &source.vantage],
        }
    }

    /// Microseconds since 1970.
    pub(crate) fn seen(&self) -> i64 {
        self.place.3
    }

    /// The ids of another observation, if it says the same.
    pub(crate) fn ids_of(&self, observation: &Observation) -> Option<ContentIds> {
        let same = Said::of(self.observation) == Said::of(observation) && self.observation.exposure.running == observation.exposure.running;
        same.then_some(self.ids)
    }

    pub(crate) fn put_observation(&self, batch: &mut Batch) {
        let observation = self.observation;
        let Observation {
            endpoint,
            source,
            exposure,
            identity,
            network,
            ..
        } = observation;
        batch.day(self.place.0);
        batch.text(Some(&observation.schema));
        batch.time(Some(observation.seen));
        batch.time(Some(observation.recorded));
        batch.text(Some(&self.address));
        batch.int(Some(i32::from(endpoint.port)));
        batch.text(Some(endpoint.transport.word()));
        batch.text(endpoint.name.as_deref());
        batch.text(Some(source.kind.word()));
        batch.text(Some(&source.name));
        batch.text(Some(&source.version));
        batch.text(Some(&source.catalog));
        batch.text(Some(&source.vantage));
        batch.text(source.scan.as_deref());
        batch.known_text(&observation.scope);
        batch.long(Some(self.ids.state));

        let text = |batch: &mut Batch, value: Option<&String>| batch.text(value.map(String::as_str));
        batch.slim(&identity.product, text);
        batch.slim(&identity.version, text);
        batch.real(Some(identity.confidence));
        batch.slim(&exposure.posture, |batch, posture| {
            batch.text(posture.map(|posture| posture.word()))
        });
        batch.slim(&exposure.activity, |batch, activity| {
            batch.text(activity.map(|activity| activity.word()))
        });
        batch.slim(&exposure.capabilities, put_list);
        batch.slim(&exposure.models, put_length);
        batch.slim(&exposure.tools, put_length);
        batch.slim(&observation.deception.score, |batch, score| {
            batch.real(score.copied());
        });
        batch.slim(&endpoint.tls, |batch, tls| batch.flag(tls.copied()));
        batch.known(&exposure.running, put_length);
        batch.long(self.ids.running);
        batch.known_text(&network.country);
        batch.known(&network.asn, |batch, asn| batch.long(asn.map(|asn| i64::from(*asn))));
        batch.known_text(&network.class);

        let listener = observation.listener.as_ref();
        put_list(batch, listener.map(|listener| &listener.bound));
        put_list(batch, listener.map(|listener| &listener.answers_on));
        if let Some(listener) = listener {
            batch.known_text(&listener.process);
            batch.known(&listener.pid, |batch, pid| batch.long(pid.map(|pid| i64::from(*pid))));
        } else {
            batch.text(None);
            batch.text(None);
            batch.text(None);
            batch.long(None);
            batch.text(None);
            batch.text(None);
        }
        batch.known_text(&network.city);
        batch.known_text(&network.organisation);
        batch.known_text(&network.tier);
        batch.int(bound(exposure.models_at_least));
        batch.int(bound(exposure.running_at_least));
        batch.text(endpoint.prefix.as_ref().map(PathPrefix::as_str));
        batch.end_row();
    }

    pub(crate) fn put_state(&self, batch: &mut Batch) {
        let Observation {
            endpoint,
            identity,
            exposure,
            deception,
            ..
        } = self.observation;
        batch.long(Some(self.ids.state));
        batch.time(Some(self.observation.seen));
        batch.known_flag(&endpoint.tls);
        let certificate = endpoint.certificate.as_ref();
        batch.text(certificate.map(|c| c.sha256.as_str()));
        batch.text(certificate.map(|c| c.subject.as_str()));
        batch.text(certificate.map(|c| c.issuer.as_str()));
        put_list(batch, certificate.map(|c| &c.names));
        batch.time(certificate.and_then(|c| c.not_before));
        batch.time(certificate.and_then(|c| c.not_after));
        batch.flag(certificate.map(|c| c.self_signed));
        batch.known_text(&identity.product);
        batch.known_text(&identity.version);
        batch.real(Some(identity.confidence));
        put_list(batch, Some(&identity.also));
        batch.known(&exposure.posture, put_word);
        batch.text(exposure.posture_from.as_deref());
        batch.known(&exposure.reach, put_word);
        batch.known(&exposure.activity, put_word);
        batch.known(&exposure.models, put_length);
        batch.known(&exposure.capabilities, put_list);
        batch.known(&exposure.tools, put_length);
        batch.flag(exposure.inference_proved);
        batch.known(&deception.score, |batch, score| batch.real(score.copied()));
        batch.known_text(&identity.instance);
        batch.int(bound(exposure.models_at_least));
        batch.int(bound(exposure.tools_at_least));
        batch.end_row();
    }

    pub(crate) fn put_models(&self, batch: &mut Batch) {
        let models = self.observation.exposure.models.known();
        for (position, model) in numbered(models.map(Vec::as_slice).unwrap_or_default()) {
            batch.long(Some(self.ids.state));
            batch.int(Some(position));
            batch.text(Some(&model.name));
            batch.known_text(&model.digest);
            batch.known_text(&model.family);
            batch.known_text(&model.parameters);
            batch.known_text(&model.quantisation);
            batch.known_text(&model.format);
            batch.known_count(&model.size_bytes);
            batch.known_count(&model.context_length);
            batch.known(&model.capabilities, put_list);
            put_list(batch, Some(&model.capabilities_untold));
            batch.known_flag(&model.remote);
            batch.known_text(&model.remote_host);
            batch.known_flag(&model.loaded);
            batch.known_time(&model.modified);
            put_print(batch, &model.template);
            put_print(batch, &model.system_prompt);
            batch.known_flag(&model.uncensored_by_name);
            batch.known_flag(&model.uncensored_by_prompt);
            batch.end_row();
        }
    }

    pub(crate) fn put_running(&self, batch: &mut Batch) {
        let running = self.observation.exposure.running.known();
        for (position, model) in numbered(running.map(Vec::as_slice).unwrap_or_default()) {
            batch.long(self.ids.running);
            batch.int(Some(position));
            batch.text(Some(&model.name));
            batch.known_count(&model.size_bytes);
            batch.known_count(&model.vram_bytes);
            batch.known_count(&model.context_length);
            batch.known_time(&model.expires);
            batch.end_row();
        }
    }

    pub(crate) fn put_tools(&self, batch: &mut Batch) {
        let tools = self.observation.exposure.tools.known();
        for (position, tool) in numbered(tools.map(Vec::as_slice).unwrap_or_default()) {
            batch.long(Some(self.ids.state));
            batch.int(Some(position));
            batch.text(Some(&tool.name));
            put_list(batch, Some(&tool.risks));
            batch.end_row();
        }
    }

    pub(crate) fn put_evidence(&self, batch: &mut Batch) {
        for (position, evidence) in numbered(&self.observation.identity.evidence) {
            batch.long(Some(self.ids.state));
            batch.text(Some("identity"));
            batch.int(Some(position));
            batch.text(Some(&evidence.product));
            batch.text(Some(&evidence.rule));
            put_word(batch, Some(&evidence.weight));
            batch.real(None);
            batch.text(Some(&evidence.request));
            batch.text(Some(&evidence.seen));
            batch.end_row();
        }
        for (position, leak) in numbered(&self.observation.exposure.leaks) {
            batch.long(Some(self.ids.state));
            batch.text(Some("leak"));
            batch.int(Some(position));
            batch.text(None);
            put_word(batch, Some(&leak.what));
            batch.text(None);
            batch.real(None);
            batch.text(Some(&leak.request));
            batch.text(None);
            batch.end_row();
        }
        for (position, tell) in numbered(&self.observation.deception.tells) {
            batch.long(Some(self.ids.state));
            batch.text(Some("deception"));
            batch.int(Some(position));
            batch.text(None);
            batch.text(Some(&tell.id));
            batch.text(None);
            batch.real(Some(tell.weight));
            batch.text(None);
            batch.text(Some(&tell.seen));
            batch.end_row();
        }
    }
}

/// The first 63 bits of the SHA-256 of a content's JSON: short, because each observation carries one, and never
/// negative, because people read it.
fn content_id<T: Serialize>(content: &T) -> Result<i64, serde_json::Error> {
    // A content may be as long as a server likes.
    let mut hasher = BufWriter::with_capacity(8 << 10, vigie_model::Sha256::default());
    serde_json::to_writer(&mut hasher, content)?;
    let hasher = hasher.into_inner().map_err(|error| serde_json::Error::io(error.into_error()))?;
    let hash = hasher.finish();
    let digits = hash.trim_start_matches("sha256:").get(..16).unwrap_or("0");
    let bits = u64::from_str_radix(digits, 16).unwrap_or(0) >> 1;
    Ok(i64::try_from(bits).unwrap_or(0))
}

fn numbered<T>(list: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(list)
}

/// The word by which a value stands in JSON.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

pub(crate) fn from_word<'a, T: Deserialize<'a>>(word: &'a str) -> Option<T> {
    let deserializer: StrDeserializer<'a, WordError> = word.into_deserializer();
    T::deserialize(deserializer).ok()
}

fn put_word<T: Serialize>(batch: &mut Batch, value: Option<&T>) {
    batch.text(value.map(word).as_deref());
}

/// A list of words as a JSON array in a text: flat, in order, and told by `LIKE '%"tools"%'` in any engine.
fn put_list<T: Serialize>(batch: &mut Batch, list: Option<&Vec<T>>) {
    // Strings, enumerations and addresses always serialise.
    batch.text(list.and_then(|list| serde_json::to_string(list).ok()).as_deref());
}

fn put_length<T>(batch: &mut Batch, list: Option<&Vec<T>>) {
    batch.int(list.map(|list| i32::try_from(list.len()).unwrap_or(i32::MAX)));
}

fn bound(at_least: Option<u64>) -> Option<i32> {
    at_least.map(|least| i32::try_from(least).unwrap_or(i32::MAX))
}

fn put_print(batch: &mut Batch, print: &Known<TextPrint>) {
    batch.known(print, |batch, print| batch.text(print.map(|p| p.sha256.as_str())));
    let print = print.known();
    batch.long(print.map(|p| i64::try_from(p.characters).unwrap_or(i64::MAX)));
    put_word(batch, print.map(|p| &p.class));
    batch.text(print.and_then(|p| p.text.as_deref()));
}

/// What states say, read from their tables.
#[derive(Default)]
pub(crate) struct Contents {
    states: HashMap<i64, State>,
    running: HashMap<i64, Vec<(i32, RunningModel)>>,
}

struct State {
    tls: Known<bool>,
    certificate: Option<Certificate>,
    identity: Identity,
    exposure: Exposure,
    deception: Deception,
    order: Order,
}

/// Positions of the rows that were read, for a table gives its rows in any order.
#[derive(Default)]
struct Order {
    models: Vec<(i32, Model)>,
    tools: Vec<(i32, Tool)>,
    evidence: Vec<(i32, Evidence)>,
    leaks: Vec<(i32, Leak)>,
    tells: Vec<(i32, Tell)>,
}

fn in_order<T>(mut rows: Vec<(i32, T)>) -> Vec<T> {
    rows.sort_by_key(|(position, _)| *position);
    rows.into_iter().map(|(_, value)| value).collect()
}

impl Contents {
    /// Rows of the table of states come first; rows of the others that belong to no state are passed over.
    pub(crate) fn read_states(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            let Some(id) = rows.long("state", row) else { continue };
            let length = |name: &str| rows.known(name, row, |rows, name, row| rows.int(name, row).map(|_| ()));
            let state = State {
                tls: rows.known_flag("tls", row),
                certificate: rows.text("cert_sha256", row).map(|sha256| Certificate {
                    sha256: sha256.to_owned(),
                    subject: owned(rows, "cert_subject", row),
                    issuer: owned(rows, "cert_issuer", row),
                    names: list(rows, "cert_names", row).unwrap_or_default(),
                    not_before: rows.time("cert_not_before", row),
                    not_after: rows.time("cert_not_after", row),
                    self_signed: rows.flag("cert_self_signed", row).unwrap_or_default(),
                }),
                identity: Identity {
                    product: rows.known_text("product", row),
                    version: rows.known_text("version", row),
                    instance: rows.known_text("instance", row),
                    confidence: rows.real("confidence", row).unwrap_or_default(),
                    evidence: [].into(),
                    also: list(rows, "also", row).unwrap_or_default(),
                },
                exposure: Exposure {
                    posture: known_word(rows, "posture", row),
                    posture_from: rows.text("posture_from", row).map(str::to_owned),
                    reach: known_word(rows, "reach", row),
                    activity: known_word(rows, "activity", row),
                    models: length("models").map(|()| Vec::new()),
                    models_at_least: at_least(rows, "models_at_least", row),
                    running: Known::unknown(Why::NotCarried),
                    running_at_least: None,
                    capabilities: rows.known("capabilities", row, list),
                    tools: length("tools").map(|()| Vec::new()),
                    tools_at_least: at_least(rows, "tools_at_least", row),
                    leaks: Vec::new(),
                    inference_proved: rows.flag("inference_proved", row),
                },
                deception: Deception {
                    score: rows.known("deception", row, Rows::real),
                    tells: Vec::new(),
                },
                order: Order::default(),
            };
            self.states.entry(id).or_insert(state);
        }
    }

    fn each(&mut self, rows: &Rows, mut take: impl FnMut(&mut State, i32, usize)) {
        for row in 0..rows.len() {
            if let Some(state) = rows.long("state", row).and_then(|id| self.states.get_mut(&id)) {
                take(state, rows.int("position", row).unwrap_or(i32::MAX), row);
            }
        }
    }

    pub(crate) fn read_models(&mut self, rows: &Rows) {
        self.each(rows, |state, position, row| {
            state.order.models.push((position, model(rows, row)));
        });
    }

    pub(crate) fn read_tools(&mut self, rows: &Rows) {
        self.each(rows, |state, position, row| {
            let tool = Tool {
                name: owned(rows, "name", row),
                risks: list(rows, "risks", row).unwrap_or_default(),
            };
            state.order.tools.push((position, tool));
        });
    }

    pub(crate) fn read_evidence(&mut self, rows: &Rows) {
        self.each(rows, |state, position, row| match rows.text("kind", row) {
            Some("identity") => {
                let weight = rows.text("weight", row).and_then(from_word);
                if let Some(weight) = weight {
                    let evidence = Evidence {
                        product: owned(rows, "product", row),
                        rule: owned(rows, "rule", row),
                        weight,
                        request: owned(rows, "request", row),
                        seen: owned(rows, "seen", row),
                    };
                    state.order.evidence.push((position, evidence));
                }
            }
            Some("leak") => {
                if let Some(what) = rows.text("rule", row).and_then(from_word) {
                    let request = owned(rows, "request", row);
                    state.order.leaks.push((position, Leak { what, request }));
                }
            }
            Some("deception") => {
                let tell = Tell {
                    id: owned(rows, "rule", row),
                    weight: rows.real("score", row).unwrap_or_default(),
                    seen: owned(rows, "seen", row),
                };
                state.order.tells.push((position, tell));
            }
            // A kind that a later writer added.
            _ => {}
        });
    }

    pub(crate) fn read_running(&mut self, rows: &Rows) {
        for row in 0..rows.len() {
            let Some(id) = rows.long("running_state", row) else { continue };
            let model = RunningModel {
                name: owned(rows, "name", row),
                size_bytes: rows.known_count("size_bytes", row),
                vram_bytes: rows.known_count("vram_bytes", row),
                context_length: rows.known_count("context_length", row),
                expires: rows.known_time("expires", row),
            };
            let position = rows.int("position", row).unwrap_or(i32::MAX);
            self.running.entry(id).or_default().push((position, model));
        }
    }

    /// Puts lists in order once everything was read.
    pub(crate) fn settle(&mut self) {
        for state in self.states.values_mut() {
            let order = std::mem::take(&mut state.order);
            if let Known::Known(models) = &mut state.exposure.models {
                *models = in_order(order.models);
            }
            if let Known::Known(tools) = &mut state.exposure.tools {
                *tools = in_order(order.tools);
            }
            state.identity.evidence = in_order(order.evidence).into();
            state.exposure.leaks = in_order(order.leaks);
            state.deception.tells = in_order(order.tells);
        }
        for running in self.running.values_mut() {
            running.sort_by_key(|(position, _)| *position);
        }
    }

    /// What a state says of an endpoint, without what was seen beside it: the models in memory, the network.
    pub(crate) fn of_state(&self, id: i64, key: &EndpointKey) -> Option<(Endpoint, Identity, Exposure, Deception)> {
        let state = self.states.get(&id)?;
        let endpoint = Endpoint {
            address: key.address,
            port: key.port,
            transport: key.transport,
            name: key.name.clone(),
            prefix: key.prefix.clone(),
            tls: state.tls.clone(),
            certificate: state.certificate.clone(),
        };
        Some((endpoint, state.identity.clone(), state.exposure.clone(), state.deception.clone()))
    }

    /// A row of the table of observations with what its state says; `Err` names what the lake does not hold.
    pub(crate) fn observation(&self, rows: &Rows, row: usize) -> Result<Observation, &'static str> {
        let id = rows.long("state", row).ok_or("a state's id")?;
        let state = self.states.get(&id).ok_or("the state of an observation")?;
        let running = match rows.known("running", row, Rows::int) {
            Known::Known(0) => Known::Known(Vec::new()),
            Known::Known(_) => {
                let id = rows.long("running_state", row).ok_or("a list's id")?;
                let list = self.running.get(&id).ok_or("the models in memory")?;
                Known::Known(list.iter().map(|(_, model)| model.clone()).collect())
            }
            Known::Unknown(unknown) => Known::Unknown(unknown),
        };
        let key = endpoint_key(rows, row).ok_or("an endpoint that can be read")?;
        Ok(Observation {
            schema: owned(rows, "schema", row),
            seen: rows.time("seen", row).ok_or("the instant of an observation")?,
            recorded: rows.time("recorded", row).ok_or("the instant of a record")?,
            source: Source {
                kind: rows
                    .text("source_kind", row)
                    .and_then(from_word)
                    .ok_or("a kind of source that is known here")?,
                name: owned(rows, "source_name", row),
                version: owned(rows, "source_version", row),
                catalog: owned(rows, "catalog", row),
                vantage: owned(rows, "vantage", row),
                scan: rows.text("scan", row).map(str::to_owned),
            },
            scope: rows.known_text("scope", row),
            endpoint: Endpoint {
                address: key.address,
                port: key.port,
                transport: key.transport,
                name: key.name,
                prefix: key.prefix,
                tls: state.tls.clone(),
                certificate: state.certificate.clone(),
            },
            listener: list(rows, "listener_bound", row).map(|bound| Listener {
                bound,
                answers_on: list(rows, "listener_answers_on", row).unwrap_or_default(),
                process: rows.known_text("listener_process", row),
                pid: known_u32(rows, "listener_pid", row),
            }),
            identity: state.identity.clone().into(),
            exposure: Exposure {
                running,
                running_at_least: at_least(rows, "running_at_least", row),
                ..state.exposure.clone()
            }
            .into(),
            network: network(rows, row),
            deception: state.deception.clone(),
            advisories: [].into(),
            findings: Vec::new().into(),
        })
    }
}

/// How many of a list came at least; `None`: it is whole, or a lake that is older says nothing of it.
fn at_least(rows: &Rows, column: &str, row: usize) -> Option<u64> {
    rows.int(column, row).and_then(|least| u64::try_from(least).ok())
}

/// Reads the key of an endpoint as it stands in the table of observations.
pub(crate) fn endpoint_key(rows: &Rows, row: usize) -> Option<EndpointKey> {
    Some(EndpointKey {
        address: rows.text("address", row)?.parse().ok()?,
        port: u16::try_from(rows.int("port", row)?).ok()?,
        transport: rows.text("transport", row).and_then(from_word)?,
        name: rows.text("name", row).map(str::to_owned),
        prefix: match rows.text("prefix", row) {
            None => None,
            // One that this version does not read would stand for another endpoint.
            Some(text) => Some(text.to_owned().try_into().ok()?),
        },
    })
}

pub(crate) fn network(rows: &Rows, row: usize) -> Network {
    Network {
        country: rows.known_text("country", row),
        asn: known_u32(rows, "asn", row),
        class: rows.known_text("class", row),
        city: rows.known_text("city", row),
        organisation: rows.known_text("organisation", row),
        tier: rows.known_text("tier", row),
    }
}

fn known_u32(rows: &Rows, name: &str, row: usize) -> Known<u32> {
    rows.known(name, row, |rows, name, row| u32::try_from(rows.long(name, row)?).ok())
}

fn owned(rows: &Rows, name: &str, row: usize) -> String {
    rows.text(name, row).unwrap_or_default().to_owned()
}

pub(crate) fn list<T: for<'a> Deserialize<'a>>(rows: &Rows, name: &str, row: usize) -> Option<Vec<T>> {
    serde_json::from_str(rows.text(name, row)?).ok()
}

/// A word of a closed list; one that a later writer added is unparsable, not missing.
pub(crate) fn known_word<T: for<'a> Deserialize<'a>>(rows: &Rows, name: &str, row: usize) -> Known<T> {
    match rows.text(name, row) {
        Some(word) => from_word(word).map_or_else(|| Known::unknown_because(Why::Unparsable, word), Known::Known),
        None => rows.unknown(name, row),
    }
}

fn model(rows: &Rows, row: usize) -> Model {
    Model {
        name: owned(rows, "name", row),
        digest: rows.known_text("digest", row),
        family: rows.known_text("family", row),
        parameters: rows.known_text("parameters", row),
        quantisation: rows.known_text("quantisation", row),
        format: rows.known_text("format", row),
        size_bytes: rows.known_count("size_bytes", row),
        context_length: rows.known_count("context_length", row),
        capabilities: rows.known("capabilities", row, list::<Capability>),
        capabilities_untold: list(rows, "capabilities_untold", row).unwrap_or_default(),
        remote: rows.known_flag("remote", row),
        remote_host: rows.known_text("remote_host", row),
        loaded: rows.known_flag("loaded", row),
        modified: rows.known_time("modified", row),
        template: print(rows, "template", row),
        system_prompt: print(rows, "system_prompt", row),
        uncensored_by_name: rows.known_flag("uncensored_by_name", row),
        uncensored_by_prompt: rows.known_flag("uncensored_by_prompt", row),
    }
}

fn print(rows: &Rows, name: &str, row: usize) -> Known<TextPrint> {
    rows.known(name, row, |rows, name, row| {
        Some(TextPrint {
            sha256: rows.text(name, row)?.to_owned(),
            characters: u64::try_from(rows.long(&format!("{name}_characters"), row)?).ok()?,
            class: rows.text(&format!("{name}_class"), row).and_then(from_word)?,
            text: rows.text(&format!("{name}_text"), row).map(str::to_owned),
        })
    })
}

/// A scan as it is kept: with what it takes to repeat it and to say under which scope it ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Its id; observations carry it as `source.scan`.
    pub id: String,
    /// The version of vigie.
    pub vigie: String,
    /// The seed of the order in which addresses were looked at.
    pub seed: u64,
    /// The scope's hash.
    pub scope: ScopeRef,
    /// The catalogue's hash.
    pub catalog: String,
    /// The date of the advisories.
    pub advisories: Known<String>,
    /// From where it looked.
    pub vantage: String,
    /// The hash of the text of the targets.
    pub targets: String,
    /// The ports, as text.
    pub ports: String,
    /// Which shard of how many.
    pub shard: Option<(u32, u32)>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; `None`: it has not, or was interrupted before it could say so.
    pub finished: Option<Timestamp>,
    /// Addresses and ports that it was to look at, where that is a number known beforehand.
    pub planned: Option<u64>,
    /// Those it has looked at.
    pub swept: Option<u64>,
    /// Those that were open.
    pub open: Option<u64>,
    /// The observations it made.
    pub observed: Option<u64>,
    /// What it set out to look at, all shards together, as `vigie-scope` writes a coverage. Unknown for a scan that only went on
    /// with another one's rest, and for one that was kept before this was.
    pub covers: Known<String>,
    /// Of that, what it could not look at after all: this machine had no way to try, or the scope's hours were over.
    pub missed: Known<Vec<SocketAddr>>,
    /// The watch whose round it was.
    pub watch: Option<String>,
}

impl Scan {
    pub(crate) fn put(&self, batch: &mut Batch, written: Timestamp) {
        let count = |count: Option<u64>| count.and_then(|count| i64::try_from(count).ok());
        let shard = |pick: fn((u32, u32)) -> u32| self.shard.map(|shard| i32::try_from(pick(shard)).unwrap_or(i32::MAX));
        batch.text(Some(&self.id));
        batch.time(Some(written));
        batch.text(Some(&self.vigie));
        // No engine shares an unsigned type of 64 bits, and a seed is read back to be typed in.
        batch.text(Some(&self.seed.to_string()));
        batch.known_text(&self.scope);
        batch.text(Some(&self.catalog));
        batch.known_text(&self.advisories);
        batch.text(Some(&self.vantage));
        batch.text(Some(&self.targets));
        batch.text(Some(&self.ports));
        batch.int(shard(|(index, _)| index));
        batch.int(shard(|(_, of)| of));
        batch.time(Some(self.started));
        batch.time(self.finished);
        batch.long(count(self.planned));
        batch.long(count(self.swept));
        batch.long(count(self.open));
        batch.long(count(self.observed));
        batch.known_text(&self.covers);
        batch.known(&self.missed, put_list);
        batch.text(self.watch.as_deref());
        batch.end_row();
    }

    pub(crate) fn read(rows: &Rows, row: usize) -> Option<Self> {
        let count = |name| rows.long(name, row).and_then(|count| u64::try_from(count).ok());
        let part = |name| rows.int(name, row).and_then(|part| u32::try_from(part).ok());
        Some(Self {
            id: rows.text("id", row)?.to_owned(),
            vigie: owned(rows, "vigie", row),
            seed: rows.text("seed", row)?.parse().ok()?,
            scope: rows.known_text("scope", row),
            catalog: owned(rows, "catalog", row),
            advisories: rows.known_text("advisories", row),
            vantage: owned(rows, "vantage", row),
            targets: owned(rows, "targets", row),
            ports: owned(rows, "ports", row),
            shard: part("shard").zip(part("shards")),
            started: rows.time("started", row)?,
            finished: rows.time("finished", row),
            planned: count("planned"),
            swept: count("swept"),
            open: count("open"),
            observed: count("observed"),
            covers: rows.known_text("covers", row),
            missed: rows.known("missed", row, list),
            watch: rows.text("watch", row).map(str::to_owned),
        })
    }
}
