//! A text that ends early is read as far as it goes, and said to be unfinished.

use std::io::Write as _;

use vigie_import::{Format, Importer, Unfinished};

use crate::{data, options};

struct Gave {
    good: Vec<String>,
    bad: usize,
    passed: u64,
    unfinished: Option<Unfinished>,
}

fn gave(bytes: &[u8], format: Format) -> Gave {
    let mut given = options();
    given.default_port = Some(80);
    given.seen = Some(crate::at("2026-11-01T00:00:00Z"));
    let mut importer = Importer::new(bytes, Some(format), given).expect("a slice reads");
    let (mut good, mut bad) = (Vec::new(), 0);
    for item in importer.by_ref() {
        match item {
            Ok(one) => good.push(serde_json::to_string(&one).expect("it writes")),
            Err(_) => bad += 1,
        }
    }
    let passed = importer.passed_over();
    Gave {
        good,
        bad,
        passed: passed.not_open + passed.not_tcp,
        unfinished: importer.unfinished().cloned(),
    }
}

/// A sample, its format, and whether the format has an end of its own.
const SAMPLES: [(&str, Format, bool); 25] = [
    ("shodan/download.jsonl", Format::Shodan, false),
    ("shodan/search.json", Format::Shodan, true),
    ("shodan/banner.json", Format::Shodan, true),
    ("shodan/host.json", Format::Shodan, true),
    ("censys/search.json", Format::Censys, true),
    ("censys/asset.json", Format::Censys, true),
    ("censys/hosts.jsonl", Format::Censys, false),
    ("censys/v2-search.json", Format::Censys, true),
    ("zmap/addresses.txt", Format::Zmap, false),
    ("zmap/fields.csv", Format::Zmap, false),
    ("zmap/fields.jsonl", Format::Zmap, false),
    ("zgrab2/root.jsonl", Format::Zgrab2, false),
    ("masscan/newer.json", Format::Masscan, true),
    ("masscan/older.json", Format::Masscan, true),
    ("masscan/trailing-comma.json", Format::Masscan, true),
    ("masscan/list.txt", Format::Masscan, true),
    ("masscan/scan.xml", Format::Masscan, true),
    ("masscan/grepable.txt", Format::Masscan, true),
    ("nmap/services.xml", Format::Nmap, true),
    ("nmap/ports.xml", Format::Nmap, true),
    ("naabu/ports.jsonl", Format::Naabu, false),
    ("naabu/ports.txt", Format::Naabu, false),
    ("httpx/plain.jsonl", Format::Httpx, false),
    ("shadowserver/2026-11-01-scan_http-example.csv", Format::Shadowserver, false),
    ("vigie/records.jsonl", Format::Vigie, false),
];

#[test]
fn a_sample_cut_anywhere_is_reported_as_unfinished() {
    for (name, format, has_end) in SAMPLES {
        let bytes = data(name);
        let whole = gave(&bytes, format);
        assert_eq!(whole.unfinished, None, "{name}");
        let length = bytes.trim_ascii_end().len();
        // Every byte of the small ones, and of the large ones what a test has the time for.
        let step = (bytes.len() / 150).max(1);
        let lines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        for at in (1..length).step_by(step).chain(lines.filter(|at| *at < length)).chain([length - 1]) {
            let cut = gave(&bytes[..at], format);
            let told = cut.bad > 0 || cut.unfinished.is_some();
            let lost = cut.good.len() < whole.good.len() || cut.passed < whole.passed;
            let invented = cut.good.iter().any(|one| !whole.good.contains(one));
            let at_line = bytes[at - 1] == b'\n';
            // Between two lines of a format without an end, nothing tells that there were more.
            let silent = !has_end && (at_line || bytes[..at].ends_with(b"}"));
            assert!(
                told || silent || !(lost || invented),
                "{name} cut at {at} of {length}: {:?}",
                String::from_utf8_lossy(&bytes[at.saturating_sub(30)..at])
            );
            assert!(
                !invented || cut.unfinished.is_some(),
                "{name} cut at {at}: a record that the whole does not have"
            );
            // A document is unfinished wherever it is cut, once it has begun.
            let begun = !matches!(format, Format::Nmap | Format::Masscan) || at > 500;
            if has_end && begun {
                let said = cut.unfinished.as_ref().is_some_and(|unfinished| unfinished.certain);
                assert!(said || cut.bad > whole.bad, "{name} cut at {at} of {length}: {:?}", cut.unfinished);
            }
        }
    }
}

#[test]
fn an_nmap_run_without_its_end() {
    let header = data("nmap/header-only.xml");
    let told = gave(&header, Format::Nmap);
    assert_eq!((told.good.len(), told.bad), (0, 0));
    let unfinished = told.unfinished.expect("it ends early");
    assert!(unfinished.certain && unfinished.reason.contains("ends"), "{unfinished:?}");
    assert_eq!(Format::recognise(&header, None), Some(Format::Nmap));
    let text = String::from_utf8(data("nmap/torn.xml")).expect("text");
    // Between hosts: what stands before is read.
    let second = text.match_indices("<host ").nth(1).expect("a second host").0;
    let told = gave(&text.as_bytes()[..second], Format::Nmap);
    assert_eq!((told.good.len(), told.bad), (1, 0));
    let line = text[..second].matches('\n').count() as u64 + 1;
    assert!(
        told.unfinished
            .is_some_and(|unfinished| unfinished.certain && unfinished.line == line)
    );
    // Within a host: the ports that are whole are read, the one that is not is bad.
    let port = text.rfind("<service").expect("a service");
    let within = text.match_indices("portid=\"139\"").next().expect("a port").0;
    let told = gave(&text.as_bytes()[..within], Format::Nmap);
    assert_eq!((told.good.len(), told.bad), (2, 2), "{:?}", told.good);
    let told = gave(&text.as_bytes()[..port], Format::Nmap);
    assert!(
        told.bad == 2 && !told.good.iter().any(|one| one.contains("192.0.2.53")),
        "{:?}",
        told.good
    );
    // Two runs in one file, the first of which has its end.
    let two = format!(
        "{}{}",
        String::from_utf8(data("nmap/ports.xml")).expect("text"),
        String::from_utf8(header).expect("text")
    );
    assert!(gave(two.as_bytes(), Format::Nmap).unfinished.is_some());
    let twice = data("nmap/ports.xml").repeat(2);
    assert_eq!(gave(&twice, Format::Nmap).unfinished, None);
}

#[test]
fn a_last_line_without_its_end() {
    let line = "{\"saddr\":\"192.0.2.1\",\"sport\":80}";
    let certain = |text: &str, format| gave(text.as_bytes(), format).unfinished.map(|unfinished| unfinished.certain);
    assert_eq!(certain(line, Format::Zmap), None, "an object that is closed is whole");
    assert_eq!(certain(&line[..line.len() - 1], Format::Zmap), Some(true));
    // A port or an address may have been longer.
    let told = gave(b"192.0.2.17:8000\n192.0.2.1:80", Format::Naabu);
    assert_eq!((told.good.len(), told.bad), (2, 0));
    assert!(
        told.unfinished
            .is_some_and(|unfinished| !unfinished.certain && unfinished.line == 2)
    );
    assert_eq!(certain("192.0.2.17:8000\n192.0.2.1:80\n", Format::Naabu), None);
    // One that cannot be read is a part of one.
    assert_eq!(certain("192.0.2.17:8000\n192.0.", Format::Naabu), Some(true));
    assert_eq!(certain("192.0.2.17\n192.0.", Format::Zmap), Some(true));
    // A masscan list and a greppable output end in a line of their own.
    assert_eq!(certain("#masscan\nopen tcp 80 192.0.2.1 1793517693\n", Format::Masscan), Some(true));
    assert_eq!(certain("#masscan\n", Format::Masscan), Some(true));
    assert_eq!(
        certain("open tcp 80 192.0.2.1 1793517693\n", Format::Masscan),
        None,
        "a part of one, made by hand"
    );
    let record = data("vigie/records.jsonl");
    let line = record.split(|byte| *byte == b'\n').next().expect("a line");
    assert_eq!(gave(line, Format::Vigie).unfinished, None);
    assert!(
        gave(&line[..line.len() - 1], Format::Vigie)
            .unfinished
            .is_some_and(|unfinished| unfinished.certain)
    );
}

#[test]
fn an_archive_that_ends_early() {
    let lines = data("vigie/records.jsonl");
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(&lines).expect("memory takes it");
    let gzip = packer.finish().expect("memory takes it");
    let zstd = zstd::encode_all(&lines[..], 3).expect("memory takes it");
    for packed in [gzip, zstd] {
        assert_eq!(gave(&packed, Format::Vigie).unfinished, None);
        for at in (4..packed.len()).step_by(7).chain([packed.len() - 1]) {
            let told = gave(&packed[..at], Format::Vigie);
            assert!(told.unfinished.is_some_and(|unfinished| unfinished.certain) && told.bad > 0, "{at}");
            // It is not empty, though nothing came out of it yet.
            let error = Importer::new(&packed[..at], None, options()).err();
            assert!(error.is_none_or(|error| error.to_string().contains("cut off")), "{at}");
        }
    }
}

#[test]
fn a_broken_record_is_no_missing_end() {
    for (text, unfinished) in [
        ("[\n{\"saddr\":\"192.0.2.1\",\"sport\":80},\n{\"saddr\":\n]\n", false),
        ("[\n{\n\"saddr\":\"192.0.2.1\",\n\"sport\":80\n},\n{\n\"saddr\":[\n}\n]\n", false),
        ("[\n{\n\"saddr\":\"192.0.2.1\",\n\"sport\":80\n},\n{\n\"saddr\":[\n}\n", true),
        ("{\"saddr\":\"192.0.2.1\",\"sport\":80}\n{\"saddr\":\n", false),
        ("[\n{\"saddr\":\"192.0.2.1\",\"sport\":80},\n]\n[\n]\n", false),
    ] {
        let told = gave(text.as_bytes(), Format::Zmap);
        assert_eq!(told.unfinished.is_some(), unfinished, "{text:?}: {:?}", told.unfinished);
        assert_eq!(told.good.len(), 1, "{text:?}");
    }
}
