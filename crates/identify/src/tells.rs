//! Signs that an endpoint is not what it seems.
//!
//! A sign is a contradiction in what the endpoint itself says, or something that the product never says. What a reverse proxy, a router
//! in front of several servers or an owner's settings can bring about is no sign, or a small one that makes nobody a suspect alone.

use std::collections::{BTreeMap, BTreeSet};

use vigie_model::{Deception, Exposure, Known, Model, Tell};

use crate::holds::{Holds as _, Pass as _, Seen as _};
use crate::read;
use crate::session::Session;
use crate::view::View;
use vigie_catalog::Look;
use vigie_catalog::Product;
use vigie_catalog::Stack;
use vigie_catalog::{BodyType, Kind};

/// Bits that a parameter takes in a file of each quantisation, by the beginning of its name; about, with what is stored besides.
const BITS: [(&str, f64); 13] = [
    ("q2", 3.0),
    ("iq1", 2.0),
    ("iq2", 2.6),
    ("iq3", 3.5),
    ("q3", 3.8),
    ("iq4", 4.5),
    ("q4", 4.7),
    ("q5", 5.6),
    ("q6", 6.6),
    ("q8", 8.5),
    ("f16", 16.0),
    ("bf16", 16.0),
    ("f32", 32.0),
];

/// How far the size of a model may lie from what its parameters take. Projectors of images, embeddings in more bits and layers that
/// are left out account for a factor of two.
const GROSSLY: f64 = 4.0;

/// Models with less than this say nothing: what stands beside the parameters weighs more.
const FEW_PARAMETERS: f64 = 10e6;

/// How far a clock may be off, in seconds.
const CLOCK: i64 = 2 * 86_400;

#[derive(Default)]
struct Tells(Vec<Tell>);

impl Tells {
    fn add(&mut self, id: &str, weight: f64, seen: String) {
        self.0.push(Tell {
            id: id.to_owned(),
            weight,
            seen,
        });
    }
}

fn line(view: &View) -> String {
    format!("{} {}", view.exchange.request.method, view.exchange.request.path)
}

impl Session {
    /// How likely the endpoint is something else than it seems. `winner`: what it was taken for.
    pub(crate) fn deception(&self, winner: Option<&Product>, version: &Known<String>, exposure: &Exposure) -> Deception {
        let mut tells = Tells::default();
        self.unknown_path(winner, &mut tells);
        self.servers(&mut tells);
        self.contents(&mut tells);
        self.several(winner, &mut tells);
        if let Some(product) = winner {
            self.stacks(product, &mut tells);
            self.product_rules(product, &mut tells);
            self.asked_models(product, &mut tells);
            if let Some(models) = exposure.models.known() {
                if let Some(version) = version.known()
                    && let Some(what) = impossible(product, version, models)
                {
                    tells.add("impossible-version", 0.7, what);
                }
                self.models(models, &mut tells);
            }
        }
        Deception::from_tells(tells.0)
    }

    /// What it says to a path that nobody has.
    fn unknown_path(&self, winner: Option<&Product>, tells: &mut Tells) {
        let Some(view) = self.record.at(self.identifier.absent) else {
            return;
        };
        let Some(reply) = view.reply().filter(|reply| (200..300).contains(&reply.status)) else {
            return;
        };
        let own = winner.map_or(&[][..], |product| &product.unknown_path);
        if own.iter().any(|look| look.holds(&self.record)) {
            return;
        }
        let kind = view.body_type();
        // An application shows its page on every path, and so does what stands in front of one.
        let weight = match kind {
            BodyType::Json => 0.5,
            BodyType::Html if own.is_empty() => return,
            BodyType::Html => 0.3,
            _ if !own.is_empty() => 0.5,
            BodyType::Text | BodyType::EventStream if self.says_it_elsewhere(view) => 0.5,
            _ => return,
        };
        let with = match kind {
            BodyType::Json => "JSON",
            BodyType::Html => "a page",
            _ => "a text",
        };
        tells.add(
            "any-path-answers",
            weight,
            format!("{} is {} with {with}", vigie_catalog::ABSENT_PATH, reply.status),
        );
    }

    /// Whether another path was answered with the same bytes.
    fn says_it_elsewhere(&self, view: &View) -> bool {
        let body = |view: &View| view.reply().map(|reply| reply.body.clone()).unwrap_or_default();
        let same = |other: &&View| other.exchange.request.path != view.exchange.request.path && body(other) == body(view);
        !body(view).is_empty() && self.record.views.iter().any(|other| same(&other))
    }

    /// Another `Server` header in each answer. Of a router, each path has that of the server behind it: three are not yet many.
    fn servers(&self, tells: &mut Tells) {
        let servers: BTreeSet<&str> = self.record.views.iter().filter_map(|view| view.reply()?.header("server")).collect();
        if servers.len() > 2 {
            let all: Vec<&str> = servers.iter().copied().collect();
            tells.add(
                "rotating-server-header",
                if servers.len() > 3 { 0.6 } else { 0.4 },
                format!("{} different Server headers: {}", servers.len(), all.join(", ")),
            );
        }
    }

    fn contents(&self, tells: &mut Tells) {
        for view in &self.record.views {
            let Some(json) = view.json() else { continue };
            let has = |key: &str| json.get(key).is_some();
            if (has("models") || json.get("data").is_some_and(serde_json::Value::is_array))
                && ["message", "choices", "eval_count", "total_duration", "role"]
                    .iter()
                    .any(|key| has(key))
                && view.exchange.request.method == "GET"
            {
                let path = &view.exchange.request.path;
                tells.add("chat-fields-in-list", 0.8, format!("{path} mixes a list with an answer's fields"));
                break;
            }
        }
        let bait = |view: &&View| ["uid=0(root)", "root:x:0:0:"].iter().any(|bait| view.text().contains(bait));
        if let Some(view) = self.record.views.iter().find(bait) {
            let path = &view.exchange.request.path;
            tells.add("bait", 0.8, format!("{path} offers what an intruder looks for"));
        }
    }

    /// Several products at once. A router shows two or three servers, each on paths of its own; a decoy shows everything.
    fn several(&self, winner: Option<&Product>, tells: &mut Tells) {
        for (number, tally) in &self.tallies {
            let product = self.identifier.catalog.nth(*number);
            let enough = tally.unique > 0 || tally.strong > 1;
            if tally.contradicted && enough && winner.is_none_or(|winner| !winner.emulates.contains(number)) {
                let name = &product.name;
                tells.add("imitation", 0.6, format!("answers as {name} and shows what {name} never shows"));
            }
        }
        let named = self.named().into_iter();
        let servers = named
            .filter(|n| matches!(self.identifier.catalog.nth(*n).kind, Kind::Inference))
            .count();
        if servers > 1 {
            tells.add(
                "several-products",
                if servers > 3 { 0.5 } else { 0.2 },
                format!("answers as {servers} model servers at once"),
            );
        }
    }

    /// The HTTP stack behind it, where the product's file says which ones it is built on.
    fn stacks(&self, product: &Product, tells: &mut Tells) {
        let views = || self.record.views.iter().filter(|view| view.reply().is_some());
        let named: Vec<(Stack, &View)> = views()
            .flat_map(|view| crate::stack::of_headers(view).map(move |stack| (stack, view)))
            .collect();
        // A server that calls itself by the product's name, which the product does not.
        let invented = views().find_map(|view| {
            let server = view.reply()?.header("server")?;
            let own = product.server.0.iter().any(|own| own.fits(server));
            (!own && calls_itself(server, product)).then(|| format!("Server: {server}"))
        });
        if let Some(seen) = invented.filter(|_| !product.stack.is_empty()) {
            tells.add("server-header-invented", 0.6, seen);
        }
        if product.stack.is_empty() {
            return;
        }
        let foreign = |stack: Stack| !product.stack.contains(&stack);
        let absent = self.record.at(self.identifier.absent).filter(|view| view.reply().is_some());
        let words = absent.and_then(crate::stack::of_absence);
        // Go's words are those of Go's proxies as well, which answer themselves to what they pass to nobody.
        let strange_words = words.filter(|stack| foreign(*stack) && *stack != Stack::Go);
        // A proxy in another language passes on what the product says of its paths.
        let own_words = words.is_some_and(|stack| !foreign(stack))
            || product.unknown_path.iter().any(|look| is_worded(look) && look.holds(&self.record));
        // Where the product's own stack is named too, the other one is of something beside it.
        let own_header = named.iter().any(|(stack, _)| !foreign(*stack));
        let strange_header = named
            .iter()
            .find(|(stack, _)| foreign(*stack) && (!own_words || *stack == Stack::PythonHttp))
            .filter(|_| !own_header);
        let name = &product.name;
        let (weight, seen) = match (strange_header, strange_words.filter(|_| !own_header)) {
            (Some((stack, view)), words) => {
                let weight = match (words, stack) {
                    (Some(_), _) => 0.6,
                    (None, Stack::PythonHttp) => 0.5,
                    (None, _) => 0.4,
                };
                (
                    weight,
                    format!("{} is answered by {stack}, in which {name} is not written", line(view)),
                )
            }
            (None, Some(stack)) => (
                0.5,
                format!(
                    "{} is answered in the words of {stack}, in which {name} is not written",
                    vigie_catalog::ABSENT_PATH
                ),
            ),
            (None, None) => return,
        };
        tells.add("foreign-stack", weight, seen);
    }

    /// What the product's file says.
    fn product_rules(&self, product: &Product, tells: &mut Tells) {
        for rule in &product.tells {
            if let Some(view) = rule.look.find(&self.record)
                && rule.guards.pass(&self.record)
            {
                let then = if rule.why.is_empty() { "" } else { ": " };
                tells.add(&rule.id, rule.weight, format!("{}{then}{}", line(view), rule.why));
            }
        }
        for made in &product.made_when_asked {
            if let Some((view, created)) = self.stale(made) {
                tells.add(
                    "stale-creation-time",
                    0.5,
                    format!("{} says it was made {created} s before it was asked for", line(view)),
                );
                break;
            }
        }
        if let Some((view, id)) = product.drawn_anew.iter().find_map(|made| self.repeated(made)) {
            tells.add(
                "repeated-id",
                0.6,
                format!("{} has {id} twice, which is drawn for each", line(view)),
            );
        }
    }

    /// An id that the product draws for each place, in two places.
    fn repeated(&self, made: &vigie_catalog::CompiledMade) -> Option<(&View, String)> {
        let view = made.look.find(&self.record).filter(|_| made.guards.pass(&self.record))?;
        let mut met = BTreeSet::new();
        let all = made.at.all(view.json()?);
        let twice = all
            .iter()
            .filter_map(|value| value.as_str())
            .find(|id| !id.is_empty() && !met.insert(*id))?;
        Some((view, twice.chars().take(60).collect()))
    }

    /// A time that the product takes when it answers and that lies far from the reply's own date: how far, in seconds.
    fn stale(&self, made: &vigie_catalog::CompiledMade) -> Option<(&View, i64)> {
        let view = made.look.find(&self.record).filter(|_| made.guards.pass(&self.record))?;
        let date = chrono::DateTime::parse_from_rfc2822(view.reply()?.header("date")?)
            .ok()?
            .timestamp();
        let json = view.json()?;
        let all = made.at.all(json);
        let off = all
            .iter()
            .filter_map(|value| date.checked_sub(value.as_i64()?))
            .find(|off| off.abs() > CLOCK)?;
        Some((view, off))
    }

    /// A list that names one model twice, or models of which the server then says that it has none.
    fn asked_models(&self, product: &Product, tells: &mut Tells) {
        if let Some(name) = read::model_listed_twice(product, &self.record) {
            // A balancer that puts the lists of several servers together may name it twice too.
            tells.add("same-model-twice", 0.4, format!("{name} is listed twice, with one digest"));
        }
        let asked = self.record.models.iter().filter_map(|(name, index)| {
            let view = self.record.views.get(*index).filter(|view| view.reply().is_some())?;
            // Servers may list a name in a case in which they do not find it.
            (*name == name.to_lowercase()).then_some((name, view))
        });
        let (mut count, mut missing) = (0, Vec::new());
        for (name, view) in asked {
            count += 1;
            if disowns(view, name) {
                missing.push((name, view));
            }
        }
        if let Some((name, view)) = missing.first() {
            // One may have been removed in between, or be another server's behind a balancer; hardly all of several.
            let all = missing.len() == count && count > 1;
            tells.add(
                "listed-model-not-found",
                if all { 0.4 } else { 0.2 },
                format!("{} says that there is no {name}, which its list names", line(view)),
            );
        }
    }

    /// What the models say of themselves and of each other.
    fn models(&self, models: &[Model], tells: &mut Tells) {
        let mut by_digest: BTreeMap<&str, &Model> = BTreeMap::new();
        for model in models {
            let Some(digest) = model.digest.known().filter(|digest| !digest.is_empty()) else {
                continue;
            };
            let other = *by_digest.entry(digest).or_insert(model);
            if differ(&other.size_bytes, &model.size_bytes) || differ(&other.parameters, &model.parameters) {
                tells.add(
                    "one-digest-for-several",
                    0.5,
                    format!("{} and {} have one digest and are not the same", other.name, model.name),
                );
                break;
            }
        }
        if let Some(model) = models.iter().find(|model| disagrees(model)) {
            tells.add(
                "size-disagrees",
                0.5,
                format!("{} has another size than its parameters take", model.name),
            );
        }
        let changed: BTreeSet<_> = models.iter().filter_map(|model| model.modified.known()).collect();
        if models.len() > 2
            && let (Some(instant), None) = (changed.first(), changed.iter().nth(1))
            && models.iter().all(|model| model.modified.is_known())
        {
            // Whole seconds are those of an archive that models were unpacked from.
            let exact = instant.timestamp_subsec_micros() != 0;
            tells.add(
                "one-instant-for-all",
                if exact { 0.4 } else { 0.2 },
                format!("{} models changed at {}", models.len(), instant.to_rfc3339()),
            );
        }
        let now = self.record.views.iter().find_map(|view| {
            let date = view.reply()?.header("date")?;
            chrono::DateTime::parse_from_rfc2822(date).ok()
        });
        if let Some(now) = now
            && let Some(model) = models
                .iter()
                .find(|model| model.modified.known().is_some_and(|at| at.timestamp() > now.timestamp() + CLOCK))
        {
            tells.add(
                "changed-in-the-future",
                0.4,
                format!("{} changed after the date of the reply", model.name),
            );
        }
    }
}

/// Whether a reply says in the server's own words that it has no such model. A proxy that does not pass the request on says nothing of
/// the model.
fn disowns(view: &View, name: &str) -> bool {
    let missing = view.reply().is_some_and(|reply| reply.status == 404);
    let error = view.json().and_then(|json| json.get("error"));
    let text = error.and_then(|error| error.as_str().or_else(|| error.get("message")?.as_str()));
    missing && text.is_some_and(|text| text.contains(name) && text.to_lowercase().contains("not found"))
}

/// Whether a clause looks for words, which are harder to come by than a status.
fn is_worded(look: &Look) -> bool {
    !look.clause.body.0.is_empty() || !look.clause.json.0.is_empty()
}

/// Whether two values that are told are not the same.
fn differ<T: PartialEq>(one: &Known<T>, other: &Known<T>) -> bool {
    matches!((one.known(), other.known()), (Some(one), Some(other)) if one != other)
}

/// Whether a `Server` header begins with the product's name, as `ollama/0.5.1` does.
fn calls_itself(server: &str, product: &Product) -> bool {
    let bare = |text: &str| {
        text.chars()
            .filter(char::is_ascii_alphanumeric)
            .collect::<String>()
            .to_ascii_lowercase()
    };
    let first = server.split(['/', ' ']).next().unwrap_or_default();
    let first = bare(first);
    !first.is_empty() && (first == bare(&product.id) || first == bare(&product.name))
}

/// Whether the file of a model is of a size that its parameters in its quantisation cannot have.
fn disagrees(model: &Model) -> bool {
    let local = model.remote.known() != Some(&true);
    let gguf = model.format.known().is_none_or(|format| format == "gguf");
    let (Some(size), Some(parameters), Some(quantisation)) =
        (model.size_bytes.known(), model.parameters.known(), model.quantisation.known())
    else {
        return false;
    };
    let quantisation = quantisation.to_ascii_lowercase();
    let Some((_, bits)) = BITS.iter().find(|(start, _)| quantisation.starts_with(start)) else {
        return false;
    };
    let Some(parameters) = number_of(parameters).filter(|parameters| *parameters >= FEW_PARAMETERS) else {
        return false;
    };
    let expected = parameters * bits / 8.0;
    let ratio = *size as f64 / expected;
    local && gguf && !(1.0 / GROSSLY..=GROSSLY).contains(&ratio)
}

/// `8.0B`, `494.03M`, `115K` as a number. Names of mixtures (`8x7B`) are none.
fn number_of(parameters: &str) -> Option<f64> {
    let text = parameters.trim();
    let unit = match text.chars().last()?.to_ascii_uppercase() {
        'T' => 1e12,
        'B' => 1e9,
        'M' => 1e6,
        'K' => 1e3,
        _ => return text.parse().ok(),
    };
    text[..text.len() - 1].trim().parse::<f64>().ok().map(|number| number * unit)
}

/// A capability or a kind of model that this version could not have told.
fn impossible(product: &Product, version: &str, models: &[Model]) -> Option<String> {
    let old = |thing: &str| product.since.get(thing).filter(|since| read::before(version, since));
    for model in models {
        if let Some(capabilities) = model.capabilities.known() {
            if let Some(since) = old("capabilities") {
                return Some(format!("version {version} tells capabilities, which came with {since}"));
            }
            for capability in capabilities {
                if let Some(since) = old(&format!("capability.{capability}")) {
                    return Some(format!("version {version} tells {capability}, which came with {since}"));
                }
            }
        }
        if model.remote.known() == Some(&true)
            && let Some(since) = old("remote")
        {
            return Some(format!("version {version} lists a remote model, which came with {since}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use vigie_model::Why;

    use super::*;

    #[test]
    fn sizes_fit_what_they_hold() {
        let model = |parameters: &str, quantisation: &str, size: u64| {
            let mut model = Model::named("m", Why::NotCarried);
            model.parameters = Known::Known(parameters.to_owned());
            model.quantisation = Known::Known(quantisation.to_owned());
            model.size_bytes = Known::Known(size);
            disagrees(&model)
        };
        // As Ollama lists them: llama3.1, qwen2.5 of half a billion, moondream with its projector, gemma3n, all-minilm.
        for (parameters, quantisation, size) in [
            ("8.0B", "Q4_K_M", 4_920_753_328),
            ("494.03M", "Q4_K_M", 397_821_319),
            ("1B", "Q4_0", 1_738_451_197),
            ("6.9B", "Q4_K_M", 7_547_589_116),
            ("23M", "F16", 45_960_996),
            ("671.0B", "Q4_K_M", 404_430_188_519),
            ("115K", "unknown", 470_027),
            ("8x7B", "Q4_0", 1),
            ("7B", "new", 1),
        ] {
            assert!(!model(parameters, quantisation, size), "{parameters} {quantisation} {size}");
        }
        assert!(model("70B", "Q4_0", 3_826_793_677));
        assert!(model("7B", "Q4_K_M", 123));
        assert!(model("1B", "Q4_K_M", 400_000_000_000));
    }
}
