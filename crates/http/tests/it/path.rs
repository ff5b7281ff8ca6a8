//! Paths: one form, and no two meanings.

use proptest::prelude::*;
use vigie_http::path::{EncodedSlash, lenient, strict};

/// Pieces of paths that programs read in different ways, among those that they do not.
fn target() -> impl Strategy<Value = String> {
    let tricky = proptest::sample::select(vec![
        "/", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%25", "%2561", "%", "%0a", "%00", "%61", "%c3%a9", "%ff", "?", "#",
        " ", ":", "%3A", "{", "é", "+", "%2B", "\u{0}", "@", "%40",
    ]);
    let piece = prop_oneof![
        4 => "[a-z]{1,3}",
        3 => "/[a-z.]",
        2 => tricky.prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_canonical_form_is_its_own(target in target()) {
        if let Ok(read) = strict(&target) {
            let forwarded = read.to_string();
            let again = strict(&forwarded);
            prop_assert_eq!(again.as_ref(), Ok(&read));
            prop_assert_eq!(again.map(|again| again.to_string()), Ok(forwarded));
        }
    }

    /// What strict takes has one meaning: it splits alike before and after decoding, and decoding twice changes nothing.
    #[test]
    fn strict_and_lenient_agree(target in target()) {
        if let Ok(read) = strict(&target) {
            let segments: Vec<String> = read.segments().filter(|segment| !segment.is_empty()).map(|s| s.into_owned()).collect();
            for slash in [EncodedSlash::Separates, EncodedSlash::Belongs] {
                let (sent, canonical) = (lenient(&target, slash), lenient(read.path(), slash));
                prop_assert_eq!(sent.segments(), &segments[..]);
                prop_assert_eq!(canonical.segments(), &segments[..]);
            }
        }
    }

    /// Two targets have one canonical path exactly if they decode to the same text.
    #[test]
    fn encoding_makes_no_difference(path in "(/[a-z0-9:@+é ]{1,6}){1,4}", encode in prop::collection::vec(any::<bool>(), 64)) {
        let write = |all: bool| -> String {
            path.bytes().enumerate().map(|(at, byte)| match byte {
                b'/' => "/".to_owned(),
                b' ' | 0x80.. => format!("%{byte:02x}"),
                _ if all || encode[at % encode.len()] => format!("%{byte:02X}"),
                _ => char::from(byte).to_string(),
            }).collect()
        };
        let (one, other) = (write(false), write(true));
        let (one, other) = (strict(&one), strict(&other));
        prop_assert_eq!(one.as_ref().map(|read| read.path()), other.as_ref().map(|read| read.path()));
        prop_assert!(one.is_ok());
    }

    #[test]
    fn anything_is_read(target in any::<String>()) {
        let _ = strict(&target);
        for slash in [EncodedSlash::Separates, EncodedSlash::Belongs] {
            let read = lenient(&target, slash);
            prop_assert!(read.segments().iter().all(|segment| !matches!(segment.as_str(), "" | "." | "..")));
        }
    }
}
