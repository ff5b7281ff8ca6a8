//! Servers behind a door, reasons why something stays unknown, and two interfaces on one port.

use vigie_model::{Known, Posture, Reply, RequestLine, Why};

use crate::peers::{reply, talk};

const BASIC: &str = "<html><head><title>401 Authorization Required</title></head><body>nginx</body></html>";

fn with(mut answer: Option<Reply>, name: &str, value: &str) -> Option<Reply> {
    if let Some(reply) = &mut answer {
        reply.headers.push((name.to_owned(), value.to_owned()));
    }
    answer
}

fn product(conclusion: &vigie_identify::Conclusion) -> Option<&str> {
    conclusion.identity.product.known().map(String::as_str)
}

/// What a door answers, and the posture that it is.
fn doors() -> Vec<(Option<Reply>, Posture)> {
    vec![
        (
            with(reply(401, "text/html", BASIC), "www-authenticate", "Basic realm=\"x\""),
            Posture::Login,
        ),
        (
            with(reply(401, "text/plain", ""), "www-authenticate", "Digest realm=\"x\""),
            Posture::Login,
        ),
        (with(reply(302, "text/html", ""), "location", "/login?next=/"), Posture::Login),
        (
            with(reply(302, "text/html", ""), "location", "https://auth.example.net/?rd=x"),
            Posture::Login,
        ),
        (reply(401, "text/plain", "Unauthorized"), Posture::Key),
        (
            reply(401, "application/json", "{\"error\":\"Invalid or missing API key\"}"),
            Posture::Key,
        ),
        (reply(403, "application/json", "{\"detail\":\"Not authenticated\"}"), Posture::Key),
        (
            reply(403, "text/html", "<html><title>403 Forbidden</title></html>"),
            Posture::Forbidden,
        ),
    ]
}

#[test]
fn a_front_page_before_a_door_names_its_server_with_little_confidence() {
    for (door, posture) in doors() {
        for port in [11434, 443] {
            let (conclusion, asked) = talk(port, |request| match request.path.as_str() {
                "/" if request.method == "GET" => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
                _ => door.clone(),
            });
            assert_eq!(product(&conclusion), Some("ollama"), "{door:?}");
            assert!(
                conclusion.identity.confidence <= 0.6 && conclusion.identity.confidence > 0.0,
                "{door:?}"
            );
            assert_eq!(conclusion.exposure.posture.known(), Some(&posture), "{door:?}");
            assert_eq!(conclusion.exposure.models.why(), Some(Why::Refused), "{door:?}");
            assert_eq!(conclusion.exposure.running.why(), Some(Why::Refused), "{door:?}");
            assert_eq!(conclusion.identity.version.why(), Some(Why::Refused), "{door:?}");
            assert!(asked.len() <= 12, "{}", asked.len());
        }
    }
}

#[test]
fn a_front_page_alone_identifies_no_product() {
    for (status, body) in [(404, "404 page not found"), (503, ""), (200, "{\"ok\":true}"), (429, "")] {
        let (conclusion, _) = talk(11434, |request| match request.path.as_str() {
            "/" => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
            "/vigie-no-such-page" => reply(404, "text/plain", "404 page not found"),
            _ => reply(status, "text/plain", body),
        });
        assert_eq!(product(&conclusion), None, "{status}");
    }
    // What answers as nobody's Ollama does speaks against it.
    let (conclusion, _) = talk(11434, |request| match request.path.as_str() {
        "/" => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
        "/api/version" => reply(200, "application/json", "{\"name\":\"mine\",\"build\":7}"),
        _ => reply(401, "text/plain", "Unauthorized"),
    });
    assert_eq!(product(&conclusion), None);
}

#[test]
fn an_emulator_before_a_door_is_not_the_original() {
    // LocalAI says that Ollama is running, and asks for its key in its own words.
    let (conclusion, _) = talk(11434, |request| match request.path.as_str() {
        "/" => reply(200, "text/plain", "Ollama is running"),
        _ => reply(
            401,
            "application/json",
            "{\"error\":{\"code\":401,\"message\":\"An authentication key is required\",\"type\":\"\"}}",
        ),
    });
    assert_ne!(product(&conclusion), Some("ollama"));
    assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Key));
}

#[test]
fn other_servers_stand_before_a_door_too() {
    for (page, name) in [
        ("<html><head><title>MLflow</title></head></html>", "mlflow"),
        ("<html><head><title>ComfyUI</title></head></html>", "comfyui"),
        ("<html><head><title>Langflow</title></head></html>", "langflow"),
    ] {
        let (conclusion, _) = talk(8080, |request| match request.path.as_str() {
            "/" => reply(200, "text/html", page),
            _ => with(reply(401, "text/html", BASIC), "www-authenticate", "Basic realm=\"x\""),
        });
        assert_eq!(product(&conclusion), Some(name));
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Login), "{name}");
        assert!(conclusion.identity.confidence <= 0.6, "{name}");
    }
}

#[test]
fn proxies_before_an_ollama_call_themselves_so() {
    for server in [
        "OllamaProxy/1.0",
        "OllamaProxy/0.2 Python/3.11.4",
        "ollama-auth-proxy/1.3",
        "ollama/0.12.10",
        "ollama/0.1.45 (amd64 on linux)",
    ] {
        let (conclusion, _) = talk(8080, |_| {
            with(reply(401, "application/json", "{\"error\":\"unauthorized\"}"), "server", server)
        });
        assert_eq!(product(&conclusion), Some("ollama"), "{server}");
        assert!(conclusion.identity.confidence <= 0.6, "{server}");
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Key), "{server}");
        // A header is no proof where nothing is refused.
        let (open, _) = talk(8080, |_| with(reply(404, "text/plain", "not here"), "server", server));
        assert_eq!(product(&open), None, "{server}");
    }
}

#[test]
fn each_status_of_a_list_has_its_reason() {
    for (status, why) in [
        (401, Why::Refused),
        (403, Why::Refused),
        (404, Why::Absent),
        (405, Why::Absent),
        (429, Why::Throttled),
        (500, Why::Unavailable),
        (502, Why::Unavailable),
        (503, Why::Unavailable),
        (504, Why::Unavailable),
        (524, Why::Unavailable),
        (400, Why::Unparsable),
    ] {
        // An Ollama whose lists answer so.
        let (conclusion, _) = talk(11434, |request| match request.path.as_str() {
            "/" => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
            "/api/version" => reply(200, "application/json; charset=utf-8", "{\"version\":\"0.17.4\"}"),
            "/api/tags" | "/api/ps" | "/v1/models" => reply(status, "text/plain", ""),
            _ => reply(404, "text/plain", "404 page not found"),
        });
        assert_eq!(product(&conclusion), Some("ollama"), "{status}");
        let exposure = &conclusion.exposure;
        assert_eq!(exposure.models.why(), Some(why), "{status}");
        assert_eq!(exposure.running.why(), Some(why), "{status}");
        assert_eq!(exposure.activity.why(), Some(why), "{status}");
        assert_eq!(exposure.capabilities.why(), Some(why), "{status}");
        if let Known::Unknown(unknown) = &exposure.models
            && !matches!(why, Why::Refused | Why::Unparsable)
        {
            assert_eq!(unknown.detail.as_deref(), Some(format!("GET /api/tags answered {status}").as_str()));
        }
        // The version's route.
        let (conclusion, _) = talk(11434, |request| match request.path.as_str() {
            "/" => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
            "/api/tags" => reply(
                200,
                "application/json; charset=utf-8",
                &format!(
                    "{{\"models\":[{{\"name\":\"a\",\"digest\":\"{}\",\"modified_at\":\"2026-01-01T00:00:00Z\",\"details\":{{\"quantization_level\":\"Q4_0\"}}}}]}}",
                    "a1".repeat(32)
                ),
            ),
            "/api/version" | "/api/show" => reply(status, "text/plain", ""),
            _ => reply(404, "text/plain", "404 page not found"),
        });
        assert_eq!(product(&conclusion), Some("ollama"), "{status}");
        assert_eq!(conclusion.identity.version.why(), Some(why), "version, {status}");
        let models = conclusion.exposure.models.known().expect("the list was read");
        assert_eq!(models[0].template.why(), Some(why), "details, {status}");
        assert_eq!(models[0].capabilities.why(), Some(why), "details, {status}");
    }
}

#[test]
fn tools_behind_a_door_are_refused() {
    let (conclusion, _) = talk(8000, |request| match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/mcp") => with(
            reply(
                401,
                "application/json",
                "{\"error\":\"invalid_token\",\"error_description\":\"Authentication required\"}",
            ),
            "www-authenticate",
            "Bearer error=\"invalid_token\"",
        ),
        _ => reply(404, "text/plain", "Not Found"),
    });
    assert_eq!(product(&conclusion), Some("mcp"));
    assert_eq!(conclusion.exposure.tools.why(), Some(Why::Refused));
}

#[test]
fn a_refusal_on_a_program_route_is_the_posture_of_an_unrecognised_server() {
    let pages = [
        reply(200, "text/html", "<!doctype html><title>Models</title>"),
        reply(404, "application/json", "{\"detail\":\"Not Found\"}"),
        reply(200, "text/plain", "ok"),
    ];
    for page in pages {
        for (door, posture) in doors() {
            for guarded in [
                &["/v1/models"][..],
                &["/v1/models", "/openapi.json", "/api/version", "/mcp", "/info", "/v2"][..],
            ] {
                let (conclusion, _) = talk(8080, |request| {
                    if guarded.contains(&request.path.as_str()) {
                        door.clone()
                    } else {
                        page.clone()
                    }
                });
                assert_eq!(product(&conclusion), None, "{door:?}");
                assert_eq!(conclusion.exposure.posture.known(), Some(&posture), "{page:?} {door:?}");
                assert_eq!(conclusion.exposure.models.why(), Some(Why::Refused), "{door:?}");
            }
        }
    }
    // Every path.
    for (door, posture) in doors() {
        let (conclusion, _) = talk(8080, |_| door.clone());
        assert_eq!(conclusion.exposure.posture.known(), Some(&posture), "{door:?}");
    }
}

#[test]
fn a_folder_or_a_form_that_is_forbidden_is_no_door() {
    // nginx without an index page; Jenkins' and Spring's answer to a POST without a form's token.
    let (conclusion, _) = talk(8080, |request| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => reply(403, "text/html", "<html><head><title>403 Forbidden</title></head></html>"),
        ("POST", _) => reply(403, "text/html", "<html>No valid crumb was included in the request</html>"),
        _ => reply(404, "text/html", "<html><head><title>404 Not Found</title></head></html>"),
    });
    assert_eq!(conclusion.exposure.posture.known(), None);
    assert_eq!(
        conclusion.exposure.models.why(),
        Some(Why::Absent),
        "no list of this server's was refused"
    );
    // A list that answers beside another that is refused is no door, nor are hurry and failure.
    for status in [429, 500, 503, 504] {
        let (conclusion, _) = talk(8080, |_| reply(status, "text/plain", ""));
        assert_eq!(conclusion.exposure.posture.known(), None, "{status}");
        assert_ne!(conclusion.exposure.models.why(), Some(Why::Refused), "{status}");
    }
}

#[test]
fn a_list_that_is_not_there_is_absent() {
    for status in [404, 405, 410, 501] {
        let (conclusion, _) = talk(8080, |_| reply(status, "text/html", "<html><title>No</title></html>"));
        assert_eq!(product(&conclusion), None, "{status}");
        for why in [&conclusion.exposure.models.why(), &conclusion.exposure.activity.why()] {
            assert_eq!(*why, Some(Why::Absent), "{status}");
        }
        // The weightier reason of several lists counts.
        let (conclusion, _) = talk(8080, |request| match request.path.as_str() {
            "/v1/models" => reply(503, "text/html", ""),
            _ => reply(status, "text/html", "<html><title>No</title></html>"),
        });
        assert_eq!(conclusion.exposure.models.why(), Some(Why::Unavailable), "{status}");
    }
    // What came is no list that is known; a page is none either.
    for body in ["{\"corolla\":1}", "<!doctype html><title>Cars</title>"] {
        let (conclusion, _) = talk(8080, |request| match request.path.as_str() {
            "/v1/models" => reply(200, "", body),
            _ => reply(404, "text/plain", "no"),
        });
        assert_eq!(product(&conclusion), None, "{body}");
        assert_eq!(conclusion.exposure.models.why(), Some(Why::Unparsable), "{body}");
    }
    // Nothing but its front page answered.
    let (conclusion, _) = talk(8080, |request| match request.path.as_str() {
        "/" => reply(200, "text/html", "<!doctype html><title>Cars</title>"),
        _ => None,
    });
    assert_eq!(conclusion.exposure.models.why(), Some(Why::NotAsked));
}

#[test]
fn a_list_in_another_tool_s_record_was_asked_for() {
    let exchange = |status: u16, body: &str| vigie_model::Exchange {
        request: RequestLine {
            method: "GET".into(),
            path: "/api/tags".into(),
            headers: Vec::new(),
            body: String::new(),
        },
        at: vigie_model::Timestamp::UNIX_EPOCH,
        micros: 1,
        reply: reply(status, "application/json; charset=utf-8", body),
        failure: None,
    };
    // A list in full is read, though it names no product by itself.
    let full = format!(
        "{{\"models\":[{{\"name\":\"a\",\"digest\":\"{}\",\"modified_at\":\"2026-01-01T00:00:00Z\",\"details\":{{\"quantization_level\":\"Q4_0\"}}}}]}}",
        "a1".repeat(32)
    );
    let identifier = vigie_identify::Identifier::embedded();
    let mut session = vigie_identify::Session::from_transcript(identifier, 11434, "h.example", [exchange(200, &full)]);
    let conclusion = session.conclude();
    assert_eq!(product(&conclusion), None);
    let models = conclusion.exposure.models.known().expect("the list was read");
    assert_eq!(models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(conclusion.exposure.activity.known(), Some(&vigie_model::Activity::Active));
    assert_eq!(models[0].template.why(), Some(Why::NotAsked));
    // A list of which less is known is none that anybody can read.
    let models = format!("{{\"models\":[{{\"name\":\"a\",\"digest\":\"{}\"}}]}}", "a1".repeat(32));
    for (status, body, why) in [(200, models.as_str(), Why::Unparsable), (404, "404 page not found", Why::Absent)] {
        let identifier = vigie_identify::Identifier::embedded();
        let mut session = vigie_identify::Session::from_transcript(identifier, 11434, "h.example", [exchange(status, body)]);
        let conclusion = session.conclude();
        assert_eq!(product(&conclusion), None, "{status}");
        assert_eq!(conclusion.exposure.models.why(), Some(why), "{status}");
    }
}

fn listing(body: &'static str) -> impl Fn(&RequestLine) -> Option<Reply> {
    move |request| match request.path.as_str() {
        "/v1/models" => reply(200, "application/json", body),
        _ => reply(404, "application/json", "{\"detail\":\"Not Found\"}"),
    }
}

#[test]
fn a_list_of_models_in_any_of_its_shapes_is_one() {
    for (body, names) in [
        (
            r#"{"data":[{"id":"DeepSeek-Coder","name":"DeepSeek-Coder"}],"object":"list"}"#,
            &["DeepSeek-Coder"][..],
        ),
        (r#"{"object":"list","data":[{"id":"mine"}]}"#, &["mine"][..]),
        (
            r#"{"data":[{"id":"mine","object":"model"},{"id":"yours","object":"model"}]}"#,
            &["mine", "yours"][..],
        ),
        (r#"[{"id":"mine","object":"model"}]"#, &["mine"][..]),
        (r#"{"models":[{"id":"mine","object":"model"}]}"#, &["mine"][..]),
        (r#"{"data":[{"id":"qwen2.5:7b"},{"id":"mine"}]}"#, &["qwen2.5:7b", "mine"][..]),
        (r#"{"data":[{"id":"mine","context_length":8192}]}"#, &["mine"][..]),
        (r#"{"data":[{"id":"mine","owned_by":"me"}]}"#, &["mine"][..]),
        (r#"[{"id":"llama-3.1-8b"}]"#, &["llama-3.1-8b"][..]),
        (r#"[{"name":"mistral-7b-instruct"}]"#, &["mistral-7b-instruct"][..]),
        (r#"{"models":[{"name":"gemma3:4b"}]}"#, &["gemma3:4b"][..]),
        (r#"{"models":[{"id":"gpt-4o-mini"}]}"#, &["gpt-4o-mini"][..]),
        (
            r#"{"models":["phi-4","meta-llama/Llama-3.3-70B-Instruct"]}"#,
            &["phi-4", "meta-llama/Llama-3.3-70B-Instruct"][..],
        ),
        (r#"["deepseek-r1:8b"]"#, &["deepseek-r1:8b"][..]),
    ] {
        let (conclusion, _) = talk(8000, listing(body));
        assert_eq!(product(&conclusion), Some("openai-compatible"), "{body}");
        let got: Vec<&str> = conclusion
            .exposure
            .models
            .known()
            .unwrap_or_else(|| panic!("{body}: {:?}", conclusion.exposure.models))
            .iter()
            .map(|model| model.name.as_str())
            .collect();
        assert_eq!(got, names, "{body}");
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Open), "{body}");
    }
}

#[test]
fn a_list_of_other_things_is_not_a_model_list() {
    for body in [
        r#"{"data":[{"id":"mx-5","name":"MX-5","maker":"Mazda"}]}"#,
        r#"{"data":[{"id":"1","type":"models","attributes":{"name":"Phi"}}]}"#,
        r#"[{"id":"3310","name":"Nokia 3310"}]"#,
        r#"{"models":[{"id":"a","name":"Model S"},{"id":"b","name":"Model 3"}]}"#,
        r#"{"models":["corolla","yaris"]}"#,
        r#"{"object":"list","data":[{"id":"mdl_1","object":"vehicle_model"}]}"#,
        r#"{"object":"list","url":"/v1/models","data":[{"id":"prod_1","object":"product"}]}"#,
        r#"{"results":[{"id":"llama-3"}]}"#,
        r#"{"data":{}}"#,
        "[]",
        "{}",
        "[1,2,3]",
        "null",
    ] {
        let (conclusion, _) = talk(8000, listing(body));
        assert_eq!(product(&conclusion), None, "{body}");
    }
    // Nor is the same document on every path.
    for body in [
        r#"{"data":[{"id":"gpt-4o"}],"object":"list"}"#,
        r#"[{"id":"llama-3.1-8b"}]"#,
        r#"{"models":["phi-4"]}"#,
        r#"{"data":[{"id":"mine","owned_by":"me","context_length":1}]}"#,
    ] {
        let (conclusion, _) = talk(8000, |_| reply(200, "application/json", body));
        assert_eq!(product(&conclusion), None, "{body}");
    }
}

fn initialize(request: &RequestLine) -> Option<Reply> {
    if request.body.contains("\"initialize\"") {
        reply(
            200,
            "application/json",
            r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"acme","version":"1.2"}}}"#,
        )
    } else if request.body.contains("tools/list") {
        reply(
            200,
            "application/json",
            r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"run_shell","description":"Run a shell command","inputSchema":{"type":"object"}}]}}"#,
        )
    } else {
        reply(202, "", "")
    }
}

#[test]
fn models_and_tools_on_one_port_are_both_kept() {
    let list = r#"{"object":"list","data":[{"id":"tiny","object":"model","owned_by":"acme","created":1}]}"#;
    let pages = [
        reply(404, "text/plain", "no"),
        reply(200, "text/html", "<!doctype html><title>Models</title>"),
    ];
    for page in pages {
        let (conclusion, asked) = talk(8000, |request| match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/v1/models") => reply(200, "application/json", list),
            ("POST", "/mcp") => initialize(request),
            _ => page.clone(),
        });
        assert_eq!(product(&conclusion), Some("openai-compatible"), "{page:?}");
        assert_eq!(conclusion.identity.also, ["mcp"], "{page:?}");
        assert_eq!(conclusion.exposure.models.known().map(Vec::len), Some(1), "{page:?}");
        assert_eq!(conclusion.exposure.tools.known().map(Vec::len), Some(1), "{page:?}");
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Open), "{page:?}");
        assert!(asked.len() <= 12, "{}", asked.len());
        assert!(asked.iter().all(|request| !request.body.contains("tools/call")));
    }
    // The list asks for a key, the tools do not.
    let (conclusion, _) = talk(8000, |request| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/v1/models") => reply(
            401,
            "application/json",
            r#"{"error":{"message":"Incorrect API key","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        ),
        ("POST", "/mcp") => initialize(request),
        _ => reply(404, "text/plain", "no"),
    });
    assert_eq!(product(&conclusion), Some("openai-compatible"));
    assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Key));
    assert_eq!(conclusion.exposure.tools.known().map(Vec::len), Some(1));
}

#[test]
fn a_protocol_that_answers_on_the_front_page_is_seen_there() {
    for (status, kind, body) in [
        (
            406,
            "application/json",
            r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Not Acceptable: Client must accept text/event-stream"}}"#,
        ),
        (
            405,
            "application/json",
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Method not allowed."},"id":null}"#,
        ),
        (
            400,
            "application/json",
            r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
        ),
        (406, "text/plain", "Not Acceptable: Client must accept text/event-stream"),
        (400, "text/plain", "Accept must contain 'text/event-stream' for GET requests"),
    ] {
        let (conclusion, asked) = talk(8080, |request| match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/") => reply(status, kind, body),
            ("POST", "/") => initialize(request),
            _ => reply(404, "text/plain", "Not Found"),
        });
        assert_eq!(product(&conclusion), Some("mcp"), "{body}");
        assert_eq!(conclusion.exposure.tools.known().map(Vec::len), Some(1), "{body}");
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Open), "{body}");
        assert!(asked.len() <= 12, "{}", asked.len());
    }
    // Nothing is posted to a front page that does not speak the protocol: what other servers take a POST there for is a model's task.
    for (status, body) in [
        (405, "Method Not Allowed"),
        (406, "{\"error\":\"Not Acceptable\"}"),
        (
            400,
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32700,\"message\":\"Parse error\"}}",
        ),
        (200, "ok"),
    ] {
        let (conclusion, asked) = talk(8080, |request| match request.path.as_str() {
            "/" => reply(status, "text/plain", body),
            _ => reply(404, "text/plain", "Not Found"),
        });
        assert_eq!(product(&conclusion), None, "{body}");
        assert!(
            asked.iter().all(|request| request.method != "POST" || request.path != "/"),
            "{body}: a POST to the front page"
        );
    }
}

/// An Ollama whose lists answer as they do, but for what `other` says.
fn ollama(path: &str, other: impl Fn(&str) -> Option<Option<Reply>>) -> Option<Reply> {
    let json = "application/json; charset=utf-8";
    let digest = "0".repeat(64);
    let tags = format!(
        r#"{{"models":[{{"name":"a:latest","model":"a:latest","modified_at":"2026-11-30T08:45:31.529643654Z","size":469891,"digest":"{digest}","details":{{"parent_model":"","format":"gguf","family":"llama","families":["llama"],"parameter_size":"115K","quantization_level":"Q4_0"}}}}]}}"#
    );
    if let Some(answer) = other(path) {
        return answer;
    }
    match path {
        "/" => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
        "/api/version" => reply(200, json, r#"{"version":"0.12.3"}"#),
        "/api/tags" => reply(200, json, &tags),
        "/api/ps" => reply(200, json, r#"{"models":[]}"#),
        "/api/show" => reply(200, json, r#"{"template":"","capabilities":["completion"]}"#),
        "/v1/models" => reply(
            200,
            "application/json",
            r#"{"object":"list","data":[{"id":"a:latest","object":"model","created":1796028331,"owned_by":"library"},{"id":"b:latest","object":"model","created":1796028331,"owned_by":"library"}]}"#,
        ),
        _ => reply(404, "text/plain", "404 page not found"),
    }
}

#[test]
fn an_open_list_beside_a_refusal_is_a_key_with_a_leak() {
    let refused = || Some(reply(401, "application/json", "{\"error\":\"unauthorized\"}"));
    for closed in [&["/api/ps", "/api/show"][..], &["/api/show"], &["/v1/models"], &["/api/ps"]] {
        let (conclusion, _) = talk(11434, |request| {
            ollama(&request.path, |path| closed.contains(&path).then(refused).flatten())
        });
        assert_eq!(product(&conclusion), Some("ollama"));
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Key), "{closed:?}");
        let leaks = &conclusion.exposure.leaks;
        assert!(
            leaks
                .iter()
                .any(|leak| leak.what == vigie_model::LeakKind::Models && leak.request == "GET /api/tags"),
            "{closed:?}: {leaks:?}"
        );
    }
    // What a server says of one model by itself, and what stands beside the lists, is no door before them.
    for (path, status) in [("/api/show", 403), ("/metrics", 401)] {
        let (conclusion, _) = talk(11434, |request| {
            ollama(&request.path, |asked| {
                (asked == path).then(|| reply(status, "application/json", "{}"))
            })
        });
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Open), "{path}");
    }
}

#[test]
fn the_other_list_counts_where_the_first_does_not_answer() {
    for status in [404, 405, 429, 500, 503, 504] {
        let (conclusion, _) = talk(11434, |request| {
            ollama(&request.path, |path| (path == "/api/tags").then(|| reply(status, "text/plain", "")))
        });
        assert_eq!(product(&conclusion), Some("ollama"), "{status}");
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Open), "{status}");
        assert_eq!(conclusion.exposure.models.known().map(Vec::len), Some(2), "{status}");
    }
    let (conclusion, _) = talk(11434, |request| {
        ollama(&request.path, |path| (path == "/api/tags").then(|| reply(401, "text/plain", "")))
    });
    assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Key));
}

#[test]
fn a_proxy_that_asks_for_a_key_is_no_imitation_whatever_it_is_written_in() {
    for server in ["uvicorn", "gunicorn", "nginx/1.28.0", "Caddy"] {
        let (conclusion, _) = talk(11434, |request| {
            let answer = match request.path.as_str() {
                "/" | "/api/version" => ollama(&request.path, |_| None),
                _ => reply(401, "application/json", "{\"detail\":\"Invalid\"}"),
            };
            with(answer, "server", server)
        });
        assert_eq!(product(&conclusion), Some("ollama"), "{server}");
        assert_eq!(conclusion.exposure.posture.known(), Some(&Posture::Key), "{server}");
        assert!(!conclusion.deception.is_suspect(), "{server}: {:?}", conclusion.deception);
    }
}

#[test]
fn an_open_list_of_an_unrecognised_server_is_a_leak_beside_its_posture() {
    let refusals = [
        (reply(401, "application/json", "{\"detail\":\"Unauthorized\"}"), Posture::Key),
        (
            with(reply(401, "text/html", BASIC), "www-authenticate", "Basic realm=\"x\""),
            Posture::Login,
        ),
    ];
    let lists = [
        (
            "{\"object\":\"list\",\"data\":[{\"id\":\"tiny\",\"object\":\"model\",\"created\":1,\"owned_by\":\"me\"}]}",
            Some("openai-compatible"),
        ),
        ("{\"ok\":true}", None),
    ];
    for (refusal, posture) in refusals {
        for (list, name) in lists {
            for front in [
                None,
                Some(reply(200, "text/plain", "ok")),
                Some(reply(404, "application/json", "{\"detail\":\"Not Found\"}")),
            ] {
                let (conclusion, _) = talk(8000, |request| match (request.method.as_str(), request.path.as_str()) {
                    ("GET", "/v1/models") => with(reply(200, "application/json", list), "server", "uvicorn"),
                    ("GET", "/") if front.is_some() => front.clone().flatten(),
                    _ => refusal.clone(),
                });
                assert_eq!(product(&conclusion), name, "{list}");
                let exposure = &conclusion.exposure;
                assert_eq!(exposure.posture.known(), Some(&posture), "{list} {front:?}");
                let leaks: Vec<&str> = exposure.leaks.iter().map(|leak| leak.request.as_str()).collect();
                assert_eq!(leaks, ["GET /v1/models"], "{list}");
                assert_ne!(exposure.posture_from.as_deref(), Some("GET /v1/models"));
            }
            // One more open route is no gate, nor is a path that is not there.
            for open in ["/openapi.json", "/vigie-no-such-page"] {
                let (conclusion, _) = talk(8000, |request| match request.path.as_str() {
                    "/v1/models" => reply(200, "application/json", list),
                    path if path == open => reply(404, "application/json", "{\"detail\":\"Not Found\"}"),
                    _ => refusal.clone(),
                });
                assert!(conclusion.exposure.leaks.is_empty(), "{open}");
            }
        }
    }
}

#[test]
fn a_frameworks_404_resembles_no_product() {
    for (status, body) in [
        (404, "{\"detail\":\"Not Found\"}"),
        (404, "404 page not found"),
        (404, "404: Not Found"),
        (404, "{\"error\":\"Not Found\"}"),
        (404, "Not Found"),
        (405, "{\"detail\":\"Method Not Allowed\"}"),
    ] {
        for port in [8000, 6333, 11434] {
            let (conclusion, _) = talk(port, |_| reply(status, "application/json", body));
            assert_eq!(product(&conclusion), None, "{body}");
            assert_eq!(conclusion.identity.evidence.len(), 0, "{body}: {:?}", conclusion.identity.evidence);
        }
    }
}

#[test]
fn names_are_kept_as_the_server_sent_them() {
    let names = [
        "gpt-oss:120b-cloud ",
        " deepseek-v3.1:671b-cloud",
        "qwen3-coder: cloud",
        "tiny:latest",
    ];
    let models: Vec<serde_json::Value> = names
        .iter()
        .map(|name| {
            serde_json::json!({"name": name, "model": name, "digest": "a1".repeat(32), "modified_at": "2026-01-01T00:00:00Z",
                               "details": {"quantization_level": "Q4_0"}})
        })
        .chain([serde_json::json!({"name": " \t", "digest": "b2".repeat(32)})])
        .collect();
    let list = serde_json::json!({ "models": models }).to_string();
    let (conclusion, _) = talk(11434, |request| match request.path.as_str() {
        "/" => reply(200, "text/plain; charset=utf-8", "Ollama is running"),
        "/api/version" => reply(200, "application/json; charset=utf-8", "{\"version\":\"0.17.4\"}"),
        "/api/tags" => reply(200, "application/json; charset=utf-8", &list),
        "/api/ps" => reply(200, "application/json; charset=utf-8", "{\"models\":[]}"),
        _ => reply(404, "text/plain", "404 page not found"),
    });
    let models = conclusion.exposure.models.known().expect("the list was read");
    assert_eq!(models.iter().map(|model| model.name.as_str()).collect::<Vec<_>>(), names);
    assert!(models[..3].iter().all(|model| model.remote.known() == Some(&true)), "{models:?}");
}
