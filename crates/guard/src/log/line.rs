//! The layout of a line: how its place in the chain is put in, and found again.

use std::io;

use ring::digest::Context;
use serde::Serialize;
use serde_json::Value;

use super::chain::{Hash, Head, LineKey, Mac, SigningKey, begin, finish, hex, sha256, unhex};
use super::write::{hex as hex_digits, number};

/// What an erased line of class 6003 has in place of its personal part.
pub(crate) const ERASED: &str = ",\"erased\":true},\"src_endpoint\":{\"name\":\"erased\"},\"actor\":{\"app_name\":\"erased\"}}";
/// The same for a line about a key, class 3004.
pub(crate) const ERASED_ENTITY: &str = ",\"erased\":true},\"entity\":{\"name\":\"erased\"}}";
/// The same for a line about the gateway itself, class 6002.
pub(crate) const ERASED_PLAIN: &str = ",\"erased\":true}}";
/// The end of a line without a personal part.
const PLAIN: &[u8] = b"}}";

/// A line without its place in the chain.
pub(crate) struct Draft {
    /// The text, without what its place puts into it.
    text: Vec<u8>,
    /// The place goes here.
    rest_at: usize,
    /// The hash of the text up to there.
    hashed: Context,
    /// The hash of the rest, if that is personal.
    personal: Option<Hash>,
}

impl Draft {
    /// `core`: an object whose last value is `unmapped`, an object that is not empty. `personal`: what goes into `unmapped`, and beside it.
    pub(crate) fn new(core: &impl Serialize, personal: Option<(&impl Serialize, &impl Serialize)>) -> io::Result<Self> {
        let mut text = serde_json::to_vec(core)?;
        // Both objects are left open.
        text.truncate(text.len().saturating_sub(PLAIN.len()));
        let rest_at = text.len();
        let Some((unmapped, beside)) = personal else {
            text.extend_from_slice(PLAIN);
            return Ok(Self {
                hashed: begin(&text[..rest_at]),
                text,
                rest_at,
                personal: None,
            });
        };
        object(unmapped, &mut text)?;
        object(beside, &mut text)?;
        Ok(Self::of(text, rest_at))
    }

    /// A text whose rest is personal.
    pub(crate) fn of(text: Vec<u8>, rest_at: usize) -> Self {
        Self {
            hashed: begin(&text[..rest_at]),
            personal: Some(sha256(&text[rest_at..])),
            text,
            rest_at,
        }
    }

    /// Its bytes, about.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }

    /// Puts the line in its place behind a head. Its text, with a line feed, is added to `out`. Returns the new head.
    pub(crate) fn place(&self, stream: u32, head: &Head, key: &LineKey, signing: Option<&SigningKey>, out: &mut Vec<u8>) -> Head {
        let seq = head.seq + 1;
        let (text, rest) = self.text.split_at(self.rest_at);
        out.extend_from_slice(text);
        let from = out.len();
        out.extend_from_slice(b",\"chain\":{\"seq\":");
        number(seq, out);
        out.extend_from_slice(b",\"prev\":\"");
        out.extend_from_slice(head.hash.as_bytes());
        out.push(b'"');
        if stream != 1 {
            out.extend_from_slice(b",\"stream\":");
            number(stream.into(), out);
        }
        if let Some(personal) = self.personal {
            out.extend_from_slice(b",\"personal\":\"");
            hex_digits(&personal, out);
            out.push(b'"');
        }
        let mut hashed = self.hashed.clone();
        hashed.update(&out[from..]);
        let digest = finish(hashed.clone());
        let from = out.len();
        out.extend_from_slice(b",\"mac\":\"");
        hex_digits(&key.mac(&digest), out);
        out.push(b'"');
        if let Some(signing) = signing {
            out.extend_from_slice(b",\"signature\":\"");
            out.extend_from_slice(signing.sign(&digest).as_bytes());
            out.push(b'"');
        }
        out.push(b'}');
        hashed.update(&out[from..]);
        out.extend_from_slice(rest);
        out.push(b'\n');
        Head {
            seq,
            hash: hex(&finish(hashed)),
        }
    }
}

/// Writes an object as more keys of one that is open, and closes that one.
fn object(value: &impl Serialize, out: &mut Vec<u8>) -> serde_json::Result<()> {
    let at = out.len();
    serde_json::to_writer(&mut *out, value)?;
    match out.get(at + 1) {
        Some(b'}') => drop(out.remove(at)),
        _ => out[at] = b',',
    }
    Ok(())
}

/// A line of version 2 that was read.
#[derive(Debug)]
pub(crate) struct Placed<'l> {
    pub(crate) seq: u64,
    pub(crate) prev: &'l str,
    pub(crate) stream: u32,
    pub(crate) mac: Mac,
    pub(crate) signature: Option<&'l [u8]>,
    /// What the keyed hash and the signature are made over.
    pub(crate) digest: Hash,
    /// What the next line holds.
    pub(crate) hash: Hash,
    pub(crate) rest: Rest,
    /// Where the rest begins.
    pub(crate) rest_at: usize,
}

/// The part of a line behind its place in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It is as it was written.
    Whole,
    /// It was erased.
    Erased,
    /// It is neither.
    Altered,
}

impl<'l> Placed<'l> {
    /// Reads a line, without its line feed; `None`: it is no line of version 2.
    pub(crate) fn read(line: &'l [u8]) -> Option<Self> {
        // A text cannot hold this: its quotes would have backslashes.
        let at = memchr::memmem::find(line, b",\"chain\":{\"seq\":")?;
        let mut reader = Reader { line, at };
        reader.expect(b",\"chain\":{\"seq\":")?;
        let seq = reader.number()?;
        reader.expect(b",\"prev\":\"")?;
        let prev = std::str::from_utf8(reader.until_quote()?).ok()?;
        let stream = match reader.expect(b",\"stream\":") {
            Some(()) => u32::try_from(reader.number()?).ok()?,
            None => 1,
        };
        let personal = match reader.expect(b",\"personal\":\"") {
            Some(()) => Some(unhex::<32>(reader.until_quote()?)?),
            None => None,
        };
        let mut hashed = begin(line.get(..reader.at)?);
        let digest = finish(hashed.clone());
        let from = reader.at;
        reader.expect(b",\"mac\":\"")?;
        let mac = unhex(reader.until_quote()?)?;
        let signature = match reader.expect(b",\"signature\":\"") {
            Some(()) => Some(reader.until_quote()?),
            None => None,
        };
        reader.expect(b"}")?;
        hashed.update(line.get(from..reader.at)?);
        let rest = line.get(reader.at..)?;
        let rest_is = match personal {
            None if rest == PLAIN => Rest::Whole,
            None => Rest::Altered,
            Some(_) if [ERASED, ERASED_ENTITY, ERASED_PLAIN].iter().any(|erased| rest == erased.as_bytes()) => Rest::Erased,
            Some(personal) if sha256(rest) == personal => Rest::Whole,
            Some(_) => Rest::Altered,
        };
        Some(Self {
            seq,
            prev,
            stream,
            mac,
            signature,
            digest,
            hash: finish(hashed),
            rest: rest_is,
            rest_at: reader.at,
        })
    }

    pub(crate) fn head(&self) -> Head {
        Head {
            seq: self.seq,
            hash: hex(&self.hash),
        }
    }
}

/// A line of either version.
#[derive(Debug)]
pub(crate) enum Line<'l> {
    /// Version 2.
    Placed(Placed<'l>),
    /// Version 1: its place in the chain, and its signature over the line before it.
    Old {
        seq: u64,
        prev: String,
        signed: Option<(Head, String)>,
        hash: Hash,
    },
}

impl<'l> Line<'l> {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    ///
    /// Why it is none of a log.
    pub(crate) fn read(line: &'l [u8]) -> Result<Self, String> {
        if let Some(placed) = Placed::read(line) {
            return Ok(Self::Placed(placed));
        }
        let event: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let chain = &event["chain"];
        let (Some(seq), Some(prev)) = (chain["seq"].as_u64().filter(|seq| *seq > 0), chain["prev"].as_str()) else {
            return Err("it has no place in the chain".to_owned());
        };
        let signed = event.get("signed").map(|signed| {
            let head = Head {
                seq: signed["seq"].as_u64().unwrap_or_default(),
                hash: signed["hash"].as_str().unwrap_or_default().to_owned(),
            };
            (head, signed["signature"].as_str().unwrap_or_default().to_owned())
        });
        Ok(Self::Old {
            seq,
            prev: prev.to_owned(),
            signed,
            hash: sha256(line),
        })
    }

    pub(crate) fn head(&self) -> Head {
        match self {
            Self::Placed(placed) => placed.head(),
            Self::Old { seq, hash, .. } => Head {
                seq: *seq,
                hash: hex(hash),
            },
        }
    }
}

struct Reader<'l> {
    line: &'l [u8],
    at: usize,
}

impl<'l> Reader<'l> {
    /// Steps over these bytes, if they come next.
    fn expect(&mut self, bytes: &[u8]) -> Option<()> {
        self.line.get(self.at..)?.starts_with(bytes).then(|| self.at += bytes.len())
    }

    fn number(&mut self) -> Option<u64> {
        let rest = self.line.get(self.at..)?;
        let length = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        self.at += length;
        // No two texts of one number.
        let digits = rest.get(..length).filter(|digits| digits.first() != Some(&b'0'))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    fn until_quote(&mut self) -> Option<&'l [u8]> {
        let rest = self.line.get(self.at..)?;
        let length = memchr::memchr(b'"', rest)?;
        self.at += length + 1;
        rest.get(..length)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_placed_and_read() {
        let signing = SigningKey::read(&SigningKey::generate().expect("random")).expect("a key");
        let head = Head::start(2);
        let key = signing.line_key(2, &head);
        let core = json!({"a": ",\"chain\":{\"seq\":9", "unmapped": {"event": "x"}});
        let draft = Draft::new(&core, Some((&json!({"salt": "s"}), &json!({"src_endpoint": {"ip": "::1"}})))).expect("it is written");
        let mut text = Vec::new();
        let after = draft.place(2, &head, &key, Some(&signing), &mut text);
        let line = text.strip_suffix(b"\n").expect("a line");
        let event: Value = serde_json::from_slice(line).expect("JSON");
        assert_eq!(event["unmapped"]["salt"], "s");
        assert_eq!(event["src_endpoint"]["ip"], "::1");
        assert_eq!(event["unmapped"]["chain"]["seq"], 1);
        let placed = Placed::read(line).expect("it reads");
        assert_eq!((placed.head(), placed.stream, placed.rest), (after, 2, Rest::Whole));
        assert_eq!(placed.prev, head.hash);
        assert_eq!(key.mac(&placed.digest), placed.mac);
        assert!(signing.verifying().holds(&placed.digest, placed.signature.expect("signed")));
        // Erased: another rest, the same hash.
        let erased = [&line[..placed.rest_at], ERASED.as_bytes()].concat();
        let again = Placed::read(&erased).expect("it reads");
        assert_eq!((again.hash, again.rest), (placed.hash, Rest::Erased));
        let event: Value = serde_json::from_slice(&erased).expect("JSON");
        assert_eq!(event["src_endpoint"], json!({"name": "erased"}));
        let altered = [&line[..placed.rest_at], ERASED.as_bytes(), b" "].concat();
        assert_eq!(Placed::read(&altered).map(|placed| placed.rest), Some(Rest::Altered));
        // Any other byte changes the hash.
        for at in 0..placed.rest_at {
            let mut other = line.to_vec();
            other[at] ^= 1;
            assert!(Placed::read(&other).is_none_or(|other| other.hash != placed.hash), "byte {at}");
        }
        let empty = Draft::new(&core, None::<(&Value, &Value)>).expect("written");
        text.clear();
        empty.place(1, &head, &key, None, &mut text);
        let event: Value = serde_json::from_slice(&text).expect("JSON");
        assert_eq!(event["unmapped"]["chain"]["stream"], Value::Null);
    }
}
