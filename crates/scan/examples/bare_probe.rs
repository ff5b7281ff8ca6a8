//! Baseline for the speed of the probes: a bare hyper loop. It sends the requests of a file (`METHOD PATH [BODY]`, one per line) to
//! each address on one connection, and discards the replies. One `current_thread` runtime per thread.
//!
//!     bare_probe FIRST COUNT PORT REQUESTS THREADS

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or("usage: bare_probe FIRST COUNT PORT REQUESTS THREADS");
    let (first, count, port): (Ipv4Addr, u32, u16) = (word()?.parse()?, word()?.parse()?, word()?.parse()?);
    let text = std::fs::read_to_string(word()?)?;
    let threads: u32 = word()?.parse()?;
    let requests: Vec<(String, String, String)> = text
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ' ');
            Some((
                parts.next()?.to_owned(),
                parts.next()?.to_owned(),
                parts.next().unwrap_or_default().to_owned(),
            ))
        })
        .collect();
    let (next, done) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let running: Vec<_> = (0..threads)
        .map(|_| {
            let (next, done, requests) = (Arc::clone(&next), Arc::clone(&done), requests.clone());
            std::thread::spawn(move || -> Result<(), Failure> {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let local = tokio::task::LocalSet::new();
                let requests = Rc::new(requests);
                local.block_on(&runtime, async {
                    let tasks: Vec<_> = (0..128)
                        .map(|_| {
                            let (next, done, requests) = (Arc::clone(&next), Arc::clone(&done), Rc::clone(&requests));
                            tokio::task::spawn_local(async move {
                                loop {
                                    let index = next.fetch_add(1, Ordering::Relaxed);
                                    if index >= count {
                                        break;
                                    }
                                    let address = SocketAddr::from((Ipv4Addr::from(u32::from(first) + index), port));
                                    if talk(address, &requests).await.is_ok() {
                                        done.fetch_add(1, Ordering::Relaxed);
                                    }
                                }
                            })
                        })
                        .collect();
                    for task in tasks {
                        let _ = task.await;
                    }
                });
                Ok(())
            })
        })
        .collect();
    for thread in running {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    eprintln!("{} of {count} answered", done.load(Ordering::Relaxed));
    Ok(())
}

async fn talk(address: SocketAddr, requests: &[(String, String, String)]) -> Result<(), Failure> {
    let stream = tokio::net::TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await?;
    let driver = tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    for (method, path, body) in requests {
        sender.ready().await?;
        let mut request = http::Request::builder()
            .method(method.as_str())
            .uri(path.as_str())
            .header("host", address.to_string())
            .header("user-agent", "bare-loop")
            .header("accept", "*/*");
        if !body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let response = sender.send_request(request.body(Full::new(Bytes::from(body.clone())))?).await?;
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
    }
    drop(sender);
    driver.abort();
    Ok(())
}
