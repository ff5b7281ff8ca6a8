//! What an import takes of memory, and what it leaves on disk.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::{stderr, text};

/// Kilobytes of address space, much of which is only reserved: an import of this file took more than 3,000,000, and now takes less than
/// 1,000,000.
const ADDRESS_SPACE: u32 = 2_000_000;

/// Kilobytes that no import may take, however it is made: half a gigabyte. The tests' binary has some tens of megabytes more in it.
const BOUND: u64 = 400 * 1024;

/// What the system says that a process took at most, in kilobytes, as long as it lives.
fn peak_of(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// Imports a file with that much address space; gives what it says, and the peak of its memory in kilobytes.
fn import(lake: &Path, of: &[&Path]) -> (serde_json::Value, u64) {
    let mut child = Command::new("sh")
        .args([
            "-c",
            &format!("ulimit -v {ADDRESS_SPACE} && exec \"$0\" \"$@\""),
            env!("CARGO_BIN_EXE_vigie"),
        ])
        .args(["import", "--lake", text(lake), "--errors"])
        .arg(lake.with_extension("errors"))
        .args(["--format", "json", "--quiet"])
        .args(of)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a shell starts");
    let begun = Instant::now();
    let mut peak = 0;
    while child.try_wait().expect("waited").is_none() && begun.elapsed() < Duration::from_secs(300) {
        peak = peak.max(peak_of(child.id()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("it ends");
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    (told, peak)
}

fn files(folder: &Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let one = |path: std::path::PathBuf| match path.is_dir() {
        true => files(&path),
        false => usize::from(path.extension().is_some_and(|extension| extension == "parquet")),
    };
    entries.map(|entry| one(entry.expect("an entry").path())).sum()
}

/// A line of a port scanner for each of so many days, in an order of its own.
fn days(count: i64) -> String {
    let first = chrono::DateTime::from_timestamp(1_704_103_200, 0).expect("a time");
    // Coprime to the count: every day once, far from the one before.
    let line = |number: i64| {
        let day = number * 181 % count;
        let seen = first + chrono::TimeDelta::days(day);
        format!(
            "{{\"ip\":\"192.0.2.{}\",\"timestamp\":\"{}\",\"port\":11434,\"protocol\":\"tcp\",\"tls\":false}}\n",
            day % 250 + 1,
            seen.format("%Y-%m-%dT%H:%M:%SZ")
        )
    };
    (0..count).map(line).collect()
}

#[test]
fn a_file_of_many_days_takes_no_more_than_one_of_few() {
    let dir = tempfile::tempdir().expect("a folder");
    let (lake, file) = (dir.path().join("lake"), dir.path().join("days.jsonl"));
    std::fs::write(&file, days(450)).expect("written");
    let (told, peak) = import(&lake, &[&file]);
    assert_eq!(
        (told["files"][0]["added"].as_u64(), told["files"][0]["bad"].as_u64()),
        (Some(450), Some(0)),
        "{told:#}"
    );
    assert!(peak < 300 * 1024, "{peak} kB");
    assert_eq!(files(&lake.join("observations")), 450, "a file for each day");
    assert_eq!(files(&lake.join("states")), 1);

    let (again, _) = import(&lake, &[&file]);
    assert_eq!(
        (again["files"][0]["added"].as_u64(), again["files"][0]["duplicates"].as_u64()),
        (Some(0), Some(450)),
        "{again:#}"
    );
    assert_eq!(files(&lake), 451);
}

/// More than one commit holds: each takes whole days, so that none is divided between two.
#[test]
fn a_day_is_one_file_however_many_are_gathered() {
    let dir = tempfile::tempdir().expect("a folder");
    let (lake, file) = (dir.path().join("lake"), dir.path().join("days.jsonl"));
    let days = days(300);
    let hosts = (0..200).map(|host| days.replace("\"ip\":\"192.0.2.", &format!("\"ip\":\"10.0.{host}.")));
    std::fs::write(&file, hosts.collect::<String>()).expect("written");
    let (told, _) = import(&lake, &[&file]);
    assert_eq!(told["files"][0]["added"].as_u64(), Some(60_000), "{told:#}");
    assert_eq!(files(&lake.join("observations")), 300);
}

#[test]
fn many_files_of_the_same_days_make_no_file_for_each_line() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let paths: Vec<std::path::PathBuf> = (0..6).map(|number| dir.path().join(format!("{number}.jsonl"))).collect();
    for (number, path) in paths.iter().enumerate() {
        // The fourth is the third once more.
        let host = if number == 3 { 2 } else { number };
        std::fs::write(path, days(40).replace("\"ip\":\"192.0.2.", &format!("\"ip\":\"198.51.{host}."))).expect("written");
    }
    let of: Vec<&Path> = paths.iter().map(std::path::PathBuf::as_path).collect();
    let (told, _) = import(&lake, &of);
    let counts = |told: &serde_json::Value, key: &str| -> Vec<Option<u64>> {
        let files = told["files"].as_array().expect("files");
        files.iter().map(|file| file[key].as_u64()).collect()
    };
    assert_eq!(counts(&told, "added"), [40, 40, 40, 0, 40, 40].map(Some), "{told:#}");
    assert_eq!(counts(&told, "duplicates"), [0, 0, 0, 40, 0, 0].map(Some));
    assert_eq!(counts(&told, "observations"), [Some(40); 6]);
    assert!(files(&lake.join("observations")) <= 80, "{}", files(&lake.join("observations")));
}

/// Imports a file of a tool; gives how many observations were new, and the peak of its memory in kilobytes.
fn peak(name: &str, lines: impl Iterator<Item = String>) -> (u64, u64) {
    use std::io::Write as _;
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join(name);
    let mut out = std::io::BufWriter::new(std::fs::File::create(&file).expect("made"));
    for line in lines {
        writeln!(out, "{line}").expect("written");
    }
    drop(out.into_inner().expect("written"));
    let (told, peak) = import(&dir.path().join("lake"), &[&file]);
    (told["files"][0]["added"].as_u64().unwrap_or_default(), peak)
}

/// A host with every port open is one record, and its observations are not all held before the first is written.
#[test]
fn hosts_with_every_port_open_take_no_more_than_others() {
    let head = "<?xml version=\"1.0\"?><nmaprun scanner=\"nmap\" args=\"nmap -p- -oX\" start=\"1700000000\" version=\"7.94\">";
    let host = |host: u32| {
        let port = |port: u32| {
            format!("<port protocol=\"tcp\" portid=\"{port}\"><state state=\"open\"/><service name=\"http\" product=\"nginx\"/></port>")
        };
        let ports: String = (1..=65_535).map(port).collect();
        format!(
            "<host starttime=\"1700000000\" endtime=\"1700000100\"><status state=\"up\"/><address addr=\"198.18.0.{host}\" \
             addrtype=\"ipv4\"/><ports>{ports}</ports></host>"
        )
    };
    let foot = "<runstats><finished time=\"1700000200\" exit=\"success\"/></runstats></nmaprun>";
    let lines = std::iter::once(head.to_owned())
        .chain((1..=2).map(host))
        .chain(std::iter::once(foot.to_owned()));
    let (added, peak) = peak("hosts.xml", lines);
    assert_eq!(added, 2 * 65_535);
    assert!(peak < BOUND, "{peak} kB");
}

/// What lines said is remembered by what it takes, not by the length of its text.
#[test]
fn lines_with_many_models_take_no_more_than_others() {
    let lines =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/data/vigie/records.jsonl")).expect("read");
    let mut lines = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line"));
    let has_models = |line: &serde_json::Value| {
        line["exposure"]["models"]["known"]
            .as_array()
            .is_some_and(|models| !models.is_empty())
    };
    let mut line = lines.find(has_models).expect("a line with models");
    let model = line["exposure"]["models"]["known"][0].clone();
    let lines = (0..1_000).map(move |number| {
        let models = (0..200).map(|at| {
            let mut model = model.clone();
            model["name"] = format!("model-{number}-{at}:latest").into();
            model
        });
        line["endpoint"]["address"] = format!("198.18.{}.{}", number / 200, number % 200).into();
        line["exposure"]["models"]["known"] = models.collect();
        line.to_string()
    });
    let (added, peak) = peak("models.jsonl", lines);
    assert_eq!(added, 1_000);
    assert!(peak < BOUND, "{peak} kB");
}
