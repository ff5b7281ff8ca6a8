//! Where a lake is: in a folder, or under a prefix of an object store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError, ensure_table_uri};
use futures_util::StreamExt as _;
use object_store::{ObjectStore, ObjectStoreExt as _};
use url::Url;

use crate::{Error, Table};

/// How often a table is looked at anew when what was to be read is gone by then.
pub(crate) const LOOKS: u32 = 8;

/// Schemes of object stores that speak S3.
pub(crate) const STORES: [&str; 2] = ["s3://", "s3a://"];

/// Whether a lake's place is an object store's URL.
#[must_use]
pub fn is_in_a_store(place: &Path) -> bool {
    place
        .to_str()
        .is_some_and(|text| STORES.iter().any(|scheme| text.starts_with(scheme)))
}

/// The object store that an URL names; `None` for a folder.
///
/// # Errors
///
/// [`Error::NoStore`] where this vigie was built without stores; [`Error::Store`] where the environment does not describe it.
pub fn store_of(place: &Path) -> Result<Option<Arc<dyn ObjectStore>>, Error> {
    if !is_in_a_store(place) {
        return Ok(None);
    }
    #[cfg(not(feature = "s3"))]
    return Err(Error::NoStore(place.to_owned()));
    #[cfg(feature = "s3")]
    {
        let wrap = |why: String| Error::Store(place.to_owned(), why);
        let url = url::Url::parse(&place.to_string_lossy()).map_err(|error| wrap(error.to_string()))?;
        let store = crate::store::open(&url).map_err(|error| wrap(error.to_string()))?;
        Ok(Some(Arc::new(store)))
    }
}

/// What a cluster makes for a study, below a lake or another place; whoever made it removes it.
pub const SCRATCH: &str = "_scratch";

/// Removes a folder, or every object below an URL. That there is none is well.
///
/// # Errors
///
/// [`Error::Disk`] or [`Error::Store`] if something stays.
pub async fn remove(place: &Path) -> Result<(), Error> {
    let Some(store) = store_of(place)? else {
        return match std::fs::remove_dir_all(place) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::Disk {
                path: place.to_owned(),
                source,
            }),
            _ => Ok(()),
        };
    };
    let wrap = |error: object_store::Error| Error::Store(place.to_owned(), error.to_string());
    let below = prefix(place)?;
    let mut objects = store.list(Some(&below));
    while let Some(object) = objects.next().await {
        store.delete(&object.map_err(wrap)?.location).await.map_err(wrap)?;
    }
    Ok(())
}

/// Something below a folder or an URL.
#[must_use]
pub fn below(place: &Path, name: &str) -> PathBuf {
    if is_in_a_store(place) {
        PathBuf::from(format!("{}/{name}", place.to_string_lossy().trim_end_matches('/')))
    } else {
        place.join(name)
    }
}

/// What stands behind the bucket in an URL.
fn prefix(place: &Path) -> Result<object_store::path::Path, Error> {
    let text = place.to_string_lossy();
    let behind = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .map_or("", |(_, behind)| behind);
    object_store::path::Path::parse(behind.trim_end_matches('/')).map_err(|error| Error::Store(place.to_owned(), error.to_string()))
}

/// Refuses a folder that delta-rs, which knows it by a URL, would read as another one: half of each table would lie there.
fn nameable(place: &Path) -> Result<(), Error> {
    let refused = |why: &'static str| Err(Error::Unnameable(place.to_owned(), why));
    if place.to_str().is_some_and(|text| text.contains("://")) {
        return refused("it is neither a folder nor a URL of an object store that vigie knows (s3://)");
    }
    // What links lead to counts; what is not there yet has none.
    let whole = std::path::absolute(place).unwrap_or_else(|_| place.to_owned());
    let there = whole.ancestors().find_map(|part| Some((part, std::fs::canonicalize(part).ok()?)));
    let real = there.map_or_else(
        || whole.clone(),
        |(part, real)| real.join(whole.strip_prefix(part).unwrap_or(Path::new(""))),
    );
    for part in real.components() {
        let std::path::Component::Normal(part) = part else { continue };
        let Some(part) = part.to_str() else {
            return refused("a part of its path is not UTF-8");
        };
        if part.chars().any(|c| c.is_ascii_control()) {
            return refused("a control character stands in its path");
        }
        if part.contains('\\') {
            return refused("a backslash stands in its path");
        }
        let is_escape = |three: &[u8]| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
        if part.as_bytes().windows(3).any(is_escape) {
            return refused("a percent sign with two hexadecimal digits stands in its path");
        }
    }
    Ok(())
}

/// A folder as delta-rs wants it; it is made if it is not there. delta-rs itself takes a path for a URL where it can, and makes the name
/// of a store out of it.
fn url_of(folder: &Path) -> Result<Url, DeltaTableError> {
    let refused = |why: &dyn std::fmt::Display| DeltaTableError::InvalidTableLocation(format!("{}: {why}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|error| refused(&error))?;
    let folder = std::fs::canonicalize(folder).map_err(|error| refused(&error))?;
    let mut url = Url::from_directory_path(&folder).map_err(|()| refused(&"no URL can name it"))?;
    // These may stand in the path of a URL, and not in the name of a store.
    let path = url
        .path()
        .replace('[', "%5B")
        .replace(']', "%5D")
        .replace('^', "%5E")
        .replace('|', "%7C");
    url.set_path(&path);
    Ok(url)
}

/// Whether something failed because a file was gone. Layers in between keep no more than the text.
pub(crate) fn has_vanished(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| {
        let is_told = |text: &str| ["not found", "NotFound", "No such file"].iter().any(|sign| text.contains(sign));
        matches!(error.downcast_ref(), Some(object_store::Error::NotFound { .. })) || is_told(&error.to_string())
    })
}

/// A folder, or the URL of a prefix.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// As it was given; of a URL its text.
    shown: PathBuf,
    is_store: bool,
}

impl Place {
    /// # Errors
    ///
    /// [`Error::NoStore`] for a URL, where this vigie was built without stores; [`Error::Unnameable`] for what delta-rs would look for
    /// elsewhere.
    pub(crate) fn at(place: &Path) -> Result<Self, Error> {
        let is_store = is_in_a_store(place);
        if !is_store {
            nameable(place)?;
        }
        if is_store {
            #[cfg(not(feature = "s3"))]
            return Err(Error::NoStore(place.to_owned()));
            #[cfg(feature = "s3")]
            crate::store::register();
        }
        Ok(Self {
            shown: place.to_owned(),
            is_store,
        })
    }

    /// As it was given.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// A table's folder on this machine; `None` for a store, which makes things durable itself.
    pub(crate) fn folder(&self, table: Table) -> Option<PathBuf> {
        (!self.is_store).then(|| self.shown.join(table.name()))
    }

    /// Something below it.
    #[cfg(feature = "upkeep")]
    pub(crate) fn below(&self, name: &str) -> PathBuf {
        below(&self.shown, name)
    }

    /// A table that nobody has read yet, whether it is there or not.
    pub(crate) fn unloaded(&self, table: Table) -> Result<DeltaTable, Error> {
        let url = match self.folder(table) {
            Some(folder) => url_of(&folder),
            None => ensure_table_uri(below(&self.shown, table.name()).to_string_lossy()),
        };
        url.and_then(DeltaTableBuilder::from_url)
            .and_then(DeltaTableBuilder::build)
            .map_err(|source| self.cannot_open(table, source))
    }

    /// A table with its newest version, or `None` where it was not made yet.
    pub(crate) async fn load(&self, table: Table) -> Result<Option<DeltaTable>, Error> {
        if !self.may_hold(table) {
            return Ok(None);
        }
        let mut attempt = 1;
        loop {
            let mut delta = self.unloaded(table)?;
            match delta.load().await {
                Ok(()) => return Ok(Some(delta)),
                // The folder of the log was made and its first entry not yet: another process is at it, or was killed.
                Err(DeltaTableError::NotATable(_)) => return Ok(None),
                // Another process removed old entries of the log between the look at what there is and the reading of it.
                Err(source) if has_vanished(&source) && attempt < LOOKS => attempt += 1,
                Err(source) => return Err(self.cannot_open(table, source)),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether any table is there.
    pub(crate) async fn holds_a_lake(&self) -> Result<bool, Error> {
        for table in Table::ALL {
            if self.may_hold(table) && (!self.is_store || self.load(table).await?.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Makes the folder; a prefix needs no making.
    pub(crate) fn make(&self) -> Result<(), Error> {
        if self.is_store {
            return Ok(());
        }
        let wrap = |source| Error::Disk {
            path: self.shown.clone(),
            source,
        };
        let is_new = !self.shown.is_dir();
        std::fs::create_dir_all(&self.shown).map_err(wrap)?;
        // A folder that nobody can find after a loss of power holds nothing. One above it that may not be read cannot be asked.
        if is_new && cfg!(unix) {
            let whole = std::path::absolute(&self.shown).map_err(wrap)?;
            for above in whole.ancestors().skip(1) {
                match std::fs::File::open(above).and_then(|folder| folder.sync_all()) {
                    Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => break,
                    synced => synced.map_err(wrap)?,
                }
            }
        }
        Ok(())
    }

    pub(crate) fn cannot_open(&self, table: Table, source: DeltaTableError) -> Error {
        Error::Open {
            dir: self.shown.clone(),
            table,
            source: Box::new(source),
        }
    }

    /// Without a log there is no table. Of a store only it itself can tell.
    fn may_hold(&self, table: Table) -> bool {
        self.folder(table).is_none_or(|folder| folder.join("_delta_log").is_dir())
    }
}
