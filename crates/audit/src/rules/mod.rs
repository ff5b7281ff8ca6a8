//! The rules: one file each. Their texts and examples are in `catalog/audit/<id>.yaml`.

mod container;
mod exposed_bind;
mod exposed_service;
mod no_authentication;
mod published_port;
mod secrets;
mod setting_unread;
mod settings;

use std::collections::BTreeMap;

use vigie_catalog::Catalog;
use vigie_model::{Confidence, Fix, Severity};

use crate::files::Files;
use crate::served::Served;
use crate::source::Span;
use crate::text::Persona;
use crate::workload::Workload;

/// What the rules look at.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The files.
    pub files: &'a Files,
    /// The catalogue.
    pub catalog: &'a Catalog,
    /// Everything that the files start.
    pub workloads: &'a [Workload],
    /// The workloads whose product is known, without those that are switched off.
    pub served: &'a [Served<'a>],
}

/// What a rule found, before its texts are put in.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The rule.
    pub rule: String,
    /// Where.
    pub span: Span,
    /// What it is about, as its format calls it: `service ollama`.
    pub subject: String,
    /// The values in the rule's message.
    pub values: BTreeMap<&'static str, String>,
    /// The severity, where it differs from the rule's.
    pub severity: Option<Severity>,
    /// The confidence, where it differs from the rule's.
    pub confidence: Option<Confidence>,
    /// Who gets it at least, where that is more picky than the rule says.
    pub persona: Option<Persona>,
    /// On what the finding relies beside the line itself.
    pub relied_on: Vec<String>,
    /// Changes of a product's settings that act on it.
    pub fixes: Vec<Fix>,
}

impl Draft {
    /// A finding of a rule at a place.
    pub(crate) fn new(rule: &str, span: Span, subject: impl Into<String>) -> Self {
        let subject = subject.into();
        Self {
            rule: rule.to_owned(),
            span,
            values: BTreeMap::from([("what", subject.clone())]),
            subject,
            severity: None,
            confidence: None,
            persona: None,
            relied_on: Vec::new(),
            fixes: Vec::new(),
        }
    }

    /// Sets a value of the message.
    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.values.insert(name, value.into());
        self
    }

    /// Adds what the finding relies on.
    #[must_use]
    pub(crate) fn relying_on(mut self, what: impl Into<String>) -> Self {
        self.relied_on.push(what.into());
        self
    }
}

/// A rule of its own; those that report a setting alone need none, the catalogue names them.
pub(crate) type Check = fn(&Scene<'_>, &mut Vec<Draft>);

/// Every check.
pub(crate) const CHECKS: [Check; 8] = [
    exposed_bind::check,
    exposed_service::check,
    published_port::check,
    no_authentication::check,
    settings::check,
    setting_unread::check,
    secrets::check,
    container::check,
];
