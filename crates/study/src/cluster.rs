//! A Ballista cluster that answers the questions, and the folder that it shares with this machine.
//!
//! The scheduler and the executors are Ballista's own, of the version that goes with this DataFusion. They read the lake's files
//! themselves, so the lake must stand where every executor finds it under the same name: on a shared disk, or in an object store that they
//! have keys to. What the questions share is made by the cluster too and kept beside the lake until the study ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ballista_core::config::BALLISTA_ADAPTIVE_PLANNER_ENABLED;
use ballista_core::extension::{SessionConfigExt as _, SessionStateExt as _};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::prelude::{DataFrame, SessionContext};
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::net::TcpStream;
use vigie_lake::{Lake, SCRATCH, below, is_in_a_store};

use crate::Error;
use crate::bits::bit_count_written_out;
use crate::files::{listed, url};

/// A statement is sent that often before the cluster is held to have failed: what an executor that died held is gone with it, and the
/// next try makes it anew on the others.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_secs(2);
const REACHED_WITHIN: Duration = Duration::from_secs(5);

/// A cluster, and the folder that it shares with this machine.
#[derive(Clone)]
pub struct Cluster(Arc<Shared>);

struct Shared {
    scheduler: String,
    partitions: usize,
    scratch: PathBuf,
    /// Those of the lake and of the scratch, where they are in stores.
    stores: Vec<(ListingTableUrl, Arc<dyn ObjectStore>)>,
    made: AtomicUsize,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("scheduler", &self.0.scheduler)
            .finish_non_exhaustive()
    }
}

impl Cluster {
    /// A scheduler at `HOST:PORT`, and a folder for what a study makes: below `scratch`, or below the lake. Each step of a statement is cut
    /// into `partitions`: as many as the executors have cores together keep all of them at work.
    ///
    /// # Errors
    ///
    /// If nothing answers there, or the folder cannot be made.
    pub async fn connect(at: &str, lake: &Lake, scratch: Option<&Path>, partitions: usize) -> Result<Self, Error> {
        let cannot = |why: String| Error::Cluster(at.to_owned(), why);
        match tokio::time::timeout(REACHED_WITHIN, TcpStream::connect(at)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(cannot(format!("{error}; is its scheduler running there?"))),
            Err(_) => {
                let why = format!("no answer within {} s; is its scheduler running there?", REACHED_WITHIN.as_secs());
                return Err(cannot(why));
            }
        }
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!("study-{}-{}", now.as_nanos(), std::process::id());
        let within = scratch.unwrap_or(lake.dir());
        let mut stores = Vec::new();
        for place in [lake.dir(), within] {
            if let Some(store) = vigie_lake::store_of(place)? {
                stores.push((url(place)?, store));
            }
        }
        let in_a_store = is_in_a_store(within);
        let within = if in_a_store {
            within.to_owned()
        } else {
            std::path::absolute(within)?
        };
        let scratch = below(&below(&within, SCRATCH), &name);
        if !in_a_store {
            std::fs::create_dir_all(&scratch).map_err(|error| Error::Scratch(scratch.clone(), error.to_string()))?;
        }
        Ok(Self(Arc::new(Shared {
            scheduler: format!("http://{at}"),
            partitions,
            scratch,
            stores,
            made: AtomicUsize::new(0),
        })))
    }

    /// Removes what was made for the study.
    ///
    /// # Errors
    ///
    /// If it cannot be removed; nothing in it counts any more.
    pub async fn clear(&self) -> Result<(), Error> {
        vigie_lake::remove(&self.0.scratch).await?;
        if let Some(parent) = self.0.scratch.parent().filter(|parent| !is_in_a_store(parent)) {
            // Another study may be at it.
            let _ = std::fs::remove_dir(parent);
        }
        Ok(())
    }

    /// A session whose statements the cluster answers.
    pub(crate) fn session(&self, state: SessionState) -> Result<SessionContext, Error> {
        // Plans that change while they run lose themselves where a side of a union turns out to be empty (seen with 55.0.0: the statement
        // never ends). Without them a statement is planned once, as it is here.
        let config = state.config().clone().upgrade_for_ballista();
        let config = config
            .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, false)
            .with_target_partitions(self.0.partitions);
        let state = SessionStateBuilder::new_from_existing(state).with_config(config).build();
        let session = SessionContext::new_with_state(state.upgrade_for_ballista(self.0.scheduler.clone())?);
        session.register_udf(bit_count_written_out());
        for (url, store) in &self.0.stores {
            session.register_object_store(url.object_store().as_ref(), Arc::clone(store));
        }
        Ok(session)
    }

    pub(crate) async fn collect(&self, context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        let frame = context.sql(sql).await?;
        self.again(frame, DataFrame::collect).await
    }

    /// Answers, and gives the rows as a table over the file that the cluster wrote. It is one file, so that a try that follows another
    /// takes its place.
    pub(crate) async fn made(&self, from: &SessionContext, table: &str, sql: &str) -> Result<Arc<dyn TableProvider>, Error> {
        let frame = from.sql(sql).await?;
        let schema = frame.schema().as_arrow().clone();
        let file = self.file(table)?;
        self.again(frame, async |frame| {
            let options = DataFrameWriteOptions::new().with_single_file_output(true);
            frame.write_parquet(file.as_str(), options, None).await
        })
        .await?;
        of_file(from, file, &schema)
    }

    /// Rows that were made here, as a table over a file.
    pub(crate) async fn put(&self, context: &SessionContext, table: &str, rows: &RecordBatch) -> Result<Arc<dyn TableProvider>, Error> {
        let file = self.file(table)?;
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).map_err(|error| self.refused(&error))?;
        writer.write(rows).map_err(|error| self.refused(&error))?;
        let bytes = writer.into_inner().map_err(|error| self.refused(&error))?;
        let store = context.runtime_env().object_store(file.object_store())?;
        store.put(file.prefix(), bytes.into()).await.map_err(|error| self.refused(&error))?;
        of_file(context, file, rows.schema_ref())
    }

    fn refused(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Scratch(self.0.scratch.clone(), error.to_string())
    }

    /// The address of a file that is not there yet.
    fn file(&self, table: &str) -> Result<ListingTableUrl, Error> {
        let number = self.0.made.fetch_add(1, Ordering::Relaxed);
        url(&below(&self.0.scratch, &format!("{number}-{table}.parquet")))
    }

    /// Tries again what an executor that died took with it.
    async fn again<T>(&self, frame: DataFrame, run: impl AsyncFn(DataFrame) -> datafusion::error::Result<T>) -> Result<T, Error> {
        let mut attempt = 1;
        loop {
            match run(frame.clone()).await {
                Ok(done) => return Ok(done),
                Err(_) if attempt < ATTEMPTS => {
                    attempt += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    let at = self.0.scheduler.trim_start_matches("http://").to_owned();
                    return Err(Error::Cluster(at, format!("{} ({ATTEMPTS} tries)", Error::from(error))));
                }
            }
        }
    }
}

fn of_file(context: &SessionContext, file: ListingTableUrl, schema: &Schema) -> Result<Arc<dyn TableProvider>, Error> {
    // A plan's promise that a column is never NULL is not the file's.
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    listed(context, vec![file], schema)
}
