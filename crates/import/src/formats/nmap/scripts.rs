//! The output of nmap's scripts for AI servers: `llm-info`, `mcp-info` and `mcp-enum` of nmap-ai-recon (read at its revision 86e94bd).

use vigie_catalog::Catalog;
use vigie_model::{Known, Leak, LeakKind, Model, Posture, Tool, Why};

use crate::raw::{Claim, Decoded, RawObservation, shorten};

/// The most models, and tools, of one server.
const MAX_LISTED: usize = 2_000;

/// The most lines of one script.
const MAX_ENTRIES: usize = 10_000;

/// The longest name of a model or a tool, in characters.
const MAX_NAME: usize = 512;

/// A script's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    LlmInfo,
    McpInfo,
    McpEnum,
}

impl Kind {
    /// The script of that id, if it is one of these.
    pub(crate) fn of(id: &str) -> Option<Self> {
        [Self::LlmInfo, Self::McpInfo, Self::McpEnum]
            .into_iter()
            .find(|kind| kind.word() == id)
    }

    fn word(self) -> &'static str {
        match self {
            Self::LlmInfo => "llm-info",
            Self::McpInfo => "mcp-info",
            Self::McpEnum => "mcp-enum",
        }
    }
}

/// One line of a script's output.
#[derive(Debug)]
struct Entry {
    /// The list that contains it; empty if none.
    list: String,
    key: String,
    value: String,
}

/// The output of one script for a port.
#[derive(Debug)]
pub(crate) struct Script {
    kind: Kind,
    entries: Vec<Entry>,
    /// The lists that the next element is in.
    lists: Vec<String>,
    /// The element that is read.
    element: Option<(String, String)>,
    left_out: usize,
    /// What is there so far was read from its print.
    printed: bool,
}

impl Script {
    /// `output` is what it printed, which says the same as its elements and is read where there are none.
    pub(crate) fn new(kind: Kind, output: &str) -> Self {
        let mut script = Self {
            kind,
            entries: Vec::new(),
            lists: Vec::new(),
            element: None,
            left_out: 0,
            printed: true,
        };
        script.read(output);
        script
    }

    /// Begins a list or an element of it.
    pub(crate) fn open(&mut self, tag: &[u8], key: Option<String>) {
        // Its elements are what it said; the print was a stand-in.
        if std::mem::take(&mut self.printed) {
            self.entries.clear();
            self.left_out = 0;
        }
        match tag {
            b"table" => self.lists.push(key.unwrap_or_default()),
            b"elem" => self.element = Some((key.unwrap_or_default(), String::new())),
            _ => {}
        }
    }

    /// Adds a text.
    pub(crate) fn text(&mut self, text: &str) {
        if let Some((_, value)) = &mut self.element {
            value.push_str(text);
        }
    }

    /// Ends a list or an element.
    pub(crate) fn close(&mut self, tag: &[u8]) {
        match tag {
            b"table" => drop(self.lists.pop()),
            b"elem" => {
                if let Some((key, value)) = self.element.take() {
                    let value = crate::xml::unescape(value.trim()).into_owned();
                    let list = self.lists.first().cloned().unwrap_or_default();
                    self.push(list, key, value);
                }
            }
            _ => {}
        }
    }

    fn push(&mut self, list: String, key: String, value: String) {
        if self.entries.len() < MAX_ENTRIES {
            self.entries.push(Entry { list, key, value });
        } else {
            self.left_out += 1;
        }
    }

    /// Reads what it printed: `  key: value`, and lists as lines that stand deeper than their key.
    fn read(&mut self, output: &str) {
        let mut list = String::new();
        for line in output.lines().filter(|line| !line.trim().is_empty()) {
            let deep = line.len() - line.trim_start().len() > 2;
            let line = line.trim();
            if deep && !list.is_empty() {
                self.push(list.clone(), String::new(), line.to_owned());
                continue;
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim(), value.trim());
            list.clear();
            if value.is_empty() {
                key.clone_into(&mut list);
            } else if key.ends_with(')') {
                for one in value.split(", ") {
                    self.push(key.to_owned(), String::new(), one.to_owned());
                }
            } else {
                self.push(String::new(), key.to_owned(), value.to_owned());
            }
        }
    }

    fn get(&self, key: &str) -> Option<&str> {
        let found = self.entries.iter().find(|entry| entry.list.is_empty() && entry.key == key)?;
        Some(found.value.as_str()).filter(|value| !value.is_empty())
    }

    /// The members of a list, whose key may go on with their number: `models (3)`. `None`: it has no such list.
    fn list(&self, name: &str) -> Option<Vec<&str>> {
        let ours = |key: &str| key.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(" ("));
        let members: Vec<&str> = self
            .entries
            .iter()
            .filter(|entry| ours(&entry.list))
            .map(|entry| entry.value.as_str())
            .collect();
        (!members.is_empty()).then_some(members)
    }

    /// The posture that the script reports.
    fn met(&self) -> Met {
        let word = |key: &str| self.get(key).unwrap_or_default();
        match self.kind {
            Kind::LlmInfo | Kind::McpInfo => {
                let endpoint = word("endpoint");
                // What everybody may see says nothing of what is behind it.
                let telling = endpoint != "/" && !endpoint.contains("health");
                let auth = word("auth");
                let access = word("access");
                if auth.starts_with("PROVIDED") {
                    Met::WithCredential
                } else if auth.starts_with("NONE") && (telling || self.list("models").is_some()) {
                    Met::Posture(Posture::Open)
                } else if auth.starts_with("REQUIRED") {
                    Met::Posture(Posture::Key)
                } else if access.starts_with("open") {
                    Met::Posture(Posture::Open)
                } else if access.starts_with("no admin account") {
                    Met::Posture(Posture::FirstAdmin)
                } else if access.starts_with("self-registration") {
                    Met::Posture(Posture::Signup)
                } else if access.starts_with("login") {
                    Met::Posture(Posture::Login)
                } else {
                    Met::Nothing
                }
            }
            Kind::McpEnum if word("SECURITY").starts_with("unauthenticated") => Met::Posture(Posture::Open),
            // It warns of every server that it could list without a token.
            Kind::McpEnum => Met::WithCredential,
        }
    }

    /// The request that showed it; empty if unknown.
    fn request(&self) -> String {
        let endpoint = self.get("endpoint").filter(|path| path.starts_with('/') && path.len() <= 256);
        let Some(endpoint) = endpoint else { return String::new() };
        let sse = self
            .get("transport")
            .is_some_and(|transport| transport.contains("legacy") || transport.contains("sse"));
        let posted = match self.kind {
            Kind::LlmInfo => endpoint.ends_with("/completions") || endpoint.ends_with("/messages"),
            Kind::McpInfo | Kind::McpEnum => !sse,
        };
        format!("{} {endpoint}", if posted { "POST" } else { "GET" })
    }
}

/// The access that a script reports.
#[derive(Clone, Copy, PartialEq)]
enum Met {
    Posture(Posture),
    /// It came with a key: what a stranger meets, it does not say.
    WithCredential,
    Nothing,
}

/// Adds the scripts' results to a port.
pub(crate) fn add(scripts: &[Script], observed: &mut RawObservation, catalog: &Catalog) {
    if scripts.is_empty() {
        return;
    }
    for script in scripts {
        claim(script, observed);
    }
    let met: Vec<Met> = scripts.iter().map(Script::met).collect();
    let posture = met.iter().find_map(|met| match met {
        Met::Posture(posture) => Some(*posture),
        Met::WithCredential | Met::Nothing => None,
    });
    // Where one of them says that no key is asked for, none was needed.
    let with_credential = met.contains(&Met::WithCredential) && posture != Some(Posture::Open);
    // What asks for a key and lists all the same was listed to somebody else, or from memory: the script's own words, and no more.
    let refused = posture.is_some_and(|posture| posture != Posture::Open);
    if with_credential || refused {
        for script in scripts {
            listed(script, &["models", "tools"], observed);
        }
    }
    for script in scripts {
        listed(script, &["resources", "prompts"], observed);
    }
    let request = scripts
        .iter()
        .zip(&met)
        .filter(|(_, met)| matches!(met, Met::Posture(_)))
        .map(|(script, _)| script.request())
        .find(|request| !request.is_empty());
    let (models, tools) = if with_credential || refused {
        let why = match with_credential {
            true => "it was listed with a key; what a stranger sees is not in the record",
            false => "the script says that a stranger is refused; what it lists is not what a stranger sees",
        };
        (Known::unknown_because(Why::NotCarried, why), Known::unknown(Why::NotAsked))
    } else {
        (models(scripts, catalog), tools(scripts, catalog))
    };
    observed.decoded = Some(Decoded {
        product: None,
        models,
        running: Known::unknown(Why::NotAsked),
        tools,
        posture,
        request: request.unwrap_or_default(),
        leaks: if with_credential || refused { Vec::new() } else { leaks(scripts) },
    });
}

/// Keeps the members of some lists as the script's words.
fn listed(script: &Script, lists: &[&str], observed: &mut RawObservation) {
    let word = script.kind.word();
    for list in lists {
        let one = list.trim_end_matches('s');
        let members = script.list(list).unwrap_or_default();
        observed
            .words
            .extend(members.into_iter().map(|member| (format!("{word} {one}"), member.to_owned())));
    }
}

/// What it says the port is, and its other words.
fn claim(script: &Script, observed: &mut RawObservation) {
    let word = script.kind.word();
    if let Some(framework) = script.get("framework") {
        observed.claims.push(Claim {
            product: framework.to_owned(),
            version: script.get("version").map(str::to_owned),
            place: "llm-info framework",
        });
    }
    if script.kind != Kind::LlmInfo && !observed.claims.iter().any(|claim| claim.product == "mcp") {
        // The script speaks with MCP servers alone.
        observed.claims.push(Claim {
            product: "mcp".to_owned(),
            version: None,
            place: "script",
        });
    }
    for entry in &script.entries {
        let own = entry.list.is_empty() && !matches!(entry.key.as_str(), "framework" | "version" | "endpoint" | "");
        if own {
            observed.words.push((format!("{word} {}", entry.key), entry.value.clone()));
        } else if entry.list.starts_with("leaks") {
            observed.words.push((format!("{word} leak"), entry.value.clone()));
        }
    }
    if script.left_out > 0 {
        observed.words.push((word.to_owned(), format!("{} lines more", script.left_out)));
    }
}

fn models(scripts: &[Script], catalog: &Catalog) -> Known<Vec<Model>> {
    let listed: Vec<&str> = scripts.iter().filter_map(|script| script.list("models")).flatten().collect();
    if !scripts.iter().any(|script| script.kind == Kind::LlmInfo) {
        return Known::unknown(Why::NotAsked);
    }
    if listed.is_empty() {
        return Known::unknown_because(Why::NotCarried, "the script writes no list where it found none or saw none");
    }
    let markers = catalog.classifiers();
    let names = listed
        .iter()
        .map(|name| name.split(" (accessible;").next().unwrap_or(name).trim())
        // What had no name stands as this.
        .filter(|name| !name.is_empty() && *name != "?");
    Known::Known(
        names
            .take(MAX_LISTED)
            .map(|name| {
                let name = shorten(name, MAX_NAME);
                Model {
                    uncensored_by_name: Known::Known(markers.uncensored_name(&name)),
                    ..Model::named(name, Why::NotCarried)
                }
            })
            .collect(),
    )
}

/// A tool's name, and what follows it: `name [!! RISK: …] - description  (params: a, b*)`, or `  schema={…}` for the parameters. The mark is the
/// script's own and no part of the name; revisions write it with signs before the word, or without.
fn marked(line: &str) -> (&str, &str) {
    let mark = line.match_indices(" [").find_map(|(start, _)| {
        let inside = line.get(start + 2..)?;
        let word = inside.trim_start_matches(|c: char| !c.is_alphanumeric() && c != ']');
        let end = start + 2 + inside.find(']')?;
        word.starts_with("RISK:").then_some((start, end + 1))
    });
    let ends = [" - ", "  (params: ", "  schema="];
    let end = ends.iter().filter_map(|end| line.find(end)).min().unwrap_or(line.len());
    match mark {
        // A description may speak of a mark too.
        Some((start, after)) if start < end => (line.get(..start).unwrap_or(line), line.get(after..).unwrap_or_default()),
        _ => line.split_at(end),
    }
}

fn tools(scripts: &[Script], catalog: &Catalog) -> Known<Vec<Tool>> {
    let listed: Vec<&str> = scripts.iter().filter_map(|script| script.list("tools")).flatten().collect();
    if listed.is_empty() {
        return Known::unknown(Why::NotAsked);
    }
    let tool = |line: &str| {
        let (name, rest) = marked(line);
        let cut = ["  (params: ", "  schema="]
            .iter()
            .filter_map(|end| rest.find(end))
            .min()
            .unwrap_or(rest.len());
        let (description, parameters) = rest.split_at(cut);
        let name = shorten(name.trim(), MAX_NAME);
        Tool {
            risks: catalog
                .classifiers()
                .tool_risks(&name, description.trim_start_matches([' ', '-']), parameters),
            name,
        }
    };
    let tools = listed.into_iter().take(MAX_LISTED).map(tool).filter(|tool| !tool.name.is_empty());
    Known::Known(tools.collect())
}

/// `system prompt disclosed via /props`.
fn leaks(scripts: &[Script]) -> Vec<Leak> {
    let said = scripts.iter().filter_map(|script| script.list("leaks")).flatten();
    said.filter_map(|text| {
        let (what, path) = text.split_once(" disclosed via ")?;
        let what = match what {
            "system prompt" => LeakKind::SystemPrompt,
            _ if path.starts_with("/metrics") => LeakKind::Metrics,
            _ => return None,
        };
        path.starts_with('/').then(|| Leak {
            what,
            request: format!("GET {}", shorten(path.trim(), 256)),
        })
    })
    .collect()
}
