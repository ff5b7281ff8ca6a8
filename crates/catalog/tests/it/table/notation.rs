//! What is wrong in `reads` and `takes`, and where.

use vigie_catalog::{Catalog, Files, embedded_files};

const HEAD: &str = "schema: vigie.product/1\nid: acme\nname: Acme\nkind: inference\nversions: semver\nroutes:\n  identify: [GET /about]\n  \
                    infer: [\"POST /run/{model}\", POST /ask]\nidentify:\n  - {id: a, evidence: weak, on: any, body: Acme}\n";

/// A small catalogue with one more product: a whole one for each fault would be slow.
fn with(text: &str) -> Files {
    let mut files = embedded_files();
    files.retain(|name, _| !name.starts_with("products/") || name == "products/mcp.yaml" || name == "products/openai-compatible.yaml");
    files.insert("products/acme.yaml".to_owned(), text.to_owned());
    files
}

/// Each message with its line, from the first line behind the head.
fn faults(text: &str) -> Vec<(u64, String)> {
    let files = with(&format!("{HEAD}{text}"));
    let head = u64::try_from(HEAD.lines().count()).expect("few lines");
    match Catalog::load(&files, None) {
        Ok(_) => Vec::new(),
        Err(all) => all
            .into_iter()
            .filter(|fault| fault.file == "products/acme.yaml")
            .map(|fault| (fault.line.saturating_sub(head), fault.message))
            .collect(),
    }
}

#[test]
fn what_is_right() {
    let right = "reads: {json: go, path: gin, names: ollama, content_type: any}\ntakes:\n  - on: [POST /ask]\n    since: 1.0.0\n    model: [/model, '?model']\n    \
                 asks: {tools: [/tools, '/x ~ ^a'], images: '/a/*/b = c'}\n    knobs: {max-tokens: /n}\n  - on: ['POST /run/{model}']\n    model: '{model}'\n  \
                 - on: [GET /about]\n    list: {each: /data, name: /id}\n";
    assert_eq!(faults(right), []);
}

#[test]
fn errors_name_the_line() {
    let reads = "reads: {json: go, path: gin}\ntakes:\n";
    for (text, line, part) in [
        (format!("{reads}  - on: [POST /none]\n"), 3, "is not a route of this file"),
        (format!("{reads}  - on: [GET /ask]\n"), 3, "is not a route of this file"),
        (format!("{reads}  - on: [POST /ask]\n    model: model\n"), 4, "is not a place"),
        (
            format!("{reads}  - on: [POST /ask]\n    model: '/a*b*c'\n"),
            4,
            "one * in a segment",
        ),
        (format!("{reads}  - on: [POST /ask]\n    model: '/a*'\n"), 4, "a whole segment"),
        (
            format!("{reads}  - on: [POST /ask]\n    model: '{{model}}'\n"),
            3,
            "has no segment {model}",
        ),
        (format!("{reads}  - on: [GET /about]\n    model: /model\n"), 3, "takes no body"),
        (
            format!("{reads}  - on: [POST /ask]\n    model: [/model, 'form:model']\n"),
            3,
            "takes a form",
        ),
        (format!("{reads}  - on: [POST /ask]\n    asks: {{toolz: /tools}}\n"), 4, "toolz"),
        (
            format!("{reads}  - on: [POST /ask]\n    asks: {{tools: '/tools is'}}\n"),
            4,
            "after a place",
        ),
        (
            format!("{reads}  - on: [POST /ask]\n    asks: {{tools: '/tools ~ ('}}\n"),
            4,
            "regex",
        ),
        (format!("{reads}  - on: [POST /ask]\n    knobs: {{num_ctx: /a}}\n"), 4, "num_ctx"),
        (format!("{reads}  - on: [POST /ask]\n    since: soon\n"), 4, "no version"),
        (format!("{reads}  - on: [POST /ask]\n    moddel: /model\n"), 4, "moddel"),
        ("reads: {json: basic, path: gin}\n".to_owned(), 1, "basic"),
        ("reads: {json: go, path: apache}\n".to_owned(), 1, "apache"),
        ("takes:\n  - on: [POST /ask]\n".to_owned(), 2, "takes needs reads"),
    ] {
        let faults = faults(&text);
        assert!(
            faults.iter().any(|(at, message)| *at == line && message.contains(part)),
            "{text}: {faults:?}"
        );
    }
}

#[test]
fn versions_of_routes_can_be_compared() {
    let text = HEAD.replace("[GET /about]", "[GET /about since soon]");
    let all = Catalog::load(&with(&text), None).expect_err("no version");
    assert!(
        all.iter().any(|fault| fault.line == 7 && fault.message.contains("no version")),
        "{all:?}"
    );
}

#[test]
fn explain_says_what_requests_name() {
    let catalog = Catalog::embedded();
    let said = |id: &str| catalog.explain(catalog.product(id).expect("the catalogue has it"));
    let ollama = said("ollama");
    for part in [
        "reads: JSON as go, paths as gin, names of models as ollama",
        "- `POST /api/show` since 0.1.18: model `/model`, else `/name`; takes besides: system, template",
        "max-tokens at `/options/num_predict`",
        "its reply lists models at `/models`, named at `/name` and `/model`",
    ] {
        assert!(ollama.contains(part), "{part}: {ollama}");
    }
    assert!(said("chroma").contains("Its file does not say"));
}
