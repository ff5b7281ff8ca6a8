//! Raw observations: one endpoint as a source reports it, before the catalogue identifies it.

use std::net::IpAddr;

use vigie_model::{Activity, Certificate, Exchange, Exposure, Known, Leak, Model, Posture, RunningModel, Tell, Timestamp, Tool, Why};

/// A host with more services than this is likely a honeypot: the rule that Censys uses for Ollama hosts.
pub const MANY_SERVICES: usize = 45;

/// What a source's records can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// Only that a port answered.
    Port,
    /// Replies, or parts of them.
    Replies,
}

/// One endpoint as a source reports it.
#[derive(Debug)]
pub(crate) struct RawObservation {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) name: Option<String>,
    pub(crate) seen: Option<Timestamp>,
    pub(crate) tls: Known<bool>,
    pub(crate) certificate: Option<Certificate>,
    /// Requests and replies.
    pub(crate) exchanges: Vec<Exchange>,
    /// The products that the source claims. The first known to the catalogue counts; all are kept as evidence.
    pub(crate) claims: Vec<Claim>,
    /// Other remarks of the source: the field, and its text.
    pub(crate) words: Vec<(String, String)>,
    /// Lists and access of the server, decoded by the source.
    pub(crate) decoded: Option<Decoded>,
    pub(crate) country: Option<String>,
    pub(crate) asn: Option<u32>,
    pub(crate) city: Option<String>,
    /// The organisation of the autonomous system.
    pub(crate) organisation: Option<String>,
    pub(crate) tells: Vec<Tell>,
    pub(crate) vantage: Option<String>,
    /// The tool's version; empty if unknown.
    pub(crate) version: String,
    pub(crate) carries: Carries,
}

impl RawObservation {
    /// An endpoint with only its address, port and time.
    pub(crate) fn at(address: IpAddr, port: u16, seen: Option<Timestamp>, carries: Carries) -> Self {
        Self {
            address,
            port,
            name: None,
            seen,
            tls: Known::unknown(Why::NotCarried),
            certificate: None,
            exchanges: Vec::new(),
            claims: Vec::new(),
            words: Vec::new(),
            decoded: None,
            country: None,
            asn: None,
            city: None,
            organisation: None,
            tells: Vec::new(),
            vantage: None,
            version: String::new(),
            carries,
        }
    }
}

/// A product that a source claims.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The product in the source's words.
    pub(crate) product: String,
    pub(crate) version: Option<String>,
    /// The field of the record.
    pub(crate) place: &'static str,
}

impl Claim {
    /// The claim in the source's words.
    pub(crate) fn words(&self) -> String {
        // httpx writes product and version in one text.
        if let ("tech", Some(version)) = (self.place, &self.version) {
            return quoted("tech", &format!("{}:{version}", self.product));
        }
        let version = self.version.as_ref().map(|version| format!(", {}", quoted("version", version)));
        format!("{}{}", quoted(self.place, &self.product), version.unwrap_or_default())
    }
}

/// Lists and access of a server, as a source decoded them.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    /// The product that the source asked for; `None`: any.
    pub(crate) product: Option<&'static str>,
    pub(crate) models: Known<Vec<Model>>,
    pub(crate) running: Known<Vec<RunningModel>>,
    pub(crate) tools: Known<Vec<Tool>>,
    /// The posture that the source reports.
    pub(crate) posture: Option<Posture>,
    /// The request that showed it; empty if unknown.
    pub(crate) request: String,
    pub(crate) leaks: Vec<Leak>,
}

/// The tell of a source's own tag or label.
pub(crate) fn tagged(id: &str, text: String) -> Tell {
    Tell {
        id: id.to_owned(),
        weight: 0.8,
        seen: text,
    }
}

/// The tell of a host with very many services, for sources that list all of them.
pub(crate) fn many_services(count: usize) -> Option<Tell> {
    (count > MANY_SERVICES).then(|| Tell {
        id: "many-services".to_owned(),
        weight: 0.6,
        seen: format!("{count} services on one host, more than {MANY_SERVICES}"),
    })
}

impl Decoded {
    /// Fills in what the transcript left unknown.
    pub(crate) fn fill(self, exposure: &mut Exposure) {
        if !exposure.models.is_known() {
            let some = self.models.known().map(|models| !models.is_empty());
            let said = some.is_some() || self.models.why() != Some(Why::NotAsked);
            if let Some(some) = some {
                exposure.activity = Known::Known(if some { Activity::Active } else { Activity::Dormant });
            }
            if said {
                exposure.models = self.models;
            }
        }
        if !exposure.posture.is_known()
            && let Some(posture) = self.posture
        {
            exposure.posture = Known::Known(posture);
            exposure.posture_from = Some(self.request).filter(|request| !request.is_empty());
        }
        if !exposure.running.is_known() && self.running.why() != Some(Why::NotAsked) {
            exposure.running = self.running;
        }
        if !exposure.tools.is_known() && self.tools.is_known() {
            exposure.tools = self.tools;
        }
        for leak in self.leaks {
            if exposure.leaks.iter().all(|have| have.what != leak.what) {
                exposure.leaks.push(leak);
            }
        }
    }
}

/// A field and its text, quoted and escaped.
pub(crate) fn quoted(place: &str, word: &str) -> String {
    format!("{place} {word:?}")
}

/// The first characters of a text.
pub(crate) fn shorten(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
