//! Importing observations of many days in any order: they are gathered on disk and then written day by day.
//!
//! An append writes a file per day, so many records over many days would become as many small files as there are batches and days.
//! Gathering keeps the rows of each batch, sorted by day, in a temporary file without a name, which disappears with the process; a commit
//! then writes each day at once. Contents are stored immediately, as by an append, and copied beside the rows: if they are removed from
//! the lake before the rows are committed, they are written back.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{Cursor, Read as _, Seek as _, SeekFrom, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;

use deltalake_core::DeltaTableError;
use deltalake_core::arrow::array::{Array as _, AsArray as _, BooleanArray, RecordBatch, UInt32Array};
use deltalake_core::arrow::compute::{concat_batches, filter_record_batch, take_record_batch};
use deltalake_core::arrow::datatypes::{Date32Type, Int64Type};
use deltalake_core::arrow::error::ArrowError;
use deltalake_core::arrow::ipc::reader::StreamReader;
use deltalake_core::arrow::ipc::writer::StreamWriter;
use vigie_model::Observation;

use crate::batch::days_of;
use crate::key::Key;
use crate::prepared::Prepared;
use crate::rows::Rows;
use crate::write::{OF_A_STATE, OF_OBSERVATIONS, OF_RUNNING, ObservationRows, RowBatches, in_columns, running_of, states_of};
use crate::{Committed, Error, Lake, Table};

/// Rows, and bytes of text, of a block: that much of each gathered batch is in memory at a time.
const BLOCK: (usize, usize) = (2_048, 1 << 20);

/// Rows, and bytes, that are committed together.
const GROUP: (usize, usize) = (50_000, 32 << 20);

/// Bytes of memory for reading all batches side by side, and bytes on disk, above which the caller should commit.
const WIDTH: usize = 64 << 20;
const DISK: u64 = 1 << 30;

/// The tables that show whether contents were removed: a state itself goes before what belongs to it.
const LOSABLE: [Table; 2] = [Table::States, Table::Running];

/// Gathered observations that are in no table yet.
#[derive(Debug)]
pub struct Gathered {
    file: File,
    /// The folder of the file.
    dir: PathBuf,
    /// The rows of each batch, sorted by day, with the number of the part they belong to.
    runs: Vec<(usize, Vec<Block>)>,
    /// The sum of the largest blocks of the runs, in bytes.
    width: usize,
    /// Copies of the contents, and their ids.
    contents: Vec<(Table, Block)>,
    met: HashSet<(bool, i64)>,
    /// The rows of each day, and about how many bytes of memory they take.
    days: BTreeMap<i32, (usize, usize)>,
    /// For each part, how many observations were given and how many states were new.
    taken: BTreeMap<usize, (usize, usize)>,
    /// The loss counters of the tables of states and of running models when the first batch was gathered.
    losses: [u64; 2],
}

/// A position in the file.
#[derive(Clone, Copy, Debug)]
struct Block {
    at: u64,
    length: usize,
    /// Its size in memory.
    bytes: usize,
}

impl Gathered {
    /// Whether nothing was gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Whether it is so large that it should be committed before more is gathered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width > WIDTH || self.file_bytes() > DISK
    }

    fn file_bytes(&self) -> u64 {
        let last = |block: Option<&Block>| block.map_or(0, |block| block.at + block.length as u64);
        last(self.runs.last().and_then(|(_, run)| run.last())).max(last(self.contents.last().map(|(_, block)| block)))
    }

    /// Writes rows of observations, sorted by day, to the file.
    fn keep_rows(&mut self, part: usize, prepared: &[Prepared<'_>]) -> Result<(), Error> {
        let (table, put) = OF_OBSERVATIONS;
        let mut run = Vec::new();
        for rows in in_columns(table, prepared.iter(), put, |_, _| true, BLOCK) {
            run.push(self.write(table, &rows?)?);
        }
        self.width += run.iter().map(|block| block.bytes).max().unwrap_or_default();
        let bytes = run.iter().map(|block| block.bytes).sum::<usize>() / prepared.len().max(1);
        self.runs.push((part, run));
        for one in prepared {
            let day = self.days.entry(days_of(one.day)).or_default();
            *day = (day.0 + 1, day.1 + bytes);
        }
        Ok(())
    }

    /// Writes a copy of their contents to the file, each once.
    fn keep_contents(&mut self, prepared: &[Prepared<'_>]) -> Result<(), Error> {
        let states = self.not_met(true, states_of(prepared));
        let running = self.not_met(false, running_of(prepared));
        let tables = OF_A_STATE.map(|table| (table, &states)).into_iter().chain([(OF_RUNNING, &running)]);
        for ((table, put), contents) in tables {
            for rows in in_columns(table, contents.iter().copied(), put, |_, _| true, BLOCK) {
                let block = self.write(table, &rows?)?;
                self.contents.push((table, block));
            }
        }
        Ok(())
    }

    fn not_met<'p>(&mut self, is_state: bool, contents: Vec<(i64, &'p Prepared<'p>)>) -> Vec<&'p Prepared<'p>> {
        let met = |(id, _): &(i64, _)| self.met.insert((is_state, *id));
        contents.into_iter().filter(met).map(|(_, one)| one).collect()
    }

    fn write(&mut self, table: Table, rows: &RecordBatch) -> Result<Block, Error> {
        let packed = packed(rows).map_err(|source| arrow_error(table, source))?;
        // When they are read back, they take as much memory as in the file; the builders' buffers are larger.
        let bytes = packed.len();
        let at = self
            .file
            .seek(SeekFrom::End(0))
            .and_then(|at| self.file.write_all(&packed).map(|()| at));
        Ok(Block {
            at: at.map_err(|source| self.refused(source))?,
            length: packed.len(),
            bytes,
        })
    }

    fn read(&mut self, table: Table, block: Block) -> Result<RecordBatch, Error> {
        let mut packed = vec![0; block.length];
        self.file
            .seek(SeekFrom::Start(block.at))
            .and_then(|_| self.file.read_exact(&mut packed))
            .map_err(|source| self.refused(source))?;
        let rows = StreamReader::try_new(Cursor::new(packed), None).and_then(|mut rows| {
            let none = || ArrowError::IpcError("a block without rows".to_owned());
            rows.next().ok_or_else(none)?
        });
        rows.map_err(|source| arrow_error(table, source))
    }

    fn refused(&self, source: std::io::Error) -> Error {
        Error::Disk {
            path: self.dir.clone(),
            source,
        }
    }
}

impl Lake {
    /// Starts gathering observations whose days come in any order.
    ///
    /// # Errors
    ///
    /// If no file can be created in the lake's folder, or, for an object store, in the system's folder for temporary files.
    pub fn gathering(&self) -> Result<Gathered, Error> {
        let dir = if crate::is_in_a_store(self.dir()) {
            std::env::temp_dir()
        } else {
            self.dir().to_owned()
        };
        Ok(Gathered {
            file: tempfile::tempfile_in(&dir).map_err(|source| Error::Disk { path: dir.clone(), source })?,
            dir,
            runs: Vec::new(),
            width: 0,
            contents: Vec::new(),
            met: HashSet::new(),
            days: BTreeMap::new(),
            taken: BTreeMap::new(),
            losses: [0; 2],
        })
    }

    /// Gathers observations for [`Lake::commit_gathered`]: until then no reader sees them, and they are lost if the process ends. Those
    /// that are already in the lake are left out, as by [`Lake::append`]. `part` numbers a part of the input, such as a file, for the counts.
    ///
    /// # Errors
    ///
    /// If the contents cannot be stored or the rows cannot be written to the file.
    pub async fn gather(&self, batch: &[Observation], part: usize, gathered: &mut Gathered) -> Result<(), Error> {
        let mut prepared = self.prepared(batch)?;
        let mut writer = self.writer.lock().await;
        writer.sync_again().await?;
        writer.drop_duplicates(&mut prepared).await?;
        prepared.sort_by_key(Prepared::sort_key);
        if gathered.is_empty() {
            gathered.losses = LOSABLE.map(|table| writer.losses(table));
        }
        let taken = gathered.taken.entry(part).or_default();
        taken.0 += batch.len();
        taken.1 += writer.put_contents_of(&prepared).await?;
        drop(writer);
        gathered.keep_contents(&prepared)?;
        gathered.keep_rows(part, &prepared)
    }

    /// Writes the gathered observations in order of their days, in several commits: when this returns, all are on disk. Returns the result
    /// for each part.
    ///
    /// # Errors
    ///
    /// After an error some of the days are in the lake; appending or gathering the same again adds the rest.
    pub async fn commit_gathered(&self, mut gathered: Gathered) -> Result<BTreeMap<usize, Committed>, Error> {
        let mut done: BTreeMap<usize, Committed> = BTreeMap::new();
        for (part, (taken, states)) in std::mem::take(&mut gathered.taken) {
            let part = done.entry(part).or_default();
            // All count as duplicates until they are added.
            (part.duplicates, part.states) = (taken, states);
        }
        let mut runs: Vec<Run> = std::mem::take(&mut gathered.runs).into_iter().map(Run::new).collect();
        let mut writer = self.writer.lock().await;
        while let Some(mut group) = Group::next(&mut gathered, &mut runs)? {
            writer.drop_duplicates(&mut group).await?;
            writer.put_observations(&mut group).await?;
            for part in group.parts {
                let part = done.entry(part).or_default();
                part.observations += 1;
                part.duplicates -= 1;
            }
        }
        for (lost, before) in LOSABLE.into_iter().zip(gathered.losses) {
            if writer.losses(lost) == before && !writer.has_lost_files(lost).await? {
                continue;
            }
            let is_running = lost == Table::Running;
            // In the order of writing: the state itself last.
            for (table, _) in OF_A_STATE
                .into_iter()
                .chain([OF_RUNNING])
                .filter(|(table, _)| (*table == Table::Running) == is_running)
            {
                let blocks: Vec<Block> = gathered
                    .contents
                    .iter()
                    .filter(|(of, _)| *of == table)
                    .map(|(_, block)| *block)
                    .collect();
                for block in blocks {
                    let rows = gathered.read(table, block)?;
                    let ids = rows
                        .column_by_name(table.spec().indexed)
                        .and_then(|ids| ids.as_primitive_opt::<Int64Type>());
                    let ids: HashSet<i64> = ids.map(|ids| ids.values().iter().copied().collect()).unwrap_or_default();
                    writer.restore_rows(table, &[rows], &ids).await?;
                }
            }
        }
        Ok(done)
    }
}

/// The rows of one batch, read in their order.
struct Run {
    part: usize,
    blocks: std::vec::IntoIter<Block>,
    open: Option<Open>,
}

struct Open {
    rows: RecordBatch,
    at: usize,
    bytes: usize,
}

impl Run {
    fn new((part, blocks): (usize, Vec<Block>)) -> Self {
        Self {
            part,
            blocks: blocks.into_iter(),
            open: None,
        }
    }

    /// Moves the rows up to and including a day into a group, until the group is full.
    fn pour(&mut self, until: i32, gathered: &mut Gathered, group: &mut Vec<(usize, RecordBatch)>, full: &mut Fill) -> Result<(), Error> {
        while !full.is_full() {
            let open = match &mut self.open {
                Some(open) => open,
                none => {
                    let Some(block) = self.blocks.next() else { return Ok(()) };
                    none.insert(Open {
                        rows: gathered.read(Table::Observations, block)?,
                        at: 0,
                        bytes: block.bytes,
                    })
                }
            };
            let days = days(&open.rows)?;
            let left = &days[open.at..];
            let count = left.partition_point(|day| *day <= until).min(full.rows);
            if count > 0 {
                group.push((self.part, open.rows.slice(open.at, count)));
                full.take(count, open.bytes * count / open.rows.num_rows().max(1));
            }
            open.at += count;
            if open.at < open.rows.num_rows() {
                return Ok(());
            }
            self.open = None;
        }
        Ok(())
    }
}

/// The remaining capacity of a group.
struct Fill {
    rows: usize,
    bytes: usize,
}

impl Fill {
    fn take(&mut self, rows: usize, bytes: usize) {
        self.rows = self.rows.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn is_full(&self) -> bool {
        self.rows == 0 || self.bytes == 0
    }
}

/// Rows of one commit: some days, or a part of a day with very many rows.
struct Group {
    rows: Rows,
    /// The part that each row belongs to.
    parts: Vec<usize>,
}

impl Group {
    fn next(gathered: &mut Gathered, runs: &mut [Run]) -> Result<Option<Self>, Error> {
        let mut full = Fill {
            rows: GROUP.0,
            bytes: GROUP.1,
        };
        let mut parts = Vec::new();
        // Whole days while there is room, at least one.
        let (mut rows, mut bytes, mut until) = (0, 0, None);
        for (day, (of_day, bytes_of_day)) in &gathered.days {
            if until.is_some() && (rows + of_day > GROUP.0 || bytes + bytes_of_day > GROUP.1) {
                break;
            }
            rows += of_day;
            bytes += bytes_of_day;
            until = Some(*day);
        }
        let Some(until) = until else { return Ok(None) };
        for run in runs {
            run.pour(until, gathered, &mut parts, &mut full)?;
        }
        for (_, rows) in &parts {
            for day in days(rows)? {
                if let Some(left) = gathered.days.get_mut(day) {
                    left.0 -= 1;
                    if left.0 == 0 {
                        gathered.days.remove(day);
                    }
                }
            }
        }
        sorted(&parts).map(Some).map_err(|source| arrow_error(Table::Observations, source))
    }
}

impl ObservationRows for Group {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        // No row lacks a key: each was written by this version. A missing key would shift the ones after it.
        (0..self.rows.len()).filter_map(|row| Key::read(&self.rows, row))
    }

    fn drop_marked(&mut self, marked: &[bool]) -> Result<(), Error> {
        let keep: BooleanArray = marked.iter().map(|marked| Some(!marked)).collect();
        let rows = filter_record_batch(self.rows.batch(), &keep).map_err(|source| arrow_error(Table::Observations, source))?;
        self.rows = Rows::new(rows);
        let mut marked = marked.iter();
        self.parts.retain(|_| marked.next() != Some(&true));
        Ok(())
    }

    fn by_day(&self) -> impl RowBatches {
        let mut at = 0;
        std::iter::from_fn(move || {
            let left = match days(self.rows.batch()) {
                Ok(days) => &days[at..],
                Err(error) => return Some(Err(error)),
            };
            let first = *left.first()?;
            let count = left.partition_point(|day| *day <= first);
            at += count;
            Some(Ok(self.rows.batch().slice(at - count, count)))
        })
    }
}

/// Merges rows into one batch, sorted by day, endpoint and instant like an append, without duplicates.
fn sorted(parts: &[(usize, RecordBatch)]) -> Result<Group, ArrowError> {
    let schema = Table::Observations.schema();
    let rows = Rows::new(concat_batches(&schema, parts.iter().map(|(_, rows)| rows))?);
    let of: Vec<usize> = parts
        .iter()
        .flat_map(|(part, rows)| std::iter::repeat_n(*part, rows.num_rows()))
        .collect();
    let days = days_in(rows.batch()).ok_or_else(|| ArrowError::SchemaError("no date".to_owned()))?;
    let address = |row: usize| rows.text("address", row).and_then(|text| text.parse::<IpAddr>().ok());
    let mut order: Vec<u32> = (0_u32..).take(rows.len()).collect();
    // A stable sort: of two duplicates the first stays.
    order.sort_by_cached_key(|at| {
        let row = *at as usize;
        (days[row], address(row), rows.int("port", row), rows.micros("seen", row))
    });
    let mut met = HashSet::with_capacity(order.len());
    let mut is_new = |row: u32| Key::read(&rows, row as usize).is_none_or(|key| met.insert(key));
    order.retain(|row| is_new(*row));
    let parts = order.iter().map(|row| of[*row as usize]).collect();
    let order = UInt32Array::from(order);
    Ok(Group {
        rows: Rows::new(take_record_batch(rows.batch(), &order)?),
        parts,
    })
}

/// The day of each row.
fn days(rows: &RecordBatch) -> Result<&[i32], Error> {
    days_in(rows).ok_or_else(|| arrow_error(Table::Observations, ArrowError::SchemaError("no date".to_owned())))
}

fn days_in(rows: &RecordBatch) -> Option<&[i32]> {
    let days = rows.column_by_name("date")?.as_primitive_opt::<Date32Type>()?;
    (days.null_count() == 0).then(|| &**days.values())
}

/// Serialises rows.
fn packed(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut packed = StreamWriter::try_new(Vec::new(), rows.schema_ref())?;
    packed.write(rows)?;
    packed.finish()?;
    packed.into_inner()
}

fn arrow_error(table: Table, source: ArrowError) -> Error {
    Error::Write {
        table,
        source: Box::new(DeltaTableError::Arrow { source }),
    }
}
