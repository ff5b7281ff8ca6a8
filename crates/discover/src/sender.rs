//! Sends requests within the budget and the rate, and repeats those that failed where a repeat can help.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use crate::api::ServiceApi;
use crate::client::{ApiReply, ApiRequest, Client, SendError};
use crate::fault::{ServiceFault, StopReason};

/// The number of times a failed request is repeated.
const RETRIES: u32 = 4;
/// The longest pause before a request is repeated, unless the service names a longer one.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest wait that a service may ask for. Beyond it the run ends, to be resumed later.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The interval at which the stop flag is polled.
const POLL: Duration = Duration::from_millis(50);
/// How long an interrupted run waits for a reply that is on its way, because the request has been paid for.
const GRACE: Duration = Duration::from_secs(10);

/// Sends the requests of one service.
pub(crate) struct Sender {
    client: Client,
    api: Box<dyn ServiceApi>,
    /// Credits that this run may spend.
    budget: u64,
    /// The shortest time between the starts of two requests.
    interval: Duration,
    /// Set by the caller to stop the run.
    stop: Arc<AtomicBool>,
    /// Credits counted in this run.
    spent: u64,
    /// The earliest start of the next request.
    next: Option<Instant>,
}

/// Why a request gave no result.
pub(crate) enum SendFailure {
    /// Nothing more can be requested in this run.
    Stop(StopReason),
    /// The service rejects the query.
    Query(String),
    /// Every repeat failed.
    Retries(String),
}

impl Sender {
    pub(crate) fn new(client: Client, api: Box<dyn ServiceApi>, budget: u64, interval: Duration, stop: Arc<AtomicBool>) -> Self {
        Self {
            client,
            api,
            budget,
            interval,
            stop,
            spent: 0,
            next: None,
        }
    }

    /// The API of the service.
    pub(crate) fn api(&self) -> &dyn ServiceApi {
        self.api.as_ref()
    }

    /// Credits counted in this run.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Lowers the budget to what the account has left.
    pub(crate) fn limit_budget(&mut self, left: u64) {
        self.budget = self.budget.min(left);
    }

    /// Sends a request, and repeats it until its reply is complete or a repeat cannot help.
    ///
    /// The cost is added to `total` as well, the credits over all runs. It is counted before the request is sent, and refunded if
    /// the request did not leave or was rejected (4xx).
    pub(crate) async fn send<T>(
        &mut self,
        total: &mut u64,
        cost: u64,
        request: impl Fn(&dyn ServiceApi) -> Option<ApiRequest>,
        read: impl Fn(&dyn ServiceApi, &[u8]) -> Result<T, ServiceFault>,
    ) -> Result<(T, Vec<u8>), SendFailure> {
        let mut tries = 0;
        let mut last = None;
        loop {
            let Some(one) = request(self.api.as_ref()) else {
                return Err(SendFailure::Retries("the service has no such request".to_owned()));
            };
            if self.spent.saturating_add(cost) > self.budget {
                return Err(SendFailure::Stop(StopReason::Budget(last)));
            }
            let start = self.next;
            self.wait(start).await?;
            self.next = Some(Instant::now() + self.interval);
            self.spent = self.spent.saturating_add(cost);
            *total = total.saturating_add(cost);
            let (fault, retry_after) = match self.reply(one).await? {
                Ok(reply) => {
                    let fault = if reply.status == 200 {
                        match read(self.api.as_ref(), &reply.body) {
                            Ok(result) => return Ok((result, reply.body)),
                            Err(fault) => fault,
                        }
                    } else {
                        self.api.refusal(reply.status, &reply.body)
                    };
                    if (400..500).contains(&reply.status) {
                        // The service rejected the request and did no work for it.
                        self.refund(total, cost);
                    }
                    (fault, reply.retry_after)
                }
                Err(SendError::Before(why)) => {
                    self.refund(total, cost);
                    (ServiceFault::Again(why), None)
                }
                Err(SendError::After(why)) => (ServiceFault::Again(why), None),
            };
            let why = match fault {
                ServiceFault::Stop(stop) => return Err(SendFailure::Stop(stop)),
                ServiceFault::Query(why) => return Err(SendFailure::Query(why)),
                ServiceFault::Slow => "it asks to be asked more slowly".to_owned(),
                ServiceFault::Again(why) => why,
            };
            if tries == RETRIES {
                return Err(SendFailure::Retries(format!("{why} ({} times)", tries + 1)));
            }
            if let Some(wait) = retry_after.filter(|wait| *wait > LONGEST_WAIT) {
                return Err(SendFailure::Stop(StopReason::Wait(wait)));
            }
            self.next = Some(Instant::now() + pause(self.interval, tries, retry_after));
            tries += 1;
            last = Some(why);
        }
    }

    fn refund(&mut self, total: &mut u64, cost: u64) {
        self.spent = self.spent.saturating_sub(cost);
        *total = total.saturating_sub(cost);
    }

    /// Waits until a request may start, or until the caller stops the run.
    async fn wait(&self, until: Option<Instant>) -> Result<(), SendFailure> {
        if let Some(until) = until {
            tokio::select! {
                () = sleep_until(until) => {}
                () = stopped(&self.stop) => {}
            }
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(SendFailure::Stop(StopReason::Interrupted));
        }
        Ok(())
    }

    /// The reply; fails if the caller stops the run and the reply does not arrive within [`GRACE`].
    async fn reply(&self, request: ApiRequest) -> Result<Result<ApiReply, SendError>, SendFailure> {
        let grace = async {
            stopped(&self.stop).await;
            sleep(GRACE).await;
        };
        tokio::select! {
            reply = self.client.send(request) => Ok(reply),
            () = grace => Err(SendFailure::Stop(StopReason::Interrupted)),
        }
    }
}

/// The pause before a request is repeated: what the service asks for, otherwise twice as long each time; never shorter than the
/// interval between any two requests.
fn pause(interval: Duration, tries: u32, retry_after: Option<Duration>) -> Duration {
    retry_after
        .unwrap_or_else(|| interval.saturating_mul(2_u32.pow(tries)).min(LONGEST_PAUSE))
        .max(interval)
}

/// Completes when the stop flag is set.
async fn stopped(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        sleep(POLL).await;
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
