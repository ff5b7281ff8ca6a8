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
    /// Present the certificate of this PEM file to the gateway; with it no key is needed.
    #[arg(long, value_name = "FILE", requires = "certificate_key")]
    certificate: Option<PathBuf>,
    /// The PEM file with the certificate's key.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    certificate_key: Option<PathBuf>,
}

pub(crate) fn run(args: &ConnectArgs) -> Done {
    if let Err(why) = vigie_guard::keep_memory_private() {
        eprintln!("vigie: warning: {why}; a core dump would hold the key");
    }
    let own = args.certificate.as_deref().zip(args.certificate_key.as_deref());
    let key = match &args.key_file {
        Some(path) => Some(read(path)?),
        None => std::env::var(KEY).ok(),
    };
    if key.is_none() && own.is_none() {
        return Err(Failure::usage(format!(
            "no key: set {KEY}, or name a file that holds it with --key-file FILE"
        )));
    }
    let connect =
        Connect::bind_as(&args.url, key.as_deref().map(str::trim), args.listen, args.ca.as_deref(), own).map_err(Failure::usage)?;
    eprintln!(
        "vigie: {} leads to {}; Ctrl-C stops it. Programs use it as OLLAMA_HOST={0}, or http://{0}/v1",
        connect.address(),
        args.url
    );
    connect.run_until(crate::service::interrupted()).map_err(Failure::scan)?;
    Ok(ExitCode::SUCCESS)
}
