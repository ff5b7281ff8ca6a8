//! Several MMDB files, asked in turn.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::database::{Database, Error, Field};
use crate::record::Said;

/// Any number of MMDB files, in the order in which they were named: the first that knows a thing tells it.
#[derive(Debug, Default)]
pub struct Places {
    databases: Vec<Database>,
}

/// A value and the file that told it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'p, T> {
    /// What it says.
    pub value: T,
    /// Which file, with [`Database::name`] and [`Database::built`].
    pub by: &'p Database,
}

/// What the files say of an address. `None` is not known to any of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'p> {
    /// ISO 3166-1 alpha-2, as the file writes it. Where the address stands, not where its owner is registered.
    pub country: Option<Told<'p, &'p str>>,
    /// The city, of a file that agrees with the country.
    pub city: Option<Told<'p, &'p str>>,
    /// The number of the autonomous system, never 0.
    pub asn: Option<Told<'p, u32>>,
    /// Its organisation, of a file that agrees with the number.
    pub organisation: Option<Told<'p, &'p str>>,
    /// The file's own word for the type of the AS, of a file that agrees with the number.
    pub as_type: Option<Told<'p, &'p str>>,
    /// The first file whose record for this address is broken.
    pub broken: Option<&'p Database>,
}

impl Places {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read, is no MMDB file, or has a layout that is not known.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let databases = paths.iter().map(|path| Database::open(path)).collect::<Result<_, _>>()?;
        Ok(Self { databases })
    }

    /// Of files that are open.
    #[must_use]
    pub fn of(databases: Vec<Database>) -> Self {
        Self { databases }
    }

    /// The files, in their order.
    #[must_use]
    pub fn databases(&self) -> &[Database] {
        &self.databases
    }

    /// The first file that can tell a thing at all.
    #[must_use]
    pub fn teller(&self, field: Field) -> Option<&Database> {
        self.databases.iter().find(|database| database.fields().contains(&field))
    }

    /// Looks an address up, whatever its kind. An IPv4 address written as IPv6 is looked up as IPv4.
    #[must_use]
    pub fn place(&self, address: IpAddr) -> Place<'_> {
        self.ask(address, None, None)
    }

    /// The same where country and AS are known already: what hangs on them is taken of files that agree.
    pub(crate) fn ask(&self, address: IpAddr, country: Option<&str>, asn: Option<u32>) -> Place<'_> {
        let address = address.to_canonical();
        let mut place = Place::default();
        for by in &self.databases {
            let said: Said<'_> = match by.ask(address) {
                Ok(said) => said.unwrap_or_default(),
                Err(_) => {
                    place.broken = place.broken.or(Some(by));
                    continue;
                }
            };
            let told = |value| Told { value, by };
            place.country = place.country.or(said.country.map(told));
            place.asn = place.asn.or(said.asn.map(|value| Told { value, by }));

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
