//! The texts of `--help` and the man pages, so that a changed word is seen in review.
//!
//! After an intended change: `INSTA_UPDATE=always cargo test -p vigie --test it help`, and once more with `--features cluster`
//! where a verb of that feature changed.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

/// The build whose texts are recorded. A verb with the same text in both builds is recorded once.
const BUILD: &str = if cfg!(feature = "cluster") { "cluster" } else { "default" };

/// Builds with other features have other verbs, and are not recorded.
fn is_recorded() -> bool {
    cfg!(feature = "cluster") || (cfg!(all(feature = "watch", feature = "demo")) && !cfg!(any(feature = "study", feature = "s3")))
}

#[test]
fn the_help_of_every_verb() {
    if !is_recorded() {
        return;
    }
    let mut met = BTreeSet::new();
    let mut paths = vec![Vec::<String>::new()];
    while let Some(path) = paths.pop() {
        let short = help(&path, "-h");
        paths.extend(verbs(&short).into_iter().map(|verb| [path.clone(), vec![verb]].concat()));
        let name = match path.as_slice() {
            // It lists the verbs of the build.
            [] => format!("help-{BUILD}"),
            path => format!("help-{}", path.join("-")),
        };
        check(&name, &format!("{short}\n\n=== --help\n\n{}", help(&path, "--help")));
        assert!(met.insert(name));
    }
    assert!(met.contains("help-scan") && met.contains("help-catalog-record"), "{met:?}");
    no_others("help-", &met);
}

#[test]
fn the_man_page_of_every_verb() {
    if !is_recorded() {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let done = crate::vigie(&["man", crate::text(folder.path())]);
    assert_eq!(crate::code(&done), 0, "{}", crate::stderr(&done));
    let mut met = BTreeSet::new();
    for entry in std::fs::read_dir(folder.path()).expect("the folder reads") {
        let entry = entry.expect("the entry reads");
        let page = entry.file_name().into_string().expect("the name is text");
        let text = std::fs::read_to_string(entry.path()).expect("the page reads");
        let name = match page.as_str() {
            "vigie.1" => format!("man-{BUILD}"),
            page => format!("man-{}", page.trim_start_matches("vigie-").trim_end_matches(".1")),
        };
        check(&name, &unversioned(&text));
        assert!(met.insert(name));
    }
    assert!(met.contains("man-scan"), "{met:?}");
    no_others("man-", &met);
}

fn check(name: &str, text: &str) {
    insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, text) });
}

/// The output of the program for these verbs and one of the two help options.
fn help(path: &[String], option: &str) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_vigie"))
        .args(path)
        .arg(option)
        // The width must not depend on the terminal of the tests.
        .stdin(Stdio::null())
        .env("COLUMNS", "100")
        .env_remove("VIGIE_LAKE")
        .env("NO_COLOR", "1")
        .output()
        .expect("the program starts");
    assert_eq!(crate::code(&done), 0, "{path:?}: {}", crate::stderr(&done));
    assert_eq!(crate::stderr(&done), "", "{path:?}");
    unversioned(&crate::stdout(&done))
}

/// The verbs that a help text lists, except help itself.
fn verbs(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

/// Replaces the version, so that a release changes no snapshot.
fn unversioned(text: &str) -> String {
    text.replace(env!("CARGO_PKG_VERSION"), "[version]")
}

/// Fails for a snapshot of a verb that no longer exists. Only the larger build has every verb.
fn no_others(prefix: &str, met: &BTreeSet<String>) {
    if !cfg!(feature = "cluster") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/snapshots");
    for entry in std::fs::read_dir(folder).expect("the snapshots read") {
        let file = entry.expect("the entry reads").file_name().into_string().expect("the name is text");
        let name = file.strip_prefix("it__help__").and_then(|rest| rest.strip_suffix(".snap"));
        let Some(name) = name.filter(|name| name.starts_with(prefix) && !name.contains("-default")) else {
            continue;
        };
        assert!(met.contains(name), "{file} belongs to no verb; remove it");
    }
}
