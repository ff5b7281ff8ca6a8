//! What must hold for any request over HTTP/2, and any authorities of clients.

use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use vigie_http::head::RequestHead;
use vigie_http::headers;

use super::http2::head_of;
use super::peer::Verifier;

/// Any bytes as the field block of a request (RFC 7541), through the library that decodes it: what is accepted has one meaning, the one that
/// the same request over HTTP/1.1 has.
pub(crate) fn request(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(256 * 1024);
        client
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .expect("sent");
        let block = data.get(..data.len().min(16_000)).unwrap_or_default();
        let length = u32::try_from(block.len()).expect("short").to_be_bytes();
        // HEADERS, the end of the block and of the stream.
        client
            .write_all(&[length[1], length[2], length[3], 1, 5, 0, 0, 0, 1])
            .await
            .expect("sent");
        client.write_all(block).await.expect("sent");
        client.shutdown().await.expect("the end");
        let Ok(mut connection) = h2::server::Builder::new()
            .max_header_list_size(65_536)
            .handshake::<_, Bytes>(server)
            .await
        else {
            return;
        };
        while let Some(Ok((request, _respond))) = connection.accept().await {
            let (parts, _) = request.into_parts();
            let Ok(head) = head_of(&parts) else { continue };
            check(&parts, &head);
        }
    });
}

fn check(parts: &http::request::Parts, head: &RequestHead) {
    let host = headers::first(&head.headers, "host").expect("a host");
    assert_eq!(headers::all(&head.headers, "host").count(), 1);
    if let Some(authority) = parts.uri.authority() {
        assert_eq!(authority.as_str(), host);
    }
    assert_eq!(head.method, parts.method.as_str());
    assert_eq!(
        Some(head.target.as_str()),
        parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str)
    );
    assert!(head.target.bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", head.target);
    // Nothing of it says where the message ends, or is a field of HTTP/2 itself.
    for name in ["transfer-encoding", "connection", "keep-alive", "upgrade", "proxy-connection"] {
        assert_eq!(headers::first(&head.headers, name), None, "{name}");
    }
    assert!(
        head.headers
            .iter()
            .all(|(name, _)| !name.starts_with(':') && *name == name.to_ascii_lowercase())
    );
    assert!(headers::all(&head.headers, "content-length").count() <= 1);
    // No line became two.
    assert_eq!(
        head.headers.len(),
        parts.headers.iter().filter(|(name, _)| *name != http::header::HOST).count() + 1
    );
    let mut text = format!("{} {} HTTP/1.1\r\n", head.method, head.target);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    let (again, _) = RequestHead::strict(text.as_bytes()).expect("it was taken before");
    assert_eq!(again, *head);
}

/// Any bytes as the file of the authorities of clients, and as the file of what they revoked: an error, or a verifier.
pub(crate) fn authorities(data: &[u8]) {
    let half = data.iter().position(|byte| *byte == 0xFF).unwrap_or(data.len());
    let (authorities, revoked) = data.split_at(half);
    for revoked in [None, revoked.get(1..)] {
        if let Err(why) = Verifier::parse(authorities, revoked, true) {
            assert!(!why.1.is_empty());
        }
    }
}
