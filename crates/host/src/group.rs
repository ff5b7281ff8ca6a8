//! Groups listening sockets into servers and works out who can reach each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use vigie_model::{Known, Reach};
use vigie_scope::{is_loopback, is_private};

use crate::server::LocalServer;
use crate::socket::ListeningSocket;

/// Groups the sockets of a machine with these addresses into servers, sorted by port and first bound address.
///
/// Two sockets on the same port are one server if
/// - they are bound to the same address (workers that share it with `SO_REUSEPORT`), or
/// - they belong to the same process, or
/// - they are bound to `0.0.0.0` and `::` by processes of the same name (a proxy with one process per family), or
/// - their owners cannot be read, they belong to the same user, and they are bound to `0.0.0.0` and `::` or to `127.0.0.1` and `::1`.
///
/// Where owners cannot be read, nothing else is joined: listing a server twice is better than missing one.
#[must_use]
pub fn group_sockets(sockets: &[ListeningSocket], own: &[IpAddr]) -> Vec<LocalServer> {
    let mut order: Vec<&ListeningSocket> = sockets.iter().collect();
    order.sort_by_key(|socket| (socket.port, socket.address));

    let mut listeners = Vec::new();
    for on_port in order.chunk_by(|a, b| a.port == b.port) {
        let mut groups: Vec<Vec<&ListeningSocket>> = Vec::new();
        for socket in on_port {
            // A socket can connect two groups, so every group that matches is merged.
            let (mut matching, rest): (Vec<_>, Vec<_>) = groups
                .into_iter()
                .partition(|group| group.iter().any(|other| same_server(socket, other)));
            let mut merged: Vec<&ListeningSocket> = matching.drain(..).flatten().collect();
            merged.push(socket);
            groups = rest;
            groups.push(merged);
        }
        groups.sort_by_key(|group| group.iter().map(|socket| socket.address).min());
        // An IPv4 wildcard of another server on this port shows that `::` does not answer IPv4.
        listeners.extend(groups.iter().map(|group| {
            let v4_taken = on_port
                .iter()
                .any(|socket| socket.address == IpAddr::V4(Ipv4Addr::UNSPECIFIED) && !group.iter().any(|own| std::ptr::eq(*own, *socket)));
            server(group, own, v4_taken)
        }));
    }
    listeners
}

/// Whether two sockets on the same port belong to one server.
fn same_server(a: &ListeningSocket, b: &ListeningSocket) -> bool {
    if a.address == b.address {
        return true;
    }
    let wildcards = a.address.is_unspecified() && b.address.is_unspecified();
    match (a.owner.known(), b.owner.known()) {
        (Some(one), Some(other)) => one.pid == other.pid || (wildcards && one.name == other.name),
        (None, None) => {
            let localhosts = [a.address, b.address].iter().all(|address| is_localhost(*address));
            a.uid == b.uid && (wildcards || localhosts)
        }
        _ => false,
    }
}

fn is_localhost(address: IpAddr) -> bool {
    address == IpAddr::V4(Ipv4Addr::LOCALHOST) || address == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

/// The server of a group of sockets. `v4_taken`: another server answers IPv4 on this port.
fn server(sockets: &[&ListeningSocket], own: &[IpAddr], v4_taken: bool) -> LocalServer {
    let port = sockets.first().map_or(0, |socket| socket.port);
    let mut bound: Vec<IpAddr> = sockets.iter().map(|socket| socket.address).collect();
    bound.sort_unstable();
    bound.dedup();

    let v4_wildcard = bound.contains(&IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let v6_wildcards: Vec<&&ListeningSocket> = sockets
        .iter()
        .filter(|socket| socket.address == IpAddr::V6(Ipv6Addr::UNSPECIFIED))
        .collect();
    // An IPv6 wildcard also answers IPv4 unless it is limited to IPv6; that is the default of Linux, macOS and Go's runtime.
    let answers_v4 = v4_wildcard || (!v4_taken && v6_wildcards.iter().any(|socket| socket.v6only.known() != Some(&true)));
    let surely_v4 = v4_wildcard || v6_wildcards.iter().any(|socket| socket.v6only.known() == Some(&false));
    let answers_v6 = !v6_wildcards.is_empty();

    let mut answers_on: Vec<IpAddr> = bound
        .iter()
        .map(IpAddr::to_canonical)
        .filter(|address| !address.is_unspecified() && !is_loopback(*address))
        .chain(
            own.iter()
                .copied()
                .filter(|address| !is_loopback(*address) && ((address.is_ipv4() && answers_v4) || (address.is_ipv6() && answers_v6))),
        )
        .collect();
    answers_on.sort_unstable();
    answers_on.dedup();

    let mut probe: Vec<IpAddr> = Vec::new();
    if surely_v4 {
        probe.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    // If IPv6 is disabled on loopback, `::1` is not an address of this machine and nothing answers there.
    if answers_v6 && own.contains(&IpAddr::V6(Ipv6Addr::LOCALHOST)) {
        probe.push(IpAddr::V6(Ipv6Addr::LOCALHOST));
    }
    if answers_v4 {
        probe.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    probe.extend(bound.iter().filter(|a| is_loopback(**a)));
    probe.extend(answers_on.iter().filter(|a| is_private(**a) && !is_link_local_v6(**a)));
    probe.extend(answers_on.iter().filter(|a| !is_private(**a)));
    // A link-local IPv6 address needs an interface, which the tables do not give, so it comes last.
    probe.extend(answers_on.iter().filter(|a| is_link_local_v6(**a)));
    let mut seen = Vec::new();
    probe.retain(|address| {
        let new = !seen.contains(address);
        seen.push(*address);
        new
    });

    let everywhere = v4_wildcard || answers_v6;
    let reach = if answers_on.iter().any(|address| !is_private(*address)) {
        Reach::Public
    } else if everywhere || !answers_on.is_empty() {
        // Bound to every address of a machine that has only loopback now; a network may be added while the binding stays.
        Reach::Private
    } else {
        Reach::Loopback
    };

    let owner = sockets
        .iter()
        .filter(|socket| socket.owner.is_known())
        .min_by_key(|socket| socket.owner.known().map(|owner| owner.pid))
        .or(sockets.first())
        .map_or_else(|| Known::unknown(vigie_model::Why::NotCarried), |socket| socket.owner.clone());

    LocalServer {
        port,
        bound,
        answers_on,
        probe: probe.into_iter().map(|address| SocketAddr::new(address, port)).collect(),
        reach,
        owner,
    }
}

fn is_link_local_v6(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use vigie_model::Why;

    use super::*;
    use crate::socket::Owner;

    const LAN: &str = "192.168.1.5";

    const PUBLIC: &str = "8.8.4.4";

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    /// Parses `address port owner [v6only]`, where the owner is `pid/name` or `?uid`.
    fn socket(line: &str) -> ListeningSocket {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (uid, owner) = match words[2].split_once('/') {
            Some((pid, name)) => (
                Some(1000),
                Known::Known(Owner {
                    pid: pid.parse().expect("a pid"),
                    name: name.to_owned(),
                }),
            ),
            None => (Some(words[2][1..].parse().expect("a uid")), Known::unknown(Why::Refused)),
        };
        ListeningSocket {
            address: ip(words[0]),
            port: words[1].parse().expect("a port"),
            v6only: match words.get(3) {
                Some(&"v6only") => Known::Known(true),
                Some(&"dual") => Known::Known(false),
                _ => Known::unknown(Why::NotCarried),
            },
            uid,
            owner,
        }
    }

    /// `bound -> answers_on; probe; reach; process`, one line per server.
    fn shown(lines: &[&str], own: &[&str]) -> Vec<String> {
        let sockets: Vec<ListeningSocket> = lines.iter().map(|line| socket(line)).collect();
        let own: Vec<IpAddr> = own.iter().map(|text| ip(text)).collect();
        let shown = |group: &[LocalServer]| -> Vec<String> {
            group
                .iter()
                .map(|l| {
                    let join = |list: &[IpAddr]| list.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
                    let model = l.to_model();
                    format!(
                        "{} -> {}; {}; {:?}; {}",
                        join(&model.bound),
                        join(&model.answers_on),
                        l.probe_address(),
                        l.reach(),
                        model.process.known().map_or("?", String::as_str)
                    )
                })
                .collect()
        };
        let forwards = group_sockets(&sockets, &own);
        let mut reversed = sockets;
        reversed.reverse();
        assert_eq!(
            shown(&forwards),
            shown(&group_sockets(&reversed, &own)),
            "the order of the sockets must not matter"
        );
        shown(&forwards)
    }

    #[test]
    fn sockets_are_grouped_into_servers() {
        // The case, the sockets, the addresses of the machine, the expected servers.
        type Case = (
            &'static str,
            &'static [&'static str],
            &'static [&'static str],
            &'static [&'static str],
        );
        const HOME: &[&str] = &["127.0.0.1", "::1", LAN];
        const CASES: &[Case] = &[
            (
                "loopback only",
                &["127.0.0.1 11434 7/ollama"],
                HOME,
                &["127.0.0.1 -> ; 127.0.0.1:11434; Loopback; ollama"],
            ),
            (
                "another loopback address",
                &["127.0.0.2 80 7/a"],
                HOME,
                &["127.0.0.2 -> ; 127.0.0.2:80; Loopback; a"],
            ),
            ("IPv6 loopback", &["::1 80 7/a"], HOME, &["::1 -> ; [::1]:80; Loopback; a"]),
            (
                "both loopbacks by one process",
                &["::1 80 7/a", "127.0.0.1 80 7/a"],
                HOME,
                &["127.0.0.1,::1 -> ; 127.0.0.1:80; Loopback; a"],
            ),
            (
                "IPv4 wildcard",
                &["0.0.0.0 80 7/a"],
                HOME,
                &["0.0.0.0 -> 192.168.1.5; 127.0.0.1:80; Private; a"],
            ),
            (
                "IPv4 wildcard of a machine with a public address",
                &["0.0.0.0 80 7/a"],
                &["127.0.0.1", LAN, PUBLIC],
                &["0.0.0.0 -> 8.8.4.4,192.168.1.5; 127.0.0.1:80; Public; a"],
            ),
            (
                "wildcard of a machine without a network",
                &["0.0.0.0 80 7/a"],
                &["127.0.0.1"],
                &["0.0.0.0 -> ; 127.0.0.1:80; Private; a"],
            ),
            (
                "both wildcards by one process",
                &["0.0.0.0 80 7/a", ":: 80 7/a v6only"],
                HOME,
                &["0.0.0.0,:: -> 192.168.1.5; 127.0.0.1:80; Private; a"],
            ),
            (
                "dual stack, known",
                &[":: 80 7/a dual"],
                HOME,
                &[":: -> 192.168.1.5; 127.0.0.1:80; Private; a"],
            ),
            (
                "dual stack or not is unknown, so the certain address is probed",
                &[":: 80 7/a"],
                HOME,
                &[":: -> 192.168.1.5; [::1]:80; Private; a"],
            ),
            (
                "dual stack where loopback has no IPv6",
                &[":: 80 7/a"],
                &["127.0.0.1", LAN],
                &[":: -> 192.168.1.5; 127.0.0.1:80; Private; a"],
            ),
            (
                "IPv6 only",
                &[":: 80 7/a v6only"],
                &["127.0.0.1", "::1", LAN, "fd00::5"],
                &[":: -> fd00::5; [::1]:80; Private; a"],
            ),
            (
                "two servers, one per family",
                &["0.0.0.0 80 7/a", ":: 80 8/b"],
                &["127.0.0.1", "::1", LAN, "2001:4860::1"],
                &[
                    "0.0.0.0 -> 192.168.1.5; 127.0.0.1:80; Private; a",
                    ":: -> 2001:4860::1; [::1]:80; Public; b",
                ],
            ),
            (
                "a proxy with a process per family",
                &["0.0.0.0 80 7/docker-proxy", ":: 80 8/docker-proxy v6only"],
                HOME,
                &["0.0.0.0,:: -> 192.168.1.5; 127.0.0.1:80; Private; docker-proxy"],
            ),
            (
                "workers that share a port",
                &["0.0.0.0 80 9/w", "0.0.0.0 80 8/w", "0.0.0.0 80 7/w"],
                HOME,
                &["0.0.0.0 -> 192.168.1.5; 127.0.0.1:80; Private; w"],
            ),
            (
                "one process on loopback and one network address",
                &["127.0.0.1 80 7/a", "192.168.1.5 80 7/a"],
                HOME,
                &["127.0.0.1,192.168.1.5 -> 192.168.1.5; 127.0.0.1:80; Private; a"],
            ),
            (
                "a network address only",
                &["192.168.1.5 80 7/a"],
                HOME,
                &["192.168.1.5 -> 192.168.1.5; 192.168.1.5:80; Private; a"],
            ),
            (
                "two servers beside each other",
                &["127.0.0.1 80 7/a", "192.168.1.5 80 8/b"],
                HOME,
                &[
                    "127.0.0.1 -> ; 127.0.0.1:80; Loopback; a",
                    "192.168.1.5 -> 192.168.1.5; 192.168.1.5:80; Private; b",
                ],
            ),
            (
                "owners that cannot be read: pairs are joined",
                &[
                    "0.0.0.0 80 ?0",
                    ":: 80 ?0",
                    "127.0.0.1 81 ?0",
                    "::1 81 ?0",
                    "127.0.0.1 82 ?0",
                    "127.0.0.2 82 ?0",
                    "127.0.0.1 83 ?0",
                    "::1 83 ?5",
                ],
                HOME,
                &[
                    "0.0.0.0,:: -> 192.168.1.5; 127.0.0.1:80; Private; ?",
                    "127.0.0.1,::1 -> ; 127.0.0.1:81; Loopback; ?",
                    "127.0.0.1 -> ; 127.0.0.1:82; Loopback; ?",
                    "127.0.0.2 -> ; 127.0.0.2:82; Loopback; ?",
                    "127.0.0.1 -> ; 127.0.0.1:83; Loopback; ?",
                    "::1 -> ; [::1]:83; Loopback; ?",
                ],
            ),
            (
                "an IPv4 address written as IPv6",
                &["::ffff:127.0.0.1 80 7/java", "::ffff:192.168.1.5 81 7/java"],
                HOME,
                &[
                    "::ffff:127.0.0.1 -> ; [::ffff:127.0.0.1]:80; Loopback; java",
                    "::ffff:192.168.1.5 -> 192.168.1.5; 192.168.1.5:81; Private; java",
                ],
            ),
        ];
        for (what, sockets, own, expected) in CASES {
            assert_eq!(shown(sockets, own), *expected, "{what}");
        }
    }

    #[test]
    fn an_unread_owner_stays_unknown_with_its_reason() {
        let listeners = group_sockets(&[socket("127.0.0.1 80 ?0")], &[]);
        assert_eq!(listeners.len(), 1);
        let model = listeners[0].to_model();
        assert_eq!(model.process.why(), Some(Why::Refused));
        assert_eq!(model.pid.why(), Some(Why::Refused));
    }

    #[test]
    fn private_is_not_public() {
        for address in ["10.0.0.1", "172.31.0.1", "192.168.0.1", "169.254.1.1", "fd00::1", "fe80::1"] {
            assert!(is_private(ip(address)), "{address}");
        }
        for address in [
            "172.32.0.1",
            "100.63.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "100.128.0.1",
            "8.8.8.8",
            "2001:4860::1",
        ] {
            assert!(!is_private(ip(address)), "{address}");
        }
    }

    #[test]
    fn a_server_knows_its_addresses() {
        let own = [ip("127.0.0.1"), ip("::1"), ip(LAN)];
        let all = group_sockets(&[socket("0.0.0.0 80 7/a")], &own);
        let at = |text: &str| text.parse().expect("a socket address");
        assert!(all[0].answers_at(at("127.0.0.9:80")));
        assert!(all[0].answers_at(at("192.168.1.5:80")));
        assert!(!all[0].answers_at(at("[::1]:80")));
        assert!(!all[0].answers_at(at("192.168.1.5:81")));
        let loopback = group_sockets(&[socket("127.0.0.1 80 7/a")], &own);
        assert!(!loopback[0].answers_at(at("192.168.1.5:80")));
        assert!(!loopback[0].answers_at(at("127.0.0.2:80")));
    }
}
