//! What an entry of the audit log costs the thread that has it, and how fast a log is verified.
//!
//!     cargo bench -p vigie-guard --bench log              # 200,000 entries on one thread and on two
//!     cargo bench -p vigie-guard --bench log -- 1000000   # so many, and verified

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "the figures are what it is for")]

use std::path::Path;
use std::time::Instant;

use vigie_guard::limit::estimate::Counted;
use vigie_guard::log::{Entry, Log, LogOptions, Outcome, PromptKey, Range, RequestEntry, SigningKey, verify};

fn main() {
    let count = std::env::args().find_map(|word| word.parse::<u32>().ok());
    let each = count.unwrap_or(200_000);
    for threads in [1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let pkcs8 = SigningKey::generate().unwrap();
        let key = SigningKey::read(&pkcs8).unwrap().verifying();
        let log = Log::open(dir.path(), SigningKey::read(&pkcs8).unwrap(), LogOptions::default()).unwrap();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    for number in 0..each {
                        log.record(entry(number));
                    }
                });
            }
        });
        let ns = begun.elapsed().as_nanos() / u128::from(each);
        println!("{threads} threads: {ns} ns an entry of each");
        drop(log);
        if count.is_some() && threads == 1 {
            let begun = Instant::now();
            let report = verify(dir.path(), &key, &Range::default()).unwrap();
            let took = begun.elapsed().as_secs_f64();
            let bytes = size(dir.path());
            println!(
                "verified {} lines, {} MB, in {took:.2} s: {}",
                report.lines,
                bytes >> 20,
                if report.is_sound() { "sound" } else { "NOT sound" }
            );
        }
    }
    let key = PromptKey::read(&PromptKey::generate().unwrap()).unwrap();
    for length in [200, 100_000] {
        let text = "x".repeat(length);
        let begun = Instant::now();
        for _ in 0..10_000 {
            std::hint::black_box(key.mark_text(std::hint::black_box(&text)));
        }
        println!("a prompt of {length} bytes: {} ns", begun.elapsed().as_nanos() / 10_000);
    }
}

fn size(dir: &Path) -> u64 {
    let files = vigie_guard::log::files(dir).unwrap();
    files.iter().map(|file| file.metadata().unwrap().len()).sum()
}

/// As the gateway makes it.
fn entry(number: u32) -> Entry {
    let mut entry = RequestEntry::begun(format!("{number:016x}"), std::net::SocketAddr::from(([192, 0, 2, 1], 40_000)));
    entry.client.key = Some(("key_0123456789abcdef".to_owned(), "alice".to_owned()));
    "ollama-python/0.6.1 (x86_64 linux) Python/3.11.8".clone_into(&mut entry.user_agent);
    "POST".clone_into(&mut entry.method);
    "/api/chat".clone_into(&mut entry.path);
    entry.route = Some(("infer".to_owned(), "POST /api/chat".to_owned()));
    entry.models = vec!["tiny:latest".to_owned()];
    entry.request_bytes = 300;
    entry.status = Some(200);
    entry.response_bytes = 900;
    entry.tokens.prompt = Some(30);
    entry.tokens.output = Some(16);
    entry.counted = Some((
        Counted {
            tokens: 46,
            estimated: false,
        },
        chrono::Utc::now(),
    ));
    entry.first_byte_ms = Some(1.25);
    entry.duration_ms = 12.5;
    entry.outcome = Outcome::Answered;
    Entry::Request(Box::new(entry))
}
