//! A certificate from an authority that speaks ACME (RFC 8555): asked for, kept in the gateway's folder, renewed.
//!
//! The authority asks whether the names lead here: in the handshake on the port of clients (TLS-ALPN-01, RFC 8737), or on a second address in plain
//! HTTP (HTTP-01).

mod client;
mod http01;
mod order;
mod store;

use std::sync::Arc;
use std::time::Duration;

use vigie_model::Timestamp;

use crate::config::Acme;
use crate::log::{Change, Entry};
use crate::proxy::{Certificate, Running};

pub(crate) use store::stored;

/// A certificate is renewed when so many parts of its lifetime are over, of [`LIFETIME`].
const RENEW_AFTER: i32 = 2;
const LIFETIME: i32 = 3;
/// Gateways that started together do not renew together: up to so much of the lifetime later.
const JITTER: i32 = 50;
/// After a failure the next try waits this long, twice as long after each further one, and not longer than the last.
const FIRST_RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = Duration::from_secs(24 * 3_600);
/// For one that will have ended by then, tries come at least this often.
const RETRY_WITHOUT: Duration = Duration::from_secs(3_600);
/// How long a try may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// The clock may jump: it is looked at this often.
const LOOK: Duration = Duration::from_secs(3_600);

/// Keeps the certificate, as long as the gateway runs.
pub(crate) async fn keep(running: Arc<Running>) {
    let mut failures = 0;
    loop {
        let gate = running.gate();
        let Some(acme) = gate.plan.config.listen.acme.clone() else {
            failures = 0;
            gate.replaced().await;
            continue;
        };
        let current = running
            .parts
            .life
            .certificates
            .current()
            .filter(|current| store::covers(current, &acme));
        let now = chrono::Utc::now();
        let due = due(current.as_ref(), now);
        let wait = match failures {
            0 => (due - now).to_std().unwrap_or_default(),
            _ => retry_after(failures, current.and_then(|one| one.until()), now),
        };
        tokio::select! {
            () = tokio::time::sleep(wait.min(LOOK)) => {}
            () = gate.replaced() => {
                // What was wrong may be right now.
                failures = 0;
                continue;
            }
        }
        if wait > LOOK {
            continue;
        }
        let tried = tokio::time::timeout(PATIENCE, order::obtain(&running, &acme)).await;
        let result = tried.unwrap_or_else(|_| Err("it took too long".to_owned())).map(|certificate| {
            let until = certificate.until();
            running.parts.life.certificates.set(Some(certificate));
            until
        });
        failures = if result.is_ok() { 0 } else { failures + 1 };
        say(&acme, &result);
        running.parts.log.record(Entry::Change(Change::Acme {
            domains: acme.domains.clone(),
            result,
        }));
    }
}

fn say(acme: &Acme, result: &Result<Option<Timestamp>, String>) {
    let domains = acme.domains.join(", ");
    match result {
        Ok(Some(until)) => eprintln!(
            "vigie: there is a new certificate for {domains}, until {}",
            until.format("%Y-%m-%d %H:%M UTC")
        ),
        Ok(None) => eprintln!("vigie: there is a new certificate for {domains}"),
        Err(why) => {
            eprintln!("vigie: no new certificate for {domains}: {why}; it is tried again, and the one before still holds if there is one")
        }
    }
}

/// When a certificate is to be renewed.
fn due(certificate: Option<&Certificate>, now: Timestamp) -> Timestamp {
    match certificate.and_then(|certificate| certificate.validity) {
        None => now,
        Some((from, until)) => {
            let lifetime = until - from;
            from + lifetime * RENEW_AFTER / LIFETIME + lifetime / JITTER * jitter(from) / 256
        }
    }
}

/// A number below 256 that two gateways hardly share, and that stays the same for one certificate.
fn jitter(from: Timestamp) -> i32 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(&from.timestamp_micros().to_le_bytes());
    hash.update(&std::process::id().to_le_bytes());
    i32::from(hash.finalize().to_le_bytes()[0])
}

/// How long the next try waits after so many failures.
fn retry_after(failures: u32, until: Option<Timestamp>, now: Timestamp) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << (failures - 1).min(16)).min(LAST_RETRY);
    // A certificate of seconds, as of a test, is not left to end for a minute.
    let left = until.and_then(|until| (until - now).to_std().ok());
    match left {
        None => doubled.min(RETRY_WITHOUT),
        Some(left) => doubled.min((left / 4).max(Duration::from_secs(1))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_come_later_and_later() {
        let now = Timestamp::UNIX_EPOCH;
        let month = Some(now + chrono::TimeDelta::days(30));
        let waits = [1, 2, 3, 9, 40].map(|failures| retry_after(failures, month, now).as_secs());
        assert_eq!(waits, [60, 120, 240, 15_360, 86_400]);
        // Without one, or soon without one, it is tried at least once an hour.
        assert_eq!(retry_after(40, None, now), RETRY_WITHOUT);
        assert_eq!(retry_after(40, Some(now - chrono::TimeDelta::days(1)), now), RETRY_WITHOUT);
        assert_eq!(retry_after(9, Some(now + chrono::TimeDelta::hours(4)), now).as_secs(), 3_600);
    }
}
