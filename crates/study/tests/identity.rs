//! The number of machines behind addresses, by each kind of mark.

#[path = "../../lake/tests/common/mod.rs"]
mod common;

use vigie_assess::Knowledge;
use vigie_model::{Certificate, Known, Observation};
use vigie_study::{QueryLimits, Question, Study, StudyOptions, TableStore};

use common::{lake, observation};

const DAY: i64 = 86_400;

/// An address without a mark, seen on one day.
fn plain(host: u8, day: i64) -> Observation {
    let mut one = observation([10, 0, 0, host], day * DAY, "0.1.0");
    one.exposure.models = Known::Known(Vec::new());
    one
}

/// An address with an instance id.
fn told(host: u8, day: i64, product: &str, instance: &str) -> Observation {
    let mut one = plain(host, day);
    one.identity.product = Known::Known(product.to_owned());
    one.identity.instance = Known::Known(instance.to_owned());
    one
}

/// An address with a certificate.
fn showed(host: u8, day: i64, sha256: &str) -> Observation {
    let mut one = plain(host, day);
    one.endpoint.certificate = Some(Certificate {
        sha256: sha256.to_owned(),
        subject: "CN=home".to_owned(),
        issuer: "CN=home".to_owned(),
        names: Vec::new(),
        not_before: None,
        not_after: None,
        self_signed: true,
    });
    one
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instance_ids_and_certificates_identify_machines() {
    let (_dir, lake) = lake().await;
    lake.append(&[
        // One machine, whose address changed.
        told(1, 0, "gradio", "9006687150180801637"),
        told(2, 3, "gradio", "9006687150180801637"),
        // Two present at the same time with the same id.
        told(3, 1, "gradio", "8528754147671131693"),
        told(4, 1, "gradio", "8528754147671131693"),
        // The same id of another product is a different mark.
        told(5, 8, "ray", "9006687150180801637"),
        // One machine by its certificate.
        showed(6, 0, "aa"),
        showed(7, 5, "aa"),
        // An address without a mark.
        plain(8, 0),
    ])
    .await
    .expect("appended");

    let knowledge = Knowledge::embedded();
    let study = Study::open(
        &TableStore::Memory,
        &lake,
        &knowledge,
        StudyOptions::default(),
        QueryLimits::default(),
        &mut |_| {},
    )
    .await
    .expect("opened");
    let answer = study
        .answer(Question::get("identity").expect("a question"))
        .await
        .expect("answered")
        .all;
    assert_eq!((answer.denominator, answer.unknown), (7, 1));
    let count = |counted: &str| {
        let row = answer.rows.rows.iter().find(|row| row[0] == counted);
        row.map(|row| row[1].as_i64().expect("a count"))
    };
    assert_eq!(count("addresses"), Some(8));
    assert_eq!(count("identities"), Some(6));
    assert_eq!(count("addresses with a mark"), Some(7));
    assert_eq!(count("addresses that are an earlier machine again"), Some(2));
    assert_eq!(count("addresses that share a mark: instance"), Some(4));
    assert_eq!(count("addresses that share a mark: certificate"), Some(2));
    assert_eq!(count("addresses that share a mark: models"), None);
}
