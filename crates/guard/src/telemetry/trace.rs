//! The trace of a request: the client's, if it named one as W3C's Trace Context says, or a new one.

use std::hash::{BuildHasher as _, Hasher as _};

use vigie_http::headers::{self, Header};

use super::Traces;

/// The trace that a request belongs to. The id of its span is the request's id in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(super) id: u128,
    /// The client's span.
    pub(super) parent: Option<u64>,
    pub(super) is_sampled: bool,
}

impl Traces {
    /// A new trace.
    pub(crate) fn begin(self) -> Trace {
        // Zero is no id.
        let id = (u128::from(random()) << 64 | u128::from(random())).max(1);
        Trace {
            id,
            parent: None,
            is_sampled: self.0.takes(random()),
        }
    }

    /// The trace that a client with a key names, or a new one. Whether it is sampled is the gateway's choice: a client cannot make it record
    /// everything.
    pub(crate) fn of_client(self, fields: &[Header]) -> Trace {
        let new = self.begin();
        let mut named = headers::all(fields, "traceparent");
        match (named.next().and_then(read), named.next()) {
            (Some((id, parent)), None) => Trace {
                id,
                parent: Some(parent),
                ..new
            },
            _ => new,
        }
    }
}

impl Trace {
    /// The `traceparent` for the server behind, written anew: the parent is the gateway's span, `span`.
    pub(crate) fn header(self, span: &str) -> String {
        format!("00-{:032x}-{span}-{:02x}", self.id, u8::from(self.is_sampled))
    }
}

/// The trace and the parent of a `traceparent` header: version 00, exactly as the recommendation writes it.
fn read(value: &str) -> Option<(u128, u64)> {
    let hex = |text: &str| text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let mut parts = value.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_whole = parts.next().is_none() && version == "00" && trace.len() == 32 && parent.len() == 16 && flags.len() == 2;
    if !is_whole || ![trace, parent, flags].into_iter().all(hex) {
        return None;
    }
    let trace = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let parent = u64::from_str_radix(parent, 16).ok().filter(|id| *id != 0)?;
    Some((trace, parent))
}

/// Random, so that it says nothing of other requests.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Ratio;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn field(name: &str, value: &str) -> Header {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_trace_is_continued_only_if_it_is_written_exactly() {
        assert_eq!(read(GOOD), Some((0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7)));
        assert!(
            read(&GOOD.replace("-01", "-00")).is_some(),
            "a client does not sample for the gateway"
        );
        for wrong in [
            "",
            "00",
            &GOOD.to_uppercase(),
            &GOOD.replace("00-", "01-"),
            &GOOD.replace("00-", "ff-"),
            &GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &GOOD.replace("00f067aa0ba902b7", "0000000000000000"),
            &GOOD.replace("-01", "-1"),
            &GOOD.replace("-01", "-0g"),
            &GOOD.replace("-01", ""),
            &format!("{GOOD}-x"),
            &format!(" {GOOD}"),
            &format!("{GOOD}, {GOOD}"),
            &GOOD.replace("4b", "+b"),
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn two_headers_are_none() {
        let traces = Traces(Ratio::ALL);
        let one = traces.of_client(&[field("traceparent", GOOD)]);
        assert_eq!((one.parent, one.is_sampled), (Some(0x00f0_67aa_0ba9_02b7), true));
        let header = one.header("0123456789abcdef");
        assert_eq!(header, "00-4bf92f3577b34da6a3ce929d0e0e4736-0123456789abcdef-01");
        assert!(read(&header).is_some());
        let two = traces.of_client(&[field("traceparent", GOOD), field("traceparent", GOOD)]);
        assert_eq!(two.parent, None);
        assert_ne!(two.id, one.id);
        assert_ne!(traces.begin().id, traces.begin().id);
    }
}
