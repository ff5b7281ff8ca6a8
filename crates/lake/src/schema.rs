//! The tables and their columns: the one list that writing, reading and creating go by.

use std::sync::{Arc, LazyLock};

use deltalake_core::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel;

/// A table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// One row per observation, slim, by date.
    Observations,
    /// What an endpoint said, by content, once.
    States,
    /// The models of a state.
    Models,
    /// The models in memory, by the content of that list, once.
    Running,
    /// The tools of a state.
    Tools,
    /// The evidence of a state: for its identity, of what is readable, of deception.
    Evidence,
    /// The scans: a row when one starts, a row when it ends.
    Scans,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 7] = [
        Self::Observations,
        Self::States,
        Self::Models,
        Self::Running,
        Self::Tools,
        Self::Evidence,
        Self::Scans,
    ];

    /// Its name, which is its folder's too.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Observations => "observations",
            Self::States => "states",
            Self::Models => "models",
            Self::Running => "running",
            Self::Tools => "tools",
            Self::Evidence => "evidence",
            Self::Scans => "scans",
        }
    }

    /// Its columns, as this version writes them.
    #[must_use]
    pub fn schema(self) -> SchemaRef {
        Arc::clone(&self.spec().schema)
    }

    pub(crate) fn spec(self) -> &'static Spec {
        let all = &*SPECS;
        match self {
            Self::Observations => &all.observations,
            Self::States => &all.states,
            Self::Models => &all.models,
            Self::Running => &all.running,
            Self::Tools => &all.tools,
            Self::Evidence => &all.evidence,
            Self::Scans => &all.scans,
        }
    }
}

/// The types that every engine reads alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Long,
    Int,
    Real,
    Flag,
    /// Microseconds, UTC.
    Time,
    Day,
}

/// A table's columns in the order in which rows are written.
pub(crate) struct Spec {
    pub(crate) columns: Vec<(String, Kind)>,
    pub(crate) partition: Option<&'static str>,
    /// The columns whose extremes stand in the log, for passing over files. Few: they are repeated for each file.
    pub(crate) indexed: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) schema: SchemaRef,
}

impl Spec {
    fn new(comment: &'static str, partition: Option<&'static str>, indexed: &'static str, columns: Columns) -> Self {
        let fields: Vec<Field> = columns.0.iter().map(|(name, kind)| Field::new(name, kind.arrow(), true)).collect();
        Self {
            columns: columns.0,
            partition,
            indexed,
            comment,
            schema: Arc::new(Schema::new(fields)),
        }
    }

    /// The columns as the Delta log describes them. All are nullable, so that a schema can grow.
    pub(crate) fn delta_fields(&self) -> Vec<kernel::StructField> {
        self.columns
            .iter()
            .map(|(name, kind)| kernel::StructField::nullable(name.clone(), kind.delta()))
            .collect()
    }
}

impl Kind {
    pub(crate) fn arrow(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Long => DataType::Int64,
            Self::Int => DataType::Int32,
            Self::Real => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Self::Day => DataType::Date32,
        }
    }

    fn delta(self) -> kernel::DataType {
        match self {
            Self::Text => kernel::DataType::STRING,
            Self::Long => kernel::DataType::LONG,
            Self::Int => kernel::DataType::INTEGER,
            Self::Real => kernel::DataType::DOUBLE,
            Self::Flag => kernel::DataType::BOOLEAN,
            Self::Time => kernel::DataType::TIMESTAMP,
            Self::Day => kernel::DataType::DATE,
        }
    }
}

#[derive(Default)]
struct Columns(Vec<(String, Kind)>);

impl Columns {
    /// Columns that always have a value, or of which NULL says all there is to say.
    fn plain(mut self, kind: Kind, names: &[&str]) -> Self {
        self.0.extend(names.iter().map(|name| ((*name).to_owned(), kind)));
        self
    }

    /// A value or why there is none, the text for people left to the state.
    fn slim(mut self, kind: Kind, names: &[&str]) -> Self {
        for name in names {
            self.0.push(((*name).to_owned(), kind));
            self.0.push((format!("{name}_why"), Kind::Text));
        }
        self
    }

    /// A value, or why there is none and a text for people.
    fn known(mut self, kind: Kind, names: &[&str]) -> Self {
        for name in names {
            self.0.push(((*name).to_owned(), kind));
            self.0.push((format!("{name}_why"), Kind::Text));
            self.0.push((format!("{name}_detail"), Kind::Text));
        }
        self
    }
}

struct Specs {
    observations: Spec,
    states: Spec,
    models: Spec,
    running: Spec,
    tools: Spec,
    evidence: Spec,
    scans: Spec,
}

static SPECS: LazyLock<Specs> = LazyLock::new(|| {
    use Kind::{Day, Flag, Int, Long, Real, Text, Time};
    let columns = Columns::default;
    Specs {
        observations: Spec::new(
            "One row per endpoint seen once by one source. NULL means unknown where a column has a _why beside it.",
            Some("date"),
            "address,port,seen",
            columns()
                .plain(Day, &["date"])
                .plain(Text, &["schema"])
                .plain(Time, &["seen", "recorded"])
                .plain(Text, &["address"])
                .plain(Int, &["port"])
                .plain(Text, &["transport", "name"])
                .plain(
                    Text,
                    &["source_kind", "source_name", "source_version", "catalog", "vantage", "scan"],
                )
                .known(Text, &["scope"])
                .plain(Long, &["state"])
                // Copies of what the state says, so that most questions need no join.
                .slim(Text, &["product", "version"])
                .plain(Real, &["confidence"])
                .slim(Text, &["posture", "activity", "capabilities"])
                .slim(Int, &["models", "tools"])
                .slim(Real, &["deception"])
                .slim(Flag, &["tls"])
                // What changes without the server saying anything else: not in the state, which would be stored anew.
                .known(Int, &["running"])
                .plain(Long, &["running_state"])
                .known(Text, &["country"])
                .known(Long, &["asn"])
                .known(Text, &["class"])
                .plain(Text, &["listener_bound", "listener_answers_on"])
                .known(Text, &["listener_process"])
                .known(Long, &["listener_pid"])
                // Later columns stand last, as they do in a table that grew.
                .known(Text, &["city", "organisation", "tier"])
                // Where a list goes on beyond what is kept of it: how many came, at least.
                .plain(Int, &["models_at_least", "running_at_least"])
                .plain(Text, &["prefix"]),
        ),
        states: Spec::new(
            "What an endpoint said, once per content; observations.state leads here.",
            None,
            "state",
            columns()
                .plain(Long, &["state"])
                .plain(Time, &["first_seen"])
                .known(Flag, &["tls"])
                .plain(Text, &["cert_sha256", "cert_subject", "cert_issuer", "cert_names"])
                .plain(Time, &["cert_not_before", "cert_not_after"])
                .plain(Flag, &["cert_self_signed"])
                .known(Text, &["product", "version"])
                .plain(Real, &["confidence"])
                .plain(Text, &["also"])
                .known(Text, &["posture"])
                .plain(Text, &["posture_from"])
                .known(Text, &["reach", "activity"])
                .known(Int, &["models"])
                .known(Text, &["capabilities"])
                .known(Int, &["tools"])
                .plain(Flag, &["inference_proved"])
                .known(Real, &["deception"])
                // Later columns stand last, as they do in a table that grew.
                .known(Text, &["instance"])
                .plain(Int, &["models_at_least", "tools_at_least"]),
        ),
        models: Spec::new(
            "The models of a state, in its order.",
            None,
            "state",
            columns()
                .plain(Long, &["state"])
                .plain(Int, &["position"])
                .plain(Text, &["name"])
                .known(Text, &["digest", "family", "parameters", "quantisation", "format"])
                .known(Long, &["size_bytes", "context_length"])
                .known(Text, &["capabilities"])
                .plain(Text, &["capabilities_untold"])
                .known(Flag, &["remote"])
                .known(Text, &["remote_host"])
                .known(Flag, &["loaded"])
                .known(Time, &["modified"])
                .known(Text, &["template"])
                .plain(Long, &["template_characters"])
                .plain(Text, &["template_class", "template_text"])
                .known(Text, &["system_prompt"])
                .plain(Long, &["system_prompt_characters"])
                .plain(Text, &["system_prompt_class", "system_prompt_text"])
                .known(Flag, &["uncensored_by_name", "uncensored_by_prompt"]),
        ),
        running: Spec::new(
            "The models in memory; observations.running_state leads here.",
            None,
            "running_state",
            columns()
                .plain(Long, &["running_state"])
                .plain(Int, &["position"])
                .plain(Text, &["name"])
                .known(Long, &["size_bytes", "vram_bytes", "context_length"])
                .known(Time, &["expires"]),
        ),
        tools: Spec::new(
            "The tools of a state, in its order.",
            None,
            "state",
            columns()
                .plain(Long, &["state"])
                .plain(Int, &["position"])
                .plain(Text, &["name", "risks"]),
        ),
        evidence: Spec::new(
            "Why a state is what it is. kind: identity (product, rule, weight, request, seen), leak (rule is what is readable, request), deception (rule, score, seen).",
            None,
            "state",
            columns()
                .plain(Long, &["state"])
                .plain(Text, &["kind"])
                .plain(Int, &["position"])
                .plain(Text, &["product", "rule", "weight"])
                .plain(Real, &["score"])
                .plain(Text, &["request", "seen"]),
        ),
        scans: Spec::new(
            "A row when a scan starts and one when it ends; the later written of an id counts.",
            None,
            "id",
            columns()
                .plain(Text, &["id"])
                .plain(Time, &["written"])
                .plain(Text, &["vigie", "seed"])
                .known(Text, &["scope"])
                .plain(Text, &["catalog"])
                .known(Text, &["advisories"])
                .plain(Text, &["vantage", "targets", "ports"])
                .plain(Int, &["shard", "shards"])
                .plain(Time, &["started", "finished"])
                .plain(Long, &["planned", "swept", "open", "observed"])
                .known(Text, &["covers", "missed"])
                .plain(Text, &["watch"]),
        ),
    }
});

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn columns_are_flat_and_named_once() {
        for table in Table::ALL {
            let spec = table.spec();
            let names: HashSet<&str> = spec.columns.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names.len(), spec.columns.len(), "{table:?}");
            for indexed in spec.indexed.split(',').chain(spec.partition) {
                assert!(names.contains(indexed), "{table:?} {indexed}");
            }
            assert!(spec.schema.fields().iter().all(|field| !field.data_type().is_nested()));
        }
    }
}
