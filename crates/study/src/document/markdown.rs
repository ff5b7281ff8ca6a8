//! The document as Markdown.

use super::text::{cells, decimal, is_left_out, limits, percent, whole, word};
use crate::published::Compared;
use crate::study::QuestionAnswer;
use crate::{Lang, StudyReport};

/// Rows of a table in the document; the CSV file has all rows.
pub(super) const SHOWN: usize = 60;

pub(super) fn page(report: &StudyReport, compared: &[Compared], lang: Lang) -> String {
    let mut out = format!("# {}\n\n{}\n\n", word("title", lang), made(report, lang));
    if report.hosts.1 > 0 {
        out.push_str(&format!("{}\n\n", word("suspects are in", lang)));
    }
    if !report.unread.is_empty() {
        out.push_str(&format!("## {}\n\n", word("unread", lang)));
        for line in &report.unread {
            out.push_str(&format!("- {}\n", plain(line)));
        }
        out.push('\n');
    }
    if !compared.is_empty() {
        out.push_str(&format!("## {}\n\n{}\n", word("compared", lang), comparison(compared, lang)));
    }
    let colon = word(":", lang);
    for entry in &report.entries {
        let question = entry.question;
        out.push_str(&format!(
            "## {}\n\n**{}**{colon} {}\n\n**{}**{colon} {}\n\n{}\n\n{}",
            question.title.get(lang),
            word("definition", lang),
            entry.definition.get(lang),
            word("why", lang),
            question.why.get(lang),
            known(&entry.all, &question.unit, lang),
            table(&entry.all, lang),
        ));
        if let Some(without) = &entry.without_suspects {
            out.push_str(&format!(
                "\n### {}\n\n{}\n\n{}",
                word("without suspects", lang),
                known(without, &question.unit, lang),
                table(without, lang)
            ));
        }
        out.push_str(&format!("\n```sql\n{};\n\n{};\n```\n\n", entry.sql.0, entry.sql.1));
    }
    out.push_str(&format!("## {}\n\n{}\n\n", word("tables", lang), word("about tables", lang)));
    for table in &report.base_tables {
        out.push_str(&format!("### {}\n\n```sql\n{}```\n\n", table.table, table.sql));
    }
    out.push_str(&format!("## {}\n\n", word("limits", lang)));
    for line in limits(lang) {
        out.push_str(&format!("- {line}\n"));
    }
    out
}

/// The line that says when and from what the study was made.
pub(super) fn made(report: &StudyReport, lang: Lang) -> String {
    let window = match report.window {
        Some((first, last)) => format!("{} {first} {} {last}.", word("window", lang), word("to", lang)),
        None => word("nothing", lang).to_owned(),
    };
    format!(
        "{} {}, {} {}, {} {}, {} {}. {window}",
        word("made", lang),
        report.made.at.format("%Y-%m-%d %H:%M UTC"),
        word("by", lang),
        report.made.vigie,
        word("lake", lang),
        report.made.lake,
        word("advisories of", lang),
        report.made.advisories,
    )
}

/// The sentence with the known and unknown counts of an answer.
#[must_use]
pub fn known(answer: &QuestionAnswer, unit: &str, lang: Lang) -> String {
    let all = answer.denominator + answer.unknown;
    let share = if all > 0 {
        format!(" ({})", percent(answer.unknown as f64 / all as f64, lang))
    } else {
        String::new()
    };
    format!(
        "{} {} {}, {} {}{share}.",
        word("known of", lang),
        whole(answer.denominator, lang),
        word(unit, lang),
        word("unknown of", lang),
        whole(answer.unknown, lang),
    )
}

fn table(answer: &QuestionAnswer, lang: Lang) -> String {
    let cells = cells(answer, lang);
    if cells.rows.is_empty() {
        return format!("{}\n", word("no rows", lang));
    }
    let mut out = row(cells.head.iter().map(String::as_str));
    out.push_str(&row(cells.rows[0]
        .iter()
        .map(|(_, number)| if number.is_some() { "---:" } else { "---" })));
    for line in cells.rows.iter().take(SHOWN) {
        out.push_str(&row(line.iter().map(|(text, _)| text.as_str())));
    }
    if cells.rows.len() > SHOWN {
        out.push_str(&format!(
            "\n{} {}\n",
            whole((cells.rows.len() - SHOWN) as i64, lang),
            word("more rows", lang)
        ));
    }
    out
}

fn row<'a>(cells: impl Iterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.map(plain).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// Escapes untrusted text for a table cell: no markup, no links, no line breaks.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '\\' | '`' | '*' | '_' | '<' | '>' | '[' | ']' | '!' | '&' | '~' => {
                out.push('\\');
                out.push(character);
            }
            // GitHub turns `http://` and `www.` into links anywhere.
            '/' if out.ends_with(':') => out.push_str("\\/"),
            '.' if out.as_bytes().last_chunk::<3>().is_some_and(|end| end.eq_ignore_ascii_case(b"www")) => out.push_str("\\."),
            '\n' | '\r' | '\t' => out.push(' '),
            c if is_left_out(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// The comparison with published figures as a Markdown table.
#[must_use]
pub fn comparison(compared: &[Compared], lang: Lang) -> String {
    let figure = |value: f64, share: bool| if share { percent(value, lang) } else { count(value, lang) };
    let planted = compared.iter().any(|one| one.planted.is_some());
    let mut head = vec![word("figure", lang), word("published", lang)];
    if planted {
        head.push(word("planted", lang));
    }
    head.extend([word("here", lang), word("without suspects", lang), word("source", lang)]);
    let mut out = row(head.iter().copied());
    out.push_str(&row(head.iter().map(|_| "---")));
    for one in compared {
        let mut published = figure(one.published, one.share);
        if !one.note.is_empty() {
            published.push_str(&format!(" ({})", one.note));
        }
        let mut here = one.here.map_or_else(|| "?".to_owned(), |value| figure(value, one.share));
        if let (Some(low), Some(high)) = (one.low, one.high) {
            here.push_str(&format!(" ({} – {})", figure(low, one.share), figure(high, one.share)));
        }
        let mut line = vec![one.what.clone(), published];
        if planted {
            line.push(one.planted.map_or_else(|| "?".to_owned(), |value| figure(value, one.share)));
        }
        let without = one
            .without_suspects
            .map_or_else(|| "?".to_owned(), |value| figure(value, one.share));
        line.extend([here, without, one.source.clone()]);
        out.push_str(&row(line.iter().map(String::as_str)));
    }
    out
}

fn count(value: f64, lang: Lang) -> String {
    if value.fract() == 0.0 {
        whole(value as i64, lang)
    } else {
        decimal(value, 2, lang)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_has_no_markup() {
        for (text, expected) in [
            ("<b>|*a*_b_`c`[d](e)!\\", r"\<b\>\|\*a\*\_b\_\`c\`\[d\](e)\!\\"),
            ("&lt;~~x~~", r"\&lt;\~\~x\~\~"),
            ("a\nb\tc", "a b c"),
            ("a\u{202e}b\u{2066}c\u{7}d\u{1b}e", "abcde"),
            ("https://a.example/b", r"https:\//a.example/b"),
            // A removed character does not hide the link.
            ("http:\u{202e}//a.example", r"http:\//a.example"),
            ("see www.a.example, WwW.b", r"see www\.a.example, WwW\.b"),
            ("llama3.2:8b", "llama3.2:8b"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }
}
