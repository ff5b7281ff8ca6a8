//! The configuration and the certificate are read anew while the gateway runs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use serde_json::Value;
use vigie_guard::config::{Admin, Config, Tls, files};

use super::stage::{Guarded, Played, SOON, chunk, chunked, read_chunk, read_head, soon, version, whole};

/// Replaces the configuration whole, as an editor does.
fn change(dir: &Path, how: impl FnOnce(&mut Config)) {
    let path = dir.join(files::CONFIG);
    let mut config = Config::parse(&std::fs::read_to_string(&path).expect("read")).expect("it reads");
    how(&mut config);
    write(&path, &toml::to_string(&config).expect("it is written"));
}

fn write(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(beside, path).expect("renamed");
}

/// What the log says of the gateway itself, by the word of the event.
fn events(dir: &Path, word: &str) -> Vec<Value> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(dir.join("log")).expect("a log").flatten() {
        let text = std::fs::read_to_string(file.path()).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        found.extend(
            lines
                .filter(|line| line["unmapped"]["event"] == word)
                .map(|line| line["unmapped"].clone()),
        );
    }
    found
}

fn request(guarded: &Guarded, host: &str) -> String {
    format!(
        "GET /api/version HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\r\n",
        guarded.secret
    )
}

/// Sends a request on a connection and returns the status of the answer.
fn status(stream: &mut TcpStream, request: &str) -> u16 {
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if body.len() >= length.unwrap_or(0) {
                return head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
            }
        }
        let count = stream.read(&mut piece).expect("an answer");
        assert!(count > 0, "the connection was closed: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&piece[..count]);
    }
}

fn connected(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(SOON)).expect("set");
    stream
}

#[test]
fn hosts_take_effect_on_connections_that_are_open() {
    let played = Played::start(|_, stream| version(stream));
    let guarded = Guarded::start(played.address, "ollama");
    let mut kept = connected(guarded.gateway.address());
    assert_eq!(status(&mut kept, &request(&guarded, "localhost")), 200);
    assert_eq!(status(&mut kept, &request(&guarded, "gpu.example.org")), 403);
    change(guarded.dir.path(), |config| {
        config.listen.hosts = vec!["gpu.example.org".to_owned()];
        config.listen.origins = vec!["app://editor".to_owned()];
        config.listen.workers = Some(7);
    });
    soon("it is read", || !events(guarded.dir.path(), "reloaded").is_empty());
    assert_eq!(status(&mut kept, &request(&guarded, "gpu.example.org")), 200);
    assert_eq!(status(&mut kept, &request(&guarded, "localhost")), 403);
    let event = &events(guarded.dir.path(), "reloaded")[0];
    assert_eq!(
        event["changed"],
        serde_json::json!(["listen.hosts", "listen.origins", "listen.workers"])
    );
    assert_eq!(event["needs_restart"], serde_json::json!(["listen.workers"]));
    // What is asked for is logged even if nothing changed.
    guarded.gateway.control().reload();
    soon("it is read again", || events(guarded.dir.path(), "reloaded").len() == 2);
    assert_eq!(events(guarded.dir.path(), "reloaded")[1]["changed"], serde_json::json!([]));
}

#[test]
fn a_bad_file_keeps_the_old_one() {
    let played = Played::start(|_, stream| version(stream));
    let guarded = Guarded::start(played.address, "ollama");
    let path = guarded.dir.path().join(files::CONFIG);
    let good = std::fs::read_to_string(&path).expect("read");
    soon("it is ready", || guarded.look("/readyz").0.starts_with("HTTP/1.1 200 "));
    for (number, (bad, why)) in [
        ("this is no configuration".to_owned(), "line 1"),
        (good.replace("plain_http = true", "plain_http = 7"), "line "),
        (good.replace("\"ollama\"", "\"no-such-product\""), "no-such-product"),
        (
            good.replace("plain_http = true", "tls = { certificate = \"none.pem\", key = \"none.pem\" }"),
            "none.pem",
        ),
        // An address that is taken.
        (
            good.replace(
                "[admin]\naddress = \"127.0.0.1:0\"",
                &format!("[admin]\naddress = \"{}\"", played.address),
            ),
            &played.address.to_string(),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        write(&path, &bad);
        soon("it is noticed", || events(guarded.dir.path(), "not-reloaded").len() > number);
        let event = events(guarded.dir.path(), "not-reloaded").remove(number);
        assert!(
            event["why"].as_str().is_some_and(|text| text.contains(why)),
            "{event} does not say {why}"
        );
        assert_eq!(
            status(&mut connected(guarded.gateway.address()), &request(&guarded, "localhost")),
            200
        );
        let (head, body) = guarded.look("/readyz");
        assert!(
            head.starts_with("HTTP/1.1 200 ") && body.contains("warning: guard.toml"),
            "{head}{body}"
        );
        assert!(guarded.look("/metrics").1.contains("vigie_guard_config_current 0\n"));
    }
    assert!(events(guarded.dir.path(), "reloaded").is_empty());
    write(&path, &good);
    soon("the good one is back", || {
        guarded.look("/metrics").1.contains("vigie_guard_config_current 1\n")
    });
    soon("and that is in the log", || events(guarded.dir.path(), "reloaded").len() == 1);
    assert_eq!(guarded.look("/readyz").1, "ready\n");
}

#[test]
fn another_server_behind_takes_new_requests_and_streams_go_on() {
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let old = Played::start(move |got, stream| {
        if got.line.contains("/api/version") {
            return version(stream);
        }
        chunked(stream, "application/x-ndjson");
        chunk(stream, b"{\"message\":{\"content\":\"one\"}}\n");
        wait.lock().expect("the channel").recv().expect("the test goes on");
        chunk(stream, b"{\"done\":true,\"prompt_eval_count\":3,\"eval_count\":2}\n");
        chunk(stream, b"");
    });
    let new = Played::start(|got, stream| match got.line.contains("/api/version") {
        true => version(stream),
        false => whole(stream, 200, "application/json", b"{\"from\":\"the new one\"}"),
    });
    let guarded = Guarded::start(old.address, "ollama");
    let body = "{\"model\":\"tiny\",\"messages\":[{\"role\":\"user\",\"content\":\"hi\"}]}";
    let mut stream = guarded.send("/api/chat", body);
    read_head(&mut stream);
    assert!(read_chunk(&mut stream).is_some());
    change(guarded.dir.path(), |config| config.upstream.url = format!("http://{}", new.address));
    soon("it is read", || !events(guarded.dir.path(), "reloaded").is_empty());
    let (head, answer) = guarded.ask("/api/chat", body);
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert_eq!(answer, b"{\"from\":\"the new one\"}");
    go_on.send(()).expect("the old server waits");
    let last = read_chunk(&mut stream).expect("the stream goes on");
    assert!(last.starts_with(b"{\"done\":true"), "{}", String::from_utf8_lossy(&last));
    assert!(read_chunk(&mut stream).is_none());
    // The product may be another, with its routes.
    change(guarded.dir.path(), |config| {
        config.upstream.product = "llama-cpp".to_owned();
        config.upstream.version = None;
    });
    soon("it is read", || events(guarded.dir.path(), "reloaded").len() == 2);
    let (head, _) = guarded.ask("/api/generate", "{\"model\":\"tiny\",\"prompt\":\"hi\"}");
    assert!(head.starts_with("HTTP/1.1 403 "), "{head}");
}

#[test]
fn metrics_move_to_another_address() {
    let played = Played::start(|_, stream| version(stream));
    let guarded = Guarded::start(played.address, "ollama");
    let before = guarded.gateway.admin_address().expect("there is one");
    change(guarded.dir.path(), |config| config.admin = None);
    soon("there is none", || guarded.gateway.admin_address().is_none());
    assert!(TcpStream::connect(before).is_err());
    change(guarded.dir.path(), |config| {
        config.admin = Some(Admin {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        });
    });
    soon("there is another", || guarded.gateway.admin_address().is_some());
    soon("it is ready", || guarded.look("/readyz").0.starts_with("HTTP/1.1 200 "));
}

/// Writes a certificate that ends then, and its key.
fn certificate(dir: &Path, name: &str, days: i64) -> (rcgen::Certificate, Tls) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let until = chrono::Utc::now() + chrono::TimeDelta::days(days);
    let until: Vec<u32> = until
        .format("%Y-%m-%d")
        .to_string()
        .split('-')
        .filter_map(|part| part.parse().ok())
        .collect();
    let small = |number: u32| u8::try_from(number).expect("small");
    params.not_after = rcgen::date_time_ymd(i32::try_from(until[0]).expect("a year"), small(until[1]), small(until[2]));
    let made = params.self_signed(&key).expect("a certificate");
    let tls = Tls {
        certificate: format!("{name}.pem").into(),
        key: format!("{name}-key.pem").into(),
    };
    std::fs::write(dir.join(&tls.key), key.serialize_pem()).expect("written");
    std::fs::write(dir.join(&tls.certificate), made.pem()).expect("written");
    (made, tls)
}

/// Asks over TLS, trusting one certificate; `Err`: the handshake failed.
fn over_tls(guarded: &Guarded, trusted: &rcgen::Certificate) -> Result<String, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.der().clone()).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().expect("a name")).expect("a client");
    let mut socket = connected(guarded.gateway.address());
    let mut stream = rustls::Stream::new(&mut client, &mut socket);
    let request = request(guarded, "localhost").replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = vec![0; 4096];
    let count = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
}

#[test]
fn a_new_certificate_serves_new_handshakes() {
    let played = Played::start(|_, stream| version(stream));
    let guarded = Guarded::start(played.address, "ollama");
    let dir = guarded.dir.path();
    let (first, tls) = certificate(dir, "served", 90);
    change(dir, |config| {
        config.listen.plain_http = false;
        config.listen.tls = Some(tls.clone());
    });
    soon("it is read", || !events(dir, "reloaded").is_empty());
    let answer = over_tls(&guarded, &first).expect("it serves TLS");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(events(dir, "certificate-ends").is_empty());
    // The key of another certificate: the one before stays.
    let (_, other) = certificate(dir, "other", 90);
    let key = std::fs::read(dir.join(&tls.key)).expect("read");
    std::fs::copy(dir.join(&other.key), dir.join(&tls.key)).expect("copied");
    soon("it is noticed", || !events(dir, "not-reloaded").is_empty());
    assert!(
        events(dir, "not-reloaded")[0]["why"]
            .as_str()
            .is_some_and(|why| why.contains("does not belong to"))
    );
    assert!(over_tls(&guarded, &first).is_ok());
    std::fs::write(dir.join(&tls.key), key).expect("written");
    soon("it is good again", || {
        guarded.look("/metrics").1.contains("vigie_guard_config_current 1\n")
    });
    // A new one, which ends within fourteen days.
    let (second, _) = certificate(dir, "served", 9);
    soon("the new one serves", || over_tls(&guarded, &second).is_ok());
    assert!(over_tls(&guarded, &first).is_err());
    soon("its end is warned of", || events(dir, "certificate-ends").len() == 1);
    let reloaded = events(dir, "reloaded");
    assert_eq!(reloaded.last().expect("one")["changed"], serde_json::json!(["certificate"]));
    let text = guarded.look("/metrics").1;
    let until = text
        .lines()
        .find_map(|line| line.strip_prefix("vigie_guard_certificate_expiry_timestamp_seconds "));
    let until: i64 = until.expect("a metric").parse().expect("a number");
    let days = (until - chrono::Utc::now().timestamp()) / 86_400;
    assert!((7..=9).contains(&days), "{days}");
}

#[test]
fn one_address_does_not_take_all_places() {
    let played = Played::start(|_, stream| version(stream));
    let guarded = Guarded::start(played.address, "ollama");
    change(guarded.dir.path(), |config| {
        config.listen.max_connections = std::num::NonZeroU32::new(8);
        config.listen.max_connections_per_address = std::num::NonZeroU32::new(5);
    });
    soon("it is read", || !events(guarded.dir.path(), "reloaded").is_empty());
    let address = guarded.gateway.address();
    let open = |count: usize| {
        guarded
            .look("/metrics")
            .1
            .contains(&format!("vigie_guard_open_connections {count}\n"))
    };
    // A client that holds as many as it may have. Several threads accept: only when all of them are counted is the next one too many.
    let _held: Vec<TcpStream> = (0..5).map(|_| connected(address)).collect();
    soon("all its places are taken", || open(5));
    let mut answer = String::new();
    let _ = connected(address).read_to_string(&mut answer);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    // Another address of loopback is served meanwhile.
    let from_elsewhere = || {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).expect("bound");
        socket.connect(&address.into()).expect("connected");
        socket.set_read_timeout(Some(SOON)).expect("set");
        TcpStream::from(socket)
    };
    assert_eq!(status(&mut from_elsewhere(), &request(&guarded, "localhost")), 200);
    soon("that connection is closed", || open(5));
    // With all places taken, a connection waits and is served when one is free.
    let others: Vec<TcpStream> = (0..3).map(|_| from_elsewhere()).collect();
    soon("all places are taken", || open(8));
    let mut waiting = from_elsewhere();
    waiting.write_all(request(&guarded, "localhost").as_bytes()).expect("sent");
    waiting.set_read_timeout(Some(std::time::Duration::from_millis(200))).expect("set");
    assert!(waiting.read(&mut [0]).is_err(), "it waits");
    drop(others);
    waiting.set_read_timeout(Some(SOON)).expect("set");
    let mut byte = [0];
    assert_eq!(waiting.read(&mut byte).expect("an answer"), 1);
    assert!(guarded.look("/metrics").1.contains("vigie_guard_max_connections 8\n"));
}

/// A server that is behind TLS, and how often somebody trusted its certificate, which the given authority signed.
fn behind_tls(authority: &rcgen::Issuer<'_, rcgen::KeyPair>) -> (SocketAddr, Arc<AtomicUsize>) {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let made = params.signed_by(&key, authority).expect("a certificate");
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.der().clone()], private)
        .expect("a certificate");
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let trusted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&trusted);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut server, count) = (
                rustls::ServerConnection::new(Arc::clone(&config)).expect("a server"),
                Arc::clone(&count),
            );
            std::thread::spawn(move || {
                while server.is_handshaking() {
                    if server.complete_io(&mut stream).is_err() {
                        return;
                    }
                }
                // A client that does not trust the certificate says so after its handshake of TLS 1.3, and one that does sends its request.
                let mut tls = rustls::Stream::new(&mut server, &mut stream);
                if tls.read(&mut [0; 4]).is_ok_and(|count| count > 0) {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    (address, trusted)
}

#[test]
fn the_authority_of_a_server_or_an_issuer_is_read_anew_when_it_alone_changes() {
    let made = || {
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        (pem, rcgen::Issuer::new(params, key))
    };
    let ((wrong, _), (right, authority)) = (made(), made());
    let (server, server_trusted) = behind_tls(&authority);
    let (issuer, issuer_trusted) = behind_tls(&authority);
    let authorities = tempfile::tempdir().expect("a folder");
    let [of_server, of_issuer] = ["server.pem", "issuer.pem"].map(|name| authorities.path().join(name));
    write(&of_server, &wrong);
    write(&of_issuer, &wrong);
    let guarded = Guarded::configured(
        server,
        "ollama",
        |config| {
            config.upstream.url = format!("https://localhost:{}", server.port());
            config.upstream.ca = Some(of_server.clone());
            let text = format!(
                "[[issuer]]\nname = \"corp\"\nurl = \"https://localhost:{}\"\naudience = [\"vigie\"]\nca = {:?}\n[[issuer.rule]]\n\
                 grant = {{ effects = [\"infer\"], models = [\"*\"] }}\n",
                issuer.port(),
                of_issuer.display()
            );
            config.auth = toml::from_str(&text).expect("issuers");
        },
        1,
    );
    for (file, name, trusted) in [
        (&of_server, "server.pem", &server_trusted),
        (&of_issuer, "issuer.pem", &issuer_trusted),
    ] {
        assert_eq!(trusted.load(Ordering::SeqCst), 0, "{name}");
        let before = events(guarded.dir.path(), "reloaded").len();
        write(file, &right);
        soon(name, || events(guarded.dir.path(), "reloaded").len() > before);
        let changed = events(guarded.dir.path(), "reloaded").pop().expect("one")["changed"].clone();
        assert_eq!(changed, serde_json::json!([name]));
        soon(name, || trusted.load(Ordering::SeqCst) > 0);
    }
}
