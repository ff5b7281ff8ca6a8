//! One MMDB file.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use vigie_model::Timestamp;

use crate::record::{MmdbRecord, RecordKeys};

/// The largest file. The largest published ones, with an entry for every address, are smaller. The whole file is held in memory.
const MAX_BYTES: u64 = 4 << 30;
/// The number of records that are read to recognise a layout.
const RECORDS: usize = 64;
/// The number of leaves of the tree that are searched for them: a broken tree may have more leaves than there are addresses.
const LEAVES: usize = 100_000;

/// A field that a file can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DatabaseField {
    /// The country.
    Country,
    /// The city.
    City,
    /// The number of the autonomous system.
    Asn,
    /// The organisation of the autonomous system.
    Organisation,
    /// The type of the autonomous system, in the words of the file.
    AsType,
}

impl DatabaseField {
    /// Its name, for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Country => "country",
            Self::City => "city",
            Self::Asn => "AS number",
            Self::Organisation => "organisation",
            Self::AsType => "AS type",
        }
    }
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// It is too large, or not a regular file.
    #[error("cannot use {}: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// It is not an MMDB file, or a broken one.
    #[error("{} is not a valid MMDB file: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// The error of the reader.
        why: String,
    },
    /// Its layout is unknown.
    #[error(
        "{}: the layout of \"{database_type}\" is not known; its records have the keys {}; use a country, city or AS file of GeoLite2, GeoIP2, \
         DB-IP, IPinfo or ip-location-db",
        path.display(),
        if keys.is_empty() { "(none)".to_owned() } else { keys.join(", ") }
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// The type according to its metadata.
        database_type: String,
        /// The keys of its records.
        keys: Vec<String>,
    },
}

/// One MMDB file.
///
/// The whole file is held in memory: 8 to 130 MB for the free ones. It is not mapped, because that needs `unsafe`, and an updater that
/// overwrites a mapped file would crash the program.
pub struct Database {
    path: PathBuf,
    name: String,
    reader: Reader<Vec<u8>>,
    fields: BTreeSet<DatabaseField>,
    built: Option<Timestamp>,
    absent: String,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.path)
            .field("fields", &self.fields)
            .finish_non_exhaustive()
    }
}

/// For example `dbip-asn.mmdb ("DBIP-ASN-Lite", built 2026-11-01): AS number, organisation`.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<&str> = self.fields.iter().map(|field| field.word()).collect();
        write!(f, "{} (\"{}\"", self.name, self.kind())?;
        if let Some(built) = self.built {
            write!(f, ", built {}", built.date_naive())?;
        }
        write!(f, "): {}", fields.join(", "))
    }
}

impl Database {
    /// Reads a file and recognises its layout.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is not an MMDB file, or has an unknown layout.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrap = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(wrap)?;
        let about = file.metadata().map_err(wrap)?;
        let why = if !about.is_file() {
            Some("it is not a regular file".to_owned())
        } else if about.len() > MAX_BYTES {
            Some(format!("it has {} bytes; at most {MAX_BYTES} are allowed", about.len()))
        } else {
            None
        };
        if let Some(why) = why {
            return Err(Error::Refused {
                path: path.to_owned(),
                why,
            });
        }
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
        // The limit also applies to a file that grows while it is read.
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(wrap)?;
        Self::of_bytes(path, bytes)
    }

    /// Reads a database from bytes. `path` is its name in messages.
    ///
    /// # Errors
    ///
    /// The bytes are not an MMDB file, or have an unknown layout.
    pub fn of_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, Error> {
        let broken = |why: &MaxMindDbError| Error::Broken {
            path: path.to_owned(),
            why: why.to_string(),
        };
        let reader = Reader::from_source(bytes).map_err(|why| broken(&why))?;
        let sample = sample(&reader);
        if !sample.recognised {
            return Err(match sample.broken {
                Some(why) if sample.keys.is_empty() => broken(&why),
                _ => Error::Layout {
                    path: path.to_owned(),
                    database_type: shown(&reader.metadata().database_type),
                    keys: sample.keys.iter().map(|key| shown(key)).collect(),
                },
            });
        }
        let built = i64::try_from(reader.metadata().build_epoch)
            .ok()
            .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
            // 0 means that the maker gives no time.
            .filter(|built| built.timestamp() > 0);
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Ok(Self {
            path: path.to_owned(),
            reader,
            fields: sample.fields,
            absent: match built {
                Some(built) => format!("not in {name}, built {}", built.date_naive()),
                None => format!("not in {name}"),
            },
            name,
            built,
        })
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The name of the file without its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type according to its metadata, without control characters.
    #[must_use]
    pub fn kind(&self) -> String {
        shown(&self.reader.metadata().database_type)
    }

    /// The build time according to its metadata, if they give one.
    #[must_use]
    pub fn built(&self) -> Option<Timestamp> {
        self.built
    }

    /// The fields found in its first records. A rare field may be missing here; it is read nevertheless.
    #[must_use]
    pub fn fields(&self) -> &BTreeSet<DatabaseField> {
        &self.fields
    }

    /// The record of an address, if there is one.
    pub(crate) fn lookup(&self, address: IpAddr) -> Result<Option<MmdbRecord<'_>>, MaxMindDbError> {
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Ok(None);
        }
        self.reader.lookup(address)?.decode()
    }

    /// The reason for an address without a record: `not in asn.mmdb, built 2026-09-21`.
    #[must_use]
    pub fn absent(&self) -> &str {
        &self.absent
    }

    /// The reader, for the benchmark.
    #[doc(hidden)]
    #[must_use]
    pub fn reader(&self) -> &Reader<Vec<u8>> {
        &self.reader
    }
}

/// What the first records show.
struct Sample {
    recognised: bool,
    fields: BTreeSet<DatabaseField>,
    keys: Vec<String>,
    broken: Option<MaxMindDbError>,
}

/// Reads the first distinct records to recognise the layout.
fn sample(reader: &Reader<Vec<u8>>) -> Sample {
    let mut sample = Sample {
        recognised: false,
        fields: BTreeSet::new(),
        keys: Vec::new(),
        broken: None,
    };
    let mut met = HashSet::new();
    // With both options every step returns a leaf, so the limit on leaves bounds the work on a circular tree.
    let options = WithinOptions::default().include_networks_without_data().include_aliased_networks();
    let networks = match reader.networks(options) {
        Ok(networks) => networks,
        Err(why) => {
            sample.broken = Some(why);
            return sample;
        }
    };
    for leaf in networks.take(LEAVES) {
        let found = match leaf {
            Ok(found) => found,
            Err(why) => {
                sample.broken.get_or_insert(why);
                continue;
            }
        };
        if !found.offset().is_some_and(|offset| met.insert(offset)) {
            continue;
        }
        match found.decode::<MmdbRecord<'_>>() {
            Ok(record) => {
                let record = record.unwrap_or_default();
                sample.recognised |= record.is_recognised();
                let present = [
                    (DatabaseField::Country, record.country.is_some()),
                    (DatabaseField::City, record.city.is_some()),
                    (DatabaseField::Asn, record.asn.is_some()),
                    (DatabaseField::Organisation, record.organisation.is_some()),
                    (DatabaseField::AsType, record.word.is_some()),
                ];
                sample
                    .fields
                    .extend(present.into_iter().filter(|(_, present)| *present).map(|(field, _)| field));
            }
            Err(why) => {
                sample.broken.get_or_insert(why);
            }
        }
        if !sample.recognised
            && let Ok(Some(RecordKeys(keys))) = found.decode::<RecordKeys>()
        {
            for key in keys {
                if sample.keys.len() < 32 && !sample.keys.contains(&key) {
                    sample.keys.push(key);
                }
            }
        }
        if met.len() >= RECORDS {
            break;
        }
    }
    sample
}

/// A text from a file, made safe for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
