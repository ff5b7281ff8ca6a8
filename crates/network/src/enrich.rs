//! Adds the network of an address to a record.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use vigie_model::{Known, Network, Why};
use vigie_scope::special_purpose;

use crate::classes::Classes;
use crate::database::DatabaseField;
use crate::databases::{Databases, Location, Sourced};
use crate::views::{AsType, Tier};

/// The most autonomous systems whose classes are cached: more than there are, and a bound if a source invents numbers.
const MAX_CACHED: usize = 200_000;

/// Fills in the network of a record. Values from a source stay; unknown ones are looked up.
#[derive(Debug)]
pub struct Enricher {
    databases: Databases,
    classes: Classes,
    /// A cache of classes by AS.
    cached: RwLock<HashMap<u32, CachedClass, ahash::RandomState>>,
}

#[derive(Debug)]
struct CachedClass {
    organisation: Option<Box<str>>,
    word: Option<Box<str>>,
    classes: (AsType, Tier),
}

impl Enricher {
    /// Takes the files that the user named, which may be none, and a mapping.
    #[must_use]
    pub fn new(databases: Databases, classes: Classes) -> Self {
        Self {
            databases,
            classes,
            cached: RwLock::default(),
        }
    }

    /// The files.
    #[must_use]
    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    /// The mapping.
    #[must_use]
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Fills in what is unknown.
    ///
    /// Special-purpose addresses (loopback, private, documentation) are not looked up. A value that no file can have keeps its reason for
    /// being unknown. A value that a file can have, but has not for this address, becomes `not-carried` with the name of the file.
    pub fn enrich(&self, address: IpAddr, network: &mut Network) {
        if let Some((what, rfc)) = special_purpose(address) {
            mark_special(network, what, rfc);
            return;
        }
        let complete = network.country.is_known()
            && network.city.is_known()
            && network.asn.is_known()
            && network.organisation.is_known()
            && network.class.is_known()
            && network.tier.is_known();
        if complete {
            return;
        }
        let place = self
            .databases
            .lookup(address, network.country.known().map(String::as_str), network.asn.known().copied());

        fill(&mut network.country, place.country, str::to_ascii_uppercase, || {
            self.because(DatabaseField::Country, &place)
        });
        fill(&mut network.city, place.city, str::to_owned, || {
            self.because(DatabaseField::City, &place)
        });
        fill_with(&mut network.asn, place.asn.map(|asn| asn.value), || {
            self.because(DatabaseField::Asn, &place)
        });
        fill(&mut network.organisation, place.organisation, str::to_owned, || {
            self.because(DatabaseField::Organisation, &place)
        });
        if network.class.is_known() && network.tier.is_known() {
            return;
        }
        match &network.asn {
            Known::Known(asn) => {
                let organisation = network.organisation.known().map(String::as_str);
                let (as_type, tier) = self.class(*asn, organisation, place.as_type.map(|asn| asn.value));
                fill_with(&mut network.class, Some(as_type.word().to_owned()), || None);
                fill_with(&mut network.tier, Some(tier.word().to_owned()), || None);
            }
            // Without an AS there is no class, which differs from an AS that no entry maps.
            Known::Unknown(unknown) => {
                if self.databases.first_with(DatabaseField::Asn).is_some() {
                    let unknown = || Some(Known::unknown_because(unknown.why, "no autonomous system is known"));
                    fill_with(&mut network.class, None, unknown);
                    fill_with(&mut network.tier, None, unknown);
                }
            }
        }
    }

    /// Why the files have no value; `None` if no file can have the field.
    fn because<T>(&self, field: DatabaseField, place: &Location<'_>) -> Option<Known<T>> {
        let file = self.databases.first_with(field)?;
        Some(match place.broken {
            Some(broken) => Known::unknown_because(Why::Unparsable, format!("a broken record in {}", broken.name())),
            None => Known::unknown_because(Why::NotCarried, file.absent()),
        })
    }

    fn class(&self, asn: u32, organisation: Option<&str>, word: Option<&str>) -> (AsType, Tier) {
        {
            let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = cached.get(&asn)
                && known.organisation.as_deref() == organisation
                && known.word.as_deref() == word
            {
                return known.classes;
            }
        }
        let attribution = self.classes.attribute(asn, organisation, word);
        let classes = (attribution.as_type.class, attribution.tier.class);
        let mut cached = self.cached.write().unwrap_or_else(PoisonError::into_inner);
        if cached.len() < MAX_CACHED || cached.contains_key(&asn) {
            cached.insert(
                asn,
                CachedClass {
                    organisation: organisation.map(Box::from),
                    word: word.map(Box::from),
                    classes,
                },
            );
        }
        classes
    }
}

fn fill(into: &mut Known<String>, value: Option<Sourced<'_, &str>>, own: fn(&str) -> String, why: impl FnOnce() -> Option<Known<String>>) {
    // Allocates only if the value is kept.
    if !into.is_known() {
        fill_with(into, value.map(|value| own(value.value)), why);
    }
}

fn fill_with<T>(into: &mut Known<T>, value: Option<T>, why: impl FnOnce() -> Option<Known<T>>) {
    if into.is_known() {
        return;
    }
    if let Some(value) = value.map(Known::Known).or_else(why) {
        *into = value;
    }
}

/// Marks every unknown value of a special-purpose address.
fn mark_special(network: &mut Network, what: &str, rfc: &str) {
    fn put<T>(into: &mut Known<T>, what: &str, rfc: &str) {
        fill_with(into, None, || {
            Some(Known::unknown_because(
                Why::NotCarried,
                format!("{what} ({rfc}): not an address of the public Internet"),
            ))
        });
    }
    put(&mut network.country, what, rfc);
    put(&mut network.city, what, rfc);
    put(&mut network.asn, what, rfc);
    put(&mut network.organisation, what, rfc);
    put(&mut network.class, what, rfc);
    put(&mut network.tier, what, rfc);
}
