//! Published ports: the short and the long form, of compose and of `docker run`.

use std::net::IpAddr;

use crate::syntax::tree::Node;
use crate::workload::{Opening, Ports, Reach, Way, Word};

use super::variables::Variables;

/// An item of `ports`.
pub(super) fn opening(item: &Node, variables: &Variables) -> Option<Opening> {
    if !item.is_map() {
        return short(&variables.fill(item.text()?, item.span));
    }
    let value = |key: &str| {
        let node = item.get(key)?;
        Some(variables.fill(node.text()?, node.span))
    };
    if value("protocol").is_some_and(|protocol| protocol.text.eq_ignore_ascii_case("udp")) {
        return None;
    }
    let address = value("host_ip");
    let published = value("published");
    let place = published.as_ref().or(address.as_ref()).map_or(item.span, |word| word.span);
    // A port that comes from another file is still published by this line.
    let span = if place.source == item.span.source { place } else { item.span };
    Some(Opening {
        span,
        way: Way::Published,
        reach: match &address {
            None => Reach::Everyone,
            Some(word) if word.unknown => Reach::Unknown,
            Some(word) => reach(&word.text),
        },
        outside: published.and_then(|word| Ports::parse(&word.text)),
        inside: value("target").and_then(|word| Ports::parse(&word.text)),
    })
}

/// `[[address:]port:]port[/protocol]`.
pub(crate) fn short(word: &Word) -> Option<Opening> {
    let (text, protocol) = word.text.rsplit_once('/').unwrap_or((&word.text, "tcp"));
    if protocol.eq_ignore_ascii_case("udp") || protocol.eq_ignore_ascii_case("sctp") {
        return None;
    }
    let (rest, inside) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, outside) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (Some(address), port.trim_start_matches(':')),
        None => match rest.rsplit_once(':') {
            Some((address, port)) => (Some(address), port),
            None => (None, rest),
        },
    };
    let inside_port = Ports::parse(inside);
    let reach = match address {
        None if word.unknown && !rest.is_empty() => {
            // `${X}:11434` may hold an address as well as a port.
            if outside.is_empty() { Reach::Unknown } else { Reach::Everyone }
        }
        None => Reach::Everyone,
        Some("") if word.unknown => Reach::Unknown,
        Some(address) => reach(address),
    };
    if inside_port.is_none() && !word.unknown {
        return None;
    }
    Some(Opening {
        span: word.span,
        way: Way::Published,
        reach,
        outside: Ports::parse(outside),
        inside: inside_port,
    })
}

/// From where an address to listen on is reachable.
pub(crate) fn reach(address: &str) -> Reach {
    let address = address.trim().trim_start_matches('[').trim_end_matches(']');
    if address.eq_ignore_ascii_case("localhost") {
        return Reach::ThisMachine;
    }
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if address.is_loopback() => Reach::ThisMachine,
        Ok(address) if address.is_unspecified() => Reach::Everyone,
        Ok(address) => Reach::Certain(address.to_string()),
        Err(_) if address.is_empty() || address == "*" => Reach::Everyone,
        Err(_) => Reach::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Sources, Span};

    #[test]
    fn the_short_form_is_read() {
        let mut sources = Sources::default();
        let span = Span::new(sources.add("x", ""), 0, 0);
        let read = |text: &str| {
            let opening = short(&Word::known(text, span))?;
            let port = |ports: Option<Ports>| ports.map_or("-".to_owned(), |ports| ports.to_string());
            Some(format!("{:?} {} {}", opening.reach, port(opening.outside), port(opening.inside)))
        };
        for (text, expected) in [
            ("11434:11434", "Everyone 11434 11434"),
            ("8080:80/tcp", "Everyone 8080 80"),
            ("80", "Everyone - 80"),
            ("127.0.0.1:11434:11434", "ThisMachine 11434 11434"),
            ("127.0.0.1::80", "ThisMachine - 80"),
            ("localhost:80:80", "ThisMachine 80 80"),
            ("0.0.0.0:80:80", "Everyone 80 80"),
            ("[::1]:80:80", "ThisMachine 80 80"),
            ("[::]:80:80", "Everyone 80 80"),
            ("::1:80:80", "ThisMachine 80 80"),
            ("10.8.0.1:80:80", "Certain(\"10.8.0.1\") 80 80"),
            ("8000-8010:8000-8010", "Everyone 8000-8010 8000-8010"),
        ] {
            assert_eq!(read(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["53:53/udp", "", "x:y", "80:x"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
