//! A lock file that one process holds at a time, and that names the process.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

/// Who holds a file.
pub(crate) enum Held {
    /// This process, as long as the file lives. The system releases it when the process ends, however it ends.
    Here(File),
    /// Another: ` (process … since …)`, or nothing where that cannot be read.
    Elsewhere(String),
}

/// Takes hold of a file, which is made if it is not there.
pub(crate) fn hold(path: &Path) -> io::Result<Held> {
    let file = File::options().create(true).truncate(false).read(true).write(true).open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Held::Here(file)),
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // On some systems a locked file cannot be read; then the holder is not named.
            let _ = file.take(200).read_to_string(&mut holder);
            let holder = vigie_export::text::clean(holder.trim(), 100);
            Ok(Held::Elsewhere(if holder.is_empty() {
                String::new()
            } else {
                format!(" ({holder})")
            }))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Writes into a held file who holds it, for people; the lock is what counts.
pub(crate) fn sign(file: &mut File) -> io::Result<()> {
    let now = chrono::Utc::now().format("%Y-%m-%dT%H:%M:%SZ");
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "process {} since {now}", std::process::id())
}
