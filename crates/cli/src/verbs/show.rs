//! `vigie show ADDRESS`: one address, its latest observation with findings by the current advisories, and its history.

use std::fmt;
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use vigie_model::{EndpointKey, Known, Observation};
use vigie_run::Failure;

use crate::args::{LakeDir, TableOrJson};
use crate::failure::{Done, print_json, written};

#[derive(Clone, Debug, Args)]
pub(crate) struct ShowArgs {
    /// An IPv4 or IPv6 address, with or without a port, as vigie hosts prints it.
    #[arg(value_name = "ADDRESS")]
    pub(crate) place: crate::verbs::show::Place,
    #[command(flatten)]
    pub(crate) lake: LakeDir,
    /// Table or JSON.
    #[arg(short = 'F', long, default_value = "table")]
    pub(crate) format: TableOrJson,
}

/// An address, and the port if one was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    address: IpAddr,
    port: Option<u16>,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let invalid = || "not an address: write 192.0.2.10, 192.0.2.10:11434, 2001:db8::10, or [2001:db8::10]:11434".to_owned();
        let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        if let Some(address) = inside.map(str::parse::<Ipv6Addr>).transpose().map_err(|_| invalid())? {
            return Ok(Self {
                address: address.into(),
                port: None,
            });
        }
        if let Ok(address) = text.parse() {
            return Ok(Self { address, port: None });
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
        let address = match host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(host) => host.parse::<Ipv6Addr>().map(IpAddr::from),
            None => host.parse::<Ipv4Addr>().map(IpAddr::from),
        };
        let address = address.map_err(|_| invalid())?;
        let port = port.parse().ok().filter(|port| *port > 0);
        match port {
            Some(port) => Ok(Self { address, port: Some(port) }),
            None => Err("invalid port: ports go from 1 to 65535".to_owned()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => SocketAddr::new(self.address, port).fmt(f),
            None => self.address.fmt(f),
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    address: IpAddr,
    advisories_date: String,
    observations: &'a [Observation],
}

pub(crate) fn run(args: &ShowArgs) -> Done {
    let (runtime, lake) = vigie_run::lake::open(&args.lake.folder()?)?;
    let place = args.place;
    let mut history = runtime.block_on(lake.history(place.address)).map_err(Failure::output)?;
    history.retain(|observation| place.port.is_none_or(|port| observation.endpoint.port == port));
    if history.is_empty() {
        return Err(Failure::usage(format!(
            "no observation of {place}; vigie hosts lists what was observed, vigie scan {} scans it",
            place.address
        )));
    }
    // Verdicts and findings are not stored: they are computed with the current catalogue and advisories.
    let knowledge = vigie_assess::Knowledge::embedded();
    for observation in &mut history {
        knowledge.assess(observation);
    }
    let mut out = anstream::stdout().lock();
    match args.format {
        TableOrJson::Json => {
            let document = Document {
                schema: "vigie.show/1",
                address: place.address,
                advisories_date: knowledge.advisories.date().to_string(),
                observations: &history,
            };
            print_json(&mut out, &document)?;
        }
        TableOrJson::Table => {
            let mut keys: Vec<EndpointKey> = history.iter().map(|o| o.endpoint.key()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let of: Vec<&Observation> = history.iter().filter(|o| o.endpoint.key() == key).collect();
                let Some(latest) = of.first() else { continue };
                written(write!(out, "{}", vigie_export::table::block(latest, crate::terminal::width())))?;
                written(writeln!(out, "\nhistory, newest first:"))?;
                for (position, observation) in of.iter().enumerate() {
                    let before = of.get(position + 1);
                    written(writeln!(
                        out,
                        "  {}  {}",
                        observation.seen.format("%Y-%m-%d %H:%M:%S"),
                        line(observation, before.copied())
                    ))?;
                }
                written(writeln!(out))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One line of history: the observation, and what changed since the previous one.
fn line(now: &Observation, before: Option<&Observation>) -> String {
    let shown = |value: &Known<String>| value.known().cloned().unwrap_or_else(|| "?".to_owned());
    let posture = |o: &Observation| o.exposure.posture.known().map_or_else(|| "?".to_owned(), ToString::to_string);
    let what = |o: &Observation| format!("{} {} {}", shown(&o.identity.product), shown(&o.identity.version), posture(o));
    let mut text = what(now);
    let names = |o: &Observation| {
        o.exposure
            .models
            .known()
            .map(|all| all.iter().map(|m| m.name.clone()).collect::<Vec<_>>())
    };
    if let Some(all) = names(now) {
        text.push_str(&format!(", {} models", all.len()));
    }
    if let Some(before) = before {
        let mut changes = Vec::new();
        if what(before) != what(now) {
            changes.push(format!("was {}", what(before)));
        }
        if let (Some(old), Some(new)) = (names(before), names(now)) {
            changes.extend(new.iter().filter(|name| !old.contains(name)).map(|name| format!("+{name}")));
            changes.extend(old.iter().filter(|name| !new.contains(name)).map(|name| format!("-{name}")));
        }
        if !changes.is_empty() {
            text.push_str(&format!("  [{}]", changes.join(", ")));
        }
    }
    vigie_export::text::clean(&text, 400)
}
