//! From a conversation to what it says: identity, exposure, deception.

use std::sync::Arc;

use vigie_model::{
    Activity, Capability, Deception, Evidence, EvidenceWeight, Exposure, Identity, Known, Leak, LeakKind, Model, Posture, Why,
};

use crate::holds::{Holds as _, Pass as _, Seen as _};
use crate::read;
use crate::session::{Session, Tally};
use crate::view::View;
use vigie_catalog::Kind;
use vigie_catalog::Product;

/// What a conversation said.
#[derive(Clone, Debug)]
pub struct Conclusion {
    /// What it is.
    pub identity: Identity,
    /// What it shows. `reach` is the host room's to say.
    pub exposure: Exposure,
    /// Whether it is what it seems.
    pub deception: Deception,
    /// Whether any HTTP reply came.
    pub spoke_http: bool,
}

impl Session {
    /// Draws the conclusion. The confidence in a product is at most what the fixtures measured of it.
    #[must_use]
    pub fn conclude(&mut self) -> Conclusion {
        self.come_back();
        let known = self.turn.as_ref().and_then(|turn| turn.conclusion.get()).cloned();
        let mut conclusion = match known {
            Some(known) => Conclusion::clone(&known),
            None => {
                self.read_up();
                let (named, behind_a_door) = self.concluded();
                let conclusion = self.draw(&named, behind_a_door);
                if let Some(turn) = &self.turn {
                    let _ = turn.conclusion.set(Arc::new(conclusion.clone()));
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

    /// Draws the conclusion where someone else says which product it is, and gives the confidence of the evidence alone.
    ///
    /// `None`: the transcript names another product, or rules this one out, or the catalogue does not have it.
    #[must_use]
    pub fn conclude_as(&mut self, product: &str) -> Option<Conclusion> {
        self.read_up();
        let number = self.identifier.catalog.number(product)?;
        let said = self.identifier.catalog.nth(number);
        let another = self
            .concluded()
            .0
            .iter()
            .any(|named| *named != number && !said.emulates.contains(named));
        (!another && self.against(product).is_empty()).then(|| self.draw(&[number], false))
    }

    /// The evidence that rules a product out, whether or not anything speaks for it.
    #[must_use]
    pub fn against(&self, product: &str) -> Vec<Evidence> {
        let Some(product) = self.identifier.catalog.product(product) else {
            return Vec::new();
        };
        let ruling_out = product.evidence.iter().filter(|e| e.weight == EvidenceWeight::Contradicts);
        ruling_out
            .filter_map(|evidence| {
                let view = evidence.look.find(&self.record).filter(|_| evidence.guards.pass(&self.record))?;
                Some(told(product, &evidence.id, evidence.weight, &evidence.why, view))
            })
            .collect()
    }

    /// What the record says of the products that are named; the confidence is that of the evidence alone.
    fn draw(&self, named: &[u32], behind_a_door: bool) -> Conclusion {
        let winner = named.first().map(|number| self.identifier.catalog.nth(*number));
        let seen = &self.record;
        let spoke_http = seen.views.iter().any(|view| view.reply().is_some());

        let (version, instance, mut exposure) = match winner {
            Some(product) => {
                let version = read::version(product, seen);
                let exposure = self.exposure(product, &version, named);
                (version, read::instance(product, seen), exposure)
            }
            None => {
                let mut exposure = Exposure::unknown(Why::NotAsked);
                if let Some(product) = self.lists_as() {
                    let read = self.exposure(product, &Known::unknown(Why::NotAsked), &[]);
                    exposure.models = read.models;
                    exposure.models_at_least = read.models_at_least;
                    exposure.activity = read.activity;
                    exposure.capabilities = read.capabilities;
                } else {
                    let unlisted = read::unlisted(&self.identifier.catalog, seen);
                    exposure.models = Known::Unknown(unlisted.clone());
                    exposure.activity = Known::Unknown(unlisted);
                }
                (Known::unknown(Why::NotAsked), Known::unknown(Why::NotCarried), exposure)
            }
        };
        let tally = named
            .first()
            .and_then(|number| self.tallies.get(number))
            .copied()
            .unwrap_or_default();
        let (posture, from) = read::posture(winner, &self.identifier.catalog, seen, behind_a_door);
        exposure.posture = posture;
        exposure.posture_from = from;
        if let Some((door, request, open)) = self.door_beside_a_list(winner, &exposure) {
            // Some routes open beside a key is a key, with what stays open.
            exposure.posture_from = Some(request);
            exposure.posture = Known::Known(door);
            exposure.leaks.push(Leak {
                what: LeakKind::Models,
                request: open,
            });
        }
        if let (Some(product), Some(index)) = (winner, seen.proof)
            && let Some((_, answer)) = &product.prove
            && let Some(view) = seen.views.get(index)
        {
            let answered = view.reply().is_some_and(|reply| reply.status == 200)
                && view
                    .json()
                    .and_then(|json| answer.first(json))
                    .and_then(|v| v.as_str())
                    .is_some_and(|text| !text.is_empty());
            exposure.inference_proved = Some(answered);
        }

        let most = if behind_a_door { BEHIND_A_DOOR } else { 1.0 };
        let confidence = winner.map_or(0.0, |_| certainty(tally).min(most));
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

    /// The one product whose list of models, and too little else, was seen: which product it is stays unknown, what it lists does not.
    fn lists_as(&self) -> Option<&Product> {
        let lists = |number: u32| {
            let product = self.identifier.catalog.nth(number);
            let is_list = |view: &View| {
                product
                    .models
                    .iter()
                    .any(|list| list.look.find(&self.record).is_some_and(|of| std::ptr::eq(of, view)))
            };
            self.hits_of(number).any(|(_, rule, index)| {
                let evidence = &product.evidence[*rule as usize];
                evidence.weight != EvidenceWeight::Weak
                    && evidence.guards.pass(&self.record)
                    && self.record.views.get(*index).is_some_and(is_list)
            })
        };
        let standing = self.tallies.iter().filter(|(_, tally)| !tally.contradicted && tally.points() > 0);
        // A list in the shape that many share may be one of cars.
        let mut likely = standing
            .map(|(number, _)| *number)
            .filter(|number| !self.identifier.catalog.nth(*number).family && lists(*number));
        let product = self.identifier.catalog.nth(likely.next().filter(|_| likely.next().is_none())?);
        read::models(&self.identifier.catalog, product, &self.record, &Known::unknown(Why::NotAsked))
            .list
            .is_known()
            .then_some(product)
    }

    /// The door beside a list of models that is open: its posture, the request that met it, and that of the list.
    fn door_beside_a_list(&self, winner: Option<&Product>, exposure: &Exposure) -> Option<(Posture, String, String)> {
        let gate = || read::gate_beside(&self.identifier.catalog, &self.record);
        let Some(product) = winner else { return gate() };
        let open = exposure
            .posture_from
            .clone()
            .filter(|_| exposure.posture.known() == Some(&Posture::Open))?;
        if let Some((door, request)) = read::door_beside(product, &self.record) {
            return Some((door, request, open));
        }
        gate().filter(|_| matches!(product.kind, Kind::Inference | Kind::Gateway))
    }

    fn exposure(&self, product: &Product, version: &Known<String>, named: &[u32]) -> Exposure {
        let seen = &self.record;
        // A product that lists no models may stand on one port with an interface that does.
        let serves = named
            .iter()
            .map(|number| self.identifier.catalog.nth(*number))
            .find(|one| !one.models.is_empty());
        let serves = serves.filter(|_| product.models.is_empty()).unwrap_or(product);
        let listed = read::models(&self.identifier.catalog, serves, seen, version);
        let (models, models_at_least) = (listed.list, listed.at_least);
        let running = read::running(product, seen);
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
            .filter(|(_, _, guards)| guards.pass(seen))
            .filter_map(|(what, look, _)| {
                let request = &look.find(seen)?.exchange.request;
                Some(Leak {
                    what: *what,
                    request: format!("{} {}", request.method, request.path),
                })
            })
            .collect();
        let tools = named
            .iter()
            .map(|number| read::tools(&self.identifier.catalog, self.identifier.catalog.nth(*number), seen))
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

    /// Whether a reply is what the server says to a path that it does not have: a framework's words, and no resemblance to a product.
    fn says_so_anywhere(&self, view: &View) -> bool {
        let absent = self.record.at(self.identifier.absent).and_then(View::reply);
        view.reply().is_some_and(|reply| {
            matches!(reply.status, 404 | 405) || absent.is_some_and(|absent| reply.status == absent.status && reply.body == absent.body)
        })
    }

    fn evidence(&self, winner: Option<&Product>) -> Vec<Evidence> {
        let mut all: Vec<Evidence> = Vec::new();
        for (number, rule, index) in &self.hits {
            let product = self.identifier.catalog.nth(*number);
            let evidence = &product.evidence[*rule as usize];
            let Some(view) = self.record.views.get(*index) else {
                continue;
            };
            if winner.is_none() && evidence.weight == EvidenceWeight::Weak && self.says_so_anywhere(view) {
                continue;
            }
            let repeated = all.iter().any(|e| e.product == product.id && e.rule == evidence.id);
            if !repeated && evidence.guards.pass(&self.record) {
                all.push(told(product, &evidence.id, evidence.weight, &evidence.why, view));
            }
        }
        // What rules a product out is shown beside what spoke for it.
        for (number, tally) in &self.tallies {
            if !tally.contradicted || tally.points() == 0 {
                continue;
            }
            let product = self.identifier.catalog.nth(*number);
            for evidence in product.evidence.iter().filter(|e| e.weight == EvidenceWeight::Contradicts) {
                if let Some(view) = evidence.look.find(&self.record)
                    && evidence.guards.pass(&self.record)
                {
                    all.push(told(product, &evidence.id, evidence.weight, &evidence.why, view));
                }
            }
        }
        let ours = |evidence: &Evidence| winner.is_some_and(|product| product.id == evidence.product);
        all.sort_by(|a, b| (!ours(a), a.weight, &a.product, &a.rule).cmp(&(!ours(b), b.weight, &b.product, &b.rule)));
        all.truncate(24);
        all
    }
}

/// A host has a capability if any of its models does; it is unknown if none does and any is unknown, or not listed.
fn host_capabilities(models: &Known<Vec<Model>>, goes_on: bool) -> Known<Vec<Capability>> {
    match models {
        Known::Unknown(unknown) => Known::Unknown(unknown.clone()),
        Known::Known(models) => {
            let mut all: Vec<Capability> = models.iter().filter_map(|m| m.capabilities.known()).flatten().cloned().collect();
            all.sort();
            all.dedup();
            let cut = goes_on.then_some(Why::NotCarried);
            match models.iter().find_map(|model| model.capabilities.why()).or(cut) {
                Some(why) if all.is_empty() => Known::unknown(why),
                _ => Known::Known(all),
            }
        }
    }
}

/// The first characters of a text, white space folded; the rest of a long page is not looked at.
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

fn told(product: &Product, rule: &str, weight: EvidenceWeight, why: &str, view: &View) -> Evidence {
    let request = &view.exchange.request;
    let seen = if why.is_empty() {
        let text = beginning(view.text(), 80);
        format!("{} {text}", view.reply().map_or(0, |reply| reply.status)).trim().to_owned()
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

/// The highest confidence of a product that one strong piece of evidence names, in front of routes that are all refused: below what
/// two such pieces give, as one in five misleads and the rest could not be seen. A judgement.
const BEHIND_A_DOOR: f64 = 0.6;

/// How sure the evidence alone makes: one minus the chance that all of it misleads. The chances (unique 1 in 100, strong 1 in 5,
/// weak 4 in 5) are judgements; what the fixtures measured caps the result.
fn certainty(tally: Tally) -> f64 {
    let misled =
        0.01_f64.powi(tally.unique.min(4) as i32) * 0.2_f64.powi(tally.strong.min(6) as i32) * 0.8_f64.powi(tally.weak.min(4) as i32);
    1.0 - misled
}

fn round(value: f64) -> f64 {
    (value * 100.0).floor() / 100.0
}
