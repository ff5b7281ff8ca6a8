//! Where the server behind may answer, by the sockets and addresses of this machine.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use vigie_host::{LocalHost, LocalServer};
use vigie_model::Reach;
use vigie_scope::{is_loopback, is_private};

use super::{Proof, Way};

/// So many servers of this machine are asked, at most.
const SERVERS: usize = 64;

/// Where the server behind may answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Candidates {
    /// Ways by the server's own sockets.
    pub(super) own: Vec<Way>,
    /// Other servers, which may lead to it.
    pub(super) others: Vec<Other>,
}

/// Another server of this machine.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Other {
    /// Where it is asked.
    pub(super) ask: SocketAddr,
    /// The process.
    pub(super) pid: Option<u32>,
    /// The addresses that it answers on, as ways.
    pub(super) ways: Vec<Way>,
}

/// The candidates. `own`: sockets of the gateway itself, by their addresses.
pub(super) fn candidates(host: &LocalHost, upstream: SocketAddr, own: &[SocketAddr], gateway: u32) -> Candidates {
    let servers = host.servers();
    let is_exact = |server: &&LocalServer| server.port() == upstream.port() && server.bound().contains(&upstream.ip());
    let is_behind = |server: &&LocalServer| server.answers_at(upstream);
    let behind = match host.owns(upstream.ip()) {
        true => servers.iter().find(is_exact).or_else(|| servers.iter().find(is_behind)),
        false => None,
    };
    let mut found = Candidates::default();
    if let Some(server) = behind {
        found.own = ways(server, host, Proof::SameSocket);
        found.own.retain(|way| way.address != upstream);
    }
    let is_other = |server: &&LocalServer| {
        let is_gateway = server.owner().known().is_some_and(|owner| owner.pid == gateway) || own.iter().any(|own| server.answers_at(*own));
        // What only programs of this machine reach is asked where it has the server's port; the rest is nobody's way in.
        let counts = server.reach() != Reach::Loopback || server.port() == upstream.port();
        !is_gateway && counts && behind.is_none_or(|behind| *server != behind)
    };
    let others = servers.iter().filter(is_other).take(SERVERS).map(|server| Other {
        ask: server.probe_address(),
        pid: server.owner().known().map(|owner| owner.pid),
        ways: ways(server, host, Proof::SameAnswer),
    });
    found.others = others.collect();
    found
}

/// The addresses of this machine on which a server answers. A server that is bound to every address of a machine that has only loopback now
/// is open as soon as there is another: then the wildcard stands for it.
fn ways(server: &LocalServer, host: &LocalHost, proof: Proof) -> Vec<Way> {
    let is_v4_wildcard = |address: &IpAddr| *address == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let has_wildcard = |v4: bool| server.bound().iter().any(|bound| bound.is_unspecified() && bound.is_ipv4() == v4);
    let mut addresses: Vec<IpAddr> = server.bound().iter().copied().filter(|bound| !bound.is_unspecified()).collect();
    addresses.extend(server.probe_addresses().iter().map(SocketAddr::ip));
    addresses.extend(host.addresses().iter().copied().filter(|own| has_wildcard(own.is_ipv4())));
    if addresses.iter().all(|address| is_loopback(*address)) {
        addresses.extend(server.bound().iter().copied().filter(IpAddr::is_unspecified));
    }
    addresses.sort_unstable();
    addresses.dedup();
    let program = server.owner().known().map(|owner| owner.name.clone());
    let reach = |address: IpAddr| match () {
        () if address.is_unspecified() || is_v4_wildcard(&address) => Reach::Private,
        () if is_loopback(address) => Reach::Loopback,
        () if is_private(address) => Reach::Private,
        () => Reach::Public,
    };
    let way = |address: IpAddr| Way {
        address: SocketAddr::new(address, server.port()),
        reach: reach(address),
        proof,
        program: program.clone(),
    };
    addresses.into_iter().map(way).collect()
}

#[cfg(test)]
mod tests {
    use vigie_host::{ListeningSocket, Owner};
    use vigie_model::{Known, Why};

    use super::*;

    const GATEWAY: u32 = 99;

    fn host(addresses: &[&str], sockets: &[(&str, u32, &str)]) -> LocalHost {
        let socket = |(address, pid, name): &(&str, u32, &str)| {
            let address: SocketAddr = address.parse().expect("an address");
            ListeningSocket {
                address: address.ip(),
                port: address.port(),
                v6only: Known::unknown(Why::NotCarried),
                uid: Some(0),
                owner: Known::Known(Owner {
                    pid: *pid,
                    name: (*name).to_owned(),
                }),
            }
        };
        let addresses = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        LocalHost::new(addresses, sockets.iter().map(socket).collect())
    }

    fn shown(ways: &[Way]) -> String {
        let shown: Vec<String> = ways.iter().map(|way| format!("{} {:?}", way.address, way.reach)).collect();
        shown.join(", ")
    }

    #[test]
    fn the_sockets_say_where_the_server_may_answer() {
        const HOME: &[&str] = &["127.0.0.1", "::1", "192.168.1.5", "8.8.4.4"];
        type Case<'c> = (&'c str, &'c [&'c str], &'c [(&'c str, u32, &'c str)], &'c str, &'c [&'c str]);
        let cases: &[Case<'_>] = &[
            ("bound to loopback alone", HOME, &[("127.0.0.1:1", 7, "ollama")], "", &[]),
            (
                "bound to every IPv4 address",
                HOME,
                &[("0.0.0.0:1", 7, "ollama")],
                "8.8.4.4:1 Public, 192.168.1.5:1 Private",
                &[],
            ),
            (
                "bound to every address, as Go does it",
                HOME,
                &[("[::]:1", 7, "ollama")],
                "8.8.4.4:1 Public, 192.168.1.5:1 Private, [::1]:1 Loopback",
                &[],
            ),
            (
                "a machine with loopback alone",
                &["127.0.0.1"],
                &[("0.0.0.0:1", 7, "ollama")],
                "0.0.0.0:1 Private",
                &[],
            ),
            (
                "other loopback addresses of the same process",
                HOME,
                &[("127.0.0.1:1", 7, "ollama"), ("127.0.0.2:1", 7, "ollama"), ("[::1]:1", 7, "ollama")],
                "127.0.0.2:1 Loopback, [::1]:1 Loopback",
                &[],
            ),
            (
                "other programs are asked if others reach them, or if they have the server's port; the gateway is not",
                HOME,
                &[
                    ("127.0.0.1:1", 7, "ollama"),
                    ("0.0.0.0:80", 8, "nginx"),
                    ("127.0.0.1:81", 8, "nginx"),
                    ("127.0.0.2:1", 10, "socat"),
                    ("0.0.0.0:443", GATEWAY, "vigie"),
                    ("192.168.1.5:444", 98, "vigie"),
                ],
                "",
                &["127.0.0.1:80", "127.0.0.2:1"],
            ),
        ];
        for (why, addresses, sockets, own, others) in cases {
            let host = host(addresses, sockets);
            let upstream = "127.0.0.1:1".parse().expect("an address");
            let gateway = ["192.168.1.5:444".parse().expect("an address")];
            let mut found = candidates(&host, upstream, &gateway, GATEWAY);
            found.own.sort();
            assert_eq!(shown(&found.own), *own, "{why}");
            let mut asked: Vec<String> = found.others.iter().map(|other| other.ask.to_string()).collect();
            asked.sort();
            assert_eq!(asked, *others, "{why}");
        }
    }

    #[test]
    fn of_a_server_elsewhere_only_the_other_programs_are_known() {
        let host = host(&["127.0.0.1", "192.168.1.5"], &[("0.0.0.0:1", 7, "docker-proxy")]);
        let found = candidates(&host, "172.17.0.2:1".parse().expect("an address"), &[], GATEWAY);
        assert!(found.own.is_empty(), "{found:?}");
        assert_eq!(shown(&found.others[0].ways), "127.0.0.1:1 Loopback, 192.168.1.5:1 Private");
    }
}
