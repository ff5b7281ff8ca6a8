//! `docker run` and `podman run`.

use crate::source::{Located, Span};
use crate::workload::{Mount, Network, Privilege, PrivilegeKind, Starter, Variable, Word, Workload};

use super::command::unwrap_shell;
use super::compose::ports;
use super::compose::service::{capability, security_option, short_mount};

/// Options of `docker run` without a value.
const SWITCHES: [&str; 18] = [
    "--detach",
    "--disable-content-trust",
    "--help",
    "--init",
    "--interactive",
    "--no-healthcheck",
    "--oom-kill-disable",
    "--privileged",
    "--publish-all",
    "--quiet",
    "--read-only",
    "--replace",
    "--rm",
    "--sig-proxy",
    "--tty",
    "--use-api-socket",
    "--no-hosts",
    "--rmi",
];

/// The workload of a command line, if it runs a container.
pub(crate) fn run(words: &[Word], group: usize) -> Option<Workload> {
    let program = words.first()?.text.rsplit('/').next()?;
    if !matches!(program, "docker" | "podman" | "nerdctl") {
        return None;
    }
    // Options of the program itself stand before the verb.
    let verb = words.iter().position(|word| word.text == "run" || word.text == "create")?;
    let before = &words[1..verb];
    if !before
        .iter()
        .all(|word| word.text == "container" || word.text.starts_with('-') || word.text.contains(['/', ':']))
    {
        return None;
    }
    let mut workload = Workload::new(Located::new(format!("{program} run"), words[0].span), Starter::DockerRun, group);
    let mut publishes = Vec::new();
    let mut at = verb + 1;
    while let Some(word) = words.get(at) {
        if !word.text.starts_with('-') || word.text == "-" {
            break;
        }
        at += 1;
        let (name, inline) = match word.text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.text.as_str(), None),
        };
        let is_switch = SWITCHES.contains(&name)
            || (!name.starts_with("--") && name.len() > 1 && name[1..].bytes().all(|b| matches!(b, b'd' | b'i' | b't' | b'P' | b'q')));
        if is_switch {
            match name {
                "--privileged" if inline.as_deref() != Some("false") => push(&mut workload, PrivilegeKind::Privileged, word.span),
                "--read-only" => push(&mut workload, PrivilegeKind::ReadOnlyRoot, word.span),
                _ => {}
            }
            continue;
        }
        let value = match inline {
            Some(text) => Word { text, ..word.clone() },
            // `-p80:80`, `-eA=1`.
            None if !name.starts_with("--") && name.len() > 2 && name.is_char_boundary(2) => Word {
                text: name[2..].to_owned(),
                ..word.clone()
            },
            None => {
                at += 1;
                words.get(at - 1)?.clone()
            }
        };
        let name = if name.starts_with("--") { name } else { name.get(..2)? };
        option(&mut workload, name, &value, &mut publishes);
    }
    workload.image = words.get(at).cloned();
    workload.command = unwrap_shell(words.get(at + 1..).unwrap_or_default().to_vec());
    if workload.network == Network::Own {
        workload.openings = publishes.iter().filter_map(ports::short).collect();
    }
    workload.image.is_some().then_some(workload)
}

fn push(workload: &mut Workload, kind: PrivilegeKind, span: Span) {
    workload.privileges.push(Privilege { kind, span });
}

fn option(workload: &mut Workload, name: &str, value: &Word, publishes: &mut Vec<Word>) {
    match name {
        "-p" | "--publish" => publishes.push(value.clone()),
        "-e" | "--env" => {
            let variable = match value.text.split_once('=') {
                Some((name, text)) => Variable {
                    name: Located::new(name.to_owned(), value.span),
                    value: Word {
                        text: text.to_owned(),
                        ..value.clone()
                    },
                },
                None => Variable {
                    name: Located::new(value.text.clone(), value.span),
                    value: Word::outside(value.span),
                },
            };
            workload.set(variable);
        }
        "--env-file" => workload.environment_open = true,
        "--name" => workload.name = Located::new(value.text.clone(), workload.name.span),
        "--network" | "--net" => {
            workload.network = match value.text.as_str() {
                "host" => Network::Host(Some(value.span)),
                "none" => Network::None,
                other => match other.strip_prefix("container:") {
                    Some(name) => Network::Of(name.to_owned()),
                    None => Network::Own,
                },
            };
        }
        "-v" | "--volume" => workload.mounts.extend(short_mount(value)),
        "--mount" => workload.mounts.extend(mount(value)),
        "-u" | "--user" => workload.user = Some(value.clone()),
        "--cap-add" => push(workload, capability(&value.text), value.span),
        "--security-opt" => {
            if let Some(kind) = security_option(&value.text) {
                push(workload, kind, value.span);
            }
        }
        "--pid" if value.text == "host" => push(workload, PrivilegeKind::HostProcesses, value.span),
        "--ipc" if value.text == "host" => push(workload, PrivilegeKind::HostMemory, value.span),
        "-m" | "--memory" => push(workload, PrivilegeKind::MemoryLimit, value.span),
        "--entrypoint" => workload.command.push(value.clone()),
        _ => {}
    }
}

/// `type=bind,source=/a,target=/b,readonly`.
fn mount(word: &Word) -> Option<Mount> {
    let parts: Vec<(&str, &str)> = word
        .text
        .split(',')
        .map(|part| part.split_once('=').unwrap_or((part, "true")))
        .collect();
    let value = |keys: &[&str]| parts.iter().find(|(key, _)| keys.contains(key)).map(|(_, value)| *value);
    Some(Mount {
        span: word.span,
        source: value(&["source", "src"]).map(|source| Word {
            text: source.to_owned(),
            ..word.clone()
        }),
        target: value(&["target", "destination", "dst"])?.to_owned(),
        read_only: value(&["readonly", "ro"]).is_some_and(|value| value == "true"),
    })
}
