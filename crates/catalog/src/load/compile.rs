//! Compiles the parsed files.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use super::file::FileCompiler;
use super::{Loader, Parsed};
use crate::catalog::Catalog;
use crate::catalog::permit_cache::PermitCache;
use crate::catalog::product::{GenericProbe, Request, Signature};
use crate::classifiers::TextClassifiers;
use crate::condition::SigId;
use crate::rule::GenericProbesFile;
use crate::table::effects::EffectTable;

/// Most evidence rules without a literal in a catalogue: they are evaluated on every reply.
const MAX_UNINDEXED: usize = 64;

impl Loader {
    /// Checks and compiles the parsed files.
    pub(super) fn compile(
        &mut self,
        hash: impl FnOnce() -> String,
        probes_file: GenericProbesFile,
        classifiers: TextClassifiers,
        parsed: Vec<Parsed>,
        floor: Option<&Catalog>,
    ) -> Option<Catalog> {
        let ids: BTreeMap<String, u32> = parsed.iter().zip(0..).map(|(p, index)| (p.rule.id.value.clone(), index)).collect();
        self.check_files(&parsed, &ids);

        // Effects first: whether a request may be sent depends on every file.
        let mut effects = self.built.map(|built| EffectTable::of_build(built.shelves)).unwrap_or_default();
        for (index, p) in (0_u32..).zip(&parsed) {
            for (effect, routes) in &p.rule.routes {
                for route in routes {
                    effects.add(index, &route.value, *effect);
                }
            }
        }
        for (effect, routes) in &probes_file.routes {
            for route in routes {
                effects.add(u32::MAX, &route.value, *effect);
            }
        }

        let mut requests: Vec<Vec<Request>> = Vec::new();
        for p in &parsed {
            let compiled = p.rule.requests.iter().filter_map(|rule| self.request(&p.file, rule)).collect();
            requests.push(compiled);
        }
        let mut probe_requests: Vec<(Request, usize)> = Vec::new();
        for (position, rule) in probes_file.generic_probes.iter().enumerate() {
            match self.probe_request(&rule.send, &parsed, &ids, &requests) {
                Ok(request) => probe_requests.push((request, position)),
                Err(message) => self.report("openings.yaml", rule.send.defined, message),
            }
        }
        let probe_sigs: BTreeSet<SigId> = probe_requests.iter().map(|(request, _)| request.sig).collect();

        let mut unindexed = 0;
        let mut products = Vec::new();
        for (number, (p, own)) in (0_u32..).zip(parsed.iter().zip(&requests)) {
            let mut compiler = FileCompiler {
                loader: self,
                file: &p.file,
                own,
                probe_sigs: &probe_sigs,
            };
            let product = compiler.product(number, p, &ids, &mut unindexed);
            products.push(product);
        }
        if unindexed > MAX_UNINDEXED {
            self.report_file(
                "products",
                format!(
                    "{unindexed} evidence rules contain no literal of 4 characters; at most {MAX_UNINDEXED} are allowed in a catalogue"
                ),
            );
        }

        let mut generic_probes = Vec::new();
        for (request, position) in probe_requests {
            let rule = &probes_file.generic_probes[position];
            let mut compiler = FileCompiler {
                loader: self,
                file: "openings.yaml",
                own: &[],
                probe_sigs: &probe_sigs,
            };
            let when = compiler.conditions(&rule.when);
            let unless = compiler.conditions(&rule.unless);
            generic_probes.push(GenericProbe { request, when, unless });
        }

        self.check_effects(&parsed, &products, &generic_probes, &probes_file, &effects, floor);

        let hash = hash();
        let signatures = std::mem::take(&mut self.signatures);
        let sig_ids = std::mem::take(&mut self.sig_ids);
        if ["/", crate::ABSENT_PATH]
            .iter()
            .any(|path| !sig_ids.contains_key(&Signature::get(path)))
        {
            self.report_file(
                "openings.yaml",
                format!("openings must contain GET / and GET {}", crate::ABSENT_PATH),
            );
            return None;
        }
        Some(Catalog {
            products,
            by_id: ids,
            signatures,
            sig_ids,
            generic_probes,
            effects,
            harmful: OnceLock::new(),
            floor: floor.map(|floor| Arc::new((floor.effects.clone(), floor.by_id.clone()))),
            permit_cache: PermitCache::default(),
            classifiers,
            hash,
            date: probes_file.date,
        })
    }
}
