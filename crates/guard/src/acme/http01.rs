//! HTTP-01: an authority is answered in plain HTTP (RFC 8555, section 8.3), while a certificate is asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use crate::proxy::{Bounds, Patience, read_head, reason, write};

/// Where an authority asks.
const PATH: &str = "/.well-known/acme-challenge/";
/// Connections at a time; more are closed.
const CONNECTIONS: usize = 32;
const BOUNDS: Bounds = Bounds {
    body: 0,
    head_time: Duration::from_secs(5),
    body_time: Duration::from_secs(5),
    idle: Duration::from_secs(5),
};

/// What is answered, by token. Dropped, nothing is answered any more.
pub(super) struct Tokens {
    answers: Rc<RefCell<HashMap<String, String>>>,
    server: AbortHandle,
}

impl Tokens {
    /// Listens on an address.
    pub(super) fn serve(address: SocketAddr) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("cannot listen on {address} for the authority: {error}");
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = TcpListener::from_std(listener).map_err(failed)?;
        let answers: Rc<RefCell<HashMap<String, String>>> = Rc::default();
        let given = Rc::clone(&answers);
        let server = tokio::task::spawn_local(async move {
            let open = Rc::new(());
            while let Ok((stream, _)) = listener.accept().await {
                if Rc::strong_count(&open) <= CONNECTIONS {
                    let (given, open) = (Rc::clone(&given), Rc::clone(&open));
                    tokio::task::spawn_local(async move {
                        answer(stream, &given).await;
                        drop(open);
                    });
                }
            }
        });
        Ok(Self {
            answers,
            server: server.abort_handle(),
        })
    }

    /// Answers a token with the proof that this gateway asked for it.
    pub(super) fn show(&self, token: &str, proof: &str) {
        self.answers.borrow_mut().insert(token.to_owned(), proof.to_owned());
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(mut stream: TcpStream, answers: &RefCell<HashMap<String, String>>) {
    let mut buffer = BytesMut::new();
    let Ok(Some((head, _))) = read_head(&mut stream, &mut buffer, &BOUNDS, &mut Patience::new()).await else {
        return;
    };
    let proof = head
        .target
        .strip_prefix(PATH)
        .filter(|_| head.method == "GET")
        .and_then(|token| answers.borrow().get(token).cloned());
    let (status, body) = proof.map_or((404, String::new()), |proof| (200, proof));
    let answer = format!(
        "HTTP/1.1 {status} {}\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        reason(status),
        body.len()
    );
    write(&mut stream, answer.as_bytes()).await;
}
