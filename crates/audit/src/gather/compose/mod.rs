//! Compose projects: which files belong together, and what their services are.

mod merge;
pub(crate) mod ports;
pub(crate) mod service;
mod variables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::files::{Files, Tree};
use crate::source::Located;
use crate::syntax::dotenv;
use crate::syntax::tree::{Kind, Node};
use crate::workload::{Variable, Word, Workload};

use self::service::Project;
use self::variables::Variables;

/// The names that compose looks for, the first that is there.
const BASES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// The names that are added to the base.
const OVERRIDES: [&str; 4] = [
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yaml",
    "docker-compose.override.yml",
];

/// Most files that `extends` and `include` may lead through.
const MAX_CHAIN: usize = 20;

/// Whether a document is a compose file: services that are mappings, each with something that a service has.
pub(crate) fn is_compose(node: &Node) -> bool {
    const KEYS: [&str; 14] = [
        "image",
        "build",
        "ports",
        "environment",
        "volumes",
        "command",
        "extends",
        "network_mode",
        "env_file",
        "networks",
        "deploy",
        "profiles",
        "entrypoint",
        "restart",
    ];
    if node.get("apiVersion").is_some() {
        return false;
    }
    let Some(services) = node.get("services").filter(|services| services.is_map()) else {
        return false;
    };
    services
        .entries()
        .iter()
        .any(|entry| entry.value.entries().iter().any(|entry| KEYS.contains(&&*entry.key.value)))
}

/// The workloads of all compose projects among the files.
pub(crate) fn gather(files: &Files, groups: &mut usize) -> Vec<Workload> {
    let mut folders: BTreeMap<PathBuf, BTreeSet<String>> = BTreeMap::new();
    for tree in files.trees() {
        if is_compose(&tree.node) {
            let folder = tree.path.parent().unwrap_or(Path::new("")).to_owned();
            let name = tree
                .path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            folders.entry(folder).or_default().insert(name);
        }
    }
    let mut all = Vec::new();
    for (folder, names) in folders {
        for project in projects(files, &folder, &names) {
            *groups += 1;
            all.extend(Reader { files, folder: &folder }.workloads(&project, *groups));
        }
    }
    all
}

/// The projects of a folder, each with its files in the order in which compose reads them.
fn projects(files: &Files, folder: &Path, names: &BTreeSet<String>) -> Vec<Vec<PathBuf>> {
    let variables = variables(files, folder);
    let mut left = names.clone();
    let mut all = Vec::new();
    let listed = variables.get("COMPOSE_FILE").map(|list| {
        let separator = variables.get("COMPOSE_PATH_SEPARATOR").map_or(":", |text| text.value.as_str());
        list.value
            .split(separator)
            .map(|name| normal(&folder.join(name)))
            .collect::<Vec<_>>()
    });
    if let Some(listed) = listed.filter(|listed| listed.iter().any(|path| files.tree(path).is_some())) {
        for path in &listed {
            if path.parent() == Some(folder)
                && let Some(name) = path.file_name()
            {
                left.remove(&*name.to_string_lossy());
            }
        }
        all.push(listed);
        // The list replaces the files that compose finds by itself.
        for name in BASES.iter().chain(&OVERRIDES) {
            left.remove(*name);
        }
    } else {
        let base = BASES.iter().find(|name| names.contains(**name));
        let overrides = OVERRIDES.iter().find(|name| names.contains(**name));
        if let Some(base) = base {
            let mut project = vec![folder.join(base)];
            left.remove(*base);
            if let Some(name) = overrides {
                left.remove(*name);
                project.push(folder.join(name));
            }
            all.push(project);
        }
    }
    let base = all.first().cloned();
    for name in left {
        let path = folder.join(&name);
        let whole = files.tree(&path).is_some_and(|tree| is_whole(&tree.node));
        match &base {
            // A file whose services have no image of their own is read on top of the base.
            Some(base) if !whole && !OVERRIDES.contains(&name.as_str()) => {
                all.push(base.iter().cloned().chain([path]).collect());
            }
            _ => all.push(vec![path]),
        }
    }
    all
}

/// Whether every service says what it runs.
fn is_whole(node: &Node) -> bool {
    let services = node.get("services").map(|services| services.entries()).unwrap_or_default();
    services
        .iter()
        .all(|entry| ["image", "build", "extends"].iter().any(|key| entry.value.get(key).is_some()))
}

/// The variables of the project's `.env`.
fn variables(files: &Files, folder: &Path) -> Variables {
    let mut variables = Variables::default();
    if let Some((source, text)) = files.text(&folder.join(".env")) {
        for one in dotenv::read(source, text) {
            if let Some(value) = one.value {
                let filled = if one.literal {
                    value
                } else {
                    let word = variables.fill(&value.value, value.span);
                    Located::new(word.text, value.span)
                };
                variables.set(&one.name.value, filled);
            }
        }
    }
    variables
}

struct Reader<'f> {
    files: &'f Files,
    folder: &'f Path,
}

impl Reader<'_> {
    fn workloads(&self, project: &[PathBuf], group: usize) -> Vec<Workload> {
        let variables = variables(self.files, self.folder);
        let mut whole: Option<Arc<Node>> = None;
        let mut pending: Vec<PathBuf> = project.iter().rev().cloned().collect();
        let mut read = BTreeSet::new();
        while let Some(path) = pending.pop() {
            if read.len() > MAX_CHAIN || !read.insert(path.clone()) {
                continue;
            }
            let Some(tree) = self.files.tree(&path) else { continue };
            let node = self.extended(tree);
            // Files that are included are read before the file that includes them.
            whole = Some(match whole {
                None => Arc::clone(&node),
                Some(base) => merge::merge("", &base, &node),
            });
            for item in node.get("include").map(|include| include.items()).unwrap_or_default() {
                let path = item.text().or_else(|| item.get("path").and_then(|path| path.text()));
                if let Some(path) = path {
                    pending.push(normal(&self.folder_of(tree).join(variables.fill(path, item.span).text)));
                }
            }
        }
        let Some(whole) = whole else { return Vec::new() };
        let internal: Vec<String> = whole
            .get("networks")
            .map(|networks| networks.entries())
            .unwrap_or_default()
            .iter()
            .filter(|entry| entry.value.get("internal").and_then(|internal| internal.truth()) == Some(true))
            .map(|entry| entry.key.value.to_string())
            .collect();
        let profiles: Vec<String> = variables
            .get("COMPOSE_PROFILES")
            .map(|list| list.value.split(',').map(|name| name.trim().to_owned()).collect())
            .unwrap_or_default();
        let project = Project {
            variables: &variables,
            group,
            internal: &internal,
            profiles: &profiles,
        };
        let services = whole.get("services").map(|services| services.entries()).unwrap_or_default();
        services
            .iter()
            .filter(|entry| entry.value.is_map())
            .map(|entry| service::workload(&entry.key, &entry.value, &project, &self.variable_files(&entry.value, &variables)))
            .collect()
    }

    fn folder_of<'t>(&self, tree: &'t Tree) -> &'t Path {
        tree.path.parent().unwrap_or(Path::new(""))
    }

    /// A file with the services that its services extend.
    fn extended(&self, tree: &Tree) -> Arc<Node> {
        let Some(services) = tree.node.get("services") else {
            return Arc::clone(&tree.node);
        };
        if !services.entries().iter().any(|entry| entry.value.get("extends").is_some()) {
            return Arc::clone(&tree.node);
        }
        let mut changed = (**services).clone();
        if let Kind::Map(entries) = &mut changed.kind {
            for entry in entries {
                entry.value = self.with_bases(tree, &entry.value, 0);
            }
        }
        let mut node = (*tree.node).clone();
        if let Kind::Map(entries) = &mut node.kind {
            for entry in entries.iter_mut().filter(|entry| &*entry.key.value == "services") {
                entry.value = Arc::new(changed.clone());
            }
        }
        Arc::new(node)
    }

    fn with_bases(&self, tree: &Tree, service: &Arc<Node>, depth: usize) -> Arc<Node> {
        let Some(extends) = service.get("extends").filter(|_| depth < MAX_CHAIN) else {
            return Arc::clone(service);
        };
        let name = extends.text().or_else(|| extends.get("service").and_then(|name| name.text()));
        let file = extends.get("file").and_then(|file| file.text());
        let base_tree = match file {
            Some(file) => self.files.tree(&normal(&self.folder_of(tree).join(file))),
            None => Some(tree),
        };
        let base = base_tree
            .zip(name)
            .and_then(|(tree, name)| Some((tree, tree.node.get("services")?.get(name)?)));
        match base {
            Some((tree, base)) => merge::merge("", &self.with_bases(tree, base, depth + 1), service),
            None => Arc::clone(service),
        }
    }

    /// The variables of `env_file`, file by file.
    fn variable_files(&self, service: &Node, variables: &Variables) -> Vec<Option<Vec<Variable>>> {
        let Some(node) = service.get("env_file") else {
            return Vec::new();
        };
        let one = std::slice::from_ref(node);
        let items = if node.items().is_empty() { one } else { node.items() };
        items
            .iter()
            .filter_map(|item| item.text().or_else(|| item.get("path").and_then(|path| path.text())))
            .map(|path| {
                let path = normal(&self.folder.join(variables.fill(path, node.span).text));
                let (source, text) = self.files.text(&path)?;
                let assignments = dotenv::read(source, text).into_iter().map(|one| {
                    let value = match one.value {
                        Some(value) if one.literal => Word::known(value.value, value.span),
                        Some(value) => variables.fill(&value.value, value.span),
                        None => Word::outside(one.name.span),
                    };
                    Variable { name: one.name, value }
                });
                Some(assignments.collect())
            })
            .collect()
    }
}

/// A path without `.` and `..`, as far as it has directories to leave.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}
