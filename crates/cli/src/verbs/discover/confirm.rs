//! `--confirm`: the ordinary scan of the endpoints that were found, within the scope.

use std::net::SocketAddr;
use std::process::ExitCode;

use vigie_export::Format;
use vigie_run::scan::ScanOptions;

use super::args::QueryArgs;
use crate::args::TableOrJson;
use crate::failure::Done;
use crate::verbs::scan::Output;

/// Scans them, as `vigie scan` does.
pub(super) fn run(args: &QueryArgs, endpoints: &[SocketAddr]) -> Done {
    if endpoints.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let scan = ScanOptions {
        targets: endpoints.iter().map(ToString::to_string).collect(),
        scope: args.scope.clone(),
        opt_out: args.opt_out.clone(),
        lake: Some(args.lake.folder()?),
        catalog: args.catalog.clone(),
        network: args.network.files(),
        ..ScanOptions::default()
    };
    let output = Output {
        // With JSON the report of the discovery is the only document; the scan's results are in the lake.
        stdout: (args.format == TableOrJson::Table).then_some(Format::Table),
        quiet: args.quiet,
        ..Output::default()
    };
    crate::verbs::scan::scan(scan, &output)
}
