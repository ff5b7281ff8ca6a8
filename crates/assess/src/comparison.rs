//! Comparison of two observations of one endpoint.
//!
//! Only values known in both observations are compared. A value known in only one of them is not a change, and is reported separately, as
//! known now or no longer known. Both observations must have the same kind of source and the same vantage; otherwise the observers differ.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vigie_advisory::Version;
use vigie_catalog::Catalog;
use vigie_model::{Capability, Exposure, Known, LeakKind, Model, Observation, Posture, Reach, Severity, Tool, ToolRisk};

use crate::change::{Change, ChangeId};

/// The changes from one observation of an endpoint to a later one, the most severe first. Versions are ordered by the product's order in the
/// catalogue.
///
/// Values that change by themselves (models in memory, the end of a certificate) and conclusions of vigie (confidence, advisories, findings)
/// are not compared. If the product changed, its version, models, capabilities, tools and leaks are not compared either. For a suspect, no
/// change is more severe than low, except that it is a suspect now.
#[must_use]
pub fn changes(before: &Observation, after: &Observation, catalog: &Catalog) -> Vec<Change> {
    let mut found = Comparison::default();
    let (was, is) = (&before.exposure, &after.exposure);
    found.posture(&was.posture, &is.posture);
    found.reach(&was.reach, &is.reach);
    found.tls(before, after);
    found.deception(before, after);
    let product = |o: &Observation| o.identity.product.clone();
    if let Some((old, new)) = found.compare("product", &product(before), &product(after)) {
        found.push(ChangeId::ProductChanged, Severity::Medium, None, Some((old, new)));
    }
    if product(before).known() == product(after).known() {
        found.version(before, after, catalog);
        found.models(was, is);
        found.capabilities(was, is);
        found.tools(was, is);
        found.leaks(was, is);
    }
    let mut changes = found.0;
    if after.deception.is_suspect() {
        // A honeypot can report anything, so only its being a suspect matters.
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

/// The changes found so far.
#[derive(Default)]
struct Comparison(Vec<Change>);

impl Comparison {
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

    fn report(&mut self, id: ChangeId, subject: &str, before: Option<Known<String>>, after: Option<Known<String>>) {
        self.0.push(Change {
            id,
            severity: Severity::Info,
            subject: Some(subject.to_owned()),
            before,
            after,
        });
    }

    /// Reports a value known in only one observation; returns both values if they differ.
    fn compare<T: PartialEq + ToString>(&mut self, what: &str, before: &Known<T>, after: &Known<T>) -> Option<(String, String)> {
        let text = |value: &Known<T>| Some(value.as_ref().map(ToString::to_string));
        match (before, after) {
            (Known::Known(old), Known::Known(new)) => (old != new).then(|| (old.to_string(), new.to_string())),
            (Known::Unknown(_), Known::Unknown(_)) => None,
            (Known::Unknown(_), Known::Known(_)) => {
                self.report(ChangeId::NowKnown, what, text(before), text(after));
                None
            }
            (Known::Known(_), Known::Unknown(_)) => {
                self.report(ChangeId::NoLongerKnown, what, text(before), text(after));
                None
            }
        }
    }

    /// Reports a list known in only one observation, by its length; returns both lists if they are known.
    fn compare_lists<'k, T>(&mut self, what: &str, before: &'k Known<Vec<T>>, after: &'k Known<Vec<T>>) -> Option<(&'k [T], &'k [T])> {
        let count = |list: &'k Known<Vec<T>>| list.as_ref().map(Vec::len);
        self.report_unless_both_known(what, &count(before), &count(after));
        Some((before.known()?, after.known()?))
    }

    /// Reports a value known in only one observation; nothing if it is known in both.
    fn report_unless_both_known<T: PartialEq + ToString>(&mut self, what: &str, before: &Known<T>, after: &Known<T>) {
        if before.is_known() != after.is_known() {
            self.compare(what, before, after);
        }
    }

    fn posture(&mut self, before: &Known<Posture>, after: &Known<Posture>) {
        let values = self.compare("posture", before, after);
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
        let values = self.compare("reach", &word(before), &word(after));
        if let (Some(values), Some(was), Some(is)) = (values, before.known(), after.known()) {
            // Ordered from the machine itself to the internet.
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
        self.report_unless_both_known("tls", was, is);
        match (was.known(), is.known()) {
            (Some(true), Some(false)) => self.push(ChangeId::LostTls, Severity::Medium, None, None),
            (Some(false), Some(true)) => self.push(ChangeId::GainedTls, Severity::Info, None, None),
            (Some(true), Some(true)) => match (&before.endpoint.certificate, &after.endpoint.certificate) {
                (Some(old), Some(new)) if old.sha256 != new.sha256 => {
                    let values = (old.sha256.clone(), new.sha256.clone());
                    self.push(ChangeId::CertificateChanged, Severity::Low, Some(&new.subject), Some(values));
                }
                (None, Some(new)) => self.report(ChangeId::NowKnown, "certificate", None, Some(Known::Known(new.sha256.clone()))),
                (Some(old), None) => self.report(ChangeId::NoLongerKnown, "certificate", Some(Known::Known(old.sha256.clone())), None),
                _ => {}
            },
            _ => {}
        }
    }

    fn deception(&mut self, before: &Observation, after: &Observation) {
        let (was, is) = (&before.deception, &after.deception);
        self.report_unless_both_known("deception", &was.score, &is.score);
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
        let Some((old, new)) = self.compare("version", &before.identity.version, &after.identity.version) else {
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
        let Some((old, new)) = self.compare_lists("models", &was.models, &is.models) else {
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
        // A value missing from an incomplete list may be in the rest of it.
        let (was_complete, is_complete) = (was.models_at_least.is_none(), is.models_at_least.is_none());
        for (name, models) in &new {
            match old.get(name) {
                None if !was_complete => {}
                None => {
                    let severity = models.iter().map(|model| model_severity(model)).max();
                    self.push(ChangeId::NewModel, severity.unwrap_or(Severity::Low), Some(name), None);
                }
                Some(before) => {
                    // A server may list a name several times, in any order.
                    if let (Some(was), Some(is)) = (digests(before), digests(models))
                        && was != is
                    {
                        self.push(ChangeId::ModelChanged, Severity::Low, Some(name), one_for_one(&was, &is));
                    }
                }
            }
        }
        for name in old.keys().filter(|name| is_complete && !new.contains_key(*name)) {
            self.push(ChangeId::RemovedModel, Severity::Info, Some(name), None);
        }
    }

    fn capabilities(&mut self, was: &Exposure, is: &Exposure) {
        if !was.capabilities.is_known() || !is.capabilities.is_known() {
            // Unknown models are reported already.
            if was.models.is_known() == is.models.is_known() {
                self.compare_lists("capabilities", &was.capabilities, &is.capabilities);
            }
            return;
        }
        let words: BTreeSet<&Capability> = [was, is].into_iter().filter_map(|e| e.capabilities.known()).flatten().collect();
        for word in words {
            let subject = word.as_str();
            match (has(was, word), has(is, word)) {
                (Some(false), Some(true)) => {
                    // With tools, the output of a model is executed.
                    let severity = if subject == "tools" { Severity::Medium } else { Severity::Low };
                    self.push(ChangeId::NewCapability, severity, Some(subject), None);
                }
                (Some(true), Some(false)) => self.push(ChangeId::RemovedCapability, Severity::Info, Some(subject), None),
                (None, Some(true)) => self.report(ChangeId::NowKnown, &format!("capability {subject}"), None, None),
                (Some(true), None) => self.report(ChangeId::NoLongerKnown, &format!("capability {subject}"), None, None),
                _ => {}
            }
        }
    }

    fn tools(&mut self, was: &Exposure, is: &Exposure) {
        let Some((old, new)) = self.compare_lists("tools", &was.tools, &is.tools) else {
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
        let (was_complete, is_complete) = (was.tools_at_least.is_none(), is.tools_at_least.is_none());
        for (name, risks) in &new {
            match old.get(name) {
                None if !was_complete => {}
                None => self.push(ChangeId::NewTool, risk_severity(risks), Some(name), None),
                Some(before) if before != risks => {
                    let added: BTreeSet<ToolRisk> = risks.difference(before).copied().collect();
                    let values = Some((risk_words(before), risk_words(risks)));
                    self.push(ChangeId::ToolChanged, risk_severity(&added), Some(name), values);
                }
                Some(_) => {}
            }
        }
        for name in old.keys().filter(|name| is_complete && !new.contains_key(*name)) {
            self.push(ChangeId::RemovedTool, Severity::Info, Some(name), None);
        }
    }

    /// A list of leaks is never known to be complete: a missing leak may not have been requested.
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
            self.report(ChangeId::NoLongerKnown, &format!("readable {}", leak_word(*kind)), None, None);
        }
    }
}

/// The rank of a posture: the higher, the less access for a stranger.
fn barrier(posture: Posture) -> u8 {
    match posture {
        // The first visitor owns the server, so this is no better than open.
        Posture::Open | Posture::FirstAdmin => 0,
        // Anyone can get an account.
        Posture::Signup => 1,
        Posture::Key | Posture::Login | Posture::Forbidden => 2,
    }
}

/// Whether a host has a capability; `None`: unknown.
fn has(exposure: &Exposure, word: &Capability) -> Option<bool> {
    if exposure.capabilities.known()?.contains(word) {
        return Some(true);
    }
    // A model may have it if its capabilities are unknown, or if its server cannot report this one.
    let may_have_it = |model: &Model| !model.capabilities.is_known() || model.capabilities_untold.contains(word);
    match exposure.models.known() {
        Some(_) if exposure.models_at_least.is_some() => None,
        Some(models) if models.iter().any(may_have_it) => None,
        _ => Some(false),
    }
}

/// The digests of the models with one name; `None`: one of them is unknown.
fn digests<'m>(models: &[&'m Model]) -> Option<BTreeSet<&'m str>> {
    models.iter().map(|model| model.digest.known().map(String::as_str)).collect()
}

/// The value that went and the one that came, if there is one of each.
fn one_for_one(was: &BTreeSet<&str>, is: &BTreeSet<&str>) -> Option<(String, String)> {
    let (mut gone, mut come) = (was.difference(is), is.difference(was));
    match (gone.next(), gone.next(), come.next(), come.next()) {
        (Some(gone), None, Some(come), None) => Some(((*gone).to_owned(), (*come).to_owned())),
        _ => None,
    }
}

fn model_severity(model: &Model) -> Severity {
    let is_set = |flag: &Known<bool>| flag.known() == Some(&true);
    // Safeguards were removed, or the owner's account pays for it.
    if is_set(&model.uncensored_by_name) || is_set(&model.uncensored_by_prompt) || is_set(&model.remote) {
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

/// The word of a value in JSON.
pub(crate) fn json_word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
