//! `--sort`: the order in which endpoints are listed.

use std::cmp::{Ordering, Reverse};
use std::io;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use vigie_advisory::Version;
use vigie_catalog::Catalog;
use vigie_export::{Report, Summary};
use vigie_model::{EndpointKey, Observation, Severity, Timestamp};

/// How endpoints are listed.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct SortArgs {
    /// List by this: the worst severity first, the latest seen first, addresses by number (IPv4 before IPv6), products by id, versions
    /// in each product's own order, the oldest first. What is unknown stands last.
    #[arg(long, value_name = "KEY")]
    pub(crate) sort: Option<By>,
    /// The other way round; what is unknown still stands last.
    #[arg(long, requires = "sort")]
    pub(crate) reverse: bool,
}

/// What endpoints are listed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Severity,
    Seen,
    Address,
    Product,
    Version,
}

/// What is compared of one endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    value: Value,
    place: EndpointKey,
}

#[derive(Clone, Debug)]
enum Value {
    Severity(Option<Severity>),
    Seen(Timestamp),
    Address,
    Product(Option<Arc<str>>),
    Version(Option<Arc<str>>, Rank),
}

/// A version among those of its product: in their order, else by its text, else unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Ordered(Box<Version>),
    Said(Arc<str>),
    Unknown,
}

/// An endpoint as far as it can be compared.
pub(crate) struct Endpoint<'e> {
    pub(crate) place: &'e EndpointKey,
    pub(crate) seen: Timestamp,
    pub(crate) product: Option<&'e str>,
    pub(crate) version: Option<&'e str>,
    /// The worst of its open findings.
    pub(crate) severity: Option<Severity>,
}

impl By {
    pub(crate) fn key(self, endpoint: &Endpoint<'_>, catalog: &Catalog) -> Key {
        let product = || endpoint.product.map(Arc::from);
        let value = match self {
            Self::Severity => Value::Severity(endpoint.severity),
            Self::Seen => Value::Seen(endpoint.seen),
            Self::Address => Value::Address,
            Self::Product => Value::Product(product()),
            Self::Version => {
                let order = endpoint.product.and_then(|id| catalog.product(id)).map(|product| product.versions);
                let rank = match (endpoint.version, order) {
                    (None, _) => Rank::Unknown,
                    (Some(said), None) => Rank::Said(said.into()),
                    (Some(said), Some(order)) => match Version::parse(order, said) {
                        Ok(version) => Rank::Ordered(Box::new(version)),
                        Err(_) => Rank::Said(said.into()),
                    },
                };
                Value::Version(product(), rank)
            }
        };
        Key {
            value,
            place: endpoint.place.clone(),
        }
    }
}

impl Key {
    /// By the value, and among equals by the place.
    pub(crate) fn compare(&self, other: &Self, reverse: bool) -> Ordering {
        let turned = |order: Ordering| if reverse { order.reverse() } else { order };
        let by_value = match (&self.value, &other.value) {
            (Value::Severity(a), Value::Severity(b)) => last(a, b, |a, b| turned(b.cmp(a))),
            (Value::Seen(a), Value::Seen(b)) => turned(Reverse(a).cmp(&Reverse(b))),
            (Value::Address, Value::Address) => turned(self.place.cmp(&other.place)),
            (Value::Product(a), Value::Product(b)) => last(a, b, |a, b| turned(a.cmp(b))),
            (Value::Version(product, a), Value::Version(other, b)) => {
                last(product, other, Arc::cmp).then_with(|| match (a, b) {
                    (Rank::Ordered(a), Rank::Ordered(b)) => turned(a.cmp(b)),
                    (Rank::Said(a), Rank::Said(b)) => turned(a.cmp(b)),
                    // What has no order stands after what has one, whichever way that goes.
                    (a, b) => a.cmp(b),
                })
            }
            // One list is sorted by one thing.
            _ => Ordering::Equal,
        };
        by_value.then_with(|| self.place.cmp(&other.place))
    }
}

/// What is unknown comes last.
fn last<T>(a: &Option<T>, b: &Option<T>, compare: impl FnOnce(&T, &T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The worst severity of the findings that nobody accepted.
pub(crate) fn worst(observation: &Observation) -> Option<Severity> {
    let open = observation.findings.iter().filter(|finding| finding.accepted.is_none());
    open.map(|finding| finding.severity).max()
}

/// A report that gets its endpoints sorted, at the end: until then they are kept.
pub(crate) struct Sorted {
    inner: Box<dyn Report + Send>,
    by: By,
    reverse: bool,
    catalog: Arc<Catalog>,
    kept: Vec<Observation>,
}

impl Sorted {
    pub(crate) fn new(inner: Box<dyn Report + Send>, by: By, reverse: bool, catalog: Arc<Catalog>) -> Self {
        Self {
            inner,
            by,
            reverse,
            catalog,
            kept: Vec::new(),
        }
    }
}

impl Report for Sorted {
    fn begin(&mut self) -> io::Result<()> {
        self.inner.begin()
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        self.kept.push(observation.clone());
        Ok(())
    }

    fn end(&mut self, summary: &Summary) -> io::Result<()> {
        let key = |observation: &Observation| {
            let endpoint = Endpoint {
                place: &observation.endpoint.key(),
                seen: observation.seen,
                product: observation.identity.product.known().map(String::as_str),
                version: observation.identity.version.known().map(String::as_str),
                severity: worst(observation),
            };
            self.by.key(&endpoint, &self.catalog)
        };
        let mut order: Vec<(Key, usize)> = self.kept.iter().map(key).zip(0..).collect();
        order.sort_by(|(a, _), (b, _)| a.compare(b, self.reverse));
        for (_, at) in &order {
            self.inner.observation(&self.kept[*at])?;
        }
        self.inner.end(summary)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where, product, version, severity.
    type Case<'c> = (&'c str, Option<&'c str>, Option<&'c str>, Option<Severity>);

    fn sorted(by: By, reverse: bool, all: &[Case<'_>]) -> Vec<String> {
        let catalog = Catalog::embedded();
        let mut keys: Vec<(Key, String)> = all
            .iter()
            .map(|(socket, product, version, severity)| {
                let at: std::net::SocketAddr = socket.parse().expect("an address and a port");
                let place = EndpointKey {
                    address: at.ip(),
                    port: at.port(),
                    transport: vigie_model::Transport::Tcp,
                    name: None,
                    prefix: None,
                };
                let endpoint = Endpoint {
                    place: &place,
                    seen: Timestamp::UNIX_EPOCH,
                    product: *product,
                    version: *version,
                    severity: *severity,
                };
                let told = format!("{socket} {} {}", product.unwrap_or("-"), version.unwrap_or("-"));
                (by.key(&endpoint, &catalog), told)
            })
            .collect();
        keys.sort_by(|(a, _), (b, _)| a.compare(b, reverse));
        keys.into_iter().map(|(_, told)| told).collect()
    }

    #[test]
    fn addresses_sort_by_number_and_ipv4_comes_first() {
        let all = ["[::1]:80", "10.0.0.10:80", "10.0.0.9:11434", "10.0.0.9:8000", "9.255.255.255:1"].map(|at| (at, None, None, None));
        let wanted = ["9.255.255.255:1", "10.0.0.9:8000", "10.0.0.9:11434", "10.0.0.10:80", "[::1]:80"].map(|at| format!("{at} - -"));
        assert_eq!(sorted(By::Address, false, &all), wanted);
        let mut turned = wanted.clone();
        turned.reverse();
        assert_eq!(sorted(By::Address, true, &all), turned);
    }

    #[test]
    fn versions_sort_in_their_products_order_and_what_has_none_comes_last() {
        let all = [
            ("10.0.0.1:1", Some("ollama"), Some("0.10.0"), None),
            ("10.0.0.2:1", Some("ollama"), Some("0.9.1"), None),
            ("10.0.0.3:1", Some("ollama"), Some("custom"), None),
            ("10.0.0.4:1", Some("ollama"), None, None),
            ("10.0.0.5:1", None, None, None),
            ("10.0.0.6:1", Some("llama-cpp"), Some("b10000"), None),
            ("10.0.0.7:1", Some("llama-cpp"), Some("b9999"), None),
            ("10.0.0.8:1", Some("ollama"), Some("0.10.0-rc1"), None),
        ];
        let places = |reverse| -> Vec<char> {
            let told = sorted(By::Version, reverse, &all);
            told.iter().filter_map(|told| told.chars().nth(7)).collect()
        };
        assert_eq!(places(false), ['7', '6', '2', '8', '1', '3', '4', '5']);
        assert_eq!(places(true), ['6', '7', '1', '8', '2', '3', '4', '5'], "by product all the same");
    }

    #[test]
    fn the_worst_comes_first_and_no_finding_last() {
        let all = [
            ("10.0.0.1:1", None, None, Some(Severity::Low)),
            ("10.0.0.2:1", None, None, None),
            ("10.0.0.3:1", None, None, Some(Severity::Critical)),
        ];
        assert_eq!(
            sorted(By::Severity, false, &all),
            ["10.0.0.3:1 - -", "10.0.0.1:1 - -", "10.0.0.2:1 - -"]
        );
        assert_eq!(
            sorted(By::Severity, true, &all),
            ["10.0.0.1:1 - -", "10.0.0.3:1 - -", "10.0.0.2:1 - -"]
        );
    }
}
