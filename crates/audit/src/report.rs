//! The result of an audit.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use vigie_catalog::Catalog;
use vigie_model::{Claim, EvidenceKind, Finding, Location, Subject};

use crate::files::{Files, Problem};
use crate::gather;
use crate::rules::{CHECKS, Draft, Scene};
use crate::served::{self, Served};
use crate::source::Span;
use crate::text::{Language, Persona, Texts};
use crate::workload::{Activity, Workload};

/// What an audit is told.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files and directories.
    pub paths: Vec<PathBuf>,
    /// How picky it is.
    pub persona: Persona,
    /// The language of its texts.
    pub language: Language,
}

/// A finding with the line that it is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// The finding.
    pub finding: Finding,
    /// The line of the file.
    pub line_text: String,
    /// How many characters of the line it is about, from its column on.
    pub width: usize,
}

/// The result of an audit.
#[derive(Debug)]
pub struct Report {
    /// The findings, by file and line.
    pub findings: Vec<Reported>,
    /// What could not be read or understood.
    pub problems: Vec<(Problem, Option<Location>)>,
    /// How many files were read.
    pub files: usize,
    /// How many workloads they start.
    pub workloads: usize,
    /// The products that they start, by id.
    pub products: BTreeSet<String>,
}

/// Audits files.
///
/// # Errors
///
/// The embedded texts do not load, which the tests rule out.
pub fn audit(options: &Options, catalog: &Catalog) -> Result<Report, String> {
    let files = Files::read(&options.paths);
    audit_files(&files, options, catalog)
}

/// Audits files that were read.
///
/// # Errors
///
/// As [`audit`].
pub fn audit_files(files: &Files, options: &Options, catalog: &Catalog) -> Result<Report, String> {
    let texts = Texts::embedded()?;
    let workloads = gather::workloads(files, catalog);
    let served: Vec<Served<'_>> = workloads
        .iter()
        .filter(|workload: &&Workload| workload.activity == Activity::On)
        .filter_map(|workload| served::serve(workload, catalog))
        .collect();
    let scene = Scene {
        files,
        catalog,
        workloads: &workloads,
        served: &served,
    };
    let mut drafts: Vec<Draft> = Vec::new();
    for check in CHECKS {
        check(&scene, &mut drafts);
    }
    let mut findings: Vec<Reported> = drafts.iter().filter_map(|draft| reported(draft, files, &texts, options)).collect();
    let order = |one: &Reported| (one.finding.location.clone(), one.finding.id.clone(), one.finding.subject.clone());
    findings.sort_by_cached_key(order);
    // A base file that belongs to several projects is reported once.
    findings.dedup_by(|a, b| order(a) == order(b));
    let problems = files
        .problems()
        .iter()
        .map(|problem| (problem.clone(), problem.span.map(|span| location(files, span))))
        .collect();
    Ok(Report {
        findings,
        problems,
        files: files.sources().len(),
        workloads: workloads.len(),
        products: served.iter().map(|served| served.product.id.clone()).collect(),
    })
}

fn location(files: &Files, span: Span) -> Location {
    let position = files.sources().position(span);
    Location {
        file: Some(position.file.to_string()),
        line: Some(position.line),
        column: Some(position.column),
        ..Location::default()
    }
}

fn reported(draft: &Draft, files: &Files, texts: &Texts, options: &Options) -> Option<Reported> {
    let text = texts.get(&draft.rule)?;
    if text.persona.max(draft.persona.unwrap_or_default()) > options.persona {
        return None;
    }
    let language = options.language;
    let sources = files.sources();
    let line = sources.position(draft.span).line;
    let first_line = sources.slice(draft.span).lines().next().unwrap_or_default();
    let mut detail = text.message.fill(language, &draft.values);
    for what in &draft.relied_on {
        detail.push_str("; ");
        detail.push_str(what);
    }
    detail.push('.');
    Some(Reported {
        width: first_line.trim_end().chars().count().max(1),
        line_text: sources.line(draft.span.source, line).to_owned(),
        finding: Finding {
            subject: Subject::from_record(&draft.subject),
            location: Some(location(files, draft.span)),
            accepted: None,
            claim: Arc::new(Claim {
                id: draft.rule.clone(),
                severity: draft.severity.unwrap_or(text.severity),
                confidence: draft.confidence.unwrap_or(text.confidence).min(text.confidence),
                evidence: EvidenceKind::Observed,
                title: text.title.get(language).to_owned(),
                detail,
                remedy: text.remedy.get(language).trim_end().to_owned(),
                fixes: draft.fixes.clone().into(),
                standards: text.standards.clone().into(),
                advisories: Vec::new(),
            }),
        },
    })
}
