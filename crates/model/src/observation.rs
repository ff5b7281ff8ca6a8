//! Observations: one endpoint, seen once, by one source, under one scope.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Advised, AdvisoryCoverage, AdvisoryVerdict, Deception, Endpoint, Exposure, Finding, Identity, Known, Shared, Timestamp, Why};

/// The schema of the record; the number increases when a field changes its meaning.
pub const SCHEMA: &str = "vigie.observation/1";

/// The kind of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// vigie's own scan.
    Scan,
    /// Another tool's record.
    Import,
    /// A simulated population.
    Fleet,
}

impl SourceKind {
    /// The word in JSON and in the tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Import => "import",
            Self::Fleet => "fleet",
        }
    }
}

/// The source of an observation: tool, version, catalogue and vantage point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The kind.
    pub kind: SourceKind,
    /// The name of the tool: `vigie`, `shodan`, `censys` …
    pub name: String,
    /// The version of the tool; empty if unknown.
    pub version: String,
    /// The hash of the catalogue, `sha256:<hex>`; empty if none was used.
    #[serde(default)]
    pub catalog: String,
    /// From where it was seen, so that observations from inside and outside are not taken for changes.
    #[serde(default)]
    pub vantage: String,
    /// The id of the scan. Scans are stored with seed, scope hash and catalogue hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<String>,
}

/// The hash of the scope of an observation.
pub type ScopeRef = Known<String>;

/// The location of an address and its network.
///
/// The first records do not have `city`, `organisation` and `tier`; a missing key reads as unknown, `not-carried`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// ISO 3166-1 alpha-2.
    pub country: Known<String>,
    /// The city, in English if the source has it.
    #[serde(default = "not_carried")]
    pub city: Known<String>,
    /// Autonomous system number.
    pub asn: Known<u32>,
    /// The registered name of the autonomous system.
    #[serde(default = "not_carried")]
    pub organisation: Known<String>,
    /// The type of autonomous system: `hosting`, `education` …; `unattributed` is a class of its own.
    pub class: Known<String>,
    /// The tier of infrastructure: `hyperscaler`, `cloud-vps` …; `unattributed` is a class of its own.
    #[serde(default = "not_carried")]
    pub tier: Known<String>,
}

fn not_carried() -> Known<String> {
    Known::unknown(Why::NotCarried)
}

impl Network {
    /// A network of which nothing is known, with a reason.
    #[must_use]
    pub fn unknown(why: Why) -> Self {
        Self {
            country: Known::unknown(why),
            city: Known::unknown(why),
            asn: Known::unknown(why),
            organisation: Known::unknown(why),
            class: Known::unknown(why),
            tier: Known::unknown(why),
        }
    }
}

/// The listening socket of the endpoint, if vigie runs on the same machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The addresses to which it is bound (`0.0.0.0` and `::` mean all).
    pub bound: Vec<IpAddr>,
    /// The addresses of this machine on which other machines can reach it.
    pub answers_on: Vec<IpAddr>,
    /// The name of its process, if known.
    pub process: Known<String>,
    /// Its process id, if known.
    pub pid: Known<u32>,
}

/// One endpoint seen once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Json")]
pub struct Observation {
    /// [`SCHEMA`].
    pub schema: String,
    /// When the endpoint was seen.
    pub seen: Timestamp,
    /// When the record was created.
    pub recorded: Timestamp,
    /// The source.
    pub source: Source,
    /// The scope.
    pub scope: ScopeRef,
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The listening socket, if vigie runs on the same machine.
    pub listener: Option<Listener>,
    /// Product and version.
    pub identity: Shared<Identity>,
    /// What the server shows to a stranger.
    pub exposure: Shared<Exposure>,
    /// Location and network of the address.
    pub network: Network,
    /// How likely it is a honeypot or an emulator.
    pub deception: Deception,
    /// The verdicts of the advisories, exploited and affected first. Servers of the same version share them.
    pub advisories: Advised,
    /// The findings, the most severe first.
    pub findings: Shared<Vec<Finding>>,
}

/// The JSON form of an observation for writing, with its keys in order.
#[derive(Serialize)]
struct JsonRef<'o> {
    schema: &'o str,
    seen: &'o Timestamp,
    recorded: &'o Timestamp,
    source: &'o Source,
    scope: &'o ScopeRef,
    endpoint: &'o Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: &'o Option<Listener>,
    identity: &'o Shared<Identity>,
    exposure: &'o Shared<Exposure>,
    network: &'o Network,
    deception: &'o Deception,
    advisories: &'o [AdvisoryVerdict],
    /// Omitted if the list is enough, so that records from before this key stay the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    advisory_coverage: Option<AdvisoryCoverage>,
    findings: &'o Shared<Vec<Finding>>,
}

impl Serialize for Observation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        JsonRef {
            schema: &self.schema,
            seen: &self.seen,
            recorded: &self.recorded,
            source: &self.source,
            scope: &self.scope,
            endpoint: &self.endpoint,
            listener: &self.listener,
            identity: &self.identity,
            exposure: &self.exposure,
            network: &self.network,
            deception: &self.deception,
            advisories: &self.advisories,
            advisory_coverage: self.advisories.coverage(),
            findings: &self.findings,
        }
        .serialize(serializer)
    }
}

/// The JSON form of an observation for reading.
#[derive(Deserialize)]
struct Json {
    schema: String,
    seen: Timestamp,
    recorded: Timestamp,
    source: Source,
    scope: ScopeRef,
    endpoint: Endpoint,
    #[serde(default)]
    listener: Option<Listener>,
    identity: Shared<Identity>,
    exposure: Shared<Exposure>,
    network: Network,
    deception: Deception,
    advisories: Arc<[AdvisoryVerdict]>,
    #[serde(default)]
    advisory_coverage: Option<AdvisoryCoverage>,
    findings: Shared<Vec<Finding>>,
}

impl From<Json> for Observation {
    fn from(read: Json) -> Self {
        Self {
            schema: read.schema,
            seen: read.seen,
            recorded: read.recorded,
            source: read.source,
            scope: read.scope,
            endpoint: read.endpoint,
            listener: read.listener,
            identity: read.identity,
            exposure: read.exposure,
            network: read.network,
            deception: read.deception,
            advisories: Advised::as_recorded(read.advisories, read.advisory_coverage),
            findings: read.findings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_the_first_records_stays_readable() {
        let old = r#"{"country": {"known": "DE"}, "asn": {"known": 64500}, "class": {"unknown": "not-asked"}}"#;
        let network: Network = serde_json::from_str(old).expect("a record of the first form");
        assert_eq!(network.country, Known::Known("DE".to_owned()));
        assert_eq!(network.asn, Known::Known(64_500));
        assert_eq!(network.class, Known::unknown(Why::NotAsked));
        for later in [&network.city, &network.organisation, &network.tier] {
            assert_eq!(*later, Known::unknown(Why::NotCarried));
        }
    }

    #[test]
    fn words_are_those_of_json() {
        for kind in [SourceKind::Scan, SourceKind::Import, SourceKind::Fleet] {
            assert_eq!(serde_json::to_string(&kind).expect("a word"), format!("\"{}\"", kind.word()));
        }
        for activity in [crate::Activity::Active, crate::Activity::Dormant] {
            assert_eq!(
                serde_json::to_string(&activity).expect("a word"),
                format!("\"{}\"", activity.word())
            );
        }
        let transport = crate::Transport::Tcp;
        assert_eq!(
            serde_json::to_string(&transport).expect("a word"),
            format!("\"{}\"", transport.word())
        );
    }

    #[test]
    fn a_network_is_read_as_it_was_written() {
        let mut network = Network::unknown(Why::NotAsked);
        let text = serde_json::to_string(&network).expect("written");
        assert_eq!(serde_json::from_str::<Network>(&text).expect("read"), network);
        assert_eq!(text.matches("not-asked").count(), 6, "every part: {text}");
        network.city = Known::Known("Neuss".to_owned());
        network.organisation = Known::Known("Example Network".to_owned());
        network.tier = Known::Known("unattributed".to_owned());
        let text = serde_json::to_string(&network).expect("written");
        assert_eq!(serde_json::from_str::<Network>(&text).expect("read"), network);
    }
}
