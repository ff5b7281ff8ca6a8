//! One run of a discovery at a time, also across processes: two that went on with the same file would pay for the same pages.

use std::fs::File;
use std::path::{Path, PathBuf};

use vigie_run::lock::{Held, hold, sign};
use vigie_run::{Failure, cannot_write};

/// The lock, held as long as this lives. The system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of a state's file. It is a file beside it, for the state itself is replaced whenever it is written.
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
                // Its holder removed it meanwhile: it is no longer the one that others take.
                continue;
            }
            sign(&mut file).map_err(cannot)?;
            return Ok(Self { path, _file: file });
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Elsewhere it cannot be told whether a file is still at its place, so there it stays.
        if cfg!(unix) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

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
        let first = Lock::take(&state).expect("it is free");
        let said = Lock::take(&state).expect_err("it is taken").to_string();
        assert!(said.contains(&format!("process {}", std::process::id())), "{said}");
        let _other = Lock::take(&dir.path().join("states/b.json")).expect("another state");
        drop(first);
        assert!(cfg!(not(unix)) || !dir.path().join("states/a.json.lock").exists());
        Lock::take(&state).expect("it is free again");
    }
}
