//! A new process takes the place of the one that runs: it gets the sockets that listen, over a socket in the gateway's folder, so that no
//! connection is refused in between.
//!
//! The new process reads and checks everything first, asks for the sockets, and says that it serves; until then the old one goes on. Then the
//! old one takes no further connection and finishes its requests. Both write the log meanwhile, each its own part.

use std::io::{BufRead as _, BufReader, IoSlice, IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

use super::reload::Running;
use super::sockets::Sockets;
use crate::config::files;

/// What the new process says first, and when it serves.
const ASK: &str = "vigie guard: take over";
const SERVES: &str = "vigie guard: serves";
/// What the old one says with its sockets.
const SOCKETS: &[u8] = b"vigie guard: sockets\n";
/// Sockets that are handed over at most.
const MOST: usize = 4;
/// How long an answer of the other process may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the new process may take to serve: it reads the log.
const START: Duration = Duration::from_secs(600);
const SPACE: usize = rustix::cmsg_space!(ScmRights(MOST));

/// The process whose place is taken.
#[derive(Debug)]
pub(super) struct Before(UnixStream);

impl Before {
    /// Tells it that this process serves. `false`: it is gone already.
    pub(super) fn serves(mut self) -> bool {
        writeln!(self.0, "{SERVES} {}", std::process::id()).is_ok()
    }
}

impl Sockets {
    /// Asks the gateway that runs in a folder for its sockets. Without one there are none, and the new one binds its own.
    ///
    /// # Errors
    ///
    /// One runs and does not hand them over.
    pub fn of_running(dir: &Path) -> Result<Self, String> {
        let path = dir.join(files::SOCKET);
        let failed = |error: std::io::Error| format!("the gateway that runs in {} does not hand over its sockets: {error}", dir.display());
        let stream = match UnixStream::connect(&path) {
            Ok(stream) => stream,
            Err(error) if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::ConnectionRefused) => {
                return Ok(Self::default());
            }
            Err(error) => return Err(failed(error)),
        };
        ask(stream).map_err(failed)
    }
}

fn ask(mut stream: UnixStream) -> std::io::Result<Sockets> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    writeln!(stream, "{ASK}")?;
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut said = [0; SOCKETS.len()];
    let received = recvmsg(&stream, &mut [IoSliceMut::new(&mut said)], &mut control, RecvFlags::empty())?;
    let mut listening = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(sockets) = message {
            for socket in sockets {
                let socket: OwnedFd = socket;
                rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
                listening.push(TcpListener::from(socket));
            }
        }
    }
    if received.bytes != SOCKETS.len() || said != SOCKETS || listening.is_empty() {
        return Err(std::io::Error::other("it answers otherwise than this version expects"));
    }
    Ok(Sockets {
        listening,
        before: Some(Before(stream)),
        ..Sockets::default()
    })
}

/// The socket on which a gateway is asked for its place.
#[derive(Debug)]
pub(super) struct Door {
    path: PathBuf,
    listener: UnixListener,
    number: u64,
}

impl Door {
    /// Opens it in a folder, for its owner only; the one of a process before is replaced.
    pub(super) fn open(dir: &Path) -> std::io::Result<Self> {
        let path = dir.join(files::SOCKET);
        let beside = dir.join(format!("{}.{}", files::SOCKET, std::process::id()));
        // One of a process that had this id.
        let _ = std::fs::remove_file(&beside);
        let listener = UnixListener::bind(&beside)?;
        std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600))?;
        let number = std::fs::metadata(&beside)?.ino();
        std::fs::rename(&beside, &path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { path, listener, number })
    }

    /// A listener for the runtime.
    pub(super) fn listener(&self) -> std::io::Result<tokio::net::UnixListener> {
        tokio::net::UnixListener::from_std(self.listener.try_clone()?)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // Whoever took over has put its own there.
        if std::fs::metadata(&self.path).is_ok_and(|there| there.ino() == self.number) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Gives the sockets to a process that asks, and hands over once it serves. Blocks until then.
pub(super) fn hand_over(stream: UnixStream, running: &Arc<Running>) {
    match give(stream, running) {
        Ok(Some(to)) => running.hand_over(to),
        Ok(None) => {}
        Err(error) => eprintln!("vigie: another process wanted to take over and did not: {error}; this one goes on"),
    }
}

/// The id of the process that serves now. `None`: what asked is something else.
fn give(stream: UnixStream, running: &Running) -> std::io::Result<Option<u32>> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?).take(1_024);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    if line.trim() != ASK {
        return Ok(None);
    }
    let sockets = running.sockets();
    let given: Vec<_> = sockets.iter().take(MOST).map(|socket| socket.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); SPACE];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&given));
    sendmsg(&stream, &[IoSlice::new(SOCKETS)], &mut control, SendFlags::empty())?;
    stream.set_read_timeout(Some(START))?;
    line.clear();
    reader.read_line(&mut line)?;
    let to = line.trim().strip_prefix(SERVES).and_then(|id| id.trim().parse().ok());
    to.map(Some).ok_or_else(|| std::io::Error::other("it ended before it served"))
}
