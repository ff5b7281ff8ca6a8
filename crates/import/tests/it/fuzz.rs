//! What the fuzz target for imports asserts, here without a fuzzer: its corpus, the tests' own files as they are and cut off, and both with random
//! changes. `PROPTEST_CASES=20000` tries more of them.

#[path = "../../../../fuzz/drivers/import.rs"]
mod import;
#[path = "../../../../fuzz/drivers/replay.rs"]
mod replay;

use proptest::prelude::*;
use proptest::sample::Index;

/// The files under `tests/data`.
fn files() -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut files = Vec::new();
    for tool in std::fs::read_dir(folder).expect("the folder reads") {
        for file in std::fs::read_dir(tool.expect("the entry reads").path()).expect("the folder reads") {
            files.push(std::fs::read(file.expect("the entry reads").path()).expect("the file reads"));
        }
    }
    assert!(files.len() > 20, "{} files", files.len());
    files
}

#[test]
fn the_corpus_of_import() {
    replay::replay("import", import::drive);
}

#[test]
fn the_tests_own_files() {
    for bytes in files() {
        for part in 1..=4 {
            import::drive(&bytes[..bytes.len() * part / 4]);
        }
    }
}

/// A change of a file: where, how long, from where, and how.
type Change = (Index, u8, Index, u8);

fn change(file: &mut Vec<u8>, other: &[u8], (at, length, from, how): &Change) {
    if file.is_empty() || other.is_empty() {
        return;
    }
    let at = at.index(file.len());
    let end = (at + usize::from(*length)).min(file.len());
    let from = from.index(other.len());
    let piece = other[from..(from + usize::from(*length)).min(other.len())].to_vec();
    match how % 6 {
        // Another file's bytes in their place, or between them.
        0 => drop(file.splice(at..end, piece)),
        1 => drop(file.splice(at..at, piece)),
        2 => drop(file.drain(at..end)),
        3 => {
            let again = file[at..end].to_vec();
            file.splice(at..at, again);
        }
        4 => file[at] = *length,
        _ => file[at] = b"\"\\{}[]<>,:\n0-"[usize::from(*length) % 13],
    }
}

proptest! {
    // Each reads a file twice.
    #![proptest_config(ProptestConfig { cases: std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(96), ..ProptestConfig::default() })]
    #[test]
    fn changed_files(
        file in proptest::sample::select(files()),
        other in proptest::sample::select(files()),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>(), any::<Index>(), any::<u8>()), 1..12),
    ) {
        let mut file = file;
        // The whole of the largest file takes as long as all others.
        file.truncate(8 * 1024);
        for one in &changes {
            change(&mut file, &other, one);
        }
        import::drive(&file);
    }
}
