//! A simulated population with known figures: the study finds every one.

use std::collections::BTreeMap;

use vigie_assess::Knowledge;
use vigie_fleet::Census;
use vigie_lake::Lake;
use vigie_study::coverage::{Covered, coverage};
use vigie_study::planted::{Figure, check};
use vigie_study::{QueryLimits, Question, QuestionAnswer, Study, StudyOptions, TableStore};

/// A population in a new lake.
async fn planted(seed: u64, scale: f64) -> (tempfile::TempDir, Lake, Census) {
    let census = Census::plan(seed, scale);
    let dir = tempfile::tempdir().expect("a folder");
    let lake = Lake::open_or_create(dir.path().join("lake")).await.expect("a lake");
    // A week at a time: fewer commits, the same lake.
    for week in (0..census.days()).collect::<Vec<_>>().chunks(7) {
        let batch: Vec<_> = week.iter().flat_map(|day| census.day(*day)).collect();
        let done = lake.append(&batch).await.expect("appended");
        assert_eq!(done.observations, batch.len());
    }
    (dir, lake, census)
}

/// A study with the default options.
async fn open<'k>(lake: &Lake, knowledge: &'k Knowledge) -> Study<'k> {
    Study::open(
        &TableStore::Memory,
        lake,
        knowledge,
        StudyOptions::default(),
        QueryLimits::default(),
        &mut |_| {},
    )
    .await
    .expect("opened")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_data_is_listed_and_the_rest_is_studied() {
    let (_dir, lake, census) = planted(3, 0.001).await;
    let observations: Vec<_> = lake
        .files()
        .await
        .expect("listed")
        .into_iter()
        .filter(|file| file.table == vigie_lake::Table::Observations)
        .collect();
    // One file is gone, another is cut short.
    std::fs::remove_file(&observations[3].path).expect("removed");
    let half = std::fs::read(&observations[9].path).expect("read");
    std::fs::write(&observations[9].path, &half[..half.len() / 2]).expect("written");

    let knowledge = Knowledge::embedded();
    let study = open(&lake, &knowledge).await;
    assert_eq!(study.unread().len(), 2, "{:?}", study.unread());
    for (line, file) in study.unread().iter().zip([&observations[3], &observations[9]]) {
        assert!(line.contains(&file.path.display().to_string()), "{line}");
    }
    let totals = study
        .answer(Question::get("totals").expect("a question"))
        .await
        .expect("answered")
        .all
        .rows;
    let row = &totals.rows[0];
    assert_eq!(totals.number(row, "days"), Some((census.days() - 2) as f64));
    let seen = totals.number(row, "observations").expect("a number");
    assert!(
        seen < census.observations() as f64 && seen > 0.9 * census.observations() as f64,
        "{seen}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_figure_is_found() {
    let (_dir, lake, census) = planted(7, 0.01).await;
    let knowledge = Knowledge::embedded();
    let study = open(&lake, &knowledge).await;
    let mut answers: BTreeMap<&str, QuestionAnswer> = BTreeMap::new();
    let mut failed = Vec::new();
    for question in Question::all() {
        let entry = match study.answer(question).await {
            Ok(entry) => entry,
            Err(error) => {
                failed.push(format!("{}: {error}", question.id));
                continue;
            }
        };
        let without = entry.without_suspects.expect("some hosts are suspects");
        assert!(without.denominator <= entry.all.denominator, "{}", question.id);
        answers.insert(&question.id, entry.all);
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let figures: Vec<Figure> = serde_json::from_value(serde_json::to_value(census.truth()).expect("JSON")).expect("figures");
    assert!(figures.len() > 400, "{} figures", figures.len());
    let held = check(&figures, &answers.iter().map(|(id, answer)| (*id, answer)).collect());
    assert!(
        held.wrong.is_empty(),
        "{} of {} figures:\n{}",
        held.wrong.len(),
        figures.len(),
        held.wrong.join("\n")
    );
    assert_eq!(held.right, figures.len());
    // A count of 0 may have no row; almost all figures have one.
    assert!(held.in_rows * 20 >= figures.len() * 19, "{} of {}", held.in_rows, figures.len());

    // The check can fail.
    let mut off = figures.clone();
    off[0].value = (off[0].value.as_i64().expect("a count") + 1).into();
    let held = check(&off, &answers.iter().map(|(id, answer)| (*id, answer)).collect());
    assert_eq!(held.wrong.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intervals_have_about_the_coverage_they_claim() {
    let (_dir, lake, _) = planted(11, 0.005).await;
    let knowledge = Knowledge::embedded();
    let study = open(&lake, &knowledge).await;
    let asked: Vec<_> = ["observation-buckets", "open-tools", "quantisation"]
        .iter()
        .map(|id| Question::get(id).expect("a question"))
        .collect();
    let (samples, mut told) = (40, 0);
    let covered = coverage(&study, &asked, samples, 0.1, 4.0, &mut |_| told += 1)
        .await
        .expect("measured");
    assert_eq!(told, samples);
    assert!(covered.len() > 20, "{} shares", covered.len());
    for one in &covered {
        assert!(one.expected >= 4.0 && one.held <= one.samples && one.samples <= samples, "{one:?}");
    }
    // Forty samples say little about one interval, but enough about all of them. Samples of a tenth without replacement have a slightly
    // higher coverage than samples of an infinite lake; intervals of half the width would have a coverage of two thirds.
    let mean = covered.iter().map(Covered::coverage).sum::<f64>() / covered.len() as f64;
    assert!((0.92..0.985).contains(&mean), "{mean}");
}
