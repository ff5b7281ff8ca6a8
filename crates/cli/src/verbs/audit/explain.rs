//! `--explain ID`: what a rule reports, why, and how to mend it.

use std::io::Write as _;
use std::process::ExitCode;

use vigie_audit::Language;
use vigie_audit::text::Texts;
use vigie_run::Failure;

use crate::failure::{Done, written};

pub(super) fn run(id: &str, language: Language) -> Done {
    let texts = Texts::embedded().map_err(Failure::usage)?;
    let Some(rule) = texts.get(id) else {
        let ids: Vec<&str> = texts.all().map(|rule| rule.id.as_str()).collect();
        return Err(Failure::usage(format!("unknown rule {id:?}; rules: {}", ids.join(", "))));
    };
    let (before, after) = match language {
        Language::English => ("Before", "After"),
        Language::French => ("Avant", "Après"),
    };
    let mut text = format!(
        "{}: {}\n{} · {}\n\n{}\n\n{}\n",
        rule.id,
        rule.title.get(language).trim_end(),
        rule.severity,
        rule.confidence,
        rule.why.get(language).trim_end(),
        rule.remedy.get(language).trim_end()
    );
    for example in &rule.examples {
        text.push_str(&format!(
            "\n{before}, {}:\n\n{}\n{after}:\n\n{}",
            example.file,
            indent(&example.before),
            indent(&example.after)
        ));
    }
    let standards: Vec<String> = rule
        .standards
        .iter()
        .map(|standard| format!("{} {}", standard.scheme, standard.id))
        .collect();
    if !standards.is_empty() {
        text.push_str(&format!("\n{}\n", standards.join(", ")));
    }
    for reference in &rule.references {
        text.push_str(&format!("{reference}\n"));
    }
    let mut out = std::io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
