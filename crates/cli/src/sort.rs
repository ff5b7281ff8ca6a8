//! `--sort`: the order in which endpoints are listed.

use std::cmp::{Ordering, Reverse};
use std::io;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use vigie_advisory::Version;
use vigie_catalog::Catalog;
use vigie_export::{Report, Summary};
use vigie_model::{EndpointKey, Observation, Severity, Timestamp};

/// The order of endpoints in a list.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct SortArgs {
    /// Sort by this key: the worst severity first, the latest seen first, addresses by number (IPv4 before IPv6), products by id, versions
    /// in each product's own order, the oldest first. Unknown values come last.
    #[arg(long, value_name = "KEY")]
    pub(crate) sort: Option<By>,
    /// Reverse the order; unknown values still come last.
    #[arg(long, requires = "sort")]
    pub(crate) reverse: bool,
}

/// The sort keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    Severity,
    Seen,
    Address,
    Product,
    Version,
}

/// The value by which an endpoint is sorted, and the endpoint's key for equal values.
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

/// A version's place among those of its product: in the product's order, else by its text, else unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Ordered(Box<Version>),
    Text(Arc<str>),
    Unknown,
}

/// The values of an endpoint that it can be sorted by.
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
                    (Some(text), None) => Rank::Text(text.into()),
                    (Some(text), Some(order)) => match Version::parse(order, text) {
                        Ok(version) => Rank::Ordered(Box::new(version)),
                        Err(_) => Rank::Text(text.into()),
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
    /// Compares by the value; `reverse` does not concern unknown values and the order of equal ones.
    pub(crate) fn compare(&self, other: &Self, reverse: bool) -> Ordering {
        let directed = |order: Ordering| if reverse { order.reverse() } else { order };
        let by_value = match (&self.value, &other.value) {
            (Value::Severity(a), Value::Severity(b)) => last(a, b, |a, b| directed(b.cmp(a))),
            (Value::Seen(a), Value::Seen(b)) => directed(Reverse(a).cmp(&Reverse(b))),
            (Value::Address, Value::Address) => directed(self.place.cmp(&other.place)),
            (Value::Product(a), Value::Product(b)) => last(a, b, |a, b| directed(a.cmp(b))),
            (Value::Version(product, a), Value::Version(other, b)) => {
                last(product, other, Arc::cmp).then_with(|| match (a, b) {
                    (Rank::Ordered(a), Rank::Ordered(b)) => directed(a.cmp(b)),
                    (Rank::Text(a), Rank::Text(b)) => directed(a.cmp(b)),
                    // A version without an order comes after those with one, in both directions.
                    (a, b) => a.cmp(b),
                })
            }
            // All keys of a list are of one kind.
            _ => Ordering::Equal,
        };
        by_value.then_with(|| self.place.cmp(&other.place))
    }
}

/// Compares two values; unknown ones come last.
fn last<T>(a: &Option<T>, b: &Option<T>, compare: impl FnOnce(&T, &T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The worst severity of the findings that no baseline accepts.
pub(crate) fn worst(observation: &Observation) -> Option<Severity> {
    let open = observation.findings.iter().filter(|finding| finding.accepted.is_none());
    open.map(|finding| finding.severity).max()
}

/// A report that passes its observations on in order. It keeps them in memory until the end of the scan.
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

    /// Address and port, product, version, severity.
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
                let text = format!("{socket} {} {}", product.unwrap_or("-"), version.unwrap_or("-"));
                (by.key(&endpoint, &catalog), text)
            })
            .collect();
        keys.sort_by(|(a, _), (b, _)| a.compare(b, reverse));
        keys.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn addresses_sort_by_number_and_ipv4_comes_first() {
        let all = ["[::1]:80", "10.0.0.10:80", "10.0.0.9:11434", "10.0.0.9:8000", "9.255.255.255:1"].map(|at| (at, None, None, None));
        let wanted = ["9.255.255.255:1", "10.0.0.9:8000", "10.0.0.9:11434", "10.0.0.10:80", "[::1]:80"].map(|at| format!("{at} - -"));
        assert_eq!(sorted(By::Address, false, &all), wanted);
        let mut reversed = wanted.clone();
        reversed.reverse();
        assert_eq!(sorted(By::Address, true, &all), reversed);
    }

    #[test]
    fn versions_sort_in_their_products_order_and_unordered_ones_come_last() {
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
            let lines = sorted(By::Version, reverse, &all);
            lines.iter().filter_map(|line| line.chars().nth(7)).collect()
        };
        assert_eq!(places(false), ['7', '6', '2', '8', '1', '3', '4', '5']);
        assert_eq!(
            places(true),
            ['6', '7', '1', '8', '2', '3', '4', '5'],
            "the products keep their order"
        );
    }

    #[test]
    fn the_worst_severity_comes_first_and_endpoints_without_findings_last() {
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
