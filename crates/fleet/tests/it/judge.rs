//! The list of forbidden requests.

use std::collections::BTreeSet;

use vigie_fleet::{Judge, ReceivedRequest, Ruling};

fn seen(product: &str, method: &str, path: &str, body: &str) -> ReceivedRequest {
    ReceivedRequest {
        at: Default::default(),
        address: ([127, 0, 0, 1], 1).into(),
        product: (!product.is_empty()).then(|| product.to_owned()),
        method: method.to_owned(),
        path: path.to_owned(),
        body: body.to_owned(),
        cut: false,
    }
}

fn forbidden(product: &str, method: &str, path: &str, body: &str) -> bool {
    Judge::by_hand().ruling(&seen(product, method, path, body)).is_some()
}

#[test]
fn the_list_reads_and_each_line_names_where_it_was_read() {
    let judge = Judge::by_hand();
    let products: BTreeSet<&str> = judge.routes().iter().map(|route| route.product.as_str()).collect();
    for product in [
        "ollama",
        "llama-cpp",
        "vllm",
        "sglang",
        "tgi",
        "litellm",
        "localai",
        "open-webui",
        "langflow",
        "triton",
        "ray",
        "mcp",
        "qdrant",
        "chroma",
        "weaviate",
        "milvus",
        "jupyter",
        "mlflow",
        "comfyui",
        "nim",
    ] {
        assert!(products.contains(product), "no route of {product}");
    }
    assert!(judge.routes().iter().all(|route| !route.source.is_empty()));
    let lines: BTreeSet<String> = judge
        .routes()
        .iter()
        .map(|route| format!("{} {route} {:?}", route.product, route.harm))
        .collect();
    assert_eq!(lines.len(), judge.routes().len(), "a route is listed twice");
}

#[test]
fn a_harmful_route_is_forbidden_on_every_server() {
    for (method, path) in [
        ("POST", "/api/pull"),
        ("POST", "/api/generate"),
        ("DELETE", "/api/delete"),
        ("POST", "/v1/chat/completions"),
        ("GET", "/api/v1/auto_login"),
        ("GET", "/health_generate"),
        ("GET", "/flush_cache"),
        ("GET", "/api/actors/kill?actor_id=1"),
        ("POST", "/api/jobs/"),
        ("POST", "/api/jobs"),
        ("POST", "//api/pull/"),
        ("PUT", "/collections/x/points"),
        ("POST", "/v2/repository/models/m/load"),
        ("POST", "/prompt"),
        ("POST", "/"),
        ("HEAD", "/api/v1/auto_login"),
    ] {
        for product in ["", "ollama", "qdrant"] {
            assert!(forbidden(product, method, path, ""), "{method} {path} at {product:?}");
        }
    }
    let ruling = Judge::by_hand().ruling(&seen("", "POST", "/api/pull", "")).expect("forbidden");
    assert!(ruling.to_string().contains("server/routes.go"), "{ruling}");
}

#[test]
fn a_route_that_is_harmful_in_one_product_is_forbidden_there() {
    for product in ["litellm", "sglang"] {
        assert!(forbidden(product, "GET", "/health", ""), "{product}");
    }
    assert!(!forbidden("llama-cpp", "GET", "/health", ""));
    assert!(forbidden("litellm", "GET", "/bedrock/model/x", ""));
    assert!(!forbidden("", "GET", "/openai/models", ""));
}

#[test]
fn reading_is_allowed_whatever_the_method() {
    for (method, path, body) in [
        ("GET", "/", ""),
        ("GET", "/api/tags", ""),
        ("POST", "/api/show", r#"{"model":"x"}"#),
        ("POST", "/v2/repository/index", "{}"),
        ("POST", "/mcp", r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#),
        ("POST", "/any/path", r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#),
    ] {
        assert!(!forbidden("", method, path, body), "{method} {path}");
    }
}

#[test]
fn the_operation_in_the_body_decides() {
    let call = r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"x"}}"#;
    let list = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;
    assert!(forbidden("mcp", "POST", "/mcp", call));
    assert!(forbidden("mcp", "POST", "/messages/?session_id=1", call));
    // One harmful call in a batch is enough.
    assert!(forbidden("mcp", "POST", "/mcp", &format!("[{list},{call}]")));
    assert!(!forbidden("mcp", "POST", "/mcp", &format!("[{list}]")));
    assert!(forbidden("mcp", "POST", "/mcp", "[]"));
    // An invalid body does not count as reading.
    assert!(forbidden("mcp", "POST", "/mcp", "{"));
}

#[test]
fn a_value_in_the_body_or_the_path_decides() {
    for (method, path, body) in [
        ("POST", "/api/show", r#"{"model":"x:cloud"}"#),
        ("POST", "/api/show", r#"{"Name":"x:7b-CLOUD "}"#),
        ("POST", "//api/show", r#"{"model":"a","MODEL":"x:cloud"}"#),
        ("GET", "/v1/models/x:cloud", ""),
        ("HEAD", "/v1/models/x%3Acloud?y=1", ""),
        ("POST", "/olla/ollama/api/show", r#"{"model":"x:cloud"}"#),
    ] {
        assert!(forbidden("", method, path, body), "{method} {path} {body}");
    }
    assert!(!forbidden("", "POST", "/api/show", r#"{"model":"cloud:latest"}"#));
    assert!(!forbidden("", "GET", "/v1/models/x", ""));
    assert!(forbidden("bifrost", "GET", "/v1/models", ""));
    assert!(!forbidden("", "GET", "/v1/models", ""));
}

#[test]
fn a_changing_method_needs_a_reading_line() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "PURGE"] {
        let ruling = Judge::by_hand().ruling(&seen("", method, "/never/heard/of", ""));
        assert_eq!(ruling, Some(Ruling::Unlisted), "{method}");
    }
    assert!(!forbidden("", "OPTIONS", "/never/heard/of", ""));
}

#[test]
fn an_invalid_list_names_its_line() {
    for (text, complaint) in [
        ("infer POST /x", "line 1: name the product"),
        ("product a\nsource b\nharm POST /x", "line 3: unknown effect harm"),
        ("product a\nsource b\ninfer BREW /x", "line 3: no method"),
        ("product a\nsource b\ninfer POST x", "line 3: no path"),
        (
            "product a\nsource b\ninfer POST /x when it rains",
            "line 3: invalid condition \"when it rains\"",
        ),
        (
            "product a\nsource b\nproduct c\ninfer POST /x",
            "line 4: name the product and the source",
        ),
    ] {
        let error = Judge::read(text).expect_err(text);
        assert!(error.contains(complaint), "{error}");
    }
}

#[test]
fn only_tools_may_be_listed_on_the_front_page_of_a_tool_server() {
    let call = |method: &str| format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{method}\",\"params\":{{}}}}");
    for method in ["initialize", "notifications/initialized", "tools/list"] {
        assert!(!forbidden("mcp", "POST", "/", &call(method)), "{method}");
        assert!(
            forbidden("tgi", "POST", "/", &call(method)),
            "{method}: at this server it is the model's task"
        );
    }
    for method in ["tools/call", "resources/read", "prompts/get"] {
        assert!(forbidden("mcp", "POST", "/", &call(method)), "{method}");
    }
    assert!(forbidden("mcp", "POST", "/", "{\"inputs\":\"hello\"}"));
}
