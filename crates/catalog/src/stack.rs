//! Which HTTP stack answered: what a reply's headers name, and the words in which a stack says that there is no such page.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use crate::view::View;

/// Who writes the HTTP of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stack {
    /// Go's `net/http`, and what stands on it.
    Go,
    /// Rust: hyper, axum, actix.
    Rust,
    /// C or C++: cpp-httplib, drogon and others.
    Cpp,
    /// Java: Netty, Jetty, Spring.
    Java,
    /// Node: Express, Fastify, Next.js.
    Node,
    /// PHP.
    Php,
    /// Python's ASGI servers and frameworks: uvicorn, Starlette, FastAPI.
    Asgi,
    /// Python's WSGI servers and frameworks: Werkzeug, Flask, gunicorn.
    Wsgi,
    /// aiohttp.
    Aiohttp,
    /// Tornado.
    Tornado,
    /// The server of Python's own library, in which decoys are written.
    PythonHttp,
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Go => "Go",
            Self::Rust => "Rust",
            Self::Cpp => "C++",
            Self::Java => "Java",
            Self::Node => "Node",
            Self::Php => "PHP",
            Self::Asgi => "Python (ASGI)",
            Self::Wsgi => "Python (WSGI)",
            Self::Aiohttp => "Python (aiohttp)",
            Self::Tornado => "Python (Tornado)",
            Self::PythonHttp => "Python's own HTTP server",
        })
    }
}

impl Stack {
    /// What the headers of a reply name. A proxy's name says nothing of what is behind it, so it names no stack.
    pub(crate) fn of_headers(view: &View) -> impl Iterator<Item = Self> {
        let header = |name: &str| view.reply().and_then(|reply| reply.header(name));
        let powered = header("x-powered-by").and_then(|by| {
            let by = by.to_ascii_lowercase();
            let node = by.starts_with("express") || by.starts_with("next.js");
            node.then_some(Self::Node).or(by.starts_with("php").then_some(Self::Php))
        });
        powered.into_iter().chain(header("server").and_then(Self::of_server))
    }

    /// What a `Server` header names.
    pub(crate) fn of_server(server: &str) -> Option<Self> {
        let server = server.to_ascii_lowercase();
        let has = |words: &[&str]| words.iter().any(|word| server.contains(word));
        if has(&["uvicorn", "hypercorn", "daphne", "granian"]) {
            Some(Self::Asgi)
        } else if has(&["werkzeug", "gunicorn", "waitress", "wsgiserver", "cheroot", "cherrypy"]) {
            Some(Self::Wsgi)
        } else if has(&["aiohttp"]) {
            Some(Self::Aiohttp)
        } else if has(&["tornado"]) {
            Some(Self::Tornado)
        } else if has(&["basehttp", "simplehttp", "python/", "cpython"]) {
            // `http.server` writes its own name, or the one that it was given, before that of Python.
            Some(Self::PythonHttp)
        } else if has(&["jetty", "netty", "undertow"]) {
            Some(Self::Java)
        } else {
            None
        }
    }

    /// In whose words a reply says that there is no such page. Words that proxies use too (Go's, nginx's) name no stack but their own.
    pub(crate) fn of_absence(view: &View) -> Option<Self> {
        let text = view.text();
        let whole = text.trim();
        let json = || view.json();
        let says = |key: &str, wanted: &str| {
            json()
                .and_then(|json| json.get(key))
                .and_then(Value::as_str)
                .is_some_and(|text| text.starts_with(wanted))
        };
        if whole == "404 page not found" {
            Some(Self::Go)
        } else if whole == "404: Not Found" {
            Some(Self::Aiohttp)
        } else if text.contains("<html><title>404: Not Found</title>") {
            Some(Self::Tornado)
        } else if text.contains("Error code explanation: ") {
            Some(Self::PythonHttp)
        } else if text.contains("The requested URL was not found on the server. If you entered the URL manually") {
            Some(Self::Wsgi)
        } else if text.contains("<pre>Cannot GET ") || says("message", "Route GET:") {
            Some(Self::Node)
        } else if json().is_some_and(|json| json.get("timestamp").is_some() && json.get("path").is_some() && json.get("status").is_some()) {
            Some(Self::Java)
        } else if json().is_some_and(|json| json.as_object().is_some_and(|all| all.len() == 1)) && says("detail", "Not Found") {
            Some(Self::Asgi)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_what_they_write() {
        for (server, stack) in [
            ("uvicorn", Some(Stack::Asgi)),
            ("Werkzeug/3.1.9 Python/3.11.7", Some(Stack::Wsgi)),
            ("Python/3.11 aiohttp/3.14.5", Some(Stack::Aiohttp)),
            ("TornadoServer/6.5.10", Some(Stack::Tornado)),
            ("BaseHTTP/0.6 Python/3.12.1", Some(Stack::PythonHttp)),
            ("ollama/0.5.1 Python/3.11.2", Some(Stack::PythonHttp)),
            ("nginx/1.22.1", None),
            ("llama.cpp", None),
            ("cloudflare", None),
        ] {
            assert_eq!(Stack::of_server(server), stack, "{server}");
        }
    }
}
