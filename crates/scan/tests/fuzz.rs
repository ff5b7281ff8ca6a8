//! Replays the corpora of the fuzz targets (`fuzz/`) for input from the network.

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
    let certificate = vigie_scan::certificate(&std::fs::read(folder).expect("the certificate is readable"));
    assert_eq!(certificate.names, ["a.example", "192.0.2.1"]);
    assert!(certificate.self_signed);
}

#[test]
fn the_corpus_of_words() {
    replay("words", words::drive);
}
