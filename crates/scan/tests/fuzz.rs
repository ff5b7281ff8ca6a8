//! Replays the corpora of the fuzz targets (`fuzz/`) that belong to the network's edge.

#[path = "../../../fuzz/drivers/certificate.rs"]
mod certificate;
#[path = "../../../fuzz/drivers/replay.rs"]
mod replay;
#[path = "../../../fuzz/drivers/words.rs"]
mod words;

use replay::replay;

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
