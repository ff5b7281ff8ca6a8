//! Resume files: the same words, the same seed, and where a scan stood.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vigie_scope::Cursor;

use crate::args::ScanArgs;
use crate::failure::{Failure, read};

pub(crate) const RESUME_SCHEMA: &str = "vigie.resume/1";

/// A resume file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Resume {
    pub(crate) schema: String,
    pub(crate) targets: Vec<String>,
    pub(crate) files: Vec<PathBuf>,
    pub(crate) ports: String,
    pub(crate) scope: Option<PathBuf>,
    pub(crate) opt_out: Vec<PathBuf>,
    pub(crate) seed: u64,
    pub(crate) shard: Option<String>,
    pub(crate) cursor: Cursor,
}

impl Resume {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let resume: Self =
            serde_json::from_str(&read(path)?).map_err(|error| Failure::usage(format!("{} is no resume file: {error}", path.display())))?;
        if resume.schema != RESUME_SCHEMA {
            return Err(Failure::usage(format!(
                "{}: schema is {:?}; this vigie reads {RESUME_SCHEMA:?}",
                path.display(),
                resume.schema
            )));
        }
        Ok(resume)
    }

    pub(crate) fn put_into(&self, args: &mut ScanArgs) {
        args.targets.clone_from(&self.targets);
        args.files.clone_from(&self.files);
        args.ports = Some(self.ports.clone());
        args.scope.clone_from(&self.scope);
        args.opt_out.clone_from(&self.opt_out);
        args.seed = Some(self.seed);
        args.shard.clone_from(&self.shard);
    }
}
