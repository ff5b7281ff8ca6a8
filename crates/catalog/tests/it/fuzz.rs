//! Replays the corpora of the fuzz targets (`fuzz/`), so that what a fuzzer once found stays found.

#[path = "../../../../fuzz/drivers/rules.rs"]
mod rules;
#[path = "../../../../fuzz/drivers/session.rs"]
mod session;

fn replay(target: &str, drive: impl Fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("the corpus reads") {
        drive(&std::fs::read(entry.expect("the entry reads").path()).expect("the input reads"));
        count += 1;
    }
    assert!(count > 0, "{} is empty", folder.display());
}

#[test]
fn the_corpus_of_session() {
    replay("session", session::drive);
}

#[test]
fn the_corpus_of_rules() {
    replay("rules", rules::drive);
}
