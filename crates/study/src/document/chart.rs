//! Charts as inline SVG, without scripts; each has a title for screen readers.

use serde_json::Value;

use super::html::escape;
use super::text::{decimal, is_share, percent, value, whole, word};
use crate::{AnswerRows, Chart, Lang};

/// CSS classes of the series. Their colours can be told apart with every kind of colour vision (Okabe and Ito, 2008).
const SERIES: [&str; 3] = ["s0", "s1", "s2"];
/// Bars per chart; the table has all rows.
const BARS: usize = 20;

/// The chart of a question's rows; empty if there is none or nothing to draw.
pub(super) fn draw(chart: &Chart, rows: &AnswerRows, title: &str, lang: Lang) -> String {
    match chart {
        Chart::None => String::new(),
        Chart::Bars(label, values) => bars(label, values, rows, title, lang),
        Chart::Line(label, values) => line(label, values, rows, title, lang),
        Chart::Map(label, of) => super::map::draw(label, of, rows, title, lang),
    }
}

fn figure(column: &str, number: f64, lang: Lang) -> String {
    if is_share(column) {
        percent(number, lang)
    } else if number.fract() == 0.0 {
        whole(number as i64, lang)
    } else {
        decimal(number, 2, lang)
    }
}

/// The label of a row, with the texts of the columns before it.
fn label_of(rows: &AnswerRows, row: &[Value], at: usize, lang: Lang) -> String {
    let before = rows.columns[..at]
        .iter()
        .zip(row)
        .filter(|(_, cell)| cell.is_string())
        .map(|(name, cell)| value(name, cell, lang));
    let parts: Vec<String> = before.chain([value(&rows.columns[at], &row[at], lang)]).collect();
    let text = parts.join(" · ");
    if text.chars().count() > 34 {
        let cut: String = text.chars().take(33).collect();
        format!("{cut}…")
    } else {
        text
    }
}

/// The value columns that the answer has, as many as there are colours.
fn series<'v>(values: &'v [String], rows: &AnswerRows) -> Vec<&'v String> {
    values
        .iter()
        .filter(|name| rows.column(name).is_some())
        .take(SERIES.len())
        .collect()
}

fn bars(label: &str, values: &[String], rows: &AnswerRows, title: &str, lang: Lang) -> String {
    let Some(at) = rows.column(label) else { return String::new() };
    let values = series(values, rows);
    let shown: Vec<&Vec<Value>> = rows
        .rows
        .iter()
        .filter(|row| values.iter().any(|name| rows.number(row, name).is_some()))
        .take(BARS)
        .collect();
    let ends = values.iter().flat_map(|name| {
        let high = format!("{name}_high");
        shown
            .iter()
            .filter_map(move |row| rows.number(row, &high).or_else(|| rows.number(row, name)))
    });
    let most = ends.fold(0.0_f64, f64::max);
    if shown.is_empty() || most <= 0.0 {
        return String::new();
    }
    let (left, width, thick) = (230.0, 400.0, 14.0);
    let step = thick * values.len() as f64 + 8.0;
    let height = step * shown.len() as f64 + 24.0;
    let mut out = open(title, 780.0, height);
    for (nth, row) in shown.iter().enumerate() {
        let top = nth as f64 * step + 4.0;
        out.push_str(&format!(
            "<text class=\"l\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            left - 8.0,
            top + thick * values.len() as f64 / 2.0 + 4.0,
            escape(&label_of(rows, row, at, lang))
        ));
        for (series, name) in values.iter().enumerate() {
            let Some(number) = rows.number(row, name) else { continue };
            let y = top + series as f64 * thick;
            let long = number / most * width;
            out.push_str(&format!(
                "<rect class=\"{}\" x=\"{left}\" y=\"{y:.1}\" width=\"{long:.1}\" height=\"{:.1}\"/>",
                SERIES[series],
                thick - 2.0
            ));
            let bound = |end: &str| {
                rows.number(row, &format!("{name}_{end}"))
                    .map(|number| left + number / most * width)
            };
            let mut end = left + long;
            if let (Some(low), Some(high)) = (bound("low"), bound("high")) {
                let middle = y + (thick - 2.0) / 2.0;
                out.push_str(&format!(
                    "<path class=\"w\" d=\"M{low:.1} {middle:.1}H{high:.1}M{low:.1} {:.1}v6M{high:.1} {:.1}v6\"/>",
                    middle - 3.0,
                    middle - 3.0
                ));
                end = end.max(high);
            }
            out.push_str(&format!(
                "<text class=\"v\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                end + 6.0,
                y + thick - 3.0,
                figure(name, number, lang)
            ));
        }
    }
    out.push_str("</svg>");
    out + &legend(&values, lang)
}

fn line(label: &str, values: &[String], rows: &AnswerRows, title: &str, lang: Lang) -> String {
    let Some(at) = rows.column(label) else { return String::new() };
    let values = series(values, rows);
    if rows.rows.len() < 2 {
        return String::new();
    }
    // Numbers are placed by value, texts at equal distances.
    let place = |nth: usize, row: &[Value]| row[at].as_f64().unwrap_or(nth as f64);
    let places: Vec<f64> = rows.rows.iter().enumerate().map(|(nth, row)| place(nth, row)).collect();
    let (first, last) = (places[0], places[places.len() - 1]);
    let numbers = || {
        values
            .iter()
            .flat_map(|name| rows.rows.iter().filter_map(|row| rows.number(row, name)))
    };
    let shares = values.iter().all(|name| is_share(name));
    let most = if shares { 1.0 } else { numbers().fold(0.0_f64, f64::max) };
    if most <= 0.0 || last <= first {
        return String::new();
    }
    let (left, top, width, height) = (70.0, 10.0, 680.0, 220.0);
    let x = |value: f64| left + (value - first) / (last - first) * width;
    let y = |value: f64| top + height - value / most * height;
    let mut out = open(title, 780.0, height + 46.0);
    for quarter in 0..=4 {
        let value = most * f64::from(quarter) / 4.0;
        out.push_str(&format!(
            "<path class=\"g\" d=\"M{left} {:.1}H{:.0}\"/><text class=\"l\" x=\"{:.0}\" y=\"{:.1}\">{}</text>",
            y(value),
            left + width,
            left - 6.0,
            y(value) + 4.0,
            if shares {
                percent(value, lang)
            } else {
                figure("", if most > 20.0 { value.round() } else { value }, lang)
            }
        ));
    }
    let every = rows.rows.len().div_ceil(12);
    let mut written = f64::NEG_INFINITY;
    for (nth, row) in rows.rows.iter().enumerate().step_by(every) {
        // Labels of neighbouring points would overlap.
        if x(places[nth]) - written < 40.0 {
            continue;
        }
        written = x(places[nth]);
        out.push_str(&format!(
            "<text class=\"m\" x=\"{:.1}\" y=\"{:.0}\">{}</text>",
            x(places[nth]),
            top + height + 18.0,
            escape(&value(label, &row[at], lang))
        ));
    }
    for (series, name) in values.iter().enumerate() {
        let band: Vec<(f64, f64, f64)> = rows
            .rows
            .iter()
            .zip(&places)
            .filter_map(|(row, place)| {
                let low = rows.number(row, &format!("{name}_low"))?;
                Some((x(*place), y(low), y(rows.number(row, &format!("{name}_high"))?)))
            })
            .collect();
        if band.len() > 1 {
            let up = band.iter().map(|(x, _, high)| format!("{x:.1},{high:.1}"));
            let down = band.iter().rev().map(|(x, low, _)| format!("{x:.1},{low:.1}"));
            let points: Vec<String> = up.chain(down).collect();
            out.push_str(&format!(
                "<polygon class=\"b {}\" points=\"{}\"/>",
                SERIES[series],
                points.join(" ")
            ));
        }
        let points: Vec<String> = rows
            .rows
            .iter()
            .zip(&places)
            .filter_map(|(row, place)| Some(format!("{:.1},{:.1}", x(*place), y(rows.number(row, name)?))))
            .collect();
        out.push_str(&format!(
            "<polyline class=\"p {}\" points=\"{}\"/>",
            SERIES[series],
            points.join(" ")
        ));
    }
    out.push_str("</svg>");
    out + &legend(&values, lang)
}

fn open(title: &str, width: f64, height: f64) -> String {
    let title = escape(title);
    format!("<svg role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 {width:.0} {height:.0}\"><title>{title}</title>")
}

/// The legend, if there are several series.
fn legend(values: &[&String], lang: Lang) -> String {
    if values.len() < 2 {
        return String::new();
    }
    let items: Vec<String> = values
        .iter()
        .enumerate()
        .map(|(at, name)| {
            format!(
                "<span class=\"k {}\"></span>{}",
                SERIES[at],
                escape(&word(name, lang).replace('_', " "))
            )
        })
        .collect();
    format!("<p class=\"legend\">{}</p>", items.join(" "))
}
