//! Files that are written whole or not at all.
//!
//! The data goes to a temporary file beside the target first, which is renamed when all of it is on disk: a process that is stopped in
//! between, by an error, by Ctrl-C or by a kill, leaves the old file as it was.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::failure::Failure;

/// A file under construction. Dropped before it is finished, it leaves nothing.
#[derive(Debug)]
pub struct WholeFile {
    /// The path as the user gave it, for messages.
    shown: PathBuf,
    file: File,
    /// The temporary path and the final one; `None`: it is a device or a pipe, which is written to directly.
    place: Option<(PathBuf, PathBuf)>,
    failed: Failed,
}

/// The first error of writing. A buffer that is dropped reports none.
type Failed = Arc<Mutex<Option<io::Error>>>;

/// Another handle on a file under construction, for a writer that keeps what it writes to.
#[derive(Debug)]
pub struct Part {
    file: File,
    failed: Failed,
}

impl WholeFile {
    /// Begins a file, and creates its folder if there is none.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be created, or the path is a folder.
    pub fn begin(path: &Path) -> Result<Self, Failure> {
        let failed = |error: io::Error| cannot_write(path, &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // A symbolic link stays one: its target is replaced.
        let target = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let old = match std::fs::metadata(&target) {
            Ok(old) => Some(old),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if old.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(failed(ErrorKind::IsADirectory.into()));
        }
        if old.as_ref().is_some_and(|old| !old.is_file()) {
            let file = File::options().write(true).open(&target).map_err(failed)?;
            return Ok(Self::over(path, file, None));
        }
        let mut beside = target.as_os_str().to_owned();
        beside.push(format!(".{}.partial", std::process::id()));
        let beside = PathBuf::from(beside);
        let file = File::create(&beside).map_err(failed)?;
        let begun = Self::over(path, file, Some((beside, target)));
        // The new file has the permissions of the old one.
        if let Some(old) = old {
            begun.file.set_permissions(old.permissions()).map_err(failed)?;
        }
        Ok(begun)
    }

    fn over(path: &Path, file: File, place: Option<(PathBuf, PathBuf)>) -> Self {
        Self {
            shown: path.to_owned(),
            file,
            place,
            failed: Failed::default(),
        }
    }

    /// Another handle, which must not be written to any more when the file is finished.
    ///
    /// # Errors
    ///
    /// The system gives no second handle.
    pub fn part(&self) -> Result<Part, Failure> {
        Ok(Part {
            file: self.file.try_clone().map_err(|error| cannot_write(&self.shown, &error))?,
            failed: Arc::clone(&self.failed),
        })
    }

    /// The first error of writing to it, if there was one.
    #[must_use]
    pub fn fault(&self) -> Option<Failure> {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.as_ref().map(|error| cannot_write(&self.shown, error))
    }

    /// Moves the file to its path; when this returns, it is on disk.
    ///
    /// # Errors
    ///
    /// Something that was written to it failed, or it cannot be synced or renamed.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.put_in_place().map_err(|error| cannot_write(&self.shown, &error))
    }

    fn put_in_place(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        self.file.flush()?;
        let Some((beside, target)) = &self.place else { return Ok(()) };
        self.file.sync_all()?;
        std::fs::rename(beside, target)?;
        let target = target.clone();
        // There is no temporary file any more.
        self.place = None;
        sync_folder_of(&target)
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if let Some((beside, _)) = &self.place {
            let _ = std::fs::remove_file(beside);
        }
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        noted(&self.failed, self.file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(&self.failed, self.file.flush())
    }
}

impl Write for Part {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        noted(&self.failed, self.file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        noted(&self.failed, self.file.flush())
    }
}

fn noted<T>(failed: &Failed, result: io::Result<T>) -> io::Result<T> {
    if let Err(error) = &result
        && error.kind() != ErrorKind::Interrupted
    {
        let again = error
            .raw_os_error()
            .map_or_else(|| io::Error::new(error.kind(), error.to_string()), io::Error::from_raw_os_error);
        failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(again);
    }
    result
}

/// Makes a file's name survive a loss of power. Only Unix can open a folder; a folder that may not be read is skipped.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if cfg!(not(unix)) {
        return Ok(());
    }
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::PermissionDenied | ErrorKind::InvalidInput | ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// Writes a file whole or not at all.
///
/// # Errors
///
/// It cannot be written; the message names the file and what to do.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_through(path, |file| file.write_all(bytes).map_err(|error| cannot_write(path, &error)))
}

/// The same for what is too large to be held in memory.
///
/// # Errors
///
/// As [`write_whole`], or `write` fails.
pub fn write_through(path: &Path, write: impl FnOnce(&mut WholeFile) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut file = WholeFile::begin(path)?;
    write(&mut file)?;
    file.finish()
}

/// The failure of a file that cannot be written, with what to do.
#[must_use]
pub fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let next = match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => "name a file in a folder that you may write to",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room, or name a file on another disk",
        ErrorKind::IsADirectory => "it is a folder; name a file in it",
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => "a part of the path is a file; name another one",
        ErrorKind::InvalidFilename => "name another file",
        _ => "name another file, or check the disk",
    };
    // The advice names the error already.
    let is = match error.kind() {
        ErrorKind::IsADirectory => String::new(),
        _ => format!("{error}; "),
    };
    Failure::output(format!("cannot write {}: {is}{next}", path.display()))
}

/// Tests whether a file can be created beside or in place of this one, or in a folder, before anything depends on it.
///
/// # Errors
///
/// The error of creating a file there.
#[cfg(feature = "watch")]
pub(crate) fn try_writing(path: &Path, is_folder: bool) -> io::Result<()> {
    let trial = if is_folder {
        std::fs::create_dir_all(path)?;
        path.join(format!(".vigie-{}.trial", std::process::id()))
    } else {
        if path.is_dir() {
            return Err(ErrorKind::IsADirectory.into());
        }
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.trial", std::process::id()));
        beside.into()
    };
    // One byte, because a full disk can still create empty files.
    let tried = std::fs::write(&trial, b"\n");
    let removed = std::fs::remove_file(&trial);
    tried.and(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .expect("listed")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn an_unfinished_file_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("new/report.json");
        write_whole(&path, b"old").expect("written, and its folder made");
        let folder = path.parent().expect("a folder");

        let mut begun = WholeFile::begin(&path).expect("begun");
        begun.write_all(b"half of the ne").expect("written");
        assert_eq!(std::fs::read(&path).expect("read"), b"old");
        drop(begun);
        let refused = write_through(&path, |file| {
            file.write_all(b"half").expect("written");
            Err(Failure::output("no"))
        });
        assert!(refused.is_err());
        assert_eq!(
            (std::fs::read(&path).expect("read").as_slice(), listed(folder)),
            (b"old".as_slice(), vec!["report.json".to_owned()])
        );
        write_whole(&path, b"new").expect("written");
        assert_eq!(
            (std::fs::read(&path).expect("read").as_slice(), listed(folder)),
            (b"new".as_slice(), vec!["report.json".to_owned()])
        );
    }

    #[test]
    fn a_folder_is_refused_with_advice() {
        let dir = tempfile::tempdir().expect("a folder");
        let message = write_whole(dir.path(), b"x").expect_err("a folder").to_string();
        assert!(
            message.ends_with(&format!("{}: it is a folder; name a file in it", dir.path().display())),
            "{message}"
        );
        write_whole(&dir.path().join("file"), b"x").expect("written");
        let message = write_whole(&dir.path().join("file/below"), b"x")
            .expect_err("below a file")
            .to_string();
        assert!(message.contains("file/below") && message.contains("; "), "{message}");
        assert_eq!(listed(dir.path()), ["file"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_that_a_dropped_buffer_swallowed_is_reported() {
        // The device that is always full.
        let file = WholeFile::begin(Path::new("/dev/full")).expect("a device is opened as it is");
        let mut buffer = io::BufWriter::new(file.part().expect("a handle"));
        buffer.write_all(b"lost").expect("it is in the buffer");
        drop(buffer);
        let message = file.finish().expect_err("the disk is full").to_string();
        assert!(message.contains("/dev/full") && message.contains("make room"), "{message}");
        assert!(Path::new("/dev/full").exists());
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_are_kept() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&file, "old").expect("written");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("set");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        write_whole(&link, b"new").expect("written");
        assert!(link.symlink_metadata().expect("there").is_symlink());
        assert_eq!(std::fs::read(&file).expect("read"), b"new");
        assert_eq!(file.metadata().expect("there").permissions().mode() & 0o777, 0o600);
    }
}
