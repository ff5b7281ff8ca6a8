//! Lists of tools, resources and models that another tool got. All texts are constructed; the script's form is that of nmap-ai-recon's source.

use vigie_import::Format;
use vigie_model::{Known, Observation, Posture, ToolRisk, Why};

use crate::{import_with, options, product};

fn one(text: &str, format: Option<Format>) -> Observation {
    let mut items = import_with(text.as_bytes(), format, options());
    assert_eq!(items.len(), 1, "{items:?}");
    items.remove(0).unwrap_or_else(|bad| panic!("{bad}"))
}

fn port(scripts: &str) -> Observation {
    one(
        &format!(
            "<nmaprun scanner=\"nmap\" start=\"1793517693\"><host><address addr=\"192.0.2.2\"/><ports><port protocol=\"tcp\" portid=\"8000\">\
             <state state=\"open\"/>{scripts}</port></ports></host><runstats><finished time=\"1793517700\"/></runstats></nmaprun>"
        ),
        None,
    )
}

fn says(one: &Observation, words: &str) -> bool {
    let mut said = one.identity.evidence.iter().filter(|evidence| evidence.rule == "said-by-source");
    said.any(|evidence| evidence.seen.contains(words))
}

fn tools(one: &Observation) -> Vec<&str> {
    let tools = one.exposure.tools.known().map(Vec::as_slice).unwrap_or_default();
    tools.iter().map(|tool| tool.name.as_str()).collect()
}

#[test]
fn a_scripts_marks_are_no_part_of_a_tools_name() {
    let lines = "    run_command [!! RISK: code-exec, file-access] - Execute a command  (params: cmd*)\n    read_file [RISK: file-access] - Read\n    \
                 bare [!! RISK: secrets]\n    weather - Tells [!! RISK: nothing] of it\n    list_all";
    let elements: String = lines.lines().map(|line| format!("<elem>{}</elem>", line.trim())).collect();
    let more = "<table key=\"resources (2)\"><elem>file:///etc/</elem><elem>db://customers</elem></table>\
                <table key=\"prompts (1)\"><elem>summarize</elem></table>\
                <elem key=\"SECURITY\">unauthenticated server exposes 2 risky tool(s)</elem>";
    let listed = port(&format!(
        "<script id=\"mcp-enum\" output=\"x\"><elem key=\"transport\">streamable-http</elem><table key=\"tools (5)\">{elements}</table>{more}</script>"
    ));
    let printed = port(&format!(
        "<script id=\"mcp-enum\" output=\"&#xa;  transport: streamable-http&#xa;  tools (5): &#xa;{}&#xa;  \
         resources (2): file:///etc/, db://customers&#xa;  prompts (1): summarize&#xa;  SECURITY: unauthenticated server exposes\"/>",
        lines.replace('\n', "&#xa;")
    ));
    for one in [&listed, &printed] {
        assert_eq!(tools(one), ["run_command", "read_file", "bare", "weather", "list_all"]);
        let all = one.exposure.tools.known().expect("they are listed");
        assert_eq!(all[0].risks[0], ToolRisk::CodeExecution);
        for words in [
            "mcp-enum resource \"file:///etc/\"",
            "mcp-enum resource \"db://customers\"",
            "mcp-enum prompt \"summarize\"",
        ] {
            assert!(says(one, words), "{words}: {:?}", one.identity.evidence);
        }
        assert_eq!(one.exposure.posture, Known::Known(Posture::Open));
    }
}

#[test]
fn a_list_beside_a_refusal_is_no_strangers_list() {
    let script = |auth: &str| {
        port(&format!(
            "<script id=\"llm-info\" output=\"x\"><elem key=\"framework\">Ollama</elem><elem key=\"endpoint\">/v1/models</elem>\
             <elem key=\"auth\">{auth}</elem><table key=\"models (2)\"><elem>llama3:8b</elem><elem>qwen2.5:7b</elem></table>\
             <table key=\"leaks\"><elem>system prompt disclosed via /props</elem></table></script>"
        ))
    };
    let refused = script("REQUIRED (API key)");
    assert_eq!(refused.exposure.posture, Known::Known(Posture::Key));
    assert!(!refused.exposure.models.is_known() && !refused.exposure.activity.is_known());
    assert_eq!(refused.exposure.models.why(), Some(Why::NotCarried));
    assert!(refused.exposure.leaks.is_empty());
    assert!(says(&refused, "llm-info model \"llama3:8b\"") && says(&refused, "llm-info model \"qwen2.5:7b\""));
    let open = script("NONE (unauthenticated)");
    assert_eq!(open.exposure.posture, Known::Known(Posture::Open));
    assert_eq!(open.exposure.models.known().map(Vec::len), Some(2));
    assert!(!says(&open, "llm-info model"));
    // Tools beside a refusal, and lists behind a login.
    let tools = port(
        "<script id=\"mcp-info\" output=\"x\"><elem key=\"endpoint\">/mcp</elem><elem key=\"auth\">REQUIRED (OAuth/Bearer)</elem></script>\
         <script id=\"mcp-enum\" output=\"x\"><table key=\"tools (1)\"><elem>wipe - all</elem></table>\
         <elem key=\"SECURITY\">unauthenticated MCP server</elem></script>",
    );
    assert_eq!(tools.exposure.posture, Known::Known(Posture::Key));
    assert!(!tools.exposure.tools.is_known() && says(&tools, "mcp-enum tool \"wipe - all\""));
}

const RESULT: &str = r#"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\"serverInfo\":{\"name\":\"acme\",\"version\":\"1.4.2\"}}}"#;
const TOOLS: &str = r#"{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{\"tools\":[{\"name\":\"run_command\",\"description\":\"Execute a shell command\",\"inputSchema\":{}}]}}"#;

fn nuclei(path: &str, more: &str) -> Observation {
    one(
        &format!(
            r#"{{"template-id":"generic-check","info":{{"name":"A check"}},"type":"http","host":"192.0.2.5","port":"8000","scheme":"http","url":"http://192.0.2.5:8000","matched-at":"http://192.0.2.5:8000{path}","ip":"192.0.2.5","timestamp":"2026-11-01T07:21:33Z","matcher-status":true{more}}}"#
        ),
        Some(Format::Nuclei),
    )
}

fn exchange(path: &str, method: &str, kind: &str, body: &str) -> String {
    let call = format!(
        r#"{{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"{method}\",\"params\":{{\"protocolVersion\":\"2025-03-26\",\"clientInfo\":{{\"name\":\"nuclei\"}}}}}}"#
    );
    format!(
        r#","request":"POST {path} HTTP/1.1\r\nHost: 192.0.2.5:8000\r\nContent-Type: application/json\r\n\r\n{call}","response":"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n{body}""#
    )
}

#[test]
fn answers_of_tool_servers_are_read_as_a_scan_reads_them() {
    for path in ["/mcp", "/mcp/", "/"] {
        for (kind, begin, end) in [
            ("application/json", "", ""),
            ("text/event-stream", r"event: message\r\ndata: ", r"\r\n\r\n"),
        ] {
            let body = format!("{begin}{RESULT}{end}");
            let hello = nuclei(path, &exchange(path, "initialize", kind, &body));
            assert_eq!(
                (product(&hello), hello.identity.version.known().map(String::as_str)),
                (Some("mcp"), Some("1.4.2")),
                "{path} {kind}"
            );
            assert!(hello.identity.evidence.iter().any(|piece| piece.rule.starts_with("handshake")));
            let body = format!("{begin}{TOOLS}{end}");
            let listed = nuclei(
                path,
                &exchange(path, "tools/list", kind, &body).replace("\"template-id\":\"generic-check\"", ""),
            );
            let listed_as = one(
                &serde_json::to_string(&serde_json::json!({
                    "template-id": "mcp-detect", "info": {"name": "MCP", "metadata": {"product": "mcp"}}, "type": "http", "host": "192.0.2.5",
                    "port": "8000", "matched-at": format!("http://192.0.2.5:8000{path}"), "url": "http://192.0.2.5:8000", "ip": "192.0.2.5",
                    "timestamp": "2026-11-01T07:21:33Z",
                    "request": format!("POST {path} HTTP/1.1\r\nHost: a\r\n\r\n{{\"jsonrpc\":\"2.0\",\"method\":\"tools/list\",\"id\":\"x\"}}"),
                    "response": format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}", TOOLS.replace('\\', "")),
                }))
                .expect("it writes"),
                Some(Format::Nuclei),
            );
            assert_eq!(tools(&listed_as), ["run_command"], "{path}");
            assert_eq!(listed_as.exposure.posture, Known::Known(Posture::Open));
            // Without a word of the product the list alone names none, as in a scan.
            assert!(listed.exposure.posture.known().is_none_or(|posture| *posture == Posture::Open));
        }
    }
    // Without a head: what was extracted, or a response of its own.
    for more in [
        format!(r#","extracted-results":["{RESULT}","{TOOLS}"]"#),
        format!(r#","response":"{RESULT}","extracted-results":["{TOOLS}"]"#),
        format!(r#","extracted-results":["data: {TOOLS}","event: message\ndata: {RESULT}\n"]"#),
        format!(
            r#"{},"extracted-results":["{TOOLS}"]"#,
            exchange("/mcp", "initialize", "application/json", RESULT)
        ),
    ] {
        let one = nuclei("/mcp", &more);
        assert_eq!(
            (product(&one), one.identity.version.known().map(String::as_str)),
            (Some("mcp"), Some("1.4.2")),
            "{more}"
        );
        assert_eq!(tools(&one), ["run_command"], "{more}");
        assert_eq!(one.exposure.posture, Known::Known(Posture::Open));
    }
    // What is no such answer is none.
    for more in [
        r#","extracted-results":["{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32600}}"]"#,
        r#","extracted-results":["{\"tools\":[]}","1.4.2"]"#,
        r#","response":"{\"result\":{\"tools\":[]}}""#,
    ] {
        let one = nuclei("/mcp", more);
        assert!(product(&one).is_none() && !one.exposure.tools.is_known(), "{more}");
    }
}

#[test]
fn a_row_of_a_table_is_read_as_one_whatever_it_begins_with() {
    for (title, name) in [
        ("[beta] Ollama is running", "[beta] Ollama is running"),
        ("{{title}}", "{{title}}"),
        ("\"[a, b]\"", "[a, b]"),
    ] {
        let text = format!(
            "title,host,ip,port,protocol,lastupdatetime\n{title},http://192.0.2.1:11434,192.0.2.1,11434,http,2026-11-01 07:21:33\n"
        );
        let one = one(&text, None);
        assert_eq!((one.source.name.as_str(), one.endpoint.port), ("fofa", 11434), "{name}");
    }
    for (text, format) in [
        (
            "tls,host,ip,port,protocol,cdn,timestamp\n{false},a,192.0.2.1,80,tcp,false,2026-11-01T07:21:33Z\n",
            Format::Naabu,
        ),
        (
            "classification,saddr,sport,success,timestamp-ts\n,192.0.2.1,80,1,1793517693\n",
            Format::Zmap,
        ),
        (
            "repeat,saddr,sport,success,timestamp-ts\n{0},192.0.2.1,80,1,1793517693\n",
            Format::Zmap,
        ),
    ] {
        assert_eq!(one(text, Some(format)).endpoint.port, 80, "{text}");
    }
}

#[test]
fn an_address_that_may_end_in_a_port_is_not_guessed_at() {
    let mut given = options();
    given.seen = Some(crate::at("2026-11-01T00:00:00Z"));
    let read = |line: &str| import_with(line.as_bytes(), Some(Format::Naabu), given.clone());
    for line in [
        "2001:db8::1:8000\n",
        "2001:db8::443\n".replace("::443", "::5:443").as_str(),
        "::1:80\n",
        "fe80::1:2:3:4:80\n",
    ] {
        let items = read(line);
        let bad = items[0].as_ref().expect_err(line);
        assert!(bad.reason.contains("may be an address") && bad.reason.contains("]:"), "{bad}");
    }
    // It can only be both.
    for (line, whole) in [
        ("[2001:db8::1]:8000\n", "[2001:db8::1]:8000"),
        ("2001:db8::1:11434\n", "[2001:db8::1]:11434"),
        ("2001:db8:1:2:3:4:5:6:8000\n", "[2001:db8:1:2:3:4:5:6]:8000"),
    ] {
        assert_eq!(read(line)[0].as_ref().map(crate::whole_address), Ok(whole.to_owned()), "{line}");
    }
    // It can only be an address: the host was found, and no port.
    for line in [
        "2001:db8::\n",
        "2001:db8::10\n",
        "2001:db8:1:2:3:4:5:6\n",
        "2001:db8::1:80ab\n",
        "2001:db8::1:0080\n",
        "2001:db8::1:0\n",
    ] {
        assert!(read(line).is_empty(), "{line}: {:?}", read(line));
    }
}
