//! Comparison of a study with the figures planted in a simulated population.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::QuestionAnswer;

/// One planted figure, as `vigie population --truth` writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Figure {
    /// The question's id.
    pub question: String,
    /// The columns that select its row, with their values; empty: the only row.
    pub row: Map<String, Value>,
    /// The column, or the question's own `denominator` or `unknown`.
    pub field: String,
    /// The expected value.
    pub value: Value,
}

/// The result of comparing a study with the planted figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlantedCheck {
    /// Number of figures that match.
    pub right: usize,
    /// Number of these that are in a row of the answer; a count of 0 may have no row.
    pub in_rows: usize,
    /// One line for each figure that does not match.
    pub wrong: Vec<String>,
}

/// Compares planted figures with answers. Figures of questions that were not asked are skipped. Counts must be equal; shares, which are
/// sums of floats in no fixed order, must agree to 12 digits.
#[must_use]
pub fn check(figures: &[Figure], answers: &BTreeMap<&str, &QuestionAnswer>) -> PlantedCheck {
    let mut result = PlantedCheck::default();
    for figure in figures {
        let Some(answer) = answers.get(figure.question.as_str()) else {
            continue;
        };
        let found = find(answer, figure);
        let same = match (&found, &figure.value) {
            (Some(Value::Number(a)), Value::Number(b)) => match (a.as_i64(), b.as_i64(), a.as_f64(), b.as_f64()) {
                (Some(a), Some(b), ..) => a == b,
                (.., Some(a), Some(b)) => (a - b).abs() <= 1e-12 * b.abs().max(1.0),
                _ => false,
            },
            (None, Value::Number(number)) => number.as_f64() == Some(0.0),
            (found, value) => found.as_ref() == Some(value),
        };
        if same {
            result.right += 1;
            result.in_rows += usize::from(found.is_some());
        } else {
            let found = found.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            let row = Value::Object(figure.row.clone());
            result.wrong.push(format!(
                "{} {row} {}: planted {}, found {found}",
                figure.question, figure.field, figure.value
            ));
        }
    }
    result
}

fn find(answer: &QuestionAnswer, figure: &Figure) -> Option<Value> {
    match figure.field.as_str() {
        "denominator" => return Some(answer.denominator.into()),
        "unknown" if figure.row.is_empty() => return Some(answer.unknown.into()),
        _ => {}
    }
    let rows = &answer.rows;
    let row = rows.rows.iter().find(|row| {
        figure
            .row
            .iter()
            .all(|(name, value)| rows.column(name).is_some_and(|at| row[at] == *value))
    })?;
    Some(row[rows.column(&figure.field)?].clone())
}
