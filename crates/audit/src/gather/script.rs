//! Commands in shell scripts: servers that they start, and `docker run`.

use std::path::Path;

use vigie_catalog::Catalog;

use crate::files::Files;
use crate::gather::command::strip_launchers;
use crate::gather::docker;
use crate::served;
use crate::source::{Located, Source, SourceId};
use crate::syntax::shell::{self, ShellWord};
use crate::workload::{Network, Starter, Variable, Word, Workload};

/// The workloads that scripts start. A command that starts no known product is none.
pub(crate) fn gather(files: &Files, catalog: &Catalog, groups: &mut usize) -> Vec<Workload> {
    let mut all = Vec::new();
    for (path, id, source) in files.all() {
        if is_script(path, source) {
            *groups += 1;
            all.extend(script(id, &source.text, catalog, *groups));
        }
    }
    all
}

/// Whether a file is a shell script: by its name, or its first line.
fn is_script(path: &Path, source: &Source) -> bool {
    let by_name = path.extension().is_some_and(|extension| extension == "sh" || extension == "bash");
    let first = source.text.lines().next().unwrap_or_default();
    let by_line = first.starts_with("#!")
        && ["sh", "bash", "dash", "zsh", "ash"]
            .iter()
            .any(|shell| first.trim_end().ends_with(shell));
    by_name || by_line
}

fn script(id: SourceId, text: &str, catalog: &Catalog, group: usize) -> Vec<Workload> {
    let mut environment: Vec<Variable> = Vec::new();
    let mut all = Vec::new();
    for command in shell::commands(id, text, 0) {
        let words: Vec<Word> = command
            .into_iter()
            .skip_while(is_keyword)
            .map(|word| fill(word, &environment))
            .collect();
        let assignments: Vec<Variable> = words.iter().map_while(assignment).collect();
        let rest = &words[assignments.len()..];
        if rest.is_empty() {
            assignments.into_iter().for_each(|variable| set(&mut environment, variable));
            continue;
        }
        if matches!(rest[0].text.as_str(), "export" | "declare" | "readonly" | "local" | "typeset") {
            rest[1..]
                .iter()
                .filter_map(assignment)
                .for_each(|variable| set(&mut environment, variable));
            continue;
        }
        let stripped = strip_launchers(rest);
        if let Some(workload) = docker::run(stripped, group) {
            all.push(workload);
            continue;
        }
        let Some(first) = stripped.first() else { continue };
        let name = first.text.rsplit('/').next().unwrap_or_default().to_owned();
        let mut workload = Workload::new(Located::new(name, first.span), Starter::Script, group);
        workload.network = Network::Host(None);
        workload.environment.clone_from(&environment);
        // Assignments before the command, also behind `env`, count for it alone.
        words.iter().filter_map(assignment).for_each(|variable| workload.set(variable));
        workload.command = stripped.to_vec();
        if served::product_of(&workload, catalog).is_some() {
            all.push(workload);
        }
    }
    all
}

/// Words that stand before a command without being one.
fn is_keyword(word: &ShellWord) -> bool {
    matches!(
        word.text.as_str(),
        "if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!" | "{" | "time"
    )
}

fn set(environment: &mut Vec<Variable>, variable: Variable) {
    environment.retain(|other| other.name.value != variable.name.value);
    environment.push(variable);
}

/// A word that assigns a variable.
fn assignment(word: &Word) -> Option<Variable> {
    let (name, value) = word.text.split_once('=')?;
    let is_name =
        !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_name.then(|| Variable {
        name: Located::new(name.to_owned(), word.span),
        value: Word {
            text: value.to_owned(),
            ..word.clone()
        },
    })
}

/// Fills in the variables that the script set before.
fn fill(word: ShellWord, environment: &[Variable]) -> Word {
    let mut filled = Word {
        unknown: word.unknown,
        ..Word::known("", word.span)
    };
    if word.literal || !word.text.contains('$') {
        filled.text = word.text;
        return filled;
    }
    let mut rest = word.text.as_str();
    while let Some(at) = rest.find('$') {
        filled.text.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let (inner, behind) = match after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((inner, behind)) => (inner, behind),
            None => {
                let length = after
                    .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
                    .unwrap_or(after.len());
                // `$@`, `$*`, `$1`: what the caller of the script gives.
                let length = if length == 0 {
                    after.chars().next().map_or(0, char::len_utf8)
                } else {
                    length
                };
                after.split_at(length)
            }
        };
        let length = inner
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(inner.len());
        let (name, operator) = inner.split_at(length);
        let known = environment
            .iter()
            .find(|variable| variable.name.value == name)
            .map(|variable| &variable.value);
        let default = operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-'));
        match (known, default) {
            (Some(value), _) => {
                filled.text.push_str(&value.text);
                filled.unknown |= value.unknown;
            }
            (None, Some(default)) if !default.contains('$') => {
                filled.text.push_str(default);
                filled.by_default_of = Some(name.to_owned());
            }
            _ => filled.unknown = true,
        }
        rest = behind;
    }
    filled.text.push_str(rest);
    filled
}
