//! The layout of a line of the second version of the log.
//!
//! ```text
//! {…,"unmapped":{…,"chain":{"seq":7,"prev":"…","personal":"…","mac":"…"},"prompt":{…},"salt":"…"},"src_endpoint":{…},…}
//! └────────────── signed ─────────────────────────────────┘            └──────────────── rest ────────────────────────┘
//! └────────────── hash: the next line's "prev" ───────────────────────┘
//! ```
//!
//! The rest may be erased: `personal` is its hash, so the chain holds without it.

use memchr::memmem;

use super::chain::hash_of;

/// What begins the place of a line in its chain. A text cannot hold this: its quotes would have backslashes.
const PLACE: &[u8] = b",\"chain\":{\"seq\":";

/// The rest of a line without a personal part.
const PLAIN: &[u8] = b"}}";

/// The rests of erased lines: of a request, and of a change of a key.
const ERASED: [&[u8]; 2] = [
    b",\"erased\":true},\"src_endpoint\":{\"name\":\"erased\"},\"actor\":{\"app_name\":\"erased\"}}",
    b",\"erased\":true},\"entity\":{\"name\":\"erased\"}}",
];

/// The parts of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<'l> {
    /// What a signature is made over.
    pub(super) signed: &'l [u8],
    /// What the next line holds the hash of.
    pub(super) hashed: &'l [u8],
    rest: &'l [u8],
}

impl<'l> Placed<'l> {
    /// Finds the parts; `None`: the line is not laid out so.
    pub(super) fn find(line: &'l [u8]) -> Option<Self> {
        let place = memmem::find(line, PLACE)?;
        let mac = place + memmem::find(&line[place..], b",\"mac\":\"")?;
        // Neither number nor hash nor signature holds a brace.
        let end = mac + memchr::memchr(b'}', &line[mac..])? + 1;
        Some(Self {
            signed: &line[..mac],
            hashed: &line[..end],
            rest: &line[end..],
        })
    }

    /// Whether the rest is what the line was written with, or was erased.
    pub(super) fn has_its_rest(&self, personal: Option<&str>) -> bool {
        match personal {
            None => self.rest == PLAIN,
            Some(personal) => ERASED.contains(&self.rest) || hash_of(self.rest) == personal,
        }
    }
}
