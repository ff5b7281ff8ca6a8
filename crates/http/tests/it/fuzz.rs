//! Replays the corpora of the fuzz targets (`fuzz/`) that belong to HTTP.

#[path = "../../../../fuzz/drivers/chunks.rs"]
pub(crate) mod chunks;
#[path = "../../../../fuzz/drivers/events.rs"]
pub(crate) mod events;
#[path = "../../../../fuzz/drivers/heads.rs"]
pub(crate) mod heads;
#[path = "../../../../fuzz/drivers/path.rs"]
mod path;
#[path = "../../../../fuzz/drivers/replay.rs"]
mod replay;
#[path = "../../../../fuzz/drivers/reply.rs"]
pub(crate) mod reply;
#[path = "../../../../fuzz/drivers/stored.rs"]
pub(crate) mod stored;

use replay::replay;

#[test]
fn the_corpus_of_chunks() {
    replay("chunks", chunks::drive);
}

#[test]
fn the_corpus_of_events() {
    replay("events", events::drive);
}

#[test]
fn the_corpus_of_heads() {
    replay("heads", heads::drive);
}

#[test]
fn the_corpus_of_path() {
    replay("path", path::drive);
}

#[test]
fn the_corpus_of_reply() {
    replay("reply", reply::drive);
}

#[test]
fn the_corpus_of_stored() {
    replay("stored", stored::drive);
}
