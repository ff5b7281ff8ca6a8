//! The notice for a network's operations team before a scan.

use vigie_model::Timestamp;

use crate::layout::{self, Block};
use crate::permit::scope::Scope;
use crate::targets::pairs::Pairs;

/// The content of a notice.
#[derive(Clone, Debug)]
pub struct Notice<'a> {
    /// The scope: who authorised what, when and how fast.
    pub scope: &'a Scope,
    /// The pairs that will be scanned.
    pub pairs: &'a Pairs,
    /// The host names that will be scanned.
    pub names: &'a [String],
    /// The source addresses of the connections, as text; empty if they are not known.
    pub sources: &'a [String],
    /// The User-Agent of every request.
    pub user_agent: &'a str,
    /// When the scan starts.
    pub from: Timestamp,
    /// When the scan ends at the latest, if that is known.
    pub until: Option<Timestamp>,
    /// The requests that may be sent.
    pub requests: &'a [PlannedRequest],
    /// Whether `--prove` is set: a prompt is sent to hosts whose entry allows it.
    pub prove: bool,
}

/// A request that may be sent, and its condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRequest {
    /// The method, the path, and the body if there is one: `GET /api/version`.
    pub line: String,
    /// The condition: `to every endpoint`, `once per model of a recognised Ollama`.
    pub when: String,
}

/// Renders the notice as plain text, 78 columns wide, for a mail.
#[must_use]
pub fn text(notice: &Notice<'_>) -> String {
    layout::text(blocks(notice))
}

/// Renders the notice as Markdown.
#[must_use]
pub fn markdown(notice: &Notice<'_>) -> String {
    layout::markdown(blocks(notice))
}

/// The most ranges, and the most names, that a notice lists. The others are counted.
const LISTED: usize = 100;

fn blocks(notice: &Notice<'_>) -> Vec<Block> {
    let mut blocks = vec![
        Block::Title("Notice of a network scan"),
        Block::Prose(format!(
            "The addresses below will be scanned with vigie, a program that finds self-hosted AI servers and reports \
             what they expose. {} It changes no stored data, tries no password, and follows no link to another host.",
            if notice.prove {
                "It reads. To hosts that their owner has marked for this, it also sends one short prompt, as proof that \
                 a stranger could."
            } else {
                "It only reads: it sends no prompt and loads no model."
            }
        )),
        Block::Section("Who"),
        Block::Facts(who(notice)),
        Block::Section("When and from where"),
        Block::Facts(when(notice)),
        Block::Section("What is scanned"),
        Block::Items(what(notice)),
        Block::Section("Requests"),
        Block::Prose(
            "A TCP connection is opened to each address and port. If the connection is accepted, these requests may follow:".into(),
        ),
    ];
    if notice.requests.is_empty() {
        blocks.push(Block::Prose("None: ports are only tested.".to_owned()));
    } else {
        blocks.push(Block::Items(
            notice.requests.iter().map(|r| format!("{} ({})", r.line, r.when)).collect(),
        ));
    }
    blocks.extend([
        Block::Section("How fast"),
        Block::Items(rates(notice)),
        Block::Section("What your detections will see"),
        Block::Prose(
            "An intrusion detection system will report connection attempts to many addresses and ports as a port scan. These \
             are the detections published for Ollama (Splunk Enterprise Security Content \
             Update, repository splunk/security_content, rules dated 2025-10-05, version 1):"
                .to_owned(),
        ),
        Block::Items(detections(notice)),
        Block::Section("How to opt out"),
        Block::Prose(format!(
            "Write to {} with the addresses, networks or names that should not be scanned. They are added to an \
             opt-out list that is checked before each connection.",
            notice.scope.file().map_or("the sender of this notice", |f| f.contact.as_str()),
        )),
    ]);
    blocks
}

fn who(notice: &Notice<'_>) -> Vec<(&'static str, String)> {
    let Some(file) = notice.scope.file() else {
        return vec![(
            "Scope",
            format!("no scope file: loopback, own and private addresses only ({})", notice.scope.hash()),
        )];
    };
    let mut facts = vec![("Owner", file.owner.clone()), ("Contact", file.contact.clone())];
    facts.extend(file.authorised_by.clone().map(|by| ("Authorised by", by)));
    facts.extend(file.reference.clone().map(|reference| ("Reference", reference)));
    facts.push(("Scope", format!("valid until {} ({})", file.expires, notice.scope.hash())));
    facts
}

fn when(notice: &Notice<'_>) -> Vec<(&'static str, String)> {
    let minute = |at: Timestamp| at.format("%Y-%m-%d %H:%M UTC").to_string();
    let until = notice.until.map_or_else(|| "the scan is done".to_owned(), minute);
    let mut facts = vec![("From", minute(notice.from)), ("Until", until)];
    let file = notice.scope.file();
    facts.extend(file.and_then(|f| f.window.as_ref()).map(|window| ("Only in", window.to_string())));
    let sources = if notice.sources.is_empty() {
        "not known when this notice was written".to_owned()
    } else {
        notice.sources.join(", ")
    };
    facts.push(("Sources", sources));
    facts.extend(file.and_then(|f| f.vantage.clone()).map(|vantage| ("Seen from", vantage)));
    facts.push(("User-Agent", notice.user_agent.to_owned()));
    facts
}

fn what(notice: &Notice<'_>) -> Vec<String> {
    let segments = notice.pairs.segments();
    let mut items: Vec<String> = segments
        .iter()
        .take(LISTED)
        .map(|s| format!("{}, ports {}", s.range, s.ports))
        .collect();
    if segments.len() > LISTED {
        items.push(format!("and {} more ranges", segments.len() - LISTED));
    }
    items.extend(notice.names.iter().take(LISTED).map(|name| format!("{name}, by its name")));
    if notice.names.len() > LISTED {
        items.push(format!("and {} more names", notice.names.len() - LISTED));
    }
    let (addresses, pairs) = (notice.pairs.addresses(), notice.pairs.len());
    items.push(format!(
        "{} and {} in total",
        count(addresses, "address", "addresses"),
        count(pairs, "pair", "pairs") + " of address and port"
    ));
    items
}

fn rates(notice: &Notice<'_>) -> Vec<String> {
    let limits = notice.scope.limits();
    let seconds = notice.pairs.len().div_ceil(u128::from(limits.connections_per_second.max(1)));
    vec![
        format!(
            "at most {} new connections a second over all hosts: testing every port once takes at least {}",
            limits.connections_per_second,
            duration(seconds),
        ),
        format!(
            "at most {} requests to one endpoint, and one more for each of up to {} models",
            limits.per_endpoint, limits.models
        ),
        format!("at most {} requests to one address in any 5 minutes", limits.requests_per_host),
        format!(
            "at most {} requests to one /24 (IPv4) or /48 (IPv6) in any 5 minutes",
            limits.requests_per_prefix
        ),
    ]
}

fn count(number: u128, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn duration(seconds: u128) -> String {
    match seconds {
        0..120 => count(seconds, "second", "seconds"),
        120..7_200 => format!("{} minutes", seconds.div_ceil(60)),
        7_200..172_800 => format!("{} hours", seconds.div_ceil(3_600)),
        _ => format!("{} days", seconds.div_ceil(86_400)),
    }
}

/// The threshold of the two Splunk rules that count requests, per 5 minutes.
const SPLUNK_REQUESTS: u32 = 120;

/// What each published rule selects, according to its search rather than its description.
fn detections(notice: &Notice<'_>) -> Vec<String> {
    let limits = notice.scope.limits();
    let under = if limits.requests_per_host <= SPLUNK_REQUESTS {
        format!(
            "Not reached: at most {} are sent in any 5 minutes from one source",
            limits.requests_per_host
        )
    } else {
        format!(
            "It can be reached: the scope file allows {} requests to one address in 5 minutes",
            limits.requests_per_host
        )
    };
    let sends = |path: &str| notice.requests.iter().any(|r| r.line.contains(path));
    let reads_models = sends("/api/show") || sends("/api/tags");
    let mut items = vec![
        format!(
            "\"Ollama Possible API Endpoint Scan Reconnaissance\" (ad3f352a-0347-48ee-86b9-670b5025a548) selects more \
             than {SPLUNK_REQUESTS} requests from one source to one server within 5 minutes. {under}."
        ),
        format!(
            "\"Ollama Excessive API Requests\" (1cfab663-9adc-4169-a88c-6bae29ba3c70) was published in two forms under \
             the same version. One selects more than {SPLUNK_REQUESTS} requests to one path within 5 minutes. {under}. \
             The other selects every source with more than one request in 5 minutes: it will match this scan, as it \
             matches any client."
        ),
    ];
    items.push(if reads_models {
        format!(
            "\"Ollama Possible Model Exfiltration Data Leakage\" (c9fd1a54-0eab-4470-8970-d5fcc3c740fb) describes \
             repeated reads of /api/show and /api/tags within 15 minutes; its search selects requests that took more \
             than 55 seconds to answer. The search matches only if your server is that slow. A rule written from the \
             description will match: the list of models is read, and each of up to {} models once.",
            limits.models,
        )
    } else {
        "\"Ollama Possible Model Exfiltration Data Leakage\" (c9fd1a54-0eab-4470-8970-d5fcc3c740fb) is about \
         /api/show and /api/tags, which this scan does not request."
            .to_owned()
    });
    items.push(
        "\"Ollama Abnormal Network Connectivity\" (19ec30ad-faa2-496a-a6a9-f2e5f778fbdb) selects warnings in the \
         server's own log, in one form all of them. Whether a server warns of these requests is not known for every \
         version."
            .to_owned(),
    );
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::own::OwnAddresses;
    use crate::file::opt_out::OptOutList;
    use crate::file::scope_file::ScopeFile;
    use crate::fixtures::{full, now};
    use crate::targets::list::Targets;

    fn requests() -> Vec<PlannedRequest> {
        [
            ("GET /", "to every endpoint"),
            ("GET /api/version", "to every endpoint until something is recognised"),
            ("GET /api/tags", "where Ollama is recognised"),
            ("POST /api/show {\"model\": \"…\"}", "once per model of a recognised Ollama"),
        ]
        .map(|(line, when)| PlannedRequest {
            line: line.to_owned(),
            when: when.to_owned(),
        })
        .to_vec()
    }

    fn both(scope: &Scope, words: &[&str], names: &[String], requests: &[PlannedRequest]) -> (String, String) {
        let targets = Targets::parse_words(words.iter().copied()).expect("targets");
        let pairs = targets.pairs(&"11434,8000-8100".parse().expect("ports"));
        let notice = Notice {
            scope,
            pairs: &pairs,
            names,
            sources: &["198.18.0.5".to_owned()],
            user_agent: "vigie/0.1.0 (+https://example.org/scan)",
            from: now(),
            until: None,
            requests,
            prove: false,
        };
        (text(&notice), markdown(&notice))
    }

    fn scope(file: &str) -> Scope {
        let file = ScopeFile::parse(file, now()).expect("a file");
        let list = OptOutList::parse("opt-out.txt", "").expect("a list");
        Scope::with_file(file, &OwnAddresses::default(), vec![list]).expect("a scope")
    }

    #[test]
    fn a_notice() {
        let names = ["gpu1.example.org".to_owned()];
        let (text, markdown) = both(&scope(&full()), &["198.18.113.0/24", "2a00:db8:7::1"], &names, &requests());
        assert!(
            text.lines().all(|line| line.chars().count() <= 78 || line.contains("sha256:")),
            "{text}"
        );
        insta::assert_snapshot!("notice_text", text);
        insta::assert_snapshot!("notice_markdown", markdown);
    }

    #[test]
    fn without_a_file_and_without_requests() {
        let scope = Scope::without_file(&OwnAddresses::default());
        let (text, _) = both(&scope, &["10.0.0.1"], &[], &[]);
        insta::assert_snapshot!("notice_default", text);
    }

    #[test]
    fn a_raised_limit_is_stated() {
        let file = full().replace("requests_per_host = 60", "requests_per_host = 121");
        let (text, _) = both(&scope(&file), &["198.18.113.1"], &[], &requests());
        assert!(text.contains("It can be reached"), "{text}");
        let (text, _) = both(&scope(&full()), &["198.18.113.1"], &[], &requests());
        assert!(!text.contains("It can be reached"), "{text}");
    }

    #[test]
    fn markup_in_a_value_stays_text() {
        let file = full().replace("Example GmbH", "[x](https://example.net) <b>");
        let (_, markdown) = both(&scope(&file), &["198.18.113.1"], &[], &requests());
        assert!(markdown.contains("\\[x\\](https://example.net) \\<b\\>"), "{markdown}");
    }
}
