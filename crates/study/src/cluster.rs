//! A Ballista cluster that runs a study's queries, and the folder that it shares with this machine.
//!
//! The scheduler and the executors are Ballista's own, of the version that matches this DataFusion. They read the lake's files themselves,
//! so every executor must reach the lake under the same name: on a shared disk, or in an object store for which they have keys. The
//! cluster also builds the base tables, and stores them in the scratch folder until the study ends.

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
use crate::bit_count;
use crate::files::{listed, url};

/// Number of attempts per statement. When an executor dies, its intermediate results are lost, and the next attempt computes them again
/// on the other executors.
const ATTEMPTS: u32 = 4;
/// Pause between two attempts.
const PAUSE: Duration = Duration::from_secs(2);
/// Timeout for connecting to the scheduler.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for cancelling statements. The scheduler may plan for seconds before a statement has a job id by which it can be cancelled.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(20);
/// Interval at which running statements are checked while they are cancelled.
const CANCEL_INTERVAL: Duration = Duration::from_millis(100);

/// How long an executor may still write files of a statement that was cancelled.
const LATE_WRITES: Duration = Duration::from_secs(1);

/// A Ballista cluster, and the scratch folder that it shares with this machine.
#[derive(Clone)]
pub struct Cluster(Arc<ClusterState>);

struct ClusterState {
    scheduler: String,
    partitions: usize,
    scratch: PathBuf,
    /// The object stores of the lake and of the scratch folder, if they are in one.
    stores: Vec<(ListingTableUrl, Arc<dyn ObjectStore>)>,
    /// Number of scratch files created so far.
    files: AtomicUsize,
    /// The plans of the running statements.
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
    /// Connects to the scheduler at `HOST:PORT` and creates a scratch folder for the base tables, below `scratch` or else below the lake.
    /// Each stage of a statement has `partitions` parts; use as many as the executors have cores in total.
    ///
    /// # Errors
    ///
    /// A scheduler that does not answer, or a folder that cannot be created.
    pub async fn connect(at: &str, lake: &Lake, scratch: Option<&Path>, partitions: usize) -> Result<Self, Error> {
        let cannot = |why: String| Error::Cluster(at.to_owned(), why);
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(at)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(cannot(format!("{error}; is its scheduler running there?"))),
            Err(_) => {
                let why = format!("no answer within {} s; is its scheduler running there?", CONNECT_TIMEOUT.as_secs());
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
        Ok(Self(Arc::new(ClusterState {
            scheduler: format!("http://{at}"),
            partitions,
            scratch,
            stores,
            files: AtomicUsize::new(0),
            running: Mutex::default(),
            interrupted: AtomicBool::new(false),
        })))
    }

    /// Removes the scratch folder.
    ///
    /// # Errors
    ///
    /// A folder that cannot be removed; its files are no longer used.
    pub async fn clear(&self) -> Result<(), Error> {
        vigie_lake::remove(&self.0.scratch).await?;
        if self.interrupted() {
            tokio::time::sleep(LATE_WRITES).await;
            vigie_lake::remove(&self.0.scratch).await?;
        }
        if let Some(parent) = self.0.scratch.parent().filter(|parent| !is_in_a_store(parent)) {
            // Another study may still use it.
            let _ = std::fs::remove_dir(parent);
        }
        Ok(())
    }

    /// Cancels the running statements and rejects new ones. The futures of these statements end with an error. They must be polled until
    /// this returns, since they receive the job ids from the scheduler.
    pub async fn interrupt(&self) {
        self.0.interrupted.store(true, Ordering::Relaxed);
        let cancelled = tokio::time::timeout(CANCEL_TIMEOUT, async {
            let settings = GrpcClientConfig::default();
            // A scheduler that is gone runs nothing.
            let Ok(channel) = create_grpc_client_connection(self.0.scheduler.clone(), &settings).await else {
                return;
            };
            let mut scheduler = SchedulerGrpcClient::new(channel);
            loop {
                let jobs: Vec<Option<String>> = self.running().iter().map(job_id).collect();
                if jobs.is_empty() {
                    return;
                }
                for job_id in jobs.into_iter().flatten() {
                    // Cancelling a job that has ended does nothing.
                    let _ = scheduler.cancel_job(CancelJobParams { job_id }).await;
                }
                tokio::time::sleep(CANCEL_INTERVAL).await;
            }
        });
        let _ = cancelled.await;
    }

    fn interrupted(&self) -> bool {
        self.0.interrupted.load(Ordering::Relaxed)
    }

    /// A session whose statements the cluster runs.
    pub(crate) fn session(&self, state: SessionState) -> Result<SessionContext, Error> {
        // With adaptive plans, a statement never ended where one side of a union turned out to be empty (seen with Ballista 55.0.0).
        // Without them, a statement is planned once, as it is on this machine.
        let config = state.config().clone().upgrade_for_ballista();
        let config = config
            .set_bool(BALLISTA_ADAPTIVE_PLANNER_ENABLED, false)
            .with_target_partitions(self.0.partitions);
        let state = SessionStateBuilder::new_from_existing(state).with_config(config).build();
        let session = SessionContext::new_with_state(state.upgrade_for_ballista(self.0.scheduler.clone())?);
        session.register_udf(bit_count::portable());
        for (url, store) in &self.0.stores {
            session.register_object_store(url.object_store().as_ref(), Arc::clone(store));
        }
        Ok(session)
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn collect(&self, context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, Error> {
        self.run_with_retries(context.sql(sql).await?).await
    }

    /// Runs a statement and returns a table over the file that the cluster wrote. It is a single file, so that a second attempt
    /// overwrites the first.
    pub(crate) async fn create(&self, from: &SessionContext, table: &str, sql: &str) -> Result<Arc<dyn TableProvider>, Error> {
        let (state, plan) = from.sql(sql).await?.into_parts();
        let schema = plan.schema().as_arrow().clone();
        let file = self.file(table)?;
        let parquet = format_as_file_type(Arc::new(ParquetFormatFactory::new()));
        let one_file = HashMap::from([("single_file_output".to_owned(), "true".to_owned())]);
        let copy = LogicalPlanBuilder::copy_to(plan, file.as_str().to_owned(), parquet, one_file, Vec::new())?.build()?;
        self.run_with_retries(DataFrame::new(state, copy)).await?;
        of_file(from, file, &schema)
    }

    /// Writes rows to a scratch file and returns a table over it.
    pub(crate) async fn insert(&self, context: &SessionContext, table: &str, rows: &RecordBatch) -> Result<Arc<dyn TableProvider>, Error> {
        let file = self.file(table)?;
        let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), None).map_err(|error| self.scratch_error(&error))?;
        writer.write(rows).map_err(|error| self.scratch_error(&error))?;
        let bytes = writer.into_inner().map_err(|error| self.scratch_error(&error))?;
        let store = context.runtime_env().object_store(file.object_store())?;
        store
            .put(file.prefix(), bytes.into())
            .await
            .map_err(|error| self.scratch_error(&error))?;
        of_file(context, file, rows.schema_ref())
    }

    fn scratch_error(&self, error: &dyn std::fmt::Display) -> Error {
        Error::Scratch(self.0.scratch.clone(), error.to_string())
    }

    /// The URL of a new scratch file.
    fn file(&self, table: &str) -> Result<ListingTableUrl, Error> {
        let number = self.0.files.fetch_add(1, Ordering::Relaxed);
        url(&below(&self.0.scratch, &format!("{number}-{table}.parquet")))
    }

    fn running(&self) -> MutexGuard<'_, Vec<Arc<dyn ExecutionPlan>>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement, which is in `running` until it ends.
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

    /// Runs a statement, at most [`ATTEMPTS`] times.
    async fn run_with_retries(&self, frame: DataFrame) -> Result<Vec<RecordBatch>, Error> {
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
                    return Err(Error::Cluster(at, format!("{} ({ATTEMPTS} attempts)", Error::from(error))));
                }
            }
        }
    }
}

/// The job id of a statement, once the scheduler has sent it.
fn job_id(plan: &Arc<dyn ExecutionPlan>) -> Option<String> {
    match plan.downcast_ref::<DistributedQueryExec<LogicalPlanNode>>() {
        Some(sent) => sent.job_id().map(|id| id.to_string()),
        None => plan.children().into_iter().find_map(job_id),
    }
}

/// A table over one scratch file.
fn of_file(context: &SessionContext, file: ListingTableUrl, schema: &Schema) -> Result<Arc<dyn TableProvider>, Error> {
    // The plan may declare a column non-nullable where the file does not.
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    listed(context, vec![file], schema)
}
