//! `guard.toml`: one file for each of its tables.

mod acme;
mod admin;
mod auth;
mod authorize;
mod detect;
pub mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod limits;
mod listen;
mod log;
mod queue;
mod refusal;
mod telemetry;
mod upstream;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use acme::Acme;
pub use admin::Admin;
pub use auth::{AuthConfig, IssuerConfig, Rule};
pub use authorize::{Authorize, Proxy};
pub use detect::{Action, Detect, Syslog, Webhook};
pub use limits::LimitsConfig;
pub(crate) use limits::RedisPlace;
pub use listen::{Listen, Tls};
pub use log::LogConfig;
pub use queue::QueueConfig;
pub use refusal::{Decoy, RefusalConfig};
pub use telemetry::{Ratio, TelemetryConfig};
pub use upstream::{Place, UpstreamConfig};

/// The schema of the file.
pub const SCHEMA: &str = "vigie.guard/1";

/// The gateway's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `vigie.guard/1`.
    pub schema: String,
    /// Where clients connect to.
    pub listen: Listen,
    /// The server behind the gateway.
    pub upstream: UpstreamConfig,
    /// More servers beside it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<UpstreamConfig>,
    /// How requests wait for a server that is full.
    #[serde(default)]
    pub queue: QueueConfig,
    /// What those without a key get to see.
    #[serde(default, skip_serializing_if = "RefusalConfig::is_none")]
    pub refusal: RefusalConfig,
    /// How clients say who they are, beside keys.
    #[serde(default, skip_serializing_if = "AuthConfig::is_none")]
    pub auth: AuthConfig,
    /// The audit log.
    #[serde(default)]
    pub log: LogConfig,
    /// Where the counts of keys are kept. Absent: in this gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsConfig>,
    /// Metrics and health. Absent: there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<Admin>,
    /// The OpenTelemetry collector that gets metrics and traces. Absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telemetry: Option<TelemetryConfig>,
    /// The questions of a proxy that is already there. Absent: it asks none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorize: Option<Authorize>,
    /// What the gateway notices in its requests, and does then. Absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detect: Option<Detect>,
}

/// What is wrong with a configuration: the line, if it is known, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The line, from 1.
    pub line: Option<usize>,
    /// Why.
    pub why: String,
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a configuration and checks it as far as it can be without the files that it names.
    ///
    /// # Errors
    ///
    /// What is wrong first, with its line.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let line_of = |at: usize| text.get(..at).map(|before| before.matches('\n').count() + 1);
        let config: Self = toml::from_str(text).map_err(|error| ConfigError {
            line: error.span().and_then(|span| line_of(span.start)),
            why: error.message().to_owned(),
        })?;
        let line_from = |start: &str, key: &str| {
            let mut lines = text
                .lines()
                .enumerate()
                .skip_while(|(_, line)| !line.trim_start().starts_with(start));
            lines
                .find(|(_, line)| line.trim_start().starts_with(key))
                .map(|(number, _)| number + 1)
        };
        let error = |start: &str, (key, why): (&str, String)| ConfigError {
            line: line_from(start, key),
            why,
        };
        config.check().map_err(|wrong| error("", wrong))?;
        // Its keys have names that other tables have, too.
        config.auth.check().map_err(|wrong| error("[[auth", wrong))?;
        if let Some(word) = config.auth.unknown_can() {
            let known: Vec<&str> = crate::key::cans().collect();
            let cloud = if word == "cloud" { "; cloud models are cloud = true" } else { "" };
            let lines = || {
                text.lines()
                    .enumerate()
                    .skip_while(|(_, line)| !line.trim_start().starts_with("[[auth"))
            };
            let names = |line: &str| ['"', '\''].iter().any(|quote| line.contains(&format!("{quote}{word}{quote}")));
            let found = lines()
                .find(|(_, line)| line.contains("can") && names(line))
                .or_else(|| lines().find(|(_, line)| names(line)));
            return Err(ConfigError {
                line: found.map(|(number, _)| number + 1),
                why: format!(
                    "can = {word:?} is nothing that a request can ask for; known are {}{cloud}",
                    known.join(", ")
                ),
            });
        }
        let telemetry = config.telemetry.as_ref().map_or(Ok(()), TelemetryConfig::check);
        telemetry.map_err(|wrong| error("[telemetry", wrong))?;
        Ok(config)
    }

    /// The key of the line that is wrong, and why.
    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.schema != SCHEMA {
            return Err(("schema", format!("the schema is {:?}; this vigie reads {SCHEMA:?}", self.schema)));
        }
        self.listen.check()?;
        self.behind().try_for_each(UpstreamConfig::check)?;
        self.queue.check()?;
        self.refusal.check()?;
        self.detect.as_ref().map_or(Ok(()), Detect::check)?;
        self.log.options()?;
        self.authorize.as_ref().map_or(Ok(()), Authorize::check)?;
        self.limits.as_ref().map_or(Ok(()), LimitsConfig::check)?;
        if self
            .admin
            .as_ref()
            .is_some_and(|admin| admin.address == self.listen.address && self.listen.address.port() != 0)
        {
            return Err(("[admin]", "metrics need an address that is not that of clients".to_owned()));
        }
        Ok(())
    }

    /// All servers behind the gateway, the one under `[upstream]` first.
    pub fn behind(&self) -> impl Iterator<Item = &UpstreamConfig> {
        std::iter::once(&self.upstream).chain(&self.servers)
    }

    /// A file that the configuration names, as seen from its folder.
    #[must_use]
    pub fn beside(dir: &Path, file: &Path) -> PathBuf {
        dir.join(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "schema = \"vigie.guard/1\"\n\n[listen]\naddress = \"127.0.0.1:8443\"\nplain_http = true\nhosts = [\"localhost\"]\n\n\
                        [upstream]\nurl = \"http://127.0.0.1:11434\"\nproduct = \"ollama\"\n";

    #[test]
    fn a_configuration_reads_and_errors_name_the_line() {
        let config = Config::parse(GOOD).expect("it reads");
        assert_eq!(config.upstream.address().map(|(address, _)| address.port()), Some(11434));
        let written = toml::to_string(&config).expect("it is written");
        assert_eq!(Config::parse(&written), Ok(config));
        for (from, to, line) in [
            ("vigie.guard/1", "vigie.guard/9", 1),
            ("plain_http = true\n", "", 4),
            ("plain_http = true", "plain_http = 7", 5),
            ("plain_http = true", "plane_http = true", 5),
            ("[\"localhost\"]", "[]", 6),
            ("http://127.0.0.1:11434", "ftp://x", 9),
            ("\"ollama\"", "ollama", 10),
        ] {
            let error = Config::parse(&GOOD.replace(from, to)).expect_err(to);
            assert_eq!(error.line, Some(line), "{to:?}: {error}");
        }
        let with_admin = |address: &str| Config::parse(&format!("{GOOD}\n[admin]\naddress = \"{address}\"\n"));
        let config = with_admin("127.0.0.1:9464").expect("it reads");
        assert_eq!(config.admin.map(|admin| admin.address.port()), Some(9464));
        assert_eq!(with_admin("127.0.0.1:8443").map_err(|error| error.line), Err(Some(12)));
        let with_can = |words: &str| {
            let issuer = "[[auth.issuer]]\nname = \"corp\"\nurl = \"https://login.example.org\"\naudience = [\"vigie\"]\n";
            let rule = "\n[[auth.issuer.rule]]\nclaim = \"groups\"\nhas = \"tolls\"\n";
            Config::parse(&format!(
                "{GOOD}\n{issuer}{rule}grant = {{ effects = [\"infer\"], can = [{words}] }}\n"
            ))
        };
        assert!(with_can("\"tools\", \"images\", \"logprobs\"").is_ok());
        let error = with_can("\"images\", \"tolls\"").expect_err("no such word");
        assert_eq!(error.line, Some(20), "{error}");
        assert!(error.why.contains("tools, images"), "{error}");
        assert!(with_can("\"cloud\"").expect_err("no word of can").why.contains("cloud = true"));
        let with_decoy = |lines: &str| Config::parse(&format!("{GOOD}\n[refusal.decoy]\n{lines}")).map_err(|error| error.line);
        assert!(with_decoy("status = 404\nbody = \"<h1>Not Found</h1>\"\nserver = \"nginx\"\n").is_ok());
        assert_eq!(with_decoy("status = 99\nbody = \"\"\n"), Err(Some(13)));
        assert_eq!(with_decoy("status = 404\nbody = \"\"\nserver = \"a\\r\\nb: c\"\n"), Err(Some(15)));
    }
}
