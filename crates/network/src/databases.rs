//! Several MMDB files, asked in turn.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::database::{Database, DatabaseField, Error};
use crate::record::Record;

/// Any number of MMDB files, in the order in which they were named: the first that knows a thing tells it.
#[derive(Debug, Default)]
pub struct Databases {
    files: Vec<Database>,
}

/// A value and the file that told it.
#[derive(Clone, Copy, Debug)]
pub struct Sourced<'p, T> {
    /// What it says.
    pub value: T,
    /// Which file, with [`Database::name`] and [`Database::built`].
    pub by: &'p Database,
}

/// What the files say of an address. `None` is not known to any of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Location<'p> {
    /// ISO 3166-1 alpha-2, as the file writes it. Where the address stands, not where its owner is registered.
    pub country: Option<Sourced<'p, &'p str>>,
    /// The city, of a file that agrees with the country.
    pub city: Option<Sourced<'p, &'p str>>,
    /// The number of the autonomous system, never 0.
    pub asn: Option<Sourced<'p, u32>>,
    /// Its organisation, of a file that agrees with the number.
    pub organisation: Option<Sourced<'p, &'p str>>,
    /// The file's own word for the type of the AS, of a file that agrees with the number.
    pub as_type: Option<Sourced<'p, &'p str>>,
    /// The first file whose record for this address is broken.
    pub broken: Option<&'p Database>,
}

impl Databases {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read, is no MMDB file, or has a layout that is not known.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let files = paths.iter().map(|path| Database::open(path)).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// Of files that are open.
    #[must_use]
    pub fn of(files: Vec<Database>) -> Self {
        Self { files }
    }

    /// The files, in their order.
    #[must_use]
    pub fn files(&self) -> &[Database] {
        &self.files
    }

    /// The first file that can tell a thing at all.
    #[must_use]
    pub fn first_with(&self, field: DatabaseField) -> Option<&Database> {
        self.files.iter().find(|database| database.fields().contains(&field))
    }

    /// Looks an address up, whatever its kind. An IPv4 address written as IPv6 is looked up as IPv4.
    #[must_use]
    pub fn locate(&self, address: IpAddr) -> Location<'_> {
        self.ask(address, None, None)
    }

    /// The same where country and AS are known already: what hangs on them is taken of files that agree.
    pub(crate) fn ask(&self, address: IpAddr, country: Option<&str>, asn: Option<u32>) -> Location<'_> {
        let address = address.to_canonical();
        let mut place = Location::default();
        for by in &self.files {
            let said: Record<'_> = match by.ask(address) {
                Ok(said) => said.unwrap_or_default(),
                Err(_) => {
                    place.broken = place.broken.or(Some(by));
                    continue;
                }
            };
            let told = |value| Sourced { value, by };
            place.country = place.country.or(said.country.map(told));
            place.asn = place.asn.or(said.asn.map(|value| Sourced { value, by }));

            // One file's city in another file's country, or one AS under the name of another, is worse than nothing.
            let chosen = country.or(place.country.map(|country| country.value));
            if said
                .country
                .zip(chosen)
                .is_none_or(|(said, chosen)| said.eq_ignore_ascii_case(chosen))
            {
                place.city = place.city.or(said.city.map(told));
            }
            let chosen = asn.or(place.asn.map(|asn| asn.value));
            if said.asn.is_some() && said.asn == chosen {
                place.organisation = place.organisation.or(said.organisation.map(told));
                place.as_type = place.as_type.or(said.word.map(told));
            }
        }
        place
    }
}
