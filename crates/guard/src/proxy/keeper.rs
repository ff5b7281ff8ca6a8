//! The thread that keeps the house: it looks for changed files, and at the end of the certificate.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::reload::Running;
#[cfg(unix)]
use super::takeover;
use crate::acme;
#[cfg(unix)]
use crate::config::files;
use crate::log::{Change, Entry};

/// How often the files of the configuration are looked at. What has changed is read when it is the same at two looks: whoever writes several
/// files, or one in pieces, is done by then.
const LOOK: Duration = Duration::from_millis(250);
/// While the configuration does not read, it is tried again after so many looks.
const RETRY: u32 = 20;
/// How often it is looked whether the clock was set.
const LOOK_AT_CLOCK: Duration = Duration::from_millis(500);
/// A clock that goes wrong by less, in seconds, was not set but slewed.
const SET: f64 = 2.0;
/// How often the end of the certificate is looked at.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(24 * 3_600);

/// Runs until the gateway takes no further connection. It answers at the door.
pub(super) fn run(running: &Arc<Running>) {
    #[cfg(unix)]
    let opened = match running.authorizes {
        None => takeover::Door::open(running.dir()).map(Some),
        // Where a proxy asks, no gateway for clients can take over.
        Some(_) => Ok(None),
    };
    #[cfg(unix)]
    let door = match opened {
        Ok(door) => door,
        Err(error) => {
            let path = running.dir().join(files::SOCKET);
            eprintln!(
                "vigie: no other process can take over, since {} cannot be made: {error}",
                path.display()
            );
            None
        }
    };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: changed files are not noticed, since a thread cannot start: {error}"),
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(watch(Arc::clone(running)));
        tokio::task::spawn_local(look_at_certificate(Arc::clone(running)));
        tokio::task::spawn_local(look_at_clock(Arc::clone(running)));
        tokio::task::spawn_local(acme::keep(Arc::clone(running)));
        #[cfg(unix)]
        if let Some(door) = door {
            tokio::task::spawn_local(answer(door, Arc::clone(running)));
        }
        running.parts.life.closing().await;
    });
}

/// Reads the configuration anew when a file of it changes, or when it is asked for.
async fn watch(running: Arc<Running>) {
    let (mut before, mut looks) = (None, 0_u32);
    loop {
        let asked = tokio::select! {
            () = running.asked.notified() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let now = running.changed();
        looks += 1;
        // A file that it names may have come since.
        let is_due = !running.parts.life.is_current() && looks.is_multiple_of(RETRY);
        if asked || is_due || (now.is_some() && now == before) {
            running.reload(asked);
            before = None;
        } else {
            before = now;
        }
    }
}

/// Warns of a certificate that ends soon.
async fn look_at_certificate(running: Arc<Running>) {
    loop {
        let gate = running.gate();
        if let Some(certificate) = gate.tls.as_ref().and_then(|_| running.parts.life.certificates.current())
            && let (Some(warning), Some(until)) = (certificate.warning(chrono::Utc::now()), certificate.until())
        {
            eprintln!("vigie: warning: {warning}");
            running.parts.log.record(Entry::Change(Change::CertificateEnds { until }));
        }
        tokio::select! {
            () = gate.replaced() => {}
            () = tokio::time::sleep(LOOK_AT_CERTIFICATE) => {}
        }
    }
}

/// Notes in the log that the wall clock was set: it is then not in the order of its times.
async fn look_at_clock(running: Arc<Running>) {
    let mut before = (chrono::Utc::now(), Instant::now());
    loop {
        tokio::time::sleep(LOOK_AT_CLOCK).await;
        let now = (chrono::Utc::now(), Instant::now());
        let passed = now.1.duration_since(before.1).as_secs_f64();
        let shown = (now.0 - before.0).as_seconds_f64();
        before = now;
        let seconds = ((shown - passed) * 1_000.0).round() / 1_000.0;
        if seconds.abs() >= SET {
            eprintln!(
                "vigie: the clock went {seconds:+} s by itself: it was set, or this machine slept; times in the log before and after do not compare"
            );
            running.parts.log.record(Entry::Change(Change::ClockSet { seconds }));
        }
    }
}

/// Answers processes that want to take over.
#[cfg(unix)]
async fn answer(door: takeover::Door, running: Arc<Running>) {
    let Ok(listener) = door.listener() else { return };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream.into_std(),
            Err(_) => {
                tokio::time::sleep(LOOK).await;
                continue;
            }
        };
        if let Ok(stream) = stream {
            let running = Arc::clone(&running);
            std::thread::spawn(move || takeover::hand_over(stream, &running));
        }
    }
}
