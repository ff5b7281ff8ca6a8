//! The scanner's work: a plan over targets, or this machine's listeners.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use vigie_host::LocalServer;
use vigie_model::Timestamp;
use vigie_scan::{PlannedVisit, Rules, Work};
use vigie_scope::{EndpointIndex, Permit, Plan, Refusal, Scheme, Scope};

/// A plan over targets.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) visits: EndpointIndex,
    pub(crate) scope: Arc<Scope>,
    pub(crate) indices: Box<dyn Iterator<Item = u64> + Send>,
    /// The first index not begun.
    pub(crate) begun: u64,
    pub(crate) total: u64,
}

impl Work for Planned {
    fn next(&mut self) -> Option<u64> {
        let index = self.indices.next()?;
        self.begun = self.begun.max(index + 1);
        Some(index)
    }

    fn address(&self, index: u64) -> SocketAddr {
        SocketAddr::from(self.plan.at(index))
    }

    fn visits(&self, index: u64) -> Vec<PlannedVisit> {
        let (address, port) = self.plan.at(index);
        let visit = self.visits.at(address, port);
        let tls = visit.scheme.map(|scheme| scheme == Scheme::Https);
        let mut visits = Vec::new();
        let planned = |name, prefix| PlannedVisit { name, tls, prefix };
        if visit.by_address || (visit.names.is_empty() && visit.paths.is_empty()) {
            visits.push(planned(None, None));
        }
        visits.extend(visit.names.into_iter().map(|name| planned(Some(name), None)));
        visits.extend(visit.paths.into_iter().map(|(name, prefix)| planned(name, Some(prefix))));
        visits
    }

    fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        self.scope.permits(address, port, now).or_else(|refusal| {
            // Reached by a name that the scope lists, an address needs no entry of its own.
            let visit = self.visits.at(address, port);
            let under = visit.paths.iter().filter_map(|(name, _)| name.as_ref());
            visit
                .names
                .iter()
                .chain(under)
                .find_map(|name| self.scope.permits_name(name, address, port, now).ok())
                .ok_or(refusal)
        })
    }

    fn rules(&self) -> Arc<dyn Rules> {
        Arc::<Scope>::clone(&self.scope)
    }

    fn total(&self) -> u64 {
        self.total
    }

    fn begun(&self) -> u64 {
        self.begun
    }

    fn is_paced(&self, address: IpAddr) -> bool {
        self.scope.is_paced(address)
    }
}

/// What listens on this machine: one listener is one server, however many addresses it answers on.
pub(crate) struct Local {
    pub(crate) listeners: Vec<LocalServer>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) next: usize,
}

impl Work for Local {
    fn next(&mut self) -> Option<u64> {
        if self.next >= self.listeners.len() {
            return None;
        }
        self.next += 1;
        Some((self.next - 1) as u64)
    }

    fn address(&self, index: u64) -> SocketAddr {
        self.listeners[index as usize].probe_address()
    }

    fn visits(&self, _index: u64) -> Vec<PlannedVisit> {
        vec![PlannedVisit::default()]
    }

    fn permits(&self, address: IpAddr, port: u16, now: Timestamp) -> Result<Permit, Refusal> {
        self.scope.permits(address, port, now)
    }

    fn rules(&self) -> Arc<dyn Rules> {
        Arc::<Scope>::clone(&self.scope)
    }

    fn total(&self) -> u64 {
        self.listeners.len() as u64
    }

    fn begun(&self) -> u64 {
        self.next as u64
    }

    fn is_paced(&self, _address: IpAddr) -> bool {
        false
    }
}
