//! `vigie discover` against services that speak the documented interfaces, with their faults.

mod asking;
mod budget;
mod confirm;
mod emulated;
mod faults;
mod keys;
mod paid;
mod splitting;

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use self::emulated::{KEY, PAIR, Running, SECRET, Service, raise, records};
use crate::{code, stderr, stdout, text, vigie};

const SEARCH: &str = "/shodan/host/search";
const COUNT: &str = "/shodan/host/count";
const QUERY: &str = "/v3/global/search/query";
const AGGREGATE: &str = "/v3/global/search/aggregate";

/// A user's folders, and the words that every run has.
struct User {
    dir: tempfile::TempDir,
}

impl User {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a folder"),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, service: &str, running: &Running, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vigie"));
        command
            .args(["discover", service, "--url", &running.url, "--rate", "100", "--lake"])
            .arg(self.path("lake"))
            .arg("--errors")
            .arg(self.path("errors.jsonl"))
            .args(more)
            .env_remove("VIGIE_LAKE")
            .env("XDG_DATA_HOME", self.path("data"))
            .env("NO_COLOR", "1")
            .env("SHODAN_API_KEY", KEY)
            .env("CENSYS_API_TOKEN", KEY)
            .env("CENSYS_ORGANIZATION_ID", "11111111-2222-3333-4444-555555555555")
            .env("CENSYS_API_ID", KEY)
            .env("CENSYS_API_SECRET", SECRET);
        command
    }

    fn run(&self, service: &str, running: &Running, more: &[&str]) -> Output {
        let output = self.command(service, running, more).output().expect("the program starts");
        self.keeps_the_key(&output);
        output
    }

    /// The report of a run that ends well.
    fn told(&self, service: &str, running: &Running, more: &[&str]) -> Value {
        let output = self.run(service, running, &[more, &["--format", "json"]].concat());
        assert_eq!(code(&output), 0, "{}\n{}", stdout(&output), stderr(&output));
        report(&output)
    }

    fn hosts(&self) -> usize {
        let output = vigie(&["hosts", "--lake", text(&self.path("lake")), "--format", "json"]);
        let told: Value = serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
        told["hosts"].as_array().map_or(0, Vec::len)
    }

    /// No word of the key stands in what was said, or in any file or its name.
    fn keeps_the_key(&self, output: &Output) {
        let said = format!("{}{}", stdout(output), stderr(output));
        let mut left = vec![self.dir.path().to_owned()];
        let shows = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            ["SECRET", "kEy0123", SECRET, PAIR.trim_end_matches('=')]
                .iter()
                .any(|word| text.contains(word))
        };
        assert!(!shows(said.as_bytes()), "{said}");
        while let Some(folder) = left.pop() {
            for entry in std::fs::read_dir(folder).expect("it reads").flatten() {
                let path = entry.path();
                assert!(!shows(path.to_string_lossy().as_bytes()), "{}", path.display());
                if path.is_dir() {
                    left.push(path);
                } else if path.file_name().is_none_or(|name| name != "key") {
                    assert!(!shows(&std::fs::read(&path).expect("it reads")), "{}", path.display());
                }
            }
        }
    }

    fn state(&self) -> PathBuf {
        let files = std::fs::read_dir(self.path("data/vigie/resume")).expect("a folder of states");
        let mut states = files
            .map(|file| file.expect("it reads").path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("discover-")))
            .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        states.next().expect("a state")
    }
}

fn report(output: &Output) -> Value {
    let told: Value = serde_json::from_str(&stdout(output)).unwrap_or_else(|error| panic!("{error}: {}{}", stdout(output), stderr(output)));
    assert_eq!(told["schema"], "vigie.discover/1");
    told
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn known(parts: &[(&'static str, u16, usize)]) -> Running {
    raise(Service {
        records: records(parts),
        ..Service::default()
    })
}
