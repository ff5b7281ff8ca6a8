//! What the options name, read and parsed: catalogue, scope, targets, ports.

use std::net::IpAddr;
use std::sync::Arc;

use vigie_assess::Knowledge;
use vigie_scope::{OwnAddresses, Ports, Scope, Targets};

use super::ScanOptions;
use super::resume::Resume;
use crate::failure::Failure;
use crate::targets;

/// The inputs of a scan.
#[derive(Debug)]
pub(crate) struct Inputs {
    pub(crate) options: ScanOptions,
    pub(crate) resume: Option<Resume>,
    pub(crate) knowledge: Knowledge,
    /// This machine's addresses.
    pub(crate) own: Vec<IpAddr>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) targets: Targets,
    pub(crate) ports: Ports,
    pub(crate) seed: u64,
    /// Whether no targets were named: this machine is scanned.
    pub(crate) is_local: bool,
    pub(crate) notes: Vec<String>,
}

impl Inputs {
    /// Reads them. No name is resolved and nothing is sent.
    pub(crate) fn read(mut options: ScanOptions) -> Result<Self, Failure> {
        let resume = options.resume.clone().map(|path| Resume::read(&path)).transpose()?;
        if let Some(resume) = &resume {
            resume.put_into(&mut options)?;
        }
        let knowledge = crate::knowledge::knowledge(options.catalog.as_deref())?;
        let (own, note) = targets::own_addresses();
        let own_addresses = OwnAddresses::new(own.iter().copied());
        let scope = Arc::new(targets::scope(options.scope.as_deref(), &options.opt_out, &own_addresses)?);
        let (mut parsed, mut notes) = targets::targets(&options.targets, &options.files)?;
        targets::own_paths(&mut parsed, &knowledge.catalog)?;
        let ports = targets::ports(options.ports.as_deref(), &knowledge.catalog)?;
        notes.extend(note);
        notes.extend(parsed.notes().iter().map(|note| note.text.clone()));
        Ok(Self {
            is_local: parsed.is_empty() && !options.names_targets(),
            seed: options.seed.unwrap_or_else(super::fresh_seed),
            options,
            resume,
            knowledge,
            own,
            scope,
            targets: parsed,
            ports,
            notes,
        })
    }

    /// The ports, if the user named them.
    pub(crate) fn named_ports(&self) -> Option<&Ports> {
        self.options.ports.is_some().then_some(&self.ports)
    }
}
