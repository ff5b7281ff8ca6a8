//! What must hold for any bytes that are given out as a log.

use std::path::Path;

use super::check::Check;
use super::verify::Report;
use super::{Head, Recipient, VerifyingKey};

/// A log that was signed with a key that nobody has any more, and its public key.
const SIGNED: &[u8] = include_bytes!("../../../../fuzz/corpus/log/signed");
const KEY: &str = include_str!("signed.pub");

/// Any bytes as a log that is checked with that key: a bounded report, and what it calls signed and sound is the log that was signed.
pub(crate) fn drive(data: &[u8]) {
    let key: VerifyingKey = KEY.parse().expect("a key");
    let mut check = Check::new(&key);
    check.begin(1, Path::new("/nowhere"), None, Vec::new());
    check.file(Path::new("/nowhere/audit-000000000001.jsonl"));
    for (number, line) in data.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let (line, is_whole) = line.strip_suffix(b"\n").map_or((line, false), |line| (line, true));
        check.line(number as u64 + 1, line, is_whole);
    }
    check.end();
    let mut report = Report::default();
    check.finish(&mut report);
    assert!(report.faults.len() <= 1_000);
    assert!(report.lines <= data.len() as u64);
    if let (true, Some(signed), 0) = (report.is_sound(), report.signed, report.erased) {
        let through = |log: &[u8]| -> Vec<Vec<u8>> {
            let lines = log.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            lines.take(usize::try_from(signed).expect("few")).collect()
        };
        assert_eq!(through(data), through(SIGNED), "what was not signed is called sound");
    }
    // The short texts of a log's folder and of the configuration.
    if let Ok(text) = std::str::from_utf8(data) {
        for line in text.lines().take(4) {
            if let Some(head) = Head::parse(line) {
                assert_eq!(Head::parse(&head.to_string()), Some(head));
            }
            if let Ok(recipient) = line.parse::<Recipient>() {
                assert!(
                    recipient
                        .encrypt(b"x")
                        .map_or(true, |sealed| sealed.starts_with(b"age-encryption.org/v1\n"))
                );
            }
        }
    }
}
