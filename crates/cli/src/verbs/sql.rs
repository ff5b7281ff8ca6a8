//! `vigie sql`: queries over the lake in SQL.

use std::io::{BufWriter, IsTerminal as _, Read as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::TypedValueParser as _;
use clap::{Args, ValueEnum};
use vigie_export::text::Safe;
use vigie_run::Failure;
use vigie_study::{Form, QueryEngine, QueryLimits, RowStream};

use crate::args::LakeDir;
use crate::failure::{Done, written};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerForm {
    /// A table for people; unknown is a question mark.
    Table,
    /// JSON lines: one object per row; unknown is null.
    Json,
    /// Comma-separated values; unknown is empty.
    Csv,
    /// One Parquet file.
    Parquet,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct SqlArgs {
    /// The query; - or none: read from standard input.
    pub(crate) query: Option<String>,
    /// Read the query from a file.
    #[arg(short, long, value_name = "FILE", conflicts_with = "query")]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// The format of the result.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: AnswerForm,
    /// Write the result to a file, completely or not at all [default: standard output].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The memory that the query may use, in MiB; larger intermediate results go to temporary files.
    #[arg(long, value_name = "MIB", default_value_t = 1536, value_parser = clap::value_parser!(u64).range(64..).map(|mib| mib as usize))]
    pub(crate) memory: usize,
}

/// Rows that a table shows; the other formats write all.
const MAX_ROWS: usize = 10_000;

pub(crate) fn run(args: &SqlArgs) -> Done {
    let sql = query(args)?;
    let (runtime, lake) = vigie_run::lake::open_for_queries(&args.lake.folder()?)?;
    let limits = QueryLimits {
        memory: args.memory.saturating_mul(1024 * 1024),
        ..QueryLimits::default()
    };
    let engine = runtime
        .block_on(QueryEngine::open(&lake, limits))
        .map_err(|error| Failure::output(format!("cannot open the lake at {}: {error}", lake.dir().display())))?;
    let answer = runtime.block_on(engine.ask(&sql)).map_err(Failure::usage)?;
    let form = match args.format {
        AnswerForm::Table => {
            let mut out = anstream::stdout().lock();
            let text = runtime.block_on(table(answer))?;
            match &args.output {
                Some(path) => vigie_run::write_whole(path, text.as_bytes())?,
                None => written(out.write_all(text.as_bytes()))?,
            }
            return Ok(ExitCode::SUCCESS);
        }
        AnswerForm::Json => Form::Json,
        AnswerForm::Csv => Form::Csv,
        AnswerForm::Parquet => Form::Parquet,
    };
    match &args.output {
        Some(path) => vigie_run::write_through(path, |file| {
            let out = BufWriter::new(file);
            let done = match form {
                Form::Json => runtime.block_on(answer.write(form, Safe::json(out))),
                Form::Csv | Form::Parquet => runtime.block_on(answer.write(form, out)),
            };
            done.map(|_| ()).map_err(Failure::output)
        })?,
        None if form == Form::Parquet && std::io::stdout().is_terminal() => {
            return Err(Failure::usage("Parquet cannot be written to a terminal; name a file with --output"));
        }
        None => {
            let out = BufWriter::new(std::io::stdout());
            let done = match form {
                Form::Json => runtime.block_on(answer.write(form, Safe::json(out))),
                // CSV has no escapes: a file or a program gets the values as they are, a terminal gets control characters escaped.
                Form::Csv if std::io::stdout().is_terminal() => runtime.block_on(answer.write(form, Safe::text(out))),
                Form::Csv | Form::Parquet => runtime.block_on(answer.write(form, out)),
            };
            match done {
                Err(vigie_study::Error::Write(error)) => written(Err(error))?,
                Err(error) => return Err(Failure::output(error)),
                Ok(_) => {}
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The query: as given, from a file, or from standard input.
fn query(args: &SqlArgs) -> Result<String, Failure> {
    let text = match (&args.query, &args.file) {
        (Some(query), None) if query != "-" => query.clone(),
        (None, Some(file)) if file.as_os_str() != "-" => vigie_run::read(file)?,
        (None, None) if std::io::stdin().is_terminal() => {
            return Err(Failure::usage(
                "no query; write one, such as: vigie sql \"SELECT product, count(*) FROM observations GROUP BY product\" (SHOW TABLES lists the tables)",
            ));
        }
        _ => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::usage(format!("cannot read the query from standard input: {error}")))?;
            text
        }
    };
    if text.trim().is_empty() {
        return Err(Failure::usage("the query is empty"));
    }
    Ok(text)
}

async fn table(mut answer: RowStream) -> Result<String, Failure> {
    let schema = answer.schema();
    let head: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    let (mut rows, mut total) = (Vec::new(), 0_usize);
    while let Some(batch) = answer.next().await {
        let batch = batch.map_err(Failure::usage)?;
        total += batch.num_rows();
        if rows.len() < MAX_ROWS {
            let cells = vigie_study::cells(&batch).map_err(Failure::output)?;
            rows.extend(cells.into_iter().take(MAX_ROWS - rows.len()).map(|row| {
                row.into_iter()
                    // Values from the network may hold control characters; the grid escapes them.
                    .map(|cell| cell.unwrap_or_else(|| "?".to_owned()))
                    .collect::<Vec<String>>()
            }));
        }
    }
    let s = if total == 1 { "" } else { "s" };
    let shown = if total > rows.len() {
        format!("the first {} of {total} rows; --format csv writes all", rows.len())
    } else {
        format!("{total} row{s}")
    };
    let grid = vigie_export::table::grid(&head, &rows, crate::terminal::width());
    Ok(format!("{grid}\n{shown}\n"))
}
