//! The yardstick of the sweep: a bare non-blocking connect loop. It tries every address of a range at one port, notes how many
//! accepted, and does nothing else.
//!
//!     bare_connect FIRST COUNT PORT

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use mio::{Events, Interest, Poll, Token};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or("usage: bare_connect FIRST COUNT PORT");
    let (first, count, port): (Ipv4Addr, u32, u16) = (word()?.parse()?, word()?.parse()?, word()?.parse()?);
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let room = 384;
    let mut flights: Vec<Option<mio::net::TcpStream>> = (0..room).map(|_| None).collect();
    let mut free: Vec<usize> = (0..room).collect();
    let (mut next, mut open, mut closed) = (0, 0_u32, 0_u32);
    while open + closed < count {
        while next < count {
            let Some(slot) = free.pop() else { break };
            let address = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(u32::from(first) + next), port));
            next += 1;
            match mio::net::TcpStream::connect(address) {
                Ok(mut stream) => {
                    poll.registry().register(&mut stream, Token(slot), Interest::WRITABLE)?;
                    flights[slot] = Some(stream);
                }
                Err(_) => {
                    closed += 1;
                    free.push(slot);
                }
            }
        }
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            let slot = event.token().0;
            let Some(stream) = flights[slot].take() else { continue };
            match stream.take_error() {
                Ok(None) if stream.peer_addr().is_ok() => open += 1,
                _ => closed += 1,
            }
            free.push(slot);
        }
    }
    eprintln!("{open} open, {closed} closed");
    Ok(())
}
