//! A listener for all addresses, only in a separate network namespace.

use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;

use vigie_fleet::{Fleet, FleetError, Layout, Listen, OwnNamespace, Personality, Population, Recorder, ServeOptions};

use crate::client::{anywhere, ask, plain};

/// Set for the process that runs in a namespace.
const INSIDE: &str = "VIGIE_FLEET_TEST_INSIDE";

#[test]
fn outside_there_is_no_proof() {
    if std::env::var_os(INSIDE).is_some() {
        return;
    }
    match OwnNamespace::prove() {
        Err(error) => assert!(matches!(error, FleetError::Namespace(_)), "{error}"),
        // A machine for builds may have nothing but loopback itself; then there is nobody to reach it either.
        Ok(_) => {
            let devices = std::fs::read_to_string("/proc/self/net/dev").expect("the proof read it");
            assert!(!devices.contains("eth0:"), "{devices}");
        }
    }
}

/// Runs the test below again in a new namespace, if the system lets an unprivileged user create one.
#[test]
fn inside_one_listener_answers_for_thousands_of_addresses() {
    let own = std::env::current_exe().expect("this program");
    let inside = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--net",
            "sh",
            "-c",
            "ip link set lo up && exec \"$0\" \"$@\"",
        ])
        .arg(own)
        .args(["--exact", "namespace::in_a_namespace", "--include-ignored", "--nocapture"])
        .env(INSIDE, "1")
        .output();
    let Ok(output) = inside else {
        eprintln!("skipped: there is no unshare here");
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !text.contains("running 1 test") {
        eprintln!("skipped: no namespace can be made here: {text}");
        return;
    }
    assert!(output.status.success(), "{text}");
    assert!(text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "needs a separate network namespace; the test above runs it in one"]
fn in_a_namespace() {
    let proof = OwnNamespace::prove().expect("this is a namespace of its own");
    let count = 5_000;
    let recording = plain();
    let base = Ipv4Addr::new(127, 3, 0, 1);
    let product = Population::only(recording.folder(), recording.name().split_once('/').expect("a name").1, Some(8_123));
    let all = Fleet::plan(1, &product, Layout::Addresses(base), count).expect("it plans");
    assert_eq!(all.len(), count);
    let before = std::fs::read_dir("/proc/self/fd").expect("descriptors").count();
    let options = ServeOptions {
        listen: Listen::Everywhere(proof),
        threads: 2,
        ..ServeOptions::default()
    };
    let recorder = Recorder::new(100);
    let running = Fleet::serve(all, &recorder, options).expect("started");
    let after = std::fs::read_dir("/proc/self/fd").expect("descriptors").count();
    assert!(after < before + 20, "{} descriptors for {count} servers", after - before);
    for index in [0, 1, 2_500, count - 1] {
        let address = running.personalities()[index].address;
        assert_eq!(ask(address, "GET", "/", "").status, 200, "{address}");
        assert_eq!(recorder.requests().last().expect("seen").address.to_string(), address.to_string());
    }
    // Without a server, the connection is reset.
    let nobody = std::net::SocketAddrV4::new(Ipv4Addr::new(127, 200, 0, 1), 8_123);
    let mut stream = crate::client::connect(nobody);
    assert!(std::io::Read::read(&mut stream, &mut [0]).is_err());
}

/// Several threads share the listeners.
#[test]
fn threads_share_the_work() {
    let options = ServeOptions {
        threads: 3,
        ..ServeOptions::default()
    };
    let recording = plain();
    let many = (0..9).map(|_| Personality::server(anywhere(), Arc::clone(&recording))).collect();
    let running = Fleet::serve(many, &Recorder::new(100), options).expect("started");
    for personality in running.personalities() {
        assert_eq!(ask(personality.address, "GET", "/", "").status, 200);
    }
}
