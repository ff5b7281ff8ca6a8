//! Works through the queries: count, split, page, within the budget and no faster than the service likes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::base::BaseUrl;
use crate::client::{ApiReply, ApiRequest, Client, SendError};
use crate::fault::{Fault, StopReason};
use crate::service::{CountInfo, NextPage, PAGE, PageInfo, PagePosition, Service, ServiceApi, SplitField};
use crate::state::{DiscoveryState, PartStatus, QueryPart};

/// How often a request is sent again before it is given up.
const RETRIES: u32 = 4;
/// The longest pause before a request is sent again, unless the service names one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest wait that a service may ask for; beyond it, a later run is better.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// A page this deep that fails again and again tells the service's own limit; one before it, that something is wrong.
const DEEP: u32 = 10;
/// So many records past twice the total are no drift of it: a service that goes on for ever.
const SPARE: u64 = 2 * PAGE;
/// An interrupt is noticed this soon.
const NOTICED: Duration = Duration::from_millis(50);
/// After an interrupt, a reply that is on its way is waited for this long: it has been paid for.
const GRACE: Duration = Duration::from_secs(10);

/// How it is done.
#[derive(Clone, Debug)]
pub struct DiscoveryOptions {
    /// Credits that may be spent from now on.
    pub budget: u64,
    /// What a request that is not free costs at most.
    pub cost: u64,
    /// Pages of a query after which it is split.
    pub pages: u32,
    /// Between the beginnings of two requests.
    pub interval: Duration,
    /// Who asks.
    pub agent: String,
    /// Set to stop.
    pub stop: Arc<AtomicBool>,
}

/// What happened.
#[derive(Debug)]
pub enum DiscoveryStep {
    /// A reply came, and is what the service documents.
    Reply(ServiceReply),
    /// Nothing is left to ask of the query with that number.
    Done(usize),
    /// Nothing is left to ask.
    End,
}

/// A reply as it came, with the key covered.
#[derive(Debug)]
pub struct ServiceReply {
    /// The number of its query.
    pub query: usize,
    /// What was sent.
    pub text: String,
    /// Whether it holds records.
    pub kind: ReplyKind,
    /// Its bytes.
    pub body: Vec<u8>,
}

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyKind {
    /// A page of records, from 1.
    Page(u32),
    /// A count.
    Count,
}

/// A discovery under way.
pub struct Discovery {
    client: Client,
    api: Box<dyn ServiceApi>,
    options: DiscoveryOptions,
    state: DiscoveryState,
    /// Credits counted in this run.
    spent: u64,
    /// When the next request may begin.
    next: Option<Instant>,
    /// Parts whose next page an earlier run told: the service may have forgotten it since.
    old: HashSet<(usize, usize)>,
}

/// Why a request gave nothing.
enum Failed {
    Stop(StopReason),
    Query(String),
    /// Tried again and again.
    Spent(String),
}

impl Discovery {
    /// Begins, or goes on with what a state says.
    ///
    /// # Errors
    ///
    /// This machine has no certificates to judge the service by.
    pub fn new(service: Service, base: BaseUrl, options: DiscoveryOptions, state: DiscoveryState) -> Result<Self, String> {
        let client = Client::new(base, &options.agent, service.api.secrets())?;
        let old = state
            .queries
            .iter()
            .enumerate()
            .flat_map(|(query, one)| {
                let told = one.parts.iter().enumerate().filter(|(_, part)| part.token.is_some());
                told.map(move |(part, _)| (query, part))
            })
            .collect();
        Ok(Self {
            client,
            api: service.api,
            options,
            state,
            spent: 0,
            next: None,
            old,
        })
    }

    /// What was asked and what is done.
    #[must_use]
    pub fn state(&self) -> &DiscoveryState {
        &self.state
    }

    /// The endpoints that its caller found in the replies.
    pub fn found(&mut self) -> &mut std::collections::BTreeSet<std::net::SocketAddr> {
        &mut self.state.found
    }

    /// Credits counted in this run.
    #[must_use]
    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// Credits left in the account, where the service says so for nothing. The budget shrinks to them.
    ///
    /// # Errors
    ///
    /// The service does not take the key or does not answer, or the caller said stop. That it does not tell the balance is no error.
    pub async fn balance(&mut self) -> Result<Option<u64>, StopReason> {
        if self.api.balance().is_none() {
            return Ok(None);
        }
        let told = self.ask(0, |api| api.balance(), |api, body| Ok(api.read_balance(body))).await;
        match told {
            Ok((left, _)) => {
                if let Some(left) = left {
                    self.options.budget = self.options.budget.min(left);
                }
                Ok(left)
            }
            Err(Failed::Stop(stop @ (StopReason::Key(_) | StopReason::Interrupted | StopReason::Wait(_)))) => Err(stop),
            Err(Failed::Spent(word)) => Err(StopReason::Unreachable(word)),
            // A mirror may lack it.
            Err(_) => Ok(None),
        }
    }

    /// Asks for the next thing.
    ///
    /// # Errors
    ///
    /// Why it ends here. What was done is in the state; the same state can be gone on with.
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
            if let Some(reply) = self.advance(query, part).await? {
                return Ok(DiscoveryStep::Reply(reply));
            }
        }
    }

    fn part(&mut self, (query, part): (usize, usize)) -> &mut QueryPart {
        &mut self.state.queries[query].parts[part]
    }

    /// Does the next thing of a part; none: there was nothing to ask.
    async fn advance(&mut self, query: usize, number: usize) -> Result<Option<ServiceReply>, StopReason> {
        let at = (query, number);
        let reach = u64::from(self.options.pages) * PAGE;
        let part = self.part(at).clone();
        let by = self.split_by(&self.state.queries[query].query, &part);
        let unknown = part.expected.is_none() && part.pages == 0 && self.api.counts_free();
        let beyond = part.capped || part.total.or(part.expected).is_some_and(|total| total > reach);
        if unknown || (beyond && by.is_some()) {
            return self.count(at, by, beyond, reach).await;
        }
        if part.capped || part.pages >= self.options.pages {
            self.end(at);
            return Ok(None);
        }
        self.page(at).await
    }

    /// The field that a part is split by next.
    fn split_by(&self, query: &str, part: &QueryPart) -> Option<SplitField> {
        SplitField::ALL
            .into_iter()
            .find(|field| !part.by.contains(field) && !self.api.names(query, *field))
    }

    async fn count(
        &mut self,
        at: (usize, usize),
        by: Option<SplitField>,
        beyond: bool,
        reach: u64,
    ) -> Result<Option<ServiceReply>, StopReason> {
        let text = self.part(at).query.clone();
        let cost = if self.api.counts_free() { 0 } else { self.options.cost };
        let asked = self
            .ask(cost, |api| Some(api.count(&text, by)), |api, body| api.read_count(body, by))
            .await;
        let (said, body) = match asked {
            Ok(told) => told,
            Err(Failed::Query(word)) => {
                let part = self.part(at);
                if part.pages == 0 {
                    self.refused(at, word);
                } else {
                    // What came stays; it is not to be split.
                    part.by.extend(by);
                    part.say(&format!("the service does not count it ({word})"));
                }
                return Ok(None);
            }
            Err(Failed::Spent(word)) => return Err(StopReason::Unreachable(word)),
            Err(Failed::Stop(stop)) => return Err(stop),
        };
        let capped = self.part(at).capped;
        match by {
            Some(field) if (capped || said.total > reach) && !said.values.is_empty() => self.split(at, field, said),
            _ => {
                let part = self.part(at);
                part.expected = Some(said.total);
                if beyond || said.total > reach {
                    // Not to be split by this after all, and not to be asked again.
                    part.by.extend(by);
                }
                if said.total == 0 {
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

    /// Puts parts in a part's place, one for each value.
    fn split(&mut self, at: (usize, usize), field: SplitField, said: CountInfo) {
        let whole = self.part(at).clone();
        let sum = said.values.iter().fold(0_u64, |sum, (_, count)| sum.saturating_add(*count));
        let mut by = whole.by.clone();
        by.push(field);
        let parts: Vec<QueryPart> = said
            .values
            .iter()
            .map(|(value, count)| QueryPart::new(self.api.narrow(&whole.query, field, value), by.clone(), Some(*count)))
            .collect();
        let part = self.part(at);
        part.expected = Some(said.total);
        part.total = Some(said.total);
        part.status = PartStatus::Split;
        part.token = None;
        let rest = said.total.saturating_sub(sum);
        if rest > 0 {
            part.missed = part.missed.saturating_add(rest);
            part.say(&format!("{rest} of {} have no {} that can be asked for", said.total, field.word()));
        }
        self.state.queries[at.0].parts.extend(parts);
    }

    async fn page(&mut self, at: (usize, usize)) -> Result<Option<ServiceReply>, StopReason> {
        let part = self.part(at).clone();
        let place = PagePosition {
            page: part.pages + 1,
            token: part.token.clone(),
        };
        let asked = self
            .ask(
                self.options.cost,
                |api| Some(api.page(&part.query, &place)),
                |api, body| api.read_page(body),
            )
            .await;
        match asked {
            Ok((said, body)) => {
                self.old.remove(&at);
                self.take(at, &said);
                Ok(Some(ServiceReply {
                    query: at.0,
                    text: part.query,
                    kind: ReplyKind::Page(place.page),
                    body,
                }))
            }
            Err(Failed::Query(_)) if self.old.remove(&at) => {
                let part = self.part(at);
                (part.pages, part.got, part.token) = (0, 0, None);
                part.tokens.clear();
                part.say("the service had forgotten where the earlier run stood; it was read anew");
                Ok(None)
            }
            Err(Failed::Query(word)) if place.page > 1 => {
                let part = self.part(at);
                part.capped = true;
                part.say(&format!("page {} is refused ({word})", place.page));
                Ok(None)
            }
            Err(Failed::Query(word)) => {
                self.refused(at, word);
                Ok(None)
            }
            Err(Failed::Spent(word)) if place.page > DEEP => {
                let part = self.part(at);
                part.capped = true;
                part.say(&format!("page {} does not come ({word})", place.page));
                Ok(None)
            }
            Err(Failed::Spent(word)) => Err(StopReason::Unreachable(format!("page {} of {}: {word}", place.page, part.query))),
            Err(Failed::Stop(stop)) => Err(stop),
        }
    }

    /// Takes what a page says of the others.
    fn take(&mut self, at: (usize, usize), said: &PageInfo) {
        let part = self.part(at);
        part.first.get_or_insert(said.total);
        part.total = Some(said.total);
        part.pages += 1;
        part.got = part.got.saturating_add(said.records);
        let ended = match &said.next {
            NextPage::Token(_) if part.got > said.total.saturating_mul(2).saturating_add(SPARE) => {
                let word = format!(
                    "{} records came where the total says {}: no more were asked for",
                    part.got, said.total
                );
                part.say(&word);
                true
            }
            NextPage::Token(token) if said.records > 0 => {
                let new = part.goes_on_with(token);
                if !new {
                    // Neither its pages nor those of its parts would have an end.
                    part.say(&format!(
                        "after page {} the service leads round in a circle: no more were asked for",
                        part.pages
                    ));
                }
                !new
            }
            NextPage::Nothing if said.records >= PAGE && part.got < said.total => {
                // The total says that there is more, and it gives no page of it: plans have limits of their own.
                part.capped = true;
                false
            }
            NextPage::Nothing | NextPage::Token(_) => true,
            NextPage::Number if u64::from(part.pages) * PAGE >= said.total => true,
            NextPage::Number => {
                part.capped |= said.records == 0;
                false
            }
        };
        if ended {
            self.end(at);
        }
    }

    /// Ends a part, and says what it lacks.
    fn end(&mut self, at: (usize, usize)) {
        let pages = self.options.pages;
        let part = self.part(at);
        part.status = PartStatus::Done;
        part.token = None;
        let total = part.total.or(part.expected).unwrap_or(0);
        if let Some(first) = part.first.filter(|first| *first != total) {
            part.say(&format!("the total went from {first} to {total} while it was read"));
        }
        let missing = total.saturating_sub(part.got);
        if missing > 0 {
            part.missed = part.missed.saturating_add(missing);
            let why = if part.capped {
                "the service gives no further page, and there is nothing left to split by".to_owned()
            } else if part.pages >= pages && u64::from(pages) * PAGE < total {
                format!("they lie past page {pages}, and there is nothing left to split by")
            } else {
                "the pages held fewer records than the total says".to_owned()
            };
            part.say(&format!("{missing} of {total} were not had: {why}"));
        }
    }

    fn refused(&mut self, at: (usize, usize), word: String) {
        let part = self.part(at);
        part.status = PartStatus::Done;
        if at.1 == 0 {
            self.state.queries[at.0].refused = Some(word);
        } else {
            part.missed = part.missed.saturating_add(part.expected.unwrap_or(0));
            part.say(&format!("the service does not take it: {word}"));
        }
    }

    /// Sends a request until its reply is whole, or there is no use in it.
    async fn ask<T>(
        &mut self,
        cost: u64,
        ask: impl Fn(&dyn ServiceApi) -> Option<ApiRequest>,
        read: impl Fn(&dyn ServiceApi, &[u8]) -> Result<T, Fault>,
    ) -> Result<(T, Vec<u8>), Failed> {
        let mut tries = 0;
        let mut last = None;
        loop {
            let Some(one) = ask(self.api.as_ref()) else {
                return Err(Failed::Spent("there is nothing to ask".to_owned()));
            };
            if self.spent.saturating_add(cost) > self.options.budget {
                return Err(Failed::Stop(StopReason::Budget(last)));
            }
            let begin = self.next;
            self.wait(begin).await?;
            self.next = Some(Instant::now() + self.options.interval);
            self.spent = self.spent.saturating_add(cost);
            self.state.spent = self.state.spent.saturating_add(cost);
            let (fault, waiting) = match self.reply(one).await? {
                Ok(answer) => {
                    let fault = if answer.status == 200 {
                        match read(self.api.as_ref(), &answer.body) {
                            Ok(said) => return Ok((said, answer.body)),
                            Err(fault) => fault,
                        }
                    } else {
                        self.api.refusal(answer.status, &answer.body)
                    };
                    if (400..500).contains(&answer.status) {
                        // It was refused, and nothing done for it.
                        self.refund(cost);
                    }
                    (fault, answer.retry_after)
                }
                Err(SendError::Before(word)) => {
                    self.refund(cost);
                    (Fault::Again(word), None)
                }
                Err(SendError::After(word)) => (Fault::Again(word), None),
            };
            let word = match fault {
                Fault::Stop(stop) => return Err(Failed::Stop(stop)),
                Fault::Query(word) => return Err(Failed::Query(word)),
                Fault::Slow => "it asks to be asked more slowly".to_owned(),
                Fault::Again(word) => word,
            };
            if tries == RETRIES {
                return Err(Failed::Spent(format!("{word} ({} times)", tries + 1)));
            }
            if let Some(waiting) = waiting.filter(|waiting| *waiting > LONGEST_WAIT) {
                return Err(Failed::Stop(StopReason::Wait(waiting)));
            }
            self.next = Some(Instant::now() + pause(self.options.interval, tries, waiting));
            tries += 1;
            last = Some(word);
        }
    }

    fn refund(&mut self, cost: u64) {
        self.spent = self.spent.saturating_sub(cost);
        self.state.spent = self.state.spent.saturating_sub(cost);
    }

    /// Waits until a request may begin, unless the caller says stop.
    async fn wait(&self, until: Option<Instant>) -> Result<(), Failed> {
        let stop = Arc::clone(&self.options.stop);
        if let Some(until) = until {
            tokio::select! {
                () = sleep_until(until) => {}
                () = stopped(&stop) => {}
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Err(Failed::Stop(StopReason::Interrupted));
        }
        Ok(())
    }

    /// The reply, or nothing if the caller says stop and it does not come soon.
    async fn reply(&self, ask: ApiRequest) -> Result<Result<ApiReply, SendError>, Failed> {
        let grace = async {
            stopped(&self.options.stop).await;
            sleep(GRACE).await;
        };
        tokio::select! {
            answer = self.client.send(ask) => Ok(answer),
            () = grace => Err(Failed::Stop(StopReason::Interrupted)),
        }
    }
}

/// The pause before a request is sent again: what the service says, else twice as long each time, and never less than between any two.
fn pause(interval: Duration, tries: u32, waiting: Option<Duration>) -> Duration {
    waiting
        .unwrap_or_else(|| interval.saturating_mul(2_u32.pow(tries)).min(LONGEST_PAUSE))
        .max(interval)
}

async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        sleep(NOTICED).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pause_is_shorter_than_the_interval() {
        let seconds = Duration::from_secs;
        assert_eq!(pause(seconds(1), 0, None), seconds(1));
        assert_eq!(pause(seconds(1), 3, None), seconds(8));
        assert_eq!(pause(seconds(20), 3, None), LONGEST_PAUSE);
        assert_eq!(pause(seconds(200), 3, None), seconds(200), "a rate below one a minute is kept");
        assert_eq!(pause(seconds(1), 0, Some(seconds(7))), seconds(7));
        assert_eq!(pause(seconds(10), 0, Some(seconds(7))), seconds(10));
    }
}
