//! Any text as a request target: what is taken strictly has one form and one meaning.

use vigie_http::path::{EncodedSlash, lenient, stays_below, strict};

/// Reads it.
pub(crate) fn drive(data: &[u8]) {
    let target = String::from_utf8_lossy(data);
    let readings = [EncodedSlash::Separates, EncodedSlash::Belongs].map(|slash| lenient(&target, slash));
    for reading in &readings {
        assert!(
            reading
                .segments()
                .iter()
                .all(|segment| !matches!(segment.as_str(), "" | "." | ".."))
        );
    }
    let Ok(read) = strict(&target) else { return };
    let forwarded = read.to_string();
    assert_eq!(strict(&forwarded).as_ref(), Ok(&read));
    assert!(stays_below(&target));
    let segments: Vec<_> = read.segments().filter(|segment| !segment.is_empty()).collect();
    for reading in &readings {
        assert_eq!(reading.segments(), segments);
    }
}
