//! The files of an audit: found below the given paths, read, and parsed once.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use walkdir::WalkDir;

use crate::source::{MAX_FILE, Source, SourceId, Sources, Span};
use crate::syntax::tree::Node;
use crate::syntax::yaml;

/// Directories that hold what others made, or what no server reads.
const SKIPPED: [&str; 11] = [
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    ".tox",
    "site-packages",
    ".terraform",
    "target",
];

/// Most files that are read.
const MAX_FILES: usize = 200_000;

/// A document of a file of mappings and lists.
#[derive(Clone, Debug)]
pub struct Tree {
    /// The file's path.
    pub path: PathBuf,
    /// The file.
    pub source: SourceId,
    /// The document.
    pub node: Arc<Node>,
}

/// Something that could not be read, or not be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The path.
    pub path: PathBuf,
    /// Where in the file, if it was read.
    pub span: Option<Span>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

/// The files of an audit.
#[derive(Debug, Default)]
pub struct Files {
    sources: Sources,
    by_path: BTreeMap<PathBuf, SourceId>,
    trees: Vec<Tree>,
    problems: Vec<Problem>,
}

impl Files {
    /// Reads the files at and below the paths. What cannot be read is reported as a problem, and the rest is read.
    #[must_use]
    pub fn read(paths: &[PathBuf]) -> Self {
        let mut files = Self::default();
        let mut count = 0;
        for given in paths {
            // A file that is named is read whatever its name; below a directory, files that no reader knows are left out.
            let walk = WalkDir::new(given).follow_links(false).sort_by_file_name().into_iter();
            let walk = walk.filter_entry(|entry| {
                entry.depth() == 0 || !entry.file_type().is_dir() || !SKIPPED.contains(&&*entry.file_name().to_string_lossy())
            });
            for entry in walk {
                match entry {
                    Ok(entry) if entry.file_type().is_file() && (entry.depth() == 0 || is_candidate(entry.path())) => {
                        count += 1;
                        if count > MAX_FILES {
                            files.problem(
                                given,
                                None,
                                format!("there are more than {MAX_FILES} files below it; the rest was not read"),
                            );
                            break;
                        }
                        files.read_one(entry.path());
                    }
                    Ok(_) => {}
                    Err(error) => {
                        let path = error.path().unwrap_or(given).to_owned();
                        let message = error
                            .into_io_error()
                            .map_or_else(|| "it leads back to itself".to_owned(), |error| error.to_string());
                        files.problem(&path, None, message);
                    }
                }
            }
        }
        files
    }

    /// Adds a file with its text, for tests and for what does not come from a disk.
    pub fn add(&mut self, path: &Path, text: &str) {
        let path = crate::gather::compose::normal(path);
        let source = self.sources.add(&path.to_string_lossy(), text);
        self.by_path.insert(path.clone(), source);
        if is_tree(&path) {
            let read = yaml::read(source, text);
            for error in read.errors {
                self.problem(&path, Some(error.span), error.message);
            }
            self.trees.extend(read.documents.into_iter().map(|node| Tree {
                path: path.clone(),
                source,
                node,
            }));
        }
    }

    fn read_one(&mut self, path: &Path) {
        match read_text(path) {
            Ok(Some(text)) => self.add(path, &text),
            Ok(None) => {}
            Err(error) => self.problem(path, None, error.to_string()),
        }
    }

    fn problem(&mut self, path: &Path, span: Option<Span>, message: String) {
        self.problems.push(Problem {
            path: path.to_owned(),
            span,
            message,
        });
    }

    /// The texts and places.
    #[must_use]
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The documents of all files of mappings and lists.
    #[must_use]
    pub fn trees(&self) -> &[Tree] {
        &self.trees
    }

    /// The first document of a file.
    #[must_use]
    pub fn tree(&self, path: &Path) -> Option<&Tree> {
        let source = self.by_path.get(path)?;
        self.trees.iter().find(|tree| tree.source == *source)
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, path: &Path) -> Option<(SourceId, &str)> {
        let id = *self.by_path.get(path)?;
        Some((id, &self.sources.get(id).text))
    }

    /// Every file, in the order of the paths.
    pub fn all(&self) -> impl Iterator<Item = (&Path, SourceId, &Source)> {
        self.by_path.iter().map(|(path, id)| (path.as_path(), *id, self.sources.get(*id)))
    }

    /// The file that has this absolute path on the machine that the files describe: the one whose path ends in it.
    #[must_use]
    pub fn absolute(&self, path: &str) -> Option<(SourceId, &str)> {
        let relative = Path::new(path.trim_start_matches('/'));
        self.by_path
            .iter()
            .find(|(known, _)| known.ends_with(relative))
            .map(|(_, id)| (*id, &*self.sources.get(*id).text))
    }

    /// What could not be read or understood.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// The text of a file; `None` if it is no text.
fn read_text(path: &Path) -> std::io::Result<Option<String>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", MAX_FILE / 1024 / 1024)));
    }
    if bytes.contains(&0) {
        return Ok(None);
    }
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

fn extension(path: &Path) -> String {
    path.extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default()
}

/// Whether a file is one of mappings and lists.
fn is_tree(path: &Path) -> bool {
    matches!(extension(path).as_str(), "yaml" | "yml" | "json")
}

/// Whether a reader may know the file, by its name.
fn is_candidate(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    is_tree(path)
        || matches!(
            extension(path).as_str(),
            "toml" | "env" | "service" | "conf" | "cfg" | "ini" | "container" | "pod" | "kube" | "sh" | "bash" | "nix" | "nomad" | "hcl" | "py" | "properties"
        )
        || name.starts_with(".env")
        || name.ends_with(".env")
        || name.contains("dockerfile")
        || name.contains("containerfile")
        || name.contains("caddyfile")
        // /etc/default/ollama, sites-enabled/default, start: files without an extension are small, and looked at.
        || !name.contains('.')
}
