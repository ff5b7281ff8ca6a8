//! What changed between two looks at one endpoint.
//!
//! Only what both looks tell is compared. What one of them does not tell did not change: it is said apart, as told now or no longer
//! told. Both looks must be of one kind of source and one vantage, else what differs is who looked.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use vigie_advisory::Version;
use vigie_catalog::Catalog;
use vigie_model::{Capability, Exposure, Known, LeakKind, Model, Observation, Posture, Reach, Severity, Tool, ToolRisk};

/// What kind of change. The words are stable; the order is that of a report, among changes of one severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeId {
    /// A stranger gets further than before.
    LostAuthentication,
    /// More machines can reach its listening socket.
    WiderReach,
    /// Something is readable that was not seen to be.
    NewlyReadable,
    /// It lists another tool.
    NewTool,
    /// A tool has other risks than before.
    ToolChanged,
    /// A model can do what none could.
    NewCapability,
    /// Another product answers.
    ProductChanged,
    /// Its version went back.
    Downgraded,
    /// It no longer speaks TLS.
    LostTls,
    /// It looks like a deception now.
    BecameSuspect,
    /// It has another model.
    NewModel,
    /// A model of the same name has another digest.
    ModelChanged,
    /// A stranger meets something else that is as good.
    PostureChanged,
    /// Its version is another, and which is the later cannot be told.
    VersionChanged,
    /// It shows another certificate.
    CertificateChanged,
    /// A stranger no longer gets as far.
    GainedAuthentication,
    /// Fewer machines can reach its listening socket.
    NarrowerReach,
    /// Its version went on.
    Upgraded,
    /// It speaks TLS now.
    GainedTls,
    /// A tool is gone from its list.
    RemovedTool,
    /// No model can do it any more.
    RemovedCapability,
    /// A model is gone from its list.
    RemovedModel,
    /// It no longer looks like a deception.
    NoLongerSuspect,
    /// Told by the later look only: no change.
    NowTold,
    /// Told by the earlier look only: no change.
    NoLongerTold,
}

impl ChangeId {
    /// Every id, in its order.
    pub const ALL: [Self; 25] = [
        Self::LostAuthentication,
        Self::WiderReach,
        Self::NewlyReadable,
        Self::NewTool,
        Self::ToolChanged,
        Self::NewCapability,
        Self::ProductChanged,
        Self::Downgraded,
        Self::LostTls,
        Self::BecameSuspect,
        Self::NewModel,
        Self::ModelChanged,
        Self::PostureChanged,
        Self::VersionChanged,
        Self::CertificateChanged,
        Self::GainedAuthentication,
        Self::NarrowerReach,
        Self::Upgraded,
        Self::GainedTls,
        Self::RemovedTool,
        Self::RemovedCapability,
        Self::RemovedModel,
        Self::NoLongerSuspect,
        Self::NowTold,
        Self::NoLongerTold,
    ];

    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::LostAuthentication => "lost-authentication",
            Self::WiderReach => "wider-reach",
            Self::NewlyReadable => "newly-readable",
            Self::NewTool => "new-tool",
            Self::ToolChanged => "tool-changed",
            Self::NewCapability => "new-capability",
            Self::ProductChanged => "product-changed",
            Self::Downgraded => "downgraded",
            Self::LostTls => "lost-tls",
            Self::BecameSuspect => "became-suspect",
            Self::NewModel => "new-model",
            Self::ModelChanged => "model-changed",
            Self::PostureChanged => "posture-changed",
            Self::VersionChanged => "version-changed",
            Self::CertificateChanged => "certificate-changed",
            Self::GainedAuthentication => "gained-authentication",
            Self::NarrowerReach => "narrower-reach",
            Self::Upgraded => "upgraded",
            Self::GainedTls => "gained-tls",
            Self::RemovedTool => "removed-tool",
            Self::RemovedCapability => "removed-capability",
            Self::RemovedModel => "removed-model",
            Self::NoLongerSuspect => "no-longer-suspect",
            Self::NowTold => "now-told",
            Self::NoLongerTold => "no-longer-told",
        }
    }
}

impl fmt::Display for ChangeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// What kind.
    pub id: ChangeId,
    /// How much it matters.
    pub severity: Severity,
    /// Which model, tool, capability, or what is readable; of what is told differently, what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// What it was, where that is one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Known<String>>,
    /// What it is, where that is one value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Known<String>>,
}

impl Change {
    /// Whether something is another than before; else one look tells what the other does not.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(self.id, ChangeId::NowTold | ChangeId::NoLongerTold)
    }
}

/// What changed from one look at an endpoint to a later one, the worst first. Versions are ordered as the catalogue says of the
/// product.
///
/// Not compared: what changes without anyone's doing (models in memory, when a certificate ends), and what vigie thinks of it (how
/// sure it is, advisories, findings). Of another product nothing is compared that hangs on the product: its version, models,
/// capabilities, tools and what is readable. Of what looks like a deception, no change is above low but that it does.
#[must_use]
pub fn changes(before: &Observation, after: &Observation, catalog: &Catalog) -> Vec<Change> {
    let mut list = List::default();
    let (was, is) = (&before.exposure, &after.exposure);
    list.posture(&was.posture, &is.posture);
    list.reach(&was.reach, &is.reach);
    list.tls(before, after);
    list.deception(before, after);
    let product = |o: &Observation| o.identity.product.clone();
    if let Some((old, new)) = list.told("product", &product(before), &product(after)) {
        list.push(ChangeId::ProductChanged, Severity::Medium, None, Some((old, new)));
    }
    if product(before).known() == product(after).known() {
        list.version(before, after, catalog);
        list.models(was, is);
        list.capabilities(was, is);
        list.tools(was, is);
        list.leaks(was, is);
    }
    let mut changes = list.0;
    if after.deception.is_suspect() {
        // What is put up to be found says what it likes: that it looks so now is what matters.
        let others = changes.iter_mut().filter(|change| change.id != ChangeId::BecameSuspect);
        others.for_each(|change| change.severity = change.severity.min(Severity::Low));
    }
    changes.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then(a.id.cmp(&b.id))
            .then_with(|| a.subject.cmp(&b.subject))
    });
    changes
}

#[derive(Default)]
struct List(Vec<Change>);

impl List {
    fn push(&mut self, id: ChangeId, severity: Severity, subject: Option<&str>, values: Option<(String, String)>) {
        let (before, after) = values.map_or((None, None), |(before, after)| {
            (Some(Known::Known(before)), Some(Known::Known(after)))
        });
        self.0.push(Change {
            id,
            severity,
            subject: subject.map(str::to_owned),
            before,
            after,
        });
    }

    fn say(&mut self, id: ChangeId, subject: &str, before: Option<Known<String>>, after: Option<Known<String>>) {
        self.0.push(Change {
            id,
            severity: Severity::Info,
            subject: Some(subject.to_owned()),
            before,
            after,
        });
    }

    /// Says what only one of them tells, and gives both values where they differ.
    fn told<T: PartialEq + ToString>(&mut self, what: &str, before: &Known<T>, after: &Known<T>) -> Option<(String, String)> {
        let text = |value: &Known<T>| Some(value.as_ref().map(ToString::to_string));
        match (before, after) {
            (Known::Known(old), Known::Known(new)) => (old != new).then(|| (old.to_string(), new.to_string())),
            (Known::Unknown(_), Known::Unknown(_)) => None,
            (Known::Unknown(_), Known::Known(_)) => {
                self.say(ChangeId::NowTold, what, text(before), text(after));
                None
            }
            (Known::Known(_), Known::Unknown(_)) => {
                self.say(ChangeId::NoLongerTold, what, text(before), text(after));
                None
            }
        }
    }

    /// The same for lists, which are too long to be told: gives both.
    fn both<'k, T>(&mut self, what: &str, before: &'k Known<Vec<T>>, after: &'k Known<Vec<T>>) -> Option<(&'k [T], &'k [T])> {
        let count = |list: &'k Known<Vec<T>>| list.as_ref().map(Vec::len);
        self.told_apart(what, &count(before), &count(after));
        Some((before.known()?, after.known()?))
    }

    /// Says what only one of them tells, and nothing where both do.
    fn told_apart<T: PartialEq + ToString>(&mut self, what: &str, before: &Known<T>, after: &Known<T>) {
        if before.is_known() != after.is_known() {
            self.told(what, before, after);
        }
    }

    fn posture(&mut self, before: &Known<Posture>, after: &Known<Posture>) {
        let values = self.told("posture", before, after);
        if let (Some(values), Some(was), Some(is)) = (values, before.known(), after.known()) {
            let (id, severity) = match barrier(*is).cmp(&barrier(*was)) {
                Ordering::Less => (ChangeId::LostAuthentication, Severity::High),
                Ordering::Greater => (ChangeId::GainedAuthentication, Severity::Info),
                Ordering::Equal => (ChangeId::PostureChanged, Severity::Low),
            };
            self.push(id, severity, None, Some(values));
        }
    }

    fn reach(&mut self, before: &Known<Reach>, after: &Known<Reach>) {
        let word = |reach: &Known<Reach>| reach.as_ref().map(|reach| reach_word(*reach));
        let values = self.told("reach", &word(before), &word(after));
        if let (Some(values), Some(was), Some(is)) = (values, before.known(), after.known()) {
            // From the machine itself to the world, as the model orders them.
            let (id, severity) = match (is > was, is) {
                (false, _) => (ChangeId::NarrowerReach, Severity::Info),
                (true, Reach::Public) => (ChangeId::WiderReach, Severity::High),
                (true, _) => (ChangeId::WiderReach, Severity::Medium),
            };
            self.push(id, severity, None, Some(values));
        }
    }

    fn tls(&mut self, before: &Observation, after: &Observation) {
        let (was, is) = (&before.endpoint.tls, &after.endpoint.tls);
        self.told_apart("tls", was, is);
        match (was.known(), is.known()) {
            (Some(true), Some(false)) => self.push(ChangeId::LostTls, Severity::Medium, None, None),
            (Some(false), Some(true)) => self.push(ChangeId::GainedTls, Severity::Info, None, None),
            (Some(true), Some(true)) => match (&before.endpoint.certificate, &after.endpoint.certificate) {
                (Some(old), Some(new)) if old.sha256 != new.sha256 => {
                    let values = (old.sha256.clone(), new.sha256.clone());
                    self.push(ChangeId::CertificateChanged, Severity::Low, Some(&new.subject), Some(values));
                }
                (None, Some(new)) => self.say(ChangeId::NowTold, "certificate", None, Some(Known::Known(new.sha256.clone()))),
                (Some(old), None) => self.say(ChangeId::NoLongerTold, "certificate", Some(Known::Known(old.sha256.clone())), None),
                _ => {}
            },
            _ => {}
        }
    }

    fn deception(&mut self, before: &Observation, after: &Observation) {
        let (was, is) = (&before.deception, &after.deception);
        self.told_apart("deception", &was.score, &is.score);
        if let (Some(old), Some(new)) = (was.score.known(), is.score.known()) {
            let values = Some((old.to_string(), new.to_string()));
            match (was.is_suspect(), is.is_suspect()) {
                (false, true) => self.push(ChangeId::BecameSuspect, Severity::Medium, None, values),
                (true, false) => self.push(ChangeId::NoLongerSuspect, Severity::Info, None, values),
                _ => {}
            }
        }
    }

    fn version(&mut self, before: &Observation, after: &Observation, catalog: &Catalog) {
        let Some((old, new)) = self.told("version", &before.identity.version, &after.identity.version) else {
            return;
        };
        let order = after
            .identity
            .product
            .known()
            .and_then(|id| catalog.product(id))
            .map(|p| p.versions);
        let read = |text: &str| order.and_then(|order| Version::parse(order, text).ok());
        let (id, severity) = match read(&old).zip(read(&new)).map(|(old, new)| new.cmp(&old)) {
            Some(Ordering::Greater) => (ChangeId::Upgraded, Severity::Info),
            Some(Ordering::Less) => (ChangeId::Downgraded, Severity::Medium),
            Some(Ordering::Equal) | None => (ChangeId::VersionChanged, Severity::Low),
        };
        self.push(id, severity, None, Some((old, new)));
    }

    fn models(&mut self, was: &Exposure, is: &Exposure) {
        let Some((old, new)) = self.both("models", &was.models, &is.models) else {
            return;
        };
        fn by_name(models: &[Model]) -> BTreeMap<&str, Vec<&Model>> {
            let mut all: BTreeMap<&str, Vec<&Model>> = BTreeMap::new();
            for model in models {
                all.entry(&model.name).or_default().push(model);
            }
            all
        }
        let (old, new) = (by_name(old), by_name(new));
        // What is not in a list that goes on may be further on in it.
        let (told_all, tells_all) = (was.models_at_least.is_none(), is.models_at_least.is_none());
        for (name, models) in &new {
            match old.get(name) {
                None if !told_all => {}
                None => {
                    let severity = models.iter().map(|model| model_severity(model)).max();
                    self.push(ChangeId::NewModel, severity.unwrap_or(Severity::Low), Some(name), None);
                }
                Some(before) => {
                    // A server may list a name more than once, in any order.
                    if let (Some(was), Some(is)) = (digests(before), digests(models))
                        && was != is
                    {
                        self.push(ChangeId::ModelChanged, Severity::Low, Some(name), one_for_one(&was, &is));
                    }
                }
            }
        }
        for name in old.keys().filter(|name| tells_all && !new.contains_key(*name)) {
            self.push(ChangeId::RemovedModel, Severity::Info, Some(name), None);
        }
    }

    fn capabilities(&mut self, was: &Exposure, is: &Exposure) {
        if !was.capabilities.is_known() || !is.capabilities.is_known() {
            // Of models that are not told either, that was said already.
            if was.models.is_known() == is.models.is_known() {
                self.both("capabilities", &was.capabilities, &is.capabilities);
            }
            return;
        }
        let words: BTreeSet<&Capability> = [was, is].into_iter().filter_map(|e| e.capabilities.known()).flatten().collect();
        for word in words {
            let subject = word.as_str();
            match (has(was, word), has(is, word)) {
                (Some(false), Some(true)) => {
                    // With tools, what a model answers is done.
                    let severity = if subject == "tools" { Severity::Medium } else { Severity::Low };
                    self.push(ChangeId::NewCapability, severity, Some(subject), None);
                }
                (Some(true), Some(false)) => self.push(ChangeId::RemovedCapability, Severity::Info, Some(subject), None),
                (None, Some(true)) => self.say(ChangeId::NowTold, &format!("capability {subject}"), None, None),
                (Some(true), None) => self.say(ChangeId::NoLongerTold, &format!("capability {subject}"), None, None),
                _ => {}
            }
        }
    }

    fn tools(&mut self, was: &Exposure, is: &Exposure) {
        let Some((old, new)) = self.both("tools", &was.tools, &is.tools) else {
            return;
        };
        fn by_name(tools: &[Tool]) -> BTreeMap<&str, BTreeSet<ToolRisk>> {
            let mut all: BTreeMap<&str, BTreeSet<ToolRisk>> = BTreeMap::new();
            for tool in tools {
                all.entry(&tool.name).or_default().extend(&tool.risks);
            }
            all
        }
        let (old, new) = (by_name(old), by_name(new));
        let (told_all, tells_all) = (was.tools_at_least.is_none(), is.tools_at_least.is_none());
        for (name, risks) in &new {
            match old.get(name) {
                None if !told_all => {}
                None => self.push(ChangeId::NewTool, risk_severity(risks), Some(name), None),
                Some(before) if before != risks => {
                    let added: BTreeSet<ToolRisk> = risks.difference(before).copied().collect();
                    let values = Some((risk_words(before), risk_words(risks)));
                    self.push(ChangeId::ToolChanged, risk_severity(&added), Some(name), values);
                }
                Some(_) => {}
            }
        }
        for name in old.keys().filter(|name| tells_all && !new.contains_key(*name)) {
            self.push(ChangeId::RemovedTool, Severity::Info, Some(name), None);
        }
    }

    /// A list of what is readable never says that it is complete: what is gone from it may not have been asked for.
    fn leaks(&mut self, was: &Exposure, is: &Exposure) {
        let kinds = |exposure: &Exposure| exposure.leaks.iter().map(|leak| leak.what).collect::<BTreeSet<LeakKind>>();
        let (old, new) = (kinds(was), kinds(is));
        for kind in new.difference(&old) {
            let severity = match kind {
                LeakKind::Credentials => Severity::High,
                LeakKind::SystemPrompt | LeakKind::Prompts | LeakKind::Settings | LeakKind::Data => Severity::Medium,
                LeakKind::Models | LeakKind::Metrics => Severity::Low,
            };
            self.push(ChangeId::NewlyReadable, severity, Some(leak_word(*kind)), None);
        }
        for kind in old.difference(&new) {
            self.say(ChangeId::NoLongerTold, &format!("readable {}", leak_word(*kind)), None, None);
        }
    }
}

/// How much stands between a stranger and the server.
fn barrier(posture: Posture) -> u8 {
    match posture {
        // Who comes first owns the server: no better than open.
        Posture::Open | Posture::FirstAdmin => 0,
        // An account is there for the asking.
        Posture::Signup => 1,
        Posture::Key | Posture::Login | Posture::Forbidden => 2,
    }
}

/// Whether a host has a capability; `None`: it is not told.
fn has(exposure: &Exposure, word: &Capability) -> Option<bool> {
    if exposure.capabilities.known()?.contains(word) {
        return Some(true);
    }
    // A model of which it is not told, or whose server has no word for it yet, may well have it.
    let untold = |model: &Model| !model.capabilities.is_known() || model.capabilities_untold.contains(word);
    match exposure.models.known() {
        Some(_) if exposure.models_at_least.is_some() => None,
        Some(models) if models.iter().any(untold) => None,
        _ => Some(false),
    }
}

/// The digests of the models of one name; `None`: one of them is not told.
fn digests<'m>(models: &[&'m Model]) -> Option<BTreeSet<&'m str>> {
    models.iter().map(|model| model.digest.known().map(String::as_str)).collect()
}

/// What went and what came in its place, if it is one of each.
fn one_for_one(was: &BTreeSet<&str>, is: &BTreeSet<&str>) -> Option<(String, String)> {
    let (mut gone, mut come) = (was.difference(is), is.difference(was));
    match (gone.next(), gone.next(), come.next(), come.next()) {
        (Some(gone), None, Some(come), None) => Some(((*gone).to_owned(), (*come).to_owned())),
        _ => None,
    }
}

fn model_severity(model: &Model) -> Severity {
    let says = |flag: &Known<bool>| flag.known() == Some(&true);
    // Safeguards were removed, or someone's account pays for it.
    if says(&model.uncensored_by_name) || says(&model.uncensored_by_prompt) || says(&model.remote) {
        Severity::Medium
    } else {
        Severity::Low
    }
}

fn risk_severity(risks: &BTreeSet<ToolRisk>) -> Severity {
    let severity = |risk: &ToolRisk| match risk {
        ToolRisk::CodeExecution | ToolRisk::Secrets | ToolRisk::Privileged => Severity::High,
        ToolRisk::FileAccess | ToolRisk::Network | ToolRisk::Database => Severity::Medium,
        ToolRisk::Other => Severity::Low,
    };
    risks.iter().map(severity).max().unwrap_or(Severity::Info)
}

fn risk_words(risks: &BTreeSet<ToolRisk>) -> String {
    let words: Vec<String> = risks.iter().map(json_word).collect();
    words.join(", ")
}

fn reach_word(reach: Reach) -> &'static str {
    match reach {
        Reach::Loopback => "loopback",
        Reach::Private => "private",
        Reach::Public => "public",
    }
}

fn leak_word(leak: LeakKind) -> &'static str {
    match leak {
        LeakKind::Models => "models",
        LeakKind::SystemPrompt => "system-prompt",
        LeakKind::Prompts => "prompts",
        LeakKind::Settings => "settings",
        LeakKind::Credentials => "credentials",
        LeakKind::Data => "data",
        LeakKind::Metrics => "metrics",
    }
}

/// The word by which a value stands in JSON.
fn json_word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
