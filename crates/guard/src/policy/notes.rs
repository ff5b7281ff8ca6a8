//! What the log says of a request that the policy looked at, passed on or refused.

use vigie_catalog::table::{Decision, Form, Json, Knob};

use vigie_model::Effect;

use crate::log::{Options, PromptKey, PromptMark};

/// What the log says of a request that the policy looked at.
#[derive(Debug, Default)]
pub(crate) struct Notes<'n> {
    key: Option<&'n PromptKey>,
    /// Its effect, and the line of the product's file that it fits.
    pub(crate) route: Option<(Effect, &'n str)>,
    /// Its options.
    pub(crate) options: Options,
    /// Its prompt.
    pub(crate) prompt: Option<PromptMark>,
}

impl<'n> Notes<'n> {
    /// `key`: of the keyed hashes of prompts; `None`: they are not made.
    pub(crate) fn new(key: Option<&'n PromptKey>) -> Self {
        Self { key, ..Self::default() }
    }

    pub(super) fn json(&mut self, json: &Json<'_>) {
        self.prompt = self.key.and_then(|key| key.mark(json));
    }

    pub(super) fn form(&mut self, form: &Form<'_>) {
        let prompt = form.parts().iter().find(|part| part.name == "prompt");
        let prompt = prompt.and_then(|part| std::str::from_utf8(part.value).ok());
        self.prompt = self.key.zip(prompt).and_then(|(key, prompt)| key.mark_text(prompt));
    }

    /// Its route, and what the request set: one value for each option, that which the server uses.
    pub(super) fn decision(&mut self, decision: &Decision<'n, '_>) {
        self.route = Some((decision.effect, decision.route));
        for set in &decision.sets {
            match self.options.set.iter_mut().find(|(knob, _)| *knob == set.knob) {
                Some((_, amount)) if set.counts => *amount = set.amount,
                Some(_) => {}
                None => self.options.set.push((set.knob, set.amount)),
            }
        }
    }

    /// What was put in or lowered.
    pub(super) fn put(&mut self, knob: Knob, most: u32) {
        if !self.options.put.iter().any(|(put, _)| *put == knob) {
            self.options.put.push((knob, most));
        }
    }
}
