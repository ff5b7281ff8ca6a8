//! Reads an issuer's keys: OpenID Connect Discovery 1.0, and the key set that it names.

use std::time::Duration;

use rustls::pki_types::ServerName;
use serde_json::{Map, Value};
use tokio_rustls::TlsConnector;

use super::jwk::{self, Jwk};
use super::strict;
use super::url::Url;
use crate::proxy::{Forwarded, Target, Upstream};

/// The longest reply that is read.
const MOST: usize = 256 * 1024;
/// How long each step may take.
const WAIT: Duration = Duration::from_secs(5);
/// Where an issuer describes itself.
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// What was read.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) keys: Vec<Jwk>,
}

/// Reads the keys of an issuer. `name`: its URL as the configuration has it, which it has to call itself.
pub(super) async fn keys(url: &Url, name: &str, tls: Option<&TlsConnector>) -> Result<Fetched, String> {
    let path = format!("{}{DISCOVERY}", url.path.trim_end_matches('/'));
    let about = get(url, &path, tls).await?;
    let set = key_set(&about, url, name)?;
    let keys = get(&set, &set.path, tls).await?;
    Ok(Fetched { keys: jwk::keys(&keys)? })
}

/// Where an issuer says that its key set is.
pub(super) fn key_set(about: &Map<String, Value>, url: &Url, name: &str) -> Result<Url, String> {
    if about.get("issuer").and_then(Value::as_str) != Some(name) {
        return Err("it calls itself by another url than the configuration does".to_owned());
    }
    let set = about.get("jwks_uri").and_then(Value::as_str).ok_or("it names no key set")?;
    let set = Url::parse(set)?;
    if url.place.tls && !set.place.tls {
        return Err("its key set is without TLS".to_owned());
    }
    Ok(set)
}

/// A JSON object at a URL. A redirect is none.
async fn get(url: &Url, path: &str, tls: Option<&TlsConnector>) -> Result<Map<String, Value>, String> {
    let place = &url.place;
    let target = match place.address() {
        Some(address) => Target::Address(address),
        None => Target::Name(place.host.clone(), place.port),
    };
    let tls = match (place.tls, tls) {
        (false, _) => None,
        (true, Some(tls)) => {
            let name = ServerName::try_from(place.host.clone()).map_err(|_| format!("{:?} is no name of a host", place.host))?;
            Some((tls.clone(), name))
        }
        (true, None) => return Err("the authorities of this system cannot be read".to_owned()),
    };
    let upstream = Upstream::new(target, place.authority.clone(), WAIT).with(tls, None);
    let request = Forwarded {
        method: "GET",
        target: if path.is_empty() { "/" } else { path },
        accept: Some("application/json"),
        traceparent: None,
        body: None,
    };
    let mut answer = upstream.send(&request).await.map_err(|error| error.to_string())?;
    if answer.head.status != 200 {
        return Err(format!("it answers with the status {}", answer.head.status));
    }
    let mut body = Vec::new();
    while let Some(piece) = answer.piece(WAIT).await.map_err(|error| error.to_string())? {
        if body.len() + piece.len() > MOST {
            return Err("its answer is too long".to_owned());
        }
        body.extend_from_slice(&piece);
    }
    strict::object(&body).map_err(|()| "its answer is no JSON object, or has a key twice".to_owned())
}
