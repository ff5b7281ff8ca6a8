//! The tables: their names, comments, partitions and schemas.

use std::sync::{Arc, LazyLock};

use deltalake_core::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel;

use crate::columns::{
    Definition, Described, EvidenceColumns, LeakColumns, ModelColumns, ObservationColumns, RunningColumns, ScanColumns, StateColumns,
    TellColumns, ToolColumns,
};

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

/// The column types, which every engine reads alike.
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

/// The definition of a table.
pub(crate) struct Spec {
    /// The columns in the order in which they are written.
    pub(crate) definition: Definition,
    /// For each column of the schema, its number among the written columns.
    pub(crate) order: Vec<usize>,
    /// Whether several kinds of row share the table, each with some of its columns.
    pub(crate) is_shared: bool,
    /// The columns in the order of the schema.
    pub(crate) columns: Vec<(String, Kind)>,
    pub(crate) partition: Option<&'static str>,
    /// The columns whose extremes are kept in the log, for skipping files. Few: they are repeated for each file.
    pub(crate) indexed: &'static str,
    pub(crate) comment: &'static str,
    pub(crate) schema: SchemaRef,
}

impl Spec {
    fn new(comment: &'static str, partition: Option<&'static str>, indexed: &'static str, definition: Definition) -> Self {
        let order = definition.schema_order();
        let written = definition.written();
        let columns: Vec<(String, Kind)> = order.iter().map(|at| (written[*at].name.clone(), written[*at].kind)).collect();
        let fields: Vec<Field> = columns.iter().map(|(name, kind)| Field::new(name, kind.arrow(), true)).collect();
        Self {
            definition,
            order,
            is_shared: false,
            columns,
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

struct Specs {
    observations: Spec,
    states: Spec,
    models: Spec,
    running: Spec,
    tools: Spec,
    evidence: Spec,
    scans: Spec,
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
