//! Sends alerts to a webhook and to syslog, on a thread of their own: nothing waits for them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use vigie_detect::Alert;
use vigie_model::Severity;

use crate::config::{Config, Detect, Syslog, Webhook};
use crate::proxy::{Forwarded, Target, Upstream, connector};

/// Alerts that wait to be sent.
const WAITING: usize = 256;
/// How long a webhook may take to answer.
const WAIT: Duration = Duration::from_secs(5);
/// An alert that the webhook did not take is sent again after these times, and then given up.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// How often it is looked whether the gateway ends while that is waited for.
const LOOK: Duration = Duration::from_millis(50);
/// When the gateway ends, alerts that wait are sent for so long.
const AT_THE_END: Duration = Duration::from_secs(5);
/// The facility of security and authorisation messages that are private (RFC 5424, table 1).
const AUTHPRIV: u8 = 10;

/// Sends alerts. Dropped, it sends those that wait, for a few seconds.
pub(super) struct Notifier {
    alerts: Option<SyncSender<Alert>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    /// `None`: there is nowhere to send them. `dir`: the folder of the configuration.
    pub(super) fn start(dir: &Path, config: &Detect) -> Result<Option<Self>, String> {
        let (hook, syslog) = (Hook::read(dir, config)?, config.syslog()?);
        if hook.is_none() && syslog.is_none() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("alerts cannot be sent, since a thread cannot start: {error}"))?;
        let (alerts, received) = sync_channel(WAITING);
        let ends = Arc::<AtomicBool>::default();
        let sender = Sender {
            runtime,
            hook,
            syslog,
            ends: Arc::clone(&ends),
        };
        Ok(Some(Self {
            alerts: Some(alerts),
            ends,
            thread: Some(std::thread::spawn(move || sender.run(&received))),
        }))
    }

    pub(super) fn send(&self, alert: &Alert) {
        // A receiver that is so slow loses alerts; the audit log has them.
        if let Some(alerts) = &self.alerts {
            let _ = alerts.try_send(alert.clone());
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        self.alerts = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

struct Sender {
    runtime: tokio::runtime::Runtime,
    hook: Option<Hook>,
    syslog: Option<Syslog>,
    /// The gateway ends.
    ends: Arc<AtomicBool>,
}

impl Sender {
    fn run(self, alerts: &Receiver<Alert>) {
        let mut failed = [false; 2];
        let mut until = None;
        for alert in alerts {
            if self.ends.load(Ordering::Relaxed) && Instant::now() > *until.get_or_insert_with(|| Instant::now() + AT_THE_END) {
                return;
            }
            let Ok(text) = serde_json::to_string(&alert) else { continue };
            let results = [
                self.hook.as_ref().map(|hook| self.post(hook, &text)),
                self.syslog.as_ref().map(|syslog| log(syslog, &message(&alert, &text))),
            ];
            for ((result, failed), what) in results.into_iter().zip(&mut failed).zip(["webhook", "syslog"]) {
                match result {
                    Some(Err(error)) if !*failed => {
                        *failed = true;
                        eprintln!("vigie: an alert cannot be sent to {what}: {error}; the audit log has those that are recorded");
                    }
                    Some(Ok(())) => *failed = false,
                    _ => {}
                }
            }
        }
    }

    /// Sends an alert, again if the webhook could not take it; what it does not want it is not asked to take again.
    fn post(&self, hook: &Hook, text: &str) -> Result<(), String> {
        let mut again = AGAIN.into_iter();
        loop {
            let (why, may_pass) = match self.runtime.block_on(hook.post(text)) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            match again.next().filter(|_| may_pass) {
                Some(wait) if self.waits(wait) => {}
                _ => return Err(why),
            }
        }
    }

    /// Waits; `false`: the gateway ends.
    fn waits(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while Instant::now() < until {
            if self.ends.load(Ordering::Relaxed) {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }
}

/// A webhook, and how its certificate is verified.
pub(crate) struct Hook {
    webhook: Webhook,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Hook {
    /// The webhook of a configuration, if it has one.
    ///
    /// # Errors
    ///
    /// Its URL or the file of its authority is wrong.
    pub(crate) fn read(dir: &Path, config: &Detect) -> Result<Option<Self>, String> {
        let Some(webhook) = config.webhook()? else { return Ok(None) };
        let place = &webhook.place;
        let tls = match place.tls {
            false => None,
            true => {
                let ca = config.webhook_ca.as_deref().map(|ca| Config::beside(dir, ca));
                let name = ServerName::try_from(place.host.clone()).map_err(|_| format!("{:?} is no name of a host", place.host))?;
                Some((connector(ca.as_deref())?, name))
            }
        };
        Ok(Some(Self { webhook, tls }))
    }

    /// Sends a POST and reads the status; an error says whether a later try may go better.
    async fn post(&self, text: &str) -> Result<(), (String, bool)> {
        let place = &self.webhook.place;
        let target = match place.address() {
            Some(address) => Target::Address(address),
            None => Target::Name(place.host.clone(), place.port),
        };
        let upstream = Upstream::new(target, place.authority.clone(), WAIT).with(self.tls.clone(), None);
        let request = Forwarded {
            method: "POST",
            target: &self.webhook.path,
            accept: None,
            body: Some(("application/json", text.as_bytes())),
            traceparent: None,
        };
        let answer = upstream.send(&request).await.map_err(|error| (error.to_string(), true))?;
        match answer.head.status {
            200..300 => Ok(()),
            status => Err((format!("it answered with the status {status}"), status >= 500 || status == 429)),
        }
    }
}

/// A message of RFC 5424.
fn message(alert: &Alert, text: &str) -> String {
    let severity = match alert.severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Info => 6,
    };
    format!(
        "<{}>1 {} - vigie-guard {} {} - {text}",
        AUTHPRIV * 8 + severity,
        alert.at.format("%Y-%m-%dT%H:%M:%S%.6fZ"),
        std::process::id(),
        alert.detector
    )
}

fn log(syslog: &Syslog, message: &str) -> Result<(), String> {
    let fail = |error: std::io::Error| error.to_string();
    match syslog {
        Syslog::Udp(address) => {
            let any: SocketAddr = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            UdpSocket::bind(any)
                .and_then(|socket| socket.send_to(message.as_bytes(), address))
                .map_err(fail)?;
        }
        #[cfg(unix)]
        Syslog::Unix(path) => {
            std::os::unix::net::UnixDatagram::unbound()
                .and_then(|socket| socket.send_to(message.as_bytes(), path))
                .map_err(fail)?;
        }
        #[cfg(not(unix))]
        Syslog::Unix(_) => return Err("this system has no sockets of that kind".to_owned()),
    }
    Ok(())
}
