//! What the limits cost a request: admitted and settled, with few keys and with many, on one thread and on two, on one key and on several.
//!
//!     cargo bench -p vigie-guard --bench limit

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::time::Instant;

use vigie_guard::limit::{Limit, Limiter, Limits};

const EACH: u32 = 400_000;

fn main() {
    let limits: Limits = [
        "requests-per-minute=4000000000",
        "tokens-per-minute=4000000000",
        "tokens-per-day=4000000000",
        "concurrent=100",
    ]
    .iter()
    .filter_map(|text| Limit::parse(text).ok())
    .collect();
    for (keys, threads, shared) in [
        (1, 1, true),
        (1_000, 1, false),
        (100_000, 1, false),
        (1, 2, true),
        (100_000, 2, false),
    ] {
        let names: Vec<String> = (0..keys).map(|number| format!("key_{number:016x}")).collect();
        let limiter = Limiter::default();
        for name in &names {
            drop(limiter.admit(name, &limits, true, limiter.now()));
        }
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (limiter, names, limits) = (&limiter, &names, &limits);
                scope.spawn(move || {
                    let mut at = thread * 7_919;
                    for _ in 0..EACH {
                        at = (at + 7_919) % names.len();
                        if let (Ok(permit), _) = limiter.admit(&names[at], limits, true, limiter.now()) {
                            permit.settle(10, chrono::Utc::now());
                        }
                    }
                });
            }
        });
        let ns = begun.elapsed().as_nanos() / u128::from(EACH);
        let which = if shared { "one key" } else { "each its own" };
        println!("{keys:>7} keys, {threads} threads ({which}): {ns} ns a request");
    }
}
