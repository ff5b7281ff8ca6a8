//! Targets, scope, ports and addresses from the user's arguments and files.

use std::io::Read as _;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};

use vigie_host::{LocalHost, LocalServer};
use vigie_scope::{OptOutList, OwnAddresses, Ports, Scope, ScopeFile, Targets};

use crate::failure::{Failure, read};

/// Reads targets from words and files, with notes on the files.
///
/// # Errors
///
/// A word is not a target, or a file cannot be read.
pub fn targets(words: &[String], files: &[PathBuf]) -> Result<(Targets, Vec<String>), Failure> {
    let mut notes = Vec::new();
    let mut all = Targets::parse_words(words.iter().map(String::as_str)).map_err(Failure::usage)?;
    for path in files {
        let text = if path == Path::new("-") {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))?;
            text
        } else {
            read(path)?
        };
        let named = Targets::parse_lines(&text).map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        if named.is_empty() {
            let what = if text.trim().is_empty() {
                "is empty"
            } else {
                "contains only comments"
            };
            let file = if path == Path::new("-") {
                "standard input".to_owned()
            } else {
                path.display().to_string()
            };
            notes.push(format!(
                "{file} names no target: it {what}; write one address, network or name per line"
            ));
        }
        all.merge(named);
    }
    Ok((all, notes))
}

/// Replaces a path that is a route of a server itself (`/v1`, `/api/tags`) by the path under which that server is.
///
/// # Errors
///
/// A path is a harmful route of some product: to scan under it would be to call it.
pub fn own_paths(targets: &mut Targets, catalog: &vigie_catalog::Catalog) -> Result<(), Failure> {
    let harmful = std::cell::Cell::new(None);
    targets.change_prefixes(|path| {
        if catalog.is_harmful_prefix(path) {
            harmful.set(Some(path.to_string()));
            return None;
        }
        let before = catalog.prefix_before(path)?;
        let at = before
            .as_ref()
            .map_or_else(|| "at the root".to_owned(), |before| format!("under {before}"));
        Some((before, format!("{path} is a route of a server itself, which is scanned {at}")))
    });
    match harmful.take() {
        None => Ok(()),
        Some(path) => Err(Failure::usage(format!(
            "{path} is a route that changes or spends something at a server of the catalogue, so it is not scanned; name the path \
             under which the server itself is"
        ))),
    }
}

/// The scope of a file, or the default one, without the addresses of opt-out lists.
///
/// # Errors
///
/// A file cannot be read or is invalid.
pub fn scope(file: Option<&Path>, opt_outs: &[PathBuf], own: &OwnAddresses) -> Result<Scope, Failure> {
    let list = |path: &Path, name: &str| -> Result<OptOutList, Failure> { OptOutList::parse(name, &read(path)?).map_err(Failure::usage) };
    let mut scope = match file {
        None => Scope::without_file(own),
        Some(path) => {
            let parsed = ScopeFile::parse(&read(path)?, chrono::Utc::now())
                .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
            // Names in the file are relative to it.
            let beside = path.parent().unwrap_or(Path::new(""));
            let lists = parsed
                .opt_out
                .iter()
                .map(|name| list(&beside.join(name), name))
                .collect::<Result<_, _>>()?;
            Scope::with_file(parsed, own, lists).map_err(Failure::usage)?
        }
    };
    for path in opt_outs {
        scope = scope.with_opt_out(list(path, &path.display().to_string())?);
    }
    Ok(scope)
}

/// This machine's addresses. If they cannot be listed, only loopback counts as this machine, and the second value says why.
#[must_use]
pub fn own_addresses() -> (Vec<IpAddr>, Option<String>) {
    match vigie_host::own_addresses() {
        Ok(addresses) => (addresses, None),
        Err(error) => (Vec::new(), Some(format!("{error}; only loopback counts as this machine"))),
    }
}

/// The listening servers of this machine.
///
/// # Errors
///
/// The system does not list them; to report no servers then would be wrong.
pub fn listeners() -> Result<Vec<LocalServer>, Failure> {
    LocalHost::inspect().map(|host| host.servers()).map_err(Failure::scan)
}

/// Resolves the names that the scope permits to look up. A name that does not resolve is left out, with a note.
pub fn resolve(targets: &mut Targets, scope: &Scope) -> Vec<String> {
    let names: Vec<String> = targets.names().map(str::to_owned).collect();
    let mut notes = Vec::new();
    for name in names {
        if let Err(refusal) = scope.permits_lookup(&name) {
            notes.push(refusal.to_string());
            continue;
        }
        match (name.as_str(), 0).to_socket_addrs() {
            Ok(found) => {
                let found: Vec<IpAddr> = found.map(|socket| socket.ip()).collect();
                if found.is_empty() {
                    notes.push(format!("{name} does not resolve: it has no address"));
                }
                targets.resolve(&name, found);
            }
            Err(error) => notes.push(format!("{name} does not resolve: {error}")),
        }
    }
    notes
}

/// The ports: as given, or the catalogue's.
///
/// # Errors
///
/// The text lists no ports.
pub fn ports(given: Option<&str>, catalog: &vigie_catalog::Catalog) -> Result<Ports, Failure> {
    match given {
        None => Ok(Ports::new(catalog.ports())),
        Some("all") => Ok(Ports::all()),
        Some(text) => text.parse().map_err(Failure::usage),
    }
}
