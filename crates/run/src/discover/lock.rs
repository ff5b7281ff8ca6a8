//! One run per state file at a time, also across processes: two runs that resume the same state would pay for the same pages.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::files::cannot_write;
use crate::lock::{Held, hold, sign};

/// The lock, held as long as this lives. The system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct StateLock {
    path: PathBuf,
    _file: File,
}

impl StateLock {
    /// Takes the lock of a state file. The lock is a file beside it, because the state file is replaced whenever it is written.
    pub(super) fn take(state: &Path) -> Result<Self, Failure> {
        let mut path = state.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let cannot = |error: std::io::Error| cannot_write(&path, &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        loop {
            let mut file = match hold(&path).map_err(cannot)? {
                Held::Here(file) => file,
                Held::Elsewhere(who) => {
                    return Err(Failure::usage(format!(
                        "another vigie works on {}{who}; let it end, or stop it first",
                        state.display()
                    )));
                }
            };
            if !is_at(&file, &path) {
                // Its holder removed it meanwhile: others lock a new file at this path.
                continue;
            }
            sign(&mut file).map_err(cannot)?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for StateLock {
    fn drop(&mut self) {
        // Other systems cannot tell whether an open file is still at its path, so it stays there.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether an open file is the one at this path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let of = |about: std::fs::Metadata| (about.dev(), about.ino());
    let (held, there) = (file.metadata().map(of), std::fs::metadata(path).map(of));
    matches!((held, there), (Ok(held), Ok(there)) if held == there)
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_holds_it_and_nothing_is_left_of_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let state = dir.path().join("states/a.json");
        let first = StateLock::take(&state).expect("it is free");
        let said = StateLock::take(&state).expect_err("it is taken").to_string();
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        let _other = StateLock::take(&dir.path().join("states/b.json")).expect("another state");
        drop(first);
        assert!(cfg!(not(unix)) || !dir.path().join("states/a.json.lock").exists());
        StateLock::take(&state).expect("it is free again");
    }
}
