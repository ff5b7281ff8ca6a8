//! What a scan would do. No name is resolved and nothing is sent.

use std::net::SocketAddr;

use vigie_model::PathPrefix;
use vigie_scope::notice::{Notice, PlannedRequest};

use super::ScanOptions;
use super::inputs::Inputs;
use super::job::Job;
use crate::failure::Failure;

/// A scan that was planned and is not run.
pub struct Preview {
    inputs: Inputs,
    job: Job,
}

/// One visit of an address and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewedVisit {
    /// The address and port.
    pub socket: SocketAddr,
    /// The host name under which it is visited.
    pub name: Option<String>,
    /// The path under which a server is expected.
    pub prefix: Option<PathPrefix>,
}

/// Plans a scan.
///
/// # Errors
///
/// As [`super::prepare`], except for errors that need names to be resolved or the clock.
pub fn preview(options: ScanOptions) -> Result<Preview, Failure> {
    let mut inputs = Inputs::read(options)?;
    let job = Job::unresolved(&mut inputs)?;
    inputs.notes = super::summary::once(std::mem::take(&mut inputs.notes));
    Ok(Preview { inputs, job })
}

impl Preview {
    /// What the user should know.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.inputs.notes
    }

    /// Every visit, in the scan's order.
    pub fn visits(&self) -> Box<dyn Iterator<Item = PreviewedVisit> + '_> {
        let at = |socket| PreviewedVisit {
            socket,
            name: None,
            prefix: None,
        };
        match &self.job {
            Job::Local(local) => Box::new(local.listeners.iter().map(move |listener| at(listener.probe_address()))),
            Job::Planned(planned) => Box::new(planned.plan.shard_indices().flat_map(move |index| {
                let socket = SocketAddr::from(planned.plan.at(index));
                let visit = planned.visits.at(socket.ip(), socket.port());
                let root = (visit.by_address || visit.paths.is_empty()).then(|| at(socket));
                let under = visit.paths.into_iter().map(move |(name, prefix)| PreviewedVisit {
                    socket,
                    name,
                    prefix: Some(prefix),
                });
                root.into_iter().chain(under)
            })),
        }
    }

    /// The host names that would be resolved.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inputs.targets.names()
    }

    /// The paths under which servers are expected; `None` is the root.
    #[must_use]
    pub fn prefixes(&self) -> Vec<Option<&PathPrefix>> {
        match self.job {
            Job::Local(_) => vec![None],
            Job::Planned(_) => self.inputs.targets.prefixes().collect(),
        }
    }

    /// Whether the root is scanned before the path, because the path may be a gateway's route to another server.
    #[must_use]
    pub fn asks_root_first(&self, prefix: &PathPrefix) -> bool {
        self.inputs.knowledge.catalog.asks_root_first(prefix)
    }

    /// The most requests to one endpoint.
    #[must_use]
    pub fn most_requests(&self) -> u32 {
        self.inputs.scope.limits().per_endpoint
    }

    /// The requests that may be sent, each with its condition.
    #[must_use]
    pub fn requests(&self) -> Vec<vigie_catalog::PlannedRequest> {
        self.inputs.knowledge.catalog.planned_requests()
    }

    /// The notice for the operations team of the network.
    #[must_use]
    pub fn notice(&self) -> String {
        let Inputs {
            scope,
            targets,
            ports,
            own,
            options,
            ..
        } = &self.inputs;
        let pairs = scope
            .clip(targets, ports)
            .map_or_else(|_| targets.pairs(ports), |clipped| clipped.pairs);
        let names: Vec<String> = targets.names().map(str::to_owned).collect();
        let outside = own.iter().filter(|address| !vigie_scope::is_loopback(**address));
        let sources: Vec<String> = outside.map(ToString::to_string).collect();
        let requests: Vec<PlannedRequest> = self
            .requests()
            .into_iter()
            .map(|request| PlannedRequest {
                line: request.line,
                when: request.when,
            })
            .collect();
        vigie_scope::notice::text(&Notice {
            scope,
            pairs: &pairs,
            names: &names,
            sources: &sources,
            user_agent: &super::ready::user_agent(scope),
            from: chrono::Utc::now(),
            until: None,
            requests: &requests,
            prove: options.prove,
        })
    }
}
