//! Sets of ports.

use std::fmt;
use std::str::FromStr;

/// A set of ports in order, without 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ports(Vec<u16>);

/// Why a list of ports does not parse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not a port: write a number from 1 to 65535 or a range such as 8000-8100")]
pub struct PortsError {
    /// The part that is wrong.
    pub word: String,
}

impl Ports {
    /// The set of these ports, without 0.
    #[must_use]
    pub fn new(ports: impl IntoIterator<Item = u16>) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().filter(|p| *p != 0).collect();
        ports.sort_unstable();
        ports.dedup();
        Self(ports)
    }

    /// Every port.
    #[must_use]
    pub fn all() -> Self {
        Self((1..=u16::MAX).collect())
    }

    /// The ports in order.
    #[must_use]
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }

    /// The number of ports.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the set holds the port.
    #[must_use]
    pub fn contains(&self, port: u16) -> bool {
        self.0.binary_search(&port).is_ok()
    }

    /// The ports in both sets.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.iter().copied().filter(|p| other.contains(*p)).collect())
    }

    /// The ports in either set.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).copied())
    }

    /// The ports of this set that are not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        Self(self.0.iter().copied().filter(|p| !other.contains(*p)).collect())
    }
}

impl FromStr for Ports {
    type Err = PortsError;

    fn from_str(text: &str) -> Result<Self, PortsError> {
        let mut ports = Vec::new();
        for word in text.split([',', ' ']).map(str::trim).filter(|w| !w.is_empty()) {
            let wrong = || PortsError { word: word.to_owned() };
            let number = |part: &str| {
                let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
                part.parse::<u16>().ok().filter(|p| digits && *p != 0).ok_or_else(wrong)
            };
            match word.split_once('-') {
                Some((first, last)) => {
                    let (first, last) = (number(first)?, number(last)?);
                    if first > last {
                        return Err(wrong());
                    }
                    ports.extend(first..=last);
                }
                None => ports.push(number(word)?),
            }
        }
        if ports.is_empty() {
            return Err(PortsError { word: text.to_owned() });
        }
        Ok(Self::new(ports))
    }
}

/// The shortest list that parses to the same set: `80,8000-8100`.
impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0.as_slice();
        let mut comma = "";
        while let Some((&first, _)) = rest.split_first() {
            let run = rest.iter().zip(first..=u16::MAX).take_while(|(a, b)| **a == *b).count().max(1);
            let last = rest[run - 1];
            match run {
                1 => write!(f, "{comma}{first}")?,
                2 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
            rest = &rest[run..];
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_are_parsed() {
        let read = |text: &str| text.parse::<Ports>().map(|p| p.to_string());
        assert_eq!(read("8080,80, 81,82-84,80").as_deref(), Ok("80-84,8080"));
        assert_eq!(read("1-65535").as_deref(), Ok("1-65535"));
        assert_eq!(Ports::all().len(), 65535);
        for word in ["", "0", "65536", "80-", "-80", "90-80", "http", "+80", "80-90-100"] {
            assert!(read(word).is_err(), "{word}");
        }
    }

    proptest! {
        #[test]
        fn displayed_sets_parse_back(ports in prop::collection::vec(1u16.., 1..40)) {
            let ports = Ports::new(ports);
            prop_assert_eq!(ports.to_string().parse::<Ports>().expect("reads back"), ports);
        }
    }
}
