//! Runs of addresses as intervals over one 128-bit line, and maps from such runs to values.
//!
//! IPv4 lies on that line where IPv6 maps it (`::ffff:0:0/96`, RFC 4291 2.5.5.2), so that `::ffff:10.0.0.1` is
//! `10.0.0.1` and no exclusion can be walked around by the way an address is written.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The first key of the IPv4 block.
const MAPPED: u128 = 0xffff_0000_0000;
/// The last key of the IPv4 block.
const MAPPED_LAST: u128 = MAPPED | 0xffff_ffff;
/// The last key in use. The very last IPv6 address is multicast and never scanned; without it, `last + 1` is a number.
const TOP: u128 = u128::MAX - 1;

/// The place of an address on the line.
pub(crate) fn key_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits().min(TOP),
    }
}

/// The address at a place on the line.
pub(crate) fn address_of(key: u128) -> IpAddr {
    if (MAPPED..=MAPPED_LAST).contains(&key) {
        // The low 32 bits are the address.
        IpAddr::V4(Ipv4Addr::from_bits((key & 0xffff_ffff) as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(key))
    }
}

/// An inclusive run of addresses of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressRange {
    first: u128,
    last: u128,
}

impl AddressRange {
    /// One address.
    #[must_use]
    pub fn single(address: IpAddr) -> Self {
        let key = key_of(address);
        Self { first: key, last: key }
    }

    /// From one address to another, both included; `None` if they are of two families, out of order, or an IPv6 run
    /// that holds the whole block of IPv4-mapped addresses.
    #[must_use]
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (first, last) = (key_of(first), key_of(last));
        let v4 = |key: u128| (MAPPED..=MAPPED_LAST).contains(&key);
        let swallows = first < MAPPED && last > MAPPED_LAST;
        (first <= last && v4(first) == v4(last) && !swallows).then_some(Self { first, last })
    }

    /// From key to key.
    pub(crate) const fn from_keys(first: u128, last: u128) -> Self {
        Self {
            first,
            last: if last > TOP { TOP } else { last },
        }
    }

    /// The first address.
    #[must_use]
    pub fn first(self) -> IpAddr {
        address_of(self.first)
    }

    /// The last address.
    #[must_use]
    pub fn last(self) -> IpAddr {
        address_of(self.last)
    }

    /// How many addresses it holds.
    #[must_use]
    pub fn size(self) -> u128 {
        self.last - self.first + 1
    }

    /// Whether the address lies in it, in whichever way it is written.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let key = key_of(address);
        self.first <= key && key <= self.last
    }

    /// Whether all of `other` lies in it.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether they share an address.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }

    pub(crate) fn first_key(self) -> u128 {
        self.first
    }

    pub(crate) fn last_key(self) -> u128 {
        self.last
    }
}

/// One address, a CIDR where the run is one, `A-B` otherwise.
impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return write!(f, "{}", self.first());
        }
        let size = self.size();
        // TOP cuts one address off the end of IPv6; the run is still written as the prefix it came from.
        let size = if self.last == TOP { size + 1 } else { size };
        if size.is_power_of_two() && self.first.is_multiple_of(size) {
            let width = if self.first().is_ipv4() { 32 } else { 128 };
            return write!(f, "{}/{}", self.first(), width - size.trailing_zeros());
        }
        write!(f, "{}-{}", self.first(), self.last())
    }
}

/// Why a word is no run of addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotARange {
    /// It does not look like one: it may be a name.
    Other,
    /// It looks like one and is wrong.
    Wrong(String),
}

/// A run of addresses as written, and whether a CIDR had bits set beyond its prefix (`10.0.0.5/24`).
pub(crate) struct Written {
    pub(crate) range: AddressRange,
    pub(crate) host_bits: bool,
}

/// Parses an address, a CIDR or a range `A-B`.
pub(crate) fn parse(word: &str) -> Result<Written, NotARange> {
    let wrong = |why: String| Err(NotARange::Wrong(why));
    if word.contains('%') {
        return wrong(format!(
            "`{word}` names an interface (`%`), which is not supported: name an address without one"
        ));
    }
    if let Some((address, length)) = word.split_once('/') {
        return match address.parse() {
            Ok(address) => cidr(word, address, length),
            Err(_) => wrong(format!(
                "`{word}` is no network: `{address}` is no address; write a network as 10.0.0.0/24, a page as http://host/"
            )),
        };
    }
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(Written {
            range: AddressRange::single(address),
            host_bits: false,
        });
    }
    if let Some((left, right)) = word.split_once('-')
        && let Ok(first) = left.trim().parse::<IpAddr>()
    {
        return range(word, first, right.trim());
    }
    if ends_in_number(word) {
        return wrong(format!(
            "`{word}` is no address: write four numbers from 0 to 255, a network as 10.0.0.0/24, a range as 10.0.0.1-20"
        ));
    }
    Err(NotARange::Other)
}

fn cidr(word: &str, address: IpAddr, length: &str) -> Result<Written, NotARange> {
    let width = if address.is_ipv4() { 32 } else { 128 };
    let digits = !length.is_empty() && length.len() <= 3 && length.bytes().all(|b| b.is_ascii_digit());
    let Some(length) = length.parse::<u32>().ok().filter(|l| digits && *l <= width) else {
        return Err(NotARange::Wrong(format!(
            "`{word}`: the length after `/` must be a number from 0 to {width}"
        )));
    };
    let host = (1u128 << (width - length).min(127)) - 1;
    let host = if width - length == 128 { u128::MAX } else { host };
    let bits = match address {
        IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    // An IPv4 network never reaches beyond its own 32 bits, `/0` included.
    let (first, last) = (bits & !host, bits | host);
    if address.is_ipv6() && first < MAPPED && last > MAPPED_LAST {
        return Err(NotARange::Wrong(format!(
            "`{word}` holds all of IPv4 as well (::ffff:0:0/96): name IPv4 as IPv4, and IPv6 as 2000::/3 or smaller"
        )));
    }
    Ok(Written {
        range: AddressRange::from_keys(first, last),
        host_bits: bits & host != 0,
    })
}

fn range(word: &str, first: IpAddr, right: &str) -> Result<Written, NotARange> {
    let short = match first {
        IpAddr::V4(v4) if right.bytes().all(|b| b.is_ascii_digit()) => {
            let [a, b, c, _] = v4.octets();
            right.parse::<u8>().ok().map(|d| IpAddr::from([a, b, c, d]))
        }
        _ => None,
    };
    let Some(last) = short.or_else(|| right.parse().ok()) else {
        return Err(NotARange::Wrong(format!(
            "`{word}`: `{right}` is no address; write a range as 10.0.0.1-10.0.0.20 or 10.0.0.1-20"
        )));
    };
    if first.to_canonical().is_ipv4() != last.to_canonical().is_ipv4() {
        return Err(NotARange::Wrong(format!(
            "`{word}`: both ends of a range must be IPv4, or both IPv6"
        )));
    }
    match AddressRange::new(first, last) {
        Some(span) => Ok(Written {
            range: span,
            host_bits: false,
        }),
        None if key_of(first) > key_of(last) => Err(NotARange::Wrong(format!(
            "`{word}`: the range ends before it starts; put the lower address first"
        ))),
        None => Err(NotARange::Wrong(format!("`{word}` holds all of IPv4 as well: name IPv4 as IPv4"))),
    }
}

/// Whether the last label is a number, as in `127.1`, `0x7f.1` or `10.0.0`: resolvers take those for addresses
/// (the WHATWG URL standard calls it the ends-in-a-number check), so they are never taken for names here.
fn ends_in_number(word: &str) -> bool {
    let last = word.strip_suffix('.').unwrap_or(word).rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit() || b == b'*'))
        || hex.is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A host name in lower case, without the last dot.
pub(crate) fn parse_name(word: &str) -> Result<String, String> {
    let name = word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase();
    if !name.is_ascii() {
        return Err(format!("`{word}` is no host name here: write it in its ASCII form (xn--…)"));
    }
    if ends_in_number(&name) {
        return Err(format!("`{word}` is neither an address nor a host name"));
    }
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.is_empty() || name.len() > 253 || !name.split('.').all(good) {
        return Err(format!("`{word}` is neither an address, a network, a range nor a host name"));
    }
    Ok(name)
}

/// A map from runs to values; where runs overlap the smallest holds, among equals the first.
#[derive(Clone, Debug)]
pub(crate) struct RangeMap<T> {
    /// Disjoint, in order, each with the index of its value.
    runs: Vec<(AddressRange, usize)>,
    values: Vec<T>,
}

impl<T> Default for RangeMap<T> {
    fn default() -> Self {
        Self {
            runs: Vec::new(),
            values: Vec::new(),
        }
    }
}

impl<T> RangeMap<T> {
    pub(crate) fn build(entries: Vec<(AddressRange, T)>) -> Self {
        let mut starts: Vec<(u128, usize)> = Vec::with_capacity(entries.len());
        let mut ends: Vec<(u128, usize)> = Vec::with_capacity(entries.len());
        let (spans, values): (Vec<AddressRange>, Vec<T>) = entries.into_iter().unzip();
        for (index, span) in spans.iter().enumerate() {
            starts.push((span.first, index));
            ends.push((span.last + 1, index));
        }
        let mut points: Vec<u128> = starts.iter().chain(&ends).map(|(at, _)| *at).collect();
        points.sort_unstable();
        points.dedup();
        starts.sort_unstable();
        ends.sort_unstable();

        let (mut next_start, mut next_end) = (0, 0);
        let mut active: BTreeSet<(u128, usize)> = BTreeSet::new();
        let mut runs: Vec<(AddressRange, usize)> = Vec::new();
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]];
            while let Some((_, index)) = ends.get(next_end).filter(|(at, _)| *at <= from) {
                active.remove(&(spans[*index].size(), *index));
                next_end += 1;
            }
            while let Some((_, index)) = starts.get(next_start).filter(|(at, _)| *at <= from) {
                active.insert((spans[*index].size(), *index));
                next_start += 1;
            }
            let Some((_, index)) = active.first() else { continue };
            match runs.last_mut() {
                Some((run, last)) if *last == *index && run.last + 1 == from => run.last = to - 1,
                _ => runs.push((AddressRange { first: from, last: to - 1 }, *index)),
            }
        }
        Self { runs, values }
    }

    pub(crate) fn get(&self, key: u128) -> Option<&T> {
        let at = self.runs.partition_point(|(run, _)| run.last < key);
        let (run, index) = self.runs.get(at)?;
        if run.first <= key { self.values.get(*index) } else { None }
    }

    /// The run cut into pieces, each with its value or none.
    pub(crate) fn cut(&self, span: AddressRange) -> Vec<(AddressRange, Option<&T>)> {
        let mut pieces = Vec::new();
        let mut from = span.first;
        let start = self.runs.partition_point(|(run, _)| run.last < span.first);
        for (run, index) in &self.runs[start..] {
            if run.first > span.last {
                break;
            }
            if run.first > from {
                pieces.push((
                    AddressRange {
                        first: from,
                        last: run.first - 1,
                    },
                    None,
                ));
            }
            let last = run.last.min(span.last);
            pieces.push((
                AddressRange {
                    first: run.first.max(from),
                    last,
                },
                self.values.get(*index),
            ));
            from = last + 1;
        }
        if from <= span.last {
            pieces.push((
                AddressRange {
                    first: from,
                    last: span.last,
                },
                None,
            ));
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn span(text: &str) -> AddressRange {
        match parse(text) {
            Ok(written) => written.range,
            Err(error) => panic!("{text}: {error:?}"),
        }
    }

    #[test]
    fn spans_are_read_and_written() {
        for (word, first, last, shown) in [
            ("10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("10.0.0.5/24", "10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
            ("10.0.0.1-20", "10.0.0.1", "10.0.0.20", "10.0.0.1-10.0.0.20"),
            ("10.0.0.0-10.0.1.255", "10.0.0.0", "10.0.1.255", "10.0.0.0/23"),
            ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", "0.0.0.0/0"),
            ("::ffff:10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("::ffff:10.0.0.0/120", "10.0.0.0", "10.0.0.255", "10.0.0.0/24"),
            ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "2001:db8::/64"),
            ("2000::/3", "2000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2000::/3"),
            ("fe80::1-fe80::9", "fe80::1", "fe80::9", "fe80::1-fe80::9"),
            ("ff00::/8", "ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ff00::/8"),
        ] {
            let read = span(word);
            assert_eq!((read.first(), read.last()), (ip(first), ip(last)), "{word}");
            assert_eq!(read.to_string(), shown, "{word}");
        }
        assert_eq!(span("2001:db8::/64").size(), 1 << 64);
    }

    #[test]
    fn words_that_resolvers_take_for_addresses_are_no_names() {
        for word in [
            "127.1",
            "0x7f000001",
            "0x7f.1",
            "2130706433",
            "10.0.0",
            "256.1.1.1",
            "10.0.0.*",
            "1.2.3.4.",
        ] {
            assert!(matches!(parse(word), Err(NotARange::Wrong(_))), "{word}");
            assert!(parse_name(word).is_err(), "{word}");
        }
        for word in ["a..b", "-a", "a-", "", ".", "höst", "a b", "host/path", &"x".repeat(64)] {
            assert!(parse_name(word).is_err(), "{word}");
        }
        assert_eq!(parse_name("GPU-1.Example.ORG.").as_deref(), Ok("gpu-1.example.org"));
        assert_eq!(parse("gpu-1.example.org").err(), Some(NotARange::Other));
    }

    #[test]
    fn the_whole_of_ipv6_is_refused_because_ipv4_lies_in_it() {
        for word in ["::/0", "::/64", "::1-2000::1"] {
            assert!(matches!(parse(word), Err(NotARange::Wrong(_))), "{word}");
        }
    }

    proptest! {
        #[test]
        fn every_address_keeps_its_place(bits in any::<u128>()) {
            let address = address_of(bits.min(TOP));
            prop_assert_eq!(key_of(address), bits.min(TOP));
        }

        #[test]
        fn the_map_agrees_with_a_search_through_the_list(
            entries in prop::collection::vec((0u128..200, 0u128..40), 0..20),
            from in 0u128..200, length in 0u128..60,
        ) {
            let spans: Vec<AddressRange> = entries.iter().map(|(f, l)| AddressRange::from_keys(*f, f + l)).collect();
            let map = RangeMap::build(spans.iter().copied().zip(0usize..).collect());
            let expected = |key: u128| {
                spans.iter().enumerate().filter(|(_, s)| s.first <= key && key <= s.last)
                    .min_by_key(|(i, s)| (s.size(), *i)).map(|(i, _)| i)
            };
            for key in 0..260 {
                prop_assert_eq!(map.get(key).copied(), expected(key));
            }
            let whole = AddressRange::from_keys(from, from + length);
            let mut next = whole.first;
            for (piece, value) in map.cut(whole) {
                prop_assert_eq!(piece.first, next);
                for key in piece.first..=piece.last {
                    prop_assert_eq!(value.copied(), expected(key));
                }
                next = piece.last + 1;
            }
            prop_assert_eq!(next, whole.last + 1);
        }
    }
}
