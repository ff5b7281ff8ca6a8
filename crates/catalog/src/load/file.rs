//! Compiles one product file.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;
use vigie_model::{EvidenceWeight, Posture};

use super::{Loader, Parsed};
use crate::catalog::product::{
    CompiledEvidence, CompiledList, CompiledPosture, CompiledTell, CompiledValue, FreshValue, Product, Request, Signature,
};
use crate::condition::{Condition, ExchangeRef, Guards, SigId, VOLATILE_HEADER, literal};
use crate::pointer::Pointer;
use crate::route_filter::{OpenRequest, RouteFilter};
use crate::rule::{ConditionRule, FreshValueRule, ListRule, ProductFile, Purpose, ValueRule};
use crate::settings::{Setting, SettingRule};
use crate::table::Reading;
use crate::table::effects::{ReadingOf, Routes};

/// Compiles one file; its rules may refer to the file's own requests and to the generic probes.
pub(super) struct FileCompiler<'l> {
    pub(super) loader: &'l mut Loader,
    pub(super) file: &'l str,
    pub(super) own: &'l [Request],
    pub(super) probe_sigs: &'l BTreeSet<SigId>,
}

impl FileCompiler<'_> {
    /// Resolves the exchange that `on` names.
    fn exchange(&mut self, on: &Spanned<String>) -> Option<ExchangeRef> {
        match on.value.as_str() {
            "landing" => return Some(ExchangeRef::Landing),
            "any" => return Some(ExchangeRef::Any),
            _ => {}
        }
        if let Some(request) = self.own.iter().find(|request| request.id == on.value) {
            return Some(ExchangeRef::Sig(request.sig));
        }
        let Some((method, path)) = on.value.split_once(' ') else {
            let known: Vec<_> = self.own.iter().map(|request| request.id.as_str()).collect();
            self.loader.report(
                self.file,
                on.defined,
                format!(
                    "unknown request {:?}; write METHOD PATH, landing, any, or the id of a request of this file ({})",
                    on.value,
                    known.join(", ")
                ),
            );
            return None;
        };
        let signature = Signature {
            method: method.to_owned(),
            path: path.to_owned(),
            body: None,
        };
        let id = self.loader.sig_ids.get(&signature).copied();
        match id {
            Some(id) if self.probe_sigs.contains(&id) || self.own.iter().any(|request| request.sig == id) => Some(ExchangeRef::Sig(id)),
            _ => {
                self.loader.report(
                    self.file,
                    on.defined,
                    format!(
                        "{:?} is never requested: it is neither a generic probe nor a request of this file",
                        on.value
                    ),
                );
                None
            }
        }
    }

    /// Compiles one condition.
    fn condition(&mut self, rule: &ConditionRule) -> Option<Condition> {
        if rule.header.iter().any(|(name, _)| name == VOLATILE_HEADER) {
            self.loader.report(
                self.file,
                rule.on.defined,
                "a rule must not test the date header: it differs in each reply",
            );
        }
        self.exchange(&rule.on).map(|exchange| Condition {
            exchange,
            rule: rule.clone(),
        })
    }

    /// Compiles conditions.
    pub(super) fn conditions(&mut self, rules: &[ConditionRule]) -> Vec<Condition> {
        rules.iter().filter_map(|rule| self.condition(rule)).collect()
    }

    fn guards(&mut self, (also, either, unless): (&[ConditionRule], &[ConditionRule], &[ConditionRule])) -> Guards {
        Guards {
            also: self.conditions(also),
            either: self.conditions(either),
            unless: self.conditions(unless),
        }
    }

    /// Compiles a list rule.
    fn list(&mut self, rule: &ListRule) -> Option<CompiledList> {
        let condition = self.condition(&rule.condition())?;
        if rule.each.is_some() && !rule.fields.contains_key("name") {
            self.loader.report(self.file, rule.on.defined, "fields must contain name");
        }
        for key in rule.fields.keys().chain(rule.always.keys()).chain(rule.map.keys()) {
            if !crate::rule::FIELDS.contains(&key.as_str()) {
                self.loader.report(
                    self.file,
                    rule.on.defined,
                    format!("unknown field {key:?}; known fields: {}", crate::rule::FIELDS.join(", ")),
                );
            }
        }
        Some(CompiledList {
            condition,
            guards: self.guards(rule.guards()),
            rule: rule.clone(),
        })
    }

    fn lists(&mut self, rules: &[ListRule]) -> Vec<CompiledList> {
        rules.iter().filter_map(|rule| self.list(rule)).collect()
    }

    /// Compiles the settings.
    fn settings(&mut self, rules: &[SettingRule]) -> Vec<Setting> {
        let mut all: Vec<Setting> = Vec::with_capacity(rules.len());
        for rule in rules {
            let at = rule.id.defined;
            if all.iter().any(|other| other.id == rule.id.value) {
                self.loader
                    .report(self.file, at, format!("the setting {:?} is declared twice", rule.id.value));
            }
            match Setting::compile(rule, &crate::FINDINGS) {
                Ok(setting) => all.push(setting),
                Err(wrong) => wrong
                    .into_iter()
                    .for_each(|message| self.loader.report(self.file, at, format!("settings: {message}"))),
            }
        }
        for rule in rules {
            for other in rule.needs.0.iter().chain(&rule.unless.0) {
                if !rules.iter().any(|rule| rule.id.value == *other) {
                    let message = format!("settings: {}: unknown setting {other:?} under needs or unless", rule.id.value);
                    self.loader.report(self.file, rule.id.defined, message);
                }
            }
        }
        all
    }

    /// Expands the settings in the remedies.
    fn remedies(&mut self, texts: &BTreeMap<String, String>, settings: &[Setting]) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (finding, text) in texts {
            match crate::settings::expand(text, settings) {
                Ok(text) => drop(all.insert(finding.clone(), text)),
                Err(message) => self.loader.report_file(self.file, format!("remedies: {finding}: {message}")),
            }
        }
        all
    }

    /// Compiles the entries of `version` or `instance`.
    fn values(&mut self, key: &str, rules: &[ValueRule]) -> Vec<CompiledValue> {
        let mut value = |rule: &ValueRule| {
            let ways = [
                rule.json.is_some(),
                rule.header.is_some(),
                rule.body.is_some(),
                rule.title.is_some(),
            ];
            if ways.iter().filter(|way| **way).count() != 1 {
                self.loader.report(
                    self.file,
                    rule.on.defined,
                    format!("an entry of {key} needs exactly one of json, header, body and title"),
                );
            }
            Some(CompiledValue {
                exchange: self.exchange(&rule.on)?,
                guards: self.guards((&rule.also, &rule.either, &rule.unless)),
                rule: rule.clone(),
            })
        };
        rules.iter().filter_map(&mut value).collect()
    }

    /// Compiles the file of product `number`; adds its evidence rules without a literal to `unindexed`.
    pub(super) fn product(&mut self, number: u32, p: &Parsed, ids: &BTreeMap<String, u32>, unindexed: &mut usize) -> Product {
        let rule = &p.rule;
        let requests = self.requests(rule);
        let evidence = self.evidence(rule, unindexed);
        let posture = rule
            .posture
            .iter()
            .filter_map(|written| {
                let condition = self.condition(&written.condition())?;
                Some(CompiledPosture {
                    posture: written.posture,
                    condition,
                    guards: self.guards(written.guards()),
                })
            })
            .collect();
        let open_at = open_requests(rule, &requests);
        let leaks = rule
            .leaks
            .iter()
            .filter_map(|written| {
                let condition = self.condition(&written.condition())?;
                Some((written.what, condition, self.guards(written.guards())))
            })
            .collect();
        let tells = rule
            .tells
            .iter()
            .filter_map(|written| {
                let condition = self.condition(&written.condition())?;
                Some(CompiledTell {
                    id: written.id.clone(),
                    weight: written.weight,
                    why: written.why.clone(),
                    condition,
                    guards: self.guards(written.guards()),
                })
            })
            .collect();
        let (made_when_asked, drawn_anew) = (self.fresh_values(&rule.made_when_asked), self.fresh_values(&rule.drawn_anew));
        let prove = self.proof(rule, &requests);
        let routes = match self.loader.built {
            Some(built) => Routes::of_build(built.routes.get(number as usize).copied().unwrap_or_default()),
            None => Routes::new(
                rule.routes
                    .iter()
                    .map(|(effect, routes)| (*effect, routes.iter().map(|r| r.value.clone()).collect()))
                    .collect(),
            ),
        };
        let settings = self.settings(&rule.settings);
        let remedies = self.remedies(&rule.remedies, &settings);
        let reading = match self.loader.built {
            Some(built) => ReadingOf::of_build(built.readings.get(number as usize).copied().unwrap_or("{}")),
            None => ReadingOf::new(Reading {
                reads: rule.reads,
                takes: rule.takes.clone(),
            }),
        };
        Product {
            id: rule.id.value.clone(),
            name: rule.name.clone(),
            kind: rule.kind,
            source: rule.source.clone(),
            ports: rule.ports.clone(),
            versions: rule.versions,
            packages: rule.packages.clone(),
            emulates: rule.emulates.iter().filter_map(|id| ids.get(&id.value).copied()).collect(),
            since: rule.since.clone(),
            neighbours: rule.neighbours.clone(),
            newest: rule.newest.clone(),
            last_resort: rule.last_resort,
            // A last resort is never a product of its own.
            family: rule.family || rule.last_resort,
            open_at,
            by_option: (!rule.by_option.is_empty())
                .then(|| RouteFilter::parse(rule.by_option.iter().map(|word| word.value.as_str())).ok())
                .flatten(),
            routes,
            reading,
            requests,
            guarded: evidence
                .iter()
                .any(|e: &CompiledEvidence| e.weight == EvidenceWeight::Contradicts || !e.guards.is_empty()),
            contradicts: (0..evidence.len())
                .filter(|at| evidence[*at].weight == EvidenceWeight::Contradicts)
                .collect(),
            evidence,
            version: self.values("version", &rule.version),
            hidden: rule.hidden.clone(),
            version_never: rule.version_never,
            instance: self.values("instance", &rule.instance),
            posture,
            models: self.lists(&rule.models),
            details: rule.details.as_ref().and_then(|list| self.list(list)),
            running: self.lists(&rule.running),
            tools: self.lists(&rule.tools),
            leaks,
            tells,
            stack: rule.stack.clone(),
            server: rule.server.clone(),
            unknown_path: self.conditions(&rule.unknown_path),
            made_when_asked,
            drawn_anew,
            prove,
            runs: rule.runs.clone(),
            settings,
            remedies,
            shodan: rule.discover.shodan.iter().map(|query| query.value.clone()).collect(),
            censys: rule.discover.censys.iter().map(|query| query.value.clone()).collect(),
        }
    }

    /// The requests of the file with their conditions.
    fn requests(&mut self, rule: &ProductFile) -> Vec<Request> {
        let mut requests = self.own.to_vec();
        for (request, written) in requests.iter_mut().zip(&rule.requests) {
            request.when = self.conditions(&written.when);
            if let Some(session) = &written.session
                && !rule.requests.iter().any(|other| other.id.value == *session)
            {
                self.loader
                    .report(self.file, written.send.defined, format!("session: unknown request {session:?}"));
            }
        }
        requests
    }

    /// The evidence rules of the file.
    fn evidence(&mut self, rule: &ProductFile, unindexed: &mut usize) -> Vec<CompiledEvidence> {
        let mut evidence = Vec::new();
        for written in &rule.identify {
            let own = written.condition();
            let Some(condition) = self.condition(&own) else {
                continue;
            };
            let guards = self.guards(written.guards());
            let literal = literal(&own);
            if written.evidence != EvidenceWeight::Contradicts {
                *unindexed += usize::from(literal.is_none());
                if literal.is_none() && written.evidence == EvidenceWeight::Unique {
                    self.loader.report(
                        self.file,
                        written.id.defined,
                        "unique evidence needs a literal of at least 4 characters (in body, title, header, location, or json)",
                    );
                }
            }
            evidence.push(CompiledEvidence {
                id: written.id.value.clone(),
                weight: written.evidence,
                why: written.why.clone(),
                alone: written.alone,
                condition,
                guards,
                literal,
            });
        }
        evidence
    }

    /// The values that the product generates for each reply.
    fn fresh_values(&mut self, rules: &[FreshValueRule]) -> Vec<FreshValue> {
        let compiled = rules.iter().filter_map(|written| {
            Some(FreshValue {
                condition: self.condition(&written.condition())?,
                guards: self.guards(written.guards()),
                at: written.at.clone(),
            })
        });
        compiled.collect()
    }

    /// The proof of inference: the position of its request, and where the answer is.
    fn proof(&mut self, rule: &ProductFile, requests: &[Request]) -> Option<(usize, Pointer)> {
        let written = rule.prove.as_ref()?;
        let found = requests
            .iter()
            .position(|request| request.id == written.request.value && request.purpose == Purpose::Prove);
        if found.is_none() {
            self.loader.report(
                self.file,
                written.request.defined,
                format!("{:?} is not a request with for: prove", written.request.value),
            );
        }
        found.map(|position| (position, written.answer.clone()))
    }
}

/// The requests of the open posture rules, with the routes that are open if they are answered.
fn open_requests(rule: &ProductFile, requests: &[Request]) -> Vec<OpenRequest> {
    let open = rule
        .posture
        .iter()
        .filter(|written| written.posture == Posture::Open)
        .filter_map(|written| {
            let of_id = requests.iter().find(|request| request.id == written.on.value);
            let (method, path) = of_id
                .map(|request| (request.method.as_str(), request.path.as_str()))
                .or_else(|| written.on.value.split_once(' '))?;
            // The check of the file reports errors.
            let routes = written
                .beside
                .as_ref()
                .and_then(|words| RouteFilter::parse(words.iter().map(|word| word.value.as_str())).ok());
            Some(OpenRequest {
                method: method.to_owned(),
                path: path.to_owned(),
                routes,
            })
        });
    open.collect()
}
