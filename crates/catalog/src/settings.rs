//! The settings of a product that decide how exposed it is: where each is set, when its value is unsafe, and what to write instead.
//!
//! The host audit judges a machine's values with them, and remedies name them instead of repeating them: `{host}` in a remedy becomes
//! `OLLAMA_HOST=127.0.0.1:11434`.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::Spanned;
use vigie_model::{Fix, Impact, SettingPlace};

use crate::pattern::{FromScalar, OneOrMany, Pattern};

/// A setting, as a product's file has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingRule {
    /// Its name within the file.
    pub id: Spanned<String>,
    /// What it decides, in one sentence.
    pub what: String,
    /// Environment variables that set it; the first is the one to recommend.
    #[serde(default)]
    pub env: OneOrMany<String>,
    /// Options of the command line that set it, with their dashes; the first is the one to recommend.
    #[serde(default)]
    pub flag: OneOrMany<String>,
    /// Keys of configuration files that set it.
    #[serde(default)]
    pub file: Vec<FileKey>,
    /// The value in effect where nothing sets it; absent: it depends, or the setting is off.
    #[serde(default)]
    pub default: Option<String>,
    /// When a value is unsafe: one of these tests holds.
    #[serde(default, rename = "unsafe")]
    pub unsafe_when: OneOrMany<Unsafe>,
    /// A safe value to write; absent: remove the setting, or choose a secret.
    #[serde(default)]
    pub safe: Option<String>,
    /// The first version that reads it.
    #[serde(default)]
    pub since: Option<String>,
    /// The last version that reads it.
    #[serde(default)]
    pub until: Option<String>,
    /// The findings that it can cause.
    #[serde(default)]
    pub findings: Vec<Spanned<String>>,
    /// What changing it does.
    #[serde(default = "restart")]
    pub impact: Impact,
}

fn restart() -> Impact {
    Impact::Restart
}

/// A key in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileKey {
    /// The file's name or path.
    pub path: String,
    /// The key; its parts are separated by dots.
    pub key: String,
}

/// A test that an unsafe value passes.
#[derive(Clone, Debug)]
pub enum Unsafe {
    /// It is not set, whatever the default is.
    Unset,
    /// It is set, whatever the value is.
    Set,
    /// It is set to nothing.
    Empty,
    /// It switches something on: `1`, `true`, `yes`, `on`, in any case; an option without a value.
    On,
    /// It switches something off: `0`, `false`, `no`, `off`, in any case.
    Off,
    /// It is an address to listen on that others can reach: anything but loopback, no address at all included.
    NotLoopback,
    /// It fits a pattern.
    Fits(Pattern),
}

impl Unsafe {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "unset" => Self::Unset,
            "set" => Self::Set,
            "empty" => Self::Empty,
            "enabled" => Self::On,
            "disabled" => Self::Off,
            "not-loopback" => Self::NotLoopback,
            _ => Self::Fits(Pattern::parse(text, true).map_err(|_| {
                format!("{text:?} is no test of a setting: write unset, set, empty, enabled, disabled, not-loopback, or a text with =, ^, ~ or + before it")
            })?),
        })
    }
}

impl FromScalar for Unsafe {
    fn from_text(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

impl<'de> Deserialize<'de> for Unsafe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(de::Error::custom)
    }
}

impl fmt::Display for Unsafe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("not set"),
            Self::Set => f.write_str("set"),
            Self::Empty => f.write_str("empty"),
            Self::On => f.write_str("switched on"),
            Self::Off => f.write_str("switched off"),
            Self::NotLoopback => f.write_str("an address other than loopback"),
            Self::Fits(pattern) => write!(f, "{pattern}"),
        }
    }
}

/// What a value of a setting means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// No test holds.
    Safe,
    /// A test holds.
    Unsafe,
    /// It cannot be told: a host name to listen on, or a default that depends.
    Unknown,
}

/// A setting, checked.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name within the product's file.
    pub id: String,
    /// What it decides.
    pub what: String,
    /// Where it is set; of each kind the first is the one to recommend.
    pub places: Vec<SettingPlace>,
    /// The value in effect where nothing sets it.
    pub default: Option<String>,
    /// When a value is unsafe.
    pub unsafe_when: Vec<Unsafe>,
    /// A safe value to write.
    pub safe: Option<String>,
    /// The first version that reads it.
    pub since: Option<String>,
    /// The last version that reads it.
    pub until: Option<String>,
    /// The findings that it can cause.
    pub findings: Vec<String>,
    /// What changing it does.
    pub impact: Impact,
}

impl Setting {
    /// Checks a rule; `findings` are the ids that exist.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it.
    pub(crate) fn compile(rule: &SettingRule, findings: &[&str]) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let id = &rule.id.value;
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !is_name(id) {
            wrong.push(format!("{id:?} is no name of a setting: lower-case letters, digits and hyphens"));
        }
        for name in &rule.env.0 {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                wrong.push(format!("{id}: {name:?} is no name of an environment variable"));
            }
        }
        for flag in &rule.flag.0 {
            if !flag.starts_with('-') || flag.contains(char::is_whitespace) || flag.contains('=') {
                wrong.push(format!("{id}: {flag:?} is no option: write its dashes, and no value"));
            }
        }
        for file in &rule.file {
            if file.path.is_empty() || file.key.is_empty() {
                wrong.push(format!("{id}: a file has a path and a key"));
            }
        }
        let env = rule.env.0.iter().cloned().map(SettingPlace::Env);
        let flags = rule.flag.0.iter().cloned().map(SettingPlace::Flag);
        let files = rule.file.iter().map(|file| SettingPlace::File {
            file: file.path.clone(),
            key: file.key.clone(),
        });
        let places: Vec<SettingPlace> = env.chain(flags).chain(files).collect();
        if places.is_empty() {
            wrong.push(format!("{id} is set nowhere: give env, flag or file"));
        }
        if rule.unsafe_when.0.is_empty() {
            wrong.push(format!("{id} has no test under unsafe"));
        }
        if rule.what.trim().is_empty() {
            wrong.push(format!("{id} has no sentence under what"));
        }
        for finding in &rule.findings {
            if !findings.contains(&finding.value.as_str()) {
                wrong.push(format!(
                    "{id}: unknown finding id {:?}; known ids: {}",
                    finding.value,
                    findings.join(", ")
                ));
            }
        }
        let setting = Self {
            id: id.clone(),
            what: rule.what.clone(),
            places,
            default: rule.default.clone(),
            unsafe_when: rule.unsafe_when.0.clone(),
            safe: rule.safe.clone(),
            since: rule.since.clone(),
            until: rule.until.clone(),
            findings: rule.findings.iter().map(|finding| finding.value.clone()).collect(),
            impact: rule.impact,
        };
        if let Some(safe) = &setting.safe
            && setting.judge(Some(safe)) != Judgement::Safe
        {
            wrong.push(format!("{id}: its safe value {safe:?} is not safe by its own tests"));
        }
        if wrong.is_empty() { Ok(setting) } else { Err(wrong) }
    }

    /// Judges a value; `None`: nothing sets it.
    #[must_use]
    pub fn judge(&self, value: Option<&str>) -> Judgement {
        let in_effect = value.or(self.default.as_deref());
        let mut judgement = Judgement::Safe;
        for test in &self.unsafe_when {
            let one = match (test, value) {
                (Unsafe::Unset, _) => holds(value.is_none()),
                (Unsafe::Set, _) => holds(value.is_some()),
                (Unsafe::Empty, _) => holds(value.is_some_and(|value| value.trim().is_empty())),
                _ => match in_effect {
                    Some(value) => passes(test, value),
                    // What nothing sets and no default is known for is off; only an address is always in effect.
                    None if matches!(test, Unsafe::NotLoopback) => Judgement::Unknown,
                    None => Judgement::Safe,
                },
            };
            match one {
                Judgement::Unsafe => return Judgement::Unsafe,
                Judgement::Unknown => judgement = Judgement::Unknown,
                Judgement::Safe => {}
            }
        }
        judgement
    }

    /// The changes that make it safe, one for each kind of place, the recommended one first.
    pub fn fixes(&self) -> impl Iterator<Item = Fix> {
        let mut kinds = Vec::new();
        let first_of_kind = self.places.iter().filter(move |place| {
            let kind = std::mem::discriminant(*place);
            !kinds.contains(&kind) && {
                kinds.push(kind);
                true
            }
        });
        first_of_kind.map(|place| Fix {
            set: place.clone(),
            to: self.safe.clone(),
            impact: self.impact,
        })
    }

    /// The recommended change.
    #[must_use]
    pub fn fix(&self, form: Form) -> Option<Fix> {
        self.fixes().find(|fix| match form {
            Form::Any => true,
            Form::Env => matches!(fix.set, SettingPlace::Env(_)),
            Form::Flag => matches!(fix.set, SettingPlace::Flag(_)),
            Form::File => matches!(fix.set, SettingPlace::File { .. }),
        })
    }
}

/// Which form of a setting a remedy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The first place that it has.
    Any,
    /// The environment variable.
    Env,
    /// The option of the command line.
    Flag,
    /// The key of a file.
    File,
}

fn holds(test: bool) -> Judgement {
    if test { Judgement::Unsafe } else { Judgement::Safe }
}

fn passes(test: &Unsafe, value: &str) -> Judgement {
    let value = value.trim();
    let is = |words: &[&str]| words.iter().any(|word| value.eq_ignore_ascii_case(word));
    match test {
        Unsafe::On => holds(value.is_empty() || is(&["1", "true", "yes", "on", "enabled"])),
        Unsafe::Off => holds(is(&["0", "false", "no", "off", "disabled"])),
        Unsafe::NotLoopback => listens(value),
        Unsafe::Fits(pattern) => holds(pattern.fits(value)),
        Unsafe::Unset | Unsafe::Set | Unsafe::Empty => Judgement::Safe,
    }
}

/// Whether an address to listen on is loopback. An empty host (`:8080`) and a bare port are every address; a name but `localhost` may be any.
fn listens(value: &str) -> Judgement {
    let value = value.split_once("://").map_or(value, |(_, rest)| rest);
    let value = value.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match value.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        // More than one colon: an IPv6 address without brackets.
        None if value.matches(':').count() > 1 => value,
        None => value.rsplit_once(':').map_or(value, |(host, _)| host),
    };
    if host.eq_ignore_ascii_case("localhost") {
        return Judgement::Safe;
    }
    match host.parse::<IpAddr>() {
        Ok(address) => holds(!address.to_canonical().is_loopback()),
        Err(_) if host.is_empty() || host == "*" || host.bytes().all(|b| b.is_ascii_digit()) => Judgement::Unsafe,
        Err(_) => Judgement::Unknown,
    }
}

/// Puts settings into the text of a remedy: `{id}`, `{id.env}`, `{id.flag}`, `{id.file}`.
///
/// # Errors
///
/// A name in braces that is no setting, or a form that the setting does not have.
pub(crate) fn expand(text: &str, settings: &[Setting]) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or_else(|| format!("a brace is not closed in {text:?}"))?;
        let (id, form) = name.split_once('.').unwrap_or((name, ""));
        let form = match form {
            "" => Form::Any,
            "env" => Form::Env,
            "flag" => Form::Flag,
            "file" => Form::File,
            _ => return Err(format!("{{{name}}}: a form is env, flag or file")),
        };
        let setting = settings.iter().find(|setting| setting.id == id).ok_or_else(|| {
            let known: Vec<&str> = settings.iter().map(|setting| setting.id.as_str()).collect();
            format!(
                "{{{name}}}: unknown setting {id:?}; known settings: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )
        })?;
        let fix = setting.fix(form).ok_or_else(|| format!("{{{name}}}: {id} has no such form"))?;
        out.push_str(before);
        out.push_str(&fix.to_string());
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(yaml: &str) -> Result<Setting, Vec<String>> {
        let rule: SettingRule = serde_saphyr::from_str(yaml).map_err(|error| vec![error.to_string()])?;
        Setting::compile(&rule, &["open-inference"])
    }

    fn judged(test: &str, default: &str, value: Option<&str>) -> Judgement {
        let text = format!("{{id: x, what: X., env: X, unsafe: {test}{default}}}");
        setting(&text).unwrap_or_else(|wrong| panic!("{wrong:?}")).judge(value)
    }

    #[test]
    fn an_address_is_judged_by_its_host() {
        for (value, expected) in [
            ("127.0.0.1", Judgement::Safe),
            ("127.0.0.1:11434", Judgement::Safe),
            ("http://127.9.9.9:8080/x", Judgement::Safe),
            ("localhost:1", Judgement::Safe),
            ("[::1]:80", Judgement::Safe),
            ("::1", Judgement::Safe),
            ("::ffff:127.0.0.1", Judgement::Safe),
            ("0.0.0.0", Judgement::Unsafe),
            ("0.0.0.0:11434", Judgement::Unsafe),
            (":11434", Judgement::Unsafe),
            ("11434", Judgement::Unsafe),
            ("", Judgement::Unsafe),
            ("*:80", Judgement::Unsafe),
            ("::", Judgement::Unsafe),
            ("[::]:80", Judgement::Unsafe),
            ("http://192.168.1.2", Judgement::Unsafe),
            ("ai.example.org:80", Judgement::Unknown),
            ("127.0.0.1.example.org", Judgement::Unknown),
        ] {
            assert_eq!(judged("not-loopback", "", Some(value)), expected, "{value:?}");
        }
        assert_eq!(judged("not-loopback", ", default: 127.0.0.1", None), Judgement::Safe);
        assert_eq!(judged("not-loopback", ", default: 0.0.0.0", None), Judgement::Unsafe);
        assert_eq!(judged("not-loopback", "", None), Judgement::Unknown);
    }

    #[test]
    fn switches_and_secrets_are_judged_by_their_words() {
        assert_eq!(judged("unset", "", None), Judgement::Unsafe);
        assert_eq!(judged("unset", "", Some("k")), Judgement::Safe);
        assert_eq!(judged("[unset, empty]", "", Some(" ")), Judgement::Unsafe);
        assert_eq!(judged("enabled", "", Some("TRUE")), Judgement::Unsafe);
        assert_eq!(judged("enabled", "", Some("")), Judgement::Unsafe, "an option without a value");
        assert_eq!(judged("enabled", "", None), Judgement::Safe);
        assert_eq!(judged("disabled", ", default: 'true'", None), Judgement::Safe);
        assert_eq!(judged("disabled", "", Some("False")), Judgement::Unsafe);
        assert_eq!(judged("'=*'", "", Some("*")), Judgement::Unsafe);
        assert_eq!(judged("'~^https?://\\*$'", "", Some("http://*")), Judgement::Unsafe);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (yaml, word) in [
            ("{id: X y, what: X., env: X, unsafe: enabled}", "lower-case"),
            ("{id: x, what: X., unsafe: enabled}", "nowhere"),
            ("{id: x, what: X., env: X}", "no test"),
            ("{id: x, what: X., env: X, unsafe: sometimes}", "no test of a setting"),
            ("{id: x, what: X., flag: host, unsafe: enabled}", "dashes"),
            ("{id: x, what: X., env: 'A B', unsafe: enabled}", "environment variable"),
            ("{id: x, what: X., env: X, unsafe: not-loopback, safe: 0.0.0.0}", "not safe"),
            (
                "{id: x, what: X., env: X, unsafe: enabled, findings: [nothing]}",
                "unknown finding id",
            ),
            ("{id: x, what: X., env: X, unsafe: enabled, surprise: 1}", "unknown field"),
        ] {
            let wrong = setting(yaml).expect_err(yaml).join("; ");
            assert!(wrong.contains(word), "{yaml}: {wrong}");
        }
    }

    #[test]
    fn a_remedy_names_settings() {
        let host = setting("{id: host, what: X., env: OLLAMA_HOST, flag: --host, unsafe: not-loopback, safe: 127.0.0.1}").expect("sound");
        let key = setting("{id: key, what: X., file: [{path: config.yaml, key: a.b}], unsafe: unset}").expect("sound");
        let all = [host, key];
        let text = expand("Set {host} or {host.flag}, and {key}.", &all).expect("sound");
        assert_eq!(text, "Set OLLAMA_HOST=127.0.0.1 or --host 127.0.0.1, and a.b in config.yaml.");
        for wrong in ["{nothing}", "{host.file}", "{host.x}", "{host"] {
            assert!(expand(wrong, &all).is_err(), "{wrong}");
        }
    }
}
