//! Any bytes as the head of a request and of a reply: what is taken strictly, clients and servers read alike.

use vigie_http::body::Body;
use vigie_http::head::{EndFinder, RequestHead, ResponseHead};

/// Reads it. The first byte says where it is cut, for the search of its end.
pub(crate) fn drive(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    if let Ok((strict, _)) = RequestHead::strict(bytes) {
        assert_eq!(RequestHead::parse(bytes).as_ref(), Ok(&strict));
    }
    if let Ok((strict, body)) = ResponseHead::strict(bytes, "GET") {
        let parsed = ResponseHead::parse(bytes).expect("it is taken strictly");
        assert_eq!(parsed, strict);
        match (Body::after(&parsed, "GET").expect("it is taken strictly"), body) {
            (Body::Chunks(_), Body::Chunks(_)) => {}
            (lenient, strict) => assert_eq!(lenient, strict),
        }
    }
    let at_once = EndFinder::default().find(bytes);
    let (mut finder, cut) = (EndFinder::default(), usize::from(*cut).min(bytes.len()));
    let in_two = match finder.find(&bytes[..cut]) {
        Ok(None) => finder.find(bytes),
        found => found,
    };
    assert_eq!(at_once, in_two);
}
