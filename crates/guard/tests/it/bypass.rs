//! The corpus of `tests/bypass`: every case is sent to a gateway as it is, and what arrives behind it is looked at.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use vigie_guard::Gateway;
use vigie_guard::init::{Init, init, write_keys};
use vigie_guard::key::{Grant, Key, KeyFile, Pattern, Secret, StoredSecret};
use vigie_model::{Effect, EffectSet};

use crate::behind::Behind;
use crate::case::{ArrivedBody, Case, Expected, Filling, all};

/// Gateways that run beside one another.
const WORKERS: usize = 4;
/// How long a client waits for an answer.
const WAIT: Duration = Duration::from_secs(5);
/// After the last answer that is expected, none may come for this time.
const QUIET: Duration = Duration::from_millis(15);

#[test]
fn nothing_passes_that_may_not_and_everything_that_may() {
    play_all(all());
}

/// A version that is not known, or newer than the catalogue, keeps no ordinary client out.
#[test]
fn harmless_requests_pass_whatever_the_version() {
    let cases = all()
        .into_iter()
        .filter(|case| case.class == "harmless" && case.server.0 == "ollama");
    let versions = [None, Some("0.32.0"), Some("99.0.0")];
    play_all(
        cases
            .flat_map(|case| {
                versions.map(|version| Case {
                    name: format!("{} ({version:?})", case.name),
                    server: ("ollama".to_owned(), version.map(str::to_owned)),
                    ..case.clone()
                })
            })
            .collect(),
    );
}

fn play_all(cases: Vec<Case>) {
    let cases = Mutex::new(cases);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let mut stages: HashMap<(String, Option<String>), Stage> = HashMap::new();
                loop {
                    let next = cases.lock().expect("no thread panicked").pop();
                    let Some(case) = next else { break };
                    let stage = stages.entry(case.server.clone()).or_insert_with(|| Stage::start(&case.server));
                    if let Err(why) = stage.play(&case) {
                        failures.lock().expect("no thread panicked").push(format!("{}: {why}", case.name));
                    }
                }
                stages.into_values().for_each(|stage| stage.gateway.stop());
            });
        }
    });
    let mut failures = failures.into_inner().expect("no thread panicked");
    failures.sort();
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures.join("\n"));
}

/// The corpus does not shrink: so many cases each class has at least.
#[test]
fn every_class_has_its_cases() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let cases = all();
    for case in &cases {
        *counts.entry(case.class.clone()).or_default() += 1;
    }
    let floor: BTreeMap<&str, usize> = CLASSES.into_iter().collect();
    for (class, least) in &floor {
        let count = counts.get(*class).copied().unwrap_or_default();
        assert!(count >= *least, "{class} has {count} cases, and had {least}");
    }
    let known: Vec<&String> = counts.keys().filter(|class| !floor.contains_key(class.as_str())).collect();
    assert!(known.is_empty(), "classes without a line in CLASSES: {known:?}");
    let harmless = counts.get("harmless").copied().unwrap_or_default();
    assert!(
        harmless >= 40 && cases.len() - harmless >= 150,
        "{} cases, {harmless} of them harmless",
        cases.len()
    );
}

const CLASSES: [(&str, usize); 16] = [
    ("caps", 66),
    ("credentials", 37),
    ("encoding", 20),
    ("features", 61),
    ("forms", 24),
    ("framing", 73),
    ("harmless", 71),
    ("json", 64),
    ("lists", 11),
    ("llama-cpp", 90),
    ("method", 39),
    ("names", 75),
    ("origin", 32),
    ("path", 40),
    ("routes", 45),
    ("versions", 16),
];

/// A gateway with a server behind it.
struct Stage {
    behind: Behind,
    gateway: Gateway,
    secrets: HashMap<&'static str, String>,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn start((product, version): &(String, Option<String>)) -> Self {
        let behind = Behind::start(version.as_deref().unwrap_or("0.0.0"));
        let dir = tempfile::tempdir().expect("a folder");
        let wanted = Init {
            upstream: format!("http://{}", behind.address),
            product: product.clone(),
            version: version.clone(),
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            plain_http: true,
            hosts: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        };
        init(dir.path(), &wanted).expect("a gateway's folder");
        let mut keys = KeyFile::default();
        let mut secrets = HashMap::new();
        for (name, grant) in grants() {
            let secret = Secret::generate().expect("random numbers");
            let now = chrono::Utc::now();
            keys.keys.push(Key {
                id: format!("key_{name}"),
                name: name.to_owned(),
                secrets: vec![StoredSecret {
                    hash: secret.hash(),
                    until: None,
                }],
                certificates: Vec::new(),
                created: now,
                expires: (name == "expired").then_some(now),
                revoked: (name == "revoked").then_some(now),
                grant,
            });
            secrets.insert(name, secret.expose().to_owned());
        }
        // A secret of the right form that opens nothing.
        secrets.insert("none", Secret::generate().expect("random numbers").expose().to_owned());
        write_keys(dir.path(), &keys).expect("the keys");
        let gateway = Gateway::start(dir.path()).unwrap_or_else(|error| panic!("{error}"));
        Self {
            behind,
            gateway,
            secrets,
            _dir: dir,
        }
    }

    /// Sends a case, and says what was not as it has to be.
    fn play(&self, case: &Case) -> Result<(), String> {
        let host = self.gateway.address().to_string();
        let secret_of = |name: &str| {
            self.secrets
                .get(name)
                .unwrap_or_else(|| panic!("{}: no key {name}", case.name))
                .clone()
        };
        let filling = Filling {
            host: &host,
            secret_of: &secret_of,
        };
        let (bytes, body) = case.bytes(&filling);
        self.behind.take();
        let reply = exchange(self.gateway.address(), &bytes, case.answers).map_err(|error| format!("no answer: {error}"))?;
        let mut arrived = self.behind.take();
        // From time to time the gateway itself asks which version is behind.
        if !case.behind.contains("/api/version") {
            arrived.retain(|request| !request.starts_with(b"GET /api/version "));
        }
        let shown: Vec<_> = arrived.iter().map(|request| String::from_utf8_lossy(request)).collect();
        let reply_text = String::from_utf8_lossy(&reply);
        let last = reply_text.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&reply_text);
        let status: u16 = last.get(9..12).and_then(|digits| digits.parse().ok()).ok_or("no status")?;
        for lacks in &case.lacks {
            if reply_text.contains(lacks) || shown.iter().any(|request| request.contains(lacks)) {
                return Err(format!("{lacks:?} is in {shown:?} or {reply_text:?}"));
            }
        }
        for has in &case.reply_has {
            if !reply_text.contains(has) {
                return Err(format!("{has:?} is not in {reply_text:?}"));
            }
        }
        match case.expected {
            Expected::Refused(_) if !shown.is_empty() => Err(format!("arrived behind: {shown:?}")),
            Expected::Refused(wanted) if status != wanted => Err(format!("status {status}, not {wanted}")),
            Expected::Refused(_) => Ok(()),
            Expected::Passed if status != 200 => Err(format!("status {status}: {reply_text}")),
            Expected::Passed => match &arrived[..] {
                [request] => self.check(case, request, &body),
                _ => Err(format!("{} requests arrived: {shown:?}", arrived.len())),
            },
        }
    }

    /// Compares what arrived with what has to.
    fn check(&self, case: &Case, request: &[u8], sent: &[u8]) -> Result<(), String> {
        let end = memchr::memmem::find(request, b"\r\n\r\n").ok_or("no head arrived")?;
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let arrived = &request[end + 4..];
        let mut lines = head.split("\r\n");
        let first = lines.next().unwrap_or_default();
        if first != format!("{} HTTP/1.1", case.behind) {
            return Err(format!("{first:?} arrived"));
        }
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or(format!("the line {line:?} arrived"))?;
            let is_known = match name {
                "host" => value == self.behind.address.to_string(),
                "accept" | "content-length" | "content-type" => true,
                _ => false,
            };
            if !is_known {
                return Err(format!("the header {line:?} arrived"));
            }
        }
        if memchr::memmem::find(request, b"vigie_").is_some() {
            return Err("a secret arrived".to_owned());
        }
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).map_err(|error| format!("no JSON: {error}"));
        let wanted = match &case.body {
            ArrivedBody::None if arrived.is_empty() => return Ok(()),
            ArrivedBody::None => return Err(format!("a body arrived: {}", String::from_utf8_lossy(arrived))),
            ArrivedBody::Has(texts) => {
                let text = String::from_utf8_lossy(arrived);
                let missing = texts.iter().find(|has| !text.contains(has.as_str()));
                return missing.map_or(Ok(()), |has| Err(format!("{has:?} is not in {text:?}")));
            }
            ArrivedBody::Same => json(sent)?,
            ArrivedBody::Json(wanted) => wanted.clone(),
        };
        let arrived = json(arrived)?;
        if arrived == wanted {
            Ok(())
        } else {
            Err(format!("{arrived} arrived"))
        }
    }
}

/// Sends bytes and takes what is answered.
fn exchange(address: SocketAddr, bytes: &[u8], answers: usize) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(WAIT))?;
    stream.set_write_timeout(Some(WAIT))?;
    // A request that is refused early is not taken to its end.
    let _ = stream.write_all(bytes);
    let mut reply = Vec::new();
    let mut piece = [0; 16 * 1024];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return Ok(reply),
            Ok(count) => reply.extend_from_slice(&piece[..count]),
            Err(error) if reply.is_empty() => return Err(error),
            Err(_) => return Ok(reply),
        }
        if count_answers(&reply) >= answers {
            stream.set_read_timeout(Some(QUIET))?;
        }
    }
}

/// How many whole answers there are; interim ones do not count.
fn count_answers(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]);
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.and_then(|value| value.parse().ok()).unwrap_or(0);
        count += usize::from(!head.starts_with("HTTP/1.1 100"));
        bytes = bytes.get(end + 4 + length..).unwrap_or_default();
    }
    count
}

/// The grants that the cases use, by name; `tests/bypass/README.md` describes them.
fn grants() -> Vec<(&'static str, Grant)> {
    let infer = EffectSet::EMPTY.with(Effect::Infer);
    let grant = |effects: EffectSet, models: &[&str], can: &[&str], caps: &[(&str, u32)]| Grant {
        effects,
        models: models.iter().map(|model| Pattern::new(*model)).collect(),
        can: can.iter().map(|word| (*word).to_owned()).collect(),
        caps: caps.iter().map(|(word, cap)| ((*word).to_owned(), *cap)).collect(),
        ..Grant::default()
    };
    let caps = [("max-tokens", 16), ("context", 2048)];
    let everything = [
        "tools", "images", "audio", "template", "settings", "logprobs", "state", "adapter", "fetch", "search",
    ];
    vec![
        ("tiny", grant(infer, &["tiny"], &[], &caps)),
        ("plain", grant(infer, &["tiny"], &[], &[])),
        ("tools", grant(infer, &["tiny"], &["tools", "images", "audio"], &caps)),
        ("pattern", grant(infer, &["tiny*", "me/*"], &[], &caps)),
        ("short", grant(infer, &["tiny"], &[], &[("max-tokens", 16), ("keep-alive", 60)])),
        ("every", grant(infer, &["*"], &[], &caps)),
        ("nothing", grant(infer, &[], &[], &[])),
        ("reader", grant(EffectSet::EMPTY, &["tiny"], &[], &[])),
        ("admin", grant(Effect::ALL.into_iter().collect(), &["*"], &everything, &[])),
        ("revoked", grant(infer, &["*"], &[], &[])),
        ("expired", grant(infer, &["*"], &[], &[])),
    ]
}
