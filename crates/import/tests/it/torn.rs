//! nmap's progress inside its own tags (nmap issue 1601): what can be put together again is read, and nothing is lost in silence.

use std::collections::BTreeSet;

use vigie_import::{Bad, Importer};

use crate::{data, import, options, whole_address};

/// What a text gave: the endpoints with what they are, the bad records, what was passed over, and whether it is unfinished.
struct Gave {
    open: BTreeSet<String>,
    bad: Vec<Bad>,
    passed: u64,
    unfinished: bool,
}

fn gave(bytes: &[u8]) -> Gave {
    let mut importer = Importer::new(bytes, Some(vigie_import::Format::Nmap), options()).expect("a slice reads");
    let (mut open, mut bad) = (BTreeSet::new(), Vec::new());
    for item in importer.by_ref() {
        match item {
            Ok(one) => {
                let models = one.exposure.models.known().map_or(0, Vec::len);
                open.insert(format!(
                    "{} {:?} {:?} {models}",
                    whole_address(&one),
                    one.identity.product.known(),
                    one.endpoint.tls.known()
                ));
            }
            Err(one) => bad.push(one),
        }
    }
    let passed = importer.passed_over();
    Gave {
        open,
        bad,
        passed: passed.not_open + passed.not_tcp,
        unfinished: importer.unfinished().is_some(),
    }
}

/// Constructed: an open port with all that is read, a closed one, UDP, a second host, text in elements, `CDATA`.
const SCAN: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE nmaprun>
<?xml-stylesheet href="file:///usr/bin/../share/nmap/nmap.xsl" type="text/xsl"?>
<!-- Nmap 7.98 scan initiated as: nmap -sV -oX o.xml 192.0.2.31-32 -->
<nmaprun scanner="nmap" args="nmap -sV" start="1790100000" version="7.98" xmloutputversion="1.05">
<scaninfo type="connect" protocol="tcp" numservices="3" services="22,5000,11434"/>
<verbose level="0"/>
<host starttime="1790100000" endtime="1790100060"><status state="up" reason="syn-ack"/>
<address addr="192.0.2.31" addrtype="ipv4"/>
<hostnames>
<hostname name="a.example" type="user"/>
</hostnames>
<ports><extraports state="closed" count="9">
</extraports>
<port protocol="tcp" portid="443"><state state="closed" reason="reset"/></port>
<port protocol="tcp" portid="8000"><state state="open" reason="syn-ack"/><service name="llm-api" product="vLLM (OpenAI-compatible) &quot;x&quot;" version="0.9.1" tunnel="ssl" method="probed" conf="10"/><script id="llm-info" output="&#xa;"><elem key="framework">vLLM</elem>
<table key="models (2)">
<elem>ex&amp;ample/model-7b</elem>
<elem><![CDATA[other<b>]]></elem>
</table>
</script></port>
<port protocol="udp" portid="53"><state state="open" reason="x"/></port>
</ports>
<times srtt="1" rttvar="2" to="3"/>
</host>
<host endtime="1790100061"><status state="up"/>
<address addr="192.0.2.32" addrtype="ipv4"/>
<ports><port protocol="tcp" portid="11434"><state state="open"/></port>
</ports>
</host>
<runstats><finished time="1790100061" exit="success"/><hosts up="2" down="0" total="2"/>
</runstats>
</nmaprun>
"#;

const PROGRESS: &str = "<taskprogress task=\"Connect Scan\" time=\"1557906097\" percent=\"94.02\" remaining=\"4202\" etc=\"1557910298\"/>";

#[test]
fn a_progress_element_at_any_place_loses_nothing() {
    let whole = gave(SCAN.as_bytes());
    assert_eq!(
        (whole.open.len(), whole.bad.len(), whole.passed, whole.unfinished),
        (2, 0, 11, false),
        "{:?}",
        whole.bad
    );
    assert!(
        whole.open.iter().any(|one| one.ends_with("Some(\"vllm\") Some(true) 2")),
        "{:?}",
        whole.open
    );
    let three = format!("{PROGRESS}\n{PROGRESS}\r\n{PROGRESS}\n");
    let kinds = [
        PROGRESS,
        &format!("{PROGRESS}\n"),
        &three,
        "<taskbegin task=\"x\" time=\"1\"/>\n",
        "<taskend task=\"x\" time=\"1\"/>",
        "<debugging level=\"1\"/>\n",
        "<verbose level=\"1\"/>\n",
        "<hosthint><status state=\"up\" reason=\"syn-ack\"/>\n<address addr=\"192.0.2.99\" addrtype=\"ipv4\"/>\n<hostnames>\n</hostnames>\n</hosthint>\n",
        "<output type=\"interactive\">1 host &lt; 2\n</output>\n",
        "<taskprog<taskend task=\"x\"/>\nress task=\"x\"/>\n",
    ];
    for (number, spliced) in kinds.into_iter().enumerate() {
        // The first at every byte, the others at every third.
        let step = if number < 2 { 1 } else { 3 };
        for at in (number % step..=SCAN.len()).step_by(step) {
            let text = format!("{}{spliced}{}", &SCAN[..at], &SCAN[at..]);
            let torn = gave(text.as_bytes());
            let around = &SCAN[at.saturating_sub(20)..(at + 20).min(SCAN.len())];
            if in_a_value(SCAN, at) {
                // What the value was cannot be told: it is said, and nothing is made up.
                assert!(!torn.bad.is_empty(), "{spliced:?} at {at} in {around:?}");
                assert!(
                    torn.open.iter().all(|one| whole.open.iter().any(|have| like(one, have))),
                    "{spliced:?} at {at} in {around:?}: {:?}",
                    torn.open
                );
                continue;
            }
            assert!(torn.bad.is_empty(), "{spliced:?} at {at} in {around:?}: {:?}", torn.bad);
            assert_eq!(
                (&torn.open, torn.passed, torn.unfinished),
                (&whole.open, whole.passed, whole.unfinished),
                "{spliced:?} at {at} in {around:?}"
            );
            // Recognised without being told.
            assert_eq!(
                vigie_import::Format::recognise(text.as_bytes(), None),
                Some(vigie_import::Format::Nmap),
                "{at}"
            );
        }
    }
}

/// Whether a place is in a value of a tag that says where, what or when an endpoint is.
fn in_a_value(text: &str, at: usize) -> bool {
    let before = &text[..at];
    let tag = before.rfind('<').map_or("", |begin| &before[begin..]);
    let of = ["<host ", "<address ", "<port ", "<state ", "<service "]
        .iter()
        .any(|name| tag.starts_with(name));
    of && !tag.contains('>') && tag.matches('"').count() % 2 == 1
}

/// Whether they are one endpoint: of one whose service was torn, less is known.
fn like(one: &str, other: &str) -> bool {
    one.split(' ').next() == other.split(' ').next()
}

#[test]
fn halves_of_two_numbers_are_no_number() {
    let host = |number: u8, ports: &str| {
        format!(
            "<host endtime=\"1790100060\"><status state=\"up\"/><address addr=\"192.0.2.{number}\" addrtype=\"ipv4\"/><ports>{ports}</ports></host>"
        )
    };
    let port = |number: u16| format!("<port protocol=\"tcp\" portid=\"{number}\"><state state=\"open\"/></port>");
    let text = format!(
        "<nmaprun scanner=\"nmap\" start=\"1790100000\">{}{}<runstats/></nmaprun>",
        host(51, &[port(80), port(443), port(11434)].concat()),
        host(52, &port(8000))
    );
    let cut = |from: &str, to: &str| {
        let (from, to) = (
            text.find(from).expect("there") + from.len(),
            text.find(to).expect("there") + to.len(),
        );
        let gave = gave(format!("{}{PROGRESS}\n{}", &text[..from], &text[to..]).as_bytes());
        assert!(!gave.bad.is_empty());
        gave.open
            .iter()
            .map(|one| one.split(' ').next().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    // Half of 443 and the tail of 11434; half of 443 and a port of the next host; two addresses; the end of a host, and the next one's.
    for (from, to) in [
        ("portid=\"4", "portid=\"11"),
        ("portid=\"4", "portid=\""),
        (
            "portid=\"4",
            "192.0.2.52\" addrtype=\"ipv4\"/><ports><port protocol=\"tcp\" portid=\"",
        ),
        ("addr=\"192.0.2.5", "addr=\"192.0.2.5"),
        ("endtime=\"17901", "endtime=\"17901000"),
    ] {
        for end in cut(from, to) {
            assert!(
                ["192.0.2.51:80", "192.0.2.51:443", "192.0.2.51:11434", "192.0.2.52:8000"].contains(&end.as_str()),
                "{from} {to}: {end}"
            );
        }
    }
}

#[test]
fn a_torn_tag_with_missing_bytes_is_reported() {
    let whole = gave(SCAN.as_bytes());
    let body = SCAN.find("<host ").expect("a host");
    for spliced in [&format!("{PROGRESS}\n"), ""] {
        for lost in [1, 2, 5, 13, 90] {
            for at in body..SCAN.len() - lost {
                let text = format!("{}{spliced}{}", &SCAN[..at], &SCAN[at + lost..]);
                let torn = gave(text.as_bytes());
                let told = !torn.bad.is_empty() || torn.unfinished;
                // Whole elements that are gone without a trace, and a number that is another one, leave no sign.
                let count = torn.open.len() as u64 + torn.passed;
                let gone = &SCAN[at..at + lost];
                let traceless = whole_elements(gone);
                assert!(
                    told || traceless || count >= whole.open.len() as u64 + whole.passed,
                    "{lost} lost at {at}: {gone:?}, {:?}",
                    torn.open
                );
            }
        }
    }
}

/// Whether a port's element is gone from its beginning to its end, which leaves a sound text.
fn whole_elements(gone: &str) -> bool {
    ["<port", "port ", "</port", "</ports", "/port"]
        .iter()
        .any(|part| gone.contains(part))
        && gone.len() >= 40
}

#[test]
fn the_tears_of_the_report() {
    let text = String::from_utf8(data("nmap/torn.xml")).expect("text");
    let items = import("nmap/torn.xml");
    let open: Vec<String> = items.iter().flatten().map(whole_address).collect();
    for end in ["192.0.2.51:11434", "192.0.2.52:80", "192.0.2.52:11434", "192.0.2.53:11434"] {
        assert!(open.iter().any(|have| have == end), "{end}: {open:?}");
    }
    let bad: Vec<&Bad> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    let line = text.lines().position(|line| line.contains("portid=\"4<")).expect("the tear") as u64 + 1;
    assert_eq!(bad.len(), 1, "{bad:?}");
    assert!(
        bad[0].line == line && bad[0].reason.contains("torn") && bad[0].quote.contains("portid"),
        "{}",
        bad[0]
    );
    assert!(!open.iter().any(|end| end.ends_with(":4") || end.ends_with(":135")));

    let host = |inside: &str| {
        format!(
            "<nmaprun scanner=\"nmap\" start=\"1557905000\"><host><status state=\"up\"/><address addr=\"192.0.2.1\" addrtype=\"ipv4\"/>\
             <ports>{inside}</ports></host></nmaprun>"
        )
    };
    // Put together again.
    for torn in [
        format!("<port prot{PROGRESS}\nocol=\"tcp\" portid=\"443\"><state state=\"open\"/></port>"),
        format!("<port protocol=\"tcp\" portid=\"443\"><state st{PROGRESS}\nate=\"open\"/></port>"),
        format!("<port protocol=\"tcp\" portid=\"443\"><state state=\"open\"/></po{PROGRESS}\nrt>"),
    ] {
        let gave = gave(host(&torn).as_bytes());
        assert!(gave.bad.is_empty() && gave.passed == 0, "{torn}: {:?}", gave.bad);
        assert!(
            gave.open.len() == 1 && gave.open.iter().all(|one| one.starts_with("192.0.2.1:443 ")),
            "{torn}"
        );
    }
    // Not to be put together.
    for torn in [
        format!("<port protocol=\"tcp\" portid=\"443\"><state st{PROGRESS}\n=\"open\" reason\"x\"/></port>"),
        "<port protocol=\"tcp\" portid=\"443\"><state state=\"op\"/></port>".to_owned(),
        "<port protocol=\"tcp\" portid=\"443\"></port>".to_owned(),
        "<port protocol=\"tc\" portid=\"443\"><state state=\"open\"/></port>".to_owned(),
        "<port portid=\"443\"><state state=\"open\"/></port>".to_owned(),
        "<port protocol=\"tcp\" portid=\"443\" portid=\"80\"><state state=\"open\"/></port>".to_owned(),
        "port protocol=\"tcp\" portid=\"443\"><state state=\"open\"/></port>".to_owned(),
        "<state state=\"open\"/>".to_owned(),
        format!("<port protocol=\"tcp\" portid=\"443{PROGRESS}\n<state state=\"open\"/></port>"),
    ] {
        let gave = gave(host(&torn).as_bytes());
        assert_eq!(
            (gave.bad.len(), gave.open.len(), gave.passed),
            (1, 0, 0),
            "{torn}: {:?} {:?}",
            gave.bad,
            gave.open
        );
    }
}

#[test]
fn a_port_that_may_be_another_hosts_is_ignored() {
    let lost = |between: &str| {
        format!(
            "<nmaprun scanner=\"nmap\" start=\"1557905000\"><host><status state=\"up\"/><address addr=\"192.0.2.1\" addrtype=\"ipv4\"/>\
             <ports><port protocol=\"tcp\" portid=\"443\"><state state=\"open\"/></port>{between}\
             <port protocol=\"tcp\" portid=\"80\"><state state=\"open\"/></port></ports></host>\
             <host><status state=\"up\"/><address addr=\"192.0.2.3\"/><ports><port protocol=\"tcp\" portid=\"8000\"><state state=\"open\"/></port>\
             </ports></host></nmaprun>"
        )
    };
    for between in [
        format!("<port protocol=\"tcp\" po{PROGRESS}\nort=\"1\" x>"),
        "</ports></ho<status state=\"up\"/><address addr=\"192.0.2.2\" addrtype=\"ipv4\"/><ports>".to_owned(),
        "</ports><status state=\"up\"/><address addr=\"192.0.2.2\" addrtype=\"ipv4\"/><ports>".to_owned(),
    ] {
        let gave = gave(lost(&between).as_bytes());
        let open: Vec<&str> = gave.open.iter().filter_map(|one| one.split(' ').next()).collect();
        assert_eq!(open, ["192.0.2.1:443", "192.0.2.3:8000"], "{between}");
        assert!(!gave.bad.is_empty(), "{between}");
    }
}

#[test]
fn stray_text_between_hosts_is_reported_once() {
    let host = "<host><status state=\"up\"/><address addr=\"192.0.2.3\"/><ports><port protocol=\"tcp\" portid=\"8000\"><state state=\"open\"/></port></ports></host>";
    for (loose, bad) in [
        (host.replace("<host>", ""), 1),
        (host.replace("<host>", "<ho<x/>st>"), 1),
        (host.replace("<host>", "host>"), 1),
        (host.replace("<host>", "").replace("</host>", ""), 1),
        (host.replace("</host>", ""), 1),
        ("<host/>".to_owned(), 1),
        ("<!-- > <host> --><?a > <b ?>".to_owned(), 0),
    ] {
        let text = format!(
            "<nmaprun scanner=\"nmap\" start=\"1557905000\">{loose}{host}<runstats><finished time=\"1557905100\"/></runstats></nmaprun>"
        );
        let gave = gave(text.as_bytes());
        assert_eq!((gave.bad.len(), gave.unfinished), (bad, false), "{loose}: {:?}", gave.bad);
        assert!(gave.open.len() == 1, "{loose}: {:?}", gave.open);
    }
    let text = format!("{}</nmaprun>", host.replace("<host>", "<host endtime=\"1557905000\">"));
    assert_eq!(gave(text.as_bytes()).bad.len(), 1, "the run's beginning is missing");
}

#[test]
fn torn_tags_in_masscans_xml_are_reported() {
    let text = String::from_utf8(data("masscan/scan.xml")).expect("text");
    let read = |text: &str| {
        let items: Vec<_> = Importer::new(text.as_bytes(), None, options()).expect("masscan").collect();
        let bad = items.iter().filter(|item| item.is_err()).count();
        (items.len() - bad, bad)
    };
    assert_eq!(read(&text), (2, 0));
    let body = text.find("<host").expect("a host");
    for at in 0..text.len() {
        let torn = format!("{}{PROGRESS}\n{}", &text[..at], &text[at..]);
        let (good, bad) = read(&torn);
        match in_a_value(&text, at) {
            true => assert!(good + bad >= 2 && bad > 0, "{at}"),
            false => assert_eq!((good, bad), (2, 0), "{at}"),
        }
        if at >= body {
            let mut lossy = text.clone();
            lossy.remove(at);
            let (good, bad) = read(&lossy);
            let silent = good + bad < 2;
            assert!(!silent, "{:?} is gone at {at}", &text[at..=at]);
        }
    }
}

#[test]
fn no_part_of_a_record_is_left_out_in_silence() {
    let read = |text: &str| {
        let items: Vec<_> = Importer::new(text.as_bytes(), None, options()).expect("a format").collect();
        let bad: Vec<String> = items
            .iter()
            .filter_map(|item| item.as_ref().err())
            .map(|bad| bad.reason.clone())
            .collect();
        (items.len() - bad.len(), bad)
    };
    let masscan = |ports: &str| format!("[{{\"ip\":\"192.0.2.1\",\"timestamp\":\"1793517693\",\"ports\":[{ports}]}}]");
    let open = "{\"port\":80,\"proto\":\"tcp\",\"status\":\"open\"}";
    let zgrab = |chain: &str| {
        format!(
            "{{\"ip\":\"192.0.2.1\",\"data\":{{\"http\":{{\"status\":\"success\",\"protocol\":\"http\",\"port\":80,\"timestamp\":\"2026-11-01T07:21:33Z\",\
             \"result\":{{\"response\":{{\"status_code\":200}},\"redirect_response_chain\":[{chain}]}}}}}}}}"
        )
    };
    let censys = |endpoints: &str| {
        format!(
            "{{\"ip\":\"192.0.2.1\",\"services\":[{{\"port\":80,\"transport_protocol\":\"tcp\",\"scan_time\":\"2026-11-01T07:21:33Z\",\"endpoints\":[{endpoints}]}}]}}"
        )
    };
    for (text, good, bad) in [
        // What is wrong with one port costs no other.
        (masscan(&format!("{{\"proto\":\"tcp\",\"status\":\"open\"}},{open}")), 1, 1),
        (masscan(&format!("{{\"port\":81,\"status\":\"open\"}},{open}")), 1, 1),
        (
            masscan(&format!("{{\"port\":81,\"proto\":\"tc\",\"status\":\"open\"}},{open}")),
            1,
            1,
        ),
        (masscan(&format!("{{\"port\":81,\"proto\":\"tcp\"}},{open}")), 1, 1),
        (
            masscan(&format!("{{\"port\":81,\"proto\":\"tcp\",\"status\":\"ope\"}},{open}")),
            1,
            1,
        ),
        (masscan(&format!("7,{open}")), 1, 1),
        ("#masscan\nope tcp 80 192.0.2.1 1793517693\n# end\n".to_owned(), 0, 1),
        (
            "Timestamp: 1793517693\tHost: 192.0.2.1 ()\tPorts: 80/open/tcp////, x/open/tcp////, 81/open////, 82/open/tcp////\n".to_owned(),
            2,
            2,
        ),
        (zgrab("7,{\"status_code\":302}"), 1, 1),
        (zgrab(&["{\"status_code\":302}"; 20].join(",")), 1, 1),
        (censys("7"), 1, 1),
        (censys("{\"ollama\":{\"models\":[{\"name\":\"a\"},{}]}}"), 1, 1),
        ("{\"ip_str\":\"192.0.2.1\",\"ports\":[80,81],\"data\":[]}".to_owned(), 0, 1),
        (
            "{\"ip_str\":\"192.0.2.1\",\"data\":[7,{\"port\":80,\"timestamp\":\"2026-11-01T07:21:33\"}]}".to_owned(),
            1,
            1,
        ),
    ] {
        let told = read(&text);
        assert_eq!((told.0, told.1.len()), (good, bad), "{text}: {:?}", told.1);
    }
}
