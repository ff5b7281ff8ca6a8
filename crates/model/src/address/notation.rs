//! How addresses, address ranges and host names are written.

use std::net::IpAddr;

use super::range::{AddressRange, MAPPED, MAPPED_LAST, key_of};

/// Why a text is not an address range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotARange {
    /// It does not look like an address. It may be a name.
    Other,
    /// It looks like an address and is wrong. Holds the error message.
    Wrong(String),
}

/// A parsed address range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsedRange {
    /// The range.
    pub range: AddressRange,
    /// Whether a network had bits set beyond its prefix (`10.0.0.5/24`).
    pub host_bits: bool,
}

/// Parses an address, a network (`10.0.0.0/24`) or a range (`A-B`).
///
/// # Errors
///
/// The text is wrong as an address, or does not look like one.
pub fn parse_range(word: &str) -> Result<ParsedRange, NotARange> {
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
                "`{word}` is not a network: `{address}` is not an address; write a network as 10.0.0.0/24, a page as http://host/"
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
            "`{word}` is not an address: write four numbers from 0 to 255, a network as 10.0.0.0/24, a range as 10.0.0.1-20"
        ));
    }
    Err(NotARange::Other)
}

fn cidr(word: &str, address: IpAddr, length: &str) -> Result<ParsedRange, NotARange> {
    let Some((first, last, host_bits)) = network_keys(address, length) else {
        let width = if address.is_ipv4() { 32 } else { 128 };
        return Err(NotARange::Wrong(format!(
            "`{word}`: the length after `/` must be a number from 0 to {width}"
        )));
    };
    if address.is_ipv6() && first < MAPPED && last > MAPPED_LAST {
        return Err(NotARange::Wrong(format!(
            "`{word}` holds all of IPv4 as well (::ffff:0:0/96): name IPv4 as IPv4, and IPv6 as 2000::/3 or smaller"
        )));
    }
    Ok(ParsedRange {
        range: AddressRange::from_keys(first, last),
        host_bits,
    })
}

/// Parses an IPv6 network that spans the block of IPv4-mapped addresses, such as `::/0`, which [`parse_range`] rejects. It is for
/// [`Subject`](crate::Subject) alone, which knows that IPv6 is meant and no IPv4 address.
pub(crate) fn ipv6_network(word: &str) -> Option<AddressRange> {
    let (address, length) = word.split_once('/')?;
    let address = IpAddr::V6(address.parse().ok()?);
    let (first, last, _) = network_keys(address, length)?;
    Some(AddressRange::from_keys(first, last))
}

/// The first and the last key of a network, and whether the address had bits set beyond the prefix.
fn network_keys(address: IpAddr, length: &str) -> Option<(u128, u128, bool)> {
    let width = if address.is_ipv4() { 32 } else { 128 };
    let digits = !length.is_empty() && length.len() <= 3 && length.bytes().all(|b| b.is_ascii_digit());
    let length = length.parse::<u32>().ok().filter(|l| digits && *l <= width)?;
    let host = (1u128 << (width - length).min(127)) - 1;
    let host = if width - length == 128 { u128::MAX } else { host };
    let bits = match address {
        IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    // The host bits of an IPv4 network are at most 32, so even `/0` stays inside the IPv4 block.
    Some((bits & !host, bits | host, bits & host != 0))
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
            "`{word}`: `{right}` is not an address; write a range as 10.0.0.1-10.0.0.20 or 10.0.0.1-20"
        )));
    };
    if first.to_canonical().is_ipv4() != last.to_canonical().is_ipv4() {
        return Err(NotARange::Wrong(format!(
            "`{word}`: both ends of a range must be IPv4, or both IPv6"
        )));
    }
    match AddressRange::new(first, last) {
        Some(range) => Ok(ParsedRange { range, host_bits: false }),
        None if key_of(first) > key_of(last) => Err(NotARange::Wrong(format!(
            "`{word}`: the range ends before it starts; put the lower address first"
        ))),
        None => Err(NotARange::Wrong(format!("`{word}` holds all of IPv4 as well: name IPv4 as IPv4"))),
    }
}

/// Parses a host name. Returns it in lower case and without the trailing dot.
///
/// # Errors
///
/// What is wrong with the text.
pub fn parse_name(word: &str) -> Result<String, String> {
    let name = word.strip_suffix('.').unwrap_or(word).to_ascii_lowercase();
    if !name.is_ascii() {
        return Err(format!("`{word}` is not an ASCII host name: write its ASCII form (xn--…)"));
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

/// Whether the last label is a number, as in `127.1`, `0x7f.1` or `10.0.0`. Resolvers read such texts as addresses (the
/// "ends-in-a-number check" of the WHATWG URL standard), so they are rejected as names.
fn ends_in_number(word: &str) -> bool {
    let last = word.strip_suffix('.').unwrap_or(word).rsplit('.').next().unwrap_or_default();
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit() || b == b'*'))
        || hex.is_some_and(|h| h.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn range(text: &str) -> AddressRange {
        match parse_range(text) {
            Ok(written) => written.range,
            Err(error) => panic!("{text}: {error:?}"),
        }
    }

    #[test]
    fn ranges_are_parsed_and_displayed() {
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
            let read = range(word);
            assert_eq!((read.first(), read.last()), (ip(first), ip(last)), "{word}");
            assert_eq!(read.to_string(), shown, "{word}");
        }
        assert_eq!(range("2001:db8::/64").size(), 1 << 64);
    }

    #[test]
    fn texts_that_resolvers_read_as_addresses_are_not_names() {
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
    fn a_range_that_holds_all_of_ipv4_is_rejected() {
        for word in ["::/0", "::/64", "::1-2000::1"] {
            assert!(matches!(parse_range(word), Err(NotARange::Wrong(_))), "{word}");
        }
    }
}
