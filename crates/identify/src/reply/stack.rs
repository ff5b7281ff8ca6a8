//! Recognises the HTTP stack behind a reply: by its headers, and by the words of its 404.

use serde_json::Value;
use vigie_catalog::Stack;

use super::ParsedReply;

/// The stacks that the headers of a reply name. The name of a proxy is none: the server behind it may be on any stack.
pub(crate) fn of_headers(parsed: &ParsedReply) -> impl Iterator<Item = Stack> {
    let header = |name: &str| parsed.reply().and_then(|reply| reply.header(name));
    let powered = header("x-powered-by").and_then(|by| {
        let by = by.to_ascii_lowercase();
        let node = by.starts_with("express") || by.starts_with("next.js");
        node.then_some(Stack::Node).or(by.starts_with("php").then_some(Stack::Php))
    });
    powered.into_iter().chain(header("server").and_then(of_server))
}

/// The stack that a `Server` header names.
fn of_server(server: &str) -> Option<Stack> {
    let server = server.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| server.contains(word));
    if has(&["uvicorn", "hypercorn", "daphne", "granian"]) {
        Some(Stack::Asgi)
    } else if has(&["werkzeug", "gunicorn", "waitress", "wsgiserver", "cheroot", "cherrypy"]) {
        Some(Stack::Wsgi)
    } else if has(&["aiohttp"]) {
        Some(Stack::Aiohttp)
    } else if has(&["tornado"]) {
        Some(Stack::Tornado)
    } else if has(&["basehttp", "simplehttp", "python/", "cpython"]) {
        // `http.server` puts its own name, or one that the application sets, before that of Python.
        Some(Stack::PythonHttp)
    } else if has(&["jetty", "netty", "undertow"]) {
        Some(Stack::Java)
    } else {
        None
    }
}

/// The stack whose 404 page a reply is. Pages that proxies send too (Go's, nginx's) name no stack behind them.
pub(crate) fn of_absence(parsed: &ParsedReply) -> Option<Stack> {
    let text = parsed.text();
    let whole = text.trim();
    let json = || parsed.json();
    let says = |key: &str, wanted: &str| {
        json()
            .and_then(|json| json.get(key))
            .and_then(Value::as_str)
            .is_some_and(|text| text.starts_with(wanted))
    };
    if whole == "404 page not found" {
        Some(Stack::Go)
    } else if whole == "404: Not Found" {
        Some(Stack::Aiohttp)
    } else if text.contains("<html><title>404: Not Found</title>") {
        Some(Stack::Tornado)
    } else if text.contains("Error code explanation: ") {
        Some(Stack::PythonHttp)
    } else if text.contains("The requested URL was not found on the server. If you entered the URL manually") {
        Some(Stack::Wsgi)
    } else if text.contains("<pre>Cannot GET ") || says("message", "Route GET:") {
        Some(Stack::Node)
    } else if json().is_some_and(|json| json.get("timestamp").is_some() && json.get("path").is_some() && json.get("status").is_some()) {
        Some(Stack::Java)
    } else if json().is_some_and(|json| json.as_object().is_some_and(|all| all.len() == 1)) && says("detail", "Not Found") {
        Some(Stack::Asgi)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_by_server_header() {
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
            assert_eq!(of_server(server), stack, "{server}");
        }
    }
}
