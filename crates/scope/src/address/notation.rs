//! How addresses, address ranges, host names and comments are written.

use std::net::IpAddr;

use super::range::{AddressRange, MAPPED, MAPPED_LAST, key_of};

/// Why a word is no run of addresses.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotARange {
    /// It does not look like one: it may be a name.
    Other,
    /// It looks like one and is wrong.
    Wrong(String),
}

/// A run of addresses as written, and whether a CIDR had bits set beyond its prefix (`10.0.0.5/24`).
pub(crate) struct ParsedRange {
    pub(crate) range: AddressRange,
    pub(crate) host_bits: bool,
}

/// Parses an address, a CIDR or a range `A-B`.
pub(crate) fn parse_range(word: &str) -> Result<ParsedRange, NotARange> {
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
        return Ok(ParsedRange {
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

fn cidr(word: &str, address: IpAddr, length: &str) -> Result<ParsedRange, NotARange> {
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
    Ok(ParsedRange {
        range: AddressRange::from_keys(first, last),
        host_bits: bits & host != 0,
    })
}

fn range(word: &str, first: IpAddr, right: &str) -> Result<ParsedRange, NotARange> {
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
        Some(span) => Ok(ParsedRange {
            range: span,
            host_bits: false,
        }),
        None if key_of(first) > key_of(last) => Err(NotARange::Wrong(format!(
            "`{word}`: the range ends before it starts; put the lower address first"
        ))),
        None => Err(NotARange::Wrong(format!("`{word}` holds all of IPv4 as well: name IPv4 as IPv4"))),
    }
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

/// Whether the last label is a number, as in `127.1`, `0x7f.1` or `10.0.0`: resolvers take those for addresses
/// (the WHATWG URL standard calls it the ends-in-a-number check), so they are never taken for names here.
fn ends_in_number(word: &str) -> bool {
    let last = word.strip_suffix('.').unwrap_or(word).rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit() || b == b'*'))
        || hex.is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// A line without its comment, and the comment. A `#` inside a word (a URL's fragment) starts none.
pub(crate) fn uncomment(line: &str) -> (&str, Option<&str>) {
    let start = line
        .char_indices()
        .find(|(at, c)| *c == '#' && line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    match start {
        Some((at, _)) => (&line[..at], Some(line[at + 1..].trim())),
        None => (line, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn span(text: &str) -> AddressRange {
        match parse_range(text) {
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
            assert!(matches!(parse_range(word), Err(NotARange::Wrong(_))), "{word}");
            assert!(parse_name(word).is_err(), "{word}");
        }
        for word in ["a..b", "-a", "a-", "", ".", "höst", "a b", "host/path", &"x".repeat(64)] {
            assert!(parse_name(word).is_err(), "{word}");
        }
        assert_eq!(parse_name("GPU-1.Example.ORG.").as_deref(), Ok("gpu-1.example.org"));
        assert_eq!(parse_range("gpu-1.example.org").err(), Some(NotARange::Other));
    }

    #[test]
    fn the_whole_of_ipv6_is_refused_because_ipv4_lies_in_it() {
        for word in ["::/0", "::/64", "::1-2000::1"] {
            assert!(matches!(parse_range(word), Err(NotARange::Wrong(_))), "{word}");
        }
    }
}
