use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vigie_detect::Subject;

use super::chain::{Head, SigningKey, VerifyingKey};
use super::line::Line;
use super::*;

struct Keys {
    pkcs8: Vec<u8>,
    verifying: VerifyingKey,
}

impl Keys {
    fn new() -> Self {
        let pkcs8 = SigningKey::generate().expect("random");
        let verifying = SigningKey::read(&pkcs8).expect("a key").verifying();
        Self { pkcs8, verifying }
    }

    fn signing(&self) -> SigningKey {
        SigningKey::read(&self.pkcs8).expect("a key")
    }

    fn open(&self, dir: &Path, options: LogOptions) -> Log {
        Log::open(dir, self.signing(), options).unwrap_or_else(|error| panic!("{error}"))
    }
}

fn request(key: &str, address: &str) -> Entry {
    let mut entry = RequestEntry::begun("00ff".to_owned(), address.parse().expect("an address"));
    entry.client.key = Some((key.to_owned(), "a name".to_owned()));
    "POST".clone_into(&mut entry.method);
    "/api/chat".clone_into(&mut entry.path);
    entry.status = Some(200);
    entry.outcome = Outcome::Answered;
    Entry::Request(Box::new(entry))
}

fn stopped() -> Entry {
    Entry::Change(Change::Stopped)
}

/// A log of three requests and a change, closed and opened again.
fn written(dir: &Path) -> (Keys, PathBuf, Vec<String>) {
    let keys = Keys::new();
    let log = keys.open(dir, LogOptions::default());
    log.record(request("key-1", "192.0.2.1:1"));
    log.record(request("key-2", "192.0.2.2:2"));
    log.record_keys(
        2,
        vec![KeyChange {
            what: KeyEvent::Created,
            id: "key-1".to_owned(),
            name: "a name".to_owned(),
        }],
    );
    drop(log);
    // It goes on where it was.
    let log = keys.open(dir, LogOptions::default());
    log.record(request("key-1", "192.0.2.1:3"));
    drop(log);
    let file = files(dir).expect("listed").pop().expect("a file");
    let lines = read_to_string(&file).expect("read").lines().map(str::to_owned).collect();
    (keys, file, lines)
}

fn check(dir: &Path, key: &VerifyingKey, heads: &[Head]) -> Report {
    let range = Range {
        heads: heads.iter().map(|head| (1, head.clone())).collect(),
        ..Range::default()
    };
    verify(dir, key, &range).expect("read")
}

fn kinds(dir: &Path, key: &VerifyingKey, heads: &[Head]) -> Vec<&'static str> {
    check(dir, key, heads).faults.iter().map(|fault| fault.kind).collect()
}

fn write(file: &Path, lines: &[&str]) {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    std::fs::write(file, text).expect("written");
}

#[test]
fn a_log_that_nobody_touched_is_sound_and_one_that_somebody_did_is_not() {
    let dir = tempfile::tempdir().expect("a folder");
    let (keys, file, lines) = written(dir.path());
    let key = &keys.verifying;
    let report = check(dir.path(), key, &[]);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.lines, report.first, report.signed), (6, Some(1), Some(6)));
    let head = report.head.expect("a head");
    let all: Vec<&str> = lines.iter().map(String::as_str).collect();
    let [one, two, three, four, five, six] = all[..] else {
        panic!("{all:?}")
    };

    for (from, to) in [
        ("\"effect\":null", "\"effect\":\"x\""),
        ("192.0.2.2", "192.0.2.3"),
        ("\"salt\":\"", "\"salt\":\"0"),
    ] {
        let altered = two.replace(from, to);
        assert_ne!(altered, two);
        write(&file, &[one, &altered, three, four, five, six]);
        assert_eq!(kinds(dir.path(), key, &[]), ["altered"], "{from}");
    }
    write(&file, &[one, three, four, five, six]);
    assert_eq!(kinds(dir.path(), key, &[]), ["cut"]);
    write(&file, &[two, one, three, four, five, six]);
    assert!(kinds(dir.path(), key, &[]).contains(&"reordered"));
    write(&file, &[one, "{}", three, four, five, six]);
    assert_eq!(kinds(dir.path(), key, &[]).first(), Some(&"unreadable"));
    write(&file, &[two, three, four, five, six]);
    assert_eq!(kinds(dir.path(), key, &[]), ["cut"], "a missing beginning needs an entry");
    write(&file, &[one, two, three, four, five, six, one]);
    assert_eq!(kinds(dir.path(), key, &[]), ["reordered"]);
    let other = tempfile::tempdir().expect("a folder");
    let (_, _, others) = written(other.path());
    write(&file, &[one, two, three, four, five, six, &others[0]]);
    assert_eq!(kinds(dir.path(), key, &[]), ["begun-anew"]);
    // An end that is cut off shows only against a head that was kept elsewhere.
    write(&file, &[one, two, three]);
    assert!(kinds(dir.path(), key, &[]).is_empty());
    assert_eq!(kinds(dir.path(), key, std::slice::from_ref(&head)), ["cut"]);
    write(&file, &all);
    assert!(kinds(dir.path(), key, &[head]).is_empty());
    assert_eq!(kinds(dir.path(), &Keys::new().verifying, &[]), ["key", "key"], "another key");
}

#[test]
fn any_byte_counts() {
    let dir = tempfile::tempdir().expect("a folder");
    let (keys, file, _) = written(dir.path());
    let whole = std::fs::read(&file).expect("read");
    for at in (0..whole.len()).step_by(29) {
        let mut other = whole.clone();
        other[at] ^= 1;
        std::fs::write(&file, &other).expect("written");
        assert!(!check(dir.path(), &keys.verifying, &[]).is_sound(), "byte {at}");
    }
}

#[test]
fn nobody_without_the_key_adds_or_alters_a_line_since_the_last_signature() {
    let dir = tempfile::tempdir().expect("a folder");
    let (keys, file, lines) = written(dir.path());
    // A crash left two lines that are not signed: the last two of the first run.
    let tail: Vec<&str> = lines[..3].iter().map(String::as_str).collect();
    write(&file, &tail);
    assert!(check(dir.path(), &keys.verifying, &[]).is_sound());
    drop(keys.open(dir.path(), LogOptions::default()));
    let report = check(dir.path(), &keys.verifying, &[]);
    assert!(
        report.is_sound() && report.signed == Some(4),
        "the next start signs them: {report:?}"
    );

    let altered = lines[2].replace("\"count\":2", "\"count\":3");
    assert_ne!(altered, lines[2]);
    write(&file, &[tail[0], tail[1], &altered]);
    let opened = Log::open(dir.path(), keys.signing(), LogOptions::default());
    assert!(matches!(opened, Err(LogError::Altered(_, 3))), "{opened:?}");
    write(&file, &tail);
    let other = Log::open(dir.path(), Keys::new().signing(), LogOptions::default());
    assert!(matches!(other, Err(LogError::Altered(_, 1))), "another key cannot go on: {other:?}");
}

#[test]
fn what_a_crash_left_of_a_line_is_taken_off() {
    let dir = tempfile::tempdir().expect("a folder");
    let (keys, file, lines) = written(dir.path());
    let mut torn = std::fs::read(&file).expect("read");
    torn.extend_from_slice(b"{\"time\": 17");
    std::fs::write(&file, torn).expect("written");
    assert_eq!(kinds(dir.path(), &keys.verifying, &[]), ["cut"]);
    keys.open(dir.path(), LogOptions::default()).record(stopped());
    let report = check(dir.path(), &keys.verifying, &[]);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.lines, lines.len() as u64 + 2);
}

#[test]
fn processes_that_write_at_once_have_streams_of_their_own() {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = Keys::new();
    let first = keys.open(dir.path(), LogOptions::default());
    let second = keys.open(dir.path(), LogOptions::default());
    assert_eq!((first.stream(), second.stream()), (1, 2));
    assert!(matches!(Log::open_alone(dir.path(), keys.signing()), Err(LogError::Locked(_))));
    first.record(stopped());
    second.record(stopped());
    drop(second);
    first.record(stopped());
    drop(first);
    // The first names the second.
    let report = check(dir.path(), &keys.verifying, &[]);
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(report.streams.iter().map(|stream| stream.lines).collect::<Vec<_>>(), [3, 2]);
    let text = read_to_string(&files(dir.path()).expect("listed")[0]).expect("read");
    assert!(text.contains("\"streams\":{\"2\":\"2:"), "{text}");
    let file = dir.path().join("2").join("audit-000000000001.jsonl");
    let lines = read_to_string(&file).expect("read");
    write(&file, &[lines.lines().next().expect("a line")]);
    assert_eq!(kinds(dir.path(), &keys.verifying, &[]), ["cut"], "the end of the second");
    std::fs::remove_dir_all(dir.path().join("2")).expect("removed");
    assert_eq!(kinds(dir.path(), &keys.verifying, &[]), ["cut"], "all of the second");
}

#[test]
fn a_range_is_proved_from_a_line_to_a_head() {
    let dir = tempfile::tempdir().expect("a folder");
    let (keys, file, lines) = written(dir.path());
    let head = |number: usize| Line::read(lines[number - 1].as_bytes()).expect("it reads").head();
    let range = |from: u64, hash: Option<String>, to: usize| Range {
        from: [(1, From { seq: from, hash })].into(),
        heads: vec![(1, head(to))],
    };
    let kinds = |range: &Range| -> Vec<&str> {
        let report = verify(dir.path(), &keys.verifying, range).expect("read");
        report.faults.iter().map(|fault| fault.kind).collect()
    };
    // The lines before are not needed, and not looked at.
    let rest: Vec<&str> = lines[2..].iter().map(String::as_str).collect();
    write(&file, &rest);
    assert!(kinds(&range(3, None, 6)).is_empty());
    assert!(kinds(&range(3, Some(head(3).hash), 5)).is_empty());
    assert_eq!(kinds(&range(2, None, 6)), ["cut"]);
    assert_eq!(kinds(&range(3, Some(head(4).hash), 6)), ["altered"]);
}

#[test]
fn files_are_read_compressed_and_a_missing_one_is_noticed() {
    use std::io::Write as _;
    let dir = tempfile::tempdir().expect("a folder");
    let keys = Keys::new();
    for number in 0..3 {
        let log = keys.open(dir.path(), LogOptions::default());
        log.with(|stream, _| stream.rotate()).expect("rotated");
        for _ in 0..=number {
            log.record(request("key-1", "192.0.2.1:1"));
        }
    }
    let all = files(dir.path()).expect("listed");
    assert_eq!(all.len(), 3);
    assert!(check(dir.path(), &keys.verifying, &[]).is_sound());
    let text = std::fs::read(&all[1]).expect("read");
    let packed = all[1].with_extension("jsonl.gz");
    let mut out = flate2::write::GzEncoder::new(std::fs::File::create(&packed).expect("made"), flate2::Compression::fast());
    out.write_all(&text).expect("packed");
    out.finish().expect("packed");
    std::fs::remove_file(&all[1]).expect("removed");
    let report = check(dir.path(), &keys.verifying, &[]);
    assert!(report.is_sound() && report.lines == 9, "{report:?}");
    std::fs::remove_file(&packed).expect("removed");
    let report = check(dir.path(), &keys.verifying, &[]);
    assert_eq!(report.faults.len(), 1);
    assert_eq!(
        (report.faults[0].kind, report.faults[0].line, &report.faults[0].file),
        ("cut", 1, &all[2])
    );
    assert!(report.faults[0].detail.contains("lines 3 to 5"), "{report:?}");
    std::fs::write(all[1].with_extension("jsonl.zst"), "x").expect("written");
    let error = verify(dir.path(), &keys.verifying, &Range::default()).expect_err("zstd");
    assert!(error.to_string().contains("zstd -d"), "{error}");
}

#[test]
fn a_person_is_erased_and_the_chain_is_as_it_was() {
    let dir = tempfile::tempdir().expect("a folder");
    let (keys, file, _) = written(dir.path());
    let second = keys.open(dir.path(), LogOptions::default());
    let third = keys.open(dir.path(), LogOptions::default());
    third.record(request("key-2", "192.0.2.1:9"));
    for subject in [
        Subject::Key("key-1".to_owned()),
        Subject::of_address("192.0.2.1".parse().expect("an address")),
    ] {
        third.record(Entry::Change(Change::Alert {
            alert: json!({"detector": "x", "subject": subject}),
        }));
        third.record(Entry::Change(Change::Sanction {
            detector: "x",
            subject: subject.to_string(),
            what: "block",
            seconds: 60,
            holds: true,
        }));
    }
    drop((second, third));
    let before = check(dir.path(), &keys.verifying, &[]);
    let erase = |person: &Person, before| erase(dir.path(), keys.signing(), person, before).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(erase(&Person::Key("key-9".to_owned()), None).lines, 0);
    assert_eq!(
        erase(&Person::Key("key-1".to_owned()), Some(vigie_model::Timestamp::UNIX_EPOCH)).lines,
        0
    );
    assert_eq!(
        erase(&Person::Key("key-1".to_owned()), None).lines,
        5,
        "two requests, the key itself, an alert and a block"
    );
    assert_eq!(
        erase(&Person::Address("192.0.2.1".parse().expect("an address")), None).lines,
        3,
        "in the other stream: a request, an alert and a block"
    );
    let text = read_to_string(&file).expect("read");
    assert!(
        !text.contains("192.0.2.1") && text.contains("192.0.2.2") && !text.contains("\"uid\":\"key-1\""),
        "{text}"
    );
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        assert!(event["unmapped"]["erased"].is_null() || event["unmapped"]["salt"].is_null());
    }
    let report = check(dir.path(), &keys.verifying, &[before.head.expect("a head")]);
    assert!(report.is_sound() && report.erased == 8, "{report:?}");

    // Somebody else erases a line.
    let at = text.find("\"salt\"").expect("a line that is whole");
    let line = text[..at].rfind('\n').map_or(0, |at| at + 1);
    let end = at + text[at..].find('\n').expect("its end");
    let placed = super::line::Placed::read(&text.as_bytes()[line..end]).expect("it reads");
    let forged = format!("{}{}{}", &text[..line + placed.rest_at], super::line::ERASED, &text[end..]);
    std::fs::write(&file, forged).expect("written");
    assert_eq!(kinds(dir.path(), &keys.verifying, &[]), ["erased"]);
}

#[test]
fn old_files_are_removed_and_the_log_says_so() {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = Keys::new();
    let write_one = |options: LogOptions| {
        let log = keys.open(dir.path(), options);
        log.with(|stream, _| stream.rotate()).expect("rotated");
        log.record(request("key-1", "192.0.2.1:1"));
        // The look for old files comes with the first signature.
        std::thread::sleep(Duration::from_millis(1_200));
    };
    write_one(LogOptions::default());
    write_one(LogOptions::default());
    let old = files(dir.path()).expect("listed");
    write_one(LogOptions {
        keep: Some(Duration::from_millis(1)),
        ..LogOptions::default()
    });
    assert!(old.iter().all(|file| !file.exists()), "{:?}", files(dir.path()));
    let report = check(dir.path(), &keys.verifying, &[]);
    assert!(report.is_sound() && report.removed && report.first == Some(5), "{report:?}");
    // Without that entry it is a cut.
    let file = files(dir.path()).expect("listed").pop().expect("a file");
    let text = read_to_string(&file).expect("read");
    let lines: Vec<&str> = text.lines().filter(|line| !line.contains("\"removed\"")).collect();
    assert_ne!(lines.len(), text.lines().count());
    write(&file, &lines);
    assert!(kinds(dir.path(), &keys.verifying, &[]).contains(&"cut"));
}

#[test]
fn a_stream_that_nobody_writes_any_more_loses_old_files_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let keys = Keys::new();
    let (first, second) = (
        keys.open(dir.path(), LogOptions::default()),
        keys.open(dir.path(), LogOptions::default()),
    );
    second.record(request("key-1", "192.0.2.1:1"));
    drop(second);
    first.record(stopped());
    drop(first);
    let idle = files(&dir.path().join("2")).expect("listed");
    let options = LogOptions {
        keep: Some(Duration::from_millis(1)),
        ..LogOptions::default()
    };
    drop(keys.open(dir.path(), options));
    assert!(!idle.is_empty() && idle.iter().all(|file| !file.exists()), "{idle:?}");
    let report = check(dir.path(), &keys.verifying, &[]);
    assert!(report.is_sound() && report.streams.len() == 2, "{report:?}");
}

#[test]
fn a_user_agent_is_short_and_printable() {
    assert_eq!(user_agent("curl/8\u{1b}[31m\r\n é"), "curl/8[31m ");
    assert_eq!(user_agent(&"x".repeat(300)).len(), 120);
}

#[test]
fn logs_of_version_1_are_read_and_gone_on_with() {
    let dir = tempfile::tempdir().expect("a folder");
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/log-1");
    std::fs::copy(here.join("audit-000000000001.jsonl"), dir.path().join("audit-000000000001.jsonl")).expect("copied");
    let key: VerifyingKey = read_to_string(here.join("log-signing.pub")).expect("read").parse().expect("a key");
    let before = check(dir.path(), &key, &[]);
    assert!(before.is_sound() && before.lines > 5, "{before:?}");
    let signing = || SigningKey::read(&std::fs::read(here.join("log-signing.pk8")).expect("read")).expect("a key");
    Log::open(dir.path(), signing(), LogOptions::default())
        .expect("opens")
        .record(request("key-1", "192.0.2.1:1"));
    let after = check(dir.path(), &key, &[before.head.expect("a head")]);
    assert!(after.is_sound(), "{after:?}");
    assert_eq!(after.lines, before.lines + 2);
    assert_eq!(after.signed, Some(after.lines));
    // Its lines cannot be erased, and that is said.
    let text = read_to_string(dir.path().join("audit-000000000001.jsonl")).expect("read");
    let address = text
        .split("\"ip\":\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("an address");
    let erased = erase(dir.path(), signing(), &Person::Address(address.parse().expect("an address")), None).expect("erased");
    assert!(erased.lines == 0 && erased.left > 0, "{erased:?}");
    let at = text.find("\"chunks\":").expect("a request");
    let mut altered = text.into_bytes();
    altered[at + 1] ^= 1;
    std::fs::write(dir.path().join("audit-000000000001.jsonl"), altered).expect("written");
    assert_eq!(kinds(dir.path(), &key, &[]), ["altered"]);
}
