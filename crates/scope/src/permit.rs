//! May this address and port be looked at, now, and what may be done there?

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use chrono::NaiveDate;
use vigie_model::Timestamp;

use crate::budget::Limits;
use crate::file::{RangeEntry, ScopeFile, Subject};
use crate::opt_out::OptOutList;
use crate::span::{Span, SpanMap, key_of};
use crate::special::{self, Kind, SPECIAL, Special};
use crate::target::{Pairs, Targets, What};
use crate::Ports;

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
pub struct OwnAddresses(SpanMap<()>);

impl OwnAddresses {
    /// These addresses, as the system lists them. What cannot be one host's address is left out.
    #[must_use]
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let one_host = |a: &IpAddr| !a.is_unspecified() && !a.is_multicast() && *a != IpAddr::from([255; 4]);
        let addresses = addresses.into_iter().map(|a| a.to_canonical()).filter(one_host);
        Self(SpanMap::build(addresses.map(|a| (Span::address(a), ())).collect()))
    }

    /// Whether the address is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.get(key_of(address)).is_some()
    }
}

/// The entry that takes something out of the scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = self.list.as_deref().unwrap_or("the scope file");
        write!(f, "{} on line {} of {list}", self.entry, self.line)?;
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

fn since(date: Option<NaiveDate>) -> String {
    date.map(|d| format!(" on {d}")).unwrap_or_default()
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
    #[error("{subject} is excluded{}: {by}", since(by.date))]
    Excluded {
        /// What was asked for.
        subject: String,
        /// The entry.
        by: Arc<Reason>,
    },
    /// Taken out by an opt-out list.
    #[error("{subject} opted out{}: {by}", since(by.date))]
    OptedOut {
        /// What was asked for.
        subject: String,
        /// The entry.
        by: Arc<Reason>,
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
    ranges: SpanMap<usize>,
    names: HashMap<String, usize>,
    excluded: SpanMap<Arc<Reason>>,
    opted_out: SpanMap<Arc<Reason>>,
    /// Names taken out, each with all names below it.
    names_out: HashMap<String, Arc<Reason>>,
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
        let mut take_out = |subject: &Subject, reason: Reason, into: &mut Vec<(Span, Arc<Reason>)>| {
            let reason = Arc::new(reason);
            match subject {
                Subject::Addresses(span) => into.push((*span, reason)),
                Subject::Name(name) => {
                    names_out.entry(name.clone()).or_insert(reason);
                }
            }
        };
        let file_ranges = file.as_ref().map(|f| f.ranges.as_slice()).unwrap_or_default();
        for (index, range) in file_ranges.iter().enumerate() {
            match &range.subject {
                Subject::Addresses(span) => ranges.push((*span, index)),
                Subject::Name(name) => {
                    names.insert(name.clone(), index);
                }
            }
            for subject in &range.exclusions {
                let entry = format!("{subject} under `exclusions`");
                let reason = Reason { entry, list: None, line: range.line, date: None, why: range.note.clone() };
                take_out(subject, reason, &mut excluded);
            }
        }
        for exclude in file.as_ref().map(|f| f.excludes.as_slice()).unwrap_or_default() {
            let reason = Reason {
                entry: exclude.subject.to_string(),
                list: None,
                line: exclude.line,
                date: Some(exclude.date),
                why: Some(exclude.reason.clone()),
            };
            take_out(&exclude.subject, reason, &mut excluded);
        }
        for list in &lists {
            for entry in &list.entries {
                let reason = Reason {
                    entry: entry.subject.to_string(),
                    list: Some(list.name.clone()),
                    line: entry.line,
                    date: entry.date,
                    why: entry.reason.clone(),
                };
                take_out(&entry.subject, reason, &mut opted_out);
            }
        }
        Self {
            file,
            own: own.clone(),
            ranges: SpanMap::build(ranges),
            names,
            excluded: SpanMap::build(excluded),
            opted_out: SpanMap::build(opted_out),
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
    pub fn limits(&self) -> Limits {
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
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
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
        if let Some(row) = carried.and_then(special::special).filter(|row| row.kind != Kind::Public) {
            return Err(Refusal::Never {
                subject: address.to_string(),
                range: row.range,
                what: row.what,
                rfc: row.rfc,
            });
        }
        let span = Span::address(address);
        let (row, own, entry) = (special::special(key), self.own.contains(address), self.ranges.get(key).copied());
        self.decide(span, row, own, entry, name)
    }

    /// Decides over a run of addresses that are alike in all that is looked up.
    fn decide(
        &self,
        span: Span,
        row: Option<&'static Special>,
        own: bool,
        entry: Option<usize>,
        name: Option<&str>,
    ) -> Result<Grant<'_>, Refusal> {
        let kind = row.map_or(Kind::Public, |row| row.kind);
        let ranges = self.file.as_ref().map(|f| f.ranges.as_slice());
        let entry = entry.and_then(|index| ranges?.get(index));
        let named = name.and_then(|name| self.names.get(&name.to_ascii_lowercase()));
        let named = named.and_then(|index| ranges?.get(*index));
        if own || kind == Kind::Loopback {
            return Ok(named.or(entry));
        }
        if let Some(row) = row.filter(|row| row.kind == Kind::Never) {
            let subject = span.to_string();
            return Err(Refusal::Never { subject, range: row.range, what: row.what, rfc: row.rfc });
        }
        match (ranges, named, entry) {
            (None, ..) if kind == Kind::Private => Ok(None),
            (None, ..) => {
                let what = row.map_or("public".to_owned(), |row| format!("{} ({})", row.what, row.rfc));
                Err(Refusal::NeedsScopeFile { subject: span.to_string(), what })
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

    fn granted(
        &self,
        grant: Grant<'_>,
        subject: &dyn Fn() -> String,
        port: u16,
        now: Timestamp,
    ) -> Result<Permit, Refusal> {
        let Some(entry) = grant else { return Ok(Permit::default()) };
        self.in_time(now)?;
        if let Some(ports) = entry.ports.as_ref().filter(|ports| !ports.contains(port)) {
            return Err(port_refused(subject(), port.to_string(), entry, ports));
        }
        Ok(Permit { infer: entry.infer, load: entry.load, owner: entry.owner })
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
                Err(Refusal::OutsideWindow { window: window.to_string(), next })
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
        let mut clip = Clip { wanted: Vec::new(), skipped: Vec::new(), refused: Vec::new() };
        let direct = Targets::of(targets.entries().iter().filter(|t| matches!(t.what, What::Addresses(_))).cloned());
        for segment in direct.pairs(ports).segments() {
            self.clip_span(segment.span, &segment.ports, None, &mut clip);
        }
        let default = Arc::new(ports.clone());
        for target in targets.entries() {
            let What::Name(name) = &target.what else { continue };
            if let Err(refusal) = self.permits_lookup(name) {
                clip.skipped.push(Skipped { addresses: 0, why: refusal });
                continue;
            }
            let ports = target.port.map_or_else(|| Arc::clone(&default), |p| Arc::new(Ports::new([p])));
            for address in targets.resolved(name) {
                self.clip_span(Span::address(*address), &ports, Some(name), &mut clip);
            }
        }
        let pairs = Pairs::union(clip.wanted);
        if !clip.refused.is_empty() {
            return Err(Refusals(clip.refused));
        }
        if pairs.is_empty() && !clip.skipped.is_empty() {
            return Err(Refusals(clip.skipped.into_iter().map(|s| s.why).collect()));
        }
        Ok(Clipped { pairs, skipped: clip.skipped })
    }

    fn clip_span(&self, span: Span, ports: &Arc<Ports>, name: Option<&str>, clip: &mut Clip) {
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
                            let decided =
                                self.decide(span, row.copied(), own.is_some(), entry.copied(), name);
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
            let mut ranges: Vec<_> = file.ranges.iter().map(|r| {
                let mut exclusions: Vec<String> = r.exclusions.iter().map(ToString::to_string).collect();
                exclusions.sort();
                let ports = r.ports.as_ref().map(ToString::to_string);
                (r.subject.to_string(), ports, r.owner, r.infer, r.load, exclusions, r.note.clone())
            }).collect();
            ranges.sort();
            ranges.iter().for_each(|range| line("range", range));
            let mut excludes: Vec<_> = file.excludes.iter()
                .map(|e| (e.subject.to_string(), e.reason.clone(), e.date.to_string()))
                .collect();
            excludes.sort();
            excludes.iter().for_each(|exclude| line("exclude", exclude));
        } else {
            line("default", &"loopback, own and private");
        }
        let mut out: Vec<_> = self.lists.iter().flat_map(|list| &list.entries)
            .map(|e| (e.subject.to_string(), e.date.map(|d| d.to_string()), e.reason.clone()))
            .collect();
        out.sort();
        out.dedup();
        out.iter().for_each(|entry| line("opt-out", entry));
        text
    }

    /// A scope file to fill in, with these ranges, names or addresses in it. It is refused until `owner`, `contact` and
    /// `expires` are filled in.
    #[must_use]
    pub fn template(subjects: &[Subject]) -> String {
        let mut text = String::from(TEMPLATE);
        for subject in subjects {
            let key = match subject {
                Subject::Name(_) => "name",
                Subject::Addresses(span) if !span.to_string().contains('-') => "cidr",
                Subject::Addresses(_) => "range",
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
authorised_by = "nobody yet"
expires = ""               # the last day, e.g. 2027-01-31
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

fn taken_out(subject: String, by: &Arc<Reason>) -> Refusal {
    let by = Arc::clone(by);
    if by.list.is_some() { Refusal::OptedOut { subject, by } } else { Refusal::Excluded { subject, by } }
}

fn port_refused(subject: String, port: String, entry: &RangeEntry, ports: &Ports) -> Refusal {
    Refusal::Port { subject, port, entry: entry.subject.to_string(), line: entry.line, ports: ports.to_string() }
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

struct Clip {
    wanted: Vec<(Span, Arc<Ports>)>,
    skipped: Vec<Skipped>,
    refused: Vec<Refusal>,
}

impl Clip {
    fn skip(&mut self, span: Span, why: Refusal) {
        self.skipped.push(Skipped { addresses: span.size(), why });
    }

    fn take(&mut self, span: Span, ports: &Arc<Ports>, decided: Result<Grant<'_>, Refusal>) {
        match decided {
            Ok(grant) => match grant.and_then(|entry| Some((entry, entry.ports.as_ref()?))) {
                None => self.wanted.push((span, Arc::clone(ports))),
                Some((entry, allowed)) => {
                    let refused = ports.without(allowed);
                    if !refused.is_empty() {
                        self.skip(span, port_refused(span.to_string(), refused.to_string(), entry, allowed));
                    }
                    self.wanted.push((span, Arc::new(ports.and(allowed))));
                }
            },
            Err(refusal @ (Refusal::Never { .. } | Refusal::LeadsInside { .. })) => self.skip(span, refusal),
            Err(refusal) => self.refused.push(refusal),
        }
    }
}
