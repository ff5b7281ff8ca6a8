//! What one decision costs: a chat of 1 KB, parsed and decided, with our own products and with ten times as many; how much it
//! allocates; and how it does on two threads.
//!
//!     cargo bench -p vigie-catalog --bench table

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

#[path = "../../identify/tests/it/generated.rs"]
mod generated;

use std::alloc::System;
use std::hint::black_box;
use std::time::Instant;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use vigie_catalog::Catalog;
use vigie_catalog::table::{Body, Json, Request, RouteTable};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 41;
const EACH: u32 = 20_000;

fn main() {
    let chat = chat();
    let anthropic = chat.replace("\"options\":{\"num_ctx\":4096,\"num_predict\":256},", "\"max_tokens\":256,");
    let cases = [
        ("ollama", "0.17.4", "/api/chat", &chat),
        ("ollama", "0.24.0", "/v1/messages", &anthropic),
        ("ollama", "", "/api/chat", &chat),
        ("llama-cpp", "b11549", "/v1/chat/completions", &anthropic),
        ("vllm", "0.32.0", "/v1/chat/completions", &anthropic),
        ("localai", "4.9.0", "/v1/chat/completions", &anthropic),
    ];
    let small = Catalog::embedded();
    let large = Catalog::load(&generated::ten_times(), None).expect("the generated catalogue loads");
    let begun = Instant::now();
    black_box(RouteTable::compile(small.product("ollama").expect("ollama"), Some("0.17.4")));
    println!("a table is compiled in {:.0} µs", begun.elapsed().as_secs_f64() * 1e6);
    for (product, version, target, body) in cases {
        let tables = [&*small, &large].map(|catalog| {
            let product = catalog.product(product).expect("a product");
            RouteTable::compile(product, Some(version).filter(|version| !version.is_empty()))
        });
        let json = Json::parse(body.as_bytes()).expect("JSON");
        let request = request(target, &json);
        let region = Region::new(ALLOCATOR);
        for _ in 0..1000 {
            black_box(tables[0].decide(black_box(&request)).expect("known"));
        }
        let allocations = region.change().allocations as f64 / 1000.0;
        let said = tables[0].decide(&request).expect("known");
        let lists = usize::from(!said.models.is_empty()) + usize::from(!said.sets.is_empty());
        assert!(allocations < lists as f64 + 0.1, "{allocations} allocations for {lists} lists");
        let decide = |table: &RouteTable| time(|| drop(black_box(table.decide(black_box(&request)))));
        let parse = time(|| drop(black_box(Json::parse(black_box(body.as_bytes())))));
        let serde = time(|| drop(black_box(serde_json::from_slice::<serde_json::Value>(black_box(body.as_bytes())))));
        println!(
            "{product} {version} {target}: {} bytes parsed in {parse:.0} ns (serde_json {serde:.0}), decided in {:.0} ns (ten times the products {:.0}), \
             {allocations} allocations for {} models and {} settings",
            body.len(),
            decide(&tables[0]),
            decide(&tables[1]),
            said.models.len(),
            said.sets.len(),
        );
    }
    let table = RouteTable::compile(small.product("ollama").expect("ollama"), Some("0.17.4"));
    let json = Json::parse(chat.as_bytes()).expect("JSON");
    for threads in [1, 2] {
        let times: Vec<f64> = std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| time(|| drop(black_box(table.decide(black_box(&request("/api/chat", &json))))))))
                .collect();
            running
                .into_iter()
                .map(|thread| thread.join().expect("no decision panics"))
                .collect()
        });
        println!("{threads} threads: {times:.0?} ns for one decision on each");
    }
}

/// The median time of one call, in nanoseconds.
fn time(mut call: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..EACH / 20 {
                call();
            }
            begun.elapsed().as_secs_f64() * 1e9 / f64::from(EACH / 20)
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn request<'r>(target: &'r str, json: &'r Json<'r>) -> Request<'r> {
    Request {
        method: "POST",
        target,
        content_type: Some("application/json"),
        body: Body::Json(json),
    }
}

/// A chat of 1 KB, as clients send it.
fn chat() -> String {
    let turns: Vec<String> = (0..8)
        .map(|turn| {
            let role = if turn % 2 == 0 { "user" } else { "assistant" };
            format!(
                "{{\"role\":\"{role}\",\"content\":\"Turn {turn}: what is the airspeed of an unladen swallow, and of which one exactly?\"}}"
            )
        })
        .collect();
    let chat = format!(
        "{{\"model\":\"llama3.2:3b\",\"stream\":true,\"options\":{{\"num_ctx\":4096,\"num_predict\":256}},\"messages\":[{}]}}",
        turns.join(",")
    );
    assert!((900..1200).contains(&chat.len()), "{}", chat.len());
    chat
}
