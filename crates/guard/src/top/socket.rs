//! The Unix socket in the gateway's folder on which it says what is under way.

use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;

use super::{Now, ServerNow};
use crate::config::files;
use crate::proxy::{Gate, Running};

/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest answer that is read.
const LONGEST: u64 = 16 << 20;

/// Asks the running gateway of a folder.
///
/// # Errors
///
/// None runs, another user's does, or it does not answer in time.
pub fn now(dir: &Path) -> io::Result<Now> {
    let stream = UnixStream::connect(dir.join(files::TOP))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut text = Vec::new();
    stream.take(LONGEST).read_to_end(&mut text)?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// Answers every connection with what is under way, until the gateway takes no further request. Whoever connects need send nothing.
pub(crate) fn serve(running: &Arc<Running>, dir: &Path) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: vigie guard top has nothing to ask, since a thread cannot start: {error}"),
    };
    runtime.block_on(async {
        let listener = match bind(dir) {
            Ok(listener) => listener,
            // A folder that is only read, or a path that is too long: everything else works without.
            Err(error) => return eprintln!("vigie: vigie guard top sees the log only: cannot listen on {}: {error}", files::TOP),
        };
        loop {
            let gate = running.gate();
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((mut stream, _)) => {
                        let text = serde_json::to_vec(&under_way(&running.gate())).unwrap_or_default();
                        // Who does not read gets nothing.
                        let _ = tokio::time::timeout(PATIENCE, stream.write_all(&text)).await;
                    }
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
                () = gate.life.closing() => return,
            }
        }
    });
}

/// Binds the socket, for its owner only, in the place of one that another process left: the path never leads to a socket that others may use.
fn bind(dir: &Path) -> io::Result<UnixListener> {
    let own = dir.join(format!(".{}.{}", files::TOP, std::process::id()));
    let _ = std::fs::remove_file(&own);
    let listener = UnixListener::bind(&own)?;
    let placed =
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o600)).and_then(|()| std::fs::rename(&own, dir.join(files::TOP)));
    if placed.is_err() {
        let _ = std::fs::remove_file(&own);
    }
    placed.map(|()| listener)
}

fn under_way(gate: &Gate) -> Now {
    let (connections, streams) = gate.metrics.open();
    let server = |server: &crate::pool::Server| ServerNow {
        name: server.name.clone(),
        up: server.is_in(),
        in_flight: server.open(),
    };
    Now {
        connections,
        streams,
        waiting: gate.pool.queue().waits().waiting,
        keys: gate.limiter.under_way(),
        servers: gate.pool.servers().iter().map(server).collect(),
    }
}
