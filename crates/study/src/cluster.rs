//! A Ballista cluster that answers the questions, and the folder that it shares with this machine.
//!
//! The scheduler and the executors are Ballista's own, of the version that goes with this DataFusion. They read the lake's files
//! themselves, so the lake must stand where every executor finds it under the same name: on a shared disk, or in an object store that they
//! have keys to. What the questions share is made by the cluster too and kept beside the lake until the study ends.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ballista_core::config::BALLISTA_ADAPTIVE_PLANNER_ENABLED;
use ballista_core::execution_plans::DistributedQueryExec;
use ballista_core::extension::{SessionConfigExt as _, SessionStateExt as _};
use ballista_core::serde::protobuf::CancelJobParams;
use ballista_core::serde::protobuf::scheduler_grpc_client::SchedulerGrpcClient;
use ballista_core::utils::{GrpcClientConfig, create_grpc_client_connection};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::datasource::file_format::format_as_file_type;
use datafusion::datasource::file_format::parquet::ParquetFormatFactory;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlanBuilder;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion_proto::protobuf::LogicalPlanNode;
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

/// A statement that is cancelled ends within this, or is left to itself: the scheduler may plan for seconds before the statement has a
/// name by which it can be cancelled.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How long an executor may take to put down what it was about to write when its statement was cancelled.
const PUT_DOWN: Duration = Duration::from_secs(1);

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
    /// The statements that are under way.
    running: Mutex<Vec<Arc<dyn ExecutionPlan>>>,
    interrupted: AtomicBool,
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
            running: Mutex::default(),
            interrupted: AtomicBool::new(false),
        })))
    }

    /// Removes what was made for the study.
    ///
    /// # Errors
    ///
    /// If it cannot be removed; nothing in it counts any more.
    pub async fn clear(&self) -> Result<(), Error> {
        vigie_lake::remove(&self.0.scratch).await?;
        if self.interrupted() {
            tokio::time::sleep(PUT_DOWN).await;
            vigie_lake::remove(&self.0.scratch).await?;
        }
        if let Some(parent) = self.0.scratch.parent().filter(|parent| !is_in_a_store(parent)) {
            // Another study may be at it.
            let _ = std::fs::remove_dir(parent);
        }
        Ok(())
    }

    /// Cancels the statements that are under way, and lets no other begin. The futures that wait for them end with an error, and have to be
    /// polled meanwhile: they hear from the scheduler by which name a statement is cancelled.
    pub async fn interrupt(&self) {
        self.0.interrupted.store(true, Ordering::Relaxed);
        let cancelled = tokio::time::timeout(ENDED_WITHIN, async {
            let settings = GrpcClientConfig::default();
            // A scheduler that is gone has nothing under way.
            let Ok(channel) = create_grpc_client_connection(self.0.scheduler.clone(), &settings).await else {
                return;
            };
            let mut scheduler = SchedulerGrpcClient::new(channel);
            loop {
                let jobs: Vec<Option<String>> = self.running().iter().map(job).collect();
                if jobs.is_empty() {
                    return;
                }
                for job_id in jobs.into_iter().flatten() {
                    // One that has ended is none the worse.
                    let _ = scheduler.cancel_job(CancelJobParams { job_id }).await;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        });
        let _ = cancelled.await;
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted.load(Ordering::Relaxed)
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
        self.again(context.sql(sql).await?).await
    }

    /// Answers, and gives the rows as a table over the file that the cluster wrote. It is one file, so that a try that follows another
    /// takes its place.
    pub(crate) async fn made(&self, from: &SessionContext, table: &str, sql: &str) -> Result<Arc<dyn TableProvider>, Error> {
        let (state, plan) = from.sql(sql).await?.into_parts();
        let schema = plan.schema().as_arrow().clone();
        let file = self.file(table)?;
        let parquet = format_as_file_type(Arc::new(ParquetFormatFactory::new()));
        let one_file = HashMap::from([("single_file_output".to_owned(), "true".to_owned())]);
        let copy = LogicalPlanBuilder::copy_to(plan, file.as_str().to_owned(), parquet, one_file, Vec::new())?.build()?;
        self.again(DataFrame::new(state, copy)).await?;
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

    fn running(&self) -> MutexGuard<'_, Vec<Arc<dyn ExecutionPlan>>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a statement, which stands among those that are under way meanwhile.
    async fn run(&self, frame: DataFrame) -> datafusion::error::Result<Vec<RecordBatch>> {
        let task = Arc::new(frame.task_ctx());
        let plan = frame.create_physical_plan().await?;
        if self.interrupted() {
            return datafusion::common::exec_err!("interrupted");
        }
        self.running().push(Arc::clone(&plan));
        let done = collect(Arc::clone(&plan), task).await;
        self.running().retain(|other| !Arc::ptr_eq(other, &plan));
        done
    }

    /// Answers a statement, and tries again what an executor that died took with it.
    async fn again(&self, frame: DataFrame) -> Result<Vec<RecordBatch>, Error> {
        let mut attempt = 1;
        loop {
            match self.run(frame.clone()).await {
                Ok(done) => return Ok(done),
                Err(_) if attempt < ATTEMPTS && !self.interrupted() => {
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

/// The scheduler's name for a statement, once it has one.
fn job(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    match plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>() {
        Some(sent) => sent.job_id().map(|id| id.to_string()),
        None => plan.children().into_iter().find_map(job),
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
