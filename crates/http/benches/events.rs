//! What reading an event stream costs, by the length of the stream and by the pieces in which it comes: the time for a byte stays the
//! same.
//!
//!     cargo bench -p vigie-http

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::time::{Duration, Instant};

use vigie_http::events::EventReader;

/// Streams of about so many bytes.
const LENGTHS: [usize; 3] = [1 << 18, 1 << 20, 1 << 22];
/// Pieces: single bytes, small writes of a server, TCP segments, large reads.
const PIECES: [usize; 4] = [1, 100, 1_460, 1 << 16];
/// The median of so many runs counts.
const RUNS: usize = 5;

fn main() {
    let small = |length: usize| "data: {\"id\":1,\"choices\":[{\"delta\":{\"content\":\"word \"}}]}\n\n".repeat(length / 60);
    let large = |length: usize| format!("data: {}\n\n", "a".repeat(length));
    let lines = |length: usize| "data: a line of an event\n".repeat(length / 25) + "\n";
    for (name, stream) in [
        ("small events", &small as &dyn Fn(usize) -> String),
        ("one long line", &large),
        ("one event of many lines", &lines),
    ] {
        println!("{name}: nanoseconds for a byte");
        for length in LENGTHS {
            let text = stream(length);
            let times = PIECES.map(|size| {
                let nanos = median(|| read(text.as_bytes(), size)).as_secs_f64() * 1e9;
                format!("{:8.2} in pieces of {size}", nanos / text.len() as f64)
            });
            println!("{:9} bytes: {}", text.len(), times.join(", "));
        }
    }
}

fn read(bytes: &[u8], size: usize) {
    let mut reader = EventReader::new(usize::MAX);
    for mut piece in bytes.chunks(size) {
        while let Some(event) = reader.next(&mut piece) {
            std::hint::black_box(event).expect("there is no limit");
        }
    }
}

fn median(run: impl Fn()) -> Duration {
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            run();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[RUNS / 2]
}
