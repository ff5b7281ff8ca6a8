//! A source's own word is kept as it is, and what it listed is read.

use vigie_import::CLAIM_CONFIDENCE;
use vigie_model::{Activity, Known, LeakKind, Observation, Posture, ToolRisk, Why};

use crate::{data, good, import_with, options, product};

fn at_port(all: &[Observation], port: u16) -> &Observation {
    all.iter()
        .find(|one| one.endpoint.port == port)
        .unwrap_or_else(|| panic!("no port {port}"))
}

fn says(one: &Observation, words: &str) -> bool {
    let mut said = one.identity.evidence.iter().filter(|evidence| evidence.rule == "said-by-source");
    said.any(|evidence| evidence.seen.contains(words))
}

fn models(one: &Observation) -> Vec<&str> {
    let models = one.exposure.models.known().map(Vec::as_slice).unwrap_or_default();
    models.iter().map(|model| model.name.as_str()).collect()
}

#[test]
fn nmaps_script_for_model_servers() {
    let all = good("nmap/llm-info.xml");
    let known: Vec<(u16, Option<&str>, Option<&str>)> = all
        .iter()
        .map(|one| (one.endpoint.port, product(one), one.identity.version.known().map(String::as_str)))
        .collect();
    assert_eq!(
        known,
        [
            (11434, Some("ollama"), Some("0.30.7")),
            (8000, Some("vllm"), Some("0.9.1")),
            (8080, Some("open-webui"), Some("0.9.6")),
            (5001, Some("koboldcpp"), Some("1.115.2")),
            (30000, Some("sglang"), None),
            (8081, Some("llama-cpp"), None),
            (8001, Some("tgi"), Some("3.3.4")),
            (8002, Some("tei"), Some("1.7.0")),
            (8003, Some("triton"), Some("2.50.0")),
            (8082, Some("torchserve"), None),
            (3080, Some("librechat"), None),
            (9000, Some("openai-compatible"), None),
        ]
    );
    assert!(
        all.iter()
            .all(|one| one.identity.confidence > 0.0 && one.identity.confidence <= CLAIM_CONFIDENCE)
    );
    let ollama = at_port(&all, 11434);
    assert_eq!(models(ollama), ["llama3:8b", "qwen2.5:7b", "nomic-embed-text:latest"]);
    assert_eq!(ollama.exposure.posture, Known::Known(Posture::Open));
    assert_eq!(ollama.exposure.posture_from.as_deref(), Some("GET /api/tags"));
    assert_eq!(ollama.exposure.activity, Known::Known(Activity::Active));
    assert!(says(ollama, "nmap says llm-info auth \"NONE (unauthenticated)\""));
    assert!(says(
        at_port(&all, 8000),
        "nmap says product \"vLLM (OpenAI-compatible)\", version \"0.9.1\""
    ));
    assert!(says(
        at_port(&all, 8000),
        "llm-info inference \"confirmed (responded to a minimal hello)\""
    ));
    assert!(says(at_port(&all, 8003), "\"Triton/KServe (v2 inference)\""));
    let posture = |port: u16| at_port(&all, port).exposure.posture.known().copied();
    assert_eq!(posture(8080), Some(Posture::Signup));
    assert_eq!(posture(3080), Some(Posture::Login));
    assert_eq!(posture(9000), Some(Posture::Key));
    assert_eq!(at_port(&all, 9000).endpoint.tls, Known::Known(true));
    for one in &all {
        assert_ne!(one.exposure.models.why(), Some(Why::NotAsked), "{}", one.endpoint);
    }
    assert!(models(at_port(&all, 8003)).is_empty() && !at_port(&all, 8003).exposure.models.is_known());
}

#[test]
fn nmaps_scripts_for_tool_servers() {
    let all = good("nmap/mcp.xml");
    let open = at_port(&all, 8000);
    assert_eq!(
        (product(open), open.identity.version.known().map(String::as_str)),
        (Some("mcp"), Some("1.4.2"))
    );
    assert!(says(open, "nmap says product \"acme-toolserver\", version \"1.4.2\""));
    assert!(says(open, "mcp-info server \"acme-toolserver 1.4.2\""));
    let tools = open.exposure.tools.known().expect("they are listed");
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["run_command", "read_file", "get_weather"]);
    assert_eq!(tools[0].risks[0], ToolRisk::CodeExecution);
    assert_eq!(tools[2].risks, [ToolRisk::Other]);
    assert_eq!(open.exposure.posture, Known::Known(Posture::Open));
    assert_eq!(open.exposure.posture_from.as_deref(), Some("POST /mcp"));
    let key = at_port(&all, 8001);
    assert_eq!((product(key), key.exposure.posture.known()), (Some("mcp"), Some(&Posture::Key)));
    assert_eq!(key.endpoint.tls, Known::Known(true));
    // What was seen with a key is not what a stranger sees.
    let inner = at_port(&all, 8002);
    assert!(product(inner) == Some("mcp") && !inner.exposure.tools.is_known() && !inner.exposure.posture.is_known());
    // A script whose elements are missing says the same in its print.
    let printed = at_port(&all, 8080);
    assert_eq!(
        (product(printed), models(printed)),
        (Some("llama-cpp"), vec!["/models/a&b:7b.gguf"])
    );
    assert_eq!(printed.exposure.leaks.first().map(|leak| leak.what), Some(LeakKind::SystemPrompt));
    // A framework that the catalogue does not have.
    let other = at_port(&all, 9000);
    assert_eq!((product(other), other.identity.confidence), (None, 0.0));
    assert!(says(other, "\"Anthropic Messages API\""));
    assert_eq!(models(other), ["claude-3-5-haiku-latest", "claude-3-haiku-20240307"]);
    let nginx = at_port(&all, 9100);
    assert!(product(nginx).is_none() && says(nginx, "nmap says product \"nginx\", version \"1.25.3\""));
}

#[test]
fn names_that_say_more_than_the_product() {
    for (said, id) in [
        ("HF text-generation-inference", "tgi"),
        ("Hugging Face Text Embeddings Inference", "tei"),
        ("KServe/Triton (v2 inference)", "triton"),
        ("NVIDIA Triton Inference Server", "triton"),
        ("Ollama API", "ollama"),
        ("Ollama httpd", "ollama"),
        ("vLLM [OpenAI-compatible]", "vllm"),
        ("MCP server (legacy SSE)", "mcp"),
        ("OpenAI-compatible LLM API", "openai-compatible"),
        ("nginx (Ollama behind it)", ""),
        ("Node.js Express framework", ""),
        ("()", ""),
    ] {
        let text = format!(
            "<nmaprun scanner=\"nmap\" start=\"1793517693\"><host><address addr=\"192.0.2.2\"/><ports><port protocol=\"tcp\" portid=\"80\">\
             <state state=\"open\"/><service name=\"http\" product=\"{said}\" method=\"probed\"/></port></ports></host></nmaprun>"
        );
        let items = import_with(text.as_bytes(), None, options());
        let one = items[0].as_ref().expect("an open port");
        assert_eq!(product(one).unwrap_or_default(), id, "{said}");
        assert!(says(one, &format!("product {said:?}")), "{said}: {:?}", one.identity.evidence);
    }
}

#[test]
fn words_of_other_sources() {
    let read = |line: &str| {
        let mut given = options();
        given.seen = Some(crate::at("2026-11-01T00:00:00Z"));
        let items = import_with(line.as_bytes(), None, given);
        items[0].as_ref().expect("a record").clone()
    };
    let shodan = read(
        r#"{"ip_str":"192.0.2.10","port":80,"transport":"tcp","hash":1,"product":"Caddy \"x\"","tags":["cloud","self-signed"],"_shodan":{}}"#,
    );
    assert!(says(&shodan, r#"shodan says product "Caddy \"x\"""#) && says(&shodan, r#"tag "cloud""#));
    let httpx = read(
        r#"{"url":"http://192.0.2.10","host":"192.0.2.10","port":"80","scheme":"http","method":"GET","words":1,"status_code":200,"tech":["Nginx:1.25.3","HSTS"]}"#,
    );
    assert!(
        says(&httpx, r#"httpx says tech "Nginx:1.25.3""#) && says(&httpx, r#"tech "HSTS""#),
        "{:?}",
        httpx.identity.evidence
    );
    let censys = read(
        r#"{"ip":"192.0.2.10","labels":[{"value":"CLOUD"}],"services":[{"port":80,"transport_protocol":"tcp","labels":["LOGIN_PAGE"],"software":[{"vendor":"acme","product":"thing","version":"2"}]}]}"#,
    );
    for words in [r#"software "thing", version "2""#, r#"label "CLOUD""#, r#"label "LOGIN_PAGE""#] {
        assert!(says(&censys, words), "{words}: {:?}", censys.identity.evidence);
    }
    let naabu = read(r#"{"ip":"192.0.2.10","port":80,"protocol":"tcp","tls":false,"product":"Some thing","version":"1"}"#);
    assert!(says(&naabu, r#"naabu says product "Some thing", version "1""#));
    let row = "\"timestamp\",\"severity\",\"ip\",\"protocol\",\"port\",\"tag\"\n\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",\"tcp\",11434,\"ollama;ai-thing\"\n";
    let shadow = read(row);
    assert!(says(&shadow, r#"tag "ai-thing""#) && says(&shadow, r#"tag "ollama""#));
    assert_eq!(product(&shadow), Some("ollama"));
    assert!(shadow.identity.confidence <= CLAIM_CONFIDENCE);
    // What names nothing is no product, and no more words are kept than may be.
    assert!(product(&httpx).is_none() && product(&naabu).is_none());
    let tech: Vec<String> = (0..500).map(|number| format!("\"t{number}\"")).collect();
    let many = read(&format!(
        r#"{{"url":"http://192.0.2.10","host":"192.0.2.10","port":"80","scheme":"http","method":"GET","words":1,"status_code":200,"tech":[{}]}}"#,
        tech.join(",")
    ));
    assert!(
        many.identity.evidence.len() <= 40 && says(&many, "468 more"),
        "{:?}",
        many.identity.evidence.last()
    );
}

#[test]
fn a_fingerprint_that_was_broken_into_lines() {
    let text = String::from_utf8(data("nmap/services.xml")).expect("text");
    let whole = good("nmap/services.xml");
    for break_ in ["\nSF:", "&#xa;SF:", "\r\nSF:", " SF:", "\n"] {
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, after)) = rest.split_once("servicefp=\"") {
            let (print, tail) = after.split_once('"').expect("its end");
            out.push_str(before);
            out.push_str("servicefp=\"");
            let mut width = 0;
            let mut letters = print.chars().peekable();
            while let Some(letter) = letters.next() {
                // An entity is one letter of the print.
                out.push(letter);
                if letter == '&' {
                    for letter in letters.by_ref() {
                        out.push(letter);
                        if letter == ';' {
                            break;
                        }
                    }
                }
                width += 1;
                if width % 70 == 0 && letters.peek().is_some() {
                    out.push_str(break_);
                }
            }
            out.push('"');
            rest = tail;
        }
        out.push_str(rest);
        assert_ne!(out, text);
        let items = import_with(out.as_bytes(), None, options());
        let all: Vec<_> = items.into_iter().map(|item| item.expect("sound")).collect();
        assert_eq!(all, whole, "{break_:?}");
    }
}
