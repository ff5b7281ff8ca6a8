//! Replays the corpus of the fuzz target, and gives it the tests' own files, as they are and cut off.

#[path = "../../../../fuzz/drivers/import.rs"]
mod import;
#[path = "../../../../fuzz/drivers/replay.rs"]
mod replay;

#[test]
fn the_corpus_of_import() {
    replay::replay("import", import::drive);
}

#[test]
fn the_tests_own_files() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut count = 0;
    for tool in std::fs::read_dir(folder).expect("the folder reads") {
        for file in std::fs::read_dir(tool.expect("the entry reads").path()).expect("the folder reads") {
            let bytes = std::fs::read(file.expect("the entry reads").path()).expect("the file reads");
            for part in 1..=4 {
                import::drive(&bytes[..bytes.len() * part / 4]);
            }
            count += 1;
        }
    }
    assert!(count > 20, "{count} files");
}
