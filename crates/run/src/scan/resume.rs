//! Resume files: the same targets, the same seed, and how far a scan got.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vigie_scope::{Cursor, Shard};

use super::ScanOptions;
use crate::failure::{Failure, read};

const SCHEMA: &str = "vigie.resume/1";

/// A resume file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resume {
    schema: String,
    targets: Vec<String>,
    files: Vec<PathBuf>,
    ports: String,
    scope: Option<PathBuf>,
    opt_out: Vec<PathBuf>,
    seed: u64,
    shard: Option<String>,
    pub(crate) cursor: Cursor,
}

impl Resume {
    /// The resume file of a scan that was interrupted at the cursor.
    pub(crate) fn of(options: &ScanOptions, ports: String, seed: u64, cursor: Cursor) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            targets: options.targets.clone(),
            files: options.files.clone(),
            ports,
            scope: options.scope.clone(),
            opt_out: options.opt_out.clone(),
            seed,
            shard: (options.shard != Shard::whole()).then(|| options.shard.to_string()),
            cursor,
        }
    }

    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let resume: Self = serde_json::from_str(&read(path)?)
            .map_err(|error| Failure::usage(format!("{} is not a resume file: {error}", path.display())))?;
        if resume.schema != SCHEMA {
            return Err(Failure::usage(format!(
                "{}: schema is {:?}; this vigie reads {SCHEMA:?}",
                path.display(),
                resume.schema
            )));
        }
        Ok(resume)
    }

    /// Puts the options of the interrupted scan into these.
    pub(crate) fn put_into(&self, options: &mut ScanOptions) -> Result<(), Failure> {
        options.targets.clone_from(&self.targets);
        options.files.clone_from(&self.files);
        options.ports = Some(self.ports.clone());
        options.scope.clone_from(&self.scope);
        options.opt_out.clone_from(&self.opt_out);
        options.seed = Some(self.seed);
        options.shard = match &self.shard {
            None => Shard::whole(),
            Some(text) => text.parse().map_err(Failure::usage)?,
        };
        Ok(())
    }
}
