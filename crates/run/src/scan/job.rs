//! What a scan works through: this machine's listeners, or a plan over targets.

use std::sync::Arc;

use vigie_host::LocalServer;
use vigie_scan::Work as _;
use vigie_scope::{Coverage, Plan, Refusal, Targets};

use super::coverage;
use super::inputs::Inputs;
use super::work::{Local, Planned};
use crate::failure::Failure;

/// Ports on this machine whose protocol is known to be another: an HTTP request there only fills logs, and some servers count it
/// against the sender. They are scanned if the user names them.
const OTHER_PROTOCOLS: [u16; 22] = [
    22, 25, 53, 110, 111, 139, 143, 445, 465, 587, 631, 993, 995, 1433, 1521, 2049, 3306, 5432, 5672, 6379, 11_211, 27_017,
];

/// The work of a scan.
pub(crate) enum Job {
    Local(Local),
    Planned(Box<Planned>),
}

impl Job {
    /// The job of the inputs, without resolving names; notes go to the inputs.
    pub(crate) fn unresolved(inputs: &mut Inputs) -> Result<Self, Failure> {
        if inputs.is_local {
            return this_machine(inputs);
        }
        if inputs.targets.is_empty() {
            return Err(Failure::usage(format!(
                "no targets to scan{}; without any target, vigie scan scans this machine",
                in_brackets(&inputs.notes)
            )));
        }
        planned(inputs).map(Self::Planned)
    }

    /// The job of the inputs with their names resolved, and its coverage. A job that could reach nothing is a failure.
    pub(crate) fn resolved(inputs: &mut Inputs) -> Result<(Self, Coverage), Failure> {
        if !inputs.is_local {
            let notes = crate::targets::resolve(&mut inputs.targets, &inputs.scope);
            inputs.notes.extend(notes);
        }
        let job = Self::unresolved(inputs)?;
        let coverage = match &job {
            Self::Local(_) => coverage::this_machine(&inputs.own, inputs.named_ports(), &OTHER_PROTOCOLS),
            Self::Planned(planned) => {
                check_reachable(planned, &inputs.targets, &inputs.notes)?;
                Coverage::new(planned.plan.pairs(), &inputs.targets, &inputs.ports)
            }
        };
        Ok((job, coverage))
    }

    /// The vantage of the scan, unless the scope file names it.
    pub(crate) fn vantage(&self) -> &'static str {
        match self {
            Self::Local(_) => "host",
            Self::Planned(planned) => {
                let mut segments = planned.plan.pairs().segments().iter();
                let is_loopback = vigie_scope::is_loopback;
                if segments.all(|segment| is_loopback(segment.range.first()) && is_loopback(segment.range.last())) {
                    "loopback"
                } else {
                    "network"
                }
            }
        }
    }
}

fn this_machine(inputs: &mut Inputs) -> Result<Job, Failure> {
    let mut skipped = Vec::new();
    let named = inputs.named_ports();
    let listeners: Vec<LocalServer> = crate::targets::listeners()?
        .into_iter()
        .filter(|listener| match named {
            Some(ports) => ports.contains(listener.port()),
            None if OTHER_PROTOCOLS.contains(&listener.port()) => {
                skipped.push(listener.port().to_string());
                false
            }
            None => true,
        })
        .collect();
    if !skipped.is_empty() {
        inputs.notes.push(format!(
            "ports of other protocols were left out: {} (name them with --ports to scan them)",
            skipped.join(", ")
        ));
    }
    Ok(Job::Local(Local {
        listeners,
        scope: Arc::clone(&inputs.scope),
        next: 0,
    }))
}

fn planned(inputs: &mut Inputs) -> Result<Box<Planned>, Failure> {
    let clipped = inputs.scope.clip(&inputs.targets, &inputs.ports).map_err(Failure::usage)?;
    inputs.notes.extend(clipped.skipped.iter().map(|skipped| skipped.why.to_string()));
    let plan = Plan::over(inputs.seed, clipped.pairs, inputs.options.shard).map_err(Failure::usage)?;
    let (indices, begun): (Box<dyn Iterator<Item = u64> + Send>, u64) = match &inputs.resume {
        None => (Box::new(plan.shard_indices()), 0),
        Some(resume) => (
            Box::new(plan.resume(&resume.cursor).map_err(Failure::usage)?),
            resume.cursor.next_index,
        ),
    };
    let total = plan.shard_len();
    if total == 0 && !plan.is_empty() {
        inputs.notes.push(format!(
            "this shard holds none of the {} addresses and ports: other shards do",
            plan.len()
        ));
    }
    Ok(Box::new(Planned {
        visits: inputs.targets.endpoint_index(&inputs.ports),
        scope: Arc::clone(&inputs.scope),
        indices,
        begun,
        total,
        plan,
    }))
}

/// Fails if nothing of a plan can be scanned: no name resolved, or it is outside the hours of the scope.
fn check_reachable(planned: &Planned, targets: &Targets, notes: &[String]) -> Result<(), Failure> {
    let pairs = planned.plan.pairs();
    if pairs.is_empty() {
        let names = targets.names().count();
        return Err(Failure::scan(format!(
            "nothing could be scanned: {} resolved{}; check the spelling and that this machine's name server answers, or name addresses",
            if names == 1 { "the name was not" } else { "none of the names was" },
            in_brackets(notes)
        )));
    }
    let now = chrono::Utc::now();
    let mut closed = None;
    for segment in pairs.segments() {
        let Some(port) = segment.ports.as_slice().first() else { continue };
        for address in [segment.range.first(), segment.range.last()] {
            match planned.permits(address, *port, now) {
                Err(refusal @ (Refusal::OutsideWindow { .. } | Refusal::Expired { .. })) => closed = Some(refusal),
                // The hours do not apply to it, or it is decided when its turn comes.
                _ => return Ok(()),
            }
        }
    }
    match closed {
        None => Ok(()),
        Some(refusal) => Err(Failure::scan(format!(
            "nothing could be scanned: {refusal}; scan within its hours, or have them changed in the scope file"
        ))),
    }
}

/// The first few notes, for the message of a failure that they explain.
fn in_brackets(notes: &[String]) -> String {
    match notes {
        [] => String::new(),
        [..] => {
            let more = notes.len().saturating_sub(3);
            let more = if more > 0 { format!("; and {more} more") } else { String::new() };
            format!(" ({}{more})", notes[..notes.len().min(3)].join("; "))
        }
    }
}
