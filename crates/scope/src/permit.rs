//! May this address and port be looked at, now, and what may be done there?

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::NaiveDate;
use vigie_model::Timestamp;

use crate::Ports;
use crate::budget::ScanLimits;
use crate::file::{Hosts, RangeEntry, ScopeFile};
use crate::opt_out::OptOutList;
use crate::span::{AddressRange, RangeMap, address_of, key_of};
use crate::special::{self, Kind, SPECIAL, Special};
use crate::target::{Pairs, Targets};

/// What may be done with a host, beyond looking at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permit {
    /// Inference may be proved.
    pub infer: bool,
    /// A model may be loaded for that.
    pub load: bool,
    /// The scope's owner owns the host.
    pub owner: bool,
}

/// This machine's own addresses.
#[derive(Clone, Debug, Default)]
pub struct OwnAddresses(RangeMap<()>);

impl OwnAddresses {
    /// These addresses, as the system lists them. What cannot be one host's address is left out.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let one_host = |a: &IpAddr| !a.is_unspecified() && !a.is_multicast() && *a != IpAddr::from([255; 4]);
        let addresses = addresses.into_iter().map(|a| a.to_canonical()).filter(one_host);
        Self(RangeMap::build(addresses.map(|a| (AddressRange::single(a), ())).collect()))
    }

    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.get(key_of(address)).is_some()
    }
}

/// The entry that takes something out of the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExclusionSource {
    /// The entry, as it is understood.
    pub entry: String,
    /// The opt-out list it stands in; `None`: the scope file.
    pub list: Option<String>,
    /// The line it stands on.
    pub line: usize,
    /// Since when, if it says.
    pub date: Option<NaiveDate>,
    /// Why, if it says.
    pub why: Option<String>,
}

impl fmt::Display for ExclusionSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.as_deref().unwrap_or("the scope file");
        write!(f, "{} on line {} of {list}", self.entry, self.line)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

fn dated(word: &str, date: Option<NaiveDate>) -> String {
    date.map(|d| format!(" {word} {d}")).unwrap_or_default()
}

/// Why something may not be looked at, with the entry that says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// An address that nobody scans.
    #[error("{subject} is never scanned, not even with a scope file: {range} is {what} ({rfc})")]
    Never {
        /// What was asked for.
        subject: String,
        /// The special range.
        range: &'static str,
        /// What that range is.
        what: &'static str,
        /// Where that stands.
        rfc: &'static str,
    },
    /// An IPv6 address whose packets go to an IPv4 address that is not public.
    #[error("{subject} is never scanned: its packets go to {carried}, which is {what} ({rfc}); name that address instead")]
    Carries {
        /// What was asked for.
        subject: IpAddr,
        /// Where the packets go.
        carried: IpAddr,
        /// What that address is.
        what: &'static str,
        /// Where that stands.
        rfc: &'static str,
    },
    /// A public address, and no scope file.
    #[error(
        "{subject} is {what}: looking at it needs a scope file that says who answers for it; write one with `schema`, \
         `owner`, `contact`, `expires` and a `[[range]]` whose `cidr` holds it, and name it with --scope"
    )]
    NeedsScopeFile {
        /// What was asked for.
        subject: String,
        /// What it is: `public`, or which shared range.
        what: String,
    },
    /// Not in the scope file.
    #[error("{subject} is not in scope: no `[[range]]` of the scope file holds it; have it authorised and added first")]
    NotInScope {
        /// What was asked for.
        subject: String,
    },
    /// Taken out by the scope file.
    #[error("{subject} is excluded{}: {by}", dated("since", by.date))]
    Excluded {
        /// What was asked for.
        subject: String,
        /// The entry.
        by: Arc<ExclusionSource>,
    },
    /// Taken out by an opt-out list.
    #[error("{subject} opted out{}: {by}", dated("on", by.date))]
    OptedOut {
        /// What was asked for.
        subject: String,
        /// The entry.
        by: Arc<ExclusionSource>,
    },
    /// A port that the entry does not allow.
    #[error("port {port} of {subject} is not allowed: {entry} on line {line} of the scope file allows {ports}")]
    Port {
        /// What was asked for.
        subject: String,
        /// The port, or the ports.
        port: String,
        /// The entry.
        entry: String,
        /// The line on which it starts.
        line: usize,
        /// What it allows.
        ports: String,
    },
    /// Outside the hours.
    #[error("outside the scope's window ({window}){}", next.map(|n| format!(": it opens again at {}", n.format("%Y-%m-%d %H:%M UTC"))).unwrap_or_default())]
    OutsideWindow {
        /// The window.
        window: String,
        /// When it opens again.
        next: Option<Timestamp>,
    },
    /// Past its expiry.
    #[error("the scope expired on {on}: have it renewed before scanning")]
    Expired {
        /// The last day on which it held.
        on: NaiveDate,
    },
    /// A name of the scope file that leads inside.
    #[error(
        "{name} leads to {address}, which is private and not in scope by itself: a name could be pointed anywhere; \
         add the address as a `[[range]]` of its own"
    )]
    LeadsInside {
        /// The name.
        name: String,
        /// Where it leads.
        address: IpAddr,
    },
}

impl Refusal {
    /// Whether it is a matter of time, whatever the address: the window is closed, or the file expired. What it keeps from being
    /// looked at is left, for later or for a file that was renewed.
    #[must_use]
    pub fn is_of_time(&self) -> bool {
        matches!(self, Self::OutsideWindow { .. } | Self::Expired { .. })
    }
}

/// Every refusal of what was named. Nothing is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.0.iter().take(20).enumerate() {
            let line = if index > 0 { "\n" } else { "" };
            write!(f, "{line}{refusal}")?;
        }
        match self.0.len().saturating_sub(20) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for Refusals {}

/// An opt-out list that the scope file names was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scope file names the opt-out list {name}, which was not read: without it nothing is scanned")]
pub struct MissingOptOut {
    /// The list.
    pub name: String,
}

/// What may be looked at: a scope file, or the default without one, and opt-out lists.
#[derive(Clone, Debug)]
pub struct Scope {
    file: Option<ScopeFile>,
    own: OwnAddresses,
    /// By index into the file's ranges.
    ranges: RangeMap<usize>,
    names: HashMap<String, usize>,
    excluded: RangeMap<Arc<ExclusionSource>>,
    opted_out: RangeMap<Arc<ExclusionSource>>,
    /// Names taken out, each with all names below it.
    names_out: HashMap<String, Arc<ExclusionSource>>,
    lists: Vec<OptOutList>,
}

/// Which entry lets an address in; none: it needs no entry.
type Grant<'a> = Option<&'a RangeEntry>;

impl Scope {
    /// The default: loopback, this machine's own addresses and private ranges.
    #[must_use]
    pub fn without_file(own: &OwnAddresses) -> Self {
        Self::build(None, own, Vec::new())
    }

    /// What the file says, and loopback and this machine's own addresses. Private ranges must be named in it like any
    /// other: a scope file is an agreement, and what it leaves out was not agreed.
    ///
    /// # Errors
    ///
    /// If the file names an opt-out list that is not among `lists`.
    pub fn with_file(file: ScopeFile, own: &OwnAddresses, lists: Vec<OptOutList>) -> Result<Self, MissingOptOut> {
        if let Some(name) = file.opt_out.iter().find(|name| !lists.iter().any(|list| list.name == **name)) {
            return Err(MissingOptOut { name: name.clone() });
        }
        Ok(Self::build(Some(file), own, lists))
    }

    /// The same scope without those who opted out.
    #[must_use]
    pub fn with_opt_out(mut self, list: OptOutList) -> Self {
        let mut lists = std::mem::take(&mut self.lists);
        lists.push(list);
        Self::build(self.file, &self.own, lists)
    }

    fn build(file: Option<ScopeFile>, own: &OwnAddresses, lists: Vec<OptOutList>) -> Self {
        let (mut ranges, mut names) = (Vec::new(), HashMap::new());
        let (mut excluded, mut opted_out, mut names_out) = (Vec::new(), Vec::new(), HashMap::new());
        let mut take_out = |subject: &Hosts, reason: ExclusionSource, into: &mut Vec<(AddressRange, Arc<ExclusionSource>)>| {
            let reason = Arc::new(reason);
            match subject {
                Hosts::Addresses(span) => into.push((*span, reason)),
                Hosts::Name(name) => {
                    names_out.entry(name.clone()).or_insert(reason);
                }
            }
        };
        let file_ranges = file.as_ref().map(|f| f.ranges.as_slice()).unwrap_or_default();
        for (index, range) in file_ranges.iter().enumerate() {
            match &range.hosts {
                Hosts::Addresses(span) => ranges.push((*span, index)),
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
                take_out(subject, reason, &mut excluded);
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
            take_out(&exclude.hosts, reason, &mut excluded);
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
                take_out(&entry.hosts, reason, &mut opted_out);
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

    /// The limits that the file sets, or the defaults.
    #[must_use]
    pub fn limits(&self) -> ScanLimits {
        self.file.as_ref().map(|f| f.limits).unwrap_or_default()
    }

    /// This machine's own addresses, as given.
    #[must_use]
    pub fn own(&self) -> &OwnAddresses {
        &self.own
    }

    /// Whether the pair may be looked at now, reached by its address. Asked again before each connection.
    ///
    /// # Errors
    ///
    /// The refusal, with the entry that says so.
    pub fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        let grant = self.grant(address, None)?;
        self.granted(grant, &|| address.to_canonical().to_string(), port, now)
    }

    /// Whether the pair may be looked at now, reached by a name that resolved to the address.
    ///
    /// # Errors
    ///
    /// The refusal, with the entry that says so.
    pub fn permits_name(&self, name: &str, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        self.permits_lookup(name)?;
        let grant = self.grant(address, Some(name))?;
        self.granted(grant, &|| format!("{name} ({})", address.to_canonical()), port, now)
    }

    /// Whether a name may be resolved: unless it, or a name above it, was excluded or opted out.
    ///
    /// # Errors
    ///
    /// The refusal, with the entry that says so.
    pub fn permits_lookup(&self, name: &str) -> Result<(), Refusal> {
        let name = plain(name);
        let mut above = Some(name.as_str());
        while let Some(part) = above {
            if let Some(by) = self.names_out.get(part) {
                return Err(taken_out(name.clone(), by));
            }
            above = part.split_once('.').map(|(_, rest)| rest);
        }
        Ok(())
    }

    fn grant(&self, address: IpAddr, name: Option<&str>) -> Result<Grant<'_>, Refusal> {
        let key = key_of(address);
        let carried = special::carried(key);
        for key in [Some(key), carried].into_iter().flatten() {
            if let Some(by) = self.excluded.get(key).or_else(|| self.opted_out.get(key)) {
                return Err(taken_out(address.to_canonical().to_string(), by));
            }
        }
        // A packet to such an address goes to the IPv4 address in it, which must be one that a scope file can name.
        if let Some(carried) = carried
            && let Some(row) = special::special(carried)
            && row.kind != Kind::Public
        {
            let carried = address_of(carried);
            return Err(Refusal::Carries {
                subject: address,
                carried,
                what: row.what,
                rfc: row.rfc,
            });
        }
        let span = AddressRange::single(address);
        let (row, own, entry) = (special::special(key), self.own.contains(address), self.ranges.get(key).copied());
        self.decide(span, row, own, entry, name)
    }

    /// Decides over a run of addresses that are alike in all that is looked up.
    fn decide(
        &self,
        span: AddressRange,
        row: Option<&'static Special>,
        own: bool,
        entry: Option<usize>,
        name: Option<&str>,
    ) -> Result<Grant<'_>, Refusal> {
        let kind = row.map_or(Kind::Public, |row| row.kind);
        let ranges = self.file.as_ref().map(|f| f.ranges.as_slice());
        let entry = entry.and_then(|index| ranges?.get(index));
        let named = name.and_then(|name| self.names.get(&plain(name)));
        let named = named.and_then(|index| ranges?.get(*index));
        if own || kind == Kind::Loopback {
            return Ok(named.or(entry));
        }
        if let Some(row) = row.filter(|row| row.kind == Kind::Never) {
            let subject = span.to_string();
            return Err(Refusal::Never {
                subject,
                range: row.range,
                what: row.what,
                rfc: row.rfc,
            });
        }
        match (ranges, named, entry) {
            (None, ..) if kind == Kind::Private => Ok(None),
            (None, ..) => {
                let what = row.map_or("public".to_owned(), |row| format!("{} ({})", row.what, row.rfc));
                Err(Refusal::NeedsScopeFile {
                    subject: span.to_string(),
                    what,
                })
            }
            (Some(_), Some(_), None) if kind == Kind::Private => Err(Refusal::LeadsInside {
                name: name.unwrap_or_default().to_owned(),
                address: span.first(),
            }),
            (Some(_), Some(entry), _) | (Some(_), None, Some(entry)) => Ok(Some(entry)),
            (Some(_), None, None) => Err(Refusal::NotInScope {
                subject: name.map_or_else(|| span.to_string(), |name| format!("{name} ({span})")),
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
            infer: entry.infer,
            load: entry.load,
            owner: entry.owner,
        })
    }

    /// Whether the file holds at that instant; without a file always.
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
                // A window that opens again only after the expiry never does.
                let next = window.next_open(now).filter(|next| next.date_naive() <= file.expires);
                Err(Refusal::OutsideWindow {
                    window: window.to_string(),
                    next,
                })
            }
            _ => Ok(()),
        }
    }

    /// What the scope leaves of the targets. What lies outside the scope is an error; what was excluded, opted out, is
    /// never scanned, or is a port that an entry does not allow, is cut out and listed. The window is not asked: that is
    /// for the moment of sending ([`Self::in_time`]), and so are the IPv4 addresses that some IPv6 addresses carry.
    ///
    /// # Errors
    ///
    /// Everything that is out of scope; or why nothing is left.
    pub fn clip(&self, targets: &Targets, ports: &Ports) -> Result<Clipped, Refusals> {
        let mut clip = Clip::default();
        let direct = Targets::of(targets.entries().iter().filter(|t| matches!(t.hosts, Hosts::Addresses(_))).cloned());
        for segment in direct.pairs(ports).segments() {
            self.clip_span(segment.range, &segment.ports, None, &mut clip);
        }
        let default = Arc::new(ports.clone());
        for target in targets.entries() {
            let Hosts::Name(name) = &target.hosts else { continue };
            if let Err(refusal) = self.permits_lookup(name) {
                clip.skipped.push(Skipped {
                    addresses: 0,
                    why: refusal,
                });
                continue;
            }
            let ports = target.port.map_or_else(|| Arc::clone(&default), |p| Arc::new(Ports::new([p])));
            for address in targets.resolved(name) {
                self.clip_span(AddressRange::single(*address), &ports, Some(name), &mut clip);
            }
        }
        let pairs = Pairs::union(clip.wanted);
        if !clip.refused.is_empty() {
            return Err(Refusals(clip.refused));
        }
        if pairs.is_empty() && !clip.skipped.is_empty() {
            return Err(Refusals(clip.skipped.into_iter().map(|s| s.why).collect()));
        }
        Ok(Clipped {
            pairs,
            skipped: clip.skipped,
        })
    }

    fn clip_span(&self, span: AddressRange, ports: &Arc<Ports>, name: Option<&str>, clip: &mut Clip) {
        for (span, by) in self.excluded.cut(span) {
            if let Some(by) = by {
                clip.skip(span, taken_out(span.to_string(), by));
                continue;
            }
            for (span, by) in self.opted_out.cut(span) {
                if let Some(by) = by {
                    clip.skip(span, taken_out(span.to_string(), by));
                    continue;
                }
                for (span, row) in SPECIAL.cut(span) {
                    for (span, own) in self.own.0.cut(span) {
                        for (span, entry) in self.ranges.cut(span) {
                            let decided = self.decide(span, row.copied(), own.is_some(), entry.copied(), name);
                            clip.take(span, ports, decided);
                        }
                    }
                }
            }
        }
    }

    /// The hash of what is authorised, `sha256:<hex>`, over a canonical form: comments, the order of keys and entries,
    /// the way an address is written and defaults that are spelled out do not change it; opt-out lists do.
    #[must_use]
    pub fn hash(&self) -> String {
        vigie_model::sha256(self.canonical().as_bytes())
    }

    fn canonical(&self) -> String {
        let mut text = String::from("vigie.scope/1\n");
        // Debug quotes and escapes, so that no value can pose as another line.
        let mut line = |key: &str, value: &dyn fmt::Debug| {
            let _ = writeln!(text, "{key} {value:?}");
        };
        if let Some(file) = &self.file {
            line("owner", &file.owner);
            line("contact", &file.contact);
            line("authorised_by", &file.authorised_by);
            line("reference", &file.reference);
            line("expires", &file.expires.to_string());
            line("window", &file.window.as_ref().map(ToString::to_string));
            line("vantage", &file.vantage);
            let limits = file.limits;
            line("requests_per_host", &limits.requests_per_host);
            line("requests_per_prefix", &limits.requests_per_prefix);
            line("connections_per_second", &limits.connections_per_second);
            line("per_endpoint", &limits.per_endpoint);
            line("models", &limits.models);
            let mut ranges: Vec<_> = file
                .ranges
                .iter()
                .map(|r| {
                    let mut exclusions: Vec<String> = r.exclusions.iter().map(ToString::to_string).collect();
                    exclusions.sort();
                    let ports = r.ports.as_ref().map(ToString::to_string);
                    (r.hosts.to_string(), ports, r.owner, r.infer, r.load, exclusions, r.note.clone())
                })
                .collect();
            ranges.sort();
            ranges.iter().for_each(|range| line("range", range));
            let mut excludes: Vec<_> = file
                .excludes
                .iter()
                .map(|e| (e.hosts.to_string(), e.reason.clone(), e.date.to_string()))
                .collect();
            excludes.sort();
            excludes.iter().for_each(|exclude| line("exclude", exclude));
        } else {
            line("default", &"loopback, own and private");
        }
        let mut out: Vec<_> = self
            .lists
            .iter()
            .flat_map(|list| &list.entries)
            .map(|e| (e.hosts.to_string(), e.date.map(|d| d.to_string()), e.reason.clone()))
            .collect();
        out.sort();
        out.dedup();
        out.iter().for_each(|entry| line("opt-out", entry));
        text
    }

    /// A scope file to fill in, with these ranges, names or addresses in it. It is refused until `owner`, `contact` and
    /// `expires` are filled in.
    #[must_use]
    pub fn template(subjects: &[Hosts]) -> String {
        let mut text = String::from(TEMPLATE);
        for subject in subjects {
            let key = match subject {
                Hosts::Name(_) => "name",
                Hosts::Addresses(span) if !span.to_string().contains('-') => "cidr",
                Hosts::Addresses(_) => "range",
            };
            let _ = write!(text, "\n[[range]]\n{key} = \"{subject}\"\n");
        }
        if subjects.is_empty() {
            text.push_str("\n[[range]]\ncidr = \"\"               # or range = \"A-B\", or name = \"a host name\"\n");
        }
        text.push_str(TEMPLATE_END);
        text
    }
}

const TEMPLATE: &str = r#"# Who authorised this scan, of what, until when. Fill in what is empty.
schema = "vigie.scope/1"
owner = ""                 # who answers for the addresses below
contact = ""               # a mail address or a URL; it goes into every request
expires = ""               # the last day, e.g. 2027-01-31
# authorised_by = "who said yes"
# reference = "ticket or contract"
# vantage = "office"       # from where it is seen
# opt_out = ["opt-out.txt"]

# [window]                 # in UTC; without it: always
# days = ["mon", "tue", "wed", "thu", "fri"]
# hours = "08:00-18:00"
"#;

const TEMPLATE_END: &str = r#"# ports = [11434, "8000-8100"]   # without it: any port
# exclusions = []                # parts of it that are left alone
# owner = true                   # these hosts are the owner's own
# allow = ["infer"]              # and inference may be proved on them

# [[exclude]]
# cidr = ""
# reason = ""
# date = 2026-11-30
"#;

/// A name as it stands in the maps.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn taken_out(subject: String, by: &Arc<ExclusionSource>) -> Refusal {
    let by = Arc::clone(by);
    if by.list.is_some() {
        Refusal::OptedOut { subject, by }
    } else {
        Refusal::Excluded { subject, by }
    }
}

fn port_refused(subject: String, port: String, entry: &RangeEntry, ports: &Ports) -> Refusal {
    Refusal::Port {
        subject,
        port,
        entry: entry.hosts.to_string(),
        line: entry.line,
        ports: ports.to_string(),
    }
}

/// What the scope left of the targets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clipped {
    /// What may be looked at.
    pub pairs: Pairs,
    /// What was cut out, and why.
    pub skipped: Vec<Skipped>,
}

/// A part of the targets that is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// How many addresses; 0 for a name that is not resolved.
    pub addresses: u128,
    /// Why.
    pub why: Refusal,
}

#[derive(Default)]
struct Clip {
    wanted: Vec<(AddressRange, Arc<Ports>)>,
    skipped: Vec<Skipped>,
    refused: Vec<Refusal>,
    /// By list of ports and entry, so that a million addresses under one entry cost one comparison of ports.
    ports: HashMap<(*const Ports, usize), Allowed>,
}

/// What an entry leaves of a list of ports.
struct Allowed {
    /// Kept, so that its place in memory stays its own while it is a key.
    _asked: Arc<Ports>,
    left: Arc<Ports>,
    /// The index in `skipped` of what it refuses.
    refused: Option<usize>,
}

impl Clip {
    fn skip(&mut self, span: AddressRange, why: Refusal) {
        self.skipped.push(Skipped {
            addresses: span.size(),
            why,
        });
    }

    fn take(&mut self, span: AddressRange, ports: &Arc<Ports>, decided: Result<Grant<'_>, Refusal>) {
        let grant = match decided {
            Ok(grant) => grant,
            Err(refusal @ (Refusal::Never { .. } | Refusal::LeadsInside { .. })) => return self.skip(span, refusal),
            Err(refusal) => return self.refused.push(refusal),
        };
        let Some((entry, limit)) = grant.and_then(|entry| Some((entry, entry.ports.as_ref()?))) else {
            return self.wanted.push((span, Arc::clone(ports)));
        };
        let key = (Arc::as_ptr(ports), entry.line);
        if let Some(known) = self.ports.get(&key) {
            self.wanted.push((span, Arc::clone(&known.left)));
            if let Some(skipped) = known.refused.and_then(|index| self.skipped.get_mut(index)) {
                skipped.addresses = skipped.addresses.saturating_add(span.size());
                if let Refusal::Port { subject, .. } = &mut skipped.why {
                    *subject = format!("{} addresses", skipped.addresses);
                }
            }
            return;
        }
        let beyond = ports.without(limit);
        let refused = (!beyond.is_empty()).then(|| {
            self.skip(span, port_refused(span.to_string(), beyond.to_string(), entry, limit));
            self.skipped.len() - 1
        });
        let left = Arc::new(ports.and(limit));
        self.wanted.push((span, Arc::clone(&left)));
        self.ports.insert(
            key,
            Allowed {
                _asked: Arc::clone(ports),
                left,
                refused,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::file::tests::{full, now};

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn own() -> OwnAddresses {
        OwnAddresses::new(["100.64.0.9", "192.168.1.2", "0.0.0.0"].map(ip))
    }

    fn list() -> OptOutList {
        let text = "198.18.113.64/28 2026-05-01 # asked by mail, ticket 7\nleft-alone.example.org\n10.9.0.0/16\n";
        OptOutList::parse("opt-out.txt", text).unwrap_or_else(|e| panic!("{e}"))
    }

    /// Read once: the properties below ask for it hundreds of times.
    fn scope() -> &'static Scope {
        static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
            let file = ScopeFile::parse(&full(), now()).unwrap_or_else(|e| panic!("{e}"));
            Scope::with_file(file, &own(), vec![list()]).unwrap_or_else(|e| panic!("{e}"))
        });
        &SCOPE
    }

    fn default_scope() -> &'static Scope {
        static SCOPE: LazyLock<Scope> = LazyLock::new(|| Scope::without_file(&own()).with_opt_out(list()));
        &SCOPE
    }

    /// All of global IPv6, in one file.
    fn wide_scope() -> &'static Scope {
        static SCOPE: LazyLock<Scope> = LazyLock::new(|| {
            let file = full().replace("cidr = \"2a00:db8:7::/48\"", "cidr = \"2000::/3\"");
            let file = ScopeFile::parse(&file, now()).unwrap_or_else(|e| panic!("{e}"));
            Scope::with_file(file, &OwnAddresses::default(), vec![list()]).unwrap_or_else(|e| panic!("{e}"))
        });
        &SCOPE
    }

    fn said<T: fmt::Debug>(result: Result<T, Refusal>) -> String {
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
        .map(|a| format!("{a:<18} {}", said(scope.permits(ip(a), 80, now()))))
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
        .map(|(a, port, when)| format!("{a:<20} {port:<5} {}", said(scope.permits(ip(a), *port, *when))))
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
        .map(|(name, a)| format!("{name:<27} {a:<16} {}", said(scope.permits_name(name, ip(a), 11434, now()))))
        .collect();
        insta::assert_snapshot!("names", shown.join("\n"));
        let without = Scope::without_file(&own());
        assert!(without.permits_name("gpu.example.org", ip("10.0.0.1"), 80, now()).is_ok());
        assert!(without.permits_name("gpu.example.org", ip("1.1.1.1"), 80, now()).is_err());
    }

    #[test]
    fn clipping() {
        let scope = scope();
        let mut targets = Targets::parse_words(["198.18.113.0/24", "127.0.0.1:9", "gpu1.example.org", "www.left-alone.example.org"])
            .unwrap_or_else(|e| panic!("{e}"));
        targets.resolve("gpu1.example.org", ["1.1.1.1", "10.30.0.1"].map(ip));
        let ports = "22,11434".parse().unwrap_or_else(|e| panic!("{e}"));
        let clipped = scope.clip(&targets, &ports).unwrap_or_else(|e| panic!("{e}"));
        let mut shown: Vec<String> = clipped
            .pairs
            .segments()
            .iter()
            .map(|s| format!("{} {}", s.range, s.ports))
            .collect();
        shown.extend(clipped.skipped.iter().map(|s| format!("{} left out: {}", s.addresses, s.why)));
        insta::assert_snapshot!("clipped", shown.join("\n"));

        let refused = |words: &[&str]| {
            let targets = Targets::parse_words(words.iter().copied()).unwrap_or_else(|e| panic!("{e}"));
            scope
                .clip(&targets, &ports)
                .err()
                .map_or_else(|| "taken".to_owned(), |e| e.to_string())
        };
        let shown = [
            refused(&["198.18.112.0/23"]),
            refused(&["10.30.0.1", "8.0.0.0-8.0.0.9"]),
            refused(&["198.18.113.64/28"]),
            refused(&["198.18.113.9:22"]),
            refused(&["224.0.0.0/4"]),
        ];
        insta::assert_snapshot!("clip_refused", shown.join("\n--\n"));
        let without = Scope::without_file(&own());
        let targets = Targets::parse_words(["0.0.0.0/0"]).unwrap_or_else(|e| panic!("{e}"));
        assert!(without.clip(&targets, &ports).is_err());
    }

    #[test]
    fn the_hash_is_of_the_meaning() {
        let hash = |text: &str| {
            let file = ScopeFile::parse(text, now()).unwrap_or_else(|e| panic!("{e}"));
            Scope::with_file(file, &own(), vec![list()])
                .unwrap_or_else(|e| panic!("{e}"))
                .hash()
        };
        let full = full();
        let same = hash(&full);
        assert!(same.starts_with("sha256:") && same.len() == 71);
        let commented: String = full.lines().map(|l| format!("{}\n", l.split(" #").next().unwrap_or(l))).collect();
        assert_eq!(hash(&commented), same, "comments");
        assert_eq!(hash(&full.replace('\n', "\r\n")), same, "line ends");
        let (head, rest) = full.split_once('\n').unwrap_or_default();
        let (owner, rest) = rest.split_once('\n').unwrap_or_default();
        assert_eq!(hash(&format!("{owner}\n{head}\n{rest}")), same, "the order of keys");
        let blocks: Vec<&str> = full.split("[[range]]").collect();
        let (last, middle) = blocks[1..].split_last().unwrap_or_else(|| panic!("no range"));
        let (last, tail) = last.split_once("[budget]").unwrap_or((last, ""));
        let moved = format!(
            "{}[[range]]{last}\n[[range]]{}\n{}",
            blocks[0],
            middle.join("[[range]]"),
            if tail.is_empty() {
                String::new()
            } else {
                format!("[budget]{tail}")
            }
        );
        assert_eq!(hash(&moved), same, "the order of ranges");
        for (from, to) in [
            ("Example GmbH", "Another GmbH"),
            ("2027-01-31", "2027-02-01"),
            ("198.18.113.0/24", "198.18.113.0/25"),
            ("requests_per_host = 60", "requests_per_host = 61"),
            ("08:00-18:00", "08:00-19:00"),
        ] {
            assert!(full.contains(from), "{from}");
            let changed = full.replace(from, to);
            // A smaller range leaves the inner one outside, which is allowed; the hash must differ all the same.
            assert_ne!(hash(&changed), same, "{from}");
        }
        let file = ScopeFile::parse(&full, now()).unwrap_or_else(|e| panic!("{e}"));
        let other = OptOutList::parse("opt-out.txt", "10.9.0.0/16").unwrap_or_else(|e| panic!("{e}"));
        let other = Scope::with_file(file, &own(), vec![other]).unwrap_or_else(|e| panic!("{e}")).hash();
        assert_ne!(other, same, "opt-outs");
        let none = Scope::without_file(&own());
        assert_eq!(none.hash(), Scope::without_file(&OwnAddresses::default()).hash());
        insta::assert_snapshot!("hashes", format!("{same}\n{}", none.hash()));
    }

    #[test]
    fn an_opt_out_list_that_was_not_read_stops_everything() {
        let file = ScopeFile::parse(&full(), now()).unwrap_or_else(|e| panic!("{e}"));
        let error = Scope::with_file(file, &own(), Vec::new()).err().map(|e| e.to_string());
        assert_eq!(
            error.as_deref(),
            Some("the scope file names the opt-out list opt-out.txt, which was not read: without it nothing is scanned")
        );
    }

    #[test]
    fn the_template_is_refused_until_it_is_filled_in() {
        let subjects = [
            Hosts::Addresses(AddressRange::single(ip("198.18.0.1"))),
            Hosts::Name("gpu.example.org".into()),
        ];
        let template = Scope::template(&subjects);
        insta::assert_snapshot!("template", template);
        let refused = ScopeFile::parse(&template, now()).err().map(|e| e.to_string()).unwrap_or_default();
        insta::assert_snapshot!("template_refused", refused);
        let filled = template
            .replace("owner = \"\"", "owner = \"Example\"")
            .replace("contact = \"\"", "contact = \"a@example.org\"")
            .replace("expires = \"\"", "expires = 2027-01-31");
        assert!(ScopeFile::parse(&filled, now()).is_ok(), "{:?}", ScopeFile::parse(&filled, now()));
        assert!(ScopeFile::parse(&Scope::template(&[]), now()).is_err());
    }

    #[test]
    fn refusals_are_small() {
        assert!(std::mem::size_of::<Result<Permit, Refusal>>() <= 128);
    }

    proptest! {
        #[test]
        fn what_clip_leaves_is_permitted_and_what_it_cuts_is_not(
            words in prop::collection::vec((0u8..=255, 0u8..=255, 0u8..40, any::<bool>()), 1..6), with_file in any::<bool>(),
        ) {
            let scope = if with_file { scope() } else { default_scope() };
            let words: Vec<String> = words.iter().map(|(first, third, length, inside)| {
                let prefix = if with_file { "198.18.113" } else { "10.9" };
                let net = if with_file { prefix.to_owned() } else if *inside { format!("{prefix}.{third}") } else { format!("10.8.{third}") };
                format!("{net}.{first}-{}", first.saturating_add(*length))
            }).collect();
            let targets = Targets::parse_words(words.iter().map(String::as_str)).expect("targets");
            let ports = Ports::new([22, 11434]);
            let left = scope.clip(&targets, &ports).map(|c| c.pairs).unwrap_or_default();
            for segment in targets.pairs(&ports).segments() {
                let (first, last) = (segment.range.first_key(), segment.range.last_key());
                for key in first..=last {
                    for port in [22, 11434] {
                        let address = crate::span::address_of(key);
                        prop_assert_eq!(
                            left.contains(address, port),
                            scope.permits(address, port, now()).is_ok(),
                            "{} {}", address, port
                        );
                    }
                }
            }
        }

        #[test]
        fn no_address_slips_past_by_the_way_it_is_written(bits in any::<u32>(), port in any::<u16>()) {
            let v4 = std::net::Ipv4Addr::from_bits(bits);
            for scope in [scope(), default_scope()] {
                let plain = scope.permits(IpAddr::V4(v4), port, now()).is_ok();
                let mapped = scope.permits(IpAddr::V6(v4.to_ipv6_mapped()), port, now()).is_ok();
                prop_assert_eq!(plain, mapped);
            }
        }

        #[test]
        fn never_means_never(bits in any::<u128>(), port in any::<u16>()) {
            let scope = wide_scope();
            let address = IpAddr::from(std::net::Ipv6Addr::from_bits(bits >> 3 | 1 << 125));
            if special::special(key_of(address)).is_some_and(|row| row.kind == Kind::Never) {
                prop_assert!(scope.permits(address, port, now()).is_err());
            } else {
                prop_assert!(scope.permits(address, port, now()).is_ok() || special::carried(key_of(address)).is_some());
            }
        }
    }
}
