//! SQL over a lake's tables, and the study: questions, their figures and confidence intervals.
//!
//! [`QueryEngine`] opens a lake's tables for DataFusion. A table without files reads as empty, and a column that an
//! older version did not write reads as NULL: unknown.
//!
//! A [`Study`] builds the [`base_tables`] once and answers [`Question`]s, each a file of texts and SQL. Every share has an
//! [`interval`].

pub mod base_tables;
mod bit_count;
#[cfg(feature = "cluster")]
mod cluster;
pub mod coverage;
pub mod document;
mod engine;
mod files;
pub mod interval;
mod macros;
mod options;
pub mod planted;
pub mod published;
mod question;
mod report;
mod row_stream;
mod rows;
mod statistics;
mod study;
mod table_store;

#[cfg(feature = "cluster")]
pub use cluster::Cluster;
pub use engine::{QueryEngine, QueryLimits};
pub use options::StudyOptions;
pub use question::{Chart, Lang, Question, Share, Text};
pub use report::{Provenance, SCHEMA, StudyReport};
pub use row_stream::{Form, RowStream, cells};
pub use rows::AnswerRows;
pub use study::{AnsweredQuestion, QuestionAnswer, Study};
pub use table_store::TableStore;

use vigie_lake::Error as LakeError;

/// Why a query or a study failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake could not be opened.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// DataFusion rejected or failed the statement.
    #[error("{0}")]
    Query(String),
    /// The cluster failed the statement.
    #[error("the Ballista cluster at {0}: {1}")]
    Cluster(String, String),
    /// The scratch folder of a cluster could not be created or written.
    #[error("cannot write to {}, the cluster's scratch folder: {}; name another folder that all its machines share with --scratch", .0.display(), .1)]
    Scratch(std::path::PathBuf, String),
    /// The statement would change the lake.
    #[error("{0} is not allowed: vigie sql only reads; vigie's own verbs change the lake")]
    NotReadOnly(String),
    /// The rows could not be written.
    #[error("write the answer: {0}")]
    Write(#[from] std::io::Error),
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        // The innermost message names the cause; the outer layers only name the callers.
        Self::Query(error.find_root().to_string())
    }
}
