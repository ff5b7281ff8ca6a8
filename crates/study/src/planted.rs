//! What was planted in a simulated population, held against a study of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Answered;

/// One planted figure, as `vigie population --truth` writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Figure {
    /// The question's id.
    pub question: String,
    /// The columns that single out its row, with their values; empty: the only row.
    pub row: Map<String, Value>,
    /// The column; `denominator` and `unknown` are the question's own.
    pub field: String,
    /// What must stand there.
    pub value: Value,
}

/// How a study did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Figures that are as planted.
    pub right: usize,
    /// Of these, those that stand in a row: a count of none has no row.
    pub in_rows: usize,
    /// A line for each that is not.
    pub wrong: Vec<String>,
}

/// Holds planted figures against answers. Figures of questions that were not asked are passed over. Counts must be equal; shares, which
/// are sums of floats in an order that is not fixed, to 12 digits.
#[must_use]
pub fn hold(figures: &[Figure], answers: &BTreeMap<&str, &Answered>) -> Held {
    let mut held = Held::default();
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
            held.right += 1;
            held.in_rows += usize::from(found.is_some());
        } else {
            let found = found.map_or_else(|| "nothing".to_owned(), |value| value.to_string());
            let row = Value::Object(figure.row.clone());
            held.wrong.push(format!(
                "{} {row} {}: planted {}, found {found}",
                figure.question, figure.field, figure.value
            ));
        }
    }
    held
}

fn find(answer: &Answered, figure: &Figure) -> Option<Value> {
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
