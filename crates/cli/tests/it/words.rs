//! Arguments, files and errors.

use crate::{code, stderr, stdout, vigie};

#[test]
fn public_addresses_need_a_scope_file() {
    let output = vigie(&["scan", "8.8.8.8", "--no-lake", "--dry-run"]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("scope"), "{}", stderr(&output));
}

#[test]
fn invalid_arguments_and_files_are_reported() {
    for words in [
        &["scan", "300.1.2.3.4.5/99"][..],
        &["scan", "127.0.0.1", "--ports", "0"],
        &["scan", "127.0.0.1", "--shard", "9/8"],
        &["scan", "-f", "/nonexistent/targets"],
        &["advisory", "no-such-product"],
        &["catalog", "check", "/nonexistent"],
        &["catalog", "explain", "no-such-product"],
        &["hosts", "--lake", "/nonexistent/lake"],
        &["scope", "check", "/nonexistent"],
    ] {
        let output = vigie(words);
        assert_eq!(code(&output), 2, "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains("error:"), "{words:?}: {}", stderr(&output));
    }
}

#[test]
fn advisories_are_listed_without_a_scan() {
    let verdict = |word: &str, id: &str| {
        let list: serde_json::Value = serde_json::from_str(&stdout(&vigie(&["advisory", word, "--format", "json"]))).expect("JSON");
        assert_eq!(list["schema"], "vigie.advisory/1");
        let verdicts = list["verdicts"].as_array().expect("a list").clone();
        verdicts
            .into_iter()
            .find(|v| v["id"] == id)
            .map(|v| v["verdict"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(verdict("ollama@0.1.33", "CVE-2024-37032").as_deref(), Some("affected"));
    assert_eq!(verdict("ollama@0.1.34-rc1", "CVE-2024-37032").as_deref(), Some("affected"));
    assert_eq!(verdict("ollama@v0.1.34", "CVE-2024-37032").as_deref(), Some("not affected"));
    assert_eq!(verdict("ollama", "CVE-2024-37032").as_deref(), Some("unknown"));
    assert_eq!(verdict("vllm@0.10.12", "CVE-2025-48956").as_deref(), Some("not affected"));
    assert_eq!(
        verdict("open-webui@0.3.8", "CVE-2024-7040"),
        None,
        "rejected advisories are never shown"
    );
    assert_eq!(
        stdout(&vigie(&["advisory", "mcp@1.0.0", "--format", "json"]))
            .matches("CVE-")
            .count(),
        0
    );
}

#[test]
fn help_completions_and_man_pages_are_there() {
    for verb in [
        "scan",
        #[cfg(feature = "watch")]
        "import",
        #[cfg(feature = "watch")]
        "diff",
        #[cfg(feature = "watch")]
        "watch",
        #[cfg(feature = "study")]
        "sql",
        #[cfg(feature = "study")]
        "lake",
        "advisory",
        "hosts",
        "show",
        "catalog",
        "scope",
        "demo",
        "fleet",
        "completions",
        "man",
    ] {
        assert!(stdout(&vigie(&[verb, "--help"])).contains("Usage"), "{verb}");
    }
    assert!(stdout(&vigie(&["catalog", "record", "--help"])).contains("--started"));
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(stdout(&vigie(&["completions", shell])).contains("vigie"), "{shell}");
    }
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(code(&vigie(&["man", dir.path().to_str().expect("text")])), 0);
    assert!(dir.path().join("vigie-scan.1").exists());
}

#[test]
fn a_scope_file_is_written_and_read_again() {
    let written = stdout(&vigie(&["scope", "new", "10.1.2.0/24"]));
    assert!(written.contains("10.1.2.0/24"), "{written}");
}

#[test]
fn the_catalogue_lists_explains_and_checks_itself() {
    let listing: serde_json::Value = serde_json::from_str(&stdout(&vigie(&["catalog", "list", "--format", "json"]))).expect("JSON");
    let products = listing["products"].as_array().expect("a list");
    assert!(products.len() >= 55);
    for product in products {
        if product["recorded"] == 0 {
            assert!(product["confidence"].as_f64().is_some_and(|c| c <= 0.8), "{product}");
        }
    }
    assert!(stdout(&vigie(&["catalog", "explain", "ollama"])).contains("Ollama is running"));
}

/// The base directory specification says to ignore a relative path, which would depend on the current folder.
#[cfg(target_os = "linux")]
#[test]
fn the_lake_is_in_the_users_data_folder() {
    let home = tempfile::tempdir().expect("a folder");
    let lake = |data: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_vigie"))
            .arg("hosts")
            .current_dir(home.path())
            .env("HOME", home.path())
            .env("XDG_DATA_HOME", data)
            .env_remove("VIGIE_LAKE")
            .output()
            .expect("the program starts");
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        stderr(&output)
    };
    let at_home = home.path().join(".local/share/vigie/lake");
    for unset in ["", "data", "./data"] {
        assert!(lake(unset).contains(crate::text(&at_home)), "{unset:?}: {}", lake(unset));
    }
    let elsewhere = home.path().join("elsewhere");
    assert!(lake(crate::text(&elsewhere)).contains(crate::text(&elsewhere.join("vigie/lake"))));
}
