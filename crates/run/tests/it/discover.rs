//! Discoveries, against a server on loopback that answers like Shodan.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use vigie_discover::{DiscoveryState, Secret, Service, ServiceKind, StopReason};
use vigie_run::discover::{ConfirmOptions, DiscoverEvent, DiscoverOptions, Discovered, prepare};
use vigie_run::{Failure, FailureKind, Stop};

/// Records on a page.
const PAGE: usize = 100;

/// A server that knows so many records, and the requests that it got.
struct Shodan {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Shodan {
    fn start(records: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let _ = answer(stream, records, &seen);
            }
        });
        Self { url, requests }
    }

    /// The pages that were requested, in order.
    fn pages(&self) -> Vec<usize> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = requests.iter().filter(|request| request.starts_with("/shodan/host/search?"));
        pages.map(|request| page(request)).collect()
    }

    fn requests(&self) -> usize {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn page(request: &str) -> usize {
    let (_, rest) = request.split_once("page=").expect("a page");
    rest.split('&').next().and_then(|page| page.parse().ok()).expect("a number")
}

fn answer(mut stream: TcpStream, records: usize, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4_096];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => head.extend_from_slice(&buffer[..count]),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let request = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = match request.split('?').next() {
        Some("/api-info") => json!({"plan": "dev", "query_credits": 1_000}),
        Some("/shodan/host/count") => json!({"matches": [], "total": records, "facets": {}}),
        _ => {
            let matches: Vec<Value> = (0..records).skip((page(&request) - 1) * PAGE).take(PAGE).map(banner).collect();
            json!({"matches": matches, "total": records})
        }
    };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The first is on loopback, which any scope allows; the others have addresses of documentation.
fn banner(number: usize) -> Value {
    let address = match number {
        0 => "127.0.0.1".to_owned(),
        number => format!("2001:db8::{number:x}"),
    };
    json!({
        "ip_str": address, "port": 11434, "transport": "tcp", "timestamp": "2026-11-01T07:21:33.444507",
        "hostnames": [], "domains": [], "product": "Ollama", "version": "0.12.3", "location": {"country_code": "DE"},
        "http": {"status": 200, "html": "Ollama is running"},
        "data": "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", "hash": 1, "_shodan": {"module": "http"}
    })
}

/// A user with a lake, and a state file that starts one query.
struct User(tempfile::TempDir);

impl User {
    fn new() -> Self {
        let user = Self(tempfile::tempdir().expect("a folder"));
        let state = DiscoveryState::new("test", ServiceKind::Shodan, vec![("product:Ollama".to_owned(), None)]);
        std::fs::write(user.state(), state.write()).expect("written");
        user
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn state(&self) -> PathBuf {
        self.path("state.json")
    }

    fn options(&self, server: &Shodan) -> DiscoverOptions {
        DiscoverOptions {
            resume: Some(self.state()),
            interval: Duration::from_millis(1),
            url: Some(server.url.parse().expect("a URL")),
            lake: Some(self.path("lake")),
            ..DiscoverOptions::new(ServiceKind::Shodan, self.path("errors.jsonl"))
        }
    }
}

fn key() -> Service {
    Service::shodan(Secret::new("0123456789abcdef").expect("a key"))
}

fn run(options: DiscoverOptions) -> Discovered {
    let run = || prepare(options)?.run(key(), &Stop::new(), &mut |_| Ok(()));
    run().unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn pages_are_imported_and_the_events_come_in_order() {
    let (server, user) = (Shodan::start(250), User::new());
    let mut options = user.options(&server);
    options.raw = Some(user.path("raw"));
    let mut events = Vec::new();
    let ready = prepare(options).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!((ready.budget(), ready.cost(), ready.pages()), (10, 1, 60));
    assert_eq!(ready.state().queries[0].query, "product:Ollama");
    let discovered = ready.run(key(), &Stop::new(), &mut |event| {
        events.push(match event {
            DiscoverEvent::Note(note) => panic!("{note}"),
            DiscoverEvent::Begun { state } => {
                assert_eq!(state, user.state());
                "begun".to_owned()
            }
            DiscoverEvent::Progress { state, spent, budget } => {
                format!("{} records, {spent} of {budget}", state.queries[0].got())
            }
            DiscoverEvent::Ended => "ended".to_owned(),
        });
        Ok(())
    });
    let discovered = discovered.unwrap_or_else(|failure| panic!("{failure}"));
    let expected = [
        "begun",
        "0 records, 0 of 10",
        "0 records, 0 of 10",
        "100 records, 1 of 10",
        "200 records, 2 of 10",
        "250 records, 3 of 10",
        "250 records, 3 of 10",
        "ended",
    ];
    assert_eq!(events, expected);
    // The report is a published format: its keys stay.
    let report = json!({
        "schema": "vigie.discover/1",
        "service": "shodan",
        "queries": [{
            "query": "product:Ollama", "product": null, "done": true, "refused": null, "total": 250, "pages": 3, "records": 250, "missed": 0,
            "observations": 250, "added": 250, "duplicates": 0, "bad": 0, "not_open": 0, "not_tcp": 0, "not_recognised": 0, "notes": [],
        }],
        "credits": {"spent": 3, "budget": 10, "account": 1_000},
        "complete": true, "stopped": null, "resume": null, "errors": null, "confirm": null,
    });
    assert_eq!(serde_json::to_value(&discovered.report).expect("JSON"), report);
    assert!(discovered.stopped.is_none() && discovered.endpoints.is_empty());
    assert!(!user.state().exists(), "nothing is left to resume");
    let replies = std::fs::read_dir(user.path("raw")).expect("a folder").count();
    assert_eq!(replies, 4, "a count and three pages");
    assert!(!user.path("errors.jsonl").exists());
}

#[test]
fn a_run_within_a_budget_is_resumed_and_no_page_is_paid_twice() {
    let (server, user) = (Shodan::start(250), User::new());
    let mut options = user.options(&server);
    options.budget = Some(2);
    let first = run(options.clone());
    assert!(matches!(first.stopped, Some(StopReason::Budget(None))), "{:?}", first.stopped);
    assert!(!first.report.complete && first.report.resume == Some(user.state()));
    assert_eq!((first.report.queries[0].added, first.report.credits.spent), (200, 2));
    let second = run(options);
    assert!(second.report.complete && second.stopped.is_none());
    assert_eq!((second.report.queries[0].added, second.report.queries[0].records), (50, 250));
    assert_eq!(server.pages(), [1, 2, 3]);
}

#[test]
fn a_stop_in_the_middle_keeps_the_pages_that_arrived() {
    let (server, user) = (Shodan::start(250), User::new());
    let stop = Stop::new();
    let ready = prepare(user.options(&server)).unwrap_or_else(|failure| panic!("{failure}"));
    let discovered = ready.run(key(), &stop, &mut |event| {
        if let DiscoverEvent::Progress { state, .. } = event
            && state.queries[0].pages() == 1
        {
            stop.ask();
        }
        Ok(())
    });
    let discovered = discovered.unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(discovered.stopped, Some(StopReason::Interrupted));
    assert_eq!(discovered.report.queries[0].added, 100);
    assert_eq!(discovered.report.stopped.as_deref(), Some("interrupted"));
    assert!(user.state().exists());
    let rest = run(user.options(&server));
    assert_eq!((rest.report.queries[0].added, server.pages()), (150, vec![1, 2, 3]));
}

#[test]
fn the_scope_says_what_may_be_confirmed() {
    let (server, user) = (Shodan::start(3), User::new());
    let mut options = user.options(&server);
    options.confirm = Some(ConfirmOptions::default());
    let discovered = run(options);
    assert_eq!(discovered.endpoints, ["127.0.0.1:11434".parse().expect("an endpoint")]);
    let confirm = discovered.report.confirm.expect("what is to be confirmed");
    assert_eq!((confirm.found, confirm.asked, confirm.left, confirm.reasons.len()), (3, 1, 2, 1));

    // A scope file that cannot be read costs no credit.
    let user = User::new();
    let before = server.requests();
    let mut options = user.options(&server);
    options.confirm = Some(ConfirmOptions {
        scope: Some(user.path("nothing.toml")),
        opt_out: Vec::new(),
    });
    let ready = prepare(options).unwrap_or_else(|failure| panic!("{failure}"));
    let failure = ready.run(key(), &Stop::new(), &mut |_| Ok(())).expect_err("there is no such file");
    assert_eq!((failure.kind(), server.requests()), (FailureKind::Usage, before));
}

#[test]
fn one_run_at_a_time_uses_a_state_file() {
    let (server, user) = (Shodan::start(3), User::new());
    let mut other = None;
    let ready = prepare(user.options(&server)).unwrap_or_else(|failure| panic!("{failure}"));
    let discovered = ready.run(key(), &Stop::new(), &mut |event| {
        if matches!(event, DiscoverEvent::Begun { .. }) {
            other = Some(prepare(user.options(&server))?.run(key(), &Stop::new(), &mut |_| Ok(())));
        }
        Ok(())
    });
    let discovered = discovered.unwrap_or_else(|failure| panic!("{failure}"));
    let failure = other.expect("another run").expect_err("it is locked");
    assert!(failure.to_string().starts_with("another vigie works on "), "{failure}");
    assert!(discovered.report.complete && server.pages() == [1]);
}

#[test]
fn a_listener_that_fails_leaves_a_state_to_resume() {
    let (server, user) = (Shodan::start(250), User::new());
    let ready = prepare(user.options(&server)).unwrap_or_else(|failure| panic!("{failure}"));
    let failure = ready.run(key(), &Stop::new(), &mut |event| match event {
        DiscoverEvent::Progress { spent: 2, .. } => Err(Failure::output("the window is closed")),
        _ => Ok(()),
    });
    let failure = failure.expect_err("the listener failed").to_string();
    let resume = format!("vigie discover shodan --resume {}", user.state().display());
    assert!(
        failure.starts_with("the window is closed; ") && failure.ends_with(&resume),
        "{failure}"
    );
    let rest = run(user.options(&server));
    assert_eq!((rest.report.queries[0].added, server.pages()), (50, vec![1, 2, 3]));
}

#[test]
fn queries_come_from_the_catalogue_and_from_the_options_each_once() {
    let queries = |change: &dyn Fn(&mut DiscoverOptions)| -> Result<Vec<(String, Option<String>)>, String> {
        let mut options = DiscoverOptions::new(ServiceKind::Shodan, PathBuf::from("errors.jsonl"));
        change(&mut options);
        let ready = prepare(options).map_err(|failure| failure.to_string())?;
        let queries = ready.state().queries.iter();
        Ok(queries.map(|query| (query.query.clone(), query.product.clone())).collect())
    };
    let named = queries(&|options| {
        options.products = vec!["vllm".to_owned()];
        options.queries = vec!["\"vLLM\"".to_owned(), " \"my own\" ".to_owned()];
    });
    let vllm = Some("vllm".to_owned());
    assert_eq!(named, Ok(vec![("\"vLLM\"".to_owned(), vllm), ("\"my own\"".to_owned(), None)]));
    let only = queries(&|options| {
        options.service = ServiceKind::CensysLegacy;
        options.queries = vec!["x".to_owned()];
        options.only = Some("ip: 198.51.100.0/24".to_owned());
    });
    assert_eq!(only, Ok(vec![("(x) and (ip: 198.51.100.0/24)".to_owned(), None)]));
    let fails = |change: &dyn Fn(&mut DiscoverOptions), text: &str| {
        let error = queries(change).expect_err(text);
        assert!(error.contains(text), "{error}");
    };
    fails(&|_| (), "nothing to ask: give --product ID or --query TEXT");
    fails(
        &|options| options.products = vec!["nothing".to_owned()],
        "no product of the catalogue",
    );
    fails(&|options| options.products = vec!["milvus".to_owned()], "no query for milvus");
    fails(&|options| options.queries = vec!["a\nb".to_owned()], "--query: a query is one line");
    fails(
        &|options| options.resume = Some(Path::new("/nonexistent").to_owned()),
        "cannot read",
    );
}

#[test]
fn the_keys_of_another_service_are_refused() {
    let (server, user) = (Shodan::start(3), User::new());
    let ready = prepare(user.options(&server)).unwrap_or_else(|failure| panic!("{failure}"));
    let other = Service::censys(Secret::new("0123456789abcdef").expect("a key"), None);
    let failure = ready.run(other, &Stop::new(), &mut |_| Ok(())).expect_err("the wrong service");
    assert_eq!((failure.kind(), server.requests()), (FailureKind::Usage, 0));
}
