//! Looks from time to time, and says what changed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Standing;
use crate::log::{Change, Entry};
use crate::proxy::{Gate, Running};

/// How often.
const INTERVAL: Duration = Duration::from_secs(60);

/// Looks at once and then every minute, until the gateway takes no further connection; a change is logged and printed. A thread of its own,
/// because reading the sockets of a machine with many processes takes a while.
pub(crate) fn watch(running: &Arc<Running>) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return eprintln!("vigie: the thread that looks for other ways to the server cannot start: {error}"),
    };
    runtime.block_on(async {
        loop {
            let gate = running.gate();
            let own: Vec<SocketAddr> = [Some(running.address), running.admin_address()].into_iter().flatten().collect();
            tokio::select! {
                () = look(&gate, &own) => {}
                () = gate.life.closing() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = gate.replaced() => {}
                () = gate.life.closing() => return,
            }
        }
    });
}

async fn look(gate: &Gate, own: &[SocketAddr]) {
    let standings = super::look_at_all(&gate.plan.config, own).await;
    let known = gate.ways.get();
    for standing in &standings {
        let before = known.iter().find(|known| known.server == standing.server);
        // How many sockets answer nothing changes with every program that starts.
        let seen = |one: &Standing| (one.is_here, one.unread.clone(), one.ways.clone());
        if before.is_some_and(|before| seen(before) == seen(standing)) {
            continue;
        }
        // Where everything is as it should be, a start says nothing about it on the terminal.
        if before.is_some() || standing.word() != "only" {
            eprintln!("vigie: {}", standing.line());
            if standing.word() == "open" {
                eprintln!("vigie: vigie guard check prints the change that closes it");
            }
        }
        gate.log.record(Entry::Change(Change::Ways(standing.clone())));
    }
    gate.ways.set(standings);
}
