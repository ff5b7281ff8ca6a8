//! A real Ballista scheduler and two executors as processes: the cluster gives the same answers as this machine, even if an executor is
//! killed during the study.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use vigie_assess::Knowledge;
use vigie_fleet::Census;
use vigie_lake::Lake;
use vigie_study::{Cluster, Provenance, QueryLimits, Question, Study, StudyOptions, StudyReport, TableStore};

/// A process that is killed at the end of the test.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(log: &Path, arguments: &[String]) -> Node {
    let log = std::fs::File::create(log).expect("a log");
    let child = Command::new(env!("CARGO_BIN_EXE_ballista-node"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("started");
    Node(child)
}

/// Different free ports of loopback.
fn ports<const N: usize>() -> [u16; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port"));
    std::array::from_fn(|nth| held[nth].local_addr().expect("an address").port())
}

/// Waits until something listens on a port, for a minute at most.
fn await_port(port: u16) {
    let begun = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nothing listens on {port}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The scheduler's address, the scheduler, and its two executors.
fn cluster(dir: &Path) -> (String, Node, [Node; 2]) {
    let [scheduler, a, b, c, d] = ports();
    let words = |text: String| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let first = start(
        &dir.join("scheduler.log"),
        &words(format!(
            "scheduler --bind-host 127.0.0.1 --external-host 127.0.0.1 --bind-port {scheduler} --executor-timeout-seconds 4 --expire-dead-executor-interval-seconds 1"
        )),
    );
    await_port(scheduler);
    let executors = [(a, b), (c, d)].map(|(flight, grpc)| {
        let work = dir.join(format!("work-{flight}"));
        std::fs::create_dir_all(&work).expect("a folder");
        start(
            &dir.join(format!("executor-{flight}.log")),
            &words(format!(
                "executor --scheduler-host 127.0.0.1 --scheduler-port {scheduler} --bind-host 127.0.0.1 --external-host 127.0.0.1 --bind-port {flight} --bind-grpc-port {grpc} --vcores 2 --executor-heartbeat-interval-seconds 1 --memory-pool-size 1GiB --work-dir {}",
                work.display()
            )),
        )
    });
    await_port(a);
    await_port(c);
    (format!("127.0.0.1:{scheduler}"), first, executors)
}

async fn population(dir: &Path) -> Lake {
    let census = Census::plan(11, 0.002);
    let lake = Lake::open_or_create(dir.join("lake")).await.expect("a lake");
    for month in (0..census.days()).collect::<Vec<_>>().chunks(30) {
        let batch: Vec<_> = month.iter().flat_map(|day| census.day(*day)).collect();
        lake.append(&batch).await.expect("appended");
    }
    lake
}

fn made() -> Provenance {
    Provenance {
        vigie: String::new(),
        at: chrono::DateTime::UNIX_EPOCH,
        lake: String::new(),
        catalog: String::new(),
        advisories: String::new(),
    }
}

/// The rows of an answer, sorted: the order of equally large rows is not fixed.
fn rows(report: &StudyReport, id: &str) -> Vec<String> {
    let entry = report.entries.iter().find(|entry| entry.question.id == id).expect("answered");
    let told = |answered: &vigie_study::QuestionAnswer| {
        let mut rows: Vec<String> = answered.rows.rows.iter().map(|row| rounded(&format!("{row:?}"))).collect();
        rows.sort_unstable();
        rows.insert(0, format!("{} {}", answered.denominator, answered.unknown));
        rows
    };
    let mut all = told(&entry.all);
    all.extend(entry.without_suspects.iter().flat_map(told));
    all
}

/// Rounds numbers, because float sums depend on the order of addition in their last digits.
fn rounded(text: &str) -> String {
    let mut out = String::new();
    let mut number = String::new();
    for sign in text.chars().chain([' ']) {
        if sign.is_ascii_digit() || (sign == '.' && !number.is_empty()) {
            number.push(sign);
            continue;
        }
        match number.parse::<f64>() {
            Ok(value) if number.contains('.') => out.push_str(&format!("{value:.9}")),
            _ => out.push_str(&number),
        }
        number.clear();
        out.push(sign);
    }
    out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_gives_the_same_answers_even_if_an_executor_is_killed() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = population(dir.path()).await;
    let knowledge = Knowledge::embedded();
    let questions: Vec<&'static Question> = Question::all().iter().collect();
    let here = Study::open(
        &TableStore::Memory,
        &lake,
        &knowledge,
        StudyOptions::default(),
        QueryLimits::default(),
        &mut |_| {},
    )
    .await
    .expect("opened");
    let here = StudyReport::make(&here, &questions, made(), &mut |_| {})
        .await
        .expect("answered here");

    let (at, _scheduler, executors) = cluster(dir.path());
    let cluster = Cluster::connect(&at, &lake, None, 4).await.expect("reached");
    let there = Study::open(
        &TableStore::Cluster(cluster.clone()),
        &lake,
        &knowledge,
        StudyOptions::default(),
        QueryLimits::default(),
        &mut |_| {},
    )
    .await
    .expect("opened by the cluster");
    let [first, second] = executors;
    let doomed = Arc::new(Mutex::new(Some(first)));
    let half = questions[questions.len() / 2].id.as_str();
    let there = StudyReport::make(&there, &questions, made(), &mut |id| {
        if id == half {
            // While the question is being answered.
            let doomed = Arc::clone(&doomed);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(60));
                drop(doomed.lock().expect("held").take());
            });
        }
    })
    .await
    .expect("answered by the cluster");
    assert!(doomed.lock().expect("held").is_none(), "one executor was killed");
    drop(second);

    for question in &questions {
        assert_eq!(rows(&there, &question.id), rows(&here, &question.id), "{}", question.id);
    }
    let scratch = dir.path().join("lake/_scratch");
    assert!(scratch.is_dir());
    cluster.clear().await.expect("cleared");
    assert!(!scratch.exists(), "nothing is left");
}

#[tokio::test]
async fn an_unreachable_cluster_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = Lake::open_or_create(dir.path()).await.expect("a lake");
    let [nobody] = ports();
    let error = Cluster::connect(&format!("127.0.0.1:{nobody}"), &lake, None, 4)
        .await
        .expect_err("nobody");
    assert!(error.to_string().contains(&format!("127.0.0.1:{nobody}")), "{error}");
}
