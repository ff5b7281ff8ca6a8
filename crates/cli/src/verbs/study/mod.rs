//! `vigie study`: the questions, their answers, and the document.

mod args;

use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use vigie_run::{Failure, read, write_whole};
use vigie_study::document::{cells, comparison, files, known, word};
use vigie_study::planted::{Figure, check};
use vigie_study::published::{Published, compare};
use vigie_study::{Lang, Provenance, QueryLimits, Question, Study, StudyOptions, StudyReport};

use self::args::LangArg;
use super::engine::Engine;
use crate::args::TableOrJson;
use crate::failure::{Done, written};

pub(crate) use self::args::StudyArgs;

/// Rows of an answer that a terminal shows.
const MAX_ROWS: usize = 40;

pub(crate) fn run(args: &StudyArgs) -> Done {
    let lang = match args.lang {
        LangArg::En => Lang::En,
        LangArg::Fr => Lang::Fr,
    };
    let mut out = anstream::stdout().lock();
    if args.list {
        return list(&mut out, args.format, lang);
    }
    if let Some((since, until)) = args.since.zip(args.until).filter(|(since, until)| since > until) {
        return Err(Failure::usage(format!(
            "--since {since} is later than --until {until}; no days are left between them"
        )));
    }
    let planted = args.planted.as_deref().map(planted).transpose()?;
    let questions = chosen(args)?;
    let setup = Setup::open(args)?;
    let answered = answer(args, &setup, &mut out, planted.as_deref(), &questions, lang);
    // The temporary tables of a cluster are removed after a failure too.
    let cleared = setup.engine.clear(&setup.runtime);
    answered.and_then(|code| cleared.map(|()| code))
}

/// Answers the questions, and prints or writes the answers.
fn answer(
    args: &StudyArgs,
    setup: &Setup,
    out: &mut impl std::io::Write,
    planted: Option<&[Figure]>,
    questions: &[&'static Question],
    lang: Lang,
) -> Done {
    let study = setup.study(args)?;
    if let Some(samples) = args.coverage {
        setup.bar.finish_and_clear();
        return super::coverage::run(args, &study, &setup.runtime, samples, out);
    }
    let report = setup.report(&study, questions)?;
    setup.bar.finish_and_clear();
    let compared = match args.compare {
        None => Vec::new(),
        Some(_) => compare(&report, lang, &|figure| find_planted(planted?, figure)),
    };
    if let Some(figures) = planted {
        report_planted(figures, &report);
    }
    for line in &report.unread {
        eprintln!("vigie: {line}");
    }
    if let Some(dir) = &args.out {
        for file in files(&report, &compared, lang).map_err(Failure::output)? {
            write_whole(&dir.join(&file.name), file.text.as_bytes())?;
        }
        if !args.quiet {
            eprintln!(
                "vigie: {} questions answered; open {}",
                report.entries.len(),
                dir.join("study.html").display()
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    match args.format {
        TableOrJson::Json => {
            let mut value = serde_json::to_value(&report).map_err(Failure::output)?;
            if args.compare.is_some() {
                value["compared"] = serde_json::to_value(&compared).map_err(Failure::output)?;
            }
            written(writeln!(out, "{value:#}"))?;
        }
        TableOrJson::Table if args.compare.is_some() && args.questions.is_empty() => {
            written(out.write_all(comparison(&compared, lang).as_bytes()))?;
        }
        TableOrJson::Table => written(out.write_all(text(&report, lang).as_bytes()))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(out: &mut impl std::io::Write, format: TableOrJson, lang: Lang) -> Done {
    match format {
        TableOrJson::Json => {
            let all: Vec<Value> = Question::all()
                .iter()
                .map(|question| json!({"id": question.id, "title": question.title.get(lang), "unit": question.unit, "definition": question.definition.get(lang), "why": question.why.get(lang)}))
                .collect();
            let value = json!({"schema": "vigie.questions/1", "questions": all});
            written(writeln!(out, "{value:#}"))?;
        }
        TableOrJson::Table => {
            let rows: Vec<Vec<String>> = Question::all()
                .iter()
                .map(|question| vec![question.id.clone(), question.title.get(lang).to_owned()])
                .collect();
            written(writeln!(
                out,
                "{}",
                vigie_export::table::grid(&["id", "question"], &rows, crate::terminal::width())
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The questions that were named, or all. A comparison alone needs only those with published figures.
fn chosen(args: &StudyArgs) -> Result<Vec<&'static Question>, Failure> {
    if args.questions.is_empty() {
        let compared_only = args.compare.is_some() && args.out.is_none();
        let wanted = |question: &&'static Question| !compared_only || Published::all().iter().any(|figure| figure.question == question.id);
        return Ok(Question::all().iter().filter(wanted).collect());
    }
    args.questions
        .iter()
        .map(|id| Question::get(id).ok_or_else(|| Failure::usage(format!("unknown question {id:?}; vigie study --list shows all"))))
        .collect()
}

/// The inputs and the tools of a study.
struct Setup {
    knowledge: vigie_assess::Knowledge,
    runtime: tokio::runtime::Runtime,
    lake: vigie_lake::Lake,
    engine: Engine,
    bar: ProgressBar,
}

impl Setup {
    fn open(args: &StudyArgs) -> Result<Self, Failure> {
        let knowledge = vigie_run::knowledge::knowledge(args.catalog.as_deref())?;
        for product in &args.products {
            if knowledge.catalog.product(product).is_none() {
                return Err(Failure::usage(format!("unknown product {product:?}; vigie catalog list shows all")));
            }
        }
        let (runtime, lake) = vigie_run::lake::open_for_queries(&args.lake.folder()?)?;
        check_sources(args, &runtime, &lake)?;
        let engine = Engine::chosen(args, &runtime, &lake)?;
        let bar = if args.quiet {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner()
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        Ok(Self {
            knowledge,
            runtime,
            lake,
            engine,
            bar,
        })
    }

    fn study(&self, args: &StudyArgs) -> Result<Study<'_>, Failure> {
        let options = StudyOptions {
            core_observations: args.core_observations,
            core_days: args.core_days,
            core_share: args.core_share,
            grace: args.grace,
            standard_hosts: args.standard_hosts,
            since: args.since,
            until: args.until,
            products: args.products.clone(),
            sources: args.sources.clone(),
        };
        let limits = limits(args);
        let progress = &mut |table: &str| self.bar.set_message(format!("reading the lake: {table}"));
        let opened = self.engine.open(&self.lake, &self.knowledge, options, limits, progress);
        self.engine.wait(&self.runtime, opened, |error| self.failed(error))
    }

    fn report(&self, study: &Study<'_>, questions: &[&'static Question]) -> Result<StudyReport, Failure> {
        let provenance = Provenance {
            vigie: env!("CARGO_PKG_VERSION").to_owned(),
            at: chrono::Utc::now(),
            lake: self.lake.dir().display().to_string(),
            catalog: self.knowledge.catalog.hash().to_owned(),
            advisories: self.knowledge.advisories.date().to_string(),
        };
        let mut nth = 0;
        let progress = &mut |id: &str| {
            nth += 1;
            self.bar.set_message(format!("question {nth} of {}: {id}", questions.len()));
        };
        let answered = StudyReport::make(study, questions, provenance, progress);
        self.engine.wait(&self.runtime, answered, |error| self.failed(error))
    }

    fn failed(&self, error: &vigie_study::Error) -> Failure {
        Failure::output(format!("cannot study the lake {}: {error}", self.lake.dir().display()))
    }
}

fn limits(args: &StudyArgs) -> QueryLimits {
    QueryLimits {
        memory: args.memory.saturating_mul(1024 * 1024),
        ..QueryLimits::default()
    }
}

/// Fails for a source that the lake does not have: probably a typing error, and every answer would be empty.
fn check_sources(args: &StudyArgs, runtime: &tokio::runtime::Runtime, lake: &vigie_lake::Lake) -> Result<(), Failure> {
    // The lake of a cluster is not read on this machine.
    if args.sources.is_empty() || args.engine.is_some() {
        return Ok(());
    }
    // Without names the study goes on: a damaged lake is studied as far as it can be read, and an empty one has no sources.
    let available = runtime.block_on(sources(lake, limits(args))).unwrap_or_default();
    match args.sources.iter().find(|source| !available.contains(source)) {
        Some(source) if !available.is_empty() => {
            let named: Vec<String> = available.iter().map(|name| vigie_export::text::clean(name, 60)).collect();
            Err(Failure::usage(format!(
                "unknown source {source:?}; the lake {} has {}",
                lake.dir().display(),
                named.join(", ")
            )))
        }
        _ => Ok(()),
    }
}

/// The names of the sources of the lake.
async fn sources(lake: &vigie_lake::Lake, limits: QueryLimits) -> Result<Vec<String>, vigie_study::Error> {
    let engine = vigie_study::QueryEngine::open(lake, limits).await?;
    let answer = engine
        .ask("SELECT DISTINCT source_name FROM observations WHERE source_name IS NOT NULL ORDER BY source_name")
        .await?;
    let mut names = Vec::new();
    for batch in answer.all().await? {
        names.extend(vigie_study::cells(&batch)?.into_iter().flatten().flatten());
    }
    Ok(names)
}

/// The answers for a terminal.
fn text(report: &StudyReport, lang: Lang) -> String {
    let mut out = String::new();
    for entry in &report.entries {
        let question = entry.question;
        out.push_str(&format!("{} ({})\n", question.title.get(lang), question.id));
        out.push_str(&format!("{}\n", known(&entry.all, &question.unit, lang)));
        let cells = cells(&entry.all, lang);
        let head: Vec<&str> = cells.head.iter().map(String::as_str).collect();
        let rows: Vec<Vec<String>> = cells
            .rows
            .iter()
            .take(MAX_ROWS)
            .map(|row| row.iter().map(|(text, _)| text.clone()).collect())
            .collect();
        if rows.is_empty() {
            out.push_str(&format!("{}\n", word("no rows", lang)));
        } else {
            out.push_str(&vigie_export::table::grid(&head, &rows, crate::terminal::width()));
        }
        if cells.rows.len() > MAX_ROWS {
            out.push_str(&format!("{} {}\n", cells.rows.len() - MAX_ROWS, word("more here", lang)));
        }
        out.push('\n');
    }
    out
}

/// Reads the planted figures, as `vigie population --truth` wrote them.
fn planted(path: &std::path::Path) -> Result<Vec<Figure>, Failure> {
    #[derive(serde::Deserialize)]
    struct File {
        schema: String,
        figures: Vec<Figure>,
    }
    let invalid = |what: &str| Failure::usage(format!("{}: {what}; vigie population --truth writes such a file", path.display()));
    let file: File = serde_json::from_str(&read(path)?).map_err(|error| invalid(&error.to_string()))?;
    if file.schema == "vigie.planted/1" {
        Ok(file.figures)
    } else {
        Err(invalid("not a file of planted figures (vigie.planted/1)"))
    }
}

/// The planted figure that corresponds to a published one.
fn find_planted(figures: &[Figure], wanted: &Published) -> Option<f64> {
    let same_row = |row: &serde_json::Map<String, Value>| {
        row.len() == wanted.row.len()
            && wanted
                .row
                .iter()
                .all(|(name, value)| row.get(name).is_some_and(|here| here == value.as_str()))
    };
    figures
        .iter()
        .find(|figure| figure.question == wanted.question && figure.field == wanted.field && same_row(&figure.row))
        .and_then(|figure| figure.value.as_f64())
}

/// Prints how many of the planted figures were found, and each that was not.
fn report_planted(figures: &[Figure], report: &StudyReport) {
    let answers = report
        .entries
        .iter()
        .map(|entry| (entry.question.id.as_str(), &entry.all))
        .collect();
    let checked = check(figures, &answers);
    for line in &checked.wrong {
        eprintln!("vigie: {line}");
    }
    eprintln!(
        "vigie: {} of {} planted figures found",
        checked.right,
        checked.right + checked.wrong.len()
    );
}
