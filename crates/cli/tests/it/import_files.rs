//! Whose a file is, archives, and what is said of what is not read, as `vigie import` tells it.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{code, stderr, stdout, text, vigie};

/// The exit code, the report, and what is said on standard error.
fn import(dir: &Path, files: &[&Path], more: &[&str]) -> (i32, serde_json::Value, String) {
    let (lake, errors) = (dir.join("lake"), dir.join("errors.jsonl"));
    let mut words = vec![
        "import",
        "--lake",
        text(&lake),
        "--errors",
        text(&errors),
        "--format",
        "json",
        "--quiet",
    ];
    words.extend(files.iter().map(|file| text(file)));
    words.extend(more);
    let output = vigie(&words);
    let told = serde_json::from_str(&stdout(&output)).unwrap_or(serde_json::Value::Null);
    (code(&output), told, stderr(&output))
}

/// An archive of files that are not packed.
fn zip(files: &[(&str, &[u8], u16)]) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), Vec::new());
    for (name, bytes, flags) in files {
        let offset = u32::try_from(out.len()).expect("small");
        let size = u32::try_from(bytes.len()).expect("small").to_le_bytes();
        // CRC-32, bit by bit.
        let crc = !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
            })
        });
        let mut common = vec![20, 0];
        common.extend_from_slice(&flags.to_le_bytes());
        common.extend_from_slice(&[0; 6]);
        common.extend_from_slice(&crc.to_le_bytes());
        common.extend_from_slice(&size);
        common.extend_from_slice(&size);
        common.extend_from_slice(&u16::try_from(name.len()).expect("short").to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(bytes);
        table.extend_from_slice(b"PK\x01\x02\x14\x00");
        table.extend_from_slice(&common);
        table.extend_from_slice(&[0; 10]);
        table.extend_from_slice(&offset.to_le_bytes());
        table.extend_from_slice(name.as_bytes());
    }
    let (start, count) = (
        u32::try_from(out.len()).expect("small"),
        u16::try_from(files.len()).expect("few").to_le_bytes(),
    );
    out.extend_from_slice(&table);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count);
    out.extend_from_slice(&count);
    out.extend_from_slice(&u32::try_from(table.len()).expect("small").to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out
}

fn written(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, bytes).expect("written");
    file
}

const REPORT: &[u8] = b"\"timestamp\",\"severity\",\"ip\",\"protocol\",\"port\",\"hostname\",\"tag\",\"asn\",\"geo\"\n\
\"2026-11-01 07:21:33\",\"info\",\"192.0.2.1\",\"tcp\",11434,,\"http\",64500,\"DE\"\n";
const FOFA: &[u8] = b"host,ip,port,protocol,title,lastupdatetime\nhttp://192.0.2.231:11434,192.0.2.231,11434,http,,2026-11-20 10:00:00\n";

#[test]
fn an_archive_is_read_file_by_file() {
    let dir = tempfile::tempdir().expect("a folder");
    let archive = zip(&[
        ("2026-11-01-scan_http-example.csv", REPORT, 0),
        ("fofa.csv", FOFA, 0),
        ("secret.csv", REPORT, 1),
        ("/etc/inner.zip", &zip(&[("a", REPORT, 0)]), 0),
        ("__MACOSX/._fofa.csv", b"\0\x05\x16\x07", 0),
    ]);
    let file = written(dir.path(), "mailed.zip", &archive);
    let (status, told, said) = import(dir.path(), &[&file], &[]);
    let files = told["files"].as_array().expect("files").clone();
    assert_eq!((status, files.len()), (2, 4), "what was not read is said: {told:#} {said}");
    for (one, (name, format)) in files.iter().zip([("scan_http-example.csv", "shadowserver"), ("fofa.csv", "fofa")]) {
        assert!(
            one["file"]
                .as_str()
                .is_some_and(|file| file.contains("mailed.zip: ") && file.ends_with(name)),
            "{one}"
        );
        assert_eq!((one["format"].as_str(), one["added"].as_u64()), (Some(format), Some(1)), "{one}");
    }
    assert!(files[2]["failed"].as_str().is_some_and(|why| why.contains("encrypted")));
    assert!(
        files[3]["failed"]
            .as_str()
            .is_some_and(|why| why.contains("archive within the archive"))
    );
    assert!(said.contains("1 files of macOS's own are left out"), "{said}");
    // The same through a pipe adds nothing.
    let mut child = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args([
            "import",
            "-",
            "--quiet",
            "--format",
            "json",
            "--lake",
            text(&dir.path().join("lake")),
        ])
        .args(["--errors", text(&dir.path().join("errors.jsonl"))])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("a pipe").write_all(&archive).expect("written");
    let output = child.wait_with_output().expect("it ends");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report");
    assert_eq!(
        (told["files"][1]["added"].as_u64(), told["files"][1]["duplicates"].as_u64()),
        (Some(0), Some(1)),
        "{told:#}"
    );
    // A broken one costs no other file.
    let broken = written(dir.path(), "broken.zip", &archive[..archive.len() - 30]);
    let other = written(dir.path(), "more.csv", FOFA);
    let (status, told, said) = import(dir.path(), &[&broken, &other], &[]);
    assert!(status == 2 && said.contains("cut off or damaged"), "{said}");
    assert_eq!(told["files"][1]["duplicates"], 1, "{told:#}");
}

#[test]
fn whose_a_file_is_is_asked_and_not_guessed() {
    let dir = tempfile::tempdir().expect("a folder");
    let list = written(
        dir.path(),
        "list.csv",
        b"host,ip,port,protocol\nhttp://192.0.2.1,192.0.2.1,80,http\n",
    );
    let (status, told, said) = import(dir.path(), &[&list], &[]);
    assert_eq!(status, 2, "{told:#}");
    assert!(
        said.contains("--from (naabu, fofa") && said.contains("it begins with host,ip,port,protocol"),
        "{said}"
    );
    let (status, told, said) = import(dir.path(), &[&list], &["--from", "fofa", "--seen", "2026-11-01"]);
    assert_eq!((status, told["files"][0]["added"].as_u64()), (0, Some(1)), "{told:#} {said}");
    // `http` is no transport: nothing is counted as UDP.
    let (status, told, _) = import(dir.path(), &[&list], &["--from", "naabu", "--seen", "2026-11-01"]);
    let one = &told["files"][0];
    assert_eq!(
        (status, one["bad"].as_u64(), one["not_tcp"].as_u64()),
        (2, Some(1), Some(0)),
        "{told:#}"
    );
    let errors = std::fs::read_to_string(dir.path().join("errors.jsonl")).expect("the error file");
    assert!(errors.contains("is not a transport"), "{errors}");
    let output = vigie(&["import", "--help"]);
    assert!(stdout(&output).contains("nuclei") && stdout(&output).contains("fofa"));
}

#[test]
fn a_refusal_says_what_to_export_and_shows_nothing_binary() {
    let dir = tempfile::tempdir().expect("a folder");
    let binary = [
        &b"masscan/1.1\ns:1700000000\n"[..],
        &[0, 1, 2, 0x1b, b'[', b'2', b'J', 0x9b, 0xff, 7].repeat(20),
    ]
    .concat();
    let odd: Vec<u8> = (0..=255_u8).cycle().take(5_000).collect();
    for (name, bytes, word) in [
        ("scan.bin", &binary[..], "--readscan"),
        (
            "shodan.csv",
            b"data,hostnames,ip,ip_str,port,timestamp\nx,y,1,192.0.2.1,80,2026-11-01T00:00:00\n",
            ".json.gz",
        ),
        ("httpx.csv", b"timestamp,port,url,input,title,status_code\n", "-json"),
        (
            "scan.nmap",
            b"# Nmap 7.93 scan initiated Tue Nov 10 10:00:00 2026 as: nmap\nNmap scan report for 192.0.2.1\n",
            "-oX",
        ),
        ("odd", &odd, "no text"),
    ] {
        let file = written(dir.path(), name, bytes);
        let (status, told, said) = import(dir.path(), &[&file], &[]);
        assert_eq!(status, 2, "{name}");
        assert!(
            said.contains(word) && told["files"][0]["failed"].as_str().is_some_and(|why| why.contains(word)),
            "{said}"
        );
        assert!(
            !said
                .chars()
                .any(|c| c.is_control() && c != '\n' || c == char::REPLACEMENT_CHARACTER),
            "{said:?}"
        );
    }
}

#[test]
fn host_discovery_is_counted_as_such() {
    let dir = tempfile::tempdir().expect("a folder");
    let lines = b"{\"ip\":\"192.0.2.152\",\"timestamp\":\"2025-12-30T13:24:26.014794763Z\",\"port\":0,\"protocol\":\"\",\"tls\":false}\n\
{\"ip\":\"192.0.2.153\",\"timestamp\":\"2025-12-30T13:24:26.014794763Z\",\"port\":null,\"protocol\":\"tcp\",\"tls\":false}\n";
    let file = written(dir.path(), "alive.jsonl", lines);
    let (status, told, said) = import(dir.path(), &[&file], &[]);
    let one = &told["files"][0];
    assert_eq!(
        (status, one["host_discovery"].as_u64(), one["not_tcp"].as_u64(), one["bad"].as_u64()),
        (0, Some(2), Some(0), Some(0)),
        "{said}"
    );
    let output = vigie(&["import", "--quiet", "--lake", text(&dir.path().join("lake")), text(&file)]);
    assert!(stdout(&output).contains("host discovery"), "{}", stdout(&output));
}

#[test]
fn a_file_of_bad_records_alone_says_why_and_what_to_do() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let errors = dir.path().join("errors.jsonl");
    for (name, bytes, from, words) in [
        (
            "a.txt",
            &b"192.0.2.1:80\n192.0.2.2:80\n"[..],
            "naabu",
            &["2 records", "says no time", "--seen"][..],
        ),
        ("b.txt", b"192.0.2.1\n", "zmap", &["1 record", "without a port", "--port"]),
        (
            "c.jsonl",
            b"{\"ip\":\"x\",\"port\":80}\n",
            "naabu",
            &["1 record", "not an address", "--from"],
        ),
    ] {
        let file = written(dir.path(), name, bytes);
        for format in ["table", "json"] {
            let words_of = [
                "import",
                "--from",
                from,
                "--lake",
                text(&lake),
                "--errors",
                text(&errors),
                "--format",
                format,
                "--quiet",
            ];
            let output = vigie(&[&words_of[..], &[text(&file)]].concat());
            let said = stderr(&output);
            assert_eq!(code(&output), 2, "{name}: {said}");
            for word in words.iter().chain(&[name, "line 1", "errors.jsonl"]) {
                assert!(said.contains(word), "{name} {format}: {word}: {said}");
            }
            assert!(!stdout(&output).contains("nothing was taken"), "it stands on standard error");
        }
    }
    // Where some were taken, the table says how many were bad.
    let both = written(dir.path(), "d.jsonl", b"{\"ip\":\"x\",\"port\":80}\n{\"ip\":\"192.0.2.1\",\"timestamp\":\"2026-11-01T07:21:33Z\",\"port\":80,\"protocol\":\"tcp\",\"tls\":false}\n");
    let (status, _, said) = import(dir.path(), &[&both], &["--from", "naabu"]);
    assert!(status == 0 && !said.contains("nothing was taken"), "{said}");
}

#[test]
fn damage_is_a_failure_and_what_follows_an_archive_a_warning() {
    let dir = tempfile::tempdir().expect("a folder");
    // REPORT in gzip, stored: no packer is needed for it.
    let size = u16::try_from(REPORT.len()).expect("small");
    let crc = !REPORT.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    });
    let gzip = |crc: u32| {
        let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x01".to_vec();
        out.extend_from_slice(&size.to_le_bytes());
        out.extend_from_slice(&(!size).to_le_bytes());
        out.extend_from_slice(REPORT);
        out.extend_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&u32::from(size).to_le_bytes());
        out
    };
    let (status, told, said) = import(dir.path(), &[&written(dir.path(), "a.csv.gz", &gzip(crc))], &[]);
    assert_eq!((status, &told["files"][0]["observations"]), (0, &serde_json::json!(1)), "{said}");
    let (status, told, said) = import(dir.path(), &[&written(dir.path(), "b.csv.gz", &gzip(crc ^ 1))], &[]);
    let one = &told["files"][0];
    assert_eq!((status, &one["observations"]), (2, &serde_json::json!(1)), "{told:#} {said}");
    assert!(
        one.get("unfinished").is_none() && said.contains("damaged") && !said.contains("unfinished"),
        "{said}"
    );
    let cut = gzip(crc);
    let (status, told, said) = import(dir.path(), &[&written(dir.path(), "c.csv.gz", &cut[..cut.len() - 5])], &[]);
    assert!(status == 5 && told["files"][0]["unfinished"]["certain"] == true, "{told:#} {said}");
    let junk = [&gzip(crc)[..], b"junk"].concat();
    let (status, told, said) = import(dir.path(), &[&written(dir.path(), "d.csv.gz", &junk)], &[]);
    assert_eq!((status, &told["files"][0]["bad"]), (0, &serde_json::json!(0)), "{said}");
    assert!(said.contains("warning") && said.contains("follows the end"), "{said}");
    // A file in a zip archive whose checksum is another.
    let mut archive = zip(&[("2026-11-01-scan_http-example.csv", REPORT, 0)]);
    let at = archive.windows(4).position(|four| four == b"PK\x01\x02").expect("a table") + 16;
    archive[at] ^= 1;
    let (status, told, said) = import(dir.path(), &[&written(dir.path(), "e.zip", &archive)], &[]);
    assert!(
        status == 2 && told["files"][0].get("unfinished").is_none() && said.contains("checksum"),
        "{told:#} {said}"
    );
}

#[test]
fn an_empty_list_is_an_empty_import_where_it_says_whose() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = written(dir.path(), "found.json", b"[]\n");
    let (status, _, said) = import(dir.path(), &[&file], &[]);
    assert!(status == 2 && said.contains("empty list"), "{said}");
    let (status, told, said) = import(dir.path(), &[&file], &["--from", "nuclei"]);
    assert!(
        status == 0 && told["files"][0]["bad"] == 0 && said.contains("no record in it"),
        "{said}"
    );
    let (status, _, said) = import(dir.path(), &[&written(dir.path(), "nuclei.json", b"[]")], &[]);
    assert!(status == 0 && said.contains("no record in it"), "{said}");
}
