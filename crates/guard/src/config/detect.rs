//! `[detect]`: what the gateway notices in its requests, and what it does then.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vigie_detect::detectors;

use super::upstream::Place;

/// The longest that a request is slowed down.
const MAX_SLOW: Duration = Duration::from_secs(60);
/// The longest block.
const MAX_BLOCK: Duration = Duration::from_secs(7 * 86_400);

/// What the gateway notices, and what it does then. Without this table it notices nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detect {
    /// Where alerts are sent as JSON: `https://HOST:PORT/PATH`, or `http` on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// A PEM file with the authorities of its certificate. Absent: the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_ca: Option<PathBuf>,
    /// Alerts may go without TLS to an address of a private network: whoever is on the way reads who uses what, and can keep alerts back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub webhook_plain_http: bool,
    /// Where alerts are sent as syslog (RFC 5424): `udp://ADDRESS:PORT` or `unix:///PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub syslog: Option<String>,
    /// Hosts from which models may come, beside the known registries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub registries: Vec<String>,
    /// What is done for each detector: `record`, `alert`, `slow 2s`, `block 10m`; an empty list switches it off. Detectors that are not named
    /// record, but for those that read the text of requests, which are off.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub actions: BTreeMap<String, Vec<String>>,
}

/// What is done when a detector alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An entry in the audit log.
    Record,
    /// A message to the webhook and to syslog.
    Alert,
    /// Each further request waits so long, for ten minutes.
    Slow(Duration),
    /// Further requests are refused for so long.
    Block(Duration),
}

/// Where syslog takes messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Syslog {
    /// Over UDP.
    Udp(SocketAddr),
    /// A socket for datagrams.
    Unix(PathBuf),
}

/// Where a webhook is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its host and port.
    pub place: Place,
    /// Its path.
    pub path: String,
}

// Serde asks by reference.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Detect {
    /// What is done when a detector alerts; nothing: it is off.
    #[must_use]
    pub fn actions_of(&self, id: &str) -> Vec<Action> {
        match self.actions.get(id) {
            Some(actions) => actions.iter().filter_map(|action| Action::parse(action).ok()).collect(),
            None if detectors::about(id).is_some_and(|about| about.reads_content) => Vec::new(),
            None => vec![Action::Record],
        }
    }

    /// Whether a detector is on that reads the text of requests.
    #[must_use]
    pub fn reads_content(&self) -> bool {
        detectors::ABOUT
            .iter()
            .any(|about| about.reads_content && !self.actions_of(about.id).is_empty())
    }

    /// Where the webhook is, if there is one.
    ///
    /// # Errors
    ///
    /// What is wrong with its URL.
    pub fn webhook(&self) -> Result<Option<Webhook>, String> {
        let webhook = |text| webhook(text, self.webhook_plain_http);
        self.webhook.as_deref().map(webhook).transpose()
    }

    /// Where syslog is, if it is named.
    ///
    /// # Errors
    ///
    /// What is wrong with its URL.
    pub fn syslog(&self) -> Result<Option<Syslog>, String> {
        self.syslog.as_deref().map(syslog).transpose()
    }

    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let goes_somewhere =
            self.webhook().map_err(|why| ("webhook", why))?.is_some() | self.syslog().map_err(|why| ("syslog", why))?.is_some();
        if self.webhook_ca.is_some() && !self.webhook.as_deref().is_some_and(|url| url.starts_with("https://")) {
            let why = "an authority is for a webhook with a certificate: write https in its url";
            return Err(("webhook_ca", why.to_owned()));
        }
        for (id, actions) in &self.actions {
            let wrong = |why: String| ("[detect.actions]", format!("{id}: {why}"));
            if detectors::about(id).is_none() {
                return Err(wrong("no such detector; vigie guard detect list shows all".to_owned()));
            }
            for action in actions {
                if Action::parse(action).map_err(wrong)? == Action::Alert && !goes_somewhere {
                    return Err(wrong("\"alert\" needs detect.webhook or detect.syslog".to_owned()));
                }
            }
        }
        Ok(())
    }
}

impl Action {
    /// Reads an action: `record`, `alert`, `slow 2s`, `block 10m`.
    ///
    /// # Errors
    ///
    /// What is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let time = |time: &str, most: Duration| {
            let wrong = || format!("{text:?} has no time from 1s to {}s: 30s, 10m, 2h", most.as_secs());
            let at = time.len().saturating_sub(1);
            let (number, unit) = time.is_char_boundary(at).then(|| time.split_at(at)).ok_or_else(wrong)?;
            let unit = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3_600,
                _ => return Err(wrong()),
            };
            let seconds = number
                .parse::<u32>()
                .ok()
                .map(|number| u64::from(number) * unit)
                .filter(|seconds| *seconds > 0);
            seconds.map(Duration::from_secs).filter(|time| *time <= most).ok_or_else(wrong)
        };
        match text.split_once(' ') {
            None if text == "record" => Ok(Self::Record),
            None if text == "alert" => Ok(Self::Alert),
            Some(("slow", word)) => time(word, MAX_SLOW).map(Self::Slow),
            Some(("block", word)) => time(word, MAX_BLOCK).map(Self::Block),
            _ => Err(format!("{text:?} is no action: record, alert, slow 2s, block 10m")),
        }
    }
}

/// Whether alerts may go there: they say who uses what.
fn is_near(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    }
}

fn near(text: &str, address: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr = address
        .parse()
        .map_err(|_| format!("{text:?} has no ADDRESS:PORT, with an address in numbers"))?;
    match is_near(address.ip()) {
        true => Ok(address),
        false => Err(format!("{} is no address of this machine or of a private network", address.ip())),
    }
}

fn webhook(text: &str, plain_http: bool) -> Result<Webhook, String> {
    let wrong = || format!("{text:?} is no https://HOST:PORT/PATH");
    let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    if text.len() > 2_000 || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "{text:?} has a path with a space or a character that is not ASCII, or is longer than 2000 bytes"
        ));
    }
    let place = Place::parse(scheme, authority).ok_or_else(wrong)?;
    if !place.tls {
        let address = place.address().map(|address| address.ip());
        if !address.is_some_and(|address| address.is_loopback() || (plain_http && is_near(address))) {
            return Err(format!(
                "{text:?}: without TLS an alert can be read and kept back on the way; write https, and webhook_ca for an authority of your own. \
                 webhook_plain_http = true allows http to an address, in numbers, of a private network"
            ));
        }
    }
    Ok(Webhook {
        place,
        path: format!("/{path}"),
    })
}

fn syslog(text: &str) -> Result<Syslog, String> {
    if let Some(path) = text.strip_prefix("unix://").filter(|path| path.starts_with('/')) {
        return Ok(Syslog::Unix(PathBuf::from(path)));
    }
    let address = text
        .strip_prefix("udp://")
        .ok_or_else(|| format!("{text:?} is neither udp://ADDRESS:PORT nor unix:///PATH"))?;
    near(text, address).map(Syslog::Udp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_read_and_what_is_no_action_is_an_error() {
        assert_eq!(Action::parse("block 10m"), Ok(Action::Block(Duration::from_secs(600))));
        assert_eq!(Action::parse("slow 2s"), Ok(Action::Slow(Duration::from_secs(2))));
        for wrong in [
            "",
            "block",
            "block 0s",
            "slow 2h",
            "block ä",
            "block 9999999999s",
            "log",
            "record 2s",
        ] {
            assert!(Action::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn alerts_stay_in_the_operators_network() {
        let of = |hook: &str, plain: bool| webhook(hook, plain).map(|hook| (hook.place.port, hook.path));
        let right = |port, path: &str| Ok((port, path.to_owned()));
        assert_eq!(of("https://hooks.example.org/alerts?x=1", false), right(443, "/alerts?x=1"));
        assert_eq!(of("https://10.0.0.5:9000", false), right(9_000, "/"));
        assert_eq!(of("http://[::1]:9000", false), right(9_000, "/"));
        assert_eq!(of("http://10.0.0.5:9000/a", true), right(9_000, "/a"));
        assert!(of("http://10.0.0.5:9000/a", false).is_err(), "not without being asked for");
        for wrong in [
            "http://192.0.2.1:80/",
            "http://name:80/",
            "http://10.0.0.5:80/a b",
            "ftp://10.0.0.5/",
            "https://a@b/",
            "https://:1/",
            "https://a:0/",
            "a",
        ] {
            assert!(of(wrong, true).is_err(), "{wrong}");
        }
        assert_eq!(syslog("unix:///dev/log"), Ok(Syslog::Unix("/dev/log".into())));
        assert!(syslog("udp://127.0.0.1:514").is_ok() && syslog("udp://203.0.113.1:514").is_err() && syslog("tcp://127.0.0.1:1").is_err());
    }

    #[test]
    fn what_reads_text_is_off_until_it_is_named() {
        let mut detect = Detect::default();
        assert_eq!(detect.actions_of("management-routes"), [Action::Record]);
        assert!(detect.actions_of("jailbreak").is_empty() && !detect.reads_content());
        detect.actions.insert("jailbreak".to_owned(), vec!["record".to_owned()]);
        assert!(detect.reads_content() && detect.check().is_ok());
        detect.actions.insert("shared-key".to_owned(), vec!["alert".to_owned()]);
        assert!(detect.check().is_err(), "an alert has to go somewhere");
        detect.webhook = Some("http://127.0.0.1:9/".to_owned());
        assert!(detect.check().is_ok());
        detect.actions.insert("nothing".to_owned(), Vec::new());
        assert!(detect.check().is_err());
    }
}
