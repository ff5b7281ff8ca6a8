//! A running discovery: requests, pages into the lake, the state file.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use vigie_discover::{Discovery, DiscoveryStep, ReplyKind, ServiceKind, ServiceReply, StopReason};
use vigie_identify::Identifier;
use vigie_import::{Batch, Format, Importer, Options, Parsed};
use vigie_model::Observation;
use vigie_network::Enricher;
use vigie_scope::Scope;

use super::event::{DiscoverEvent, DiscoverListener};
use super::options::DiscoverOptions;
use super::replies::file_name;
use super::report::{Credits, DiscoverReport, QueryReport};
use super::{confirm, how_to_resume};
use crate::failure::Failure;
use crate::files::write_whole;
use crate::intake::{ImportCounts, Intake};

/// A page with more observations than this is committed in pieces.
const BATCH: usize = 2_000;

/// A discovery that ended.
#[derive(Debug)]
pub struct Discovered {
    /// The report.
    pub report: DiscoverReport,
    /// Why it ended early.
    pub stopped: Option<StopReason>,
    /// The state file. It is removed if every query is complete.
    pub state: PathBuf,
    /// The endpoints for a confirming scan. Empty if none is wanted, or a fault or the user stopped the run.
    pub endpoints: Vec<SocketAddr>,
}

/// A running discovery.
pub(super) struct Running {
    pub(super) options: DiscoverOptions,
    pub(super) budget: u64,
    pub(super) identifier: Arc<Identifier>,
    pub(super) enricher: Enricher,
    pub(super) intake: Intake,
    pub(super) discovery: Discovery,
    /// The state file.
    pub(super) state: PathBuf,
    /// The catalogue's default ports, in order.
    pub(super) ports: Vec<u16>,
    /// The counts of each query, by its number.
    pub(super) counts: BTreeMap<usize, ImportCounts>,
    /// The credits that the account had at the start.
    pub(super) account: Option<u64>,
}

impl Running {
    /// Sends requests to the end, and makes the report.
    pub(super) fn run(mut self, scope: Option<&Scope>, listener: &mut DiscoverListener<'_>) -> Result<Discovered, Failure> {
        match self.send(listener) {
            Ok(stopped) => self.finish(stopped, scope),
            Err(failure) => Err(self.failed(failure)),
        }
    }

    /// Sends requests until nothing is left or something stops the run. Returns what stopped it.
    fn send(&mut self, listener: &mut DiscoverListener<'_>) -> Result<Option<StopReason>, Failure> {
        self.save()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::scan(format!("no runtime: {error}")))?;
        match runtime.block_on(self.discovery.balance()) {
            Ok(account) => self.account = account,
            Err(stop) => return Ok(Some(stop)),
        }
        let stopped = loop {
            listener(DiscoverEvent::Progress {
                state: self.discovery.state(),
                spent: self.discovery.spent(),
                budget: self.budget,
            })?;
            match runtime.block_on(self.discovery.step()) {
                Ok(DiscoveryStep::Reply(reply)) => self.take(&reply)?,
                Ok(DiscoveryStep::Done(query)) => {
                    self.counts.insert(query, self.intake.counts());
                    self.save()?;
                    self.intake.start_part();
                }
                Ok(DiscoveryStep::End) => break None,
                Err(stop) => break Some(stop),
            }
        };
        // The credits since the last reply, and the queries that the service rejected since.
        self.save()?;
        listener(DiscoverEvent::Ended)?;
        Ok(stopped)
    }

    /// Takes a reply that was paid for: writes it to its file if that is wanted, imports its records, and then marks it as read in the
    /// state file.
    fn take(&mut self, reply: &ServiceReply) -> Result<(), Failure> {
        let mut kept = None;
        let mut raw = Ok(());
        if let Some(dir) = &self.options.raw {
            let file = dir.join(file_name(self.discovery.state(), reply));
            raw = write_whole(&file, &reply.body);
            kept = raw.is_ok().then_some(file);
        }
        if let ReplyKind::Page(page) = reply.kind
            && let Err(failure) = self.import(reply, page)
        {
            return Err(self.rescue(reply, kept, failure));
        }
        self.save()?;
        raw
    }

    /// Imports the records of a page, as an import of the same reply would.
    fn import(&mut self, reply: &ServiceReply, page: u32) -> Result<(), Failure> {
        let mut options = Options::new(Arc::clone(&self.identifier), chrono::Utc::now());
        options.recognised_only = self.options.recognised_only;
        let from = format!("{}: {}, page {page}", self.options.service.word(), reply.text);
        let mut bad = Parsed::default();
        // Reading bytes in memory cannot fail.
        if let Ok(importer) = Importer::new(reply.body.as_slice(), Some(self.format()), options) {
            let (mut records, parser) = importer.split();
            let mut batch = Batch::default();
            while records.fill(&mut batch) {
                let mut parsed = Parsed::default();
                parser.parse(&batch, &mut parsed);
                for observation in parsed.items.iter_mut().flatten() {
                    self.enricher.enrich(observation.endpoint.address, &mut observation.network);
                }
                // Bad records come last: an error file that cannot be written must not cost the observations.
                bad.items.extend(parsed.items.extract_if(.., |item| item.is_err()));
                let good = parsed.items.iter().flatten().filter(|observation| self.is_candidate(observation));
                let found: Vec<SocketAddr> = good.map(|observation| observation.endpoint.socket()).collect();
                self.discovery.found().extend(found);
                self.intake.take(&from, parsed)?;
                if self.intake.waiting() >= BATCH {
                    self.commit(reply.query)?;
                }
            }
        }
        self.commit(reply.query)?;
        self.intake.take(&from, bad)?;
        self.counts.insert(reply.query, self.intake.counts());
        Ok(())
    }

    /// The format of the service's replies.
    fn format(&self) -> Format {
        match self.options.service {
            ServiceKind::Shodan => Format::Shodan,
            ServiceKind::Censys | ServiceKind::CensysLegacy => Format::Censys,
        }
    }

    /// Writes a reply that was paid for and could not be imported to a file, and marks it as read. Returns the failure with the name of the
    /// file.
    fn rescue(&self, reply: &ServiceReply, kept: Option<PathBuf>, failure: Failure) -> Failure {
        let beside = || {
            let name = file_name(self.discovery.state(), reply);
            let file = self.state.with_file_name(name);
            write_whole(&file, &reply.body).map(|()| file)
        };
        // The state comes last: it must not say that a page was read which is nowhere.
        match kept.map_or_else(beside, Ok).and_then(|file| self.save().map(|()| file)) {
            Ok(file) => failure.and(format!(
                "the page that was paid for is kept; take it with: vigie import --from {} {}",
                self.format().word(),
                file.display()
            )),
            Err(other) => failure.and(format!("the page that was paid for is lost: {other}")),
        }
    }

    /// Whether an endpoint is worth confirming. Shodan returns the services that match a query; Censys returns every service of a host
    /// that has one.
    fn is_candidate(&self, observation: &Observation) -> bool {
        self.options.service == ServiceKind::Shodan
            || observation.identity.product.is_known()
            || self.ports.binary_search(&observation.endpoint.port).is_ok()
    }

    /// Commits the observations of a query that wait.
    fn commit(&mut self, query: usize) -> Result<(), Failure> {
        self.intake.commit()?;
        self.counts.insert(query, self.intake.counts());
        Ok(())
    }

    /// Writes the state file. Pages that it marks as read are in the lake.
    fn save(&self) -> Result<(), Failure> {
        write_whole(&self.state, self.discovery.state().write().as_bytes())
    }

    /// Adds to a failure where the bad records are and how to resume the run.
    fn failed(self, failure: Failure) -> Failure {
        let failure = match self.intake.close() {
            Ok(Some(errors)) => failure.and(format!("bad records are in {}", errors.display())),
            Ok(None) | Err(_) => failure,
        };
        if self.state.exists() {
            failure.and(how_to_resume(self.options.service, &self.state))
        } else {
            failure
        }
    }

    /// Makes the report, and removes the state file if every query is complete.
    fn finish(self, stopped: Option<StopReason>, scope: Option<&Scope>) -> Result<Discovered, Failure> {
        let service = self.options.service;
        let state = self.discovery.state();
        let complete = state.is_done();
        let errors = self.intake.close().map_err(|failure| match complete {
            true => failure,
            false => failure.and(how_to_resume(service, &self.state)),
        })?;
        let (endpoints, confirmation) = match scope.filter(|_| matches!(stopped, None | Some(StopReason::Budget(_)))) {
            Some(scope) => {
                let (endpoints, confirmation) = confirm::allowed(&state.found, scope);
                (endpoints, Some(confirmation))
            }
            None => (Vec::new(), None),
        };
        let queries = state.queries.iter().enumerate();
        let report = DiscoverReport {
            schema: "vigie.discover/1",
            service: service.word(),
            queries: queries
                .map(|(number, query)| QueryReport::new(query, self.counts.get(&number).copied().unwrap_or_default()))
                .collect(),
            credits: Credits {
                spent: self.discovery.spent(),
                budget: self.budget,
                account: self.account,
            },
            complete,
            stopped: stopped.as_ref().map(ToString::to_string),
            resume: (!complete).then(|| self.state.clone()),
            errors,
            confirm: confirmation,
        };
        if complete {
            // Nothing is left to resume.
            let _ = std::fs::remove_file(&self.state);
        }
        Ok(Discovered {
            report,
            stopped,
            state: self.state,
            endpoints,
        })
    }
}
