//! What is known of an endpoint besides its replies: its listening socket, its reach, its place in the network.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use vigie_host::LocalServer;
use vigie_model::{Known, Observation};
use vigie_scan::EnrichFn;

/// Fills it into observations before they are judged.
#[derive(Default)]
pub(crate) struct Enrich {
    /// This machine's listeners, where it is scanned.
    pub(crate) listeners: HashMap<SocketAddr, LocalServer>,
    #[cfg(feature = "watch")]
    pub(crate) network: Option<vigie_network::Enricher>,
}

impl Enrich {
    pub(crate) fn for_scanner(self) -> EnrichFn {
        EnrichFn(Arc::new(move |observation: &mut Observation| self.enrich(observation)))
    }

    fn enrich(&self, observation: &mut Observation) {
        let endpoint = &observation.endpoint;
        // The listening socket knows who can reach it; else the address is all there is.
        if let Some(listener) = self.listeners.get(&endpoint.socket()) {
            observation.exposure.reach = Known::Known(listener.reach());
            observation.listener = Some(listener.to_model());
        } else {
            observation.exposure.reach = crate::reach::of(endpoint.address);
        }
        #[cfg(feature = "watch")]
        if let Some(network) = &self.network {
            network.enrich(observation.endpoint.address, &mut observation.network);
        }
    }
}
