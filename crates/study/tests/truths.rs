//! Small lakes with answers computed by hand.

#[path = "../../lake/tests/common/mod.rs"]
mod common;
#[path = "../../lake/tests/common/gateway.rs"]
mod gateway;

use serde_json::Value;
use vigie_assess::Knowledge;
use vigie_lake::Lake;
use vigie_model::{Activity, Capability, Deception, Known, Model, Observation, Posture, Tell, Why};
use vigie_study::{QueryLimits, Question, QuestionAnswer, Study, StudyOptions, TableStore};

use common::{lake, observation};
use gateway::{DAY, entry, erased};

/// An address on a day, with an empty list of models.
fn seen(host: u8, day: i64) -> Observation {
    let mut one = observation([10, 0, 0, host], day * DAY, "0.11.4");
    one.exposure.models = Known::Known(Vec::new());
    one
}

/// The same, suspected to be a honeypot.
fn suspect(host: u8, day: i64) -> Observation {
    let mut one = seen(host, day);
    one.deception = Deception::from_tells(vec![Tell {
        id: "too-good".to_owned(),
        weight: 0.9,
        seen: "every path answers".to_owned(),
    }]);
    one
}

/// A model with these capabilities.
fn model(name: &str, can: &[&str]) -> Model {
    Model {
        capabilities: Known::Known(can.iter().map(|word| Capability::new(word)).collect()),
        ..Model::named(name.to_owned(), Why::NotCarried)
    }
}

struct Asked {
    with: QuestionAnswer,
    without: Option<QuestionAnswer>,
}

impl Asked {
    /// A cell of the first row with these values.
    fn cell(&self, having: &[(&str, Value)], column: &str) -> Value {
        cell(&self.with, having, column)
    }
}

fn cell(answer: &QuestionAnswer, having: &[(&str, Value)], column: &str) -> Value {
    let at = |name: &str| answer.rows.column(name).unwrap_or_else(|| panic!("no column {name}"));
    let row = answer
        .rows
        .rows
        .iter()
        .find(|row| having.iter().all(|(name, value)| row[at(name)] == *value));
    row.map_or(Value::Null, |row| row[at(column)].clone())
}

async fn ask(lake: &Lake, options: StudyOptions, id: &str) -> Asked {
    let knowledge = Knowledge::embedded();
    let study = Study::open(&TableStore::Memory, lake, &knowledge, options, QueryLimits::default(), &mut |_| {})
        .await
        .expect("opened");
    let entry = study.answer(Question::get(id).expect("a question")).await.expect("answered");
    Asked {
        with: entry.all,
        without: entry.without_suspects,
    }
}

async fn of(looks: &[Observation]) -> (tempfile::TempDir, Lake) {
    let (dir, lake) = lake().await;
    lake.append(looks).await.expect("appended");
    (dir, lake)
}

/// The window is that of all observations: leaving out suspects, or all products but one, does not shorten it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_window_is_that_of_everything_seen() {
    let mut other = seen(3, 60);
    other.identity.product = Known::Known("vllm".to_owned());
    let (_dir, lake) = of(&[
        seen(1, 0),
        seen(1, 1),
        seen(2, 0),
        seen(2, 10),
        seen(4, 0),
        seen(4, 20),
        suspect(9, 0),
        suspect(9, 59),
        other,
    ])
    .await;
    let asked = ask(&lake, StudyOptions::default(), "survival").await;
    let without = asked.without.expect("there are decoys");
    // Without suspects, two hosts are gone within ten days, and another within twenty.
    assert_eq!(cell(&without, &[("days", 14.into())], "gone"), 2, "{without:?}");
    let only = StudyOptions {
        products: vec!["ollama".to_owned()],
        ..StudyOptions::default()
    };
    let asked = ask(&lake, only.clone(), "survival").await;
    assert_eq!(cell(&asked.without.expect("there are decoys"), &[("days", 14.into())], "gone"), 2);
    // Two days of 61 are less than half of the window.
    let core = ask(&lake, only, "persistent-core").await;
    assert_eq!(core.cell(&[("definition", "share-of-window".into())], "hosts"), 0);
}

/// Attributes of an earlier product are not carried over to the one that answers now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_product_has_its_own_version() {
    let mut before = seen(1, 0);
    before.identity.version = Known::Known("0.1.30".to_owned());
    let mut now = seen(1, 4);
    now.identity.product = Known::Known("vllm".to_owned());
    now.identity.version = Known::unknown(Why::Hidden);
    now.exposure.models = Known::unknown(Why::Refused);
    now.exposure.posture = Known::Known(Posture::Key);
    let (_dir, lake) = of(&[before, now]).await;
    let versions = ask(&lake, StudyOptions::default(), "versions").await;
    assert_eq!(versions.with.denominator, 0, "{versions:?}", versions = versions.with);
    let models = ask(&lake, StudyOptions::default(), "models-per-host").await;
    assert_eq!((models.with.denominator, models.with.unknown), (0, 1));
    let products = ask(&lake, StudyOptions::default(), "products").await;
    assert_eq!(products.cell(&[("product", "vllm".into())], "hosts"), 1);
    assert_eq!(products.with.rows.rows.len(), 1);
}

/// The location of a host is the last known one, within a block of days, across blocks and across its ports.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_known_location_counts() {
    let stands = |host: u8, day: i64, port: u16, country: Option<&str>, asn: Option<u32>| {
        let mut one = seen(host, day);
        one.endpoint.port = port;
        if let Some(country) = country {
            one.network.country = Known::Known(country.to_owned());
        }
        if let Some(asn) = asn {
            one.network.asn = Known::Known(asn);
        }
        one
    };
    let (_dir, lake) = of(&[
        // The same state on two days.
        stands(1, 0, 11434, Some("US"), Some(9)),
        stands(1, 5, 11434, Some("DE"), Some(5)),
        // Known on one day, and not on a later one.
        stands(2, 0, 11434, Some("ZA"), None),
        stands(2, 5, 11434, Some("FR"), None),
        stands(2, 9, 11434, None, None),
        // Another port, later.
        stands(3, 0, 80, Some("US"), Some(9)),
        stands(3, 150, 11434, Some("IT"), Some(7)),
    ])
    .await;
    let countries = ask(&lake, StudyOptions::default(), "countries").await;
    for (country, hosts) in [("DE", 1), ("FR", 1), ("IT", 1)] {
        assert_eq!(countries.cell(&[("country", country.into())], "hosts"), hosts, "{country}");
    }
    assert_eq!(countries.with.rows.rows.len(), 3, "{:?}", countries.with.rows);
}

/// A model behind a key is not open because another port of the host is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_conditions_must_hold_on_one_endpoint() {
    let with_tools = |host: u8, port: u16, posture: Posture, can: &[&str]| {
        let mut one = seen(host, 0);
        one.endpoint.port = port;
        one.exposure.posture = Known::Known(posture);
        one.exposure.activity = Known::Known(Activity::Active);
        one.exposure.models = Known::Known(vec![model("m", can)]);
        one
    };
    let all = ["completion", "tools", "vision"];
    let (_dir, lake) = of(&[
        with_tools(1, 11434, Posture::Key, &all),
        with_tools(1, 11435, Posture::Open, &["completion"]),
        with_tools(2, 11434, Posture::Open, &all),
        with_tools(3, 11434, Posture::Key, &all),
    ])
    .await;
    let asked = ask(&lake, StudyOptions::default(), "open-tools").await;
    for (what, hosts) in [("open, with tools", 1), ("open, without tools", 1), ("not open", 1)] {
        let cells = ["hosts", "known", "unknown"].map(|column| asked.cell(&[("what", what.into())], column));
        assert_eq!(cells, [hosts.into(), Value::from(3), Value::from(0)], "{what}");
    }
    let exposure = ask(&lake, StudyOptions::default(), "exposure").await;
    for (score, hosts) in [(0, 1), (1, 1), (5, 1)] {
        assert_eq!(
            exposure.cell(&[("score", score.into())], "hosts"),
            hosts,
            "{:?}",
            exposure.with.rows
        );
    }
}

/// The models of a port that is reached by three names count once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_of_one_port_do_not_multiply_its_models() {
    let named = |name: Option<&str>| {
        let mut one = seen(1, 0);
        one.endpoint.name = name.map(str::to_owned);
        one.exposure.models = Known::Known((0..7).map(|n| model(&format!("m{n}"), &[])).collect());
        one
    };
    let mut other = named(None);
    other.endpoint.port = 8080;
    let (_dir, lake) = of(&[named(None), named(Some("a.example")), named(Some("b.example")), other]).await;
    let asked = ask(&lake, StudyOptions::default(), "models-per-host").await;
    assert_eq!(asked.cell(&[("models", "10-19".into())], "listed"), 14, "{:?}", asked.with.rows);
    let lists = ask(&lake, StudyOptions::default(), "models-by-month").await;
    let row = &lists.with.rows.rows[0];
    assert_eq!((lists.with.rows.number(row, "mean_models"), lists.with.denominator), (Some(7.0), 4));
}

/// Observations of families are shares of the lists in which every family is known; an empty list is known to have no component.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_families_are_in_no_denominator() {
    let lists = |host: u8, families: &[Option<&str>]| {
        let mut one = seen(host, 0);
        one.exposure.models = Known::Known(
            families
                .iter()
                .enumerate()
                .map(|(n, family)| Model {
                    family: family.map_or(Known::unknown(Why::NotCarried), |family| Known::Known(family.to_owned())),
                    ..model(&format!("m{n}"), &[])
                })
                .collect(),
        );
        one
    };
    let (_dir, lake) = of(&[
        lists(1, &[Some("llama")]),
        lists(2, &[Some("llama"), Some("qwen2")]),
        lists(3, &[None]),
        lists(4, &[None]),
        lists(5, &[Some("llama"), None]),
        lists(6, &[]),
    ])
    .await;
    let families = ask(&lake, StudyOptions::default(), "families").await;
    let llama = |column: &str| families.cell(&[("family", "llama".into())], column);
    assert_eq!([llama("hosts"), llama("known"), llama("unknown")], [3, 4, 2].map(Value::from));
    // Every family in the lists of hosts 1, 2 and 6 is known.
    assert_eq!([llama("observations"), llama("observations_known")], [2, 3].map(Value::from));
    let risk = ask(&lake, StudyOptions::default(), "systemic-risk").await;
    let of_risk = |component: &str| {
        ["hosts", "known", "unknown"].map(|column| risk.cell(&[("kind", "family".into()), ("component", component.into())], column))
    };
    assert_eq!(of_risk("llama"), [3, 4, 2].map(Value::from));
    assert_eq!(of_risk("qwen2"), [1, 3, 3].map(Value::from));
}

/// Two gateways, two months, two keys; one request without a key, and one that was erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_used_what() {
    let (_dir, lake) = of(&[seen(1, 0), suspect(2, 0)]).await;
    let by = |gateway: &str, seq: u64, day: i64, key: &str| {
        let mut one = entry(gateway, seq, day * DAY);
        one.key_id = Known::Known(key.to_owned());
        one.output_tokens = Known::Known(4);
        one
    };
    let mut aborted = by("a", 2, 0, "key_1");
    aborted.outcome = "aborted".to_owned();
    aborted.prompt_tokens = Known::unknown(Why::NotCarried);
    aborted.output_tokens = Known::unknown(Why::NotCarried);
    let mut refused = by("a", 3, 1, "key_1");
    refused.outcome = "refused".to_owned();
    refused.model = None;
    let mut nobody = by("a", 4, 1, "");
    nobody.outcome = "refused".to_owned();
    nobody.key_id = Known::unknown(Why::Refused);
    let mut other = by("b", 1, 1, "key_2");
    other.model = Some("large".to_owned());
    lake.append_requests(&[
        by("a", 1, 0, "key_1"),
        aborted,
        refused,
        nobody,
        erased(&by("a", 5, 1, "key_1")),
        other,
        // The tests begin on the 18th of November 2026.
        by("a", 6, 20, "key_2"),
    ])
    .await
    .expect("appended");

    let keys = ask(&lake, StudyOptions::default(), "gateway-keys").await;
    assert_eq!((keys.with.denominator, keys.with.unknown), (5, 2));
    assert_eq!(
        keys.without.as_ref().map(|without| without.denominator),
        Some(5),
        "suspects are no clients"
    );
    let first = [("month", "2026-11".into()), ("key", "key_1".into())];
    let wanted: [(&str, Value); 8] = [
        ("gateway", "a".into()),
        ("name", "alice".into()),
        ("requests", 3.into()),
        ("refused", 1.into()),
        ("models", 1.into()),
        ("prompt_tokens", 128.into()),
        ("output_tokens", 8.into()),
        ("unmeasured", 1.into()),
    ];
    for (column, value) in wanted {
        assert_eq!(keys.cell(&first, column), value, "{column}");
    }
    assert_eq!(keys.cell(&[("month", "2026-12".into()), ("key", "key_2".into())], "requests"), 1);
    assert_eq!(keys.cell(&[("gateway", "b".into())], "key"), "key_2");

    let models = ask(&lake, StudyOptions::default(), "gateway-models").await;
    assert_eq!((models.with.denominator, models.with.unknown), (5, 0));
    let tiny = [("month", "2026-11".into()), ("model", "tiny:latest".into())];
    // Of the erased one, the model and the tokens are left.
    assert_eq!(
        (models.cell(&tiny, "requests"), models.cell(&tiny, "answered")),
        (3.into(), 2.into())
    );
    assert_eq!((models.cell(&tiny, "keys"), models.cell(&tiny, "gateways")), (1.into(), 1.into()));

    let since = StudyOptions {
        since: Some("2026-12-01".parse().expect("a day")),
        ..StudyOptions::default()
    };
    assert_eq!(ask(&lake, since, "gateway-keys").await.with.denominator, 1);
}

/// Upgrades compare the first and the last version, on different days.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_is_no_upgrade() {
    let runs = |host: u8, seconds: i64, version: &str| {
        let mut one = observation([10, 0, 0, host], seconds, version);
        one.exposure.models = Known::Known(Vec::new());
        one
    };
    let (_dir, lake) = of(&[
        runs(1, 0, "0.9.0"),
        runs(1, 5 * DAY, "0.9.1"),
        runs(2, 0, "0.9.0"),
        runs(2, 5 * DAY, "0.9.1"),
        runs(2, 9 * DAY, "0.9.0"),
        // Twice on one day: not in the denominator.
        runs(3, 0, "0.9.0"),
        runs(3, 60, "0.9.1"),
    ])
    .await;
    let asked = ask(&lake, StudyOptions::default(), "upgrades").await;
    assert_eq!((asked.with.denominator, asked.with.unknown), (2, 1));
    for (change, endpoints) in [("upgraded", 1), ("there and back", 1), ("downgraded", 0)] {
        assert_eq!(asked.cell(&[("change", change.into())], "endpoints"), endpoints, "{change}");
    }
}
