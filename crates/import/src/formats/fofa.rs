//! FOFA: CSV and JSON lines with the names of its fields, in English or Chinese; replies of its search, whose rows have no names.
//! The user of FOFA chooses the fields; an address and a port are enough.

use vigie_model::{Known, Reply};

use crate::endpoint::{address, host_name, is_tcp, port, split_url};
use crate::frame::{Paths, split_row};
use crate::http;
use crate::json::{self, Raw};
use crate::out::Out;
use crate::raw::{Carries, Claim, RawObservation};
use crate::time;

/// The paths to the rows of a reply.
pub(crate) const PATHS: Paths = &[&["results"]];

/// A supported field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Host,
    Link,
    Ip,
    Port,
    Protocol,
    Transport,
    Title,
    Server,
    Header,
    Banner,
    Body,
    Status,
    Country,
    City,
    System,
    Organisation,
    Product,
    Version,
    Updated,
}

/// The fields' names: the API's, those of the site's export in English and in Chinese, and those of fofa_viewer.
const NAMES: [(Field, &[&str]); 19] = [
    (Field::Host, &["host", "id", "主机名", "hostname"]),
    (Field::Link, &["link", "资产的url链接", "asset url link"]),
    (Field::Ip, &["ip", "ip地址", "ip address"]),
    (Field::Port, &["port", "端口"]),
    (Field::Protocol, &["protocol", "协议名", "协议", "protocol name"]),
    (Field::Transport, &["base_protocol", "基础协议", "base protocol"]),
    (Field::Title, &["title", "网站标题", "标题", "website title"]),
    (Field::Server, &["server", "网站server", "server指纹", "website server"]),
    (Field::Header, &["header", "网站header", "website header"]),
    (Field::Banner, &["banner", "协议banner", "协议 banner", "protocol banner"]),
    (Field::Body, &["body", "网站正文"]),
    (Field::Status, &["status_code", "状态码"]),
    (Field::Country, &["country", "国家代码", "country_code", "country code"]),
    (Field::City, &["city", "城市"]),
    (Field::System, &["as_number", "asn", "asn编号", "asn number"]),
    (Field::Organisation, &["as_organization", "org", "asn组织", "asn organization"]),
    (Field::Product, &["product", "产品名", "产品指纹"]),
    (Field::Version, &["version", "版本号", "版本"]),
    (Field::Updated, &["lastupdatetime", "最近更新时间", "更新时间"]),
];

/// Field names that only FOFA uses.
const ITS_OWN: [&str; 17] = [
    "lastupdatetime",
    "as_number",
    "as_organization",
    "base_protocol",
    "structinfo",
    "icp",
    "fid",
    "product_category",
    "header_hash",
    "banner_hash",
    "banner_fid",
    "certs_subject_org",
    "certs_subject_cn",
    "资产的url链接",
    "asn组织",
    "最近更新时间",
    "server指纹",
];

/// Protocols that run over UDP only. FOFA does not state the transport unless it was asked for.
const UDP: [&str; 9] = ["ntp", "snmp", "tftp", "coap", "ssdp", "mdns", "ike", "isakmp", "netbios-ns"];

fn field(name: &str) -> Option<Field> {
    NAMES.iter().find(|(_, names)| names.contains(&name)).map(|(field, _)| *field)
}

/// Whether these field names are FOFA's and no other tool's.
pub(crate) fn is_its_own<'n>(mut names: impl Iterator<Item = &'n str>) -> bool {
    names.any(|name| ITS_OWN.contains(&name))
}

/// Column names of other Chinese search engines that FOFA does not use.
const OTHERS: [&str; 12] = [
    "资产标签",
    "探查时间",
    "备案单位",
    "web标题",
    "高危协议",
    "通讯协议",
    "应用/组件",
    "端口号",
    "运营商",
    "发现时间",
    "组件",
    "序号",
];

/// Whether these are FOFA's Chinese field names, in any selection and order.
pub(crate) fn is_chinese<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    let names: Vec<&str> = names.collect();
    let known = names.iter().filter(|name| !name.is_ascii() && field(name).is_some()).count();
    known >= 2 && !names.iter().any(|name| OTHERS.contains(name))
}

/// Whether a row with these fields can be read: it has an address and a port, or a field with both.
pub(crate) fn can_read<'n>(names: impl Iterator<Item = &'n str>) -> bool {
    let fields: Vec<Field> = names.filter_map(field).collect();
    let has = |one: Field| fields.contains(&one);
    has(Field::Host) || has(Field::Link) || has(Field::Ip) && has(Field::Port)
}

pub(crate) fn parse(bytes: &[u8], out: &mut Out<'_>) -> Result<(), String> {
    // A row of a CSV may begin with a title such as `[beta]`.
    let first = bytes.trim_ascii_start().first().filter(|_| out.head.columns.is_empty());
    match first {
        Some(b'{') => {
            let all: Raw<'_> = json::read(bytes)?;
            let mut row = Row::default();
            for (name, raw) in all.members() {
                let Some(field) = field(&name.to_lowercase()) else { continue };
                let said = match field {
                    Field::Ip | Field::Port | Field::Transport | Field::Updated => raw.said()?,
                    _ => raw.scalar(),
                };
                row.add(field, said.map(|text| text.into_owned()));
            }
            row.take(out)
        }
        Some(b'[') => {
            let cells: Vec<Raw<'_>> = serde_json::from_slice(bytes).map_err(|_| "not a valid record: no row of a reply".to_owned())?;
            let cells: Vec<String> = cells.iter().map(|raw| raw.scalar().unwrap_or_default().into_owned()).collect();
            unnamed(&cells)?.take(out)
        }
        _ => {
            let columns = &out.head.columns;
            let cells = split_row(bytes);
            if cells.len() != columns.len() {
                return Err(format!("{} cells under {} columns", cells.len(), columns.len()));
            }
            let mut row = Row::default();
            for (name, cell) in columns.iter().zip(cells) {
                if let Some(field) = field(name) {
                    row.add(field, Some(cell));
                }
            }
            row.take(out)
        }
    }
}

/// A row of a reply without field names. Host, address and port (the default fields) are recognised by their form, in any order.
fn unnamed(cells: &[String]) -> Result<Row, String> {
    let refuse = || {
        "a row without the names of its fields: of FOFA's search, only host, ip and port are read so; export CSV or JSON lines, which have names"
            .to_owned()
    };
    let [_, _, _] = cells else { return Err(refuse()) };
    let is_port = |cell: &&String| port(cell).is_ok();
    let is_address = |cell: &&String| address(Some(cell)).is_ok();
    let (ports, addresses) = (cells.iter().filter(is_port).count(), cells.iter().filter(is_address).count());
    let (Some(port), Some(ip)) = (cells.iter().find(is_port), cells.iter().find(is_address)) else {
        return Err(refuse());
    };
    let host = cells.iter().find(|cell| !is_port(cell) && !is_address(cell)).unwrap_or(ip);
    // The host may be the address.
    let same = addresses == 2 && cells.iter().filter(is_address).all(|cell| cell == ip);
    if ports != 1 || addresses != 1 && !same {
        return Err(refuse());
    }
    let mut row = Row::default();
    row.add(Field::Host, Some(host.clone()));
    row.add(Field::Ip, Some(ip.clone()));
    row.add(Field::Port, Some(port.clone()));
    Ok(row)
}

/// The values of one row.
#[derive(Default)]
struct Row(Vec<(Field, String)>);

impl Row {
    fn add(&mut self, field: Field, text: Option<String>) {
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            self.0.push((field, text));
        }
    }

    fn get(&self, field: Field) -> Option<&str> {
        self.0.iter().find(|(have, _)| *have == field).map(|(_, text)| text.trim())
    }

    fn take(&self, out: &mut Out<'_>) -> Result<(), String> {
        let place = self.get(Field::Link).or_else(|| self.get(Field::Host)).unwrap_or_default();
        let place = Place::of(place);
        let address = match self.get(Field::Ip) {
            Some(ip) => address(Some(ip))?,
            None => address(place.as_ref().map(|place| place.host.trim_matches(['[', ']']))).map_err(|_| "it has no address".to_owned())?,
        };
        let protocol = self.get(Field::Protocol).unwrap_or_default().to_ascii_lowercase();
        let tcp = match self.get(Field::Transport) {
            Some(transport) => is_tcp(transport)?,
            None => !UDP.contains(&protocol.as_str()),
        };
        if !tcp {
            out.not_tcp();
            return Ok(());
        }
        let port = match self.get(Field::Port) {
            Some(text) => port(text)?,
            None => place.as_ref().and_then(|place| place.port).ok_or("it has no port")?,
        };
        let seen = time::said(self.get(Field::Updated), time::instant)?;
        let mut observed = RawObservation::at(address, port, seen, Carries::Port);
        observed.name = place.as_ref().and_then(|place| host_name(Some(place.host.to_owned())));
        let scheme = place.map(|place| place.scheme).unwrap_or_default();
        observed.tls = match (protocol.as_str(), scheme) {
            ("https" | "tls" | "ssl", _) | (_, "https") => Known::Known(true),
            ("http", _) | (_, "http") => Known::Known(false),
            _ => observed.tls,
        };
        observed.country = self.get(Field::Country).map(str::to_owned);
        observed.city = self.get(Field::City).map(str::to_owned);
        observed.asn = self.get(Field::System).and_then(|text| text.trim_start_matches("AS").parse().ok());
        observed.organisation = self.get(Field::Organisation).map(str::to_owned);
        observed.claims = self.claims();
        if let Some(reply) = self.reply() {
            observed.exchanges.push(http::get("/", reply, seen.unwrap_or_default()));
        }
        if !observed.claims.is_empty() || !observed.exchanges.is_empty() {
            observed.carries = Carries::Replies;
        }
        out.add(observed);
        Ok(())
    }

    /// The products are in one text; a version is assigned only if there is one product.
    fn claims(&self) -> Vec<Claim> {
        let products: Vec<&str> = self
            .get(Field::Product)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|product| !product.is_empty())
            .take(64)
            .collect();
        let version = self
            .get(Field::Version)
            .filter(|version| products.len() == 1 && !version.contains(','));
        let claim = |product: &&str| Claim {
            product: (*product).to_owned(),
            version: version.map(str::to_owned),
            place: "product",
        };
        products.iter().map(claim).collect()
    }

    /// The reply at `/`, as far as the fields hold it.
    fn reply(&self) -> Option<Reply> {
        let raw = [Field::Header, Field::Banner].into_iter().filter_map(|field| self.get(field));
        let status = self
            .get(Field::Status)
            .and_then(|text| text.parse::<u16>().ok())
            .filter(|status| (100..600).contains(status));
        let parts = [Field::Title, Field::Server, Field::Body];
        let mut reply = match raw.into_iter().find_map(|text| http::parse(text.as_bytes())) {
            Some(reply) => reply,
            None if status.is_some() || parts.iter().any(|field| self.get(*field).is_some()) => http::bare(status.unwrap_or(0)),
            None => return None,
        };
        if reply.header("server").is_none()
            && let Some(server) = self.get(Field::Server)
        {
            http::header(&mut reply, "server", server);
        }
        reply.truncated = false;
        match self.get(Field::Body) {
            Some(body) => http::set_body(&mut reply, body.as_bytes()),
            None if reply.body.is_empty() => http::without_body(&mut reply, self.get(Field::Title)),
            None => {}
        }
        Some(reply)
    }
}

/// The location of an asset: `https://a.example:8443`, or without the scheme, or without the port.
struct Place<'t> {
    scheme: &'t str,
    host: &'t str,
    port: Option<u16>,
}

impl<'t> Place<'t> {
    fn of(text: &'t str) -> Option<Self> {
        if let Some((scheme, host, port, _)) = split_url(text) {
            return Some(Self { scheme, host, port });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') && !host.contains(':') | host.ends_with(']') => (host, port.parse().ok()),
            _ => (text, None),
        };
        (!host.is_empty() && !host.contains('/')).then_some(Self { scheme: "", host, port })
    }
}
