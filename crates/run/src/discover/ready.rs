//! A discovery that is ready to run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use vigie_discover::{BaseUrl, Discovery, DiscoveryOptions, DiscoveryState, Service, ServiceKind};

use super::event::{DiscoverEvent, DiscoverListener};
use super::lock::StateLock;
use super::options::DiscoverOptions;
use super::running::{Discovered, Running};
use super::{confirm, queries};
use crate::failure::{Failure, read};
use crate::intake::Intake;
use crate::lake::Writer;
use crate::stop::Stop;

/// A discovery that is ready to run.
pub struct Ready {
    options: DiscoverOptions,
    knowledge: vigie_assess::Knowledge,
    state: DiscoveryState,
}

/// Reads the options, and the state file or the catalogue's queries. Nothing is sent or written.
///
/// # Errors
///
/// The catalogue or the state file cannot be read, or there is no query.
pub fn prepare(options: DiscoverOptions) -> Result<Ready, Failure> {
    let knowledge = crate::knowledge::knowledge(options.catalog.as_deref())?;
    let state = match &options.resume {
        Some(path) => read_state(path, options.service)?,
        None => {
            let queries = queries::queries(&options, &knowledge.catalog)?;
            DiscoveryState::new(&crate::scan::fresh_id(), options.service, queries)
        }
    };
    Ok(Ready { options, knowledge, state })
}

impl Ready {
    /// The queries, and how much of each has been read.
    #[must_use]
    pub fn state(&self) -> &DiscoveryState {
        &self.state
    }

    /// The credits that the run may spend.
    #[must_use]
    pub fn budget(&self) -> u64 {
        self.options.budget.unwrap_or_else(|| self.options.service.budget())
    }

    /// The most credits that a request which is not free can cost.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.options.cost.unwrap_or_else(|| self.options.service.cost())
    }

    /// The number of pages after which a query is split.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.options.pages.unwrap_or_else(|| self.options.service.pages())
    }

    /// Sends the queries until nothing is left or something stops the run. Each page is in the lake before the next request.
    ///
    /// # Errors
    ///
    /// `service` is another one than that of the options, a file of the options cannot be read, another run uses the state file, the lake or
    /// a file cannot be written, or the listener fails. A fault of the service is no error: it is in [`Discovered::stopped`].
    pub fn run(self, service: Service, stop: &Stop, listener: &mut DiscoverListener<'_>) -> Result<Discovered, Failure> {
        let kind = self.options.service;
        if service.kind() != kind {
            return Err(Failure::usage(format!(
                "the keys belong to {}, the queries to {}",
                service.kind().word(),
                kind.word()
            )));
        }
        let (budget, cost, pages) = (self.budget(), self.cost(), self.pages());
        let Self { options, knowledge, state } = self;
        let base = match &options.url {
            Some(url) => url.clone(),
            None => own_url(kind)?,
        };
        let mut scope = None;
        if let Some(confirm) = &options.confirm {
            let (read, note) = confirm::scope(confirm)?;
            if let Some(note) = note {
                listener(DiscoverEvent::Note(&note))?;
            }
            scope = Some(read);
        }
        let enricher = options.network.open()?;
        let path = options.resume.clone().unwrap_or_else(|| state_path(&state));
        let _lock = StateLock::take(&path)?;
        let state = match &options.resume {
            // Another run may have continued it before the lock was taken.
            Some(path) => read_state(path, kind)?,
            None => state,
        };
        let intake = Intake::new(try_writing(&options)?, &options.errors);
        listener(DiscoverEvent::Begun { state: &path })?;
        let discovery = DiscoveryOptions {
            budget,
            cost,
            pages,
            interval: options.interval,
            agent: format!("vigie/{}", env!("CARGO_PKG_VERSION")),
            stop: stop.flag(),
        };
        let discovery = Discovery::new(service, base, discovery, state).map_err(Failure::scan)?;
        let running = Running {
            identifier: crate::knowledge::identifier(options.catalog.as_deref(), &knowledge.catalog)?,
            options,
            budget,
            enricher,
            intake,
            discovery,
            state: path,
            ports: knowledge.catalog.ports(),
            counts: BTreeMap::new(),
            account: None,
        };
        running.run(scope.as_ref(), listener)
    }
}

fn own_url(service: ServiceKind) -> Result<BaseUrl, Failure> {
    service.url().parse().map_err(Failure::scan)
}

fn read_state(path: &Path, service: ServiceKind) -> Result<DiscoveryState, Failure> {
    DiscoveryState::read(&read(path)?, service).map_err(|error| Failure::usage(format!("{} {error}", path.display())))
}

fn state_path(state: &DiscoveryState) -> PathBuf {
    crate::lake::resume_folder().join(format!("discover-{}-{}.json", state.service.word(), state.id))
}

/// Opens the lake, and tries every place that is written to later: records that were paid for must have somewhere to go.
fn try_writing(options: &DiscoverOptions) -> Result<Writer, Failure> {
    let folder = crate::lake::folder(options.lake.as_deref())?;
    let writer = Writer::open(&folder)?;
    crate::lake::try_writing(&folder)?;
    let tried = |path: &Path, is_folder: bool, option: &str| {
        crate::files::try_writing(path, is_folder)
            .map_err(|error| Failure::output(format!("cannot write {}: {error}; name another with {option}", path.display())))
    };
    if let Some(raw) = &options.raw {
        tried(raw, true, "--raw")?;
    }
    tried(&options.errors, false, "--errors")?;
    Ok(writer)
}
