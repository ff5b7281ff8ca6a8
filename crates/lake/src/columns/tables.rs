//! The columns of each table.

use std::net::{IpAddr, Ipv4Addr};

use chrono::NaiveDate;
use vigie_model::{
    Certificate, Deception, Endpoint, EndpointKey, Evidence, EvidenceWeight, Exposure, Identity, Known, Leak, LeakKind, Listener, Model,
    Network, RunningModel, ScopeRef, Source, SourceKind, Tell, Timestamp, Tool, Transport, Why,
};

use super::{
    Address, Bound, Copied, Count, Day, Digits, Flag, Group, Id, Length, List, Missing, Nullable, Number, Optional, OrWhy, Position,
    Prefix, Print, Real, Required, Shard, Slim, Small, Tag, Text, Time, Whole, Word, columns,
};
use crate::batch::Batch;
use crate::prepared::{ContentIds, Prepared};
use crate::rows::Rows;
use crate::scan::Scan;

columns! {
    /// The table of observations.
    ObservationColumns of Prepared<'_>, into ObservationRow {
        "date": Day => day,
        "schema": Text => observation.schema,
        "seen": Required<Time> => observation.seen,
        "recorded": Required<Time> => observation.recorded,
        "": Whole<EndpointColumns> => observation.endpoint,
        "source_kind": Required<Word> => observation.source.kind,
        "source_name": Text => observation.source.name,
        "source_version": Text => observation.source.version,
        "catalog": Text => observation.source.catalog,
        "vantage": Text => observation.source.vantage,
        "scan": Nullable<Text> => observation.source.scan,
        "scope": OrWhy<Text> => observation.scope,
        "state": Required<Id> => ids.state,
        // Copies of values of the state, so that most queries need no join.
        "product": Copied<Slim<Text>> => observation.identity.product,
        "version": Copied<Slim<Text>> => observation.identity.version,
        "confidence": Copied<Real> => observation.identity.confidence,
        "posture": Copied<Slim<Word>> => observation.exposure.posture,
        "activity": Copied<Slim<Word>> => observation.exposure.activity,
        "capabilities": Copied<Slim<List>> => observation.exposure.capabilities,
        "models": Copied<Slim<Length>> => observation.exposure.models,
        "tools": Copied<Slim<Length>> => observation.exposure.tools,
        "deception": Copied<Slim<Real>> => observation.deception.score,
        "tls": Copied<Slim<Flag>> => observation.endpoint.tls,
        // Not in the state: it changes while all other replies stay the same, and the whole state would be stored again.
        "running": Copied<OrWhy<Length>> => observation.exposure.running,
        "running_state": Nullable<Id> => ids.running,
        "": Whole<NetworkColumns> => observation.network,
        "": Optional<ListenerColumns> => observation.listener,
        // A lower bound of the length, if the record has only the beginning of a list.
        "models_at_least" since 2: Copied<Nullable<Bound>> => observation.exposure.models_at_least,
        "running_at_least" since 2: Nullable<Bound> => observation.exposure.running_at_least,
    }
}

columns! {
    /// An endpoint's key.
    EndpointColumns of Endpoint, into Endpoint {
        "address": Required<Address> => address,
        "port": Required<Small> => port,
        "transport": Required<Word> => transport,
        "name": Nullable<Text> => name,
        "prefix" since 3: Prefix => prefix,
    }
}

columns! {
    /// The network of an address.
    NetworkColumns of Network, into Network {
        "country": OrWhy<Text> => country,
        "asn": OrWhy<Number> => asn,
        "class": OrWhy<Text> => class,
        "city" since 1: OrWhy<Text> => city,
        "organisation" since 1: OrWhy<Text> => organisation,
        "tier" since 1: OrWhy<Text> => tier,
    }
}

columns! {
    /// The listening socket, seen from the same machine.
    ListenerColumns of Listener, into Listener {
        "listener_bound": Required<List> => bound,
        "listener_answers_on": List => answers_on,
        "listener_process": OrWhy<Text> => process,
        "listener_pid": OrWhy<Number> => pid,
    }
}

columns! {
    /// The table of states.
    StateColumns of Prepared<'_>, into ObservationRow {
        "state": Required<Id> => ids.state,
        "first_seen": Copied<Time> => observation.seen,
        "tls": OrWhy<Flag> => observation.endpoint.tls,
        "": Optional<CertificateColumns> => observation.endpoint.certificate,
        "product": OrWhy<Text> => observation.identity.product,
        "version": OrWhy<Text> => observation.identity.version,
        "confidence": Real => observation.identity.confidence,
        "also": List => observation.identity.also,
        "posture": OrWhy<Word> => observation.exposure.posture,
        "posture_from": Nullable<Text> => observation.exposure.posture_from,
        "reach": OrWhy<Word> => observation.exposure.reach,
        "activity": OrWhy<Word> => observation.exposure.activity,
        "models": OrWhy<Length> => observation.exposure.models,
        "capabilities": OrWhy<List> => observation.exposure.capabilities,
        "tools": OrWhy<Length> => observation.exposure.tools,
        "inference_proved": Nullable<Flag> => observation.exposure.inference_proved,
        "deception": OrWhy<Real> => observation.deception.score,
        "instance" since 1: OrWhy<Text> => observation.identity.instance,
        "models_at_least" since 2: Nullable<Bound> => observation.exposure.models_at_least,
        "tools_at_least" since 2: Nullable<Bound> => observation.exposure.tools_at_least,
    }
}

columns! {
    /// A certificate, in the table of states.
    CertificateColumns of Certificate, into Certificate {
        "cert_sha256": Required<Text> => sha256,
        "cert_subject": Text => subject,
        "cert_issuer": Text => issuer,
        "cert_names": List => names,
        "cert_not_before": Nullable<Time> => not_before,
        "cert_not_after": Nullable<Time> => not_after,
        "cert_self_signed": Flag => self_signed,
    }
}

columns! {
    /// The table of models.
    ModelColumns of Item<&Model>, into Item<Model> {
        "state": Required<Id> => state,
        "position": Position => position,
        "name": Text => item.name,
        "digest": OrWhy<Text> => item.digest,
        "family": OrWhy<Text> => item.family,
        "parameters": OrWhy<Text> => item.parameters,
        "quantisation": OrWhy<Text> => item.quantisation,
        "format": OrWhy<Text> => item.format,
        "size_bytes": OrWhy<Count> => item.size_bytes,
        "context_length": OrWhy<Count> => item.context_length,
        "capabilities": OrWhy<List> => item.capabilities,
        "capabilities_untold": List => item.capabilities_untold,
        "remote": OrWhy<Flag> => item.remote,
        "remote_host": OrWhy<Text> => item.remote_host,
        "loaded": OrWhy<Flag> => item.loaded,
        "modified": OrWhy<Time> => item.modified,
        "template": Print => item.template,
        "system_prompt": Print => item.system_prompt,
        "uncensored_by_name": OrWhy<Flag> => item.uncensored_by_name,
        "uncensored_by_prompt": OrWhy<Flag> => item.uncensored_by_prompt,
    }
}

columns! {
    /// The table of models in memory.
    RunningColumns of Item<&RunningModel>, into Item<RunningModel> {
        "running_state": Required<Id> => state,
        "position": Position => position,
        "name": Text => item.name,
        "size_bytes": OrWhy<Count> => item.size_bytes,
        "vram_bytes": OrWhy<Count> => item.vram_bytes,
        "context_length": OrWhy<Count> => item.context_length,
        "expires": OrWhy<Time> => item.expires,
    }
}

columns! {
    /// The table of tools.
    ToolColumns of Item<&Tool>, into Item<Tool> {
        "state": Required<Id> => state,
        "position": Position => position,
        "name": Text => item.name,
        "risks": List => item.risks,
    }
}

columns! {
    /// The rows of the table of evidence that identify a product.
    EvidenceColumns of Item<&Evidence>, into Item<Evidence> {
        "state": Required<Id> => state,
        "kind": Tag => kind,
        "position": Position => position,
        "product": Text => item.product,
        "rule": Text => item.rule,
        "weight": Required<Word> => item.weight,
        "request": Text => item.request,
        "seen": Text => item.seen,
    }
}

columns! {
    /// The rows of the table of evidence that show a leak.
    LeakColumns of Item<&Leak>, into Item<Leak> {
        "state": Required<Id> => state,
        "kind": Tag => kind,
        "position": Position => position,
        "rule": Required<Word> => item.what,
        "request": Text => item.request,
    }
}

columns! {
    /// The rows of the table of evidence that show a deception.
    TellColumns of Item<&Tell>, into Item<Tell> {
        "state": Required<Id> => state,
        "kind": Tag => kind,
        "position": Position => position,
        "rule": Text => item.id,
        "score": Real => item.weight,
        "seen": Text => item.seen,
    }
}

columns! {
    /// The table of scans.
    ScanColumns of ScanRow<&Scan>, into ScanRow<Scan> {
        "id": Required<Text> => scan.id,
        "written": Time => written,
        "vigie": Text => scan.vigie,
        "seed": Required<Digits> => scan.seed,
        "scope": OrWhy<Text> => scan.scope,
        "catalog": Text => scan.catalog,
        "advisories": OrWhy<Text> => scan.advisories,
        "vantage": Text => scan.vantage,
        "targets": Text => scan.targets,
        "ports": Text => scan.ports,
        "shard": Shard => scan.shard,
        "started": Required<Time> => scan.started,
        "finished": Nullable<Time> => scan.finished,
        "planned": Nullable<Count> => scan.planned,
        "swept": Nullable<Count> => scan.swept,
        "open": Nullable<Count> => scan.open,
        "observed": Nullable<Count> => scan.observed,
        "covers": OrWhy<Text> => scan.covers,
        "missed": OrWhy<List> => scan.missed,
        "watch": Nullable<Text> => scan.watch,
    }
}

columns! {
    /// How many models were in memory, and the id of their list.
    RunningRef into RunningList {
        "running": OrWhy<Small> => running,
        "running_state": Nullable<Id> => running_state,
    }
}

/// The columns of [`RunningRef`].
pub(crate) struct RunningList {
    pub(crate) running: Known<u32>,
    pub(crate) running_state: Option<i64>,
}

impl RunningList {
    pub(crate) fn read(rows: &Rows, row: usize) -> Result<Self, Missing> {
        let mut list = Self {
            running: unknown(),
            running_state: None,
        };
        RunningRef::read(rows, row, &mut list)?;
        Ok(list)
    }
}

/// A row of the table of observations or of states, read into default values: each of the two tables has a part of an observation.
pub(crate) struct ObservationRow {
    pub(crate) day: NaiveDate,
    pub(crate) ids: ContentIds,
    pub(crate) observation: PartOfObservation,
}

/// The part of an observation that is in one of the tables.
pub(crate) struct PartOfObservation {
    pub(crate) schema: String,
    pub(crate) seen: Timestamp,
    pub(crate) recorded: Timestamp,
    pub(crate) source: Source,
    pub(crate) scope: ScopeRef,
    pub(crate) endpoint: Endpoint,
    pub(crate) listener: Option<Listener>,
    pub(crate) identity: Identity,
    pub(crate) exposure: Exposure,
    pub(crate) network: Network,
    pub(crate) deception: Deception,
}

impl ObservationRow {
    pub(crate) fn blank() -> Self {
        Self {
            day: NaiveDate::MIN,
            ids: ContentIds { state: 0, running: None },
            observation: PartOfObservation {
                schema: String::new(),
                seen: Timestamp::MIN_UTC,
                recorded: Timestamp::MIN_UTC,
                source: Source {
                    kind: SourceKind::Import,
                    name: String::new(),
                    version: String::new(),
                    catalog: String::new(),
                    vantage: String::new(),
                    scan: None,
                },
                scope: unknown(),
                endpoint: EndpointColumns::blank(),
                listener: None,
                identity: Identity {
                    product: unknown(),
                    version: unknown(),
                    instance: unknown(),
                    confidence: 0.0,
                    evidence: [].into(),
                    also: Vec::new(),
                },
                exposure: Exposure::unknown(Why::NotCarried),
                network: NetworkColumns::blank(),
                deception: Deception::unknown(Why::NotCarried),
            },
        }
    }
}

/// An item of a list, with the id of its state or list and its position.
pub(crate) struct Item<T> {
    pub(crate) state: i64,
    /// The kind of row, in a table with several kinds.
    pub(crate) kind: &'static str,
    pub(crate) position: i32,
    pub(crate) item: T,
}

impl<T> Item<T> {
    pub(crate) fn blank(item: T) -> Self {
        Self {
            state: 0,
            kind: "",
            position: i32::MAX,
            item,
        }
    }
}

/// A scan and when its row was written.
pub(crate) struct ScanRow<S> {
    pub(crate) scan: S,
    pub(crate) written: Timestamp,
}

fn unknown<T>() -> Known<T> {
    Known::unknown(Why::NotCarried)
}

pub(crate) fn blank_model() -> Model {
    Model::named("", Why::NotCarried)
}

pub(crate) fn blank_running() -> RunningModel {
    RunningModel {
        name: String::new(),
        size_bytes: unknown(),
        vram_bytes: unknown(),
        context_length: unknown(),
        expires: unknown(),
    }
}

pub(crate) fn blank_tool() -> Tool {
    Tool {
        name: String::new(),
        risks: Vec::new(),
    }
}

pub(crate) fn blank_evidence() -> Evidence {
    Evidence {
        product: String::new(),
        rule: String::new(),
        weight: EvidenceWeight::Weak,
        request: String::new(),
        seen: String::new(),
    }
}

pub(crate) fn blank_leak() -> Leak {
    Leak {
        what: LeakKind::Models,
        request: String::new(),
    }
}

pub(crate) fn blank_tell() -> Tell {
    Tell {
        id: String::new(),
        weight: 0.0,
        seen: String::new(),
    }
}

macro_rules! group {
    ($columns:ident of $of:ty, $blank:expr) => {
        impl Group for $columns {
            type Of = $of;

            fn put_group(value: &$of, batch: &mut Batch) {
                Self::put(value, batch);
            }

            fn read_group(rows: &Rows, row: usize, into: &mut $of) -> Result<(), Missing> {
                Self::read(rows, row, into)
            }

            fn blank() -> $of {
                $blank
            }
        }
    };
}

group!(EndpointColumns of Endpoint, Endpoint {
    address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    port: 0,
    transport: Transport::Tcp,
    name: None,
    prefix: None,
    tls: unknown(),
    certificate: None,
});

group!(NetworkColumns of Network, Network::unknown(Why::NotCarried));

group!(ListenerColumns of Listener, Listener {
    bound: Vec::new(),
    answers_on: Vec::new(),
    process: unknown(),
    pid: unknown(),
});

group!(CertificateColumns of Certificate, Certificate {
    sha256: String::new(),
    subject: String::new(),
    issuer: String::new(),
    names: Vec::new(),
    not_before: None,
    not_after: None,
    self_signed: false,
});

/// Reads an endpoint's key from the table of observations.
pub(crate) fn endpoint_key(rows: &Rows, row: usize) -> Option<EndpointKey> {
    let mut endpoint = EndpointColumns::blank();
    EndpointColumns::read(rows, row, &mut endpoint).ok()?;
    let Endpoint {
        address,
        port,
        transport,
        name,
        prefix,
        ..
    } = endpoint;
    Some(EndpointKey {
        address,
        port,
        transport,
        name,
        prefix,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Described;
    use super::*;
    use crate::Table;
    use crate::columns::RequestColumns;
    use crate::definition::Definition;
    use crate::hosts::HostColumns;
    use crate::last::ObservedColumns;

    type Fields = Vec<(&'static str, Vec<&'static str>)>;

    /// Columns that are not named after their field.
    const NAMED_OTHERWISE: [(&str, &str); 9] = [
        ("date", "day"),
        ("first_seen", "observation.seen"),
        ("deception", "observation.deception.score"),
        ("running_state", "ids.running"),
        ("running_state", "state"),
        ("rule", "item.what"),
        ("rule", "item.id"),
        ("score", "item.weight"),
        ("source_name", "source"),
    ];

    /// If two fields of one type were swapped in a list, a round trip through the lake would not notice it: writer and reader would swap them
    /// alike. The names show the mistake.
    #[test]
    fn a_column_is_named_after_its_field() {
        let tables: [Fields; 17] = [
            ObservationColumns::fields(),
            EndpointColumns::fields(),
            NetworkColumns::fields(),
            ListenerColumns::fields(),
            StateColumns::fields(),
            CertificateColumns::fields(),
            ModelColumns::fields(),
            RunningColumns::fields(),
            ToolColumns::fields(),
            EvidenceColumns::fields(),
            LeakColumns::fields(),
            TellColumns::fields(),
            ScanColumns::fields(),
            RequestColumns::fields(),
            RunningRef::fields(),
            HostColumns::fields(),
            ObservedColumns::fields(),
        ];
        for (column, field) in tables.iter().flatten().filter(|(column, _)| !column.is_empty()) {
            let last = field.last().copied().unwrap_or_default();
            // `listener_bound` is the field `bound` of a listener, `source_kind` is `source.kind`.
            let prefixes = ["", "listener_", "cert_"]
                .map(str::to_owned)
                .into_iter()
                .chain(field.iter().map(|part| format!("{part}_")));
            let is_named = prefixes.into_iter().any(|prefix| *column == format!("{prefix}{last}"));
            let is_exception = NAMED_OTHERWISE.contains(&(column, &field.join(".")));
            assert!(is_named || is_exception, "{column} holds {field:?}");
        }
    }

    /// Readers of only some columns describe them again, with the names and types of the table.
    #[test]
    fn partial_column_lists_match_the_table() {
        let table = Definition::of(ObservationColumns::define);
        let defined = |name: &str| table.written().iter().find(|column| column.name == name).map(|column| column.kind);
        for apart in [RunningRef::define, HostColumns::define, ObservedColumns::define] {
            for column in Definition::of(apart).written() {
                assert_eq!(defined(&column.name), Some(column.kind), "{}", column.name);
            }
        }
        for name in crate::key::Key::COLUMNS
            .iter()
            .chain(crate::hosts::GLIMPSE_COLUMNS)
            .chain(crate::last::COLUMNS)
        {
            assert!(defined(name).is_some(), "{name}");
        }
    }

    /// `WIDTH` is the number of columns that a group defines: that many are NULL if the group is absent.
    #[test]
    fn width_is_the_number_of_defined_columns() {
        for table in Table::ALL.into_iter().filter(|table| *table != Table::Evidence) {
            let (width, define): (usize, fn(&mut Definition)) = match table {
                Table::Observations => (ObservationColumns::WIDTH, ObservationColumns::define),
                Table::States => (StateColumns::WIDTH, StateColumns::define),
                Table::Models => (ModelColumns::WIDTH, ModelColumns::define),
                Table::Running => (RunningColumns::WIDTH, RunningColumns::define),
                Table::Tools => (ToolColumns::WIDTH, ToolColumns::define),
                Table::Requests => (RequestColumns::WIDTH, RequestColumns::define),
                Table::Evidence | Table::Scans => (ScanColumns::WIDTH, ScanColumns::define),
            };
            assert_eq!(Definition::of(define).written().len(), width, "{table:?}");
        }
    }
}
