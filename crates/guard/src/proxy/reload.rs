//! The configuration is read anew while the gateway runs: whole, or the one before stays.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::flag::Flag;
use super::gate::{Gate, Parts};
use super::plan::{Plan, config_changes};
use super::stamp::Stamp;
use super::tls;
use crate::admin;
use crate::authorize::Asked;
use crate::config::{Admin, Config};
use crate::log::{Change, Entry};
use crate::service;
use crate::watch::{End, Watch};

/// These take effect only when the gateway starts again.
const NEEDS_RESTART: [&str; 4] = ["listen.address", "listen.workers", "log.dir", "limits"];

/// A gateway that runs, as far as its configuration goes.
#[derive(Debug)]
pub(crate) struct Running {
    dir: PathBuf,
    /// A proxy asks, and no client comes.
    pub(super) authorizes: Option<Asked>,
    pub(crate) parts: Parts,
    /// Where clients connect to.
    pub(crate) address: SocketAddr,
    /// The configuration that it started with.
    started: Config,
    state: Mutex<State>,
    /// The socket for clients, until the gateway stops.
    clients: Mutex<Option<TcpListener>>,
    /// Somebody wants the configuration to be read anew.
    pub(super) asked: tokio::sync::Notify,
}

#[derive(Debug)]
struct State {
    gate: Arc<Gate>,
    /// The files as they were when they were last read, whether or not they were good.
    seen: Vec<Option<Stamp>>,
    admin: Option<AdminServer>,
    /// The detectors, and those before them that requests under way still come to.
    watches: Vec<Arc<End>>,
    /// What was wrong at the last look.
    wrong: Option<String>,
}

/// Metrics and health on their address.
#[derive(Debug)]
struct AdminServer {
    configured: Admin,
    listener: TcpListener,
    until: Arc<Flag>,
    thread: Option<JoinHandle<()>>,
}

impl AdminServer {
    fn bind(configured: &Admin) -> Result<TcpListener, String> {
        admin::listen(configured.address).map_err(|error| format!("cannot listen on {} for metrics: {error}", configured.address))
    }

    fn start(configured: &Admin, listener: TcpListener, gate: &Arc<Gate>) -> Self {
        let until = Arc::new(Flag::default());
        let served = listener.try_clone();
        let (gate, flag) = (Arc::clone(gate), Arc::clone(&until));
        Self {
            configured: configured.clone(),
            listener,
            until,
            thread: Some(std::thread::spawn(move || match served {
                Ok(listener) => admin::run(listener, &gate, &flag),
                Err(error) => eprintln!("vigie: there are no metrics: {error}"),
            })),
        }
    }
}

impl Drop for AdminServer {
    fn drop(&mut self) {
        self.until.set();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Running {
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Begins with a plan. Nothing is served before [`Running::serve_admin`].
    pub(crate) fn new(
        dir: &Path,
        plan: Plan,
        authorizes: Option<Asked>,
        clients: TcpListener,
        parts: Parts,
        watch: Option<Arc<Watch>>,
    ) -> Result<Self, String> {
        let address = clients.local_addr().map_err(|error| error.to_string())?;
        let seen = plan.read_stamps();
        let tls = tls::acceptor(&plan.config.listen, plan.clients.as_ref(), &parts.life)?;
        parts.life.room.set(&plan.config.listen);
        parts.life.certificates.set(plan.certificate.clone());
        let watches = watch.iter().map(|watch| watch.end()).collect();
        let gate = Arc::new(Gate::new(plan, tls, watch, address.port(), &parts, None));
        Ok(Self {
            dir: dir.to_owned(),
            authorizes,
            parts,
            address,
            started: gate.plan.config.clone(),
            state: Mutex::new(State {
                gate,
                seen,
                admin: None,
                watches,
                wrong: None,
            }),
            clients: Mutex::new(Some(clients)),
            asked: tokio::sync::Notify::new(),
        })
    }

    /// Serves metrics and health on a socket that listens already.
    pub(crate) fn serve_admin(&self, listener: Option<TcpListener>) {
        let mut state = self.lock();
        state.admin = match (&self.started.admin, listener) {
            (Some(configured), Some(listener)) => Some(AdminServer::start(configured, listener, &state.gate)),
            _ => None,
        };
    }

    /// The sockets that listen, for a process that takes over.
    pub(crate) fn sockets(&self) -> Vec<TcpListener> {
        let state = self.lock();
        let clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let admin = state.admin.as_ref().map(|admin| &admin.listener);
        clients.iter().chain(admin).filter_map(|socket| socket.try_clone().ok()).collect()
    }

    /// Another process serves: this one takes no further connection and finishes its requests.
    pub(crate) fn hand_over(&self, to: u32) {
        self.parts.log.record(Entry::Change(Change::HandedOver { to }));
        self.parts.life.hand_over();
        self.end_admin();
    }

    /// Lets go of the socket for clients: connections are refused then, unless somebody else has it.
    pub(crate) fn close(&self) {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Ends metrics and health.
    pub(crate) fn end_admin(&self) {
        let admin = self.lock().admin.take();
        drop(admin);
    }

    pub(crate) fn admin_address(&self) -> Option<SocketAddr> {
        self.lock().admin.as_ref().and_then(|admin| admin.listener.local_addr().ok())
    }

    /// Ends the detectors, once they have seen what waits for them.
    pub(crate) fn end_watches(&self) {
        let watches = std::mem::take(&mut self.lock().watches);
        watches.iter().for_each(|watch| watch.end());
    }

    /// What holds now.
    pub(crate) fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.lock().gate)
    }

    /// The files of the configuration as they are now, if they are not as they were read.
    pub(super) fn changed(&self) -> Option<Vec<Option<Stamp>>> {
        let state = self.lock();
        let now = state.gate.plan.stamps();
        (now != state.seen).then_some(now)
    }

    /// Reads the configuration anew. What is wrong keeps the one before, and that is logged. `asked`: by somebody, who wants to see in the log
    /// that it was read even if nothing changed.
    pub(super) fn reload(&self, asked: bool) {
        if asked {
            service::reloading();
        }
        let mut state = self.lock();
        state.seen = state.gate.plan.stamps();
        let was_current = self.parts.life.is_current();
        let entry = match self.take(&mut state) {
            Ok(changed) => {
                self.parts.life.set_current(true);
                state.wrong = None;
                let needs_restart: Vec<String> = config_changes(&self.started, &state.gate.plan.config)
                    .into_iter()
                    .filter(|name| needs_restart(name))
                    .collect();
                if changed.is_empty() && !asked && was_current {
                    return;
                }
                eprintln!("vigie: the configuration was read anew; changed: {}", list(&changed));
                if !needs_restart.is_empty() {
                    eprintln!(
                        "vigie: {} takes effect when the gateway starts again; vigie guard run --replace does it without refusing a connection",
                        list(&needs_restart)
                    );
                }
                Change::Reloaded { changed, needs_restart }
            }
            Err(why) => {
                self.parts.life.set_current(false);
                if state.wrong.replace(why.clone()) == Some(why.clone()) && !asked {
                    return;
                }
                eprintln!("vigie: {why}; the configuration that was read before still holds");
                Change::NotReloaded { why }
            }
        };
        drop(state);
        if asked {
            service::ready();
        }
        self.parts.log.record(Entry::Change(entry));
    }

    /// Puts the configuration of the folder in place, or changes nothing. Returns what is different.
    fn take(&self, state: &mut State) -> Result<Vec<String>, String> {
        let plan = Plan::read_as(&self.dir, self.authorizes.as_ref())?;
        let before = Arc::clone(&state.gate);
        let changed = plan.changes(&before.plan);
        let tls = tls::acceptor(&plan.config.listen, plan.clients.as_ref(), &self.parts.life)?;
        let admin = match (&plan.config.admin, &state.admin) {
            (Some(wanted), Some(there)) if *wanted == there.configured => None,
            (wanted, _) => Some(
                wanted
                    .as_ref()
                    .map(|admin| Ok::<_, String>((admin.clone(), AdminServer::bind(admin)?)))
                    .transpose()?,
            ),
        };
        let log_options = match plan.config.log == before.plan.config.log {
            true => None,
            false => Some(plan.config.log.options().map_err(|(_, why)| why)?),
        };
        let detects_the_same = plan.detects_the_same(&before.plan);
        let watch = match &plan.config.detect {
            _ if detects_the_same => before.watch.clone(),
            None => None,
            Some(detect) => Some(Arc::new(Watch::start(&self.dir, detect, &self.parts.log, before.watch.as_deref())?)),
        };
        // From here on nothing fails.
        let (parts, listen) = (&self.parts, &plan.config.listen);
        parts.life.room.set(listen);
        // Until an authority has given one for other names, the one before is better than none.
        if listen.acme.is_none() || plan.certificate.is_some() {
            parts.life.certificates.set(plan.certificate.clone());
        }
        parts.metrics.set_provider(&plan.config.upstream.product);
        state.seen = plan.read_stamps();
        if let Some(options) = log_options {
            parts.log.set_options(&options);
        }
        if let Some(watch) = watch.as_ref().filter(|_| !detects_the_same) {
            state.watches.retain(|end| !end.is_over());
            state.watches.push(watch.end());
        }
        let gate = Arc::new(Gate::new(plan, tls, watch, self.address.port(), parts, Some(&before)));
        before.replace(Arc::clone(&gate));
        if let Some(admin) = admin {
            state.admin = admin.map(|(configured, bound)| AdminServer::start(&configured, bound, &gate));
        }
        state.gate = gate;
        Ok(changed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn needs_restart(name: &str) -> bool {
    let within = |key: &str| name.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    NEEDS_RESTART.iter().any(|key| within(key))
}

fn list(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
