//! Gives a target every input of its corpus, for the tests.

/// Gives them, in no order; a corpus that is empty or missing fails.
pub(crate) fn replay(target: &str, drive: impl Fn(&[u8])) {
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
