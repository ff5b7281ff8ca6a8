//! The settings of a product that decide how exposed it is: where each is set, when its value is unsafe, and what to write instead.
//!
//! The host audit uses them to judge the values on a machine, and remedies refer to them: `{host}` in a remedy becomes
//! `OLLAMA_HOST=127.0.0.1:11434`.

use std::fmt;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::Spanned;
use vigie_model::{Fix, Impact, SettingPlace, VersionOrder};

use crate::pattern::{FromScalar, OneOrMany, Pattern};
use crate::table::version::{Holds, Release, holds};

/// A setting in a product's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingRule {
    /// Its name within the file.
    pub id: Spanned<String>,
    /// Its effect, in one sentence.
    pub what: String,
    /// Environment variables that set it; the first is the one to recommend.
    #[serde(default)]
    pub env: OneOrMany<String>,
    /// Options of the command line that take its value, with their dashes; the first is the one to recommend.
    #[serde(default)]
    pub flag: OneOrMany<String>,
    /// Options without a value that switch it on.
    #[serde(default)]
    pub flag_on: OneOrMany<String>,
    /// Options without a value that switch it off.
    #[serde(default)]
    pub flag_off: OneOrMany<String>,
    /// Keys of configuration files that set it.
    #[serde(default)]
    pub file: Vec<FileKey>,
    /// Keys under which people write it although nothing reads them.
    #[serde(default)]
    pub unread: Vec<FileKey>,
    /// The default value; absent: the default depends on something else, or the setting is off.
    #[serde(default)]
    pub default: Option<String>,
    /// The value that the published container image sets.
    #[serde(default)]
    pub in_image: Option<String>,
    /// Its value is a key, a password or a token.
    #[serde(default)]
    pub secret: bool,
    /// It is read at the first start only; after that the stored value is used.
    #[serde(default)]
    pub first_start: bool,
    /// Other settings of this file without which it has no effect.
    #[serde(default)]
    pub needs: OneOrMany<String>,
    /// Other settings of this file; if one of them is safe, this one is harmless.
    #[serde(default)]
    pub unless: OneOrMany<String>,
    /// A value is unsafe if one of these tests matches.
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
    /// The rule of the host audit that reports an unsafe value; absent: the audit does not report it.
    #[serde(default)]
    pub audit: Option<String>,
    /// The impact of changing it.
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
    /// It is an address to listen on that other machines can reach: anything but loopback, including an empty address.
    NotLoopback,
    /// It matches a pattern.
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

/// Whether a value of a setting is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// No test matches.
    Safe,
    /// A test matches.
    Unsafe,
    /// Unknown: the value is a host name to listen on, or the default depends on something else.
    Unknown,
}

/// An option without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// The option, with its dashes.
    pub flag: String,
    /// Whether it switches the setting on.
    pub on: bool,
}

/// A checked setting.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name within the product's file.
    pub id: String,
    /// Its effect, in one sentence.
    pub what: String,
    /// The places where its value can be set; of each kind the first is the one to recommend.
    pub places: Vec<SettingPlace>,
    /// Options without a value.
    pub switches: Vec<Switch>,
    /// Places where people write it although nothing reads them.
    pub unread: Vec<SettingPlace>,
    /// The default value.
    pub default: Option<String>,
    /// The value that the published container image sets.
    pub in_image: Option<String>,
    /// Its value is a key, a password or a token: it must not be shown.
    pub secret: bool,
    /// It is read at the first start only; after that the stored value is used.
    pub first_start: bool,
    /// Other settings of the product without which it has no effect.
    pub needs: Vec<String>,
    /// Other settings of the product; if one of them is safe, this one is harmless.
    pub unless: Vec<String>,
    /// The tests for unsafe values.
    pub unsafe_when: Vec<Unsafe>,
    /// A safe value to write.
    pub safe: Option<String>,
    /// The first version that reads it.
    pub since: Option<String>,
    /// The last version that reads it.
    pub until: Option<String>,
    /// The findings that it can cause.
    pub findings: Vec<String>,
    /// The rule of the host audit that reports an unsafe value.
    pub audit: Option<String>,
    /// The impact of changing it.
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
            wrong.push(format!(
                "{id:?} is not a valid name of a setting: use lower-case letters, digits and hyphens"
            ));
        }
        for name in &rule.env.0 {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                wrong.push(format!("{id}: {name:?} is not a valid name of an environment variable"));
            }
        }
        for flag in rule.flag.0.iter().chain(&rule.flag_on.0).chain(&rule.flag_off.0) {
            if !flag.starts_with('-') || flag.contains(char::is_whitespace) || flag.contains('=') {
                wrong.push(format!(
                    "{id}: {flag:?} is not an option: write it with its dashes and without a value"
                ));
            }
        }
        for file in rule.file.iter().chain(&rule.unread) {
            if file.path.is_empty() || file.key.is_empty() {
                wrong.push(format!("{id}: a file needs a path and a key"));
            }
        }
        let env = rule.env.0.iter().cloned().map(SettingPlace::Env);
        let flags = rule.flag.0.iter().cloned().map(SettingPlace::Flag);
        let in_file = |file: &FileKey| SettingPlace::File {
            file: file.path.clone(),
            key: file.key.clone(),
        };
        let places: Vec<SettingPlace> = env.chain(flags).chain(rule.file.iter().map(in_file)).collect();
        let switch = |on| move |flag: &String| Switch { flag: flag.clone(), on };
        let switches: Vec<Switch> = rule
            .flag_on
            .0
            .iter()
            .map(switch(true))
            .chain(rule.flag_off.0.iter().map(switch(false)))
            .collect();
        if places.is_empty() && switches.is_empty() {
            wrong.push(format!(
                "{id} has no place where it is set: give env, flag, flag_on, flag_off or file"
            ));
        }
        if rule.secret && rule.safe.is_some() {
            wrong.push(format!("{id} is a secret, so no published value is safe: leave out safe"));
        }
        if rule.needs.0.contains(id) || rule.unless.0.contains(id) {
            wrong.push(format!("{id} names itself under needs or unless"));
        }
        if rule.unsafe_when.0.is_empty() {
            wrong.push(format!("{id} has no test under unsafe"));
        }
        for version in rule.since.iter().chain(&rule.until) {
            if !version.trim_start_matches(['b', 'v']).starts_with(|c: char| c.is_ascii_digit()) {
                wrong.push(format!("{id}: {version:?} is not a version"));
            }
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
            switches,
            unread: rule.unread.iter().map(in_file).collect(),
            default: rule.default.clone(),
            in_image: rule.in_image.clone(),
            secret: rule.secret,
            first_start: rule.first_start,
            needs: rule.needs.0.clone(),
            unless: rule.unless.0.clone(),
            unsafe_when: rule.unsafe_when.0.clone(),
            safe: rule.safe.clone(),
            since: rule.since.clone(),
            until: rule.until.clone(),
            findings: rule.findings.iter().map(|finding| finding.value.clone()).collect(),
            audit: rule.audit.clone(),
            impact: rule.impact,
        };
        // Judging a value compiles its expressions, so embedded files, which the tests have checked, are not judged at each start.
        if let Some(safe) = &setting.safe
            && !crate::pattern::is_later()
            && setting.judge(Some(safe)) != Judgement::Safe
        {
            wrong.push(format!(
                "{id}: the safe value {safe:?} is not safe according to the setting's own tests"
            ));
        }
        if wrong.is_empty() { Ok(setting) } else { Err(wrong) }
    }

    /// Judges a value; `None`: the setting is not set.
    #[must_use]
    pub fn judge(&self, value: Option<&str>) -> Judgement {
        let in_effect = value.or(self.default.as_deref());
        let mut judgement = Judgement::Safe;
        for test in &self.unsafe_when {
            let one = match (test, value) {
                (Unsafe::Unset, _) => found(value.is_none()),
                (Unsafe::Set, _) => found(value.is_some()),
                (Unsafe::Empty, _) => found(value.is_some_and(|value| value.trim().is_empty())),
                _ => match in_effect {
                    Some(value) => passes(test, value),
                    // A setting that is not set and has no known default is off; only an address is always in effect.
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

    /// Whether a version reads it; `None`: that is unknown, since the version is not known, or too close to a bound.
    #[must_use]
    pub fn is_read_by(&self, order: VersionOrder, version: Option<&str>) -> Option<bool> {
        let parse = |text: &str| Release::parse(order, text);
        let bounds = (self.since.as_deref().and_then(parse), self.until.as_deref().and_then(parse));
        match holds(version.and_then(parse).as_ref(), bounds.0.as_ref(), bounds.1.as_ref()) {
            Holds::Yes => Some(true),
            Holds::No => Some(false),
            Holds::Maybe => None,
        }
    }

    /// Judges a value in the published container image, which may set one itself; `None`: it is not set besides.
    #[must_use]
    pub fn judge_in_image(&self, value: Option<&str>) -> Judgement {
        self.judge(value.or(self.in_image.as_deref()))
    }

    /// The changes that make it safe, one for each kind of place: environment variable, option, key of a file.
    pub fn fixes(&self) -> impl Iterator<Item = Fix> {
        let first = |kind: fn(&SettingPlace) -> bool| self.places.iter().find(|place| kind(place));
        let write = |place: &SettingPlace| Fix {
            setting: Some(self.id.clone()),
            set: place.clone(),
            to: self.safe.clone(),
            impact: self.impact,
        };
        let env = first(|place| matches!(place, SettingPlace::Env(_))).map(write);
        let flag = first(|place| matches!(place, SettingPlace::Flag(_)))
            .map(write)
            .or_else(|| self.fix_by_switch());
        let file = first(|place| matches!(place, SettingPlace::File { .. })).map(write);
        env.into_iter().chain(flag).chain(file)
    }

    /// Adds the switch that sets the safe value, or removes the one that sets another value.
    fn fix_by_switch(&self) -> Option<Fix> {
        let wanted = match self.safe.as_deref() {
            Some(safe) if is_on(safe) => Some(true),
            Some(safe) if is_off(safe) => Some(false),
            _ => None,
        };
        let right = self.switches.iter().find(|switch| Some(switch.on) == wanted);
        let switch = right.or_else(|| self.switches.first())?;
        Some(Fix {
            setting: Some(self.id.clone()),
            set: SettingPlace::Flag(switch.flag.clone()),
            to: right.map(|_| String::new()),
            impact: self.impact,
        })
    }

    /// The recommended change.
    #[must_use]
    pub fn fix(&self, form: Form) -> Option<Fix> {
        self.fixes().find(|fix| match form {
            Form::Any | Form::Name => true,
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
    /// The first place that it has, without a value.
    Name,
    /// The environment variable.
    Env,
    /// The option of the command line.
    Flag,
    /// The key of a file.
    File,
}

fn found(test: bool) -> Judgement {
    if test { Judgement::Unsafe } else { Judgement::Safe }
}

fn is_on(value: &str) -> bool {
    value.is_empty()
        || ["1", "true", "yes", "on", "enabled"]
            .iter()
            .any(|word| value.eq_ignore_ascii_case(word))
}

fn is_off(value: &str) -> bool {
    ["0", "false", "no", "off", "disabled"]
        .iter()
        .any(|word| value.eq_ignore_ascii_case(word))
}

fn passes(test: &Unsafe, value: &str) -> Judgement {
    let value = value.trim();
    match test {
        Unsafe::On => found(is_on(value)),
        Unsafe::Off => found(is_off(value)),
        Unsafe::NotLoopback => listens(value),
        Unsafe::Fits(pattern) => found(pattern.fits(value)),
        Unsafe::Unset | Unsafe::Set | Unsafe::Empty => Judgement::Safe,
    }
}

/// Whether all addresses of a comma-separated list are loopback: the worst one decides.
fn listens(value: &str) -> Judgement {
    let mut worst = Judgement::Safe;
    for part in value.split(',') {
        match listens_on(part.trim()) {
            Judgement::Unsafe => return Judgement::Unsafe,
            Judgement::Unknown => worst = Judgement::Unknown,
            Judgement::Safe => {}
        }
    }
    worst
}

/// Whether an address to listen on is loopback. An empty host (`:8080`) or a bare port means every address; a name other than `localhost` may be
/// any address; a path is a Unix socket, which other machines cannot reach.
fn listens_on(value: &str) -> Judgement {
    if value.starts_with('/') || value.starts_with("unix:") {
        return Judgement::Safe;
    }
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
        Ok(address) => found(!address.to_canonical().is_loopback()),
        Err(_) if host.is_empty() || host == "*" || host.bytes().all(|b| b.is_ascii_digit()) => Judgement::Unsafe,
        Err(_) => Judgement::Unknown,
    }
}

/// Replaces references to settings in the text of a remedy: `{id}`, `{id.name}`, `{id.env}`, `{id.flag}`, `{id.file}`.
///
/// # Errors
///
/// An unknown setting in braces, or a form that the setting does not have.
pub(crate) fn expand(text: &str, settings: &[Setting]) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').ok_or_else(|| format!("a brace is not closed in {text:?}"))?;
        let (id, form) = name.split_once('.').unwrap_or((name, ""));
        let form = match form {
            "" => Form::Any,
            "name" => Form::Name,
            "env" => Form::Env,
            "flag" => Form::Flag,
            "file" => Form::File,
            _ => return Err(format!("{{{name}}}: unknown form; known forms: name, env, flag, file")),
        };
        let setting = settings.iter().find(|setting| setting.id == id).ok_or_else(|| {
            let known: Vec<&str> = settings.iter().map(|setting| setting.id.as_str()).collect();
            format!(
                "{{{name}}}: unknown setting {id:?}; known settings: {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )
        })?;
        let fix = setting
            .fix(form)
            .ok_or_else(|| format!("{{{name}}}: the setting {id} cannot be set in this form"))?;
        out.push_str(before);
        out.push_str(&if form == Form::Name { fix.set.to_string() } else { fix.to_string() });
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
            ("0.0.0.0,::", Judgement::Unsafe),
            ("127.0.0.1, ::1", Judgement::Safe),
            ("127.0.0.1,10.0.0.1", Judgement::Unsafe),
            ("127.0.0.1,ai.example.org", Judgement::Unknown),
            ("127.0.0.1,", Judgement::Unsafe),
            ("/run/llama.sock", Judgement::Safe),
            ("unix:/run/llama.sock", Judgement::Safe),
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
    fn a_pair_of_switches_is_fixed_by_adding_or_removing_one() {
        let fixed = |rest: &str| {
            let setting = setting(&format!("{{id: x, what: X., {rest}}}")).unwrap_or_else(|wrong| panic!("{wrong:?}"));
            setting.fixes().map(|fix| fix.to_string()).collect::<Vec<_>>()
        };
        let pair = "env: X, flag_on: --slots, flag_off: --no-slots, default: 'true', unsafe: enabled, safe: 'false'";
        assert_eq!(fixed(pair), ["X=false", "--no-slots"]);
        assert_eq!(fixed("flag_on: --metrics, unsafe: enabled, safe: 'false'"), ["--metrics"]);
        assert_eq!(
            fixed("flag_on: --auth, flag_off: --no-auth, unsafe: [unset, disabled], safe: 'true'"),
            ["--auth"]
        );
        assert_eq!(fixed("flag_off: --no-token, unsafe: disabled, safe: 'true'"), ["--no-token"]);
        let removed = setting("{id: x, what: X., flag_on: --metrics, unsafe: enabled, safe: 'false'}").expect("sound");
        assert_eq!(removed.fixes().map(|fix| fix.to).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn a_container_image_may_set_a_value() {
        let host = setting("{id: x, what: X., env: X, default: 127.0.0.1, in_image: 0.0.0.0, unsafe: not-loopback}").expect("sound");
        assert_eq!(host.judge(None), Judgement::Safe);
        assert_eq!(host.judge_in_image(None), Judgement::Unsafe);
        assert_eq!(host.judge_in_image(Some("127.0.0.1")), Judgement::Safe);
    }

    #[test]
    fn each_mistake_is_reported() {
        for (yaml, word) in [
            ("{id: X y, what: X., env: X, unsafe: enabled}", "lower-case"),
            ("{id: x, what: X., unsafe: enabled}", "no place"),
            ("{id: x, what: X., env: X}", "no test"),
            ("{id: x, what: X., env: X, unsafe: sometimes}", "no test of a setting"),
            ("{id: x, what: X., flag: host, unsafe: enabled}", "dashes"),
            ("{id: x, what: X., flag_off: no-host, unsafe: enabled}", "dashes"),
            ("{id: x, what: X., env: X, unsafe: unset, secret: true, safe: k}", "secret"),
            ("{id: x, what: X., env: X, unsafe: unset, needs: x}", "itself"),
            ("{id: x, what: X., env: X, unsafe: unset, unless: [x]}", "itself"),
            ("{id: x, what: X., env: 'A B', unsafe: enabled}", "environment variable"),
            ("{id: x, what: X., env: X, unsafe: not-loopback, safe: 0.0.0.0}", "not safe"),
            (
                "{id: x, what: X., env: X, unsafe: enabled, findings: [nothing]}",
                "unknown finding id",
            ),
            ("{id: x, what: X., env: X, unsafe: enabled, until: lately}", "not a version"),
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
        let text = expand("Set {host} or {host.flag}, not {host.name} alone, and {key}.", &all).expect("sound");
        assert_eq!(
            text,
            "Set OLLAMA_HOST=127.0.0.1 or --host 127.0.0.1, not OLLAMA_HOST alone, and a.b in config.yaml."
        );
        for wrong in ["{nothing}", "{host.file}", "{host.x}", "{host"] {
            assert!(expand(wrong, &all).is_err(), "{wrong}");
        }
    }
}
