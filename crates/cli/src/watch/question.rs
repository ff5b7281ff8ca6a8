//! What a watch asks, and the id by which its rounds are found again in the lake.

use std::ffi::OsString;
use std::path::Path;

use clap::Parser as _;

use crate::args::{Cli, ScanArgs, Verb, WatchArgs};
use vigie_run::{Failure, read};

/// What is looked at in each round.
#[derive(Debug)]
pub(crate) struct Question {
    /// 16 hexadecimal digits: the same for the same words, whatever the interval and the format.
    pub(crate) id: String,
}

impl Question {
    /// The question of a command line. Files count by their place, not by what they hold: a scope file whose expiry was moved is the same
    /// question still.
    pub(crate) fn of(args: &WatchArgs) -> Result<Self, Failure> {
        let place = |path: &Path| {
            std::fs::canonicalize(path)
                .map(|path| path.display().to_string())
                .map_err(|error| Failure::usage(format!("cannot read {}: {error}", path.display())))
        };
        if args.files.iter().any(|path| path == Path::new("-")) {
            return Err(Failure::usage(
                "a watch reads its targets again for each round, and standard input cannot be read again; name a file",
            ));
        }
        let files = args.files.iter().map(|path| place(path)).collect::<Result<Vec<_>, _>>()?;
        let scope = args.scope.as_deref().map(place).transpose()?;
        let asked = serde_json::json!(["vigie.watch/1", args.targets, files, args.ports, scope]);
        let hash = vigie_model::sha256(asked.to_string().as_bytes());
        let id = hash.trim_start_matches("sha256:").chars().take(16).collect();
        Ok(Self { id })
    }

    /// The scan of a round, as the scan's own words. Files are read when the scan begins.
    pub(crate) fn scan(&self, args: &WatchArgs, lake: &Path) -> Result<ScanArgs, Failure> {
        let mut words: Vec<OsString> = ["vigie", "scan", "--lake"].map(OsString::from).to_vec();
        words.push(lake.into());
        let mut option = |name: &str, value: OsString| {
            words.push(name.into());
            words.push(value);
        };
        args.files.iter().for_each(|path| option("--targets", path.into()));
        args.ports.iter().for_each(|ports| option("--ports", ports.into()));
        args.scope.iter().for_each(|path| option("--scope", path.into()));
        args.opt_out.iter().for_each(|path| option("--opt-out", path.into()));
        args.catalog.iter().for_each(|path| option("--catalog", path.into()));
        args.network.geo.iter().for_each(|path| option("--geo", path.into()));
        args.network.classes.iter().for_each(|path| option("--classes", path.into()));
        option("--timeout", args.timeout.to_string().into());
        if args.keep_prompts {
            words.push("--keep-prompts".into());
        }
        if args.quiet {
            words.push("--quiet".into());
        }
        words.push("--".into());
        words.extend(args.targets.iter().map(OsString::from));
        if args.targets.is_empty() && args.files.is_empty() {
            words.extend(self.ranges(args)?.into_iter().map(OsString::from));
        }
        match Cli::try_parse_from(words).map_err(Failure::usage)?.verb {
            Verb::Scan(scan) => Ok(*scan),
            _ => Err(Failure::usage("the round's own command line did not parse as a scan")),
        }
    }

    /// What the scope file allows: without targets, that is what is watched.
    fn ranges(&self, args: &WatchArgs) -> Result<Vec<String>, Failure> {
        let Some(path) = &args.scope else { return Ok(Vec::new()) };
        let file = vigie_scope::ScopeFile::parse(&read(path)?, chrono::Utc::now())
            .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
        Ok(file.ranges.iter().map(|range| range.hosts.to_string()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(words: &[&str]) -> WatchArgs {
        let words = ["vigie", "watch", "--every", "6h"].iter().chain(words);
        match Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).verb {
            Verb::Watch(args) => *args,
            _ => panic!("it is a watch"),
        }
    }

    fn id(words: &[&str]) -> String {
        Question::of(&watch(words)).unwrap_or_else(|failure| panic!("{failure}")).id
    }

    #[test]
    fn the_same_words_are_the_same_question() {
        let one = id(&["127.0.0.1", "--ports", "80"]);
        assert_eq!(one.len(), 16);
        assert_eq!(id(&["127.0.0.1", "--ports", "80", "--quiet", "--format", "jsonl"]), one);
        for other in [&["127.0.0.2", "--ports", "80"][..], &["127.0.0.1"], &[]] {
            assert_ne!(id(other), one, "{other:?}");
        }
        assert!(Question::of(&watch(&["-f", "-"])).is_err());
        assert!(Question::of(&watch(&["--scope", "/nonexistent/scope.toml"])).is_err());
    }

    #[test]
    fn without_targets_the_scope_is_watched() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("scope.toml");
        std::fs::write(
            &file,
            "schema = \"vigie.scope/1\"\nowner = \"Test\"\ncontact = \"mailto:test@example.net\"\nexpires = 2099-01-01\n\
             [[range]]\ncidr = \"127.91.30.0/24\"\n[[range]]\ncidr = \"127.91.31.1\"\n",
        )
        .expect("written");
        let args = watch(&["--scope", file.to_str().expect("text"), "--timeout", "9"]);
        let question = Question::of(&args).unwrap_or_else(|failure| panic!("{failure}"));
        let scan = question.scan(&args, dir.path()).unwrap_or_else(|failure| panic!("{failure}"));
        assert_eq!(scan.targets, ["127.91.30.0/24", "127.91.31.1"]);
        assert_eq!((scan.timeout, scan.scope.as_deref()), (9, Some(&*file)));
        let args = watch(&[]);
        let question = Question::of(&args).unwrap_or_else(|failure| panic!("{failure}"));
        let scan = question.scan(&args, dir.path()).unwrap_or_else(|failure| panic!("{failure}"));
        assert!(scan.targets.is_empty(), "this machine");
    }
}
