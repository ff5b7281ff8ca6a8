//! The probe against the fleet: over sockets it concludes the same as from a replay of the recording, and it sends no forbidden request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use vigie_fleet::{Fault, Fleet, Honeypot, Judge, Personality, Recorder, Recording, Recordings, ServeOptions};
use vigie_identify::{Conclusion, Identifier};
use vigie_scan::{Gate, ProbeOptions, Probed};

use crate::client::{anywhere, plain, recordings};

struct Free;

impl Gate for Free {
    fn wait(&self, _host: IpAddr) -> Option<Duration> {
        None
    }
}

fn options() -> ProbeOptions {
    ProbeOptions {
        reply: Duration::from_secs(2),
        endpoint: Duration::from_secs(20),
        ..ProbeOptions::default()
    }
}

/// Probes these addresses in sequence, on one thread.
fn probe_all(addresses: &[SocketAddrV4]) -> Vec<Probed> {
    let identifier = Identifier::embedded();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let mut running = Vec::new();
        for address in addresses {
            let (identifier, address) = (Arc::clone(&identifier), SocketAddr::V4(*address));
            running.push(tokio::task::spawn_local(async move {
                vigie_scan::probe(&identifier, vigie_scan::Visit::at(address), &options(), &Free).await
            }));
        }
        let mut probed = Vec::new();
        for one in running {
            probed.push(one.await.expect("the probe ends"));
        }
        probed
    })
}

fn summary(conclusion: &Conclusion) -> String {
    let exposure = &conclusion.exposure;
    let models = exposure
        .models
        .known()
        .map(|models| models.iter().map(|model| model.name.clone()).collect::<Vec<_>>());
    let tools = exposure
        .tools
        .known()
        .map(|tools| tools.iter().map(|tool| tool.name.clone()).collect::<Vec<_>>());
    format!(
        "{:?} {:?} {:?} models {models:?} tools {tools:?}",
        conclusion.identity.product.known(),
        conclusion.identity.version.known(),
        exposure.posture.known()
    )
}

/// Every recording at its own address and its recorded port, because rules may use the port.
fn everywhere(part: &dyn Fn(&Recording) -> bool) -> Vec<Personality> {
    recordings()
        .iter()
        .filter(|recording| part(recording))
        .enumerate()
        .map(|(index, recording)| {
            let address = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 61, 0, 1)) + u32::try_from(index).expect("few recordings"));
            Personality::server(SocketAddrV4::new(address, recording.fixture().head.port), Arc::clone(recording))
        })
        .collect()
}

#[test]
fn a_probe_over_the_network_equals_a_replay_and_sends_nothing_forbidden() {
    // A port below 1024 needs privileges.
    let personalities = everywhere(&|recording| recording.fixture().head.port >= 1_024);
    if !Fleet::has_many_addresses() {
        eprintln!("skipped: loopback has one address here");
        return;
    }
    let identifier = Identifier::embedded();
    let recorder = Recorder::new(100_000);
    let judge = Judge::by_hand();
    let mut differences = Vec::new();
    let mut compared = 0;
    // In parts, to stay below the usual limit of file descriptors.
    for part in personalities.chunks(100) {
        let running = Fleet::serve(part.to_vec(), &recorder, ServeOptions::default()).expect("started");
        let addresses: Vec<SocketAddrV4> = running.personalities().iter().map(|p| p.address).collect();
        for (personality, probed) in running.personalities().iter().zip(probe_all(&addresses)) {
            let fixture = personality.recording().expect("a server").fixture();
            let replay = fixture.replay(&identifier);
            // What was not recorded is a time-out in a replay and the page that does not exist here.
            if !replay.missing.is_empty() {
                continue;
            }
            compared += 1;
            let (taught, learnt) = (summary(&replay.conclusion), summary(&probed.conclusion));
            if taught != learnt {
                differences.push(format!("{}:\n  recording {taught}\n  wire      {learnt}", fixture.name));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(
        compared * 2 > personalities.len(),
        "{compared} of {} recordings were compared",
        personalities.len()
    );
    assert!(recorder.total() > recordings().iter().count() as u64);
    assert_eq!(recorder.lost(), 0);
    let forbidden: Vec<String> = recorder
        .forbidden(&judge)
        .into_iter()
        .map(|(seen, ruling)| format!("{} {} at {:?}: {ruling}", seen.method, seen.path, seen.product))
        .collect();
    assert!(forbidden.is_empty(), "{}", forbidden.join("\n"));
}

#[test]
fn no_fault_and_no_bait_makes_the_probe_do_harm_or_outstay_its_time() {
    if !Fleet::has_many_addresses() {
        eprintln!("skipped: loopback has one address here");
        return;
    }
    let at = |index: u32| SocketAddrV4::new(Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 62, 0, 1)) + index), 18_080);
    let mut personalities: Vec<Personality> = Vec::new();
    for (index, fault) in (0u32..).zip(Fault::ALL) {
        personalities.push(Personality::broken(at(index), plain(), fault));
    }
    for (index, honeypot) in (100u32..).zip(Honeypot::ALL) {
        // One that nothing was recorded for is missed elsewhere.
        personalities.extend(Personality::bait(at(index), honeypot, recordings(), 1));
    }
    let recorder = Recorder::new(10_000);
    let running = Fleet::serve(personalities, &recorder, ServeOptions::default()).expect("started");
    let addresses: Vec<SocketAddrV4> = running.personalities().iter().map(|p| p.address).collect();
    for (personality, probed) in running.personalities().iter().zip(probe_all(&addresses)) {
        assert!(probed.took < Duration::from_secs(25), "{personality} took {:?}", probed.took);
        if personality
            .fault()
            .is_some_and(|fault| !matches!(fault, Fault::Drip | Fault::CompressionBomb | Fault::ResetAt(_)))
        {
            assert_eq!(probed.conclusion.identity.product.known(), None, "{personality} was recognised");
        }
    }
    assert_eq!(recorder.forbidden(&Judge::by_hand()), []);
}

/// The reply of an MCP server to a message, as a line of a recording.
fn on_the_stream(message: &str) -> Value {
    let asked: Value = serde_json::from_str(message).expect("the probe sends JSON");
    let request = json!({"method": "POST", "path": "session:", "body": message});
    let Some(id) = asked.get("id") else {
        return json!({"request": request, "reply": {"status": 202, "headers": [], "body": "Accepted"}});
    };
    let said = match asked["method"].as_str() {
        Some("initialize") => {
            json!({"result": {"protocolVersion": "2024-11-05", "capabilities": {"tools": {}}, "serverInfo": {"name": "a test", "version": "1.0"}}})
        }
        Some("tools/list") => json!({"result": {"tools": [{"name": "add", "description": "adds", "inputSchema": {"type": "object"}}]}}),
        _ => json!({"error": {"code": -32601, "message": "Method not found"}}),
    };
    let mut answer = json!({"jsonrpc": "2.0", "id": id});
    for (key, value) in said.as_object().expect("an object") {
        answer[key] = value.clone();
    }
    let event = format!("event: message\r\ndata: {answer}\r\n\r\n");
    json!({"request": request, "reply": {"status": 200, "headers": [["content-type", "text/event-stream"]], "body": event}})
}

/// The recording is built from the probe's own messages: in each round it gets one message further.
#[test]
fn the_probe_holds_a_session_over_an_event_stream() {
    let head = "schema: vigie.fixture/1\nproduct: mcp\nversion: '1'\nstate: sse\norigin: constructed\non: 2026-11-22\nport: 8000\nfrom: this test\nexpect: {product: mcp}\n";
    let mut lines = vec![
        json!({"request": {"method": "GET", "path": "/sse"}, "reply": {"status": 200, "headers": [["content-type", "text/event-stream; charset=utf-8"]], "body": "event: endpoint\r\ndata: /messages/?session_id=7\r\n\r\n"}}),
        json!({"request": {"method": "*", "path": "*"}, "reply": {"status": 404, "headers": [["content-type", "text/plain"]], "body": "Not Found"}}),
    ];
    let mut learnt = String::new();
    for _ in 0..6 {
        let text: Vec<String> = lines.iter().map(Value::to_string).collect();
        // A session needs one message at least to be recorded as one.
        let files = [("mcp/1-sse".to_owned(), (head.to_owned(), text.join("\n")))].into();
        let read = Recordings::read(&files).expect("it reads");
        let recorder = Recorder::new(100);
        let server = Personality::server(anywhere(), Arc::clone(read.named("mcp/1-sse").expect("it is there")));
        let running = Fleet::serve(vec![server], &recorder, ServeOptions::default()).expect("started");
        let probed = probe_all(&[running.personalities()[0].address]);
        learnt = summary(&probed[0].conclusion);
        assert_eq!(recorder.forbidden(&Judge::by_hand()), []);
        let known: Vec<String> = lines
            .iter()
            .filter_map(|line| line["request"]["body"].as_str().map(str::to_owned))
            .collect();
        let new: Vec<Value> = recorder
            .requests()
            .iter()
            .filter(|seen| seen.path.starts_with("/messages/?session_id=7") && !known.contains(&seen.body))
            .map(|seen| on_the_stream(&seen.body))
            .collect();
        if new.is_empty() && known.len() > 1 {
            break;
        }
        if new.is_empty() {
            lines.insert(0, on_the_stream(r#"{"jsonrpc":"2.0","id":99,"method":"ping"}"#));
        }
        for line in new {
            lines.insert(0, line);
        }
    }
    assert!(learnt.contains("\"mcp\""), "{learnt}");
    assert!(learnt.contains("tools Some([\"add\"])"), "{learnt}");
}

/// The end of a long list of models.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    Whole,
    /// Its chunks stop before the last one.
    MidChunk,
    /// The connection closes before its length came.
    TooShort,
    /// The compressed stream stops.
    MidGzip,
}

/// An Ollama with a list of `models` models, on its own socket.
fn long_list(models: usize, ends: Ends) -> SocketAddrV4 {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let Ok(SocketAddr::V4(address)) = listener.local_addr() else {
        panic!("it is an IPv4 address")
    };
    let list: Vec<Value> = (0..models)
        .map(|n| {
            json!({"name": format!("team-{n}/llama3:8b"), "model": format!("team-{n}/llama3:8b"), "modified_at": format!("2026-01-02T03:04:05.{n:06}789Z"),
                   "size": 4_661_224_676_u64, "digest": format!("{n:064x}"), "details": {"parent_model": "", "format": "gguf", "family": "llama",
                   "families": ["llama"], "parameter_size": "8.0B", "quantization_level": "Q4_0"}})
        })
        .collect();
    let list = json!({ "models": list }).to_string().into_bytes();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let (status, kind, body): (_, _, &[u8]) = match path {
                "/" => ("200 OK", "text/plain; charset=utf-8", b"Ollama is running"),
                "/api/version" => ("200 OK", "application/json; charset=utf-8", b"{\"version\":\"0.17.4\"}"),
                "/api/ps" => ("200 OK", "application/json; charset=utf-8", b"{\"models\":[]}"),
                "/api/tags" => ("200 OK", "application/json; charset=utf-8", &list),
                _ => ("404 Not Found", "text/plain", b"404 page not found"),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\nconnection: close\r\n");
            let reply = match ends {
                Ends::MidChunk if path == "/api/tags" => {
                    let half = &body[..body.len() / 2];
                    [
                        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n", body.len()).as_bytes(),
                        half,
                    ]
                    .concat()
                }
                Ends::TooShort if path == "/api/tags" => [
                    format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(),
                    &body[..body.len() / 2],
                ]
                .concat(),
                Ends::MidGzip if path == "/api/tags" => {
                    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                    packed.write_all(body).expect("memory takes it");
                    let packed = packed.finish().expect("memory takes it");
                    let half = &packed[..packed.len() / 2];
                    [
                        format!("{head}content-encoding: gzip\r\ncontent-length: {}\r\n\r\n", half.len()).as_bytes(),
                        half,
                    ]
                    .concat()
                }
                _ => [format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes(), body].concat(),
            };
            // A client that has enough closes.
            let _ = stream.write_all(&reply);
        }
    });
    address
}

#[test]
fn a_list_longer_than_the_limit_is_a_lower_bound() {
    let cases = [
        (3_700, Ends::Whole, true),
        (20, Ends::Whole, false),
        (20, Ends::MidChunk, true),
        (20, Ends::TooShort, true),
        (2_000, Ends::MidGzip, true),
    ];
    let addresses: Vec<SocketAddrV4> = cases.iter().map(|(models, ends, _)| long_list(*models, *ends)).collect();
    for ((models, ends, cut), probed) in cases.into_iter().zip(probe_all(&addresses)) {
        let exposure = &probed.conclusion.exposure;
        let counted = exposure.models_counted().expect("it lists some");
        assert_eq!(
            probed.conclusion.identity.product.known().map(String::as_str),
            Some("ollama"),
            "{ends:?}"
        );
        assert_eq!(exposure.posture.known(), Some(&vigie_model::Posture::Open), "{ends:?}");
        assert_eq!(counted.or_more, cut, "{ends:?}: {counted}");
        assert!(counted.count > 0 && (counted.count < models as u64) == cut, "{ends:?}: {counted}");
        assert!(
            !probed.conclusion.deception.is_suspect(),
            "{ends:?}: {:?}",
            probed.conclusion.deception
        );
    }
}
