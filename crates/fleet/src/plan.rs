//! The plan of a fleet: a pure function of the seed and the population.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use crate::decoy::Decoy;
use crate::{Fault, FleetError, Honeypot, Population, Recording, Recordings};

/// How addresses and ports are assigned to the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One server per address of 127.0.0.0/8 from this one on, each at its product's port.
    Addresses(Ipv4Addr),
    /// All at one address, from this port on, for machines whose loopback has only one address (macOS). With port 0 the system chooses
    /// each port when the servers start.
    Ports(SocketAddrV4),
}

/// A server of the fleet: its address and behaviour.
#[derive(Clone, Debug)]
pub struct Personality {
    /// The address and port.
    pub address: SocketAddrV4,
    pub(crate) role: Role,
}

#[derive(Clone, Debug)]
pub(crate) enum Role {
    Server { recording: Arc<Recording>, fault: Option<Fault> },
    Decoy(Arc<Decoy>),
}

impl Personality {
    /// The recorded product; `None` for a honeypot and for a server of no known product.
    #[must_use]
    pub fn product(&self) -> Option<&str> {
        match &self.role {
            Role::Server { recording, .. } => recording.fixture().head.product.as_deref(),
            Role::Decoy(_) => None,
        }
    }

    /// The recording that it replays; `None` for a honeypot.
    #[must_use]
    pub fn recording(&self) -> Option<&Arc<Recording>> {
        match &self.role {
            Role::Server { recording, .. } => Some(recording),
            Role::Decoy(_) => None,
        }
    }

    /// The fault, if it has one.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        match &self.role {
            Role::Server { fault, .. } => *fault,
            Role::Decoy(_) => None,
        }
    }

    /// The kind of honeypot, if it is one.
    #[must_use]
    pub fn honeypot(&self) -> Option<Honeypot> {
        match &self.role {
            Role::Server { .. } => None,
            Role::Decoy(decoy) => Some(decoy.kind()),
        }
    }

    /// A server that replays a recording.
    #[must_use]
    pub fn server(address: SocketAddrV4, recording: Arc<Recording>) -> Self {
        Self {
            address,
            role: Role::Server { recording, fault: None },
        }
    }

    /// A server that replays a recording with a fault.
    #[must_use]
    pub fn broken(address: SocketAddrV4, recording: Arc<Recording>, fault: Fault) -> Self {
        Self {
            address,
            role: Role::Server {
                recording,
                fault: Some(fault),
            },
        }
    }

    /// A honeypot; the seed chooses the recording that it imitates.
    ///
    /// # Errors
    ///
    /// No suitable recording.
    pub fn bait(address: SocketAddrV4, honeypot: Honeypot, recordings: &Recordings, seed: u64) -> Result<Self, FleetError> {
        Ok(Self {
            address,
            role: Role::Decoy(Arc::new(Decoy::new(honeypot, recordings, seed)?)),
        })
    }
}

impl fmt::Display for Personality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.address)?;
        match &self.role {
            Role::Server { recording, fault: None } => f.write_str(recording.name()),
            Role::Server {
                recording,
                fault: Some(fault),
            } => write!(f, "{} fault {fault}", recording.name()),
            Role::Decoy(decoy) => write!(f, "honeypot {}", decoy.kind()),
        }
    }
}

/// The recordings of one product that match an entry of the population.
struct RecordingGroup {
    recordings: Vec<Arc<Recording>>,
    port: Option<u16>,
}

pub(crate) fn plan(
    seed: u64,
    population: &Population,
    recordings: &Recordings,
    layout: Layout,
    count: usize,
) -> Result<Vec<Personality>, FleetError> {
    population.check().map_err(FleetError::Population)?;
    let pool = AddressPool::new(layout, count)?;
    let (groups, deck) = groups(population, recordings)?;
    let mut baits = Vec::new();
    for share in &population.honeypots {
        let decoy = Decoy::new(share.honeypot, recordings, mix(seed, u64::MAX))?;
        let port = share.port.unwrap_or_else(|| decoy.port());
        baits.push((Arc::new(decoy), port));
    }

    let mut dealt = 0usize;
    let mut dealer = Dealer {
        seed,
        deck: deck.clone(),
        block: None,
    };
    let mut all = Vec::new();
    for index in 0..count {
        let draw = mix(seed, index as u64);
        let (role, port) = match draw_of(population, unit(draw)) {
            Draw::Empty => continue,
            Draw::Honeypot(which) => {
                let (decoy, port) = &baits[which];
                (Role::Decoy(Arc::clone(decoy)), *port)
            }
            Draw::Broken(fault) => {
                let again = mix(draw, 1);
                let group = &groups[deck[pick(again, deck.len())]];
                let recording = Arc::clone(&group.recordings[pick(mix(again, 2), group.recordings.len())]);
                let port = group.port.unwrap_or(recording.fixture().head.port);
                (
                    Role::Server {
                        recording,
                        fault: Some(fault),
                    },
                    port,
                )
            }
            Draw::Sound => {
                let (card, round) = dealer.card(dealt);
                dealt += 1;
                let group = &groups[card];
                let recording = Arc::clone(&group.recordings[round % group.recordings.len()]);
                let port = group.port.unwrap_or(recording.fixture().head.port);
                (Role::Server { recording, fault: None }, port)
            }
        };
        all.push(Personality {
            address: pool.at(index, port),
            role,
        });
    }
    Ok(all)
}

/// The recordings that match the entries, and the deck, in which each group occurs as often as its weight.
fn groups(population: &Population, recordings: &Recordings) -> Result<(Vec<RecordingGroup>, Vec<usize>), FleetError> {
    let mut groups = Vec::new();
    let mut deck = Vec::new();
    let folders: BTreeSet<&str> = recordings.iter().map(|recording| recording.folder()).collect();
    for entry in &population.entries {
        let before = groups.len();
        for folder in folders.iter().filter(|folder| entry.names(folder)) {
            let fitting: Vec<_> = recordings.of(folder).iter().filter(|r| entry.fits(r.name())).cloned().collect();
            if !fitting.is_empty() {
                deck.extend(std::iter::repeat_n(groups.len(), entry.weight as usize));
                groups.push(RecordingGroup {
                    recordings: fitting,
                    port: entry.port,
                });
            }
        }
        if groups.len() == before {
            return Err(FleetError::NoRecording {
                what: format!("{}/{}", entry.product, entry.fixture),
                have: folders.into_iter().collect::<Vec<_>>().join(", "),
            });
        }
    }
    Ok((groups, deck))
}

/// Deals the deck, reshuffled for each round, so that each round of addresses has every group in proportion to its weight.
struct Dealer {
    seed: u64,
    deck: Vec<usize>,
    block: Option<(usize, Vec<(usize, usize)>)>,
}

impl Dealer {
    /// The card at a position in the endless sequence of shuffled decks: its group, and its number within the group.
    fn card(&mut self, place: usize) -> (usize, usize) {
        let round = place / self.deck.len();
        if self.block.as_ref().is_none_or(|(dealt, _)| *dealt != round) {
            self.block = Some((round, self.shuffled(round)));
        }
        self.block.as_ref().map_or((0, 0), |(_, cards)| cards[place % self.deck.len()])
    }

    fn shuffled(&self, round: usize) -> Vec<(usize, usize)> {
        // The number within the group selects the recording, so that a product's states alternate.
        let mut of_group = vec![0usize; self.deck.len()];
        let mut weight = vec![0usize; self.deck.len()];
        for &group in &self.deck {
            weight[group] += 1;
        }
        let mut cards: Vec<(usize, usize)> = self
            .deck
            .iter()
            .map(|&group| {
                let nth = round * weight[group] + of_group[group];
                of_group[group] += 1;
                (group, nth)
            })
            .collect();
        for last in (1..cards.len()).rev() {
            let draw = mix(self.seed ^ 0x0dec_0dec, (round * self.deck.len() + last) as u64);
            cards.swap(last, pick(draw, last + 1));
        }
        cards
    }
}

enum Draw {
    Empty,
    Broken(Fault),
    Honeypot(usize),
    Sound,
}

fn draw_of(population: &Population, mut draw: f64) -> Draw {
    draw -= population.empty;
    if draw < 0.0 {
        return Draw::Empty;
    }
    for fault in &population.faults {
        draw -= fault.share;
        if draw < 0.0 {
            return Draw::Broken(fault.fault);
        }
    }
    for (which, honeypot) in population.honeypots.iter().enumerate() {
        draw -= honeypot.share;
        if draw < 0.0 {
            return Draw::Honeypot(which);
        }
    }
    Draw::Sound
}

/// The addresses of the servers, checked to be enough for all.
struct AddressPool {
    layout: Layout,
}

impl AddressPool {
    fn new(layout: Layout, count: usize) -> Result<Self, FleetError> {
        let (from, room, why) = match layout {
            Layout::Addresses(first) => {
                // The network and broadcast addresses cannot be used.
                let last = u32::from(Ipv4Addr::new(127, 255, 255, 254));
                let from = SocketAddr::from((first, 0));
                if !first.is_loopback() || first == Ipv4Addr::new(127, 0, 0, 0) || first == Ipv4Addr::BROADCAST {
                    return Err(FleetError::NotLoopback(from));
                }
                (
                    (from),
                    (last + 1).saturating_sub(u32::from(first)) as usize,
                    "127.255.255.254 is the last address",
                )
            }
            Layout::Ports(first) => {
                let from = SocketAddr::V4(first);
                if !first.ip().is_loopback() {
                    return Err(FleetError::NotLoopback(from));
                }
                let room = if first.port() == 0 {
                    usize::MAX
                } else {
                    65_536 - usize::from(first.port())
                };
                (from, room, "65535 is the last port")
            }
        };
        if count > room {
            return Err(FleetError::DoesNotFit { count, from, why });
        }
        Ok(Self { layout })
    }

    /// The address with this index; `new` checked that it exists.
    fn at(&self, index: usize, port: u16) -> SocketAddrV4 {
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        match self.layout {
            Layout::Addresses(first) => SocketAddrV4::new(Ipv4Addr::from(u32::from(first).saturating_add(index)), port),
            Layout::Ports(first) if first.port() == 0 => first,
            Layout::Ports(first) => SocketAddrV4::new(
                *first.ip(),
                u16::try_from(u32::from(first.port()).saturating_add(index)).unwrap_or(u16::MAX),
            ),
        }
    }
}

/// A pseudo-random number determined by two others: SplitMix64's finalizer (Steele, Lea and Flood 2014).
pub(crate) fn mix(seed: u64, index: u64) -> u64 {
    let mut z = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number from 0 to below 1, from the upper 53 bits, the precision of a double.
fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1u64 << 53) as f64
}

/// An index below a length, without the bias of a remainder for lengths below 2^32.
pub(crate) fn pick(draw: u64, length: usize) -> usize {
    ((u128::from(draw) * length as u128) >> 64) as usize
}
