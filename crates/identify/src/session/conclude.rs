//! Draws the conclusion from the transcript.

use std::sync::Arc;

use vigie_catalog::{Kind, Product};
use vigie_model::{
    Activity, Capability, Deception, Evidence, EvidenceWeight, Exposure, Identity, Known, Leak, LeakKind, Model, Posture, Why,
};

use super::Session;
use super::scores::Score;
use crate::Conclusion;
use crate::condition::{EvaluateCondition as _, EvaluateGuards as _};
use crate::extract;
use crate::reply::ParsedReply;

/// Highest confidence of a product that is named despite refusals: below that of two strong pieces of evidence, as one in five misleads
/// and the rest could not be seen. A judgement.
const MAX_DESPITE_REFUSALS: f64 = 0.6;

impl Session {
    /// Draws the conclusion. The confidence in a product is at most the one that the fixtures measured.
    #[must_use]
    pub fn conclude(&mut self) -> Conclusion {
        self.switch_back();
        let known = self.cached.as_ref().and_then(|node| node.conclusion.get()).cloned();
        let mut conclusion = match known {
            Some(known) => Conclusion::clone(&known),
            None => {
                self.catch_up();
                let (named, despite_refusals) = self.concluded();
                let conclusion = self.draw(&named, despite_refusals);
                if let Some(node) = &self.cached {
                    let _ = node.conclusion.set(Arc::new(conclusion.clone()));
                }
                conclusion
            }
        };
        let identity = &mut conclusion.identity;
        if let Known::Known(product) = &identity.product {
            identity.confidence = round(identity.confidence.min(self.identifier.measured.confidence(product)));
        }
        conclusion
    }

    /// Draws the conclusion for a product that another source names; the confidence is that of the evidence alone.
    ///
    /// `None`: the transcript names another product, or contradicts this one, or the catalogue does not have it.
    #[must_use]
    pub fn conclude_as(&mut self, product: &str) -> Option<Conclusion> {
        self.catch_up();
        let number = self.identifier.catalog.number(product)?;
        let claimed = self.identifier.catalog.nth(number);
        let another = self
            .concluded()
            .0
            .iter()
            .any(|named| *named != number && !claimed.emulates.contains(named));
        (!another && self.against(product).is_empty()).then(|| self.draw(&[number], false))
    }

    /// The evidence against a product, whether or not there is any for it.
    #[must_use]
    pub fn against(&self, product: &str) -> Vec<Evidence> {
        let Some(product) = self.identifier.catalog.product(product) else {
            return Vec::new();
        };
        let contradicting = product.evidence.iter().filter(|e| e.weight == EvidenceWeight::Contradicts);
        contradicting
            .filter_map(|evidence| {
                let parsed = evidence
                    .condition
                    .find(&self.here.transcript)
                    .filter(|_| evidence.guards.pass(&self.here.transcript))?;
                Some(evidence_of(product, &evidence.id, evidence.weight, &evidence.why, parsed))
            })
            .collect()
    }

    /// Draws the conclusion from the transcript for the named products; the confidence is that of the evidence alone.
    fn draw(&self, named: &[u32], despite_refusals: bool) -> Conclusion {
        let winner = named.first().map(|number| self.identifier.catalog.nth(*number));
        let transcript = &self.here.transcript;
        let spoke_http = transcript.replies.iter().any(|parsed| parsed.reply().is_some());

        let (version, instance, mut exposure) = match winner {
            Some(product) => {
                let version = extract::version(product, transcript);
                let exposure = self.exposure(product, &version, named);
                (version, extract::instance(product, transcript), exposure)
            }
            None => {
                let mut exposure = Exposure::unknown(Why::NotAsked);
                if let Some(product) = self.lists_like() {
                    let read = self.exposure(product, &Known::unknown(Why::NotAsked), &[]);
                    exposure.models = read.models;
                    exposure.models_at_least = read.models_at_least;
                    exposure.activity = read.activity;
                    exposure.capabilities = read.capabilities;
                } else {
                    let unlisted = extract::unlisted(&self.identifier.catalog, transcript);
                    exposure.models = Known::Unknown(unlisted.clone());
                    exposure.activity = Known::Unknown(unlisted);
                }
                (Known::unknown(Why::NotAsked), Known::unknown(Why::NotCarried), exposure)
            }
        };
        let score = named
            .first()
            .and_then(|number| self.here.scores.get(number))
            .copied()
            .unwrap_or_default();
        let (posture, from) = extract::posture(winner, &self.identifier.catalog, transcript, despite_refusals);
        exposure.posture = posture;
        exposure.posture_from = from;
        if let Some((posture, request, open)) = self.refusal_beside_open_list(winner, &exposure) {
            // A server with a key whose list is open has the posture of the key; the open list is a leak.
            exposure.posture_from = Some(request);
            exposure.posture = Known::Known(posture);
            exposure.leaks.push(Leak {
                what: LeakKind::Models,
                request: open,
            });
        }
        if let (Some(product), Some(index)) = (winner, transcript.proof)
            && let Some((_, answer)) = &product.prove
            && let Some(parsed) = transcript.replies.get(index)
        {
            let answered = parsed.reply().is_some_and(|reply| reply.status == 200)
                && parsed
                    .json()
                    .and_then(|json| answer.first(json))
                    .and_then(|v| v.as_str())
                    .is_some_and(|text| !text.is_empty());
            exposure.inference_proved = Some(answered);
        }

        let most = if despite_refusals { MAX_DESPITE_REFUSALS } else { 1.0 };
        let confidence = winner.map_or(0.0, |_| confidence(score).min(most));
        let product = match winner {
            Some(product) => Known::Known(product.id.clone()),
            None if spoke_http => Known::unknown_because(Why::NotCarried, "no product of the catalogue fits what it answered"),
            None => Known::unknown_because(Why::Unparsable, "it does not answer in HTTP"),
        };
        let deception = if spoke_http {
            self.deception(winner, &version, &exposure)
        } else {
            Deception::unknown(Why::NotAsked)
        };
        Conclusion {
            identity: Identity {
                product,
                version,
                instance,
                confidence,
                evidence: self.evidence(winner).into(),
                also: named
                    .iter()
                    .skip(1)
                    .map(|number| self.identifier.catalog.nth(*number))
                    .filter(|p| !p.last_resort || winner.is_some_and(|winner| winner.models.is_empty()))
                    .map(|p| p.id.clone())
                    .collect(),
            },
            exposure,
            deception,
            spoke_http,
        }
    }

    /// The one product whose list of models was seen without enough other evidence: the product stays unknown, its list is reported.
    fn lists_like(&self) -> Option<&Product> {
        let lists = |number: u32| {
            let product = self.identifier.catalog.nth(number);
            let is_list = |parsed: &ParsedReply| {
                product.models.iter().any(|list| {
                    list.condition
                        .find(&self.here.transcript)
                        .is_some_and(|of| std::ptr::eq(of, parsed))
                })
            };
            self.hits_of(number).any(|(_, rule, index)| {
                let evidence = &product.evidence[*rule as usize];
                evidence.weight != EvidenceWeight::Weak
                    && evidence.guards.pass(&self.here.transcript)
                    && self.here.transcript.replies.get(*index).is_some_and(is_list)
            })
        };
        let candidates = self
            .here
            .scores
            .iter()
            .filter(|(_, score)| !score.contradicted && score.points() > 0);
        // A list in a widespread form may be of something else than models.
        let mut likely = candidates
            .map(|(number, _)| *number)
            .filter(|number| !self.identifier.catalog.nth(*number).family && lists(*number));
        let product = self.identifier.catalog.nth(likely.next().filter(|_| likely.next().is_none())?);
        extract::models(
            &self.identifier.catalog,
            product,
            &self.here.transcript,
            &Known::unknown(Why::NotAsked),
        )
        .list
        .is_known()
        .then_some(product)
    }

    /// A refusal beside an open list of models: its posture, the refused request, and the request of the list.
    fn refusal_beside_open_list(&self, winner: Option<&Product>, exposure: &Exposure) -> Option<(Posture, String, String)> {
        let gate = || extract::gate_around_open_list(&self.identifier.catalog, &self.here.transcript);
        let Some(product) = winner else { return gate() };
        let open = exposure
            .posture_from
            .clone()
            .filter(|_| exposure.posture.known() == Some(&Posture::Open))?;
        if let Some((posture, request)) = extract::refused_list(product, &self.here.transcript) {
            return Some((posture, request, open));
        }
        gate().filter(|_| matches!(product.kind, Kind::Inference | Kind::Gateway))
    }

    /// What the transcript says of the exposure of a product.
    fn exposure(&self, product: &Product, version: &Known<String>, named: &[u32]) -> Exposure {
        let transcript = &self.here.transcript;
        // A product without a list of models may share its port with an interface that has one.
        let serves = named
            .iter()
            .map(|number| self.identifier.catalog.nth(*number))
            .find(|one| !one.models.is_empty());
        let serves = serves.filter(|_| product.models.is_empty()).unwrap_or(product);
        let listed = extract::models(&self.identifier.catalog, serves, transcript, version);
        let (models, models_at_least) = (listed.list, listed.at_least);
        let running = extract::running(product, transcript);
        let activity = match (&models, serves.kind) {
            (Known::Known(models), Kind::Inference | Kind::Gateway) => {
                Known::Known(if models.is_empty() { Activity::Dormant } else { Activity::Active })
            }
            (Known::Unknown(unknown), Kind::Inference | Kind::Gateway) => Known::Unknown(unknown.clone()),
            _ => Known::unknown(Why::NotCarried),
        };
        let leaks = product
            .leaks
            .iter()
            .filter(|(_, _, guards)| guards.pass(transcript))
            .filter_map(|(what, condition, _)| {
                let request = &condition.find(transcript)?.exchange.request;
                Some(Leak {
                    what: *what,
                    request: format!("{} {}", request.method, request.path),
                })
            })
            .collect();
        let tools = named
            .iter()
            .map(|number| extract::tools(&self.identifier.catalog, self.identifier.catalog.nth(*number), transcript))
            .reduce(|first, second| if first.list.is_known() { first } else { second });
        let (tools, tools_at_least) = tools.map_or((Known::unknown(Why::NotAsked), None), |tools| (tools.list, tools.at_least));
        Exposure {
            posture: Known::unknown(Why::NotAsked),
            posture_from: None,
            reach: Known::unknown(Why::NotAsked),
            activity,
            capabilities: host_capabilities(&models, models_at_least.is_some()),
            models,
            models_at_least,
            running: running.list,
            running_at_least: running.at_least,
            tools,
            tools_at_least,
            leaks,
            inference_proved: None,
        }
    }

    /// Whether a reply is what the server sends for any absent path: the words of a framework, not of a product.
    fn is_absent_page(&self, parsed: &ParsedReply) -> bool {
        let absent = self.here.transcript.reply_to(self.identifier.absent).and_then(ParsedReply::reply);
        parsed.reply().is_some_and(|reply| {
            matches!(reply.status, 404 | 405) || absent.is_some_and(|absent| reply.status == absent.status && reply.body == absent.body)
        })
    }

    /// The evidence for and against all products, at most 24 pieces, that of the winner first.
    fn evidence(&self, winner: Option<&Product>) -> Vec<Evidence> {
        let mut all: Vec<Evidence> = Vec::new();
        for (number, rule, index) in &self.here.hits {
            let product = self.identifier.catalog.nth(*number);
            let evidence = &product.evidence[*rule as usize];
            let Some(parsed) = self.here.transcript.replies.get(*index) else {
                continue;
            };
            if winner.is_none() && evidence.weight == EvidenceWeight::Weak && self.is_absent_page(parsed) {
                continue;
            }
            let repeated = all.iter().any(|e| e.product == product.id && e.rule == evidence.id);
            if !repeated && evidence.guards.pass(&self.here.transcript) {
                all.push(evidence_of(product, &evidence.id, evidence.weight, &evidence.why, parsed));
            }
        }
        // Evidence against a product is reported beside the evidence for it.
        for (number, score) in &self.here.scores {
            if !score.contradicted || score.points() == 0 {
                continue;
            }
            let product = self.identifier.catalog.nth(*number);
            for evidence in product.evidence.iter().filter(|e| e.weight == EvidenceWeight::Contradicts) {
                if let Some(parsed) = evidence.condition.find(&self.here.transcript)
                    && evidence.guards.pass(&self.here.transcript)
                {
                    all.push(evidence_of(product, &evidence.id, evidence.weight, &evidence.why, parsed));
                }
            }
        }
        let ours = |evidence: &Evidence| winner.is_some_and(|product| product.id == evidence.product);
        all.sort_by(|a, b| (!ours(a), a.weight, &a.product, &a.rule).cmp(&(!ours(b), b.weight, &b.product, &b.rule)));
        all.truncate(24);
        all
    }
}

/// The capabilities of all models together; unknown if none has any and the capabilities of one are unknown, or the list is not complete.
fn host_capabilities(models: &Known<Vec<Model>>, incomplete: bool) -> Known<Vec<Capability>> {
    match models {
        Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
        Known::Known(models) => {
            let mut all: Vec<Capability> = models.iter().filter_map(|m| m.capabilities.known()).flatten().cloned().collect();
            all.sort();
            all.dedup();
            let cut = incomplete.then_some(Why::NotCarried);
            match models.iter().find_map(|model| model.capabilities.why()).or(cut) {
                Some(why) if all.is_empty() => Known::unknown(why),
                _ => Known::Known(all),
            }
        }
    }
}

/// The first characters of a text, white space folded; the rest of a long page is not read.
fn beginning(text: &str, characters: usize) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.chars().count() >= characters {
            break;
        }
    }
    out.chars().take(characters).collect()
}

/// Evidence as it is reported.
fn evidence_of(product: &Product, rule: &str, weight: EvidenceWeight, why: &str, parsed: &ParsedReply) -> Evidence {
    let request = &parsed.exchange.request;
    let seen = if why.is_empty() {
        let text = beginning(parsed.text(), 80);
        format!("{} {text}", parsed.reply().map_or(0, |reply| reply.status))
            .trim()
            .to_owned()
    } else {
        why.to_owned()
    };
    Evidence {
        product: product.id.clone(),
        rule: rule.to_owned(),
        weight,
        request: format!("{} {}", request.method, request.path),
        seen,
    }
}

/// The confidence of the evidence alone: one minus the chance that all of it misleads. The chances (unique 1 in 100, strong 1 in 5,
/// weak 4 in 5) are judgements; the confidence that the fixtures measured caps the result.
fn confidence(score: Score) -> f64 {
    let misled =
        0.01_f64.powi(score.unique.min(4) as i32) * 0.2_f64.powi(score.strong.min(6) as i32) * 0.8_f64.powi(score.weak.min(4) as i32);
    1.0 - misled
}

/// Rounded down to two decimals.
fn round(value: f64) -> f64 {
    (value * 100.0).floor() / 100.0
}
