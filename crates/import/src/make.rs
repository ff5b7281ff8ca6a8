//! From what a source saw to an observation: the catalogue says what it is, and what nobody saw stays unknown.

use std::net::IpAddr;
use std::sync::Arc;

use vigie_identify::{Conclusion, Session};
use vigie_model::{
    Activity, Certificate, Deception, Endpoint, Evidence, EvidenceWeight, Exchange, Exposure, Identity, Known, Leak, Model, Network,
    Observation, Posture, RunningModel, SCHEMA, Source, SourceKind, Tell, Timestamp, Tool, Transport, Why,
};

use crate::importer::Parser;
use crate::time;

/// The highest confidence in a product that only the source names. Surveys that asked again found 50 % (LiteLLM, by title) to
/// 66 % (Ollama, 16,473 of 25,092) of such hits to be what the search engine said; this stands between.
pub const CLAIM_CONFIDENCE: f64 = 0.6;

/// From more services than this on one host, it is likely a honeypot: the rule that Censys uses for Ollama hosts.
pub const MANY_SERVICES: usize = 45;

/// The rule that evidence from a source's own word is told under.
const CLAIM_RULE: &str = "said-by-source";

/// The rule that a version is told under which only the source's own word gives.
const VERSION_CLAIM_RULE: &str = "version-said-by-source";

/// The most words of a source that are kept of one endpoint.
const MAX_WORDS: usize = 32;

/// The most characters of one.
const MAX_WORD: usize = 200;

/// Words by which a tool says that it does not know.
fn says_unknown(text: &str) -> bool {
    let words = ["", "-", "?", "n/a", "na", "nil", "none", "null", "undefined", "unknown"];
    words.iter().any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// How much of a source can be in its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carries {
    /// That a port answered, and no reply.
    Port,
    /// Replies, or parts of them.
    Replies,
}

/// One endpoint as a source saw it.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) name: Option<String>,
    pub(crate) seen: Option<Timestamp>,
    pub(crate) tls: Known<bool>,
    pub(crate) certificate: Option<Certificate>,
    /// What was asked and answered.
    pub(crate) exchanges: Vec<Exchange>,
    /// What the source says it is; the first that the catalogue has counts, and all are kept as evidence.
    pub(crate) claims: Vec<Claim>,
    /// What else the source says of it: where it stands, and its words.
    pub(crate) words: Vec<(String, String)>,
    /// A server's lists and its access, decoded by the source.
    pub(crate) decoded: Option<Decoded>,
    pub(crate) country: Option<String>,
    pub(crate) asn: Option<u32>,
    pub(crate) city: Option<String>,
    /// Under which name the autonomous system is registered.
    pub(crate) organisation: Option<String>,
    pub(crate) tells: Vec<Tell>,
    pub(crate) vantage: Option<String>,
    /// The tool's version, empty if it says none.
    pub(crate) version: String,
    pub(crate) carries: Carries,
}

impl Sight {
    /// An endpoint of which nothing else is known yet.
    pub(crate) fn at(address: IpAddr, port: u16, seen: Option<Timestamp>, carries: Carries) -> Self {
        Self {
            address,
            port,
            name: None,
            seen,
            tls: Known::unknown(Why::NotCarried),
            certificate: None,
            exchanges: Vec::new(),
            claims: Vec::new(),
            words: Vec::new(),
            decoded: None,
            country: None,
            asn: None,
            city: None,
            organisation: None,
            tells: Vec::new(),
            vantage: None,
            version: String::new(),
            carries,
        }
    }
}

/// A name of a place or a company: not empty, and no longer than those are.
fn short_name(text: Option<String>) -> Known<String> {
    let name = text.map(|text| text.trim().to_owned());
    name.filter(|name| !name.is_empty() && name.chars().count() <= 128)
        .map_or(Known::unknown(Why::NotCarried), Known::Known)
}

/// What a source says an endpoint is.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// The product in the source's words.
    pub(crate) product: String,
    pub(crate) version: Option<String>,
    /// Where in the record it stands.
    pub(crate) place: &'static str,
}

impl Claim {
    /// Its words, as they are.
    fn words(&self) -> String {
        // httpx writes both in one word.
        if let ("tech", Some(version)) = (self.place, &self.version) {
            return quoted("tech", &format!("{}:{version}", self.product));
        }
        let version = self.version.as_ref().map(|version| format!(", {}", quoted("version", version)));
        format!("{}{}", quoted(self.place, &self.product), version.unwrap_or_default())
    }
}

/// What a server lists and asks for, as a source decoded it.
#[derive(Clone, Debug)]
pub(crate) struct Decoded {
    /// The product it was asked as; `None`: whatever it is.
    pub(crate) product: Option<&'static str>,
    pub(crate) models: Known<Vec<Model>>,
    pub(crate) running: Known<Vec<RunningModel>>,
    pub(crate) tools: Known<Vec<Tool>>,
    /// What a stranger met, in the source's own word.
    pub(crate) posture: Option<Posture>,
    /// The request whose reply that is; empty if the source does not say it.
    pub(crate) request: String,
    pub(crate) leaks: Vec<Leak>,
}

/// The tell of a source's own tag or label.
pub(crate) fn tagged(id: &str, text: String) -> Tell {
    Tell {
        id: id.to_owned(),
        weight: 0.8,
        seen: text,
    }
}

/// The tell of a host with very many services, where the source lists them all.
pub(crate) fn many_services(count: usize) -> Option<Tell> {
    (count > MANY_SERVICES).then(|| Tell {
        id: "many-services".to_owned(),
        weight: 0.6,
        seen: format!("{count} services on one host, more than {MANY_SERVICES}"),
    })
}

impl Parser {
    /// The observation of what was seen, or what it lacks.
    pub(crate) fn make(&self, mut sight: Sight) -> Result<Observation, String> {
        let options = &self.options;
        let seen = sight
            .seen
            .or(options.seen)
            .ok_or("it says no time, and none was given for the whole file")?;
        time::not_yet(seen, options.recorded)?;
        let endpoint = Endpoint {
            address: sight.address,
            port: sight.port,
            transport: Transport::Tcp,
            name: sight.name.clone(),
            prefix: None,
            tls: sight.tls.clone(),
            certificate: sight.certificate.clone(),
        };
        let (mut identity, mut exposure, mut tells) = self.conclude(&mut sight);
        if let Some(decoded) = sight.decoded.take() {
            let product = identity.product.known().map(String::as_str);
            if decoded.product.is_none() || decoded.product == product {
                decoded.fill(&mut exposure);
            }
        }
        settle(&mut exposure, sight.carries);
        for told in [&mut identity.version, &mut identity.instance] {
            if let Known::Unknown(unknown) = told
                && unknown.why == Why::NotAsked
                && sight.carries == Carries::Port
            {
                unknown.why = Why::NotCarried;
            }
        }
        tells.extend(sight.tells);
        Ok(Observation {
            schema: SCHEMA.to_owned(),
            seen,
            recorded: options.recorded,
            source: Source {
                kind: SourceKind::Import,
                name: self.format.word().to_owned(),
                version: sight.version,
                catalog: options.catalog().hash().to_owned(),
                vantage: options.vantage.clone().or(sight.vantage).unwrap_or_default(),
                scan: None,
            },
            scope: Known::unknown(Why::NotCarried),
            endpoint,
            listener: None,
            identity: identity.into(),
            exposure: exposure.into(),
            network: Network {
                country: sight
                    .country
                    .filter(|code| code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_alphabetic()))
                    .map_or(Known::unknown(Why::NotCarried), |code| Known::Known(code.to_ascii_uppercase())),
                // AS 0 stands for none.
                asn: sight
                    .asn
                    .filter(|asn| *asn > 0)
                    .map_or(Known::unknown(Why::NotCarried), Known::Known),
                city: short_name(sight.city),
                organisation: short_name(sight.organisation),
                ..Network::unknown(Why::NotCarried)
            },
            deception: deception(tells, sight.carries),
            advisories: [].into(),
            findings: Vec::new().into(),
        })
    }

    fn conclude(&self, sight: &mut Sight) -> (Identity, Exposure, Vec<Tell>) {
        let claims = || sight.claims.iter().filter_map(|claim| Some((self.product(&claim.product)?, claim)));
        // What it only resembles is the source's word where it has no better one.
        let resembles = |id: &str| self.options.catalog().product(id).is_some_and(|product| product.last_resort);
        let claim = claims().find(|(id, _)| !resembles(id)).or_else(|| claims().next());
        if sight.exchanges.is_empty() && claim.is_none() {
            let why = match sight.carries {
                Carries::Port => Known::unknown(Why::NotCarried),
                Carries::Replies => Known::unknown_because(Why::NotCarried, "the record holds no HTTP reply"),
            };
            let mut identity = nothing(why);
            self.say(&mut identity, sight, None);
            return (identity, Exposure::unknown(Why::NotAsked), Vec::new());
        }
        let host = sight.name.clone().unwrap_or_else(|| match sight.address {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => format!("[{address}]"),
        });
        let exchanges = std::mem::take(&mut sight.exchanges);
        let authority = format!("{host}:{}", sight.port);
        let mut session = Session::from_transcript(Arc::clone(&self.options.identifier), sight.port, authority, exchanges);
        let mut conclusion = session.conclude();
        if let Some((id, claim)) = claim {
            conclusion = self.weigh(&mut session, conclusion, id, claim);
        }
        let used = claim.map(|(_, claim)| claim);
        self.say(&mut conclusion.identity, sight, used);
        (conclusion.identity, conclusion.exposure, conclusion.deception.tells)
    }

    /// What the transcript says and what the source says, together. The transcript wins.
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
            // The source alone tells the version, whatever shows the product: who judges it must see that.
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

    /// Keeps as evidence what the source says besides the claim that was `used`: its words as they are, with the product that they name, if any.
    fn say(&self, identity: &mut Identity, sight: &Sight, used: Option<&Claim>) {
        let other = |claim: &&Claim| used.is_none_or(|used| !std::ptr::eq(used, *claim));
        let claims = sight.claims.iter().filter(other);
        let mut said: Vec<Evidence> = claims
            .map(|claim| {
                let product = self.product(&claim.product).unwrap_or_default();
                self.said(product, EvidenceWeight::Weak, &claim.words())
            })
            .collect();
        let words = sight.words.iter();
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

    /// The product of the catalogue that goes by this name, in the words of whoever names it: `vLLM (OpenAI-compatible)` is vLLM,
    /// `Triton/KServe (v2 inference)` is Triton.
    fn product(&self, said: &str) -> Option<&str> {
        let known = |name: &str| self.names.get(&fold(name)).map(String::as_str);
        let bare = without_remarks(said);
        let each = bare.split('/').map(str::trim).filter(|_| bare.contains('/'));
        [said, bare.as_str()]
            .into_iter()
            .chain(each)
            .flat_map(|name| [name, without_maker(name), without_kind(without_maker(name))])
            .find_map(known)
    }
}

/// A name without what stands in brackets after it.
fn without_remarks(name: &str) -> String {
    let (mut out, mut depth) = (String::new(), 0_usize);
    for character in name.chars() {
        match character {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            _ if depth == 0 => out.push(character),
            _ => {}
        }
    }
    out.trim().to_owned()
}

/// A name without its maker's before it.
fn without_maker(name: &str) -> &str {
    let makers = ["hf ", "huggingface ", "hugging face ", "nvidia "];
    let maker = |maker: &&&str| name.get(..maker.len()).is_some_and(|start| start.eq_ignore_ascii_case(maker));
    makers
        .iter()
        .find(maker)
        .map_or(name, |maker| name.get(maker.len()..).unwrap_or(name))
        .trim()
}

/// A name without the words for what kind of thing it is.
fn without_kind(name: &str) -> &str {
    let kinds = [
        " httpd",
        " http server",
        " server",
        " llm api",
        " rest api",
        " http api",
        " api",
        " api server",
    ];
    let ends = |kind: &&&str| {
        name.len()
            .checked_sub(kind.len())
            .and_then(|at| name.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case(kind))
    };
    let longest = kinds.iter().filter(ends).max_by_key(|kind| kind.len());
    longest
        .map_or(name, |kind| name.get(..name.len() - kind.len()).unwrap_or(name))
        .trim()
}

/// A source's word and where it stands, in quotes that nothing in it ends.
fn quoted(place: &str, word: &str) -> String {
    format!("{place} {word:?}")
}

/// A product's name without case, blanks and marks: `Open WebUI` and `open-webui` are one.
pub(crate) fn fold(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    letters.take(64).map(|c| c.to_ascii_lowercase()).collect()
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

impl Decoded {
    /// Gives what the transcript does not.
    fn fill(self, exposure: &mut Exposure) {
        if !exposure.models.is_known() {
            let some = self.models.known().map(|models| !models.is_empty());
            let said = some.is_some() || self.models.why() != Some(Why::NotAsked);
            if let Some(some) = some {
                exposure.activity = Known::Known(if some { Activity::Active } else { Activity::Dormant });
            }
            if said {
                exposure.models = self.models;
            }
        }
        if !exposure.posture.is_known()
            && let Some(posture) = self.posture
        {
            exposure.posture = Known::Known(posture);
            exposure.posture_from = Some(self.request).filter(|request| !request.is_empty());
        }
        if !exposure.running.is_known() && self.running.why() != Some(Why::NotAsked) {
            exposure.running = self.running;
        }
        if !exposure.tools.is_known() && self.tools.is_known() {
            exposure.tools = self.tools;
        }
        for leak in self.leaks {
            if exposure.leaks.iter().all(|have| have.what != leak.what) {
                exposure.leaks.push(leak);
            }
        }
    }
}

/// Says of what stayed unknown whether the source could have told it.
fn settle(exposure: &mut Exposure, carries: Carries) {
    // Who can reach a socket is told on its own machine.
    exposure.reach = Known::unknown(Why::NotCarried);
    // No source asks for these: they take a request for each model, or a conversation of several steps.
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

/// A record without a tell is no record without deception: one page was looked at, or none.
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

pub(crate) fn shorten(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
