//! One thread's connections to all servers behind: a request goes to the server that the pool chooses, and to another one if it was not
//! sent.

use std::path::Path;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;

use super::models;
use super::tls;
use super::upstream::{Answer, Forwarded, Target, Upstream, UpstreamError};
use crate::config::{Config, UpstreamConfig};
use crate::key::Grant;
use crate::log::{Change, Entry, Log};
use crate::policy;
use crate::pool::{Busy, Judged, Judgement, Pool, Slot};

/// A list of models is read whole to be filtered, up to this many bytes.
pub(super) const MAX_LIST: usize = 16 << 20;
/// How long a server may take for its part of a list.
const LIST_WAIT: Duration = Duration::from_secs(5);

/// How a server is reached: what each thread makes its connections with.
#[derive(Clone)]
pub(crate) struct Reach {
    target: Target,
    authority: String,
    wait: Duration,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    bearer: Option<String>,
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.authority)
    }
}

impl Reach {
    /// Reads how a server is reached, with the files that its configuration names.
    ///
    /// # Errors
    ///
    /// What is wrong, with its file.
    pub(crate) fn read(dir: &Path, config: &UpstreamConfig) -> Result<Self, String> {
        let place = config.place().ok_or_else(|| format!("{:?} is no URL of a server", config.url))?;
        let target = match place.address() {
            Some(address) => Target::Address(address),
            None => Target::Name(place.host.clone(), place.port),
        };
        let tls = match place.tls {
            false => None,
            true => {
                let authority = config.ca.as_deref().map(|file| Config::beside(dir, file));
                let name = ServerName::try_from(place.host.clone()).map_err(|_| format!("{:?} is no name of a server", place.host))?;
                Some((tls::connector(authority.as_deref())?, name))
            }
        };
        let bearer = match &config.bearer {
            None => None,
            Some(file) => {
                let path = Config::beside(dir, file);
                let text = std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
                let key = text.trim();
                if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(format!("{} holds no key: one line without spaces", path.display()));
                }
                Some(key.to_owned())
            }
        };
        Ok(Self {
            target,
            authority: place.authority,
            wait: Duration::from_secs(config.wait),
            tls,
            bearer,
        })
    }
}

/// One thread's connections to all servers, by their numbers.
pub(crate) struct Upstreams(Vec<Upstream>);

/// A request that was sent, and the head of its answer.
pub(crate) struct Sent<'s, 't> {
    pub(crate) answer: Answer,
    pub(crate) upstream: &'s Upstream,
    /// The request as the server reads it.
    pub(crate) judgement: &'s Judgement<'t>,
    /// Its place on the server, which it keeps until its end.
    pub(crate) slot: Slot<'s>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NotSent {
    /// There was no place for it.
    Busy(Busy),
    /// A server failed.
    Failed(UpstreamError),
}

/// What of a request is the same for every server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plain<'r> {
    pub(crate) method: &'r str,
    /// The client's `Accept`, if it is plain.
    pub(crate) accept: Option<&'r str>,
    /// The trace that it belongs to.
    pub(crate) traceparent: Option<&'r str>,
}

impl<'r> Plain<'r> {
    fn to<'j>(self, judgement: &'j Judgement<'_>) -> Forwarded<'j>
    where
        'r: 'j,
    {
        let passed = &judgement.passed;
        Forwarded {
            method: self.method,
            target: &passed.target,
            accept: self.accept,
            traceparent: self.traceparent,
            body: passed.body.as_ref().map(|(kind, body)| (kind.as_str(), body.as_slice())),
        }
    }
}

impl Upstreams {
    pub(crate) fn new(reaches: Vec<Reach>) -> Self {
        let make = |reach: Reach| Upstream::new(reach.target, reach.authority, reach.wait).with(reach.tls, reach.bearer);
        Self(reaches.into_iter().map(make).collect())
    }

    /// The connections to one server.
    pub(crate) fn get(&self, server: usize) -> Option<&Upstream> {
        self.0.get(server)
    }

    /// Sends a request to the server that has the least to do of those that may get it, and waits for the head of the answer. A server that
    /// cannot be reached was sent nothing: the next one is tried. What was sent, and may have been read, is sent to nobody else, unless
    /// reading it twice changes nothing.
    ///
    /// # Errors
    ///
    /// There is no place, or no server answered.
    pub(crate) async fn send<'s, 't>(
        &'s self,
        pool: &'s Pool,
        log: &Log,
        key: &str,
        judged: &'s Judged<'t>,
        plain: Plain<'_>,
    ) -> Result<Sent<'s, 't>, NotSent> {
        let mut left = judged.servers();
        loop {
            let slot = pool.enter(left, key, judged.runs()).await.map_err(NotSent::Busy)?;
            let server = slot.server;
            let judgement = judged.of(server);
            let Some(upstream) = self.0.get(server) else {
                return Err(NotSent::Failed(UpstreamError::Broken));
            };
            let sent = upstream.send(&plain.to(judgement)).await;
            if upstream.closed() {
                pool.suspect(server);
            }
            match sent {
                Ok(answer) => {
                    pool.succeeded(server);
                    return Ok(Sent {
                        answer,
                        upstream,
                        judgement,
                        slot,
                    });
                }
                Err(error) => {
                    lose(pool, log, server);
                    left = left.without(server);
                    let is_safe = match error {
                        UpstreamError::Connect(_) => true,
                        UpstreamError::Broken => matches!(plain.method, "GET" | "HEAD") && !judged.runs(),
                        UpstreamError::Timeout | UpstreamError::Malformed(_) => false,
                    };
                    if left.is_empty() || !is_safe {
                        return Err(NotSent::Failed(error));
                    }
                }
            }
        }
    }

    /// Asks all servers that may get a request for a list of models, and makes one list of what they answer, without the models that the
    /// key may not use. Servers that do not answer are left out.
    ///
    /// # Errors
    ///
    /// No server gave a list.
    pub(crate) async fn list(
        &self,
        pool: &Pool,
        log: &Log,
        grant: &Grant,
        judged: &Judged<'_>,
        plain: Plain<'_>,
    ) -> Result<Vec<u8>, String> {
        let mut lists = Vec::new();
        let mut why = "no server answers".to_owned();
        for server in pool.answering(judged.servers()).iter() {
            let (Some(upstream), judgement) = (self.0.get(server), judged.of(server)) else {
                continue;
            };
            match tokio::time::timeout(LIST_WAIT, whole(upstream, &plain.to(judgement))).await {
                Ok(Ok((200, list))) => match models::filter(pool, server, grant, judgement, &list) {
                    Ok(filtered) => lists.push((filtered.unwrap_or(list), judgement.passed.lists)),
                    Err(error) => why = format!("a list of models that does not read: {error}"),
                },
                Ok(Ok((status, _))) => why = format!("a list of models with the status {status}"),
                Ok(Err(error)) => {
                    lose(pool, log, server);
                    why = error.to_string();
                }
                Err(_) => {
                    pool.failed(server);
                    why = UpstreamError::Timeout.to_string();
                }
            }
        }
        let mut lists = lists.into_iter();
        let Some((first, places)) = lists.next() else { return Err(why) };
        let others: Vec<_> = lists.collect();
        policy::merge(&first, places, &others)
    }
}

/// A server gave no answer: the strictest table holds for it.
fn lose(pool: &Pool, log: &Log, server: usize) {
    if let Some(version) = pool.lose(server) {
        log.record(Entry::Change(Change::Upstream {
            server: pool.name_of(server),
            version,
        }));
    }
}

/// The whole answer to a request for a list.
async fn whole(upstream: &Upstream, request: &Forwarded<'_>) -> Result<(u16, Vec<u8>), UpstreamError> {
    let mut answer = upstream.send(request).await?;
    let mut list = Vec::new();
    while let Some(piece) = answer.piece(LIST_WAIT).await? {
        if list.len() + piece.len() > MAX_LIST {
            return Err(UpstreamError::Malformed("a list of models that is too long".to_owned()));
        }
        list.extend_from_slice(&piece);
    }
    let status = answer.head.status;
    upstream.keep(answer);
    Ok((status, list))
}
