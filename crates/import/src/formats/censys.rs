//! Censys: hosts of the Platform (search replies, single assets, lines) and of the older Search v2 (search replies, host views).
//! One parser reads both: they use different names for the same thing, and no name has two meanings.

use serde::Deserialize;
use vigie_model::{Exchange, Known, Model, Posture, RunningModel, Timestamp, Why};

use crate::endpoint::{address, host_name, is_tcp};
use crate::frame::Paths;
use crate::http;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, Claim, Decoded, RawObservation, many_services, shorten, tagged};
use crate::time;

/// The paths to the hosts of a reply.
pub(crate) const PATHS: Paths = &[&["result", "hits"], &["hits"], &["result"]];

/// The most models of one server.
const MAX_MODELS: usize = 2_000;

#[derive(Deserialize)]
struct Wrapped<'a> {
    #[serde(borrow, default)]
    host_v1: Raw<'a>,
    #[serde(borrow, default)]
    webproperty_v1: Raw<'a>,
    #[serde(borrow, default)]
    certificate_v1: Raw<'a>,
    #[serde(borrow, default)]
    host: Raw<'a>,
    #[serde(borrow, default)]
    resource: Raw<'a>,
    #[serde(borrow, default)]
    result: Raw<'a>,
    #[serde(borrow, default)]
    ip: Raw<'a>,
}

#[derive(Deserialize)]
struct Host<'a> {
    #[serde(borrow, default)]
    ip: Raw<'a>,
    #[serde(borrow, default)]
    name: Raw<'a>,
    #[serde(borrow, default)]
    services: Raw<'a>,
    #[serde(borrow, default)]
    matched_services: Raw<'a>,
    #[serde(borrow, default)]
    service_count: Raw<'a>,
    #[serde(borrow, default)]
    labels: Raw<'a>,
    #[serde(borrow, default)]
    autonomous_system: Raw<'a>,
    #[serde(borrow, default)]
    location: Raw<'a>,
    #[serde(borrow, default)]
    last_updated_at: Raw<'a>,
}

#[derive(Deserialize)]
struct System<'a> {
    #[serde(borrow, default)]
    asn: Raw<'a>,
    #[serde(borrow, default)]
    organization: Raw<'a>,
    #[serde(borrow, default)]
    description: Raw<'a>,
    #[serde(borrow, default)]
    name: Raw<'a>,
}

#[derive(Deserialize)]
struct Place<'a> {
    #[serde(borrow, default)]
    country_code: Raw<'a>,
    #[serde(borrow, default)]
    city: Raw<'a>,
}

#[derive(Deserialize)]
struct Service<'a> {
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    transport_protocol: Raw<'a>,
    #[serde(borrow, default, alias = "observed_at")]
    scan_time: Raw<'a>,
    #[serde(borrow, default)]
    banner: Raw<'a>,
    #[serde(borrow, default)]
    software: Raw<'a>,
    #[serde(borrow, default)]
    endpoints: Raw<'a>,
    #[serde(borrow, default)]
    http: Raw<'a>,
    #[serde(borrow, default)]
    tls: Raw<'a>,
    #[serde(borrow, default)]
    cert: Raw<'a>,
    #[serde(borrow, default)]
    certificate: Raw<'a>,
    #[serde(borrow, default)]
    labels: Raw<'a>,
    #[serde(borrow, default)]
    extended_service_name: Raw<'a>,
}

#[derive(Deserialize)]
struct Endpoint<'a> {
    #[serde(borrow, default)]
    path: Raw<'a>,
    #[serde(borrow, default)]
    http: Raw<'a>,
    #[serde(borrow, default)]
    banner: Raw<'a>,
    #[serde(borrow, default)]
    ollama: Raw<'a>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow, default)]
    status_code: Raw<'a>,
    #[serde(borrow, default)]
    protocol: Raw<'a>,
    #[serde(borrow, default)]
    headers: Raw<'a>,
    #[serde(borrow, default)]
    body: Raw<'a>,
    #[serde(borrow, default)]
    body_size: Raw<'a>,
    #[serde(borrow, default)]
    html_title: Raw<'a>,
    #[serde(borrow, default)]
    uri: Raw<'a>,
    /// Search v2 has the reply one level deeper.
    #[serde(borrow, default)]
    response: Raw<'a>,
    #[serde(borrow, default)]
    request: Raw<'a>,
}

#[derive(Deserialize)]
struct Ollama<'a> {
    #[serde(borrow, default)]
    version: Raw<'a>,
    #[serde(borrow, default)]
    models: Raw<'a>,
    #[serde(borrow, default)]
    running_models: Raw<'a>,
}

#[derive(Deserialize)]
struct OllamaModel<'a> {
    #[serde(borrow, default)]
    name: Raw<'a>,
    #[serde(borrow, default)]
    model: Raw<'a>,
    #[serde(borrow, default)]
    family: Raw<'a>,
    #[serde(borrow, default)]
    digest: Raw<'a>,
    #[serde(borrow, default)]
    size: Raw<'a>,
    #[serde(borrow, default)]
    size_vram: Raw<'a>,
    #[serde(borrow, default)]
    expires_at: Raw<'a>,
}

#[derive(Deserialize)]
struct Software<'a> {
    #[serde(borrow, default)]
    product: Raw<'a>,
    #[serde(borrow, default)]
    version: Raw<'a>,
}

#[derive(Deserialize)]
struct Label<'a> {
    #[serde(borrow, default)]
    value: Raw<'a>,
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let mut wrapped: Wrapped<'_> = json::read(bytes)?;
    let mut host: Host<'_> = json::read(bytes)?;
    // A host may be nested in a reply, an asset and a resource.
    for _ in 0..4 {
        if wrapped.ip.is_some() {
            return take(&host, out);
        }
        if wrapped.webproperty_v1.is_some() {
            return Err("a web property has a name and no address: only hosts are read".to_owned());
        }
        if wrapped.certificate_v1.is_some() {
            return Err("a certificate is not an endpoint: only hosts are read".to_owned());
        }
        let around = [wrapped.result, wrapped.host_v1, wrapped.host, wrapped.resource];
        let Some(inner) = around.into_iter().find(|raw| raw.is_some()) else {
            break;
        };
        host = inner.read().ok_or("it holds no host")?;
        wrapped = inner.read().ok_or("it holds no host")?;
    }
    Err("it has no address".to_owned())
}

fn take(host: &Host<'_>, out: &mut Out<'_>) -> Result<(), String> {
    let address = address(host.ip.word().as_deref())?;
    let mut services = host.services.each();
    if services.is_empty() {
        services = host.matched_services.each();
    }
    if services.is_empty() {
        if let Some(other) = [host.services, host.matched_services]
            .into_iter()
            .find(|raw| raw.is_some() && !raw.is_list())
        {
            other.said()?;
            return Err("its services are no list".to_owned());
        }
        // The host was scanned, and nothing answered.
        out.host_discovery();
        return Ok(());
    }
    let count = host
        .service_count
        .whole()
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(0);
    let mut tells: Vec<_> = many_services(count.max(services.len())).into_iter().collect();
    tells.extend(honeypot(host.labels));
    // Search v2 lists a host once for each name that was asked for, and once without a name.
    let reached = host_name(host.name.word());
    let system = host.autonomous_system.read::<System<'_>>();
    let asn = system.as_ref().and_then(|system| system.asn.whole());
    let organisation = system.and_then(|system| {
        let named = system.organization.word().or_else(|| system.description.word());
        named.or_else(|| system.name.word())
    });
    let place = host.location.read::<Place<'_>>();
    let country = place.as_ref().and_then(|place| place.country_code.word());
    let city = place.and_then(|place| place.city.word());
    for raw in services {
        let Some(service) = raw.read::<Service<'_>>() else {
            out.bad("one of its services is not an object");
            continue;
        };
        let (port, seen) = match endpoint(&service, host.last_updated_at) {
            Ok(Some(found)) => found,
            Ok(None) => {
                out.not_tcp();
                continue;
            }
            Err(reason) => {
                out.bad(&format!("one of its services: {reason}"));
                continue;
            }
        };
        let mut observed = RawObservation::at(address, port, seen, Carries::Replies);
        observed.name.clone_from(&reached);
        observed.asn = asn.and_then(|asn| u32::try_from(asn).ok());
        observed.country.clone_from(&country);
        observed.city.clone_from(&city);
        observed.organisation.clone_from(&organisation);
        observed.tells.clone_from(&tells);
        if tells.iter().all(|tell| tell.id != "source-tag-honeypot") {
            observed.tells.extend(honeypot(service.labels));
        }
        let words = [labels(service.labels), labels(host.labels)].concat();
        observed.words.extend(words.into_iter().map(|label| ("label".to_owned(), label)));
        look(&service, &mut observed, out);
        out.add(observed);
    }
    Ok(())
}

/// The port of a service and when it was seen; `None`: it is not TCP.
fn endpoint(service: &Service<'_>, updated: Raw<'_>) -> Result<Option<(u16, Option<Timestamp>)>, String> {
    if let Some(transport) = service.transport_protocol.said()?
        && !is_tcp(&transport)?
    {
        return Ok(None);
    }
    let port = service.port.port_said()?.ok_or("it has no port")?;
    let said = if service.scan_time.is_some() { service.scan_time } else { updated };
    Ok(Some((port, said.time_said(time::instant)?)))
}

/// Adds the values of a service's endpoints.
fn look(service: &Service<'_>, observed: &mut RawObservation, out: &mut Out<'_>) {
    let mut schemes = Vec::new();
    let listed = service.endpoints.each();
    let count = listed.len();
    let endpoints: Vec<Endpoint<'_>> = listed.into_iter().take(64).filter_map(Raw::read).collect();
    if endpoints.len() < count {
        let lost = count - endpoints.len();
        out.bad(&format!(
            "{lost} of the endpoints of port {} are left out, being none or too many",
            observed.port
        ));
    }
    for endpoint in &endpoints {
        if let Some(page) = endpoint.http.read::<Page<'_>>() {
            schemes.extend(page.uri.word().and_then(|uri| Some(uri.split_once("://")?.0.to_ascii_lowercase())));
            observed.exchanges.extend(exchange(&page, endpoint.path.word(), observed.seen));
        } else if let Some(reply) = endpoint.banner.text().and_then(|banner| http::parse(banner.as_bytes())) {
            let path = endpoint.path.word().unwrap_or_else(|| "/".to_owned());
            observed.exchanges.push(http::get(&path, reply, observed.seen.unwrap_or_default()));
        }
        if let Some(ollama) = endpoint.ollama.read::<Ollama<'_>>() {
            observed.claims.push(Claim {
                product: "ollama".to_owned(),
                version: ollama.version.word(),
                place: "endpoint",
            });
            for (what, list) in [("models", ollama.models), ("running models", ollama.running_models)] {
                let lost = list.each().len() - listed_models(list).len();
                if lost > 0 {
                    out.bad(&format!(
                        "{lost} of the {what} of port {} are left out, being without a name or too many",
                        observed.port
                    ));
                }
            }
            observed.decoded = Some(decoded(&ollama, out));
        }
    }
    if let Some(page) = service.http.read::<Page<'_>>() {
        let uri = page
            .request
            .members()
            .into_iter()
            .find(|(name, _)| name == "uri")
            .and_then(|(_, raw)| raw.word());
        schemes.extend(uri.and_then(|uri| Some(uri.split_once("://")?.0.to_ascii_lowercase())));
        let answered = page.response.read::<Page<'_>>();
        observed
            .exchanges
            .extend(exchange(answered.as_ref().unwrap_or(&page), None, observed.seen));
    }
    if observed.exchanges.is_empty()
        && let Some(reply) = service.banner.text().and_then(|banner| http::parse(banner.as_bytes()))
    {
        observed.exchanges.push(http::get("/", reply, observed.seen.unwrap_or_default()));
    }
    for software in service
        .software
        .each()
        .into_iter()
        .take(64)
        .filter_map(|raw| raw.read::<Software<'_>>())
    {
        if let Some(said) = software.product.word() {
            observed.claims.push(Claim {
                product: said,
                version: software.version.word(),
                place: "software",
            });
        }
    }
    let secured = [service.tls, service.cert, service.certificate].iter().any(|raw| raw.is_some())
        || service.extended_service_name.text().is_some_and(|name| name == "HTTPS")
        || schemes.iter().any(|scheme| scheme == "https");
    if secured {
        observed.tls = Known::Known(true);
    } else if schemes.iter().any(|scheme| scheme == "http") {
        observed.tls = Known::Known(false);
    }
}

fn exchange(page: &Page<'_>, path: Option<String>, seen: Option<Timestamp>) -> Option<Exchange> {
    let status = page
        .status_code
        .whole()
        .and_then(|status| u16::try_from(status).ok())
        .filter(|s| (100..600).contains(s))?;
    let headers = page.headers.members().into_iter().flat_map(|(name, values)| {
        // `{"Server": {"headers": ["…"]}}`; in Search v2 `{"Server": ["…"], "_encoding": {…}}`.
        let listed = if values.is_list() {
            values.each()
        } else {
            let members = values.members();
            members
                .iter()
                .find(|(key, _)| key == "headers")
                .map(|(_, raw)| raw.each())
                .unwrap_or_default()
        };
        listed.into_iter().filter_map(move |raw| Some((name.clone(), raw.text()?)))
    });
    let mut reply = http::head(status, page.protocol.word().as_deref(), headers);
    let size = page.body_size.whole();
    match page.body.text() {
        Some(body) if !body.is_empty() || size == Some(0) => {
            http::set_body(&mut reply, body.as_bytes());
            reply.truncated |= size.is_some_and(|size| size > body.len() as u64);
        }
        _ => http::without_body(&mut reply, page.html_title.text().as_deref()),
    }
    let of_uri = || {
        let uri = page.uri.word()?;
        let (_, rest) = uri.split_once("://")?;
        Some(rest.find('/').map_or("/", |at| &rest[at..]).to_owned())
    };
    let path = path.or_else(of_uri).unwrap_or_else(|| "/".to_owned());
    Some(http::get(&path, reply, seen.unwrap_or_default()))
}

/// Ollama's lists, as Censys decoded them. An empty list may mean none or not seen, so it is unknown.
fn decoded(ollama: &Ollama<'_>, out: &Out<'_>) -> Decoded {
    let classifiers = out.maker.options.catalog().classifiers();
    let running = listed_models(ollama.running_models);
    let text = |raw: Raw<'_>| known(raw.word().map(|text| shorten(&text, 512)));
    // A size of 0 means unknown.
    let size = |raw: Raw<'_>| known(raw.whole().filter(|size| *size > 0));
    let models: Vec<Model> = listed_models(ollama.models)
        .into_iter()
        .map(|(name, raw)| {
            let name = shorten(&name, 512);
            Model {
                digest: known(raw.digest.word().map(|text| shorten(text.trim_start_matches("sha256:"), 128))),
                family: text(raw.family),
                size_bytes: size(raw.size),
                loaded: if running.is_empty() {
                    Known::unknown(Why::NotCarried)
                } else {
                    Known::Known(running.iter().any(|(loaded, _)| *loaded == name))
                },
                uncensored_by_name: Known::Known(classifiers.uncensored_name(&name)),
                ..Model::named(name, Why::NotCarried)
            }
        })
        .collect();
    let running: Vec<RunningModel> = running
        .into_iter()
        .map(|(name, raw)| RunningModel {
            name: shorten(&name, 512),
            size_bytes: size(raw.size),
            // 0: the model runs on the processor only.
            vram_bytes: known(raw.size_vram.whole()),
            context_length: Known::unknown(Why::NotCarried),
            expires: known(raw.expires_at.text().and_then(|text| time::instant(&text))),
        })
        .collect();
    let empty = "an empty list may mean none or not seen";
    let none = |raw: Raw<'_>| {
        if raw.is_list() {
            Known::<()>::unknown_because(Why::NotCarried, empty)
        } else {
            Known::unknown(Why::NotCarried)
        }
    };
    // A list that was sent without a key shows an open server.
    let listed = !models.is_empty();
    Decoded {
        product: Some("ollama"),
        models: if models.is_empty() {
            unit(none(ollama.models))
        } else {
            Known::Known(models)
        },
        running: if running.is_empty() {
            unit(none(ollama.running_models))
        } else {
            Known::Known(running)
        },
        tools: Known::unknown(Why::NotAsked),
        posture: listed.then_some(Posture::Open),
        request: "GET /api/tags".to_owned(),
        leaks: Vec::new(),
    }
}

/// The models of a list, except those without a name.
fn listed_models(raw: Raw<'_>) -> Vec<(String, OllamaModel<'_>)> {
    let models = raw.each().into_iter().take(MAX_MODELS).filter_map(Raw::read::<OllamaModel<'_>>);
    models
        .filter_map(|model| Some((model.name.word().or_else(|| model.model.word())?, model)))
        .collect()
}

fn unit<T>(unknown: Known<()>) -> Known<T> {
    match unknown {
        Known::Unknown(unknown) => Known::Unknown(unknown),
        Known::Known(()) => Known::unknown(Why::NotCarried),
    }
}

fn known<T>(value: Option<T>) -> Known<T> {
    value.map_or(Known::unknown(Why::NotCarried), Known::Known)
}

/// Labels are `{"value": "honeypot"}`; in Search v2 texts.
fn labels(labels: Raw<'_>) -> Vec<String> {
    let value = |raw: Raw<'_>| raw.word().or_else(|| raw.read::<Label<'_>>()?.value.word());
    labels.each().into_iter().filter_map(value).collect()
}

fn honeypot(raw: Raw<'_>) -> Option<vigie_model::Tell> {
    let label = labels(raw)
        .into_iter()
        .find(|label| label.to_ascii_lowercase().contains("honeypot"))?;
    Some(tagged("source-tag-honeypot", format!("censys labels it {:?}", shorten(&label, 80))))
}
