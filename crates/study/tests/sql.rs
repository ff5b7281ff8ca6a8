//! SQL queries over a lake.

#[path = "../../lake/tests/common/mod.rs"]
mod common;

use vigie_model::{Known, Why};
use vigie_study::{Error, Form, QueryEngine, QueryLimits, cells};

use common::{lake, observation};

const SMALL: QueryLimits = QueryLimits {
    memory: 256 * 1024 * 1024,
    threads: 2,
};

/// The cells of an answer; `None`: unknown.
async fn ask(engine: &QueryEngine, sql: &str) -> Vec<Vec<Option<String>>> {
    let answer = engine.ask(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    let batches = answer.all().await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    batches.iter().flat_map(|batch| cells(batch).expect("text")).collect()
}

fn row(cells: &[&str]) -> Vec<Option<String>> {
    cells.iter().map(|cell| (*cell != "?").then(|| (*cell).to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_is_null_with_its_reason_and_never_zero() {
    let (_dir, lake) = lake().await;
    let mut silent = observation([10, 0, 0, 2], 5, "0.1.0");
    silent.exposure.models = Known::unknown(Why::Refused);
    silent.identity.version = Known::unknown(Why::Hidden);
    let mut empty = observation([10, 0, 0, 3], 6, "0.2.0");
    empty.exposure.models = Known::Known(Vec::new());
    lake.append(&[observation([10, 0, 0, 1], 0, "0.1.0"), silent, empty])
        .await
        .expect("appended");

    let engine = QueryEngine::open(&lake, SMALL).await.expect("opened");
    let rows = ask(
        &engine,
        "SELECT address, version, version_why, models, models_why FROM observations ORDER BY address",
    )
    .await;
    assert_eq!(
        rows,
        [
            row(&["10.0.0.1", "0.1.0", "?", "2", "?"]),
            row(&["10.0.0.2", "?", "hidden", "?", "refused"]),
            row(&["10.0.0.3", "0.2.0", "?", "0", "?"]),
        ]
    );
    let joined = "SELECT o.address, m.name FROM observations o JOIN models m USING (state) ORDER BY address, m.position";
    assert_eq!(ask(&engine, joined).await.len(), 2);
    // Tables without files are empty.
    assert_eq!(ask(&engine, "SELECT count(*) FROM tools").await, [row(&["0"])]);
    assert_eq!(ask(&engine, "SELECT count(*), max(observed) FROM scans").await, [row(&["0", "?"])]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_write_are_rejected() {
    let (dir, lake) = lake().await;
    lake.append(&[observation([10, 0, 0, 1], 0, "0.1.0")]).await.expect("appended");
    let engine = QueryEngine::open(&lake, SMALL).await.expect("opened");
    let elsewhere = dir.path().join("out.csv").display().to_string();
    for sql in [
        "DROP TABLE observations".to_owned(),
        "CREATE TABLE x AS SELECT 1".to_owned(),
        "INSERT INTO observations SELECT * FROM observations".to_owned(),
        "DELETE FROM observations".to_owned(),
        "UPDATE observations SET port = 1".to_owned(),
        format!("COPY observations TO '{elsewhere}'"),
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "EXPLAIN ANALYZE INSERT INTO observations SELECT * FROM observations".to_owned(),
    ] {
        let refused = match engine.ask(&sql).await {
            Err(Error::NotReadOnly(_) | Error::Query(_)) => true,
            Ok(answer) => answer.all().await.is_err(),
            Err(_) => false,
        };
        assert!(refused, "{sql}");
    }
    assert!(!std::path::Path::new(&elsewhere).exists());
    assert_eq!(ask(&engine, "SELECT count(*) FROM observations").await, [row(&["1"])]);
    let error = engine.ask("SELECT nothing FROM observations").await.expect_err("no such column");
    assert!(error.to_string().contains("nothing"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_written_whole_in_each_form() {
    let (_dir, lake) = lake().await;
    let all: Vec<_> = (0..50)
        .map(|host| observation([10, 0, 0, host], i64::from(host), "0.1.0"))
        .collect();
    lake.append(&all).await.expect("appended");
    let engine = QueryEngine::open(&lake, SMALL).await.expect("opened");
    let sql = "SELECT address, country, models FROM observations ORDER BY seen";
    let mut written = Vec::new();
    for form in [Form::Json, Form::Csv, Form::Parquet] {
        let mut bytes = Vec::new();
        let rows = engine
            .ask(sql)
            .await
            .expect("asked")
            .write(form, &mut bytes)
            .await
            .expect("written");
        assert_eq!(rows, 50, "{form:?}");
        written.push(bytes);
    }
    let json = String::from_utf8(written[0].clone()).expect("text");
    assert_eq!(json.lines().count(), 50);
    assert_eq!(json.lines().next(), Some(r#"{"address":"10.0.0.0","country":null,"models":2}"#));
    let csv = String::from_utf8(written[1].clone()).expect("text");
    assert!(csv.starts_with("address,country,models\n10.0.0.0,,2\n"), "{csv}");
    assert_eq!(&written[2][..4], b"PAR1");
    // An empty result is written too.
    let mut none = Vec::new();
    let answer = engine.ask("SELECT address FROM observations WHERE port = 1").await.expect("asked");
    assert_eq!(answer.write(Form::Csv, &mut none).await.expect("written"), 0);
    assert_eq!(none, b"address\n");
}
