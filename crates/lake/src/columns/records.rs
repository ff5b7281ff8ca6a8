//! Observations and scans as rows: what is appended to which table, and a scan read back.

use vigie_model::Timestamp;

use super::{
    EvidenceColumns, Item, LeakColumns, ModelColumns, ObservationColumns, RunningColumns, ScanColumns, ScanRow, StateColumns, TellColumns,
    ToolColumns,
};
use crate::batch::Batch;
use crate::prepared::Prepared;
use crate::rows::Rows;
use crate::scan::Scan;

impl Prepared<'_> {
    pub(crate) fn put_observation(&self, batch: &mut Batch) {
        ObservationColumns::put(self, batch);
        batch.end_row();
    }

    pub(crate) fn put_state(&self, batch: &mut Batch) {
        StateColumns::put(self, batch);
        batch.end_row();
    }

    pub(crate) fn put_models(&self, batch: &mut Batch) {
        let models = self.observation.exposure.models.known();
        put_items(self.ids.state, "", models.map_or(&[], Vec::as_slice), batch, ModelColumns::put);
    }

    pub(crate) fn put_running(&self, batch: &mut Batch) {
        let running = self.observation.exposure.running.known();
        if let Some(list) = self.ids.running {
            put_items(list, "", running.map_or(&[], Vec::as_slice), batch, RunningColumns::put);
        }
    }

    pub(crate) fn put_tools(&self, batch: &mut Batch) {
        let tools = self.observation.exposure.tools.known();
        put_items(self.ids.state, "", tools.map_or(&[], Vec::as_slice), batch, ToolColumns::put);
    }

    pub(crate) fn put_evidence(&self, batch: &mut Batch) {
        let observation = self.observation;
        let state = self.ids.state;
        put_items(state, IDENTITY, &observation.identity.evidence, batch, EvidenceColumns::put);
        put_items(state, LEAK, &observation.exposure.leaks, batch, LeakColumns::put);
        put_items(state, DECEPTION, &observation.deception.tells, batch, TellColumns::put);
    }
}

impl Scan {
    pub(crate) fn put(&self, batch: &mut Batch, written: Timestamp) {
        ScanColumns::put(&ScanRow { scan: self, written }, batch);
        batch.end_row();
    }

    /// Reads a scan and when its row was written; `None`: this version cannot read the row.
    pub(crate) fn read(rows: &Rows, row: usize) -> Option<(Self, Timestamp)> {
        let mut read = ScanRow {
            scan: Self::blank(),
            written: Timestamp::MIN_UTC,
        };
        ScanColumns::read(rows, row, &mut read).ok()?;
        Some((read.scan, read.written))
    }
}

/// The kinds of row in the table of evidence.
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const LEAK: &str = "leak";
pub(crate) const DECEPTION: &str = "deception";

/// Appends a row for each item of a list.
fn put_items<'i, T>(state: i64, kind: &'static str, items: &'i [T], batch: &mut Batch, put: fn(&Item<&'i T>, &mut Batch)) {
    for (position, item) in (0..).zip(items) {
        let item = Item {
            state,
            kind,
            position,
            item,
        };
        put(&item, batch);
        batch.end_row();
    }
}
