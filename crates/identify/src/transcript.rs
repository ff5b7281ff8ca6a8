//! The exchanges of one session so far, by request.

use vigie_catalog::{ExchangeRef, SigId};

use crate::reply::ParsedReply;

/// The exchanges of one session, in order, and what each of them answers.
#[derive(Debug, Default)]
pub(crate) struct Transcript {
    pub(crate) replies: Vec<ParsedReply>,
    /// Positions by request; of several replies to one request the last counts. There are about a dozen, so a search is enough.
    pub(crate) by_sig: Vec<(SigId, usize)>,
    /// Position of the last page of the redirects that start at `GET /`.
    pub(crate) landing: Option<usize>,
    /// Positions of the replies about single models.
    pub(crate) models: Vec<(String, usize)>,
    /// Position of the reply to the owner's proof.
    pub(crate) proof: Option<usize>,
}

impl Transcript {
    /// The reply to a request.
    pub(crate) fn reply_to(&self, sig: SigId) -> Option<&ParsedReply> {
        let (_, index) = self.by_sig.iter().rev().find(|(of, _)| *of == sig)?;
        self.replies.get(*index)
    }

    /// The landing page.
    pub(crate) fn landing(&self) -> Option<&ParsedReply> {
        self.landing.and_then(|index| self.replies.get(index))
    }

    /// The one exchange that a rule refers to; `None` also where the rule accepts any exchange.
    pub(crate) fn referred(&self, exchange: ExchangeRef) -> Option<&ParsedReply> {
        match exchange {
            ExchangeRef::Sig(sig) => self.reply_to(sig),
            ExchangeRef::Landing => self.landing(),
            ExchangeRef::Any => None,
        }
    }
}
