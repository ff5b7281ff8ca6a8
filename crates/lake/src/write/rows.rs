//! The rows of observations and of their contents, in the order in which they are written.

use std::collections::HashSet;

use deltalake_core::DeltaTableError;
use deltalake_core::arrow::array::RecordBatch;

use crate::batch::Batch;
use crate::key::Key;
use crate::prepared::Prepared;
use crate::{Error, Table};

/// Rows per batch: few enough for the processor's cache.
pub(crate) const ROWS: usize = 8192;

/// Bytes of text per batch: a server decides how long a row of a state is.
pub(crate) const BYTES: usize = 8 << 20;

/// Appends an observation's rows of one table.
pub(crate) type Put = fn(&Prepared<'_>, &mut Batch);

/// The tables of a state in the order in which they are written: the state itself last, so that an existing state is complete.
pub(crate) const OF_A_STATE: [(Table, Put); 4] = [
    (Table::Models, |one, batch| one.put_models(batch)),
    (Table::Tools, |one, batch| one.put_tools(batch)),
    (Table::Evidence, |one, batch| one.put_evidence(batch)),
    (Table::States, |one, batch| one.put_state(batch)),
];

/// The table of observations.
pub(crate) const OF_OBSERVATIONS: (Table, Put) = (Table::Observations, |one, batch| one.put_observation(batch));

/// The table of models in memory.
pub(crate) const OF_RUNNING: (Table, Put) = (Table::Running, |one, batch| one.put_running(batch));

/// Observations to be appended, sorted by day.
pub(crate) trait ObservationRows: Sync {
    /// How many.
    fn len(&self) -> usize;
    /// Their keys, in order.
    fn keys(&self) -> impl Iterator<Item = Key<'_>>;
    /// Drops the marked ones.
    fn drop_marked(&mut self, marked: &[bool]) -> Result<(), Error>;
    /// Their rows, one day per batch.
    fn by_day(&self) -> impl RowBatches;
}

impl ObservationRows for Vec<Prepared<'_>> {
    fn len(&self) -> usize {
        self.len()
    }

    fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        self.iter().map(Prepared::key)
    }

    fn drop_marked(&mut self, marked: &[bool]) -> Result<(), Error> {
        let mut marked = marked.iter();
        self.retain(|_| marked.next() != Some(&true));
        Ok(())
    }

    fn by_day(&self) -> impl RowBatches {
        let (table, put): (Table, Put) = OF_OBSERVATIONS;
        in_columns(table, self.iter(), put, |one, next| one.day == next.day, (ROWS, BYTES))
    }
}

/// Rows of a table, built on demand: all at once they would take several times the memory of the observations.
pub(crate) trait RowBatches: Iterator<Item = Result<RecordBatch, Error>> + Send {}
impl<I: Iterator<Item = Result<RecordBatch, Error>> + Send> RowBatches for I {}

/// Builds the rows of a table. A batch holds neighbours for which `together` is true, up to a number of rows and of bytes of text.
pub(crate) fn in_columns<'p, I>(
    table: Table,
    all: I,
    put: Put,
    together: fn(&Prepared<'_>, &Prepared<'_>) -> bool,
    (rows, bytes): (usize, usize),
) -> impl RowBatches + use<'p, I>
where
    I: ExactSizeIterator<Item = &'p Prepared<'p>> + Send,
{
    let mut all = all.peekable();
    std::iter::from_fn(move || {
        // An observation may have no rows in this table.
        while let Some(first) = all.next() {
            let mut batch = Batch::new(table.spec(), (all.len() + 1).min(rows));
            put(first, &mut batch);
            while batch.rows() < rows
                && batch.text_bytes() < bytes
                && let Some(next) = all.next_if(|next| together(first, next))
            {
                put(next, &mut batch);
            }
            if let Some(built) = built(table, batch).transpose() {
                return Some(built);
            }
        }
        None
    })
}

/// The distinct states of these observations.
pub(crate) fn states_of<'p>(prepared: &'p [Prepared<'p>]) -> Vec<(i64, &'p Prepared<'p>)> {
    first_of_each(prepared.iter().map(|one| (one.ids.state, one)))
}

/// The distinct lists of running models of these observations.
pub(crate) fn running_of<'p>(prepared: &'p [Prepared<'p>]) -> Vec<(i64, &'p Prepared<'p>)> {
    first_of_each(prepared.iter().filter_map(|one| Some((one.ids.running?, one))))
}

fn first_of_each<'p>(contents: impl Iterator<Item = (i64, &'p Prepared<'p>)>) -> Vec<(i64, &'p Prepared<'p>)> {
    let mut met = HashSet::new();
    contents.filter(|(id, _)| met.insert(*id)).collect()
}

pub(crate) fn built(table: Table, batch: Batch) -> Result<Option<RecordBatch>, Error> {
    batch.finish().map_err(|source| Error::Write {
        table,
        source: Box::new(DeltaTableError::Arrow { source }),
    })
}

pub(crate) fn write_error(table: Table, source: DeltaTableError) -> Error {
    Error::Write {
        table,
        source: Box::new(source),
    }
}
