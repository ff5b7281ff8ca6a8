//! Replays the corpora of the fuzz targets (`fuzz/`), so that what a fuzzer once found stays found.

#[path = "../../../../fuzz/drivers/replay.rs"]
mod replay;
#[path = "../../../../fuzz/drivers/session.rs"]
mod session;

use replay::replay;

#[test]
fn the_corpus_of_session() {
    replay("session", session::drive);
}
