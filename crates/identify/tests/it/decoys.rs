//! What pretends is a suspect, and what is real is none: servers that are imitated, with one thing wrong at a time.

use vigie_identify::{Conclusion, Identifier, Limits, Session};
use vigie_model::{Exchange, Failure, FailureKind, Reply, RequestLine, Timestamp};

/// A conversation with a fixture's server whose replies go through this function.
fn with(fixture: &str, change: impl Fn(&RequestLine, &mut Reply)) -> Conclusion {
    let files = crate::fixtures();
    let (head, lines) = &files[fixture];
    let fixture = vigie_identify::fixture::Fixture::read(fixture, head, lines).expect("a fixture");
    let port = fixture.head.port;
    let mut session = Session::new(Identifier::embedded(), port, format!("127.0.0.1:{port}"), Limits::default());
    while let Some(ask) = session.next_ask() {
        // What was not recorded is not answered.
        let line = fixture.answer(&ask.request);
        let mut reply = line.and_then(|line| line.reply.clone());
        if let Some(reply) = &mut reply {
            change(&ask.request, reply);
        }
        session.answer(
            &ask,
            Exchange {
                request: ask.request.clone(),
                at: Timestamp::UNIX_EPOCH,
                micros: 0,
                failure: reply.is_none().then(|| Failure {
                    kind: FailureKind::Timeout,
                    detail: "not recorded".to_owned(),
                    banner: Vec::new(),
                }),
                reply,
            },
        );
    }
    session.conclude()
}

fn tells(conclusion: &Conclusion) -> Vec<&str> {
    conclusion.deception.tells.iter().map(|tell| tell.id.as_str()).collect()
}

fn set(reply: &mut Reply, name: &str, value: &str) {
    reply.headers.retain(|(header, _)| header != name);
    reply.headers.push((name.to_owned(), value.to_owned()));
}

fn replace(reply: &mut Reply, old: &str, new: &str) {
    let text = String::from_utf8_lossy(&reply.body).replace(old, new);
    reply.body = text.into_bytes();
}

fn is_absent(request: &RequestLine) -> bool {
    request.path == "/vigie-no-such-page"
}

/// A suspect for this reason; what it imitates does not matter.
#[track_caller]
fn caught(conclusion: &Conclusion, tell: &str) {
    assert!(tells(conclusion).contains(&tell), "{:?}", conclusion.deception);
    assert!(conclusion.deception.is_suspect(), "{:?}", conclusion.deception);
}

#[track_caller]
fn believed(conclusion: &Conclusion) {
    assert!(!conclusion.deception.is_suspect(), "{:?}", conclusion.deception);
}

#[test]
fn a_server_that_names_itself_as_its_product_does_not_is_invented() {
    for server in ["ollama/0.17.4 Python/3.11.2", "Ollama/0.5.1", "ollama"] {
        caught(
            &with("ollama/0.17.4-one-model", |_, reply| set(reply, "server", server)),
            "server-header-invented",
        );
    }
    caught(
        &with("vllm/0.32.0-open", |_, reply| set(reply, "server", "vLLM/0.6.0")),
        "server-header-invented",
    );
    believed(&with("llama-cpp/b10434-open", |_, reply| set(reply, "server", "llama.cpp")));
    // What stands in front names itself.
    for server in [
        "nginx/1.27.0",
        "Caddy",
        "cloudflare",
        "Apache/2.4.62 (Debian)",
        "openresty",
        "istio-envoy",
    ] {
        for real in [
            "ollama/0.17.4-one-model",
            "vllm/0.32.0-open",
            "llama-cpp/b10434-open",
            "qdrant/1.15.1-open",
            "comfyui/0.3.64-open",
        ] {
            let seen = with(real, |_, reply| set(reply, "server", server));
            assert!(tells(&seen).is_empty(), "{real} behind {server}: {:?}", seen.deception);
        }
    }
}

#[test]
fn a_foreign_stack_is_a_tell_unless_it_forwards_the_products_replies() {
    for real in [
        "ollama/0.17.4-one-model",
        "qdrant/1.15.1-open",
        "tgi/3.3.6-open",
        "weaviate/1.27.0-open",
        "vllm/0.32.0-open",
        "llama-cpp/b10434-open",
    ] {
        caught(
            &with(real, |request, reply| {
                set(reply, "server", "BaseHTTP/0.6 Python/3.11.2");
                if is_absent(request) {
                    reply.status = 404;
                    reply.body = b"{\"error\": \"not found\"}".to_vec();
                }
            }),
            if real.starts_with("llama-cpp") {
                "python-behind-llama-cpp"
            } else if real.starts_with("ollama") {
                "imitation"
            } else {
                "foreign-stack"
            },
        );
    }
    // A proxy in Python or Node in front of the real thing passes its words on.
    for server in ["uvicorn", "Python/3.12 aiohttp/3.11.8"] {
        believed(&with("ollama/0.17.4-one-model", |_, reply| set(reply, "server", server)));
        believed(&with("weaviate/1.27.0-open", |_, reply| set(reply, "server", server)));
    }
    believed(&with("vllm/0.32.0-open", |_, reply| set(reply, "x-powered-by", "Express")));
    // A router in Go passes some paths on and answers itself to the rest.
    believed(&with("vllm/0.32.0-open", |request, reply| {
        if is_absent(request) {
            set(reply, "content-type", "text/plain; charset=utf-8");
            reply.body = b"404 page not found\n".to_vec();
        }
    }));
}

#[test]
fn digests_have_the_length_of_a_digest() {
    let digest = "ba03de738cf0b3b2ae830affdd4b746bdcf5ed7718e5be328946ece4a68e05bd";
    for wrong in [
        format!("{digest}0"),
        digest[..63].to_owned(),
        digest[..12].to_owned(),
        digest.repeat(2),
    ] {
        caught(
            &with("ollama/0.17.4-one-model", |_, reply| replace(reply, digest, &wrong)),
            "digest-wrong-length",
        );
    }
    caught(
        &with("ollama/0.17.4-one-model", |_, reply| replace(reply, digest, &digest.to_uppercase())),
        "digest-no-digest",
    );
    believed(&with("ollama/0.17.4-one-model", |_, reply| replace(reply, digest, "")));
}

#[test]
fn models_agree_with_themselves_and_with_each_other() {
    let model = |name: &str, size: u64, parameters: &str, digest: &str, changed: &str| {
        format!(
            "{{\"name\":\"{name}\",\"model\":\"{name}\",\"modified_at\":\"{changed}\",\"size\":{size},\"digest\":\"{digest}\",\"details\":{{\"parent_model\":\"\",\
             \"format\":\"gguf\",\"family\":\"llama\",\"families\":[\"llama\"],\"parameter_size\":\"{parameters}\",\"quantization_level\":\"Q4_0\"}}}}"
        )
    };
    let listing = |models: Vec<String>| {
        let list = format!("{{\"models\":[{}]}}", models.join(","));
        with("ollama/0.17.4-no-model", move |request, reply| {
            if request.path == "/api/tags" {
                reply.body = list.clone().into_bytes();
            }
            set(reply, "date", "Mon, 30 Nov 2026 09:00:00 GMT");
        })
    };
    let (a, b) = ("a".repeat(64), "b".repeat(64));
    let (one, two) = ("2026-01-02T03:04:05.678901234Z", "2026-02-02T03:04:05.178901234Z");
    let real = listing(vec![
        model("llama3:8b", 4_661_224_676, "8.0B", &a, one),
        model("mine:latest", 4_661_224_676, "8.0B", &a, two),
        model("qwen:7b", 4_431_400_262, "7.6B", &b, one),
    ]);
    assert!(tells(&real).is_empty(), "a copy has its model's digest: {:?}", real.deception);
    let same = listing(vec![
        model("llama3:8b", 4_661_224_676, "8.0B", &a, one),
        model("qwen:7b", 4_431_400_262, "7.6B", &a, two),
    ]);
    caught(&same, "one-digest-for-several");
    caught(
        &listing(vec![model("llama3:70b", 4_661_224_676, "70.6B", &a, one)]),
        "size-disagrees",
    );
    let instant = listing(
        (0..3)
            .map(|n| model(&format!("m{n}"), 4_661_224_676, "8.0B", &format!("{n:064x}"), one))
            .collect(),
    );
    assert_eq!(tells(&instant), ["one-instant-for-all"]);
    let future = listing(vec![model("llama3:8b", 4_661_224_676, "8.0B", &a, "2031-01-02T03:04:05Z")]);
    assert_eq!(tells(&future), ["changed-in-the-future"]);
}

#[test]
fn generated_values_are_not_constants() {
    let id = "modelperm-80157806c9c6c128";
    for invented in [
        "modelperm-1",
        "modelperm-abc123",
        "modelperm-0000000000000000",
        "modelperm-deadbeefdeadbeef",
        "modelperm-vllm",
        "perm-1",
    ] {
        caught(
            &with("vllm/0.32.0-open", |_, reply| replace(reply, id, invented)),
            "permission-id-invented",
        );
    }
    believed(&with("vllm/0.32.0-open", |_, reply| {
        replace(reply, id, "modelperm-97e514e4a2c38bb8912d7b6ba7fbecfb");
        set(reply, "date", "Sun, 22 Nov 2026 02:04:00 GMT");
    }));
    caught(
        &with("vllm/0.32.0-open", |_, reply| set(reply, "date", "Mon, 30 Nov 2026 02:04:00 GMT")),
        "stale-creation-time",
    );
    caught(
        &with("vllm/0.32.0-open", |request, reply| {
            if request.path == "/v1/models" {
                let list: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
                let mut twice = list.clone();
                let mut other = list["data"][0].clone();
                other["id"] = "another".into();
                twice["data"].as_array_mut().expect("a list").push(other);
                reply.body = twice.to_string().into_bytes();
            }
        }),
        "repeated-id",
    );
}

#[test]
fn a_recognised_server_gets_a_request_for_an_absent_page() {
    for fixture in crate::read_fixtures()
        .iter()
        .filter(|fixture| fixture.head.expect.product.is_some())
    {
        let asked = fixture.replay(&Identifier::embedded()).asked();
        assert!(
            asked.iter().any(|line| line == "GET /vigie-no-such-page"),
            "{}: {asked:?}",
            fixture.name
        );
        assert!(asked.len() <= 28, "{}: {}", fixture.name, asked.len());
    }
}

#[test]
fn an_answer_on_every_path_is_a_tell() {
    let anything = |fixture: &str, kind: &'static str, body: &'static str| {
        with(fixture, move |request, reply| {
            if is_absent(request) {
                reply.status = 200;
                set(reply, "content-type", kind);
                reply.body = body.as_bytes().to_vec();
            }
        })
    };
    for real in [
        "llama-cpp/b10434-open",
        "koboldcpp/1.76-open",
        "qdrant/1.15.1-open",
        "comfyui/0.3.64-open",
        "weaviate/1.27.0-open",
    ] {
        caught(&anything(real, "application/json", "{\"status\":\"ok\"}"), "any-path-answers");
        caught(&anything(real, "text/plain", "OK"), "any-path-answers");
        // What stands in front may show its own page there.
        let page = anything(real, "text/html", "<!doctype html><title>x</title>");
        assert!(tells(&page).contains(&"any-path-answers"));
        believed(&page);
    }
    caught(
        &anything("lm-studio/0.4-open", "application/json", "{\"status\":\"ok\"}"),
        "any-path-answers",
    );
    // LM Studio says 200 there in words of its own, and applications show their page.
    for real in [
        "lm-studio/0.4-open",
        "open-webui/0.12.4-login",
        "n8n/2.40.7-login",
        "one-api/0.6.10-key",
    ] {
        assert!(tells(&with(real, |_, _| ())).is_empty(), "{real}");
    }
}

#[test]
fn a_comfyui_without_its_arguments_is_a_decoy() {
    let without = |key: &'static str| {
        with("comfyui/0.3.64-open", move |request, reply| {
            if request.path == "/system_stats" {
                let mut stats: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
                stats["system"].as_object_mut().expect("an object").remove(key);
                reply.body = stats.to_string().into_bytes();
            }
        })
    };
    caught(&without("argv"), "argv-missing");
    assert_eq!(tells(&without("pytorch_version")), ["pytorch-missing"]);
}

/// A list with further pages is told as a lower bound.
#[test]
fn a_list_with_further_pages_is_incomplete() {
    let whole = with("mcp/1.9.4-sdk-http-open", |_, _| ());
    let paged = with("mcp/1.9.4-sdk-http-open", |_, reply| {
        replace(reply, "\"result\":{\"tools\":", "\"result\":{\"nextCursor\":\"2\",\"tools\":")
    });
    let count = whole.exposure.tools.known().map(Vec::len);
    assert!(count.is_some_and(|count| count > 0) && whole.exposure.tools_at_least.is_none());
    assert_eq!(paged.exposure.tools.known().map(Vec::len), count);
    assert_eq!(paged.exposure.tools_at_least, count.map(|count| count as u64));
}

/// A router has what its servers have, on paths of their own, and routes of its own besides.
#[test]
fn a_router_is_no_decoy() {
    // llama-swap tells its own version where Ollama does.
    let files = crate::fixtures();
    let (head, lines) = &files["openai-compatible/acme-stub-open"];
    let stub = vigie_identify::fixture::Fixture::read("stub", head, lines).expect("a fixture");
    let mut session = Session::new(Identifier::embedded(), 8080, "127.0.0.1:8080", Limits::default());
    let reply = |status: u16, body: &str| Reply {
        status,
        version: "HTTP/1.1".to_owned(),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.as_bytes().to_vec(),
        truncated: false,
    };
    while let Some(ask) = session.next_ask() {
        let reply = match ask.request.path.as_str() {
            "/api/version" => reply(
                200,
                "{\"build_date\":\"2026-08-22T16:31:26Z\",\"commit\":\"0bdb372\",\"version\":\"231\"}",
            ),
            "/v1/models" => stub.answer(&ask.request).and_then(|line| line.reply.clone()).expect("recorded"),
            "/" => reply(302, ""),
            _ => reply(404, "404 page not found\n"),
        };
        let exchange = Exchange {
            request: ask.request.clone(),
            at: Timestamp::UNIX_EPOCH,
            micros: 0,
            reply: Some(reply),
            failure: None,
        };
        session.answer(&ask, exchange);
    }
    let conclusion = session.conclude();
    assert_eq!(conclusion.identity.product.known().map(String::as_str), Some("openai-compatible"));
    assert!(tells(&conclusion).is_empty(), "{:?}", conclusion.deception);
}

/// The model lists of an Ollama, changed.
fn relisted(reply: &mut Reply, change: impl Fn(&mut Vec<serde_json::Value>)) {
    let mut list: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    change(list["models"].as_array_mut().expect("a list"));
    reply.body = list.to_string().into_bytes();
}

#[test]
fn a_model_that_is_listed_twice_is_a_tell() {
    let listed = |change: &dyn Fn(&mut Vec<serde_json::Value>)| {
        with("ollama/0.17.4-one-model", |request, reply| {
            if request.path == "/api/tags" {
                relisted(reply, change);
            }
        })
    };
    let twice = listed(&|models| models.push(models[0].clone()));
    assert!(tells(&twice).contains(&"same-model-twice"), "{:?}", twice.deception);
    // A balancer over several servers lists so too.
    believed(&twice);
    // Two names of one model, and two states of one name, are ordinary.
    for (key, value) in [("name", "other:latest"), ("digest", &"b2".repeat(32))] {
        let seen = listed(&|models| {
            let mut other = models[0].clone();
            other[key] = value.into();
            models.push(other);
        });
        assert!(!tells(&seen).contains(&"same-model-twice"), "{key}: {:?}", seen.deception);
    }
}

#[test]
fn a_listed_model_that_does_not_exist_is_a_tell() {
    let asked = |status: u16, kind: &'static str, words: &'static str, names: &[&str]| {
        with("ollama/0.17.4-one-model", |request, reply| {
            if request.path == "/api/tags" {
                relisted(reply, |models| {
                    let one = models[0].clone();
                    *models = names
                        .iter()
                        .map(|name| {
                            let mut model = one.clone();
                            (model["name"], model["model"]) = ((*name).into(), (*name).into());
                            model
                        })
                        .collect();
                });
            }
            if request.path == "/api/show" {
                let body: serde_json::Value = serde_json::from_str(&request.body).expect("JSON");
                reply.status = status;
                set(reply, "content-type", kind);
                reply.body = words.replace("NAME", body["model"].as_str().expect("a name")).into_bytes();
            }
        })
    };
    let json = "application/json; charset=utf-8";
    for words in [
        "{\"error\":\"model 'NAME' not found\"}",
        "{\"error\":\"model 'NAME' not found, try pulling it first\"}",
    ] {
        let seen = asked(404, json, words, &["tiny:latest"]);
        let tell = seen.deception.tells.iter().find(|tell| tell.id == "listed-model-not-found");
        assert!(
            tell.is_some_and(|tell| tell.weight < 0.3 && tell.seen.contains("tiny:latest")),
            "{:?}",
            seen.deception
        );
        believed(&seen);
    }
    // A name in another case, a route that a proxy does not pass on, another fault.
    for (status, kind, words, name) in [
        (404, json, "{\"error\":\"model 'NAME' not found\"}", "Tiny:latest"),
        (404, "text/plain", "404 page not found", "tiny:latest"),
        (404, "text/html", "<html>404 Not Found NAME</html>", "tiny:latest"),
        (404, json, "{\"detail\":\"Not Found\"}", "tiny:latest"),
        (500, json, "{\"error\":\"blob of NAME not found\"}", "tiny:latest"),
        (403, json, "{\"error\":\"NAME not found\"}", "tiny:latest"),
    ] {
        let seen = asked(status, kind, words, &[name]);
        assert!(!tells(&seen).contains(&"listed-model-not-found"), "{words}: {:?}", seen.deception);
    }
    assert!(!tells(&with("ollama/0.17.4-one-model", |_, _| ())).contains(&"listed-model-not-found"));
}

#[test]
fn a_banner_on_every_path_keeps_its_product_and_is_a_tell() {
    for server in [None, Some("uvicorn")] {
        let seen = with("ollama/0.17.4-one-model", |request, reply| {
            if is_absent(request) {
                reply.status = 200;
                reply.body = b"Ollama is running".to_vec();
            }
            if let Some(server) = server {
                set(reply, "server", server);
            }
        });
        assert_eq!(seen.identity.product.known().map(String::as_str), Some("ollama"), "{server:?}");
        caught(&seen, "any-path-answers");
    }
}

#[test]
fn a_tell_has_a_sentence() {
    for product in vigie_catalog::Catalog::embedded().products() {
        for tell in &product.tells {
            assert!(tell.why.contains(' '), "{} {}", product.id, tell.id);
        }
    }
    let seen = with("ollama/0.17.4-one-model", |request, reply| {
        if request.path == "/api/tags" {
            relisted(reply, |models| models[0]["size"] = "115".into());
        }
    });
    let tell = seen
        .deception
        .tells
        .iter()
        .find(|tell| tell.id == "size-no-size")
        .expect("it is told");
    assert_eq!(tell.seen, "GET /api/tags: a size is a string");
}
