//! Several MMDB files, searched in order.

use std::net::IpAddr;
use std::path::PathBuf;

use crate::database::{Database, DatabaseField, Error};
use crate::record::MmdbRecord;

/// MMDB files, in the order in which the user named them. The first file that has a value provides it.
#[derive(Debug, Default)]
pub struct Databases {
    files: Vec<Database>,
}

/// A value and the file that it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Sourced<'p, T> {
    /// The value.
    pub value: T,
    /// The file; see [`Database::name`] and [`Database::built`].
    pub by: &'p Database,
}

/// What the files know about an address. `None`: no file has the value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Location<'p> {
    /// The country of the address as ISO 3166-1 alpha-2, as written in the file; not the country in which its owner is registered.
    pub country: Option<Sourced<'p, &'p str>>,
    /// The city, from a file that agrees with the country.
    pub city: Option<Sourced<'p, &'p str>>,
    /// The number of the autonomous system, never 0.
    pub asn: Option<Sourced<'p, u32>>,
    /// The organisation, from a file that agrees with the number.
    pub organisation: Option<Sourced<'p, &'p str>>,
    /// The type of the AS in the words of the file, from a file that agrees with the number.
    pub as_type: Option<Sourced<'p, &'p str>>,
    /// The first file whose record for this address is broken.
    pub broken: Option<&'p Database>,
}

impl Databases {
    /// Opens the files.
    ///
    /// # Errors
    ///
    /// The first file that cannot be read, is not an MMDB file, or has an unknown layout.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let files = paths.iter().map(|path| Database::open(path)).collect::<Result<_, _>>()?;
        Ok(Self { files })
    }

    /// Takes files that are open.
    #[must_use]
    pub fn of(files: Vec<Database>) -> Self {
        Self { files }
    }

    /// The files, in their order.
    #[must_use]
    pub fn files(&self) -> &[Database] {
        &self.files
    }

    /// The first file that has a field.
    #[must_use]
    pub fn first_with(&self, field: DatabaseField) -> Option<&Database> {
        self.files.iter().find(|database| database.fields().contains(&field))
    }

    /// Looks an address up, special-purpose ones too. An IPv4 address written as IPv6 is looked up as IPv4.
    #[must_use]
    pub fn locate(&self, address: IpAddr) -> Location<'_> {
        self.lookup(address, None, None)
    }

    /// Looks an address up whose country or AS is already known: the city, organisation and type then come from files that agree.
    pub(crate) fn lookup(&self, address: IpAddr, country: Option<&str>, asn: Option<u32>) -> Location<'_> {
        let address = address.to_canonical();
        let mut place = Location::default();
        for by in &self.files {
            let record: MmdbRecord<'_> = match by.lookup(address) {
                Ok(record) => record.unwrap_or_default(),
                Err(_) => {
                    place.broken = place.broken.or(Some(by));
                    continue;
                }
            };
            let sourced = |value| Sourced { value, by };
            place.country = place.country.or(record.country.map(sourced));
            place.asn = place.asn.or(record.asn.map(|value| Sourced { value, by }));

            // A city in the wrong country, or an AS with the name of another, would be worse than no value.
            let chosen = country.or(place.country.map(|country| country.value));
            if record
                .country
                .zip(chosen)
                .is_none_or(|(country, chosen)| country.eq_ignore_ascii_case(chosen))
            {
                place.city = place.city.or(record.city.map(sourced));
            }
            let chosen = asn.or(place.asn.map(|asn| asn.value));
            if record.asn.is_some() && record.asn == chosen {
                place.organisation = place.organisation.or(record.organisation.map(sourced));
                place.as_type = place.as_type.or(record.word.map(sourced));
            }
        }
        place
    }
}
