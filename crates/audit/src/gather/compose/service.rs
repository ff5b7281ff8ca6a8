//! A service of a compose file as a workload.

use std::sync::Arc;

use crate::gather::command::unwrap_shell;
use crate::source::{Located, Span};
use crate::syntax::shell;
use crate::syntax::tree::{Kind, Node};
use crate::workload::{Activity, Mount, Network, Privilege, PrivilegeKind, Starter, Variable, Word, Workload};

use super::merge::pairs;
use super::ports;
use super::variables::Variables;

/// What the whole project says that a service depends on.
pub(super) struct Project<'p> {
    pub(super) variables: &'p Variables,
    pub(super) group: usize,
    /// The names of networks without a way out.
    pub(super) internal: &'p [String],
    /// The profiles that are switched on.
    pub(super) profiles: &'p [String],
}

/// The workload of a service. `files` are the assignments of its files of variables, in their order; `None` for one that was not found.
pub(super) fn workload(name: &Located<Box<str>>, service: &Node, project: &Project<'_>, files: &[Option<Vec<Variable>>]) -> Workload {
    let fill = |node: &Node| node.text().map(|text| project.variables.fill(text, node.span));
    let value = |key: &str| service.get(key).and_then(|node| fill(node));
    let mut workload = Workload::new(Located::new(name.value.to_string(), name.span), Starter::Compose, project.group);
    workload.activity = activity(service, project);
    workload.image = value("image");
    let mut command = words(service.get("entrypoint"), project.variables);
    command.extend(words(service.get("command"), project.variables));
    workload.command = unwrap_shell(command);
    for file in files {
        match file {
            Some(variables) => variables.iter().cloned().for_each(|variable| workload.set(variable)),
            None => workload.environment_open = true,
        }
    }
    for entry in service.get("environment").map(|node| pairs(node)).unwrap_or_default() {
        let value = match &entry.value.kind {
            Kind::Null => match project.variables.get(&entry.key.value) {
                Some(value) => Word::known(value.value.clone(), value.span),
                None => Word::outside(entry.key.span),
            },
            Kind::Scalar(scalar) => project.variables.fill(&scalar.text, entry.value.span),
            Kind::List(_) | Kind::Map(_) => continue,
        };
        workload.set(Variable {
            name: Located::new(entry.key.value.to_string(), entry.key.span),
            value,
        });
    }
    workload.openings = service
        .get("ports")
        .map(|ports| {
            ports
                .items()
                .iter()
                .filter_map(|item| ports::opening(item, project.variables))
                .collect()
        })
        .unwrap_or_default();
    workload.network = network(service, project);
    if matches!(workload.network, Network::Host(_) | Network::None | Network::Of(_)) {
        // Published ports are ignored then.
        workload.openings.clear();
    }
    workload.mounts = service
        .get("volumes")
        .map(|volumes| volumes.items().iter().filter_map(|item| mount(item, project.variables)).collect())
        .unwrap_or_default();
    workload.user = value("user");
    workload.privileges = privileges(service);
    workload
}

fn activity(service: &Node, project: &Project<'_>) -> Activity {
    let profiles: Vec<&str> = service
        .get("profiles")
        .map(|node| node.items().iter().filter_map(|item| item.text()).collect())
        .unwrap_or_default();
    if !profiles.is_empty()
        && !profiles
            .iter()
            .any(|profile| project.profiles.iter().any(|on| on == profile || on == "*"))
    {
        return Activity::Off(format!("profile {} is off", profiles.join(", ")));
    }
    let none = |node: Option<&Node>| node.and_then(Node::text) == Some("0");
    if none(service.at(&["deploy", "replicas"])) || none(service.at(&["scale"])) {
        return Activity::Off("it has no replicas".to_owned());
    }
    Activity::On
}

/// The words of `command` or `entrypoint`: a list, or a text that is split as a shell does.
fn words(node: Option<&Arc<Node>>, variables: &Variables) -> Vec<Word> {
    let Some(node) = node else { return Vec::new() };
    match &node.kind {
        Kind::List(items) => items
            .iter()
            .filter_map(|item| item.text().map(|text| variables.fill(text, item.span)))
            .collect(),
        Kind::Scalar(scalar) => {
            let text = &*scalar.text;
            split(node.span, text, variables)
        }
        Kind::Null | Kind::Map(_) => Vec::new(),
    }
}

/// Splits the text of a scalar. The places are those of the words where the text stands in the file as it is, else that of the scalar.
fn split(span: Span, text: &str, variables: &Variables) -> Vec<Word> {
    shell::words(span.source, text, 0)
        .into_iter()
        .map(|word| {
            let mut filled = variables.fill(&word.text, span);
            filled.unknown |= word.unknown;
            filled
        })
        .collect()
}

fn network(service: &Node, project: &Project<'_>) -> Network {
    if let Some(mode) = service.get("network_mode")
        && let Some(text) = mode.text()
    {
        let word = project.variables.fill(text, mode.span);
        return match word.text.as_str() {
            "host" => Network::Host(Some(mode.span)),
            "none" => Network::None,
            other => match other.strip_prefix("service:").or_else(|| other.strip_prefix("container:")) {
                Some(name) => Network::Of(name.to_owned()),
                None => Network::Own,
            },
        };
    }
    let Some(networks) = service.get("networks") else {
        return Network::Own;
    };
    let names: Vec<&str> = match &networks.kind {
        Kind::List(items) => items.iter().filter_map(|item| item.text()).collect(),
        Kind::Map(entries) => entries.iter().map(|entry| &*entry.key.value).collect(),
        Kind::Null | Kind::Scalar(_) => Vec::new(),
    };
    if !names.is_empty() && names.iter().all(|name| project.internal.iter().any(|internal| internal == name)) {
        return Network::Internal;
    }
    Network::Own
}

fn mount(item: &Node, variables: &Variables) -> Option<Mount> {
    if item.is_map() {
        let value = |key: &str| {
            item.get(key)
                .and_then(|node| node.text().map(|text| variables.fill(text, node.span)))
        };
        if item.get("type").and_then(|kind| kind.text()) == Some("tmpfs") {
            return None;
        }
        let source = value("source");
        return Some(Mount {
            span: source.as_ref().map_or(item.span, |word| word.span),
            source,
            target: value("target")?.text,
            read_only: item.get("read_only").and_then(|node| node.truth()) == Some(true),
        });
    }
    let word = variables.fill(item.text()?, item.span);
    short_mount(&word)
}

/// `[source:]target[:options]`.
pub(crate) fn short_mount(word: &Word) -> Option<Mount> {
    let mut parts: Vec<&str> = word.text.split(':').collect();
    // A drive letter of Windows.
    if parts.len() >= 2 && parts[0].len() == 1 && parts[1].starts_with(['\\', '/']) && parts[0].chars().all(|c| c.is_ascii_alphabetic()) {
        let drive = format!("{}:{}", parts[0], parts[1]);
        let rest: Vec<String> = parts[2..].iter().map(|part| (*part).to_owned()).collect();
        let target = rest.first()?.clone();
        return Some(Mount {
            span: word.span,
            source: Some(Word {
                text: drive,
                ..word.clone()
            }),
            target,
            read_only: rest.get(1).is_some_and(|options| options.split(',').any(|option| option == "ro")),
        });
    }
    let options = if parts.len() >= 3 { parts.pop() } else { None };
    let (source, target) = match parts.as_slice() {
        [target] => (None, *target),
        [source, target, ..] => (Some(*source), *target),
        [] => return None,
    };
    Some(Mount {
        span: word.span,
        source: source.map(|source| Word {
            text: source.to_owned(),
            ..word.clone()
        }),
        target: target.to_owned(),
        read_only: options.is_some_and(|options| options.split(',').any(|option| option == "ro")),
    })
}

fn privileges(service: &Node) -> Vec<Privilege> {
    let mut all = Vec::new();
    let mut add = |kind, span| all.push(Privilege { kind, span });
    let is = |key: &str, word: &str| service.get(key).filter(|node| node.text() == Some(word)).map(|node| node.span);
    if let Some(node) = service.get("privileged").filter(|node| node.truth() == Some(true)) {
        add(PrivilegeKind::Privileged, node.span);
    }
    for item in service.get("cap_add").map(|node| node.items()).unwrap_or_default() {
        if let Some(name) = item.text() {
            add(capability(name), item.span);
        }
    }
    for item in service.get("security_opt").map(|node| node.items()).unwrap_or_default() {
        if let Some(kind) = item.text().and_then(security_option) {
            add(kind, item.span);
        }
    }
    if let Some(span) = is("pid", "host") {
        add(PrivilegeKind::HostProcesses, span);
    }
    if let Some(span) = is("ipc", "host") {
        add(PrivilegeKind::HostMemory, span);
    }
    if let Some(node) = service.get("read_only").filter(|node| node.truth() == Some(true)) {
        add(PrivilegeKind::ReadOnlyRoot, node.span);
    }
    let limit = service.get("mem_limit").map(Arc::as_ref);
    if let Some(node) = limit.or_else(|| service.at(&["deploy", "resources", "limits", "memory"])) {
        add(PrivilegeKind::MemoryLimit, node.span);
    }
    all
}

/// The right that an item of `cap_add` gives.
pub(crate) fn capability(name: &str) -> PrivilegeKind {
    let name = name.to_ascii_uppercase();
    PrivilegeKind::Capability(name.strip_prefix("CAP_").unwrap_or(&name).to_owned())
}

/// What an item of `security_opt` says.
pub(crate) fn security_option(text: &str) -> Option<PrivilegeKind> {
    let (key, value) = text.split_once(['=', ':']).unwrap_or((text, "true"));
    Some(match (key, value) {
        ("seccomp", "unconfined") => PrivilegeKind::SeccompOff,
        ("apparmor", "unconfined") | ("label", "disable") => PrivilegeKind::ConfinementOff,
        ("no-new-privileges", "true") => PrivilegeKind::NoNewPrivileges,
        ("no-new-privileges", "false") => PrivilegeKind::NewPrivilegesAllowed,
        _ => return None,
    })
}
