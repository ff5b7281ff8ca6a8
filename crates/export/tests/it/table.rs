//! The table, as people see it.

use std::io::Write as _;

use vigie_export::{Format, Options, table, text};

use crate::formats::written;
use crate::samples;

/// What a pipe gets: the caller's `anstream` takes the colours out.
fn plain(coloured: &str) -> String {
    let mut stream = anstream::StripStream::new(Vec::new());
    stream.write_all(coloured.as_bytes()).expect("a vector takes every byte");
    String::from_utf8(stream.into_inner()).expect("still UTF-8")
}

fn verbose() -> Options {
    Options {
        verbose: true,
        ..Options::default()
    }
}

#[test]
fn table_whole() {
    let out = written(Format::Table, &samples::all(), Options::default());
    insta::assert_snapshot!(plain(&out));
}

#[test]
fn table_verbose_whole() {
    insta::assert_snapshot!(plain(&written(Format::Table, &samples::all(), verbose())));
}

#[test]
fn table_coloured_whole() {
    let all = [samples::ollama_loopback(), samples::litellm_exploited()];
    insta::assert_snapshot!(written(Format::Table, &all, Options::default()).escape_debug());
}

#[test]
fn table_of_many_whole() {
    insta::assert_snapshot!(plain(&written(Format::Table, &samples::many(2_000), Options::default())));
}

#[test]
fn lines_keep_the_width() {
    for width in [40, 80, 132] {
        for verbose in [false, true] {
            let options = Options {
                verbose,
                width,
                ..Options::default()
            };
            let out = plain(&written(Format::Table, &samples::all(), options));
            for line in out.lines() {
                assert!(text::columns(line) <= width, "{width}: {line}");
                assert_eq!(line, line.trim_end(), "blanks at the end: {line:?}");
            }
        }
    }
}

#[test]
fn two_thousand_endpoints_stay_readable_and_verbose_hides_none() {
    let many = samples::many(2_000);
    let short = plain(&written(Format::Table, &many, Options::default()));
    assert!(short.lines().count() < 400, "{}", short.lines().count());
    assert!(short.lines().all(|line| text::columns(line) <= 80));
    let long = plain(&written(Format::Table, &many, verbose()));
    let words: std::collections::HashSet<&str> = long.split_whitespace().map(|word| word.trim_matches(['(', ')'])).collect();
    for observation in &many {
        let socket = observation.endpoint.socket().to_string();
        assert!(words.contains(socket.as_str()), "{socket}");
    }
}

#[test]
fn reach_is_said_first_and_loopback_is_no_alarm() {
    let here = plain(&written(Format::Table, &[samples::ollama_loopback()], Options::default()));
    assert!(here.starts_with("loopback only  127.0.0.1:11434"), "{here}");
    let coloured = written(Format::Table, &[samples::ollama_loopback()], Options::default());
    assert!(!coloured.contains("\u{1b}[31m"), "red for information");
    let there = plain(&written(Format::Table, &[samples::ollama_bound_everywhere()], Options::default()));
    assert!(there.starts_with("reachable by others  10.0.0.5:11434"), "{there}");
}

#[test]
fn a_listener_that_answers_others_is_never_called_loopback_only() {
    let mut seen = samples::ollama_loopback();
    let listener = seen.listener.as_mut().expect("it has one");
    listener.answers_on = vec!["192.0.2.1".parse().expect("an address")];
    assert_eq!(table::is_loopback_only(&seen), Some(false));
    seen.listener = None;
    assert_eq!(table::is_loopback_only(&seen), Some(true));
    assert_eq!(table::is_loopback_only(&samples::ollama_open()), None);
}

#[test]
fn a_list_that_was_cut_is_written_as_a_lower_bound() {
    let mut seen = samples::ollama_open();
    assert!(plain(&table::block(&seen, 80)).contains("2: tiny:latest"));
    seen.exposure.models_at_least = Some(3312);
    assert!(plain(&table::block(&seen, 80)).contains("3312+: tiny:latest"));
}

#[test]
fn the_last_line_says_what_to_type() {
    let out = plain(&written(Format::Table, &samples::all(), Options::default()));
    assert_eq!(out.lines().last(), Some("Next: vigie show 192.0.2.16"));
}

#[test]
fn the_exploited_stand_before_the_rest() {
    let mut seen = samples::vllm_vulnerable();
    std::sync::Arc::make_mut(&mut seen.advisories)[3].exploited = true;
    let out = plain(&table::block(&seen, 80));
    assert!(
        out.contains("4 affected, 1 of them exploited: CVE-2026-54232 (exploited),"),
        "{out}"
    );
    assert!(out.contains("1 unknown"), "{out}");
}

#[test]
fn counts_keep_the_unknown_and_the_suspects_apart() {
    let all = samples::all();
    let counts = samples::summary(&all).counts;
    assert_eq!(counts.recognised + counts.unrecognised + counts.suspects, counts.endpoints);
    assert_eq!(counts.endpoints, all.len() as u64);
    assert_eq!(counts.suspects, 1);
    assert_eq!(counts.suspect_findings, 1);
    assert_eq!(counts.products.values().sum::<u64>(), counts.recognised);
    assert_eq!(counts.postures.values().sum::<u64>() + counts.unknown.posture, counts.recognised);
    assert_eq!(counts.accepted, 1);
    assert_eq!(counts.exploited, 2);
    assert_eq!(counts.loopback_only, 1);
    assert_eq!(counts.findings.worst(), Some(vigie_model::Severity::Critical));
    assert_eq!(samples::summary(&[]).counts.findings.worst(), None);
}

#[test]
fn a_sources_word_that_names_no_product_resembles_none() {
    let mut one = samples::unrecognised();
    one.identity.evidence = [vigie_model::Evidence {
        product: String::new(),
        rule: "said-by-source".to_owned(),
        weight: vigie_model::EvidenceWeight::Weak,
        request: "nmap record".to_owned(),
        seen: "nmap says product \"nginx\"".to_owned(),
    }]
    .into();
    let out = plain(&written(Format::Table, &[one], Options::default()));
    assert!(
        out.contains("answers as no product of the catalogue") && !out.contains("resembles"),
        "{out}"
    );
}
