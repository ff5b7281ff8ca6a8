//! `vigie guard run`.

use std::process::ExitCode;

use clap::Args;
use vigie_guard::{Control, Gateway, Sockets};
use vigie_run::Failure;

use super::args::DirArg;
use crate::failure::{Done, exit};

#[derive(Clone, Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    dir: DirArg,
    /// Take the place of the gateway that runs in this folder: it hands over its port, finishes its requests, and ends. No connection is refused.
    #[arg(long)]
    replace: bool,
}

/// Runs the gateway until it is interrupted.
pub(super) fn run(args: &RunArgs) -> Done {
    let dir = args.dir.folder()?;
    keep_memory_private();
    let inherited = Sockets::inherited().map_err(Failure::usage)?;
    let gateway = match args.replace {
        #[cfg(unix)]
        true => Gateway::start_on(&dir, Sockets::of_running),
        #[cfg(not(unix))]
        true => {
            return Err(Failure::usage(
                "--replace needs sockets that a process can hand over, which this system does not have",
            ));
        }
        false => Gateway::start_on(&dir, |_| Ok(inherited)),
    };
    let gateway = gateway.map_err(Failure::usage)?;
    let greeting = format!("vigie: the gateway listens on {}; Ctrl-C stops it", gateway.address());
    until_interrupted(gateway, &greeting)
}

/// Keeps the keys of clients out of core dumps.
pub(super) fn keep_memory_private() {
    if let Err(why) = vigie_guard::keep_memory_private() {
        eprintln!("vigie: warning: {why}; a core dump would hold keys of clients");
    }
}

/// Says where a gateway listens, and waits until it is interrupted.
pub(super) fn until_interrupted(gateway: Gateway, greeting: &str) -> Done {
    crate::runtime::runtime()?.block_on(serve(gateway, greeting))
}

async fn serve(gateway: Gateway, greeting: &str) -> Done {
    let mut signals = Signals::new().map_err(|error| Failure::scan(format!("cannot wait for signals: {error}")))?;
    eprintln!("{greeting}");
    let control = gateway.control();
    tokio::select! {
        () = signals.stop(&control) => eprintln!("vigie: stopping; requests under way are finished; a second Ctrl-C cuts them off"),
        () = control.taken_over() => eprintln!("vigie: another process has taken over; requests under way are finished; Ctrl-C cuts them off"),
    }
    let mut stopping = tokio::task::spawn_blocking(move || gateway.stop());
    tokio::select! {
        _ = &mut stopping => return Ok(ExitCode::SUCCESS),
        () = signals.stop(&control) => {}
    }
    let (connections, streams) = control.cut();
    eprintln!("vigie: cut off: {connections} open connections, {streams} of them with an answer under way; each request is in the log");
    // The log is closed before the end.
    let _ = stopping.await;
    Ok(ExitCode::from(exit::INTERRUPTED))
}

/// The signals that a gateway knows.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for SIGINT or SIGTERM; on SIGHUP the configuration is read anew.
    async fn stop(&mut self, control: &Control) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hang_up.recv() => control.reload(),
            }
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn stop(&mut self, _control: &Control) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
