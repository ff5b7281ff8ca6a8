//! Measures the bytes on disk per observation, with every file of the lake, and the observations appended per second.
//!
//! `cargo run --release -p vigie-lake --example measure -- [HOSTS] [ROUNDS]`: HOSTS hosts are observed
//! ROUNDS times, an hour apart, in one batch per round; in each round one host in twenty has changed. The hosts are invented and
//! claim nothing about the internet.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

use vigie_lake::Lake;
use vigie_model::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<u32>());
    let hosts = numbers.next().transpose()?.unwrap_or(20_000);
    let rounds = numbers.next().transpose()?.unwrap_or(10);
    let dir = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut observations, mut states, mut seconds) = (0, 0, 0.0);
    runtime.block_on(async {
        let lake = Lake::open_or_create(dir.path()).await?;
        for round in 0..rounds {
            let batch: Vec<Observation> = (0..hosts).map(|host| seen(host, round)).collect();
            let started = Instant::now();
            let done = lake.append(&batch).await?;
            seconds += started.elapsed().as_secs_f64();
            observations += done.observations;
            states += done.states;
        }
        Ok::<(), vigie_lake::Error>(())
    })?;
    let mut out = std::io::stdout().lock();
    let mut total = 0;
    for table in vigie_lake::Table::ALL {
        let bytes = size_of(&dir.path().join(table.name()))?;
        total += bytes;
        writeln!(out, "{:>12} {bytes:>12} bytes", table.name())?;
    }
    #[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
    let (bytes, count) = (total as f64, observations as f64);
    writeln!(
        out,
        "{observations} observations, {states} states, {rounds} batches: {:.1} bytes of disk each, {:.0} appended per second",
        bytes / count,
        count / seconds
    )?;
    Ok(())
}

fn size_of(path: &Path) -> std::io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        total += if entry.file_type()?.is_dir() {
            size_of(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(total)
}

/// A number that looks random and is the same each time (SplitMix64's finaliser).
fn drawn(of: u64) -> u64 {
    let mut z = of.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn pick<'a>(from: &[&'a str], number: u64) -> &'a str {
    from[usize::try_from(number % from.len() as u64).unwrap_or(0)]
}

fn seen(host: u32, round: u32) -> Observation {
    let of_host = drawn(u64::from(host));
    // One host in twenty has changed since the last round.
    let changes = if of_host.is_multiple_of(20) { round } else { 0 };
    let state = drawn(of_host ^ u64::from(changes));
    let micros = i64::from(round) * 3_600_000_000 + i64::try_from(drawn(state ^ u64::from(round)) % 3_600_000_000).unwrap_or(0);
    let at = chrono::DateTime::from_timestamp_micros(1_795_000_000_000_000 + micros).unwrap_or_default();
    let bits = u32::try_from(of_host & 0xffff_ffff).unwrap_or(0);
    let mut endpoint = Endpoint::at(SocketAddr::new(IpAddr::V4(Ipv4Addr::from(bits)), 11434));
    endpoint.tls = Known::Known(false);
    let models = (0..1 + state % 6)
        .map(|number| {
            let drawn = drawn(state ^ (number << 32));
            let family = pick(&["llama", "qwen2", "gemma2", "phi3", "mistral", "deepseek2"], drawn);
            let size = pick(&["1.5B", "3.2B", "7.6B", "8.0B", "14.8B", "70.6B"], drawn >> 8);
            let mut model = Model::named(format!("{family}:{}", size.to_lowercase()), Why::TooOld);
            model.digest = Known::Known(format!("{:064x}", u128::from(drawn % 500) << 64));
            model.family = Known::Known(family.to_owned());
            model.parameters = Known::Known(size.to_owned());
            let quantisation = pick(&["Q4_K_M", "Q4_0", "Q8_0", "F16"], drawn >> 16);
            model.quantisation = Known::Known(quantisation.to_owned());
            model.format = Known::Known("gguf".to_owned());
            model.size_bytes = Known::Known(1_000_000_000 + (drawn % 500) * 77_777_777);
            model.capabilities = Known::Known(vec![Capability::new("completion"), Capability::new("tools")]);
            model.modified = Known::Known(at - chrono::TimeDelta::microseconds(micros));
            model
        })
        .collect();
    let mut exposure = Exposure::unknown(Why::NotAsked);
    exposure.posture = Known::Known(Posture::Open);
    exposure.posture_from = Some("GET /api/tags".to_owned());
    exposure.activity = Known::Known(Activity::Active);
    exposure.models = Known::Known(models);
    exposure.running = Known::Known(Vec::new());
    exposure.capabilities = Known::Known(vec![Capability::new("completion"), Capability::new("tools")]);
    let version = format!("0.{}.{}", 5 + state % 13, (state >> 8) % 9);
    let evidence = [
        ("root", "GET /", "Ollama is running"),
        ("version", "GET /api/version", "{\"version\":"),
    ]
    .map(|(rule, request, seen)| Evidence {
        product: "ollama".to_owned(),
        rule: rule.to_owned(),
        weight: EvidenceWeight::Unique,
        request: request.to_owned(),
        seen: seen.to_owned(),
    });
    Observation {
        schema: SCHEMA.to_owned(),
        seen: at,
        recorded: at + chrono::TimeDelta::milliseconds(900),
        source: Source {
            kind: SourceKind::Fleet,
            name: "vigie".to_owned(),
            version: "0.1.0".to_owned(),
            catalog: sha256(b"catalogue"),
            vantage: "loopback".to_owned(),
            scan: Some(format!("scan-{round}")),
        },
        scope: Known::Known(sha256(b"scope")),
        endpoint,
        listener: None,
        identity: Identity {
            product: Known::Known("ollama".to_owned()),
            version: Known::Known(version),
            instance: Known::unknown(Why::NotCarried),
            confidence: 0.99,
            evidence: evidence.clone().into(),
            also: Vec::new(),
        }
        .into(),
        exposure: exposure.into(),
        network: Network {
            country: Known::Known(pick(&["US", "CN", "DE", "FR", "KR", "IN"], of_host >> 24).to_owned()),
            asn: Known::Known(u32::try_from(of_host % 4032).unwrap_or(0)),
            ..Network::unknown(Why::NotAsked)
        },
        deception: Deception::from_tells(Vec::new()),
        advisories: [].into(),
        findings: Vec::new().into(),
    }
}
