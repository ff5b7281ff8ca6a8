//! Sends alerts to a webhook and to syslog, on a thread of their own: nothing waits for them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use vigie_detect::Alert;
use vigie_model::Severity;

use crate::config::{Syslog, Webhook};

/// Alerts that wait to be sent.
const WAITING: usize = 256;
/// How long a webhook may take, in each direction.
const WAIT: Duration = Duration::from_secs(5);
/// The facility of security and authorisation messages that are private (RFC 5424, table 1).
const AUTHPRIV: u8 = 10;

/// Sends alerts. Dropped, it sends those that wait.
pub(super) struct Notifier {
    alerts: Option<SyncSender<Alert>>,
    thread: Option<JoinHandle<()>>,
}

impl Notifier {
    /// `None`: there is nowhere to send them.
    pub(super) fn start(webhook: Option<Webhook>, syslog: Option<Syslog>) -> Option<Self> {
        if webhook.is_none() && syslog.is_none() {
            return None;
        }
        let (alerts, received) = sync_channel(WAITING);
        Some(Self {
            alerts: Some(alerts),
            thread: Some(std::thread::spawn(move || run(&received, webhook.as_ref(), syslog.as_ref()))),
        })
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
        self.alerts = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn run(alerts: &Receiver<Alert>, webhook: Option<&Webhook>, syslog: Option<&Syslog>) {
    let mut failed = [false; 2];
    for alert in alerts {
        let Ok(text) = serde_json::to_string(&alert) else { continue };
        let results = [
            webhook.map(|webhook| post(webhook, &text)),
            syslog.map(|syslog| log(syslog, &message(&alert, &text))),
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

/// Sends a POST and reads the status.
fn post(webhook: &Webhook, text: &str) -> Result<(), String> {
    let fail = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect_timeout(&webhook.address, WAIT).map_err(fail)?;
    stream.set_write_timeout(Some(WAIT)).map_err(fail)?;
    stream.set_read_timeout(Some(WAIT)).map_err(fail)?;
    let request = format!(
        "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        webhook.path,
        webhook.address,
        text.len()
    );
    stream.write_all(request.as_bytes()).map_err(fail)?;
    // The status line is enough: "HTTP/1.1 200".
    let mut status = [0; 12];
    stream.read_exact(&mut status).map_err(fail)?;
    match status.get(9) {
        Some(b'2') => Ok(()),
        _ => Err(format!("it answered {:?}", String::from_utf8_lossy(&status))),
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
