//! Verdicts of published advisories on versions: version orders, ranges, verdicts.
//!
//! No I/O: the caller passes the files (`catalog/advisories/`, one OSV record each) as text.
//!
//! ```
//! use vigie_advisory::Advisories;
//! use vigie_model::{Known, Verdict, VersionOrder};
//!
//! let index = r#"{"schema": "vigie.advisories/1", "date": "2026-11-22", "source": "an example"}"#;
//! let record = r#"{"id": "CVE-2024-37032", "modified": "2026-11-22T00:00:00Z",
//!     "affected": [{"package": {"ecosystem": "Go", "name": "ollama"},
//!                   "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "0.1.34"}]}]}],
//!     "database_specific": {"vigie": {"status": "published", "known_exploited": false, "severity": "high",
//!                                     "effects": ["other"], "order": "semver"}}}"#;
//! let advisories = Advisories::load([("index.json", index), ("CVE-2024-37032.json", record)]).expect("reads");
//! let verdicts = advisories.against(&["ollama".into()], VersionOrder::Semver, &Known::Known("0.1.33".into()));
//! assert_eq!(verdicts[0].verdict, Verdict::Affected);
//! assert_eq!(verdicts[0].why, "0.1.33 < 0.1.34 (fixed)");
//! ```

mod order;
mod osv;
mod range;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use chrono::{Datelike as _, NaiveDate};
use serde::de::DeserializeOwned;
use vigie_model::{AdvisoryCoverage, AdvisoryVerdict, Confidence, Known, Severity, Verdict, VersionOrder};

pub use order::{NotAVersion, Version};
pub use osv::Status;

use range::{Judgement, Ranges};

/// The schema of the folder's `index.json`.
pub const SCHEMA: &str = "vigie.advisories/1";

/// The lowest leading number of a version that counts as a year.
const FIRST_YEAR: u64 = 1990;

/// A set of advisories.
#[derive(Clone, Debug)]
pub struct Advisories {
    date: NaiveDate,
    source: String,
    hash: String,
    /// Products for which a search found no advisory, with the day of the search.
    searched: BTreeMap<String, NaiveDate>,
    /// The advisories, ordered by id.
    all: Vec<StoredAdvisory>,
    /// Package name in lower case to the indices in `all` of the advisories that list it, ascending.
    by_package: BTreeMap<String, Vec<usize>>,
}

/// An embedded advisory: its id, the packages that it lists, and its OSV text.
pub type Carried = (&'static str, &'static [&'static str], &'static str);

/// An advisory. An embedded one is parsed on first use.
#[derive(Clone, Debug)]
struct StoredAdvisory {
    id: String,
    text: &'static str,
    read: OnceLock<Advisory>,
}

impl StoredAdvisory {
    #[expect(clippy::expect_used, reason = "the tests parse every embedded advisory")]
    fn advisory(&self) -> &Advisory {
        let file = || format!("{}.json", self.id);
        self.read
            .get_or_init(|| Advisory::read(&file(), &self.id, self.text).expect("an embedded advisory is valid"))
    }
}

/// One advisory.
#[derive(Clone, Debug)]
pub struct Advisory {
    record: osv::Record,
    /// Package names and their ranges; `None` for ranges that cannot be compared with versions.
    affected: Vec<(String, Option<Ranges>)>,
}

/// An error in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {field}: {message}")]
pub struct Error {
    /// The name of the file, as passed by the caller.
    pub file: String,
    /// The path of the field, e.g. `affected[0].ranges[0].events[1].fixed`.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Advisories {
    /// Parses the files of a folder: `index.json`, and one OSV record per file, named after its id. Names may include a path; files that do
    /// not end in `.json` are ignored.
    ///
    /// # Errors
    ///
    /// All errors of all files. Nothing is loaded if there is any.
    pub fn load<N, T>(files: impl IntoIterator<Item = (N, T)>) -> Result<Self, Vec<Error>>
    where
        N: AsRef<str>,
        T: AsRef<str>,
    {
        let files: Vec<(N, T)> = files.into_iter().collect();
        let files: BTreeMap<&str, &str> = files
            .iter()
            .map(|(name, text)| (name.as_ref(), text.as_ref()))
            .filter(|(name, _)| name.ends_with(".json"))
            .collect();
        let mut errors = Vec::new();
        let mut index = None;
        let mut by_id: BTreeMap<String, Advisory> = BTreeMap::new();
        for (name, text) in &files {
            let stem = stem(name);
            let read = if stem == "index" {
                read_index(name, text).map(|read| index = Some(read))
            } else {
                Advisory::read(name, stem, text).and_then(|advisory| match by_id.insert(advisory.id().to_owned(), advisory) {
                    None => Ok(()),
                    Some(_) => Err(error(name, "id", "another file has this id")),
                })
            };
            errors.extend(read.err());
        }
        if index.is_none() && errors.iter().all(|error| stem(&error.file) != "index") {
            errors.push(error(
                "index.json",
                "date",
                "the file is missing; it gives the date of the advisories",
            ));
        }
        match index {
            Some(index) if errors.is_empty() => {
                let listed: Vec<Vec<String>> = by_id.values().map(|a| a.packages().map(str::to_owned).collect()).collect();
                let held = by_id.into_iter().map(|(id, advisory)| StoredAdvisory {
                    id,
                    text: "",
                    read: OnceLock::from(advisory),
                });
                let listed = listed.iter().map(|packages| packages.iter().map(String::as_str));
                Ok(Self::of(index, hash(&files), held.collect(), listed))
            }
            _ => Err(errors),
        }
    }

    /// The advisories embedded in a build, ordered by id. Each is parsed on first use.
    ///
    /// # Errors
    ///
    /// An invalid `index.json`. An invalid record is a defect of the build and panics on first use; a test parses them all.
    pub fn of_build(index: &str, carried: &[Carried]) -> Result<Self, Error> {
        let mut files: BTreeMap<&str, &str> = carried.iter().map(|(id, _, text)| (*id, *text)).collect();
        files.insert("index", index);
        let held = carried.iter().map(|(id, _, text)| StoredAdvisory {
            id: (*id).to_owned(),
            text,
            read: OnceLock::new(),
        });
        let listed = carried.iter().map(|(_, packages, _)| packages.iter().copied());
        Ok(Self::of(read_index("index.json", index)?, hash(&files), held.collect(), listed))
    }

    fn of<'p>(
        index: osv::Index,
        hash: String,
        all: Vec<StoredAdvisory>,
        listed: impl Iterator<Item = impl Iterator<Item = &'p str>>,
    ) -> Self {
        let mut by_package: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, packages) in listed.enumerate() {
            for package in packages {
                let places = by_package.entry(package.to_lowercase()).or_default();
                if places.last() != Some(&place) {
                    places.push(place);
                }
            }
        }
        Self {
            date: index.date,
            source: index.source,
            hash,
            searched: index.searched.into_iter().map(|one| (one.product, one.date)).collect(),
            all,
            by_package,
        }
    }

    /// The verdicts on a version of all advisories that list one of the packages.
    ///
    /// Exploited ones come first, then affected, unknown, not affected; within these by descending severity, then by id. Rejected ones are
    /// left out. With [`VersionOrder::Author`] the list is empty, because such a version cannot be compared.
    ///
    /// Versions are compared in the order of the advisory's ecosystem, so that a product with `semver` and a record with `pep440` agree.
    /// Build numbers are only compared with build numbers.
    #[must_use]
    pub fn against(&self, packages: &[String], order: VersionOrder, version: &Known<String>) -> Vec<AdvisoryVerdict> {
        self.against_releases(packages, order, version, None)
    }

    /// Like [`Advisories::against`], with the newest release in the product's file.
    ///
    /// A version above all releases in the file and the advisories is probably that of a fork with its own numbers, so its verdicts are
    /// unknown. Above means: a higher leading number (`2.2.1` if all known are `0.x`); for calendar versions, more than a year after the
    /// newest known and after the advisories; for build numbers, more than twice the newest. A fork with the same major version is not
    /// noticed, and a real new major version is unknown until an advisory or the product's file names one.
    #[must_use]
    pub fn against_releases(
        &self,
        packages: &[String],
        order: VersionOrder,
        version: &Known<String>,
        newest: Option<&str>,
    ) -> Vec<AdvisoryVerdict> {
        if order == VersionOrder::Author {
            return Vec::new();
        }
        let names: Vec<String> = packages.iter().map(|name| name.to_lowercase()).collect();
        let mut places: Vec<usize> = names
            .iter()
            .filter_map(|name| self.by_package.get(name))
            .flatten()
            .copied()
            .collect();
        places.sort_unstable();
        places.dedup();
        let mut queried = QueriedVersion {
            text: version.known().map(String::as_str),
            order,
            parsed: BTreeMap::new(),
            above: None,
            numbers: newest
                .and_then(|newest| Version::parse(order, newest).ok())
                .map(|newest| newest.numbers()),
        };
        let valid: Vec<&Advisory> = places
            .into_iter()
            .map(|place| self.all[place].advisory())
            .filter(|advisory| advisory.status() != Status::Rejected)
            .collect();
        queried.above = self.above_all(&valid, &names, order, queried.text, newest);
        let mut verdicts: Vec<AdvisoryVerdict> = valid.iter().map(|advisory| advisory.verdict_on(&names, &mut queried)).collect();
        verdicts.sort_by(|a, b| {
            let rank = |verdict: &AdvisoryVerdict| (Reverse(verdict.exploited), rank(verdict.verdict), Reverse(verdict.severity));
            rank(a).cmp(&rank(b)).then_with(|| a.id.cmp(&b.id))
        });
        verdicts
    }

    /// The reason why a version is above all known releases, if it is.
    fn above_all(
        &self,
        valid: &[&Advisory],
        names: &[String],
        order: VersionOrder,
        text: Option<&str>,
        newest: Option<&str>,
    ) -> Option<String> {
        let version = Version::parse(order, text?).ok()?;
        let newest = newest.and_then(|newest| Version::parse(order, newest).ok());
        let bounds = valid.iter().flat_map(|advisory| advisory.ranges_of(names)).flat_map(Ranges::bounds);
        // Build numbers are only compared with build numbers.
        let alike = |bound: &&Version| (bound.order() == VersionOrder::LlamaBuild) == (order == VersionOrder::LlamaBuild);
        let newest = bounds
            .filter(alike)
            .chain(newest.as_ref())
            .max_by(|a, b| a.leading().cmp(&b.leading()).then_with(|| a.cmp(b)))?;
        let (known, leading) = (newest.leading(), version.leading());
        let year = u64::try_from(self.date.year()).unwrap_or_default();
        let most = match order {
            VersionOrder::LlamaBuild => known.saturating_mul(2),
            // Calendar versions start with the year.
            _ if known >= FIRST_YEAR => known.max(year) + 1,
            _ => known,
        };
        (leading > most).then(|| {
            format!(
                "{version} is above {newest}, the newest release known here: a fork may count for itself, or these advisories are too old"
            )
        })
    }

    /// Whether the advisories cover a product, given its id in the catalogue and its packages.
    ///
    /// `Listed`: at least one advisory lists one of its packages. `NoneFound`: `index.json` names it. `NotCovered`: any other product, for
    /// which the absence of verdicts has no meaning.
    #[must_use]
    pub fn coverage(&self, product: &str, packages: &[String], order: VersionOrder) -> AdvisoryCoverage {
        if order != VersionOrder::Author && packages.iter().any(|package| self.lists(package)) {
            AdvisoryCoverage::Listed
        } else if self.searched.contains_key(product) {
            AdvisoryCoverage::NoneFound
        } else {
            AdvisoryCoverage::NotCovered
        }
    }

    /// The day on which a search for advisories on a product found none.
    #[must_use]
    pub fn searched(&self, product: &str) -> Option<NaiveDate> {
        self.searched.get(product).copied()
    }

    /// The products for which a search found no advisory.
    pub fn all_searched(&self) -> impl Iterator<Item = &str> {
        self.searched.keys().map(String::as_str)
    }

    /// The advisory with this id or alias, including rejected ones.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Advisory> {
        let by_id = self.all.binary_search_by(|held| held.id.as_str().cmp(id)).ok();
        by_id
            .map(|place| self.all[place].advisory())
            .or_else(|| self.iter().find(|advisory| advisory.aliases().iter().any(|alias| alias == id)))
    }

    /// All advisories, ordered by id, including rejected ones.
    pub fn iter(&self) -> impl Iterator<Item = &Advisory> {
        self.all.iter().map(StoredAdvisory::advisory)
    }

    /// The date of the advisories.
    #[must_use]
    pub fn date(&self) -> NaiveDate {
        self.date
    }

    /// The source of the advisories.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The hash of the names and texts of all files, `sha256:…`.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The number of advisories, including rejected ones.
    #[must_use]
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Whether an advisory lists a package with this name.
    #[must_use]
    pub fn lists(&self, package: &str) -> bool {
        self.by_package.contains_key(&package.to_lowercase())
    }
}

impl Advisory {
    fn read(file: &str, stem: &str, text: &str) -> Result<Self, Error> {
        let record: osv::Record = parse(file, text)?;
        let vigie = &record.database_specific.vigie;
        let fail = |field: &str, message: &str| Err(error(file, field, message));
        if record.id != stem {
            return fail("id", "the file is named after another id");
        }
        if chrono::DateTime::parse_from_rfc3339(&record.modified).is_err() {
            return fail("modified", "give a time like 2026-11-22T00:00:00Z");
        }
        if vigie.order == VersionOrder::Author {
            return fail(
                "database_specific.vigie.order",
                "versions without an order cannot be compared with ranges",
            );
        }
        if vigie.tested_up_to.is_some() && vigie.fixed_in.is_some() {
            return fail(
                "database_specific.vigie.tested_up_to",
                "it means that no fix is known, and fixed_in names one",
            );
        }
        let lasts = || {
            record
                .affected
                .iter()
                .flat_map(|affected| &affected.ranges)
                .flat_map(|range| &range.events)
                .filter_map(|event| event.last_affected.as_ref())
        };
        if vigie.tested_up_to.as_ref().is_some_and(|bound| !lasts().any(|last| last == bound)) {
            return fail("database_specific.vigie.tested_up_to", "no last_affected event names that version");
        }
        if vigie.fixed_in.is_some() && lasts().next().is_none() {
            return fail(
                "database_specific.vigie.fixed_in",
                "it needs a last_affected event; otherwise write a fixed event",
            );
        }
        let last_is_a_fix = |ranges: &[osv::Range]| {
            ranges
                .iter()
                .any(|range| range.events.last().is_some_and(|last| last.fixed.is_some()))
        };
        if vigie.disputed_fix.is_some() && !record.affected.iter().any(|affected| last_is_a_fix(&affected.ranges)) {
            return fail(
                "database_specific.vigie.disputed_fix",
                "it needs a range that ends with a fixed event: the later of the two",
            );
        }
        if record.affected.is_empty() {
            return fail("affected", "name at least one package");
        }
        let mut affected = Vec::new();
        for (i, entry) in record.affected.iter().enumerate() {
            let field = |rest: &str| format!("affected[{i}].{rest}");
            let name = match (&entry.package, &entry.database_specific) {
                (Some(package), None) => &package.name,
                (None, Some(own)) => &own.vigie.name,
                _ => {
                    return fail(
                        &field("package"),
                        "give either package, or database_specific.vigie where OSV has no such ecosystem",
                    );
                }
            };
            let ranges = if vigie.commit_range.is_some() {
                if !entry.ranges.is_empty() || !entry.versions.is_empty() {
                    return fail(&field("ranges"), "they stand beside a commit_range: keep one of the two");
                }
                None
            } else {
                let ranges = Ranges::read(entry, vigie).map_err(|(at, message)| {
                    let at = if at.starts_with("database_specific") { at } else { field(&at) };
                    error(file, &at, &message)
                })?;
                vigie.undecided.is_none().then_some(ranges)
            };
            affected.push((name.clone(), ranges));
        }
        Ok(Self { record, affected })
    }

    fn verdict_on(&self, names: &[String], queried: &mut QueriedVersion<'_>) -> AdvisoryVerdict {
        let vigie = &self.record.database_specific.vigie;
        let mut own_build = None;
        let (above, numbers) = (queried.above.clone(), queried.numbers);
        let judgement = match above.map_or_else(|| queried.under(vigie.order), Err) {
            Err(why) => Judgement {
                verdict: Verdict::Unknown,
                why,
                fixed: vigie.fixed_in.clone().or_else(|| self.last_fix()),
            },
            Ok(version) => {
                own_build = version.own_build();
                self.affected
                    .iter()
                    .filter(|(name, _)| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
                    .map(|(_, ranges)| match ranges {
                        Some(ranges) => ranges.judge(version, numbers.unwrap_or_else(|| ranges.numbers())),
                        None => self.undecidable(),
                    })
                    // If two packages of the product are listed, the worse verdict counts.
                    .min_by_key(|judgement| rank(judgement.verdict))
                    .unwrap_or_else(|| self.undecidable())
            }
        };
        let mut why = judgement.why;
        let mut doubts = usize::from(self.status() == Status::Disputed);
        if judgement.verdict != Verdict::Unknown
            && let Some(own) = own_build
        {
            why = format!("{why}; but {own}");
            doubts += 1;
        }
        if judgement.verdict != Verdict::Unknown
            && let Some(doubt) = &vigie.doubt
        {
            why = format!("{why}; but {doubt}");
            doubts += 1;
        }
        // A condition does not lower the confidence that a version is out of range.
        doubts += usize::from(judgement.verdict == Verdict::Affected && !vigie.conditions.is_empty());
        AdvisoryVerdict {
            id: self.record.id.clone(),
            verdict: judgement.verdict,
            why,
            severity: vigie.severity,
            exploited: vigie.known_exploited,
            disputed: self.status() == Status::Disputed,
            fixed: judgement.fixed,
            conditions: vigie.conditions.clone(),
            confidence: match (judgement.verdict, doubts) {
                (Verdict::Unknown, _) => Confidence::Low,
                (_, 0) => Confidence::High,
                (_, 1) => Confidence::Medium,
                _ => Confidence::Low,
            },
        }
    }

    /// The ranges of some packages.
    fn ranges_of(&self, names: &[String]) -> impl Iterator<Item = &Ranges> {
        self.affected
            .iter()
            .filter(|(name, _)| names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name)))
            .filter_map(|(_, ranges)| ranges.as_ref())
    }

    /// The verdict if no version can be compared.
    fn undecidable(&self) -> Judgement {
        let vigie = &self.record.database_specific.vigie;
        let why = match (&vigie.undecided, &vigie.commit_range) {
            (Some(why), _) => why.clone(),
            (None, Some(range)) => {
                format!("stated in commits ({range}), which a version does not tell")
            }
            (None, None) => "no range is stated for this package".to_owned(),
        };
        Judgement {
            verdict: Verdict::Unknown,
            why,
            fixed: None,
        }
    }

    /// The last `fixed` event, for hosts with an unknown version.
    fn last_fix(&self) -> Option<String> {
        self.record
            .affected
            .iter()
            .flat_map(|affected| &affected.ranges)
            .flat_map(|range| &range.events)
            .filter_map(|event| event.fixed.clone())
            .next_back()
    }

    /// The id, e.g. `CVE-2024-37032`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// The other ids.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.record.aliases
    }

    /// The affected packages.
    pub fn packages(&self) -> impl Iterator<Item = &str> {
        self.affected.iter().map(|(name, _)| name.as_str())
    }

    /// The status; a withdrawn record counts as rejected.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.record.withdrawn.is_some() {
            return Status::Rejected;
        }
        self.record.database_specific.vigie.status
    }

    /// The severity.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.record.database_specific.vigie.severity
    }

    /// Whether it is known to be exploited.
    #[must_use]
    pub fn exploited(&self) -> bool {
        self.record.database_specific.vigie.known_exploited
    }

    /// The effects, e.g. `remote-code-execution`.
    #[must_use]
    pub fn effects(&self) -> &[String] {
        &self.record.database_specific.vigie.effects
    }

    /// The version order of its ranges.
    #[must_use]
    pub fn order(&self) -> VersionOrder {
        self.record.database_specific.vigie.order
    }

    /// A note for readers.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.record.database_specific.vigie.note.as_deref()
    }

    /// Web pages about it.
    pub fn references(&self) -> impl Iterator<Item = &str> {
        self.record.references.iter().map(|reference| reference.url.as_str())
    }
}

/// The version in question, parsed at most once per version order.
struct QueriedVersion<'a> {
    text: Option<&'a str>,
    order: VersionOrder,
    parsed: BTreeMap<VersionOrder, Result<Version, String>>,
    /// The reason why it is above all known releases, if it is.
    above: Option<String>,
    /// The number of numeric components of the product's releases, from the newest known one.
    numbers: Option<usize>,
}

impl QueriedVersion<'_> {
    /// The version in an advisory's order, or why it cannot be compared.
    fn under(&mut self, order: VersionOrder) -> Result<&Version, String> {
        let Some(text) = self.text else {
            return Err("no version was reported".to_owned());
        };
        let builds = VersionOrder::LlamaBuild;
        if (order == builds) != (self.order == builds) {
            return Err(format!(
                "its versions are ordered as {}, the product's as {}",
                order::order_word(order),
                order::order_word(self.order)
            ));
        }
        self.parsed
            .entry(order)
            .or_insert_with(|| Version::parse(order, text).map(Version::public).map_err(|error| error.to_string()))
            .as_ref()
            .map_err(Clone::clone)
    }
}

/// The order in which verdicts are listed.
fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Affected => 0,
        Verdict::Unknown => 1,
        Verdict::NotAffected => 2,
    }
}

fn read_index(file: &str, text: &str) -> Result<osv::Index, Error> {
    let index: osv::Index = parse(file, text)?;
    if index.schema != SCHEMA {
        return Err(error(file, "schema", &format!("this version reads {SCHEMA}")));
    }
    Ok(index)
}

fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|failure| {
        // Invalid JSON has no path; the message gives the line.
        let field = match failure.path().to_string() {
            path if path == "?" => ".".to_owned(),
            path => path,
        };
        error(file, &field, &failure.inner().to_string())
    })?;
    json.end().map_err(|failure| error(file, ".", &failure.to_string()))?;
    Ok(value)
}

fn error(file: &str, field: &str, message: &str) -> Error {
    Error {
        file: file.to_owned(),
        field: field.to_owned(),
        message: message.to_owned(),
    }
}

/// `CVE-2024-37032` of `advisories/CVE-2024-37032.json`.
fn stem(name: &str) -> &str {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    name.strip_suffix(".json").unwrap_or(name)
}

/// The hash of names without their path and of texts. Each is preceded by its length, so that different sets give different bytes.
fn hash(files: &BTreeMap<&str, &str>) -> String {
    let mut sorted: Vec<(&str, &str)> = files.iter().map(|(name, text)| (stem(name), *text)).collect();
    sorted.sort_unstable();
    let length: usize = sorted.iter().map(|(name, text)| name.len() + text.len() + 16).sum();
    let mut bytes = Vec::with_capacity(length);
    for part in sorted.into_iter().flat_map(|(name, text)| [name, text]) {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    vigie_model::sha256(&bytes)
}

#[cfg(test)]
mod tests;
