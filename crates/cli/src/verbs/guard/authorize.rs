//! `vigie guard authorize`.

use std::net::SocketAddr;

use clap::Args;
use vigie_guard::Gateway;
use vigie_run::Failure;

use super::args::DirArg;
use super::serve;
use crate::failure::Done;

#[derive(Clone, Debug, Args)]
pub(super) struct AuthorizeArgs {
    #[command(flatten)]
    dir: DirArg,
    /// The address and port where the proxy asks [default: that of the configuration].
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
}

/// Answers the questions of a proxy until it is interrupted.
pub(super) fn run(args: &AuthorizeArgs) -> Done {
    serve::keep_memory_private();
    let gateway = Gateway::authorize(&args.dir.folder()?, args.listen).map_err(Failure::usage)?;
    let greeting = format!("vigie: the proxy asks at {}/authorize; Ctrl-C stops it", gateway.asked_at());
    serve::until_interrupted(gateway, &greeting)
}
