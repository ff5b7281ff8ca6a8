//! What a command line runs, behind the shells and launchers that stand before it.

use crate::syntax::shell;
use crate::workload::Word;

/// The words behind `sh -c "…"`: those of the last command of the script that is no preparation. Other command lines stay as they are.
#[must_use]
pub(crate) fn unwrap_shell(words: Vec<Word>) -> Vec<Word> {
    let is_shell = |word: &Word| {
        let name = word.text.rsplit('/').next().unwrap_or_default();
        matches!(name, "sh" | "bash" | "ash" | "dash" | "zsh")
    };
    let Some(at) = words.first().filter(|word| is_shell(word)).and_then(|_| {
        words
            .iter()
            .position(|word| word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains('c'))
    }) else {
        return words;
    };
    let Some(script) = words.get(at + 1) else { return words };
    let commands = shell::commands(script.span.source, &script.text, 0);
    let mut best: Option<Vec<Word>> = None;
    for command in commands {
        let inner: Vec<Word> = command
            .into_iter()
            .map(|word| Word {
                text: word.text,
                span: script.span,
                unknown: word.unknown || script.unknown,
                by_default_of: script.by_default_of.clone(),
            })
            .collect();
        let starts_server = strip_launchers(&inner).first().is_some_and(|word| !is_preparation(&word.text));
        if starts_server {
            best = Some(inner);
        }
    }
    best.unwrap_or(words)
}

fn is_preparation(word: &str) -> bool {
    matches!(
        word.rsplit('/').next().unwrap_or_default(),
        "echo"
            | "sleep"
            | "cd"
            | "export"
            | "mkdir"
            | "chown"
            | "chmod"
            | "wait"
            | "set"
            | "source"
            | "."
            | "pip"
            | "apt-get"
            | "apt"
            | "true"
            | "test"
    )
}

/// The words without assignments and launchers in front: `exec`, `env`, `nohup`, `sudo`, `numactl`, `uv run` and their like.
#[must_use]
pub(crate) fn strip_launchers(words: &[Word]) -> &[Word] {
    let mut rest = words;
    loop {
        let Some(first) = rest.first() else { return rest };
        let name = first.text.rsplit('/').next().unwrap_or_default();
        let is_assignment = first.text.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && !name.starts_with('-') && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        let skip = match name {
            _ if is_assignment => 1,
            "exec" | "env" | "nohup" | "sudo" | "command" | "time" | "nice" | "ionice" | "setsid" | "tini" | "dumb-init" | "stdbuf"
            | "numactl" | "taskset" | "systemd-run" | "catchsegv" | "runuser" | "gosu" | "su-exec" | "chpst" | "envdir" | "screen"
            | "tmux" => 1 + options(&rest[1..]),
            "uv" | "poetry" | "pipenv" | "pdm" | "conda" | "micromamba" | "pixi" | "hatch"
                if rest.get(1).is_some_and(|word| word.text == "run") =>
            {
                2 + options(&rest[2..])
            }
            "uvx" | "pipx" if rest.len() > 1 => 1 + options(&rest[1..]),
            _ => return rest,
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
}

/// How many words at the start are options of a launcher, with the values of those that have one.
fn options(words: &[Word]) -> usize {
    let mut at = 0;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if text == "--" {
            return at + 1;
        }
        if !text.starts_with('-') {
            return at;
        }
        let takes_value = matches!(
            text,
            "-u" | "-g"
                | "-n"
                | "-c"
                | "-p"
                | "-S"
                | "-s"
                | "-t"
                | "-C"
                | "--user"
                | "--with"
                | "--python"
                | "--from"
                | "--env-file"
                | "--project"
                | "--directory"
                | "-i"
                | "-o"
                | "-e"
        );
        at += if takes_value { 2 } else { 1 };
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Sources, Span};

    fn line(text: &str) -> Vec<Word> {
        let mut sources = Sources::default();
        let id = sources.add("x", text);
        shell::words(id, text, 0)
            .into_iter()
            .map(|word| Word::known(word.text, Span::new(id, 0, 0)))
            .collect()
    }

    fn text(words: &[Word]) -> String {
        words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_server_stands_behind_shells_and_launchers() {
        for (given, expected) in [
            ("sh -c 'sleep 5 && exec vllm serve x --host ::'", "vllm serve x --host ::"),
            ("/bin/bash -lc \"A=1 ollama serve & wait\"", "ollama serve"),
            ("vllm serve x", "vllm serve x"),
            ("env OLLAMA_HOST=0.0.0.0 nohup ollama serve", "ollama serve"),
            ("sudo -u ollama ollama serve", "ollama serve"),
            ("uv run --with x vllm serve y", "vllm serve y"),
            ("sh -c 'echo x'", "sh -c echo x"),
            ("", ""),
        ] {
            let words = unwrap_shell(line(given));
            assert_eq!(text(strip_launchers(&words)), expected, "{given}");
        }
    }
}
