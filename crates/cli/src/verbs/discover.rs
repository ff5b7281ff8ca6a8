//! `vigie discover`: what Shodan and Censys saw, within a budget, into the lake.

mod confirm;
mod keys;
mod lock;
mod shown;
mod signals;
mod told;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use vigie_catalog::Catalog;
use vigie_discover::{
    BaseUrl, Discovery, DiscoveryOptions, DiscoveryState, DiscoveryStep, ReplyKind, ServiceKind, ServiceReply, StopReason,
};
use vigie_export::text::lines;
use vigie_import::{Batch, Format, Importer, Parsed};
use vigie_model::Observation;
use vigie_network::Enricher;
use vigie_run::lake::Writer;
use vigie_run::{Failure, read, write_whole};

use self::lock::Lock;
use self::shown::Shown;
use self::told::{Credits, Report, Told};
use crate::args::{AskArgs, DiscoverArgs, DiscoverService};
use crate::failure::{Done, exit, written};
use crate::intake::{Counts, Intake};

/// A page whose hosts have more services than this is committed in pieces.
const BATCH: usize = 2_000;

pub(crate) fn run(args: &DiscoverArgs) -> Done {
    let (kind, ask, cost) = match &args.service {
        DiscoverService::Shodan(ask) => (ServiceKind::Shodan, ask.as_ref(), None),
        DiscoverService::Censys(censys) if censys.legacy => (ServiceKind::CensysLegacy, &censys.ask, censys.cost),
        DiscoverService::Censys(censys) => (ServiceKind::Censys, &censys.ask, censys.cost),
    };
    let cost = cost.unwrap_or_else(|| kind.cost());
    let budget = ask.budget.unwrap_or_else(|| kind.budget());
    let pages = ask.pages.unwrap_or_else(|| kind.pages());
    let knowledge = vigie_run::knowledge::knowledge(ask.catalog.as_deref())?;
    let state = match &ask.resume {
        Some(path) => read_state(path, kind)?,
        None => {
            let queries = queries(kind, ask, &knowledge.catalog)?;
            let id = format!(
                "{}-{:08x}",
                chrono::Utc::now().format("%Y%m%dT%H%M%SZ"),
                vigie_run::scan::fresh_seed() as u32
            );
            DiscoveryState::new(&id, kind, queries)
        }
    };
    if ask.dry_run {
        return dry_run(&state, budget, cost, pages);
    }
    let base: BaseUrl = ask
        .url
        .as_deref()
        .unwrap_or(kind.url())
        .parse()
        .map_err(|error| Failure::usage(format!("--url {error}")))?;
    let service = keys::service(kind, &args.service, ask.key_file.as_deref())?;
    let scope = confirm::scope(ask)?;
    let enricher = ask.network.files().open()?;
    let path = ask.resume.clone().unwrap_or_else(|| state_path(&state));
    let _alone = Lock::take(&path)?;
    let state = match &ask.resume {
        // Another run may have gone on with it before the lock was had.
        Some(path) => read_state(path, kind)?,
        None => state,
    };
    let intake = Intake::new(try_writing(ask)?, &ask.errors);
    let stop = Arc::new(AtomicBool::new(false));
    signals::listen(&stop, kind, path.clone())?;
    let options = DiscoveryOptions {
        budget,
        cost,
        pages,
        interval: ask.rate,
        agent: format!("vigie/{}", env!("CARGO_PKG_VERSION")),
        stop,
    };
    let discovery = Discovery::new(service, base, options, state).map_err(Failure::scan)?;
    let mut run = Run {
        args: ask,
        kind,
        budget,
        identifier: vigie_run::knowledge::identifier(ask.catalog.as_deref(), &knowledge.catalog)?,
        enricher,
        intake,
        discovery,
        path,
        ports: knowledge.catalog.ports(),
        counts: BTreeMap::new(),
        account: None,
    };
    match run.go() {
        Ok(stopped) => run.finish(stopped, scope),
        Err(failure) => Err(run.failed(failure)),
    }
}

fn read_state(path: &Path, kind: ServiceKind) -> Result<DiscoveryState, Failure> {
    DiscoveryState::read(&read(path)?, kind).map_err(|error| Failure::usage(format!("{} {error}", path.display())))
}

/// Opens the lake, and tries every place that is written to later: what was paid for must have somewhere to go.
fn try_writing(ask: &AskArgs) -> Result<Writer, Failure> {
    let folder = ask.lake.folder()?;
    let writer = Writer::open(&folder)?;
    vigie_run::lake::try_writing(&folder)?;
    let tried = |path: &Path, is_folder: bool, option: &str| {
        vigie_run::try_writing(path, is_folder)
            .map_err(|error| Failure::output(format!("cannot write {}: {error}; name another with {option}", path.display())))
    };
    if let Some(raw) = &ask.raw {
        tried(raw, true, "--raw")?;
    }
    tried(&ask.errors, false, "--errors")?;
    Ok(writer)
}

/// The queries: of the products that were named, then those that were given.
fn queries(kind: ServiceKind, args: &AskArgs, catalog: &Catalog) -> Result<Vec<(String, Option<String>)>, Failure> {
    let of = |product: &vigie_catalog::Product| match kind {
        ServiceKind::Shodan => product.shodan.clone(),
        ServiceKind::Censys => product.censys.clone(),
        ServiceKind::CensysLegacy => Vec::new(),
    };
    let known = || {
        let ids: Vec<&str> = catalog
            .products()
            .iter()
            .filter(|product| !of(product).is_empty())
            .map(|product| product.id.as_str())
            .collect();
        ids.join(", ")
    };
    let mut all = Vec::new();
    for id in &args.product {
        let products: Vec<&vigie_catalog::Product> = match id.as_str() {
            "all" => catalog.products().iter().collect(),
            id => vec![catalog.product(id).ok_or_else(|| {
                Failure::usage(format!(
                    "{id:?} is no product of the catalogue; with queries for {} are {}",
                    kind.word(),
                    known()
                ))
            })?],
        };
        let before = all.len();
        for product in products {
            all.extend(of(product).into_iter().map(|query| (query, Some(product.id.clone()))));
        }
        if all.len() == before {
            return Err(Failure::usage(format!(
                "the catalogue has no query for {id} at {}; give one with --query, or name one of {}",
                kind.word(),
                known()
            )));
        }
    }
    let line = |option: &str, text: &str| -> Result<String, Failure> {
        let text = text.trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(Failure::usage(format!("{option}: a query is one line, and not empty")));
        }
        Ok(text.to_owned())
    };
    for query in &args.query {
        all.push((line("--query", query)?, None));
    }
    if all.is_empty() {
        return Err(Failure::usage(match kind {
            ServiceKind::CensysLegacy => "nothing to ask: give --query TEXT".to_owned(),
            _ => format!(
                "nothing to ask: give --product ID or --query TEXT. Products with queries: {}",
                known()
            ),
        }));
    }
    if let Some(only) = &args.only {
        let only = line("--only", only)?;
        for (query, _) in &mut all {
            *query = match kind {
                ServiceKind::Shodan => format!("{query} {only}"),
                ServiceKind::Censys | ServiceKind::CensysLegacy => format!("({query}) and ({only})"),
            };
        }
    }
    Ok(all)
}

/// Each query and what it can cost. Nobody is asked, so nobody knows how many pages there are.
fn dry_run(state: &DiscoveryState, budget: u64, cost: u64, pages: u32) -> Done {
    let mut text = String::new();
    let bound = u64::from(pages).saturating_mul(cost);
    for query in &state.queries {
        let product = query.product.as_deref().map(|id| format!(" ({id})")).unwrap_or_default();
        text.push_str(&lines(&format!("{}{product}\n", query.query)));
        text.push_str(&format!(
            "  at most {bound} credits for {pages} pages; beyond them it is split by country and port, which costs more\n"
        ));
    }
    text.push_str(&format!(
        "{} queries, {cost} a page, and never more than {budget} credits in all (--budget). Nothing was sent.\n",
        state.queries.len()
    ));
    written(anstream::stdout().lock().write_all(text.as_bytes()))?;
    Ok(ExitCode::SUCCESS)
}

fn state_path(state: &DiscoveryState) -> PathBuf {
    let folder = vigie_run::lake::data_folder().map_or_else(|| PathBuf::from("."), |data| data.join("resume"));
    folder.join(format!("discover-{}-{}.json", state.service.word(), state.id))
}

struct Run<'a> {
    args: &'a AskArgs,
    kind: ServiceKind,
    budget: u64,
    identifier: Arc<vigie_identify::Identifier>,
    enricher: Enricher,
    intake: Intake,
    discovery: Discovery,
    /// The state's file.
    path: PathBuf,
    /// The catalogue's default ports, in order.
    ports: Vec<u16>,
    /// By query.
    counts: BTreeMap<usize, Counts>,
    account: Option<u64>,
}

impl Run<'_> {
    /// Asks until nothing is left or something stops it; says what.
    fn go(&mut self) -> Result<Option<StopReason>, Failure> {
        self.save()?;
        let runtime = super::runtime()?;
        match runtime.block_on(self.discovery.balance()) {
            Ok(account) => self.account = account,
            Err(stop) => return Ok(Some(stop)),
        }
        let mut shown = Shown::new(self.args.quiet);
        let stopped = loop {
            shown.update(&self.discovery, self.budget);
            match runtime.block_on(self.discovery.step()) {
                Ok(DiscoveryStep::Reply(reply)) => self.take(&reply)?,
                Ok(DiscoveryStep::Done(query)) => {
                    self.counts.insert(query, self.intake.counts());
                    self.save()?;
                    self.intake.start_anew();
                }
                Ok(DiscoveryStep::End) => break None,
                Err(stop) => break Some(stop),
            }
        };
        // What it cost since the last reply, and what is now known to be refused.
        self.save()?;
        shown.end();
        Ok(stopped)
    }

    /// Takes a reply that was paid for: to its file if that is wanted, its records into the lake, and then the state says that it came.
    fn take(&mut self, reply: &ServiceReply) -> Result<(), Failure> {
        let mut kept = None;
        let mut raw = Ok(());
        if let Some(dir) = &self.args.raw {
            let file = dir.join(file_name(self.discovery.state(), reply));
            raw = write_whole(&file, &reply.body);
            kept = raw.is_ok().then_some(file);
        }
        if let ReplyKind::Page(page) = reply.kind
            && let Err(failure) = self.pour(reply, page)
        {
            return Err(self.rescue(reply, kept, failure));
        }
        self.save()?;
        raw
    }

    /// Puts the records of a page into the lake, as an import of the same reply would.
    fn pour(&mut self, reply: &ServiceReply, page: u32) -> Result<(), Failure> {
        let format = match self.kind {
            ServiceKind::Shodan => Format::Shodan,
            ServiceKind::Censys | ServiceKind::CensysLegacy => Format::Censys,
        };
        let mut options = vigie_import::Options::new(Arc::clone(&self.identifier), chrono::Utc::now());
        options.recognised_only = self.args.recognised_only;
        let from = format!("{}: {}, page {page}", self.kind.word(), reply.text);
        let mut bad = Parsed::default();
        // Bytes in memory always read.
        if let Ok(importer) = Importer::new(reply.body.as_slice(), Some(format), options) {
            let (mut records, parser) = importer.split();
            let mut batch = Batch::default();
            while records.fill(&mut batch) {
                let mut parsed = Parsed::default();
                parser.parse(&batch, &mut parsed);
                for observation in parsed.items.iter_mut().flatten() {
                    self.enricher.enrich(observation.endpoint.address, &mut observation.network);
                }
                // What is good does not wait for a file of what is bad.
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

    /// A reply that was paid for and could not be taken is kept as it came, and not asked for again.
    fn rescue(&self, reply: &ServiceReply, kept: Option<PathBuf>, failure: Failure) -> Failure {
        let beside = || {
            let name = file_name(self.discovery.state(), reply);
            let file = self.path.with_file_name(name);
            write_whole(&file, &reply.body).map(|()| file)
        };
        let format = if self.kind == ServiceKind::Shodan { "shodan" } else { "censys" };
        // The state is written last: it never says that a page came which is nowhere.
        match kept.map_or_else(beside, Ok).and_then(|file| self.save().map(|()| file)) {
            Ok(file) => failure.and(format!(
                "the page that was paid for is kept; take it with: vigie import --from {format} {}",
                file.display()
            )),
            Err(other) => failure.and(format!("the page that was paid for is lost: {other}")),
        }
    }

    /// Whether it is worth confirming. Shodan gives the services that fit a query; Censys gives every service of a host that has one.
    fn is_candidate(&self, observation: &Observation) -> bool {
        self.kind == ServiceKind::Shodan
            || observation.identity.product.is_known()
            || self.ports.binary_search(&observation.endpoint.port).is_ok()
    }

    /// Commits what waits.
    fn commit(&mut self, query: usize) -> Result<(), Failure> {
        self.intake.commit()?;
        self.counts.insert(query, self.intake.counts());
        Ok(())
    }

    /// Writes the state; what it calls done is in the lake.
    fn save(&self) -> Result<(), Failure> {
        write_whole(&self.path, self.discovery.state().write().as_bytes())
    }

    /// What went wrong, and how to go on all the same.
    fn failed(self, failure: Failure) -> Failure {
        let failure = match self.intake.close() {
            Ok(Some(errors)) => failure.and(format!("bad records are in {}", errors.display())),
            Ok(None) | Err(_) => failure,
        };
        if self.path.exists() {
            failure.and(again(self.kind, &self.path))
        } else {
            failure
        }
    }

    /// Says what there is to say, and confirms if that is wanted.
    fn finish(self, stopped: Option<StopReason>, scope: Option<vigie_scope::Scope>) -> Done {
        let state = self.discovery.state();
        let complete = state.is_done();
        let named = |failure: Failure| {
            if complete {
                failure
            } else {
                failure.and(again(self.kind, &self.path))
            }
        };
        let kept = self.intake.close().map_err(named)?;
        let goes_on = matches!(stopped, None | Some(StopReason::Budget(_)));
        let (endpoints, confirmed) = match scope.filter(|_| goes_on) {
            Some(scope) => {
                let (endpoints, confirmed) = confirm::allowed(&state.found, &scope);
                (endpoints, Some(confirmed))
            }
            None => (Vec::new(), None),
        };
        let queries = state.queries.iter().enumerate();
        let report = Report {
            schema: "vigie.discover/1",
            service: self.kind.word(),
            queries: queries
                .map(|(number, query)| Told::new(query, self.counts.get(&number).copied().unwrap_or_default()))
                .collect(),
            credits: Credits {
                spent: self.discovery.spent(),
                budget: self.budget,
                account: self.account,
            },
            complete,
            stopped: stopped.as_ref().map(ToString::to_string),
            resume: (!complete).then(|| self.path.clone()),
            errors: kept,
            confirm: confirmed,
        };
        if complete {
            // Nothing is left to go on with.
            let _ = std::fs::remove_file(&self.path);
        }
        report.print(self.args.format).map_err(named)?;
        let code = match stopped {
            None => ExitCode::SUCCESS,
            Some(stop) => ended(&stop, self.kind, &self.path, self.account)?,
        };
        if goes_on && self.args.confirm {
            let confirmed = confirm::run(self.args, &endpoints)?;
            if confirmed != ExitCode::SUCCESS {
                return Ok(confirmed);
            }
        }
        let refused = report.queries.iter().any(Told::is_refused);
        Ok(if refused { ExitCode::from(exit::USAGE) } else { code })
    }
}

/// How to go on.
fn again(kind: ServiceKind, path: &Path) -> String {
    let service = match kind {
        ServiceKind::Shodan => "shodan",
        ServiceKind::Censys => "censys",
        ServiceKind::CensysLegacy => "censys --legacy",
    };
    format!("go on with: vigie discover {service} --resume {}", path.display())
}

/// What to do next, and the exit code.
fn ended(stop: &StopReason, kind: ServiceKind, path: &Path, account: Option<u64>) -> Done {
    let again = again(kind, path);
    let advice = match stop {
        StopReason::Interrupted => {
            anstream::eprintln!("vigie: interrupted; what came is kept; {again}");
            return Ok(ExitCode::from(exit::INTERRUPTED));
        }
        StopReason::Budget(last) => {
            let why = match account {
                Some(account) => format!("the budget, or the account's {account} credits, would be exceeded"),
                None => "the budget would be exceeded".to_owned(),
            };
            let last = last
                .as_ref()
                .map(|word| format!("; the last request gave nothing: {}", lines(word)))
                .unwrap_or_default();
            anstream::eprintln!("vigie: {why} by the next request{last}; {again} --budget CREDITS");
            return Ok(ExitCode::SUCCESS);
        }
        StopReason::Key(_) => "make a new key, or see whether it was copied whole",
        StopReason::Credits(_) => "wait until they are renewed, or buy some",
        StopReason::Plan(_) if kind == ServiceKind::Censys => {
            "searching by API needs a paid plan, and its organization's id in --organization or CENSYS_ORGANIZATION_ID"
        }
        StopReason::Plan(_) => "see what the plan holds; searching with filters and paging needs a paid one",
        StopReason::Wait(_) => "try again then",
        StopReason::Unreachable(_) => "try again later; if it is always the same page, give fewer --pages",
    };
    Err(Failure::scan(format!("{}: {stop}; {advice}; then {again}", kind.word())))
}

/// A reply's file: the same page of the same query has the same name. The key is no part of it.
fn file_name(state: &DiscoveryState, reply: &ServiceReply) -> String {
    let slug: String = reply
        .text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
        .take(40)
        .collect();
    let hash = vigie_model::sha256(reply.text.as_bytes());
    let hash = hash.rsplit(':').next().unwrap_or_default().get(..8).unwrap_or_default().to_owned();
    let kind = match reply.kind {
        ReplyKind::Page(page) => format!("page-{page:05}"),
        ReplyKind::Count => "count".to_owned(),
    };
    format!("{}-{}-{slug}-{hash}-{kind}.json", state.service.word(), state.id)
}
