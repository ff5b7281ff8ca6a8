//! Replies cut into pieces in every way say the same, and what is no reply says so.

use bytes::BytesMut;
use vigie_http::body::{Body, Piece};
use vigie_http::head::{MAX_HEAD, Malformed, ResponseHead, ResponseReader};

/// Reads a reply to `GET` whose bytes come in pieces; `None`: it is not whole at the end of the bytes.
fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Option<(ResponseHead, Vec<u8>, BytesMut)>, Malformed> {
    let mut buffer = BytesMut::new();
    let (mut heads, mut begun, mut data) = (ResponseReader::default(), None, Vec::new());
    let mut over = false;
    for piece in pieces {
        buffer.extend_from_slice(piece);
        if begun.is_none()
            && let Some(head) = heads.read(&mut buffer)?
        {
            let body = Body::after(&head, "GET")?;
            begun = Some((head, body));
        }
        while let Some((_, body)) = &mut begun {
            match body.next(&mut buffer)? {
                Piece::Data(length) => data.extend_from_slice(&buffer.split_to(length)),
                Piece::More => break,
                Piece::End => {
                    over = true;
                    break;
                }
            }
        }
    }
    Ok(begun
        .filter(|(_, body)| over || body.may_close())
        .map(|(head, _)| (head, data, buffer)))
}

fn whole(text: &str) -> Result<Option<(ResponseHead, Vec<u8>, BytesMut)>, Malformed> {
    read(std::iter::once(text.as_bytes()))
}

#[test]
fn however_it_is_cut_a_reply_is_the_same() {
    let replies = [
        "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 2\r\n\r\n{}",
        "HTTP/1.1 200 OK\nServer: x\nContent-Length: 2\n\n{}",
        "\r\nHTTP/1.0 404 Not Found\r\n\r\nuntil the end",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2;a=b\r\n{}\r\n1 \r\n \r\n0\r\nX: y\r\n\r\n",
        "HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n",
        "HTTP/1.1 200 OK\r\nBad header\r\nGood: yes\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n\t b: c\r\nServer: x\r\n\r\n",
    ];
    for text in replies {
        let at_once = whole(text).expect("a reply").expect("whole");
        for size in 1..text.len() {
            let cut = read(text.as_bytes().chunks(size)).expect("a reply").expect("whole");
            assert_eq!(cut, at_once, "{text:?} in pieces of {size}");
        }
    }
    let (head, body, rest) = whole(replies[3]).expect("a reply").expect("whole");
    assert_eq!((head.status, body.as_slice(), rest.len()), (200, &b"{} "[..], 0));
    let (head, ..) = whole(replies[5]).expect("a reply").expect("whole");
    assert_eq!(head.headers, [("good".to_owned(), "yes".to_owned())]);
    let (head, ..) = whole(replies[6]).expect("a reply").expect("whole");
    assert_eq!(
        head.headers,
        [("x".to_owned(), "a b: c".to_owned()), ("server".to_owned(), "x".to_owned())]
    );
}

#[test]
fn an_incomplete_reply_is_not_returned() {
    for text in [
        "",
        "HTT",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
    ] {
        assert_eq!(whole(text), Ok(None), "{text:?}");
    }
}

#[test]
fn malformed_replies_are_reported() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(MAX_HEAD));
    let ended = format!("{long}\r\n\r\n");
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(9);
    let line = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;{}", "a".repeat(5_000));
    let chunks = |text: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}\r\n");
    let costly = chunks(&"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n".repeat(6_000));
    let cases = [
        ("SSH-2.0-OpenSSH_9.6\r\n", Malformed::NotHttp),
        ("<html>", Malformed::NotHttp),
        ("\u{15}\u{3}\u{1}", Malformed::NotHttp),
        ("HTTP/2 200\r\n\r\n", Malformed::NotHttp),
        ("HTTP/1.1 abc\r\n\r\n", Malformed::NotHttp),
        (&long, Malformed::TooLarge),
        (&ended, Malformed::TooLarge),
        (&many, Malformed::TooLarge),
        (&interim, Malformed::TooLarge),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n", Malformed::Length),
        ("HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", Malformed::Length),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", Malformed::Length),
        (&chunks("ZZZ"), Malformed::Chunk),
        (&chunks("-1"), Malformed::Chunk),
        (&chunks("11111111111111111"), Malformed::Chunk),
        (&chunks("1\r\nab"), Malformed::Chunk),
        (&chunks(""), Malformed::Chunk),
        (&line, Malformed::Chunk),
        (&costly, Malformed::Chunk),
    ];
    for (text, expected) in cases {
        assert_eq!(whole(text).map(|_| ()), Err(expected), "{:?}", &text[..text.len().min(80)]);
    }
}

#[test]
fn a_connection_is_kept_where_the_server_keeps_it() {
    let cases = [
        ("HTTP/1.1 200 OK\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nConnection: x, close\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\n\r\n", false),
        ("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n", true),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", false),
    ];
    for (text, keeps) in cases {
        let head = ResponseReader::default()
            .read(&mut BytesMut::from(text))
            .expect("a head")
            .expect("whole");
        assert_eq!(head.keeps_alive(), keeps, "{text:?}");
    }
}
