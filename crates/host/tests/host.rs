//! Inspects the machine that runs the tests while sockets of the tests listen.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};

use vigie_host::{LocalHost, LocalServer};
use vigie_model::Reach;

/// The environment variable that tells this binary that it runs in its own namespace.
const INSIDE: &str = "VIGIE_HOST_TEST_INSIDE";

fn bind(address: &str, port: u16) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address.parse::<IpAddr>().expect("an address"), port))?;
    let at = listener.local_addr()?;
    Ok((listener, at))
}

fn on_port(host: &LocalHost, port: u16) -> Vec<LocalServer> {
    host.servers().into_iter().filter(|listener| listener.port() == port).collect()
}

#[test]
fn a_loopback_socket_is_found_with_its_process() {
    let (_socket, at) = bind("127.0.0.1", 0).expect("loopback can be bound");
    let host = LocalHost::inspect().expect("the machine can be inspected");
    assert!(host.owns(at.ip()));
    assert!(host.addresses().contains(&at.ip()));

    let found = on_port(&host, at.port());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].probe_address(), at);
    assert_eq!(found[0].reach(), Reach::Loopback);
    let model = found[0].to_model();
    assert_eq!(model.bound, [at.ip()]);
    assert!(model.answers_on.is_empty());
    assert_eq!(model.pid.known(), Some(&std::process::id()));
    assert!(model.process.is_known());
}

#[test]
fn a_closed_socket_is_not_listed() {
    let (socket, at) = bind("127.0.0.1", 0).expect("loopback can be bound");
    drop(socket);
    let host = LocalHost::inspect().expect("the machine can be inspected");
    let mine: Vec<LocalServer> = on_port(&host, at.port())
        .into_iter()
        .filter(|l| l.to_model().pid.known() == Some(&std::process::id()))
        .collect();
    assert!(mine.is_empty(), "{mine:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn several_addresses_of_one_process_are_one_server() {
    // Another process may use the port on one of the addresses; a few attempts find one that is free on all three.
    let bound = (0..20).find_map(|_| {
        let (one, at) = bind("127.0.0.1", 0).ok()?;
        let (two, _) = bind("127.0.0.2", at.port()).ok()?;
        let three = bind("::1", at.port()).ok();
        Some((one, two, three, at))
    });
    let (_one, _two, three, at) = bound.expect("a port that is free on loopback");
    let host = LocalHost::inspect().expect("the machine can be inspected");
    let found = on_port(&host, at.port());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].bound().len(), if three.is_some() { 3 } else { 2 });
    assert_eq!(found[0].probe_address(), at);
    assert_eq!(found[0].reach(), Reach::Loopback);
    for address in found[0].probe_addresses() {
        TcpStream::connect(address).expect("every probe address answers");
    }
}

/// Binds wildcards in a network namespace of its own, by starting this binary again inside it.
#[cfg(target_os = "linux")]
#[test]
fn wildcards_in_a_namespace() {
    use std::process::Command;

    let test = std::env::current_exe().expect("the test binary has a path");
    let inside = |program: &str, arguments: &[&str]| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "--net", program])
            .args(arguments)
            .env(INSIDE, "1")
            .output()
    };
    let allowed = inside("ip", &["link", "set", "lo", "up"]).is_ok_and(|out| out.status.success());
    if !allowed {
        eprintln!("skipped: network namespaces are not allowed here, or unshare and ip are missing");
        return;
    }
    let script = format!(
        "ip link set lo up && ip addr add 10.9.8.7/32 dev lo && exec '{}' --exact --ignored inside_the_namespace",
        test.display()
    );
    let out = inside("sh", &["-c", &script]).expect("unshare ran before");
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        out.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "runs in the namespace that wildcards_in_a_namespace makes"]
fn inside_the_namespace() {
    // Outside the namespace, others could reach a wildcard.
    assert_eq!(std::env::var(INSIDE).as_deref(), Ok("1"), "only inside a namespace");

    let (_v4, v4) = bind("0.0.0.0", 0).expect("a wildcard in a namespace of its own");
    let host = LocalHost::inspect().expect("the machine can be inspected");
    assert_eq!(host.servers().len(), 1, "a new namespace has no other listener");
    let found = on_port(&host, v4.port());
    assert_eq!(found[0].probe_address().to_string(), format!("127.0.0.1:{}", v4.port()));
    assert_eq!(found[0].reach(), Reach::Private);
    assert_eq!(found[0].to_model().answers_on, ["10.9.8.7".parse::<IpAddr>().expect("an address")]);
    TcpStream::connect(found[0].probe_address()).expect("the probe address answers");

    // The standard library leaves IPV6_V6ONLY at the system's default: both families.
    let Ok((_v6, v6)) = bind("::", 0) else {
        eprintln!("skipped in part: no IPv6 here");
        return;
    };
    let host = LocalHost::inspect().expect("the machine can be inspected");
    let found = on_port(&host, v6.port());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].reach(), Reach::Private);
    for address in found[0].probe_addresses() {
        TcpStream::connect(address).expect("every probe address answers");
    }
}
