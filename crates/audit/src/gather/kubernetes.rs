//! Containers of Kubernetes objects, with the services that lead to them from outside the cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::files::Files;
use crate::gather::command::unwrap_shell;
use crate::source::Located;
use crate::syntax::tree::{Kind, Node};
use crate::workload::{Activity, Mount, Network, Opening, Ports, Privilege, PrivilegeKind, Reach, Starter, Variable, Way, Word, Workload};

/// A service that is reachable from outside the cluster.
struct Outside<'n> {
    namespace: &'n str,
    selector: BTreeMap<&'n str, &'n str>,
    opening: Opening,
}

/// The workloads of all Kubernetes objects among the files.
pub(crate) fn gather(files: &Files, groups: &mut usize) -> Vec<Workload> {
    let mut objects: Vec<&Arc<Node>> = Vec::new();
    for tree in files.trees() {
        if text(&tree.node, &["kind"]) == Some("List") && tree.node.get("apiVersion").is_some() {
            objects.extend(tree.node.get("items").map(|items| items.items()).unwrap_or_default());
        } else if tree.node.get("apiVersion").is_some() && tree.node.get("kind").is_some() {
            objects.push(&tree.node);
        }
    }
    let outside: Vec<Outside<'_>> = objects.iter().filter_map(|object| outside(object)).collect();
    let maps: BTreeMap<(&str, &str), &Arc<Node>> = objects
        .iter()
        .filter(|object| text(object, &["kind"]) == Some("ConfigMap"))
        .filter_map(|object| Some(((namespace(object), text(object, &["metadata", "name"])?), object.get("data")?)))
        .collect();
    let mut all = Vec::new();
    for object in &objects {
        let Some((pod, labels)) = pod(object) else { continue };
        *groups += 1;
        let is_host = pod.get("hostNetwork").and_then(|node| node.truth()) == Some(true);
        let none = text(object, &["spec", "replicas"]) == Some("0");
        for container in pod.get("containers").map(|list| list.items()).unwrap_or_default() {
            let Some(mut workload) = workload(container, pod, namespace(object), &maps, *groups) else {
                continue;
            };
            if is_host && let Some(node) = pod.get("hostNetwork") {
                workload.network = Network::Host(Some(node.span));
            }
            if none {
                workload.activity = Activity::Off("it has no replicas".to_owned());
            }
            for service in outside.iter().filter(|service| service.namespace == namespace(object)) {
                let selects = !service.selector.is_empty() && service.selector.iter().all(|(key, value)| labels.get(key) == Some(value));
                if selects {
                    workload.openings.push(service.opening.clone());
                }
            }
            all.push(workload);
        }
    }
    all
}

fn text<'n>(node: &'n Node, path: &[&str]) -> Option<&'n str> {
    node.at(path)?.text()
}

fn namespace(object: &Node) -> &str {
    text(object, &["metadata", "namespace"]).unwrap_or_default()
}

fn labels(node: Option<&Node>) -> BTreeMap<&str, &str> {
    node.map(|node| {
        node.entries()
            .iter()
            .filter_map(|entry| Some((&*entry.key.value, entry.value.text()?)))
            .collect()
    })
    .unwrap_or_default()
}

/// The pod of an object that starts one, with its labels.
fn pod(object: &Node) -> Option<(&Node, BTreeMap<&str, &str>)> {
    let template = match text(object, &["kind"])? {
        "Pod" => object,
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "ReplicationController" => object.at(&["spec", "template"])?,
        "CronJob" => object.at(&["spec", "jobTemplate", "spec", "template"])?,
        _ => return None,
    };
    Some((template.at(&["spec"])?, labels(template.at(&["metadata", "labels"]))))
}

fn outside(object: &Node) -> Option<Outside<'_>> {
    if text(object, &["kind"]) != Some("Service") {
        return None;
    }
    let kind = object.at(&["spec", "type"])?;
    if !matches!(kind.text(), Some("NodePort" | "LoadBalancer")) {
        return None;
    }
    // A load balancer of the provider's own network, and one that lists whom it lets in.
    let annotations = object.at(&["metadata", "annotations"]).map(Node::entries).unwrap_or_default();
    let internal = annotations.iter().any(|entry| {
        let value = entry.value.text().unwrap_or_default();
        entry.key.value.to_ascii_lowercase().contains("internal") && value != "false" || value.eq_ignore_ascii_case("internal")
    });
    let ranges = object
        .at(&["spec", "loadBalancerSourceRanges"])
        .map(Node::items)
        .unwrap_or_default();
    let reach = if internal {
        Reach::Certain("of the provider's internal network".to_owned())
    } else if !ranges.is_empty() && !ranges.iter().any(|range| matches!(range.text(), Some("0.0.0.0/0" | "::/0"))) {
        Reach::Certain("of the listed ranges".to_owned())
    } else {
        Reach::Everyone
    };
    let port = object.at(&["spec", "ports"]).and_then(|ports| ports.items().first().cloned());
    let number = |key: &str| port.as_ref().and_then(|port| Ports::parse(port.get(key)?.text()?));
    Some(Outside {
        namespace: namespace(object),
        selector: labels(object.at(&["spec", "selector"])),
        opening: Opening {
            span: kind.span,
            way: Way::Service,
            reach,
            outside: number("nodePort").or_else(|| number("port")),
            inside: number("targetPort").or_else(|| number("port")),
        },
    })
}

fn workload(container: &Node, pod: &Node, namespace: &str, maps: &BTreeMap<(&str, &str), &Arc<Node>>, group: usize) -> Option<Workload> {
    let name = container.get("name")?.located()?;
    let mut workload = Workload::new(name, Starter::Kubernetes, group);
    let word = |node: &Arc<Node>| node.located().map(|text| Word::known(text.value, text.span));
    workload.image = container.get("image").and_then(word);
    let mut command = Vec::new();
    for key in ["command", "args"] {
        command.extend(
            container
                .get(key)
                .map(|list| list.items())
                .unwrap_or_default()
                .iter()
                .filter_map(word),
        );
    }
    for source in container.get("envFrom").map(|list| list.items()).unwrap_or_default() {
        match text(source, &["configMapRef", "name"]).and_then(|name| maps.get(&(namespace, name))) {
            Some(map) => {
                for entry in map.entries() {
                    if let Some(value) = entry.value.text() {
                        workload.set(Variable {
                            name: Located::new(entry.key.value.to_string(), entry.key.span),
                            value: Word::known(value, entry.value.span),
                        });
                    }
                }
            }
            None => workload.environment_open = true,
        }
    }
    for item in container.get("env").map(|list| list.items()).unwrap_or_default() {
        let Some(name) = item.get("name").and_then(|name| name.located()) else {
            continue;
        };
        let map = item.at(&["valueFrom", "configMapKeyRef"]);
        let of_map = map.and_then(|map| maps.get(&(namespace, text(map, &["name"])?))?.get(text(map, &["key"])?));
        let value = match item.get("value") {
            Some(value) => value.text().map(|text| Word::known(text, value.span)),
            None if item.get("valueFrom").is_none() => Some(Word::known("", name.span)),
            None => None,
        };
        let value = value.or_else(|| of_map.and_then(word)).unwrap_or_else(|| Word::outside(name.span));
        workload.set(Variable { name, value });
    }
    // `$(NAME)` in the command is a variable of the container.
    for word in &mut command {
        if let Some(name) = word.text.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')')) {
            match workload.variable(name) {
                Some(variable) => *word = variable.value.clone(),
                None => word.unknown = true,
            }
        } else if word.text.contains("$(") {
            word.unknown = true;
        }
    }
    workload.command = unwrap_shell(command);
    for port in container.get("ports").map(|list| list.items()).unwrap_or_default() {
        let number = |key: &str| Ports::parse(port.get(key)?.text()?);
        if let Some(host_port) = port.get("hostPort") {
            let address = text(port, &["hostIP"]).unwrap_or_default();
            workload.openings.push(Opening {
                span: host_port.span,
                way: Way::Published,
                reach: super::compose::ports::reach(address),
                outside: number("hostPort"),
                inside: number("containerPort"),
            });
        }
    }
    workload.mounts = mounts(container, pod);
    workload.privileges = privileges(container, pod);
    Some(workload)
}

/// Directories of the host that a container is given.
fn mounts(container: &Node, pod: &Node) -> Vec<Mount> {
    let volumes = pod.get("volumes").map(|list| list.items()).unwrap_or_default();
    let mut all = Vec::new();
    for mount in container.get("volumeMounts").map(|list| list.items()).unwrap_or_default() {
        let name = text(mount, &["name"]);
        let volume = volumes.iter().find(|volume| text(volume, &["name"]) == name);
        let Some(path) = volume.and_then(|volume| volume.at(&["hostPath", "path"])) else {
            continue;
        };
        all.push(Mount {
            span: path.span,
            source: path.located().map(|text| Word::known(text.value, text.span)),
            target: text(mount, &["mountPath"]).unwrap_or_default().to_owned(),
            read_only: mount.get("readOnly").and_then(|node| node.truth()) == Some(true),
        });
    }
    all
}

fn privileges(container: &Node, pod: &Node) -> Vec<Privilege> {
    let mut all = Vec::new();
    let mut add = |kind, node: &Node| all.push(Privilege { kind, span: node.span });
    if let Some(context) = container.get("securityContext") {
        if let Some(node) = context.get("privileged").filter(|node| node.truth() == Some(true)) {
            add(PrivilegeKind::Privileged, node);
        }
        for item in context.at(&["capabilities", "add"]).map(Node::items).unwrap_or_default() {
            if let Kind::Scalar(scalar) = &item.kind {
                add(super::compose::service::capability(&scalar.text), item);
            }
        }
        if let Some(node) = context
            .at(&["seccompProfile", "type"])
            .filter(|node| node.text() == Some("Unconfined"))
        {
            add(PrivilegeKind::SeccompOff, node);
        }
    }
    for (key, kind) in [("hostPID", PrivilegeKind::HostProcesses), ("hostIPC", PrivilegeKind::HostMemory)] {
        if let Some(node) = pod.get(key).filter(|node| node.truth() == Some(true)) {
            add(kind, node);
        }
    }
    all
}
