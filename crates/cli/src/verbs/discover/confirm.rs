//! `--confirm`: the ordinary scan of what was found, within the scope.

use std::collections::BTreeSet;
use std::mem::Discriminant;
use std::net::SocketAddr;
use std::process::ExitCode;

use vigie_export::Format;
use vigie_run::Failure;
use vigie_run::scan::ScanOptions;
use vigie_scope::{OwnAddresses, Refusal, Scope};

use super::told::Confirmed;
use crate::args::{AskArgs, TableOrJson};
use crate::failure::Done;
use crate::verbs::scan::Output;

/// The scope, read before a credit is spent.
pub(super) fn scope(args: &AskArgs) -> Result<Option<Scope>, Failure> {
    if !args.confirm {
        return Ok(None);
    }
    let own = OwnAddresses::new(vigie_run::targets::own_addresses().0);
    vigie_run::targets::scope(args.scope.as_deref(), &args.opt_out, &own).map(Some)
}

/// Which of the endpoints may be asked.
pub(super) fn allowed(found: &BTreeSet<SocketAddr>, scope: &Scope) -> (Vec<SocketAddr>, Confirmed) {
    let now = chrono::Utc::now();
    let mut asked = Vec::new();
    // Each kind of refusal once, with the first that it was met with.
    let mut kinds: Vec<(Discriminant<Refusal>, String, u64)> = Vec::new();
    for endpoint in found {
        match scope.permits(endpoint.ip(), endpoint.port(), now) {
            Ok(_) => asked.push(*endpoint),
            Err(refusal) => {
                let kind = std::mem::discriminant(&refusal);
                match kinds.iter_mut().find(|(other, _, _)| *other == kind) {
                    Some((_, _, count)) => *count += 1,
                    None => kinds.push((kind, refusal.to_string(), 1)),
                }
            }
        }
    }
    let left = kinds.iter().map(|(_, _, count)| count).sum();
    let reasons = kinds
        .into_iter()
        .map(|(_, first, count)| if count == 1 { first } else { format!("{first} ({count} such)") })
        .collect();
    let confirmed = Confirmed {
        found: found.len() as u64,
        asked: asked.len() as u64,
        left,
        reasons,
    };
    (asked, confirmed)
}

/// Scans them, as `vigie scan` does.
pub(super) fn run(args: &AskArgs, endpoints: &[SocketAddr]) -> Done {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_scope_does_not_allow_is_counted_and_left() {
        let found: BTreeSet<SocketAddr> = ["127.0.0.1:11434", "10.0.0.1:11434", "8.0.0.0:11434", "192.0.2.1:11434"]
            .iter()
            .map(|text| text.parse().expect("an endpoint"))
            .collect();
        let (asked, told) = allowed(&found, &Scope::without_file(&OwnAddresses::default()));
        let asked: Vec<String> = asked.iter().map(ToString::to_string).collect();
        assert_eq!(asked, ["10.0.0.1:11434", "127.0.0.1:11434"]);
        assert_eq!((told.found, told.asked, told.left, told.reasons.len()), (4, 2, 2, 2));
        assert!(told.reasons.iter().any(|reason| reason.contains("scope")), "{:?}", told.reasons);
    }
}
