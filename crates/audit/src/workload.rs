//! Workloads: what a configuration file starts, whatever its format.
//!
//! A service of a compose file, a container of a Kubernetes object, a systemd unit and a line of a script become the same record, so that one
//! rule serves them all. Every value keeps its place.

use crate::source::{Located, Span};

/// A word of a command line, or the value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// What the program gets, as far as the files tell it.
    pub text: String,
    /// Where it is written.
    pub span: Span,
    /// A part of it comes from outside the files: the environment of whoever starts it, a secret store.
    pub unknown: bool,
    /// The variable that nothing sets, so that its default is in effect: `X` of `${X:-default}`.
    pub by_default_of: Option<String>,
}

impl Word {
    /// A word whose text is known.
    #[must_use]
    pub fn known(text: impl Into<String>, span: Span) -> Self {
        Self {
            text: text.into(),
            span,
            unknown: false,
            by_default_of: None,
        }
    }

    /// A word that comes from outside the files.
    #[must_use]
    pub fn outside(span: Span) -> Self {
        Self {
            unknown: true,
            ..Self::known("", span)
        }
    }

    /// The text, if all of it is known.
    #[must_use]
    pub fn certain(&self) -> Option<&str> {
        (!self.unknown).then_some(self.text.as_str())
    }
}

/// An environment variable of a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: Located<String>,
    /// Its value.
    pub value: Word,
}

/// How a workload is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Starter {
    /// A service of a compose project.
    Compose,
    /// A container of a Kubernetes object.
    Kubernetes,
    /// A systemd unit.
    Systemd,
    /// A Podman quadlet.
    Quadlet,
    /// The image that a Dockerfile builds.
    Dockerfile,
    /// A `docker run` or `podman run` in a script.
    DockerRun,
    /// A command in a script.
    Script,
    /// A NixOS module.
    Nix,
    /// A Nomad task.
    Nomad,
    /// A process that runs.
    Process,
}

impl Starter {
    /// Whether the workload runs in a container, where an address to listen on is the container's own.
    #[must_use]
    pub const fn is_container(self) -> bool {
        matches!(
            self,
            Self::Compose | Self::Kubernetes | Self::Quadlet | Self::Dockerfile | Self::DockerRun | Self::Nomad
        )
    }

    /// What the starter calls the workload.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Compose => "service",
            Self::Kubernetes | Self::Quadlet | Self::DockerRun => "container",
            Self::Systemd => "unit",
            Self::Dockerfile => "image",
            Self::Script => "command",
            Self::Nix => "module",
            Self::Nomad => "task",
            Self::Process => "process",
        }
    }
}

/// Whose network a workload uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Its own, with a way out; published ports lead in.
    #[default]
    Own,
    /// That of the host. The place says so; `None` where that is the rule, as for a process.
    Host(Option<Span>),
    /// Its own, without a way in or out of the host.
    Internal,
    /// None but its own loopback.
    None,
    /// That of another workload of the same group.
    Of(String),
}

/// A way to a workload's port from outside of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Where it is written.
    pub span: Span,
    /// The way.
    pub way: Way,
    /// From where it is reachable.
    pub reach: Reach,
    /// The port from outside; `None`: chosen when it starts, or unknown.
    pub outside: Option<Ports>,
    /// The port of the workload; `None`: unknown.
    pub inside: Option<Ports>,
}

/// A port, or several in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ports {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// One port.
    #[must_use]
    pub const fn one(port: u16) -> Self {
        Self { first: port, last: port }
    }

    /// Reads `80` or `80-90`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some(Self { first, last })
    }

    /// Whether a port is among them.
    #[must_use]
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }
}

impl std::fmt::Display for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

/// The way to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// A port of the host that leads to the container.
    Published,
    /// A Kubernetes service that is reachable from outside the cluster.
    Service,
    /// A Kubernetes ingress or route.
    Ingress,
    /// A tunnel to a provider.
    Tunnel,
    /// A reverse proxy.
    Proxy,
}

/// From where a port is reachable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// From every address that a firewall in front lets through.
    Everyone,
    /// From one address or network, such as that of a VPN.
    Certain(String),
    /// From this machine alone.
    ThisMachine,
    /// It cannot be told from the files.
    Unknown,
}

/// A file or directory that is given into a workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where it is written.
    pub span: Span,
    /// The path on the host, or the name of a volume.
    pub source: Option<Word>,
    /// The path within.
    pub target: String,
    /// Whether it cannot be written.
    pub read_only: bool,
}

/// A right or a limit of a container, or of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege {
    /// What it is.
    pub kind: PrivilegeKind,
    /// Where it is written.
    pub span: Span,
}

/// The rights and limits that rules ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrivilegeKind {
    /// All rights of the host.
    Privileged,
    /// A capability was added, by its name without `CAP_`.
    Capability(String),
    /// Filtering of system calls is off.
    SeccompOff,
    /// AppArmor or SELinux is off.
    ConfinementOff,
    /// It sees the processes of the host.
    HostProcesses,
    /// It shares the memory segments of the host.
    HostMemory,
    /// It cannot gain rights.
    NoNewPrivileges,
    /// It may gain rights, and that is written.
    NewPrivilegesAllowed,
    /// Its memory is limited.
    MemoryLimit,
    /// Its root directory cannot be written.
    ReadOnlyRoot,
}

/// Whether a workload is started at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It is, as far as the files tell.
    On,
    /// It is not: why.
    Off(String),
}

/// What a configuration file starts.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Its name.
    pub name: Located<String>,
    /// How it is started.
    pub starter: Starter,
    /// The group whose members reach each other by name: a compose project, a Kubernetes namespace.
    pub group: usize,
    /// Whether it is started at all.
    pub activity: Activity,
    /// The container image.
    pub image: Option<Word>,
    /// The command line; empty: the image's own.
    pub command: Vec<Word>,
    /// The environment, in effect: a variable that is set twice has the value that counts.
    pub environment: Vec<Variable>,
    /// Values come from a place that was not read, such as a file of variables outside the tree.
    pub environment_open: bool,
    /// The ways in.
    pub openings: Vec<Opening>,
    /// Whose network it uses.
    pub network: Network,
    /// The files that it is given.
    pub mounts: Vec<Mount>,
    /// The user it runs as; `None`: not said.
    pub user: Option<Word>,
    /// Rights and limits.
    pub privileges: Vec<Privilege>,
}

impl Workload {
    /// A workload of which nothing else is known.
    #[must_use]
    pub const fn new(name: Located<String>, starter: Starter, group: usize) -> Self {
        Self {
            name,
            starter,
            group,
            activity: Activity::On,
            image: None,
            command: Vec::new(),
            environment: Vec::new(),
            environment_open: false,
            openings: Vec::new(),
            network: Network::Own,
            mounts: Vec::new(),
            user: None,
            privileges: Vec::new(),
        }
    }

    /// The variable of this name that is in effect.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<&Variable> {
        self.environment.iter().rev().find(|variable| variable.name.value == name)
    }

    /// Sets a variable: of several values the last that is set counts.
    pub fn set(&mut self, variable: Variable) {
        self.environment.retain(|other| other.name.value != variable.name.value);
        self.environment.push(variable);
    }

    /// The version that the image's tag names, if it begins as one.
    #[must_use]
    pub fn image_version(&self) -> Option<Located<String>> {
        let image = self.image.as_ref()?;
        let text = image.certain()?;
        let text = text.split_once('@').map_or(text, |(name, _)| name);
        let tag = text.rsplit_once(':').map(|(_, tag)| tag).filter(|tag| !tag.contains('/'))?;
        let digits = tag.trim_start_matches(['v', 'b']);
        digits
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| Located::new(tag.to_owned(), image.span))
    }
}
