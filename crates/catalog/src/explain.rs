//! What a catalogue does, in plain words: for `--dry-run`, notices and `vigie catalog explain`.

use vigie_model::{Impact, PathPrefix};

use crate::catalog::{Catalog, Product, Request};
use crate::clause::{Look, Place};
use crate::rule::{Clause, Purpose};
use crate::settings::Setting;

/// A request that may be sent, and on which condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `GET /api/version`, with its body where it has one.
    pub line: String,
    /// The condition.
    pub when: String,
}

impl Told {
    /// The line of the same request where the server is looked for under a path.
    #[must_use]
    pub fn line_under(&self, prefix: &PathPrefix) -> String {
        self.line
            .split_once(' ')
            .map_or_else(|| self.line.clone(), |(method, rest)| format!("{method} {prefix}{rest}"))
    }
}

impl Catalog {
    /// Every request that a scan may send, with its condition: the openings first, then product by product. The owner's proof
    /// is not among them.
    #[must_use]
    pub fn told_requests(&self) -> Vec<Told> {
        let mut all = Vec::new();
        for opening in &self.openings {
            let mut when = "to every endpoint, until something is recognised".to_owned();
            for look in &opening.when {
                when.push_str(&format!("; if {}", self.look(look)));
            }
            for look in &opening.unless {
                when.push_str(&format!("; not if {}", self.look(look)));
            }
            all.push(Told {
                line: line(&opening.request),
                when,
            });
        }
        for product in &self.products {
            for request in &product.requests {
                let condition = match request.purpose {
                    Purpose::Identify => format!("if earlier answers hint at {} or its port is one of its own", product.name),
                    Purpose::Read => format!("once {} is recognised", product.name),
                    Purpose::Model => format!("once per model of a recognised {}, up to the cap", product.name),
                    Purpose::Prove => continue,
                };
                let more: Vec<String> = request.when.iter().map(|look| self.look(look)).collect();
                let when = if more.is_empty() {
                    condition
                } else {
                    format!("{condition}, and {}", more.join(", and "))
                };
                let told = Told { line: line(request), when };
                if !all.iter().any(|other| other.line == told.line && other.when == told.when) {
                    all.push(told);
                }
            }
        }
        all
    }

    /// The clause of a look, in words.
    #[must_use]
    pub fn look(&self, look: &Look) -> String {
        let on = match look.place {
            Place::Sig(sig) => self.signature(sig).map_or_else(String::new, |signature| {
                let body = signature.body.as_deref().map(|body| format!(" {body}")).unwrap_or_default();
                format!("{} {}{body}", signature.method, signature.path)
            }),
            Place::Landing => "the page that GET / leads to".to_owned(),
            Place::Any => "some reply".to_owned(),
        };
        format!("{on}: {}", words(&look.clause))
    }

    /// A product's file in plain words, Markdown.
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
            out.push_str(&format!("- answers as: {}\n", emulated.join(", ")));
        }
        if product.family {
            out.push_str("- an interface that many products speak: that a server has all of its routes is not claimed\n");
        }
        if let Some(newest) = &product.newest {
            out.push_str(&format!("- newest release known: {newest}\n"));
        }
        out.push_str(&format!(
            "- advisories: {}\n",
            if product.packages.is_empty() {
                "its file names no package".to_owned()
            } else {
                product.packages.join(", ")
            }
        ));
        for (service, queries) in [("Shodan", &product.shodan), ("Censys", &product.censys)] {
            if !queries.is_empty() {
                let all: Vec<String> = queries.iter().map(|query| format!("`{query}`")).collect();
                out.push_str(&format!("- {service} is asked for: {}\n", all.join(", ")));
            }
        }
        out.push_str("\n## Evidence\n\n");
        for evidence in &product.evidence {
            let weight = format!("{:?}", evidence.weight).to_lowercase();
            out.push_str(&format!("- **{}** ({weight}): {}", evidence.id, self.look(&evidence.look)));
            for look in &evidence.guards.also {
                out.push_str(&format!("; and {}", self.look(look)));
            }
            if !evidence.guards.either.is_empty() {
                let either: Vec<String> = evidence.guards.either.iter().map(|look| self.look(look)).collect();
                out.push_str(&format!("; and either {}", either.join(", or ")));
            }
            for look in &evidence.guards.unless {
                out.push_str(&format!("; unless {}", self.look(look)));
            }
            if !evidence.why.is_empty() {
                out.push_str(&format!(" ({})", evidence.why));
            }
            out.push('\n');
        }
        out.push_str("\n## Posture\n\n");
        for rule in &product.posture {
            out.push_str(&format!("- {}: {}\n", rule.posture, self.look(&rule.look)));
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

/// `- **host** (`OLLAMA_HOST`, `--host`; since 0.1.2; default `127.0.0.1`): What it decides. Unsafe: …. Safe: ….`
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
        text.push_str(" Read at the first start only; later the stored value holds.");
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

/// How the product reads requests, and what they name where.
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

/// Each in backquotes.
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

fn words(clause: &Clause) -> String {
    let mut all = Vec::new();
    if !clause.status.0.is_empty() {
        let statuses: Vec<String> = clause.status.0.iter().map(ToString::to_string).collect();
        all.push(format!("status {}", statuses.join(" or ")));
    }
    if let Some(kind) = clause.kind {
        all.push(format!("is {kind:?}").to_lowercase());
    }
    all.extend(clause.header.iter().map(|(name, pattern)| format!("header {name} {pattern}")));
    all.extend(clause.location.iter().map(|pattern| format!("location {pattern}")));
    all.extend(clause.title.iter().map(|pattern| format!("title {pattern}")));
    all.extend(clause.body.0.iter().map(|pattern| format!("body {pattern}")));
    all.extend(clause.json.0.iter().map(|(pointer, test)| format!("{pointer} {test}")));
    if clause.failed == Some(true) {
        all.push("no reply".to_owned());
    }
    if all.is_empty() { "answered".to_owned() } else { all.join(", ") }
}
