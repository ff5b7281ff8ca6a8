//! `vigie catalog record`: a fixture from a real server.
//!
//! Only the requests of a scan are sent: first a complete conversation, then the openings and the product's own requests that it left
//! out, so that a rule written later finds their replies recorded.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use vigie_identify::fixture::{Expect, FIXTURE_SCHEMA, Head, Line, Origin};
use vigie_model::Exchange;
use vigie_run::{Failure, read, write_whole};
use vigie_scan::{Gate, ProbeOptions};
use vigie_scope::{OwnAddresses, Scope};

use crate::failure::{Done, written};

#[derive(Clone, Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct RecordArgs {
    /// The server's address and port; loopback or private only.
    pub(crate) address: std::net::SocketAddr,
    /// The id of the product that answers there; without it, the fixture is of a server that must not be recognised.
    #[arg(long)]
    pub(crate) product: Option<String>,
    /// The installed version.
    #[arg(long, default_value = "")]
    pub(crate) version: String,
    /// The state, for the folder's name: one-model-open, key, fresh …
    #[arg(long)]
    pub(crate) state: String,
    /// How the server was started, so that the recording can be repeated.
    #[arg(long)]
    pub(crate) started: String,
    /// The port in the fixture, for rules [default: the server's].
    #[arg(long, value_name = "PORT")]
    pub(crate) port_label: Option<u16>,
    /// Replace a text wherever it occurs in a reply, for example a folder or a host name; may be given several times.
    #[arg(long, value_name = "FROM=TO")]
    pub(crate) replace: Vec<String>,
    /// The folder of fixtures.
    #[arg(long, value_name = "DIR", default_value = "catalog/fixtures")]
    pub(crate) out: PathBuf,
    /// Use this catalogue in place of the embedded one.
    #[arg(long, value_name = "DIR")]
    pub(crate) catalog: Option<PathBuf>,
    /// Overwrite an existing fixture, but keep its expected conclusion.
    #[arg(long)]
    pub(crate) again: bool,
    /// A note for the head of the fixture.
    #[arg(long, default_value = "")]
    pub(crate) note: String,
}

/// The longest body in a fixture, in bytes: rules match the first part of a page, the rest only takes space.
const MAX_BODY: usize = 64 * 1024;

/// No pacing: a recording is of the user's own server.
struct Unpaced;

impl Gate for Unpaced {
    fn wait(&self, _host: IpAddr) -> Option<Duration> {
        None
    }
}

pub(crate) fn run(args: &RecordArgs) -> Done {
    let own = OwnAddresses::new(vigie_run::targets::own_addresses().0);
    Scope::without_file(&own)
        .permits(args.address.ip(), args.address.port(), chrono::Utc::now())
        .map_err(Failure::usage)?;
    let knowledge = vigie_run::knowledge::knowledge(args.catalog.as_deref())?;
    let identifier = vigie_run::knowledge::identifier(args.catalog.as_deref(), &knowledge.catalog)?;
    if let Some(product) = &args.product
        && knowledge.catalog.product(product).is_none()
    {
        return Err(Failure::usage(format!(
            "unknown product {product:?}; write catalog/products/{product}.yaml first, and name the folder with --catalog"
        )));
    }
    let runtime = crate::runtime::runtime()?;
    let local = tokio::task::LocalSet::new();
    let (exchanges, conclusion) = local.block_on(&runtime, async {
        // Time for every opening and every request of the product after the conversation itself.
        let options = ProbeOptions {
            endpoint: Duration::from_secs(120),
            user_agent: vigie_scan::user_agent(Some("recording a fixture from its own server")),
            ..ProbeOptions::default()
        };
        let probed = vigie_scan::probe(&identifier, vigie_scan::Visit::at(args.address), &options, &Unpaced).await;
        let mut exchanges = probed.transcript.exchanges;
        for ask in vigie_scan::left_out(&knowledge.catalog, args.product.as_deref(), &exchanges) {
            exchanges.push(vigie_scan::send_one(&identifier, args.address, &ask, &options, &Unpaced).await);
        }
        (exchanges, probed.conclusion)
    });
    if !exchanges.iter().any(|exchange| exchange.reply.is_some()) {
        return Err(Failure::scan(format!(
            "{} does not answer in HTTP; nothing was recorded",
            args.address
        )));
    }

    let replacements = args
        .replace
        .iter()
        .map(|pair| {
            pair.split_once('=')
                .ok_or_else(|| Failure::usage(format!("--replace {pair:?}: write FROM=TO")))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut text = String::new();
    for exchange in &exchanges {
        let line = line(exchange, args, &replacements);
        text.push_str(&serde_json::to_string(&line).map_err(Failure::output)?);
        text.push('\n');
    }

    let folder_name = |part: &str| {
        part.chars()
            .map(|c| if c.is_ascii_alphanumeric() || ".-_".contains(c) { c } else { '-' })
            .collect::<String>()
    };
    let product = args.product.clone().unwrap_or_else(|| "misses".to_owned());
    let version = if args.version.is_empty() {
        String::new()
    } else {
        format!("{}-", folder_name(&args.version))
    };
    let folder = args.out.join(&product).join(format!("{version}{}", folder_name(&args.state)));
    let head_path = folder.join("fixture.yaml");
    let exposure = &conclusion.exposure;
    let mut expect = Expect {
        product: args.product.clone(),
        version: Some(conclusion.identity.version.known().cloned()),
        instance: conclusion.identity.instance_if_carried().map(|instance| instance.known().cloned()),
        posture: Some(exposure.posture.known().copied()),
        models: Some(exposure.models.known().map(|all| all.iter().map(|m| m.name.clone()).collect())),
        running: Some(exposure.running.known().map(|all| all.iter().map(|m| m.name.clone()).collect())),
        tools: Some(exposure.tools.known().map(|all| all.iter().map(|t| t.name.clone()).collect())),
        capabilities: Some(
            exposure
                .capabilities
                .known()
                .map(|all| all.iter().map(ToString::to_string).collect()),
        ),
        leaks: None,
        tells: None,
        also: None,
    };
    if head_path.exists() {
        if !args.again {
            return Err(Failure::usage(format!(
                "{} exists already; --again overwrites it and keeps its expected conclusion",
                folder.display()
            )));
        }
        let head: Head =
            serde_saphyr::from_str(&read(&head_path)?).map_err(|error| Failure::usage(format!("{}: {error}", head_path.display())))?;
        expect = head.expect;
    }
    let head = Head {
        schema: FIXTURE_SCHEMA.to_owned(),
        product: args.product.clone(),
        version: args.version.clone(),
        state: args.state.clone(),
        origin: Origin::Recorded,
        on: chrono::Utc::now().format("%Y-%m-%d").to_string(),
        port: args.port_label.unwrap_or(args.address.port()),
        by: format!(
            "vigie catalog record{} --version {:?} --state {} ADDRESS:PORT",
            args.product.as_ref().map(|p| format!(" --product {p}")).unwrap_or_default(),
            args.version,
            args.state
        ),
        started: args.started.clone(),
        from: String::new(),
        expect,
        note: args.note.clone(),
    };
    let head_text = serde_saphyr::to_string(&head).map_err(|error| Failure::output(format!("cannot write the head: {error}")))?;
    write_whole(&folder.join("exchanges.jsonl"), text.as_bytes())?;
    write_whole(&head_path, head_text.as_bytes())?;
    let mut out = std::io::stdout().lock();
    written(std::io::Write::write_fmt(
        &mut out,
        format_args!(
            "{}: {} exchanges; identified as {}, version {}, posture {}.\nRead {} and correct its expected conclusion: it must be what is true, not what vigie concluded.\n",
            folder.display(),
            exchanges.len(),
            conclusion.identity.product.known().map_or("no product", String::as_str),
            conclusion.identity.version.known().map_or("unknown", String::as_str),
            exposure.posture.known().map_or("unknown", |posture| posture.word()),
            head_path.display()
        ),
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// An exchange as a fixture keeps it: without the headers that differ each time.
fn line(exchange: &Exchange, args: &RecordArgs, replacements: &[(&str, &str)]) -> Line {
    let own_port = format!(":{}", args.address.port());
    let label = format!(":{}", args.port_label.unwrap_or(args.address.port()));
    let replace = |text: &str| {
        let mut text = text.replace(&own_port, &label);
        for (from, to) in replacements {
            text = text.replace(from, to);
        }
        text
    };
    let mut request = exchange.request.clone();
    request.headers.clear();
    let mut reply = exchange.reply.clone();
    if let Some(reply) = &mut reply {
        reply
            .headers
            .retain(|(name, _)| !["date", "set-cookie", "x-request-id", "etag", "last-modified", "age"].contains(&name.as_str()));
        for (_, value) in &mut reply.headers {
            *value = replace(value);
        }
        if reply.body.len() > MAX_BODY && !reply.body.starts_with(b"{") && !reply.body.starts_with(b"[") {
            reply.body.truncate(MAX_BODY);
            while std::str::from_utf8(&reply.body).is_err_and(|error| error.error_len().is_none()) && !reply.body.is_empty() {
                reply.body.pop();
            }
            reply.truncated = true;
        }
        if let Ok(text) = std::str::from_utf8(&reply.body) {
            reply.body = replace(text).into_bytes();
        }
    }
    Line {
        request,
        reply,
        failure: exchange.failure.clone(),
    }
}
