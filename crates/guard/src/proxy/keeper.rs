//! The thread that keeps the house: it looks for changed files, and at the end of the certificate.

use std::sync::Arc;
use std::time::Duration;

use super::reload::Running;
use crate::log::{Change, Entry};

/// How often the files of the configuration are looked at. What has changed is read when it is the same at two looks: whoever writes several
/// files, or one in pieces, is done by then.
const LOOK: Duration = Duration::from_millis(250);
/// How often the end of the certificate is looked at.
const LOOK_AT_CERTIFICATE: Duration = Duration::from_secs(24 * 3_600);

/// Runs until the gateway takes no further connection.
pub(super) fn run(running: &Arc<Running>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: changed files are not noticed, since a thread cannot start: {error}"),
    };
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(watch(Arc::clone(running)));
        tokio::task::spawn_local(look_at_certificate(Arc::clone(running)));
        running.parts.life.closing().await;
    });
}

/// Reads the configuration anew when a file of it changes, or when it is asked for.
async fn watch(running: Arc<Running>) {
    let mut before = None;
    loop {
        let asked = tokio::select! {
            () = running.asked.notified() => true,
            () = tokio::time::sleep(LOOK) => false,
        };
        let now = running.changed();
        if asked || (now.is_some() && now == before) {
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
