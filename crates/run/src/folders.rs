//! Folders of the user.

use std::path::PathBuf;

/// vigie's folder in the user's data folder, which each system has in another place.
#[must_use]
pub fn data_folder() -> Option<PathBuf> {
    dirs::data_local_dir().map(|base| base.join("vigie"))
}
