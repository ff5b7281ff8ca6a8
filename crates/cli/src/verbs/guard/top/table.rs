//! The view as text.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use vigie_guard::top::Used;

use super::{View, busiest};

/// So many keys and models are listed.
const MOST: usize = 20;
/// The width of the numbers beside a name.
const NUMBERS: usize = 56;
const BOLD: Style = Style::new().bold();

/// The text, with colours; whoever writes it takes them out where they are not wanted. `names`: of keys, by their ids.
pub(super) fn table(view: &View, names: &[(String, String)], width: usize) -> String {
    let mut out = String::new();
    // A string takes whatever is written.
    match (&view.now, &view.not_known) {
        (Some(now), _) => {
            let under_way: u64 = now.keys.values().sum();
            let _ = writeln!(
                out,
                "{BOLD}{under_way} requests under way{BOLD:#}, {} streams, {} waiting, {} connections",
                now.streams, now.waiting, now.connections
            );
            for server in &now.servers {
                let (style, word) = match server.up {
                    true => (AnsiColor::Green.on_default(), "up"),
                    false => (AnsiColor::Red.on_default(), "down"),
                };
                let _ = writeln!(
                    out,
                    "  {}  {style}{word}{style:#}, {} under way",
                    shown(&server.name, width.saturating_sub(24)),
                    server.in_flight
                );
            }
        }
        (None, why) => {
            let style = AnsiColor::Yellow.on_default();
            let _ = writeln!(
                out,
                "{style}what is under way is not known{style:#}: {}",
                shown(why.as_deref().unwrap_or_default(), width)
            );
        }
    }
    let wide = width.saturating_sub(NUMBERS).clamp(12, 40);
    let head = |what: &str| {
        format!(
            "\n{BOLD}{what:wide$}{:>7}{:>9}{:>9}{:>8}{:>10}{:>10}{BOLD:#}\n",
            "now", "requests", "refused", "broken", "tokens", "tokens/s"
        )
    };
    out.push_str(&head("KEY, last minute"));
    let ids = busiest(view);
    for id in ids.iter().take(MOST) {
        let used = view.minute.keys.get(*id).cloned().unwrap_or_default();
        let stored = names.iter().find(|(known, _)| known == id).map(|(_, name)| name.as_str());
        let name = match (*id, stored.unwrap_or(&used.name)) {
            ("", _) => "no valid key".to_owned(),
            (id, "") => id.to_owned(),
            (id, name) => format!("{name} ({id})"),
        };
        let under_way = view.now.as_ref().map(|now| now.keys.get(*id).copied().unwrap_or_default());
        row(&mut out, &name, wide, under_way, &used);
    }
    rest(&mut out, ids.len());
    out.push_str(&head("MODEL"));
    let mut models: Vec<(&String, &Used)> = view.minute.models.iter().collect();
    models.sort_by_key(|(_, used)| std::cmp::Reverse((used.output + used.prompt, used.requests)));
    for (model, used) in models.iter().take(MOST) {
        row(&mut out, model, wide, None, used);
    }
    rest(&mut out, models.len());
    if !view.minute.refusals.is_empty() {
        let refusals: Vec<String> = view.minute.refusals.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let _ = writeln!(out, "\nrefused: {}", shown(&refusals.join(", "), width.saturating_sub(9)));
    }
    if view.minute.cut {
        out.push_str("\nthe log of this minute is longer than what was read of it: the counts are of its end\n");
    }
    out
}

/// A line. `now`: `None` is not known, or not counted.
fn row(out: &mut String, name: &str, wide: usize, now: Option<u64>, used: &Used) {
    let now = now.map_or_else(|| "-".to_owned(), |now| now.to_string());
    let red = AnsiColor::Red.on_default();
    let (begin, end) = if used.refused > 0 {
        (red.render().to_string(), red.render_reset().to_string())
    } else {
        Default::default()
    };
    let _ = writeln!(
        out,
        "{}{now:>7}{:>9}{begin}{:>9}{end}{:>8}{:>10}{:>10.1}",
        padded(&shown(name, wide - 1), wide),
        used.requests,
        used.refused,
        used.broken,
        used.prompt + used.output,
        used.rate
    );
}

fn rest(out: &mut String, count: usize) {
    if count > MOST {
        let _ = writeln!(out, "and {} more", count - MOST);
    }
    if count == 0 {
        out.push_str("none\n");
    }
}

fn padded(text: &str, wide: usize) -> String {
    let missing = wide.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(missing))
}

/// A name as it may be printed: without control characters, and cut to a width.
fn shown(text: &str, wide: usize) -> String {
    let is_unsafe = |char: char| {
        char.is_control() || matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut out = String::new();
    for char in text.chars() {
        match is_unsafe(char) {
            true => out.extend(char.escape_default()),
            false => out.push(char),
        }
    }
    if out.chars().count() > wide.max(4) {
        out = out.chars().take(wide.max(4) - 1).collect();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use vigie_guard::top::{Minute, Now, ServerNow};

    use super::*;

    #[test]
    fn a_view_is_a_table_and_names_are_harmless() {
        let mut minute = Minute::default();
        let used = Used {
            requests: 3,
            refused: 1,
            output: 40,
            rate: 4.0,
            ..Used::default()
        };
        minute.keys.insert("k1".to_owned(), used.clone());
        minute.keys.insert(
            String::new(),
            Used {
                refused: 2,
                ..Used::default()
            },
        );
        minute.models.insert("evil\u{1b}[2J\u{202e}".to_owned(), used);
        minute.refusals.insert("no-credential".to_owned(), 2);
        let view = View {
            schema: "",
            time: 0,
            now: Some(Now {
                keys: [("k1".to_owned(), 2), ("k2".to_owned(), 1)].into(),
                servers: vec![ServerNow {
                    name: "http://127.0.0.1:11434".to_owned(),
                    up: true,
                    in_flight: 3,
                }],
                ..Now::default()
            }),
            not_known: None,
            minute,
        };
        let text = anstream::adapter::strip_str(&table(&view, &[("k1".to_owned(), "alice".to_owned())], 80)).to_string();
        assert!(text.starts_with("3 requests under way, 0 streams"), "{text}");
        let row = text.lines().find(|line| line.starts_with("alice (k1)")).expect("the key");
        assert_eq!(
            row.split_whitespace().collect::<Vec<_>>(),
            ["alice", "(k1)", "2", "3", "1", "0", "40", "4.0"]
        );
        assert!(
            text.contains("no valid key") && text.contains("k2") && text.contains("2 no-credential"),
            "{text}"
        );
        assert!(text.contains("evil\\u{1b}[2J\\u{202e}"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
