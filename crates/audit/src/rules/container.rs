//! What a container that serves a model is given of its host: its engine, its files, its rights.

use super::{Draft, Scene};
use crate::workload::PrivilegeKind;

/// Files of the engine through which containers are started.
const SOCKETS: [&str; 4] = ["docker.sock", "podman.sock", "containerd.sock", "crio.sock"];

/// Directories of the host that hold keys, passwords, or what it starts.
const DIRECTORIES: [&str; 9] = ["/", "/etc", "/root", "/home", "/var", "/usr", "/boot", "/proc", "/sys"];

/// Capabilities that lead out of a container.
const CAPABILITIES: [&str; 9] = [
    "ALL",
    "SYS_ADMIN",
    "SYS_PTRACE",
    "SYS_MODULE",
    "SYS_RAWIO",
    "NET_ADMIN",
    "DAC_READ_SEARCH",
    "BPF",
    "SYS_BOOT",
];

pub(super) fn check(scene: &Scene<'_>, found: &mut Vec<Draft>) {
    for served in scene.served.iter().filter(|served| served.workload.starter.is_container()) {
        let what = served.called().value;
        for mount in &served.workload.mounts {
            let Some(source) = mount.source.as_ref().filter(|source| !source.unknown) else {
                continue;
            };
            let path = source.text.trim_end_matches('/');
            if SOCKETS.iter().any(|socket| path.rsplit('/').next() == Some(socket)) {
                let mode = if mount.read_only { ", read-only" } else { "" };
                found.push(Draft::new("docker-socket", mount.span, &*what).with("mode", mode));
            } else if DIRECTORIES.contains(&if path.is_empty() && source.text.starts_with('/') {
                "/"
            } else {
                path
            }) {
                found.push(Draft::new("host-files", mount.span, &*what).with("path", source.text.as_str()));
            }
        }
        for privilege in &served.workload.privileges {
            let draft = |rule| Draft::new(rule, privilege.span, &*what);
            match &privilege.kind {
                PrivilegeKind::Privileged => found.push(draft("privileged-container")),
                PrivilegeKind::Capability(name) if CAPABILITIES.contains(&name.as_str()) => {
                    found.push(draft("capability-added").with("capability", name.as_str()));
                }
                PrivilegeKind::SeccompOff => found.push(draft("confinement-off").with("part", "seccomp")),
                PrivilegeKind::ConfinementOff => found.push(draft("confinement-off").with("part", "AppArmor or SELinux")),
                _ => {}
            }
        }
    }
}
