//! Choice of the next request.

use vigie_catalog::{Forbidden, Purpose};
use vigie_model::{Effect, EffectSet, RequestLine};

use super::Session;
use super::scores::{STRONG, Score};
use crate::ask::{Ask, Target};
use crate::condition::EvaluateCondition as _;
use crate::extract;

impl Session {
    /// Chooses the next request: about the endpoint, else about its models, else the proof.
    pub(super) fn choose(&mut self) -> Option<Ask> {
        let room = self.sent < self.limits.requests;
        if room && let Some(ask) = self.pending.take() {
            return Some(ask);
        }
        if room {
            self.switch_path_if_due();
        }
        let named = self.named();
        let winner = named.first().copied();
        if room && let Some(ask) = self.endpoint_ask(&named) {
            return Some(ask);
        }
        self.next_model_ask(winner?)
    }

    /// The next request about the endpoint itself; `named` are the products that the evidence names, the most likely first.
    fn endpoint_ask(&self, named: &[u32]) -> Option<Ask> {
        let every = &[Purpose::Identify, Purpose::Read];
        let is_side = |number: &u32| self.identifier.catalog.nth(*number).is_side();
        let side = named.iter().copied().find(is_side);
        let main = named.iter().copied().find(|number| !is_side(number));
        // A side product is read by the requests of its own file, except those that have a harmful effect on the main product.
        let beside = || self.product_ask(side?, side, every).filter(|ask| self.is_harmless_to(main, ask));
        match main {
            Some(main) if !self.identifier.catalog.nth(main).last_resort => {
                // The server may be a product that emulates this one: the evidence of that product decides.
                let mut emulators = self.emulators(main).into_iter();
                emulators
                    .find_map(|emulator| self.product_ask(emulator, None, &[Purpose::Identify]))
                    .or_else(|| self.product_ask(main, Some(main), every))
                    .or_else(beside)
                    .or_else(|| self.side_product_ask(main))
                    .or_else(|| self.ask_unknown_path(main))
            }
            Some(main) => beside()
                .or_else(|| self.search())
                .or_else(|| self.product_ask(main, Some(main), every)),
            None if side.is_some() => beside().or_else(|| self.search_main()).or_else(|| self.ask_unknown_path(side?)),
            None => self.search().or_else(|| {
                // The posture of its other routes. The product is not certain enough to let its own file lower an effect.
                self.product_ask(self.named_despite_refusals()?, None, every)
            }),
        }
    }

    /// Whether a request has no harmful effect on the main product, if there is one.
    fn is_harmless_to(&self, main: Option<u32>, ask: &Ask) -> bool {
        let Some(main) = main else { return true };
        let RequestLine { method, path, body, .. } = &ask.request;
        !matches!(
            self.identifier
                .catalog
                .permit(Some(main), method, path, Some(body), EffectSet::HARMLESS),
            Err(Forbidden::Effect { .. })
        )
    }

    /// A request for tools that is also a route of the main product, which may offer tools there.
    fn side_product_ask(&self, main: u32) -> Option<Ask> {
        let kinds = (0_u32..)
            .zip(self.identifier.catalog.products())
            .filter(|(_, product)| product.is_side());
        kinds.into_iter().find_map(|(number, _)| {
            // Sent as a request of the main product: its file must have the route, with a harmless effect.
            self.product_ask(number, Some(main), &[Purpose::Identify])
        })
    }

    /// Where only tools are named: looks for a main product with strong evidence, then for one with a widespread interface.
    fn search_main(&self) -> Option<Ask> {
        let families = (0_u32..)
            .zip(self.identifier.catalog.products())
            .filter(|(_, product)| product.last_resort);
        let mut due = self
            .candidates()
            .into_iter()
            .filter(|(_, score)| score.points() >= STRONG)
            .map(|(number, _)| number);
        due.find_map(|number| self.product_ask(number, None, &[Purpose::Identify]))
            .or_else(|| {
                families
                    .into_iter()
                    .find_map(|(number, _)| self.product_ask(number, None, &[Purpose::Identify]))
            })
    }

    /// The request for the absent path, if the product was recognised before that generic probe was sent: the reply is hard to imitate.
    /// A product that has a harmful effect on any path is not asked.
    pub(super) fn ask_unknown_path(&self, number: u32) -> Option<Ask> {
        let absent = self.identifier.absent;
        if self.here.asked.contains(&absent) {
            return None;
        }
        let own = self
            .identifier
            .catalog
            .permit(Some(number), "GET", vigie_catalog::ABSENT_PATH, None, EffectSet::HARMLESS);
        if matches!(own, Err(Forbidden::Effect { .. })) {
            return None;
        }
        let opening = self
            .identifier
            .catalog
            .generic_probes()
            .iter()
            .find(|opening| opening.request.sig == absent)?;
        self.ask(&opening.request, None)
    }

    /// Looks for a product: strong candidates first, then generic probes, weak candidates, and products with this default port.
    fn search(&self) -> Option<Ask> {
        let candidates = self.candidates();
        let ask_first = |mut found: &mut dyn Iterator<Item = u32>| {
            Iterator::find_map(&mut found, |number| self.product_ask(number, None, &[Purpose::Identify]))
        };
        ask_first(
            &mut candidates
                .iter()
                .filter(|(_, score)| score.points() >= STRONG)
                .map(|(number, _)| *number),
        )
        .or_else(|| self.generic_probe())
        .or_else(|| ask_first(&mut candidates.iter().map(|(number, _)| *number)))
        .or_else(|| {
            let on_port = (0_u32..).zip(self.identifier.catalog.products()).filter(|(number, product)| {
                product.ports.contains(&self.port) && self.here.scores.get(number).is_none_or(|score| !score.contradicted)
            });
            ask_first(&mut on_port.map(|(number, _)| number))
        })
    }

    /// The products with evidence for them and none against them, the most likely first.
    fn candidates(&self) -> Vec<(u32, Score)> {
        let mut candidates: Vec<(u32, Score)> = self
            .here
            .scores
            .iter()
            .filter(|(_, score)| !score.contradicted && score.points() > 0)
            .map(|(n, t)| (*n, *t))
            .collect();
        candidates.sort_by_key(|(number, score)| {
            (
                std::cmp::Reverse(score.points()),
                !self.identifier.catalog.nth(*number).ports.contains(&self.port),
                *number,
            )
        });
        candidates
    }

    /// The next generic probe whose conditions hold.
    fn generic_probe(&self) -> Option<Ask> {
        self.identifier.catalog.generic_probes().iter().find_map(|opening| {
            let due = !self.here.asked.contains(&opening.request.sig)
                && opening.when.iter().all(|condition| condition.holds(&self.here.transcript))
                && !opening.unless.iter().any(|condition| condition.holds(&self.here.transcript));
            if due { self.ask(&opening.request, None) } else { None }
        })
    }

    /// Whether there is a further request about the endpoint at the current path prefix.
    pub(super) fn has_more(&self) -> bool {
        self.endpoint_ask(&self.named()).is_some()
    }

    /// Whether there is a further request of a recognised product.
    pub(super) fn has_own_requests(&self, number: u32) -> bool {
        self.product_ask(number, Some(number), &[Purpose::Identify, Purpose::Read])
            .is_some()
    }

    /// The next request of a product for one of these purposes.
    fn product_ask(&self, number: u32, known: Option<u32>, purposes: &[Purpose]) -> Option<Ask> {
        let product = self.identifier.catalog.nth(number);
        purposes.iter().find_map(|purpose| {
            product
                .requests
                .iter()
                .filter(|request| request.purpose == *purpose)
                .find_map(|request| {
                    let due = !self.here.asked.contains(&request.sig)
                        && request.when.iter().all(|condition| condition.holds(&self.here.transcript));
                    if due { self.ask(request, known) } else { None }
                })
        })
    }

    /// Products that emulate this one and have evidence for them.
    fn emulators(&self, number: u32) -> Vec<u32> {
        self.here
            .scores
            .iter()
            .filter(|(other, score)| {
                **other != number
                    && !score.contradicted
                    && score.points() > 0
                    && self.identifier.catalog.nth(**other).emulates.contains(&number)
            })
            .map(|(other, _)| *other)
            .collect()
    }

    /// The next request about a single model of a product, else the proof.
    fn next_model_ask(&mut self, number: u32) -> Option<Ask> {
        if self.names.as_ref().is_none_or(|(of, _)| *of != number) {
            let names = extract::model_names(self.identifier.catalog.nth(number), &self.here.transcript);
            self.names = Some((number, names));
        }
        self.listed_model_ask(number)
    }

    fn listed_model_ask(&self, number: u32) -> Option<Ask> {
        let product = self.identifier.catalog.nth(number);
        let (_, names) = self.names.as_ref()?;
        if self.here.models_asked.len() < self.limits.models
            && let Some(request) = product.requests.iter().find(|request| request.purpose == Purpose::Model)
            && request.when.iter().all(|condition| condition.holds(&self.here.transcript))
        {
            // A model is left out where the request would have a harmful effect: the server may forward it with its owner's key.
            let unasked = names.iter().filter(|name| !self.here.models_asked.contains(*name));
            if let Some((name, ask)) = unasked
                .filter_map(|name| Some((name, self.model_ask(request, number, name, EffectSet::HARMLESS)?)))
                .next()
            {
                return Some(Ask {
                    target: Target::Model(name.clone()),
                    ..ask
                });
            }
        }
        if !self.limits.prove.contains(Effect::Infer) {
            return None;
        }
        let (position, _) = product.prove.as_ref()?;
        if self.here.transcript.proof.is_some() {
            return None;
        }
        let may_load = self.limits.prove.contains(Effect::Load);
        let name = extract::model_for_proof(&self.identifier.catalog, product, &self.here.transcript, may_load)?;
        // The request itself infers; that a model is loaded for it follows from the model.
        let allowed = EffectSet::HARMLESS.with(Effect::Infer);
        let ask = self.model_ask(product.requests.get(*position)?, number, &name, allowed)?;
        (!self.here.asked.contains(&ask.sig)).then_some(Ask {
            target: Target::Proof,
            ..ask
        })
    }
}
