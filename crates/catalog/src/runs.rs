//! How a product is started: the names by which a service in a configuration file, or a process, is recognised.

use serde::Deserialize;

use crate::settings::{Judgement, Setting};

/// How a product is started.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runs {
    /// Repositories of its container images, without registry and tag where it is Docker Hub's: `ollama/ollama`, `ghcr.io/ggml-org/llama.cpp`.
    /// A repository that ends in `*` stands for all that begin so.
    #[serde(default)]
    pub images: Vec<String>,
    /// What its command line begins with, each a program by its file name, followed by the words that come after it: `ollama serve`,
    /// `python -m vllm.entrypoints.openai.api_server`.
    #[serde(default)]
    pub commands: Vec<String>,
    /// Who may use it when nothing is set.
    #[serde(default)]
    pub authentication: Authentication,
}

/// What a product asks of its callers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Authentication {
    /// What its settings whose audit rule is `no-authentication` say; without such a setting, unknown.
    #[default]
    Settings,
    /// It has none of its own.
    None,
    /// It always asks for an account or a key.
    Always,
}

impl Runs {
    /// Whether an image is one of the product's. `image` is a reference as it stands in a configuration file.
    #[must_use]
    pub fn has_image(&self, image: &str) -> bool {
        let repository = repository(image);
        self.images.iter().any(|known| match known.strip_suffix('*') {
            Some(begin) => repository.starts_with(begin),
            // A mirror keeps the name behind its own.
            None => {
                repository == known
                    || (known.contains('/') && repository.strip_suffix(known.as_str()).is_some_and(|mirror| mirror.ends_with('/')))
            }
        })
    }

    /// How many words of a command line start the product: those of the longest of its commands that the line begins with.
    #[must_use]
    pub fn starts(&self, words: &[&str]) -> Option<usize> {
        self.commands
            .iter()
            .filter_map(|command| {
                let known: Vec<&str> = command.split_whitespace().collect();
                let fits = known.len() <= words.len()
                    && known.iter().zip(words).enumerate().all(|(at, (known, word))| {
                        let word = if at == 0 { program(word) } else { word };
                        if at == 0 && *known == "python" {
                            is_python(word)
                        } else if at > 0 && known.contains('.') && !known.starts_with('-') && !word.contains('=') {
                            // A script by its path.
                            *known == word || program(word) == *known
                        } else {
                            *known == word
                        }
                    });
                (fits && !known.is_empty()).then_some(known.len())
            })
            .max()
    }

    /// Whether callers must authenticate, with the settings in effect; `None`: unknown. `judge` gives the judgement of a setting.
    pub fn authenticates(&self, settings: &[Setting], judge: impl Fn(&Setting) -> Judgement) -> Option<bool> {
        match self.authentication {
            Authentication::None => return Some(false),
            Authentication::Always => return Some(true),
            Authentication::Settings => {}
        }
        let mut of_login = settings
            .iter()
            .filter(|setting| setting.audit.as_deref() == Some("no-authentication"))
            .map(judge)
            .peekable();
        of_login.peek()?;
        let mut unknown = false;
        for judgement in of_login {
            match judgement {
                Judgement::Safe => return Some(true),
                Judgement::Unknown => unknown = true,
                Judgement::Unsafe => {}
            }
        }
        if unknown { None } else { Some(false) }
    }
}

/// The repository of an image reference: without tag and digest, and without Docker Hub's own registry.
fn repository(image: &str) -> &str {
    let image = image.split_once('@').map_or(image, |(name, _)| name);
    let image = match image.rfind(':') {
        // A colon before a slash is a registry's port.
        Some(at) if !image[at..].contains('/') => &image[..at],
        _ => image,
    };
    ["docker.io/", "index.docker.io/", "registry-1.docker.io/"]
        .iter()
        .find_map(|registry| image.strip_prefix(registry))
        .map_or(image, |name| name.strip_prefix("library/").unwrap_or(name))
}

/// The file name of a program.
fn program(word: &str) -> &str {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
    name.strip_suffix(".exe").unwrap_or(name)
}

/// `python`, `python3`, `python3.12`.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python")
        .is_some_and(|version| version.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(images: &[&str], commands: &[&str]) -> Runs {
        let own = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect();
        Runs {
            images: own(images),
            commands: own(commands),
            authentication: Authentication::Settings,
        }
    }

    #[test]
    fn an_image_is_its_repository() {
        let runs = runs(&["ollama/ollama", "ghcr.io/ggml-org/llama.cpp", "nvcr.io/nim/*"], &[]);
        for image in [
            "ollama/ollama",
            "ollama/ollama:latest",
            "docker.io/ollama/ollama:0.17.4@sha256:00",
            "ollama/ollama@sha256:00",
            "ghcr.io/ggml-org/llama.cpp:server",
            "nvcr.io/nim/meta/llama3:1",
            "localhost:5000/ollama/ollama",
            "registry.example.org/hub/ollama/ollama:1",
        ] {
            assert!(runs.has_image(image), "{image}");
        }
        for image in ["ollama", "xollama/ollama", "localhost:5000/ollama", "ollama/ollama2", ""] {
            assert!(!runs.has_image(image), "{image}");
        }
    }

    #[test]
    fn a_command_is_its_program_and_words() {
        let runs = runs(
            &[],
            &["vllm serve", "python -m vllm.entrypoints.openai.api_server", "python main.py"],
        );
        let starts = |line: &str| runs.starts(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(starts("/opt/venv/bin/vllm serve x"), Some(2));
        assert_eq!(
            starts("/usr/bin/python3.12 -m vllm.entrypoints.openai.api_server --host ::"),
            Some(3)
        );
        assert_eq!(starts("python3 /opt/x/main.py --listen"), Some(2));
        for line in [
            "vllm",
            "vllm bench",
            "python -m vllm",
            "pythonista -m vllm.entrypoints.openai.api_server",
            "",
        ] {
            assert_eq!(starts(line), None, "{line}");
        }
    }
}
