//! Servers that speak the documented interfaces of Shodan and Censys, on loopback, with their faults and a ledger of their own.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::{Request, Response};
use serde_json::{Value, json};

/// Records on a page.
const PAGE: usize = 100;
/// What every emulated service takes for its key. No word of it may ever show.
pub(crate) const KEY: &str = "kEy0123456789abcdefSECRET/+xyz";
/// The other half of it, where there is one.
pub(crate) const SECRET: &str = "s3cond-half-of-the-key-0123456789";
/// `KEY:SECRET` in Base64, as a header carries them.
pub(crate) const PAIR: &str = "a0V5MDEyMzQ1Njc4OWFiY2RlZlNFQ1JFVC8reHl6OnMzY29uZC1oYWxmLW9mLXRoZS1rZXktMDEyMzQ1Njc4OQ==";

/// Something that a service knows.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) country: &'static str,
}

/// What goes wrong with a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 429, with these seconds in `Retry-After`.
    Slow(Option<u64>),
    /// That status.
    Status(u16),
    /// The connection breaks in the middle of the body.
    Broken,
    /// The body ends in the middle of its JSON.
    CutJson,
    /// Shodan's word for a search that took too long, with the status 200.
    TimedOut,
    /// So many records, none of which is one.
    Bloated(usize),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) pairs: BTreeMap<String, String>,
    pub(crate) body: Value,
    pub(crate) status: u16,
    pub(crate) agent: String,
}

/// What a service knows and does.
pub(crate) struct Service {
    pub(crate) records: Vec<Record>,
    /// Faults of the replies to come, by path and page.
    pub(crate) faults: HashMap<(String, u32), VecDeque<Fault>>,
    /// Pages after which there is nothing, whatever the total.
    pub(crate) deepest: u32,
    /// What the Platform says of the page after one, where it is not the next.
    pub(crate) next: Option<fn(u32) -> u32>,
    /// How much the total differs from the truth after so many pages.
    pub(crate) drift: fn(u32) -> i64,
    /// Credits in the account.
    pub(crate) credits: u64,
    /// Credits that were taken.
    pub(crate) charged: u64,
    /// What a page or an aggregate of the Platform costs.
    pub(crate) cost: u64,
    /// Whether the key is no longer taken.
    pub(crate) expired: bool,
    /// Whether replies repeat the key.
    pub(crate) repeats_the_key: bool,
    /// Tokens of pages are only good for this life of the service.
    pub(crate) life: u32,
    pub(crate) seen: Vec<Seen>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            records: Vec::new(),
            faults: HashMap::new(),
            deepest: u32::MAX,
            next: None,
            drift: |_| 0,
            credits: 1_000_000,
            charged: 0,
            cost: 1,
            expired: false,
            repeats_the_key: false,
            life: 0,
            seen: Vec::new(),
        }
    }
}

/// A service that is up.
pub(crate) struct Running {
    pub(crate) url: String,
    service: Arc<Mutex<Service>>,
}

impl Running {
    pub(crate) fn service(&self) -> MutexGuard<'_, Service> {
        self.service.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How often a path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.service().seen.iter().filter(|seen| seen.path == path).count()
    }

    pub(crate) fn fault(&self, path: &str, page: u32, faults: &[Fault]) {
        self.service()
            .faults
            .entry((path.to_owned(), page))
            .or_default()
            .extend(faults.iter().copied());
    }
}

/// Some records in some countries, each with its port; addresses are documentation's.
pub(crate) fn records(parts: &[(&'static str, u16, usize)]) -> Vec<Record> {
    let mut all = Vec::new();
    for (country, port, count) in parts {
        for _ in 0..*count {
            let number = all.len();
            all.push(Record {
                address: format!("2001:db8::{number:x}"),
                port: *port,
                country,
            });
        }
    }
    all
}

/// Raises a service that speaks all three interfaces.
pub(crate) fn raise(service: Service) -> Running {
    let service = Arc::new(Mutex::new(service));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it can wait");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let shared = Arc::clone(&service);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&shared);
                tokio::task::spawn_local(async move {
                    let answer = hyper::service::service_fn(move |request| answer(Arc::clone(&shared), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(hyper_util::rt::TokioIo::new(stream), answer)
                        .await;
                });
            }
        });
    });
    Running { url, service }
}

async fn answer(service: Arc<Mutex<Service>>, request: Request<Incoming>) -> Result<Response<Sent>, io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let header = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut seen = Seen {
        at: Instant::now(),
        path: head.uri.path().to_owned(),
        pairs: head.uri.query().unwrap_or_default().split('&').filter_map(pair).collect(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        status: 0,
        agent: header("user-agent"),
    };
    let mut service = service.lock().unwrap_or_else(PoisonError::into_inner);
    let reply = service.answer(&seen, &header("authorization"));
    seen.status = reply.0;
    service.seen.push(seen);
    let (status, wait, sent) = (reply.0, reply.1, reply.2);
    let mut response = Response::builder().status(status);
    if let Some(seconds) = wait {
        response = response.header("retry-after", seconds.to_string());
    }
    response.body(sent).map_err(io::Error::other)
}

fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte == b'%' {
            let hex = std::str::from_utf8(rest.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(hex, 16).ok()?);
            rest = rest.get(2..)?;
        } else {
            bytes.push(byte);
        }
    }
    Some((name.to_owned(), String::from_utf8(bytes).ok()?))
}

type Reply = (u16, Option<u64>, Sent);

fn plain(status: u16, body: &Value) -> Reply {
    (status, None, Sent::whole(body.to_string()))
}

impl Service {
    fn answer(&mut self, seen: &Seen, authorization: &str) -> Reply {
        match seen.path.as_str() {
            path if path.starts_with("/shodan/") || path == "/api-info" => self.shodan(seen),
            path if path.starts_with("/v3/") => self.platform(seen, authorization),
            path if path.starts_with("/v2/") => self.legacy(seen, authorization),
            _ => plain(404, &json!({"error": "no such path"})),
        }
    }

    fn fault(&mut self, path: &str, page: u32) -> Option<Fault> {
        self.faults.get_mut(&(path.to_owned(), page)).and_then(VecDeque::pop_front)
    }

    /// A reply with what goes wrong with it. What was begun is charged, as the worst of services would.
    fn spoilt(&mut self, fault: Option<Fault>, cost: u64, body: &Value) -> Reply {
        let mut text = body.to_string();
        if self.repeats_the_key {
            text.insert_str(1, &format!("\"asked\":\"/x?key={KEY}\","));
        }
        let charged = !matches!(fault, Some(Fault::Slow(_)));
        self.charged += if charged { cost } else { 0 };
        match fault {
            None => (200, None, Sent::whole(text)),
            Some(Fault::Slow(wait)) => {
                let body = json!({"error": "Request rate limit reached (1 request/ second). Please wait a second before trying again and slow down your API calls."});
                (429, wait, Sent::whole(body.to_string()))
            }
            Some(Fault::Status(status)) => (status, None, Sent::whole("<html>Bad gateway</html>".to_owned())),
            Some(Fault::Broken) => (200, None, Sent::broken(&text)),
            Some(Fault::CutJson) => {
                text.truncate(text.len() / 2);
                (200, None, Sent::whole(text))
            }
            Some(Fault::Bloated(count)) => {
                let list = "1,".repeat(count - 1);
                (200, None, Sent::whole(format!("{{\"matches\":[{list}1],\"total\":250}}")))
            }
            Some(Fault::TimedOut) => plain(200, &json!({"error": "The search request timed out or your query was invalid."})),
        }
    }

    fn matching(&self, fits: impl Fn(&Record) -> bool) -> Vec<Record> {
        self.records.iter().filter(|record| fits(record)).cloned().collect()
    }

    fn total(&self, truth: usize, page: u32) -> i64 {
        (truth as i64 + (self.drift)(page)).max(0)
    }

    fn shodan(&mut self, seen: &Seen) -> Reply {
        let value = |name: &str| seen.pairs.get(name).map(String::as_str).unwrap_or_default();
        if self.expired || value("key") != KEY {
            // What its door says, in HTML.
            return (
                401,
                None,
                Sent::whole("<html><head><title>401 Unauthorized</title></head><body></body></html>".to_owned()),
            );
        }
        if seen.path == "/api-info" {
            let left = self.credits.saturating_sub(self.charged);
            let fault = self.fault(&seen.path, 0);
            return self.spoilt(
                fault,
                0,
                &json!({"plan": "dev", "query_credits": left, "scan_credits": 0, "https": true, "unlocked": true}),
            );
        }
        let query = value("query").to_owned();
        if query.contains("nonsense:") {
            return plain(400, &json!({"error": "Invalid search query: unknown filter nonsense"}));
        }
        let filters: Vec<(&str, &str)> = query.split(' ').filter_map(|word| word.split_once(':')).collect();
        let of = |name: &str| filters.iter().find(|(filter, _)| *filter == name).map(|(_, value)| *value);
        let (country, port) = (of("country"), of("port"));
        let fitting =
            self.matching(|record| country.is_none_or(|c| c == record.country) && port.is_none_or(|p| p == record.port.to_string()));
        if seen.path == "/shodan/host/count" {
            let mut facets = serde_json::Map::new();
            for facet in value("facets").split(',').filter(|facet| !facet.is_empty()) {
                let (name, most) = facet.split_once(':').unwrap_or((facet, "10"));
                let counted = counted(&fitting, name, most.parse().unwrap_or(10));
                let list = counted
                    .into_iter()
                    .map(|(value, count)| json!({"value": value, "count": count}))
                    .collect();
                facets.insert(name.to_owned(), Value::Array(list));
            }
            let fault = self.fault(&seen.path, 0);
            let total = self.total(fitting.len(), 0);
            return self.spoilt(fault, 0, &json!({"matches": [], "total": total, "facets": facets}));
        }
        let page: u32 = value("page").parse().unwrap_or(1);
        let cost = u64::from(page > 1 || !filters.is_empty());
        if self.charged + cost > self.credits {
            return plain(
                401,
                &json!({"error": "Insufficient query credits, please upgrade your API plan or wait for the monthly limit to reset"}),
            );
        }
        let matches: Vec<Value> = self.slice(&fitting, page).iter().map(banner).collect();
        let total = self.total(fitting.len(), page);
        let fault = self.fault(&seen.path, page);
        self.spoilt(fault, cost, &json!({"matches": matches, "total": total}))
    }

    fn slice(&self, fitting: &[Record], page: u32) -> Vec<Record> {
        if page > self.deepest {
            return Vec::new();
        }
        let start = (page as usize - 1) * PAGE;
        fitting.iter().skip(start).take(PAGE).cloned().collect()
    }

    fn platform(&mut self, seen: &Seen, authorization: &str) -> Reply {
        if self.expired || authorization != format!("Bearer {KEY}") {
            return plain(
                401,
                &json!({"error": {"code": 401, "status": "Unauthorized", "message": "Access credentials are invalid"}}),
            );
        }
        let organization = seen.pairs.get("organization_id").map(String::as_str);
        if organization != Some("11111111-2222-3333-4444-555555555555") {
            return plain(
                403,
                &json!({"title": "Forbidden", "status": 403, "detail": "The organization does not have access to this."}),
            );
        }
        let query = seen.body["query"].as_str().unwrap_or_default();
        if query.contains("nonsense") {
            return plain(
                422,
                &json!({"title": "Unprocessable Entity", "status": 422, "detail": "unknown field nonsense"}),
            );
        }
        if self.charged + self.cost > self.credits {
            return plain(
                403,
                &json!({"title": "Forbidden", "status": 403, "detail": "Insufficient credits to perform this action."}),
            );
        }
        let country = between(query, "host.location.country_code=\"", '"');
        let port = between(query, "and host.services.port=", ')');
        let fitting = self.matching(|record| {
            country.as_deref().is_none_or(|c| c == record.country) && port.as_deref().is_none_or(|p| p == record.port.to_string())
        });
        if seen.path == "/v3/global/search/aggregate" {
            let name = match seen.body["field"].as_str() {
                Some("host.location.country_code") => "country",
                _ => "port",
            };
            let most = seen.body["number_of_buckets"].as_u64().unwrap_or(0) as usize;
            let buckets: Vec<Value> = counted(&fitting, name, most)
                .into_iter()
                .map(|(key, count)| json!({"key": key, "count": count}))
                .collect();
            let fault = self.fault(&seen.path, 0);
            let body = json!({"result": {"buckets": buckets, "total_count": fitting.len(), "other_count": 0, "query_duration_millis": 1, "is_more_than_total_hits": false}});
            return self.spoilt(fault, self.cost, &body);
        }
        let page = match seen.body["page_token"].as_str() {
            None => 1,
            Some(token) => match self.page_of(token) {
                Some(page) => page,
                None => return plain(400, &json!({"title": "Bad Request", "status": 400, "detail": "invalid page token"})),
            },
        };
        let hits: Vec<Value> = self.slice(&fitting, page).iter().map(host).collect();
        let total = self.total(fitting.len(), page);
        let more = page as usize * PAGE < fitting.len() && page < self.deepest;
        let next = match self.next {
            Some(next) => self.token(next(page)),
            None if more => self.token(page + 1),
            None => String::new(),
        };
        let fault = self.fault(&seen.path, page);
        let body = json!({"result": {"hits": hits, "total_hits": total as f64, "next_page_token": next, "previous_page_token": "", "query_duration_millis": 1}});
        self.spoilt(fault, self.cost, &body)
    }

    fn legacy(&mut self, seen: &Seen, authorization: &str) -> Reply {
        let pair = format!("Basic {PAIR}");
        if self.expired || authorization != pair {
            return plain(
                401,
                &json!({"code": 401, "status": "Unauthorized", "error": "You must authenticate with a valid API ID and secret."}),
            );
        }
        let value = |name: &str| seen.pairs.get(name).map(String::as_str).unwrap_or_default();
        let fitting = self.records.clone();
        let page = match value("cursor") {
            "" => 1,
            cursor => match self.page_of(cursor) {
                Some(page) => page,
                None => {
                    return plain(
                        422,
                        &json!({"code": 422, "status": "Unprocessable Entity", "error": "Invalid cursor"}),
                    );
                }
            },
        };
        let hits: Vec<Value> = self.slice(&fitting, page).iter().map(old_host).collect();
        let more = page as usize * PAGE < fitting.len();
        let next = if more { self.token(page + 1) } else { String::new() };
        let fault = self.fault(&seen.path, page);
        let mut body = json!({"code": 200, "status": "OK", "result": {"query": value("q"), "total": fitting.len(), "hits": hits, "links": {"prev": "", "next": next}}});
        if self.repeats_the_key {
            body["headers"] = json!({"authorization": authorization});
        }
        self.spoilt(fault, 1, &body)
    }

    fn token(&self, page: u32) -> String {
        format!("life-{}-page-{page}", self.life)
    }

    fn page_of(&self, token: &str) -> Option<u32> {
        token.strip_prefix(&format!("life-{}-page-", self.life))?.parse().ok()
    }
}

fn between(text: &str, before: &str, after: char) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split(after).next().unwrap_or_default().trim().to_owned())
}

fn counted(records: &[Record], by: &str, most: usize) -> Vec<(Value, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for record in records {
        let value = if by == "country" {
            record.country.to_owned()
        } else {
            record.port.to_string()
        };
        *counts.entry(value).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let number = |text: String| text.parse::<u16>().map_or(Value::String(text), Value::from);
    counts.into_iter().take(most).map(|(value, count)| (number(value), count)).collect()
}

fn banner(record: &Record) -> Value {
    json!({
        "ip_str": record.address, "port": record.port, "transport": "tcp", "timestamp": "2026-11-01T07:21:33.444507",
        "asn": "AS64500", "hostnames": [], "domains": [], "product": "Ollama", "version": "0.12.3",
        "location": {"country_code": record.country},
        "http": {"status": 200, "title": null, "server": null, "html": "Ollama is running"},
        "data": "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n", "hash": 1,
        "_shodan": {"module": "http", "id": "x", "crawler": "x", "ptr": true, "options": {}}
    })
}

fn host(record: &Record) -> Value {
    json!({"host_v1": {"extensions": {}, "resource": {
        "ip": record.address, "service_count": 1, "labels": null,
        "location": {"country_code": record.country}, "autonomous_system": {"asn": 64500},
        "services": [{
            "port": record.port, "protocol": "OLLAMA", "transport_protocol": "tcp", "scan_time": "2026-11-01T07:21:33Z",
            "endpoints": [{"endpoint_type": "OLLAMA", "path": "/", "port": record.port,
                "http": {"status_code": 200, "body": "Ollama is running", "headers": {}},
                "ollama": {"version": "0.12.3", "models": [{"name": "llama3.2:3b", "digest": "abc", "size": 2}]}}]
        }]
    }}})
}

fn old_host(record: &Record) -> Value {
    json!({"ip": record.address, "services": [{"port": record.port, "service_name": "HTTP", "extended_service_name": "HTTP", "transport_protocol": "TCP",
        "observed_at": "2026-11-01T07:21:33.444Z"}], "location": {"country_code": record.country}, "autonomous_system": {"asn": 64500},
        "last_updated_at": "2026-11-01T07:21:33.444Z"})
}

/// A body that is whole, or breaks off.
struct Sent {
    data: Option<Bytes>,
    promised: u64,
    broken: bool,
}

impl Sent {
    fn whole(text: String) -> Self {
        Self {
            promised: text.len() as u64,
            data: Some(text.into()),
            broken: false,
        }
    }

    fn broken(text: &str) -> Self {
        Self {
            promised: text.len() as u64,
            data: Some(text.as_bytes()[..text.len() / 2].to_vec().into()),
            broken: true,
        }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.data.take() {
            Some(data) => Some(Ok(Frame::data(data))),
            None if self.broken => Some(Err(io::Error::other("broken off"))),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && !self.broken
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.data.as_ref().map_or(0, |_| self.promised))
    }
}

/// The time between the beginnings of requests, one after the other.
pub(crate) fn gaps(seen: &[Seen]) -> Vec<Duration> {
    seen.windows(2).map(|two| two[1].at - two[0].at).collect()
}
