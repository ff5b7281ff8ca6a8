//! By what a changed file is known.

use std::path::Path;
use std::time::SystemTime;

/// The time, the length and the number of a file: a file that is replaced whole has another number.
pub(crate) type Stamp = (SystemTime, u64, u64);

/// The stamp of a file; `None`: it is not there, or cannot be seen.
pub(crate) fn stamp(path: &Path) -> Option<Stamp> {
    let about = std::fs::metadata(path).ok()?;
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(&about);
    #[cfg(not(unix))]
    let number = 0;
    Some((about.modified().ok()?, about.len(), number))
}
