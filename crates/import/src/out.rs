//! The results of parsing records.

use vigie_model::{GatewayRequest, Observation};

use crate::bad::{Bad, Fault};
use crate::frame::Head;
use crate::gateway_log::{Link, Segment};
use crate::line_cache::LineCache;
use crate::make::Maker;
use crate::raw::RawObservation;

/// The most endpoints of one record: every port of a host.
const MAX_ENDPOINTS: usize = 65_536;

/// The results of some records, in order.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Observations and bad records.
    pub items: Vec<Result<Observation, Bad>>,
    /// Requests of a gateway's log.
    pub requests: Vec<GatewayRequest>,
    /// The links of a gateway's log.
    pub segments: Vec<Segment>,
    /// The number of the batch, from 0, if these are the last results of it.
    pub batch: Option<u64>,
    /// Counts of what is neither.
    pub passed_over: PassedOver,
    /// Whether the last record ends without a line end and could not be read: then the text is certainly unfinished.
    pub open_end: bool,
}

impl Parsed {
    /// Empties it and keeps its capacity.
    pub fn clear(&mut self) {
        self.items.clear();
        self.requests.clear();
        self.segments.clear();
        self.batch = None;
        self.passed_over = PassedOver::default();
        self.open_end = false;
    }
}

/// Counts of what was left out: nothing is filtered silently.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PassedOver {
    /// Ports that did not answer (closed, filtered), and probes that got no reply.
    pub not_open: u64,
    /// UDP, SCTP and ICMP: observations are of TCP endpoints only.
    pub not_tcp: u64,
    /// Hosts without a port: host discovery, and hosts without a service.
    pub host_discovery: u64,
    /// Endpoints that no rule recognised, if the caller wants recognised ones only.
    pub not_recognised: u64,
    /// Entries of a gateway's log about the gateway itself: starts, stops, changes of keys, signatures.
    pub gateway_events: u64,
}

impl PassedOver {
    /// Adds the counts of another part.
    pub fn add(&mut self, other: Self) {
        self.not_open += other.not_open;
        self.not_tcp += other.not_tcp;
        self.host_discovery += other.host_discovery;
        self.not_recognised += other.not_recognised;
        self.gateway_events += other.gateway_events;
    }
}

/// Where the parser of a format puts the results of one record.
pub(crate) struct Out<'p> {
    pub(crate) maker: &'p Maker,
    /// Cache of lines in vigie's own format.
    pub(crate) cache: &'p LineCache,
    pub(crate) head: &'p Head,
    pub(crate) parsed: &'p mut Parsed,
    /// The number of items after which the results are passed on.
    pub(crate) most: usize,
    pub(crate) hand_on: &'p mut dyn FnMut(&mut Parsed),
    pub(crate) line: u64,
    pub(crate) record: u64,
    pub(crate) bytes: &'p [u8],
    pub(crate) given: usize,
    /// The fault that an earlier endpoint of this record had.
    pub(crate) said: Option<Fault>,
    /// Whether a fault of the record was reported.
    pub(crate) is_bad: bool,
}

impl Out<'_> {
    /// Adds an endpoint.
    pub(crate) fn add(&mut self, observed: RawObservation) {
        self.given += 1;
        if self.given > MAX_ENDPOINTS {
            if self.given == MAX_ENDPOINTS + 1 {
                self.bad(&format!(
                    "more than {MAX_ENDPOINTS} endpoints in one record; the others are left out"
                ));
            }
            return;
        }
        match self.maker.make(observed) {
            Ok(mut observation) => {
                self.share(&mut observation);
                self.observation(observation);
            }
            // A fault of the whole record is reported once, not for each of its ports.
            Err(fault) if self.said.as_ref() == Some(&fault) => {}
            Err(fault) => {
                self.fault(&fault);
                self.said = Some(fault);
            }
        }
    }

    /// Shares equal contents with the observation before: ports of one host, and hosts of a list of ports, come in runs with equal contents.
    fn share(&self, observation: &mut Observation) {
        let Some(Ok(last)) = self.parsed.items.last() else { return };
        if last.identity != observation.identity || last.exposure != observation.exposure {
            return;
        }
        observation.identity.clone_from(&last.identity);
        observation.exposure.clone_from(&last.exposure);
        observation.findings.clone_from(&last.findings);
    }

    /// Adds an entry of a gateway's log; `None`: it is about the gateway itself.
    pub(crate) fn entry(&mut self, gateway: &str, link: &Link, request: Option<GatewayRequest>) {
        let keys = &self.maker.options.public_keys;
        // With another key no signature holds, which is reported.
        let key = keys.iter().find(|key| key.fingerprint() == gateway).or(keys.first());
        let segments = &mut self.parsed.segments;
        match segments.iter_mut().rev().find(|segment| segment.is_of(gateway, link)) {
            Some(segment) => segment.add(link, key),
            None => segments.push(Segment::of(gateway, link, key)),
        }
        match request {
            Some(request) => self.parsed.requests.push(request),
            None => self.parsed.passed_over.gateway_events += 1,
        }
    }

    /// Adds an observation as it is.
    pub(crate) fn observation(&mut self, observation: Observation) {
        if self.maker.options.recognised_only && !observation.identity.product.is_known() {
            self.parsed.passed_over.not_recognised += 1;
        } else {
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

    /// Reports a fault of this record.
    pub(crate) fn fault(&mut self, fault: &Fault) {
        self.push(Err(Bad::new(self.line, self.record, fault, self.bytes)));
    }

    /// Reports a fault of this record that the caller cannot mend.
    pub(crate) fn bad(&mut self, reason: &str) {
        self.fault(&reason.into());
    }

    /// Reports a fault of a part of this record.
    pub(crate) fn bad_at(&mut self, line: u64, reason: &str, part: &[u8]) {
        self.push(Err(Bad::new(line, self.record, &reason.into(), part)));
    }

    pub(crate) fn not_open(&mut self) {
        self.not_open_each(1);
    }

    /// Counts ports that did not answer.
    pub(crate) fn not_open_each(&mut self, ports: u64) {
        self.parsed.passed_over.not_open = self.parsed.passed_over.not_open.saturating_add(ports);
    }

    pub(crate) fn not_tcp(&mut self) {
        self.not_tcp_each(1);
    }

    /// Counts ports of other transports.
    pub(crate) fn not_tcp_each(&mut self, ports: u64) {
        self.parsed.passed_over.not_tcp = self.parsed.passed_over.not_tcp.saturating_add(ports);
    }

    pub(crate) fn host_discovery(&mut self) {
        self.parsed.passed_over.host_discovery += 1;
    }
}
