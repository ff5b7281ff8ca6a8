//! Counts that many gateways share, in Redis.
//!
//! Every admission is one round trip: a script ([`script.lua`](https://redis.io/docs/latest/develop/programmability/)) counts the request
//! and looks at all limits of its key in one step, by the clock of Redis. Each thread of the gateway has one connection on which its
//! requests follow one another without waiting for replies.
//!
//! - **Nothing is counted twice or lost with a connection.** Each thread numbers what it asks for, and Redis keeps the last number that was
//!   done. After a break what was not done is asked for again, and an admission whose reply was lost is taken back.
//! - **Without Redis nothing is passed on.** A thread connects again after 50 ms, and then in growing steps up to a second.
//! - **A Redis that lost its data** is known by a mark (`vigie:epoch`) that is new. Each gateway then adds what it has counted itself, in the
//!   last minute and on this day, which it knows from its own log too; what was not counted by one of the gateways that live is forgotten. Until as many gateways have
//!   done so as there were before, nothing is admitted, for ten seconds at most.
//! - **Places of `concurrent`** belong to a thread that shows signs of life; those of a gateway that died come back after 30 seconds.
//!
//! It is a client of its own: what is needed of the protocol are eighty lines, and the numbering above has to know which replies are missing.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod link;
mod resp;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::account::{Gauge, Over, Standing};
use super::limits::{Limit, Limits};
use crate::config::{Config, LimitsConfig, RedisPlace};

pub(crate) use link::{Link, RemotePermit};

/// The script of all counts.
const SCRIPT: &str = include_str!("script.lua");

/// A Redis that several gateways share, as all threads of this one see it.
pub(crate) struct Remote {
    place: RedisPlace,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    user: Option<String>,
    password: Option<String>,
    /// The same for each start of this gateway, and another for each gateway.
    gateway: String,
    epoch: Mutex<Epoch>,
    /// Gateways that lived when this was looked at last.
    gateways: AtomicU64,
    /// Threads, and those that are connected.
    links: AtomicUsize,
    ready: AtomicUsize,
    /// Whether it was said that Redis is away.
    said: AtomicBool,
}

/// Which life of Redis' data this gateway has added its own counts to.
#[derive(Debug, Default)]
struct Epoch {
    joined: Option<Joined>,
    /// A thread is at it.
    joining: bool,
}

#[derive(Clone, Debug)]
struct Joined {
    epoch: String,
    /// When this gateway's counts were read, if they were added: what was counted before is among them.
    added: Option<Instant>,
}

/// Redis does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Away;

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({}:{})", self.place.host, self.place.port)
    }
}

impl Remote {
    /// Reads what is needed to connect. `gateway`: the id of this gateway.
    ///
    /// # Errors
    ///
    /// A file does not read.
    pub(crate) fn read(dir: &Path, config: &LimitsConfig, gateway: String) -> Result<Self, String> {
        let place = config.place().ok_or_else(|| format!("{:?} is no URL of a Redis", config.redis))?;
        let tls = match place.tls {
            false => None,
            true => {
                let authority = config.ca.as_deref().map(|file| Config::beside(dir, file));
                let name = ServerName::try_from(place.host.clone()).map_err(|_| format!("{:?} is no name of a server", place.host))?;
                Some((crate::proxy::connector(authority.as_deref())?, name))
            }
        };
        let password = match &config.password {
            None => None,
            Some(file) => {
                let path = Config::beside(dir, file);
                let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
        };
        Ok(Self {
            place,
            tls,
            user: config.user.clone(),
            password,
            gateway,
            epoch: Mutex::default(),
            gateways: AtomicU64::new(1),
            links: AtomicUsize::new(0),
            ready: AtomicUsize::new(0),
            said: AtomicBool::new(false),
        })
    }

    /// Whether every thread is connected.
    pub(crate) fn is_up(&self) -> bool {
        self.ready.load(Ordering::Relaxed) >= self.links.load(Ordering::Relaxed)
    }

    fn epoch(&self) -> std::sync::MutexGuard<'_, Epoch> {
        self.epoch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say_away(&self, why: &str) {
        if !self.said.swap(true, Ordering::Relaxed) {
            eprintln!(
                "vigie: Redis at {}:{} does not answer: {why}; requests get 503 until it does",
                self.place.host, self.place.port
            );
        }
    }

    fn say_back(&self) {
        if self.said.swap(false, Ordering::Relaxed) {
            eprintln!("vigie: Redis at {}:{} answers", self.place.host, self.place.port);
        }
    }
}

/// What Redis says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Verdict {
    over: Option<Over>,
    standing: Standing,
    /// Where the request was counted.
    bucket: i64,
}

impl Verdict {
    /// Reads the script's numbers.
    fn read(numbers: &[i64], limits: &Limits) -> Option<Self> {
        let &[over, wait, requests, requests_reset, tokens, tokens_reset, today, midnight, bucket] = numbers else {
            return None;
        };
        let ms = |ms: i64| Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        let limit = match over {
            0 => None,
            1 => Some(Limit::RequestsPerMinute),
            2 => Some(Limit::TokensPerMinute),
            3 => Some(Limit::TokensPerDay),
            4 => Some(Limit::Concurrent),
            _ => return None,
        };
        let gauge = |limit: Limit, used: i64, reset: i64| {
            limits.get(limit).map(|most| Gauge {
                limit: most,
                remaining: most.saturating_sub(u64::try_from(used).unwrap_or(0)),
                reset: if used == 0 { Duration::ZERO } else { ms(reset) },
            })
        };
        let minute = gauge(Limit::TokensPerMinute, tokens, tokens_reset);
        let day = gauge(Limit::TokensPerDay, today, midnight);
        Some(Self {
            over: limit.map(|limit| Over { limit, wait: ms(wait) }),
            standing: Standing {
                requests: gauge(Limit::RequestsPerMinute, requests, requests_reset),
                tokens: minute
                    .into_iter()
                    .chain(day)
                    .min_by_key(|gauge| (gauge.remaining, std::cmp::Reverse(gauge.reset))),
            },
            bucket,
        })
    }
}
