//! `--format jsonl`: one `vigie.observation/1` record per line, written as results arrive.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use vigie_model::{
    AdvisoryCoverage, AdvisoryVerdict, Claim, Deception, Endpoint, Evidence, Exposure, Finding, Identity, Known, Listener, Network,
    Observation, ScopeRef, Source, Subject, Timestamp,
};

use crate::{Report, Summary, text};

/// JSON lines, flushed whenever no other line is ready. The summary is not written, because every line is a record.
#[derive(Debug)]
pub struct Jsonl<W> {
    writer: W,
    verdicts: ListCache<AdvisoryVerdict>,
    evidence: ListCache<Evidence>,
    claims: ClaimCache,
    line: Vec<u8>,
}

impl<W: Write> Jsonl<W> {
    /// A report into a writer.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            verdicts: ListCache::new(),
            evidence: ListCache::new(),
            claims: ClaimCache::default(),
            line: Vec::new(),
        }
    }
}

/// Cache of serialised lists: verdicts are half of a record, and the servers of one version share them.
#[derive(Debug)]
struct ListCache<T>(Vec<(Arc<[T]>, Box<RawValue>)>);

/// Maximum number of cached lists; a network runs few versions at a time.
const MAX_LISTS: usize = 32;

impl<T: Serialize> ListCache<T> {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn text<'o>(&'o mut self, list: &'o Arc<[T]>) -> io::Result<ListJson<'o, T>> {
        if Arc::strong_count(list) == 1 {
            // No other observation shares it, so it will not recur.
            return Ok(ListJson::List(list));
        }
        let at = match self.0.iter().position(|(known, _)| Arc::ptr_eq(known, list)) {
            Some(at) => at,
            None => {
                let mut bytes = Vec::new();
                text::json(&mut bytes, list)?;
                let json = String::from_utf8(bytes).map_err(io::Error::other)?;
                if self.0.len() >= MAX_LISTS {
                    self.0.clear();
                }
                self.0.push((Arc::clone(list), RawValue::from_string(json)?));
                self.0.len() - 1
            }
        };
        Ok(ListJson::Text(&self.0[at].1))
    }
}

/// Cache of serialised claims: the JSON of a finding before and after its subject.
#[derive(Debug, Default)]
struct ClaimCache(VecDeque<(Arc<Claim>, Vec<u8>, Vec<u8>)>);

/// Maximum number of cached claims; a kind of server has a handful of findings.
const MAX_CLAIMS: usize = 128;

impl ClaimCache {
    fn write(&mut self, finding: &Finding, out: &mut Vec<u8>) -> io::Result<()> {
        if Arc::strong_count(&finding.claim) == 1 || finding.accepted.is_some() {
            return text::json(out, finding);
        }
        let known = self.0.iter().position(|(claim, _, _)| Arc::ptr_eq(claim, &finding.claim));
        let at = match known {
            Some(at) => at,
            None => {
                let empty = Finding {
                    subject: Subject::from_record(""),
                    ..finding.clone()
                };
                let mut before = Vec::new();
                text::json(&mut before, &empty)?;
                // Quotes within a text are escaped, so this occurs only once.
                let key = br#","subject":""#;
                let Some(found) = before.windows(key.len()).position(|part| part == key) else {
                    return text::json(out, finding);
                };
                let after = before.split_off(found + key.len());
                // The subject is written with its quotes.
                before.pop();
                let after = after.get(1..).unwrap_or_default().to_vec();
                self.0.truncate(MAX_CLAIMS - 1);
                self.0.push_front((Arc::clone(&finding.claim), before, after));
                0
            }
        };
        let (_, before, after) = &self.0[at];
        out.extend_from_slice(before);
        text::json(&mut *out, &finding.subject)?;
        out.extend_from_slice(after);
        Ok(())
    }
}

/// A list, or its cached JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum ListJson<'o, T> {
    Text(&'o RawValue),
    List(&'o [T]),
}

/// An observation with cached verdicts and evidence and without findings. It has the fields of [`Observation`] in the same order.
#[derive(Serialize)]
struct ObservationLine<'o> {
    schema: &'o str,
    seen: &'o Timestamp,
    recorded: &'o Timestamp,
    source: &'o Source,
    scope: &'o ScopeRef,
    endpoint: &'o Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: &'o Option<Listener>,
    identity: IdentityLine<'o>,
    exposure: &'o Exposure,
    network: &'o Network,
    deception: &'o Deception,
    advisories: ListJson<'o, AdvisoryVerdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advisory_coverage: Option<AdvisoryCoverage>,
}

#[derive(Serialize)]
struct IdentityLine<'o> {
    product: &'o Known<String>,
    version: &'o Known<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'o Known<String>>,
    confidence: f64,
    evidence: ListJson<'o, Evidence>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    also: &'o [String],
}

impl<'o> ObservationLine<'o> {
    fn of(
        observation: &'o Observation,
        verdicts: &'o mut ListCache<AdvisoryVerdict>,
        evidence: &'o mut ListCache<Evidence>,
    ) -> io::Result<(Self, &'o [Finding])> {
        // Every field is named, so that a new one must be added here.
        let Observation {
            schema,
            seen,
            recorded,
            source,
            scope,
            endpoint,
            listener,
            identity,
            exposure,
            network,
            deception,
            advisories,
            findings,
        } = observation;
        let Identity {
            product,
            version,
            instance: _,
            confidence,
            evidence: list,
            also,
        } = &**identity;
        let identity = IdentityLine {
            product,
            version,
            instance: identity.instance_if_carried(),
            confidence: *confidence,
            evidence: evidence.text(list)?,
            also,
        };
        let line = Self {
            schema,
            seen,
            recorded,
            source,
            scope,
            endpoint,
            listener,
            identity,
            exposure,
            network,
            deception,
            advisories: verdicts.text(advisories)?,
            advisory_coverage: advisories.coverage(),
        };
        Ok((line, findings))
    }
}

impl<W: Write> Report for Jsonl<W> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        let (line, findings) = ObservationLine::of(observation, &mut self.verdicts, &mut self.evidence)?;
        let out = &mut self.line;
        out.clear();
        text::json(&mut *out, &line)?;
        // The findings are the last key: reopen the object for them.
        out.pop();
        out.extend_from_slice(br#","findings":["#);
        for (place, finding) in findings.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            self.claims.write(finding, out)?;
        }
        out.extend_from_slice(b"]}\n");
        self.writer.write_all(out)
    }

    fn pause(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.writer.flush()
    }
}
