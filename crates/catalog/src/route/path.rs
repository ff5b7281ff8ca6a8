//! Path and method of a route's notation.

pub(crate) use vigie_http::path::without_query as bare;

/// A segment of a route's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'p> {
    Text(&'p str),
    /// `{name}`: one segment.
    One,
    /// `{name...}`: one segment or more, last.
    Rest,
}

impl<'p> Part<'p> {
    pub(crate) fn of(segment: &'p str) -> Self {
        match segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) {
            Some(name) if name.ends_with("...") => Self::Rest,
            Some(_) => Self::One,
            None => Self::Text(segment),
        }
    }
}

/// A method that a route may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Any,
    /// The method of a request that no route has.
    Other,
}

impl Verb {
    pub(crate) fn of(method: &str) -> Self {
        match method {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "ANY" => Self::Any,
            _ => Self::Other,
        }
    }

    /// Whether a request's method fits this route's; a HEAD also fits a GET.
    pub(crate) fn takes(self, request: Self) -> bool {
        self == request || self == Self::Any || (request == Self::Head && self == Self::Get)
    }
}

/// Whether a path without its query fits a route's path.
pub(crate) fn path_fits(route: &str, path: &str) -> bool {
    let mut segments = path.split('/').skip(1);
    for part in route.split('/').skip(1).map(Part::of) {
        let Some(segment) = segments.next() else {
            return false;
        };
        match part {
            Part::Text(text) if text != segment => return false,
            Part::One if segment.is_empty() => return false,
            Part::Rest => return true,
            Part::Text(_) | Part::One => {}
        }
    }
    segments.next().is_none()
}

pub(super) fn check_path(path: &str) -> Result<(), String> {
    let rest = path
        .strip_prefix('/')
        .ok_or_else(|| format!("{path:?}: a path must start with /"))?;
    match rest.rsplit_once('/') {
        Some((before, _)) if before.split('/').any(|segment| Part::of(segment) == Part::Rest) => {
            Err(format!("{path:?}: {{name...}} is allowed only as the last segment"))
        }
        _ => Ok(()),
    }
}
