//! Recorded conversations: their files, and their replay against the rules.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vigie_model::{Exchange, Failure, FailureKind, LeakKind, Posture, Reply, RequestLine, Timestamp};

use vigie_catalog::Catalog;

use crate::Identifier;
use crate::conclude::Conclusion;
use crate::measured::{Counts, Measured};
use crate::session::{Limits, Session};

/// The schema of `fixture.yaml`.
pub const FIXTURE_SCHEMA: &str = "vigie.fixture/1";

/// Where a fixture comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// From the real server, by `vigie catalog record`.
    Recorded,
    /// From its source or documentation.
    Constructed,
}

/// `fixture.yaml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// `vigie.fixture/1`.
    pub schema: String,
    /// What answered; `None`: nothing of the catalogue.
    pub product: Option<String>,
    /// The server's real version, as installed.
    #[serde(default)]
    pub version: String,
    /// The state it was in.
    #[serde(default)]
    pub state: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The day it was made, `YYYY-MM-DD`.
    pub on: String,
    /// The port, as the rules see it.
    pub port: u16,
    /// The command that recorded it.
    #[serde(default)]
    pub by: String,
    /// How the server was started.
    #[serde(default)]
    pub started: String,
    /// The file and version it was built from.
    #[serde(default)]
    pub from: String,
    /// What the rules must say of it.
    pub expect: Expect,
    /// Free text.
    #[serde(default)]
    pub note: String,
}

/// What the rules must say of a fixture. A field that is left out is not looked at; `null` means unknown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The product; `null`: must not be recognised.
    pub product: Option<String>,
    /// The version.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub version: Option<Option<String>>,
    /// Which running copy or installation it says it is.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub instance: Option<Option<String>>,
    /// The posture.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub posture: Option<Option<Posture>>,
    /// Names of the models.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub models: Option<Option<Vec<String>>>,
    /// Names of the models in memory.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub running: Option<Option<Vec<String>>>,
    /// Names of the tools.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub tools: Option<Option<Vec<String>>>,
    /// What any model can do.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Option<Vec<String>>>,
    /// Kinds of leaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaks: Option<Vec<LeakKind>>,
    /// Tells that must show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tells: Option<Vec<String>>,
    /// Products beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<Vec<String>>,
}

fn present<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// One line of `exchanges.jsonl`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What was asked; method and path `*` answer everything else.
    pub request: RequestLine,
    /// What came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Reply>,
    /// Why nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// A recorded conversation.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// `<product>/<version>-<state>`.
    pub name: String,
    /// Its head.
    pub head: Head,
    /// Its lines.
    pub lines: Vec<Line>,
}

impl Fixture {
    /// Reads the two files.
    ///
    /// # Errors
    ///
    /// What is wrong, with the file and the line.
    pub fn read(name: &str, head: &str, exchanges: &str) -> Result<Self, String> {
        let head: Head = serde_saphyr::from_str(head).map_err(|error| format!("{name}/fixture.yaml: {error}"))?;
        if head.schema != FIXTURE_SCHEMA {
            return Err(format!(
                "{name}/fixture.yaml: schema is {:?}; this vigie reads {FIXTURE_SCHEMA:?}",
                head.schema
            ));
        }
        match head.origin {
            Origin::Recorded if head.by.is_empty() || head.started.is_empty() => {
                return Err(format!(
                    "{name}/fixture.yaml: a recorded fixture says by which command (by) and how the server was started (started)"
                ));
            }
            Origin::Constructed if head.from.is_empty() => {
                return Err(format!(
                    "{name}/fixture.yaml: a constructed fixture says from which file and version (from)"
                ));
            }
            _ => {}
        }
        let lines = exchanges
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
            .map(|(number, line)| serde_json::from_str(line).map_err(|error| format!("{name}/exchanges.jsonl:{}: {error}", number + 1)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            name: name.to_owned(),
            head,
            lines,
        })
    }

    /// The same server as a reverse proxy passes it on: its own `Server` and `Via`, the origin's `Server` and `X-Powered-By` gone.
    #[must_use]
    pub fn behind_a_proxy(&self) -> Self {
        let mut proxied = self.clone();
        proxied.name.push_str(" (behind a proxy)");
        for line in &mut proxied.lines {
            if let Some(reply) = &mut line.reply {
                let gone = [
                    "server",
                    "x-powered-by",
                    "via",
                    "connection",
                    "keep-alive",
                    "transfer-encoding",
                    "alt-svc",
                ];
                reply.headers.retain(|(name, _)| !gone.contains(&name.as_str()));
                reply.headers.insert(0, ("server".to_owned(), "nginx".to_owned()));
                reply.headers.push(("via".to_owned(), "1.1 proxy.example".to_owned()));
            }
        }
        proxied
    }

    /// What the server said to a request; `None`: nothing was recorded for it.
    #[must_use]
    pub fn answer(&self, request: &RequestLine) -> Option<&Line> {
        let same_body = |a: &str, b: &str| a == b || (parse(a).is_some() && parse(a) == parse(b));
        let exact = |line: &&Line| {
            line.request.method == request.method && line.request.path == request.path && same_body(&line.request.body, &request.body)
        };
        self.lines
            .iter()
            .find(exact)
            // JSON-RPC ids and model names may differ in form; the operation is what counts.
            .or_else(|| {
                self.lines
                    .iter()
                    .find(|line| line.request.method == "*" && line.request.path == "*")
            })
    }

    /// What the server said on an event stream: the URL is the server's own choice, so the body decides.
    fn answer_on_stream(&self, body: &str) -> Option<&Line> {
        self.lines.iter().find(|line| {
            let path = &line.request.path;
            line.request.method == "POST"
                && (path.contains("session") || path.contains("messag"))
                && parse(&line.request.body) == parse(body)
        })
    }

    /// Replays the conversation; also says which requests nothing was recorded for.
    #[must_use]
    pub fn replay(&self, identifier: &Arc<Identifier>) -> Replay {
        let authority = format!("127.0.0.1:{}", self.head.port);
        let session = Session::new(Arc::clone(identifier), self.head.port, authority, Limits::default());
        self.replay_in(session)
    }

    /// The same in a conversation that the caller began.
    #[must_use]
    pub fn replay_in(&self, mut session: Session) -> Replay {
        let mut missing = Vec::new();
        while let Some(ask) = session.next_ask() {
            let request = &ask.request;
            let found = match session.prefix() {
                // What it answers to pages that it does not have, it answers there too.
                Some(prefix) => {
                    let path = prefix.join(&request.path);
                    let sent = RequestLine { path, ..request.clone() };
                    let absent = RequestLine {
                        method: "GET".to_owned(),
                        path: vigie_catalog::ABSENT_PATH.to_owned(),
                        headers: Vec::new(),
                        body: String::new(),
                    };
                    self.answer(&sent).or_else(|| self.answer(&absent))
                }
                None if ask.session.is_some() => self.answer_on_stream(&request.body),
                None => self.answer(request),
            };
            if found.is_none() {
                missing.push(format!("{} {} {}", request.method, request.path, request.body).trim().to_owned());
            }
            let (reply, failure) = match found {
                Some(line) => (line.reply.clone(), line.failure.clone()),
                None => (
                    None,
                    Some(Failure {
                        kind: FailureKind::Timeout,
                        detail: "not recorded".to_owned(),
                        banner: Vec::new(),
                    }),
                ),
            };
            let exchange = Exchange {
                request: ask.request.clone(),
                at: Timestamp::UNIX_EPOCH,
                micros: 0,
                reply,
                failure,
            };
            session.answer(&ask, exchange);
        }
        Replay {
            conclusion: session.conclude(),
            exchanges: session.into_exchanges(),
            missing,
        }
    }
}

fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// What a replay gave.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What it says.
    pub conclusion: Conclusion,
    /// The requests and what was answered, in order.
    pub exchanges: Vec<Exchange>,
    /// Requests for which nothing was recorded.
    pub missing: Vec<String>,
}

impl Replay {
    /// The requests, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.exchanges
            .iter()
            .map(|exchange| format!("{} {}", exchange.request.method, exchange.request.path))
            .collect()
    }
}

impl Expect {
    /// What of a conclusion is not as expected, a line each.
    #[must_use]
    pub fn differences(&self, conclusion: &Conclusion) -> Vec<String> {
        let mut all = Vec::new();
        let mut compare = |what: &str, expected: String, got: String| {
            if expected != got {
                all.push(format!("{what}: expected {expected}, got {got}"));
            }
        };
        let product = conclusion.identity.product.known().cloned();
        compare("product", show(&self.product), show(&product));
        if let Some(version) = &self.version {
            compare("version", show(version), show(&conclusion.identity.version.known().cloned()));
        }
        if let Some(instance) = &self.instance {
            compare("instance", show(instance), show(&conclusion.identity.instance.known().cloned()));
        }
        if let Some(posture) = &self.posture {
            compare("posture", show(posture), show(&conclusion.exposure.posture.known().copied()));
        }
        let mut lists = |what: &str, expected: &Option<Option<Vec<String>>>, got: Option<Vec<String>>| {
            if let Some(expected) = expected {
                let sorted = |list: Option<Vec<String>>| list.map(|list| list.into_iter().collect::<BTreeSet<_>>());
                compare(what, show(&sorted(expected.clone())), show(&sorted(got)));
            }
        };
        let exposure = &conclusion.exposure;
        lists(
            "models",
            &self.models,
            exposure.models.known().map(|all| all.iter().map(|m| m.name.clone()).collect()),
        );
        lists(
            "running",
            &self.running,
            exposure.running.known().map(|all| all.iter().map(|m| m.name.clone()).collect()),
        );
        lists(
            "tools",
            &self.tools,
            exposure.tools.known().map(|all| all.iter().map(|t| t.name.clone()).collect()),
        );
        lists(
            "capabilities",
            &self.capabilities,
            exposure
                .capabilities
                .known()
                .map(|all| all.iter().map(ToString::to_string).collect()),
        );
        if let Some(leaks) = &self.leaks {
            let got: BTreeSet<LeakKind> = exposure.leaks.iter().map(|leak| leak.what).collect();
            compare(
                "leaks",
                format!("{:?}", leaks.iter().copied().collect::<BTreeSet<_>>()),
                format!("{got:?}"),
            );
        }
        if let Some(tells) = &self.tells {
            let got: BTreeSet<&str> = conclusion.deception.tells.iter().map(|tell| tell.id.as_str()).collect();
            let expected: BTreeSet<&str> = tells.iter().map(String::as_str).collect();
            compare("tells", format!("{expected:?}"), format!("{got:?}"));
        }
        if let Some(also) = &self.also {
            compare("also", format!("{also:?}"), format!("{:?}", conclusion.identity.also));
        }
        all
    }
}

fn show<T: std::fmt::Debug>(value: &Option<T>) -> String {
    value.as_ref().map_or_else(|| "unknown".to_owned(), |value| format!("{value:?}"))
}

/// The files of a fixture folder by fixture name: `fixture.yaml` and `exchanges.jsonl`.
pub type FixtureFiles = BTreeMap<String, (String, String)>;

/// What a whole corpus gave.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What differed, by fixture.
    pub differences: Vec<(String, Vec<String>)>,
    /// Requests that nothing was recorded for, by fixture.
    pub missing: Vec<(String, Vec<String>)>,
    /// Faults of the corpus itself: a product without a fixture, an unknown neighbour.
    pub faults: Vec<String>,
    /// Which fixture was taken for which product.
    pub matrix: Vec<(String, Option<String>, Option<String>)>,
    /// The counts.
    pub measured: Measured,
}

/// Replays every fixture, as it is and behind a proxy, against the whole catalogue.
///
/// # Errors
///
/// Fixture files that do not read.
pub fn test(catalog: &Arc<Catalog>, files: &FixtureFiles) -> Result<Report, Vec<String>> {
    let read: Vec<Result<Fixture, String>> = files.iter().map(|(name, (head, lines))| Fixture::read(name, head, lines)).collect();
    let errors: Vec<String> = read.iter().filter_map(|r| r.as_ref().err().cloned()).collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    let fixtures: Vec<Fixture> = read.into_iter().flatten().collect();
    let mut report = Report {
        measured: Measured {
            schema: "vigie.measured/1".to_owned(),
            ..Measured::default()
        },
        ..Report::default()
    };
    let identifier = Arc::new(Identifier::new(Arc::clone(catalog), Arc::default()));
    let mut taken: HashMap<String, Option<String>> = HashMap::new();
    for fixture in &fixtures {
        let mut variants = vec![fixture.clone()];
        if fixture.head.expect.product.is_some() {
            variants.push(fixture.behind_a_proxy());
        }
        for variant in variants {
            let replay = variant.replay(&identifier);
            let mut differences = variant.head.expect.differences(&replay.conclusion);
            if replay.exchanges.len() > Limits::default().requests + Limits::default().models {
                differences.push(format!("{} requests", replay.exchanges.len()));
            }
            if !differences.is_empty() {
                report.differences.push((variant.name.clone(), differences));
            }
            // What a constructed fixture does not say is answered by its last line; a recording can lack a request added later.
            if !replay.missing.is_empty() && variant.name == fixture.name {
                report.missing.push((variant.name.clone(), replay.missing));
            }
            let got = replay.conclusion.identity.product.known().cloned();
            report
                .matrix
                .push((variant.name.clone(), variant.head.expect.product.clone(), got.clone()));
            for product in catalog.products() {
                let counts = report.measured.products.entry(product.id.clone()).or_default();
                let own = variant.head.expect.product.as_ref() == Some(&product.id);
                let right = own == (got.as_ref() == Some(&product.id));
                *(if right { &mut counts.right } else { &mut counts.wrong }) += 1;
            }
            if variant.name == fixture.name {
                taken.insert(fixture.name.clone(), got);
            }
        }
        if let Some(product) = &fixture.head.product
            && let Some(counts) = report.measured.products.get_mut(product)
        {
            *match fixture.head.origin {
                Origin::Recorded => &mut counts.recorded,
                Origin::Constructed => &mut counts.constructed,
            } += 1;
        }
    }
    for product in catalog.products() {
        let Counts { recorded, constructed, .. } = report.measured.products.get(&product.id).copied().unwrap_or_default();
        if recorded + constructed == 0 {
            report.faults.push(format!(
                "{}: no fixture shows it; add one under catalog/fixtures/{}",
                product.id, product.id
            ));
        }
        if product.neighbours.is_empty() {
            report.faults.push(format!(
                "{}: names no neighbour, a fixture that looks alike and is not it",
                product.id
            ));
        }
        for neighbour in &product.neighbours {
            match taken.get(neighbour) {
                None => report
                    .faults
                    .push(format!("{}: its neighbour {neighbour:?} is no fixture", product.id)),
                Some(got) if got.as_ref() == Some(&product.id) => {
                    report
                        .faults
                        .push(format!("{}: its neighbour {neighbour:?} is taken for it", product.id));
                }
                Some(_) => {}
            }
        }
    }
    Ok(report)
}
