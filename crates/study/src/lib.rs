//! Questions put to a lake: SQL over its tables, and how sure the answers are.
//!
//! [`Engine`] opens a lake's tables for DataFusion. A table that nobody has written to yet reads as empty, and a column that an
//! older version did not write reads as NULL: unknown.
//!
//! A [`Study`] makes the tables that its questions share ([`prelude`]) and answers [`Question`]s, each a file of words and SQL; shares
//! come with their [`interval`].

mod answer;
mod bits;
#[cfg(feature = "cluster")]
mod cluster;
pub mod coverage;
pub mod document;
mod engine;
mod files;
pub mod interval;
mod keep;
mod options;
pub mod planted;
pub mod prelude;
pub mod published;
mod question;
mod report;
mod rows;
mod statistics;
mod study;

pub use answer::{Answer, Form, cells};
#[cfg(feature = "cluster")]
pub use cluster::Cluster;
pub use engine::{Engine, Limits};
pub use options::Options;
pub use question::{Chart, Lang, Question, Share, Text};
pub use report::{Made, Report, SCHEMA};
pub use rows::Rows;
pub use study::{Answered, Entry, Study};

use vigie_lake::Error as LakeError;

/// Why a question could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lake could not be opened.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// DataFusion could not answer.
    #[error("{0}")]
    Query(String),
    /// The cluster could not answer.
    #[error("the Ballista cluster at {0}: {1}")]
    Cluster(String, String),
    /// The folder that a cluster shares could not be made or written.
    #[error("{}, where the cluster keeps what it makes: {}; name another place that all its machines share with --scratch", .0.display(), .1)]
    Scratch(std::path::PathBuf, String),
    /// The statement would change something.
    #[error("{0}: a question reads; the lake is changed by vigie's own verbs")]
    NotAQuestion(String),
    /// The answer could not be written.
    #[error("write the answer: {0}")]
    Write(#[from] std::io::Error),
}

impl From<datafusion::error::DataFusionError> for Error {
    fn from(error: datafusion::error::DataFusionError) -> Self {
        // The innermost message says what is wrong; the layers around it say who passed it on.
        Self::Query(error.find_root().to_string())
    }
}
