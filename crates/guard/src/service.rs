//! What a service manager is told (`sd_notify`), and the sockets that it hands over (`LISTEN_FDS`).

/// Tells the service manager something, if one listens; see `sd_notify(3)`.
pub(crate) fn notify(state: &str) {
    // Nobody but the manager would miss it.
    let _ = send(state);
}

/// The configuration is about to be read anew; [`ready`] says when it has been.
pub(crate) fn reloading() {
    #[cfg(unix)]
    {
        use rustix::time::{ClockId, clock_gettime};
        let now = clock_gettime(ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }
}

/// It serves. The process is named too, because it may have taken the place of another.
pub(crate) fn ready() {
    notify(&format!("READY=1\nMAINPID={}", std::process::id()));
}

/// It takes no further connection.
pub(crate) fn stopping() {
    notify("STOPPING=1");
}

#[cfg(unix)]
fn send(state: &str) -> std::io::Result<()> {
    use std::os::unix::net::UnixDatagram;
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let socket = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    if let Some(name) = path.to_str().and_then(|path| path.strip_prefix('@')) {
        use std::os::linux::net::SocketAddrExt as _;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
        return socket.send_to_addr(state.as_bytes(), &address).map(|_| ());
    }
    socket.send_to(state.as_bytes(), path).map(|_| ())
}

#[cfg(not(unix))]
fn send(_state: &str) -> std::io::Result<()> {
    Ok(())
}
