//! Baseline for the speed of the sweep: a bare non-blocking connect loop. It connects to one port of every address of a range and
//! counts the results. An address that does not answer within MILLISECONDS is tried again, at most TRIES times in all.
//!
//!     bare_connect FIRST COUNT PORT [MILLISECONDS TRIES]

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or("usage: bare_connect FIRST COUNT PORT [MILLISECONDS TRIES]");
    let (first, count, port): (Ipv4Addr, u32, u16) = (word()?.parse()?, word()?.parse()?, word()?.parse()?);
    let wait = Duration::from_millis(word().map_or(Ok(1_500), |text| text.parse())?);
    let tries: u8 = word().map_or(Ok(2), |text| text.parse())?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let room = vigie_scan::sweep_sockets();
    // By slot: the socket, its address and how often it was tried.
    let mut flights: Vec<Option<(mio::net::TcpStream, u32, u8)>> = (0..room).map(|_| None).collect();
    let mut free: Vec<usize> = (0..room).collect();
    // Deadlines in order: all attempts have the same time-out.
    let mut ends: VecDeque<(Instant, usize, u32, u8)> = VecDeque::new();
    let mut again: Vec<(u32, u8)> = Vec::new();
    let (mut next, mut open, mut closed, mut silent) = (0, 0_u32, 0_u32, 0_u32);
    while open + closed + silent < count {
        while next < count || !again.is_empty() {
            let Some(slot) = free.pop() else { break };
            let (index, tried) = again.pop().unwrap_or_else(|| {
                next += 1;
                (next - 1, 0)
            });
            let address = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(u32::from(first) + index), port));
            match mio::net::TcpStream::connect(address) {
                Ok(mut stream) => {
                    poll.registry().register(&mut stream, Token(slot), Interest::WRITABLE)?;
                    flights[slot] = Some((stream, index, tried));
                    ends.push_back((Instant::now() + wait, slot, index, tried));
                }
                Err(_) => {
                    closed += 1;
                    free.push(slot);
                }
            }
        }
        let left = ends.front().map(|(end, ..)| end.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, left) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let slot = event.token().0;
            let Some((stream, ..)) = flights[slot].take() else { continue };
            match stream.take_error() {
                Ok(None) if stream.peer_addr().is_ok() => open += 1,
                _ => closed += 1,
            }
            free.push(slot);
        }
        let now = Instant::now();
        while let Some(&(end, slot, index, tried)) = ends.front() {
            if end > now {
                break;
            }
            ends.pop_front();
            // Another address may have the slot by now.
            if flights[slot].as_ref().is_some_and(|(_, i, t)| (*i, *t) == (index, tried)) {
                flights[slot] = None;
                free.push(slot);
                if tried + 1 < tries {
                    again.push((index, tried + 1));
                } else {
                    silent += 1;
                }
            }
        }
    }
    eprintln!("{open} open, {closed} closed, {silent} silent");
    Ok(())
}
