//! One thread's connection to Redis.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::resp::{self, Reply};
use super::{Away, Joined, Remote, SCRIPT, Verdict};
use crate::limit::Limiter;
use crate::limit::account::{Over, Standing};
use crate::limit::limits::{Limit, Limits};

/// How long Redis may take for anything.
const PATIENCE: Duration = Duration::from_secs(2);
/// The first pause before another connection, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How often a thread shows that it lives.
const BEAT: Duration = Duration::from_secs(5);
/// The longest wait for other gateways, after Redis lost its data.
const JOIN: Duration = Duration::from_secs(10);

/// One thread's connection to Redis.
pub(crate) struct Link {
    remote: Arc<Remote>,
    /// The name of this thread in this process.
    who: String,
    state: RefCell<State>,
    /// Something is to be sent.
    wake: Notify,
    /// A reply is late: the connection is given up.
    late: Notify,
}

#[derive(Default)]
struct State {
    is_ready: bool,
    /// The script's name in Redis.
    script: String,
    number: u64,
    /// What was asked for and not answered, in the order in which it was sent.
    ops: VecDeque<Op>,
    /// What the replies to come belong to.
    expected: VecDeque<Expected>,
    out: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Op,
    Beat,
}

struct Op {
    number: u64,
    what: What,
    key: Box<str>,
    at: Instant,
}

enum What {
    /// `None`: the caller already got the error that Redis is away.
    Admit {
        limits: Limits,
        infers: bool,
        tell: Option<oneshot::Sender<Verdict>>,
    },
    Settle(u64),
    Cancel(i64),
}

/// The place of a request that Redis has counted. Dropped, it counts no tokens.
pub(crate) struct RemotePermit {
    link: Rc<Link>,
    key: Box<str>,
    bucket: i64,
    /// Whether it has one of the places of `concurrent`.
    has_place: bool,
    is_settled: bool,
}

impl RemotePermit {
    /// Counts the tokens of the request and gives its place back.
    pub(crate) fn settle(mut self, tokens: u64) {
        self.end(tokens);
    }

    /// Counts the request as if it had never come.
    pub(crate) fn cancel(mut self) {
        self.is_settled = true;
        self.link.push(&self.key, What::Cancel(self.bucket));
    }

    fn end(&mut self, tokens: u64) {
        if !std::mem::replace(&mut self.is_settled, true) && (tokens > 0 || self.has_place) {
            self.link.push(&self.key, What::Settle(tokens));
        }
    }
}

impl Drop for RemotePermit {
    fn drop(&mut self) {
        self.end(0);
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

/// A connection that is being made ready.
struct Connection {
    io: Box<dyn Io>,
    buffer: BytesMut,
}

impl Link {
    pub(crate) fn new(remote: &Arc<Remote>) -> Rc<Self> {
        use std::hash::{BuildHasher as _, Hasher as _};
        remote.links.fetch_add(1, Ordering::Relaxed);
        let random = || std::hash::RandomState::new().build_hasher().finish();
        Rc::new(Self {
            remote: Arc::clone(remote),
            who: format!("{:016x}{:016x}", random(), random()),
            state: RefCell::default(),
            wake: Notify::new(),
            late: Notify::new(),
        })
    }

    /// Admits a request of a key and counts it, or names the limit that it is over. A key without limits is not counted.
    ///
    /// # Errors
    ///
    /// Redis does not answer.
    pub(crate) async fn admit(
        self: &Rc<Self>,
        key: &str,
        limits: &Limits,
        infers: bool,
    ) -> Result<(Result<Option<RemotePermit>, Over>, Standing), Away> {
        if !self.state.borrow().is_ready {
            return Err(Away);
        }
        if limits.is_none() {
            return Ok((Ok(None), Standing::default()));
        }
        let (tell, told) = oneshot::channel();
        self.push(
            key,
            What::Admit {
                limits: *limits,
                infers,
                tell: Some(tell),
            },
        );
        let verdict = match timeout(PATIENCE, told).await {
            Ok(Ok(verdict)) => verdict,
            Ok(Err(_)) => return Err(Away),
            Err(_) => {
                self.late.notify_one();
                return Err(Away);
            }
        };
        let admitted = match verdict.over {
            Some(over) => Err(over),
            None => Ok(Some(RemotePermit {
                link: Rc::clone(self),
                key: key.into(),
                bucket: verdict.bucket,
                has_place: limits.concurrent.is_some(),
                is_settled: false,
            })),
        };
        Ok((admitted, verdict.standing))
    }

    /// Connects, and again whenever the connection breaks, until the thread ends. `limiter`: what this gateway has counted itself.
    pub(crate) async fn run(self: Rc<Self>, limiter: Arc<Limiter>) {
        let mut pause = PAUSE.0;
        loop {
            let why = match self.connect(&limiter).await {
                Err(why) => why,
                Ok(connection) => {
                    pause = PAUSE.0;
                    self.remote.ready.fetch_add(1, Ordering::Relaxed);
                    self.remote.say_back();
                    let why = self.serve(connection).await;
                    self.remote.ready.fetch_sub(1, Ordering::Relaxed);
                    why
                }
            };
            self.broke();
            self.remote.say_away(&why);
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE.1);
        }
    }

    /// Waits until Redis has answered everything, for a while.
    pub(crate) async fn finish(&self) {
        let done = async {
            while !self.state.borrow().ops.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        // What is not counted by then is in the log.
        let _ = timeout(PATIENCE, done).await;
    }

    fn push(&self, key: &str, what: What) {
        let mut state = self.state.borrow_mut();
        state.number += 1;
        let op = Op {
            number: state.number,
            what,
            key: key.into(),
            at: Instant::now(),
        };
        if state.is_ready {
            self.send(&mut state, &op);
        }
        state.ops.push_back(op);
    }

    fn send(&self, state: &mut State, op: &Op) {
        let script = std::mem::take(&mut state.script);
        let (base, number) = (base(&op.key), op.number.to_string());
        let mut words = vec!["EVALSHA", &script, "1", &base];
        let numbers = match &op.what {
            What::Admit { limits, infers, .. } => {
                let most = |limit| limits.get(limit).map_or(-1, |most| i64::try_from(most).unwrap_or(i64::MAX));
                let [rpm, tpm, tpd, concurrent] = Limit::ALL.map(most);
                words.extend(["admit", &self.who, &number]);
                vec![rpm, tpm, tpd, concurrent, i64::from(*infers)]
            }
            What::Settle(tokens) => {
                words.extend(["settle", &self.who, &number]);
                vec![i64::try_from(*tokens).unwrap_or(i64::MAX)]
            }
            What::Cancel(bucket) => {
                words.extend(["cancel", &self.who, &number]);
                vec![*bucket]
            }
        };
        let numbers: Vec<String> = numbers.iter().map(i64::to_string).collect();
        words.extend(numbers.iter().map(String::as_str));
        resp::write(&mut state.out, &words);
        state.script = script;
        state.expected.push_back(Expected::Op);
        self.wake.notify_one();
    }

    /// The connection is gone: whoever waits for a verdict gets none.
    fn broke(&self) {
        let mut state = self.state.borrow_mut();
        state.is_ready = false;
        state.expected.clear();
        state.out.clear();
        for op in &mut state.ops {
            if let What::Admit { tell, .. } = &mut op.what {
                *tell = None;
            }
        }
    }

    /// Sends what there is and reads replies until the connection breaks. Returns why.
    async fn serve(&self, mut connection: Connection) -> String {
        let mut beat = tokio::time::interval(BEAT);
        loop {
            let out = std::mem::take(&mut self.state.borrow_mut().out);
            if !out.is_empty() {
                match timeout(PATIENCE, connection.io.write_all(&out)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => return "it takes nothing".to_owned(),
                }
            }
            tokio::select! {
                read = connection.io.read_buf(&mut connection.buffer) => match read {
                    Ok(0) => return "it closed the connection".to_owned(),
                    Err(error) => return error.to_string(),
                    Ok(_) => {}
                },
                () = self.wake.notified() => continue,
                () = self.late.notified() => return "a reply is late".to_owned(),
                _ = beat.tick() => {
                    self.beat();
                    continue;
                }
            }
            loop {
                match resp::read(&mut connection.buffer) {
                    Err(_) => return "what it sent is no reply".to_owned(),
                    Ok(None) => break,
                    Ok(Some(reply)) => {
                        if let Err(why) = self.answered(&reply) {
                            return why;
                        }
                    }
                }
            }
        }
    }

    fn beat(&self) {
        let mut state = self.state.borrow_mut();
        let script = state.script.clone();
        resp::write(
            &mut state.out,
            &["EVALSHA", &script, "1", "vigie:", "beat", &self.who, "0", &self.remote.gateway],
        );
        state.expected.push_back(Expected::Beat);
        self.wake.notify_one();
    }

    fn answered(&self, reply: &Reply) -> Result<(), String> {
        let numbers = numbers(reply)?;
        let mut state = self.state.borrow_mut();
        match state.expected.pop_front() {
            None => return Err("a reply to nothing".to_owned()),
            Some(Expected::Beat) => {
                let gateways = numbers.first().and_then(|count| u64::try_from(*count).ok()).unwrap_or(1);
                self.remote.gateways.store(gateways, Ordering::Relaxed);
                return Ok(());
            }
            Some(Expected::Op) => {}
        }
        let Some(op) = state.ops.pop_front() else {
            return Err("a reply to nothing".to_owned());
        };
        drop(state);
        if let What::Admit { limits, tell, .. } = op.what {
            let verdict = Verdict::read(&numbers, &limits).ok_or("a reply that is none of the script")?;
            let was_told = tell.is_some_and(|tell| tell.send(verdict).is_ok());
            if !was_told && verdict.over.is_none() {
                // Whoever asked has gone.
                self.push(&op.key, What::Cancel(verdict.bucket));
            }
        }
        Ok(())
    }

    async fn connect(&self, limiter: &Limiter) -> Result<Connection, String> {
        let place = &self.remote.place;
        let connected = timeout(PATIENCE, TcpStream::connect((place.host.as_str(), place.port))).await;
        let stream = connected
            .map_err(|_| "no connection in time".to_owned())?
            .map_err(|error| error.to_string())?;
        // Small requests should not wait for one another.
        let _ = stream.set_nodelay(true);
        let io: Box<dyn Io> = match &self.remote.tls {
            None => Box::new(stream),
            Some((tls, name)) => {
                let stream = timeout(PATIENCE, tls.connect(name.clone(), stream)).await;
                Box::new(
                    stream
                        .map_err(|_| "no TLS in time".to_owned())?
                        .map_err(|error| error.to_string())?,
                )
            }
        };
        let mut connection = Connection {
            io,
            buffer: BytesMut::with_capacity(8 * 1024),
        };
        if let Some(password) = &self.remote.password {
            let words = match &self.remote.user {
                None => vec!["AUTH", password],
                Some(user) => vec!["AUTH", user, password],
            };
            connection.ask(&words).await?;
        }
        if place.database > 0 {
            connection.ask(&["SELECT", &place.database.to_string()]).await?;
        }
        let Reply::Text(script) = connection.ask(&["SCRIPT", "LOAD", SCRIPT]).await? else {
            return Err("it takes no script".to_owned());
        };
        let seen = match connection.ask(&["GET", &format!("vigie:seen:{}", self.who)]).await? {
            Reply::Text(number) => number.parse().map_err(|_| "a number that is none".to_owned())?,
            _ => 0,
        };
        let counted = match connection
            .ask(&["LRANGE", &format!("vigie:counted:{}", self.who), "0", "-1"])
            .await?
        {
            Reply::List(items) => items.iter().filter_map(counted).collect(),
            _ => HashMap::new(),
        };
        let joined = self.join(&mut connection, &script, limiter).await?;
        self.resume(script, seen, &counted, joined.added);
        Ok(connection)
    }

    /// Goes on where the connection before broke. `seen`: the last number that Redis has done; `counted`: the last
    /// numbers of admissions that it counted, and where. `added`: what was counted before is in Redis
    /// already, because this gateway added its counts after Redis had lost its data.
    fn resume(&self, script: String, seen: u64, counted: &HashMap<u64, i64>, added: Option<Instant>) {
        let mut state = self.state.borrow_mut();
        state.is_ready = true;
        state.script = script;
        state.out.clear();
        state.expected.clear();
        state.number = state.number.max(seen);
        let before = std::mem::take(&mut state.ops);
        drop(state);
        for op in before {
            let is_done = op.number <= seen;
            let is_added = added.is_some_and(|added| op.at <= added);
            match op.what {
                // If it was counted, its reply was lost, and it was not passed on.
                What::Admit { .. } => {
                    if let Some(bucket) = counted.get(&op.number) {
                        self.push(&op.key, What::Cancel(*bucket));
                    }
                }
                What::Settle(_) | What::Cancel(_) if is_done || is_added => {}
                what => self.push(&op.key, what),
            }
        }
    }

    /// Makes sure that Redis has this gateway's own counts, and those of others, if it lost its data.
    async fn join(&self, connection: &mut Connection, script: &str, limiter: &Limiter) -> Result<Joined, String> {
        connection.ask(&["SET", "vigie:epoch", &self.who, "NX"]).await?;
        let Reply::Text(epoch) = connection.ask(&["GET", "vigie:epoch"]).await? else {
            return Err("it keeps nothing".to_owned());
        };
        loop {
            {
                let mut state = self.remote.epoch();
                if let Some(joined) = state.joined.as_ref().filter(|joined| joined.epoch == epoch) {
                    return Ok(joined.clone());
                }
                if !state.joining {
                    state.joining = true;
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let added = self.add_own(connection, script, &epoch, limiter).await;
        let mut state = self.remote.epoch();
        state.joining = false;
        let joined = Joined { epoch, added: added? };
        state.joined = Some(joined.clone());
        Ok(joined)
    }

    /// Adds this gateway's counts, unless they are there, and waits for those of others. When the counts were read; `None`: they are there.
    async fn add_own(&self, connection: &mut Connection, script: &str, epoch: &str, limiter: &Limiter) -> Result<Option<Instant>, String> {
        let set = format!("vigie:joined:{epoch}");
        let gateway = self.remote.gateway.as_str();
        if connection.ask(&["SISMEMBER", &set, gateway]).await? == Reply::Number(1) {
            return Ok(None);
        }
        let read = Instant::now();
        for share in limiter.shares() {
            let amounts = [share.requests, share.tokens, share.today].map(|amount| amount.to_string());
            let [requests, tokens, today] = &amounts;
            let base = base(&share.key);
            let words = ["EVALSHA", script, "1", &base, "restore", &self.who, "0", requests, tokens, today];
            numbers(&connection.ask(&words).await?)?;
        }
        connection.ask(&["SADD", &set, gateway]).await?;
        let others = self.remote.gateways.load(Ordering::Relaxed);
        let until = Instant::now() + JOIN;
        while Instant::now() < until {
            match connection.ask(&["SCARD", &set]).await? {
                Reply::Number(count) if u64::try_from(count).is_ok_and(|count| count >= others) => break,
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        Ok(Some(read))
    }
}

impl Connection {
    /// Asks for one thing while the connection is made ready. An error of Redis is an error.
    async fn ask(&mut self, words: &[&str]) -> Result<Reply, String> {
        let mut out = Vec::new();
        resp::write(&mut out, words);
        let asked = async {
            self.io.write_all(&out).await.map_err(|error| error.to_string())?;
            loop {
                if let Some(reply) = resp::read(&mut self.buffer).map_err(|_| "what it sent is no reply".to_owned())? {
                    return Ok(reply);
                }
                match self.io.read_buf(&mut self.buffer).await {
                    Ok(0) => return Err("it closed the connection".to_owned()),
                    Ok(_) => {}
                    Err(error) => return Err(error.to_string()),
                }
            }
        };
        match timeout(PATIENCE, asked).await {
            Err(_) => Err("a reply is late".to_owned()),
            Ok(Ok(Reply::Error(why))) => Err(plain(&why)),
            Ok(done) => done,
        }
    }
}

/// The beginning of the names of a key's counts. The braces are Redis' own way to keep them together.
fn base(key: &str) -> String {
    format!("vigie:{{{key}}}")
}

/// The number of an admission that was counted, and where.
fn counted(item: &Reply) -> Option<(u64, i64)> {
    let Reply::Text(text) = item else { return None };
    let (number, bucket) = text.split_once(' ')?;
    Some((number.parse().ok()?, bucket.parse().ok()?))
}

/// The numbers of a reply of the script.
fn numbers(reply: &Reply) -> Result<Vec<i64>, String> {
    let number = |item: &Reply| match item {
        Reply::Number(number) => Ok(*number),
        _ => Err("a reply that is none of the script".to_owned()),
    };
    match reply {
        Reply::List(items) => items.iter().map(number).collect(),
        Reply::Error(why) => Err(plain(why)),
        _ => Err("a reply that is none of the script".to_owned()),
    }
}

/// The text of an error, without what a terminal would obey, and short.
fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control()).take(200).collect()
}
