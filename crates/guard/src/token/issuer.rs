//! One issuer and its keys.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_rustls::TlsConnector;

use super::NoToken;
use super::claims::Unchecked;
use super::fetch::{self, Fetched};
use super::jwk::Jwk;
use super::url::Url;
use crate::config::{Config, IssuerConfig};
use crate::proxy::connector;

/// The time between two readings of the keys, at least, whoever asks for them.
const FLOOR: Duration = Duration::from_secs(10);
/// How long a request waits for keys.
const WAIT: Duration = Duration::from_secs(2);
/// How long a reading may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often an issuer is looked for whether the gateway still takes its tokens.
const TICK: Duration = Duration::from_millis(500);

/// An issuer and its keys.
pub(super) struct Issuer {
    pub(super) config: IssuerConfig,
    url: Url,
    tls: Option<TlsConnector>,
    state: Mutex<State>,
    /// Wakes the thread that reads keys.
    wanted: Notify,
    /// Wakes the requests that wait for them.
    read: Notify,
}

#[derive(Debug, Default)]
struct State {
    keys: Arc<[Jwk]>,
    /// Counts the sets of keys that differed.
    set: u64,
    /// When keys were read last.
    read: Option<Instant>,
    /// When they were asked for last.
    asked: Option<Instant>,
    /// A reading is due or under way.
    is_asking: bool,
    /// Why the last reading failed, so that it is reported once.
    failed: Option<String>,
}

impl std::fmt::Debug for Issuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.config.name)
    }
}

impl Issuer {
    pub(super) fn read(dir: &Path, config: &IssuerConfig) -> Result<Self, String> {
        let url = Url::parse(&config.url)?;
        let authority = config.ca.as_deref().map(|file| Config::beside(dir, file));
        // An issuer on this machine may still keep its keys elsewhere, over TLS.
        let tls = match url.place.tls || authority.is_some() {
            true => Some(connector(authority.as_deref())?),
            false => connector(None).ok(),
        };
        Ok(Self {
            config: config.clone(),
            url,
            tls,
            state: Mutex::default(),
            wanted: Notify::new(),
            read: Notify::new(),
        })
    }

    /// Starts the thread that reads the keys.
    pub(super) fn start(self: &Arc<Self>) {
        self.lock().is_asking = true;
        let issuer = Arc::downgrade(self);
        std::thread::spawn(move || keep_reading(&issuer));
    }

    /// Which set of keys there is; `None`: none that may be used.
    pub(super) fn set(&self) -> Option<u64> {
        let state = self.lock();
        self.is_fresh(&state).then_some(state.set)
    }

    fn is_fresh(&self, state: &State) -> bool {
        state
            .read
            .is_some_and(|read| read.elapsed() <= Duration::from_secs(self.config.keep))
    }

    /// Checks a token's signature, and returns the set of keys that it was checked with.
    pub(super) async fn verify(&self, token: &Unchecked<'_>) -> Result<u64, NoToken> {
        let mut waited = false;
        loop {
            // Registered before the keys are looked at, so that no reading is missed in between.
            let read = self.read.notified();
            let (keys, set, is_fresh) = {
                let state = self.lock();
                (Arc::clone(&state.keys), state.set, self.is_fresh(&state))
            };
            if is_fresh {
                let mut fitting = keys
                    .iter()
                    .filter(|key| key.is_for(token.algorithm) && (token.key.is_none() || key.id == token.key));
                // Of a token without the id of its key nobody knows which of several keys is meant.
                match (fitting.next(), fitting.next()) {
                    (Some(key), None) => {
                        return match key.verifies(token.algorithm, token.message, &token.signature) {
                            true => Ok(set),
                            false => Err(NoToken::Signature),
                        };
                    }
                    (Some(_), Some(_)) => return Err(NoToken::Key("several keys of its issuer fit it")),
                    (None, _) => {}
                }
            }
            let why = match is_fresh {
                true => "its issuer has no such key",
                false => "the keys of its issuer could not be read",
            };
            if waited || !self.ask() || tokio::time::timeout(WAIT, read).await.is_err() {
                return Err(NoToken::Key(why));
            }
            waited = true;
        }
    }

    /// Has the keys read, unless that was done a moment ago. Whether they are being read.
    fn ask(&self) -> bool {
        let mut state = self.lock();
        if !state.is_asking && state.asked.is_none_or(|asked| asked.elapsed() >= FLOOR) {
            state.is_asking = true;
            self.wanted.notify_one();
        }
        state.is_asking
    }

    /// Takes what was read.
    pub(super) fn take(&self, fetched: Result<Fetched, String>, asked: Instant) {
        let mut state = self.lock();
        state.is_asking = false;
        match fetched {
            Ok(fetched) => {
                if state.failed.take().is_some() {
                    eprintln!("vigie: the keys of the issuer {} are read again", self.config.name);
                }
                state.read = Some(asked);
                if *state.keys != *fetched.keys {
                    state.keys = fetched.keys.into();
                    state.set += 1;
                }
            }
            Err(why) => {
                if state.failed.as_ref() != Some(&why) {
                    eprintln!(
                        "vigie: warning: the keys of the issuer {} cannot be read: {why}; those that were read hold for {} s",
                        self.config.name, self.config.keep
                    );
                    state.failed = Some(why);
                }
            }
        }
        drop(state);
        self.read.notify_waiters();
    }

    /// How long until the keys are read without being asked for.
    fn next(&self) -> Duration {
        let state = self.lock();
        let interval = match &state.failed {
            None => Duration::from_secs(self.config.refresh),
            Some(_) => FLOOR,
        };
        match (state.is_asking, state.asked) {
            (true, _) | (_, None) => Duration::ZERO,
            (false, Some(asked)) => interval.saturating_sub(asked.elapsed()),
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn forbid_asking(&self) {
        self.lock().asked = Some(Instant::now());
    }

    #[cfg(test)]
    pub(super) fn age(&self, by: Duration) {
        let mut state = self.lock();
        state.read = state.read.and_then(|read| read.checked_sub(by));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads an issuer's keys when they are wanted and from time to time, until nobody takes its tokens.
fn keep_reading(issuer: &Weak<Issuer>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return eprintln!("vigie: the keys of an issuer cannot be read: the system gives no runtime");
    };
    runtime.block_on(async {
        while let Some(issuer) = issuer.upgrade() {
            let next = issuer.next();
            if next > Duration::ZERO {
                // It is let go between two looks, so that it can be dropped.
                let _ = tokio::time::timeout(next.min(TICK), issuer.wanted.notified()).await;
                continue;
            }
            let asked = Instant::now();
            {
                let mut state = issuer.lock();
                (state.asked, state.is_asking) = (Some(asked), true);
            }
            let fetched = tokio::time::timeout(PATIENCE, fetch::keys(&issuer.url, &issuer.config.url, issuer.tls.as_ref())).await;
            issuer.take(fetched.unwrap_or_else(|_| Err("it took too long".to_owned())), asked);
        }
    });
}
