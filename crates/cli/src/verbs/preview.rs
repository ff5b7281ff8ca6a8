//! `vigie scan --dry-run` and `--notice`: what a scan would do, told without doing it.

use std::io::Write as _;
use std::net::IpAddr;
use std::process::ExitCode;

use vigie_assess::Knowledge;
use vigie_model::PathPrefix;
use vigie_scope::{Ports, Scope, Targets};

use super::scan::{Job, user_agent};
use crate::failure::{Done, written};

pub(crate) fn dry_run(job: &Job, targets: &Targets, scope: &Scope, knowledge: &Knowledge) -> Done {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let mut print = || -> std::io::Result<()> {
        match job {
            Job::Local(local) => {
                for listener in &local.listeners {
                    writeln!(out, "{}", listener.probe_address())?;
                }
            }
            Job::Planned(planned) => {
                for index in planned.plan.shard_indices() {
                    let socket = std::net::SocketAddr::from(planned.plan.at(index));
                    let visit = planned.visits.at(socket.ip(), socket.port());
                    if visit.by_address || visit.paths.is_empty() {
                        writeln!(out, "{socket}")?;
                    }
                    for (name, prefix) in &visit.paths {
                        match name {
                            None => writeln!(out, "{socket}{prefix}")?,
                            Some(name) => writeln!(out, "{name}{prefix} ({socket})")?,
                        }
                    }
                }
            }
        }
        for name in targets.names() {
            writeln!(out, "{name} (would be resolved first; its addresses must lie in the scope)")?;
        }
        writeln!(out)?;
        let most = scope.limits().per_endpoint;
        let requests = knowledge.catalog.planned_requests();
        let paths: Vec<Option<&PathPrefix>> = match job {
            Job::Local(_) => vec![None],
            Job::Planned(_) => targets.prefixes().collect(),
        };
        let first = paths.iter().flatten().find(|path| knowledge.catalog.asks_root_first(path));
        if paths.contains(&None) {
            writeln!(
                out,
                "To each open port, until it is recognised and never more than {most} requests:"
            )?;
        } else if let Some(path) = first {
            // The path may be a gateway's way to another server.
            writeln!(
                out,
                "To the root first, because {path} may be a gateway's way to another server, until it is recognised and never more than \
                 {most} requests, those under the path included:"
            )?;
        }
        if paths.contains(&None) || first.is_some() {
            for told in &requests {
                writeln!(out, "  {}\n      {}", told.line, told.when)?;
            }
        }
        for path in paths.into_iter().flatten() {
            let unless = match knowledge.catalog.asks_root_first(path) {
                true => " only if no server that passes it on answers at the root,",
                false => "",
            };
            writeln!(
                out,
                "Under {path},{unless} until it is recognised and never more than {most} requests:"
            )?;
            for told in &requests {
                writeln!(out, "  {}\n      {}", told.line_under(path), told.when)?;
            }
        }
        writeln!(out, "\nNothing was sent, no name was resolved, no socket was opened.")?;
        out.flush()
    };
    written(print())?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn notice(targets: &Targets, ports: &Ports, scope: &Scope, knowledge: &Knowledge, own: &[IpAddr], prove: bool) -> Done {
    let pairs = scope
        .clip(targets, ports)
        .map(|clipped| clipped.pairs)
        .unwrap_or_else(|_| targets.pairs(ports));
    let names: Vec<String> = targets.names().map(str::to_owned).collect();
    let sources: Vec<String> = own
        .iter()
        .filter(|a| !vigie_scope::is_loopback(**a))
        .map(ToString::to_string)
        .collect();
    let requests: Vec<vigie_scope::notice::PlannedRequest> = knowledge
        .catalog
        .planned_requests()
        .into_iter()
        .map(|told| vigie_scope::notice::PlannedRequest {
            line: told.line,
            when: told.when,
        })
        .collect();
    let note = vigie_scope::notice::Notice {
        scope,
        pairs: &pairs,
        names: &names,
        sources: &sources,
        user_agent: &user_agent(scope),
        from: chrono::Utc::now(),
        until: None,
        requests: &requests,
        prove,
    };
    written(std::io::stdout().lock().write_all(vigie_scope::notice::text(&note).as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}
