//! FOFA, nuclei, nmap's greppable output, and what was mended in the others. All texts are constructed: fields and forms are those of the tools'
//! sources (fofax, GoFOFA and fofa_viewer; nuclei's `output.go`, nuclei-templates; nmap's `output.cc`; masscan's `out-*.c`, naabu's `output.go`).

use vigie_import::{Batch, CLAIM_CONFIDENCE, Format, Importer, PassedOver};
use vigie_model::{Known, Observation, Posture};

use crate::{Item, at, data, import_with, options, product};

/// Address and port alone.
fn whole_address(observation: &Observation) -> String {
    std::net::SocketAddr::new(observation.endpoint.address, observation.endpoint.port).to_string()
}

fn version(observation: &Observation) -> Option<&str> {
    observation.identity.version.known().map(String::as_str)
}

fn read(text: &str) -> Vec<Item> {
    import_with(text.as_bytes(), None, options())
}

fn one(text: &str) -> Observation {
    let mut all = read(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0).unwrap_or_else(|bad| panic!("{bad}"))
}

fn reason(text: &str, format: Option<Format>) -> String {
    let all = import_with(text.as_bytes(), format, options());
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].as_ref().err().map_or_else(|| format!("{all:?}"), |bad| bad.reason.clone())
}

fn counted(text: &str, format: Option<Format>) -> (usize, PassedOver) {
    let mut importer = Importer::new(text.as_bytes(), format, options()).unwrap_or_else(|error| panic!("{error}"));
    let items = importer.by_ref().count();
    (items, importer.passed_over())
}

#[test]
fn fofa_csv_of_its_usual_fields() {
    let text = "host,ip,port,protocol,title,domain,country,city,server,lastupdatetime\n\
                http://192.0.2.231:11434,192.0.2.231,11434,http,,,DE,Berlin,,2026-11-20 10:00:00\n\
                https://chat.example.org,192.0.2.232,443,https,Open WebUI,example.org,DE,Berlin,nginx,2026-11-20 10:00:01\n";
    let all = read(text);
    let all: Vec<Observation> = all.into_iter().map(|item| item.expect("sound")).collect();
    assert_eq!(whole_address(&all[0]), "192.0.2.231:11434");
    assert_eq!(all[0].source.name, "fofa");
    assert_eq!(all[0].seen, at("2026-11-20T10:00:00Z"));
    assert_eq!((all[0].endpoint.tls.clone(), &all[0].endpoint.name), (Known::Known(false), &None));
    assert_eq!(all[0].network.city, Known::Known("Berlin".to_owned()));
    assert_eq!(all[1].endpoint.name.as_deref(), Some("chat.example.org"));
    assert_eq!(all[1].endpoint.tls, Known::Known(true));
    assert!(
        all[1].identity.evidence.iter().any(|e| e.product == "open-webui"),
        "{:?}",
        all[1].identity
    );
}

#[test]
fn fofa_replies_products_and_names() {
    // The site's names in Chinese, quoted, with a reply over several lines.
    let text = "\u{feff}\"主机名\",\"IP地址\",\"端口\",\"协议名\",\"基础协议\",\"网站header\",\"产品名\",\"版本号\",\"asn编号\",\"asn组织\",\"国家代码\",\"最近更新时间\"\n\
                \"192.0.2.7:11434\",\"192.0.2.7\",\"11434\",\"http\",\"tcp\",\"HTTP/1.1 200 OK\nContent-Type: text/plain; charset=utf-8\nContent-Length: 17\n\",\"Ollama\",\"0.12.3\",\"64500\",\"Example\",\"DE\",\"2026-11-20 10:00:00\"\n";
    let ollama = one(text);
    assert_eq!((product(&ollama), version(&ollama)), (Some("ollama"), Some("0.12.3")));
    assert!(ollama.identity.confidence <= CLAIM_CONFIDENCE);
    assert_eq!(
        (ollama.network.asn.clone(), ollama.network.country.clone()),
        (Known::Known(64_500), Known::Known("DE".to_owned()))
    );
    // Of several products, nobody says whose the version is.
    let several = one(
        r#"{"ip":"192.0.2.8","port":"8080","host":"192.0.2.8:8080","protocol":"http","base_protocol":"tcp","product":"NGINX,Open-WebUI","version":"1.24.0","lastupdatetime":"2026-11-20 10:00:00"}"#,
    );
    assert_eq!((product(&several), version(&several)), (Some("open-webui"), None));
    // Rows of a reply: three fields are told apart, others are not guessed.
    let reply = |rows: &str| {
        format!(
            r#"{{"error":false,"consumed_fpoint":0,"required_fpoints":0,"size":2,"page":1,"mode":"extended","query":"app=\"x\"","results":[{rows}]}}"#
        )
    };
    let mut timed = options();
    timed.seen = Some(at("2026-11-20T00:00:00Z"));
    let rows = reply(
        r#"["https://a.example:8443","192.0.2.9","8443"],["192.0.2.10","192.0.2.10","80"],["2001:db8::5","11434","b.example:11434"]"#,
    );
    let all = import_with(rows.as_bytes(), None, timed.clone());
    let ends: Vec<String> = all.iter().flatten().map(whole_address).collect();
    assert_eq!(ends, ["192.0.2.9:8443", "192.0.2.10:80", "[2001:db8::5]:11434"], "{all:?}");
    for row in [
        r#"["192.0.2.9","8443"]"#,
        r#""a.example""#,
        r#"["a.example","80","443"]"#,
        r#"["192.0.2.1","192.0.2.2","80"]"#,
        r#"["a","192.0.2.9","80","http"]"#,
        "[]",
    ] {
        let all = import_with(reply(row).as_bytes(), None, timed.clone());
        assert!(all.len() == 1 && all[0].as_ref().is_err(), "{row}: {all:?}");
    }
}

#[test]
fn fofa_errors_name_the_problem() {
    let row = |ip: &str, port: &str, transport: &str, time: &str| {
        format!("ip,port,base_protocol,lastupdatetime\n{ip},{port},{transport},{time}\n")
    };
    for (text, says) in [
        (
            row("a.example", "80", "tcp", "2026-11-20 10:00:00"),
            "\"a.example\" is not an address",
        ),
        (row("192.0.2.1", "http", "tcp", "2026-11-20 10:00:00"), "\"http\" is not a port"),
        (row("192.0.2.1", "0", "tcp", "2026-11-20 10:00:00"), "\"0\" is not a port"),
        (row("192.0.2.1", "80", "http", "2026-11-20 10:00:00"), "\"http\" is not a transport"),
        (row("192.0.2.1", "80", "tcp", "yesterday"), "\"yesterday\" is not a time"),
        (row("192.0.2.1", "80", "tcp", ""), "no time"),
        (row("", "80", "tcp", "2026-11-20 10:00:00"), "no address"),
        (row("192.0.2.1", "", "tcp", "2026-11-20 10:00:00"), "no port"),
        ("ip,port,lastupdatetime\n192.0.2.1,80\n".to_owned(), "2 cells under 3 columns"),
    ] {
        assert!(reason(&text, None).contains(says), "{text}: {}", reason(&text, None));
    }
    let udp = row("192.0.2.1", "53", "udp", "2026-11-20 10:00:00");
    let snmp = "ip,port,protocol,lastupdatetime\n192.0.2.1,161,snmp,2026-11-20 10:00:00\n";
    for text in [udp.as_str(), snmp] {
        let (items, passed) = counted(text, None);
        assert_eq!((items, passed.not_tcp), (0, 1), "{text}");
    }
}

fn nuclei(more: &str) -> String {
    format!(
        r#"{{"template":"http/technologies/x-detect.yaml","template-path":"/x","info":{{"name":"X - Detect","author":["a"],"tags":["tech","ai"],"severity":"info","metadata":{{"max-request":1}}}},"type":"http","host":"192.0.2.5","port":"11434","scheme":"http","url":"http://192.0.2.5:11434","path":"/","matched-at":"http://192.0.2.5:11434/","ip":"192.0.2.5","timestamp":"2026-11-20T10:00:00.123456789+01:00","curl-command":"curl","matcher-status":true,{more}}}"#
    )
}

/// Templates of nuclei-templates, with what they say of the product.
#[test]
fn nuclei_templates_name_the_product() {
    for (template, metadata, more, found, is) in [
        ("ollama-detect", "ollama", "", "ollama", None),
        (
            "vllm-detect",
            "vllm",
            r#","matcher-name":"version-endpoint","extracted-results":["0.9.1"]"#,
            "vllm",
            Some("0.9.1"),
        ),
        (
            "vllm-detect",
            "vllm",
            r#","matcher-name":"metrics-prefix","extracted-results":["0.9.1","meta/llama-3.1"]"#,
            "vllm",
            Some("0.9.1"),
        ),
        ("comfyui-detect", "comfyui", "", "comfyui", None),
        ("llamacpp-detect", "llama.cpp", "", "llama-cpp", None),
        (
            "koboldcpp-detect",
            "koboldcpp",
            r#","extractor-name":"version","extracted-results":["1.115.2"]"#,
            "koboldcpp",
            Some("1.115.2"),
        ),
        (
            "tei-detect",
            "text-embeddings-inference",
            r#","extractor-name":"model_id","extracted-results":["BAAI/bge-1.5"]"#,
            "tei",
            None,
        ),
        ("open-webui-panel", "", "", "open-webui", None),
        ("mcp-server-detect", "", "", "mcp", None),
        ("mcp-detect", "", "", "mcp", None),
        ("litellm-unauth", "litellm", "", "litellm", None),
        (
            "ollama-detect",
            "ollama",
            r#","extracted-results":["0.1.2","0.1.3"]"#,
            "ollama",
            None,
        ),
    ] {
        let line = nuclei(&format!(r#""template-id":"{template}"{more}"#)).replace(
            r#""max-request":1"#,
            &format!(r#""max-request":1,"vendor":"x","product":"{metadata}""#),
        );
        let one = one(&line);
        assert_eq!((product(&one), version(&one)), (Some(found), is), "{template}");
        assert!(
            one.identity.confidence > 0.0 && one.identity.confidence <= CLAIM_CONFIDENCE,
            "{template}"
        );
        assert_eq!(
            (whole_address(&one), one.source.name.as_str()),
            ("192.0.2.5:11434".to_owned(), "nuclei")
        );
        assert_eq!(
            (one.seen, one.endpoint.tls.clone()),
            (at("2026-11-20T09:00:00.123456Z"), Known::Known(false))
        );
        assert!(
            one.identity
                .evidence
                .iter()
                .any(|e| e.rule == "said-by-source" && e.seen.contains("nuclei says"))
        );
        assert!(!one.exposure.posture.is_known(), "that a template matched says nothing of a list");
    }
    // A template of no product says that the port answered.
    let other = one(&nuclei(r#""template-id":"http-missing-security-headers""#));
    assert_eq!(product(&other), None);
}

/// Request and response, with `-json-export` and without `-omit-raw`.
#[test]
fn nuclei_carries_the_reply() {
    // The reply as httpx recorded it of a real server.
    let recorded: serde_json::Value = serde_json::from_slice(&data("httpx/tags.jsonl")).expect("a line");
    let part = |name: &str| recorded[name].as_str().expect("a text").to_owned();
    let response = serde_json::Value::from(format!("{}{}", part("raw_header"), part("body")));
    let line = nuclei(&format!(
        r#""template-id":"ollama-improper-authorization","request":"GET /api/tags HTTP/1.1\r\nHost: 192.0.2.5:11434\r\n\r\n","response":{response}"#
    ))
    .replace("http://192.0.2.5:11434/\"", "http://192.0.2.5:11434/api/tags\"")
    .replace(r#""max-request":1"#, r#""product":"ollama""#);
    let array = format!("[{line},{line}]");
    let all = read(&array);
    assert_eq!(all.len(), 2);
    let one = all[0].as_ref().expect("sound");
    assert_eq!(product(one), Some("ollama"));
    assert_eq!(one.exposure.posture, Known::Known(Posture::Open));
    assert_eq!(one.exposure.models.known().map(Vec::len), Some(1));
    assert!(one.identity.evidence.iter().any(|e| e.rule == "tag-list"), "{:?}", one.identity);
}

#[test]
fn nuclei_where_it_matched() {
    let id = r#""template-id":"ollama-detect""#;
    // A template of another port, and one whose port was not given to nuclei.
    let other = nuclei(id).replace(
        "\"matched-at\":\"http://192.0.2.5:11434/",
        "\"matched-at\":\"http://192.0.2.5:8080/",
    );
    assert_eq!(whole_address(&one(&other)), "192.0.2.5:8080");
    let network = nuclei(id)
        .replace(r#""type":"http""#, r#""type":"javascript""#)
        .replace(r#""port":"11434""#, r#""port":"80""#)
        .replace(r#""url":"http://192.0.2.5:11434","#, "")
        .replace(r#""matched-at":"http://192.0.2.5:11434/""#, r#""matched-at":"192.0.2.5:11434""#);
    assert_eq!(whole_address(&one(&network)), "192.0.2.5:11434");
    // A redirect to another host: the endpoint, and nothing that the other said.
    let redirect = nuclei(id).replace(
        "\"matched-at\":\"http://192.0.2.5:11434/",
        "\"matched-at\":\"https://login.example/",
    );
    let redirect = one(&redirect);
    assert_eq!((whole_address(&redirect), product(&redirect)), ("192.0.2.5:11434".to_owned(), None));
    // Up to 2.9 the host is the URL.
    let old = r#"{"template-id":"ollama-detect","info":{"name":"Ollama"},"type":"http","host":"https://llm.example","matched-at":"https://llm.example/","ip":"192.0.2.6","timestamp":"2023-07-01T00:00:00Z","matcher-status":true}"#;
    let old = one(old);
    assert_eq!(
        (whole_address(&old), old.endpoint.name.as_deref(), old.endpoint.tls.clone()),
        ("192.0.2.6:443".to_owned(), Some("llm.example"), Known::Known(true))
    );
    for (from, to, says) in [
        (r#""ip":"192.0.2.5""#, r#""ip":"bogus""#, "is not an address"),
        (r#""port":"11434""#, r#""port":"99999""#, "is not a port"),
        ("2026-11-20T10:00:00.123456789+01:00", "soon", "is not a time"),
        (r#""type":"http""#, r#""type":"file""#, "no endpoint"),
    ] {
        let text = nuclei(id).replace(from, to);
        assert!(reason(&text, None).contains(says), "{}", reason(&text, None));
    }
    let named = nuclei(id).replace("192.0.2.5", "a.example").replace(r#""ip":"a.example","#, "");
    assert!(reason(&named, None).contains("is a name"), "{}", reason(&named, None));
    let (items, passed) = counted(&nuclei(id).replace(r#""type":"http""#, r#""type":"dns""#), None);
    assert_eq!((items, passed.not_tcp), (0, 1));
    let (items, passed) = counted(&nuclei(id).replace(r#""matcher-status":true"#, r#""matcher-status":false"#), None);
    assert_eq!((items, passed.not_open), (0, 1));
}

#[test]
fn nmaps_greppable_output() {
    let text = "# Nmap 7.93 scan initiated Tue Nov 10 10:00:00 2026 as: nmap -sV -oG scan.gnmap 192.0.2.0/28\n\
                # Ports scanned: TCP(3;80,443,11434) UDP(0;) SCTP(0;) PROTOCOLS(0;)\n\
                Host: 192.0.2.1 (ptr.example)\tStatus: Up\n\
                Host: 192.0.2.1 (ptr.example)\tPorts: 22/open/tcp//ssh//OpenSSH 9.2p1, Debian (protocol 2.0)/, 80/closed/tcp//http///, 443/open/tcp//ssl|http//nginx 1.24.0/, 11434/open/tcp//http//Ollama API 0.12.3/, 53/open/udp//domain///, 9/open|filtered/tcp//discard///\tIgnored State: filtered (2)\tOS: Linux 5.0 - 5.4\n\
                Host: 192.0.2.2 ()\tStatus: Down\n\
                Host: 192.0.2.3 ()\tPorts: \tIgnored State: closed (3)\n\
                Host: 2001:db8::4 ()\tPorts: 8080/open/tcp//http-proxy///\n\
                # Nmap done at Tue Nov 10 10:00:10 2026 -- 16 IP addresses (3 hosts up) scanned in 10.01 seconds\n";
    let mut importer = Importer::new(text.as_bytes(), None, options()).expect("recognised");
    assert_eq!(importer.format(), Format::Nmap);
    let all: Vec<Observation> = importer.by_ref().map(|item| item.unwrap_or_else(|bad| panic!("{bad}"))).collect();
    let ends: Vec<String> = all.iter().map(whole_address).collect();
    assert_eq!(ends, ["192.0.2.1:22", "192.0.2.1:443", "192.0.2.1:11434", "[2001:db8::4]:8080"]);
    let passed = importer.passed_over();
    assert_eq!((passed.not_open, passed.not_tcp, passed.host_discovery), (3, 1, 0));
    for one in &all {
        assert_eq!((one.seen, one.source.version.as_str()), (at("2026-11-10T10:00:00Z"), "7.93"));
        assert_eq!(
            (one.endpoint.name.as_deref(), one.source.name.as_str()),
            (None, "nmap"),
            "a reverse look-up is no name that was asked for"
        );
    }
    assert_eq!(all[1].endpoint.tls, Known::Known(true));
    assert_eq!(
        (product(&all[2]), version(&all[2]), all[2].identity.confidence),
        (Some("ollama"), Some("0.12.3"), CLAIM_CONFIDENCE)
    );
    assert_eq!(all[2].endpoint.tls, Known::Known(false));
    assert!(!all[3].endpoint.tls.is_known());
    // Its last line says that the run is done.
    for (text, unfinished) in [(text.to_owned(), false), (text.replace("# Nmap done", "# "), true)] {
        let (mut records, _) = Importer::new(text.as_bytes(), None, options()).expect("recognised").split();
        let mut batch = Batch::default();
        while records.fill(&mut batch) {}
        assert_eq!(records.unfinished().is_some_and(|unfinished| unfinished.certain), unfinished);
    }
    // Hosts without ports, where none was asked.
    let pings = "# Nmap 7.93 scan initiated Tue Nov 10 10:00:00 2026 as: nmap -sn -oG - 192.0.2.0/30\nHost: 192.0.2.1 ()\tStatus: Up\nHost: 192.0.2.2 ()\tStatus: Up\n";
    let (items, passed) = counted(pings, None);
    assert_eq!((items, passed.host_discovery), (0, 2));
    // Two runs in one file, each with its own time; without a head, there is none.
    let two = format!("{text}{}", text.replace("Tue Nov 10", "Wed Nov 11"));
    let seen: Vec<_> = read(&two).into_iter().flatten().map(|one| one.seen).collect();
    assert_eq!((seen.len(), seen[4]), (8, at("2026-11-11T10:00:00Z")));
    assert!(reason("Host: 192.0.2.1 ()\tPorts: 80/open/tcp//http///\n", None).contains("no time"));
    for (line, says) in [
        ("Host: bogus ()\tPorts: 80/open/tcp//http///", "is not an address"),
        ("Host: 192.0.2.1 ()\tPorts: 80/open/quux//http///", "is not a transport"),
        ("Host: 192.0.2.1 ()\tPorts: 80000/open/tcp//http///", "is not a port"),
        ("Host: 192.0.2.1 ()\tPorts: 80/open/tcp", "not as nmap -oG writes it"),
        ("Host: 192.0.2.1 ()\tOS: x", "neither ports nor a state"),
        ("192.0.2.1 80", "no line of a host"),
    ] {
        let text = format!("# Nmap 7.93 scan initiated Tue Nov 10 10:00:00 2026 as: nmap\nHost: 192.0.2.9 ()\tStatus: Up\n{line}\n");
        assert!(
            reason(&text, Some(Format::Nmap)).contains(says),
            "{line}: {}",
            reason(&text, Some(Format::Nmap))
        );
    }
    let undated = "# Nmap 7.93 scan initiated some day as: nmap\nHost: 192.0.2.1 ()\tPorts: 80/open/tcp//http///\n";
    assert!(reason(undated, None).contains("is not a time"));
}

#[test]
fn masscans_keys_without_quotes() {
    let text = "[\n{   ip: \"192.0.2.101\",   ports: [ {port: 80, proto: \"tcp\", status: \"open\", reason: \"syn-ack\", ttl: 59} ] },\n\
                {   ip: \"192.0.2.102\",   ports: [ {port: 11434, proto: \"tcp\", status: \"open\", reason: \"a \\\"b\\\", c: {d\", ttl: 59} ] },\n{finished: 1}\n]\n";
    // That release wrote no time, and nothing else is wrong with it.
    for item in read(text) {
        assert!(item.as_ref().is_err_and(|bad| bad.reason.contains("no time")), "{item:?}");
    }
    let mut given = options();
    given.seen = Some(at("2026-11-01T00:00:00Z"));
    let all = import_with(text.as_bytes(), None, given);
    let ends: Vec<String> = all.iter().flatten().map(whole_address).collect();
    assert_eq!(ends, ["192.0.2.101:80", "192.0.2.102:11434"], "{all:?}");
    let broken = reason(
        "{ ip: \"192.0.2.1\", ports: [ {port: , proto: \"tcp\"} ] }\n",
        Some(Format::Masscan),
    );
    assert!(broken.contains("not a valid record"), "{broken}");
}

#[test]
fn masscans_banners_are_evidence() {
    let record = |name: &str, banner: &str| {
        format!(
            r#"{{ "ip": "192.0.2.111", "timestamp": "1785522040", "ports": [ {{"port": 8080, "proto": "tcp", "service": {{"name": "{name}", "banner": "{banner}"}} }} ] }}"#
        )
    };
    let title = one(&record("title", "Open WebUI"));
    assert!(
        title.identity.evidence.iter().any(|e| e.product == "open-webui"),
        "{:?}",
        title.identity
    );
    let odd = one(&record("title", "A \\u0026amp; B\\u003c/"));
    assert_eq!(product(&odd), None);
    let page = one(&record(
        "html",
        "\\u003chtml\\u003e\\u003ctitle\\u003eOpen WebUI\\u003c/title\\u003e",
    ));
    assert!(
        page.identity.evidence.iter().any(|e| e.product == "open-webui"),
        "{:?}",
        page.identity
    );
    // A banner stands some microseconds after its second, each protocol at its own.
    let mut seen = Vec::new();
    for name in [
        "ssh",
        "http",
        "title",
        "html",
        "http.server",
        "ssl",
        "X509",
        "X509CA",
        "(77)",
        "of-a-later-release",
    ] {
        let at = one(&record(name, "x")).seen;
        assert_eq!(at.timestamp(), 1_785_522_040);
        assert!((1..1_000).contains(&at.timestamp_subsec_micros()), "{name} {at}");
        assert!(!seen.contains(&at), "{name}");
        seen.push(at);
    }
    for (transport, says) in [("quux", "is not a transport"), ("", "is not a transport")] {
        let text = record("ssh", "x").replace("\"tcp\"", &format!("\"{transport}\""));
        assert!(reason(&text, None).contains(says), "{}", reason(&text, None));
    }
    let text = record("ssh", "x").replace("8080", "80800");
    assert!(reason(&text, None).contains("\"80800\" is not a port"));
}

/// naabu's releases (issues 731, 1611): the port as an object, 0, and none.
#[test]
fn naabus_host_discovery_is_counted_as_such() {
    let text = r#"{"host":"llm.example.org","ip":"192.0.2.152","port":{"Port":443,"Protocol":0,"TLS":true},"timestamp":"2023-07-06T19:48:56.838968371Z"}
{"host":"llm.example.org","ip":"192.0.2.152","timestamp":"2025-12-30T13:24:26.014794763Z","port":0,"protocol":"","tls":false}
{"host":"llm.example.org","ip":"192.0.2.152","timestamp":"2025-12-30T13:24:26.014794763Z","port":null,"protocol":"tcp","tls":false}
{"ip":"192.0.2.153","timestamp":"2025-12-30T13:24:26.014794763Z","port":0,"protocol":"arp","tls":false}
{"ip":"192.0.2.153","timestamp":"2025-12-30T13:24:26.014794763Z","tls":false}
{"ip":"192.0.2.153","timestamp":"2025-12-30T13:24:26.014794763Z","port":53,"protocol":"udp","tls":false}
"#;
    let (items, passed) = counted(text, None);
    assert_eq!((items, passed.host_discovery, passed.not_tcp), (1, 4, 1));
    let csv = "host,ip,port,protocol,tls,cdn,cdn-name,timestamp,mac_address,,cpes\n,192.0.2.7,0,tcp,false,false,,2026-11-01 07:21:33.123456789 +0000 UTC,,,,,,,0,\n";
    let (items, passed) = counted(csv, None);
    assert_eq!((items, passed.host_discovery), (0, 1));
    let (items, passed) = counted("192.0.2.1\n192.0.2.2:0\n", Some(Format::Naabu));
    assert_eq!((items, passed.host_discovery), (0, 2));
    let line = |port: &str, protocol: &str, time: &str| {
        format!(r#"{{"ip":"192.0.2.1","port":{port},"protocol":{protocol},"tls":false,"timestamp":{time}}}"#)
    };
    for (text, says) in [
        (line("70000", "\"tcp\"", "\"2026-11-01T00:00:00Z\""), "is not a port"),
        (line("\"http\"", "\"tcp\"", "\"2026-11-01T00:00:00Z\""), "is not a port"),
        (line("[80]", "\"tcp\"", "\"2026-11-01T00:00:00Z\""), "is not a port"),
        (line("80", "\"http\"", "\"2026-11-01T00:00:00Z\""), "\"http\" is not a transport"),
        (line("80", "7", "\"2026-11-01T00:00:00Z\""), "\"7\" is not a transport"),
        (line("80", "\"tcp\"", "\"11/1\""), "is not a time"),
        (line("80", "\"tcp\"", "{}"), "is not a time"),
        (line("80", "\"tcp\"", "true"), "is not a time"),
    ] {
        assert!(reason(&text, None).contains(says), "{text}: {}", reason(&text, None));
    }
    // A row of FOFA's, told to be naabu's, gives no record of a transport that is none.
    let fofa = "host,ip,port,protocol\nhttp://192.0.2.231:11434,192.0.2.231,11434,http\n";
    assert!(reason(fofa, Some(Format::Naabu)).contains("\"http\" is not a transport"));
}

/// What stands in a column of a transport, a port, an address or a time, and cannot be one, is never replaced.
#[test]
fn impossible_values_are_bad_in_every_format() {
    let mut given = options();
    given.seen = Some(at("2026-11-01T00:00:00Z"));
    given.default_port = Some(80);
    for (format, text, says) in [
        (
            Format::Shodan,
            r#"{"ip_str":"192.0.2.1","port":80,"transport":"http","timestamp":"2026-11-01T00:00:00"}"#,
            "is not a transport",
        ),
        (
            Format::Shodan,
            r#"{"ip_str":"192.0.2.1","port":80,"transport":{},"timestamp":"2026-11-01T00:00:00"}"#,
            "where a text",
        ),
        (
            Format::Shodan,
            r#"{"ip_str":"192.0.2.1","port":99999,"timestamp":"2026-11-01T00:00:00"}"#,
            "is not a port",
        ),
        (
            Format::Shodan,
            r#"{"ip_str":"192.0.2.1","port":80,"timestamp":["2026"]}"#,
            "is not a time",
        ),
        (
            Format::Censys,
            r#"{"ip":"192.0.2.1","services":[{"port":80,"transport_protocol":"http"}]}"#,
            "is not a transport",
        ),
        (
            Format::Censys,
            r#"{"ip":"192.0.2.1","services":[{"port":"x","transport_protocol":"tcp"}]}"#,
            "is not a port",
        ),
        (
            Format::Censys,
            r#"{"ip":"192.0.2.1","services":[{"port":80,"scan_time":{}}]}"#,
            "is not a time",
        ),
        (Format::Censys, r#"{"ip":"192.0.2.1","services":"none"}"#, "are no list"),
        (Format::Zmap, r#"{"saddr":"192.0.2.1","sport":{}}"#, "where a text"),
        (Format::Zmap, r#"{"saddr":"192.0.2.1","sport":70000}"#, "is not a port"),
        (
            Format::Zmap,
            r#"{"saddr":"192.0.2.1","sport":80,"timestamp-ts":true}"#,
            "is not a time",
        ),
        (
            Format::Zgrab2,
            r#"{"ip":"192.0.2.1","data":{"http":{"status":"success","protocol":"http","port":70000,"result":{"response":{"status_code":200,"request":{"url":{"scheme":"http","host":"192.0.2.1:80","path":"/"}}}}}}}"#,
            "is not a port",
        ),
        (
            Format::Httpx,
            r#"{"url":"http://192.0.2.1","input":"x","port":"70000","host":"192.0.2.1","status_code":200}"#,
            "is not a port",
        ),
        (
            Format::Httpx,
            r#"{"url":"http://192.0.2.1:70000","input":"x","host":"192.0.2.1","status_code":200}"#,
            "its port is none",
        ),
        (
            Format::Httpx,
            r#"{"url":"http://a.example","input":"x","port":"80","host_ip":"bogus","a":["192.0.2.1"],"status_code":200}"#,
            "is not an address",
        ),
        (Format::Masscan, "open http 80 192.0.2.1 1700000000", "is not a transport"),
        (Format::Masscan, "open tcp 80a 192.0.2.1 1700000000", "is not a port"),
        (
            Format::Shadowserver,
            "timestamp,severity,ip,protocol,port,tag\n2026-11-01 00:00:00,info,192.0.2.1,http,80,x\n",
            "is not a transport",
        ),
    ] {
        let all = import_with(text.as_bytes(), Some(format), given.clone());
        assert!(
            all.len() == 1 && all[0].as_ref().is_err_and(|bad| bad.reason.contains(says)),
            "{format} {text}: {all:?}"
        );
    }
}

#[test]
fn a_host_of_censys_without_services_is_no_bad_record() {
    let text = r#"{"ip":"192.0.2.61","service_count":0,"services":[],"autonomous_system":{"asn":64500}}
{"ip":"192.0.2.62","service_count":0,"services":null,"autonomous_system":{"asn":64500}}
"#;
    let (items, passed) = counted(text, None);
    assert_eq!((items, passed.host_discovery), (0, 2));
}

/// Product and version by a tool's word alone are no surer than that word, in each format that has such words.
#[test]
fn a_tools_claim_has_limited_confidence() {
    let naabu = one(
        r#"{"ip":"192.0.2.153","cdn":true,"cdn-name":"cloudflare","timestamp":"2026-08-01T10:00:00Z","port":11434,"protocol":"tcp","tls":false,"name":"http","product":"Ollama","version":"0.12.3","extra_info":"LLM inference API","method":"probed","confidence":10,"cpes":["cpe:/a:ollama:ollama"]}"#,
    );
    assert_eq!((product(&naabu), version(&naabu)), (Some("ollama"), Some("0.12.3")));
    assert!(naabu.identity.confidence <= CLAIM_CONFIDENCE);
}

/// A cell of many megabytes, and one that nothing closes, cost themselves.
#[test]
fn an_enormous_cell_costs_its_row() {
    let head = "ip,port,title,lastupdatetime\n";
    let row = |ip: &str, title: &str| format!("{ip},80,{title},2026-11-20 10:00:00\n");
    let huge = "x".repeat(20 << 20);
    let text = format!(
        "{head}{}{}{}",
        row("192.0.2.1", "a"),
        row("192.0.2.2", &huge),
        row("192.0.2.3", "b")
    );
    let all = read(&text);
    assert!(
        all.len() == 3
            && all[1]
                .as_ref()
                .is_err_and(|bad| bad.reason.contains("longer than") && bad.quote.chars().count() < 200)
    );
    // A page of three hundred lines in a cell.
    let page = format!("\"{}\"", "<p>line\n".repeat(300));
    let all = read(&format!("{head}{}{}", row("192.0.2.1", &page), row("192.0.2.3", "b")));
    assert!(all.len() == 2 && all.iter().all(Result::is_ok), "{all:?}");
    let open = format!("{head}{}{}", row("192.0.2.1", "\"a"), row("192.0.2.3", "b").repeat(3_000));
    let all = read(&open);
    assert_eq!((all.len(), all.iter().filter(|item| item.is_err()).count()), (3_001, 1));
    // Quotes on every line, none of them closed in time: the work stays bounded.
    let start = std::time::Instant::now();
    let quotes = format!("{head}{}", "\"\"\"\n".repeat(20_000));
    assert!(read(&quotes).iter().all(Result::is_err));
    assert!(start.elapsed().as_secs() < 30);
}

#[test]
fn fields_behind_the_ports_of_a_first_line_are_no_other_form() {
    for head in [
        "# Nmap 7.95 scan initiated Mon Nov  2 10:00:00 2026 as: nmap -oG o 192.0.2.0/24\n",
        "",
    ] {
        let text = format!("{head}Host: 192.0.2.1 ()\tPorts: 80/open/tcp//http///\tIgnored State: closed (999)\n# Nmap done at x\n");
        assert_eq!(
            vigie_import::Format::recognise(text.as_bytes(), None),
            Some(vigie_import::Format::Nmap),
            "{head}"
        );
        let options = vigie_import::Options {
            seen: Some(chrono::DateTime::UNIX_EPOCH + chrono::Duration::days(20_000)),
            ..crate::options()
        };
        let all: Vec<_> = vigie_import::Importer::new(text.as_bytes(), None, options)
            .expect("recognised")
            .collect();
        assert!(all.len() == 1 && all[0].is_ok(), "{head}: {all:?}");
    }
}

#[test]
fn a_word_for_unknown_is_not_a_version() {
    for word in ["unknown", "N/A", "-", "none"] {
        let line = format!(
            "{{\"host\":\"192.0.2.1\",\"ip\":\"192.0.2.1\",\"port\":11434,\"protocol\":\"tcp\",\"tls\":false,\"timestamp\":\"2026-11-10T10:00:00Z\",\"service\":\"http\",\"product\":\"ollama\",\"version\":\"{word}\"}}\n"
        );
        let all: Vec<_> = vigie_import::Importer::new(line.as_bytes(), Some(vigie_import::Format::Naabu), crate::options())
            .expect("named")
            .collect();
        let one = all.into_iter().next().expect("one").expect("sound");
        assert!(!one.identity.version.is_known(), "{word}: {:?}", one.identity.version);
    }
}
