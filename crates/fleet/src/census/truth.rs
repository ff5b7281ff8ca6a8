//! The figures that a study must find, counted from the plan, visit by visit, without SQL and without the lake.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::host::{CensusHost, HostState, Prompt};
use super::marginals::DAYS;
use super::observe::prompt_hash;

/// An expected figure of a question.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planted {
    /// The question's id.
    pub question: &'static str,
    /// The columns that select its row, with their values; empty: the only row.
    pub row: Map<String, Value>,
    /// The column, or the question's own `denominator` or `unknown`.
    pub field: String,
    /// The expected value.
    pub value: Value,
}

/// The figures computed so far.
struct FigureList<'a> {
    hosts: &'a [CensusHost],
    figures: Vec<Planted>,
}

/// The number of hosts with a property, and of those for which it is known and unknown.
#[derive(Clone, Copy, Debug, Default)]
struct HostCount {
    yes: usize,
    known: usize,
    unknown: usize,
}

impl HostCount {
    fn add(&mut self, answer: Option<bool>) {
        match answer {
            Some(yes) => {
                self.known += 1;
                self.yes += usize::from(yes);
            }
            None => self.unknown += 1,
        }
    }

    fn of(hosts: &[CensusHost], holds: impl Fn(&CensusHost) -> Option<bool>) -> Self {
        let mut tally = Self::default();
        for host in hosts {
            tally.add(holds(host));
        }
        tally
    }
}

/// All expected figures.
pub(super) fn figures(hosts: &[CensusHost]) -> Vec<Planted> {
    let mut sheet = FigureList {
        hosts,
        figures: Vec::new(),
    };
    sheet.totals();
    sheet.buckets();
    sheet.core();
    sheet.time();
    sheet.places();
    sheet.products();
    sheet.inventories();
    sheet.families();
    sheet.capabilities();
    sheet.access();
    sheet.prompts();
    sheet.doubts();
    sheet.figures
}

fn ratio(part: usize, whole: usize) -> Value {
    if whole == 0 {
        Value::Null
    } else {
        json!(part as f64 / whole as f64)
    }
}

fn row<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The last list of models of a host, if it lists them.
fn models(host: &CensusHost) -> Option<&[super::host::PlantedModel]> {
    host.last_state().models.as_deref()
}

/// Whether a host has a capability: true if any model has it; unknown if none has and one may.
fn can(host: &CensusHost, word: &str) -> Option<bool> {
    let models = models(host)?;
    let mut doubt = false;
    for model in models {
        match &model.capabilities {
            Some(words) if words.contains(&word) => return Some(true),
            Some(_) if word == "thinking" && model.thinking_untold => doubt = true,
            Some(_) => {}
            None => doubt = true,
        }
    }
    if doubt { None } else { Some(false) }
}

fn any_model(host: &CensusHost, holds: impl Fn(&super::host::PlantedModel) -> bool) -> Option<bool> {
    models(host).map(|models| models.iter().any(holds))
}

impl FigureList<'_> {
    fn put(&mut self, question: &'static str, row: Map<String, Value>, field: &str, value: Value) {
        self.figures.push(Planted {
            question,
            row,
            field: field.to_owned(),
            value,
        });
    }

    /// Adds the figures of a row with a share of the hosts for which it is known.
    fn share(&mut self, question: &'static str, row: Map<String, Value>, tally: HostCount) {
        self.put(question, row.clone(), "hosts", json!(tally.yes));
        self.put(question, row.clone(), "known", json!(tally.known));
        self.put(question, row.clone(), "unknown", json!(tally.unknown));
        self.put(question, row, "share", ratio(tally.yes, tally.known));
    }

    fn observations(&self) -> usize {
        self.hosts.iter().map(|host| host.days.len()).sum()
    }

    fn totals(&mut self) {
        let hosts = self.hosts;
        let endpoints = hosts.len() + hosts.iter().filter(|host| host.second).count();
        let countries: BTreeSet<_> = hosts.iter().filter_map(|host| host.country).collect();
        let systems: BTreeSet<_> = hosts.iter().filter(|host| host.country.is_some()).map(|host| host.asn).collect();
        let days: BTreeSet<_> = hosts.iter().flat_map(|host| host.days.iter()).collect();
        for (field, value) in [
            ("observations", self.observations()),
            ("hosts", hosts.len()),
            ("endpoints", endpoints),
            ("countries", countries.len()),
            ("networks", systems.len()),
            ("days", days.len()),
        ] {
            self.put("totals", Map::new(), field, json!(value));
        }
        self.put("totals", Map::new(), "denominator", json!(hosts.len()));
    }

    fn buckets(&mut self) {
        let all = self.observations();
        for (name, least, most) in [("1", 1, 1), ("2-10", 2, 10), ("11-100", 11, 100), (">100", 101, usize::MAX)] {
            let members: Vec<usize> = self
                .hosts
                .iter()
                .map(|host| host.days.len())
                .filter(|n| (least..=most).contains(n))
                .collect();
            let seen: usize = members.iter().sum();
            let row = row([("bucket", json!(name))]);
            self.put("observation-buckets", row.clone(), "hosts", json!(members.len()));
            self.put("observation-buckets", row.clone(), "share", ratio(members.len(), self.hosts.len()));
            self.put("observation-buckets", row.clone(), "observations", json!(seen));
            self.put("observation-buckets", row, "observations_share", ratio(seen, all));
        }
    }

    fn core(&mut self) {
        let all = self.observations();
        let window = usize::from(self.window());
        for (definition, is_core) in [
            (
                "observations",
                (|host: &CensusHost, _| host.days.len() > 100) as fn(&CensusHost, usize) -> bool,
            ),
            ("days", |host, _| host.days.len() > 100),
            ("share-of-window", |host, window| 2 * host.days.len() >= window),
        ] {
            let members: Vec<&CensusHost> = self.hosts.iter().filter(|host| is_core(host, window)).collect();
            let seen: usize = members.iter().map(|host| host.days.len()).sum();
            let row = row([("definition", json!(definition))]);
            let count = members.len();
            self.put("persistent-core", row.clone(), "hosts", json!(count));
            self.put("persistent-core", row.clone(), "share", ratio(count, self.hosts.len()));
            self.put("persistent-core", row.clone(), "observations", json!(seen));
            self.put("persistent-core", row, "observations_share", ratio(seen, all));
        }
    }

    /// The number of days from the first to the last on which anything was seen.
    fn window(&self) -> u16 {
        let days = || self.hosts.iter().flat_map(|host| host.days.iter().copied());
        match (days().min(), days().max()) {
            (Some(first), Some(last)) => last - first + 1,
            _ => 0,
        }
    }

    /// Gaps, churn and survival.
    fn time(&mut self) {
        let last_day = self.hosts.iter().filter_map(|host| host.days.last().copied()).max().unwrap_or(DAYS);
        let first_day = self.hosts.iter().filter_map(|host| host.days.first().copied()).min().unwrap_or(0);
        let mut gaps: BTreeMap<&str, usize> = BTreeMap::new();
        let mut total = 0;
        for host in self.hosts {
            for pair in host.days.windows(2) {
                let bucket = match pair[1] - pair[0] {
                    1 => "1",
                    2..=3 => "2-3",
                    4..=7 => "4-7",
                    8..=30 => "8-30",
                    _ => ">30",
                };
                *gaps.entry(bucket).or_default() += 1;
                total += 1;
            }
        }
        self.put("gaps", Map::new(), "denominator", json!(total));
        for (bucket, count) in gaps {
            self.put("gaps", row([("days", json!(bucket))]), "gaps", json!(count));
            self.put("gaps", row([("days", json!(bucket))]), "share", ratio(count, total));
        }

        // Weeks from the first day of the window; the last may be shorter.
        let weeks = usize::from((last_day - first_day) / 7) + 1;
        let mut present: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); weeks];
        for (at, host) in self.hosts.iter().enumerate() {
            for day in &host.days {
                present[usize::from((day - first_day) / 7)].insert(at);
            }
        }
        let mut before: BTreeSet<usize> = BTreeSet::new();
        for week in 0..weeks {
            let now = &present[week];
            let row = row([("week", json!(week))]);
            self.put("churn", row.clone(), "hosts", json!(now.len()));
            self.put("churn", row.clone(), "new", json!(now.difference(&before).count()));
            if week > 0 {
                let last = &present[week - 1];
                self.put("churn", row.clone(), "stayed", json!(now.intersection(last).count()));
                self.put("churn", row.clone(), "left", json!(last.difference(now).count()));
                self.put("churn", row, "share", ratio(now.intersection(last).count(), last.len()));
            }
            before.extend(now);
        }

        // Kaplan-Meier estimate: a host seen in the last 14 days is not gone yet.
        for after in [1_u16, 7, 30, 90, 180] {
            let mut survival = 1.0;
            for day in 0..after {
                let lived = |host: &CensusHost| host.days[host.days.len() - 1] - host.days[0];
                let at_risk = self.hosts.iter().filter(|host| lived(host) >= day).count();
                let gone = self
                    .hosts
                    .iter()
                    .filter(|host| lived(host) == day && host.days[host.days.len() - 1] + 14 <= last_day)
                    .count();
                if at_risk > 0 {
                    survival *= 1.0 - gone as f64 / at_risk as f64;
                }
            }
            self.put("survival", row([("days", json!(after))]), "share", json!(survival));
        }
    }

    fn places(&mut self) {
        let hosts = self.hosts;
        let countries: BTreeSet<_> = hosts.iter().filter_map(|host| host.country).collect();
        for country in countries {
            let tally = HostCount::of(hosts, |host| host.country.map(|here| here == country));
            self.share("countries", row([("country", json!(country))]), tally);
        }
        for (view, of) in [
            ("as-type", (|host| host.class) as fn(&CensusHost) -> &'static str),
            ("tier", |host| host.tier),
        ] {
            let classes: BTreeSet<_> = hosts.iter().map(of).collect();
            for class in classes {
                let tally = HostCount::of(hosts, |host| host.country.map(|_| of(host) == class));
                self.share("networks", row([("view", json!(view)), ("class", json!(class))]), tally);
            }
        }
        let mut by: BTreeMap<&str, f64> = BTreeMap::new();
        let placed = hosts.iter().filter(|host| host.country.is_some()).count() as f64;
        for host in hosts {
            if let Some(country) = host.country {
                *by.entry(country).or_default() += 1.0;
            }
        }
        let hhi: f64 = by.values().map(|count| (count / placed).powi(2)).sum();
        self.put("concentration", row([("dimension", json!("country"))]), "hhi", json!(hhi));
        self.put(
            "concentration",
            row([("dimension", json!("country"))]),
            "categories",
            json!(by.len()),
        );
    }

    fn products(&mut self) {
        let hosts = self.hosts;
        // A second endpoint may never be visited.
        let second = |host: &CensusHost| (0..host.days.len()).any(|visit| host.is_second(visit));
        let first = |host: &CensusHost| host.product_at(host.days.len() - 1);
        for (product, count) in [
            ("ollama", HostCount::of(hosts, |host| Some(first(host) == "ollama"))),
            (
                "openai-compatible",
                HostCount::of(hosts, |host| Some(first(host) == "openai-compatible")),
            ),
            ("open-webui", HostCount::of(hosts, |host| Some(second(host)))),
        ] {
            self.put("products", row([("product", json!(product))]), "hosts", json!(count.yes));
            self.put(
                "products",
                row([("product", json!(product))]),
                "share",
                ratio(count.yes, hosts.len()),
            );
        }
        let upgraded = hosts
            .iter()
            .filter(|host| host.states.len() > 1 && host.states[0].version != host.states[1].version)
            .count();
        self.put("upgrades", row([("change", json!("upgraded"))]), "endpoints", json!(upgraded));
    }

    fn inventories(&mut self) {
        let hosts = self.hosts;
        for (activity, dormant) in [("active", false), ("dormant", true)] {
            let tally = HostCount::of(hosts, |host| models(host).map(|models| models.is_empty() == dormant));
            self.share("activity", row([("activity", json!(activity))]), tally);
        }
        for (name, least, most) in [
            ("0", 0, 0),
            ("1", 1, 1),
            ("2-3", 2, 3),
            ("4-9", 4, 9),
            ("10-19", 10, 19),
            (">=20", 20, usize::MAX),
        ] {
            let tally = HostCount::of(hosts, |host| models(host).map(|models| (least..=most).contains(&models.len())));
            self.share("models-per-host", row([("models", json!(name))]), tally);
        }
        for (bucket, texts) in [
            ("<1B", &["494.03M", "137M"] as &[&str]),
            ("1-3B", &["1.5B", "3.2B"]),
            ("4-7B", &["4.3B", "7.6B"]),
            ("8-14B", &["8.0B", "14.8B"]),
            ("15-35B", &["27.2B", "32.8B"]),
            ("36-79B", &["70.6B", "72.7B"]),
            (">=80B", &["671.0B"]),
        ] {
            let tally = HostCount::of(hosts, |host| any_model(host, |model| texts.contains(&model.parameters)));
            self.share("parameters", row([("parameters", json!(bucket))]), tally);
        }
        let words: BTreeSet<&str> = hosts.iter().filter_map(models).flatten().map(|model| model.quantisation).collect();
        let copies: usize = hosts.iter().filter_map(models).map(<[_]>::len).sum();
        for word in words {
            let tally = HostCount::of(hosts, |host| any_model(host, |model| model.quantisation == word));
            let row = row([("view", json!("quantisation")), ("quantisation", json!(word))]);
            self.share("quantisation", row.clone(), tally);
            let here = hosts
                .iter()
                .filter_map(models)
                .flatten()
                .filter(|model| model.quantisation == word)
                .count();
            self.put("quantisation", row.clone(), "models", json!(here));
            self.put("quantisation", row, "models_share", ratio(here, copies));
        }
        for (bits, words) in [
            ("4-bit", &["Q4_K_M", "Q4_K_S", "Q4_0"] as &[&str]),
            ("16-bit", &["F16", "BF16"]),
            ("8-bit", &["Q8_0"]),
        ] {
            let here = hosts
                .iter()
                .filter_map(models)
                .flatten()
                .filter(|model| words.contains(&model.quantisation))
                .count();
            let row = row([("view", json!("bits")), ("quantisation", json!(bits))]);
            self.put("quantisation", row.clone(), "models", json!(here));
            self.put("quantisation", row, "models_share", ratio(here, copies));
        }
        let tally = HostCount::of(hosts, |host| any_model(host, |model| model.remote));
        self.share("remote-models", row([("what", json!("any"))]), tally);
        let tally = HostCount::of(hosts, |host| models(host).map(|models| host.serving > 0 && !models.is_empty()));
        self.share("running", row([("what", json!("any"))]), tally);
    }

    fn families(&mut self) {
        let hosts = self.hosts;
        let words: BTreeSet<&str> = hosts.iter().filter_map(models).flatten().map(|model| model.family).collect();
        // Visits that list the models.
        let told = |host: &CensusHost, visit: usize| -> bool {
            !host.is_listing(visit) && !host.is_second(visit) && host.state_at(visit).models.is_some()
        };
        let visits: usize = hosts
            .iter()
            .map(|host| (0..host.days.len()).filter(|visit| told(host, *visit)).count())
            .sum();
        for word in words {
            let tally = HostCount::of(hosts, |host| any_model(host, |model| model.family == word));
            let row = row([("family", json!(word))]);
            self.share("families", row.clone(), tally);
            let has = |state: &HostState| state.models.iter().flatten().any(|model| model.family == word);
            let seen: usize = hosts
                .iter()
                .map(|host| {
                    (0..host.days.len())
                        .filter(|visit| told(host, *visit) && has(host.state_at(*visit)))
                        .count()
                })
                .sum();
            // A host is seen once a day, so its host-days are its visits.
            self.put("families", row.clone(), "observations", json!(seen));
            self.put("families", row.clone(), "observations_share", ratio(seen, visits));
            self.put("families", row.clone(), "host_days", json!(seen));
            self.put("families", row, "host_days_share", ratio(seen, visits));
        }
        let several =
            |host: &CensusHost| -> Option<BTreeSet<&str>> { models(host).map(|models| models.iter().map(|model| model.family).collect()) };
        let multi = hosts.iter().filter_map(several).filter(|set| set.len() > 1).count();
        let both = hosts
            .iter()
            .filter_map(several)
            .filter(|set| set.contains("llama") && set.contains("qwen2"))
            .count();
        let row = row([("family", json!("llama")), ("other", json!("qwen2"))]);
        self.put("family-pairs", row.clone(), "hosts", json!(both));
        self.put("family-pairs", row, "share", ratio(both, multi));
    }

    fn capabilities(&mut self) {
        let hosts = self.hosts;
        for word in ["completion", "tools", "vision", "thinking", "embedding"] {
            self.share(
                "capabilities",
                row([("capability", json!(word))]),
                HostCount::of(hosts, |host| can(host, word)),
            );
        }
        let set = |host: &CensusHost| -> Option<String> {
            let mut has = Vec::new();
            for word in ["completion", "embedding", "thinking", "tools", "vision"] {
                if can(host, word)? {
                    has.push(word);
                }
            }
            Some(has.join("+"))
        };
        let sets: Vec<Option<String>> = hosts.iter().map(set).collect();
        let known = sets.iter().flatten().count();
        let names: BTreeSet<&String> = sets.iter().flatten().collect();
        for name in names {
            let here = sets.iter().flatten().filter(|set| *set == name).count();
            let tally = HostCount {
                yes: here,
                known,
                unknown: hosts.len() - known,
            };
            let label = if name.is_empty() { "none" } else { name };
            self.share("capability-sets", row([("capabilities", json!(label))]), tally);
        }
        let tally = HostCount::of(hosts, |host| match (can(host, "completion"), can(host, "embedding")) {
            (Some(true), Some(true)) => Some(true),
            (Some(false), _) | (_, Some(false)) => Some(false),
            _ => None,
        });
        self.share("retrieval", row([("what", json!("chat beside embeddings"))]), tally);
    }

    fn access(&mut self) {
        let hosts = self.hosts;
        // The posture of the first endpoint; a second endpoint requires a login.
        let postures = |host: &CensusHost| -> BTreeSet<&'static str> {
            let mut set = BTreeSet::new();
            for visit in 0..host.days.len() {
                if host.is_listing(visit) {
                    continue;
                }
                set.extend(if host.is_second(visit) { Some("login") } else { host.posture });
            }
            set
        };
        for word in ["open", "key", "login", "forbidden"] {
            let tally = HostCount::of(hosts, |host| {
                let set = postures(host);
                (!set.is_empty()).then(|| set.contains(word))
            });
            self.share("posture", row([("posture", json!(word))]), tally);
        }
        let open = |host: &CensusHost| {
            let set = postures(host);
            (!set.is_empty()).then(|| set.contains("open"))
        };
        let both = |a: Option<bool>, b: Option<bool>| match (a, b) {
            (Some(true), Some(true)) => Some(true),
            (Some(false), _) | (_, Some(false)) => Some(false),
            _ => None,
        };
        self.share(
            "open-tools",
            row([("what", json!("open, with tools"))]),
            HostCount::of(hosts, |host| both(open(host), can(host, "tools"))),
        );
        let home = |host: &CensusHost| host.country.map(|_| host.tier == "telecom-residential");
        self.share(
            "residential-open",
            row([("what", json!("open"))]),
            HostCount::of(hosts, |host| both(home(host), open(host))),
        );
        self.share(
            "residential-open",
            row([("what", json!("open, with tools"))]),
            HostCount::of(hosts, |host| both(home(host), both(open(host), can(host, "tools")))),
        );
    }

    fn prompts(&mut self) {
        let hosts = self.hosts;
        self.share(
            "uncensored",
            row([("signal", json!("name"))]),
            HostCount::of(hosts, |host| any_model(host, |model| model.uncensored_by_name)),
        );
        // Of the hosts that show a prompt; an empty one does not count.
        let shows = |host: &CensusHost| any_model(host, |model| model.prompt.is_some_and(|prompt| prompt != Prompt::Empty)) == Some(true);
        let tally = HostCount::of(hosts, |host| shows(host).then(|| host.shows_uncensored_prompt()));
        self.share("uncensored", row([("signal", json!("prompt"))]), tally);
        let mut by_hash: BTreeMap<String, usize> = BTreeMap::new();
        for host in hosts {
            let prompts: BTreeSet<String> = models(host)
                .unwrap_or_default()
                .iter()
                .filter_map(|model| model.prompt)
                .filter(|prompt| *prompt != Prompt::Empty)
                .map(prompt_hash)
                .collect();
            for hash in prompts {
                *by_hash.entry(hash).or_default() += 1;
            }
        }
        for (hash, count) in by_hash.into_iter().filter(|(_, count)| *count >= 5) {
            self.put("standard-prompts", row([("prompt", json!(hash))]), "hosts", json!(count));
        }
    }

    fn doubts(&mut self) {
        let hosts = self.hosts;
        let scanned = |host: &CensusHost| (0..host.days.len()).any(|visit| !host.is_listing(visit));
        let tally = HostCount::of(hosts, |host| scanned(host).then_some(host.suspect));
        self.share("deception", row([("what", json!("suspect"))]), tally);
        let machines = hosts.len() - hosts.iter().filter(|host| host.moved).count();
        self.put("identity", row([("counted", json!("identities"))]), "count", json!(machines));
        // Listed, then scanned again at the same endpoint.
        let mut counts = [0_usize; 3];
        for host in hosts {
            if !(0..host.days.len()).any(|visit| host.is_listing(visit)) {
                continue;
            }
            let again = (0..host.days.len()).any(|visit| !host.is_listing(visit) && !host.is_second(visit));
            let refuted = host.listed == Some(true);
            counts[match (again, refuted) {
                (false, _) => 2,
                (true, false) => 0,
                (true, true) => 1,
            }] += 1;
        }
        let [confirmed, refuted, unchecked] = counts;
        let row = row([("source", json!("shodan")), ("product", json!("ollama"))]);
        for (field, value) in [("confirmed", confirmed), ("refuted", refuted), ("unknown", unchecked)] {
            self.put("confirmation", row.clone(), field, json!(value));
        }
        self.put("confirmation", row, "share", ratio(confirmed, confirmed + refuted));
    }
}
