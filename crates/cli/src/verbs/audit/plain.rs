//! `--format plain`: each finding with the line that it is about, as compilers write errors.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use vigie_audit::{Report, Reported};
use vigie_export::text::clean;
use vigie_model::Severity;

/// Longest line of a file that is shown, in columns.
const LINE: usize = 160;

pub(super) fn write(out: &mut impl Write, report: &Report) -> io::Result<()> {
    for one in &report.findings {
        finding(out, one)?;
    }
    for (problem, location) in &report.problems {
        let place = location
            .as_ref()
            .map_or_else(|| problem.path.display().to_string(), ToString::to_string);
        let style = AnsiColor::Yellow.on_default().bold();
        writeln!(
            out,
            "{style}not read{style:#}: {}: {}\n",
            clean(&place, LINE),
            clean(&problem.message, LINE)
        )?;
    }
    summary(out, report)
}

fn finding(out: &mut impl Write, one: &Reported) -> io::Result<()> {
    let finding = &one.finding;
    let style = style(finding.severity);
    let dim = Style::new().dimmed();
    writeln!(
        out,
        "{style}{}[{}]{style:#}: {}",
        finding.severity,
        finding.id,
        clean(&finding.title, LINE)
    )?;
    if let Some(location) = &finding.location {
        writeln!(out, "  {dim}-->{dim:#} {}", clean(&location.to_string(), LINE))?;
        if let (Some(line), Some(column)) = (location.line, location.column) {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            // Tabs and control characters become blanks, so that the marker stands below what it marks.
            let text: String = one.line_text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let before = usize::try_from(column).unwrap_or(1) - 1;
            let shown = clean(&text, LINE);
            writeln!(out, "{margin} {dim}|{dim:#}")?;
            writeln!(out, "{number} {dim}|{dim:#} {shown}")?;
            if before < LINE {
                let width = one.width.min(LINE - before).max(1);
                writeln!(
                    out,
                    "{margin} {dim}|{dim:#} {}{style}{}{style:#}",
                    " ".repeat(before),
                    "^".repeat(width)
                )?;
            }
        }
    }
    writeln!(out, "  {}", clean(&finding.detail, 1_000))?;
    writeln!(out, "  {dim}remedy:{dim:#} {}", clean(&finding.remedy, 1_000))?;
    for fix in finding.fixes.iter() {
        if fix.to.is_some() {
            writeln!(out, "  {dim}set:{dim:#} {}", clean(&fix.to_string(), LINE))?;
        }
    }
    writeln!(out)
}

fn style(severity: Severity) -> Style {
    match severity {
        Severity::Critical | Severity::High => AnsiColor::Red.on_default().bold(),
        Severity::Medium => AnsiColor::Yellow.on_default().bold(),
        Severity::Low | Severity::Info => AnsiColor::Cyan.on_default().bold(),
    }
}

fn summary(out: &mut impl Write, report: &Report) -> io::Result<()> {
    let counts: Vec<String> = Severity::ALL
        .iter()
        .rev()
        .filter_map(|severity| {
            let count = report.findings.iter().filter(|one| one.finding.severity == *severity).count();
            (count > 0).then(|| format!("{count} {severity}"))
        })
        .collect();
    let products: Vec<&str> = report.products.iter().map(String::as_str).collect();
    let read = format!(
        "{} read, {} that they start, known servers: {}",
        plural(report.files, "file"),
        plural(report.workloads, "workload"),
        if products.is_empty() {
            "none".to_owned()
        } else {
            products.join(", ")
        }
    );
    match counts.as_slice() {
        [] => writeln!(out, "No findings. {read}."),
        _ => writeln!(out, "{}: {}. {read}.", plural(report.findings.len(), "finding"), counts.join(", ")),
    }
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("1 {noun}")
    } else {
        format!("{count} {noun}s")
    }
}
