//! Shodan: banners, one per line (`shodan download`), in a search reply's `matches`, or in a host reply's `data`.

use serde::Deserialize;
use vigie_model::{Exchange, Known, Reply, Timestamp};

use crate::endpoint::{address, host_name, is_tcp};
use crate::frame::Paths;
use crate::http;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation, many_services, tagged};
use crate::time;

/// The paths to the banners of a reply.
pub(crate) const PATHS: Paths = &[&["matches"]];

#[derive(Clone, Deserialize)]
struct Banner<'a> {
    #[serde(borrow, default)]
    ip_str: Raw<'a>,
    #[serde(borrow, default)]
    ip: Raw<'a>,
    #[serde(borrow, default)]
    ipv6: Raw<'a>,
    #[serde(borrow, default)]
    port: Raw<'a>,
    #[serde(borrow, default)]
    transport: Raw<'a>,
    #[serde(borrow, default)]
    timestamp: Raw<'a>,
    #[serde(borrow, default)]
    last_update: Raw<'a>,
    #[serde(borrow, default)]
    asn: Raw<'a>,
    #[serde(borrow, default)]
    product: Raw<'a>,
    #[serde(borrow, default)]
    version: Raw<'a>,
    #[serde(borrow, default)]
    tags: Raw<'a>,
    #[serde(borrow, default)]
    location: Raw<'a>,
    #[serde(borrow, default)]
    country_code: Raw<'a>,
    #[serde(borrow, default)]
    city: Raw<'a>,
    #[serde(borrow, default)]
    isp: Raw<'a>,
    #[serde(borrow, default)]
    org: Raw<'a>,
    #[serde(borrow, default)]
    http: Raw<'a>,
    #[serde(borrow, default)]
    ssl: Raw<'a>,
    #[serde(borrow, default)]
    data: Raw<'a>,
    #[serde(borrow, default)]
    ports: Raw<'a>,
    #[serde(borrow, default)]
    _shodan: Raw<'a>,
}

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow, default)]
    country_code: Raw<'a>,
    #[serde(borrow, default)]
    city: Raw<'a>,
}

#[derive(Deserialize)]
struct Crawl<'a> {
    #[serde(borrow, default)]
    module: Raw<'a>,
    #[serde(borrow, default)]
    region: Raw<'a>,
}

#[derive(Deserialize)]
struct Http<'a> {
    #[serde(borrow, default)]
    status: Raw<'a>,
    #[serde(borrow, default)]
    title: Raw<'a>,
    #[serde(borrow, default)]
    server: Raw<'a>,
    #[serde(borrow, default)]
    host: Raw<'a>,
    #[serde(borrow, default)]
    html: Raw<'a>,
    #[serde(borrow, default)]
    location: Raw<'a>,
}

impl<'a> Banner<'a> {
    fn time(&self) -> Option<Raw<'a>> {
        [self.timestamp, self.last_update].into_iter().find(|raw| raw.is_some())
    }
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    let record: Banner<'_> = json::read(bytes)?;
    if !record.data.is_list() {
        return banner(&record, None, &[], out);
    }
    // A host reply: the values at its top apply to each banner.
    let banners = record.data.each();
    let listed = record.ports.each().len();
    if banners.is_empty() && listed > 0 {
        return Err(format!("it lists {listed} ports without their banners"));
    }
    let ports = listed.max(banners.len());
    let mut tells: Vec<_> = many_services(ports).into_iter().collect();
    tells.extend(honeypot(record.tags));
    for raw in banners {
        let taken = match raw.read::<Banner<'_>>() {
            Some(one) => banner(&one, Some(&record), &tells, out),
            None => Err("one of its banners is not an object".to_owned()),
        };
        if let Err(reason) = taken {
            out.bad(&reason);
        }
    }
    Ok(())
}

fn banner(banner: &Banner<'_>, host: Option<&Banner<'_>>, tells: &[vigie_model::Tell], out: &mut Out<'_>) -> Result<(), String> {
    if let Some(transport) = banner.transport.said()?
        && !is_tcp(&transport)?
    {
        out.not_tcp();
        return Ok(());
    }
    let or_host = |of: fn(&Banner<'_>) -> Option<String>| of(banner).or_else(|| host.and_then(of));
    let said = or_host(|b| b.ip_str.word().or_else(|| b.ipv6.word())).or_else(|| {
        // `ip` is the address as a number.
        let number = u32::try_from(banner.ip.whole()?).ok()?;
        Some(std::net::Ipv4Addr::from(number).to_string())
    });
    let address = address(said.as_deref())?;
    let port = banner.port.port_said()?.ok_or("it has no port")?;
    // A banner's own time, else the host's.
    let said = banner.time().or_else(|| host.and_then(Banner::time)).unwrap_or_default();
    let seen = said.time_said(time::instant)?;
    let mut observed = RawObservation::at(address, port, seen, Carries::Replies);
    observed.asn = or_host(|b| b.asn.scalar().map(|text| text.into_owned()))
        .and_then(|text| text.trim().trim_start_matches("AS").trim_start_matches("as").parse().ok());
    observed.country = or_host(|b| {
        let location = b.location.read::<Location<'_>>();
        location
            .and_then(|location| location.country_code.word())
            .or_else(|| b.country_code.word())
    });
    observed.city = or_host(|b| {
        let location = b.location.read::<Location<'_>>();
        location.and_then(|location| location.city.word()).or_else(|| b.city.word())
    });
    // The organisation that announces the range, not its customer.
    observed.organisation = or_host(|b| b.isp.word().or_else(|| b.org.word()));
    let crawl: Option<Crawl<'_>> = banner._shodan.read();
    observed.vantage = crawl
        .as_ref()
        .and_then(|crawl| crawl.region.word())
        .filter(|region| region.len() <= 64);
    observed.tells = tells.to_vec();
    if tells.iter().all(|tell| tell.id != "source-tag-honeypot") {
        observed.tells.extend(honeypot(banner.tags));
    }
    observed.claims = banner
        .product
        .word()
        .map(|product| Claim {
            product,
            version: banner.version.word(),
            place: "product",
        })
        .into_iter()
        .collect();
    let tags = [Some(banner.tags), host.map(|host| host.tags)];
    let tags = tags.into_iter().flatten().flat_map(Raw::each).filter_map(Raw::word);
    observed.words.extend(tags.map(|tag| ("tag".to_owned(), tag)));
    let page: Option<Http<'_>> = banner.http.read();
    observed.name = page.as_ref().and_then(|page| host_name(page.host.word()));
    let data = banner.data.text().unwrap_or_default();
    observed.exchanges = exchanges(page.as_ref(), &data, seen);
    let module = crawl.and_then(|crawl| crawl.module.word()).unwrap_or_default();
    observed.tls = if banner.ssl.members().is_empty() && !module.starts_with("https") {
        // The crawler's plain module does not use TLS; for other modules this is unknown.
        if module.starts_with("http") && !observed.exchanges.is_empty() {
            Known::Known(false)
        } else {
            observed.tls
        }
    } else {
        Known::Known(true)
    };
    out.add(observed);
    Ok(())
}

/// The reply that the crawler got. `data` holds status line and headers, `http` the page.
fn exchanges(page: Option<&Http<'_>>, data: &str, seen: Option<Timestamp>) -> Vec<Exchange> {
    let from_data = http::parse(data.as_bytes());
    let status = page
        .and_then(|page| page.status.whole())
        .and_then(|status| u16::try_from(status).ok());
    let Some(mut reply) = from_data
        .clone()
        .or_else(|| status.filter(|s| (100..600).contains(s)).map(http::bare))
    else {
        return Vec::new();
    };
    let mut path = "/".to_owned();
    if let Some(page) = page {
        if reply.header("server").is_none()
            && let Some(server) = page.server.word()
        {
            http::header(&mut reply, "server", &server);
        }
        // The last requested path, after redirects.
        if let Some(location) = page.location.word().filter(|location| location.starts_with('/')) {
            path = location;
        }
        reply.truncated = false;
        match page.html.text() {
            Some(html) => http::set_body(&mut reply, html.as_bytes()),
            None if reply.body.is_empty() => http::without_body(&mut reply, page.title.text().as_deref()),
            None => {}
        }
    }
    if path == "/" && is_model_list(&reply) {
        // The record does not state the path; only one route gives this reply.
        path = "/api/tags".to_owned();
    }
    let chain = redirected(&path, &mut reply, seen);
    chain
        .into_iter()
        .chain([http::get(&path, reply, seen.unwrap_or_default())])
        .collect()
}

/// Whether a body is Ollama's list of models: each with name, digest and details.
fn is_model_list(reply: &Reply) -> bool {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow)]
        models: Vec<Model<'a>>,
    }
    #[derive(Deserialize)]
    struct Model<'a> {
        #[serde(borrow, default)]
        name: Raw<'a>,
        #[serde(borrow, default)]
        digest: Raw<'a>,
        #[serde(borrow, default)]
        details: Raw<'a>,
    }
    let listed = |list: List<'_>| {
        let ours = |model: &Model<'_>| model.name.is_some() && model.digest.is_some() && !model.details.members().is_empty();
        !list.models.is_empty() && list.models.iter().all(ours)
    };
    if reply.body.first() != Some(&b'{') {
        return false;
    }
    match serde_json::from_slice::<List<'_>>(&reply.body) {
        Ok(list) => listed(list),
        // The record holds only the beginning of a long list.
        Err(error) if error.is_eof() => std::str::from_utf8(&reply.body)
            .ok()
            .and_then(vigie_identify::truncated_json::parse)
            .and_then(|cut| serde_json::to_string(&cut.value).ok())
            .is_some_and(|text| serde_json::from_str(&text).is_ok_and(listed)),
        Err(_) => false,
    }
}

/// If the page is at another path than `/`, the headers in `data` may be those of a redirect to it.
fn redirected(path: &str, reply: &mut Reply, seen: Option<Timestamp>) -> Option<Exchange> {
    let led = path != "/" && (300..400).contains(&reply.status) && reply.header("location").is_some();
    if !led || reply.body.is_empty() {
        return None;
    }
    let mut first = http::bare(reply.status);
    first.headers.clone_from(&reply.headers);
    first.truncated = true;
    // The record has no status and no headers of the page itself.
    reply.status = 0;
    reply.headers.clear();
    Some(http::get("/", first, seen.unwrap_or_default()))
}

fn honeypot(tags: Raw<'_>) -> Option<vigie_model::Tell> {
    let tags = tags.each();
    let tag = tags
        .iter()
        .filter_map(|raw| raw.word())
        .find(|tag| tag.eq_ignore_ascii_case("honeypot"))?;
    Some(tagged("source-tag-honeypot", format!("shodan tags it {tag:?}")))
}
