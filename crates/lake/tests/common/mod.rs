//! Observations and lakes for the tests.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use chrono::DateTime;
use vigie_lake::Lake;
use vigie_model::*;

pub(crate) fn at(seconds: i64) -> Timestamp {
    DateTime::from_timestamp(1_795_000_000 + seconds, 0).expect("a time")
}

pub(crate) fn observation(address: [u8; 4], seconds: i64, version: &str) -> Observation {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(address)), 11434);
    let mut exposure = Exposure::unknown(Why::NotAsked);
    exposure.posture = Known::Known(Posture::Open);
    exposure.models = Known::Known(vec![
        Model::named(format!("one-{version}"), Why::NotAsked),
        Model::named("two", Why::TooOld),
    ]);
    exposure.running = Known::Known(Vec::new());
    Observation {
        schema: SCHEMA.to_owned(),
        seen: at(seconds),
        recorded: at(seconds + 1),
        source: Source {
            kind: SourceKind::Scan,
            name: "vigie".to_owned(),
            version: "0.1.0".to_owned(),
            catalog: "sha256:00".to_owned(),
            vantage: "loopback".to_owned(),
            scan: Some("scan-1".to_owned()),
        },
        scope: Known::unknown(Why::NotAsked),
        endpoint: Endpoint::at(address),
        listener: None,
        identity: Identity {
            product: Known::Known("ollama".to_owned()),
            version: Known::Known(version.to_owned()),
            instance: Known::unknown(Why::NotCarried),
            confidence: 0.99,
            evidence: [Evidence {
                product: "ollama".to_owned(),
                rule: "root".to_owned(),
                weight: EvidenceWeight::Unique,
                request: "GET /".to_owned(),
                seen: "Ollama is running".to_owned(),
            }]
            .into(),
            also: Vec::new(),
        }
        .into(),
        exposure: exposure.into(),
        network: Network::unknown(Why::NotAsked),
        deception: Deception::from_tells(Vec::new()),
        advisories: [].into(),
        findings: Vec::new().into(),
    }
}

pub(crate) async fn lake() -> (tempfile::TempDir, Lake) {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
    (dir, lake)
}
