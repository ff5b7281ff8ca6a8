//! The cases of `tests/bypass`: how a file of them reads. The format is described in `tests/bypass/README.md`.

use std::path::{Path, PathBuf};

/// What has to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// Nothing arrives behind, and the client gets this status.
    Refused(u16),
    /// One request arrives behind.
    Passed,
}

/// What has to arrive behind as a body.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ArrivedBody {
    /// None.
    None,
    /// The JSON of the request itself.
    Same,
    /// This JSON.
    Json(serde_json::Value),
    /// Bytes with these texts in them.
    Has(Vec<String>),
}

/// A case.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its class and its own name: `keys/two-models`.
    pub(crate) name: String,
    pub(crate) class: String,
    /// The product behind and its version.
    pub(crate) server: (String, Option<String>),
    pub(crate) key: String,
    pub(crate) expected: Expected,
    /// The method and the target of what arrives.
    pub(crate) behind: String,
    pub(crate) body: ArrivedBody,
    /// What neither the request behind nor the reply to the client may hold.
    pub(crate) lacks: Vec<String>,
    /// What the reply to the client holds.
    pub(crate) reply_has: Vec<String>,
    /// How many answers the client waits for.
    pub(crate) answers: usize,
    pub(crate) request: String,
}

/// What is filled in.
pub(crate) struct Filling<'f> {
    pub(crate) host: &'f str,
    pub(crate) secret_of: &'f dyn Fn(&str) -> String,
}

/// Every case, in the order of their names.
pub(crate) fn all() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/bypass");
    let mut files: Vec<PathBuf> = folders(&root).iter().flat_map(|folder| entries(folder)).collect();
    files.retain(|file| file.extension().is_some_and(|end| end == "http"));
    files.sort();
    files.iter().map(|file| read(file)).collect()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    listed.map(|entry| entry.expect("an entry").path()).collect()
}

fn folders(root: &Path) -> Vec<PathBuf> {
    entries(root).into_iter().filter(|path| path.is_dir()).collect()
}

fn stem(path: &Path) -> String {
    path.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn read(file: &Path) -> Case {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let class = stem(file.parent().expect("a class"));
    let name = format!("{class}/{}", stem(file));
    let (about, request) = text.split_once("\n---\n").unwrap_or_else(|| panic!("{name}: no line ---"));
    let mut case = Case {
        class,
        server: ("ollama".to_owned(), Some("0.17.4".to_owned())),
        key: String::new(),
        expected: Expected::Passed,
        behind: String::new(),
        body: ArrivedBody::None,
        lacks: Vec::new(),
        reply_has: Vec::new(),
        answers: 1,
        request: request.strip_suffix('\n').unwrap_or(request).to_owned(),
        name,
    };
    let mut has = Vec::new();
    let (mut is_explained, mut is_decided) = (false, false);
    for line in about.lines() {
        let name = &case.name;
        let (word, value) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("{name}: {line:?} is no `word: value`"));
        match word {
            "why" => is_explained = true,
            "server" => {
                let (product, version) = value.split_once(' ').unwrap_or((value, ""));
                case.server = (product.to_owned(), (!version.is_empty()).then(|| version.to_owned()));
            }
            // Of real servers only; the played one names its version.
            "needs" => assert_eq!(value, "version", "{name}"),
            "key" => case.key = value.to_owned(),
            "expect" => {
                is_decided = true;
                case.expected = match value.split_once(' ') {
                    Some(("refused", status)) => Expected::Refused(status.parse().expect("a status")),
                    None if value == "passed" => Expected::Passed,
                    _ => panic!("{name}: what is {value:?}?"),
                };
            }
            "behind" => case.behind = value.to_owned(),
            "body" if value == "same" => case.body = ArrivedBody::Same,
            "body" => case.body = ArrivedBody::Json(serde_json::from_str(value).unwrap_or_else(|error| panic!("{name}: {error}"))),
            "body-has" => has.push(value.to_owned()),
            "lacks" => case.lacks.push(value.to_owned()),
            "reply-has" => case.reply_has.push(value.to_owned()),
            "answers" => case.answers = value.parse().expect("a number"),
            other => panic!("{name}: unknown word {other:?}"),
        }
    }
    if !has.is_empty() {
        case.body = ArrivedBody::Has(has);
    }
    assert!(
        is_explained && is_decided && !case.key.is_empty(),
        "{}: why, key and expect are needed",
        case.name
    );
    assert_eq!(
        case.expected == Expected::Passed,
        !case.behind.is_empty(),
        "{}: behind belongs to passed",
        case.name
    );
    case
}

impl Case {
    /// The bytes that are sent, and those of them that are the body.
    pub(crate) fn bytes(&self, filling: &Filling<'_>) -> (Vec<u8>, Vec<u8>) {
        let (head, body) = match self.request.split_once("\n\n") {
            Some((head, body)) => (head, body),
            None => (self.request.trim_end_matches('\n'), ""),
        };
        let body = self.fill(body, "\n", 0, filling);
        let mut bytes = self.fill(head, "\r\n", body.len(), filling);
        bytes.extend_from_slice(b"\r\n\r\n");
        bytes.extend_from_slice(&body);
        (bytes, body)
    }

    /// A text with its placeholders filled in. One that says how a line ends stands at the end of the line.
    fn fill(&self, text: &str, line_end: &str, length: usize, filling: &Filling<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        for (number, line) in text.split('\n').enumerate() {
            if number > 0 && !out.ends_with(END) {
                out.extend_from_slice(line_end.as_bytes());
            }
            if out.ends_with(END) {
                out.truncate(out.len() - END.len());
            }
            self.fill_line(line, length, filling, &mut out);
        }
        if out.ends_with(END) {
            out.truncate(out.len() - END.len());
        }
        out
    }

    fn fill_line(&self, line: &str, length: usize, filling: &Filling<'_>, out: &mut Vec<u8>) {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("<<") {
            out.extend_from_slice(before.as_bytes());
            let (word, behind) = after.split_once(">>").unwrap_or_else(|| panic!("{}: << without >>", self.name));
            rest = behind;
            let (word, value) = word.split_once(' ').unwrap_or((word, ""));
            match (word, value) {
                ("key", "") => out.extend_from_slice((filling.secret_of)(&self.key).as_bytes()),
                ("key", name) => out.extend_from_slice((filling.secret_of)(name).as_bytes()),
                ("basic", "") => {
                    use base64::Engine as _;
                    let pair = format!("anyone:{}", (filling.secret_of)(&self.key));
                    out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(pair).as_bytes());
                }
                ("host", "") => out.extend_from_slice(filling.host.as_bytes()),
                ("port", "") => out.extend_from_slice(filling.host.rsplit(':').next().unwrap_or_default().as_bytes()),
                ("length", "") => out.extend_from_slice(length.to_string().as_bytes()),
                ("bytes", digits) => {
                    for pair in digits.split(' ') {
                        out.push(u8::from_str_radix(pair, 16).unwrap_or_else(|_| panic!("{}: {pair:?}", self.name)));
                    }
                }
                ("repeat", what) => {
                    let (count, text) = what.split_once(' ').expect("a number and a text");
                    out.extend_from_slice(text.repeat(count.parse().expect("a number")).as_bytes());
                }
                ("crlf", "") => out.extend_from_slice(&[b"\r\n", END].concat()),
                ("lf", "") => out.extend_from_slice(&[b"\n", END].concat()),
                ("cr", "") => out.extend_from_slice(&[b"\r", END].concat()),
                ("nothing", "") => out.extend_from_slice(END),
                _ => panic!("{}: unknown placeholder {word:?}", self.name),
            }
        }
        out.extend_from_slice(rest.as_bytes());
    }
}

/// Marks that a line has its end already.
const END: &[u8] = b"\x01\x02the line has its end\x03\x04";
