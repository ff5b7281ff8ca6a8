//! The endpoints of a lake as they were last seen.
//!
//! They are read twice: first the few columns that endpoints are chosen and sorted by, of every observation; then everything, of those
//! that were chosen alone. A list of fifty out of 175,108 costs no more memory than the first.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use deltalake_core::DeltaTable;
use vigie_model::{Activity, Capability, EndpointKey, Known, Network, Observation, Posture, Timestamp, Transport};

use crate::read::{DataFile, Scanner, contents, files_of, wrap_read};
use crate::record::{from_word, known_word, list, network};
use crate::rows::{Rows, Texts};
use crate::{Error, Lake, Table};

/// Which hosts to list. Everything that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The product it was when last seen.
    pub product: Option<String>,
    /// Its posture when last seen.
    pub posture: Option<Posture>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Only observations at or after this instant.
    pub since: Option<Timestamp>,
    /// Only observations before this instant.
    pub until: Option<Timestamp>,
}

/// An endpoint as it was when last seen.
#[derive(Clone, Debug, PartialEq)]
pub struct HostRow {
    /// Which endpoint.
    pub key: EndpointKey,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen: the columns below speak of that.
    pub last_seen: Timestamp,
    /// How many observations there are of it.
    pub observations: u64,
    /// By which tool.
    pub source: String,
    /// From where.
    pub vantage: String,
    /// The product.
    pub product: Known<String>,
    /// The version.
    pub version: Known<String>,
    /// How sure the product is, from 0 to 1.
    pub confidence: f64,
    /// What a stranger meets.
    pub posture: Known<Posture>,
    /// Whether it has something to serve.
    pub activity: Known<Activity>,
    /// How many models.
    pub models: Known<u32>,
    /// What they can do.
    pub capabilities: Known<Vec<Capability>>,
    /// How many tools.
    pub tools: Known<u32>,
    /// Whether it speaks TLS.
    pub tls: Known<bool>,
    /// How likely it is a deception, from 0 to 1.
    pub deception: Known<f64>,
    /// Where it stands.
    pub network: Network,
}

/// An endpoint as far as it is chosen and sorted by; what is unknown is `None`.
#[derive(Clone, Debug, PartialEq)]
pub struct Glimpse {
    /// Which endpoint.
    pub key: EndpointKey,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen: what follows speaks of that.
    pub last_seen: Timestamp,
    /// How many observations there are of it.
    pub observations: u64,
    /// The product.
    pub product: Option<Arc<str>>,
    /// The version.
    pub version: Option<Arc<str>>,
    /// What a stranger meets.
    pub posture: Option<Posture>,
    /// The country.
    pub country: Option<Arc<str>>,
    recorded: i64,
    place: Place,
}

/// Where the latest observation lies: the file, and the row in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: u32,
    row: u32,
}

/// The endpoints of a lake, in no order, and the version of the lake that they were read from.
pub struct Glimpses {
    /// The endpoints.
    pub all: Vec<Glimpse>,
    tables: BTreeMap<Table, DeltaTable>,
    files: Vec<DataFile>,
}

impl std::fmt::Debug for Glimpses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Glimpses").field("all", &self.all.len()).finish_non_exhaustive()
    }
}

/// The columns of [`Glimpse`].
const GLIMPSED: &[&str] = &[
    "address",
    "port",
    "transport",
    "name",
    "prefix",
    "seen",
    "recorded",
    "product",
    "version",
    "posture",
    "country",
];

/// The columns of [`HostRow`].
const HOST_COLUMNS: &[&str] = &[
    "source_name",
    "vantage",
    "product",
    "product_why",
    "version",
    "version_why",
    "confidence",
    "posture",
    "posture_why",
    "activity",
    "activity_why",
    "models",
    "models_why",
    "capabilities",
    "capabilities_why",
    "tools",
    "tools_why",
    "tls",
    "tls_why",
    "deception",
    "deception_why",
    "country",
    "country_why",
    "country_detail",
    "asn",
    "asn_why",
    "asn_detail",
    "class",
    "class_why",
    "class_detail",
    "city",
    "city_why",
    "city_detail",
    "organisation",
    "organisation_why",
    "organisation_detail",
    "tier",
    "tier_why",
    "tier_detail",
];

impl Lake {
    /// The endpoints with their latest observation, the latest seen first. Memory grows with the endpoints, not with the
    /// observations.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn hosts(&self, filter: &Filter) -> Result<Vec<HostRow>, Error> {
        let mut glimpses = self.glimpses(filter).await?;
        let mut wanted = std::mem::take(&mut glimpses.all);
        wanted.sort_by(|a, b| b.last_seen.cmp(&a.last_seen).then_with(|| a.key.cmp(&b.key)));
        glimpses.hosts(&wanted).await
    }

    /// The endpoints as far as they are chosen and sorted by, in no order. Memory grows with the endpoints: about 300 bytes each.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn glimpses(&self, filter: &Filter) -> Result<Glimpses, Error> {
        let table = Table::Observations;
        let tables = self.tables().await?;
        let Some(delta) = tables.get(&table) else {
            return Ok(Glimpses {
                all: Vec::new(),
                tables,
                files: Vec::new(),
            });
        };
        let files = files_of(delta).map_err(|source| wrap_read(table, source))?;
        let from = filter.since.map_or(i64::MIN, |t| t.timestamp_micros());
        let until = filter.until.map_or(i64::MAX, |t| t.timestamp_micros() - 1);
        let address = filter.address.map(|address| address.to_string());
        let mut gathered = Gathered {
            window: (from, until),
            address: address.as_deref(),
            ..Gathered::default()
        };
        for (number, file) in (0..).zip(&files) {
            let elsewhere = address.as_deref().is_some_and(|a| !file.may_hold_address(a));
            if elsewhere || !file.may_hold_seen(from, until) {
                continue;
            }
            let mut begin = 0;
            Scanner::new(table, delta)
                .columns(GLIMPSED)
                .read(file, |rows| {
                    gathered.take(rows, number, begin);
                    begin += u32::try_from(rows.len()).unwrap_or(u32::MAX);
                    Ok(())
                })
                .await?;
        }
        let mut all = gathered.all;
        all.retain(|host| {
            filter
                .product
                .as_ref()
                .is_none_or(|product| host.product.as_deref() == Some(product))
                && filter.posture.is_none_or(|posture| host.posture == Some(posture))
        });
        Ok(Glimpses { all, tables, files })
    }
}

impl Glimpses {
    /// All that is listed of some of the endpoints, in the order in which they are given.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn hosts(&self, wanted: &[Glimpse]) -> Result<Vec<HostRow>, Error> {
        let mut hosts: Vec<Option<HostRow>> = vec![None; wanted.len()];
        self.read(wanted, Some(HOST_COLUMNS), |rows, row, at| {
            hosts[at] = Some(host(&wanted[at], rows, row));
        })
        .await?;
        Ok(hosts.into_iter().flatten().collect())
    }

    /// The latest observations of some of the endpoints, in the order in which they are given. All they said is in memory then: ask for
    /// some thousands at a time. Verdicts and findings are not computed.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read, or does not hold what an observation points to.
    pub async fn observations(&self, wanted: &[Glimpse]) -> Result<Vec<Observation>, Error> {
        let mut found: Vec<(usize, Rows, usize)> = Vec::with_capacity(wanted.len());
        self.read(wanted, None, |rows, row, at| found.push((at, rows.clone(), row))).await?;
        found.sort_by_key(|(at, ..)| *at);
        let ids = |column: &str| -> HashSet<i64> { found.iter().filter_map(|(_, rows, row)| rows.long(column, *row)).collect() };
        let contents = contents(&self.tables, ids("state"), ids("running_state")).await?;
        let observation = |(at, rows, row): &(usize, Rows, usize)| {
            contents.observation(rows, *row).map_err(|missing| Error::Broken {
                address: wanted[*at].key.address.to_string(),
                missing,
            })
        };
        found.iter().map(observation).collect()
    }

    /// Reads the latest observations of some endpoints: gives rows, a row's number in them, and which of the endpoints it is of.
    async fn read(&self, wanted: &[Glimpse], columns: Option<&[&str]>, mut take: impl FnMut(&Rows, usize, usize)) -> Result<(), Error> {
        let table = Table::Observations;
        let Some(delta) = self.tables.get(&table) else { return Ok(()) };
        let mut places: Vec<(Place, usize)> = wanted.iter().map(|glimpse| glimpse.place).zip(0..).collect();
        places.sort_unstable();
        for some in places.chunk_by(|(a, _), (b, _)| a.file == b.file) {
            let Some(file) = some.first().and_then(|(place, _)| self.files.get(place.file as usize)) else {
                continue;
            };
            let mut scanner = Scanner::new(table, delta).rows(some.iter().map(|(place, _)| place.row));
            if let Some(columns) = columns {
                scanner = scanner.columns(columns);
            }
            let mut left = some.iter();
            scanner
                .read(file, |rows| {
                    // Rows come in the order in which they lie in the file.
                    (0..rows.len()).zip(left.by_ref()).for_each(|(row, (_, at))| take(rows, row, *at));
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }
}

/// The endpoints as they are met.
#[derive(Default)]
struct Gathered<'f> {
    /// In microseconds, both included.
    window: (i64, i64),
    address: Option<&'f str>,
    all: Vec<Glimpse>,
    by_key: HashMap<EndpointKey, usize>,
    /// Products, versions and countries are few: each is kept once.
    texts: HashSet<Arc<str>>,
}

impl Gathered<'_> {
    fn take(&mut self, rows: &Rows, file: u32, begin: u32) {
        let texts = |name| rows.texts(name);
        let (addresses, transports, names) = (texts("address"), texts("transport"), texts("name"));
        let prefixes = texts("prefix");
        let (products, versions) = (texts("product"), texts("version"));
        let (postures, countries) = (texts("posture"), texts("country"));
        let (ports, seen, recorded) = (rows.ints("port"), rows.instants("seen"), rows.instants("recorded"));
        for (row, number) in (0..rows.len()).zip(begin..) {
            let (Some(address), Some(at)) = (addresses.get(row), seen.get(row)) else {
                continue;
            };
            let outside = at < self.window.0 || at > self.window.1 || self.address.is_some_and(|wanted| wanted != address);
            let key = || -> Option<EndpointKey> {
                Some(EndpointKey {
                    address: address.parse().ok()?,
                    port: u16::try_from(ports.get(row)?).ok()?,
                    transport: transports.get(row).and_then(from_word::<Transport>)?,
                    name: names.get(row).map(str::to_owned),
                    // One that this version does not read would stand for another endpoint.
                    prefix: prefixes.get(row).map(|text| text.to_owned().try_into()).transpose().ok()?,
                })
            };
            let (false, Some(last_seen)) = (outside, instant(at)) else {
                continue;
            };
            let Some(key) = key() else { continue };
            let recorded = recorded.get(row).unwrap_or(at);
            let mut latest = |text: &Texts<'_>| self.texts.text(text.get(row));
            match self.by_key.get(&key) {
                None => {
                    self.by_key.insert(key.clone(), self.all.len());
                    self.all.push(Glimpse {
                        key,
                        first_seen: last_seen,
                        last_seen,
                        observations: 1,
                        product: latest(&products),
                        version: latest(&versions),
                        posture: postures.get(row).and_then(from_word),
                        country: latest(&countries),
                        recorded,
                        place: Place { file, row: number },
                    });
                }
                Some(known) => {
                    let host = &mut self.all[*known];
                    host.observations += 1;
                    host.first_seen = host.first_seen.min(last_seen);
                    if (last_seen, recorded) > (host.last_seen, host.recorded) {
                        host.last_seen = last_seen;
                        host.recorded = recorded;
                        host.product = latest(&products);
                        host.version = latest(&versions);
                        host.posture = postures.get(row).and_then(from_word);
                        host.country = latest(&countries);
                        host.place = Place { file, row: number };
                    }
                }
            }
        }
    }
}

/// Texts that are kept once.
trait Once {
    fn text(&mut self, text: Option<&str>) -> Option<Arc<str>>;
}

impl Once for HashSet<Arc<str>> {
    fn text(&mut self, text: Option<&str>) -> Option<Arc<str>> {
        let text = text?;
        if let Some(known) = self.get(text) {
            return Some(Arc::clone(known));
        }
        let new: Arc<str> = text.into();
        self.insert(Arc::clone(&new));
        Some(new)
    }
}

fn instant(micros: i64) -> Option<Timestamp> {
    Timestamp::from_timestamp_micros(micros)
}

fn host(glimpse: &Glimpse, rows: &Rows, row: usize) -> HostRow {
    let count = |name: &str| rows.known(name, row, |rows, name, row| u32::try_from(rows.int(name, row)?).ok());
    HostRow {
        key: glimpse.key.clone(),
        first_seen: glimpse.first_seen,
        last_seen: glimpse.last_seen,
        observations: glimpse.observations,
        source: rows.text("source_name", row).unwrap_or_default().to_owned(),
        vantage: rows.text("vantage", row).unwrap_or_default().to_owned(),
        product: rows.known_text("product", row),
        version: rows.known_text("version", row),
        confidence: rows.real("confidence", row).unwrap_or_default(),
        posture: known_word(rows, "posture", row),
        activity: known_word(rows, "activity", row),
        models: count("models"),
        capabilities: rows.known("capabilities", row, list),
        tools: count("tools"),
        tls: rows.known_flag("tls", row),
        deception: rows.known("deception", row, Rows::real),
        network: network(rows, row),
    }
}
