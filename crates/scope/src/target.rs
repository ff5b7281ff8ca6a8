//! What the user named: addresses, networks, ranges, host names, `host:port` and URLs.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use vigie_model::PathPrefix;

use crate::Ports;
use crate::file::Hosts;
use crate::span::{self, AddressRange, NotARange, key_of};

/// The scheme of a URL: a hint whether TLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// One target as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// What it names.
    pub hosts: Hosts,
    /// The port it names; without one, the scan's ports.
    pub port: Option<u16>,
    /// The scheme, if it was a URL.
    pub scheme: Option<Scheme>,
    /// The path under which the server is looked for, if the URL had one. With a path comes a port.
    pub prefix: Option<PathPrefix>,
}

impl Target {
    /// Whether it names addresses to be looked at by themselves, at the root.
    fn is_direct(&self) -> bool {
        matches!(self.hosts, Hosts::Addresses(_)) && self.prefix.is_none()
    }
}

/// Something the user should know about a target that was taken all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetNote {
    /// The line it stood on, where targets came from a file.
    pub line: Option<usize>,
    /// What was done.
    pub text: String,
}

/// A target that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetError {
    /// The line it stood on, where targets came from a file.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// Every target that could not be read. None of the others is taken either.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetErrors(pub Vec<TargetError>);

/// How many errors are worth reading at once.
const SHOWN: usize = 20;

impl fmt::Display for TargetErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().take(SHOWN).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl std::error::Error for TargetErrors {}

/// Everything the user named, in the order in which it was named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    entries: Vec<Target>,
    notes: Vec<TargetNote>,
    resolved: BTreeMap<String, Vec<IpAddr>>,
}

impl Targets {
    /// Reads words, as given on a command line.
    ///
    /// # Errors
    ///
    /// Every word that could not be read.
    pub fn parse_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, TargetErrors> {
        Self::parse(words.into_iter().map(|word| (None, word)))
    }

    /// Reads the lines of a file: words apart by white space or commas; `#` starts a comment.
    ///
    /// # Errors
    ///
    /// Every word that could not be read, with its line.
    pub fn parse_lines(text: &str) -> Result<Self, TargetErrors> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        Self::parse(text.lines().enumerate().flat_map(|(index, line)| {
            uncomment(line)
                .0
                .split(|c: char| c.is_whitespace() || c == ',')
                .map(move |word| (Some(index + 1), word))
        }))
    }

    fn parse<'a>(words: impl Iterator<Item = (Option<usize>, &'a str)>) -> Result<Self, TargetErrors> {
        let mut targets = Self::default();
        let mut errors = Vec::new();
        for (line, word) in words.filter(|(_, word)| !word.trim().is_empty()) {
            let mut note = |text| targets.notes.push(TargetNote { line, text });
            match parse_word(word.trim(), &mut note) {
                Ok(target) => targets.entries.push(target),
                Err(why) => errors.push(TargetError { line, why }),
            }
        }
        if errors.is_empty() {
            Ok(targets)
        } else {
            Err(TargetErrors(errors))
        }
    }

    /// Adds addresses, each looked at for itself.
    pub fn push_addresses(&mut self, addresses: impl IntoIterator<Item = IpAddr>) {
        self.entries.extend(addresses.into_iter().map(|address| Target {
            hosts: Hosts::Addresses(AddressRange::single(address)),
            port: None,
            scheme: None,
            prefix: None,
        }));
    }

    /// A list of these.
    pub(crate) fn of(entries: impl IntoIterator<Item = Target>) -> Self {
        Self {
            entries: entries.into_iter().collect(),
            ..Self::default()
        }
    }

    /// What a name resolved to.
    pub(crate) fn resolved(&self, name: &str) -> &[IpAddr] {
        self.resolved.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// Adds what another list names.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.notes.extend(other.notes);
        self.resolved.extend(other.resolved);
    }

    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The targets in the order in which they were named.
    #[must_use]
    pub fn entries(&self) -> &[Target] {
        &self.entries
    }

    /// What the user should know about how the words were taken.
    #[must_use]
    pub fn notes(&self) -> &[TargetNote] {
        &self.notes
    }

    /// Puts another path in the place of a URL's: what `change` gives for it, and what the user should know of that.
    pub fn change_prefixes(&mut self, change: impl Fn(&PathPrefix) -> Option<(Option<PathPrefix>, String)>) {
        for target in &mut self.entries {
            if let Some((prefix, text)) = target.prefix.as_ref().and_then(&change) {
                target.prefix = prefix;
                self.notes.push(TargetNote { line: None, text });
            }
        }
    }

    /// The paths under which servers are looked for, each once, in order; `None` is the root.
    pub fn prefixes(&self) -> impl Iterator<Item = Option<&PathPrefix>> {
        let prefixes: BTreeSet<Option<&PathPrefix>> = self.entries.iter().map(|target| target.prefix.as_ref()).collect();
        prefixes.into_iter()
    }

    /// The host names, each once.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names: BTreeSet<&str> = self
            .entries
            .iter()
            .filter_map(|t| match &t.hosts {
                Hosts::Name(name) => Some(name.as_str()),
                Hosts::Addresses(_) => None,
            })
            .collect();
        names.into_iter()
    }

    /// Takes the addresses that a name resolved to. A name that was not resolved is not looked at.
    pub fn resolve(&mut self, name: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let mut addresses: Vec<IpAddr> = addresses.into_iter().map(|a| a.to_canonical()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        self.resolved.insert(name.to_ascii_lowercase(), addresses);
    }

    /// The pairs to look at. Overlaps merge: no pair comes twice.
    #[must_use]
    pub fn pairs(&self, ports: &Ports) -> Pairs {
        let default = Arc::new(ports.clone());
        let port_sets = |port: Option<u16>| port.map_or_else(|| Arc::clone(&default), |p| Arc::new(Ports::new([p])));
        let mut wanted = Vec::with_capacity(self.entries.len());
        for target in &self.entries {
            match &target.hosts {
                Hosts::Addresses(span) => wanted.push((*span, port_sets(target.port))),
                Hosts::Name(name) => {
                    for address in self.resolved(name) {
                        wanted.push((AddressRange::single(*address), port_sets(target.port)));
                    }
                }
            }
        }
        Pairs::union(wanted)
    }

    /// How each pair is to be visited: by its address, by which names, with which hint of TLS.
    #[must_use]
    pub fn endpoint_index(&self, ports: &Ports) -> EndpointIndex {
        let direct = self.direct(ports);
        let mut names: HashMap<u128, Vec<(String, Option<u16>)>> = HashMap::new();
        let mut paths: HashMap<(u128, u16), Vec<Way>> = HashMap::new();
        let mut schemes = HashMap::new();
        for target in &self.entries {
            let keys: Vec<u128> = match &target.hosts {
                Hosts::Addresses(span) => vec![span.first_key()],
                Hosts::Name(name) => {
                    let keys: Vec<u128> = self.resolved(name).iter().map(|a| key_of(*a)).collect();
                    for key in keys.iter().filter(|_| target.prefix.is_none()) {
                        let list = names.entry(*key).or_default();
                        if !list.contains(&(name.clone(), target.port)) {
                            list.push((name.clone(), target.port));
                        }
                    }
                    keys
                }
            };
            if let (Some(prefix), Some(port)) = (&target.prefix, target.port) {
                let name = match &target.hosts {
                    Hosts::Name(name) => Some(name.clone()),
                    Hosts::Addresses(_) => None,
                };
                for key in &keys {
                    let list = paths.entry((*key, port)).or_default();
                    if !list.iter().any(|(of, path)| *of == name && path == prefix) {
                        list.push((name.clone(), prefix.clone()));
                    }
                }
            }
            if let (Some(scheme), Some(port)) = (target.scheme, target.port) {
                schemes.extend(keys.into_iter().map(|key| ((key, port), scheme)));
            }
        }
        EndpointIndex {
            direct,
            names,
            paths,
            schemes,
            ports: ports.clone(),
        }
    }

    /// The pairs that are looked at by their addresses, at the root.
    pub(crate) fn direct(&self, ports: &Ports) -> Pairs {
        Self::of(self.entries.iter().filter(|target| target.is_direct()).cloned()).pairs(ports)
    }
}

/// A line without its comment, and the comment. A `#` inside a word (a URL's fragment) starts none.
pub(crate) fn uncomment(line: &str) -> (&str, Option<&str>) {
    let start = line
        .char_indices()
        .find(|(at, c)| *c == '#' && line[..*at].chars().next_back().is_none_or(char::is_whitespace));
    match start {
        Some((at, _)) => (&line[..at], Some(line[at + 1..].trim())),
        None => (line, None),
    }
}

fn parse_word(word: &str, note: &mut dyn FnMut(String)) -> Result<Target, String> {
    if word.contains("://") {
        return parse_url(word, note);
    }
    let target = |hosts, port| {
        Ok(Target {
            hosts,
            port,
            scheme: None,
            prefix: None,
        })
    };
    if word.starts_with('[') {
        let (address, port) = bracketed(word)?;
        return target(Hosts::Addresses(AddressRange::single(address)), port);
    }
    match span::parse(word) {
        Ok(written) => {
            if written.host_bits {
                note(format!("`{word}` is taken as the network {}", written.range));
            }
            target(Hosts::Addresses(written.range), None)
        }
        Err(NotARange::Wrong(why)) if word.matches(':').count() != 1 || word.contains('/') => Err(why),
        Err(_) => {
            let (hosts, port) = host_port(word)?;
            target(hosts, port)
        }
    }
}

/// `[v6]` or `[v6]:port`.
fn bracketed(word: &str) -> Result<(IpAddr, Option<u16>), String> {
    let wrong = || format!("`{word}` is no address with a port: write it as [2001:db8::1]:11434");
    let (address, rest) = word.strip_prefix('[').and_then(|w| w.split_once(']')).ok_or_else(wrong)?;
    if address.contains('%') {
        return Err(format!(
            "`{word}` names an interface (`%`), which is not supported: name an address without one"
        ));
    }
    let address: std::net::Ipv6Addr = address.parse().map_err(|_| wrong())?;
    let port = match rest.strip_prefix(':') {
        Some(port) => Some(parse_port(word, port)?),
        None if rest.is_empty() => None,
        None => return Err(wrong()),
    };
    Ok((IpAddr::V6(address).to_canonical(), port))
}

/// `host` or `host:port`; the host is an IPv4 address or a name.
fn host_port(word: &str) -> Result<(Hosts, Option<u16>), String> {
    let (host, port) = match word.split_once(':') {
        Some((host, port)) => (host, Some(parse_port(word, port)?)),
        None => (word, None),
    };
    match span::parse(host) {
        Ok(written) if written.range.size() == 1 => Ok((Hosts::Addresses(written.range), port)),
        Ok(_) => Err(format!("`{word}`: a port goes with one address; give the ports of a network apart")),
        Err(NotARange::Wrong(why)) => Err(why),
        Err(NotARange::Other) => Ok((Hosts::Name(span::parse_name(host)?), port)),
    }
}

fn parse_port(word: &str, port: &str) -> Result<u16, String> {
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    port.parse::<u16>()
        .ok()
        .filter(|p| digits && *p != 0)
        .ok_or_else(|| format!("`{word}`: `{port}` is no port; write a number from 1 to 65535"))
}

fn parse_url(word: &str, note: &mut dyn FnMut(String)) -> Result<Target, String> {
    let (scheme, rest) = word.split_once("://").unwrap_or_default();
    let (scheme, default) = match scheme.to_ascii_lowercase().as_str() {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        other => return Err(format!("`{word}`: the scheme `{other}` is not scanned; write http:// or https://")),
    };
    let (authority, path) = match rest.find(['/', '?', '#', '\\']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if authority.contains('@') {
        // The word itself is left out: it may hold a password.
        return Err("a URL must not carry a user name or a password; vigie sends no credential".to_owned());
    }
    let (hosts, port) = if authority.starts_with('[') {
        let (address, port) = bracketed(authority)?;
        (Hosts::Addresses(AddressRange::single(address)), port)
    } else {
        host_port(authority)?
    };
    Ok(Target {
        hosts,
        port: Some(port.unwrap_or(default)),
        scheme: Some(scheme),
        prefix: parse_path(word, path, note)?,
    })
}

/// The path of a URL, under which the server is looked for. What follows it is no part of it and is left out.
fn parse_path(word: &str, path: &str, note: &mut dyn FnMut(String)) -> Result<Option<PathPrefix>, String> {
    let (path, rest) = path.find(['?', '#']).map_or((path, ""), |at| path.split_at(at));
    if !rest.is_empty() {
        note(format!("of `{word}` the query and what follows `#` are left out"));
    }
    let prefix = PathPrefix::parse(path).map_err(|why| format!("`{word}`: the path is none under which a server is looked for: {why}"))?;
    if let Some(prefix) = &prefix
        && prefix.as_str() != path.trim_end_matches('/')
    {
        note(format!("the path of `{word}` is taken as {prefix}"));
    }
    Ok(prefix)
}

/// A run of addresses of which each is looked at on the same ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The addresses.
    pub range: AddressRange,
    /// The ports.
    pub ports: Arc<Ports>,
}

/// A set of (address, port) pairs, as disjoint segments in order. Nothing is expanded: a /64 is one segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pairs {
    segments: Vec<Segment>,
}

impl Pairs {
    /// The union: each pair once, however often it was named.
    #[must_use]
    pub fn union(wanted: impl IntoIterator<Item = (AddressRange, Arc<Ports>)>) -> Self {
        // Runs with the same ports first become disjoint among themselves; then the groups are laid over each other.
        let mut groups: Vec<(Arc<Ports>, Vec<AddressRange>)> = Vec::new();
        let mut known: HashMap<Arc<Ports>, usize> = HashMap::new();
        let mut latest: Option<(Arc<Ports>, usize)> = None;
        for (span, ports) in wanted {
            if ports.is_empty() {
                continue;
            }
            // Hashing a long list of ports for each of a million lines is avoided where it is the same list as before.
            let group = match &latest {
                Some((last, group)) if Arc::ptr_eq(last, &ports) => *group,
                _ => *known.entry(Arc::clone(&ports)).or_insert_with(|| {
                    groups.push((Arc::clone(&ports), Vec::new()));
                    groups.len() - 1
                }),
            };
            groups[group].1.push(span);
            latest = Some((ports, group));
        }
        let mut events: Vec<(u128, bool, usize)> = Vec::new();
        for (group, (_, spans)) in groups.iter_mut().enumerate() {
            for span in merge(std::mem::take(spans)) {
                events.push((span.first_key(), true, group));
                events.push((span.last_key() + 1, false, group));
            }
        }
        // At one place ends come before starts, so that a group that ends and starts again stays one.
        events.sort_unstable();
        let mut active: BTreeSet<usize> = BTreeSet::new();
        let mut unions: HashMap<Vec<usize>, Arc<Ports>> = HashMap::new();
        let mut segments: Vec<Segment> = Vec::new();
        let mut from = 0;
        for (at, starts, group) in events {
            if at > from && !active.is_empty() {
                let key: Vec<usize> = active.iter().copied().collect();
                let ports = unions.entry(key).or_insert_with_key(|key| match key.as_slice() {
                    [one] => Arc::clone(&groups[*one].0),
                    many => Arc::new(Ports::new(many.iter().flat_map(|g| groups[*g].0.as_slice()).copied())),
                });
                push(
                    &mut segments,
                    Segment {
                        range: AddressRange::from_keys(from, at - 1),
                        ports: Arc::clone(ports),
                    },
                );
            }
            if starts {
                active.insert(group);
            } else {
                active.remove(&group);
            }
            from = at;
        }
        Self { segments }
    }

    /// The segments, disjoint and in order.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// How many addresses.
    #[must_use]
    pub fn addresses(&self) -> u128 {
        self.segments.iter().map(|s| s.range.size()).fold(0, u128::saturating_add)
    }

    /// How many pairs; at most `u128::MAX`.
    #[must_use]
    pub fn len(&self) -> u128 {
        self.segments.iter().fold(0, |sum, s| {
            u128::saturating_add(sum, s.range.size().saturating_mul(s.ports.len() as u128))
        })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The pairs that are in both.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        let (mut one, mut two) = (self.segments.iter().peekable(), other.segments.iter().peekable());
        while let (Some(a), Some(b)) = (one.peek(), two.peek()) {
            let (first, last) = (
                a.range.first_key().max(b.range.first_key()),
                a.range.last_key().min(b.range.last_key()),
            );
            if first <= last {
                let ports = if Arc::ptr_eq(&a.ports, &b.ports) {
                    Arc::clone(&a.ports)
                } else {
                    Arc::new(a.ports.and(&b.ports))
                };
                both.push((AddressRange::from_keys(first, last), ports));
            }
            // The one that ends first meets nothing more.
            if a.range.last_key() <= b.range.last_key() {
                one.next();
            } else {
                two.next();
            }
        }
        Self::union(both)
    }

    /// Whether the pair is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        let key = key_of(address);
        let at = self.segments.partition_point(|s| s.range.last_key() < key);
        self.segments
            .get(at)
            .is_some_and(|s| s.range.contains(address) && s.ports.contains(port))
    }
}

fn merge(mut spans: Vec<AddressRange>) -> Vec<AddressRange> {
    spans.sort_unstable();
    let mut merged: Vec<AddressRange> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.first_key() <= last.last_key() + 1 => {
                *last = AddressRange::from_keys(last.first_key(), last.last_key().max(span.last_key()));
            }
            _ => merged.push(span),
        }
    }
    merged
}

/// Appends a segment, as part of the last one where it goes on from it.
fn push(segments: &mut Vec<Segment>, next: Segment) {
    match segments.last_mut() {
        Some(last) if last.range.last_key() + 1 == next.range.first_key() && last.ports == next.ports => {
            last.range = AddressRange::from_keys(last.range.first_key(), next.range.last_key());
        }
        _ => segments.push(next),
    }
}

/// A path under which a server is looked for, by a name or by the address.
type Way = (Option<String>, PathPrefix);

/// How pairs are to be visited.
#[derive(Clone, Debug)]
pub struct EndpointIndex {
    direct: Pairs,
    names: HashMap<u128, Vec<(String, Option<u16>)>>,
    paths: HashMap<(u128, u16), Vec<Way>>,
    schemes: HashMap<(u128, u16), Scheme>,
    ports: Ports,
}

/// How one pair is to be visited: once by its address, once by each name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PairEndpoints {
    /// Whether the address itself was named.
    pub by_address: bool,
    /// The names that were named and resolved to it.
    pub names: Vec<String>,
    /// The paths under which it is looked at, each by the address or by a name.
    pub paths: Vec<Way>,
    /// The scheme, if a URL gave one.
    pub scheme: Option<Scheme>,
}

impl EndpointIndex {
    /// How this pair is to be visited.
    #[must_use]
    pub fn at(&self, address: IpAddr, port: u16) -> PairEndpoints {
        let key = key_of(address);
        let names = self.names.get(&key).into_iter().flatten();
        let mut names: Vec<String> = names
            .filter(|(_, named)| named.map_or_else(|| self.ports.contains(port), |named| named == port))
            .map(|(name, _)| name.clone())
            .collect();
        names.dedup();
        PairEndpoints {
            by_address: self.direct.contains(address, port),
            names,
            paths: self.paths.get(&(key, port)).cloned().unwrap_or_default(),
            scheme: self.schemes.get(&(key, port)).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn one(word: &str) -> Target {
        let targets = Targets::parse_words([word]).unwrap_or_else(|e| panic!("{e}"));
        targets.entries()[0].clone()
    }

    #[test]
    fn words() {
        let shown = |word: &str| {
            let target = one(word);
            let hosts = match &target.hosts {
                Hosts::Addresses(span) => span.to_string(),
                Hosts::Name(name) => format!("name {name}"),
            };
            format!("{hosts} {:?} {:?}", target.port, target.scheme)
        };
        for (word, expected) in [
            ("10.0.0.1", "10.0.0.1 None None"),
            ("10.0.0.1:8080", "10.0.0.1 Some(8080) None"),
            ("10.0.0.9-20", "10.0.0.9-10.0.0.20 None None"),
            ("10.0.0.0/24", "10.0.0.0/24 None None"),
            ("fd00::/64", "fd00::/64 None None"),
            ("fd00::1", "fd00::1 None None"),
            ("[fd00::1]", "fd00::1 None None"),
            ("[fd00::1]:80", "fd00::1 Some(80) None"),
            ("[::ffff:10.0.0.1]:80", "10.0.0.1 Some(80) None"),
            ("GPU-1.Example.org", "name gpu-1.example.org None None"),
            ("gpu.example.org:1234", "name gpu.example.org Some(1234) None"),
            ("localhost", "name localhost None None"),
            ("http://gpu.example.org", "name gpu.example.org Some(80) Some(Http)"),
            ("HTTPS://10.0.0.1", "10.0.0.1 Some(443) Some(Https)"),
            ("http://[fd00::1]:1234/v1", "fd00::1 Some(1234) Some(Http)"),
            ("http://10.0.0.1?x=1", "10.0.0.1 Some(80) Some(Http)"),
        ] {
            assert_eq!(shown(word), expected, "{word}");
        }
    }

    #[test]
    fn wrong_words() {
        let words = [
            "10.0.0.256",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.20-10",
            "10.0.0.1-fd00::1",
            "10.0.0.1-x",
            "10.0.0.*",
            "127.1",
            "fe80::1%eth0",
            "[fe80::1%eth0]:80",
            "[fd00::1",
            "[fd00::1]x",
            "host:0",
            "host:65536",
            "host:",
            "10.0.0.1:80:90",
            "10.0.0.0/24:80",
            "10.0.0.1-5:80",
            "host/path",
            "ftp://host",
            "http://user:secret@host/",
            "http://",
            "http://ho st",
            "a..b",
            "::/0",
        ];
        let errors: Vec<String> = words
            .iter()
            .map(|word| match Targets::parse_words([*word]) {
                Ok(targets) => panic!("{word} was taken as {:?}", targets.entries()),
                Err(error) => format!("{word:<26} {error}"),
            })
            .collect();
        insta::assert_snapshot!("wrong_targets", errors.join("\n"));
    }

    #[test]
    fn lines_comments_and_notes() {
        let text = "\u{feff}# our hosts\n10.0.0.1, 10.0.0.2 # two\r\n\n  fd00::/120\nhttp://h:1234/x#y\n10.0.0.9/24\n";
        let targets = Targets::parse_lines(text).expect("a list");
        assert_eq!(targets.entries().len(), 5);
        let notes: Vec<(Option<usize>, &str)> = targets.notes().iter().map(|n| (n.line, n.text.as_str())).collect();
        assert_eq!(
            notes,
            [
                (Some(5), "of `http://h:1234/x#y` the query and what follows `#` are left out"),
                (Some(6), "`10.0.0.9/24` is taken as the network 10.0.0.0/24"),
            ]
        );
        let error = Targets::parse_lines("10.0.0.1\n10.0.0.300\n\nhost:0").expect_err("two mistakes");
        assert_eq!(error.0.iter().map(|e| e.line).collect::<Vec<_>>(), [Some(2), Some(4)]);
    }

    #[test]
    fn a_64_is_one_segment() {
        let targets = Targets::parse_words(["fd00::/64", "fd00::1"]).expect("targets");
        let pairs = targets.pairs(&Ports::new([80, 81]));
        assert_eq!(pairs.segments().len(), 1);
        assert_eq!(pairs.len(), 1 << 65);
    }

    #[test]
    fn names_are_visited_by_name() {
        let mut targets = Targets::parse_words(["https://a.example", "b.example", "10.0.0.1:80", "c.example:81"]).expect("targets");
        assert_eq!(targets.names().collect::<Vec<_>>(), ["a.example", "b.example", "c.example"]);
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        for name in ["a.example", "b.example", "c.example"] {
            targets.resolve(name, [ip("10.0.0.1"), ip("::ffff:10.0.0.1")]);
        }
        let ports = Ports::new([80]);
        let visits = targets.endpoint_index(&ports);
        let visit = |port| visits.at(ip("10.0.0.1"), port);
        assert_eq!(
            visit(80),
            PairEndpoints {
                by_address: true,
                names: vec!["b.example".into()],
                paths: vec![],
                scheme: None
            }
        );
        assert_eq!(
            visit(81),
            PairEndpoints {
                by_address: false,
                names: vec!["c.example".into()],
                paths: vec![],
                scheme: None
            }
        );
        let tls = PairEndpoints {
            by_address: false,
            names: vec!["a.example".into()],
            paths: vec![],
            scheme: Some(Scheme::Https),
        };
        assert_eq!(visit(443), tls);
        assert_eq!(targets.pairs(&ports).len(), 3);
    }

    #[test]
    fn a_path_is_a_way_of_its_own() {
        let words = [
            "http://10.0.0.1:80/ollama/",
            "http://10.0.0.1/ollama",
            "http://10.0.0.1//team//b",
            "https://a.example:80/x",
            "10.0.0.2",
            "http://10.0.0.2/x",
        ];
        let mut targets = Targets::parse_words(words).unwrap_or_else(|errors| panic!("{errors}"));
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        targets.resolve("a.example", [ip("10.0.0.1")]);
        assert_eq!(
            targets.notes().iter().map(|note| note.text.as_str()).collect::<Vec<_>>(),
            ["the path of `http://10.0.0.1//team//b` is taken as /team/b"]
        );
        let ports = Ports::new([80, 81]);
        let visits = targets.endpoint_index(&ports);
        let shown = |address: &str, port| {
            let visit = visits.at(ip(address), port);
            let paths: Vec<String> = visit
                .paths
                .iter()
                .map(|(name, prefix)| format!("{}{prefix}", name.as_deref().unwrap_or_default()))
                .collect();
            (visit.by_address, visit.names, paths)
        };
        let under = ["/ollama", "/team/b", "a.example/x"].map(str::to_owned).to_vec();
        assert_eq!(shown("10.0.0.1", 80), (false, vec![], under));
        assert_eq!(shown("10.0.0.2", 80), (true, vec![], vec!["/x".to_owned()]));
        assert_eq!(shown("10.0.0.2", 81), (true, vec![], vec![]));
        // 10.0.0.1 on 80 alone, 10.0.0.2 on both.
        assert_eq!(targets.pairs(&ports).len(), 3);
        for wrong in [
            "http://h/../x",
            "http://h/%2e%2e/x",
            "http://h/a%2fb",
            "http://h/a%5cb",
            "http://h/a%252e",
            "http://h/a;b",
            "http://h\\x",
        ] {
            let error = Targets::parse_words([wrong]).expect_err(wrong);
            assert!(error.to_string().contains("path"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn the_union_is_the_set_of_all_that_was_named(
            named in prop::collection::vec((0u8..60, 0u8..12, prop::option::of(1u16..4)), 0..20),
        ) {
            let default = Ports::new([2, 3, 9]);
            let words: Vec<String> = named.iter().map(|(first, length, port)| match port {
                Some(port) => format!("10.0.0.{first}:{port}"),
                None => format!("10.0.0.{first}-{}", first + length),
            }).collect();
            let targets = Targets::parse_words(words.iter().map(String::as_str)).expect("targets");
            let pairs = targets.pairs(&default);
            let mut expected: BTreeMap<(u8, u16), ()> = BTreeMap::new();
            for (first, length, port) in named {
                match port {
                    Some(port) => { expected.insert((first, port), ()); }
                    None => for last in first..=first + length {
                        expected.extend([2, 3, 9].map(|p| ((last, p), ())));
                    },
                }
            }
            prop_assert_eq!(pairs.len(), expected.len() as u128);
            for last in 0..80 {
                for port in 1..10 {
                    let there = pairs.contains(IpAddr::from([10, 0, 0, last]), port);
                    prop_assert_eq!(there, expected.contains_key(&(last, port)));
                }
            }
            for two in pairs.segments().windows(2) {
                prop_assert!(two[0].range.last_key() < two[1].range.first_key());
            }
        }

        #[test]
        fn no_word_makes_it_panic(word in "\\PC{0,40}") {
            let _ = Targets::parse_words([word.as_str()]);
            let _ = Targets::parse_lines(&word);
        }

        #[test]
        fn no_word_of_the_right_letters_makes_it_panic(word in "[0-9a-f:./%\\[\\]#@-]{0,40}") {
            let _ = Targets::parse_words([word.as_str()]);
        }
    }
}
