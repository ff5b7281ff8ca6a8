//! What a column and a table are, before any is named: types, names, and the columns of a table in order.

use std::sync::Arc;

use deltalake_core::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use deltalake_core::kernel;

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

/// A column's name, and the names of the two columns that say why it is NULL.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Name {
    pub(crate) value: &'static str,
    pub(crate) why: &'static str,
    pub(crate) detail: &'static str,
}

/// The columns of a table in the order in which they are written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definition {
    columns: Vec<DefinedColumn>,
    /// The schema change that adds the columns defined next.
    since: u8,
}

#[derive(Clone, Debug)]
pub(crate) struct DefinedColumn {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    since: u8,
}

impl Definition {
    pub(crate) fn of(define: fn(&mut Self)) -> Self {
        let mut definition = Self::default();
        define(&mut definition);
        definition
    }

    /// The columns of several kinds of row that share a table, in the order of the names.
    pub(crate) fn shared(order: &[&str], kinds_of_row: &[fn(&mut Self)]) -> Self {
        let all: Vec<DefinedColumn> = kinds_of_row.iter().flat_map(|define| Self::of(*define).columns).collect();
        let first = |name: &&str| all.iter().find(|column| column.name == **name).cloned();
        Self {
            columns: order.iter().filter_map(first).collect(),
            since: 0,
        }
    }

    pub(crate) fn add(&mut self, name: &str, kind: Kind) {
        self.columns.push(DefinedColumn {
            name: name.to_owned(),
            kind,
            since: self.since,
        });
    }

    /// Names the schema change that adds the columns which `define` adds.
    pub(crate) fn since(&mut self, since: u8, define: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.since, since);
        define(self);
        self.since = before;
    }

    pub(crate) fn written(&self) -> &[DefinedColumn] {
        &self.columns
    }

    /// For each place in the schema, the number of the column that is written there. A column that a later version added follows all
    /// earlier ones, as it does in a table that grew.
    pub(crate) fn schema_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.columns.len()).collect();
        order.sort_by_key(|at| self.columns[*at].since);
        order
    }

    /// The names of the columns, for reading only these.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }
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
    pub(crate) fn new(comment: &'static str, partition: Option<&'static str>, indexed: &'static str, definition: Definition) -> Self {
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
