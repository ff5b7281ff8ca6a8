//! `vigie discover` against services that speak the documented interfaces, with their faults.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::emulated::{Fault, KEY, Record, Running, SECRET, Service, gaps, raise, records};
use crate::fleet::named;
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
        let mut files = 0;
        let shows = |bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            ["SECRET", "0123456789abcdef", SECRET].iter().any(|word| text.contains(word))
        };
        assert!(!shows(said.as_bytes()), "{said}");
        while let Some(folder) = left.pop() {
            for entry in std::fs::read_dir(folder).expect("it reads").flatten() {
                let path = entry.path();
                assert!(!shows(path.to_string_lossy().as_bytes()), "{}", path.display());
                if path.is_dir() {
                    left.push(path);
                } else if path.file_name().is_none_or(|name| name != "key") {
                    files += 1;
                    assert!(!shows(&std::fs::read(&path).expect("it reads")), "{}", path.display());
                }
            }
        }
        let _ = files;
    }

    fn state(&self) -> PathBuf {
        let mut files = std::fs::read_dir(self.path("data/vigie/resume")).expect("a folder of states");
        files.next().expect("a state").expect("it reads").path()
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

#[test]
fn what_shodan_knows_comes_in_pages_and_is_what_an_import_reads() {
    let running = known(&[("DE", 11434, 150), ("FR", 8080, 100)]);
    let user = User::new();
    let raw = user.path("raw");
    let told = user.told(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--raw", text(&raw), "--budget", "3"],
    );
    let one = &told["queries"][0];
    assert_eq!(
        (
            number(&one["total"]),
            number(&one["records"]),
            number(&one["added"]),
            number(&one["missed"])
        ),
        (250, 250, 250, 0),
        "{told:#}"
    );
    assert_eq!(told["complete"], true);
    assert_eq!((number(&told["credits"]["spent"]), running.service().charged), (3, 3));
    assert_eq!((running.count(SEARCH), running.count(COUNT)), (3, 1));
    assert_eq!(user.hosts(), 250);
    let seen = running.service().seen.clone();
    assert!(seen.iter().all(|seen| seen.agent.starts_with("vigie/")), "it says who it is");
    assert!(
        seen.iter()
            .filter(|seen| seen.path == SEARCH)
            .all(|seen| seen.pairs["minify"] == "false" && seen.pairs["query"] == "product:Ollama")
    );
    assert!(
        std::fs::read_dir(user.path("data/vigie/resume")).is_ok_and(|mut files| files.next().is_none()),
        "nothing is left to go on with"
    );

    // The raw replies, imported, are the same observations: all of them duplicates.
    let files: Vec<PathBuf> = std::fs::read_dir(&raw)
        .expect("the folder is there")
        .map(|entry| entry.expect("it reads").path())
        .collect();
    assert_eq!(files.len(), 4, "one file for each reply: {files:?}");
    let lake = user.path("lake");
    let mut words = vec!["import", "--from", "shodan", "--lake", text(&lake), "--quiet", "--format", "json"];
    words.extend(files.iter().map(|file| text(file)));
    let output = vigie(&words);
    let again: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let sum = |name: &str| -> u64 {
        again["files"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|file| number(&file[name]))
            .sum()
    };
    assert_eq!((sum("added"), sum("duplicates")), (0, 250), "{again:#}");
}

#[test]
fn queries_come_from_the_catalogue_and_from_the_command_line_each_once() {
    let running = known(&[("DE", 11434, 5)]);
    let user = User::new();
    let told = user.told(
        "shodan",
        &running,
        &["--product", "ollama", "--query", "product:Ollama", "--query", "\"my own\""],
    );
    let asked: Vec<(&str, Option<&str>)> = told["queries"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|query| (query["query"].as_str().unwrap_or_default(), query["product"].as_str()))
        .collect();
    assert_eq!(
        asked,
        [
            ("product:Ollama", Some("ollama")),
            ("http.html:\"Ollama is running\"", Some("ollama")),
            ("\"my own\"", None)
        ]
    );
    assert_eq!(number(&told["queries"][1]["duplicates"]), 5, "{told:#}");
}

#[test]
fn a_dry_run_needs_no_key_and_sends_nothing() {
    let running = known(&[("DE", 11434, 5)]);
    let user = User::new();
    let output = user
        .command("shodan", &running, &["--product", "ollama", "--dry-run"])
        .env_remove("SHODAN_API_KEY")
        .output()
        .expect("it starts");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("product:Ollama") && said.contains("at most 60 credits"), "{said}");
    assert!(said.contains("never more than 10 credits"), "{said}");
    assert!(running.service().seen.is_empty());
    assert!(!user.path("lake").exists() && !user.path("data").exists());
}

#[test]
fn the_budget_is_never_exceeded_and_a_later_run_goes_on() {
    let running = known(&[("DE", 11434, 1_000)]);
    // What was begun is charged, whether its reply comes or not.
    running.fault(SEARCH, 2, &[Fault::Status(502), Fault::Broken]);
    running.fault(SEARCH, 6, &[Fault::CutJson]);
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "3"]);
    assert_eq!(running.service().charged, 3, "page 1, and page 2 twice for nothing");
    assert_eq!(
        (told["complete"].as_bool(), number(&told["queries"][0]["records"])),
        (Some(false), 100)
    );
    assert_eq!(told["stopped"], "the budget is used up");
    let mut before = 3;
    for budget in [0, 1, 4, 100] {
        let state = user.state();
        let told = user.told("shodan", &running, &["--resume", text(&state), "--budget", &budget.to_string()]);
        let charged = running.service().charged;
        assert!(charged - before <= budget, "{} of {budget}: {told:#}", charged - before);
        assert_eq!(number(&told["credits"]["spent"]), charged - before);
        before = charged;
    }
    assert_eq!(before, 10 + 3, "no page was had twice");
    assert_eq!(user.hosts(), 1_000);
}

#[test]
fn an_account_with_less_than_the_budget_is_not_run_dry_by_surprise() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 500)]),
        credits: 2,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "50"]);
    assert_eq!((number(&told["credits"]["account"]), running.service().charged), (2, 2));
    assert_eq!(number(&told["queries"][0]["records"]), 200);
    assert_eq!(user.hosts(), 200);
}

#[test]
fn faults_of_the_service_lose_nothing() {
    let running = known(&[("DE", 11434, 450)]);
    running.fault(COUNT, 0, &[Fault::Status(500)]);
    running.fault(SEARCH, 1, &[Fault::Slow(Some(1)), Fault::Slow(None)]);
    running.fault(SEARCH, 2, &[Fault::Status(503), Fault::Status(500)]);
    running.fault(SEARCH, 3, &[Fault::Broken, Fault::CutJson]);
    running.fault(SEARCH, 4, &[Fault::TimedOut]);
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "20"]);
    assert_eq!(
        (number(&told["queries"][0]["records"]), number(&told["queries"][0]["missed"])),
        (450, 0),
        "{told:#}"
    );
    assert_eq!(user.hosts(), 450);
    assert_eq!(number(&told["credits"]["spent"]), running.service().charged);
    let seen = running.service().seen.clone();
    let slow = seen.iter().position(|seen| seen.status == 429).expect("it was too fast once");
    assert!(
        gaps(&seen)[slow] >= Duration::from_millis(990),
        "Retry-After is kept to: {:?}",
        gaps(&seen)[slow]
    );
}

#[test]
fn a_service_that_stays_broken_is_given_up_and_gone_on_with_later() {
    let running = known(&[("DE", 11434, 250)]);
    running.fault(SEARCH, 2, &[Fault::Status(500); 5]);
    let user = User::new();
    let output = user.run("shodan", &running, &["--query", "product:Ollama", "--budget", "20"]);
    assert_eq!(code(&output), 3, "{}", stderr(&output));
    assert!(
        stderr(&output).contains("it answers 500") && stderr(&output).contains("--resume"),
        "{}",
        stderr(&output)
    );
    assert_eq!(user.hosts(), 100, "what came is kept");
    let told = user.told("shodan", &running, &["--resume", text(&user.state())]);
    assert_eq!(told["complete"], true);
    assert_eq!(user.hosts(), 250);
    let firsts = running
        .service()
        .seen
        .iter()
        .filter(|seen| seen.pairs.get("page").is_some_and(|page| page == "1"))
        .count();
    assert_eq!(firsts, 1, "the first page is not had twice");
}

#[test]
fn a_wait_of_an_hour_is_not_waited_for() {
    let running = known(&[("DE", 11434, 250)]);
    running.fault(SEARCH, 1, &[Fault::Slow(Some(3_600))]);
    let user = User::new();
    let begun = Instant::now();
    let output = user.run("shodan", &running, &["--query", "product:Ollama"]);
    assert_eq!(code(&output), 3);
    assert!(stderr(&output).contains("60 minutes"), "{}", stderr(&output));
    assert!(begun.elapsed() < Duration::from_secs(60));
}

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
        assert!(said.contains("does not take the key") && said.contains("make a new key"), "{said}");
        assert_eq!(running.service().seen.len() - before, 1, "it is not tried again");
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
}

#[test]
fn what_lies_past_the_cap_is_had_by_country_and_port_and_the_rest_is_said() {
    let running = known(&[
        ("DE", 11434, 150),
        ("FR", 11434, 190),
        ("US", 11434, 130),
        ("US", 8080, 120),
        ("US", 443, 240),
    ]);
    let user = User::new();
    let told = user.told(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--pages", "2", "--budget", "100"],
    );
    let one = &told["queries"][0];
    assert_eq!((number(&one["total"]), number(&one["missed"])), (830, 40), "{told:#}");
    assert_eq!(user.hosts(), 790);
    let notes = one["notes"].to_string();
    assert!(notes.contains("country:US port:443") && notes.contains("40 of 240"), "{notes}");
    assert_eq!(told["complete"], true);
    let asked: Vec<String> = running
        .service()
        .seen
        .iter()
        .filter(|seen| seen.path == SEARCH)
        .map(|seen| seen.pairs["query"].clone())
        .collect();
    assert!(
        asked.iter().all(|query| query != "product:Ollama"),
        "what is split is not paged: {asked:?}"
    );
    assert_eq!(asked.len(), 2 * 2 + 2 + 2 + 2);
    // A query that names a country is not split by another one.
    let told = User::new().told(
        "shodan",
        &running,
        &["--query", "product:Ollama country:US", "--pages", "2", "--budget", "100"],
    );
    assert_eq!(number(&told["queries"][0]["missed"]), 40, "{told:#}");
    assert!(
        running
            .service()
            .seen
            .iter()
            .all(|seen| seen.pairs.get("query").is_none_or(|query| query.matches("country:").count() < 2))
    );
}

#[test]
fn a_service_that_gives_no_deeper_page_is_split_too() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 250), ("FR", 11434, 250)]),
        deepest: 3,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "100"]);
    assert_eq!(number(&told["queries"][0]["missed"]), 0, "{told:#}");
    assert_eq!(user.hosts(), 500);
}

#[test]
fn a_total_that_changes_ends_and_is_said() {
    // It grows with each page: the cap ends it.
    let growing = raise(Service {
        records: records(&[("DE", 11434, 2_000)]),
        drift: |page| i64::from(page) * 1_000,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told(
        "shodan",
        &growing,
        &["--query", "product:Ollama country:DE port:11434", "--pages", "5", "--budget", "50"],
    );
    let one = &told["queries"][0];
    assert_eq!((number(&one["records"]), growing.count(SEARCH)), (500, 5), "{told:#}");
    assert_eq!(number(&one["missed"]), 6_500);
    assert!(one["notes"].to_string().contains("the total went from 3000 to 7000"), "{told:#}");
    // It shrinks: no page is asked for that cannot be.
    let shrinking = raise(Service {
        records: records(&[("DE", 11434, 450)]),
        drift: |page| -i64::from(page) * 60,
        ..Service::default()
    });
    let told = User::new().told("shodan", &shrinking, &["--query", "product:Ollama", "--budget", "50"]);
    let one = &told["queries"][0];
    assert_eq!((number(&one["records"]), shrinking.count(SEARCH)), (300, 3), "{told:#}");
    assert!(one["notes"].to_string().contains("the total went from 390 to 270"), "{told:#}");
    // More is promised than there is.
    let lying = raise(Service {
        records: records(&[("DE", 11434, 50)]),
        drift: |_| 40,
        ..Service::default()
    });
    let told = User::new().told("shodan", &lying, &["--query", "product:Ollama", "--budget", "50"]);
    assert_eq!(number(&told["queries"][0]["missed"]), 40, "{told:#}");
}

#[test]
fn a_query_that_is_none_is_said_and_the_others_are_asked() {
    let running = known(&[("DE", 11434, 5)]);
    for (service, wrong, right) in [
        ("shodan", "nonsense:1", "product:Ollama"),
        ("censys", "nonsense", "host.services.port=11434"),
    ] {
        let user = User::new();
        let output = user.run(service, &running, &["--query", wrong, "--query", right, "--format", "json"]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        let told = report(&output);
        assert!(
            told["queries"][0]["refused"].as_str().is_some_and(|word| word.contains("nonsense")),
            "{told:#}"
        );
        assert_eq!(number(&told["queries"][1]["added"]), 5);
        assert_eq!(user.hosts(), 5);
    }
}

#[test]
fn the_platform_is_paged_by_token_and_split_by_aggregate() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 150), ("FR", 11434, 190), ("US", 11434, 180), ("US", 443, 150)]),
        cost: 5,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told(
        "censys",
        &running,
        &[
            "--query",
            "host.services.endpoints.ollama.version: *",
            "--budget",
            "200",
            "--cost",
            "5",
        ],
    );
    assert_eq!(
        (number(&told["queries"][0]["total"]), number(&told["queries"][0]["missed"])),
        (670, 0),
        "{told:#}"
    );
    assert_eq!((running.count(QUERY), running.count(AGGREGATE)), (7, 0));
    assert_eq!((number(&told["credits"]["spent"]), running.service().charged), (35, 35));
    assert_eq!(user.hosts(), 670);

    let told = user.told(
        "censys",
        &running,
        &[
            "--query",
            "host.services.endpoints.ollama.version: *",
            "--pages",
            "2",
            "--budget",
            "200",
            "--cost",
            "5",
        ],
    );
    assert_eq!(number(&told["queries"][0]["missed"]), 0, "{told:#}");
    assert_eq!(running.count(AGGREGATE), 2, "by country, and the one that is too large by port");
    assert_eq!(number(&told["credits"]["spent"]) + 35, running.service().charged);
    let bodies: Vec<Value> = running.service().seen.iter().map(|seen| seen.body.clone()).collect();
    assert!(
        bodies.iter().any(|body| body["query"]
            == "((host.services.endpoints.ollama.version: *) and host.location.country_code=\"US\") and host.services.port=443"),
        "{bodies:#?}"
    );
    // The default assumes the dearest plan.
    let user = User::new();
    let before = running.service().charged;
    let told = user.told("censys", &running, &["--product", "vllm", "--budget", "20"]);
    assert_eq!(number(&told["credits"]["spent"]), 16);
    assert_eq!(running.service().charged - before, 10);
    assert_eq!(told["queries"][0]["query"], "host.services.banner: \"vLLM\"");
}

#[test]
fn a_token_that_the_service_forgot_is_done_without() {
    let running = known(&[("DE", 11434, 350)]);
    let user = User::new();
    user.told(
        "censys",
        &running,
        &["--query", "host.services.port=11434", "--cost", "1", "--budget", "2"],
    );
    running.service().life += 1;
    let told = user.told(
        "censys",
        &running,
        &["--resume", text(&user.state()), "--cost", "1", "--budget", "10"],
    );
    assert_eq!(told["complete"], true);
    assert!(told["queries"][0]["notes"].to_string().contains("read anew"), "{told:#}");
    assert_eq!(user.hosts(), 350);
}

#[test]
fn search_v2_is_paged_by_cursor() {
    let running = known(&[("DE", 11434, 250)]);
    let user = User::new();
    let file = user.path("key");
    std::fs::write(&file, format!("{KEY}:{SECRET}\n")).expect("written");
    for more in [&["--key-file", text(&file)][..], &[]] {
        let told = user.told(
            "censys",
            &running,
            &[&["--legacy", "--query", "services.port: 11434"], more].concat(),
        );
        assert_eq!(
            (told["service"].as_str(), number(&told["queries"][0]["records"])),
            (Some("censys-legacy"), 250),
            "{told:#}"
        );
        assert_eq!(number(&told["credits"]["spent"]), 3);
    }
    assert_eq!(user.hosts(), 250);
}

#[test]
fn one_request_a_second_unless_told_otherwise() {
    let running = known(&[("DE", 11434, 150)]);
    let user = User::new();
    let output = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(["discover", "shodan", "--url", &running.url, "--query", "product:Ollama", "--lake"])
        .arg(user.path("lake"))
        .env("XDG_DATA_HOME", user.path("data"))
        .env("SHODAN_API_KEY", KEY)
        .output()
        .expect("it starts");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    let seen = running.service().seen.clone();
    assert_eq!(seen.len(), 4, "the account, the count, two pages");
    assert!(
        gaps(&seen).iter().all(|gap| *gap >= Duration::from_millis(950)),
        "{:?}",
        gaps(&seen)
    );
}

#[test]
fn what_was_found_is_confirmed_within_the_scope_and_the_rest_is_left() {
    let (fleet, recorder) = crate::fleet::raise(9, &named(&["ollama/0.17.4-one-model", "llama-cpp/b11549-key"]));
    let mut all: Vec<Record> = fleet
        .personalities()
        .iter()
        .map(|planted| Record {
            address: planted.address.ip().to_string(),
            port: planted.address.port(),
            country: "DE",
        })
        .collect();
    all.extend(records(&[("DE", 11434, 3)]));
    let running = raise(Service {
        records: all,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--confirm", "--quiet"]);
    let confirm = &told["confirm"];
    assert_eq!(
        (number(&confirm["found"]), number(&confirm["asked"]), number(&confirm["left"])),
        (5, 2, 3),
        "{told:#}"
    );
    assert!(recorder.total() > 0);
    let shown = |address: &str| -> Value {
        let output = vigie(&["show", address, "--lake", text(&user.path("lake")), "--format", "json"]);
        serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)))
    };
    // The service called both Ollama; a look says what they are. Both are kept.
    let one = shown("127.91.9.2");
    let kinds: Vec<(&str, Option<&str>)> = one["observations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|seen| {
            (
                seen["source"]["kind"].as_str().unwrap_or_default(),
                seen["identity"]["product"]["known"].as_str(),
            )
        })
        .collect();
    assert!(
        kinds.contains(&("import", Some("ollama"))) && kinds.contains(&("scan", Some("llama-cpp"))),
        "{kinds:?}"
    );

    // A scope narrows it, and is read before a credit is spent.
    let scope = user.path("scope.toml");
    std::fs::write(
        &scope,
        "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n[[range]]\ncidr = \"10.0.0.0/24\"\n[[exclude]]\ncidr = \"127.91.9.2\"\nreason = \"not this one\"\ndate = 2026-01-01\n",
    )
    .expect("written");
    recorder.clear();
    let told = user.told(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--confirm", "--scope", text(&scope), "--quiet"],
    );
    assert_eq!(
        (number(&told["confirm"]["asked"]), number(&told["confirm"]["left"])),
        (1, 4),
        "{told:#}"
    );
    assert!(recorder.seen().iter().all(|seen| seen.address.ip().to_string() == "127.91.9.1"));
    let before = running.service().seen.len();
    let output = user.run(
        "shodan",
        &running,
        &["--query", "product:Ollama", "--confirm", "--scope", "/nonexistent"],
    );
    assert_eq!((code(&output), running.service().seen.len()), (2, before));
}

#[cfg(unix)]
#[test]
fn an_interrupt_keeps_what_came_and_says_how_to_go_on() {
    let running = known(&[("DE", 11434, 2_000)]);
    let user = User::new();
    let mut command = user.command("shodan", &running, &["--query", "product:Ollama", "--budget", "30"]);
    // Slow enough to be met in the middle.
    let words: Vec<_> = command
        .get_args()
        .map(|word| if word == "100" { "5".into() } else { word.to_owned() })
        .collect();
    let mut slow = Command::new(env!("CARGO_BIN_EXE_vigie"));
    slow.args(words)
        .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command = slow;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    for _ in 0..1_200 {
        if running.count(SEARCH) >= 3 {
            break;
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().expect("kill runs").success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 130, "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
    let had = user.hosts();
    assert!((200..2_000).contains(&had), "{had}");
    let charged = running.service().charged;
    let told = user.told("shodan", &running, &["--resume", text(&user.state()), "--budget", "30"]);
    assert_eq!(told["complete"], true);
    assert_eq!(user.hosts(), 2_000);
    assert!(
        running.service().charged <= 20 + 1,
        "at most the page on its way was had twice: {charged}"
    );
}

#[test]
fn words_that_are_wrong_are_said_before_anything_is_sent() {
    let running = known(&[("DE", 11434, 5)]);
    let user = User::new();
    let scope = Path::new("/nonexistent");
    for (words, said) in [
        (&[][..], "--product"),
        (&["--product", "no-such-product"], "no product of the catalogue"),
        (&["--product", "milvus"], "no query for milvus"),
        (&["--query", " "], "not empty"),
        (&["--query", "x", "--scope", text(scope)], "--confirm"),
        (&["--query", "x", "--key-file", "/nonexistent"], "cannot read"),
        (&["--resume", "/nonexistent"], "cannot read"),
    ] {
        let output = user.run("shodan", &running, words);
        assert_eq!(code(&output), 2, "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(said), "{words:?}: {}", stderr(&output));
    }
    let output = user
        .command("shodan", &running, &["--query", "x"])
        .env_remove("SHODAN_API_KEY")
        .output()
        .expect("it starts");
    assert_eq!(code(&output), 2);
    assert!(
        stderr(&output).contains("set SHODAN_API_KEY") && stderr(&output).contains("--key-file"),
        "{}",
        stderr(&output)
    );
    // A state of one service is none of another.
    user.told("shodan", &running, &["--query", "x y", "--budget", "0"]);
    let output = user.run("censys", &running, &["--resume", text(&user.state())]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("was begun with shodan"), "{}", stderr(&output));
    assert_eq!(running.count(SEARCH), 0);
    for url in ["http://192.0.2.1", "https://user:word@example.net", "example.net"] {
        let output = Command::new(env!("CARGO_BIN_EXE_vigie"))
            .args(["discover", "shodan", "--query", "x", "--url", url])
            .env("SHODAN_API_KEY", KEY)
            .env("XDG_DATA_HOME", user.path("data"))
            .output()
            .expect("it starts");
        assert_eq!(code(&output), 2, "{url}");
        assert!(stderr(&output).contains("--url"), "{}", stderr(&output));
    }
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
