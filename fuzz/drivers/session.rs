//! Replies made of any bytes, through a whole conversation: text, titles, JSON, event streams, redirects, models, tools.

use vigie_identify::{Identifier, Limits, Session};
use vigie_model::{Exchange, Failure, FailureKind, Reply, Timestamp};

/// The data is cut at each 0xFF: every piece is a reply, its first bytes say which status, content type and location it has.
pub(crate) fn drive(data: &[u8]) {
    let pieces: Vec<&[u8]> = data.split(|byte| *byte == 0xFF).collect();
    let mut session = Session::new(Identifier::embedded(), 11434, "127.0.0.1:11434", Limits::default());
    let mut turn = 0;
    while let Some(ask) = session.next_ask() {
        let piece = pieces[turn % pieces.len()];
        turn += 1;
        assert!(turn <= 28, "more requests than the budgets allow");
        let (head, body) = piece.split_at(piece.len().min(2));
        let status = [200, 401, 403, 404, 302, 307, 500, 405][usize::from(head.first().copied().unwrap_or(0) & 7)];
        let kind = ["application/json", "text/html", "text/plain", "text/event-stream"][usize::from(head.get(1).copied().unwrap_or(0) & 3)];
        let mut headers = vec![("content-type".to_owned(), kind.to_owned())];
        if (300..400).contains(&status) {
            headers.push((
                "location".to_owned(),
                String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned(),
            ));
        }
        let silent = piece.is_empty();
        let reply = Reply {
            status,
            version: "HTTP/1.1".to_owned(),
            headers,
            body: body.to_vec(),
            truncated: false,
        };
        let failure = Failure {
            kind: FailureKind::Reset,
            detail: String::new(),
            banner: Vec::new(),
        };
        let exchange = Exchange {
            request: ask.request.clone(),
            at: Timestamp::UNIX_EPOCH,
            micros: 0,
            reply: (!silent).then_some(reply),
            failure: silent.then_some(failure),
        };
        session.answer(&ask, exchange);
    }
    let conclusion = session.conclude();
    assert!((0.0..=1.0).contains(&conclusion.identity.confidence));
}
