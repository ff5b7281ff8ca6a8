//! `--format jsonl`: one record per line, exactly `vigie.observation/1`, as results come.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use vigie_model::{
    AdvisoryVerdict, Deception, Endpoint, Evidence, Exposure, Finding, Identity, Known, Listener, Network, Observation, ScopeRef, Source,
    Timestamp,
};

use crate::{Report, Summary, text};

/// JSON lines. A reader at the other end of a pipe sees each line as soon as no other is at hand; the summary is not
/// written, for every line is a record.
#[derive(Debug)]
pub struct Jsonl<W> {
    writer: W,
    verdicts: Written<AdvisoryVerdict>,
    evidence: Written<Evidence>,
}

impl<W: Write> Jsonl<W> {
    /// Lines into that writer.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            verdicts: Written::new(),
            evidence: Written::new(),
        }
    }
}

/// Lists that were written before, with their text: verdicts are half of a record, and the servers of one version share them.
#[derive(Debug)]
struct Written<T>(Vec<(Arc<[T]>, Box<RawValue>)>);

/// A network runs few versions at a time.
const MAX_LISTS: usize = 32;

impl<T: Serialize> Written<T> {
    const fn new() -> Self {
        Self(Vec::new())
    }

    fn text<'o>(&'o mut self, list: &'o Arc<[T]>) -> io::Result<Said<'o, T>> {
        if Arc::strong_count(list) == 1 {
            // Nobody else has it, so it will not come again.
            return Ok(Said::List(list));
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
        Ok(Said::Text(&self.0[at].1))
    }
}

/// A list, or the text that was made of it before.
#[derive(Serialize)]
#[serde(untagged)]
enum Said<'o, T> {
    Text(&'o RawValue),
    List(&'o [T]),
}

/// An observation whose verdicts and evidence are text already; the same fields in the same order.
#[derive(Serialize)]
struct Line<'o> {
    schema: &'o str,
    seen: &'o Timestamp,
    recorded: &'o Timestamp,
    source: &'o Source,
    scope: &'o ScopeRef,
    endpoint: &'o Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: &'o Option<Listener>,
    identity: Who<'o>,
    exposure: &'o Exposure,
    network: &'o Network,
    deception: &'o Deception,
    advisories: Said<'o, AdvisoryVerdict>,
    findings: &'o [Finding],
}

#[derive(Serialize)]
struct Who<'o> {
    product: &'o Known<String>,
    version: &'o Known<String>,
    confidence: f64,
    evidence: Said<'o, Evidence>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    also: &'o [String],
}

impl<'o> Line<'o> {
    fn of(
        observation: &'o Observation,
        verdicts: &'o mut Written<AdvisoryVerdict>,
        evidence: &'o mut Written<Evidence>,
    ) -> io::Result<Self> {
        // Every field is named: a new one does not compile until it has its place here.
        let Observation {
            schema,
            seen,
            recorded,
            source,
            scope,
            endpoint,
            listener,
            identity:
                Identity {
                    product,
                    version,
                    confidence,
                    evidence: list,
                    also,
                },
            exposure,
            network,
            deception,
            advisories,
            findings,
        } = observation;
        let identity = Who {
            product,
            version,
            confidence: *confidence,
            evidence: evidence.text(list)?,
            also,
        };
        Ok(Self {
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
            findings,
        })
    }
}

impl<W: Write> Report for Jsonl<W> {
    fn begin(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn observation(&mut self, observation: &Observation) -> io::Result<()> {
        let line = Line::of(observation, &mut self.verdicts, &mut self.evidence)?;
        text::json(&mut self.writer, &line)?;
        self.writer.write_all(b"\n")
    }

    fn pause(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn end(&mut self, _summary: &Summary) -> io::Result<()> {
        self.writer.flush()
    }
}
