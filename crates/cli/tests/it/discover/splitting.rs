//! Past the services' caps.

use serde_json::Value;

use super::emulated::{Fault, Service, raise, records};
use super::{AGGREGATE, QUERY, SEARCH, User, known, number};

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
fn deep_pages_that_never_come_are_split_too() {
    let running = known(&[("DE", 11434, 750), ("FR", 11434, 750)]);
    running.fault(SEARCH, 11, &[Fault::Status(500); 5]);
    let user = User::new();
    let told = user.told("shodan", &running, &["--query", "product:Ollama", "--budget", "100"]);
    assert_eq!(number(&told["queries"][0]["missed"]), 0, "{told:#}");
    assert!(told["queries"][0]["notes"].to_string().contains("page 11 failed"), "{told:#}");
    assert_eq!(running.service().charged, 10 + 5 + 2 * 8);
    assert_eq!(user.hosts(), 1_500);
}

#[test]
fn a_plan_that_ends_the_tokens_early_is_split_too() {
    let running = raise(Service {
        records: records(&[("DE", 11434, 150), ("FR", 11434, 190)]),
        deepest: 2,
        ..Service::default()
    });
    let user = User::new();
    let told = user.told(
        "censys",
        &running,
        &["--query", "host.services.banner: \"x\"", "--cost", "1", "--budget", "50"],
    );
    assert_eq!(number(&told["queries"][0]["missed"]), 0, "{told:#}");
    assert_eq!(
        (running.count(QUERY), running.count(AGGREGATE), running.service().charged),
        (2 + 4, 1, 7)
    );
    assert_eq!(user.hosts(), 340);
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
