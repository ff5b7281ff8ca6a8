//! The asynchronous runtime of the program itself.

use vigie_run::Failure;

/// A runtime on the calling thread.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::scan(format!("cannot start the asynchronous runtime: {error}")))
}
