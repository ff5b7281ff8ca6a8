//! Subjects: what a finding, an acceptance or a grant is about.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::address::{self, AddressRange, Hosts};
use crate::{EndpointKey, PathPrefix, SettingPlace, Transport};

/// What a finding, an acceptance or a grant is about: a place, and if it is about less than all of it, the part.
///
/// The written form is that of baselines and of findings, `192.0.2.10:11434 model tiny:latest`: the place ([`Place`]), then the part
/// ([`Part`]). In JSON it is that text.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// The place.
    pub place: Place,
    /// The part of it; `None`: all of it.
    pub part: Option<Part>,
}

/// A place: hosts or endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// Every place: `*`.
    Any,
    /// The hosts at some addresses, or a host by its name, each with all its endpoints: `192.0.2.0/24`, `192.0.2.1-192.0.2.20`,
    /// `gpu1.example.org`.
    Hosts(Hosts),
    /// The endpoints at an address and port, by whatever name they are reached: `192.0.2.10:11434`.
    At {
        /// The address and the port.
        socket: SocketAddr,
        /// The path under which the server answers, `192.0.2.10:11434/ollama`; `None`: under any path and at the root.
        prefix: Option<PathPrefix>,
    },
    /// One endpoint: how it is reached, then where it is. `gpu1.example.org/ollama (192.0.2.10:11434)`; by its address,
    /// `192.0.2.10/ollama (192.0.2.10:11434)`.
    Endpoint(Box<EndpointKey>),
    /// A text of a record that is none of these. Only a subject that was read from a record has it.
    Text(String),
}

/// A part of a place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// A model: `model tiny:latest`.
    Model(String),
    /// A setting of a program: `setting OLLAMA_HOST`, `setting --host`, `setting server.listen in config.yaml`.
    Setting(Box<SettingPlace>),
    /// An installed package: `package ollama`.
    Package(String),
    /// A running program: `process ollama`.
    Process(String),
    /// A file, by its path: `file /etc/ollama.env`.
    File(String),
    /// The signal that one of several findings of a rule rests on: `(by system prompt)`.
    Signal(String),
}

impl Subject {
    /// All of a place.
    #[must_use]
    pub fn of(place: Place) -> Self {
        Self { place, part: None }
    }

    /// The subject of a record, which may be any text. Its written form is that text.
    #[must_use]
    pub fn from_record(text: &str) -> Self {
        match text.parse::<Self>() {
            Ok(subject) if subject.to_string() == text => subject,
            _ => Self::of(Place::Text(text.to_owned())),
        }
    }

    /// Whether everything that `other` is about belongs to this subject.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.place.covers(&other.place) && (self.part.is_none() || self.part == other.part)
    }
}

impl Place {
    /// Whether all of `other` belongs to this place. The notation of an address and the case of a name do not matter.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Hosts(Hosts::Addresses(range)), other) => other.addresses().is_some_and(|of| holds(*range, of)),
            (Self::Hosts(Hosts::Name(name)), other) => other.name().is_some_and(|of| name.eq_ignore_ascii_case(of)),
            (Self::At { socket, prefix }, Self::At { socket: of, prefix: below }) => {
                canonical(*socket) == canonical(*of) && (prefix.is_none() || prefix == below)
            }
            (Self::At { socket, prefix }, Self::Endpoint(of)) => {
                canonical(*socket) == canonical(socket_of(of)) && (prefix.is_none() || *prefix == of.prefix)
            }
            (Self::Endpoint(one), Self::Endpoint(of)) => {
                let name = |key: &EndpointKey| key.name.as_deref().map(str::to_ascii_lowercase);
                canonical(socket_of(one)) == canonical(socket_of(of)) && name(one) == name(of) && one.prefix == of.prefix
            }
            (Self::Text(one), Self::Text(of)) => one == of,
            (Self::At { .. } | Self::Endpoint(_) | Self::Text(_), _) => false,
        }
    }

    /// The addresses of the place, if it is at certain ones.
    fn addresses(&self) -> Option<AddressRange> {
        match self {
            Self::Hosts(Hosts::Addresses(range)) => Some(*range),
            Self::At { socket, .. } => Some(AddressRange::single(socket.ip())),
            Self::Endpoint(key) => Some(AddressRange::single(key.address)),
            Self::Any | Self::Hosts(Hosts::Name(_)) | Self::Text(_) => None,
        }
    }

    /// The name by which it is reached, if there is one.
    fn name(&self) -> Option<&str> {
        match self {
            Self::Hosts(Hosts::Name(name)) => Some(name),
            Self::Endpoint(key) => key.name.as_deref(),
            Self::Any | Self::Hosts(Hosts::Addresses(_)) | Self::At { .. } | Self::Text(_) => None,
        }
    }

    /// Parses a place at the start of a text, and returns also what follows it.
    fn parse(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        if let Some((where_it_is, rest)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'))
            && let Ok(socket) = where_it_is.parse()
        {
            let rest = if rest.is_empty() { rest } else { rest.strip_prefix(' ')? };
            return Some((Self::endpoint(word, socket)?, rest));
        }
        Some((Self::parse_word(word)?, rest))
    }

    fn parse_word(word: &str) -> Option<Self> {
        if word == "*" {
            return Some(Self::Any);
        }
        if let Ok(socket) = word.parse() {
            return Some(Self::At { socket, prefix: None });
        }
        if let Some((socket, path)) = split_path(word)
            && let Ok(socket) = socket.parse()
        {
            // A path that is the root would look like one endpoint and mean all.
            let prefix = Some(PathPrefix::parse(path).ok()??);
            return Some(Self::At { socket, prefix });
        }
        let hosts = address::parse_hosts(word).ok().map(|(hosts, _)| hosts);
        let hosts = hosts.or_else(|| address::ipv6_network(word).map(Hosts::Addresses));
        hosts.map(Self::Hosts)
    }

    /// One endpoint: a name or its own address, perhaps with a path.
    fn endpoint(word: &str, socket: SocketAddr) -> Option<Self> {
        let (host, path) = split_path(word).unwrap_or((word, ""));
        let name = match host.parse::<IpAddr>() {
            Ok(address) if address.to_canonical() == socket.ip().to_canonical() => None,
            Ok(_) => return None,
            Err(_) => Some(address::parse_name(host).ok()?),
        };
        Some(Self::Endpoint(Box::new(EndpointKey {
            address: socket.ip(),
            port: socket.port(),
            transport: Transport::Tcp,
            name,
            prefix: PathPrefix::parse(path).ok()?,
        })))
    }
}

/// Splits a word before its first slash.
fn split_path(word: &str) -> Option<(&str, &str)> {
    word.find('/').map(|at| word.split_at(at))
}

/// Whether a range holds another. An IPv6 network such as `::/0` holds no IPv4 address, although its keys do.
fn holds(range: AddressRange, of: AddressRange) -> bool {
    range.covers(of) && range.first().is_ipv4() == of.first().is_ipv4()
}

fn socket_of(key: &EndpointKey) -> SocketAddr {
    SocketAddr::new(key.address, key.port)
}

/// The same address in its usual notation.
fn canonical(socket: SocketAddr) -> SocketAddr {
    match socket.ip().to_canonical() {
        address @ IpAddr::V4(_) => SocketAddr::new(address, socket.port()),
        IpAddr::V6(_) => socket,
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        if let Some(signal) = text.strip_prefix("(by ").and_then(|text| text.strip_suffix(')')) {
            return (!signal.is_empty()).then(|| Self::Signal(signal.to_owned()));
        }
        let (kind, name) = text.split_once(' ')?;
        let name = Some(name.trim()).filter(|name| !name.is_empty())?;
        Some(match kind {
            "model" => Self::Model(name.to_owned()),
            "setting" => Self::Setting(Box::new(match name.split_once(" in ") {
                Some((key, file)) => SettingPlace::File {
                    file: file.to_owned(),
                    key: key.to_owned(),
                },
                None if name.starts_with('-') => SettingPlace::Flag(name.to_owned()),
                None => SettingPlace::Env(name.to_owned()),
            })),
            "package" => Self::Package(name.to_owned()),
            "process" => Self::Process(name.to_owned()),
            "file" => Self::File(name.to_owned()),
            _ => return None,
        })
    }
}

/// Why a text is not a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectError {
    /// It does not begin with a place. Holds the text.
    Place(String),
    /// What follows the place is not a part of one.
    Part(String),
}

impl fmt::Display for SubjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(text) => write!(
                f,
                "{text:?} is not an address:port (a path may follow), name/path (address:port), an address, a range, a host name or \"*\""
            ),
            Self::Part(text) => write!(
                f,
                "{text:?} is not a part of a place: write `model`, `setting`, `package`, `process` or `file` with a name, or `(by SIGNAL)`"
            ),
        }
    }
}

impl std::error::Error for SubjectError {}

impl FromStr for Subject {
    type Err = SubjectError;

    /// Parses the written form. A text of a record may be none; [`Subject::from_record`] takes any.
    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let (place, rest) = Place::parse(text).ok_or_else(|| SubjectError::Place(text.to_owned()))?;
        let part = match rest {
            "" => None,
            rest => Some(Part::parse(rest).ok_or_else(|| SubjectError::Part(rest.to_owned()))?),
        };
        Ok(Self { place, part })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        self.part.iter().try_for_each(|part| write!(f, " {part}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Hosts(hosts) => hosts.fmt(f),
            Self::At { socket, prefix } => {
                socket.fmt(f)?;
                prefix.iter().try_for_each(|prefix| prefix.fmt(f))
            }
            Self::Endpoint(key) if key.name.is_some() => key.fmt(f),
            Self::Endpoint(key) => {
                let prefix = key.prefix.as_ref().map_or("", PathPrefix::as_str);
                write!(f, "{}{prefix} ({})", key.address, socket_of(key))
            }
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(name) => write!(f, "model {name}"),
            Self::Setting(setting) => write!(f, "setting {setting}"),
            Self::Package(name) => write!(f, "package {name}"),
            Self::Process(name) => write!(f, "process {name}"),
            Self::File(path) => write!(f, "file {path}"),
            Self::Signal(signal) => write!(f, "(by {signal})"),
        }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    /// As [`Subject::from_record`].
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from_record(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(text: &str) -> Subject {
        text.parse().unwrap_or_else(|error: SubjectError| panic!("{error}"))
    }

    fn at(socket: &str, prefix: Option<&str>) -> Place {
        Place::At {
            socket: socket.parse().expect("a socket"),
            prefix: prefix.and_then(|path| PathPrefix::parse(path).expect("a path")),
        }
    }

    fn endpoint(name: Option<&str>, prefix: Option<&str>, address: &str, port: u16) -> Place {
        Place::Endpoint(Box::new(EndpointKey {
            address: address.parse().expect("an address"),
            port,
            transport: Transport::Tcp,
            name: name.map(str::to_owned),
            prefix: prefix.and_then(|path| PathPrefix::parse(path).expect("a path")),
        }))
    }

    fn addresses(text: &str) -> Place {
        Place::Hosts(address::parse_hosts(text).expect("addresses").0)
    }

    #[test]
    fn places_are_written_and_read() {
        for (text, place) in [
            ("*", Place::Any),
            ("192.0.2.0/24", addresses("192.0.2.0/24")),
            ("192.0.2.1-192.0.2.20", addresses("192.0.2.1-20")),
            ("2001:db8::/32", addresses("2001:db8::/32")),
            ("gpu1.example.org", Place::Hosts(Hosts::Name("gpu1.example.org".to_owned()))),
            ("192.0.2.10:11434", at("192.0.2.10:11434", None)),
            ("[2001:db8::1]:80/team/a", at("[2001:db8::1]:80", Some("/team/a"))),
            (
                "192.0.2.10/ollama (192.0.2.10:80)",
                endpoint(None, Some("/ollama"), "192.0.2.10", 80),
            ),
            ("2001:db8::1 ([2001:db8::1]:80)", endpoint(None, None, "2001:db8::1", 80)),
            (
                "gpu1.example.org (192.0.2.10:80)",
                endpoint(Some("gpu1.example.org"), None, "192.0.2.10", 80),
            ),
            (
                "gpu1.example.org/a (192.0.2.10:80)",
                endpoint(Some("gpu1.example.org"), Some("/a"), "192.0.2.10", 80),
            ),
        ] {
            assert_eq!(subject(text), Subject::of(place.clone()), "{text}");
            assert_eq!(Subject::of(place).to_string(), text);
        }
        // The same in another notation.
        for (text, written) in [
            ("192.0.2.9/24", "192.0.2.0/24"),
            ("192.0.2.1-20", "192.0.2.1-192.0.2.20"),
            ("GPU1.example.org.", "gpu1.example.org"),
            ("192.0.2.10:80//a/", "192.0.2.10:80/a"),
            ("::/0", "::/0"),
            ("::/64", "::/64"),
        ] {
            assert_eq!(subject(text).to_string(), written, "{text}");
        }
    }

    #[test]
    fn parts_are_written_and_read() {
        let setting = |place| Part::Setting(Box::new(place));
        for (text, part) in [
            ("model tiny:latest", Part::Model("tiny:latest".to_owned())),
            ("setting OLLAMA_HOST", setting(SettingPlace::Env("OLLAMA_HOST".to_owned()))),
            ("setting --host", setting(SettingPlace::Flag("--host".to_owned()))),
            (
                "setting server.listen in config.yaml",
                setting(SettingPlace::File {
                    file: "config.yaml".to_owned(),
                    key: "server.listen".to_owned(),
                }),
            ),
            ("package ollama", Part::Package("ollama".to_owned())),
            ("process ollama", Part::Process("ollama".to_owned())),
            ("file /etc/my files/a.env", Part::File("/etc/my files/a.env".to_owned())),
            ("(by system prompt)", Part::Signal("system prompt".to_owned())),
        ] {
            for place in ["*", "gpu1", "192.0.2.10:80", "gpu1.example.org/a (192.0.2.10:80)"] {
                let whole = format!("{place} {text}");
                assert_eq!(subject(&whole).part.as_ref(), Some(&part), "{whole}");
                assert_eq!(subject(&whole).to_string(), whole);
            }
        }
    }

    #[test]
    fn what_is_no_subject_is_rejected() {
        for text in [
            "",
            " ",
            "192.0.2.300",
            "192.0.2.300:1",
            "192.0.2.1:99999",
            "192.0.2.0/33",
            "10.0.0.1-10.0.0.0",
            "gpu1.example.org:80",
            "http://gpu1.example.org/",
            "*.example.org",
            // It would look like one endpoint and mean all.
            "192.0.2.10:80/",
            "192.0.2.10:80/a/../b",
            "192.0.2.10:80, 192.0.2.11:80",
            "192.0.2.10:80 192.0.2.11:80",
            "192.0.2.1 - 192.0.2.9",
            "192.0.2.10 (192.0.2.11:80)",
            "192.0.2.10:80 (192.0.2.10:80)",
            "192.0.2.0/24 (192.0.3.1:80)",
            "gpu1 (192.0.2.10:80)model x",
            "192.0.2.10:80 model",
            "192.0.2.10:80 tiny:latest",
            "192.0.2.10:80 (by )",
            "model tiny:latest",
        ] {
            assert!(text.parse::<Subject>().is_err(), "{text:?}: {:?}", text.parse::<Subject>());
        }
    }

    #[test]
    fn a_subject_covers_what_belongs_to_it() {
        // By each subject: those that it covers, besides itself.
        let all = [
            "*",
            "192.0.2.0/24",
            "192.0.2.10",
            "gpu1.example.org",
            "192.0.2.10:80",
            "192.0.2.10:80/a",
            "192.0.2.10 (192.0.2.10:80)",
            "192.0.2.10/a (192.0.2.10:80)",
            "gpu1.example.org (192.0.2.10:80)",
            "gpu1.example.org/a (192.0.2.10:80)",
            "gpu2.example.org/a (192.0.2.10:80)",
            "192.0.2.10 (192.0.2.10:81)",
        ];
        let covered: [&[usize]; 12] = [
            &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
            &[2, 4, 5, 6, 7, 8, 9, 10, 11],
            &[4, 5, 6, 7, 8, 9, 10, 11],
            &[8, 9],
            &[5, 6, 7, 8, 9, 10],
            &[7, 9, 10],
            &[],
            &[],
            &[],
            &[],
            &[],
            &[],
        ];
        for (one, covered) in covered.iter().enumerate() {
            for other in 0..all.len() {
                assert_eq!(
                    subject(all[one]).covers(&subject(all[other])),
                    one == other || covered.contains(&other),
                    "{} and {}",
                    all[one],
                    all[other]
                );
            }
        }
    }

    #[test]
    fn a_part_is_covered_by_itself_and_by_the_whole() {
        let one = subject("192.0.2.10:80 model a");
        assert!(subject("192.0.2.10:80").covers(&one) && subject("* model a").covers(&one) && one.covers(&one));
        for other in [
            "192.0.2.10:80",
            "192.0.2.10:80 model b",
            "192.0.2.10:80 file a",
            "192.0.2.11:80 model a",
        ] {
            assert!(!one.covers(&subject(other)), "{other}");
        }
    }

    #[test]
    fn the_notation_of_a_place_does_not_matter() {
        for (one, other) in [
            ("192.0.2.10:80", "[::ffff:192.0.2.10]:80"),
            ("192.0.2.0/24", "[::ffff:192.0.2.10]:80"),
            ("::ffff:192.0.2.10", "192.0.2.10:80"),
        ] {
            assert!(subject(one).covers(&subject(other)), "{one} and {other}");
        }
        let mixed = Subject::of(endpoint(Some("GPU1.Example.org"), None, "192.0.2.10", 80));
        assert!(subject("gpu1.example.org").covers(&mixed) && subject("gpu1.example.org (192.0.2.10:80)").covers(&mixed));
        // All of IPv6 is not all of IPv4, whose keys lie among those of IPv6.
        assert!(subject("::/0").covers(&subject("[2001:db8::1]:80")) && subject("::/0").covers(&subject("[::1]:80")));
        assert!(!subject("::/0").covers(&subject("192.0.2.10:80")));
    }

    #[test]
    fn a_subject_of_a_record_is_typed_where_it_can_be() {
        assert_eq!(Subject::from_record("192.0.2.10:80/a").place, at("192.0.2.10:80", Some("/a")));
        // Not in the written form, so it would not be written back as it was.
        for text in ["", "192.0.2.9/24", "GPU1", "192.0.2.10:80 tiny:latest", "[::ffff:192.0.2.10]:080"] {
            assert_eq!(Subject::from_record(text).place, Place::Text(text.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn a_subject_of_a_record_is_written_as_it_was(
            text in prop_oneof![".*", "[0-9.:/]{1,20}( (model|file|setting) .{1,9})?", "[a-z0-9./]{1,9} \\([0-9.:\\[\\]]{1,20}\\).{0,9}"],
        ) {
            let subject = Subject::from_record(&text);
            prop_assert_eq!(subject.to_string(), text.clone());
            let json = serde_json::to_string(&subject).expect("JSON");
            prop_assert_eq!(&json, &serde_json::to_string(&text).expect("JSON"));
            prop_assert_eq!(serde_json::from_str::<Subject>(&json).expect("a subject"), subject);
        }
    }
}
