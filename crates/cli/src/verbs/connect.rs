//! `vigie connect`: a guarded server as if it ran on this machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use vigie_guard::Connect;
use vigie_run::{Failure, read};

use crate::failure::Done;

/// The variable with the key.
const KEY: &str = "VIGIE_KEY";

#[derive(Clone, Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The gateway: https://HOST:PORT; http on loopback only.
    url: String,
    /// The address and port of this machine for its programs.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:11434")]
    listen: SocketAddr,
    /// Read the key from a file: the key alone, on one line [default: the environment variable VIGIE_KEY].
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Trust the certificates of this PEM file, and no others [default: those that the system trusts].
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

pub(crate) fn run(args: &ConnectArgs) -> Done {
    let key = match &args.key_file {
        Some(path) => read(path)?,
        None => std::env::var(KEY)
            .map_err(|_| Failure::usage(format!("no key: set {KEY}, or name a file that holds it with --key-file FILE")))?,
    };
    let connect = Connect::bind(&args.url, key.trim(), args.listen, args.ca.as_deref()).map_err(Failure::usage)?;
    eprintln!(
        "vigie: {} leads to {}; Ctrl-C stops it. Programs use it as OLLAMA_HOST={0}, or http://{0}/v1",
        connect.address(),
        args.url
    );
    connect.run_until(crate::service::interrupted()).map_err(Failure::scan)?;
    Ok(ExitCode::SUCCESS)
}
