//! Signs of deception: an endpoint that only pretends to be a product.
//!
//! A sign is a contradiction between replies, or something that the product never sends. What a reverse proxy, a router in front of
//! several servers or an owner's settings can cause is no sign, or a light one that is not enough by itself.

mod models;
mod stack;

use std::collections::BTreeSet;

use vigie_catalog::{BodyType, FreshValue, Kind, Product};
use vigie_model::{Deception, Exposure, Known, Tell};

use super::Session;
use crate::condition::{EvaluateCondition as _, EvaluateGuards as _};
use crate::reply::ParsedReply;

/// The signs found so far.
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

/// Tolerated error of a clock, in seconds.
const CLOCK: i64 = 2 * 86_400;

impl Session {
    /// How likely the endpoint pretends to be `winner`, with the signs.
    pub(super) fn deception(&self, winner: Option<&Product>, version: &Known<String>, exposure: &Exposure) -> Deception {
        let mut tells = Tells::default();
        self.absent_path(winner, &mut tells);
        self.servers(&mut tells);
        self.contents(&mut tells);
        self.several_products(winner, &mut tells);
        if let Some(product) = winner {
            self.stacks(product, &mut tells);
            self.product_rules(product, &mut tells);
            self.asked_models(product, &mut tells);
            if let Some(models) = exposure.models.known() {
                if let Some(version) = version.known()
                    && let Some(what) = models::ahead_of_version(product, version, models)
                {
                    tells.add("impossible-version", 0.7, what);
                }
                self.models(models, &mut tells);
            }
        }
        Deception::from_tells(tells.0)
    }

    /// A reply of success to the absent path.
    fn absent_path(&self, winner: Option<&Product>, tells: &mut Tells) {
        let Some(parsed) = self.here.transcript.reply_to(self.identifier.absent) else {
            return;
        };
        let Some(reply) = parsed.reply().filter(|reply| (200..300).contains(&reply.status)) else {
            return;
        };
        let own = winner.map_or(&[][..], |product| &product.unknown_path);
        if own.iter().any(|condition| condition.holds(&self.here.transcript)) {
            return;
        }
        let kind = parsed.body_type();
        // Applications, and proxies in front of them, may serve their page on every path.
        let weight = match kind {
            BodyType::Json => 0.5,
            BodyType::Html if own.is_empty() => return,
            BodyType::Html => 0.3,
            _ if !own.is_empty() => 0.5,
            BodyType::Text | BodyType::EventStream if self.is_served_elsewhere(parsed) => 0.5,
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

    /// Whether another path has the same body.
    fn is_served_elsewhere(&self, parsed: &ParsedReply) -> bool {
        let body = |parsed: &ParsedReply| parsed.reply().map(|reply| reply.body.clone()).unwrap_or_default();
        let same = |other: &&ParsedReply| other.exchange.request.path != parsed.exchange.request.path && body(other) == body(parsed);
        !body(parsed).is_empty() && self.here.transcript.replies.iter().any(|other| same(&other))
    }

    /// Changing `Server` headers. Behind a router each path may have that of another server, so three of them weigh less than four.
    fn servers(&self, tells: &mut Tells) {
        let servers: BTreeSet<&str> = self
            .here
            .transcript
            .replies
            .iter()
            .filter_map(|parsed| parsed.reply()?.header("server"))
            .collect();
        if servers.len() > 2 {
            let all: Vec<&str> = servers.iter().copied().collect();
            tells.add(
                "rotating-server-header",
                if servers.len() > 3 { 0.6 } else { 0.4 },
                format!("{} different Server headers: {}", servers.len(), all.join(", ")),
            );
        }
    }

    /// A list mixed with fields of a chat reply, and bait for intruders.
    fn contents(&self, tells: &mut Tells) {
        for parsed in &self.here.transcript.replies {
            let Some(json) = parsed.json() else { continue };
            let has = |key: &str| json.get(key).is_some();
            if (has("models") || json.get("data").is_some_and(serde_json::Value::is_array))
                && ["message", "choices", "eval_count", "total_duration", "role"]
                    .iter()
                    .any(|key| has(key))
                && parsed.exchange.request.method == "GET"
            {
                let path = &parsed.exchange.request.path;
                tells.add(
                    "chat-fields-in-list",
                    0.8,
                    format!("{path} mixes a list with fields of a chat reply"),
                );
                break;
            }
        }
        let bait = |parsed: &&ParsedReply| ["uid=0(root)", "root:x:0:0:"].iter().any(|bait| parsed.text().contains(bait));
        if let Some(parsed) = self.here.transcript.replies.iter().find(bait) {
            let path = &parsed.exchange.request.path;
            tells.add("bait", 0.8, format!("{path} contains bait for intruders"));
        }
    }

    /// Several products at once. A router may have two or three servers, each on its own paths; a decoy has them all.
    fn several_products(&self, winner: Option<&Product>, tells: &mut Tells) {
        for (number, score) in &self.here.scores {
            let product = self.identifier.catalog.nth(*number);
            let enough = score.unique > 0 || score.strong > 1;
            if score.contradicted && enough && winner.is_none_or(|winner| !winner.emulates.contains(number)) {
                let name = &product.name;
                tells.add(
                    "imitation",
                    0.6,
                    format!("answers as {name}, with something that {name} never sends"),
                );
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

    /// The signs that the product's file describes.
    fn product_rules(&self, product: &Product, tells: &mut Tells) {
        for rule in &product.tells {
            if let Some(parsed) = rule.condition.find(&self.here.transcript)
                && rule.guards.pass(&self.here.transcript)
            {
                let then = if rule.why.is_empty() { "" } else { ": " };
                tells.add(&rule.id, rule.weight, format!("{}{then}{}", parsed.line(), rule.why));
            }
        }
        for made in &product.made_when_asked {
            if let Some((parsed, created)) = self.stale(made) {
                tells.add(
                    "stale-creation-time",
                    0.5,
                    format!("{} has a creation time {created} s before the date of the reply", parsed.line()),
                );
                break;
            }
        }
        if let Some((parsed, id)) = product.drawn_anew.iter().find_map(|made| self.repeated(made)) {
            tells.add(
                "repeated-id",
                0.6,
                format!("{} has the id {id} twice, which is generated for each place", parsed.line()),
            );
        }
    }

    /// An id that the product generates for each place, found in two places.
    fn repeated(&self, made: &FreshValue) -> Option<(&ParsedReply, String)> {
        let parsed = made
            .condition
            .find(&self.here.transcript)
            .filter(|_| made.guards.pass(&self.here.transcript))?;
        let mut met = BTreeSet::new();
        let all = made.at.all(parsed.json()?);
        let twice = all
            .iter()
            .filter_map(|value| value.as_str())
            .find(|id| !id.is_empty() && !met.insert(*id))?;
        Some((parsed, twice.chars().take(60).collect()))
    }

    /// A time that the product sets when it answers, but that is far from the date of the reply; with the difference in seconds.
    fn stale(&self, made: &FreshValue) -> Option<(&ParsedReply, i64)> {
        let parsed = made
            .condition
            .find(&self.here.transcript)
            .filter(|_| made.guards.pass(&self.here.transcript))?;
        let date = chrono::DateTime::parse_from_rfc2822(parsed.reply()?.header("date")?)
            .ok()?
            .timestamp();
        let json = parsed.json()?;
        let all = made.at.all(json);
        let off = all
            .iter()
            .filter_map(|value| date.checked_sub(value.as_i64()?))
            .find(|off| off.abs() > CLOCK)?;
        Some((parsed, off))
    }
}
