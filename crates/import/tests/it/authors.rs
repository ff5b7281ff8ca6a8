//! Whose a file is: by what only its tool writes. Where another could have written it, nothing is guessed. All texts here are constructed, after
//! the tools' sources and documentation.

use vigie_import::{Format, ImportError, Importer};

use crate::{data, options};

fn found(text: &[u8], name: Option<&str>) -> Result<Format, ImportError> {
    let mut options = options();
    options.file_name = name.map(str::to_owned);
    Importer::new(text, None, options).map(|importer| importer.format())
}

fn said(text: &[u8], format: Option<Format>) -> String {
    match Importer::new(text, format, options()) {
        Ok(importer) => format!("taken for {}", importer.format()),
        Err(error) => error.to_string(),
    }
}

/// Lists that many tools write: the error names those that could read it, and the file's name or the caller decides.
#[test]
fn ambiguous_files_ask_for_the_format() {
    for (text, candidates) in [
        (&data("zmap/addresses.txt")[..], &["zmap"][..]),
        (&data("naabu/ports.txt")[..], &["naabu"]),
        (b"192.0.2.1,80\n192.0.2.2,80\n", &["zmap"]),
        (b"ip,port\n192.0.2.1,80\n", &["fofa"]),
        (b"host,ip,port,protocol\nhttp://192.0.2.1,192.0.2.1,80,http\n", &["naabu", "fofa"]),
        (b"host,ip,port\na.example,192.0.2.1,80\n", &["naabu", "fofa"]),
        (b"timestamp,ip,port\n2026-11-01 00:00:00,192.0.2.1,80\n", &["shadowserver", "fofa"]),
        (br#"{"ip":"192.0.2.1","port":80}"#, &["naabu", "fofa"]),
        (br#"{"ip":"192.0.2.1","port":"80","protocol":"http"}"#, &["naabu", "fofa"]),
        (br#"{"ip":"192.0.2.1","ports":[{"port":80}]}"#, &["masscan"]),
        (br#"{"ip":"192.0.2.1","data":{"x":1}}"#, &["zgrab2"]),
        (br#"{"ip":"192.0.2.1","services":["http"]}"#, &["censys"]),
        (br#"{"url":"http://192.0.2.1/","status_code":200,"method":"GET"}"#, &["httpx"]),
        (
            br#"{"pid":1,"comm":"curl","saddr":"192.0.2.1","daddr":"192.0.2.2","sport":80}"#,
            &["zmap"],
        ),
        (b"<?xml version=\"1.0\"?><nmaprun scanner=\"other\"><host/></nmaprun>", &["nmap"]),
    ] {
        let shown = String::from_utf8_lossy(text);
        match found(text, None) {
            Err(ImportError::Ambiguous { candidates: named, .. }) => {
                assert!(candidates.iter().all(|word| named.contains(word)), "{shown}: {named}");
            }
            other => panic!("{shown}: {other:?}"),
        }
        let error = said(text, None);
        assert!(error.contains("--from") && error.contains("it begins with"), "{error}");
        // The user named the file, or names the tool.
        let word = candidates[0];
        let format: Format = word.parse().expect("a format");
        assert!(
            matches!(found(text, Some(&format!("/x/{word}-scan.txt"))), Ok(named) if named == format),
            "{shown}"
        );
        assert_eq!(said(text, Some(format)), format!("taken for {word}"));
        assert!(Format::recognise(text, Some("scan.txt")).is_none(), "{shown}");
    }
    // A name decides only between those that could read it.
    assert!(found(b"ip,port\n192.0.2.1,80\n", Some("masscan.csv")).is_err());
    assert_eq!(found(&data("masscan/newer.json"), Some("naabu.json")).ok(), Some(Format::Masscan));
}

#[test]
fn each_format_is_recognised_by_content_of_its_tool() {
    for (text, format) in [
        // FOFA's names, in English and in Chinese, and its reply.
        (
            "host,ip,port,protocol,title,domain,country,city,server,lastupdatetime\n",
            Format::Fofa,
        ),
        ("ip,port,host,as_organization\n", Format::Fofa),
        ("主机名,网站标题,IP地址,域名,端口,协议名,网站server,资产的URL链接\n", Format::Fofa),
        (
            r#"{"host":"192.0.2.1:11434","ip":"192.0.2.1","port":"11434","protocol":"http","lastupdatetime":"2026-11-01 07:00:00"}"#,
            Format::Fofa,
        ),
        (
            r#"{"error":false,"consumed_fpoint":0,"required_fpoints":0,"size":1,"page":1,"mode":"extended","query":"x","results":[["a","192.0.2.1","80"]]}"#,
            Format::Fofa,
        ),
        // naabu's, with and without a host; its CSV.
        (
            r#"{"ip":"192.0.2.1","timestamp":"2026-11-01T07:21:33Z","port":80,"protocol":"tcp","tls":false}"#,
            Format::Naabu,
        ),
        (r#"{"ip":"192.0.2.1","port":{"Port":80,"Protocol":0,"TLS":false}}"#, Format::Naabu),
        (
            "host,ip,port,protocol,tls,cdn,cdn-name,timestamp,mac_address,,cpes\n",
            Format::Naabu,
        ),
        ("192.0.2.1:443 [cloudflare]\n", Format::Naabu),
        (
            r#"{"template-id":"ollama-detect","type":"http","host":"192.0.2.1","port":"11434","scheme":"http","url":"http://192.0.2.1:11434","path":"/","ip":"192.0.2.1","timestamp":"2026-11-01T07:21:33Z"}"#,
            Format::Nuclei,
        ),
        (
            r#"[{"template":"x.yaml","template-id":"x","info":{"name":"X"},"type":"http","host":"a.example","matcher-status":true}]"#,
            Format::Nuclei,
        ),
        (
            "# Nmap 7.93 scan initiated Tue Nov 24 10:00:00 2026 as: nmap -oG - 192.0.2.1\nHost: 192.0.2.1 ()\tStatus: Up\n",
            Format::Nmap,
        ),
        ("Host: 192.0.2.1 ()\tPorts: 80/open/tcp//http///\n", Format::Nmap),
        ("Host: 192.0.2.1 ()\tPorts: 80/open/tcp////\n", Format::Masscan),
        ("Host: 192.0.2.1 ()\tPort: 80\tService: http\tBanner: x\n", Format::Masscan),
        ("open tcp 80 192.0.2.1 1700000000\n", Format::Masscan),
        (
            "[\n{   ip: \"192.0.2.1\",   ports: [ {port: 80, proto: \"tcp\"} ] },\n",
            Format::Masscan,
        ),
        ("[\n{finished: 1}\n]\n", Format::Masscan),
        (r#"{"saddr":"192.0.2.1","sport":80}"#, Format::Zmap),
        ("saddr,classification\n", Format::Zmap),
        ("timestamp,severity,ip,protocol,port,hostname,tag\n", Format::Shadowserver),
    ] {
        assert_eq!(Format::recognise(text.as_bytes(), None), Some(format), "{text}");
    }
    for text in [
        // ZoomEye calls its list `matches` too.
        r#"{"total":1,"matches":[{"ip":"192.0.2.1","portinfo":{"port":80}}]}"#,
        // A list of words, a log, a program.
        "open the door to tcp and udp\n",
        r#"{"data":[1],"ok":true}"#,
        r#"{"ip":"192.0.2.1","hostname":"a.example"}"#,
        "Host: a.example\r\nAccept: */*\r\n",
    ] {
        assert!(
            matches!(found(text.as_bytes(), None), Err(ImportError::NotRecognised { .. })),
            "{text}"
        );
    }
}

/// What is not read says what to export in its place.
#[test]
fn a_rejection_names_what_to_export_instead() {
    let masscan = [&b"masscan/1.1\ns:1700000000\n"[..], &[0; 74], &[1, 13, 0x65, 0, 0, 0, 192, 0, 2, 1]].concat();
    let ustar = [&[b'a'; 257][..], b"ustar\0"].concat();
    for (text, word) in [
        (&masscan[..], "--readscan"),
        (b"data,hostnames,ip,ip_str,port,timestamp\nx,a.example,3221225994,192.0.2.10,11434,2026-11-01T07:21:33\n", "json.gz"),
        (b"timestamp,asn,port,url,input,title,scheme,webserver,status_code,words\n", "-json"),
        (b"http://192.0.2.1:11434 [200] [Ollama]\n", "-json"),
        (b"# Nmap 7.93 scan initiated Tue Nov 24 10:00:00 2026 as: nmap -oN x 192.0.2.1\nNmap scan report for 192.0.2.1\n", "-oX"),
        (b"Starting Nmap 7.93 ( https://nmap.org ) at 2026-11-24 10:00 UTC\n", "-oX"),
        (b"STart|Ng NmaP 7.93 ( httpz://nmap.0Rg ) at 2026-11-24 10:00 UTC\n", "-oX"),
        (b"# nMAP 7.93 $can !n1tiat3d Tue Nov 24 10:00:00 2026 as: nmap -oS x 192.0.2.1\nNmap zcan r3port for 192.0.2.1\n", "-oS"),
        (b"Discovered open port 80/tcp on 192.0.2.1\n", "-oJ"),
        (b"TCP open\t            http[   80]\t\tfrom 192.0.2.1  ttl 59 \n", "-oJ"),
        (b"host.ip,host.services.port,host.services.protocol\n", "JSON"),
        (b"ip,services.port,autonomous_system.asn\n", "JSON"),
        (b"[ollama-detect] [http] [info] http://192.0.2.1:11434/\n", "-jsonl"),
        (b"[\x1b[92mollama-detect\x1b[0m] [\x1b[94mhttp\x1b[0m] [\x1b[34minfo\x1b[0m] http://192.0.2.1:11434/\n", "-jsonl"),
        (br#"{"$schema":"https://example.org/sarif-2.1.0.json","version":"2.1.0","runs":[]}"#, "-jsonl"),
        (br#"{"statuses":{"http":{"successes":1,"failures":0}},"start":"2026-11-01T00:00:00Z","end":"2026-11-01T00:00:01Z","duration":"1s"}"#, "summary"),
        (br#"{"ip":"192.0.2.1","timestamp":"2019-01-01T00:00:00Z","data":{"http":{"response":{"status_code":200}}}}"#, "zgrab2 http"),
        (br#"{"cpes":[],"hostnames":[],"ip":"192.0.2.1","ports":[53,80],"tags":[],"vulns":[]}"#, "shodan download"),
        (br#"{"schema":"vigie.diff/1","changes":[]}"#, "jsonl"),
        (b"real-time,unixtime,time-elapsed,time-remaining\n", "-o wrote"),
        (b"daddr,classification\n192.0.2.1,synack\n", "saddr"),
        (br#"{"error":true,"errmsg":"401 Unauthorized, make sure email and apikey is correct."}"#, "without results"),
        (b"<!DOCTYPE html><html><body>x</body></html>", "HTML"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0", "CSV"),
        (b"%PDF-1.7\n", "PDF"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "unpack it"),
        (b"\xfd7zXZ\0\0\x04", "unpack it"),
        (&ustar, "unpack it"),
        (b"\xd4\xc3\xb2\xa1\x02\0\x04\0", "packets"),
        (b"\xff\xfe{\0\"\0", "UTF-8"),
    ] {
        let error = said(text, None);
        assert!(error.contains(word), "{error} of {}", String::from_utf8_lossy(text));
        assert!(!error.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER), "{error}");
    }
    // Also where the caller says whose it is.
    for (text, format, word) in [
        (&masscan[..], Format::Masscan, "--readscan"),
        (
            b"data,hostnames,ip,ip_str,port,timestamp\nx,y,1,192.0.2.10,80,2026-11-01T07:21:33\n",
            Format::Shodan,
            "json.gz",
        ),
        (b"timestamp,url,input,status_code\n", Format::Httpx, "-json"),
        (b"host.ip,host.services.port\n", Format::Censys, "JSON"),
    ] {
        assert!(said(text, Some(format)).contains(word), "{format}");
    }
}

/// Bytes that are no text are not shown, neither in an error nor among the bad records.
#[test]
fn binary_is_never_shown() {
    let mut binary: Vec<u8> = (0..=255_u8).rev().cycle().take(4_000).collect();
    binary[0] = 0x7f;
    let error = said(&binary, None);
    assert!(error.contains("bytes that are no text"), "{error}");
    let lines = [
        &b"{\"saddr\":\"192.0.2.1\",\"sport\":\x1b[2J\x07}\n"[..],
        &binary,
        b"\n\x1b]0;title\x07\n",
    ]
    .concat();
    let bad: Vec<_> = Importer::new(&lines[..], Some(Format::Zmap), options())
        .expect("it begins")
        .filter_map(Result::err)
        .collect();
    assert!(bad.len() > 2);
    for one in &bad {
        assert!(!one.to_string().chars().any(char::is_control), "{one}");
    }
    assert!(bad.iter().any(|one| one.quote.contains("no text")), "{bad:?}");
    // A few odd characters are shown as escapes, so that one sees what stands there.
    assert!(bad[0].quote.contains("\\u{1b}[2J\\u{7}"), "{}", bad[0]);
}
