//! Typed access to the fields of a TOML document. Every mistake is collected with its line.

use std::ops::Range;

use chrono::NaiveDate;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::date::parse_date;
use super::scope_file::{ScopeErrors, ScopeProblem};

/// Reads fields and collects mistakes.
pub(super) struct FieldReader<'a> {
    pub(super) text: &'a str,
    pub(super) problems: Vec<ScopeProblem>,
}

impl FieldReader<'_> {
    /// The line of a byte offset.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text.as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
    }

    /// Reports a mistake.
    pub(super) fn problem(&mut self, span: Range<usize>, message: impl Into<String>) {
        let line = self.line(span.start);
        self.problems.push(ScopeProblem {
            line,
            message: message.into(),
        });
    }

    /// All mistakes, by line.
    pub(super) fn refuse(mut self) -> ScopeErrors {
        self.problems.sort();
        self.problems.dedup();
        ScopeErrors(self.problems)
    }

    /// Reads each table of an array of tables.
    pub(super) fn each<T>(
        &mut self,
        top: &Fields<'_, '_>,
        key: &str,
        title: &'static str,
        read: impl Fn(&mut Self, &Fields<'_, '_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(value) = top.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.problem(
                value.span(),
                format!("`{key}` must be a list of tables: write {title} with two brackets"),
            );
            return Vec::new();
        };
        let mut all = Vec::new();
        for item in array.iter() {
            if let Some(fields) = self.table(item, title) {
                all.extend(read(self, &fields));
            }
        }
        all
    }

    pub(super) fn table<'t, 'i>(&mut self, value: &'t Spanned<DeValue<'i>>, title: &'static str) -> Option<Fields<'t, 'i>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(Fields {
                title,
                span: value.span(),
                table,
            }),
            other => {
                self.problem(
                    value.span(),
                    format!("{title} must be a table; this is a value of type {}", other.type_str()),
                );
                None
            }
        }
    }

    /// Reports unknown keys.
    pub(super) fn known(&mut self, fields: &Fields<'_, '_>, keys: &[&str]) {
        for (name, _) in fields.table.iter() {
            let key = name.get_ref();
            if !keys.contains(&key.as_ref()) {
                let named = fields.named(key);
                self.problem(name.span(), format!("unknown key {named}: the known keys are {}", keys.join(", ")));
            }
        }
    }

    /// An optional line of text.
    pub(super) fn text(&mut self, fields: &Fields<'_, '_>, key: &str) -> Option<String> {
        let value = fields.get(key)?;
        let named = fields.named(key);
        match value.get_ref() {
            // A line break would let a value look like another line of the notice.
            DeValue::String(text) if text.trim().is_empty() => self.problem(value.span(), format!("{named} is empty")),
            DeValue::String(text) if text.chars().any(char::is_control) => {
                self.problem(value.span(), format!("{named} must be one line of text"));
            }
            DeValue::String(text) => return Some(text.trim().to_owned()),
            other => {
                let kind = other.type_str();
                self.problem(
                    value.span(),
                    format!("{named} must be a string in quotes; this is a value of type {kind}"),
                );
            }
        }
        None
    }

    /// A required line of text.
    pub(super) fn needed_text(&mut self, fields: &Fields<'_, '_>, key: &str, example: &str) -> Option<String> {
        self.needed(fields, key, example)?;
        self.text(fields, key)
    }

    /// Reports a missing key, with an example of what to write.
    pub(super) fn needed(&mut self, fields: &Fields<'_, '_>, key: &str, example: &str) -> Option<()> {
        if fields.get(key).is_none() {
            let named = fields.named(key);
            self.problem(fields.span.clone(), format!("{named} is missing: write {example}"));
            return None;
        }
        Some(())
    }

    pub(super) fn boolean(&mut self, fields: &Fields<'_, '_>, key: &str) -> Option<bool> {
        let value = fields.get(key)?;
        let read = value.get_ref().as_bool();
        if read.is_none() {
            self.problem(value.span(), format!("{} must be true or false", fields.named(key)));
        }
        read
    }

    pub(super) fn date(&mut self, fields: &Fields<'_, '_>, key: &str, example: &str) -> Option<NaiveDate> {
        self.needed(fields, key, example)?;
        let value = fields.get(key)?;
        let read = match value.get_ref() {
            DeValue::String(text) => parse_date(text.trim()),
            DeValue::Datetime(stamp) if stamp.time.is_none() => stamp
                .date
                .and_then(|date| NaiveDate::from_ymd_opt(i32::from(date.year), u32::from(date.month), u32::from(date.day))),
            _ => None,
        };
        if read.is_none() {
            self.problem(value.span(), format!("{} must be a date: write {example}", fields.named(key)));
        }
        read
    }

    pub(super) fn texts(&mut self, fields: &Fields<'_, '_>, key: &str) -> Vec<String> {
        self.spanned_texts(fields, key).into_iter().map(|(text, _)| text).collect()
    }

    pub(super) fn spanned_texts(&mut self, fields: &Fields<'_, '_>, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = fields.get(key) else { return Vec::new() };
        let Some(list) = value.get_ref().as_array() else {
            self.problem(value.span(), format!("{} must be a list of strings", fields.named(key)));
            return Vec::new();
        };
        let mut texts = Vec::new();
        for item in list.iter() {
            match item.get_ref().as_str() {
                Some(text) if !text.trim().is_empty() => texts.push((text.trim().to_owned(), item.span())),
                _ => self.problem(item.span(), format!("{} must be a list of strings", fields.named(key))),
            }
        }
        texts
    }
}

/// A table and its place in the file.
pub(super) struct Fields<'t, 'i> {
    /// Its name in messages: empty at the top level, otherwise `[[range]]` and so on.
    pub(super) title: &'static str,
    pub(super) span: Range<usize>,
    pub(super) table: &'t DeTable<'i>,
}

impl<'t, 'i> Fields<'t, 'i> {
    pub(super) fn get(&self, key: &str) -> Option<&'t Spanned<DeValue<'i>>> {
        self.table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(_, value)| value)
    }

    pub(super) fn named(&self, key: &str) -> String {
        if self.title.is_empty() {
            format!("`{key}`")
        } else {
            format!("`{key}` in {}", self.title)
        }
    }
}

pub(super) fn integer(value: &DeValue<'_>) -> Option<i64> {
    let number = value.as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}
