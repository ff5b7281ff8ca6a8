//! Other ways to the server behind: addresses of this machine on which it answers without the gateway.
//!
//! The listening sockets and addresses of this machine say where the server may answer; a harmless request on each says where it does. What
//! cannot be seen from here (a server on another machine, a rule of the kernel that leads elsewhere) is unknown, never closed.

mod ask;
mod candidates;
mod remedy;
mod watch;

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use vigie_model::Reach;

use crate::config::Config;

pub use remedy::remedy;
pub(crate) use watch::watch;

/// Where a server behind answers beside the address that the gateway uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// The server: its URL.
    pub server: String,
    /// Its product, by its id in the catalogue.
    pub product: String,
    /// Whether the server is on this machine, in this network namespace.
    pub is_here: bool,
    /// Why the sockets of this machine could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<String>,
    /// The other addresses, sorted.
    pub ways: Vec<Way>,
    /// Listening sockets that gave no readable answer to the harmless request: TLS, another protocol, or none. They may lead anywhere.
    pub unjudged: usize,
}

/// An address on which the server answers without the gateway.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Way {
    /// The address; `0.0.0.0` and `::`: every address that this machine gets.
    pub address: SocketAddr,
    /// Who can reach it, judged by the address: firewalls are not seen.
    pub reach: Reach,
    /// How it is known.
    pub proof: Proof,
    /// The program that listens there, where it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// How it is known that an address leads to the server behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The socket behind it is that of the server, or of the same process.
    SameSocket,
    /// A container's proxy listens there, and its command line names the server.
    Published,
    /// Another program listens there and answers as the server does: the same product and version.
    SameAnswer,
}

impl Proof {
    /// The proof in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::SameSocket => "certain: the server's own socket",
            Self::Published => "certain: a published port of its container",
            Self::SameAnswer => "likely: the same product and version answers",
        }
    }
}

impl Standing {
    /// `only`: no other way was found. `local`: only programs of this machine can use another one. `open`: other machines can.
    /// `unknown`: it cannot be seen from here.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.ways.iter().any(|way| way.reach != Reach::Loopback) {
            "open"
        } else if !self.is_here || self.unread.is_some() {
            "unknown"
        } else if self.ways.is_empty() {
            "only"
        } else {
            "local"
        }
    }

    /// What is found, in one line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let (product, server) = (&self.product, &self.server);
        let list = |ways: &mut dyn Iterator<Item = &Way>| {
            let shown: Vec<String> = ways
                .map(|way| match &way.program {
                    Some(program) => format!("{} ({}; {})", way.address, program.escape_debug(), way.proof.words()),
                    None => format!("{} ({})", way.address, way.proof.words()),
                })
                .collect();
            shown.join(", ")
        };
        match self.word() {
            "open" => format!(
                "warning: the gateway is not the only way in: {product} answers without it on {}",
                list(&mut self.ways.iter().filter(|way| way.reach != Reach::Loopback))
            ),
            "local" => format!(
                "programs of this machine reach {product} without the gateway on {} too; no other machine does, as far as the sockets show",
                list(&mut self.ways.iter())
            ),
            "only" => format!("no address of this machine leads to {product} but {server}, as far as the sockets show"),
            _ => {
                let why = match &self.unread {
                    Some(why) => why.clone(),
                    None => format!("{server} is no address of this machine"),
                };
                format!("whether {product} answers without the gateway is not known: {why}")
            }
        }
    }
}

/// Looks once for each server behind. `own`: addresses of the gateway itself.
///
/// # Errors
///
/// No request can be sent at all.
pub fn look(config: &Config, own: &[SocketAddr]) -> std::io::Result<Vec<Standing>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(look_at_all(config, own)))
}

async fn look_at_all(config: &Config, own: &[SocketAddr]) -> Vec<Standing> {
    let mut standings = Vec::new();
    for server in config.behind() {
        standings.push(ask::look(server, own).await);
    }
    standings
}

/// What was found last, for the metrics.
#[derive(Debug, Default)]
pub(crate) struct Found(Mutex<Vec<Standing>>);

impl Found {
    fn get(&self) -> Vec<Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, standings: Vec<Standing>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = standings;
    }

    /// The word of the worst standing, and how many ways there are for programs of this machine, private networks and everyone. `None`: nobody
    /// has looked yet.
    pub(crate) fn sum(&self) -> Option<(&'static str, [usize; 3])> {
        let standings = self.get();
        let words: Vec<&'static str> = standings.iter().map(Standing::word).collect();
        let worst = ["open", "unknown", "local", "only"].into_iter().find(|word| words.contains(word))?;
        let count = |reach| {
            standings
                .iter()
                .flat_map(|standing| &standing.ways)
                .filter(|way| way.reach == reach)
                .count()
        };
        Some((worst, [Reach::Loopback, Reach::Private, Reach::Public].map(count)))
    }
}
