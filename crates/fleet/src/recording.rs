//! The recordings that the servers of the fleet replay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use include_dir::{Dir, include_dir};
use vigie_catalog::ABSENT_PATH;
use vigie_http::headers;
use vigie_http::path::without_query;
use vigie_identify::fixture::{Fixture, FixtureFiles, Line};
use vigie_model::{Reply, RequestLine};

use crate::FleetError;

static FIXTURES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../catalog/fixtures");

/// The folder of recordings of no known product.
pub(crate) const MISSES: &str = "misses";

/// A recorded server.
#[derive(Debug)]
pub struct Recording {
    fixture: Fixture,
    folder: String,
    /// The paths for messages in its event streams.
    sessions: Vec<String>,
}

impl Recording {
    fn new(fixture: Fixture) -> Self {
        let folder = fixture.name.split('/').next().unwrap_or_default().to_owned();
        let streams = fixture.lines.iter().filter(|line| line.request.method == "GET");
        let sessions = streams
            .filter_map(|line| named_path(&line.request.path, line.reply.as_ref()?))
            .collect();
        Self { fixture, folder, sessions }
    }

    /// The recorded conversation and its expected results.
    #[must_use]
    pub fn fixture(&self) -> &Fixture {
        &self.fixture
    }

    /// `<product>/<version>-<state>`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.fixture.name
    }

    /// Its folder: a product's id, or `misses`.
    #[must_use]
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The recorded reply to a request, found by [`Fixture::answer`]; without one, the recorded reply for a page that does not exist. The
    /// message path of a session exists only while its stream is open, so it counts as such a page here.
    #[must_use]
    pub fn line(&self, request: &RequestLine) -> Option<&Line> {
        let of_session = request.method == "POST" && self.sessions.contains(&request.path);
        let found = if of_session { None } else { self.fixture.answer(request) };
        let elsewhere = |method: &str, path: &str| {
            self.fixture
                .lines
                .iter()
                .find(|line| line.request.method == method && line.request.path == path)
        };
        found.or_else(|| elsewhere("*", "*")).or_else(|| elsewhere("GET", ABSENT_PATH))
    }

    /// The recorded reply to a message in a session. Its line has the path from the stream or, if the recording leaves it open,
    /// `session:`.
    #[must_use]
    pub fn line_of_session(&self, request: &RequestLine) -> Option<&Line> {
        [request.path.as_str(), "session:"].into_iter().find_map(|path| {
            let asked = RequestLine {
                path: path.to_owned(),
                ..request.clone()
            };
            self.fixture.answer(&asked).filter(|line| line.request.path != "*")
        })
    }

    /// The path for messages in this reply to a GET, if it opens a session.
    #[must_use]
    pub fn session(&self, request: &RequestLine, reply: &Reply) -> Option<String> {
        (request.method == "GET").then(|| named_path(&request.path, reply)).flatten()
    }

    /// The recorded reply to exactly this GET.
    pub(crate) fn get(&self, path: &str) -> Option<&Reply> {
        self.fixture
            .lines
            .iter()
            .find(|line| line.request.method == "GET" && line.request.path == path)
            .and_then(|line| line.reply.as_ref())
    }

    /// Whether no reply was recorded: the server listens but does not speak HTTP.
    pub(crate) fn mute(&self) -> bool {
        self.fixture.lines.iter().all(|line| line.reply.is_none())
    }
}

/// All recordings, by product.
#[derive(Clone, Debug)]
pub struct Recordings {
    all: BTreeMap<String, Vec<Arc<Recording>>>,
}

impl Recordings {
    /// The recordings embedded in this build.
    ///
    /// # Errors
    ///
    /// The invalid files.
    pub fn embedded() -> Result<&'static Self, FleetError> {
        static READ: OnceLock<Result<Recordings, String>> = OnceLock::new();
        READ.get_or_init(|| Self::read(&embedded_files()))
            .as_ref()
            .map_err(|errors| FleetError::Recordings(errors.clone()))
    }

    /// Parses recordings: from `<product>/<version>-<state>` to the texts of its two files.
    ///
    /// # Errors
    ///
    /// One line for each invalid file.
    pub fn read(files: &FixtureFiles) -> Result<Self, String> {
        let mut all: BTreeMap<String, Vec<Arc<Recording>>> = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, (head, lines)) in files {
            match Fixture::read(name, head, lines) {
                Ok(fixture) => {
                    let recording = Arc::new(Recording::new(fixture));
                    all.entry(recording.folder.clone()).or_default().push(recording);
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() {
            Ok(Self { all })
        } else {
            Err(errors.join("\n"))
        }
    }

    /// Every recording, ordered by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Recording>> {
        self.all.values().flatten()
    }

    /// The products with a recording, without `misses`.
    #[must_use]
    pub fn products(&self) -> BTreeSet<&str> {
        self.all.keys().map(String::as_str).filter(|folder| *folder != MISSES).collect()
    }

    /// The recordings of one folder.
    pub(crate) fn of(&self, folder: &str) -> &[Arc<Recording>] {
        self.all.get(folder).map_or(&[], Vec::as_slice)
    }

    /// The recording with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Arc<Recording>> {
        self.iter().find(|recording| recording.name() == name)
    }
}

/// The path for messages in an event stream (MCP over SSE): the data of its `endpoint` event.
fn named_path(asked: &str, reply: &Reply) -> Option<String> {
    if reply.status != 200 || !headers::is_event_stream(&reply.headers) {
        return None;
    }
    let data = vigie_http::events::data_of("endpoint", &reply.body)?;
    let data = data.trim();
    // An absolute URL, an absolute path, or a path relative to the stream's.
    if let Some((_, rest)) = data.split_once("://") {
        return Some(rest.find('/').map_or("/", |at| &rest[at..]).to_owned());
    }
    if data.starts_with('/') {
        return Some(data.to_owned());
    }
    let path = without_query(asked);
    let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
    Some(format!("{folder}{data}"))
}

fn embedded_files() -> FixtureFiles {
    let mut files = FixtureFiles::new();
    for state in FIXTURES.dirs().flat_map(Dir::dirs) {
        let text = |name: &str| {
            state
                .get_file(state.path().join(name))
                .and_then(|file| file.contents_utf8())
                .unwrap_or_default()
                .to_owned()
        };
        // Windows separates paths with backslashes.
        let name = state.path().to_string_lossy().replace('\\', "/");
        files.insert(name, (text("fixture.yaml"), text("exchanges.jsonl")));
    }
    files
}
