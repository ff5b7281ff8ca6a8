//! systemd units with their drop-ins, in the order in which systemd reads them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::Files;
use crate::gather::command::unwrap_shell;
use crate::source::{Located, Span};
use crate::syntax::ini::{self, Item};
use crate::syntax::{dotenv, shell};
use crate::workload::{Activity, Network, Privilege, PrivilegeKind, Starter, Variable, Word, Workload};

/// The directories of units, the one that counts most first.
const FOLDERS: [&str; 6] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "systemd/user",
];

/// A unit's file and its drop-ins.
#[derive(Default)]
struct Parts {
    files: Vec<PathBuf>,
    drop_ins: BTreeMap<String, Vec<PathBuf>>,
}

/// The workloads of all services among the files.
pub(crate) fn gather(files: &Files, groups: &mut usize) -> Vec<Workload> {
    let mut units: BTreeMap<String, Parts> = BTreeMap::new();
    for (path, ..) in files.all() {
        let name = file_name(path);
        let folder = path.parent().map(file_name).unwrap_or_default();
        if name.ends_with(".service") {
            units.entry(name).or_default().files.push(path.to_owned());
        } else if name.ends_with(".conf")
            && let Some(unit) = folder.strip_suffix(".d").filter(|unit| unit.ends_with(".service"))
        {
            let parts = units.entry(unit.to_owned()).or_default();
            parts.drop_ins.entry(name).or_default().push(path.to_owned());
        }
    }
    let mut all = Vec::new();
    for (name, parts) in units {
        // Several files of one name that lie in no directory of units are several machines' units.
        let (placed, alone): (Vec<_>, Vec<_>) = parts.files.iter().cloned().partition(|path| rank(path) < FOLDERS.len());
        let mut mains: Vec<Option<PathBuf>> = alone.into_iter().map(Some).collect();
        if let Some(first) = placed.into_iter().min_by_key(|path| rank(path)) {
            mains.push(Some(first));
        }
        if mains.is_empty() {
            // Drop-ins alone, for a unit that a package brings.
            mains.push(None);
        }
        for main in mains {
            *groups += 1;
            all.extend(unit(files, &name, main.as_deref(), &parts.drop_ins, *groups));
        }
    }
    all
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// How much a path counts: the number of its directory in [`FOLDERS`].
fn rank(path: &Path) -> usize {
    let folder = path.to_string_lossy().replace('\\', "/");
    FOLDERS.iter().position(|known| folder.contains(known)).unwrap_or(FOLDERS.len())
}

fn unit(files: &Files, name: &str, main: Option<&Path>, drop_ins: &BTreeMap<String, Vec<PathBuf>>, group: usize) -> Option<Workload> {
    let mut items = Vec::new();
    let mut paths: Vec<&Path> = main.into_iter().collect();
    // Drop-ins are read in the order of their names, whatever their directory; of two with one name the one that counts more.
    paths.extend(
        drop_ins
            .values()
            .filter_map(|same| same.iter().map(PathBuf::as_path).min_by_key(|path| rank(path))),
    );
    let mut first = None;
    let mut is_masked = false;
    for path in paths {
        let (source, text) = files.text(path)?;
        first.get_or_insert(Span::new(source, 0, 0));
        // A unit that is masked is an empty file, or leads to /dev/null.
        is_masked |= Some(path) == main && text.trim().is_empty();
        items.extend(ini::read(source, text));
    }
    let service: Vec<&Item> = items.iter().filter(|item| item.section == "Service").collect();
    let stem = name.trim_end_matches(".service");
    let mut workload = Workload::new(Located::new(stem.to_owned(), first?), Starter::Systemd, group);
    workload.network = Network::Host(None);
    if is_masked {
        workload.activity = Activity::Off("the unit is masked".to_owned());
    }
    let values = |key: &str| in_effect(&service, key);
    for item in values("Environment") {
        for word in words(item) {
            if let Some((name, value)) = word.text.split_once('=') {
                let value = Word::known(value, word.span);
                workload.set(Variable {
                    name: Located::new(name.to_owned(), word.span),
                    value,
                });
            }
        }
    }
    // What a file of variables says counts more than what stands in the unit.
    for item in values("EnvironmentFile") {
        let path = item.value.value.trim_start_matches('-');
        match files.absolute(path) {
            Some((source, text)) => {
                for one in dotenv::read(source, text) {
                    if let Some(value) = one.value {
                        workload.set(Variable {
                            name: one.name,
                            value: Word::known(value.value, value.span),
                        });
                    }
                }
            }
            None => workload.environment_open = true,
        }
    }
    for item in values("UnsetEnvironment") {
        for word in words(item) {
            workload.environment.retain(|variable| variable.name.value != word.text);
        }
    }
    if let Some(start) = values("ExecStart").last() {
        let mut command: Vec<Word> = words(start).into_iter().map(|word| expand(word, &workload)).collect();
        if let Some(program) = command.first_mut() {
            program.text = program.text.trim_start_matches(['-', '@', '+', '!', ':', '|']).to_owned();
        }
        if let Some(program) = command.first() {
            workload.name.span = Span { ..program.span };
        }
        workload.command = unwrap_shell(command);
    }
    workload.user = values("User")
        .last()
        .map(|item| Word::known(item.value.value.clone(), item.value.span));
    if values("DynamicUser").last().is_some_and(|item| is_on(&item.value.value)) {
        let item = values("DynamicUser").last()?.value.span;
        workload.user = Some(Word::known(stem, item));
    }
    if let Some(item) = values("NoNewPrivileges").last().filter(|item| is_on(&item.value.value)) {
        workload.privileges.push(Privilege {
            kind: PrivilegeKind::NoNewPrivileges,
            span: item.value.span,
        });
    }
    Some(workload)
}

fn is_on(value: &str) -> bool {
    ["1", "true", "yes", "on"].iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// The values of a key that are in effect: an empty one removes those before it.
fn in_effect<'i>(items: &[&'i Item], key: &str) -> Vec<&'i Item> {
    let mut values = Vec::new();
    for item in items.iter().filter(|item| item.key.value == key) {
        if item.value.value.trim().is_empty() {
            values.clear();
        } else {
            values.push(*item);
        }
    }
    values
}

fn words(item: &Item) -> Vec<Word> {
    shell::words(item.value.span.source, &item.value.value, item.value.span.start as usize)
        .into_iter()
        .map(|word| Word {
            unknown: word.unknown,
            ..Word::known(word.text, word.span)
        })
        .collect()
}

/// Fills in `$X` and `${X}`, which systemd takes from the unit's own environment.
fn expand(mut word: Word, workload: &Workload) -> Word {
    let Some(name) = word.text.strip_prefix('$') else { return word };
    let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
    match workload.variable(name) {
        Some(variable) => {
            word.text.clone_from(&variable.value.text);
            word.span = variable.value.span;
        }
        None => word.unknown = true,
    }
    word
}
