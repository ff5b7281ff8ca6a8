//! What a watch scans in each round, and the id by which its rounds are found again in the lake.

use std::path::Path;

use crate::failure::{Failure, read};
use crate::scan::ScanOptions;

/// The id of a watch: 16 hexadecimal digits, the same for the same targets, ports and scope, whatever the interval and the format. Files
/// count by their path, not by their content: a scope file whose expiry was moved belongs to the same watch.
///
/// # Errors
///
/// A file cannot be read, or is standard input.
pub fn watch_id(scan: &ScanOptions) -> Result<String, Failure> {
    let path = |path: &Path| {
        std::fs::canonicalize(path)
            .map(|path| path.display().to_string())
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
    };
    if scan.files.iter().any(|path| path == Path::new("-")) {
        return Err(Failure::usage(
            "a watch reads its targets again for each round, and standard input cannot be read again; name a file",
        ));
    }
    let files = scan.files.iter().map(|file| path(file)).collect::<Result<Vec<_>, _>>()?;
    let scope = scan.scope.as_deref().map(path).transpose()?;
    let identity = serde_json::json!(["vigie.watch/1", scan.targets, files, scan.ports, scope]);
    let hash = vigie_model::sha256(identity.to_string().as_bytes());
    Ok(hash.trim_start_matches("sha256:").chars().take(16).collect())
}

/// The scan of a round. Files are read when it begins. Without targets, the scope file's ranges are scanned.
pub(super) fn round(scan: &ScanOptions, lake: &Path, watch: &str) -> Result<ScanOptions, Failure> {
    let mut round = scan.clone();
    round.lake = Some(lake.to_owned());
    round.watch = Some(watch.to_owned());
    if !round.names_targets()
        && let Some(path) = &round.scope
    {
        let file = vigie_scope::ScopeFile::parse(&read(path)?, chrono::Utc::now())
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        round.targets = file.ranges.iter().map(|range| range.hosts.to_string()).collect();
    }
    Ok(round)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(targets: &[&str], ports: Option<&str>) -> ScanOptions {
        ScanOptions {
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            ports: ports.map(str::to_owned),
            ..ScanOptions::default()
        }
    }

    fn id(targets: &[&str], ports: Option<&str>) -> String {
        watch_id(&options(targets, ports)).unwrap_or_else(|failure| panic!("{failure}"))
    }

    #[test]
    fn the_same_targets_ports_and_scope_have_the_same_id() {
        let one = id(&["127.0.0.1"], Some("80"));
        // Rounds that an earlier version recorded are found again.
        assert_eq!(one, "99746c028797853a");
        let other_options = ScanOptions {
            keep_prompts: true,
            timeout: std::time::Duration::from_secs(9),
            ..options(&["127.0.0.1"], Some("80"))
        };
        assert_eq!(watch_id(&other_options).unwrap_or_default(), one);
        for (targets, ports) in [(&["127.0.0.2"][..], Some("80")), (&["127.0.0.1"], None), (&[], None)] {
            assert_ne!(id(targets, ports), one, "{targets:?}");
        }
        let named = |file: &str, scope: Option<&str>| ScanOptions {
            files: vec![file.into()],
            scope: scope.map(Into::into),
            ..ScanOptions::default()
        };
        assert!(watch_id(&named("-", None)).is_err());
        assert!(watch_id(&named("/", Some("/nonexistent/scope.toml"))).is_err());
    }

    #[test]
    fn without_targets_the_ranges_of_the_scope_are_scanned() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("scope.toml");
        std::fs::write(
            &file,
            "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n\
             [[range]]\ncidr = \"127.91.30.0/24\"\n[[range]]\ncidr = \"127.91.31.1\"\n",
        )
        .expect("written");
        let scoped = ScanOptions {
            scope: Some(file.clone()),
            ..ScanOptions::default()
        };
        let scan = round(&scoped, dir.path(), "id").unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(scan.targets, ["127.91.30.0/24", "127.91.31.1"]);
        assert_eq!((scan.watch.as_deref(), scan.lake.as_deref()), (Some("id"), Some(dir.path())));
        let scan = round(&ScanOptions::default(), dir.path(), "id").unwrap_or_else(|failure| panic!("{failure}"));
        assert!(scan.targets.is_empty(), "this machine");
    }
}
