//! What a record gave.

use std::net::IpAddr;

use vigie_model::Observation;

use crate::bad::Bad;
use crate::frame::Head;
use crate::importer::Parser;
use crate::make::Sight;

/// The most endpoints of one record: each port of a host.
const MAX_ENDPOINTS: usize = 65_536;

/// What some records gave, in their order.
#[derive(Debug, Default)]
pub struct Parsed {
    /// An observation, or why there is none.
    pub items: Vec<Result<Observation, Bad>>,
    /// What is no observation and no fault either.
    pub passed_over: PassedOver,
    /// Of the observations, those that say what none before them said: each takes memory of its own, the others share it.
    pub anew: usize,
    /// Whether the text ends with the last of them, without a line's end, and it could not be read: then the text is unfinished for sure.
    pub open_end: bool,
}

impl Parsed {
    /// Empties it and keeps its room.
    pub fn clear(&mut self) {
        self.items.clear();
        self.passed_over = PassedOver::default();
        self.anew = 0;
        self.open_end = false;
    }
}

/// What was passed over, counted: nothing is filtered silently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Ports that did not answer (closed, filtered), and probes that got no reply.
    pub not_open: u64,
    /// UDP, SCTP and ICMP: the record has endpoints of TCP only.
    pub not_tcp: u64,
    /// Hosts without a port: host discovery, and hosts of which nobody saw a service.
    pub host_discovery: u64,
    /// Endpoints that nothing recognised, where the caller wants recognised ones only.
    pub not_recognised: u64,
}

impl PassedOver {
    /// Adds what another part passed over.
    pub fn add(&mut self, other: Self) {
        self.not_open += other.not_open;
        self.not_tcp += other.not_tcp;
        self.host_discovery += other.host_discovery;
        self.not_recognised += other.not_recognised;
    }
}

/// Where a format puts what one record gives.
pub(crate) struct Out<'p> {
    pub(crate) parser: &'p Parser,
    pub(crate) head: &'p Head,
    pub(crate) parsed: &'p mut Parsed,
    /// After so many items what was parsed is handed on.
    pub(crate) most: usize,
    pub(crate) hand_on: &'p mut dyn FnMut(&mut Parsed),
    pub(crate) line: u64,
    pub(crate) record: u64,
    pub(crate) bytes: &'p [u8],
    pub(crate) given: usize,
    /// What was wrong with an endpoint of this record already.
    pub(crate) said: Option<String>,
    /// Whether a fault of the record was told.
    pub(crate) is_bad: bool,
}

impl Out<'_> {
    /// Takes an endpoint.
    pub(crate) fn sight(&mut self, sight: Sight) {
        self.given += 1;
        if self.given > MAX_ENDPOINTS {
            if self.given == MAX_ENDPOINTS + 1 {
                self.bad(&format!(
                    "more than {MAX_ENDPOINTS} endpoints in one record; the others are left out"
                ));
            }
            return;
        }
        match self.parser.make(sight) {
            Ok(mut observation) => {
                let shares = self.share(&mut observation);
                self.observation(observation, !shares);
            }
            // What is wrong with the record as a whole is said once, not at each of its ports.
            Err(reason) if self.said.as_ref() == Some(&reason) => {}
            Err(reason) => {
                self.bad(&reason);
                self.said = Some(reason);
            }
        }
    }

    /// Lets an observation share what the one before it says as well: the ports of one host, and the hosts of a list of ports, come in runs
    /// that say the same.
    fn share(&self, observation: &mut Observation) -> bool {
        let Some(Ok(last)) = self.parsed.items.last() else { return false };
        if last.identity != observation.identity || last.exposure != observation.exposure {
            return false;
        }
        observation.identity.clone_from(&last.identity);
        observation.exposure.clone_from(&last.exposure);
        observation.findings.clone_from(&last.findings);
        true
    }

    /// Takes an observation as it is; `anew` if it shares nothing with one before.
    pub(crate) fn observation(&mut self, observation: Observation, anew: bool) {
        if self.parser.recognised_only() && !observation.identity.product.is_known() {
            self.parsed.passed_over.not_recognised += 1;
        } else {
            self.parsed.anew += usize::from(anew);
            self.push(Ok(observation));
        }
    }

    fn push(&mut self, item: Result<Observation, Bad>) {
        self.is_bad |= item.is_err();
        self.parsed.items.push(item);
        if self.parsed.items.len() >= self.most {
            (self.hand_on)(self.parsed);
        }
    }

    /// Tells a fault of this record.
    pub(crate) fn bad(&mut self, reason: &str) {
        self.push(Err(Bad::new(self.line, self.record, reason, self.bytes)));
    }

    /// Tells a fault of a part of this record.
    pub(crate) fn bad_at(&mut self, line: u64, reason: &str, part: &[u8]) {
        self.push(Err(Bad::new(line, self.record, reason, part)));
    }

    pub(crate) fn not_open(&mut self) {
        self.not_open_each(1);
    }

    /// Ports that did not answer, which stand as a number.
    pub(crate) fn not_open_each(&mut self, ports: u64) {
        self.parsed.passed_over.not_open = self.parsed.passed_over.not_open.saturating_add(ports);
    }

    pub(crate) fn not_tcp(&mut self) {
        self.not_tcp_each(1);
    }

    /// Ports of other transports, which stand as a number.
    pub(crate) fn not_tcp_each(&mut self, ports: u64) {
        self.parsed.passed_over.not_tcp = self.parsed.passed_over.not_tcp.saturating_add(ports);
    }

    pub(crate) fn host_discovery(&mut self) {
        self.parsed.passed_over.host_discovery += 1;
    }
}

/// An address as text, or what is wrong with it.
pub(crate) fn address(text: Option<&str>) -> Result<IpAddr, String> {
    let text = text.ok_or("it says no address")?.trim();
    // An IPv4 address in IPv6's clothes is the IPv4 host, as a scan records it.
    let address = text.parse::<IpAddr>().map_err(|_| format!("{text:?} is no address"))?;
    Ok(address.to_canonical())
}

/// A port as text, or what is wrong with it.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse::<u16>().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        let number = text.trim().strip_prefix('-').unwrap_or(text.trim());
        match !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) {
            true => format!("{text:?} is no port: ports go from 1 to 65535"),
            false => format!("{text:?} is no port"),
        }
    })
}

/// Transports and other protocols that a port, or a host, was reached by, and that are not TCP.
const NOT_TCP: [&str; 16] = [
    "udp", "udp4", "udp6", "udplite", "udp-lite", "quic", "sctp", "dccp", "icmp", "icmp4", "icmp6", "icmpv6", "igmp", "arp", "ip", "gre",
];

/// Whether a transport is TCP.
///
/// # Errors
///
/// It is none: what a source calls an application (`http`) is no transport, and neither is what cannot be read.
pub(crate) fn is_tcp(text: &str) -> Result<bool, String> {
    let word = text.trim();
    let is = |name: &&str| word.eq_ignore_ascii_case(name);
    if ["tcp", "tcp4", "tcp6"].iter().any(is) {
        Ok(true)
    } else if NOT_TCP.iter().any(is) {
        Ok(false)
    } else {
        Err(format!("{word:?} is no transport"))
    }
}
