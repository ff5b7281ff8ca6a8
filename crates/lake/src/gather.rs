//! Observations whose days come in no order: gathered on disk, then written day by day.
//!
//! An append makes a file for each day that it holds, so that a file of many records over many days would become as many small files as
//! it has batches and days. Gathered, the rows of each batch lie sorted by day in a file without a name, which goes with the process;
//! then all of a day is written together. What observations point to is stored at once, as an append does, and a copy of it is kept beside
//! the rows: should it be taken out of the lake before they are in, it is put back.

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

use crate::record::{Key, Prepared};
use crate::rows::{Rows, days_of};
use crate::write::{OF_A_STATE, OF_OBSERVATIONS, OF_RUNNING, ObservationRows, RowBatches, in_columns, running_of, states_of};
use crate::{Committed, Error, Lake, Table};

/// Rows, and bytes of their text, that are read back together: of each batch that was gathered so much is in memory at a time.
const BLOCK: (usize, usize) = (2_048, 1 << 20);

/// Rows, and bytes, that are committed together.
const GROUP: (usize, usize) = (50_000, 32 << 20);

/// Bytes of memory that reading all batches at once may take, and bytes on disk. What is full is to be committed.
const WIDTH: usize = 64 << 20;
const DISK: u64 = 1 << 30;

/// The tables in which it shows that something was taken out: of a state, the state itself goes first.
const LOSABLE: [Table; 2] = [Table::States, Table::Running];

/// Observations that were gathered and are in no table yet.
#[derive(Debug)]
pub struct Gathered {
    file: File,
    /// Where the file is, or was.
    dir: PathBuf,
    /// The rows of each batch, sorted by day, and of which part of the whole they are.
    runs: Vec<(usize, Vec<Block>)>,
    /// The largest block of each run, together.
    width: usize,
    /// Copies of what they point to, and which of it there is.
    contents: Vec<(Table, Block)>,
    met: HashSet<(bool, i64)>,
    /// The rows of each day, and about how many bytes of memory they take.
    days: BTreeMap<i32, (usize, usize)>,
    /// Of each part, how many observations were to be gathered, and how many states were new.
    taken: BTreeMap<usize, (usize, usize)>,
    /// How often it had been found, when the first was gathered, that files of states and of lists of running models are gone.
    losses: [u64; 2],
}

/// Where rows lie in the file.
#[derive(Clone, Copy, Debug)]
struct Block {
    at: u64,
    length: usize,
    /// In memory.
    bytes: usize,
}

impl Gathered {
    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Whether it holds so much that it should be committed before more is gathered.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.width > WIDTH || self.file_bytes() > DISK
    }

    fn file_bytes(&self) -> u64 {
        let last = |block: Option<&Block>| block.map_or(0, |block| block.at + block.length as u64);
        last(self.runs.last().and_then(|(_, run)| run.last())).max(last(self.contents.last().map(|(_, block)| block)))
    }

    /// Keeps the rows of observations that are sorted by day.
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
            let day = self.days.entry(days_of(one.place.0)).or_default();
            *day = (day.0 + 1, day.1 + bytes);
        }
        Ok(())
    }

    /// Keeps a copy of what they point to, each once.
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
        let packed = packed(rows).map_err(|source| unfit(table, source))?;
        // Read back, they take what they take in the file; as they were built, they have room for more.
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
        rows.map_err(|source| unfit(table, source))
    }

    fn refused(&self, source: std::io::Error) -> Error {
        Error::Disk {
            path: self.dir.clone(),
            source,
        }
    }
}

impl Lake {
    /// Makes room for observations whose days come in no order.
    ///
    /// # Errors
    ///
    /// If no file can be made in the lake's folder, or, for one in an object store, in the system's folder for temporary files.
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

    /// Takes observations that [`Lake::commit_gathered`] will write: until then no reader sees them, and if the process ends they are
    /// gone. What is in the lake already is left out, as [`Lake::append`] does. They are counted apart by the number of their part: a file,
    /// say.
    ///
    /// # Errors
    ///
    /// If what they point to cannot be stored, or the rows cannot be kept.
    pub async fn gather(&self, batch: &[Observation], part: usize, gathered: &mut Gathered) -> Result<(), Error> {
        let mut prepared = self.prepared(batch)?;
        let mut writer = self.writer.lock().await;
        writer.sync_again().await?;
        writer.drop_present(&mut prepared).await?;
        prepared.sort_by_key(|one| one.place);
        if gathered.is_empty() {
            gathered.losses = LOSABLE.map(|table| writer.losses(table));
        }
        let taken = gathered.taken.entry(part).or_default();
        taken.0 += batch.len();
        taken.1 += writer.put_pointed_to(&prepared).await?;
        drop(writer);
        gathered.keep_contents(&prepared)?;
        gathered.keep_rows(part, &prepared)
    }

    /// Writes what was gathered, in order of the days and in several commits: when this returns all of it is on disk. Gives what it did with
    /// each part.
    ///
    /// # Errors
    ///
    /// If it fails some of the days are in the lake; appending or gathering the same again adds the rest.
    pub async fn commit_gathered(&self, mut gathered: Gathered) -> Result<BTreeMap<usize, Committed>, Error> {
        let mut done: BTreeMap<usize, Committed> = BTreeMap::new();
        for (part, (taken, states)) in std::mem::take(&mut gathered.taken) {
            let part = done.entry(part).or_default();
            // Until they are added.
            (part.duplicates, part.states) = (taken, states);
        }
        let mut runs: Vec<Run> = std::mem::take(&mut gathered.runs).into_iter().map(Run::new).collect();
        let mut writer = self.writer.lock().await;
        while let Some(mut group) = Group::next(&mut gathered, &mut runs)? {
            writer.drop_present(&mut group).await?;
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
            // In the order in which they are written: the state itself last.
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
                    writer.put_back(table, &[rows], &ids).await?;
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

    /// Moves the rows up to a day into a group, until it is full.
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

/// Room in a group.
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

/// Rows that are committed together: some days, or a part of one that has very many.
struct Group {
    rows: Rows,
    /// Of which part each row is.
    parts: Vec<usize>,
}

impl Group {
    fn next(gathered: &mut Gathered, runs: &mut [Run]) -> Result<Option<Self>, Error> {
        let mut full = Fill {
            rows: GROUP.0,
            bytes: GROUP.1,
        };
        let mut parts = Vec::new();
        // Whole days as long as there is room, one at least.
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
        sorted(&parts).map(Some).map_err(|source| unfit(Table::Observations, source))
    }
}

impl ObservationRows for Group {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn keys(&self) -> impl Iterator<Item = Key<'_>> {
        // A key that is missing would shift those after it: each row was written with all of its.
        (0..self.rows.len()).filter_map(|row| Key::read(&self.rows, row))
    }

    fn drop_those(&mut self, marked: &[bool]) -> Result<(), Error> {
        let keep: BooleanArray = marked.iter().map(|marked| Some(!marked)).collect();
        let rows = filter_record_batch(self.rows.batch(), &keep).map_err(|source| unfit(Table::Observations, source))?;
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

/// Rows in one batch, by day, endpoint and instant as an append sorts them, each observation once.
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
    // Stable: of two that are the same the one that came first stays.
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
    days_in(rows).ok_or_else(|| unfit(Table::Observations, ArrowError::SchemaError("no date".to_owned())))
}

fn days_in(rows: &RecordBatch) -> Option<&[i32]> {
    let days = rows.column_by_name("date")?.as_primitive_opt::<Date32Type>()?;
    (days.null_count() == 0).then(|| &**days.values())
}

/// Rows as bytes.
fn packed(rows: &RecordBatch) -> Result<Vec<u8>, ArrowError> {
    let mut packed = StreamWriter::try_new(Vec::new(), rows.schema_ref())?;
    packed.write(rows)?;
    packed.finish()?;
    packed.into_inner()
}

fn unfit(table: Table, source: ArrowError) -> Error {
    Error::Write {
        table,
        source: Box::new(DeltaTableError::Arrow { source }),
    }
}
