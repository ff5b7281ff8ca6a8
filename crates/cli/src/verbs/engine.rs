//! Where the questions of a study are answered: on this machine, or on a cluster.

use tokio::runtime::Runtime;
use vigie_assess::Knowledge;
use vigie_lake::Lake;
use vigie_run::Failure;
use vigie_study::{Error, QueryLimits, Study, StudyOptions, TableStore};

use crate::verbs::study::StudyArgs;

/// The engine that answers the questions.
pub(crate) enum Engine {
    /// This machine.
    Here,
    /// A Ballista cluster.
    #[cfg(feature = "cluster")]
    Cluster(vigie_study::Cluster),
}

impl Engine {
    /// The engine that `--engine` selects.
    #[cfg(not(feature = "cluster"))]
    pub(crate) fn chosen(args: &StudyArgs, _: &Runtime, _: &Lake) -> Result<Self, Failure> {
        match args.engine {
            None => Ok(Self::Here),
            Some(_) => Err(Failure::usage(
                "this vigie was built without cluster support; build it with --features cluster",
            )),
        }
    }

    /// The engine that `--engine` selects.
    #[cfg(feature = "cluster")]
    pub(crate) fn chosen(args: &StudyArgs, runtime: &Runtime, lake: &Lake) -> Result<Self, Failure> {
        let Some(at) = &args.engine else { return Ok(Self::Here) };
        let port = at.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(Failure::usage(format!("--engine {at}: not HOST:PORT, such as 127.0.0.1:50050")));
        }
        runtime
            .block_on(vigie_study::Cluster::connect(
                at,
                lake,
                args.scratch.as_deref(),
                args.partitions.into(),
            ))
            .map(Self::Cluster)
            .map_err(Failure::output)
    }

    /// Opens the lake and builds the tables that the questions share.
    pub(crate) async fn open<'a>(
        &self,
        lake: &Lake,
        knowledge: &'a Knowledge,
        options: StudyOptions,
        limits: QueryLimits,
        progress: &mut dyn FnMut(&str),
    ) -> Result<Study<'a>, Error> {
        let store = match self {
            Self::Here => TableStore::Memory,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => TableStore::Cluster(cluster.clone()),
        };
        Study::open(&store, lake, knowledge, options, limits, progress).await
    }

    /// Waits for an answer. A cluster's tables are on disk, so an interrupt must return to the caller, which removes them.
    pub(crate) fn wait<T>(
        &self,
        runtime: &Runtime,
        work: impl Future<Output = Result<T, Error>>,
        failed: impl Fn(&Error) -> Failure,
    ) -> Result<T, Failure> {
        match self {
            Self::Here => runtime.block_on(work).map_err(|error| failed(&error)),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => runtime.block_on(async {
                let mut work = std::pin::pin!(work);
                tokio::select! {
                    done = &mut work => return done.map_err(|error| failed(&error)),
                    _ = tokio::signal::ctrl_c() => {}
                }
                tokio::select! {
                    _ = work => {}
                    () = cluster.interrupt() => {}
                    // A second interrupt ends the wait.
                    _ = tokio::signal::ctrl_c() => {}
                }
                Err(Failure::interrupted("interrupted; the temporary tables of the cluster are removed"))
            }),
        }
    }

    /// Removes the temporary tables of a cluster.
    pub(crate) fn clear(&self, _runtime: &Runtime) -> Result<(), Failure> {
        match self {
            Self::Here => Ok(()),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => _runtime.block_on(cluster.clear()).map_err(Failure::output),
        }
    }
}
