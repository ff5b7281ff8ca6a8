//! The document as a self-contained HTML file. Without JavaScript only the sorting of tables is missing.

use super::chart;
use super::markdown::{SHOWN, known, made};
use super::text::{Cells, cells, decimal, is_left_out, limits, percent, whole, word};
use crate::published::Compared;
use crate::study::{AnsweredQuestion, QuestionAnswer};
use crate::{Lang, StudyReport};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn page(report: &StudyReport, compared: &[Compared], lang: Lang) -> String {
    let code = match lang {
        Lang::En => "en",
        Lang::Fr => "fr",
    };
    let title = escape(word("title", lang));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"{code}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1>\n<p>{}</p>\n",
        escape(&made(report, lang))
    );
    if report.hosts.1 > 0 {
        out.push_str(&format!(
            "<p>{} {} {}. {}</p>\n",
            whole(report.hosts.1, lang),
            escape(word("suspects", lang)),
            escape(&format!("/ {} {}", whole(report.hosts.0, lang), word("hosts", lang))),
            escape(word("suspects are in", lang))
        ));
    }
    out.push_str("</header>\n");
    contents(&mut out, report, compared, lang);
    out.push_str("<main>\n");
    if !report.unread.is_empty() {
        out.push_str(&format!("<section class=\"warn\"><h2>{}</h2><ul>", escape(word("unread", lang))));
        for line in &report.unread {
            out.push_str(&format!("<li>{}</li>", escape(line)));
        }
        out.push_str("</ul></section>\n");
    }
    if !compared.is_empty() {
        out.push_str(&format!("<section id=\"compared\"><h2>{}</h2>\n", escape(word("compared", lang))));
        out.push_str(&comparison(compared, lang));
        out.push_str("</section>\n");
    }
    for entry in &report.entries {
        section(&mut out, entry, lang);
    }
    out.push_str(&format!(
        "<section id=\"tables\"><h2>{}</h2><p>{}</p>",
        escape(word("tables", lang)),
        escape(word("about tables", lang))
    ));
    for table in &report.base_tables {
        out.push_str(&format!(
            "<details><summary>{}</summary><pre><code>{}</code></pre></details>\n",
            escape(&table.table),
            escape(&table.sql)
        ));
    }
    out.push_str("</section>\n");
    out.push_str(&format!("<section id=\"limits\"><h2>{}</h2><ul>", escape(word("limits", lang))));
    for line in limits(lang) {
        out.push_str(&format!("<li>{}</li>", escape(line)));
    }
    out.push_str(&format!(
        "</ul></section>\n</main>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    ));
    out
}

fn contents(out: &mut String, report: &StudyReport, compared: &[Compared], lang: Lang) {
    out.push_str(&format!("<nav aria-label=\"{0}\"><h2>{0}</h2><ol>", escape(word("contents", lang))));
    if !compared.is_empty() {
        out.push_str(&format!("<li><a href=\"#compared\">{}</a></li>", escape(word("compared", lang))));
    }
    for entry in &report.entries {
        out.push_str(&format!(
            "<li><a href=\"#{}\">{}</a></li>",
            entry.question.id,
            escape(entry.question.title.get(lang))
        ));
    }
    out.push_str(&format!("<li><a href=\"#tables\">{}</a></li>", escape(word("tables", lang))));
    out.push_str(&format!(
        "<li><a href=\"#limits\">{}</a></li></ol></nav>\n",
        escape(word("limits", lang))
    ));
}

fn section(out: &mut String, entry: &AnsweredQuestion, lang: Lang) {
    let question = entry.question;
    let title = question.title.get(lang);
    out.push_str(&format!(
        "<section id=\"{}\"><h2>{}</h2>\n<p class=\"why\">{}</p>\n<p class=\"known\">{}</p>\n{}\n",
        question.id,
        escape(title),
        escape(question.why.get(lang)),
        escape(&known(&entry.all, &question.unit, lang)),
        chart::draw(&question.chart, &entry.all.rows, title, lang),
    ));
    out.push_str(&table(&entry.all, title, lang));
    if let Some(without) = &entry.without_suspects {
        out.push_str(&format!(
            "<details><summary>{}</summary>\n<p class=\"known\">{}</p>\n{}</details>\n",
            escape(word("without suspects", lang)),
            escape(&known(without, &question.unit, lang)),
            table(without, &format!("{title}, {}", word("without suspects", lang)), lang),
        ));
    }
    out.push_str(&format!(
        "<details><summary>{}, {}</summary>\n<p>{}</p>\n<pre><code>{};\n\n{};</code></pre></details>\n</section>\n",
        escape(word("definition", lang)),
        escape(word("sql", lang)),
        escape(entry.definition.get(lang)),
        escape(&entry.sql.0),
        escape(&entry.sql.1),
    ));
}

fn table(answer: &QuestionAnswer, caption: &str, lang: Lang) -> String {
    let cells = cells(answer, lang);
    if cells.rows.is_empty() {
        return format!("<p>{}</p>\n", escape(word("no rows", lang)));
    }
    let mut out = rows(&cells, caption);
    if cells.rows.len() > SHOWN {
        out.push_str(&format!(
            "<p>{} {}</p>\n",
            whole((cells.rows.len() - SHOWN) as i64, lang),
            escape(word("more rows", lang))
        ));
    }
    out
}

fn rows(cells: &Cells, caption: &str) -> String {
    let mut out = format!("<div class=\"scroll\"><table><caption>{}</caption>\n<thead><tr>", escape(caption));
    for name in &cells.head {
        out.push_str(&format!("<th scope=\"col\">{}</th>", escape(name)));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for row in cells.rows.iter().take(SHOWN) {
        out.push_str("<tr>");
        for (text, number) in row {
            match number {
                Some(number) => out.push_str(&format!("<td class=\"n\" data-v=\"{number}\">{}</td>", escape(text))),
                None => out.push_str(&format!("<td>{}</td>", escape(text))),
            }
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

fn comparison(compared: &[Compared], lang: Lang) -> String {
    let figure = |value: f64, share: bool| {
        if share {
            percent(value, lang)
        } else if value.fract() == 0.0 {
            whole(value as i64, lang)
        } else {
            decimal(value, 2, lang)
        }
    };
    let planted = compared.iter().any(|one| one.planted.is_some());
    let mut head: Vec<&str> = vec!["figure", "published"];
    if planted {
        head.push("planted");
    }
    head.extend(["here", "without suspects", "note", "source"]);
    let cell = |value: Option<f64>, share: bool| (value.map_or_else(|| "?".to_owned(), |value| figure(value, share)), value);
    let cells = Cells {
        head: head.iter().map(|name| word(name, lang).to_owned()).collect(),
        rows: compared
            .iter()
            .map(|one| {
                let mut row = vec![(one.what.clone(), None), cell(Some(one.published), one.share)];
                if planted {
                    row.push(cell(one.planted, one.share));
                }
                let mut here = cell(one.here, one.share);
                if let (Some(low), Some(high)) = (one.low, one.high) {
                    here.0
                        .push_str(&format!(" ({} – {})", figure(low, one.share), figure(high, one.share)));
                }
                row.extend([
                    here,
                    cell(one.without_suspects, one.share),
                    (one.note.clone(), None),
                    (one.source.clone(), None),
                ]);
                row
            })
            .collect(),
    };
    rows(&cells, word("compared", lang))
}

/// Escapes text for HTML and its attributes, and removes control characters and writing-direction overrides.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push('\n'),
            c if is_left_out(c) => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn untrusted_text_has_no_markup() {
        assert_eq!(escape("<script>\"'&\u{7}\u{202e}"), "&lt;script&gt;&quot;&#39;&amp;");
    }
}
