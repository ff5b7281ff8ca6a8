//! The place of addresses in the network, from the files that the user names.

use std::path::PathBuf;

use vigie_network::{Classes, Databases, Enricher};

use crate::failure::Failure;

/// The files that the user named.
#[derive(Clone, Debug, Default)]
pub struct NetworkFiles {
    /// MMDB files with country, city or AS; the first that has an address is used.
    pub geo: Vec<PathBuf>,
    /// The mapping from networks to their classes; `None`: the embedded one.
    pub classes: Option<PathBuf>,
}

impl NetworkFiles {
    /// Opens the files. Without a database, only the class of a known AS number is filled in.
    ///
    /// # Errors
    ///
    /// A file cannot be read or is invalid.
    pub fn open(&self) -> Result<Enricher, Failure> {
        let databases = Databases::open(&self.geo).map_err(|error| Failure::usage(with_causes(&error)))?;
        let classes = match &self.classes {
            Some(file) => Classes::open(file).map_err(Failure::usage)?,
            None => Classes::embedded().clone(),
        };
        Ok(Enricher::new(databases, classes))
    }
}

/// An error with its causes.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(&format!(": {inner}"));
        cause = inner.source();
    }
    text
}
