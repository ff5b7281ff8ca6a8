//! Harmful routes by path, as the most lenient server reads it.

use vigie_model::Effect;

use crate::route::Verb;

/// A harmful route with a path of its own.
#[derive(Debug)]
pub(crate) struct HarmfulPath {
    pub(super) method: Verb,
    /// In lower case, without empty ones; `None` matches any segment.
    pub(super) segments: Vec<Option<String>>,
    pub(super) effect: Effect,
}

impl HarmfulPath {
    /// Whether a path, in segments, is this one.
    pub(super) fn is_at(&self, path: &[String]) -> bool {
        self.segments.len() == path.len()
            && self
                .segments
                .iter()
                .zip(path)
                .all(|(own, one)| own.as_ref().is_none_or(|own| own.eq_ignore_ascii_case(one)))
    }
}
