//! Turning raw observations into observations: the catalogue identifies the product, and what was not seen stays unknown.

use std::net::IpAddr;
use std::sync::Arc;

use vigie_identify::{Conclusion, Session};
use vigie_model::{
    Deception, Endpoint, Evidence, EvidenceWeight, Exposure, Identity, Known, Network, Observation, SCHEMA, Source, SourceKind, Tell,
    Transport, Why,
};

use crate::bad::Fault;
use crate::format::Format;
use crate::options::Options;
use crate::products::ProductNames;
use crate::raw::{Carries, Claim, RawObservation, quoted, shorten};
use crate::time;

/// The highest confidence in a product that only the source names. In surveys that probed again, 50 % (LiteLLM, by title) to 66 % (Ollama,
/// 16,473 of 25,092) of such hits were the product that the search engine had named; this value lies between.
pub const CLAIM_CONFIDENCE: f64 = 0.6;

/// The rule of evidence that rests on a source's claim.
const CLAIM_RULE: &str = "said-by-source";

/// The rule of evidence for a version that only the source claims.
const VERSION_CLAIM_RULE: &str = "version-said-by-source";

/// The most claims and remarks of a source that are kept for one endpoint.
const MAX_WORDS: usize = 32;

/// The most characters of each.
const MAX_WORD: usize = 200;

/// Whether a tool's text means unknown.
fn says_unknown(text: &str) -> bool {
    let words = ["", "-", "?", "n/a", "na", "nil", "none", "null", "undefined", "unknown"];
    words.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// The name of a place or a company, if it is not empty and of plausible length.
fn short_name(text: Option<String>) -> Known<String> {
    let name = text.map(|text| text.trim().to_owned());
    name.filter(|name| !name.is_empty() && name.chars().count() <= 128)
        .map_or(Known::unknown(Why::NotCarried), Known::Known)
}

/// Turns raw observations of one format into observations. Threads may share it.
#[derive(Clone, Debug)]
pub(crate) struct Maker {
    pub(crate) format: Format,
    pub(crate) options: Options,
    products: Arc<ProductNames>,
}

impl Maker {
    pub(crate) fn new(format: Format, options: Options) -> Self {
        Self {
            format,
            products: Arc::new(ProductNames::of(options.catalog())),
            options,
        }
    }

    /// The observation, or the reason why the record is bad.
    pub(crate) fn make(&self, mut observed: RawObservation) -> Result<Observation, Fault> {
        let options = &self.options;
        let seen = observed.seen.or(options.seen).ok_or_else(Fault::missing_time)?;
        time::not_yet(seen, options.recorded)?;
        let endpoint = Endpoint {
            address: observed.address,
            port: observed.port,
            transport: Transport::Tcp,
            name: observed.name.clone(),
            prefix: None,
            tls: observed.tls.clone(),
            certificate: observed.certificate.clone(),
        };
        let (mut identity, mut exposure, mut tells) = self.conclude(&mut observed);
        if let Some(decoded) = observed.decoded.take() {
            let product = identity.product.known().map(String::as_str);
            if decoded.product.is_none() || decoded.product == product {
                decoded.fill(&mut exposure);
            }
        }
        settle(&mut exposure, observed.carries);
        for told in [&mut identity.version, &mut identity.instance] {
            if let Known::Unknown(unknown) = told
                && unknown.why == Why::NotAsked
                && observed.carries == Carries::Port
            {
                unknown.why = Why::NotCarried;
            }
        }
        tells.extend(observed.tells);
        Ok(Observation {
            schema: SCHEMA.to_owned(),
            seen,
            recorded: options.recorded,
            source: Source {
                kind: SourceKind::Import,
                name: self.format.word().to_owned(),
                version: observed.version,
                catalog: options.catalog().hash().to_owned(),
                vantage: options.vantage.clone().or(observed.vantage).unwrap_or_default(),
                scan: None,
            },
            scope: Known::unknown(Why::NotCarried),
            endpoint,
            listener: None,
            identity: identity.into(),
            exposure: exposure.into(),
            network: Network {
                country: observed
                    .country
                    .filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
                    .map_or(Known::unknown(Why::NotCarried), |code| Known::Known(code.to_ascii_uppercase())),
                // AS 0 means none.
                asn: observed
                    .asn
                    .filter(|asn| *asn > 0)
                    .map_or(Known::unknown(Why::NotCarried), Known::Known),
                city: short_name(observed.city),
                organisation: short_name(observed.organisation),
                ..Network::unknown(Why::NotCarried)
            },
            deception: deception(tells, observed.carries),
            advisories: [].into(),
            findings: Vec::new().into(),
        })
    }

    fn conclude(&self, observed: &mut RawObservation) -> (Identity, Exposure, Vec<Tell>) {
        let claims = || {
            observed
                .claims
                .iter()
                .filter_map(|claim| Some((self.products.find(&claim.product)?, claim)))
        };
        // A product of last resort is used only if the source claims no other.
        let resembles = |id: &str| self.options.catalog().product(id).is_some_and(|product| product.last_resort);
        let claim = claims().find(|(id, _)| !resembles(id)).or_else(|| claims().next());
        if observed.exchanges.is_empty() && claim.is_none() {
            let why = match observed.carries {
                Carries::Port => Known::unknown(Why::NotCarried),
                Carries::Replies => Known::unknown_because(Why::NotCarried, "the record holds no HTTP reply"),
            };
            let mut identity = nothing(why);
            self.say(&mut identity, observed, None);
            return (identity, Exposure::unknown(Why::NotAsked), Vec::new());
        }
        let host = observed.name.clone().unwrap_or_else(|| match observed.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        let exchanges = std::mem::take(&mut observed.exchanges);
        let authority = format!("{host}:{}", observed.port);
        let mut session = Session::from_transcript(Arc::clone(&self.options.identifier), observed.port, authority, exchanges);
        let mut conclusion = session.conclude();
        if let Some((id, claim)) = claim {
            conclusion = self.weigh(&mut session, conclusion, id, claim);
        }
        let used = claim.map(|(_, claim)| claim);
        self.say(&mut conclusion.identity, observed, used);
        (conclusion.identity, conclusion.exposure, conclusion.deception.tells)
    }

    /// Combines the transcript's evidence with the source's claim. The transcript wins.
    fn weigh(&self, session: &mut Session, found: Conclusion, id: &str, claim: &Claim) -> Conclusion {
        let source = self.format.word();
        let said = self.said(id, EvidenceWeight::Strong, &claim.words());
        let agrees = found.identity.product.known().map(String::as_str) == Some(id);
        let (mut conclusion, against) = if agrees {
            (found, Vec::new())
        } else if let Some(mut claimed) = session.conclude_as(id) {
            claimed.identity.confidence = CLAIM_CONFIDENCE.min(self.options.identifier.measured().confidence(id));
            (claimed, Vec::new())
        } else {
            let mut kept = found;
            let against = session.against(id);
            if !kept.identity.product.is_known() {
                kept.identity.product = Known::unknown_because(
                    Why::NotCarried,
                    format!("{source} says {id}, which the reply in its record rules out"),
                );
            }
            (kept, against)
        };
        let identity = &mut conclusion.identity;
        let mut evidence = identity.evidence.to_vec();
        for piece in against {
            if !evidence.iter().any(|have| have.product == piece.product && have.rule == piece.rule) {
                evidence.push(piece);
            }
        }
        evidence.push(said);
        identity.evidence = evidence.into();
        if identity.product.known().map(String::as_str) == Some(id)
            && !identity.version.is_known()
            && let Some(version) = claim.version.as_ref().filter(|version| !says_unknown(version))
        {
            identity.version = Known::Known(shorten(version, 100));
            // Only the source gives the version, whatever shows the product: verdicts depend on this.
            let mut evidence = identity.evidence.to_vec();
            evidence.push(Evidence {
                product: id.to_owned(),
                rule: VERSION_CLAIM_RULE.to_owned(),
                weight: EvidenceWeight::Weak,
                request: format!("{source} record"),
                seen: shorten(&format!("{source} says version {version:?}"), 200),
            });
            identity.evidence = evidence.into();
        }
        conclusion
    }

    /// Adds the source's other claims and remarks as evidence: verbatim, with the product they name, if any.
    fn say(&self, identity: &mut Identity, observed: &RawObservation, used: Option<&Claim>) {
        let other = |claim: &&Claim| used.is_none_or(|used| !std::ptr::eq(used, *claim));
        let claims = observed.claims.iter().filter(other);
        let mut said: Vec<Evidence> = claims
            .map(|claim| {
                let product = self.products.find(&claim.product).unwrap_or_default();
                self.said(product, EvidenceWeight::Weak, &claim.words())
            })
            .collect();
        let words = observed.words.iter();
        said.extend(words.map(|(place, word)| self.said("", EvidenceWeight::Weak, &quoted(place, word))));
        let mut all = identity.evidence.to_vec();
        let mut left_out = 0_usize;
        for (number, evidence) in said.into_iter().enumerate() {
            if number >= MAX_WORDS {
                left_out += 1;
            } else if !all.contains(&evidence) {
                all.push(evidence);
            }
        }
        if left_out > 0 {
            all.push(self.said("", EvidenceWeight::Weak, &format!("{left_out} more")));
        }
        if all.len() > identity.evidence.len() {
            identity.evidence = all.into();
        }
    }

    fn said(&self, product: &str, weight: EvidenceWeight, words: &str) -> Evidence {
        let source = self.format.word();
        Evidence {
            product: product.to_owned(),
            rule: CLAIM_RULE.to_owned(),
            weight,
            request: format!("{source} record"),
            seen: shorten(&format!("{source} says {words}"), MAX_WORD),
        }
    }
}

fn nothing(product: Known<String>) -> Identity {
    let why = product.why().unwrap_or(Why::NotCarried);
    Identity {
        product,
        version: Known::unknown(why),
        instance: Known::unknown(Why::NotCarried),
        confidence: 0.0,
        evidence: Arc::from([]),
        also: Vec::new(),
    }
}

/// Corrects the reason of unknown values that no source could carry.
fn settle(exposure: &mut Exposure, carries: Carries) {
    // Reach can only be seen on the machine itself.
    exposure.reach = Known::unknown(Why::NotCarried);
    // No source asks for these: they need a request per model, or several steps.
    not_carried(&mut exposure.capabilities);
    not_carried(&mut exposure.tools);
    if let Known::Known(models) = &mut exposure.models {
        for model in models {
            not_carried(&mut model.capabilities);
            not_carried(&mut model.context_length);
            not_carried(&mut model.template);
            not_carried(&mut model.system_prompt);
            not_carried(&mut model.uncensored_by_prompt);
        }
    }
    if carries == Carries::Port {
        not_carried(&mut exposure.posture);
        not_carried(&mut exposure.activity);
        not_carried(&mut exposure.models);
        not_carried(&mut exposure.running);
    }
}

fn not_carried<T>(value: &mut Known<T>) {
    if let Known::Unknown(unknown) = value
        && unknown.why == Why::NotAsked
    {
        unknown.why = Why::NotCarried;
    }
}

/// The deception of a record. Without tells the score is unknown, because the source looked at one page or none.
fn deception(tells: Vec<Tell>, carries: Carries) -> Deception {
    match (tells.is_empty(), carries) {
        (false, _) => Deception::from_tells(tells),
        (true, Carries::Replies) => Deception {
            score: Known::unknown_because(Why::NotAsked, "no tell in the record, and little was asked"),
            tells: Vec::new(),
        },
        (true, Carries::Port) => Deception::unknown(Why::NotCarried),
    }
}
