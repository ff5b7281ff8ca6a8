//! How many of vigie's own lines, and lines of its gateway's log, one core reads in a second: `cargo bench -p vigie-import`.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use vigie_identify::Identifier;
use vigie_import::{Batch, ChainCheck, Importer, Options, Parsed};

/// Lines read in a round.
const LINES: usize = 100_000;

fn main() {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    if let Ok(file) = std::fs::read(format!("{data}/vigie/records.jsonl")) {
        // A record of the usual size, about 2 KB.
        let all = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        if let Some(line) = all.min_by_key(|line| line.len().abs_diff(2_000)) {
            measure("records", &[line, b"\n"].concat().repeat(LINES));
        }
    }
    if let Ok(file) = std::fs::read_to_string(format!("{data}/vigie-guard/v1.jsonl"))
        && let Some(line) = file.lines().find(|line| line.contains("\"answered\""))
    {
        measure("entries of a gateway", chained(line).as_bytes());
    }
}

/// A log of one entry again and again, in an unbroken chain.
fn chained(line: &str) -> String {
    let Some((entry, _)) = line.split_once(",\"chain\":") else {
        return String::new();
    };
    let mut text = String::new();
    let mut prev = "0".repeat(64);
    for seq in 1..=LINES {
        let line = format!("{entry},\"chain\":{{\"seq\":{seq},\"prev\":\"{prev}\"}}}}");
        prev = vigie_model::sha256(line.as_bytes()).split_off("sha256:".len());
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn measure(what: &str, text: &[u8]) {
    let mut options = Options::new(
        Identifier::embedded(),
        chrono::DateTime::from_timestamp(2_000_000_000, 0).unwrap_or_default(),
    );
    options.gateway = Some("bench".to_owned());
    for round in 0..4 {
        let Ok(importer) = Importer::new(text, None, options.clone()) else {
            return;
        };
        let (mut records, parser) = importer.split();
        let (mut batch, mut parsed, mut check) = (Batch::default(), Parsed::default(), ChainCheck::default());
        let mut count = 0;
        let start = Instant::now();
        while records.fill(&mut batch) {
            parsed.clear();
            parser.parse(&batch, &mut parsed);
            count += parsed.items.len() + parsed.requests.len();
            black_box((&parsed.items, &parsed.requests));
            if let Some(number) = parsed.batch {
                check.add(number, std::mem::take(&mut parsed.segments));
            }
        }
        let took = start.elapsed().as_secs_f64();
        let broken = check.end_of_file().map_or(0, |chain| chain.broken);
        let _ = writeln!(
            std::io::stderr(),
            "{what}, round {round}: {count} lines of {} bytes in {took:.3} s: {:.0} a second, {:.0} MB/s; {broken} breaks",
            text.len() / LINES,
            count as f64 / took,
            text.len() as f64 / took / 1e6
        );
    }
}
