//! What the tools write besides what their fixtures hold: other options, other releases. Constructed after their sources, which each test names.

use vigie_import::{Format, ImportError, Importer};
use vigie_model::Known;

use crate::{Item, import_with, options, product, whole_address};

fn read(text: &str) -> Vec<Item> {
    import_with(text.as_bytes(), None, with_time())
}

fn with_time() -> vigie_import::Options {
    let mut options = options();
    options.seen = Some(crate::at("2026-11-01T00:00:00Z"));
    options
}

fn format(text: &str) -> Option<Format> {
    Importer::new(text.as_bytes(), None, with_time())
        .ok()
        .map(|importer| importer.format())
}

/// The addresses of the good records.
fn addresses(items: &[Item]) -> Vec<String> {
    items.iter().flatten().map(whole_address).collect()
}

/// zgrab2's `modules/http/scanner.go`: a chain of redirects, each with its request.
#[test]
fn the_target_of_a_redirect_elsewhere_is_not_this_endpoints_reply() {
    let page = r#"{"status_code":200,"protocol":"HTTP/1.1","headers":{"content_type":["text/html"]},"body":"<script>window.gradio_config = {\"version\":\"4.44.0\",\"mode\":\"blocks\",\"components\":[],\"dependencies\":[]};</script>","request":{"url":{"scheme":"SCHEME","host":"HOST","path":"/app"},"method":"GET"}}"#;
    let line = |scheme: &str, host: &str| {
        let page = page.replace("SCHEME", scheme).replace("HOST", host);
        format!(
            r#"{{"ip":"192.0.2.80","data":{{"http":{{"status":"success","protocol":"http","port":7860,"result":{{"response":{page},"redirect_response_chain":[{{"status_code":302,"headers":{{"location":["/app"]}},"request":{{"url":{{"scheme":"http","host":"192.0.2.80:7860","path":"/"}}}}}}]}},"timestamp":"2026-11-01T07:21:33Z"}}}}}}"#
        )
    };
    for (scheme, host, found) in [
        ("http", "192.0.2.80:7860", Some("gradio")),
        ("http", "demo.example.com:7860", None),
        ("https", "demo.example.com", None),
        ("https", "192.0.2.80:7860", None),
    ] {
        let items = read(&line(scheme, host));
        let one = items[0].as_ref().expect("a record");
        assert_eq!(product(one), found, "{scheme}://{host}");
        assert_eq!((one.endpoint.port, &one.endpoint.tls), (7860, &Known::Known(false)));
    }
    // httpx's `final_url`, with -fr.
    let line = |last: &str| {
        format!(
            r#"{{"timestamp":"2026-11-01T07:21:33Z","port":"80","url":"http://192.0.2.80","input":"192.0.2.80","scheme":"http","method":"GET","host":"192.0.2.80","path":"/","words":1,"lines":1,"status_code":200,"failed":false,"final_url":"{last}","tech":["Gradio"],"body":"<script>window.gradio_config = {{\"version\":\"4.44.0\",\"mode\":\"blocks\",\"components\":[]}};</script>"}}"#
        )
    };
    for (last, found) in [("http://192.0.2.80/app", Some("gradio")), ("https://demo.example.com/", None)] {
        let items = read(&line(last));
        assert_eq!(product(items[0].as_ref().expect("a record")), found, "{last}");
    }
}

/// zgrab2's README, multiple modules: several results of one port are one endpoint.
#[test]
fn modules_of_one_port_are_one_endpoint() {
    let module = |name: &str, protocol: &str, port: u16, status: &str, path: &str, body: &str| {
        format!(
            r#""{name}":{{"status":"{status}","protocol":"{protocol}","port":{port},"result":{{"response":{{"status_code":200,"headers":{{"content_type":["application/json; charset=utf-8"]}},"body":"{body}","request":{{"url":{{"scheme":"http","host":"192.0.2.90:{port}","path":"{path}"}}}}}}}},"timestamp":"2026-11-01T07:21:33Z"}}"#
        )
    };
    let text = format!(
        r#"{{"ip":"192.0.2.90","data":{{{},{},{},{}}}}}"#,
        module("root", "http", 11434, "success", "/", "Ollama is running"),
        module("version", "http", 11434, "success", "/api/version", r#"{\"version\":\"0.12.3\"}"#),
        module("clock", "ntp", 123, "success", "/", ""),
        r#""ssh":{"status":"protocol-error","protocol":"ssh","port":22,"result":{},"timestamp":"2026-11-01T07:21:33Z"}"#,
    );
    let items = read(&text);
    assert_eq!(addresses(&items), ["192.0.2.90:11434", "192.0.2.90:22"], "{items:?}");
    let one = items[0].as_ref().expect("a record");
    assert_eq!(
        (product(one), one.identity.version.known().map(String::as_str)),
        (Some("ollama"), Some("0.12.3"))
    );
}

/// masscan's `out-ndjson.c`, and what it writes with `--ping`.
#[test]
fn masscan_ndjson_and_pings() {
    let text = "{\"ip\":\"192.0.2.10\",\"timestamp\":\"1700000000\",\"port\":11434,\"proto\":\"tcp\",\"rec_type\":\"status\",\"data\":{\"status\":\"open\",\"reason\":\"syn-ack\",\"ttl\":55}}\n\
                {\"ip\":\"192.0.2.10\",\"timestamp\":\"1700000001\",\"port\":7860,\"proto\":\"tcp\",\"rec_type\":\"banner\",\"data\":{\"service_name\":\"http\",\"banner\":\"HTTP/1.1 200 OK\\u000d\\u000a\\u000d\\u000aOllama is running\"}}\n";
    assert_eq!(format(text), Some(Format::Masscan));
    let items = read(text);
    assert_eq!(addresses(&items), ["192.0.2.10:11434", "192.0.2.10:7860"]);
    assert_eq!(items[1].as_ref().expect("a record").identity.evidence.len(), 1);
    let mut importer =
        Importer::new("#masscan\nopen icmp 0 192.0.2.34 1629960472\n# end\n".as_bytes(), None, options()).expect("a masscan list");
    assert_eq!(importer.by_ref().count(), 0);
    assert_eq!(importer.passed_over().not_tcp, 1);
}

/// zmap's `zmap.c` (address and port without a header for several ports), and the classifications of its UDP modules.
#[test]
fn zmap_of_several_ports_and_of_udp() {
    assert_eq!(
        addresses(&import_with(b"192.0.2.1,80\n2001:db8::2,11434\n", Some(Format::Zmap), with_time())),
        ["192.0.2.1:80", "[2001:db8::2]:11434"]
    );
    let text = r#"{"saddr":"192.0.2.1","sport":11434,"classification":"synack","success":true}
{"saddr":"192.0.2.3","sport":53,"classification":"dns","success":true}
{"saddr":"192.0.2.4","sport":123,"classification":"ntp","success":true}
{"saddr":"192.0.2.5","sport":80,"classification":"rst"}
"#;
    let mut importer = Importer::new(text.as_bytes(), None, with_time()).expect("zmap");
    assert_eq!(importer.by_ref().count(), 1);
    assert_eq!((importer.passed_over().not_tcp, importer.passed_over().not_open), (2, 1));
}

/// naabu's `output.go` over its releases: CSV, what stands behind a port, service detection, the port as an object.
#[test]
fn naabu_over_its_releases() {
    let csv = "host,ip,port,protocol,tls,cdn,cdn-name,timestamp,mac_address,,cpes\n\
               chat.example.net,192.0.2.7,11434,tcp,false,false,,2026-11-01 07:21:33.123456789 +0000 UTC,,,,,,,0,\n";
    assert_eq!(format(csv), Some(Format::Naabu));
    let items = read(csv);
    let one = items[0].as_ref().expect("a record");
    assert_eq!(one.endpoint.name.as_deref(), Some("chat.example.net"));
    assert_eq!(one.seen.timestamp(), 1_793_517_693);
    let plain = "192.0.2.1:443 [cloudflare]\n192.0.2.2:22 [ssh OpenSSH/9.6p1]\n";
    assert_eq!(addresses(&read(plain)), ["192.0.2.1:443", "192.0.2.2:22"]);
    let old = r#"{"ip":"192.0.2.9","port":{"Port":53,"Protocol":1,"TLS":false}}
{"ip":"192.0.2.9","port":{"Port":443,"Protocol":0,"TLS":true}}
{"ip":"192.0.2.9","port":11434,"protocol":"tcp","tls":false,"name":"http","product":"Ollama","version":"0.12.3"}
"#;
    let items = read(old);
    assert_eq!(addresses(&items), ["192.0.2.9:443", "192.0.2.9:11434"]);
    assert_eq!(items[0].as_ref().expect("a record").endpoint.tls, Known::Known(true));
    assert_eq!(product(items[1].as_ref().expect("a record")), Some("ollama"));
}

/// Names of httpx's fields up to 1.2.4.
#[test]
fn older_httpx_fields() {
    let items = read(
        r#"{"timestamp":"2022-07-01T07:21:33Z","port":"7860","url":"http://192.0.2.83:7860","input":"192.0.2.83:7860","scheme":"http","content-type":"text/html","method":"GET","host":"192.0.2.83","path":"/","words":1,"lines":1,"status-code":200,"content-length":165,"failed":false,"response-header":"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n","response-body":"<script>window.gradio_config = {\"version\":\"4.44.0\",\"mode\":\"blocks\",\"components\":[]};</script>","technologies":["Gradio"]}"#,
    );
    assert_eq!(product(items[0].as_ref().expect("a record")), Some("gradio"));
}

/// Censys: its command line's and its SDK's shapes around a host, several hosts in a bulk reply, hosts of Search v2 by their names.
#[test]
fn censys_in_other_wrappings() {
    let host = |address: &str| {
        format!(
            r#"{{"ip":"{address}","services":[{{"port":11434,"transport_protocol":"tcp","scan_time":"2026-01-14T11:11:15Z"}}],"service_count":1}}"#
        )
    };
    let (one, two) = (host("192.0.2.61"), host("192.0.2.62"));
    for text in [
        format!("[\n  {{\n    \"host\": {one}\n  }},\n  {{\n    \"host\": {two}\n  }}\n]\n"),
        format!("{{\"resource\":{one},\"extensions\":{{}}}}\n{{\"resource\":{two},\"extensions\":{{}}}}\n"),
        format!("{{\"result\":[{{\"resource\":{one},\"extensions\":{{}}}},{{\"resource\":{two},\"extensions\":{{}}}}]}}"),
    ] {
        assert_eq!(format(&text), Some(Format::Censys), "{text}");
        assert_eq!(addresses(&read(&text)), ["192.0.2.61:11434", "192.0.2.62:11434"], "{text}");
    }
    let named = r#"{"code":200,"result":{"hits":[
{"ip":"192.0.2.60","name":"a.example.com","services":[{"port":443,"transport_protocol":"TCP"}]},
{"ip":"192.0.2.60","services":[{"port":443,"transport_protocol":"TCP"}]}]}}"#;
    let names: Vec<_> = read(named).iter().flatten().map(|one| one.endpoint.name.clone()).collect();
    assert_eq!(names, [Some("a.example.com".to_owned()), None]);
}

/// Two reports of Shadowserver in one file, of different columns.
#[test]
fn shadowserver_reports_put_together() {
    let text = "\"timestamp\",\"severity\",\"ip\",\"protocol\",\"port\",\"tag\"\n\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",\"tcp\",11434,\"http\"\n\
                \"timestamp\",\"ip\",\"port\",\"hostname\",\"tag\",\"asn\",\"geo\"\n\"2026-11-01 07:21:34+00\",192.0.2.2,445,a.example,smb,64512,DE\n";
    assert_eq!(addresses(&read(text)), ["192.0.2.1:11434", "192.0.2.2:445"]);
}

/// A line of the tool is another's, or nobody's: nothing is guessed.
#[test]
fn other_tools_lines_are_not_taken_for_these() {
    for text in [
        r#"{"timestamp":"2026-11-01T07:21:33Z","host":"b.example","ip":"192.0.2.2","port":"444","probe_status":false,"error":"refused"}"#,
        "ip,port\n192.0.2.1,80\n",
        "data,hostnames,ip,ip_str,port,timestamp\nx,a.example,3221225994,192.0.2.10,11434,2026-11-01T07:21:33\n",
    ] {
        assert_eq!(format(text), None, "{text}");
    }
    for (text, says) in [
        ("# Nmap 7.93 scan initiated\nNmap scan report for 192.0.2.1\n", "-oX"),
        ("\u{feff}", "empty"),
        ("", "empty"),
    ] {
        let mut options = options();
        options.file_name = Some("scan.gnmap".to_owned());
        match Importer::new(text.as_bytes(), None, options) {
            Err(error) => assert!(error.to_string().contains(says), "{error}"),
            Ok(importer) => assert_eq!((text.trim_start_matches('\u{feff}'), importer.format()), ("", Format::Nmap)),
        }
    }
    assert!(matches!(
        Importer::new("".as_bytes(), None, options()).err(),
        Some(ImportError::Empty)
    ));
    let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain(b"{\0\"\0".iter().copied()).collect();
    let error = Importer::new(utf16.as_slice(), None, options()).err().expect("not read");
    assert!(error.to_string().contains("UTF-16"), "{error}");
    // Told by hand, a text without a host says so.
    let items = import_with(b"Nmap scan report for 192.0.2.1\n", Some(Format::Nmap), options());
    assert!(items.len() == 1 && items[0].is_err(), "{items:?}");
}

/// A time that is there and cannot be read is not replaced, and one that is yet to come is not believed.
#[test]
fn times_are_not_replaced_and_not_believed_blindly() {
    let line = |time: &str| format!(r#"{{"ip_str":"192.0.2.10","port":80,"transport":"tcp","timestamp":{time},"hash":1}}"#);
    for (time, says) in [
        ("\"01/11/2026 07:21\"", "is not a time"),
        ("1793517693000", "is not a time"),
        ("\"2999-01-01T00:00:00\"", "yet to come"),
    ] {
        let items = read(&line(time));
        let bad = items[0].as_ref().expect_err(time);
        assert!(bad.to_string().contains(says), "{bad}");
    }
    assert_eq!(addresses(&read(&line("null"))), ["192.0.2.10:80"]);
    let mut own = String::from_utf8(crate::data("vigie/records.jsonl")).expect("text");
    own.truncate(own.find('\n').expect("a line"));
    let year = own.find("\"seen\":\"").expect("a time") + 8;
    own.replace_range(year..year + 4, "9999");
    assert!(read(&own)[0].as_ref().is_err_and(|bad| bad.to_string().contains("yet to come")));
}

/// An IPv4 address in IPv6's clothes is the IPv4 host.
#[test]
fn mapped_addresses_are_the_host() {
    let items = read("{\"ip\":\"::ffff:192.0.2.10\",\"port\":80,\"protocol\":\"tcp\",\"tls\":false}\n");
    assert_eq!(addresses(&items), ["192.0.2.10:80"]);
}
