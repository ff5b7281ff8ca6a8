//! Measures enriching a record against a bare look-up of the same addresses in the same files.
//!
//!     cargo bench -p vigie-network -- CITY.mmdb ASN.mmdb
//!
//! Without files it uses the fixtures of the tests, which are too small to be meaningful.

#![expect(clippy::print_stdout, reason = "the figures are what it is for")]

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vigie_model::{Network, Why};
use vigie_network::{Classes, Databases, Enricher};

const ADDRESSES: u32 = 200_000;
const ROUNDS: usize = 15;

fn main() {
    let mut paths: Vec<PathBuf> = std::env::args_os()
        .skip(1)
        .map(PathBuf::from)
        .filter(|path| path.is_file())
        .collect();
    let fixtures = paths.is_empty();
    if fixtures {
        let data = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data");
        paths = vec![data.join("nested-city.mmdb"), data.join("asn.mmdb")];
    }
    let begun = Instant::now();
    let enricher = Enricher::new(Databases::open(&paths).expect("files that are read"), Classes::embedded().clone());
    println!("opened in {:.0} ms, the mapping included", begun.elapsed().as_secs_f64() * 1e3);
    for database in enricher.databases().files() {
        println!("  {database}");
    }
    let addresses: Vec<IpAddr> = (0..ADDRESSES)
        .map(|n| {
            let spread = n.wrapping_mul(2_654_435_761);
            // The fixtures hold 256 addresses that are looked up.
            let bits = if fixtures { 0xC01F_C400 | (spread >> 24) } else { spread };
            IpAddr::V4(Ipv4Addr::from_bits(bits))
        })
        .filter(|address| vigie_scope::special_purpose(*address).is_none())
        .collect();
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare.push(timed(|| {
            for address in &addresses {
                for database in enricher.databases().files() {
                    let _ = black_box(database.reader().lookup(*address).map(|found| found.offset()));
                }
            }
        }));
        ours.push(timed(|| {
            for address in &addresses {
                let mut network = Network::unknown(Why::NotAsked);
                enricher.enrich(*address, &mut network);
                black_box(&network);
            }
        }));
    }
    // The fastest round, because other work on the machine only adds time.
    let per = |rounds: &[Duration]| rounds.iter().min().map_or(0.0, Duration::as_secs_f64) * 1e9 / addresses.len() as f64;
    let (bare, ours) = (per(&bare), per(&ours));
    println!(
        "{} addresses: {ours:.0} ns each to enrich, {bare:.0} ns to find the bare records, ratio {:.1} (bound 2,000 ns)",
        addresses.len(),
        ours / bare
    );
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}
