//! The options of a discovery.

use std::path::PathBuf;
use std::time::Duration;

use vigie_discover::{BaseUrl, ServiceKind};

use crate::network::NetworkFiles;

/// The options of a discovery. The keys are not among them: [`super::Ready::run`] takes them.
#[derive(Clone, Debug)]
pub struct DiscoverOptions {
    /// The service.
    pub service: ServiceKind,
    /// The ids of products whose queries in the catalogue are sent; `all` for every product.
    pub products: Vec<String>,
    /// Further queries, in the service's own language.
    pub queries: Vec<String>,
    /// Restricts each query, in the service's own language.
    pub only: Option<String>,
    /// The state file of an earlier run, which is resumed. Products, queries and `only` do not count then.
    pub resume: Option<PathBuf>,
    /// The credits that this run may spend; `None`: the service's default.
    pub budget: Option<u64>,
    /// The most credits that a request which is not free can cost; `None`: the service's default.
    pub cost: Option<u64>,
    /// The number of pages after which a query is split; `None`: the service's default.
    pub pages: Option<u32>,
    /// The shortest time between the starts of two requests.
    pub interval: Duration,
    /// The base URL to send requests to; `None`: the service's own.
    pub url: Option<BaseUrl>,
    /// A folder that keeps each reply as it arrived.
    pub raw: Option<PathBuf>,
    /// The scope of a scan that confirms what is found; `None`: nothing is confirmed.
    pub confirm: Option<ConfirmOptions>,
    /// Whether endpoints that no rule recognises are left out. They are counted.
    pub recognised_only: bool,
    /// The folder of the lake; `None`: the user's own.
    pub lake: Option<PathBuf>,
    /// The files that give country, AS and network class of addresses.
    pub network: NetworkFiles,
    /// The error file: bad records are written to it. It is created only if there is one.
    pub errors: PathBuf,
    /// The catalogue's folder; `None`: the embedded one.
    pub catalog: Option<PathBuf>,
}

impl DiscoverOptions {
    /// One request a second to this service, with its defaults and without a query; bad records go to the error file.
    #[must_use]
    pub fn new(service: ServiceKind, errors: PathBuf) -> Self {
        Self {
            service,
            products: Vec::new(),
            queries: Vec::new(),
            only: None,
            resume: None,
            budget: None,
            cost: None,
            pages: None,
            interval: Duration::from_secs(1),
            url: None,
            raw: None,
            confirm: None,
            recognised_only: false,
            lake: None,
            network: NetworkFiles::default(),
            errors,
            catalog: None,
        }
    }
}

/// The scope of a scan that confirms what is found.
#[derive(Clone, Debug, Default)]
pub struct ConfirmOptions {
    /// The scope file; `None`: loopback, this machine and private ranges.
    pub scope: Option<PathBuf>,
    /// Opt-out lists.
    pub opt_out: Vec<PathBuf>,
}
