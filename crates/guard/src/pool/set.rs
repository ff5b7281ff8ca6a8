//! A set of servers.

/// The most servers that a gateway may have.
pub(crate) const MOST: usize = 64;

/// A set of servers, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set(u64);

impl Set {
    pub(crate) const NONE: Self = Self(0);

    /// The set of one server. A number beyond [`MOST`] is in no set.
    pub(crate) fn one(server: usize) -> Self {
        Self(if server < MOST { 1 << server } else { 0 })
    }

    pub(crate) fn with(self, server: usize) -> Self {
        Self(self.0 | Self::one(server).0)
    }

    pub(crate) fn without(self, server: usize) -> Self {
        Self(self.0 & !Self::one(server).0)
    }

    pub(crate) fn contains(self, server: usize) -> bool {
        self.0 & Self::one(server).0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn is_one(self) -> bool {
        self.0.is_power_of_two()
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The numbers, in the order of the configuration.
    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..MOST).filter(move |server| self.contains(*server))
    }
}

impl FromIterator<usize> for Set {
    fn from_iter<I: IntoIterator<Item = usize>>(servers: I) -> Self {
        servers.into_iter().fold(Self::NONE, Self::with)
    }
}
