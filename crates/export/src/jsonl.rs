//! `--format jsonl`: one record per line, exactly `vigie.observation/1`, as results come.

use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use vigie_model::{
    AdvisoryVerdict, Deception, Endpoint, Exposure, Finding, Identity, Listener, Network, Observation, ScopeRef, Source, Timestamp,
};

use crate::{Report, Summary, text};

/// JSON lines. A reader at the other end of a pipe sees each line as soon as no other is at hand; the summary is not
/// written, for every line is a record.
#[derive(Debug)]
pub struct Jsonl<W> {
    writer: W,
    verdicts: Verdicts,
}

impl<W: Write> Jsonl<W> {
    /// Lines into that writer.
    pub fn new(writer: W) -> Self {
        Self {
            writer,
            verdicts: Verdicts::default(),
        }
    }
}

/// Lists of verdicts that were written before, with their text: half of a record, and the servers of one version share it.
#[derive(Debug, Default)]
struct Verdicts(Vec<(Arc<[AdvisoryVerdict]>, Box<RawValue>)>);

/// A network runs few versions at a time.
const MAX_LISTS: usize = 32;

impl Verdicts {
    fn text(&mut self, list: &Arc<[AdvisoryVerdict]>) -> io::Result<&RawValue> {
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
        Ok(&self.0[at].1)
    }
}

/// An observation whose verdicts are text already; the same fields in the same order.
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
    identity: &'o Identity,
    exposure: &'o Exposure,
    network: &'o Network,
    deception: &'o Deception,
    advisories: &'o RawValue,
    findings: &'o [Finding],
}

impl<'o> Line<'o> {
    fn of(observation: &'o Observation, verdicts: &'o mut Verdicts) -> io::Result<Self> {
        // Every field is named: a new one does not compile until it has its place here.
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
        let line = Line::of(observation, &mut self.verdicts)?;
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
