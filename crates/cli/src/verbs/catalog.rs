//! `vigie catalog list | explain | check | test | record`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde::Serialize;
use vigie_catalog::{Catalog, embedded_files};
use vigie_export::grid::Column;
use vigie_identify::fixture::{self, FixtureFiles};
use vigie_model::AdvisoryCoverage;
use vigie_run::knowledge::{compile, files, knowledge};
use vigie_run::{Failure, read, write_whole};

use crate::args::TableOrJson;
use crate::failure::{Done, exit, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct CatalogArgs {
    #[command(subcommand)]
    pub(crate) verb: CatalogVerb,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum CatalogVerb {
    /// List the products with their measured confidence and the fixtures behind it.
    List {
        /// Use this catalogue in place of the embedded one.
        #[arg(long, value_name = "DIR")]
        catalog: Option<PathBuf>,
        /// Table or JSON.
        #[arg(short = 'F', long, default_value = "table")]
        format: TableOrJson,
    },
    /// Describe what vigie knows of a product.
    Explain {
        /// The product's id.
        product: String,
        /// Use this catalogue in place of the embedded one.
        #[arg(long, value_name = "DIR")]
        catalog: Option<PathBuf>,
    },
    /// Check a catalogue folder, or one product file together with the embedded others, and report the line of each error.
    Check {
        /// A folder with products/, openings.yaml and markers.yaml; a products folder; or a file.
        path: PathBuf,
    },
    /// Replay every fixture, as recorded and behind a proxy, against the whole catalogue.
    Test {
        /// The catalogue folder.
        #[arg(default_value = "catalog")]
        dir: PathBuf,
        /// Print the expected and the identified product of each fixture.
        #[arg(long)]
        matrix: bool,
        /// Report only fixtures whose name contains this.
        #[arg(long, value_name = "TEXT")]
        only: Option<String>,
        /// Write the results to measured.json in the catalogue folder.
        #[arg(long)]
        write: bool,
    },
    /// Record a fixture from a real server, with only the requests of a scan.
    Record(super::record::RecordArgs),
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    name: &'a str,
    kind: &'a str,
    ports: &'a [u16],
    confidence: f64,
    recorded: u32,
    constructed: u32,
    advisories: usize,
    /// Absent for an interface, which is not a product.
    #[serde(skip_serializing_if = "Option::is_none")]
    advisory_coverage: Option<AdvisoryCoverage>,
}

#[derive(Serialize)]
struct Listing<'a> {
    schema: &'static str,
    date: &'a str,
    sha256: &'a str,
    products: Vec<Entry<'a>>,
}

pub(crate) fn run(args: CatalogArgs) -> Done {
    match args.verb {
        CatalogVerb::List { catalog, format } => list(catalog.as_deref(), format),
        CatalogVerb::Explain { product, catalog } => {
            let knowledge = knowledge(catalog.as_deref())?;
            let found = knowledge
                .catalog
                .product(&product)
                .ok_or_else(|| Failure::usage(format!("unknown product {product:?}; vigie catalog list shows all")))?;
            written(std::io::stdout().lock().write_all(knowledge.catalog.explain(found).as_bytes()))?;
            Ok(ExitCode::SUCCESS)
        }
        CatalogVerb::Check { path } => check(&path),
        CatalogVerb::Test { dir, matrix, only, write } => test(&dir, matrix, only.as_deref(), write),
        CatalogVerb::Record(args) => super::record::run(&args),
    }
}

fn list(dir: Option<&Path>, format: TableOrJson) -> Done {
    let knowledge = knowledge(dir)?;
    let catalog = &knowledge.catalog;
    let identifier = vigie_run::knowledge::identifier(dir, catalog)?;
    let entries: Vec<Entry<'_>> = catalog
        .products()
        .iter()
        .map(|product| {
            let counts = identifier.measured().products.get(&product.id).copied().unwrap_or_default();
            Entry {
                id: &product.id,
                name: &product.name,
                kind: product.kind.word(),
                ports: &product.ports,
                confidence: (identifier.measured().confidence(&product.id) * 100.0).floor() / 100.0,
                recorded: counts.recorded,
                constructed: counts.constructed,
                advisories: knowledge
                    .advisories
                    .iter()
                    .filter(|a| a.status() != vigie_advisory::Status::Rejected)
                    .filter(|a| a.packages().any(|p| product.packages.iter().any(|own| own == p)))
                    .count(),
                advisory_coverage: (!product.family).then(|| knowledge.coverage(&product.id)),
            }
        })
        .collect();
    let mut out = anstream::stdout().lock();
    match format {
        TableOrJson::Json => {
            let listing = Listing {
                schema: "vigie.catalog/1",
                date: catalog.date(),
                sha256: catalog.hash(),
                products: entries,
            };
            written(writeln!(
                out,
                "{}",
                serde_json::to_string_pretty(&listing).map_err(Failure::output)?
            ))?;
        }
        TableOrJson::Table => {
            let rows: Vec<Vec<String>> = entries
                .iter()
                .map(|entry| {
                    let fixtures = match (entry.recorded, entry.constructed) {
                        (0, 0) => "none".to_owned(),
                        (0, constructed) => format!("{constructed} constructed"),
                        (recorded, 0) => format!("{recorded} recorded"),
                        (recorded, constructed) => format!("{recorded} recorded, {constructed} constructed"),
                    };
                    let ports: Vec<String> = entry.ports.iter().map(ToString::to_string).collect();
                    vec![
                        entry.id.to_owned(),
                        entry.name.to_owned(),
                        entry.kind.to_owned(),
                        ports.join(", "),
                        format!("{:.2}", entry.confidence),
                        fixtures,
                        match entry.advisory_coverage {
                            None => "not a product".to_owned(),
                            Some(AdvisoryCoverage::NotCovered) => "not covered".to_owned(),
                            Some(AdvisoryCoverage::NoneFound) => "none found".to_owned(),
                            Some(AdvisoryCoverage::Listed) => entry.advisories.to_string(),
                        },
                    ]
                })
                .collect();
            let heads = [
                Column::Token("id"),
                Column::Text("product"),
                Column::Token("kind"),
                Column::Text("ports"),
                Column::Token("confidence"),
                Column::Text("fixtures"),
                Column::Token("advisories"),
            ];
            let grid = vigie_export::grid::grid(&heads, &rows, crate::terminal::width());
            let constructed = entries.iter().filter(|entry| entry.recorded == 0).count();
            written(writeln!(
                out,
                "{grid}\n{} products, {constructed} of them known only from source code or documentation (confidence at most 0.80).\nCatalogue of {}, advisories of {}. {}",
                entries.len(),
                catalog.date(),
                knowledge.advisories.date(),
                catalog.hash()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path) -> Done {
    let files = if path.is_dir() {
        match path.file_name().and_then(|name| name.to_str()) {
            Some("products") => files(path.parent().unwrap_or(Path::new(".")))?,
            _ => files(path)?,
        }
    } else {
        // One file, together with the embedded others.
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut all = embedded_files();
        let key = if all.contains_key(name) {
            name.to_owned()
        } else {
            format!("products/{name}")
        };
        all.insert(key, read(path)?);
        all
    };
    let catalog = compile(&files)?;
    written(writeln!(
        std::io::stdout().lock(),
        "{} products, no errors. {}",
        catalog.products().len(),
        catalog.hash()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn test(dir: &Path, matrix: bool, only: Option<&str>, write: bool) -> Done {
    let catalog: Arc<Catalog> = Arc::new(compile(&files(dir)?)?);
    let fixtures = fixtures(&dir.join("fixtures"))?;
    let report = fixture::test(&catalog, &fixtures).map_err(|errors| Failure::of_all("fixtures", &errors))?;
    let mut out = std::io::stdout().lock();
    let wanted = |name: &str| only.is_none_or(|only| name.contains(only));
    if matrix {
        let rows: Vec<Vec<String>> = report
            .matrix
            .iter()
            .filter(|(name, ..)| wanted(name))
            .map(|(name, expected, got)| {
                let shown = |product: &Option<String>| product.clone().unwrap_or_else(|| "-".to_owned());
                vec![
                    name.clone(),
                    shown(expected),
                    shown(got),
                    if expected == got { String::new() } else { "WRONG".to_owned() },
                ]
            })
            .collect();
        written(writeln!(
            out,
            "{}",
            vigie_export::grid::grid(
                &["fixture", "expected", "identified", ""].map(Column::Token),
                &rows,
                crate::terminal::width()
            )
        ))?;
    }
    for (name, differences) in report.differences.iter().filter(|(name, _)| wanted(name)) {
        for difference in differences {
            written(writeln!(out, "{name}: {difference}"))?;
        }
    }
    for (name, missing) in report.missing.iter().filter(|(name, _)| wanted(name)) {
        for request in missing {
            written(writeln!(
                out,
                "{name}: no reply to {request} was recorded; record the fixture again"
            ))?;
        }
    }
    for fault in report.faults.iter().filter(|fault| wanted(fault)) {
        written(writeln!(out, "{fault}"))?;
    }
    if write {
        let text = serde_json::to_string_pretty(&report.measured).map_err(Failure::output)?;
        write_whole(&dir.join("measured.json"), format!("{text}\n").as_bytes())?;
    }
    let wrong = report.differences.len() + report.missing.len() + report.faults.len();
    let recorded: u32 = report.measured.products.values().map(|counts| counts.recorded).sum();
    written(writeln!(
        out,
        "{} products, {} fixtures ({recorded} recorded), {} replays, {wrong} wrong",
        catalog.products().len(),
        fixtures.len(),
        report.matrix.len()
    ))?;
    Ok(if wrong == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FINDINGS)
    })
}

/// The fixtures of a folder: `<product>/<version>-<state>/{fixture.yaml,exchanges.jsonl}`.
pub(crate) fn fixtures(dir: &Path) -> Result<FixtureFiles, Failure> {
    let folders = |dir: &Path| -> Result<Vec<std::path::PathBuf>, Failure> {
        let entries = std::fs::read_dir(dir).map_err(|error| Failure::usage(format!("cannot read {}: {error}", dir.display())))?;
        let mut all: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        all.sort();
        Ok(all)
    };
    let mut all = FixtureFiles::new();
    for product in folders(dir)? {
        for state in folders(&product)? {
            let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
            let key = format!("{}/{}", name(&product), name(&state));
            all.insert(key, (read(&state.join("fixture.yaml"))?, read(&state.join("exchanges.jsonl"))?));
        }
    }
    Ok(all)
}
