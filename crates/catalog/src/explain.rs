//! Describes a catalogue in words: for `--dry-run`, notices and `vigie catalog explain`.

use vigie_model::{Impact, PathPrefix};

use crate::catalog::Catalog;
use crate::catalog::product::{Product, Request};
use crate::condition::{Condition, ExchangeRef};
use crate::rule::{ConditionRule, Purpose};
use crate::settings::Setting;

/// A request that a scan may send, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRequest {
    /// `GET /api/version`, with its body where it has one.
    pub line: String,
    /// When it is sent.
    pub when: String,
}

impl PlannedRequest {
    /// The line of the same request below a path prefix.
    #[must_use]
    pub fn line_under(&self, prefix: &PathPrefix) -> String {
        self.line
            .split_once(' ')
            .map_or_else(|| self.line.clone(), |(method, rest)| format!("{method} {prefix}{rest}"))
    }
}

impl Catalog {
    /// Every request that a scan may send, with its condition: the generic probes first, then product by product. The owner's proof is
    /// left out.
    #[must_use]
    pub fn planned_requests(&self) -> Vec<PlannedRequest> {
        let mut all = Vec::new();
        for probe in &self.generic_probes {
            let mut when = "to every endpoint until a product is recognised".to_owned();
            for condition in &probe.when {
                when.push_str(&format!("; if {}", self.describe(condition)));
            }
            for condition in &probe.unless {
                when.push_str(&format!("; not if {}", self.describe(condition)));
            }
            all.push(PlannedRequest {
                line: line(&probe.request),
                when,
            });
        }
        for product in &self.products {
            for request in &product.requests {
                let condition = match request.purpose {
                    Purpose::Identify => format!("if earlier replies hint at {}, or on one of its default ports", product.name),
                    Purpose::Read => format!("once {} is recognised", product.name),
                    Purpose::Model => format!("once per model of a recognised {}, up to the cap", product.name),
                    Purpose::Prove => continue,
                };
                let more: Vec<String> = request.when.iter().map(|condition| self.describe(condition)).collect();
                let when = if more.is_empty() {
                    condition
                } else {
                    format!("{condition}, and {}", more.join(", and "))
                };
                let planned = PlannedRequest { line: line(request), when };
                if !all.iter().any(|other| other.line == planned.line && other.when == planned.when) {
                    all.push(planned);
                }
            }
        }
        all
    }

    /// A condition in words.
    #[must_use]
    pub fn describe(&self, condition: &Condition) -> String {
        let on = match condition.exchange {
            ExchangeRef::Sig(sig) => self.signature(sig).map_or_else(String::new, |signature| {
                let body = signature.body.as_deref().map(|body| format!(" {body}")).unwrap_or_default();
                format!("{} {}{body}", signature.method, signature.path)
            }),
            ExchangeRef::Landing => "the page to which GET / leads".to_owned(),
            ExchangeRef::Any => "any reply".to_owned(),
        };
        format!("{on}: {}", words(&condition.rule))
    }

    /// A product's file in words, as Markdown.
    #[must_use]
    pub fn explain(&self, product: &Product) -> String {
        let mut out = format!(
            "# {} (`{}`)\n\n{}: {}\n",
            product.name,
            product.id,
            product.kind.word(),
            product.source
        );
        let ports: Vec<String> = product.ports.iter().map(ToString::to_string).collect();
        out.push_str(&format!(
            "\n- default ports: {}\n",
            if ports.is_empty() { "none".to_owned() } else { ports.join(", ") }
        ));
        if !product.emulates.is_empty() {
            let emulated: Vec<&str> = product.emulates.iter().map(|number| self.nth(*number).name.as_str()).collect();
            out.push_str(&format!("- offers the interface of: {}\n", emulated.join(", ")));
        }
        if product.family {
            out.push_str("- an interface that many products offer: a server with it need not have all of its routes\n");
        }
        if let Some(newest) = &product.newest {
            out.push_str(&format!("- newest known release: {newest}\n"));
        }
        out.push_str(&format!(
            "- advisories: {}\n",
            if product.packages.is_empty() {
                "no package in its file".to_owned()
            } else {
                product.packages.join(", ")
            }
        ));
        for (service, queries) in [("Shodan", &product.shodan), ("Censys", &product.censys)] {
            if !queries.is_empty() {
                let all: Vec<String> = queries.iter().map(|query| format!("`{query}`")).collect();
                out.push_str(&format!("- {service} queries: {}\n", all.join(", ")));
            }
        }
        out.push_str("\n## Evidence\n\n");
        for evidence in &product.evidence {
            let weight = format!("{:?}", evidence.weight).to_lowercase();
            out.push_str(&format!("- **{}** ({weight}): {}", evidence.id, self.describe(&evidence.condition)));
            for condition in &evidence.guards.also {
                out.push_str(&format!("; and {}", self.describe(condition)));
            }
            if !evidence.guards.either.is_empty() {
                let either: Vec<String> = evidence.guards.either.iter().map(|condition| self.describe(condition)).collect();
                out.push_str(&format!("; and either {}", either.join(", or ")));
            }
            for condition in &evidence.guards.unless {
                out.push_str(&format!("; unless {}", self.describe(condition)));
            }
            if !evidence.why.is_empty() {
                out.push_str(&format!(" ({})", evidence.why));
            }
            out.push('\n');
        }
        out.push_str("\n## Posture\n\n");
        for rule in &product.posture {
            out.push_str(&format!("- {}: {}\n", rule.posture, self.describe(&rule.condition)));
        }
        out.push_str("\n## Requests\n\n");
        for request in &product.requests {
            let purpose = format!("{:?}", request.purpose).to_lowercase();
            out.push_str(&format!("- {} ({purpose})\n", line(request)));
        }
        out.push_str("\n## Routes by effect\n\n");
        for (effect, routes) in product.routes.by_effect() {
            let all: Vec<String> = routes.iter().map(|route| format!("`{route}`")).collect();
            out.push_str(&format!("- {effect}: {}\n", all.join(", ")));
        }
        if !product.settings.is_empty() {
            out.push_str("\n## Settings\n\n");
            for setting in &product.settings {
                out.push_str(&setting_line(setting));
            }
        }
        out.push_str(&takes(product));
        if !product.remedies.is_empty() {
            out.push_str("\n## Remedies\n\n");
            for (finding, remedy) in &product.remedies {
                out.push_str(&format!("- {finding}: {remedy}\n"));
            }
        }
        out
    }
}

/// One setting: `- **host** (`OLLAMA_HOST`, `--host`; since 0.1.2; default `127.0.0.1`): What it decides. Unsafe: …. Safe: ….`
fn setting_line(setting: &Setting) -> String {
    let mut about: Vec<String> = vec![
        setting
            .places
            .iter()
            .map(|place| format!("`{place}`"))
            .chain(setting.switches.iter().map(|switch| format!("`{}`", switch.flag)))
            .collect::<Vec<_>>()
            .join(", "),
    ];
    about.extend(setting.since.as_ref().map(|version| format!("since {version}")));
    about.extend(setting.until.as_ref().map(|version| format!("until {version}")));
    let quoted = |value: &String| {
        if value.is_empty() {
            "empty".to_owned()
        } else {
            format!("`{value}`")
        }
    };
    about.extend(setting.default.as_ref().map(|value| format!("default {}", quoted(value))));
    about.extend(setting.in_image.as_ref().map(|value| format!("in the image {}", quoted(value))));
    let tests: Vec<String> = setting.unsafe_when.iter().map(ToString::to_string).collect();
    let mut text = format!(
        "- **{}** ({}): {} Unsafe: {}.",
        setting.id,
        about.join("; "),
        setting.what,
        tests.join(", or ")
    );
    if let Some(safe) = &setting.safe {
        text.push_str(&format!(" Safe: `{safe}`."));
    }
    if setting.secret {
        text.push_str(" It is a secret.");
    }
    if !setting.needs.is_empty() {
        text.push_str(&format!(" Needs: {}.", setting.needs.join(", ")));
    }
    if !setting.unless.is_empty() {
        text.push_str(&format!(" Harmless where one of these is safe: {}.", setting.unless.join(", ")));
    }
    if setting.first_start {
        text.push_str(" Read at the first start only; later the stored value counts.");
    }
    if !setting.unread.is_empty() {
        let places: Vec<String> = setting.unread.iter().map(|place| format!("`{place}`")).collect();
        text.push_str(&format!(" Nothing reads {}.", places.join(" or ")));
    }
    if !setting.findings.is_empty() {
        text.push_str(&format!(" Findings: {}.", setting.findings.join(", ")));
    }
    text.push_str(match setting.impact {
        Impact::None => " Changing it takes effect at once.\n",
        Impact::Restart => " Changing it needs a restart.\n",
        Impact::BreaksClients => " Changing it needs a restart, and clients that work today may be refused.\n",
    });
    text
}

/// How the product parses requests, and what they name where.
fn takes(product: &Product) -> String {
    let reading = product.reading.get();
    let Some(reads) = &reading.reads else {
        return "\n## What requests name\n\nIts file does not say; a key counts in any case, and no path that is written with escapes has a route.\n"
            .to_owned();
    };
    let word = |value: &dyn std::fmt::Debug| format!("{value:?}").to_lowercase();
    let mut out = format!(
        "\n## What requests name\n\n- reads: JSON as {}, paths as {}, names of models as {}, JSON by {} content type\n",
        word(&reads.json),
        word(&reads.path),
        word(&reads.names),
        word(&reads.content_type)
    );
    for rule in &reading.takes {
        let on: Vec<String> = rule.on.iter().map(|on| format!("`{}`", on.value)).collect();
        out.push_str(&format!("- {}", on.join(", ")));
        for (word, version) in [("since", &rule.since), ("until", &rule.until)] {
            if let Some(version) = version {
                out.push_str(&format!(" {word} {}", version.value));
            }
        }
        let mut parts = Vec::new();
        for (role, places) in [("model", &rule.model), ("made of", &rule.source), ("makes", &rule.target)] {
            if !places.0.is_empty() {
                parts.push(format!("{role} {}", joined(&places.0, ", else ")));
            }
        }
        parts.extend(
            rule.asks
                .0
                .iter()
                .map(|(ask, rules)| format!("{} by {}", ask.word(), joined(rules, ", "))),
        );
        parts.extend(
            rule.knobs
                .0
                .iter()
                .map(|(knob, places)| format!("{} at {}", knob.word(), joined(places, ", else "))),
        );
        parts.extend(rule.list.iter().map(|list| {
            let names: Vec<String> = list.name.0.iter().map(|name| format!("`{name}`")).collect();
            format!("its reply lists models at `{}`, named at {}", list.each, names.join(" and "))
        }));
        if !rule.keys.is_empty() {
            parts.push(format!("takes besides: {}", rule.keys.join(", ")));
        }
        out.push_str(&format!(
            ": {}\n",
            if parts.is_empty() { "nothing".to_owned() } else { parts.join("; ") }
        ));
    }
    out
}

/// The items in backquotes, joined.
fn joined(all: &[impl std::fmt::Display], between: &str) -> String {
    let all: Vec<String> = all.iter().map(|one| format!("`{one}`")).collect();
    all.join(between)
}

fn line(request: &Request) -> String {
    let body = request.body.as_deref().map(|body| format!(" {body}")).unwrap_or_default();
    let stream = request
        .session
        .as_deref()
        .map(|id| format!(" (on the stream of {id})"))
        .unwrap_or_default();
    format!("{} {}{body}{stream}", request.method, request.path)
}

fn words(rule: &ConditionRule) -> String {
    let mut all = Vec::new();
    if !rule.status.0.is_empty() {
        let statuses: Vec<String> = rule.status.0.iter().map(ToString::to_string).collect();
        all.push(format!("status {}", statuses.join(" or ")));
    }
    if let Some(kind) = rule.kind {
        all.push(format!("is {kind:?}").to_lowercase());
    }
    all.extend(rule.header.iter().map(|(name, pattern)| format!("header {name} {pattern}")));
    all.extend(rule.location.iter().map(|pattern| format!("location {pattern}")));
    all.extend(rule.title.iter().map(|pattern| format!("title {pattern}")));
    all.extend(rule.body.0.iter().map(|pattern| format!("body {pattern}")));
    all.extend(rule.json.0.iter().map(|(pointer, test)| format!("{pointer} {test}")));
    if rule.failed == Some(true) {
        all.push("no reply".to_owned());
    }
    if all.is_empty() { "answered".to_owned() } else { all.join(", ") }
}
