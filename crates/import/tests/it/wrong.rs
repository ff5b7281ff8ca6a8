//! What is wrong with a text is said once, in plain words, and costs no more than itself. All texts are constructed.

use std::io::Write as _;

use vigie_import::{Bad, BadKind, Format, ImportError, Importer, PassedOver};
use vigie_model::Observation;

use crate::{data, options};

fn import(text: &[u8], format: Option<Format>) -> (Vec<Observation>, Vec<Bad>, PassedOver) {
    let mut importer = Importer::new(text, format, options()).unwrap_or_else(|error| panic!("{error}"));
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for item in importer.by_ref() {
        match item {
            Ok(one) => good.push(one),
            Err(one) => bad.push(one),
        }
    }
    (good, bad, importer.passed_over())
}

fn refused(text: &[u8], format: Option<Format>) -> String {
    match Importer::new(text, format, options()) {
        Ok(importer) => panic!("taken for {}", importer.format()),
        Err(error) => error.to_string(),
    }
}

const ONE: &str = r#"{"ip":"192.0.2.1","timestamp":"2026-11-01T07:21:33Z","port":80,"protocol":"tcp","tls":false}"#;

/// What a caller can supply is told by kind, so that nobody has to read the reason for it.
#[test]
fn a_bad_record_says_whether_the_caller_can_mend_it() {
    let kinds = |text: &str, format, seen: bool, port: Option<u16>| {
        let mut options = options();
        options.seen = seen.then_some(options.recorded);
        options.default_port = port;
        let importer = Importer::new(text.as_bytes(), Some(format), options).expect("it is a text");
        let kinds: Vec<Option<BadKind>> = importer.map(|item| item.err().map(|bad| bad.kind)).collect();
        kinds
    };
    let (time, port, other) = (Some(BadKind::MissingTime), Some(BadKind::MissingPort), Some(BadKind::Other));
    // Addresses with ports have no time; addresses alone lack both, and the port is missed first.
    assert_eq!(kinds("192.0.2.1:80\n", Format::Naabu, false, None), [time]);
    assert_eq!(kinds("192.0.2.1:80\n", Format::Naabu, true, None), [None]);
    assert_eq!(kinds("192.0.2.1\n", Format::Zmap, false, None), [port]);
    assert_eq!(kinds("192.0.2.1\n", Format::Zmap, false, Some(80)), [time]);
    assert_eq!(kinds("192.0.2.1\nx\n", Format::Zmap, true, Some(80)), [None, other]);
    // Where the format has a port, none can be given.
    let without = r#"{"ip_str":"192.0.2.1","timestamp":"2026-11-01T07:21:33","transport":"tcp","data":""}"#;
    assert_eq!(kinds(without, Format::Shodan, true, Some(80)), [other]);
    // A reason that quotes a record's own words is not taken for one of these.
    let quoted = r#"{"ip":"it says no time, without a port","port":80}"#;
    assert_eq!(kinds(quoted, Format::Naabu, true, Some(80)), [other]);
}

#[test]
fn a_stray_line_is_one_bad_record() {
    for stray in [
        "host,ip,port,protocol,tls",
        "1,2,3,4",
        "\"a\",\"b\",\"c\"",
        "[INF] Found 3 ports on 192.0.2.1, 192.0.2.2, done",
        "[1, 2, 3]",
        "naabu: {retries: 3}, {rate: 5}, again",
        "error, {\"a\":1}, more",
        "null",
    ] {
        let text = format!("{ONE}\n{stray}\n{ONE}\n");
        let (good, bad, _) = import(text.as_bytes(), None);
        assert_eq!((good.len(), bad.len()), (2, 1), "{stray}: {bad:?}");
        // The brackets of a list are no part of what is in it.
        let quoted = if stray == "[1, 2, 3]" { "1, 2, 3" } else { stray };
        assert!(bad[0].line == 2 && bad[0].quote == quoted, "{:?}", bad[0]);
        let array = format!("[\n{ONE},\n{}\n{ONE}\n]\n", stray.replace(['{', '[', '"', '}', ']'], "'"));
        let (good, bad, _) = import(array.as_bytes(), Some(Format::Naabu));
        assert_eq!((good.len(), bad.len()), (2, 1), "{array}: {bad:?}");
    }
    // What tools print before their lines.
    let (good, bad, _) = import(format!("[INF] a, b, c\n{ONE}\n").as_bytes(), Some(Format::Naabu));
    assert_eq!((good.len(), bad.len()), (1, 1), "{bad:?}");
    // A list is still one.
    let (good, bad, _) = import(format!("[\n\n  {ONE},\n{ONE}]\n[{ONE}]\n").as_bytes(), None);
    assert_eq!((good.len(), bad.len()), (3, 0), "{bad:?}");
}

#[test]
fn reasons_are_in_plain_words() {
    let line = String::from_utf8(data("vigie/records.jsonl")).expect("text");
    let line = line.lines().next().expect("a line").to_owned();
    let broken = |from: &str, to: &str| {
        assert!(line.contains(from), "{from}");
        line.replacen(from, to, 1)
    };
    let port = format!(
        "\"port\":{}",
        line.split_once("\"port\":")
            .and_then(|(_, rest)| rest.split_once(','))
            .expect("a port")
            .0
    );
    let mut texts: Vec<(String, Format)> = vec![
        (broken(&port, "\"port\":\"x\""), Format::Vigie),
        (broken(&port, "\"port\":70000"), Format::Vigie),
        (broken(&port, "\"port\":[1]"), Format::Vigie),
        (broken(&port, "\"port\":null"), Format::Vigie),
        (broken(&port, "\"porter\":1"), Format::Vigie),
        (broken("\"transport\":\"tcp\"", "\"transport\":\"carrier pigeon\""), Format::Vigie),
        (broken("\"identity\":{", "\"identity\":5,\"x\":{"), Format::Vigie),
        (broken("\"seen\":\"", "\"seen\":\"x"), Format::Vigie),
        (line[..line.len() / 2].to_owned(), Format::Vigie),
        (broken("\"network\":{", "\"network\":[],\"x\":{"), Format::Vigie),
    ];
    for (from, to) in [
        ("\"port\":80,", "\"port\":80,,"),
        ("\"tls\":false", "\"tls\":fals"),
        ("\"port\":80", "\"port\" 80"),
        ("\"tcp\"", "\"t\\qcp\""),
        ("\"ip\":", "ip:"),
        ("\"port\":80", "\"port\":01"),
        ("\"tcp\"", "\"t\u{1}cp\""),
        ("\"port\":80", "\"port\":80,\"port\":81"),
    ] {
        texts.push((ONE.replacen(from, to, 1), Format::Naabu));
    }
    for (text, format) in texts {
        let (_, bad, _) = import(format!("{text}\n").as_bytes(), Some(format));
        assert!(!bad.is_empty(), "{text}");
        for bad in bad {
            let leaks = [
                "`", "struct", "enum", "variant", "u16", "u32", "i64", "integer", "expected", "sequence", "EOF", "serde", "at line",
                "column",
            ];
            for word in leaks {
                assert!(!bad.reason.contains(word), "{word}: {}", bad.reason);
            }
        }
    }
    let said = |text: &str| import(text.as_bytes(), Some(Format::Vigie)).1.remove(0).reason;
    assert_eq!(
        said(&broken(&port, "\"port\":\"x\"")),
        "not a valid record: the text \"x\" is where a whole number of its size should be"
    );
    assert_eq!(said(&broken(&port, "\"porter\":1")), "not a valid record: it has no \"port\"");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).expect("memory takes it");
    packer.finish().expect("memory takes it")
}

#[test]
fn a_damaged_archive_is_not_a_truncated_one() {
    let text = format!("{ONE}\n").repeat(5);
    let whole = gzip(text.as_bytes());
    let read = |bytes: &[u8]| {
        let mut importer = Importer::new(bytes, Some(Format::Naabu), options()).unwrap_or_else(|error| panic!("{error}"));
        let good = importer.by_ref().filter(Result::is_ok).count();
        let damaged = importer.damaged().map(str::to_owned);
        (good, damaged, importer.unfinished().is_some(), importer.warning())
    };
    assert_eq!(read(&whole), (5, None, false, None));
    // Its checksum, and its size.
    for at in [whole.len() - 8, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        let (good, damaged, unfinished, _) = read(&bytes);
        assert_eq!((good, unfinished), (5, false));
        assert!(damaged.is_some_and(|damaged| damaged.contains("the gzip archive is damaged")));
    }
    // Cut off.
    let (_, damaged, unfinished, _) = read(&whole[..whole.len() - 3]);
    assert_eq!((damaged, unfinished), (None, true));
    // What follows a whole one is a warning, and another member is not.
    for junk in [&b"\0\0\0\0"[..], b"junk", b"\x1fz", b"<html>"] {
        let (good, damaged, unfinished, warning) = read(&[&whole[..], junk].concat());
        assert_eq!((good, damaged, unfinished), (5, None, false), "{junk:?}");
        assert!(warning.is_some_and(|warning| warning.contains("follows the end")), "{junk:?}");
    }
    assert_eq!(read(&whole.repeat(3)), (15, None, false, None));
    let second = [&whole[..], &whole[..whole.len() - 12]].concat();
    assert!(read(&second).2, "the second member is cut off");
    // zstd with a checksum.
    let mut packer = zstd::Encoder::new(Vec::new(), 3).expect("it packs");
    packer.include_checksum(true).expect("it may");
    packer.write_all(text.as_bytes()).expect("memory takes it");
    let mut bytes = packer.finish().expect("memory takes it");
    assert_eq!(read(&bytes), (5, None, false, None));
    let last = bytes.len() - 1;
    assert!(read(&bytes[..last]).2);
    bytes[last] ^= 0x55;
    let (_, damaged, unfinished, _) = read(&bytes);
    assert!(!unfinished && damaged.is_some_and(|damaged| damaged.contains("the zstd archive is damaged")));
}

#[test]
fn lines_of_old_macintosh_systems_are_lines() {
    let rows = "ip,port,host,as_organization,lastupdatetime\n192.0.2.1,80,a.example,X,2026-11-01 07:21:33\n192.0.2.2,81,b.example,X,2026-11-01 07:21:33\n";
    let (unix, _, _) = import(rows.as_bytes(), None);
    let (old, bad, _) = import(rows.replace('\n', "\r").as_bytes(), None);
    assert_eq!((old.len(), bad.len()), (2, 0), "{bad:?}");
    assert_eq!(
        old.iter().map(crate::whole_address).collect::<Vec<_>>(),
        unix.iter().map(crate::whole_address).collect::<Vec<_>>()
    );
    let (lines, bad, _) = import(format!("{ONE}\r{ONE}\r").as_bytes(), None);
    assert_eq!((lines.len(), bad.len()), (2, 0), "{bad:?}");
    let (lines, bad, _) = import(rows.replace('\n', "\r\n").as_bytes(), None);
    assert_eq!((lines.len(), bad.len()), (2, 0), "{bad:?}");
}

#[test]
fn an_empty_list_holds_no_record() {
    for text in ["[]", "[]\n", "[\n]\n", " [ ] \n"] {
        for format in Format::ALL {
            let (good, bad, _) = import(text.as_bytes(), Some(format));
            assert_eq!((good.len(), bad.len()), (0, 0), "{format} {text:?}: {bad:?}");
        }
        assert!(matches!(
            Importer::new(text.as_bytes(), None, options()),
            Err(ImportError::EmptyList)
        ));
        assert!(refused(text.as_bytes(), None).contains("empty list"));
        let mut named = options();
        named.file_name = Some("2026-nuclei.json".to_owned());
        let importer = Importer::new(text.as_bytes(), None, named).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((importer.format(), importer.count()), (Format::Nuclei, 0));
    }
}

#[test]
fn rejected_formats_name_what_to_export() {
    let wide: Vec<u8> = "host,ip,port\r\na,192.0.2.1,80\r\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let wide_other: Vec<u8> = "{\"ip\":\"192.0.2.1\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let show = r#"{ "schema": "vigie.show/1", "address": "192.0.2.1", "advisories_date": "2026-11-01", "observations": [ {"schema": "vigie.observation/1", "seen": "2026-11-01T00:00:00Z"} ] }"#;
    let hosts = r#"{"address":"192.0.2.1","port":11434,"name":null,"first_seen":"2026-11-01T00:00:00Z","last_seen":"2026-11-01T00:00:00Z","observations":1,"vantage":"","product":{"known":"ollama"},"posture":{"known":"open"}}"#;
    for (text, words) in [
        (&wide[..], "UTF-16"),
        (&wide_other, "UTF-16"),
        (
            b"Nov 30 12:00:00.123 [INFO] zmap: output module: csv\nNov 30 12:00:01.003 [INFO] recv: 0 done\n",
            "zmap's log",
        ),
        (
            b" 0:01 12% (1m left); send: 1000 100 Kp/s (99 Kp/s avg); recv: 5 4 p/s (4 p/s avg); drops: 0 p/s\n",
            "zmap's log",
        ),
        (
            b"template-id,host,matched-at,severity\nollama-detect,192.0.2.1,http://192.0.2.1,info\n",
            "nuclei",
        ),
        (b"timestamp,template_id,host,ip,port\n", "nuclei"),
        (
            b"IP,Port,Banner,Timestamp,Hostnames,Country,City,Operating System,Organization\n192.0.2.1,80,x,2026-11-01T00:00:00,,DE,,,X\n",
            "Shodan's website",
        ),
        (br#"{"error": "Invalid API key"}"#, "an error reply"),
        (br#"{"error": "Requires membership or higher to access"}"#, "an error reply"),
        (show.as_bytes(), "vigie's own"),
        (hosts.as_bytes(), "vigie's own"),
        (
            b"schema,address,port,name,prefix,first_seen,last_seen,observations\r\nvigie.hosts.csv/1,192.0.2.1,80,,,,,1\r\n",
            "vigie's own",
        ),
        (br#"{"schema":"vigie.hosts/1","hosts":[]}"#, "vigie's own"),
    ] {
        let said = refused(text, None);
        assert!(said.contains(words), "{}: {said}", String::from_utf8_lossy(text));
    }
    assert!(refused(show.as_bytes(), Some(Format::Vigie)).contains("vigie's own"));
    assert!(refused(br#"{"error": "Invalid API key"}"#, Some(Format::Shodan)).contains("an error reply"));
}

#[test]
fn fofas_names_in_chinese_in_any_order() {
    for head in [
        "端口,IP地址,主机名,城市",
        "网站标题,端口,IP地址",
        "协议名,主机名,端口,IP地址,国家代码",
        "城市,版本号,产品名,端口,IP地址",
    ] {
        let cells: Vec<&str> = head
            .split(',')
            .map(|name| match name {
                "端口" => "80",
                "IP地址" => "192.0.2.1",
                "主机名" => "a.example",
                _ => "x",
            })
            .collect();
        let mut given = options();
        given.seen = Some(crate::at("2026-11-01T00:00:00Z"));
        let text = format!("{head}\n{}\n", cells.join(","));
        let mut importer = Importer::new(text.as_bytes(), None, given).unwrap_or_else(|error| panic!("{head}: {error}"));
        assert_eq!(importer.format(), Format::Fofa);
        assert!(
            importer.next().is_some_and(|item| item.is_ok_and(|one| one.endpoint.port == 80)),
            "{head}"
        );
    }
    // Another search engine's table of the same language is not taken for it.
    assert!(Importer::new("资产标签,URL,IP,端口,网站标题,城市,探查时间\n".as_bytes(), None, options()).is_err());
}

#[test]
fn words_that_say_neither_are_bad() {
    let zmap = |success: &str| {
        let text = format!("saddr,sport,success,timestamp-ts\n192.0.2.1,80,{success},1793517693\n");
        let (good, bad, passed) = import(text.as_bytes(), None);
        (good.len(), bad.len(), passed.not_open)
    };
    assert_eq!(
        (zmap("1"), zmap("true"), zmap("0"), zmap("False")),
        ((1, 0, 0), (1, 0, 0), (0, 0, 1), (0, 0, 1))
    );
    assert_eq!((zmap("maybe"), zmap("2"), zmap("yes")), ((0, 1, 0), (0, 1, 0), (0, 1, 0)));
    for (value, told) in [
        ("1", (1, 0)),
        ("true", (1, 0)),
        ("false", (0, 0)),
        ("0", (0, 0)),
        ("\"maybe\"", (0, 1)),
        ("[1]", (0, 1)),
        ("null", (1, 0)),
    ] {
        let text = format!("{{\"saddr\":\"192.0.2.1\",\"sport\":80,\"success\":{value},\"timestamp-ts\":1793517693}}\n");
        let (good, bad, _) = import(text.as_bytes(), None);
        assert_eq!((good.len(), bad.len()), told, "{value}: {bad:?}");
    }
    let httpx = |more: &str| {
        let text = format!(
            r#"{{"timestamp":"2026-11-01T07:21:33Z","url":"http://192.0.2.1:8080","input":"192.0.2.1:8080","host":"192.0.2.1"{more}}}"#
        );
        let (good, bad, passed) = import(text.as_bytes(), Some(Format::Httpx));
        (good.len(), bad.len(), passed.not_open)
    };
    for more in [r#","failed":true"#, r#","failed":"true""#] {
        assert_eq!(httpx(more), (0, 0, 1), "{more}");
    }
    for more in [
        r#","failed":null"#,
        "",
        r#","failed":"maybe","status_code":200"#,
        r#","failed":[],"status_code":200"#,
    ] {
        assert_eq!(httpx(more), (0, 1, 0), "{more}");
    }
    for more in [
        r#","status_code":200"#,
        r#","failed":null,"status_code":200"#,
        r#","failed":false"#,
        r#","failed":"false""#,
        r#","failed":false,"status_code":200,"port":"8080""#,
    ] {
        assert_eq!(httpx(more), (1, 0, 0), "{more}");
    }
    assert_eq!(httpx(r#","status_code":200,"port":"8081""#), (0, 1, 0));
}

#[test]
fn numbers_out_of_range_are_reported() {
    let said = |port: &str, time: &str| {
        let text = format!(r#"{{"ip":"192.0.2.1","timestamp":"{time}","port":{port},"protocol":"tcp","tls":false}}"#);
        let (good, mut bad, _) = import(text.as_bytes(), Some(Format::Naabu));
        assert_eq!((good.len(), bad.len()), (0, 1));
        bad.remove(0).reason
    };
    let time = "2026-11-01T07:21:33Z";
    for port in ["99999", "\"65536\"", "-1"] {
        assert!(said(port, time).contains("1 to 65535"), "{}", said(port, time));
    }
    assert!(!said("\"http\"", time).contains("65535"));
    for time in ["1969-12-31T23:59:59Z", "1969-07-20 20:17:40", "1901-01-01T00:00:00Z"] {
        assert!(said("80", time).contains("before 1970"), "{}", said("80", time));
    }
    assert!(!said("80", "yesterday").contains("1970"));
}

#[test]
fn a_fault_of_the_whole_record_is_reported_once() {
    let grep = "Host: 192.0.2.1 ()\tPorts: 80/open/tcp//http///, 81/open/tcp//http///, 82/open/tcp//http///\n";
    let (good, bad, _) = import(grep.as_bytes(), None);
    assert_eq!((good.len(), bad.len()), (0, 1), "{bad:?}");
    let (_, bad, _) = import(grep.repeat(2).as_bytes(), None);
    assert_eq!(bad.len(), 2, "each of its own record");
}
