//! HTTP stacks on which servers are built.

use std::fmt;

use serde::Deserialize;

/// An HTTP stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stack {
    /// Go's `net/http`, and frameworks on it.
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
    /// Python's `http.server`, on which decoys are often built.
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
