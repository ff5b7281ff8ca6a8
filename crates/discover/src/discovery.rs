//! Works through the queries of a state: counts, splits and reads pages.

use std::collections::{BTreeSet, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::api::{PAGE, PagePosition};
use crate::client::Client;
use crate::fault::StopReason;
use crate::kind::SplitField;
use crate::part::{PartStatus, QueryPart};
use crate::sender::{SendFailure, Sender};
use crate::service::Service;
use crate::state::DiscoveryState;
use crate::url::BaseUrl;

/// A page beyond this number that fails on every attempt is taken for the service's own limit. An earlier one means that
/// something is wrong.
const DEEP: u32 = 10;

/// The settings of a discovery.
#[derive(Clone, Debug)]
pub struct DiscoveryOptions {
    /// Credits that this run may spend.
    pub budget: u64,
    /// The most credits that a request which is not free can cost.
    pub cost: u64,
    /// The number of pages of a query after which it is split.
    pub pages: u32,
    /// The shortest time between the starts of two requests.
    pub interval: Duration,
    /// The User-Agent.
    pub agent: String,
    /// The flag that the caller sets to stop the run.
    pub stop: Arc<AtomicBool>,
}

/// What one step of a discovery did.
#[derive(Debug)]
pub enum DiscoveryStep {
    /// A reply arrived that has the documented form.
    Reply(ServiceReply),
    /// The query with that number is complete.
    Done(usize),
    /// Every query is complete.
    End,
}

/// A reply as it arrived, with the key masked.
#[derive(Debug)]
pub struct ServiceReply {
    /// The number of its query.
    pub query: usize,
    /// The text of the query as it was sent.
    pub text: String,
    /// Whether it holds records.
    pub kind: ReplyKind,
    /// The bytes of the reply.
    pub body: Vec<u8>,
}

/// What a reply holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// A page of records, numbered from 1.
    Page(u32),
    /// A count.
    Count,
}

/// The place of a part in the state: the number of its query, and its own number.
type PartIndex = (usize, usize);

/// A discovery in progress.
pub struct Discovery {
    sender: Sender,
    state: DiscoveryState,
    /// The most credits that a request which is not free can cost.
    cost: u64,
    /// The number of pages of a query after which it is split.
    pages: u32,
    /// Parts whose next page token comes from an earlier run: the service may no longer know it.
    old: HashSet<PartIndex>,
}

impl Discovery {
    /// Starts a discovery, or resumes the one that the state describes.
    ///
    /// # Errors
    ///
    /// This machine has no certificates to verify the service with.
    pub fn new(service: Service, base: BaseUrl, options: DiscoveryOptions, state: DiscoveryState) -> Result<Self, String> {
        let client = Client::new(base, &options.agent, service.api.secrets())?;
        let old = state
            .queries
            .iter()
            .enumerate()
            .flat_map(|(query, one)| {
                let begun = one.parts.iter().enumerate().filter(|(_, part)| part.token.is_some());
                begun.map(move |(part, _)| (query, part))
            })
            .collect();
        Ok(Self {
            sender: Sender::new(client, service.api, options.budget, options.interval, options.stop),
            state,
            cost: options.cost,
            pages: options.pages,
            old,
        })
    }

    /// The queries, and how much of each has been read.
    #[must_use]
    pub fn state(&self) -> &DiscoveryState {
        &self.state
    }

    /// The endpoints that the caller found in the replies.
    pub fn found(&mut self) -> &mut BTreeSet<SocketAddr> {
        &mut self.state.found
    }

    /// Credits counted in this run.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.sender.spent()
    }

    /// Credits left in the account, where the service reports them for free. The budget is lowered to them.
    ///
    /// # Errors
    ///
    /// The service rejects the key or does not answer, or the caller stops the run. A balance that is not reported is no error.
    pub async fn balance(&mut self) -> Result<Option<u64>, StopReason> {
        if self.sender.api().balance().is_none() {
            return Ok(None);
        }
        let sent = self
            .sender
            .send(
                &mut self.state.spent,
                0,
                |api| api.balance(),
                |api, body| Ok(api.read_balance(body)),
            )
            .await;
        match sent {
            Ok((left, _)) => {
                if let Some(left) = left {
                    self.sender.limit_budget(left);
                }
                Ok(left)
            }
            Err(SendFailure::Stop(stop @ (StopReason::Key(_) | StopReason::Interrupted | StopReason::Wait(_)))) => Err(stop),
            Err(SendFailure::Retries(why)) => Err(StopReason::Unreachable(why)),
            // A mirror may not offer it.
            Err(_) => Ok(None),
        }
    }

    /// Sends the next request.
    ///
    /// # Errors
    ///
    /// Why the run ends here. The state holds what was done, and can be resumed.
    pub async fn step(&mut self) -> Result<DiscoveryStep, StopReason> {
        let Some(query) = self.state.queries.iter().position(|query| !query.done) else {
            return Ok(DiscoveryStep::End);
        };
        if self.state.queries[query].parts.is_empty() {
            let text = self.state.queries[query].query.clone();
            self.state.queries[query].parts.push(QueryPart::new(text, Vec::new(), None));
        }
        loop {
            let open = self.state.queries[query]
                .parts
                .iter()
                .position(|part| part.status == PartStatus::Open);
            let Some(part) = open else {
                self.state.queries[query].done = true;
                return Ok(DiscoveryStep::Done(query));
            };
            if let Some(reply) = self.advance((query, part)).await? {
                return Ok(DiscoveryStep::Reply(reply));
            }
        }
    }

    fn part(&mut self, (query, part): PartIndex) -> &mut QueryPart {
        &mut self.state.queries[query].parts[part]
    }

    /// Advances a part by one request. Returns `None` if no reply came of it.
    async fn advance(&mut self, at: PartIndex) -> Result<Option<ServiceReply>, StopReason> {
        let reach = u64::from(self.pages) * PAGE;
        let part = self.part(at).clone();
        let by = self.split_by(&self.state.queries[at.0].query, &part);
        let unknown = part.expected.is_none() && part.pages == 0 && self.sender.api().counts_free();
        let beyond = part.capped || part.total.or(part.expected).is_some_and(|total| total > reach);
        if unknown || (beyond && by.is_some()) {
            return self.count(at, by, beyond, reach).await;
        }
        if part.capped || part.pages >= self.pages {
            let pages = self.pages;
            self.part(at).finish(pages);
            return Ok(None);
        }
        self.page(at).await
    }

    /// The field that a part is split by next.
    fn split_by(&self, query: &str, part: &QueryPart) -> Option<SplitField> {
        SplitField::ALL
            .into_iter()
            .find(|field| !part.by.contains(field) && !self.sender.api().names(query, *field))
    }

    /// Counts the records of a part, and splits it if they are too many.
    async fn count(&mut self, at: PartIndex, by: Option<SplitField>, beyond: bool, reach: u64) -> Result<Option<ServiceReply>, StopReason> {
        let text = self.part(at).query.clone();
        let cost = if self.sender.api().counts_free() { 0 } else { self.cost };
        let sent = self
            .sender
            .send(
                &mut self.state.spent,
                cost,
                |api| Some(api.count(&text, by)),
                |api, body| api.read_count(body, by),
            )
            .await;
        let (count, body) = match sent {
            Ok(reply) => reply,
            Err(SendFailure::Query(why)) => {
                let part = self.part(at);
                if part.pages == 0 {
                    self.reject(at, why);
                } else {
                    // The pages that were read stay; the part cannot be split.
                    part.by.extend(by);
                    part.note(&format!("the service cannot count it ({why})"));
                }
                return Ok(None);
            }
            Err(SendFailure::Retries(why)) => return Err(StopReason::Unreachable(why)),
            Err(SendFailure::Stop(stop)) => return Err(stop),
        };
        let capped = self.part(at).capped;
        match by {
            Some(field) if (capped || count.total > reach) && !count.values.is_empty() => {
                let api = self.sender.api();
                let part = &mut self.state.queries[at.0].parts[at.1];
                let parts = part.split(field, &count, |query, value| api.narrow(query, field, value));
                self.state.queries[at.0].parts.extend(parts);
            }
            _ => {
                let part = self.part(at);
                part.expected = Some(count.total);
                if beyond || count.total > reach {
                    // It cannot be split by this field, and the field is not tried again.
                    part.by.extend(by);
                }
                if count.total == 0 {
                    part.total = Some(0);
                    part.status = PartStatus::Done;
                }
            }
        }
        Ok(Some(ServiceReply {
            query: at.0,
            text,
            kind: ReplyKind::Count,
            body,
        }))
    }

    /// Reads the next page of a part.
    async fn page(&mut self, at: PartIndex) -> Result<Option<ServiceReply>, StopReason> {
        let part = self.part(at).clone();
        let position = PagePosition {
            page: part.pages + 1,
            token: part.token.clone(),
        };
        let sent = self
            .sender
            .send(
                &mut self.state.spent,
                self.cost,
                |api| Some(api.page(&part.query, &position)),
                |api, body| api.read_page(body),
            )
            .await;
        match sent {
            Ok((page, body)) => {
                self.old.remove(&at);
                let pages = self.pages;
                self.part(at).add_page(&page, pages);
                Ok(Some(ServiceReply {
                    query: at.0,
                    text: part.query,
                    kind: ReplyKind::Page(position.page),
                    body,
                }))
            }
            Err(SendFailure::Query(_)) if self.old.remove(&at) => {
                self.part(at).restart();
                Ok(None)
            }
            Err(SendFailure::Query(why)) if position.page > 1 => {
                let part = self.part(at);
                part.capped = true;
                part.note(&format!("page {} was rejected ({why})", position.page));
                Ok(None)
            }
            Err(SendFailure::Query(why)) => {
                self.reject(at, why);
                Ok(None)
            }
            Err(SendFailure::Retries(why)) if position.page > DEEP => {
                let part = self.part(at);
                part.capped = true;
                part.note(&format!("page {} failed ({why})", position.page));
                Ok(None)
            }
            Err(SendFailure::Retries(why)) => Err(StopReason::Unreachable(format!("page {} of {}: {why}", position.page, part.query))),
            Err(SendFailure::Stop(stop)) => Err(stop),
        }
    }

    /// Ends a part whose query the service rejects. If it is the whole query, the query is marked as rejected.
    fn reject(&mut self, at: PartIndex, why: String) {
        if at.1 == 0 {
            self.part(at).status = PartStatus::Done;
            self.state.queries[at.0].refused = Some(why);
        } else {
            self.part(at).reject(&why);
        }
    }
}
