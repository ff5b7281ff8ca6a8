//! Each format's files say what stands in them.

use vigie_import::{CLAIM_CONFIDENCE, Format, Importer};
use vigie_model::{Activity, EvidenceWeight, Known, Posture, SourceKind, Timestamp, Why};

use crate::{at, data, good, import, import_with, options, product, whole_address};

const FILES: [(&str, Format); 26] = [
    ("shodan/download.jsonl", Format::Shodan),
    ("shodan/search.json", Format::Shodan),
    ("shodan/banner.json", Format::Shodan),
    ("shodan/host.json", Format::Shodan),
    ("censys/search.json", Format::Censys),
    ("censys/asset.json", Format::Censys),
    ("censys/hosts.jsonl", Format::Censys),
    ("censys/v2-search.json", Format::Censys),
    ("censys/v2-host.json", Format::Censys),
    ("zmap/fields.csv", Format::Zmap),
    ("zmap/fields.jsonl", Format::Zmap),
    ("zgrab2/root.jsonl", Format::Zgrab2),
    ("zgrab2/refused.jsonl", Format::Zgrab2),
    ("masscan/newer.json", Format::Masscan),
    ("masscan/older.json", Format::Masscan),
    ("masscan/trailing-comma.json", Format::Masscan),
    ("masscan/list.txt", Format::Masscan),
    ("masscan/scan.xml", Format::Masscan),
    ("masscan/grepable.txt", Format::Masscan),
    ("nmap/services.xml", Format::Nmap),
    ("nmap/ports.xml", Format::Nmap),
    ("naabu/ports.jsonl", Format::Naabu),
    ("httpx/plain.jsonl", Format::Httpx),
    ("shadowserver/2026-11-01-scan_http-example.csv", Format::Shadowserver),
    ("shadowserver/other-order.csv", Format::Shadowserver),
    ("vigie/records.jsonl", Format::Vigie),
];

#[test]
fn each_is_recognised_from_its_bytes() {
    for (name, format) in FILES {
        assert_eq!(Format::recognise(&data(name), None), Some(format), "{name}");
        // A first read may give very little of a long line.
        let start = &data(name)[..data(name).len().min(600)];
        assert_eq!(Format::recognise(start, None), Some(format), "the beginning of {name}");
    }
    for word in Format::ALL {
        assert_eq!(word.word().parse(), Ok(word));
    }
    assert!(Importer::new(&b"hello"[..], None, options()).is_err_and(|error| error.to_string().contains("begins with hello")));
    assert!(Importer::new(&b""[..], None, options()).is_err());
    assert_eq!(
        Format::recognise(b"# made by hand\n", Some("/tmp/masscan.lst")),
        Some(Format::Masscan)
    );
}

#[test]
fn shodan_lines() {
    let items = import("shodan/download.jsonl");
    assert_eq!(items.len(), 5, "UDP is passed over");
    let all: Vec<_> = items.into_iter().map(|item| item.expect("sound")).collect();
    let first = &all[0];
    assert_eq!(whole_address(first), "192.0.2.10:11434");
    assert_eq!(first.seen, at("2026-11-01T07:21:33.444507Z"), "naive time is UTC");
    assert_eq!(first.recorded, at(crate::RECORDED));
    assert_eq!(
        (first.source.kind, first.source.name.as_str(), first.source.version.as_str()),
        (SourceKind::Import, "shodan", "")
    );
    assert_eq!(first.source.catalog, options().identifier.catalog().hash());
    assert_eq!(first.source.vantage, "eu");
    assert_eq!(first.network.country, Known::Known("DE".to_owned()));
    assert_eq!(first.network.city, Known::Known("Berlin".to_owned()));
    assert_eq!(first.network.organisation, Known::Known("Example".to_owned()));
    assert_eq!(first.network.asn, Known::Known(64_500));
    // The banner alone names no product by the rules; the source's word does, and no surer than it is.
    assert_eq!(product(first), Some("ollama"));
    assert_eq!(first.identity.version, Known::Known("0.12.3".to_owned()));
    assert!(first.identity.confidence <= CLAIM_CONFIDENCE && first.identity.confidence > 0.0);
    let rules: Vec<&str> = first.identity.evidence.iter().map(|e| e.rule.as_str()).collect();
    assert!(rules.contains(&"banner") && rules.contains(&"said-by-source"), "{rules:?}");
    assert_eq!(first.exposure.posture.known(), None, "the page at / is no enumerate route");
    assert_eq!(first.endpoint.tls, Known::Known(false));

    let listed = &all[1];
    let models = listed.exposure.models.known();
    assert_eq!(product(listed), None, "one strong piece of evidence, and no word of the source");
    assert!(
        models.is_some_and(|models| !models.is_empty()),
        "what it lists is read all the same"
    );
    assert!(listed.deception.is_suspect() && listed.deception.tells[0].id == "source-tag-honeypot");

    let nginx = &all[2];
    assert_eq!((product(nginx), nginx.endpoint.name.as_deref()), (None, Some("a.example")));
    assert_eq!(nginx.endpoint.tls, Known::Known(true));
    assert_eq!(product(&all[3]), None);
    assert_eq!(whole_address(&all[3]), "192.0.2.14:22");

    // The reply rules out what the source says.
    let contradicted = &all[4];
    assert_eq!(product(contradicted), None);
    assert!(contradicted.identity.evidence.iter().any(|e| e.rule == "said-by-source"));
    assert!(!contradicted.identity.version.is_known());
}

#[test]
fn a_list_in_the_page_is_read_where_the_product_is_known() {
    let text = String::from_utf8(data("shodan/download.jsonl")).expect("text");
    let line = text.lines().nth(1).expect("a second line");
    let line = line.replacen("{\"ip_str\"", "{\"product\": \"Ollama\", \"ip_str\"", 1);
    let all = import_with(line.as_bytes(), None, options());
    let one = all[0].as_ref().expect("sound");
    assert_eq!(product(one), Some("ollama"));
    let models = one.exposure.models.known().expect("the list is in the record");
    assert_eq!((models.len(), models[0].name.as_str()), (1, "tiny:latest"));
    assert_eq!(models[0].quantisation, Known::Known("Q4_K_M".to_owned()));
    assert!(!models[0].capabilities.is_known() && !one.exposure.capabilities.is_known());
    assert_eq!(one.exposure.posture, Known::Known(Posture::Open));
    assert_eq!(one.exposure.posture_from.as_deref(), Some("GET /api/tags"));
}

/// Tools keep the beginning of a page, and not every one says so.
#[test]
fn a_list_that_a_tool_cut_is_read_as_far_as_it_goes() {
    let text = String::from_utf8(data("shodan/download.jsonl")).expect("text");
    let mut line: serde_json::Value = serde_json::from_str(text.lines().nth(1).expect("a second line")).expect("JSON");
    let list: serde_json::Value = serde_json::from_str(line["http"]["html"].as_str().expect("a list")).expect("JSON");
    let mut models = vec![list["models"][0].clone(); 3];
    for (number, model) in models.iter_mut().enumerate() {
        model["name"] = format!("tiny-{number}:latest").into();
    }
    let list = serde_json::json!({ "models": models }).to_string();
    for (end, count, at_least) in [(list.len(), 3, None), (list.len() - 40, 2, Some(2))] {
        line["http"]["html"] = list[..end].into();
        line["product"] = "Ollama".into();
        let all = import_with(line.to_string().as_bytes(), None, options());
        let one = all[0].as_ref().expect("sound");
        assert_eq!(one.exposure.posture, Known::Known(Posture::Open), "{end}");
        assert_eq!(one.exposure.models.known().map(Vec::len), Some(count), "{end}");
        assert_eq!(one.exposure.models_at_least, at_least, "{end}");
    }
}

#[test]
fn shodan_replies_are_the_lines() {
    let lines = good("shodan/download.jsonl");
    assert_eq!(good("shodan/search.json"), lines[..2]);
    assert_eq!(good("shodan/banner.json"), lines[..1]);
    let host = good("shodan/host.json");
    assert_eq!(host.len(), 2);
    for observation in &host {
        let tells: Vec<&str> = observation.deception.tells.iter().map(|tell| tell.id.as_str()).collect();
        assert_eq!(tells, ["source-tag-honeypot", "many-services"], "{observation:?}");
    }
    assert_eq!(whole_address(&host[1]), "192.0.2.30:8080");
    assert_eq!(host[1].seen, at("2026-11-02T00:00:00.000001Z"), "the host's own time");
    assert_eq!(host[1].network.asn, Known::Known(64_500));
    assert_eq!(host[1].network.country, Known::Known("DE".to_owned()));
    assert_eq!(host[1].network.city, Known::Known("Berlin".to_owned()));
}

#[test]
fn censys_hosts() {
    let asset = good("censys/asset.json");
    assert_eq!(asset.len(), 1);
    let one = &asset[0];
    assert_eq!(
        (product(one), one.identity.version.known().map(String::as_str)),
        (Some("ollama"), Some("0.12.3"))
    );
    assert_eq!(one.identity.confidence, CLAIM_CONFIDENCE);
    let models = one.exposure.models.known().expect("decoded");
    assert_eq!(models.len(), 2);
    assert_eq!(models[0].size_bytes, Known::Known(2_019_393_189));
    assert_eq!(models[0].family, Known::Known("llama".to_owned()));
    assert_eq!(
        (models[0].loaded.clone(), models[1].loaded.clone()),
        (Known::Known(true), Known::Known(false))
    );
    assert_eq!(models[1].uncensored_by_name, Known::Known(true));
    for unknown in [
        &models[0].parameters,
        &models[0].quantisation,
        &models[0].format,
        &models[1].digest,
        &models[1].family,
    ] {
        assert_eq!(unknown.why().map(|why| why.code()), Some("not-carried"));
    }
    assert_eq!(models[1].size_bytes.known(), None);
    let running = one.exposure.running.known().expect("decoded");
    assert_eq!(
        (running[0].vram_bytes.clone(), running[0].size_bytes.clone()),
        (Known::Known(0), Known::Known(3_000_000_000))
    );
    assert_eq!(one.exposure.activity, Known::Known(Activity::Active));
    assert_eq!(one.exposure.posture, Known::Known(Posture::Open));
    assert_eq!(one.endpoint.tls, Known::Known(false));

    let lines = good("censys/hosts.jsonl");
    assert_eq!(lines[0], asset[0]);
    assert!(!lines[1].exposure.models.is_known(), "an empty list is no known none here");
    assert!(!lines[1].exposure.posture.is_known());
    assert_eq!(
        (lines[2].endpoint.tls.clone(), whole_address(&lines[2])),
        (Known::Known(true), "[2001:db8::12]:443".to_owned())
    );

    let search = import("censys/search.json");
    assert_eq!(search.len(), 3);
    assert_eq!(search[0].as_ref().ok(), Some(&asset[0]));
    let honeypot = search[1].as_ref().expect("sound");
    let tells: Vec<&str> = honeypot.deception.tells.iter().map(|tell| tell.id.as_str()).collect();
    assert_eq!(tells, ["source-tag-honeypot", "many-services"]);
    assert!(
        search[2]
            .as_ref()
            .is_err_and(|bad| bad.reason.contains("web property") && bad.record == 3)
    );
}

#[test]
fn censys_search_v2() {
    let host = good("censys/v2-host.json");
    assert_eq!(host, good("censys/v2-search.json"));
    assert_eq!(host.len(), 1);
    assert_eq!(host[0].seen, at("2026-05-01T00:00:00.123456Z"));
    // Nothing in it names the product, and its one strong piece of evidence is shown.
    assert_eq!(product(&host[0]), None);
    assert!(
        host[0]
            .identity
            .evidence
            .iter()
            .any(|e| e.product == "ollama" && e.rule == "banner")
    );
    assert_eq!(host[0].endpoint.tls, Known::Known(false));
}

#[test]
fn zmap_answers() {
    let zmap = Some(Format::Zmap);
    let bare = import_with(&data("zmap/addresses.txt"), zmap, options());
    assert!(bare[0].as_ref().is_err_and(|bad| bad.reason.contains("port") && bad.line == 1));
    let mut with = options();
    with.default_port = Some(11_434);
    let untimed = import_with(&data("zmap/addresses.txt"), zmap, with.clone());
    assert!(untimed[0].as_ref().is_err_and(|bad| bad.reason.contains("time")));
    with.seen = Some(at("2026-11-20T00:00:00Z"));
    let one = import_with(&data("zmap/addresses.txt"), zmap, with);
    let one = one[0].as_ref().expect("sound");
    assert_eq!(
        (whole_address(one), one.seen),
        ("127.0.0.1:11434".to_owned(), at("2026-11-20T00:00:00Z"))
    );
    let csv = good("zmap/fields.csv");
    assert_eq!(
        (whole_address(&csv[0]), csv[0].seen),
        ("127.0.0.1:11434".to_owned(), at("2026-11-22T11:11:38.367Z"))
    );
    let json = good("zmap/fields.jsonl");
    assert_eq!(
        (whole_address(&json[0]), json[0].seen),
        ("127.0.0.1:11434".to_owned(), at("2026-11-22T11:11:41Z"))
    );
}

#[test]
fn zgrab2_replies() {
    let root = good("zgrab2/root.jsonl");
    assert_eq!(whole_address(&root[0]), "127.0.0.1:11434");
    assert_eq!(root[0].seen, at("2026-11-22T11:05:24Z"));
    assert!(
        root[0]
            .identity
            .evidence
            .iter()
            .any(|e| e.rule == "banner" && e.weight == EvidenceWeight::Strong)
    );
    assert_eq!(root[0].endpoint.tls, Known::Known(false));
    let tags = good("zgrab2/tags.jsonl");
    assert!(
        tags[0].identity.evidence.iter().any(|e| e.rule == "tag-list"),
        "{:?}",
        tags[0].identity
    );
    let title = good("zgrab2/title.jsonl");
    assert!(!title[0].identity.evidence.is_empty() || product(&title[0]).is_none());
    let https = good("zgrab2/https.jsonl");
    assert_eq!(https[0].endpoint.tls, Known::Known(true));
    let certificate = https[0].endpoint.certificate.as_ref().expect("it showed one");
    assert_eq!(certificate.names, ["made-up.example"]);
    assert!(certificate.self_signed && certificate.sha256.starts_with("sha256:7668a9690343"));
    let bytes = data("zgrab2/refused.jsonl");
    let mut refused = Importer::new(&bytes[..], None, options()).expect("it reads");
    assert!(refused.next().is_none());
    assert_eq!(refused.passed_over().not_open, 1);
}

/// Another tool's reply is judged by the code that judges our own: each status of a list has its own reason.
#[test]
fn a_list_that_did_not_come_has_the_reason_of_its_status() {
    let whole = String::from_utf8(data("zgrab2/tags.jsonl")).expect("text");
    for (status, why, posture) in [
        (401, Why::Refused, Some(Posture::Key)),
        (403, Why::Refused, Some(Posture::Forbidden)),
        (429, Why::Throttled, None),
        (503, Why::Unavailable, None),
        (504, Why::Unavailable, None),
        (404, Why::Absent, None),
        (405, Why::Absent, None),
    ] {
        let text = whole.replace("\"status_code\":200", &format!("\"status_code\":{status}"));
        let items = import_with(text.as_bytes(), None, options());
        let [Ok(seen)] = &items[..] else { panic!("{status}: {items:?}") };
        assert_eq!(seen.exposure.models.why(), Some(why), "{status}");
        assert_eq!(seen.exposure.posture.known().copied(), posture, "{status}");
    }
}

#[test]
fn masscan_of_one_second_is_kept_apart() {
    let record = |service: &str| {
        format!(r#"{{"ip": "192.0.2.7", "timestamp": "1795345791", "ports": [{{"port": 11434, "proto": "tcp", {service}}}]}}"#)
    };
    let banner = |name: &str| record(&format!(r#""service": {{"name": "{name}", "banner": "x"}}"#));
    let lines = [
        record(r#""status": "open""#),
        banner("http"),
        banner("title"),
        banner("http.server"),
    ]
    .join(",\n");
    let file = format!("[\n{lines}\n]\n");
    let read = || -> Vec<Timestamp> {
        let items = import_with(file.as_bytes(), Some(Format::Masscan), options());
        items.into_iter().map(|item| item.expect("an observation").seen).collect()
    };
    let seen = read();
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[0], at("2026-11-22T11:09:51Z"), "the port itself is at its second");
    for (number, one) in seen.iter().enumerate() {
        assert_eq!(one.timestamp(), 1_795_345_791);
        assert!(!seen[..number].contains(one), "{seen:?}");
    }
    assert_eq!(seen, read(), "the same file gives the same");
}

#[test]
fn masscan_in_its_four_forms() {
    let newer = good("masscan/newer.json");
    let ends: Vec<String> = newer.iter().map(whole_address).collect();
    assert_eq!(ends, ["127.0.0.1:11434", "127.0.0.1:8001"]);
    assert_eq!(newer[0].seen.timestamp(), 1_795_345_791);
    assert_eq!(good("masscan/older.json").len(), 1, "UDP and the ending are passed over");
    let comma = good("masscan/trailing-comma.json");
    assert_eq!(comma.len(), 2);
    assert!(
        comma[1].identity.evidence.iter().any(|e| e.rule == "banner"),
        "{:?}",
        comma[1].identity
    );
    let list = good("masscan/list.txt");
    assert_eq!(list.len(), 3);
    assert!(list[1].identity.evidence.iter().any(|e| e.rule == "banner"));
    assert_eq!(list[2].endpoint.tls, Known::Known(true));
    let xml = good("masscan/scan.xml");
    assert_eq!(
        (xml.len(), xml[0].source.version.as_str(), xml[0].source.name.as_str()),
        (2, "1.0-BETA", "masscan")
    );
    assert!(xml[1].identity.evidence.iter().any(|e| e.rule == "banner"));
    let mut given = options();
    given.seen = Some(at("2026-11-01T07:22:00Z"));
    let grepable = import_with(&data("masscan/grepable.txt"), None, given);
    assert_eq!(grepable.len(), 2, "{grepable:?}");
    assert_eq!(grepable[0].as_ref().map(|o| o.seen.timestamp()), Ok(1_793_517_693));
    assert!(
        grepable[1]
            .as_ref()
            .is_ok_and(|o| o.identity.evidence.iter().any(|e| e.rule == "banner"))
    );
    assert!(
        import("masscan/grepable.txt")[1]
            .as_ref()
            .is_err_and(|bad| bad.reason.contains("time"))
    );
}

#[test]
fn nmap_services() {
    let all = good("nmap/services.xml");
    let ends: Vec<String> = all.iter().map(whole_address).collect();
    assert_eq!(ends, ["127.0.0.1:8001", "127.0.0.1:8443", "127.0.0.1:11434"]);
    for one in &all {
        assert_eq!((one.source.name.as_str(), one.source.version.as_str()), ("nmap", "7.93"));
        assert_eq!(one.seen.timestamp(), 1_795_345_382);
        assert_eq!(one.endpoint.name, None);
    }
    let tls: Vec<_> = all.iter().map(|one| one.endpoint.tls.known().copied()).collect();
    assert_eq!(tls, [Some(false), Some(true), Some(false)]);
    // The replies to nmap's own probes are in its fingerprint.
    assert!(
        all[2].identity.evidence.iter().any(|e| e.product == "ollama" && e.rule == "banner"),
        "{:?}",
        all[2].identity
    );
    let ports = good("nmap/ports.xml");
    assert_eq!(ports.len(), 2);
    assert!(ports.iter().all(|one| product(one).is_none() && !one.endpoint.tls.is_known()));
    let bytes = data("nmap/services.xml");
    let mut counted = Importer::new(&bytes[..], None, options()).expect("it reads");
    assert_eq!(counted.by_ref().count(), 3);
    assert_eq!((counted.passed_over().not_open, counted.records()), (1, 1));
}

#[test]
fn nmap_names_and_hosts_that_are_down() {
    let text = concat!(
        "<nmaprun scanner=\"nmap\" version=\"7.99\" start=\"1793517693\">",
        "<host><status state=\"down\"/><address addr=\"192.0.2.1\" addrtype=\"ipv4\"/></host>",
        "<host><status state=\"up\"/><address addr=\"192.0.2.2\" addrtype=\"ipv4\"/><address addr=\"00:11:22:33:44:55\" addrtype=\"mac\"/>",
        "<hostnames><hostname name=\"A.example\" type=\"user\"/><hostname name=\"ptr.example\" type=\"PTR\"/></hostnames>",
        "<ports><port protocol=\"tcp\" portid=\"11434\"><state state=\"open\"/><service name=\"http\" product=\"Ollama API\" version=\"0.5.1\" method=\"probed\"/></port>",
        "<port protocol=\"udp\" portid=\"53\"><state state=\"open\"/></port><port protocol=\"tcp\" portid=\"x\"><state state=\"open\"/></port></ports></host></nmaprun>",
    );
    let items = import_with(text.as_bytes(), None, options());
    assert_eq!(items.len(), 2);
    let one = items.iter().find_map(|item| item.as_ref().ok()).expect("one endpoint");
    assert_eq!(one.endpoint.name.as_deref(), Some("a.example"));
    assert_eq!(
        (product(one), one.identity.version.known().map(String::as_str)),
        (Some("ollama"), Some("0.5.1"))
    );
    assert_eq!((one.identity.confidence, one.seen.timestamp()), (CLAIM_CONFIDENCE, 1_793_517_693));
    assert!(
        items
            .iter()
            .any(|item| item.as_ref().is_err_and(|bad| bad.reason.contains("number")))
    );
}

#[test]
fn naabu_ports() {
    let json = good("naabu/ports.jsonl");
    assert_eq!(json.len(), 3);
    assert_eq!(json[0].seen, at("2026-11-22T11:03:03.459813Z"));
    assert!(
        json.iter().all(|one| !one.endpoint.tls.is_known()),
        "false also stands where it was not looked at"
    );
    let naabu = Some(Format::Naabu);
    let list = import_with(&data("naabu/ports.txt"), naabu, options());
    assert!(list.len() == 2 && list.iter().all(Result::is_err), "no time, and none was given");
    let mut given = options();
    given.seen = Some(at("2026-11-22T00:00:00Z"));
    let plain = import_with(b"127.0.0.1:8001\n[2001:db8::1]:443\na.example:80\n192.0.2.1:70000\n", naabu, given);
    assert_eq!(plain.iter().filter(|item| item.is_ok()).count(), 2);
    assert!(plain[2].as_ref().is_err_and(|bad| bad.line == 3 && bad.quote == "a.example:80"));
    let named = import_with(
        br#"{"host":"a.example","ip":"192.0.2.1","port":443,"protocol":"tcp","tls":true,"timestamp":"2026-11-01T07:21:33Z"}"#,
        None,
        options(),
    );
    let named = named[0].as_ref().expect("sound");
    assert_eq!(
        (named.endpoint.name.as_deref(), named.endpoint.tls.clone()),
        (Some("a.example"), Known::Known(true))
    );
}

#[test]
fn httpx_lines() {
    let plain = good("httpx/plain.jsonl");
    assert_eq!(plain.len(), 3);
    let irr = good("httpx/irr.jsonl");
    let ollama = irr.iter().find(|one| one.endpoint.port == 11_434).expect("it is there");
    assert!(ollama.identity.evidence.iter().any(|e| e.rule == "banner"));
    let secure = irr.iter().find(|one| one.endpoint.port == 8443).expect("it is there");
    assert_eq!(secure.endpoint.tls, Known::Known(true));
    assert!(
        secure
            .endpoint
            .certificate
            .as_ref()
            .is_some_and(|c| c.self_signed && c.names == ["made-up.example"])
    );
    let tags = good("httpx/tags.jsonl");
    assert!(tags[0].identity.evidence.iter().any(|e| e.rule == "tag-list"));
    assert_eq!(tags[0].endpoint.tls, Known::Known(false));
}

#[test]
fn shadowserver_reports() {
    let http = good("shadowserver/2026-11-01-scan_http-example.csv");
    assert_eq!(http.len(), 1, "UDP is passed over");
    assert_eq!(
        (whole_address(&http[0]), http[0].seen),
        ("192.0.2.10:8080".to_owned(), at("2026-11-01T07:21:33Z"))
    );
    assert_eq!(http[0].network.asn, Known::Known(64_500));
    assert_eq!(http[0].exposure.posture, Known::Known(Posture::Login), "Basic is asked for");
    let other = import("shadowserver/other-order.csv");
    let one = other[0].as_ref().expect("sound");
    assert_eq!(whole_address(one), "[2001:db8::1]:11434");
    assert!(one.deception.is_suspect() && !one.network.asn.is_known() && !one.network.country.is_known());
    assert!(
        other[1].as_ref().is_err_and(|bad| bad.line == 4 && bad.reason.contains("99999")),
        "{other:?}"
    );
}

#[test]
fn vigies_own_lines_come_back_as_they_are() {
    let bytes = data("vigie/records.jsonl");
    let all = good("vigie/records.jsonl");
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(all.len(), lines.len());
    for (observation, line) in all.iter().zip(lines) {
        let before: serde_json::Value = serde_json::from_slice(line).expect("sound");
        assert_eq!(serde_json::to_value(observation).expect("it writes"), before);
        // Text for text, but for the escapes that the writer chooses.
        let again = serde_json::to_vec(observation).expect("it writes");
        if !line.contains(&b'\\') {
            assert_eq!(again, line);
        }
    }
    let newer = String::from_utf8(bytes)
        .expect("text")
        .replace("vigie.observation/1", "vigie.observation/2");
    let items = import_with(newer.as_bytes(), None, options());
    assert!(
        items
            .iter()
            .all(|item| item.as_ref().is_err_and(|bad| bad.reason.contains("newer")))
    );
    // A schema that changed its shape says so as well.
    let changed = import_with(b"{\"schema\":\"vigie.observation/7\",\"new\":1}\n", None, options());
    assert!(changed[0].as_ref().is_err_and(|bad| bad.reason.contains("newer")));
}

#[test]
fn unrecognised_endpoints_can_be_left_out_and_are_counted() {
    let mut only = options();
    only.recognised_only = true;
    let bytes = data("shodan/download.jsonl");
    let mut importer = Importer::new(&bytes[..], None, only).expect("it reads");
    assert_eq!(importer.by_ref().filter(Result::is_ok).count(), 1);
    let passed = importer.passed_over();
    assert_eq!((passed.not_recognised, passed.not_tcp), (4, 1));
}
