//! The lake at two instants: for each lineage, the last observation up to the first instant and the last one between the two.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vigie_model::{EndpointKey, Known, Network, Observation, Posture, SCHEMA, Source, SourceKind, Timestamp, Why};

use crate::columns::{Described, Real, Slim, Text, Word, columns, endpoint_key, from_word};
use crate::contents::Contents;
use crate::definition::Definition;
use crate::read::{Scanner, contents, files_of, wrap_read};
use crate::rows::Rows;
use crate::{Error, Lake, Table};

/// The observations of one endpoint by one tool from one vantage. Different tools and vantages report the same server differently, so
/// observations of different lineages are never compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lineage {
    /// The endpoint.
    pub key: EndpointKey,
    /// The kind of source.
    pub kind: SourceKind,
    /// The tool.
    pub source: Arc<str>,
    /// The vantage.
    pub vantage: Arc<str>,
}

/// One observation without its full contents, which [`Lake::state_contents`] returns.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservedState {
    /// When the endpoint was observed.
    pub seen: Timestamp,
    /// When the record was created.
    pub recorded: Timestamp,
    /// The id of its state. Observations with the same state have the same contents.
    pub state: i64,
    /// The scan.
    pub scan: Option<Arc<str>>,
    /// The hash of the catalogue; empty if none was used.
    pub catalog: Arc<str>,
    /// The product.
    pub product: Known<String>,
    /// The version.
    pub version: Known<String>,
    /// The posture.
    pub posture: Known<Posture>,
    /// How likely it is a deception, from 0 to 1.
    pub deception: Known<f64>,
}

/// The last observations of a lineage at two instants.
#[derive(Clone, Debug, PartialEq)]
pub struct LastObservations {
    /// The lineage.
    pub lineage: Lineage,
    /// The last at or before the first instant.
    pub before: Option<ObservedState>,
    /// The last after the first instant, at or before the second.
    pub after: Option<ObservedState>,
}

/// The contents of some states.
pub struct StateContents(Contents);

impl std::fmt::Debug for StateContents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StateContents")
    }
}

/// The columns that are read besides those of [`ObservedColumns`].
pub(crate) const COLUMNS: &[&str] = &[
    "address",
    "port",
    "transport",
    "name",
    "prefix",
    "seen",
    "recorded",
    "source_kind",
    "source_name",
    "catalog",
    "vantage",
    "scan",
    "state",
];

columns! {
    /// The columns of [`ObservedState`] that may be unknown.
    ObservedColumns into ObservedState {
        "product": Slim<Text> => product,
        "version": Slim<Text> => version,
        "posture": Slim<Word> => posture,
        "deception": Slim<Real> => deception,
    }
}

impl Lake {
    /// The last observations of each lineage at two instants, sorted by lineage. Memory grows with the endpoints, not with the
    /// observations; later observations are not read.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn last_observations(&self, since: Timestamp, until: Timestamp) -> Result<Vec<LastObservations>, Error> {
        let table = Table::Observations;
        let tables = self.tables().await?;
        let Some(delta) = tables.get(&table) else {
            return Ok(Vec::new());
        };
        let described = Definition::of(ObservedColumns::define);
        let columns = [COLUMNS, &described.names()].concat();
        let end = until.timestamp_micros();
        let mut last = Last {
            since,
            texts: HashSet::new(),
            found: HashMap::new(),
        };
        for file in files_of(delta).map_err(|source| wrap_read(table, source))? {
            if !file.may_hold_seen(i64::MIN, end) {
                continue;
            }
            Scanner::new(table, delta)
                .columns(&columns)
                .seen(i64::MIN, end)
                .read(&file, |rows| {
                    (0..rows.len()).for_each(|row| last.take(rows, row));
                    Ok(())
                })
                .await?;
        }
        let mut all: Vec<LastObservations> = last
            .found
            .into_iter()
            .map(|(lineage, (before, after))| LastObservations { lineage, before, after })
            .collect();
        all.sort_unstable_by(|a, b| a.lineage.cmp(&b.lineage));
        Ok(all)
    }

    /// Reads the contents of states. All are held in memory: ask for some thousands at a time.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn state_contents(&self, states: impl IntoIterator<Item = i64>) -> Result<StateContents, Error> {
        let tables = self.tables().await?;
        let contents = contents(&tables, states.into_iter().collect(), HashSet::new()).await?;
        Ok(StateContents(contents))
    }
}

impl StateContents {
    /// An observation with the contents of its state. The scope, the listener, the models in memory and the network are not part of a
    /// state, so they are unknown. Verdicts and findings are not computed.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] if the lake does not hold the state.
    pub fn observation(&self, lineage: &Lineage, observed: &ObservedState) -> Result<Observation, Error> {
        let state = self.0.of_state(observed.state, &lineage.key).ok_or_else(|| Error::Broken {
            address: lineage.key.address.to_string(),
            missing: "the state of an observation",
        })?;
        let (endpoint, identity, exposure, deception) = state;
        Ok(Observation {
            schema: SCHEMA.to_owned(),
            seen: observed.seen,
            recorded: observed.recorded,
            source: Source {
                kind: lineage.kind,
                name: lineage.source.to_string(),
                version: String::new(),
                catalog: observed.catalog.to_string(),
                vantage: lineage.vantage.to_string(),
                scan: observed.scan.as_deref().map(str::to_owned),
            },
            scope: Known::unknown(Why::NotAsked),
            endpoint,
            listener: None,
            identity: identity.into(),
            exposure: exposure.into(),
            network: Network::unknown(Why::NotAsked),
            deception,
            advisories: [].into(),
            findings: Vec::new().into(),
        })
    }
}

struct Last {
    since: Timestamp,
    /// Sources, vantages, scans and catalogues repeat: each text is kept once.
    texts: HashSet<Arc<str>>,
    found: HashMap<Lineage, (Option<ObservedState>, Option<ObservedState>)>,
}

impl Last {
    fn text(&mut self, text: &str) -> Arc<str> {
        match self.texts.get(text) {
            Some(known) => Arc::clone(known),
            None => {
                let new: Arc<str> = text.into();
                self.texts.insert(Arc::clone(&new));
                new
            }
        }
    }

    fn take(&mut self, rows: &Rows, row: usize) {
        let (Some(key), Some(seen)) = (endpoint_key(rows, row), rows.time("seen", row)) else {
            return;
        };
        // A kind that a later version added: this version cannot distinguish its lineages.
        let Some(kind) = rows.text("source_kind", row).and_then(from_word::<SourceKind>) else {
            return;
        };
        let Some(state) = rows.long("state", row) else { return };
        let lineage = Lineage {
            key,
            kind,
            source: self.text(rows.text("source_name", row).unwrap_or_default()),
            vantage: self.text(rows.text("vantage", row).unwrap_or_default()),
        };
        let recorded = rows.time("recorded", row).unwrap_or(seen);
        let is_before = seen <= self.since;
        let kept = self
            .found
            .get(&lineage)
            .and_then(|(before, after)| if is_before { before.as_ref() } else { after.as_ref() });
        if kept.is_some_and(|kept| (kept.seen, kept.recorded) >= (seen, recorded)) {
            return;
        }
        let mut observed = ObservedState {
            seen,
            recorded,
            state,
            scan: rows.text("scan", row).map(|scan| self.text(scan)),
            catalog: self.text(rows.text("catalog", row).unwrap_or_default()),
            product: Known::unknown(Why::NotCarried),
            version: Known::unknown(Why::NotCarried),
            posture: Known::unknown(Why::NotCarried),
            deception: Known::unknown(Why::NotCarried),
        };
        if ObservedColumns::read(rows, row, &mut observed).is_err() {
            return;
        }
        let (before, after) = self.found.entry(lineage).or_default();
        *(if is_before { before } else { after }) = Some(observed);
    }
}
