//! Anything may stand in a file.

use std::io::{Read as _, Write as _};

use proptest::prelude::*;
use vigie_import::{Batch, Format, Importer, Parsed};

use crate::{data, import_with, options};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).expect("memory takes it");
    packed.finish().expect("memory takes it")
}

#[test]
fn archives_are_unpacked_while_they_stream() {
    let lines = data("vigie/records.jsonl");
    let plain = import_with(&lines, None, options());
    assert_eq!(import_with(&gzip(&lines), None, options()), plain);
    // Two members, as `cat a.gz b.gz` makes them.
    let (first, second) = lines.split_at(lines.iter().position(|byte| *byte == b'\n').expect("lines") + 1);
    assert_eq!(import_with(&[gzip(first), gzip(second)].concat(), None, options()), plain);
    let zstd = zstd::encode_all(&lines[..], 3).expect("memory takes it");
    assert_eq!(import_with(&zstd, None, options()), plain);
}

#[test]
fn a_truncated_archive_gives_its_complete_records_and_one_error() {
    // Lines that no packer makes into nothing.
    let mut lines = String::new();
    let mut number = 7_u32;
    for _ in 0..40_000 {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (port, time) = (number >> 17, 1_700_000_000 + (number >> 8));
        lines.push_str(&format!(
            "{{\"saddr\":\"192.0.2.1\",\"sport\":{},\"timestamp-ts\":{time}}}\n",
            port + 1
        ));
    }
    let lines = lines.as_bytes();
    for packed in [gzip(lines), zstd::encode_all(lines, 3).expect("memory takes it")] {
        let cut = &packed[..packed.len() / 2];
        let items = import_with(cut, None, options());
        let bad: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
        assert!(items.len() > 1_000, "{}", items.len());
        assert_eq!(bad.len(), 1);
        assert!(bad[0].reason.contains("cut off"), "{}", bad[0]);
        assert!(items.last().is_some_and(Result::is_err));
    }
    let garbage = import_with(b"\x1f\x8b\x08garbage", Some(Format::Vigie), options());
    assert_eq!(garbage.len(), 1);
    // The whole of a file, and then bytes that are none of it.
    let mut tail = gzip(&data("vigie/records.jsonl"));
    tail.extend_from_slice(b"garbage");
    let items = import_with(&tail, None, options());
    assert_eq!(
        (items.len(), items.iter().filter(|item| item.is_err()).count()),
        (12, 0),
        "it is a warning"
    );
}

#[test]
fn bad_lines_are_counted_and_quoted() {
    let good = data("vigie/records.jsonl");
    let first = good.split(|byte| *byte == b'\n').next().expect("a line");
    let mut file = Vec::new();
    for line in [
        first,
        b"{\"schema\":",
        b"",
        b"\xff\xfe\x1b[2J",
        first,
        b"null",
        &first[..100],
        first,
    ] {
        file.extend_from_slice(line);
        file.push(b'\n');
    }
    let items = import_with(&file, None, options());
    let bad: Vec<(u64, u64)> = items
        .iter()
        .filter_map(|item| item.as_ref().err())
        .map(|bad| (bad.line, bad.record))
        .collect();
    assert_eq!(bad, [(2, 2), (4, 3), (6, 5), (7, 6)]);
    assert_eq!(items.iter().filter(|item| item.is_ok()).count(), 3);
    for item in &items {
        if let Err(bad) = item {
            assert!(bad.quote.chars().count() <= 121 && !bad.to_string().contains('\x1b'), "{bad}");
        }
    }
    let shown = items[2].as_ref().err().map(|bad| bad.quote.clone());
    assert_eq!(shown.as_deref(), Some("\u{fffd}\u{fffd}\\u{1b}[2J"));
}

#[test]
fn deep_nesting_is_harmless() {
    let deep = 100_000;
    let nest = |open: &str, close: &str| format!("{}{}", open.repeat(deep), close.repeat(deep));
    for format in Format::ALL {
        for text in [
            nest("[", "]"),
            nest("{\"a\":", "}"),
            format!("{{\"ip_str\":\"192.0.2.1\",\"data\":{}}}", nest("[", "]")),
            format!(
                "{{\"ip\":\"192.0.2.1\",\"services\":{},\"ports\":{}}}",
                nest("[", "]"),
                nest("{\"a\":", "}")
            ),
            format!("{{\"ip\":\"192.0.2.1\",\"data\":{{\"http\":{}}}}}", nest("{\"result\":", "}")),
            nest("{\"matches\":[", "]}"),
            nest("{\"result\":", "}"),
            format!("<nmaprun>{}</nmaprun>", nest("<host>", "</host>")),
            nest("<!DOCTYPE a [", "]>"),
        ] {
            let good = format!("{text}\n{{\"saddr\":\"192.0.2.1\"}}\n");
            // What matters is that it ends, and gives no observation of it.
            let items = import_with(good.as_bytes(), Some(format), options());
            assert!(items.iter().all(Result::is_err), "{format}");
        }
    }
}

#[test]
fn a_record_that_is_too_long_is_passed_over() {
    let good = data("vigie/records.jsonl");
    let mut file = good.clone();
    file.extend_from_slice(b"{\"schema\":\"");
    file.extend(std::iter::repeat_n(b'x', 3_000_000));
    file.extend_from_slice(b"\"}\n");
    file.extend_from_slice(&good);
    let mut small = options();
    small.max_record = 1_000_000;
    let items = import_with(&file, None, small);
    let bad: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    assert_eq!((items.len(), bad.len()), (25, 1));
    assert!(bad[0].reason.contains("longer than 1000000 bytes") && bad[0].line == 13 && bad[0].quote.starts_with("{\"schema\":\"xx"));
}

#[test]
fn entities_and_document_types_are_never_resolved() {
    let text = concat!(
        "<?xml version=\"1.0\"?><!DOCTYPE nmaprun [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;\">",
        "<!ENTITY x SYSTEM \"file:///etc/passwd\">]>",
        "<nmaprun scanner=\"nmap\" start=\"1793517693\"><host><status state=\"up\"/><address addr=\"192.0.2.1\" addrtype=\"ipv4\"/>",
        "<ports><port protocol=\"tcp\" portid=\"80\"><state state=\"open\"/><service name=\"http\" product=\"&x;&b;\" method=\"probed\"/>",
        "<script id=\"http-title\" output=\"&x;\"/></port></ports></host></nmaprun>",
    );
    let items = import_with(text.as_bytes(), None, options());
    let shown = format!("{items:?}");
    assert!(items[0].is_ok() && !shown.contains("root:") && !shown.contains("aaaaaaaaaa"));
}

#[test]
fn numbers_out_of_range_are_rejected() {
    let line = |port: &str, asn: &str, time: &str| {
        format!("{{\"ip_str\":\"192.0.2.1\",\"port\":{port},\"asn\":{asn},\"timestamp\":{time},\"data\":\"x\",\"_shodan\":{{}}}}\n")
    };
    let when = "\"2026-11-01T00:00:00\"";
    for port in ["0", "-1", "65536", "1e9", "99999999999999999999", "\"x\"", "null", "{}"] {
        let items = import_with(line(port, "1", when).as_bytes(), None, options());
        assert!(items.len() == 1 && items[0].is_err(), "{port}");
    }
    for asn in ["\"AS0\"", "\"AS4294967296\"", "-5", "\"x\"", "null", "[]"] {
        let items = import_with(line("80", asn, when).as_bytes(), None, options());
        assert!(items[0].as_ref().is_ok_and(|one| !one.network.asn.is_known()), "{asn}");
    }
    for time in ["0", "\"\"", "\"0001-01-01T00:00:00\"", "\"99999-01-01T00:00:00\"", "{}"] {
        let items = import_with(line("80", "1", time).as_bytes(), None, options());
        assert!(items[0].as_ref().is_err_and(|bad| bad.reason.contains("time")), "{time}");
    }
}

#[test]
fn two_threads_give_the_same_result_as_one() {
    let bytes = data("vigie/records.jsonl").repeat(200);
    let one = import_with(&bytes, None, options());
    let (mut records, parser) = Importer::new(&bytes[..], None, options()).expect("it reads").split();
    let mut batches = Vec::new();
    loop {
        let mut batch = Batch::default();
        if !records.fill(&mut batch) {
            break;
        }
        batches.push(batch);
    }
    assert!(batches.len() > 4, "{}", batches.len());
    let parsed: Vec<Parsed> = std::thread::scope(|scope| {
        let threads: Vec<_> = batches
            .iter()
            .map(|batch| {
                let parser = &parser;
                scope.spawn(move || {
                    let mut parsed = Parsed::default();
                    parser.parse(batch, &mut parsed);
                    parsed
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it ends")).collect()
    });
    let together: Vec<_> = parsed.into_iter().flat_map(|parsed| parsed.items).collect();
    assert_eq!(together, one);
}

/// Bytes that are nothing, and bytes that were a file before some of them changed.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let files: Vec<Vec<u8>> = [
        "shodan/download.jsonl",
        "shodan/host.json",
        "censys/search.json",
        "censys/v2-host.json",
        "zmap/fields.csv",
        "zmap/fields.jsonl",
        "zgrab2/https.jsonl",
        "masscan/newer.json",
        "masscan/list.txt",
        "masscan/scan.xml",
        "masscan/grepable.txt",
        "nmap/services.xml",
        "naabu/ports.jsonl",
        "httpx/irr.jsonl",
        "shadowserver/2026-11-01-scan_http-example.csv",
        "vigie/records.jsonl",
    ]
    .into_iter()
    .map(|name| {
        let mut file = data(name);
        file.truncate(6_000);
        file
    })
    .collect();
    let changed = (
        proptest::sample::select(files),
        proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3_u8), 0..24),
    )
        .prop_map(|(mut file, changes)| {
            for (at, byte, how) in changes {
                let at = at.index(file.len());
                match how {
                    0 => file[at] = byte,
                    1 => file.insert(at, b"\"\\{}[]<>,\n"[usize::from(byte) % 10]),
                    _ => {
                        file.remove(at);
                    }
                }
            }
            file
        });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..400), changed]
}

proptest! {
    #[test]
    fn no_bytes_cause_a_panic_or_a_hang(bytes in bytes()) {
        let mut given = options();
        given.default_port = Some(80);
        given.seen = Some(crate::at("2026-11-01T00:00:00Z"));
        let ends = |end: u8| bytes.iter().filter(|byte| **byte == end).count() as u64;
        // Old Macintosh systems end lines so.
        let lines = if ends(b'\n') == 0 { ends(b'\r') } else { ends(b'\n') } + 1;
        if let Ok(importer) = Importer::new(&bytes[..], None, given.clone()) {
            let _ = importer.count();
        }
        for format in Format::ALL {
            let Ok(importer) = Importer::new(&bytes[..], Some(format), given.clone()) else { continue };
            for item in importer {
                match item {
                    Ok(one) => prop_assert!(one.endpoint.port > 0 || format == Format::Vigie),
                    Err(bad) => {
                        prop_assert!(bad.line >= 1 && bad.line <= lines, "{bad}");
                        prop_assert!(!bad.to_string().chars().any(char::is_control));
                    }
                }
            }
        }
    }
}

#[test]
fn a_failing_reader_is_reported_once() {
    struct Fails;
    impl std::io::Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk went away"))
        }
    }
    let lines = b"{\"saddr\":\"192.0.2.1\",\"sport\":80,\"timestamp-ts\":1793517693}\n".repeat(3);
    let items: Vec<_> = Importer::new(lines.chain(Fails), None, options()).expect("it begins").collect();
    assert_eq!((items.len(), items.iter().filter(|item| item.is_err()).count()), (4, 1));
    assert!(items[3].as_ref().is_err_and(|bad| bad.reason.contains("went away")));
}

/// One record with very many endpoints is handed on in parts, which say what the whole says; ports that say the same share it.
#[test]
fn a_host_with_every_port_open_comes_in_parts() {
    let mut text = String::from("<?xml version=\"1.0\"?><nmaprun scanner=\"nmap\" start=\"1793517693\" version=\"7.95\"><host>");
    text.push_str("<status state=\"up\"/><address addr=\"192.0.2.1\" addrtype=\"ipv4\"/><ports>");
    for port in 1..=10_000 {
        let product = if port % 5_000 == 0 { "other" } else { "nginx" };
        text.push_str(&format!(
            "<port protocol=\"tcp\" portid=\"{port}\"><state state=\"open\"/><service name=\"http\" product=\"{product}\"/></port>"
        ));
    }
    text.push_str("<port protocol=\"tcp\" portid=\"10001\"><state state=\"ajar\"/></port></ports></host></nmaprun>");
    let (mut records, parser) = Importer::new(text.as_bytes(), None, options()).expect("it reads").split();
    let mut batch = Batch::default();
    assert!(records.fill(&mut batch));
    let mut whole = Parsed::default();
    parser.parse(&batch, &mut whole);
    assert_eq!(whole.items.len(), 10_001);
    let of_its_own = whole.items.iter().flatten().zip(whole.items.iter().flatten().skip(1));
    let of_its_own = of_its_own.filter(|(last, next)| !last.identity.is(&next.identity) || !last.exposure.is(&next.exposure));
    assert_eq!(of_its_own.count(), 3, "beside the first: the two others, and the one between them");

    let mut parts: Vec<Parsed> = Vec::new();
    let last = parser.parse_in_parts(&batch, |part| parts.push(part));
    assert!(parts.len() > 3, "{}", parts.len());
    parts.push(last);
    assert!(parts.iter().all(|part| part.items.len() <= 2_048));
    assert_eq!(parts.iter().map(|part| part.items.iter().flatten().count()).sum::<usize>(), 10_000);
    let told = |items: &Result<vigie_model::Observation, vigie_import::Bad>| {
        items.as_ref().map(|one| one.endpoint.port).map_err(|bad| bad.reason.clone())
    };
    let together: Vec<_> = parts.iter().flat_map(|part| part.items.iter().map(told)).collect();
    assert_eq!(together, whole.items.iter().map(told).collect::<Vec<_>>());
}
