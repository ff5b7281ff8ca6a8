//! Checks that no rule requests anything harmful.

use std::collections::BTreeSet;

use serde_json::Value;
use vigie_model::{Effect, Posture};

use super::{Loader, Parsed};
use crate::catalog::Catalog;
use crate::catalog::product::{GenericProbe, Product};
use crate::route::condition::Asked;
use crate::rule::{GenericProbesFile, Purpose};
use crate::table::effects::EffectTable;

impl Loader {
    /// Checks that no request has a harmful effect. Until the product is known, a request has the worst effect of all files, afterwards
    /// that of the product's own file.
    pub(super) fn check_effects(
        &mut self,
        parsed: &[Parsed],
        products: &[Product],
        probes: &[GenericProbe],
        probes_file: &GenericProbesFile,
        effects: &EffectTable,
        floor: Option<&Catalog>,
    ) {
        let worst = |request: &Asked<'_>| effects.worst(request).max(floor.and_then(|floor| floor.effects.worst(request)));
        for (number, (p, product)) in (0_u32..).zip(parsed.iter().zip(products)) {
            for (rule, request) in p.rule.requests.iter().zip(&product.requests) {
                if request.session.is_some() {
                    // The server chooses its path; the transport checks that one.
                    continue;
                }
                let asked = Asked {
                    method: &request.method,
                    path: &request.path,
                    body: rule.body.as_ref().into(),
                };
                let own = effects.of_product(number, &asked);
                let Some(own) = own else {
                    self.report(
                        &p.file,
                        rule.send.defined,
                        format!(
                            "{:?} fits no route of this file, so its effect is unknown; add it under routes",
                            rule.send.value
                        ),
                    );
                    continue;
                };
                // A rule pack must not lower the effect that the embedded catalogue gives the product's request.
                let floored = floor.and_then(|floor| {
                    let known = floor.by_id.get(&p.rule.id.value);
                    match known {
                        Some(known) => floor.effects.of_product(*known, &asked),
                        None => floor.effects.worst(&asked),
                    }
                });
                let effect = match request.purpose {
                    Purpose::Identify => worst(&asked).unwrap_or(own),
                    _ => own.max(floored.unwrap_or(own)),
                };
                let allowed = match request.purpose {
                    Purpose::Prove => effect == Effect::Infer,
                    _ => effect.is_harmless(),
                };
                if !allowed {
                    let whose: BTreeSet<String> = effects
                        .blame(&asked)
                        .filter(|(_, e)| *e == effect)
                        .filter_map(|(n, _)| products.get(usize::try_from(n).ok()?).map(|p| p.id.clone()))
                        .collect();
                    let whose = whose.into_iter().collect::<Vec<_>>().join(", ");
                    self.report(
                        &p.file,
                        rule.send.defined,
                        match request.purpose {
                            Purpose::Prove => format!("{:?} has the effect {effect}; a proof must have the effect infer", rule.send.value),
                            Purpose::Identify => format!("{:?} has the effect {effect} ({whose}): until the product is known, a request has the worst effect of all files; write for: read", rule.send.value),
                            _ => format!("{:?} has the effect {effect}; a scan sends only identify and enumerate", rule.send.value),
                        },
                    );
                }
            }
            self.check_open_postures(number, p, product, effects);
        }
        for (probe, rule) in probes.iter().zip(&probes_file.generic_probes) {
            let request = &probe.request;
            let body: Option<Value> = request.body.as_ref().and_then(|text| serde_json::from_str(text).ok());
            if request.session.is_some() {
                continue;
            }
            let asked = Asked {
                method: &request.method,
                path: &request.path,
                body: body.as_ref().into(),
            };
            match worst(&asked) {
                Some(effect) if effect.is_harmless() => {}
                Some(effect) => self.report(
                    "openings.yaml",
                    rule.send.defined,
                    format!("{:?} has the effect {effect} in the file of some product", rule.send.value),
                ),
                None => self.report(
                    "openings.yaml",
                    rule.send.defined,
                    format!("{:?} fits no route; add it under routes", rule.send.value),
                ),
            }
        }
    }

    /// Checks that an open posture refers to an enumerate request.
    fn check_open_postures(&mut self, number: u32, p: &Parsed, product: &Product, effects: &EffectTable) {
        for rule in &p.rule.posture {
            if rule.posture == Posture::Open {
                let request = product
                    .requests
                    .iter()
                    .find(|r| r.id == rule.on.value)
                    .map(|r| (r.method.clone(), r.path.clone(), r.body.clone()));
                let (method, path, body) = match request {
                    Some(found) => found,
                    None => match rule.on.value.split_once(' ') {
                        Some((method, path)) => (method.to_owned(), path.to_owned(), None),
                        None => {
                            self.report(
                                &p.file,
                                rule.on.defined,
                                "posture open needs one enumerate request under on, not \"any\" or \"landing\"",
                            );
                            continue;
                        }
                    },
                };
                let body: Option<Value> = body.and_then(|text| serde_json::from_str(&text).ok());
                let effect = effects.of_product(
                    number,
                    &Asked {
                        method: &method,
                        path: &path,
                        body: body.as_ref().into(),
                    },
                );
                let on_session = product.requests.iter().any(|r| r.id == rule.on.value && r.session.is_some());
                if effect != Some(Effect::Enumerate) && !on_session {
                    self.report(
                        &p.file,
                        rule.on.defined,
                        format!(
                            "posture open refers to {:?}, which is {}; it needs an enumerate route",
                            rule.on.value,
                            effect.map_or("no route of this file", Effect::word)
                        ),
                    );
                }
            }
        }
    }
}
