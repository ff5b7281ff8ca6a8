//! One MMDB file: opened, recognised, asked.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use chrono::DateTime;
use maxminddb::{MaxMindDbError, Reader, WithinOptions};
use vigie_model::Timestamp;

use crate::record::{Keys, Record};

/// The largest file: the largest published ones (every address by itself) stay below. It is held in memory whole.
const MAX_BYTES: u64 = 4 << 30;
/// How many records are looked at to recognise a layout.
const RECORDS: usize = 64;
/// How many leaves of the tree are looked at to find them: a broken tree may have more leaves than there are addresses.
const LEAVES: usize = 100_000;

/// What a file can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DatabaseField {
    /// The country.
    Country,
    /// The city.
    City,
    /// The number of the autonomous system.
    Asn,
    /// Its organisation.
    Organisation,
    /// The file's own word for the type of the autonomous system.
    AsType,
}

impl DatabaseField {
    /// For people.
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
        /// What the system said.
        source: std::io::Error,
    },
    /// It is too large, or no file.
    #[error("{} is not read: {why}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// It is no MMDB file, or a broken one.
    #[error("{} is no sound MMDB file: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        why: String,
    },
    /// Its layout is not known.
    #[error(
        "{}: the layout of \"{database_type}\" is not known; its records have the keys {}; country, city and AS files of GeoLite2, GeoIP2, \
         DB-IP, IPinfo and ip-location-db are read",
        path.display(),
        if keys.is_empty() { "(none)".to_owned() } else { keys.join(", ") }
    )]
    Layout {
        /// The file.
        path: PathBuf,
        /// As its metadata names it.
        database_type: String,
        /// The keys that its records have.
        keys: Vec<String>,
    },
}

/// One MMDB file.
///
/// It is read into memory whole. Mapping it would need `unsafe`, which this house forbids, and rightly: an updater that writes
/// over the file while it is mapped ends the program. It costs the file's size in memory (8 to 130 MB for the free ones).
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

/// `dbip-asn.mmdb ("DBIP-ASN-Lite", built 2026-11-01): AS number, organisation`.
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
    /// Reads and recognises a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is no MMDB file, or has a layout that is not known.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let wrap = |source| Error::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(wrap)?;
        let about = file.metadata().map_err(wrap)?;
        let why = if !about.is_file() {
            Some("it is no regular file".to_owned())
        } else if about.len() > MAX_BYTES {
            Some(format!("it has {} bytes, and at most {MAX_BYTES} are held in memory", about.len()))
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
        // The limit holds for a file that grows meanwhile, too.
        file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(wrap)?;
        Self::of_bytes(path, bytes)
    }

    /// The same of bytes that were read; `path` is for what is said about them.
    ///
    /// # Errors
    ///
    /// If they are no MMDB file, or one of a layout that is not known.
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
            // Written as 0 where a maker does not say.
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

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name without its folder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The type that its metadata names, with control characters taken out.
    #[must_use]
    pub fn kind(&self) -> String {
        shown(&self.reader.metadata().database_type)
    }

    /// When it was built, from its metadata; `None` where they do not say.
    #[must_use]
    pub fn built(&self) -> Option<Timestamp> {
        self.built
    }

    /// What its first records told: a field that is rare in them may be missing here and is read all the same.
    #[must_use]
    pub fn fields(&self) -> &BTreeSet<DatabaseField> {
        &self.fields
    }

    /// What it says of an address; `None` if it holds none of it.
    pub(crate) fn ask(&self, address: IpAddr) -> Result<Option<Record<'_>>, MaxMindDbError> {
        if address.is_ipv6() && self.reader.metadata().ip_version == 4 {
            return Ok(None);
        }
        self.reader.lookup(address)?.decode()
    }

    /// What to say of an address that it does not hold: `not in asn.mmdb, built 2026-09-21`.
    #[must_use]
    pub fn absent(&self) -> &str {
        &self.absent
    }

    /// The reader, to measure against.
    #[doc(hidden)]
    #[must_use]
    pub fn reader(&self) -> &Reader<Vec<u8>> {
        &self.reader
    }
}

struct Sample {
    recognised: bool,
    fields: BTreeSet<DatabaseField>,
    keys: Vec<String>,
    broken: Option<MaxMindDbError>,
}

/// Looks at the first records that differ.
fn sample(reader: &Reader<Vec<u8>>) -> Sample {
    let mut sample = Sample {
        recognised: false,
        fields: BTreeSet::new(),
        keys: Vec::new(),
        broken: None,
    };
    let mut met = HashSet::new();
    // With both options every step gives a leaf, so that their number bounds the work on a tree that leads in circles.
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
        match found.decode::<Record<'_>>() {
            Ok(said) => {
                let said = said.unwrap_or_default();
                sample.recognised |= said.is_recognised();
                let told = [
                    (DatabaseField::Country, said.country.is_some()),
                    (DatabaseField::City, said.city.is_some()),
                    (DatabaseField::Asn, said.asn.is_some()),
                    (DatabaseField::Organisation, said.organisation.is_some()),
                    (DatabaseField::AsType, said.word.is_some()),
                ];
                sample
                    .fields
                    .extend(told.into_iter().filter(|(_, told)| *told).map(|(field, _)| field));
            }
            Err(why) => {
                sample.broken.get_or_insert(why);
            }
        }
        if !sample.recognised
            && let Ok(Some(Keys(keys))) = found.decode::<Keys>()
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

/// A text of a file that somebody else wrote, fit for a message.
fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
