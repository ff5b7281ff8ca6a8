//! The findings of a remote scan. Each rule is a function.

use std::collections::BTreeMap;
use std::sync::Arc;

use vigie_catalog::{Kind, Product};
use vigie_model::{
    AdvisoryCoverage, Claim, Confidence, Effect, EvidenceKind, Known, LeakKind, Model, Posture, PromptClass, Reach, Severity, ToolRisk,
    Verdict,
};

use crate::look::{About, Look};
use crate::routes::Had;
use crate::texts::Texts;

/// The claims about an observation, the most severe first.
pub(crate) fn claims(look: &Look<'_>, texts: &Texts) -> Vec<About> {
    let mut found: Vec<Draft> = Vec::new();
    if let Some(product) = look.product {
        found.extend(open_inference(look, product));
        found.extend(management_reachable(look, product));
        found.extend(empty_server_fillable(look, product));
        found.extend(models_readable(look));
        found.extend(system_prompt_readable(look));
        found.extend(leaks(look));
        found.extend(partial_key(look));
        found.extend(accounts(look));
        found.extend(open_application(look, product));
        found.extend(tools_without_authentication(look));
        found.extend(vulnerable_version(look));
        found.extend(advisories_not_covered(look, product));
        found.extend(uncensored_model(look));
        found.extend(paid_quota_exposed(look));
        // All of these depend on the product, whose file says how to parse the replies and which routes exist. An answer of a model does
        // not depend on it.
        for draft in found.iter_mut().filter(|draft| draft.case != Some(PROVED)) {
            draft.confidence = draft.confidence.min(look.sure.product);
        }
        found.extend(plain_http(look));
    }
    if look.product.is_none() {
        // That the list answers and all else is refused was observed, whatever the product is.
        found.extend(partial_key(look).map(|draft| Draft {
            confidence: Confidence::Medium,
            ..draft
        }));
    }
    found.extend(suspected_deception(look));
    if look.only_here() && look.product.is_some() {
        found.push(Draft::new("loopback-only", Confidence::High, EvidenceKind::Observed, String::new()));
    }
    let mut claims: Vec<About> = found.into_iter().filter_map(|draft| finish(draft, look, texts)).collect();
    claims.sort_by(|(about, a), (other, b)| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| a.id.cmp(&b.id))
            .then_with(|| about.cmp(other))
    });
    claims
}

/// The case of a model that answered.
const PROVED: &str = "proved";

/// A finding without its texts.
struct Draft {
    id: &'static str,
    severity: Option<Severity>,
    confidence: Confidence,
    evidence: EvidenceKind,
    detail: String,
    about: Option<String>,
    advisories: Vec<String>,
    /// The case that selects the texts.
    case: Option<&'static str>,
}

impl Draft {
    fn new(id: &'static str, confidence: Confidence, evidence: EvidenceKind, detail: String) -> Self {
        Self {
            id,
            severity: None,
            confidence,
            evidence,
            detail,
            about: None,
            advisories: Vec::new(),
            case: None,
        }
    }

    fn case(mut self, case: Option<&'static str>) -> Self {
        self.case = case;
        self
    }

    fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }
}

fn finish(draft: Draft, look: &Look<'_>, texts: &Texts) -> Option<About> {
    let text = texts.get(draft.id)?;
    let mut severity = draft.severity.unwrap_or(text.severity);
    if look.only_here() {
        // A server bound to loopback is as it should be, so this is only information. A vulnerable version should still be upgraded.
        severity = severity.min(if draft.id == "vulnerable-version" {
            Severity::Low
        } else {
            Severity::Info
        });
    }
    let own = look.product.and_then(|product| product.remedies.get(draft.id));
    let case = draft.case.and_then(|case| text.cases.get(case));
    let claim = Claim {
        id: draft.id.to_owned(),
        severity,
        confidence: draft.confidence,
        evidence: draft.evidence,
        title: case.and_then(|case| case.title.as_ref()).unwrap_or(&text.title).clone(),
        detail: draft.detail + case.map_or(&text.why, |case| &case.why),
        remedy: own.unwrap_or(&text.remedy).clone(),
        standards: text.standards.clone(),
        advisories: draft.advisories,
    };
    Some((draft.about, Arc::new(claim)))
}

fn open_inference(look: &Look<'_>, product: &Product) -> Option<Draft> {
    let dormant = look.is_dormant();
    let proved = look.exposure.inference_proved == Some(true);
    if !proved && (dormant || !look.is_open()) {
        return None;
    }
    let mut interfaces = std::iter::once(product).chain(look.also_open());
    let product =
        interfaces.find(|product| matches!(product.kind, Kind::Inference | Kind::Gateway) && product.has_effect(Effect::Infer))?;
    let had = Had::by(look, product, &[Effect::Infer]);
    // The routes of a product family are those of an interface, but its list of models is evidence of what can be used.
    if had.is_empty() && !product.family && !proved {
        return None;
    }
    let models = look.exposure.models_counted();
    let tools = look
        .exposure
        .capabilities
        .known()
        .is_some_and(|all| all.iter().any(|c| c.as_str() == "tools"));
    let mut detail = if proved {
        "A model answered \"What is 2+2?\" without credentials. ".to_owned()
    } else {
        look.seen_at()
    };
    if let Some(models) = models.filter(|models| models.count > 0) {
        let least = if models.or_more { "at least " } else { "" };
        let plural = if models.count == 1 { "" } else { "s" };
        detail.push_str(&format!("It lists {least}{} model{plural}. ", models.count));
    }
    if tools {
        detail.push_str("Some can call tools. ");
    }
    // An effect that was not exercised has medium confidence at most.
    let (confidence, evidence, case) = if proved {
        (Confidence::High, EvidenceKind::Observed, Some(PROVED))
    } else if product.family {
        (Confidence::Low, EvidenceKind::Inferred, Some("family"))
    } else if had.surely.is_empty() {
        (Confidence::Low, EvidenceKind::Inferred, None)
    } else {
        (Confidence::Medium, EvidenceKind::Inferred, None)
    };
    let severity = if look.is_public() { Severity::Critical } else { Severity::High };
    let draft = Draft::new("open-inference", confidence, evidence, detail);
    Some(draft.severity(severity).case(case))
}

fn management_reachable(look: &Look<'_>, product: &Product) -> Option<Draft> {
    if !look.is_open() {
        return None;
    }
    let had = Had::by(look, product, &[Effect::Write, Effect::Load]);
    (!had.is_empty()).then(|| Draft::new("management-reachable", had.confidence(), EvidenceKind::Inferred, had.words(product)))
}

fn empty_server_fillable(look: &Look<'_>, product: &Product) -> Option<Draft> {
    if !(look.is_dormant() && look.is_open()) {
        return None;
    }
    let had = Had::by(look, product, &[Effect::Write, Effect::Load]);
    (!had.is_empty()).then(|| {
        Draft::new(
            "empty-server-fillable",
            had.confidence(),
            EvidenceKind::Inferred,
            look.seen_at() + &had.words(product),
        )
    })
}

fn models_readable(look: &Look<'_>) -> Option<Draft> {
    let behind_a_door = look.exposure.leaks.iter().any(|leak| leak.what == LeakKind::Models);
    if !(behind_a_door || (look.is_open() && !look.models().is_empty())) {
        return None;
    }
    let names: Vec<&str> = look.models().iter().take(3).map(|model| model.name.as_str()).collect();
    let detail = if names.is_empty() {
        String::new()
    } else {
        format!(
            "{}{}. ",
            names.join(", "),
            match look.exposure.models_counted() {
                Some(models) if models.count > 3 => {
                    let least = if models.or_more { "at least " } else { "" };
                    format!(" and {least}{} more", models.count - 3)
                }
                Some(models) if models.or_more => " and perhaps more".to_owned(),
                _ => String::new(),
            }
        )
    };
    Some(Draft::new("models-readable", Confidence::High, EvidenceKind::Observed, detail))
}

fn system_prompt_readable(look: &Look<'_>) -> Option<Draft> {
    let own: Vec<&str> = look
        .models()
        .iter()
        .filter(|model| {
            model
                .system_prompt
                .known()
                .is_some_and(|print| matches!(print.class, PromptClass::Custom | PromptClass::Uncensored))
        })
        .map(|model| model.name.as_str())
        .collect();
    let leaked = look.exposure.leaks.iter().any(|leak| leak.what == LeakKind::SystemPrompt);
    if own.is_empty() && !leaked {
        return None;
    }
    let detail = if own.is_empty() {
        String::new()
    } else {
        format!("Of {}. ", own.iter().take(3).copied().collect::<Vec<_>>().join(", "))
    };
    Some(Draft::new(
        "system-prompt-readable",
        Confidence::High,
        EvidenceKind::Observed,
        detail,
    ))
}

/// Leaks that are findings by themselves.
fn leaks(look: &Look<'_>) -> Vec<Draft> {
    let mut by_kind: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
    for leak in &look.exposure.leaks {
        let id = match leak.what {
            LeakKind::Prompts => "prompts-readable",
            LeakKind::Settings => "settings-readable",
            LeakKind::Credentials => "credentials-readable",
            LeakKind::Data => "data-readable",
            LeakKind::Metrics => "metrics-readable",
            LeakKind::Models | LeakKind::SystemPrompt => continue,
        };
        by_kind.entry(id).or_default().push(&leak.request);
    }
    by_kind
        .into_iter()
        .map(|(id, requests)| Draft::new(id, Confidence::High, EvidenceKind::Observed, format!("{}. ", requests.join(", "))))
        .collect()
}

fn partial_key(look: &Look<'_>) -> Option<Draft> {
    let door = matches!(look.posture(), Some(Posture::Key | Posture::Login | Posture::Forbidden));
    let leaks = &look.exposure.leaks;
    (door && !leaks.is_empty()).then(|| {
        let requests: Vec<&str> = leaks.iter().map(|leak| leak.request.as_str()).collect();
        Draft::new(
            "partial-key",
            Confidence::High,
            EvidenceKind::Observed,
            format!("{} answered without credentials. ", requests.join(", ")),
        )
    })
}

fn accounts(look: &Look<'_>) -> Option<Draft> {
    let id = match look.posture()? {
        Posture::FirstAdmin => "first-visitor-admin",
        Posture::Signup => "open-signup",
        _ => return None,
    };
    Some(Draft::new(id, Confidence::High, EvidenceKind::Observed, String::new()))
}

fn open_application(look: &Look<'_>, product: &Product) -> Option<Draft> {
    let kind = matches!(product.kind, Kind::Application | Kind::Platform | Kind::Vectors);
    (kind && look.is_open()).then(|| {
        let severity = if look.is_public() { Severity::Critical } else { Severity::High };
        // Without another open route of the application, only its page may be open.
        let used = product.has_effect(Effect::Infer) || product.has_effect(Effect::Write);
        let page = used && Had::by(look, product, &[Effect::Infer, Effect::Write, Effect::Load]).is_empty();
        let (confidence, evidence, case) = if page {
            (Confidence::Medium, EvidenceKind::Inferred, Some("page"))
        } else {
            (Confidence::High, EvidenceKind::Observed, None)
        };
        let draft = Draft::new("open-application", confidence, evidence, look.seen_at());
        draft.severity(severity).case(case)
    })
}

fn tools_without_authentication(look: &Look<'_>) -> Option<Draft> {
    let tools = look.exposure.tools.known()?;
    if tools.is_empty() {
        return None;
    }
    let mut by_risk: BTreeMap<ToolRisk, Vec<&str>> = BTreeMap::new();
    for tool in tools {
        by_risk
            .entry(tool.risks.iter().copied().min().unwrap_or(ToolRisk::Other))
            .or_default()
            .push(&tool.name);
    }
    let severity = match by_risk.keys().next()? {
        ToolRisk::CodeExecution => Severity::Critical,
        ToolRisk::FileAccess | ToolRisk::Database | ToolRisk::Secrets | ToolRisk::Privileged => Severity::High,
        ToolRisk::Network => Severity::Medium,
        ToolRisk::Other => Severity::Low,
    };
    let classes: Vec<String> = by_risk
        .iter()
        .map(|(risk, names)| {
            let word = serde_json::to_value(risk)
                .ok()
                .and_then(|v| v.as_str().map(str::to_owned))
                .unwrap_or_default();
            let some = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
            format!("{word}: {} ({some}{})", names.len(), if names.len() > 3 { ", …" } else { "" })
        })
        .collect();
    Some(
        Draft::new(
            "tools-without-authentication",
            Confidence::High,
            EvidenceKind::Observed,
            format!("{}. ", classes.join("; ")),
        )
        .severity(severity),
    )
}

fn vulnerable_version(look: &Look<'_>) -> Option<Draft> {
    let affected: Vec<_> = look
        .advisories
        .iter()
        .filter(|advisory| advisory.verdict == Verdict::Affected)
        .collect();
    // A disputed advisory is shown with a mark, but raises no alarm by itself.
    let counted: Vec<_> = affected.iter().filter(|advisory| !advisory.disputed).collect();
    if counted.is_empty() {
        return None;
    }
    let exploited = counted.iter().filter(|advisory| advisory.exploited).count();
    let severity = if exploited > 0 {
        Severity::Critical
    } else {
        counted.iter().map(|advisory| advisory.severity).max().unwrap_or(Severity::Medium)
    };
    let confidence = counted
        .iter()
        .map(|advisory| advisory.confidence)
        .max()
        .unwrap_or(Confidence::Medium)
        .min(look.sure.version);
    let version = look.version.known().map_or("?", String::as_str);
    let mut detail = format!("{} advisories apply to {version}", counted.len());
    if counted.len() == 1 {
        detail = format!("{} applies to {version}", counted[0].id);
    }
    if exploited > 0 {
        detail.push_str(&format!(", {exploited} of them known to be exploited"));
    }
    detail.push_str(". ");
    let mut draft = Draft::new("vulnerable-version", confidence, EvidenceKind::Inferred, detail).severity(severity);
    draft.advisories = counted.iter().map(|advisory| advisory.id.clone()).collect();
    Some(draft.case(look.sure.by_word.then_some("by-word")))
}

/// The finding for a product without advisories whose version is known; an empty list would look as if no advisory applies.
fn advisories_not_covered(look: &Look<'_>, product: &Product) -> Option<Draft> {
    let untold = look.advisories.coverage() == Some(AdvisoryCoverage::NotCovered);
    let version = look.version.known().filter(|_| untold)?;
    Some(Draft::new(
        "advisories-not-covered",
        Confidence::High,
        EvidenceKind::Observed,
        format!("{} {version}. ", product.name),
    ))
}

fn plain_http(look: &Look<'_>) -> Option<Draft> {
    let beyond = match look.exposure.reach.known() {
        Some(reach) => *reach != Reach::Loopback,
        None => !look.loopback,
    };
    (beyond && *look.tls == Known::Known(false)).then(|| Draft::new("plain-http", Confidence::High, EvidenceKind::Observed, String::new()))
}

fn uncensored_model(look: &Look<'_>) -> Vec<Draft> {
    let of = |test: &dyn Fn(&Model) -> bool| {
        look.models()
            .iter()
            .filter(|m| test(m))
            .map(|m| m.name.as_str())
            .collect::<Vec<_>>()
    };
    let by_name = of(&|model| model.uncensored_by_name.known() == Some(&true));
    let by_prompt = of(&|model| model.uncensored_by_prompt.known() == Some(&true));
    let draft = |names: &[&str], signal: &str, severity| {
        let some = names.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let mut draft = Draft::new(
            "uncensored-model",
            Confidence::Medium,
            EvidenceKind::Observed,
            format!("By {signal}: {some}. "),
        )
        .severity(severity);
        draft.about = Some(format!("(by {signal})"));
        draft
    };
    // Two separate signals, which are never combined.
    let mut drafts = Vec::new();
    if !by_name.is_empty() {
        drafts.push(draft(&by_name, "name", Severity::Low));
    }
    if !by_prompt.is_empty() {
        drafts.push(draft(&by_prompt, "system prompt", Severity::Medium));
    }
    drafts
}

fn paid_quota_exposed(look: &Look<'_>) -> Option<Draft> {
    let remote: Vec<&str> = look
        .models()
        .iter()
        .filter(|m| m.remote.known() == Some(&true))
        .map(|m| m.name.as_str())
        .collect();
    (look.is_open() && !remote.is_empty()).then(|| {
        let mut some = remote.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        if remote.len() > 3 {
            some.push_str(&format!(" and {} more", remote.len() - 3));
        }
        Draft::new(
            "paid-quota-exposed",
            Confidence::Medium,
            EvidenceKind::Inferred,
            format!("{some}. "),
        )
    })
}

fn suspected_deception(look: &Look<'_>) -> Option<Draft> {
    let deception = look.deception;
    deception.is_suspect().then(|| {
        let tells: Vec<String> = deception
            .tells
            .iter()
            .map(|tell| match tell.seen.as_str() {
                "" => tell.id.clone(),
                seen => format!("{seen} ({})", tell.id),
            })
            .collect();
        Draft::new(
            "suspected-deception",
            Confidence::Medium,
            EvidenceKind::Observed,
            format!("{}. ", tells.join("; ")),
        )
    })
}
