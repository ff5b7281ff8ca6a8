//! `vigie guard authorize`: a proxy that is already there asks whether it may pass a request on.
//!
//! The decision is the gateway's own, with the same keys, table, limits and log; the proxy passes the client's bytes on by itself. So what
//! the gateway would have to write anew is refused, and what a decision without the body cannot tell is refused too.
//!
//! Envoy may ask over HTTP or over gRPC ([`Check`]), on the same port.

mod check;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
pub(crate) mod grpc;
mod protobuf;
mod question;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use crate::config::{Authorize, Config, Proxy, files};
use crate::init::owners_file;
use crate::key::{Hash, Network, Secret};

pub(crate) use check::{Check, Unreadable, allowed, denied, refused};
pub(crate) use question::PATH;

/// The shortest secret of a proxy, in characters.
const SHORTEST: usize = 32;

/// What is known of the proxy that asks.
#[derive(Debug)]
pub(crate) struct Asker {
    pub(crate) proxy: Proxy,
    /// Whether it shows bodies.
    pub(crate) shows_bodies: bool,
    trusted: Vec<Network>,
    secret: Hash,
}

impl Asker {
    /// `secret`: what the proxy shows with each question.
    pub(crate) fn new(config: &Authorize, secret: &str) -> Self {
        Self {
            proxy: config.proxy,
            shows_bodies: config.body,
            trusted: config.trusted.clone(),
            secret: Hash::of(secret),
        }
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }
}

/// How a gateway that a proxy asks was started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Where the proxy asks, in place of the address of the configuration.
    pub(crate) listen: Option<SocketAddr>,
}

impl Asked {
    /// Makes the configuration that of an answerer of questions, and returns who asks them. The secret is made where there is none.
    pub(crate) fn prepare(&self, dir: &Path, config: &mut Config) -> Result<Asker, String> {
        let authorize = config.authorize.as_mut().ok_or_else(|| {
            format!(
                "{} has no [authorize]: add it with proxy = \"nginx\", \"caddy\", \"traefik\", \"envoy\" or \"haproxy\"",
                dir.join(files::CONFIG).display()
            )
        })?;
        if let Some(listen) = self.listen {
            authorize.address = listen;
            authorize.check().map_err(|(_, why)| why)?;
        }
        let path = dir.join(files::PROXY_SECRET);
        let secret = match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secret = Secret::generate().map_err(|error| error.to_string())?;
                let text = format!("{}\n", secret.expose());
                owners_file(&path, text.as_bytes(), true).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
                eprintln!("vigie: the secret that the proxy shows is new, in {}", path.display());
                secret.expose().to_owned()
            }
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        if secret.len() < SHORTEST || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(format!(
                "{} holds no secret: it is one word of at least {SHORTEST} letters and digits",
                path.display()
            ));
        }
        let asker = Asker::new(authorize, &secret);
        if authorize.tls && config.listen.tls.is_none() {
            return Err("[authorize] says tls = true and takes the certificate of [listen.tls], which is not there".to_owned());
        }
        config.listen.address = authorize.address;
        config.listen.plain_http = !authorize.tls;
        config.listen.acme = None;
        if !authorize.tls {
            config.listen.tls = None;
        }
        if !authorize.hosts.is_empty() {
            config.listen.hosts.clone_from(&authorize.hosts);
        }
        Ok(asker)
    }
}
