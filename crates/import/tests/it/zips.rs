//! zip archives, sound and hostile. All are made here.

use std::fs::File;
use std::io::{Cursor, Read as _, Seek as _, Write as _};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use vigie_import::{Archive, ArchiveError, Format, Importer};

use crate::{data, import_with, options};

/// One file of an archive as it is written: name, general flags, method, packed bytes, CRC, size.
struct Part {
    name: Vec<u8>,
    flags: u16,
    method: u16,
    packed: Vec<u8>,
    crc: u32,
    size: u32,
}

fn deflated(name: &str, text: &[u8]) -> Part {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).expect("memory takes it");
    let mut crc = flate2::Crc::new();
    crc.update(text);
    Part {
        name: name.as_bytes().to_vec(),
        flags: 0,
        method: 8,
        packed: encoder.finish().expect("memory takes it"),
        crc: crc.sum(),
        size: u32::try_from(text.len()).expect("it is small"),
    }
}

fn stored(name: &str, text: &[u8]) -> Part {
    Part {
        method: 0,
        packed: text.to_vec(),
        ..deflated(name, text)
    }
}

/// The archive of some parts, byte by byte, so that a part may lie.
fn zip(parts: &[Part]) -> Vec<u8> {
    let (mut out, mut table) = (Vec::new(), Vec::new());
    for part in parts {
        let offset = u32::try_from(out.len()).expect("it is small");
        let mut common = Vec::new();
        common.extend_from_slice(&20_u16.to_le_bytes());
        common.extend_from_slice(&part.flags.to_le_bytes());
        common.extend_from_slice(&part.method.to_le_bytes());
        common.extend_from_slice(&[0; 4]);
        common.extend_from_slice(&part.crc.to_le_bytes());
        common.extend_from_slice(&u32::try_from(part.packed.len()).expect("it is small").to_le_bytes());
        common.extend_from_slice(&part.size.to_le_bytes());
        common.extend_from_slice(&u16::try_from(part.name.len()).expect("it is short").to_le_bytes());
        common.extend_from_slice(&0_u16.to_le_bytes());
        out.extend_from_slice(b"PK\x03\x04");
        out.extend_from_slice(&common);
        out.extend_from_slice(&part.name);
        out.extend_from_slice(&part.packed);
        table.extend_from_slice(b"PK\x01\x02\x14\x00");
        table.extend_from_slice(&common);
        table.extend_from_slice(&[0; 10]);
        table.extend_from_slice(&offset.to_le_bytes());
        table.extend_from_slice(&part.name);
    }
    let (start, count) = (u32::try_from(out.len()).expect("small"), u16::try_from(parts.len()).expect("few"));
    out.extend_from_slice(&table);
    out.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out.extend_from_slice(&u32::try_from(table.len()).expect("small").to_le_bytes());
    out.extend_from_slice(&start.to_le_bytes());
    out.extend_from_slice(&0_u16.to_le_bytes());
    out
}

fn on_disk(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("written");
    file.rewind().expect("it is a file");
    file
}

fn open(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    Archive::open(on_disk(bytes))
}

#[test]
fn each_file_is_read_in_its_own_format() {
    let report = data("shadowserver/2026-11-01-scan_http-example.csv");
    let lines = data("vigie/records.jsonl");
    let xml = data("nmap/services.xml");
    let bytes = zip(&[
        deflated("2026-11-01-scan_http-example.csv", &report),
        deflated("folder/", b""),
        stored("records.jsonl", &lines),
        deflated("folder/scan.xml", &xml),
    ]);
    assert!(Archive::is_one(&bytes));
    let mut archive = open(&bytes).expect("a sound archive");
    let entries = archive.entries().to_vec();
    let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["2026-11-01-scan_http-example.csv", "records.jsonl", "folder/scan.xml"]);
    for (entry, (format, text)) in entries
        .iter()
        .zip([(Format::Shadowserver, &report), (Format::Vigie, &lines), (Format::Nmap, &xml)])
    {
        let importer = Importer::new(archive.unpack(entry).expect("it is read"), None, options()).expect("recognised");
        assert_eq!(importer.format(), format);
        assert_eq!(importer.collect::<Vec<_>>(), import_with(text, None, options()));
    }
}

/// Names are shown and no more: nothing is written anywhere.
#[test]
fn names_lead_nowhere() {
    let long = "x".repeat(60_000);
    let lines = data("vigie/records.jsonl");
    let names = [
        "/etc/passwd",
        "../../../../etc/cron.d/x",
        "C:\\Windows\\x.csv",
        "a\u{1b}[2Jb\u{202e}c.csv",
        long.as_str(),
    ];
    let parts: Vec<Part> = names.iter().map(|name| deflated(name, &lines)).collect();
    let mut archive = open(&zip(&parts)).expect("a sound archive");
    for entry in archive.entries().to_vec() {
        assert!(entry.name.len() <= 512);
        let unpacked = archive.unpack(&entry).expect("it is read");
        assert_eq!(Importer::new(unpacked, None, options()).expect("recognised").count(), 12);
    }
    let mut part = deflated("x", &lines);
    part.name = vec![0xff, 0xfe, b'/'];
    part.name.push(b'z');
    assert!(open(&zip(&[part])).expect("a sound archive").entries()[0].name.ends_with("/z"));
}

#[test]
fn nested_encrypted_and_unsupported_archive_entries_are_rejected() {
    let lines = data("vigie/records.jsonl");
    let inner = zip(&[deflated("a", &lines)]);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(&lines).expect("memory takes it");
    let mut parts = vec![
        stored("inner.zip", &inner),
        deflated("inner.json.gz", &gz.finish().expect("memory takes it")),
        deflated("secret.csv", &lines),
        deflated("bzip2.csv", &lines),
        deflated("odd.csv", &lines),
        deflated("sound.jsonl", &lines),
    ];
    parts[2].flags = 1;
    parts[3].method = 12;
    parts[4].method = 4_711;
    let mut archive = open(&zip(&parts)).expect("a sound archive");
    let entries = archive.entries().to_vec();
    for (entry, word) in entries
        .iter()
        .zip(["within the archive", "within the archive", "encrypted", "BZIP2", "4711"])
    {
        let error = archive.unpack(entry).err().expect("it is refused");
        assert!(error.contains(word) && error.contains("unpack the"), "{}: {error}", entry.name);
    }
    assert!(archive.unpack(&entries[5]).is_ok(), "the others are read");
    let workbook = zip(&[deflated("[Content_Types].xml", b"<Types/>"), deflated("xl/workbook.xml", b"<x/>")]);
    assert!(open(&workbook).err().is_some_and(|error| error.to_string().contains("Excel")));
    // One that comes as a stream, or in gzip, says what it is.
    for text in [inner.clone(), {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&inner).expect("memory takes it");
        gz.finish().expect("memory takes it")
    }] {
        let error = Importer::new(Cursor::new(text), None, options()).err().expect("it is refused");
        assert!(error.to_string().contains("zip archive"), "{error}");
    }
}

#[test]
fn a_damaged_archive_is_an_error_and_never_a_panic() {
    let lines = b"{\"saddr\":\"192.0.2.1\",\"sport\":80,\"timestamp-ts\":1793517693}\n".repeat(3);
    let whole = zip(&[deflated("a.jsonl", &lines), stored("b.jsonl", &lines)]);
    for cut in [4, 30, 100, whole.len() / 2, whole.len() - 23, whole.len() - 1] {
        assert!(open(&whole[..cut]).is_err(), "{cut}");
    }
    let mut wrong = stored("a.jsonl", &lines);
    wrong.crc ^= 1;
    let mut archive = open(&zip(&[wrong])).expect("its table is sound");
    let entry = archive.entries()[0].clone();
    let items: Vec<_> = Importer::new(archive.unpack(&entry).expect("it begins"), None, options())
        .expect("recognised")
        .collect();
    let bad: Vec<_> = items.iter().filter_map(|item| item.as_ref().err()).collect();
    assert!(items.len() == 4 && bad.len() == 1, "what was whole is kept: {bad:?}");
    // Every byte may be wrong.
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 0x55;
        let Ok(mut archive) = open(&changed) else { continue };
        for entry in archive.entries().to_vec() {
            if let Ok(mut unpacked) = archive.unpack(&entry) {
                let _ = unpacked.read_to_end(&mut Vec::new());
            }
        }
    }
}

/// 40 MB of blanks in 40 kB, read within a bound of 24 MiB: it is met, and what came before is read.
#[test]
fn a_bomb_is_bounded() {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..40 {
        encoder.write_all(&blanks).expect("memory takes it");
    }
    let bomb = Part {
        packed: encoder.finish().expect("memory takes it"),
        size: 40 << 20,
        ..deflated("bomb.csv", b"")
    };
    assert!(bomb.packed.len() < 50_000, "{}", bomb.packed.len());
    let bytes = zip(&[deflated("a.jsonl", &data("vigie/records.jsonl")), bomb]);
    let bound = 24 << 20;
    let mut archive = open(&bytes).expect("its table is sound").within(bound);
    let entries = archive.entries().to_vec();
    let first = Importer::new(archive.unpack(&entries[0]).expect("it begins"), None, options()).expect("recognised");
    assert_eq!(first.count(), 12);
    let mut unpacked = archive.unpack(&entries[1]).expect("it begins");
    let (mut read, mut piece) = (0_u64, vec![0; 1 << 20]);
    let error = loop {
        match unpacked.read(&mut piece) {
            Ok(0) => panic!("it ends without an error after {read} bytes"),
            Ok(some) => read += some as u64,
            Err(error) => break error.to_string(),
        }
    };
    assert!(read <= bound && error.contains("bomb"), "{read} {error}");
    drop(unpacked);
    // Nothing more is unpacked of this archive.
    assert!(archive.unpack(&entries[0]).err().is_some_and(|error| error.contains("bomb")));
}

#[test]
fn a_table_without_end_is_cut() {
    let part = |number: usize| stored(&number.to_string(), b"");
    let parts: Vec<Part> = (0..10_001).map(part).collect();
    assert!(matches!(open(&zip(&parts)), Err(ArchiveError::TooMany)));
    assert!(open(&zip(&parts[..100])).is_ok_and(|archive| archive.entries().len() == 100));
}
