//! Puts what is known of an address into a record.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};

use vigie_model::{Known, Network, Why};
use vigie_scope::special_purpose;

use crate::classes::Classes;
use crate::database::DatabaseField;
use crate::databases::{Databases, Location, Sourced};
use crate::views::{AsType, Tier};

/// How many autonomous systems are remembered: more than there are, and a bound where a source invents numbers.
const REMEMBERED: usize = 200_000;

/// Fills in the network of a record: what a source said stays, what is unknown is looked up.
#[derive(Debug)]
pub struct Enricher {
    databases: Databases,
    classes: Classes,
    /// By AS: what it was attributed by, and to what. Names rarely change, addresses do.
    remembered: RwLock<HashMap<u32, Remembered, ahash::RandomState>>,
}

#[derive(Debug)]
struct Remembered {
    organisation: Option<Box<str>>,
    word: Option<Box<str>>,
    classes: (AsType, Tier),
}

impl Enricher {
    /// Of the files that the user named, which may be none, and a mapping.
    #[must_use]
    pub fn new(databases: Databases, classes: Classes) -> Self {
        Self {
            databases,
            classes,
            remembered: RwLock::default(),
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
    /// An address that is nobody's in the public network (loopback, private, documentation) is not looked up. A thing that none of
    /// the files can tell keeps the reason that it had; one that they can tell and do not is not carried, and says by which file.
    pub fn enrich(&self, address: IpAddr, network: &mut Network) {
        if let Some((what, rfc)) = special_purpose(address) {
            nowhere(network, what, rfc);
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
            .ask(address, network.country.known().map(String::as_str), network.asn.known().copied());

        fill(&mut network.country, place.country, str::to_ascii_uppercase, || {
            self.because(DatabaseField::Country, &place)
        });
        fill(&mut network.city, place.city, str::to_owned, || {
            self.because(DatabaseField::City, &place)
        });
        fill_with(&mut network.asn, place.asn.map(|told| told.value), || {
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
                let (as_type, tier) = self.class(*asn, organisation, place.as_type.map(|told| told.value));
                fill_with(&mut network.class, Some(as_type.word().to_owned()), || None);
                fill_with(&mut network.tier, Some(tier.word().to_owned()), || None);
            }
            // No AS is known: that is no class, and not the same as an AS that nothing maps.
            Known::Unknown(unknown) => {
                if self.databases.first_with(DatabaseField::Asn).is_some() {
                    let unknown = || Some(Known::unknown_because(unknown.why, "no autonomous system is known"));
                    fill_with(&mut network.class, None, unknown);
                    fill_with(&mut network.tier, None, unknown);
                }
            }
        }
    }

    /// Why the files do not tell; `None` if none of them could.
    fn because<T>(&self, field: DatabaseField, place: &Location<'_>) -> Option<Known<T>> {
        let teller = self.databases.first_with(field)?;
        Some(match place.broken {
            Some(broken) => Known::unknown_because(Why::Unparsable, format!("a broken record in {}", broken.name())),
            None => Known::unknown_because(Why::NotCarried, teller.absent()),
        })
    }

    fn class(&self, asn: u32, organisation: Option<&str>, word: Option<&str>) -> (AsType, Tier) {
        {
            let remembered = self.remembered.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = remembered.get(&asn)
                && known.organisation.as_deref() == organisation
                && known.word.as_deref() == word
            {
                return known.classes;
            }
        }
        let attribution = self.classes.attribute(asn, organisation, word);
        let classes = (attribution.as_type.class, attribution.tier.class);
        let mut remembered = self.remembered.write().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() < REMEMBERED || remembered.contains_key(&asn) {
            remembered.insert(
                asn,
                Remembered {
                    organisation: organisation.map(Box::from),
                    word: word.map(Box::from),
                    classes,
                },
            );
        }
        classes
    }
}

fn fill(into: &mut Known<String>, told: Option<Sourced<'_, &str>>, own: fn(&str) -> String, why: impl FnOnce() -> Option<Known<String>>) {
    // Owned only where it is kept.
    if !into.is_known() {
        fill_with(into, told.map(|told| own(told.value)), why);
    }
}

fn fill_with<T>(into: &mut Known<T>, told: Option<T>, why: impl FnOnce() -> Option<Known<T>>) {
    if into.is_known() {
        return;
    }
    if let Some(told) = told.map(Known::Known).or_else(why) {
        *into = told;
    }
}

fn nowhere(network: &mut Network, what: &str, rfc: &str) {
    fn put<T>(into: &mut Known<T>, what: &str, rfc: &str) {
        fill_with(into, None, || {
            Some(Known::unknown_because(
                Why::NotCarried,
                format!("{what} ({rfc}): nobody's in the public network"),
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
