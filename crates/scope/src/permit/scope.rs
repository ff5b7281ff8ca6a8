//! Decides whether an address and port may be scanned now, and what else may be done there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use vigie_model::address::{AddressRange, Hosts, address_of, key_of};
use vigie_model::{EffectSet, Timestamp};

use super::refusal::{ExclusionSource, Refusal, excluded_by, port_refused};
use crate::address::own::OwnAddresses;
use crate::address::range_map::RangeMap;
use crate::address::special::{self, SpecialKind, SpecialRange};
use crate::file::opt_out::OptOutList;
use crate::file::scope_file::{RangeEntry, ScopeFile};
use crate::rate::limits::ScanLimits;

/// What may be scanned: a scope file or the default, without what the opt-out lists exclude.
#[derive(Clone, Debug)]
pub struct Scope {
    pub(super) file: Option<ScopeFile>,
    pub(super) own: OwnAddresses,
    /// The index into the ranges of the file.
    pub(super) ranges: RangeMap<usize>,
    pub(super) names: HashMap<String, usize>,
    pub(super) excluded: RangeMap<Arc<ExclusionSource>>,
    pub(super) opted_out: RangeMap<Arc<ExclusionSource>>,
    /// Excluded names. Each excludes every name below it as well.
    pub(super) names_out: HashMap<String, Arc<ExclusionSource>>,
    pub(super) lists: Vec<OptOutList>,
}

/// What may be done with a host besides scanning it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// The effects that a scan may cause there besides reading, where it is asked to: `--prove` sends a prompt with `infer`, and may have
    /// a model loaded for it with `load`.
    pub effects: EffectSet,
    /// The host belongs to the owner of the scope.
    pub owner: bool,
}

/// An opt-out list that the scope file names was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope file names the opt-out list {name}, which was not read: nothing is scanned without it")]
pub struct MissingOptOut {
    /// The name of the list.
    pub name: String,
}

/// The entry that allows an address; `None` if it needs none.
pub(super) type Grant<'a> = Option<&'a RangeEntry>;

impl Scope {
    /// The default scope: loopback, this machine's own addresses and private ranges.
    #[must_use]
    pub fn without_file(own: &OwnAddresses) -> Self {
        Self::build(None, own, Vec::new())
    }

    /// The scope of a file, with loopback and this machine's own addresses. Private ranges must be listed like any other: a scope
    /// file is an agreement, and what it does not list was not agreed.
    ///
    /// # Errors
    ///
    /// The file names an opt-out list that is not among `lists`.
    pub fn with_file(file: ScopeFile, own: &OwnAddresses, lists: Vec<OptOutList>) -> Result<Self, MissingOptOut> {
        if let Some(name) = file.opt_out.iter().find(|name| !lists.iter().any(|list| list.name == **name)) {
            return Err(MissingOptOut { name: name.clone() });
        }
        Ok(Self::build(Some(file), own, lists))
    }

    /// The scope with another opt-out list.
    #[must_use]
    pub fn with_opt_out(mut self, list: OptOutList) -> Self {
        let mut lists = std::mem::take(&mut self.lists);
        lists.push(list);
        Self::build(self.file, &self.own, lists)
    }

    fn build(file: Option<ScopeFile>, own: &OwnAddresses, lists: Vec<OptOutList>) -> Self {
        let (mut ranges, mut names) = (Vec::new(), HashMap::new());
        let (mut excluded, mut opted_out, mut names_out) = (Vec::new(), Vec::new(), HashMap::new());
        let mut exclude_hosts = |subject: &Hosts, reason: ExclusionSource, into: &mut Vec<(AddressRange, Arc<ExclusionSource>)>| {
            let reason = Arc::new(reason);
            match subject {
                Hosts::Addresses(range) => into.push((*range, reason)),
                Hosts::Name(name) => {
                    names_out.entry(name.clone()).or_insert(reason);
                }
            }
        };
        let file_ranges = file.as_ref().map(|f| f.ranges.as_slice()).unwrap_or_default();
        for (index, range) in file_ranges.iter().enumerate() {
            match &range.hosts {
                Hosts::Addresses(range) => ranges.push((*range, index)),
                Hosts::Name(name) => {
                    names.insert(name.clone(), index);
                }
            }
            for subject in &range.exclusions {
                let entry = format!("{subject} under `exclusions`");
                let reason = ExclusionSource {
                    entry,
                    list: None,
                    line: range.line,
                    date: None,
                    why: None,
                };
                exclude_hosts(subject, reason, &mut excluded);
            }
        }
        for exclude in file.as_ref().map(|f| f.excludes.as_slice()).unwrap_or_default() {
            let reason = ExclusionSource {
                entry: exclude.hosts.to_string(),
                list: None,
                line: exclude.line,
                date: Some(exclude.date),
                why: Some(exclude.reason.clone()),
            };
            exclude_hosts(&exclude.hosts, reason, &mut excluded);
        }
        for list in &lists {
            for entry in &list.entries {
                let reason = ExclusionSource {
                    entry: entry.hosts.to_string(),
                    list: Some(list.name.clone()),
                    line: entry.line,
                    date: entry.date,
                    why: entry.reason.clone(),
                };
                exclude_hosts(&entry.hosts, reason, &mut opted_out);
            }
        }
        Self {
            file,
            own: own.clone(),
            ranges: RangeMap::build(ranges),
            names,
            excluded: RangeMap::build(excluded),
            opted_out: RangeMap::build(opted_out),
            names_out,
            lists,
        }
    }

    /// The scope file, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&ScopeFile> {
        self.file.as_ref()
    }

    /// The limits of the file, or the defaults.
    #[must_use]
    pub fn limits(&self) -> ScanLimits {
        self.file.as_ref().map(|f| f.limits).unwrap_or_default()
    }

    /// This machine's own addresses.
    #[must_use]
    pub fn own(&self) -> &OwnAddresses {
        &self.own
    }

    /// Whether a pair may be scanned now by its address. Checked again before each connection.
    ///
    /// # Errors
    ///
    /// The refusal, with the entry that forbids it.
    pub fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        let grant = self.grant(address, None)?;
        self.granted(grant, &|| address.to_canonical().to_string(), port, now)
    }

    /// Whether a pair may be scanned now by a name that resolved to the address.
    ///
    /// # Errors
    ///
    /// The refusal, with the entry that forbids it.
    pub fn permits_name(&self, name: &str, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        self.permits_lookup(name)?;
        let grant = self.grant(address, Some(name))?;
        self.granted(grant, &|| format!("{name} ({})", address.to_canonical()), port, now)
    }

    /// Whether a name may be resolved. It may not if the name, or a name above it, is excluded or opted out.
    ///
    /// # Errors
    ///
    /// The refusal, with the entry that forbids it.
    pub fn permits_lookup(&self, name: &str) -> Result<(), Refusal> {
        let name = normalised(name);
        let mut above = Some(name.as_str());
        while let Some(part) = above {
            if let Some(by) = self.names_out.get(part) {
                return Err(excluded_by(name.clone(), by));
            }
            above = part.split_once('.').map(|(_, rest)| rest);
        }
        Ok(())
    }

    fn grant(&self, address: IpAddr, name: Option<&str>) -> Result<Grant<'_>, Refusal> {
        let key = key_of(address);
        let carried = special::carried_ipv4(key);
        for key in [Some(key), carried].into_iter().flatten() {
            if let Some(by) = self.excluded.get(key).or_else(|| self.opted_out.get(key)) {
                return Err(excluded_by(address.to_canonical().to_string(), by));
            }
        }
        // Packets go to the IPv4 address that it carries, which must be a public one.
        if let Some(carried) = carried
            && let Some(row) = special::special_range(carried)
            && row.kind != SpecialKind::Public
        {
            let carried = address_of(carried);
            return Err(Refusal::Carries {
                subject: address,
                carried,
                what: row.what,
                rfc: row.rfc,
            });
        }
        let range = AddressRange::single(address);
        let (row, own, entry) = (
            special::special_range(key),
            self.own.contains(address),
            self.ranges.get(key).copied(),
        );
        self.decide(range, row, own, entry, name)
    }

    /// Decides about a range of addresses for which every lookup gives the same result.
    pub(super) fn decide(
        &self,
        range: AddressRange,
        row: Option<&'static SpecialRange>,
        own: bool,
        entry: Option<usize>,
        name: Option<&str>,
    ) -> Result<Grant<'_>, Refusal> {
        let kind = row.map_or(SpecialKind::Public, |row| row.kind);
        let ranges = self.file.as_ref().map(|f| f.ranges.as_slice());
        let entry = entry.and_then(|index| ranges?.get(index));
        let named = name.and_then(|name| self.names.get(&normalised(name)));
        let named = named.and_then(|index| ranges?.get(*index));
        if own || kind == SpecialKind::Loopback {
            return Ok(named.or(entry));
        }
        if let Some(row) = row.filter(|row| row.kind == SpecialKind::Never) {
            let subject = range.to_string();
            return Err(Refusal::Never {
                subject,
                range: row.range,
                what: row.what,
                rfc: row.rfc,
            });
        }
        match (ranges, named, entry) {
            (None, ..) if kind == SpecialKind::Private => Ok(None),
            (None, ..) => {
                let what = row.map_or("public".to_owned(), |row| format!("{} ({})", row.what, row.rfc));
                Err(Refusal::NeedsScopeFile {
                    subject: range.to_string(),
                    what,
                })
            }
            (Some(_), Some(_), None) if kind == SpecialKind::Private => Err(Refusal::LeadsInside {
                name: name.unwrap_or_default().to_owned(),
                address: range.first(),
            }),
            (Some(_), Some(entry), _) | (Some(_), None, Some(entry)) => Ok(Some(entry)),
            (Some(_), None, None) => Err(Refusal::NotInScope {
                subject: name.map_or_else(|| range.to_string(), |name| format!("{name} ({range})")),
            }),
        }
    }

    fn granted(&self, grant: Grant<'_>, subject: &dyn Fn() -> String, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        let Some(entry) = grant else { return Ok(Permit::default()) };
        self.in_time(now)?;
        if let Some(ports) = entry.ports.as_ref().filter(|ports| !ports.contains(port)) {
            return Err(port_refused(subject(), port.to_string(), entry, ports));
        }
        Ok(Permit {
            effects: entry.allow,
            owner: entry.owner,
        })
    }

    /// Whether the scope is valid at an instant. Without a file it always is.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`] and [`Refusal::OutsideWindow`].
    pub fn in_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let Some(file) = &self.file else { return Ok(()) };
        if now.date_naive() > file.expires {
            return Err(Refusal::Expired { on: file.expires });
        }
        match &file.window {
            Some(window) if !window.is_open(now) => {
                // A window that would open only after the expiry does not open again.
                let next = window.next_open(now).filter(|next| next.date_naive() <= file.expires);
                Err(Refusal::OutsideWindow {
                    window: window.to_string(),
                    next,
                })
            }
            _ => Ok(()),
        }
    }
}

/// A name as it is stored in the maps.
fn normalised(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{default_scope, full, ip, list, now, own, scope};

    /// A scope of all global IPv6 addresses.
    fn wide_scope() -> &'static Scope {
        static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
            let file = full().replace("cidr = \"2a00:db8:7::/48\"", "cidr = \"2000::/3\"");
            let file = ScopeFile::parse(&file, now()).unwrap_or_else(|e| panic!("{e}"));
            Scope::with_file(file, &OwnAddresses::default(), vec![list()]).unwrap_or_else(|e| panic!("{e}"))
        });
        &SCOPE
    }

    fn outcome<T: fmt::Debug>(result: Result<T, Refusal>) -> String {
        result.map_or_else(|refusal| refusal.to_string(), |permit| format!("{permit:?}"))
    }

    #[test]
    fn without_a_file() {
        let scope = Scope::without_file(&own()).with_opt_out(list());
        let shown: Vec<String> = [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.7.7",
            "169.254.1.1",
            "fd00::1",
            "fe80::1",
            "100.64.0.9",
            "::ffff:10.1.2.3",
            "100.64.0.1",
            "198.18.0.1",
            "1.1.1.1",
            "2a00::1",
            "::ffff:1.1.1.1",
            "64:ff9b::a01:203",
            "64:ff9b::101:101",
            "2002:7f00:1::1",
            "169.254.169.254",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "203.0.113.1",
            "240.0.0.1",
            "2001:db8::1",
            "ff02::1",
            "::",
            "10.9.1.1",
            "::ffff:10.9.1.1",
        ]
        .iter()
        .map(|a| format!("{a:<18} {}", outcome(scope.permits(ip(a), 80, now()))))
        .collect();
        insta::assert_snapshot!("without_a_file", shown.join("\n"));
    }

    #[test]
    fn with_a_file() {
        let scope = scope();
        let at = |text: &str| text.parse::<Timestamp>().expect("an instant");
        let (sunday, late) = (at("2026-11-22T09:00:00Z"), at("2027-02-01T09:00:00Z"));
        let shown: Vec<String> = [
            ("198.18.113.9", 11434, now()),
            ("198.18.113.9", 8050, now()),
            ("198.18.113.9", 22, now()),
            ("::ffff:198.18.113.9", 22, now()),
            ("198.18.113.9", 11434, sunday),
            ("198.18.113.9", 11434, late),
            ("198.18.113.66", 11434, now()),
            ("64:ff9b::c612:7142", 11434, now()),
            ("198.18.113.13", 11434, now()),
            ("198.18.113.200", 11434, now()),
            ("198.18.113.200", 22, now()),
            ("10.20.0.1", 22, now()),
            ("10.20.0.250", 22, now()),
            ("10.30.0.1", 22, now()),
            ("2a00:db8:7::1", 80, now()),
            ("127.0.0.1", 80, sunday),
            ("100.64.0.9", 80, late),
            ("1.1.1.1", 80, now()),
            ("224.0.0.1", 80, now()),
        ]
        .iter()
        .map(|(a, port, when)| format!("{a:<20} {port:<5} {}", outcome(scope.permits(ip(a), *port, *when))))
        .collect();
        insta::assert_snapshot!("with_a_file", shown.join("\n"));
    }

    #[test]
    fn names() {
        let scope = scope();
        let shown: Vec<String> = [
            ("gpu1.example.org", "1.1.1.1"),
            ("GPU1.example.org.", "1.1.1.1"),
            ("gpu1.example.org", "10.30.0.1"),
            ("gpu1.example.org", "10.20.0.1"),
            ("gpu1.example.org", "127.0.0.1"),
            ("gpu1.example.org", "169.254.169.254"),
            ("gpu1.example.org", "198.18.113.66"),
            ("sub.gpu1.example.org", "1.1.1.1"),
            ("other.example.org", "198.18.113.9"),
            ("left-alone.example.org", "198.18.113.9"),
            ("www.left-alone.example.org", "198.18.113.9"),
            ("not-left-alone.example.org", "198.18.113.9"),
        ]
        .iter()
        .map(|(name, a)| format!("{name:<27} {a:<16} {}", outcome(scope.permits_name(name, ip(a), 11434, now()))))
        .collect();
        insta::assert_snapshot!("names", shown.join("\n"));
        let without = Scope::without_file(&own());
        assert!(without.permits_name("gpu.example.org", ip("10.0.0.1"), 80, now()).is_ok());
        assert!(without.permits_name("gpu.example.org", ip("1.1.1.1"), 80, now()).is_err());
    }

    #[test]
    fn a_missing_opt_out_list_is_an_error() {
        let file = ScopeFile::parse(&full(), now()).unwrap_or_else(|e| panic!("{e}"));
        let error = Scope::with_file(file, &own(), Vec::new()).err().map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some("the scope file names the opt-out list opt-out.txt, which was not read: nothing is scanned without it")
        );
    }

    #[test]
    fn refusals_are_small() {
        assert!(std::mem::size_of::<Result<Permit, Refusal>>() <= 128);
    }

    proptest! {
        #[test]
        fn the_notation_of_an_address_does_not_matter(bits in any::<u32>(), port in any::<u16>()) {
            let v4 = std::net::Ipv4Addr::from_bits(bits);
            for scope in [scope(), default_scope()] {
                let plain = scope.permits(IpAddr::V4(v4), port, now()).is_ok();
                let mapped = scope.permits(IpAddr::V6(v4.to_ipv6_mapped()), port, now()).is_ok();
                prop_assert_eq!(plain, mapped);
            }
        }

        #[test]
        fn special_ranges_are_never_permitted(bits in any::<u128>(), port in any::<u16>()) {
            let scope = wide_scope();
            let address = IpAddr::from(std::net::Ipv6Addr::from_bits(bits >> 3 | 1 << 125));
            if special::special_range(key_of(address)).is_some_and(|row| row.kind == SpecialKind::Never) {
                prop_assert!(scope.permits(address, port, now()).is_err());
            } else {
                prop_assert!(scope.permits(address, port, now()).is_ok() || special::carried_ipv4(key_of(address)).is_some());
            }
        }
    }
}
