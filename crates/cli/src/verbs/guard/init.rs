//! `vigie guard init`.

use std::io::{IsTerminal as _, Write as _};
use std::net::IpAddr;
use std::process::ExitCode;

#[cfg(feature = "find")]
use vigie_guard::config::UpstreamConfig;
use vigie_guard::config::files;
use vigie_guard::init::{Init, init};
use vigie_guard::log::KeyEvent;
use vigie_run::Failure;
#[cfg(feature = "find")]
use vigie_run::Stop;
#[cfg(feature = "find")]
use vigie_run::scan::{Event, Prepared, ScanOptions, prepare};

use super::args::{CreateArgs, EffectArg, InitArgs};
use super::keys;
use crate::failure::{Done, written};

pub(super) fn run(args: &InitArgs) -> Done {
    let dir = args.dir.folder()?;
    let (product, version) = match &args.product {
        Some(product) => (product.clone(), args.product_version.clone()),
        None => identify(&args.upstream)?,
    };
    let hosts = match &args.hosts[..] {
        [] => own_hosts(),
        [..] => args.hosts.clone(),
    };
    let wanted = Init {
        upstream: args.upstream.clone(),
        product,
        version,
        listen: args.listen,
        plain_http: args.plain_http,
        hosts,
    };
    let version = wanted
        .version
        .as_deref()
        .unwrap_or("of an unknown version: the strictest route table holds");
    let tls = if args.plain_http {
        "without TLS"
    } else {
        "with TLS and a certificate of its own"
    };
    let is = if args.product.is_some() { "is expected" } else { "answers" };
    eprintln!(
        "vigie: {} {version} {is} at {}; the gateway listens on {} {tls}, in {}",
        wanted.product,
        wanted.upstream,
        wanted.listen,
        dir.display()
    );
    if args.plain_http && !wanted.listen.ip().is_loopback() {
        eprintln!(
            "vigie: warning: without TLS on {} keys cross the network in the clear",
            wanted.listen
        );
    }
    if !args.yes && !confirmed()? {
        return Ok(ExitCode::SUCCESS);
    }
    let config = init(&dir, &wanted).map_err(Failure::output)?;
    super::ways::say(&config);
    let mut store = keys::load(&dir)?;
    let create = CreateArgs {
        name: "first".to_owned(),
        allow: vec![EffectArg::Infer],
        models: vec!["*".to_owned()],
        can: vec!["tools".to_owned(), "images".to_owned()],
        cap: Vec::new(),
        limit: Vec::new(),
        from: Vec::new(),
        hours: Vec::new(),
        certificate: Vec::new(),
        expires: None,
    };
    let secret = keys::create(&mut store, &create, chrono::Utc::now())?;
    let change = store.keys.last().map(|key| keys::change(KeyEvent::Created, key));
    keys::save(&dir, &store, change)?;
    if let Some(key) = store.keys.last() {
        keys::print(false, key, Some(&secret))?;
    }
    let scheme = if args.plain_http { "http" } else { "https" };
    let trust = match args.plain_http {
        true => String::new(),
        false => format!(
            "\nClients have to trust its certificate: {}",
            dir.join(files::CERTIFICATE).display()
        ),
    };
    written(writeln!(
        anstream::stdout().lock(),
        "Run it with: vigie guard run --dir {}\nClients use {scheme}://{} with the key as bearer token.{trust}",
        dir.display(),
        wanted.listen
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Without the scanner nothing can be looked up: the error names the options to give instead.
#[cfg(not(feature = "find"))]
fn identify(_url: &str) -> Result<(String, Option<String>), Failure> {
    Err(Failure::usage(
        "this build has no scanner to look what answers there: name it with --product ID and --product-version VERSION",
    ))
}

/// The product behind and its version, with the scanner's harmless requests.
#[cfg(feature = "find")]
fn identify(url: &str) -> Result<(String, Option<String>), Failure> {
    let upstream = UpstreamConfig::new(url.to_owned(), String::new(), None);
    let (address, _) = upstream
        .address()
        .ok_or_else(|| Failure::usage(format!("{url:?} is no http://ADDRESS:PORT or https://ADDRESS:PORT of a server")))?;
    let scheme = if url.starts_with("https:") { "https" } else { "http" };
    let options = ScanOptions {
        targets: vec![format!("{scheme}://{address}")],
        ports: Some(address.port().to_string()),
        ..ScanOptions::default()
    };
    let ready = match prepare(options)? {
        Prepared::Ready(ready) => ready,
        Prepared::Nothing(nothing) => return Err(nothing.failure),
    };
    let mut found = None;
    ready.run(&Stop::new(), &mut |event| {
        if let Event::Observed(observation) = event {
            found = Some(observation.identity.clone());
        }
        Ok(())
    })?;
    let identity = found.ok_or_else(|| {
        Failure::scan(format!(
            "nothing answers at {url}; start the server first, or name another with --upstream"
        ))
    })?;
    let product = identity.product.known().cloned().ok_or_else(|| {
        Failure::scan(format!(
            "the server at {url} was not recognised, so its routes are not known; vigie scan {address} --verbose shows what it answers"
        ))
    })?;
    Ok((product, identity.version.known().cloned()))
}

/// The names and addresses of this machine under which clients may reach the gateway.
fn own_hosts() -> Vec<String> {
    // Without a list of them, loopback and the host name are left.
    let addresses = vigie_host::own_addresses().unwrap_or_default();
    let shown = |address: IpAddr| match address {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    };
    let mut hosts = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned()];
    hosts.extend(addresses.into_iter().map(shown));
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    hosts.extend(name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()));
    let mut met = std::collections::HashSet::new();
    hosts.retain(|host| met.insert(host.clone()));
    hosts
}

fn confirmed() -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "standard input is no terminal to ask on; --yes goes on without asking",
        ));
    }
    eprint!("Make it? [y/N] ");
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Failure::usage(format!("cannot read the answer: {error}")))?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
