//! Bounds of time for waits that nearly always end before them: they cost no timer.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// A wait took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// Waits for something that is mostly there at once: the clock is looked at only if it is not.
pub(crate) async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, TooLong> {
    let mut future = pin!(future);
    let now = poll_fn(|context| {
        Poll::Ready(match future.as_mut().poll(context) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        })
    });
    match now.await {
        Some(done) => Ok(done),
        None => timeout(limit, future).await.map_err(|_| TooLong),
    }
}

/// The timer of one connection, for its waits one after another. It is left as it is while a wait ends in time, and set again when it fires: to
/// the end of the wait that is under way then.
pub(crate) struct Patience {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { timer: None }
    }

    /// Waits for something, but not for longer than this from now on.
    pub(crate) async fn wait<F: Future>(&mut self, limit: Duration, future: F) -> Result<F::Output, TooLong> {
        self.until(|| Instant::now() + limit, future).await
    }

    /// Waits for something until then. `end` is asked once, if the wait does not end at once.
    pub(crate) async fn until<F: Future>(&mut self, end: impl FnOnce() -> Instant, future: F) -> Result<F::Output, TooLong> {
        let mut future = pin!(future);
        let (mut ask, mut end) = (Some(end), None);
        poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            if let Some(ask) = ask.take() {
                end = Some(ask());
            }
            let Some(end) = end else { return Poll::Ready(Err(TooLong)) };
            let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            if timer.deadline() > end {
                timer.as_mut().reset(end);
            }
            while timer.as_mut().poll(context).is_ready() {
                if timer.deadline() >= end || Instant::now() >= end {
                    return Poll::Ready(Err(TooLong));
                }
                timer.as_mut().reset(end);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_wait_ends_in_its_own_time_whatever_was_waited_for_before() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let mut patience = Patience::new();
            // The timer that this sets fires in the middle of the next wait.
            assert_eq!(patience.wait(ms(60), sleep(ms(20))).await, Ok(()));
            let begun = Instant::now();
            assert_eq!(patience.wait(ms(150), pending::<()>()).await, Err(TooLong));
            assert!(begun.elapsed() >= ms(150), "{:?}", begun.elapsed());
            // One that is shorter than what is left of the timer.
            assert_eq!(patience.wait(ms(60_000), sleep(ms(5))).await, Ok(()));
            let begun = Instant::now();
            assert_eq!(patience.wait(ms(30), pending::<()>()).await, Err(TooLong));
            assert!((ms(30)..ms(30_000)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
            // What is there is there, even after the end.
            assert_eq!(patience.until(|| begun, ready(7)).await, Ok(7));
            assert_eq!(patience.until(|| begun, pending::<()>()).await, Err(TooLong));
            assert_eq!(within(ms(0), ready(7)).await, Ok(7));
            assert_eq!(within(ms(5), pending::<()>()).await, Err(TooLong));
            assert_eq!(within(ms(500), sleep(ms(5))).await, Ok(()));
        });
    }
}
