//! One watch of the same targets in a lake at a time, also across processes.

use std::fs::File;
use std::path::Path;

use crate::failure::Failure;
use crate::lock::{Held, hold, sign};

/// The lock, held as long as this lives. The system releases it when the process ends, however it ends, so no stale lock remains.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a watch in a lake.
    pub(super) fn take(lake: &Path, watch: &str) -> Result<Self, Failure> {
        let (folder, path) = if vigie_lake::is_in_a_store(lake) {
            // An object store has no locks; this one at least holds on this machine.
            let store = vigie_model::sha256(lake.to_string_lossy().as_bytes());
            let name = format!("watch-{watch}-{}.lock", store.get(7..19).unwrap_or_default());
            let folder = crate::data_folder().unwrap_or_else(std::env::temp_dir);
            (folder.clone(), folder.join(name))
        } else {
            (lake.to_owned(), lake.join(format!("watch-{watch}.lock")))
        };
        let cannot = |error: std::io::Error| Failure::output(format!("cannot lock {}: {error}", path.display()));
        std::fs::create_dir_all(folder).map_err(cannot)?;
        match hold(&path).map_err(cannot)? {
            Held::Here(mut file) => {
                sign(&mut file).map_err(cannot)?;
                Ok(Self { _file: file })
            }
            Held::Elsewhere(who) => Err(Failure::usage(format!(
                "another vigie watches the same targets in this lake{who}; stop it first, or name another lake with --lake"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it_and_it_is_free_afterwards() {
        let dir = tempfile::tempdir().expect("a folder");
        let lake = dir.path().join("lake");
        let first = Lock::take(&lake, "a").expect("it is free");
        let message = Lock::take(&lake, "a").expect_err("it is taken").to_string();
        assert!(message.contains(&format!("process {}", std::process::id())), "{message}");
        let _other = Lock::take(&lake, "b").expect("another watch");
        drop(first);
        Lock::take(&lake, "a").expect("it is free again");
    }
}
