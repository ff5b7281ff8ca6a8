//! Time of a session with every recorded server that is recognised, with the catalogue as it is and with ten times as many products,
//! in turns.
//!
//!     cargo bench -p vigie-identify [-- ollama/0.17.4]
//!
//! A word restricts it to the fixtures whose names contain it. With `--test` each session runs once, and the figures mean nothing.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "../tests/it/generated.rs"]
mod generated;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vigie_catalog::Catalog;
use vigie_identify::fixture::Fixture;
use vigie_identify::{Identifier, Limits, Session};
use vigie_model::Exchange;

/// Fewest sessions that are timed.
const TIMED: usize = 20_000;

fn main() {
    let begun = Instant::now();
    let small = Arc::new(Identifier::new(Catalog::embedded(), Arc::default()));
    let small_load = begun.elapsed();
    let begun = Instant::now();
    let large = Arc::new(Catalog::load(&generated::ten_times(), None).expect("the generated catalogue loads"));
    let large = Arc::new(Identifier::new(large, Arc::default()));
    let large_load = begun.elapsed();
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let sessions: Vec<(Fixture, Vec<Exchange>)> = fixtures()
        .into_iter()
        .filter(|fixture| fixture.head.expect.product.is_some() && fixture.name.contains(&word))
        .map(|fixture| {
            let exchanges = as_asked(&small, &fixture);
            (fixture, exchanges)
        })
        .collect();
    let (mut ours, mut tenfold, mut counter) = (Vec::new(), Vec::new(), 0);
    assert!(!sessions.is_empty(), "no fixture of a recognised server is named {word:?}");
    let is_test = std::env::args().any(|word| word == "--test");
    let rounds = if is_test { 1 } else { (TIMED / sessions.len()).max(31) };
    for _ in 0..rounds {
        ours.push(round(&small, &sessions, &mut counter));
        tenfold.push(round(&large, &sessions, &mut counter));
    }
    let per = |rounds: &mut Vec<Duration>| {
        rounds.sort_unstable();
        rounds[rounds.len() / 2].as_secs_f64() * 1e6 / sessions.len() as f64
    };
    let (ours, tenfold) = (per(&mut ours), per(&mut tenfold));
    println!(
        "{} sessions: {ours:.1} µs each with {} products, {tenfold:.1} µs with {}, ratio {:.3} (bound 1.2)",
        sessions.len(),
        small.catalog().products().len(),
        large.catalog().products().len(),
        tenfold / ours
    );
    println!(
        "load: {:.1} ms as built, {:.1} ms from ten times as much YAML",
        small_load.as_secs_f64() * 1e3,
        large_load.as_secs_f64() * 1e3
    );
}

/// The exchanges of a replay in the order in which a session asks for them, with the paths that it asks for. A transcript has them by
/// prefix, with the paths as they were sent: below a prefix that the session found on the way.
fn as_asked(identifier: &Arc<Identifier>, fixture: &Fixture) -> Vec<Exchange> {
    let mut recorded = fixture.replay(identifier).exchanges;
    let mut session = start(identifier, fixture);
    let mut ordered = Vec::new();
    while let Some(ask) = session.next_ask() {
        let path = match session.prefix() {
            Some(prefix) => prefix.join(&ask.request.path),
            None => ask.request.path.clone(),
        };
        let sent = |exchange: &Exchange| {
            let request = &exchange.request;
            request.method == ask.request.method && request.path == path && request.body == ask.request.body
        };
        let at = recorded
            .iter()
            .position(sent)
            .unwrap_or_else(|| panic!("{}: {path} is not in the transcript", fixture.name));
        let exchange = Exchange {
            request: ask.request.clone(),
            ..recorded.remove(at)
        };
        ordered.push(exchange.clone());
        session.answer(&ask, exchange);
    }
    assert!(
        recorded.is_empty(),
        "{}: {} exchanges were not asked for",
        fixture.name,
        recorded.len()
    );
    ordered
}

fn start(identifier: &Arc<Identifier>, fixture: &Fixture) -> Session {
    let authority = format!("127.0.0.1:{}", fixture.head.port);
    Session::new(Arc::clone(identifier), fixture.head.port, authority, Limits::default())
}

/// The time that the rules take for all sessions; preparing the replies is not counted.
fn round(identifier: &Arc<Identifier>, sessions: &[(Fixture, Vec<Exchange>)], counter: &mut u64) -> Duration {
    let mut total = Duration::ZERO;
    for (fixture, exchanges) in sessions {
        let mut replies = exchanges.clone();
        // Each reply is made unique, so that the caches are not measured.
        for exchange in &mut replies {
            if let Some(reply) = &mut exchange.reply {
                reply.headers.push(("x-request-id".to_owned(), counter.to_string()));
                *counter += 1;
            }
        }
        let mut replies = replies.into_iter();
        let begun = Instant::now();
        let mut session = start(identifier, fixture);
        while let Some(ask) = session.next_ask() {
            let exchange = replies.next().expect("the same requests");
            assert_eq!(ask.request.path, exchange.request.path, "{}", fixture.name);
            session.answer(&ask, exchange);
        }
        let conclusion = session.conclude();
        total += begun.elapsed();
        assert!(conclusion.identity.product.is_known(), "{}", fixture.name);
    }
    total
}

fn fixtures() -> Vec<Fixture> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../catalog/fixtures");
    let below = |dir: &Path| -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = std::fs::read_dir(dir)
            .expect("the folder reads")
            .map(|entry| entry.expect("the entry reads").path())
            .collect();
        all.sort();
        all
    };
    let read = |state: &Path| {
        let text = |file: &str| std::fs::read_to_string(state.join(file)).expect("the fixture reads");
        Fixture::read(&state.display().to_string(), &text("fixture.yaml"), &text("exchanges.jsonl")).expect("the fixture is right")
    };
    below(&folder)
        .iter()
        .flat_map(|product| below(product))
        .map(|state| read(&state))
        .collect()
}
