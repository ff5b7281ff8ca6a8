//! The world map, coloured by a count.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::html::escape;
use super::text::{whole, word};
use crate::{AnswerRows, Lang};

/// A country: code, English name, and an SVG path or a point.
struct Country {
    code: &'static str,
    name: &'static str,
    shape: &'static str,
}

static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    include_str!("../../map/world.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut parts = line.split('\t');
            Some(Country {
                code: parts.next()?,
                name: parts.next()?,
                shape: parts.next()?,
            })
        })
        .collect()
});

/// Number of steps of the logarithmic scale.
const STEPS: usize = 5;

pub(super) fn draw(label: &str, of: &str, rows: &AnswerRows, title: &str, lang: Lang) -> String {
    let Some(at) = rows.column(label) else { return String::new() };
    let counts: HashMap<&str, f64> = rows
        .rows
        .iter()
        .filter_map(|row| Some((row[at].as_str()?, rows.number(row, of)?)))
        .collect();
    let most = counts.values().fold(0.0_f64, |a, b| a.max(*b));
    if most < 1.0 {
        return String::new();
    }
    // Counts of hosts span orders of magnitude: the scale is logarithmic.
    let root = most.powf(1.0 / STEPS as f64).max(1.0001);
    let step = |count: f64| ((count.max(1.0).ln() / root.ln()).floor() as usize).min(STEPS - 1);
    let title = escape(title);
    let mut out = format!("<svg class=\"map\" role=\"img\" aria-label=\"{title}\" viewBox=\"0 0 1000 487\"><title>{title}</title>");
    // Points are drawn after shapes, so that no neighbour covers them.
    for points in [false, true] {
        for country in COUNTRIES.iter().filter(|country| country.shape.starts_with('M') != points) {
            let (class, count) = match counts.get(country.code) {
                Some(count) => (format!("c{}", step(*count)), whole(*count as i64, lang)),
                None if points => continue,
                None => ("c".to_owned(), "0".to_owned()),
            };
            let name = format!("<title>{} ({}): {count}</title>", escape(country.name), country.code);
            if points {
                if let Some((x, y)) = country.shape.split_once(',') {
                    out.push_str(&format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"5\">{name}</circle>"));
                }
            } else {
                out.push_str(&format!("<path class=\"{class}\" d=\"{}\">{name}</path>", country.shape));
            }
        }
    }
    out.push_str("</svg><p class=\"legend\">");
    for at in 0..STEPS {
        let from = root.powi(at as i32).ceil() as i64;
        let until = (root.powi(at as i32 + 1).ceil() as i64 - 1).max(from);
        let until = if at + 1 == STEPS { most as i64 } else { until };
        if from > until {
            continue;
        }
        out.push_str(&format!(
            "<span class=\"k c{at}\"></span>{} – {} ",
            whole(from, lang),
            whole(until, lang)
        ));
    }
    out.push_str(&format!("{}</p>", word(of, lang)));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_of_the_map_has_a_shape_or_a_point() {
        assert!(COUNTRIES.len() > 200);
        for country in COUNTRIES.iter() {
            let place = country
                .shape
                .split_once(',')
                .is_some_and(|(x, y)| x.parse::<f64>().is_ok() && y.parse::<f64>().is_ok());
            assert!(country.shape.starts_with('M') || place, "{}", country.code);
            assert_eq!(country.code.len(), 2);
        }
    }
}
