//! The log of vigie's gateway: its requests, its chain and its signatures.

use serde_json::{Value, json};
use vigie_import::{BadKind, Batch, BreakKind, ChainCheck, ChainReport, Format, Importer, Options, Parsed, PublicKey};
use vigie_model::{GatewayRequest, Known, Why};

use crate::{at, data, options};

const LOGS: [&str; 2] = ["vigie-guard/v1", "vigie-guard/v2"];

fn log(folder: &str) -> String {
    String::from_utf8(data(&format!("{folder}.jsonl"))).expect("UTF-8")
}

fn key(folder: &str) -> PublicKey {
    let text = String::from_utf8(data(&format!("{folder}.pub"))).expect("UTF-8");
    text.parse().expect("a key")
}

fn with_key(folder: &str) -> Options {
    Options {
        recorded: at("2026-12-01T00:00:00Z"),
        public_keys: vec![key(folder)],
        ..options()
    }
}

/// What a log gives: its requests, its bad lines, the entries about the gateway, and the check of its chain.
struct Given {
    requests: Vec<GatewayRequest>,
    bad: Vec<(u64, BadKind, String)>,
    events: u64,
    chain: Option<ChainReport>,
}

fn given(text: &str, options: Options) -> Given {
    given_with(&mut ChainCheck::default(), text, options)
}

/// Parses every record as a batch of its own, and joins them from the last to the first.
fn given_with(check: &mut ChainCheck, text: &str, options: Options) -> Given {
    let importer = Importer::new(text.as_bytes(), None, options).expect("recognised");
    assert_eq!(importer.format(), Format::VigieGuard);
    let (mut records, parser) = importer.split();
    let mut batches = Vec::new();
    let mut batch = Batch::default();
    while records.fill(&mut batch) {
        batches.push(parser.parse_in_parts(&batch, |_| panic!("one part")));
    }
    let mut given = Given {
        requests: Vec::new(),
        bad: Vec::new(),
        events: 0,
        chain: None,
    };
    for parsed in batches.into_iter().rev() {
        let Parsed {
            items,
            requests,
            segments,
            batch,
            passed_over,
            ..
        } = parsed;
        check.add(batch.expect("the last part"), segments);
        given.requests.extend(requests);
        given.events += passed_over.gateway_events;
        for item in items {
            let bad = item.expect_err("no observation");
            given.bad.push((bad.line, bad.kind, bad.reason));
        }
    }
    given.chain = check.end_of_file();
    given
}

fn breaks(report: &Option<ChainReport>) -> Vec<(u64, BreakKind)> {
    let report = report.as_ref().expect("a chain");
    assert_eq!(report.broken as usize, report.breaks.len());
    report.breaks.iter().map(|one| (one.line, one.kind)).collect()
}

/// The request of each kind that the recording command makes.
#[test]
fn requests_are_read_as_they_were_logged() {
    for folder in LOGS {
        let given = given(&log(folder), with_key(folder));
        assert!(given.bad.is_empty(), "{folder}: {:?}", given.bad);
        assert_eq!(given.requests.len(), 7, "{folder}");
        let lines = log(folder).lines().count() as u64;
        assert_eq!(given.events, lines - 7, "{folder}");
        for request in &given.requests {
            assert_eq!(request.gateway, key(folder).fingerprint(), "{folder}");
            assert_eq!(request.stream, 1);
            assert_eq!(request.version.as_deref(), Some("0.1.0"));
            assert_eq!(request.address, Known::Known([127, 0, 0, 1].into()));
            assert_eq!(request.method, Known::Known("POST".to_owned()));
            assert!(request.duration_ms.is_some_and(|ms| ms > 0.0));
            assert!(!request.erased);
        }
        let of = |path: &str, outcome: &str| -> Vec<&GatewayRequest> {
            let is = |one: &&GatewayRequest| one.path == Known::Known(path.to_owned()) && one.outcome == outcome;
            given.requests.iter().filter(is).collect()
        };
        let chat = of("/api/chat", "answered")[0];
        assert_eq!(chat.key_name, Known::Known("alice".to_owned()));
        assert!(chat.key_id.known().is_some_and(|id| id.starts_with("key_")));
        assert_eq!(chat.model.as_deref(), Some("tiny:latest"));
        assert_eq!(chat.models, ["tiny:latest"]);
        assert_eq!(chat.effect.as_deref(), Some("infer"));
        assert!(chat.route.as_deref().is_some_and(|route| route.starts_with("POST /api/chat")));
        assert_eq!((chat.status, chat.estimated), (Some(200), Some(false)));
        let tokens = |one: &GatewayRequest| Some(one.prompt_tokens.known()? + one.output_tokens.known()?);
        assert_eq!(tokens(chat), chat.counted_tokens);
        assert!(tokens(chat).is_some_and(|tokens| tokens > 4));
        // The server names no tokens of an embedding.
        assert_eq!(of("/api/embed", "answered")[0].output_tokens, Known::unknown(Why::NotCarried));

        let refused = of("/api/pull", "refused")[0];
        assert_eq!(refused.refusal.as_deref(), Some("not-granted"));
        assert_eq!(refused.prompt_tokens, Known::unknown(Why::NotAsked));
        assert_eq!(refused.counted_tokens, None);
        let nobody = of("/api/chat", "refused")
            .into_iter()
            .find(|one| one.status == Some(401))
            .expect("one without a key");
        assert_eq!(nobody.refusal.as_deref(), Some("no-credential"));
        assert_eq!(nobody.key_id, Known::unknown(Why::Refused));
    }
}

/// What `vigie guard authorize` logs: of a request that it let pass, nobody but the proxy knows what became.
#[test]
fn decisions_are_read_with_what_is_known_of_them() {
    let text = log("vigie-guard/v2");
    let as_decision = |line: &str, from: &str, word: &str| {
        let event = format!("\"event\":\"{from}\"");
        assert!(line.contains(&event), "{line}");
        line.replacen(&event, "\"event\":\"decision\",\"proxy\":\"nginx\"", 1).replacen(
            "\"status_code\":\"answered\"",
            &format!("\"status_code\":\"{word}\""),
            1,
        )
    };
    let line_of = |what: &str| text.lines().find(|line| line.contains(what)).expect("a line");
    let (answered, refused) = (line_of("\"status_code\":\"answered\""), line_of("\"status_code\":\"not-granted\""));
    let passed = as_decision(answered, "request", "authorized");
    let text = format!("{passed}\n{}\n", as_decision(refused, "refused", "not-granted"));
    let given = given(&text, with_key("vigie-guard/v2"));
    assert!(given.bad.is_empty(), "{:?}", given.bad);
    let [passed, refused] = &given.requests[..] else {
        panic!("{:?}", given.requests)
    };
    assert_eq!(
        (passed.outcome.as_str(), passed.refusal.as_deref(), passed.status),
        ("authorized", None, None)
    );
    assert_eq!((passed.duration_ms, passed.chunks, passed.estimated), (None, None, None));
    assert_eq!(passed.response_bytes, Known::unknown(Why::NotCarried));
    assert!(passed.route.is_some() && passed.key_name.known().is_some());
    assert_eq!(
        (refused.outcome.as_str(), refused.refusal.as_deref()),
        ("refused", Some("not-granted"))
    );
    assert_eq!((refused.status, refused.duration_ms), (Some(403), None));
    assert_eq!(refused.prompt_tokens, Known::unknown(Why::NotAsked));
}

#[test]
fn a_chain_is_checked_with_its_signatures() {
    for folder in LOGS {
        let text = log(folder);
        let lines = text.lines().count() as u64;
        let chain = given(&text, with_key(folder)).chain.expect("a chain");
        assert_eq!(
            (chain.entries, chain.first, chain.last, chain.broken),
            (lines, Some(1), Some(lines), 0)
        );
        // The last line signs all before it, and in the second version itself.
        let signed = if folder.ends_with("v1") { lines - 1 } else { lines };
        assert_eq!((chain.signed, chain.unchecked), (Some(signed), 0), "{folder}");
    }
}

/// Each change of the log is found at its line.
#[test]
fn what_was_altered_is_found() {
    for folder in LOGS {
        let text = log(folder);
        let lines: Vec<&str> = text.lines().collect();
        let request = lines.iter().position(|line| line.contains("\"answered\"")).expect("a request");
        let number = request as u64 + 1;
        let check = |lines: &[&str]| breaks(&given(&(lines.join("\n") + "\n"), with_key(folder)).chain);

        // The part that can be erased has a hash in its own line, the rest in the next.
        let next = if folder.ends_with("v1") { number + 1 } else { number };
        for (what, to, at) in [("\"alice\"", "\"carol\"", next), ("\"tiny:latest\"", "\"tiny:larger\"", number + 1)] {
            let altered = lines[request].replace(what, to);
            assert_ne!(altered, lines[request]);
            let mut other = lines.clone();
            other[request] = &altered;
            assert_eq!(check(&other)[0], (at, BreakKind::Altered), "{folder} {what}");
        }

        let mut without = lines.clone();
        without.remove(request);
        assert_eq!(check(&without), [(number, BreakKind::Cut)], "{folder}");

        let mut swapped = lines.clone();
        swapped.swap(request, request + 1);
        let kinds: Vec<BreakKind> = check(&swapped).into_iter().map(|(_, kind)| kind).collect();
        assert_eq!(kinds[..2], [BreakKind::Cut, BreakKind::Reordered], "{folder}");

        // Everything is imported all the same.
        assert_eq!(given(&(swapped.join("\n") + "\n"), with_key(folder)).requests.len(), 7);
        // An end that is cut off cannot be seen in what is left.
        assert_eq!(check(&lines[..number as usize]), []);
    }
}

#[test]
fn a_signature_of_another_key_does_not_hold() {
    for folder in LOGS {
        another_key(folder);
    }
}

fn another_key(folder: &str) {
    // 32 bytes that are no key of this log.
    let other: PublicKey = format!("ed25519:{}=", "A".repeat(43)).parse().expect("a key");
    let options = Options {
        public_keys: vec![other],
        ..with_key(folder)
    };
    let found = breaks(&given(&log(folder), options).chain);
    assert!(
        !found.is_empty() && found.iter().all(|(_, kind)| *kind == BreakKind::Signature),
        "{found:?}"
    );
}

/// The first version of the log does not name its gateway.
#[test]
fn a_log_without_a_name_needs_one() {
    let text = log("vigie-guard/v1");
    let unnamed = Options {
        public_keys: Vec::new(),
        ..with_key("vigie-guard/v1")
    };
    let nothing = given(&text, unnamed.clone());
    assert!(nothing.requests.is_empty() && nothing.chain.is_none());
    assert!(nothing.bad.iter().all(|(_, kind, _)| *kind == BadKind::MissingGateway));
    assert_eq!(nothing.bad.len(), text.lines().count());

    let named = given(
        &text,
        Options {
            gateway: Some("gpu-1".to_owned()),
            ..unnamed
        },
    );
    assert!(named.requests.iter().all(|request| request.gateway == "gpu-1"));
    let chain = named.chain.expect("a chain");
    assert_eq!((chain.broken, chain.signed), (0, None));
    assert!(chain.unchecked > 0, "its signatures are not checked");
}

/// Files of one log continue each other; the same log again is no break.
#[test]
fn the_chain_goes_on_from_file_to_file() {
    let folder = "vigie-guard/v1";
    let text = log(folder);
    let lines: Vec<&str> = text.lines().collect();
    let file = |lines: &[&str]| lines.join("\n") + "\n";
    // The second file begins with a request.
    let (first, second) = (file(&lines[..8]), file(&lines[8..]));
    let mut check = ChainCheck::default();
    for text in [&first, &second, &first, &second] {
        let given = given_with(&mut check, text, with_key(folder));
        assert_eq!(breaks(&given.chain), []);
    }
    let mut check = ChainCheck::default();
    assert_eq!(breaks(&given_with(&mut check, &first, with_key(folder)).chain), []);
    let later = file(&lines[9..]);
    assert_eq!(
        breaks(&given_with(&mut check, &later, with_key(folder)).chain),
        [(1, BreakKind::Cut)]
    );
    let mut check = ChainCheck::default();
    let altered = first.replace("\"status_code\":\"answered\"", "\"status_code\":\"aborted\"");
    assert_ne!(altered, first);
    assert_eq!(breaks(&given_with(&mut check, &altered, with_key(folder)).chain), []);
    assert_eq!(
        breaks(&given_with(&mut check, &second, with_key(folder)).chain),
        [(1, BreakKind::Altered)]
    );
}

fn changed(line: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut value: Value = serde_json::from_str(line).expect("JSON");
    change(&mut value);
    value.to_string() + "\n"
}

/// A line that is no entry is bad, and the others are read.
#[test]
fn bad_lines_are_reported() {
    let folder = "vigie-guard/v1";
    let text = log(folder);
    let line = text
        .lines()
        .find(|line| line.contains("\"alice\"") && line.contains("\"answered\""))
        .expect("a request");
    let cases: [(&str, String); 10] = [
        ("its time is", changed(line, |entry| entry["time"] = json!(i64::MAX))),
        ("yet to come", changed(line, |entry| entry["time"] = json!(4_000_000_000_000_i64))),
        ("before 1970", changed(line, |entry| entry["time"] = json!(-1000))),
        ("not the number", changed(line, |entry| entry["chain"]["seq"] = json!(0))),
        ("not the number", changed(line, |entry| entry["chain"]["seq"] = json!(u64::MAX))),
        ("no place in the chain", changed(line, |entry| entry["chain"] = Value::Null)),
        (
            "not an address",
            changed(line, |entry| entry["src_endpoint"]["ip"] = json!("a.example")),
        ),
        ("status_code", changed(line, |entry| entry["status_code"] = Value::Null)),
        (
            "where a whole number",
            changed(line, |entry| entry["unmapped"]["chunks"] = json!("4")),
        ),
        ("log_name", changed(line, |entry| entry["metadata"]["log_name"] = json!("../x"))),
    ];
    for (reason, bad) in cases {
        let given = given(&format!("{text}{bad}"), with_key(folder));
        assert_eq!(given.requests.len(), 7, "{reason}");
        assert_eq!(given.bad.len(), 1, "{reason}: {bad}");
        assert!(given.bad[0].2.contains(reason), "{reason}: {:?}", given.bad);
    }
    // An entry about the gateway may hold anything.
    let event = text.lines().find(|line| line.contains("\"started\"")).expect("a start");
    let other = changed(event, |entry| entry["unmapped"]["models"] = json!({"any": "thing"}));
    assert!(given(&format!("{text}{other}"), with_key(folder)).bad.is_empty());
    // A torn last line.
    let torn = given(text.trim_end().trim_end_matches('}'), with_key(folder));
    assert_eq!(torn.bad.len(), 1);
}

/// What the second version has more.
#[test]
fn options_and_prompts_are_read() {
    let folder = "vigie-guard/v2";
    let given = given(&log(folder), with_key(folder));
    let chat = given.requests.iter().find(|one| one.outcome == "answered").expect("a request");
    let options: Value = serde_json::from_str(chat.options.as_deref().expect("options")).expect("JSON");
    assert!(
        options["set"]["max-tokens"].is_u64() || options["put"]["max-tokens"].is_u64(),
        "{options}"
    );
    assert!(chat.prompt_bytes.known().is_some_and(|bytes| *bytes > 0));
    assert!(chat.prompt_hash.known().is_some_and(|hash| hash.len() == 64));
    assert!(chat.user_agent.known().is_some_and(|agent| agent.starts_with("Python-urllib")));
    // Without options, there is none.
    assert!(given.requests.iter().any(|one| one.options.is_none()));
}

/// The personal part of some entries was erased by the gateway: the chain holds without it.
#[test]
fn erased_entries_keep_their_place() {
    let folder = "vigie-guard/v2";
    let text = String::from_utf8(data(&format!("{folder}-erased.jsonl"))).expect("UTF-8");
    let before = given(&log(folder), with_key(folder));
    let after = given(&text, with_key(folder));
    assert_eq!(breaks(&after.chain), []);
    assert!(after.bad.is_empty());
    let erased: Vec<&GatewayRequest> = after.requests.iter().filter(|one| one.erased).collect();
    assert_eq!(erased.len(), 2);
    for one in erased {
        let whole = before.requests.iter().find(|other| other.seq == one.seq).expect("its entry");
        assert_eq!(whole.key_name, Known::Known("alice".to_owned()));
        assert_eq!(
            (one.time, &one.model, &one.prompt_tokens),
            (whole.time, &whole.model, &whole.prompt_tokens)
        );
        let why = [
            one.key_id.why(),
            one.key_name.why(),
            one.address.why(),
            one.path.why(),
            one.prompt_hash.why(),
        ];
        assert_eq!(why, [Some(Why::Redacted); 5]);
    }
    // Somebody who erases more than the entry says, or puts in another person, is noticed.
    let line = text
        .lines()
        .find(|line| line.contains("\"bob\"") && line.contains("\"answered\""))
        .expect("a request");
    let altered = text.replace(line, &line.replace("\"bob\"", "\"eve\""));
    assert_eq!(
        breaks(&given_with(&mut ChainCheck::default(), &altered, with_key(folder)).chain).len(),
        1
    );
}
