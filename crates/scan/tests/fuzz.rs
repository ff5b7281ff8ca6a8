//! Replays the corpora of the fuzz targets (`fuzz/`) that belong to the network's edge.

#[path = "../../../fuzz/drivers/certificate.rs"]
mod certificate;
#[path = "../../../fuzz/drivers/words.rs"]
mod words;

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
fn the_corpus_of_certificate() {
    replay("certificate", certificate::drive);
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/certificate/self-signed");
    let told = vigie_scan::certificate(&std::fs::read(folder).expect("the certificate reads"));
    assert_eq!(told.names, ["a.example", "192.0.2.1"]);
    assert!(told.self_signed);
}

#[test]
fn the_corpus_of_words() {
    replay("words", words::drive);
}
