//! Passes an answer on to a client, piece by piece, as it comes.

use std::time::Duration;

use super::client::Client;
use super::upstream::{Answer, UpstreamError};

/// Who follows an answer that passes by.
pub(super) trait Follow {
    /// A piece as the server sent it; returns what is passed on of it, which may be nothing.
    fn piece<'p>(&'p mut self, piece: &'p [u8]) -> &'p [u8];

    /// What is still held back, once the server has sent its last piece.
    fn rest(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// The next bytes that are sent are the last ones of the whole answer.
    async fn ends(&mut self) {}
}

/// How the relay ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relayed {
    /// The client has the whole answer.
    Whole,
    /// The client left before its end.
    ClientGone,
    /// The server broke off.
    Failed(UpstreamError),
}

/// Passes the answer's body on; its head is what the client's side has unsent. `length`: of the body for the client, if it is known.
pub(super) async fn relay(
    client: &mut impl Client,
    answer: &mut Answer,
    length: Option<u64>,
    wait: Duration,
    follow: &mut impl Follow,
) -> Relayed {
    let mut sent = 0;
    loop {
        // The head goes out with the first piece, or alone where that takes time.
        let piece = tokio::select! {
            biased;
            piece = answer.piece(wait) => piece,
            () = client.gone() => return Relayed::ClientGone,
            () = std::future::ready(()), if client.has_unsent() => {
                if !client.flush().await {
                    return Relayed::ClientGone;
                }
                continue;
            }
        };
        match piece {
            Ok(Some(mut piece)) => {
                let broken = loop {
                    let passed = follow.piece(&piece);
                    if !passed.is_empty() {
                        sent += passed.len() as u64;
                        client.push(passed);
                        if length == Some(sent) {
                            follow.ends().await;
                        }
                    }
                    // What came with it goes out with it.
                    match answer.here() {
                        Ok(Some(next)) => piece = next,
                        Ok(None) => break None,
                        Err(error) => break Some(error),
                    }
                };
                if let Some(error) = broken {
                    return fail(client, follow, error).await;
                }
                if client.has_unsent() && !client.flush().await {
                    return Relayed::ClientGone;
                }
            }
            Ok(None) => {
                push_rest(client, follow);
                follow.ends().await;
                return if client.finish().await {
                    Relayed::Whole
                } else {
                    Relayed::ClientGone
                };
            }
            Err(error) => return fail(client, follow, error).await,
        }
    }
}

/// Ends an answer that broke off.
async fn fail(client: &mut impl Client, follow: &mut impl Follow, error: UpstreamError) -> Relayed {
    push_rest(client, follow);
    // The client sees that the answer has no end.
    let _ = client.flush().await;
    Relayed::Failed(error)
}

fn push_rest(client: &mut impl Client, follow: &mut impl Follow) {
    let rest = follow.rest();
    if !rest.is_empty() {
        client.push(&rest);
    }
}
