//! Memory does not grow with the file: each giant is read in a process of its own, whose peak is looked at.

use std::io::Read;
use std::process::Command;

use vigie_import::{Format, Importer};

use crate::{data, options};

/// Megabytes of text in the largest giant, and in the others: many times what may be kept.
const GIANT: u64 = 256;
const OTHERS: u64 = 96;

/// By how much the peak may grow, in KiB. What is read before counts as the base.
const ROOM: u64 = 48 * 1024;

/// A text that is made while it is read.
struct Made {
    before: Vec<u8>,
    piece: Vec<u8>,
    after: Vec<u8>,
    pieces: u64,
    at: usize,
    part: u8,
}

impl Made {
    fn new(megabytes: u64, before: &str, piece: Vec<u8>, after: &str) -> Self {
        let pieces = (megabytes << 20) / piece.len() as u64;
        Self {
            before: before.as_bytes().to_vec(),
            piece,
            after: after.as_bytes().to_vec(),
            pieces,
            at: 0,
            part: 0,
        }
    }
}

impl Read for Made {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let text = match self.part {
                0 => &self.before,
                1 => &self.piece,
                2 => &self.after,
                _ => return Ok(0),
            };
            let rest = &text[self.at..];
            let given = rest.len().min(buf.len());
            buf[..given].copy_from_slice(&rest[..given]);
            self.at += given;
            if self.at == text.len() {
                self.at = 0;
                if self.part == 1 && self.pieces > 1 {
                    self.pieces -= 1;
                } else {
                    self.part += 1;
                }
            }
            if given > 0 || self.part > 2 {
                return Ok(given);
            }
        }
    }
}

fn giant(kind: &str) -> (Made, Format) {
    let page = "x".repeat(1_000_000);
    match kind {
        "search-reply" => {
            let banner = String::from_utf8(data("shodan/banner.json"))
                .expect("text")
                .replace("Ollama is running", &page)
                .replace('\n', " ");
            (
                Made::new(
                    GIANT,
                    "{\"total\":9,\"matches\":[{\"ip_str\":\"x\"}",
                    format!(",{banner}").into_bytes(),
                    "],\"facets\":{}}",
                ),
                Format::Shodan,
            )
        }
        "array" => {
            let text = String::from_utf8(data("zgrab2/root.jsonl"))
                .expect("text")
                .replace("Ollama is running", &page)
                .replace('\n', " ");
            (Made::new(OTHERS, "[1", format!(",{text}").into_bytes(), "]"), Format::Zgrab2)
        }
        "xml" => {
            let text = String::from_utf8(data("nmap/services.xml")).expect("text");
            let (before, rest) = text.split_once("<host ").expect("a host");
            let (host, after) = rest.split_once("</host>").expect("its end");
            let host = format!("<host {host}<!-- {page} --></host>\n");
            (Made::new(OTHERS, before, host.into_bytes(), after), Format::Nmap)
        }
        // One line without an end, and a string that nothing closes.
        "line" => (Made::new(OTHERS, "{\"schema\":\"", page.clone().into_bytes(), ""), Format::Vigie),
        "string" => (Made::new(OTHERS, "{\"matches\":[{\"a\":\"", page.into_bytes(), ""), Format::Shodan),
        _ => (Made::new(OTHERS, "<nmaprun><host a=\"", page.into_bytes(), ""), Format::Nmap),
    }
}

/// Kibibytes at the peak of this process.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("it has a peak");
    line.split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .expect("a number")
}

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn one_giant() {
    let Ok(kind) = std::env::var("VIGIE_IMPORT_GIANT") else { return };
    // What the catalogue takes is there before.
    let _ = Importer::new(&data("shodan/download.jsonl")[..], None, options())
        .expect("it reads")
        .count();
    let before = peak();
    let (made, format) = giant(&kind);
    let mut importer = Importer::new(made, Some(format), options()).expect("it reads");
    let (mut good, mut bad) = (0_u64, 0_u64);
    for item in importer.by_ref() {
        match item {
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
    }
    let grown = peak() - before;
    eprintln!("giant {kind}: {good} good, {bad} bad, {grown} KiB more at the peak");
    assert!(grown < ROOM, "{kind}: {grown} KiB");
    match kind.as_str() {
        "search-reply" | "array" | "xml" => assert!(good > 90 && bad == u64::from(kind != "xml"), "{good} {bad}"),
        _ => assert_eq!((good, bad), (0, 1)),
    }
}

#[test]
fn memory_does_not_grow_with_the_file() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let me = std::env::current_exe().expect("it runs");
    for kind in ["search-reply", "array", "xml", "line", "string", "tag"] {
        let done = Command::new(&me)
            .args(["--ignored", "--exact", "stream::one_giant", "--nocapture"])
            .env("VIGIE_IMPORT_GIANT", kind)
            .output()
            .expect("it starts");
        let told = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && told.contains("giant "), "{kind}: {told}");
    }
}
