//! The rule language: what it refuses, and that it points at the line.

use vigie_catalog::{Catalog, Diagnostic, Judgement, MAX_FILE_BYTES, Setting, Unsafe, embedded_files};
use vigie_model::{Effect, EffectSet, SettingPlace};

use crate::with;

const HEAD: &str = "schema: vigie.product/1\nid: test-product\nname: Test\nkind: inference\nversions: semver\n";
const IDENTIFY: &str = "identify:\n  - {id: banner, evidence: unique, on: GET /, body: unmistakable}\n";

fn errors(text: &str) -> Vec<Diagnostic> {
    Catalog::load(&with("test-product", text), None).err().unwrap_or_default()
}

#[test]
fn a_sound_file_loads() {
    assert_eq!(errors(&format!("{HEAD}{IDENTIFY}")), []);
}

#[test]
fn each_mistake_is_reported_at_its_line() {
    // The mistake, its line, and a word of the error.
    let cases = [
        ("unknwon: 1\n", 6, "unknown"),
        ("ports: [70000]\n", 6, "u16"),
        ("emulates:\n  - nothing-of-the-kind\n", 7, "unknown product"),
        ("routes:\n  identify:\n    - FETCH /x\n", 8, "GET"),
        (
            "requests:\n  - {id: a, send: GET /never-declared-anywhere, for: read}\n",
            7,
            "routes",
        ),
        (
            "routes:\n  infer: [GET /spend]\nrequests:\n  - {id: a, send: GET /spend, for: read}\n",
            9,
            "infer",
        ),
        (
            "routes:\n  identify: [GET /health]\nrequests:\n  - {id: a, send: GET /health, for: identify}\n",
            9,
            "litellm",
        ),
        (
            "routes:\n  write: [POST /fill]\nrequests:\n  - {id: a, send: POST /fill, for: prove}\n",
            9,
            "must have the effect infer",
        ),
        ("requests:\n  - {id: a, send: DELETE /x, for: read}\n", 7, "GET, HEAD and POST"),
        (
            "routes:\n  identify: [GET /a]\nrequests:\n  - {id: a, send: GET /a, for: read, headers: {authorization: x}}\n",
            9,
            "is not allowed",
        ),
        ("posture:\n  - {posture: open, on: GET /, status: 200}\n", 7, "enumerate"),
        (
            "posture:\n  - {posture: open, on: nobody-asked, status: 200}\n",
            7,
            "unknown request",
        ),
        (
            "leaks:\n  - {what: prompts, on: GET /, header: {date: \"2026\"}}\n",
            7,
            "date header",
        ),
        ("posture:\n  - {posture: ajar, on: GET /, status: 200}\n", 7, "ajar"),
        ("leaks:\n  - {what: prompts, on: GET /, json: {/x: exsits}}\n", 7, "no JSON test"),
        ("leaks:\n  - {what: prompts, on: GET /, body: '~('}\n", 7, "regex"),
        (
            "version:\n  - {on: GET /, json: /a, header: b}\n",
            7,
            "one of json, header, body and title",
        ),
        ("version:\n  - {on: GET /, body: 'no group'}\n", 7, "one group"),
        (
            "models:\n  - {on: GET /, each: /x, fields: {name: /n, colour: /c}}\n",
            7,
            "unknown field",
        ),
        ("remedies:\n  no-such-finding: do\n", 0, "unknown finding id"),
        (
            "settings:\n  - {id: host, what: X., env: X, unsafe: not-loopback, safe: 0.0.0.0}\n",
            7,
            "is not safe according to the setting's own tests",
        ),
        ("remedies:\n  open-inference: set {host}\n", 0, "unknown setting"),
        ("discover:\n  zoomeye: [app]\n", 7, "zoomeye"),
        ("discover:\n  shodan: ['product:x ']\n", 7, "white space"),
        ("discover:\n  shodan:\n    - 'http.title:\"x'\n", 8, "unbalanced quotes"),
        ("discover:\n  censys:\n    - a\n    - a\n", 9, "twice"),
        (
            "settings:\n  - {id: a, what: A., env: A, unsafe: set}\n  - {id: a, what: A., env: B, unsafe: set}\n",
            8,
            "declared twice",
        ),
        (
            "settings:\n  - {id: a, what: A., env: A, unsafe: set, needs: b}\n",
            7,
            "unknown setting",
        ),
        (
            "settings:\n  - {id: a, what: A., env: A, unsafe: set, unless: b}\n",
            7,
            "unknown setting",
        ),
        (
            "settings:\n  - {id: a, what: A., env: A, unsafe: set, findings: [nothing]}\n",
            7,
            "unknown finding",
        ),
    ];
    for (mistake, line, word) in cases {
        let told = errors(&format!("{HEAD}{mistake}{IDENTIFY}"));
        assert!(!told.is_empty(), "{mistake}: was accepted");
        let hit = told
            .iter()
            .find(|d| d.file == "products/test-product.yaml" && d.line == line && d.message.to_lowercase().contains(&word.to_lowercase()));
        assert!(
            hit.is_some(),
            "{mistake}: expected line {line} and {word:?}, got:\n{}",
            told.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        );
    }
}

/// Every rule with a condition accepts the same keys beside its own, and an error in one of them is at its own line.
#[test]
fn the_keys_of_conditions_and_guards_are_those_of_every_rule() {
    const CONDITION: [&str; 9] = ["on", "status", "type", "header", "title", "body", "json", "location", "failed"];
    const VALUE: [&str; 8] = ["on", "status", "json", "header", "body", "title", "take", "then"];
    const GUARDS: [&str; 3] = ["also", "either", "unless"];
    // A rule of each kind, and the keys that it has before those of the condition.
    let rules: [(&str, &[&str], &[&str]); 8] = [
        (
            "identify:\n  - id: a\n    evidence: weak",
            &["id", "evidence", "why", "alone"],
            &CONDITION,
        ),
        ("posture:\n  - posture: open\n    beside: []", &["posture", "beside"], &CONDITION),
        ("leaks:\n  - what: prompts\n    status: 200", &["what"], &CONDITION),
        ("tells:\n  - id: a\n    weight: 0.5", &["id", "weight", "why"], &CONDITION),
        ("made_when_asked:\n  - at: /a\n    status: 200", &["at"], &CONDITION),
        (
            "models:\n  - each: /a\n    fields: {name: /n}",
            &["each", "none", "where", "fields", "map", "always", "more", "remote_if"],
            &CONDITION,
        ),
        ("version:\n  - json: /a\n    status: 200", &[], &VALUE),
        ("unknown_path:\n  - status: 404\n    type: json", &[], &CONDITION),
    ];
    for (rule, own, keys) in rules {
        let guards: &[&str] = if rule.starts_with("unknown_path") { &[] } else { &GUARDS };
        let keys = [own, keys, guards].concat().join(", ");
        // Without the other products, which need not be read for it.
        let one = |text: String| {
            let mut files = with("test-product", &text);
            files.retain(|name, _| !name.starts_with("products/") || name.ends_with("/test-product.yaml"));
            let errors = Catalog::load(&files, None).err().unwrap_or_default();
            let found = errors.iter().find(|error| error.file == "products/test-product.yaml");
            found.map_or_else(|| panic!("{text}: {errors:?}"), |error| (error.line, error.message.clone()))
        };
        let (line, message) = one(format!("{HEAD}{rule}\n    on: GET /\n    staus: 200\n"));
        let expected = format!("unknown field `staus`, expected one of {keys}");
        assert_eq!((line, message.as_str()), (10, expected.as_str()), "{rule}");
        let (line, message) = one(format!("{HEAD}{rule}\n"));
        assert_eq!((line, message.as_str()), (8, "missing field `on`"), "{rule}");
        if !guards.is_empty() {
            let guarded = format!(
                "{HEAD}{rule}\n    on: GET /\n    unless:\n      - {{on: GET /, status: 200}}\n      - {{on: GET /, status: many}}\n"
            );
            let (line, message) = one(guarded);
            assert_eq!((line, message.as_str()), (12, "invalid status \"many\""), "{rule}");
        }
    }
}

#[test]
fn unique_evidence_needs_a_literal() {
    let told = errors(&format!(
        "{HEAD}identify:\n  - {{id: a, evidence: unique, on: GET /, status: 200}}\n"
    ));
    assert!(told.iter().any(|d| d.message.contains("literal")), "{told:?}");
}

#[test]
fn untrusted_packs_have_budgets() {
    let big = format!("{HEAD}{IDENTIFY}# {}\n", "x".repeat(MAX_FILE_BYTES));
    assert!(errors(&big)[0].message.contains("bytes"));
    let deep = format!("{HEAD}{IDENTIFY}remedies: {}{}\n", "[".repeat(100), "]".repeat(100));
    assert!(!errors(&deep).is_empty());
    let bomb = format!("{HEAD}{IDENTIFY}leaks:\n  - {{what: prompts, on: GET /, body: '~((a{{500}}){{500}}){{500}}'}}\n");
    assert!(!errors(&bomb).is_empty());
    let long = format!(
        "{HEAD}{IDENTIFY}leaks:\n  - {{what: prompts, on: GET /, body: '{}'}}\n",
        "y".repeat(1_001)
    );
    assert!(!errors(&long).is_empty());
}

#[test]
fn a_rule_pack_cannot_lower_an_effect() {
    // On its own such a pack is sound: nobody else speaks of the route.
    let text = format!(
        "{HEAD}{IDENTIFY}routes:\n  identify: [POST /api/pull]\nrequests:\n  - {{id: a, send: POST /api/pull, for: read, body: {{model: x}}}}\n"
    );
    let mut alone = vigie_catalog::embedded_files();
    alone.retain(|name, _| !name.starts_with("products/") || name.ends_with("/mcp.yaml"));
    alone.insert("products/test-product.yaml".to_owned(), text);
    let sound = Catalog::load(&alone, None);
    assert!(sound.is_ok(), "{:?}", sound.err());
    // Against the floor of the embedded catalogue it does not load: there the route stores a model.
    let floor = Catalog::embedded();
    let told = Catalog::load(&alone, Some(&floor)).err().unwrap_or_default();
    assert!(told.iter().any(|d| d.message.contains("write")), "{told:?}");
}

#[test]
fn the_transport_checks_effects_again() {
    let catalog = Catalog::embedded();
    let ollama = catalog.number("ollama");
    for (method, path, body) in [
        ("POST", "/api/pull", "{\"model\":\"x\"}"),
        ("POST", "/api/generate", "{\"model\":\"x\",\"prompt\":\"hi\"}"),
        ("DELETE", "/api/delete", "{\"model\":\"x\"}"),
        ("POST", "/v1/chat/completions", "{}"),
        ("GET", "/nothing/that/any/file/lists", ""),
    ] {
        assert!(
            catalog.permit(ollama, method, path, Some(body), EffectSet::HARMLESS).is_err(),
            "{method} {path}"
        );
        assert!(
            catalog.permit(None, method, path, Some(body), EffectSet::HARMLESS).is_err(),
            "{method} {path}"
        );
    }
    assert!(
        catalog
            .permit(ollama, "POST", "/api/show", Some("{\"model\":\"x\"}"), EffectSet::HARMLESS)
            .is_ok()
    );
    assert!(
        catalog.permit(None, "GET", "/health", None, EffectSet::HARMLESS).is_err(),
        "LiteLLM's /health infers"
    );
    // The proof may infer and nothing else.
    assert!(
        catalog
            .permit(
                ollama,
                "POST",
                "/api/generate",
                Some("{\"model\":\"x\",\"prompt\":\"What is 2+2?\"}"),
                EffectSet::HARMLESS.with(Effect::Infer)
            )
            .is_ok()
    );
    let more = EffectSet::HARMLESS.with(Effect::Infer);
    assert!(catalog.permit(ollama, "POST", "/api/pull", Some("{}"), more).is_err());
    // Nothing is harmless to one who may cause nothing.
    assert!(catalog.permit(ollama, "GET", "/api/tags", None, EffectSet::EMPTY).is_err());
    assert!(catalog.permit(ollama, "GET", "/api/tags", None, EffectSet::HARMLESS).is_ok());
}

/// Products whose remedies name no setting, with the reason.
const WITHOUT_SETTINGS: [(&str, &str); 2] = [
    (
        "gpt4all",
        "its server is switched on in the application and listens on loopback only",
    ),
    ("jan", "its server is set in the application, which keeps the settings to itself"),
];

/// Whether a text holds a word: neither a letter, a digit, `_` nor `-` is beside it.
fn holds_word(text: &str, word: &str) -> bool {
    let beside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(word)
        .any(|(at, _)| !beside(text[..at].chars().next_back()) && !beside(text[at + word.len()..].chars().next()))
}

#[test]
fn remedies_name_settings_instead_of_repeating_them() {
    let files = embedded_files();
    let catalog = Catalog::load(&files, None).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let mut wrong = Vec::new();
    for product in catalog.products() {
        let excused = WITHOUT_SETTINGS.iter().any(|(id, _)| *id == product.id.as_str());
        if excused != (product.settings.is_empty() && !product.remedies.is_empty()) {
            wrong.push(format!("{}: settings and WITHOUT_SETTINGS disagree", product.id));
        }
        let text = &files[&format!("products/{}.yaml", product.id)];
        let remedies = text.split_once("\nremedies:").map_or("", |(_, after)| after);
        for setting in &product.settings {
            let places = setting.places.iter().filter_map(|place| match place {
                SettingPlace::Env(name) | SettingPlace::Flag(name) => Some(name),
                SettingPlace::File { .. } => None,
            });
            for name in places.chain(setting.switches.iter().map(|switch| &switch.flag)) {
                if holds_word(remedies, name) {
                    wrong.push(format!("{}: a remedy repeats {name}; write {{{}}}", product.id, setting.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn keys_and_passwords_are_marked_as_secret() {
    let catalog = Catalog::embedded();
    let ends = [
        "api_key",
        "api_keys",
        "admin_key",
        "master_key",
        "secret_key",
        "secret",
        "password",
        "auth_token",
    ];
    let mut wrong = Vec::new();
    for product in catalog.products() {
        let is_switch = |setting: &Setting| setting.unsafe_when.iter().any(|test| matches!(test, Unsafe::On | Unsafe::Off));
        for setting in product.settings.iter().filter(|setting| !setting.secret && !is_switch(setting)) {
            let names = setting.places.iter().map(|place| match place {
                SettingPlace::Env(name) | SettingPlace::Flag(name) => name,
                SettingPlace::File { key, .. } => key,
            });
            for name in names {
                let plain = name.to_ascii_lowercase().replace('-', "_");
                if ends.iter().any(|end| plain.ends_with(end)) {
                    wrong.push(format!("{}: {name}", product.id));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn settings_are_judged_by_the_products_behaviour() {
    use Judgement::{Safe, Unknown, Unsafe};
    let catalog = Catalog::embedded();
    // The product, the setting, its value, whether in the product's image, and what it means.
    let cases = [
        ("ollama", "host", None, false, Safe),
        ("ollama", "host", None, true, Unsafe),
        ("ollama", "host", Some(":11434"), false, Unsafe),
        ("ollama", "host", Some("gpu.example.org:11434"), false, Unknown),
        ("ollama", "origins", Some("https://a.example,*"), false, Unsafe),
        ("ollama", "origins", Some("https://*.example.org"), false, Safe),
        ("ollama", "log-requests", Some("1"), false, Unsafe),
        ("ollama", "debug", Some("2"), false, Unsafe),
        ("ollama", "debug", Some("0"), false, Safe),
        ("vllm", "host", None, false, Unsafe),
        ("vllm", "host", Some("::1"), false, Safe),
        ("vllm", "api-key", None, false, Unsafe),
        ("vllm", "api-key", Some("token-abc123"), false, Unsafe),
        ("vllm", "allowed-origins", Some("[\"*\"]"), false, Unsafe),
        ("vllm", "allowed-origins", Some("[\"https://a.example\"]"), false, Safe),
        ("llama-cpp", "host", None, false, Safe),
        ("llama-cpp", "host", None, true, Unsafe),
        ("llama-cpp", "host", Some("/run/llama.sock"), false, Safe),
        ("llama-cpp", "slots", None, false, Unsafe),
        ("litellm", "master-key", Some("sk-1234"), false, Unsafe),
        ("litellm", "master-key", Some("sk-0a1b2c"), false, Safe),
        ("litellm", "metrics-auth", None, false, Safe),
        ("litellm", "metrics-auth-before", None, false, Unsafe),
        ("open-webui", "signup", None, false, Unsafe),
        ("open-webui", "env", None, true, Safe),
        ("open-webui", "audit-level", Some("REQUEST_RESPONSE"), false, Unsafe),
        ("localai", "address", None, false, Unsafe),
        ("comfyui", "listen", Some(""), false, Unsafe),
        ("comfyui", "cors", Some(""), false, Unsafe),
        ("comfyui", "cors", Some("https://a.example"), false, Safe),
        ("comfyui", "manager-security", Some("normal-"), false, Unsafe),
        ("comfyui", "manager-security", Some("strong"), false, Safe),
        ("jupyter", "token", Some(""), false, Unsafe),
        ("jupyter", "token", None, false, Safe),
        ("jupyter", "ip", None, false, Safe),
        ("jupyter", "ip", None, true, Unsafe),
        ("n8n", "address", None, false, Unsafe),
        ("n8n", "encryption-key", Some("super-secret-key"), false, Unsafe),
        ("librechat", "credentials-key", Some("0123456789abcdef"), false, Safe),
        ("n8n", "excluded-nodes", Some("[]"), false, Unsafe),
        ("langflow", "auto-login", None, false, Safe),
        ("langflow", "auto-login-before", None, false, Unsafe),
        ("dify", "secret-key", None, false, Unsafe),
        ("chroma", "host", None, false, Safe),
        ("chroma", "listen-address", None, true, Unsafe),
        ("chroma", "cors-origins", Some("[\"*\"]"), false, Unsafe),
        ("weaviate", "anonymous", Some("true"), false, Unsafe),
        ("torchserve", "inference-address", None, true, Unsafe),
        ("torchserve", "allowed-urls", None, false, Unsafe),
        ("torchserve", "allowed-urls", Some("https://models.example.org/.*"), false, Safe),
        ("triton", "model-control", Some("explicit"), false, Unsafe),
        ("phoenix", "secret", Some("short"), false, Unsafe),
    ];
    for (product, id, value, in_image, expected) in cases {
        let settings = &catalog.product(product).expect(product).settings;
        let setting = settings
            .iter()
            .find(|setting| setting.id == id)
            .unwrap_or_else(|| panic!("{product}: no {id}"));
        let judged = if in_image {
            setting.judge_in_image(value)
        } else {
            setting.judge(value)
        };
        assert_eq!(judged, expected, "{product}: {id} = {value:?}, in its image: {in_image}");
    }
}

/// The products that an image or a command line starts.
fn started(catalog: &Catalog, starts: impl Fn(&vigie_catalog::Runs) -> bool) -> Vec<&str> {
    catalog
        .products()
        .iter()
        .filter(|product| starts(&product.runs))
        .map(|product| product.id.as_str())
        .collect()
}

#[test]
fn an_image_names_its_product() {
    let catalog = Catalog::embedded();
    let cases: &[(&str, &[&str])] = &[
        ("ollama/ollama", &["ollama"]),
        ("docker.io/ollama/ollama:0.17.4", &["ollama"]),
        ("alpine/ollama:latest", &["ollama"]),
        ("ollama/ollama-python", &[]),
        ("ghcr.io/open-webui/open-webui:main", &["open-webui"]),
        ("ghcr.io/open-webui/pipelines:main", &[]),
        ("ghcr.io/open-webui/mcpo:main", &[]),
        ("vllm/vllm-openai:v0.20.2", &["vllm"]),
        ("mirror.example.org/vllm/vllm-openai:v0.20.2", &["vllm"]),
        ("vllm/vllm-openai-rocm:latest", &["vllm"]),
        ("public.ecr.aws/q9t5s3a7/vllm-cpu-release-repo:v0.10.2", &["vllm"]),
        ("registry.redhat.io/rhaiis/vllm-cuda-rhel9:3.2.5", &["vllm"]),
        ("vllm/vllm-omni", &[]),
        ("ghcr.io/ggml-org/llama.cpp:server-cuda", &["llama-cpp"]),
        ("ghcr.io/ggerganov/llama.cpp:server", &["llama-cpp"]),
        ("ghcr.io/ggml-org/whisper.cpp:main", &[]),
        ("lmsysorg/sglang:v0.5.2-cu126", &["sglang"]),
        ("ghcr.io/huggingface/text-generation-inference:3.3.4", &["tgi"]),
        ("ghcr.io/huggingface/text-embeddings-inference:cpu-1.8", &["tei"]),
        ("ghcr.io/berriai/litellm:main-stable", &["litellm"]),
        ("docker.litellm.ai/berriai/litellm-database:main-stable", &["litellm"]),
        ("litellm/litellm:v1.88.1", &["litellm"]),
        ("docker.litellm.ai/berriai/litellm-helm", &[]),
        ("chromadb/chroma:1.0.0", &["chroma"]),
        ("qdrant/qdrant@sha256:00", &["qdrant"]),
        ("ghcr.io/qdrant/qdrant/qdrant:v1.19.1", &["qdrant"]),
        ("cr.weaviate.io/semitechnologies/weaviate:1.31.1", &["weaviate"]),
        ("semitechnologies/transformers-inference:latest", &[]),
        ("milvusdb/milvus:v2.6.0", &["milvus"]),
        ("milvusdb/milvus-operator", &[]),
        ("zilliz/attu:v2.5", &[]),
        ("quay.io/jupyter/scipy-notebook:2026-01-05", &["jupyter"]),
        ("jupyter/base-notebook", &["jupyter"]),
        ("quay.io/jupyterhub/jupyterhub", &[]),
        ("n8nio/n8n:1.100.0", &["n8n"]),
        ("docker.n8n.io/n8nio/n8n", &["n8n"]),
        ("n8nio/runners", &[]),
        ("langflowai/langflow:1.13.0", &["langflow"]),
        ("flowiseai/flowise", &["flowise"]),
        ("langgenius/dify-api:1.13.3", &["dify"]),
        ("langgenius/dify-sandbox:0.2.12", &[]),
        ("langfuse/langfuse:3", &["langfuse"]),
        ("langfuse/langfuse-worker:3", &[]),
        ("registry.librechat.ai/danny-avila/librechat-dev:latest", &["librechat"]),
        ("ghcr.io/danny-avila/librechat-dev-api:latest", &["librechat"]),
        ("ghcr.io/danny-avila/librechat-rag-api-dev-lite:latest", &[]),
        ("lobehub/lobe-chat-database:1.110.1", &["lobechat"]),
        ("infiniflow/ragflow:v0.27.0", &["ragflow"]),
        ("infiniflow/infinity:v0.7.3-x64-v3", &[]),
        ("michaelf34/infinity:0.0.78", &["infinity"]),
        ("localai/localai:latest-aio-cpu", &["localai"]),
        ("rayproject/ray:2.56.0", &["ray"]),
        ("nvcr.io/nim/meta/llama-3.1-8b-instruct:1.8", &["nim"]),
        ("nvcr.io/nvidia/tritonserver:26.07-py3", &["triton"]),
        ("nvcr.io/nvidia/pytorch:26.07-py3", &[]),
        ("nvcr.io/nvidia/vllm:25.09-py3", &["vllm"]),
        ("mintplexlabs/anythingllm", &["anythingllm"]),
        ("koboldai/koboldcpp:latest", &["koboldcpp"]),
        ("ghcr.io/ai-dock/comfyui:latest-cuda", &["comfyui"]),
        ("ghcr.io/ai-dock/stable-diffusion-webui-forge:latest", &["stable-diffusion-webui"]),
        ("ghcr.io/modelcontextprotocol/inspector", &["mcp"]),
        ("python:3.12-slim", &[]),
        ("postgres", &[]),
    ];
    for (image, expected) in cases {
        assert_eq!(started(&catalog, |runs| runs.has_image(image)), *expected, "{image}");
    }
}

#[test]
fn a_command_line_names_its_product() {
    let catalog = Catalog::embedded();
    let cases: &[(&str, &[&str])] = &[
        ("/usr/local/bin/ollama serve", &["ollama"]),
        ("ollama run tiny", &[]),
        ("ollama", &[]),
        ("vllm serve Qwen/Qwen3-8B --host 0.0.0.0", &["vllm"]),
        ("vllm bench serve", &[]),
        ("vllm chat", &[]),
        ("python3 -m vllm.entrypoints.openai.api_server --model x", &["vllm"]),
        ("/app/llama-server -m x.gguf", &["llama-cpp"]),
        ("C:\\llama\\llama-server.exe -m x.gguf", &["llama-cpp"]),
        ("/app/tools.sh --server -m x.gguf", &["llama-cpp"]),
        ("/app/tools.sh --run -m x.gguf", &[]),
        ("llama-cli -m x.gguf", &[]),
        ("llama-bench -m x.gguf", &[]),
        ("python -m llama_cpp.server --model x.gguf", &[]),
        ("python3 -m sglang.launch_server --model-path x", &["sglang"]),
        ("python3 -m sglang.bench_serving", &[]),
        ("text-generation-launcher --model-id x", &["tgi"]),
        ("text-embeddings-router --model-id x", &["tei"]),
        ("litellm --config config.yaml", &["litellm"]),
        ("litellm-proxy models list", &[]),
        ("chroma run --path data", &["chroma"]),
        ("chroma login", &[]),
        ("uvicorn chromadb.app:app --host 0.0.0.0", &["chroma"]),
        ("uvicorn main:app --host 0.0.0.0", &[]),
        ("jupyter lab --ip=0.0.0.0 --NotebookApp.token=", &["jupyter"]),
        ("jupyter-notebook --no-browser", &["jupyter"]),
        ("start-notebook.py --IdentityProvider.token=", &["jupyter"]),
        ("jupyter nbconvert x.ipynb", &[]),
        ("jupyterhub-singleuser", &[]),
        ("mlflow server --host 0.0.0.0", &["mlflow"]),
        ("mlflow ui", &["mlflow"]),
        ("mlflow run .", &[]),
        ("streamlit run app.py", &["streamlit"]),
        ("streamlit config show", &[]),
        ("gradio app.py", &["gradio"]),
        ("gradio deploy", &[]),
        ("python main.py --listen 0.0.0.0", &[]),
        ("python app.py", &[]),
        ("python server.py --listen --api", &[]),
        ("python3 server.py --portable --listen", &["text-generation-webui"]),
        ("comfy launch -- --listen 0.0.0.0", &["comfyui"]),
        ("comfy node install x", &[]),
        ("python koboldcpp.py --model x.gguf", &["koboldcpp"]),
        ("./koboldcpp-linux-x64-nocuda --model x.gguf", &["koboldcpp"]),
        ("ray start --head --dashboard-host 0.0.0.0", &["ray"]),
        ("ray job submit -- python x.py", &[]),
        ("serve run app:deployment", &["ray"]),
        ("serve -s build", &[]),
        ("xinference-local -H 0.0.0.0", &["xinference"]),
        ("xinference launch --model-name x", &[]),
        ("lms server start --bind 0.0.0.0 --cors", &["lm-studio"]),
        ("lms load x", &[]),
        ("lmdeploy serve api_server x", &["lmdeploy"]),
        ("lmdeploy chat x", &[]),
        ("langflow run --host 0.0.0.0", &["langflow"]),
        ("langflow superuser", &[]),
        ("marimo edit --no-token", &["marimo"]),
        ("marimo run app.py", &[]),
        ("npx -y @modelcontextprotocol/inspector", &["mcp"]),
        ("npx -y @modelcontextprotocol/server-filesystem /", &[]),
        ("fastmcp run server.py --host 0.0.0.0", &["mcp"]),
        ("tritonserver --model-repository=/models", &["triton"]),
        ("open-webui serve", &["open-webui"]),
        ("python3 -m fastchat.serve.controller", &["fastchat"]),
        ("python3 -m fastchat.serve.cli", &[]),
        ("/bin/local-ai run", &["localai"]),
        ("bash", &[]),
    ];
    for (line, expected) in cases {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert_eq!(started(&catalog, |runs| runs.starts(&words).is_some()), *expected, "{line}");
    }
}

#[test]
fn settings_decide_whether_callers_must_authenticate() {
    let catalog = Catalog::embedded();
    // The product, whether it runs in its image, the settings that are set, and whether callers must authenticate.
    type Case = (&'static str, bool, &'static [(&'static str, &'static str)], Option<bool>);
    let cases: &[Case] = &[
        ("ollama", false, &[], Some(false)),
        ("comfyui", false, &[("listen", "0.0.0.0")], Some(false)),
        ("nim", true, &[], Some(false)),
        ("dify", true, &[], Some(true)),
        ("flowise", true, &[], Some(true)),
        ("librechat", true, &[], Some(true)),
        ("vllm", false, &[], Some(false)),
        ("vllm", false, &[("api-key", "")], Some(false)),
        ("vllm", false, &[("api-key", "token-abc123")], Some(false)),
        ("vllm", false, &[("api-key", "0d5f2a7c")], Some(true)),
        ("llama-cpp", true, &[], Some(false)),
        ("llama-cpp", true, &[("api-key-file", "/run/keys")], Some(true)),
        ("llama-cpp", true, &[("api-key", "sk-no-key-required")], Some(false)),
        ("sglang", false, &[("admin-api-key", "0d5f2a7c")], Some(false)),
        ("litellm", true, &[("master-key", "sk-1234")], Some(false)),
        ("litellm", true, &[("master-key", "sk-0d5f2a7c")], Some(true)),
        ("litellm", true, &[("salt-key", "0d5f2a7c")], Some(false)),
        ("open-webui", true, &[], Some(true)),
        ("open-webui", true, &[("auth", "False")], Some(false)),
        ("jupyter", true, &[], Some(true)),
        ("jupyter", true, &[("token", "")], Some(false)),
        ("jupyter", true, &[("token", ""), ("password", "argon2:x")], Some(true)),
        ("marimo", false, &[], Some(true)),
        ("marimo", true, &[], Some(false)),
        ("langflow", true, &[], Some(true)),
        (
            "langflow",
            true,
            &[("auto-login", "True"), ("auto-login-before", "True")],
            Some(false),
        ),
        ("n8n", true, &[], Some(true)),
        ("n8n", true, &[("no-accounts", "true")], Some(false)),
        ("n8n", true, &[("no-accounts", "true"), ("basic-auth", "true")], Some(true)),
        ("chroma", true, &[], Some(false)),
        ("qdrant", true, &[("read-only-key", "0d5f2a7c")], Some(false)),
        ("qdrant", true, &[("api-key", "difyai123456")], Some(false)),
        ("qdrant", true, &[("api-key", "0d5f2a7c")], Some(true)),
        ("weaviate", true, &[("anonymous", "true")], Some(false)),
        ("weaviate", true, &[("anonymous", "false"), ("api-keys", "true")], Some(true)),
        ("milvus", true, &[], Some(false)),
        ("milvus", true, &[("authorization", "true")], Some(true)),
        ("triton", false, &[], Some(false)),
        (
            "triton",
            false,
            &[("http-restricted", "model-repository,trace:key=0d5f2a7c")],
            Some(false),
        ),
        (
            "triton",
            false,
            &[("http-restricted", "model-repository,inference:key=0d5f2a7c")],
            Some(true),
        ),
        ("mlflow", false, &[], Some(false)),
        ("mlflow", false, &[("app", "basic-auth")], Some(true)),
        ("phoenix", true, &[], Some(false)),
        ("ray", false, &[("auth-mode", "token")], Some(true)),
        ("localai", true, &[("accounts", "true")], Some(true)),
        ("lobechat", true, &[("access-code", "lobe66")], Some(false)),
        ("lobechat", true, &[("better-auth", "0d5f2a7c")], Some(true)),
        ("anythingllm", true, &[("auth-token", "hunter2")], Some(false)),
        ("anythingllm", true, &[("jwt-secret", "0d5f2a7c")], Some(false)),
        ("tabbyapi", true, &[], Some(true)),
        ("tabbyapi", true, &[("no-auth", "true")], Some(false)),
        ("torchserve", true, &[("no-tokens", "true")], Some(false)),
        ("text-generation-webui", false, &[("api-key", "0d5f2a7c")], Some(false)),
        ("xinference", true, &[], Some(true)),
        ("xinference", true, &[("accounts", "0")], Some(false)),
        ("gradio", false, &[], None),
        ("streamlit", false, &[], None),
        ("lm-studio", false, &[], None),
        ("jan", false, &[], None),
        ("mcp", false, &[], None),
    ];
    for (id, in_image, set, expected) in cases {
        let product = catalog.product(id).expect(id);
        for (name, _) in *set {
            assert!(product.settings.iter().any(|setting| setting.id == *name), "{id}: no {name}");
        }
        let authenticates = product.runs.authenticates(&product.settings, |setting| {
            let value = set.iter().find(|(name, _)| *name == setting.id).map(|(_, value)| *value);
            if *in_image {
                setting.judge_in_image(value)
            } else {
                setting.judge(value)
            }
        });
        assert_eq!(authenticates, *expected, "{id}: {set:?}, in its image: {in_image}");
    }
}

#[test]
fn settings_name_known_rules_of_the_audit() {
    let known = [
        "exposed-bind",
        "no-authentication",
        "default-credential",
        "origins-wildcard",
        "hosts-unchecked",
        "open-signup",
        "development-mode",
        "prompts-logged",
        "debug-logging",
        "plain-http",
        "metrics-open",
        "remote-code",
        "code-execution",
        "tools-enabled",
        "media-by-url",
        "local-files",
        "management-enabled",
        "extensions-installable",
        "unsafe-deserialisation",
        "public-tunnel",
        "cloud-forwarding",
        "forged-headers",
        "csrf-off",
        "peer-to-peer",
        "secrets-readable",
    ];
    for product in Catalog::embedded().products() {
        for rule in product.settings.iter().filter_map(|setting| setting.audit.as_deref()) {
            assert!(known.contains(&rule), "{}: {rule}", product.id);
        }
    }
}
