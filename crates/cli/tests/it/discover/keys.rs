//! Keys: taken, not taken, shown nowhere.

use super::emulated::{Fault, KEY, Service, raise, records};
use super::{User, known};
use crate::{code, stderr, text};

#[test]
fn a_key_that_is_not_taken_is_said_at_once_and_shown_nowhere() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 250)]),
        expired: true,
        ..Service::default()
    });
    for (service, query) in [("shodan", "product:Ollama"), ("censys", "host.services.port=11434")] {
        let user = User::new();
        let before = running.service().seen.len();
        let output = user.run(service, &running, &["--query", query]);
        assert_eq!(code(&output), 3, "{}", stderr(&output));
        let said = stderr(&output);
        assert!(said.contains("rejected the key") && said.contains("make a new key"), "{said}");
        assert_eq!(running.service().seen.len() - before, 1, "it is not tried again");
    }
}

#[test]
fn a_reply_that_repeats_the_key_does_not_spread_it() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 120)]),
        repeats_the_key: true,
        ..Service::default()
    });
    for (service, query) in [("shodan", "product:Ollama"), ("censys", "host.services.port=11434")] {
        let user = User::new();
        // The user's own test looks at every file: `keeps_the_key`.
        user.told(service, &running, &["--query", query, "--raw", text(&user.path("raw"))]);
        assert_eq!(user.hosts(), 120);
    }
    // Search v2 gets both halves in one header.
    let user = User::new();
    let words = ["--legacy", "--query", "services.port: 11434", "--raw", text(&user.path("raw"))].map(str::to_owned);
    user.told("censys", &running, &words.each_ref().map(String::as_str));
    let raw = std::fs::read_dir(user.path("raw"))
        .expect("a folder")
        .next()
        .expect("a reply")
        .expect("it reads");
    let reply = std::fs::read_to_string(raw.path()).expect("text");
    assert!(reply.contains("\"authorization\":\"Basic ****"), "{}", &reply[..200]);
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_read_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let running = known(&[("DE", 11434, 5)]);
    let user = User::new();
    let file = user.path("key");
    std::fs::write(&file, format!("{KEY}\n")).expect("written");
    for (mode, warned) in [(0o644, true), (0o600, false)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).expect("set");
        let output = user
            .command("shodan", &running, &["--query", "product:Ollama", "--key-file", text(&file)])
            .env_remove("SHODAN_API_KEY")
            .output()
            .expect("it starts");
        user.keeps_the_key(&output);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        assert_eq!(stderr(&output).contains("chmod 600"), warned, "{}", stderr(&output));
    }
}

#[test]
fn spent_credits_are_said_as_such() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 250)]),
        credits: 8,
        cost: 8,
        ..Service::default()
    });
    let user = User::new();
    let output = user.run("censys", &running, &["--query", "host.services.port=11434", "--budget", "100"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("no credits left"), "{}", stderr(&output));
    assert_eq!(user.hosts(), 100, "what came before is kept");
    // Shodan tells the same with the status of a wrong key.
    let running = known(&[("DE", 11434, 250)]);
    running.fault("/api-info", 0, &[Fault::Status(404)]);
    running.service().credits = 1;
    let output = user.run("shodan", &running, &["--query", "product:Ollama"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(stderr(&output).contains("Insufficient query credits"), "{}", stderr(&output));
}
