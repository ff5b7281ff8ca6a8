//! `vigie study --coverage N`: the measured coverage of the confidence intervals.

use std::process::ExitCode;

use indicatif::ProgressBar;
use serde_json::json;
use vigie_run::Failure;
use vigie_study::coverage::{Covered, coverage, false_alarm_probability};
use vigie_study::{Question, Study};

use crate::args::TableOrJson;
use crate::failure::{Done, written};
use crate::verbs::study::StudyArgs;

/// Minimum number of hosts expected in the numerator of a sample; shares below it are left out.
const LEAST: f64 = 2.0;
/// Acceptable coverage of a 95 % interval: neither too narrow nor too wide.
const BOUNDS: std::ops::RangeInclusive<f64> = 0.92..=0.98;

/// Questions without intervals, and questions with thousands of rows.
const LEFT_OUT: [&str; 4] = ["models", "standard-prompts", "systemic-risk", "advisories"];

pub(crate) fn run(
    args: &StudyArgs,
    study: &Study<'_>,
    runtime: &tokio::runtime::Runtime,
    samples: u32,
    out: &mut impl std::io::Write,
) -> Done {
    let questions: Vec<&'static Question> = Question::all()
        .iter()
        .filter(|question| args.questions.is_empty() || args.questions.contains(&question.id))
        .filter(|question| !question.shares.is_empty() || ["gaps", "survival"].contains(&question.id.as_str()))
        .filter(|question| !LEFT_OUT.contains(&question.id.as_str()))
        .collect();
    let bar = if args.quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(u64::from(samples))
    };
    let covered = runtime
        .block_on(coverage(study, &questions, samples, args.sample, LEAST, &mut |sample| {
            bar.set_position(u64::from(sample));
        }))
        .map_err(Failure::output)?;
    bar.finish_and_clear();
    let within = covered.iter().filter(|one| BOUNDS.contains(&one.coverage())).count();
    let mean = covered.iter().map(Covered::coverage).sum::<f64>() / covered.len().max(1) as f64;
    let by_chance = false_alarm_probability(samples, &BOUNDS) * covered.len() as f64;
    if args.format == TableOrJson::Json {
        let rows: Vec<_> = covered
            .iter()
            .map(|one| {
                json!({"question": one.question, "row": one.row, "share": one.share, "truth": one.truth, "hosts_expected": one.expected,
                    "samples": one.samples, "held": one.held, "coverage": one.coverage()})
            })
            .collect();
        let value = json!({"schema": "vigie.coverage/1", "samples": samples, "sample": args.sample, "within": within, "mean": mean,
            "outside_by_chance": by_chance, "intervals": rows});
        written(writeln!(out, "{value:#}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    written(writeln!(
        out,
        "| question | row | share | truth | hosts expected | coverage |\n| --- | --- | --- | ---: | ---: | ---: |"
    ))?;
    for one in &covered {
        let mark = if BOUNDS.contains(&one.coverage()) { "" } else { " *" };
        let row = one.row.replace('|', "\\|");
        written(writeln!(
            out,
            "| {} | {row} | {} | {:.4} | {:.1} | {:.1} %{mark} |",
            one.question,
            one.share,
            one.truth,
            one.expected,
            one.coverage() * 100.0
        ))?;
    }
    written(writeln!(
        out,
        "\n{within} of {} intervals contain the truth in 92 to 98 % of {samples} samples; mean coverage {:.2} %\n\
        with correct 95 % intervals, {by_chance:.1} would be outside by chance",
        covered.len(),
        mean * 100.0
    ))?;
    Ok(ExitCode::SUCCESS)
}
