//! How many of vigie's own lines one core reads in a second: `cargo bench -p vigie-import`.

use std::hint::black_box;
use std::io::Write as _;
use std::time::Instant;

use vigie_identify::Identifier;
use vigie_import::{Batch, Importer, Options, Parsed};

/// Lines read in a round.
const LINES: usize = 100_000;

fn main() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/vigie/records.jsonl");
    let Ok(file) = std::fs::read(path) else { return };
    // A record of the usual size, about 2 KB.
    let all: Vec<&[u8]> = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    let Some(line) = all.iter().min_by_key(|line| line.len().abs_diff(2_000)) else {
        return;
    };
    let mut text = Vec::with_capacity(LINES * (line.len() + 1));
    for _ in 0..LINES {
        text.extend_from_slice(line);
        text.push(b'\n');
    }
    let recorded = chrono::DateTime::UNIX_EPOCH;
    let options = Options::new(Identifier::embedded(), recorded);
    for round in 0..4 {
        let Ok(importer) = Importer::new(&text[..], None, options.clone()) else {
            return;
        };
        let (mut records, parser) = importer.split();
        let (mut batch, mut parsed) = (Batch::default(), Parsed::default());
        let mut count = 0;
        let start = Instant::now();
        while records.fill(&mut batch) {
            parsed.clear();
            parser.parse(&batch, &mut parsed);
            count += parsed.items.len();
            black_box(&parsed.items);
        }
        let took = start.elapsed().as_secs_f64();
        let _ = writeln!(
            std::io::stderr(),
            "round {round}: {count} lines of {} bytes in {took:.3} s: {:.0} a second, {:.0} MB/s",
            line.len(),
            count as f64 / took,
            (count * line.len()) as f64 / took / 1e6
        );
    }
}
