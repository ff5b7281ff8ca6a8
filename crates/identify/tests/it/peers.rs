//! The faults of other scanners, each a test here (facts of November 2026: julius at ff74b99, AI-Infra-Guard's rules).

use vigie_catalog::{Catalog, Purpose};
use vigie_identify::{Identifier, Limits, Session};
use vigie_model::{Exchange, Failure, FailureKind, Reply, RequestLine, Timestamp};

pub(crate) fn reply(status: u16, kind: &str, body: &str) -> Option<Reply> {
    Some(Reply {
        status,
        version: "HTTP/1.1".to_owned(),
        headers: vec![("content-type".to_owned(), kind.to_owned())],
        body: body.as_bytes().to_vec(),
        truncated: false,
    })
}

/// A conversation with a server that answers by this function.
pub(crate) fn talk(port: u16, answer: impl Fn(&RequestLine) -> Option<Reply>) -> (vigie_identify::Conclusion, Vec<RequestLine>) {
    let mut session = Session::new(Identifier::embedded(), port, format!("127.0.0.1:{port}"), Limits::default());
    let mut asked = Vec::new();
    while let Some(ask) = session.next_ask() {
        asked.push(ask.request.clone());
        let reply = answer(&ask.request);
        let failure = reply.is_none().then(|| Failure {
            kind: FailureKind::Timeout,
            detail: String::new(),
            banner: Vec::new(),
        });
        session.answer(
            &ask,
            Exchange {
                request: ask.request.clone(),
                at: Timestamp::UNIX_EPOCH,
                micros: 0,
                reply,
                failure,
            },
        );
    }
    (session.conclude(), asked)
}

/// An Ollama of some version, as its source answers.
fn ollama(version: &str, tags: &str) -> impl Fn(&RequestLine) -> Option<Reply> {
    let (version, tags) = (version.to_owned(), tags.to_owned());
    move |request: &RequestLine| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
        ("GET", "/api/version") => reply(200, "application/json; charset=utf-8", &format!("{{\"version\":\"{version}\"}}")),
        ("GET", "/api/tags") => reply(200, "application/json; charset=utf-8", &tags),
        ("GET", "/api/ps") => reply(200, "application/json; charset=utf-8", "{\"models\":[]}"),
        _ => reply(404, "text/plain", "404 page not found"),
    }
}

#[test]
fn an_ollama_without_a_model_is_recognised() {
    for tags in ["{\"models\":null}", "{\"models\":[]}"] {
        let (conclusion, _) = talk(11434, ollama("0.17.4", tags));
        assert_eq!(conclusion.identity.product.known().map(String::as_str), Some("ollama"), "{tags}");
        assert_eq!(conclusion.exposure.models.known().map(Vec::len), Some(0), "known none, not unknown");
        assert_eq!(conclusion.exposure.activity.known(), Some(&vigie_model::Activity::Dormant));
    }
}

/// An Ollama with many models, and the beginning of what it lists.
fn many_models(count: usize) -> String {
    let models: Vec<String> = (0..count)
        .map(|number| {
            format!(
                "{{\"name\":\"team-{number}/llama3:8b\",\"model\":\"team-{number}/llama3:8b\",\"modified_at\":\"2026-01-02T03:04:05.{number:06}789Z\",\"size\":4661224676,\
                 \"digest\":\"{number:064x}\",\"details\":{{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"llama\",\"families\":[\"llama\"],\
                 \"parameter_size\":\"8.0B\",\"quantization_level\":\"Q4_0\"}}}}"
            )
        })
        .collect();
    format!("{{\"models\":[{}]}}", models.join(","))
}

#[test]
fn a_list_that_was_cut_is_kept_and_is_a_lower_bound() {
    let whole = many_models(3_700);
    let (conclusion, _) = talk(11434, ollama("0.17.4", &whole));
    assert_eq!(conclusion.exposure.models.known().map(Vec::len), Some(2_000));
    assert_eq!(
        conclusion.exposure.models_at_least,
        Some(3_700),
        "a record keeps 2,000 of them and says so"
    );

    let (conclusion, _) = talk(11434, ollama("0.17.4", &many_models(30)));
    assert_eq!(conclusion.exposure.models.known().map(Vec::len), Some(30));
    assert_eq!(conclusion.exposure.models_at_least, None, "it is whole");

    for (end, came) in [(1 << 20, None), (10_000, Some(29)), (400, Some(1)), (100, Some(0)), (11, Some(0))] {
        let (conclusion, _) = talk(11434, ollama("0.17.4", &whole[..end]));
        let exposure = &conclusion.exposure;
        assert_eq!(conclusion.identity.product.known().map(String::as_str), Some("ollama"), "{end}");
        assert_eq!(exposure.posture.known(), Some(&vigie_model::Posture::Open), "{end}");
        assert!(conclusion.deception.tells.is_empty(), "{end}: {:?}", conclusion.deception.tells);
        match came {
            Some(0) => {
                assert_eq!(
                    exposure.models.why(),
                    Some(vigie_model::Why::Unparsable),
                    "none came, which is not none: {end}"
                );
                assert_eq!(exposure.activity.known(), None, "{end}");
            }
            _ => {
                let counted = exposure.models_counted().expect("some came");
                assert!(counted.or_more, "{end}");
                assert!(
                    counted.count < 3_700 && came.is_none_or(|came| came == counted.count),
                    "{end}: {counted}"
                );
                assert_eq!(exposure.activity.known(), Some(&vigie_model::Activity::Active), "{end}");
            }
        }
    }
}

/// What did not come of a reply is not absent: nothing that rests on absence may hold.
#[test]
fn truncated_values_are_not_absent() {
    let list = "{\"data\":[{\"id\":\"m\",\"created\":1700000000,\"owned_by\":\"acme\"}],\"object\":\"list\"}";
    let cut = &list[..list.len() - 10];
    let rules = |body: &str| {
        let body = body.to_owned();
        let (conclusion, _) = talk(8000, move |request| match request.path.as_str() {
            "/v1/models" => reply(200, "application/json", &body),
            _ => reply(404, "application/json", "{\"error\":\"no\"}"),
        });
        let ids: Vec<String> = conclusion.identity.evidence.iter().map(|evidence| evidence.rule.clone()).collect();
        ids
    };
    let short = "model-list-short".to_owned();
    assert!(rules(&list.replace("\"object\":\"list\"", "\"more\":1")).contains(&short));
    assert!(!rules(list).contains(&short), "its frame is there");
    assert!(!rules(cut).contains(&short), "its frame may have come after the cut");
}

#[test]
fn versions_are_read_whole() {
    for version in ["0.10.12", "0.12.10-rc1", "0.1.9", "0.100.0"] {
        let (conclusion, _) = talk(11434, ollama(version, "{\"models\":[]}"));
        assert_eq!(conclusion.identity.version.known().map(String::as_str), Some(version));
    }
    let (conclusion, _) = talk(11434, ollama("0.0.0", "{\"models\":[]}"));
    assert_eq!(
        conclusion.identity.version.why(),
        Some(vigie_model::Why::Hidden),
        "0.0.0 is no version"
    );
}

#[test]
fn every_positive_fixture_is_recognised_behind_a_proxy() {
    let identifier = Identifier::embedded();
    for fixture in crate::read_fixtures()
        .iter()
        .filter(|fixture| fixture.head.expect.product.is_some())
    {
        let replay = fixture.behind_a_proxy().replay(&identifier);
        assert_eq!(
            replay.conclusion.identity.product.known(),
            fixture.head.expect.product.as_ref(),
            "{}",
            fixture.name
        );
    }
}

#[test]
fn no_endpoint_gets_more_than_its_budget() {
    let identifier = Identifier::embedded();
    for fixture in crate::read_fixtures() {
        let replay = fixture.replay(&identifier);
        let models = identifier
            .catalog()
            .products()
            .iter()
            .flat_map(|p| &p.requests)
            .filter(|r| r.purpose == Purpose::Model)
            .map(|r| format!("{} {}", r.method, r.path));
        let models: Vec<String> = models.collect();
        let plain = replay.asked().iter().filter(|asked| !models.contains(asked)).count();
        assert!(plain <= 12, "{}: {plain} requests", fixture.name);
    }
}

#[test]
fn an_unrecognised_endpoint_gets_at_most_twelve_requests_on_any_port() {
    let catalog = Catalog::embedded();
    for port in catalog.ports() {
        let (_, asked) = talk(port, |_| reply(404, "text/plain", "not here"));
        assert!(asked.len() <= 12, "port {port}: {} requests", asked.len());
        let mut unique: Vec<String> = asked.iter().map(|r| format!("{} {} {}", r.method, r.path, r.body)).collect();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), asked.len(), "port {port}: the same request twice");
    }
}

#[test]
fn a_silent_host_costs_two_requests() {
    let (conclusion, asked) = talk(8000, |_| None);
    assert!(asked.len() <= 2, "{} requests", asked.len());
    assert!(!conclusion.spoke_http);
}

#[test]
fn a_page_on_every_path_proves_nothing() {
    let pages = [
        (
            "text/html",
            "<!doctype html><html><head><title>Shop</title></head><body>Ollama is running, vllm, qdrant, LiteLLM</body></html>",
        ),
        (
            "application/json",
            "{\"object\":\"list\",\"data\":[],\"models\":[],\"version\":\"1.2.3\",\"status\":\"ok\"}",
        ),
        ("text/plain", "Ollama is running"),
    ];
    for (kind, page) in pages {
        let (conclusion, _) = talk(11434, |_| reply(200, kind, page));
        let product = conclusion.identity.product.known().map(String::as_str);
        assert!(matches!(product, None | Some("openai-compatible")), "{page}: taken for {product:?}");
    }
}

#[test]
fn an_unknown_model_list_is_only_openai_compatible() {
    let list = "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"acme\"}]}";
    let (conclusion, _) = talk(8000, |request| {
        if request.path == "/v1/models" {
            reply(200, "application/json", list)
        } else {
            reply(404, "application/json", "{\"error\":\"no\"}")
        }
    });
    assert_eq!(conclusion.identity.product.known().map(String::as_str), Some("openai-compatible"));
}

#[test]
fn an_emulator_is_never_the_original() {
    // The banner, the version and the list of an Ollama, from a server whose other paths are another stack's.
    for (kind, absent) in [
        ("application/json", "{\"detail\":\"Not Found\"}"),
        ("text/html", "<pre>Cannot GET /vigie-no-such-page</pre>"),
    ] {
        let original = ollama("0.5.1", "{\"models\":[]}");
        let (conclusion, _) = talk(11434, move |request| match request.path.as_str() {
            "/" | "/api/version" | "/api/tags" => original(request),
            _ => reply(404, kind, absent),
        });
        assert_ne!(conclusion.identity.product.known().map(String::as_str), Some("ollama"), "{absent}");
        assert!(
            conclusion.deception.tells.iter().any(|tell| tell.id == "imitation"),
            "{absent}: no tell"
        );
    }
}

#[test]
fn redirects_off_the_endpoint_are_recorded_and_not_followed() {
    let (_, asked) = talk(8080, |_| {
        let mut found = reply(302, "text/html", "");
        if let Some(reply) = &mut found {
            reply
                .headers
                .push(("location".to_owned(), "http://192.0.2.1:8080/login".to_owned()));
        }
        found
    });
    assert!(asked.iter().all(|request| !request.path.contains("login")), "{asked:?}");
}

#[test]
fn no_request_of_the_catalogue_is_shaped_like_inference() {
    let catalog = Catalog::embedded();
    let spending = [
        "/completions",
        "/embeddings",
        "/generate",
        "/health_generate",
        "/load",
        "/pull",
        "/invocations",
        "/auto_login",
        "/deepspeed-mii",
    ];
    for told in catalog.planned_requests() {
        let path = told.line.split(' ').nth(1).unwrap_or_default();
        let path = path.split('?').next().unwrap_or_default().trim_end_matches('/');
        assert!(!spending.iter().any(|word| path.ends_with(word)), "{}: {}", told.line, told.when);
        assert!(!told.line.contains("tools/call"), "{}: {}", told.line, told.when);
    }
}

#[test]
fn hostile_replies_panic_nowhere() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: Vec<Vec<u8>> = vec![
        deep.into_bytes(),
        vec![0xff; 4096],
        b"{\"models\":".to_vec(),
        b"<title>".repeat(5_000),
        "data: {\"id\":1}\n\n".repeat(5_000).into_bytes(),
        "\u{0}".repeat(1_000).into_bytes(),
        b"{\"data\":{\"owned_by\":[[[[]]]]},\"models\":\"x\",\"version\":{}}".to_vec(),
    ];
    for body in bodies {
        for kind in ["application/json", "text/html", "text/event-stream"] {
            let body = body.clone();
            let (conclusion, _) = talk(11434, move |_| {
                Some(Reply {
                    status: 200,
                    version: String::new(),
                    headers: vec![("content-type".to_owned(), kind.to_owned())],
                    body: body.clone(),
                    truncated: false,
                })
            });
            assert!(conclusion.spoke_http);
        }
    }
}

#[test]
fn a_fixture_reads_back_as_written() {
    for fixture in crate::read_fixtures() {
        for line in &fixture.lines {
            let text = serde_json::to_string(line).expect("writes");
            let again: vigie_identify::fixture::Line = serde_json::from_str(&text).expect("reads");
            assert_eq!(serde_json::to_string(&again).expect("writes"), text);
        }
    }
}
