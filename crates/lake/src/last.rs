//! The lake at two instants: of each endpoint, the last look before the first one and the last look between them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use vigie_model::{EndpointKey, Known, Network, Observation, Posture, SCHEMA, Source, SourceKind, Timestamp, Why};

use crate::read::{Scanner, contents, files_of, wrap_read};
use crate::record::{Contents, endpoint_key, from_word, known_word};
use crate::rows::Rows;
use crate::{Error, Lake, Table};

/// An endpoint as one kind of source sees it from one place. Looks of two lineages say different things of the same server, so they
/// are never held against each other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lineage {
    /// Which endpoint.
    pub key: EndpointKey,
    /// What kind of source.
    pub kind: SourceKind,
    /// Which tool.
    pub source: Arc<str>,
    /// From where.
    pub vantage: Arc<str>,
}

/// One look, without what the endpoint said in full: [`Lake::said`] has that.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// When the endpoint was seen.
    pub seen: Timestamp,
    /// When the record was made.
    pub recorded: Timestamp,
    /// The state that holds what it said. Two looks of the same state say the same.
    pub state: i64,
    /// The scan that looked.
    pub scan: Option<Arc<str>>,
    /// The hash of the catalogue that it was read with; empty where none was.
    pub catalog: Arc<str>,
    /// The product.
    pub product: Known<String>,
    /// The version.
    pub version: Known<String>,
    /// What a stranger meets.
    pub posture: Known<Posture>,
    /// How likely it is a deception, from 0 to 1.
    pub deception: Known<f64>,
}

/// The last looks of a lineage.
#[derive(Clone, Debug, PartialEq)]
pub struct LastLooks {
    /// Of which endpoint, by whom, from where.
    pub lineage: Lineage,
    /// The last at or before the first instant.
    pub before: Option<Look>,
    /// The last after the first instant, at or before the second.
    pub after: Option<Look>,
}

/// What some states say.
pub struct Said(Contents);

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Said")
    }
}

const COLUMNS: &[&str] = &[
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
    "product",
    "product_why",
    "version",
    "version_why",
    "posture",
    "posture_why",
    "deception",
    "deception_why",
];

impl Lake {
    /// The last looks at each endpoint at two instants, in the order of their lineages. Memory grows with the endpoints, not with the
    /// observations; what was seen after the second instant is not read.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn last_looks(&self, since: Timestamp, until: Timestamp) -> Result<Vec<LastLooks>, Error> {
        let table = Table::Observations;
        let tables = self.tables().await?;
        let Some(delta) = tables.get(&table) else {
            return Ok(Vec::new());
        };
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
                .columns(COLUMNS)
                .seen(i64::MIN, end)
                .read(&file, |rows| {
                    (0..rows.len()).for_each(|row| last.take(rows, row));
                    Ok(())
                })
                .await?;
        }
        let mut all: Vec<LastLooks> = last
            .found
            .into_iter()
            .map(|(lineage, (before, after))| LastLooks { lineage, before, after })
            .collect();
        all.sort_unstable_by(|a, b| a.lineage.cmp(&b.lineage));
        Ok(all)
    }

    /// What states say. All of it is in memory then: ask for some thousands at a time.
    ///
    /// # Errors
    ///
    /// If the lake cannot be read.
    pub async fn said(&self, states: impl IntoIterator<Item = i64>) -> Result<Said, Error> {
        let tables = self.tables().await?;
        let contents = contents(&tables, states.into_iter().collect(), HashSet::new()).await?;
        Ok(Said(contents))
    }
}

impl Said {
    /// A look in full, but for what is not kept with its state: the scope, the listener, the models in memory and the network are
    /// unknown here. Verdicts and findings are not computed.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] if the lake does not hold the state.
    pub fn observation(&self, lineage: &Lineage, look: &Look) -> Result<Observation, Error> {
        let said = self.0.of_state(look.state, &lineage.key).ok_or_else(|| Error::Broken {
            address: lineage.key.address.to_string(),
            missing: "the state of an observation",
        })?;
        let (endpoint, identity, exposure, deception) = said;
        Ok(Observation {
            schema: SCHEMA.to_owned(),
            seen: look.seen,
            recorded: look.recorded,
            source: Source {
                kind: lineage.kind,
                name: lineage.source.to_string(),
                version: String::new(),
                catalog: look.catalog.to_string(),
                vantage: lineage.vantage.to_string(),
                scan: look.scan.as_deref().map(str::to_owned),
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
    /// Sources, vantages, scans and catalogues are few: each is kept once.
    texts: HashSet<Arc<str>>,
    found: HashMap<Lineage, (Option<Look>, Option<Look>)>,
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
        // A kind that a later writer added has its own lineages, which this version cannot tell apart.
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
        let look = Look {
            seen,
            recorded,
            state,
            scan: rows.text("scan", row).map(|scan| self.text(scan)),
            catalog: self.text(rows.text("catalog", row).unwrap_or_default()),
            product: rows.known_text("product", row),
            version: rows.known_text("version", row),
            posture: known_word(rows, "posture", row),
            deception: rows.known("deception", row, Rows::real),
        };
        let (before, after) = self.found.entry(lineage).or_default();
        *(if is_before { before } else { after }) = Some(look);
    }
}
