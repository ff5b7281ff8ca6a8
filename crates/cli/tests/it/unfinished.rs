//! A file that ends early is imported as far as it goes, and said to be unfinished.

use std::path::{Path, PathBuf};

use crate::{code, stderr, stdout, text, vigie};

fn data(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../import/tests/data").join(file)
}

/// What an import of files says.
fn import(lake: &Path, dir: &Path, files: &[&Path], more: &[&str]) -> (i32, serde_json::Value, String) {
    let errors = dir.join("errors.jsonl");
    let mut words = vec![
        "import",
        "--lake",
        text(lake),
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

#[test]
fn a_file_that_ends_early_is_taken_and_said() {
    let dir = tempfile::tempdir().expect("a folder");
    let lake = dir.path().join("lake");
    let (status, told, said) = import(&lake, dir.path(), &[&data("nmap/header-only.xml")], &[]);
    let one = &told["files"][0];
    assert_eq!(
        (status, one["observations"].as_u64(), one["bad"].as_u64()),
        (5, Some(0), Some(0)),
        "{told:#}"
    );
    assert_eq!(one["unfinished"]["certain"], true, "{told:#}");
    assert!(
        said.contains("header-only.xml") && said.contains("ends before </nmaprun>") && said.contains("unfinished"),
        "{said}"
    );

    // Between two records, inside one, and inside an archive.
    let whole = std::fs::read_to_string(data("masscan/newer.json")).expect("the fixture reads");
    let cut = dir.path().join("cut.json");
    std::fs::write(&cut, &whole[..whole.find("}\n,").expect("two records") + 2]).expect("written");
    let (status, told, _) = import(&lake, dir.path(), &[&cut, &data("masscan/list.txt")], &[]);
    assert_eq!((status, &told["files"][0]["added"]), (5, &serde_json::json!(1)), "{told:#}");
    assert!(told["files"][1].get("unfinished").is_none(), "{told:#}");
    std::fs::write(&cut, &whole[..whole.len() - 40]).expect("written");
    let (status, told, _) = import(&lake, dir.path(), &[&cut], &[]);
    assert_eq!((status, &told["files"][0]["bad"]), (5, &serde_json::json!(1)), "{told:#}");

    // A last line that may be whole is a warning, and no more.
    let list = dir.path().join("list.txt");
    std::fs::write(&list, "192.0.2.1:80\n192.0.2.2:80").expect("written");
    let (status, told, said) = import(&lake, dir.path(), &[&list], &["--from", "naabu", "--seen", "2026-11-01"]);
    assert_eq!(
        (status, &told["files"][0]["unfinished"]["certain"]),
        (0, &serde_json::json!(false)),
        "{told:#}"
    );
    assert!(said.contains("may be unfinished"), "{said}");

    let header = data("nmap/header-only.xml");
    let output = vigie(&["import", text(&header), "--lake", text(&lake), "--quiet"]);
    assert!(
        code(&output) == 5 && stdout(&output).contains("nmap, unfinished"),
        "{}",
        stdout(&output)
    );
}
