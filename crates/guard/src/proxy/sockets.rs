//! The sockets that a gateway listens on: bound by itself, or handed over by a service manager or by the process before it.

use std::net::{SocketAddr, TcpListener};

#[cfg(unix)]
use super::takeover::Before;

/// Connections that the system holds until they are accepted.
const BACKLOG: i32 = 1_024;

/// Sockets that were handed over, and listen already.
#[derive(Debug, Default)]
pub struct Sockets {
    pub(super) listening: Vec<TcpListener>,
    /// Whose place is taken.
    #[cfg(unix)]
    pub(super) before: Option<Before>,
    /// Whether a service manager chose their addresses.
    pub(super) is_managed: bool,
}

impl Sockets {
    /// The sockets that a service manager hands over (`LISTEN_FDS`), if it does.
    ///
    /// # Errors
    ///
    /// One of them is no TCP socket that listens.
    pub fn inherited() -> Result<Self, String> {
        let mut handed = listenfd::ListenFd::from_env();
        let mut listening = Vec::new();
        for number in 0..handed.len() {
            let wrong = |error: std::io::Error| format!("socket {number} of LISTEN_FDS is no TCP socket that listens: {error}");
            listening.extend(handed.take_tcp_listener(number).map_err(wrong)?);
        }
        Ok(Self {
            is_managed: !listening.is_empty(),
            listening,
            ..Self::default()
        })
    }

    /// The sockets for clients and for metrics: those handed over that have their addresses, or new ones. A service manager chooses the address
    /// for clients.
    pub(super) fn take(&mut self, clients: SocketAddr, admin: Option<SocketAddr>) -> Result<(TcpListener, Option<TcpListener>), String> {
        let handed = admin.and_then(|admin| self.find(|there| is(there, admin)));
        let is_managed = self.is_managed;
        let for_clients = self
            .find(|there| is_managed || is(there, clients))
            .map_or_else(|| listen(clients), Ok);
        let for_clients = for_clients.map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => format!(
                "cannot listen on {clients}: another program does; if it is this gateway, vigie guard run --replace takes its place without \
                 refusing a connection"
            ),
            _ => format!("cannot listen on {clients}: {error}"),
        })?;
        let for_admin = match (handed, admin) {
            (Some(handed), _) => Some(handed),
            (None, Some(admin)) => {
                let bound = crate::admin::listen(admin);
                Some(bound.map_err(|error| format!("cannot listen on {admin} for metrics: {error}"))?)
            }
            (None, None) => None,
        };
        for listener in std::iter::once(&for_clients).chain(&for_admin) {
            listener.set_nonblocking(true).map_err(|error| error.to_string())?;
        }
        Ok((for_clients, for_admin))
    }

    fn find(&mut self, wanted: impl Fn(SocketAddr) -> bool) -> Option<TcpListener> {
        let at = self
            .listening
            .iter()
            .position(|listener| listener.local_addr().is_ok_and(&wanted))?;
        Some(self.listening.remove(at))
    }
}

/// Whether a socket is where it is wanted; port 0 is any.
fn is(there: SocketAddr, wanted: SocketAddr) -> bool {
    there.ip() == wanted.ip() && (wanted.port() == 0 || there.port() == wanted.port())
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // What is asked for is IPv6; IPv4 is asked for by an address of its own.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
