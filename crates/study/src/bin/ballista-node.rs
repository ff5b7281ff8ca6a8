//! A scheduler or an executor of a Ballista cluster, equivalent to Ballista's own programs, built with the same DataFusion as the study. It
//! is used to try `vigie study --engine`, and in its test.
//!
//! `ballista-node scheduler …` and `ballista-node executor …` take Ballista's own options; `--help` after either lists them.

use std::net::SocketAddr;
use std::sync::Arc;

use ballista_core::error::{BallistaError, Result};
use ballista_core::object_store::{runtime_env_with_s3_support, session_config_with_s3_support, session_state_with_s3_support};
use ballista_executor::executor_process::{ExecutorProcessConfig, start_executor_process};
use ballista_scheduler::cluster::BallistaCluster;
use ballista_scheduler::config::SchedulerConfig;
use ballista_scheduler::scheduler_process::start_server;
use clap::Parser;
use tracing_subscriber::EnvFilter;

/// A scheduler or an executor of a Ballista cluster.
#[derive(Parser)]
enum Node {
    /// Plans statements and distributes their parts to executors.
    Scheduler(Box<ballista_scheduler::config::Config>),
    /// Executes parts of statements.
    Executor(Box<ballista_executor::config::Config>),
}

fn main() -> Result<()> {
    let node = Node::parse();
    let level = match &node {
        Node::Scheduler(options) => &options.log_level_setting,
        Node::Executor(options) => &options.log_level_setting,
    };
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level)))
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // Plans are processed recursively, and those of the study are deep.
        .thread_stack_size(32 * 1024 * 1024)
        .build()?;
    runtime.block_on(async {
        match node {
            Node::Scheduler(options) => {
                let address = format!("{}:{}", options.bind_host, options.bind_port);
                let address: SocketAddr = address
                    .parse()
                    .map_err(|error| BallistaError::Configuration(format!("{address}: {error}")))?;
                let config = SchedulerConfig::try_from(*options)?
                    .with_override_config_producer(Arc::new(session_config_with_s3_support))
                    .with_override_session_builder(Arc::new(session_state_with_s3_support));
                let cluster = BallistaCluster::new_from_config(&config).await?;
                start_server(cluster, address, Arc::new(config)).await
            }
            Node::Executor(options) => {
                let mut config = ExecutorProcessConfig::try_from(*options)?;
                config.override_config_producer = Some(Arc::new(session_config_with_s3_support));
                config.override_runtime_producer = Some(Arc::new(runtime_env_with_s3_support));
                start_executor_process(Arc::new(config)).await
            }
        }
    })
}
