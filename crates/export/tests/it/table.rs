//! The table, as people see it.

use std::io::Write as _;

use vigie_export::{Format, Options, UNBOUNDED, table, text};
use vigie_model::Known;

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
fn lines_keep_the_width_unless_one_word_is_longer() {
    for width in [20, 40, 80, 132, 200] {
        for verbose in [false, true] {
            let out = plain(&written(Format::Table, &samples::all(), wide(width, verbose)));
            for line in out.lines() {
                let one_word = !line.trim().contains(' ') || line.starts_with("Next: ");
                assert!(text::columns(line) <= width || one_word, "{width}: {line}");
                assert_eq!(line, line.trim_end(), "blanks at the end: {line:?}");
            }
        }
    }
}

fn wide(width: usize, verbose: bool) -> Options {
    Options {
        verbose,
        width,
        ..Options::default()
    }
}

#[test]
fn table_at_40_columns_whole() {
    insta::assert_snapshot!(plain(&written(Format::Table, &samples::all(), wide(40, false))));
}

#[test]
fn table_at_120_columns_whole() {
    insta::assert_snapshot!(plain(&written(Format::Table, &samples::all(), wide(120, false))));
}

#[test]
fn table_at_200_columns_whole() {
    insta::assert_snapshot!(plain(&written(Format::Table, &samples::all(), wide(200, false))));
}

#[test]
fn table_without_a_terminal_whole() {
    insta::assert_snapshot!(plain(&written(Format::Table, &samples::all(), wide(UNBOUNDED, false))));
}

#[test]
fn a_list_at_every_width_whole() {
    use vigie_export::grid::{Column, grid};
    let heads = [
        Column::Token("endpoint"),
        Column::Token("product"),
        Column::Token("version"),
        Column::Token("posture"),
        Column::Token("last seen"),
        Column::Text("why"),
    ];
    // Constructed: short and long places, the version of a build from a branch, a sentence.
    let rows = [
        [
            "127.77.0.37:8080",
            "ollama",
            "0.1.33",
            "open",
            "2026-11-22 08:00",
            "0.1.33 < 0.1.34 (fixed)",
        ],
        [
            "[2001:db8:1234:5678:9abc:def0:1234:5678]:11434",
            "text-generation-inference",
            "3.3.5-dev0+g0123456789abcdef",
            "? (not-asked)",
            "2026-11-21 23:59",
            "a range that is given as commits cannot be held against a version, so it is unknown whether it applies",
        ],
        [
            "ai.example.net (192.0.2.11:8080)",
            "llama-cpp",
            "b11549",
            "key",
            "2026-11-20 10:30",
            "",
        ],
    ]
    .map(|row| row.to_vec());
    let grids: Vec<String> = [20, 40, 80, 120, 200, UNBOUNDED]
        .iter()
        .map(|width| {
            let name = if *width == UNBOUNDED {
                "no terminal".to_owned()
            } else {
                width.to_string()
            };
            format!("== {name}\n{}", grid(&heads, &rows, *width))
        })
        .collect();
    insta::assert_snapshot!(grids.join("\n"));
}

/// Addresses with their ports, ids of findings and advisories, products and versions: what a reader copies from the table.
fn tokens(all: &[vigie_model::Observation]) -> Vec<String> {
    let mut tokens = Vec::new();
    for seen in all {
        tokens.push(seen.endpoint.socket().to_string());
        tokens.extend(seen.identity.product.known().cloned());
        tokens.extend(
            seen.identity
                .version
                .known()
                .filter(|version| !version.contains(char::is_control))
                .cloned(),
        );
        tokens.extend(
            seen.findings
                .iter()
                .filter(|finding| finding.accepted.is_none())
                .map(|finding| finding.id.clone()),
        );
        if !seen.deception.is_suspect() {
            let affected = seen
                .advisories
                .iter()
                .filter(|advisory| advisory.verdict == vigie_model::Verdict::Affected);
            tokens.extend(affected.map(|advisory| advisory.id.clone()));
        }
    }
    tokens
}

#[test]
fn no_address_port_or_id_is_split_at_any_width() {
    let mut all = samples::all();
    // Constructed: an endpoint of a name and a long address, and the version of a build from a branch.
    let mut long = samples::vllm_vulnerable();
    long.endpoint.address = "2001:db8:1234:5678:9abc:def0:1234:5678".parse().expect("an address");
    long.endpoint.name = Some(format!("{}.inference.example.net", "a".repeat(60)));
    let version = Known::Known(format!("0.8.5.dev1+g{}", "0123456789".repeat(4)));
    long.identity.version = version;
    all.push(long);
    let wanted = tokens(&all);
    for width in (20..=200).chain([UNBOUNDED]) {
        for verbose in [false, true] {
            let out = plain(&written(Format::Table, &all, wide(width, verbose)));
            for token in &wanted {
                let whole = out.lines().any(|line| line.contains(token.as_str()));
                // What is not named at all (more ids than a line names, on a terminal) is not split either.
                let named = verbose || width == UNBOUNDED || out.contains(&token[..token.len().min(10)]);
                assert!(whole || !named || is_elided(&out, token), "{token} in {width} ({verbose}):\n{out}");
            }
        }
    }
}

/// Whether a token is left off as one of `+N more`: then no line ends with a beginning of it that the next goes on with.
fn is_elided(out: &str, token: &str) -> bool {
    let lines: Vec<&str> = out.lines().collect();
    out.contains(" more")
        && !lines.windows(2).any(|pair| {
            (4..token.len()).any(|cut| {
                token.is_char_boundary(cut) && pair[0].ends_with(&token[..cut]) && pair[1].trim_start().starts_with(&token[cut..])
            })
        })
}

#[test]
fn without_a_terminal_nothing_is_grouped_cut_or_left_off() {
    let many = samples::many(300);
    let out = plain(&written(Format::Table, &many, wide(UNBOUNDED, false)));
    for observation in &many {
        let socket = observation.endpoint.socket().to_string();
        assert!(out.lines().any(|line| line.contains(&socket)), "{socket}");
    }
    assert!(!out.contains('…') && !out.contains("--verbose"), "{out}");
    // A finding and its id are on one line.
    assert!(
        out.lines()
            .filter(|line| line.contains("[open-inference]"))
            .all(|line| line.starts_with("  HIGH"))
    );
}

#[test]
fn an_order_that_the_caller_chose_is_kept() {
    let mut all = vec![samples::ollama_loopback(), samples::litellm_exploited(), samples::ollama_open()];
    let places = |all: &[vigie_model::Observation]| -> Vec<usize> {
        let options = Options {
            keep_order: true,
            ..Options::default()
        };
        let out = plain(&written(Format::Table, all, options));
        all.iter()
            .map(|seen| out.find(&seen.endpoint.socket().to_string()).expect("it is shown"))
            .collect()
    };
    for _ in 0..2 {
        assert!(places(&all).is_sorted(), "{:?}", places(&all));
        all.reverse();
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
fn reach_comes_first_and_loopback_is_no_alarm() {
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
fn the_last_line_is_the_next_command() {
    let out = plain(&written(Format::Table, &samples::all(), Options::default()));
    assert_eq!(out.lines().last(), Some("Next: vigie show 192.0.2.16"));
}

#[test]
fn exploited_advisories_come_first() {
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
fn unknown_values_and_suspects_are_counted_separately() {
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
fn evidence_without_a_product_is_no_resemblance() {
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
        out.contains("matches no product of the catalogue") && !out.contains("resembles"),
        "{out}"
    );
}

#[test]
fn unrecognised_endpoints_are_shown_and_counted_by_posture() {
    let mut key = samples::unrecognised();
    key.exposure.posture = Known::Known(vigie_model::Posture::Key);
    let mut open = key.clone();
    open.endpoint.port += 1;
    open.exposure.posture = Known::Known(vigie_model::Posture::Open);
    let mut silent = key.clone();
    silent.endpoint.port += 2;
    silent.exposure.posture = Known::unknown(vigie_model::Why::NotCarried);
    let all = [key, open, silent];
    let out = plain(&written(Format::Table, &all, Options::default()));
    for expected in ["  key; ", "  open; ", "postures  not recognised: key 1, open 1"] {
        let folded = out.split_whitespace().collect::<Vec<_>>().join(" ");
        let wanted = expected.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(folded.contains(&wanted), "{expected:?} in {out}");
    }
    let counts = samples::summary(&all).counts;
    assert_eq!((counts.unrecognised, counts.recognised), (3, 0));
    assert_eq!(
        counts.unrecognised_postures.values().sum::<u64>(),
        2,
        "unknown values are not counted"
    );
    assert!(counts.postures.is_empty() && counts.unknown.posture == 0);
    let json = written(Format::Json, &all, Options::default());
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["summary"]["counts"]["unrecognised_postures"]["key"], 1);
}
