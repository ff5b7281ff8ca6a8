//! The latest observation of each endpoint.
//!
//! Endpoints are read in two passes: first the few columns to filter and sort by, of every observation; then all columns, of the selected
//! endpoints only. So a list of fifty endpoints out of 175,108 takes no more memory than the first pass.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use deltalake_core::DeltaTable;
use vigie_model::{Activity, Capability, EndpointKey, Known, Network, Observation, Posture, Timestamp, Transport, Why};

use crate::columns::{Described, Flag, List, NetworkColumns, Real, Slim, Small, Text, Whole, Word, columns, from_word};
use crate::definition::Definition;
use crate::read::{DataFile, Scanner, contents, files_of, wrap_read};
use crate::rows::{Rows, Texts};
use crate::{Error, Lake, Table};

/// Which hosts to list: those that match every field that is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// The product in the latest observation.
    pub product: Option<String>,
    /// The posture in the latest observation.
    pub posture: Option<Posture>,
    /// Its address.
    pub address: Option<IpAddr>,
    /// Only observations at or after this instant.
    pub since: Option<Timestamp>,
    /// Only observations before this instant.
    pub until: Option<Timestamp>,
}

/// An endpoint with its latest observation.
#[derive(Clone, Debug, PartialEq)]
pub struct HostRow {
    /// Which endpoint.
    pub key: EndpointKey,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen: the time of the values below.
    pub last_seen: Timestamp,
    /// The number of its observations.
    pub observations: u64,
    /// The tool that saw it.
    pub source: String,
    /// The vantage.
    pub vantage: String,
    /// The product.
    pub product: Known<String>,
    /// The version.
    pub version: Known<String>,
    /// The confidence in the product, from 0 to 1.
    pub confidence: f64,
    /// The posture.
    pub posture: Known<Posture>,
    /// Whether it has a model to serve.
    pub activity: Known<Activity>,
    /// The number of models.
    pub models: Known<u32>,
    /// The capabilities of the models.
    pub capabilities: Known<Vec<Capability>>,
    /// The number of tools.
    pub tools: Known<u32>,
    /// Whether it uses TLS.
    pub tls: Known<bool>,
    /// How likely it is a deception, from 0 to 1.
    pub deception: Known<f64>,
    /// The network of its address.
    pub network: Network,
}

/// The values of an endpoint by which hosts are filtered and sorted; `None`: unknown.
#[derive(Clone, Debug, PartialEq)]
pub struct Glimpse {
    /// Which endpoint.
    pub key: EndpointKey,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen: the time of the values below.
    pub last_seen: Timestamp,
    /// The number of its observations.
    pub observations: u64,
    /// The product.
    pub product: Option<Arc<str>>,
    /// The version.
    pub version: Option<Arc<str>>,
    /// The posture.
    pub posture: Option<Posture>,
    /// The country.
    pub country: Option<Arc<str>>,
    recorded: i64,
    position: RowPosition,
}

/// The position of an observation: the file, and the row in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RowPosition {
    file: u32,
    row: u32,
}

/// The endpoints of a lake, unsorted, with the version of the lake that they were read from.
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
pub(crate) const GLIMPSE_COLUMNS: &[&str] = &[
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

columns! {
    /// The columns of [`HostRow`].
    HostColumns into HostRow {
        "source_name": Text => source,
        "vantage": Text => vantage,
        "product": Slim<Text> => product,
        "version": Slim<Text> => version,
        "confidence": Real => confidence,
        "posture": Slim<Word> => posture,
        "activity": Slim<Word> => activity,
        "models": Slim<Small> => models,
        "capabilities": Slim<List> => capabilities,
        "tools": Slim<Small> => tools,
        "tls": Slim<Flag> => tls,
        "deception": Slim<Real> => deception,
        "": Whole<NetworkColumns> => network,
    }
}

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

    /// The endpoints with the values to filter and sort by, unsorted. Takes about 300 bytes of memory per endpoint.
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
        let mut latest_rows = LatestRows {
            window: (from, until),
            address: address.as_deref(),
            ..LatestRows::default()
        };
        for (number, file) in (0..).zip(&files) {
            let elsewhere = address.as_deref().is_some_and(|a| !file.may_hold_address(a));
            if elsewhere || !file.may_hold_seen(from, until) {
                continue;
            }
            let mut begin = 0;
            Scanner::new(table, delta)
                .columns(GLIMPSE_COLUMNS)
                .read(file, |rows| {
                    latest_rows.take(rows, number, begin);
                    begin += u32::try_from(rows.len()).unwrap_or(u32::MAX);
                    Ok(())
                })
                .await?;
        }
        let mut all = latest_rows.all;
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
    /// The rows of the given endpoints, in their order.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn hosts(&self, wanted: &[Glimpse]) -> Result<Vec<HostRow>, Error> {
        let mut hosts: Vec<Option<HostRow>> = vec![None; wanted.len()];
        let columns = Definition::of(HostColumns::define);
        self.read(wanted, Some(&columns.names()), |rows, row, at| {
            hosts[at] = host(&wanted[at], rows, row);
        })
        .await?;
        Ok(hosts.into_iter().flatten().collect())
    }

    /// The latest observations of the given endpoints, in their order. All are held in memory: ask for some thousands at a time. Verdicts
    /// and findings are not computed.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read or lacks the contents of an observation.
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

    /// Reads the latest observations of some endpoints. `take` gets rows, the number of a row, and the index of its endpoint.
    async fn read(&self, wanted: &[Glimpse], columns: Option<&[&str]>, mut take: impl FnMut(&Rows, usize, usize)) -> Result<(), Error> {
        let table = Table::Observations;
        let Some(delta) = self.tables.get(&table) else { return Ok(()) };
        let mut places: Vec<(RowPosition, usize)> = wanted.iter().map(|glimpse| glimpse.position).zip(0..).collect();
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
                    // Rows are returned in the order of the file.
                    (0..rows.len()).zip(left.by_ref()).for_each(|(row, (_, at))| take(rows, row, *at));
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }
}

/// The latest row of each endpoint, while rows are read.
#[derive(Default)]
struct LatestRows<'f> {
    /// In microseconds, both included.
    window: (i64, i64),
    address: Option<&'f str>,
    all: Vec<Glimpse>,
    by_key: HashMap<EndpointKey, usize>,
    /// Products, versions and countries repeat: each text is kept once.
    texts: HashSet<Arc<str>>,
}

impl LatestRows<'_> {
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
                    // Without a prefix that this version cannot read, the key would be that of another endpoint.
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
                        position: RowPosition { file, row: number },
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
                        host.position = RowPosition { file, row: number };
                    }
                }
            }
        }
    }
}

/// Interned texts.
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

fn host(glimpse: &Glimpse, rows: &Rows, row: usize) -> Option<HostRow> {
    let mut host = HostRow {
        key: glimpse.key.clone(),
        first_seen: glimpse.first_seen,
        last_seen: glimpse.last_seen,
        observations: glimpse.observations,
        source: String::new(),
        vantage: String::new(),
        product: Known::unknown(Why::NotCarried),
        version: Known::unknown(Why::NotCarried),
        confidence: 0.0,
        posture: Known::unknown(Why::NotCarried),
        activity: Known::unknown(Why::NotCarried),
        models: Known::unknown(Why::NotCarried),
        capabilities: Known::unknown(Why::NotCarried),
        tools: Known::unknown(Why::NotCarried),
        tls: Known::unknown(Why::NotCarried),
        deception: Known::unknown(Why::NotCarried),
        network: Network::unknown(Why::NotCarried),
    };
    HostColumns::read(rows, row, &mut host).ok()?;
    Some(host)
}
