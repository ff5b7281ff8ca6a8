//! The tables: their names, comments, partitions and schemas.

use std::sync::{Arc, LazyLock};

use deltalake_core::arrow::datatypes::SchemaRef;

use crate::columns::{
    Described, EvidenceColumns, LeakColumns, ModelColumns, ObservationColumns, RequestColumns, RunningColumns, ScanColumns, StateColumns,
    TellColumns, ToolColumns,
};
use crate::definition::{Definition, Spec};

/// A table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// One small row per observation, partitioned by date.
    Observations,
    /// The contents of endpoints' replies, each stored once.
    States,
    /// The models of a state.
    Models,
    /// The lists of models in memory, each stored once.
    Running,
    /// The tools of a state.
    Tools,
    /// The evidence of a state: for its identity, for leaks, for deception.
    Evidence,
    /// The scans: a row when one starts, a row when it ends.
    Scans,
    /// Requests to gateways, from their logs, partitioned by date.
    Requests,
}

impl Table {
    /// Every table.
    pub const ALL: [Self; 8] = [
        Self::Observations,
        Self::States,
        Self::Models,
        Self::Running,
        Self::Tools,
        Self::Evidence,
        Self::Scans,
        Self::Requests,
    ];

    /// The name of the table and of its folder.
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
            Self::Requests => "requests",
        }
    }

    /// The column whose day, in UTC, is the partition `date` of a row; `None`: the table is not partitioned. Files hold this column and not
    /// the day.
    #[must_use]
    pub fn dated_by(self) -> Option<&'static str> {
        match self {
            Self::Observations => Some("seen"),
            Self::Requests => Some("time"),
            _ => None,
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
            Self::Requests => &all.requests,
        }
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
    requests: Spec,
}

static SPECS: LazyLock<Specs> = LazyLock::new(|| Specs {
    observations: Spec::new(
        "One row per observation of an endpoint by a source. In a column with a _why column beside it, NULL means unknown.",
        Some("date"),
        "address,port,seen",
        Definition::of(ObservationColumns::define),
    ),
    states: Spec::new(
        "The contents of endpoints' replies, each stored once; observations.state is the id.",
        None,
        "state",
        Definition::of(StateColumns::define),
    ),
    models: Spec::new(
        "The models of a state, in the order of the reply.",
        None,
        "state",
        Definition::of(ModelColumns::define),
    ),
    running: Spec::new(
        "The models in memory; observations.running_state is the id.",
        None,
        "running_state",
        Definition::of(RunningColumns::define),
    ),
    tools: Spec::new(
        "The tools of a state, in the order of the reply.",
        None,
        "state",
        Definition::of(ToolColumns::define),
    ),
    evidence: Spec {
        is_shared: true,
        ..Spec::new(
            "The evidence for a state. kind: identity (product, rule, weight, request, seen), leak (rule names what is readable, request), deception (rule, score, seen).",
            None,
            "state",
            Definition::shared(
                &["state", "kind", "position", "product", "rule", "weight", "score", "request", "seen"],
                &[EvidenceColumns::define, LeakColumns::define, TellColumns::define],
            ),
        )
    },
    scans: Spec::new(
        "A row when a scan starts and one when it ends; of the rows with one id, the one written later is valid.",
        None,
        "id",
        Definition::of(ScanColumns::define),
    ),
    requests: Spec::new(
        "One row per request to a gateway, from the gateway's log. In a column with a _why column beside it, NULL means unknown.",
        Some("date"),
        "gateway,seq,time",
        Definition::of(RequestColumns::define),
    ),
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

    /// Readers of other versions find columns by name and type, and some engines by position, so no column may move.
    #[test]
    fn the_schemas_match_the_recorded_list() {
        let mut list = String::new();
        for table in Table::ALL {
            for field in table.schema().fields() {
                list += &format!("{} {} {}\n", table.name(), field.name(), field.data_type());
            }
        }
        assert_eq!(list, include_str!("../tests/columns.txt"));
    }
}
