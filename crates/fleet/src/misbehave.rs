//! Connections of broken or hostile servers.

use std::io::Write as _;
use std::time::Duration;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc, FlushCompress};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use vigie_http::head::{EndFinder, RequestHead};
use vigie_http::headers;
use vigie_model::{FailureKind, Reply, RequestLine};

use crate::Fault;
use crate::http_server::{MAX_REQUEST, ServerContext, raw, unknown_page};
use crate::plan::{mix, pick};
use crate::recording::Recording;

/// Depth of the deeply nested JSON.
const DEPTH: usize = 100_000;
/// Decompressed size of the bomb in megabytes.
const BOMB_MEGABYTES: u32 = 1_024;

/// Serves one connection with a fault. Socket errors end it: the client closed the connection.
pub(crate) async fn misbehave(mut stream: TcpStream, recording: &Recording, fault: Fault, host: &ServerContext) {
    if fault == Fault::ClosesAtOnce {
        return;
    }
    let first = match fault {
        Fault::TlsGarbage => peek(&stream).await,
        _ => None,
    };
    let Some(request) = read(&mut stream, host).await else {
        if fault == Fault::TlsGarbage && first == Some(HANDSHAKE) {
            let _ = stream.write_all(&garbage_hello()).await;
        }
        return;
    };
    let json = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let done = match fault {
        Fault::ClosesAtOnce => Ok(()),
        Fault::Tarpit => {
            hold(&mut stream).await;
            Ok(())
        }
        Fault::Drip => drip(&mut stream, &recorded(recording, &request), host.drip).await,
        Fault::EndlessBody => endless_body(&mut stream, json).await,
        Fault::CompressionBomb => bomb(&mut stream, json).await,
        Fault::EndlessHeaders => endless_headers(&mut stream).await,
        Fault::MalformedChunking => {
            let answer = format!("{json}transfer-encoding: chunked\r\n\r\n2\r\n{{}}\r\nZZZ\r\nno number\r\n-1\r\n\r\n");
            stream.write_all(answer.as_bytes()).await
        }
        Fault::InvalidUtf8 => {
            let body = b"{\"version\":\"\xff\xfe\x80\",\"models\":[{\"name\":\"\xc3\x28\"}]}";
            let head = format!("{json}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), body].concat()).await
        }
        Fault::DeepJson => {
            let body = "[".repeat(DEPTH) + &"]".repeat(DEPTH);
            stream
                .write_all(format!("{json}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).as_bytes())
                .await
        }
        Fault::ResetAt(bytes) => reset_at(&mut stream, &recorded(recording, &request), bytes as usize).await,
        Fault::Http09 => stream.write_all(b"<html><body>It works</body></html>\n").await,
        Fault::RedirectLoop => {
            let to = if request.path == "/" { "/again" } else { "/" };
            redirect(&mut stream, to).await
        }
        Fault::RedirectOffScope => redirect(&mut stream, "http://192.0.2.1/").await,
        // A fatal alert, as a TLS server sends in reply to HTTP, followed by garbage.
        Fault::TlsGarbage => {
            stream
                .write_all(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a, 0xff, 0xff, 0xff])
                .await
        }
    };
    if done.is_ok() && !matches!(fault, Fault::ResetAt(_)) {
        close(stream).await;
    }
}

/// Serves one connection of a server without recorded HTTP replies.
pub(crate) async fn keep_silent(mut stream: TcpStream, recording: &Recording, host: &ServerContext) {
    let Some(request) = read(&mut stream, host).await else { return };
    let Some(failure) = recording.line(&request).and_then(|line| line.failure.as_ref()) else {
        return;
    };
    match failure.kind {
        FailureKind::Timeout => hold(&mut stream).await,
        FailureKind::Reset => {
            let _ = stream.set_zero_linger();
        }
        FailureKind::TooLarge => {
            let _ = endless_headers(&mut stream).await;
        }
        FailureKind::NotHttp | FailureKind::Tls | FailureKind::Connect => {
            if stream.write_all(&failure.banner).await.is_ok() {
                close(stream).await;
            }
        }
    }
}

/// The recorded reply to a request, as bytes.
fn recorded(recording: &Recording, request: &RequestLine) -> Vec<u8> {
    let none: Reply = unknown_page();
    raw(recording.line(request).and_then(|line| line.reply.as_ref()).unwrap_or(&none))
}

/// Reads and records one request; `None`: the client sent none.
async fn read(stream: &mut TcpStream, host: &ServerContext) -> Option<RequestLine> {
    let mut bytes = Vec::new();
    let mut end = EndFinder::default();
    let length = loop {
        if let Some(length) = end.find(&bytes).ok()? {
            break length;
        }
        // A TLS hello is not HTTP and has no end of line.
        if bytes.first() == Some(&HANDSHAKE) || stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = RequestHead::parse(&bytes[..length]).ok()?;
    let body = headers::first(&head.headers, "content-length")
        .and_then(|value| value.parse().ok())
        .unwrap_or(0)
        .min(MAX_REQUEST);
    while bytes.len() < length + body {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            break;
        }
    }
    host.note(&head.method, &head.target, &bytes[length..]);
    Some(RequestLine {
        method: head.method,
        path: head.target,
        headers: Vec::new(),
        body: String::from_utf8_lossy(&bytes[length..]).into_owned(),
    })
}

/// The first byte of a TLS handshake record (RFC 8446, section 5.1).
const HANDSHAKE: u8 = 0x16;

async fn peek(stream: &TcpStream) -> Option<u8> {
    let mut first = [0];
    (stream.peek(&mut first).await.ok()? == 1).then_some(first[0])
}

/// A handshake record of the right length in which nothing means anything.
fn garbage_hello() -> Vec<u8> {
    let mut record = vec![HANDSHAKE, 0x03, 0x03, 0x00, 0x40];
    record.extend((0..0x40).map(|index| u8::try_from(pick(mix(7, index), 256)).unwrap_or(0)));
    record
}

/// Reads and says nothing until the client has had enough.
async fn hold(stream: &mut TcpStream) {
    let mut waste = [0; 1024];
    while stream.read(&mut waste).await.is_ok_and(|count| count > 0) {}
}

/// Closes the connection so that written data arrives: closing with unread data would reset it.
async fn close(mut stream: TcpStream) {
    if stream.shutdown().await.is_ok() {
        let _ = tokio::time::timeout(Duration::from_secs(2), hold(&mut stream)).await;
    }
}

async fn drip(stream: &mut TcpStream, bytes: &[u8], pause: Duration) -> std::io::Result<()> {
    for byte in bytes {
        stream.write_all(std::slice::from_ref(byte)).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

async fn endless_body(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    stream
        .write_all(format!("{head}transfer-encoding: chunked\r\n\r\n").as_bytes())
        .await?;
    let chunk = format!(
        "1000\r\n{}\r\n",
        "[{\"name\":\"endless\"}".repeat(256).get(..0x1000).unwrap_or_default()
    );
    loop {
        stream.write_all(chunk.as_bytes()).await?;
        // Slow down, because other servers of the fleet share the thread.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn endless_headers(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
    for number in 0u64.. {
        stream
            .write_all(format!("x-endless-{number}: {}\r\n", "a".repeat(200)).as_bytes())
            .await?;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}

async fn redirect(stream: &mut TcpStream, to: &str) -> std::io::Result<()> {
    stream
        .write_all(format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
        .await
}

async fn reset_at(stream: &mut TcpStream, bytes: &[u8], count: usize) -> std::io::Result<()> {
    stream.write_all(&bytes[..bytes.len().min(count)]).await?;
    // Sent data must arrive before the reset.
    tokio::time::sleep(Duration::from_millis(20)).await;
    stream.set_zero_linger()
}

/// A gzip member with a gigabyte of spaces, sent by repeating one compressed megabyte.
async fn bomb(stream: &mut TcpStream, head: &str) -> std::io::Result<()> {
    let (block, trailer) = bomb_parts()?;
    stream
        .write_all(format!("{head}content-encoding: gzip\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    // Gzip header (RFC 1952): deflate, no flags, no time, unknown system.
    stream.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]).await?;
    for _ in 0..BOMB_MEGABYTES {
        stream.write_all(&block).await?;
    }
    stream.write_all(&trailer).await
}

/// A megabyte of spaces as repeatable deflate blocks, and the end of the member: an empty last block, checksum and length.
fn bomb_parts() -> std::io::Result<(Vec<u8>, Vec<u8>)> {
    let megabyte = vec![b' '; 1 << 20];
    let mut coder = flate2::Compress::new(Compression::best(), false);
    let mut block = Vec::with_capacity(1 << 16);
    // A full flush ends on a byte boundary and resets the dictionary, so that the block can be repeated.
    coder
        .compress_vec(&megabyte, &mut block, FlushCompress::Full)
        .map_err(std::io::Error::other)?;
    let mut one = Crc::new();
    one.update(&megabyte);
    let mut crc = Crc::new();
    for _ in 0..BOMB_MEGABYTES {
        crc.combine(&one);
    }
    let mut trailer = DeflateEncoder::new(Vec::new(), Compression::none());
    trailer.write_all(&[])?;
    let mut trailer = trailer.finish()?;
    trailer.extend_from_slice(&crc.sum().to_le_bytes());
    trailer.extend_from_slice(&crc.amount().to_le_bytes());
    Ok((block, trailer))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::{BOMB_MEGABYTES, bomb_parts};

    /// Decompresses only the start, because the whole is a gigabyte.
    #[test]
    fn the_bomb_is_small_and_real() {
        let (block, trailer) = bomb_parts().expect("it packs");
        assert!(
            block.len() * BOMB_MEGABYTES as usize + trailer.len() < 4 << 20,
            "{} bytes a megabyte",
            block.len()
        );
        let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
        for _ in 0..4 {
            packed.extend_from_slice(&block);
        }
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .take(4 << 20)
            .read_to_end(&mut unpacked)
            .expect("it unpacks");
        assert_eq!(unpacked.len(), 4 << 20);
        assert!(unpacked.iter().all(|byte| *byte == b' '));
    }
}
