//! Ranges of affected versions.

use vigie_model::{Verdict, VersionOrder};

use crate::order::Version;
use crate::osv::{self, RangeKind};

/// A verdict with its reason.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) why: String,
    /// The first fixed version after the version, if known.
    pub(crate) fixed: Option<String>,
}

/// The affected versions of one package, in ascending order, without overlap.
#[derive(Clone, Debug)]
pub(crate) struct Ranges {
    spans: Vec<AffectedRange>,
    /// Only the listed versions are affected.
    complete: bool,
}

#[derive(Clone, Debug)]
struct AffectedRange {
    /// `None`: from the first version on.
    start: Option<Version>,
    end: End,
}

#[derive(Clone, Debug)]
enum End {
    /// Up to the fix, exclusive. Another source may name an earlier fix; versions between the two are unknown.
    Fixed { fix: Version, disputed: Option<Version> },
    /// Up to this version, inclusive; the fix may be later than the next version.
    Last { last: Version, fixed: Option<Version> },
    /// Without end.
    Open,
}

impl Ranges {
    /// Parses the ranges and versions of a package. The error is a field below `affected[i]`, and a message.
    pub(crate) fn read(affected: &osv::Affected, vigie: &osv::Vigie) -> Result<Self, (String, String)> {
        let mut spans = Vec::new();
        for (i, range) in affected.ranges.iter().enumerate() {
            let field = format!("ranges[{i}]");
            if range.kind == RangeKind::Git {
                return Err((
                    format!("{field}.type"),
                    "a range of commits goes into database_specific.vigie.commit_range".to_owned(),
                ));
            }
            read_events(&range.events, vigie, &field, &mut spans)?;
        }
        for (i, text) in affected.versions.iter().enumerate() {
            let version = bound(vigie.order, text, format!("versions[{i}]"))?;
            // In OSV, `versions` also lists versions covered by `ranges`.
            if !spans.iter().any(|span| span.contains(&version)) {
                spans.push(AffectedRange {
                    start: Some(version.clone()),
                    end: End::Last {
                        last: version,
                        fixed: None,
                    },
                });
            }
        }
        if spans.is_empty() {
            return Err((
                "ranges".to_owned(),
                "neither ranges nor versions: name some, or give database_specific.vigie.commit_range".to_owned(),
            ));
        }
        spans.sort_by(|a, b| a.start.cmp(&b.start));
        for pair in spans.windows(2) {
            if pair[1].start.as_ref().is_none_or(|start| pair[0].reaches(start)) {
                return Err(("ranges".to_owned(), "two of them overlap: merge them".to_owned()));
            }
        }
        if vigie.complete
            && !spans
                .iter()
                .all(|span| matches!(&span.end, End::Last { last, .. } if Some(last) == span.start.as_ref()))
        {
            return Err((
                "ranges".to_owned(),
                "database_specific.vigie.complete is for a list of versions".to_owned(),
            ));
        }
        Ok(Self {
            spans,
            complete: vigie.complete,
        })
    }

    /// Every version named in the ranges.
    pub(crate) fn bounds(&self) -> impl Iterator<Item = &Version> {
        self.spans.iter().flat_map(|span| {
            let (end, beside) = match &span.end {
                End::Fixed { fix, disputed } => (Some(fix), disputed.as_ref()),
                End::Last { last, fixed } => (Some(last), fixed.as_ref()),
                End::Open => (None, None),
            };
            span.start.iter().chain(end).chain(beside)
        })
    }

    /// The minimum number of numeric components of its bounds; a fix between two releases has one more.
    pub(crate) fn numbers(&self) -> usize {
        self.bounds().map(Version::numbers).min().unwrap_or_default()
    }

    /// The verdict on a version, by these rules in this order:
    ///
    /// - in a range: affected, also if the range has no end;
    /// - below the first range, in a gap between two, at or above the fix: not affected;
    /// - above the last version known to be affected, without a known fix, or between it and the fix: unknown;
    /// - between the fixes named by two sources: unknown;
    /// - with a suffix of unknown meaning that makes a difference: unknown;
    /// - with fewer than `numbers` numeric components, if the missing ones make a difference: unknown.
    pub(crate) fn judge(&self, version: &Version, numbers: usize) -> Judgement {
        let judged = self.judge_as_read(version);
        if judged.verdict != Verdict::Unknown
            && let Some(last) = version.last_of(numbers)
        {
            let inside = self.bounds().filter(|bound| version < *bound && **bound <= last);
            let differs = |other: &Version| self.judge_as_read(other).verdict != judged.verdict;
            // The verdict can only change at a bound.
            if differs(&last) || inside.into_iter().any(differs) {
                return Judgement {
                    verdict: Verdict::Unknown,
                    why: format!("{version} may be any release that begins so, and which one decides"),
                    fixed: judged.fixed,
                };
            }
        }
        let Some(earliest) = version.earliest() else {
            return judged;
        };
        if judged.verdict != Verdict::Unknown && self.judge_as_read(&earliest).verdict != judged.verdict {
            return Judgement {
                verdict: Verdict::Unknown,
                why: format!("{version} may be a release built again, or come before it, and that decides"),
                fixed: judged.fixed,
            };
        }
        judged
    }

    fn judge_as_read(&self, version: &Version) -> Judgement {
        if let Some(span) = self.spans.iter().find(|span| span.contains(version)) {
            if let End::Fixed {
                fix,
                disputed: Some(earlier),
            } = &span.end
                && version >= earlier
            {
                return Judgement {
                    verdict: Verdict::Unknown,
                    why: format!("the sources differ: one says that it is fixed in {earlier}, another in {fix}"),
                    fixed: Some(fix.to_string()),
                };
            }
            return Judgement {
                verdict: Verdict::Affected,
                why: span.why_affected(version),
                fixed: span.fix().map(ToString::to_string),
            };
        }
        let after = self
            .spans
            .iter()
            .position(|span| span.start.as_ref().is_some_and(|start| start > version));
        let next = after.map(|i| &self.spans[i]);
        let before = self.spans[..after.unwrap_or(self.spans.len())].last();
        let fixed = before
            .and_then(AffectedRange::fix)
            .or_else(|| self.spans.last().and_then(AffectedRange::fix))
            .map(ToString::to_string);
        let judgement = |verdict, why| Judgement {
            verdict,
            why,
            fixed: fixed.clone(),
        };
        if self.complete {
            let named: Vec<String> = self
                .spans
                .iter()
                .filter_map(|span| span.start.as_ref().map(ToString::to_string))
                .collect();
            return judgement(Verdict::NotAffected, format!("only {} are affected", named.join(", ")));
        }
        let start = next.and_then(|span| span.start.as_ref());
        match (before.map(|span| &span.end), start) {
            (None | Some(End::Open), Some(start)) => judgement(Verdict::NotAffected, format!("below {start}, where it came in")),
            (Some(End::Fixed { fix, .. }), _) => judgement(Verdict::NotAffected, format!("fixed in {fix}")),
            (Some(End::Last { fixed: Some(fix), .. }), _) if version >= fix => judgement(Verdict::NotAffected, format!("fixed in {fix}")),
            (Some(End::Last { last, fixed: Some(fix) }), _) => judgement(
                Verdict::Unknown,
                format!("{version} lies between {last}, the last version known to be affected, and {fix}, where it is fixed"),
            ),
            (Some(End::Last { last, fixed: None }), Some(start)) => judgement(
                Verdict::NotAffected,
                format!("between {last} and {start}, in a gap between the ranges"),
            ),
            (Some(End::Last { last, fixed: None }), None) => judgement(
                Verdict::Unknown,
                format!("{version} is above {last}, the last version known to be affected; no fix is known"),
            ),
            // A range without an end contains all versions above its start.
            (None | Some(End::Open), None) => judgement(Verdict::Unknown, "no range covers this version".to_owned()),
        }
    }
}

impl AffectedRange {
    fn contains(&self, version: &Version) -> bool {
        self.start.as_ref().is_none_or(|start| start <= version) && self.reaches(version)
    }

    /// Whether the end is above a version.
    fn reaches(&self, version: &Version) -> bool {
        match &self.end {
            End::Fixed { fix, .. } => version < fix,
            End::Last { last, .. } => version <= last,
            End::Open => true,
        }
    }

    fn fix(&self) -> Option<&Version> {
        match &self.end {
            End::Fixed { fix, .. } => Some(fix),
            End::Last { fixed, .. } => fixed.as_ref(),
            End::Open => None,
        }
    }

    fn why_affected(&self, version: &Version) -> String {
        let from = match &self.start {
            Some(start) if start != version => format!("{start} <= {version}"),
            _ => version.to_string(),
        };
        match (&self.start, &self.end) {
            (_, End::Fixed { fix, .. }) => format!("{from} < {fix} (fixed)"),
            (Some(start), End::Last { last, fixed: None }) if start == last => {
                format!("{version} is a version that it names")
            }
            (_, End::Last { last, fixed: None }) => {
                format!("{from} <= {last}, the last version known to be affected; no fix is known")
            }
            (_, End::Last { last, fixed: Some(fix) }) => {
                format!("{from} <= {last}, the last version known to be affected; fixed in {fix}")
            }
            (Some(start), End::Open) => {
                format!("{start} and every later version is affected; no fix is known")
            }
            (None, End::Open) => "every version is affected; no fix is known".to_owned(),
        }
    }
}

fn read_events(events: &[osv::Event], vigie: &osv::Vigie, field: &str, spans: &mut Vec<AffectedRange>) -> Result<(), (String, String)> {
    let mut open: Option<Option<Version>> = None;
    for (i, event) in events.iter().enumerate() {
        let at = |key: &str| format!("{field}.events[{i}].{key}");
        let fail = |key: &str, message: &str| Err((at(key), message.to_owned()));
        match (&event.introduced, &event.fixed, &event.last_affected) {
            (Some(text), None, None) => {
                if open.is_some() {
                    return fail("introduced", "the range before it has no end");
                }
                open = Some(if text == "0" {
                    None
                } else {
                    Some(bound(vigie.order, text, at("introduced"))?)
                });
            }
            (None, Some(text), None) => {
                let fix = bound(vigie.order, text, at("fixed"))?;
                match open.take() {
                    None => return fail("fixed", "no introduced event comes before it"),
                    Some(Some(start)) if start >= fix => {
                        return fail("fixed", "it is not above the introduced version");
                    }
                    Some(start) => {
                        let disputed = match &vigie.disputed_fix {
                            Some(text) if i + 1 == events.len() => {
                                Some(bound(vigie.order, text, "database_specific.vigie.disputed_fix".to_owned())?)
                            }
                            _ => None,
                        };
                        let within = |earlier: &Version| *earlier < fix && start.as_ref().is_none_or(|start| start < earlier);
                        if disputed.as_ref().is_some_and(|earlier| !within(earlier)) {
                            return fail("fixed", "disputed_fix is not between the introduced version and this one");
                        }
                        spans.push(AffectedRange {
                            start,
                            end: End::Fixed { fix, disputed },
                        });
                    }
                }
            }
            (None, None, Some(text)) => {
                let last = bound(vigie.order, text, at("last_affected"))?;
                let last_event = i + 1 == events.len();
                let fixed = match &vigie.fixed_in {
                    Some(text) if last_event => Some(bound(vigie.order, text, "database_specific.vigie.fixed_in".to_owned())?),
                    _ => None,
                };
                if fixed.as_ref().is_some_and(|fix| *fix <= last) {
                    return fail("last_affected", "it is not below fixed_in");
                }
                match open.take() {
                    None => return fail("last_affected", "no introduced event comes before it"),
                    Some(Some(start)) if start > last => {
                        return fail("last_affected", "it is below the introduced version");
                    }
                    Some(start) => spans.push(AffectedRange {
                        start,
                        end: End::Last { last, fixed },
                    }),
                }
            }
            _ => {
                return Err((
                    format!("{field}.events[{i}]"),
                    "give exactly one of introduced, fixed, last_affected".to_owned(),
                ));
            }
        }
    }
    if let Some(start) = open {
        spans.push(AffectedRange { start, end: End::Open });
    }
    Ok(())
}

fn bound(order: VersionOrder, text: &str, field: String) -> Result<Version, (String, String)> {
    Version::parse(order, text)
        .map(Version::public)
        .map_err(|error| (field, error.to_string()))
}
