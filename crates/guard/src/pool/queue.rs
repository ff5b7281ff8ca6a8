//! The queue for servers that are full: bounded in length and time, and fair between keys.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::line::{Entered, Line};
use super::set::Set;
use crate::config::QueueConfig;

/// When a client that found no place should come again: nobody knows when one becomes free.
const COME_AGAIN: Duration = Duration::from_secs(2);

/// Those who wait for servers, and what runs on servers that are bounded.
#[derive(Debug)]
pub(crate) struct Queue {
    line: Mutex<Line<Teller>>,
    /// The servers that do only so much at a time.
    bounded: Set,
    longest: Duration,
    waited: AtomicU64,
    waited_us: AtomicU64,
    sent_away: AtomicU64,
}

/// How a request of a key that waits is told its server.
#[derive(Debug)]
struct Teller {
    key: Box<str>,
    tell: oneshot::Sender<usize>,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Busy {
    pub(crate) why: &'static str,
    /// When to come again.
    pub(crate) wait: Duration,
}

impl Busy {
    /// No server is left to try.
    pub(super) const NONE: Self = Self::because("no server is left");

    const fn because(why: &'static str) -> Self {
        Self { why, wait: COME_AGAIN }
    }
}

/// Numbers for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waits {
    /// Requests that wait now.
    pub(crate) waiting: usize,
    /// Requests that got a place after they waited, and how long all of them waited.
    pub(crate) waited: (u64, Duration),
    /// Requests that got none.
    pub(crate) sent_away: u64,
}

/// A place on a bounded server, or on another beside it. Dropped, it goes to whose turn it is.
#[derive(Debug)]
pub(crate) struct Place<'q> {
    queue: &'q Queue,
    key: Box<str>,
    pub(super) server: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.queue.leave(&self.key, self.server);
    }
}

/// A request that waits. Dropped, it waits no more.
struct Waiting<'q> {
    queue: &'q Queue,
    key: Box<str>,
    id: u64,
    told: oneshot::Receiver<usize>,
    has_place: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.has_place {
            return;
        }
        let was_waiting = self.queue.lock().cancel(&self.key, self.id);
        if !was_waiting {
            // Who is about to tell it hears that it is gone, and gives the place to another.
            self.told.close();
            if let Ok(server) = self.told.try_recv() {
                // It was told while it left: its place goes on.
                self.queue.leave(&self.key, server);
            }
        }
    }
}

impl Queue {
    pub(super) fn new(parallel: Vec<Option<u32>>, config: &QueueConfig) -> Self {
        let bounded = parallel
            .iter()
            .enumerate()
            .filter(|(_, most)| most.is_some())
            .map(|(server, _)| server)
            .collect();
        Self {
            line: Mutex::new(Line::new(parallel, config.length)),
            bounded,
            longest: Duration::from_secs(config.wait),
            waited: AtomicU64::new(0),
            waited_us: AtomicU64::new(0),
            sent_away: AtomicU64::new(0),
        }
    }

    /// Whether one of these servers is bounded.
    pub(super) fn bounds(&self, from: Set) -> bool {
        !self.bounded.and(from).is_empty()
    }

    pub(crate) fn waits(&self) -> Waits {
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Waits {
            waiting: self.lock().waiting(),
            waited: (read(&self.waited), Duration::from_micros(read(&self.waited_us))),
            sent_away: read(&self.sent_away),
        }
    }

    /// Takes a place on one of these servers, and waits for it.
    ///
    /// # Errors
    ///
    /// Too many wait, or it took too long.
    pub(super) async fn enter(&self, from: Set, key: &str, choose: impl FnOnce(Set) -> Option<usize>) -> Result<Place<'_>, Busy> {
        let place = |server| Place {
            queue: self,
            key: key.into(),
            server,
        };
        let mut waiting = match self.begin(from, key, choose) {
            Begun::Runs(server) => return Ok(place(server)),
            Begun::Waits(waiting) => waiting,
            Begun::Full => return Err(self.send_away("too many requests wait")),
        };
        let since = Instant::now();
        match tokio::time::timeout(self.longest, &mut waiting.told).await {
            Ok(Ok(server)) => {
                waiting.has_place = true;
                self.waited.fetch_add(1, Ordering::Relaxed);
                let waited = u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX);
                self.waited_us.fetch_add(waited, Ordering::Relaxed);
                Ok(place(server))
            }
            Ok(Err(_)) => Err(self.send_away("its key has more requests waiting than others")),
            Err(_) => Err(self.send_away("no place became free in time")),
        }
    }

    fn begin(&self, from: Set, key: &str, choose: impl FnOnce(Set) -> Option<usize>) -> Begun<'_> {
        let mut told = None;
        let tell = || {
            let (tell, receiver) = oneshot::channel();
            told = Some(receiver);
            Teller { key: key.into(), tell }
        };
        let entered = self.lock().enter(key, from, choose, tell);
        match (entered, told) {
            (Entered::Runs(server), _) => Begun::Runs(server),
            (Entered::Waits(id, left), Some(told)) => {
                // It hears that nobody will tell it.
                drop(left);
                Begun::Waits(Waiting {
                    queue: self,
                    key: key.into(),
                    id,
                    told,
                    has_place: false,
                })
            }
            (Entered::Waits(..) | Entered::Full, _) => Begun::Full,
        }
    }

    fn leave(&self, key: &str, server: usize) {
        let mut next = self.lock().leave(key, server);
        while let Some(Teller { key, tell }) = next {
            next = match tell.send(server) {
                Ok(()) => None,
                // It left after it was given the place: the next one gets it.
                Err(server) => self.lock().leave(&key, server),
            };
        }
    }

    fn send_away(&self, why: &'static str) -> Busy {
        self.sent_away.fetch_add(1, Ordering::Relaxed);
        Busy::because(why)
    }

    fn lock(&self) -> MutexGuard<'_, Line<Teller>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Begun<'q> {
    Runs(usize),
    Waits(Waiting<'q>),
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(parallel: u32, length: usize) -> Queue {
        Queue::new(vec![Some(parallel)], &QueueConfig { length, wait: 1 })
    }

    fn any(free: Set) -> Option<usize> {
        free.iter().next()
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(test);
    }

    #[test]
    fn who_leaves_waits_no_more_and_no_place_is_lost() {
        run(async {
            let queue = queue(1, 10);
            let first = queue.enter(Set::one(0), "a", any).await.expect("it is free");
            // It gives up while it waits.
            let gave_up = tokio::time::timeout(Duration::from_millis(10), queue.enter(Set::one(0), "a", any)).await;
            assert!(gave_up.is_err());
            assert_eq!(queue.waits().waiting, 0);
            // It is told, and gone before it looks.
            let mut told = Box::pin(queue.enter(Set::one(0), "a", any));
            assert!(tokio::time::timeout(Duration::from_millis(10), &mut told).await.is_err());
            assert_eq!(queue.waits().waiting, 1);
            drop(first);
            drop(told);
            assert_eq!(queue.waits().waiting, 0);
            let again = tokio::time::timeout(Duration::from_millis(10), queue.enter(Set::one(0), "b", any)).await;
            assert!(again.expect("at once").is_ok());
        });
    }

    #[test]
    fn a_queue_is_bounded_in_length_and_time() {
        run(async {
            let queue = queue(1, 1);
            let _first = queue.enter(Set::one(0), "a", any).await.expect("it is free");
            let (waits, full) = tokio::join!(queue.enter(Set::one(0), "a", any), queue.enter(Set::one(0), "a", any));
            assert_eq!(full.map(|_| ()).map_err(|busy| busy.why), Err("too many requests wait"));
            assert_eq!(waits.map(|_| ()).map_err(|busy| busy.why), Err("no place became free in time"));
            let waits = queue.waits();
            assert_eq!((waits.waiting, waits.sent_away, waits.waited.0), (0, 2, 0));
        });
    }

    #[test]
    fn threads_share_a_queue() {
        let queue = queue(3, 1_000);
        let (running, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (queue, running, most) = (&queue, &running, &most);
                scope.spawn(move || {
                    run(async {
                        let key = format!("k{thread}");
                        for _ in 0..300 {
                            let one = async {
                                let _place = queue.enter(Set::one(0), &key, any).await.expect("there is room");
                                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                                tokio::task::yield_now().await;
                                running.fetch_sub(1, Ordering::SeqCst);
                            };
                            let other = tokio::time::timeout(Duration::from_micros(50), queue.enter(Set::one(0), &key, any));
                            let _ = tokio::join!(one, other);
                        }
                    });
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!(queue.waits().waiting, 0);
        assert!(run_now(&queue), "every place came back");
    }

    fn run_now(queue: &Queue) -> bool {
        let mut all = Vec::new();
        run(async {
            for _ in 0..3 {
                all.push(
                    tokio::time::timeout(Duration::from_millis(50), queue.enter(Set::one(0), "z", any))
                        .await
                        .is_ok_and(|place| place.map(std::mem::forget).is_ok()),
                );
            }
        });
        all == [true; 3]
    }
}
