//! One endpoint seen once, by one source, under one scope. Immutable.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::{Advised, AdvisoryCoverage, AdvisoryVerdict, Deception, Endpoint, Exposure, Finding, Identity, Known, Shared, Timestamp, Why};

/// The record's schema; it counts up when a field changes its meaning.
pub const SCHEMA: &str = "vigie.observation/1";

/// What kind of source saw it.
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
    /// The word by which it stands in JSON and in the tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Scan => "scan",
            Self::Import => "import",
            Self::Fleet => "fleet",
        }
    }
}

/// Who saw it, with what knowledge and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The kind.
    pub kind: SourceKind,
    /// The tool: `vigie`, `shodan`, `censys` …
    pub name: String,
    /// That tool's version, empty if it says none.
    pub version: String,
    /// The catalogue's hash, `sha256:<hex>`, empty where none was used.
    #[serde(default)]
    pub catalog: String,
    /// From where it was seen, so that a look from inside and one from outside are not churn.
    #[serde(default)]
    pub vantage: String,
    /// The scan that saw it; scans are kept with seed, scope hash and catalogue hash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<String>,
}

/// The hash of the scope under which it was seen.
pub type ScopeRef = Known<String>;

/// Where the address stands in the network.
///
/// `city`, `organisation` and `tier` came after the first records: where their key is missing they are unknown, as not carried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// ISO 3166-1 alpha-2.
    pub country: Known<String>,
    /// The city, in English where the source has it so.
    #[serde(default = "not_carried")]
    pub city: Known<String>,
    /// Autonomous system number.
    pub asn: Known<u32>,
    /// The name under which the autonomous system is registered.
    #[serde(default = "not_carried")]
    pub organisation: Known<String>,
    /// The view by type of autonomous system: `hosting`, `education` …; `unattributed` is a class of its own.
    pub class: Known<String>,
    /// The view by tier of infrastructure: `hyperscaler`, `cloud-vps` …; `unattributed` is a class of its own.
    #[serde(default = "not_carried")]
    pub tier: Known<String>,
}

fn not_carried() -> Known<String> {
    Known::unknown(Why::NotCarried)
}

impl Network {
    /// Nothing is known, for that reason.
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

/// The listening socket behind the endpoint, where vigie runs on the same machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The addresses it is bound to, as the system lists them (`0.0.0.0` and `::` mean every one).
    pub bound: Vec<IpAddr>,
    /// The addresses of this machine on which it answers others.
    pub answers_on: Vec<IpAddr>,
    /// The process that owns it, where the system tells.
    pub process: Known<String>,
    /// Its process id, where the system tells.
    pub pid: Known<u32>,
}

/// One endpoint seen once.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(from = "Read")]
pub struct Observation {
    /// [`SCHEMA`].
    pub schema: String,
    /// When the endpoint was seen.
    pub seen: Timestamp,
    /// When the record was made.
    pub recorded: Timestamp,
    /// By whom.
    pub source: Source,
    /// Under which scope.
    pub scope: ScopeRef,
    /// Where.
    pub endpoint: Endpoint,
    /// The socket behind it, where vigie runs on the same machine.
    pub listener: Option<Listener>,
    /// What it is.
    pub identity: Shared<Identity>,
    /// What it shows.
    pub exposure: Shared<Exposure>,
    /// Where the address stands.
    pub network: Network,
    /// Whether it is what it seems.
    pub deception: Deception,
    /// The advisories held against it, exploited and affected first. The servers of one version share them.
    pub advisories: Advised,
    /// What to act on, the worst first.
    pub findings: Shared<Vec<Finding>>,
}

/// The keys of an observation in JSON, in their order.
#[derive(Serialize)]
struct Written<'o> {
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
    /// Left out where the list says it: what was written before the key was there stays as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    advisory_coverage: Option<AdvisoryCoverage>,
    findings: &'o Shared<Vec<Finding>>,
}

impl Serialize for Observation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
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

/// The same, read.
#[derive(Deserialize)]
struct Read {
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

impl From<Read> for Observation {
    fn from(read: Read) -> Self {
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
