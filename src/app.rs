//! The composition root: builds the running parts from the settings and shuts them down.

mod check;
mod descriptors;
#[cfg(feature = "aws")]
mod lambda;
mod listen;
mod operator_commands;
mod service_manager;
mod signals;
mod times;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use crate::admin::{self, Latch, Readiness};
use crate::api::{self, ApiSettings, ApiState};
#[cfg(feature = "aws")]
use crate::backends::aws::ConnectError;
use crate::backends::local::{MissingDirectory, OpenError};
use crate::backends::{self, Backend};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{BackendConfig, Config, Role};
use crate::http::{ConnectionLimits, HostRules};
use crate::metrics::{self, ListenerName, Metrics, Scope};
use crate::operate::OperateError;
use crate::pipeline::admission::Admission;
use crate::pipeline::{AccessHistory, Pipeline, UploadLocation, WorkLimits};
use crate::ports::Ports;
use crate::worker::{Ended, StartError, Worker, WorkerSettings};
use listen::Listener;

pub use operator_commands::{backfill, dead_letters, images, sweep};

/// How often queue depths and memory are sampled for the metrics.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(15);

/// The connections of the admin listener: a scraper, a few probes and an operator.
const MAX_ADMIN_CONNECTIONS: usize = 32;

/// How long a receive from SQS waits for a message. Each poll costs a request, and an idle worker must stop within five
/// seconds.
const SQS_POLL_WAIT: Duration = Duration::from_secs(3);

/// How long blocking threads may run after everything else has stopped.
const THREADS_TIMEOUT: Duration = Duration::from_secs(2);

/// How a process ended that started without errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Shutdown was requested, and all work was finished or returned to the queue.
    Clean,
    /// The drain deadline passed. Unfinished work was returned to the queue for another worker.
    DeadlinePassed,
    /// A render thread hangs. Only the end of the process stops it.
    Stuck,
}

/// Whether the settings caused the error, before any work began.
pub fn is_misuse(error: &anyhow::Error) -> bool {
    #[cfg(feature = "aws")]
    if error.is::<ConnectError>() {
        return true;
    }
    error.is::<MissingDirectory>()
        || error.downcast_ref::<OpenError>().is_some_and(OpenError::is_misuse)
        || matches!(error.downcast_ref(), Some(StartError::NoSuchBucket(_)))
        || matches!(error.downcast_ref(), Some(OperateError::NoSuchBucket(_)))
}

/// The parts that run in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parts {
    api: bool,
    worker: bool,
}

/// Tries the permissions of a role, and with `with_store` what the store can do. Returns a table of the results, and
/// whether everything works.
///
/// # Errors
/// When the backend cannot be opened.
pub fn check(config: &Config, role: Role, with_store: bool) -> anyhow::Result<(String, bool)> {
    let probes = block_on(backends::probe(config, role, with_store, Arc::new(SystemClock)))?;
    Ok((check::table(&probes), !probes.iter().any(check::fails)))
}

/// Checks the liveness of the process that these settings belong to.
///
/// # Errors
/// When it does not answer, or is not alive.
pub fn check_health(config: &Config) -> anyhow::Result<()> {
    block_on(check::health(config.admin_listen))
}

/// Runs API and worker until a shutdown signal.
///
/// # Errors
/// When a resource cannot be opened at the start: a directory, a port, a service.
pub fn run_local(config: Config) -> anyhow::Result<Ending> {
    block_on(run(config, Parts { api: true, worker: true }))
}

/// Runs a worker until a shutdown signal.
///
/// # Errors
/// Like [`run_local`].
pub fn run_worker(config: Config) -> anyhow::Result<Ending> {
    block_on(run(config, Parts { api: false, worker: true }))
}

/// Runs the API until a shutdown signal, behind a listener or as an AWS Lambda function.
///
/// # Errors
/// Like [`run_local`].
pub fn run_api(config: Config) -> anyhow::Result<Ending> {
    #[cfg(feature = "aws")]
    if config.on_lambda {
        return block_on(lambda::run(config));
    }
    block_on(run(config, Parts { api: true, worker: false }))
}

/// Runs `work` on a new runtime. It does not wait for threads that hang at the end, because the process ends too.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(THREADS_TIMEOUT);
    ended
}

async fn run(config: Config, parts: Parts) -> anyhow::Result<Ending> {
    let shutdown = signals::shutdown_on_signals().context("signals cannot be listened to")?;
    descriptors::raise_limit();
    let metrics = metrics::install(if parts.api { Scope::WithApi } else { Scope::WithoutApi })?;
    tokio::spawn(metrics.clone().keep_up());
    let readiness = Readiness::default();
    let starting = readiness.hold("starting");
    tokio::spawn(service_manager::report(readiness.clone(), shutdown.clone()));
    let clock: SharedClock = Arc::new(SystemClock);
    let backend = backends::connect(&config, Arc::clone(&clock)).await?;
    tokio::spawn(sample_space(backend.sample_space.clone()));
    let admin = serve_admin(&config, &readiness, metrics).await?;
    let api = if parts.api { Some(serve_api(&config, &backend, &clock, &shutdown).await?) } else { None };
    // Other deployments run the sweep on a schedule. A single machine has none, so this process runs it.
    let is_alone = parts.api && parts.worker;
    let sweeping = is_alone.then(|| {
        let context = operator_commands::operator_context(&config, backend.ports.clone(), Arc::clone(&clock));
        tokio::spawn(crate::operate::sweep::hourly(context, operator_commands::hourly_options(&config)))
    });
    let ending = if parts.worker {
        let worker = Launch { config: &config, ports: &backend.ports, clock, shutdown: &shutdown };
        worker.run(&readiness, starting).await?
    } else {
        drop(starting);
        shutdown.cancelled().await;
        readiness.drain();
        Ending::Clean
    };
    if let Some(sweeping) = sweeping {
        sweeping.abort();
    }
    if let Some(api) = api {
        api.stop().await;
    }
    admin.stop().await;
    tracing::info!(?ending, "ended");
    Ok(ending)
}

async fn serve_admin(config: &Config, readiness: &Readiness, metrics: Metrics) -> anyhow::Result<Listener> {
    let hosts = HostRules::new(Some(config.admin_listen.ip()), &config.allowed_hosts);
    let router = admin::router(readiness.clone(), hosts, move || metrics.render());
    let limits = ConnectionLimits::new(ListenerName::Admin, MAX_ADMIN_CONNECTIONS);
    let listener = Listener::start(config.admin_listen_setting, config.admin_listen, router, limits).await?;
    tracing::info!("health and metrics: http://{}/metrics", listener.address());
    Ok(listener)
}

async fn serve_api(
    config: &Config,
    backend: &Backend,
    clock: &SharedClock,
    shutdown: &CancellationToken,
) -> anyhow::Result<Listener> {
    let state = ApiState::new(&backend.request_ports, ApiSettings::from(config), Arc::clone(clock), shutdown.clone());
    let router = api::router(state, backend.routes.clone());
    let limits = ConnectionLimits::new(ListenerName::Api, config.max_connections);
    let listener = Listener::start(config.listen_setting, config.listen, router, limits).await?;
    warn_if_open(config);
    tokio::spawn(api::sign_once(Arc::clone(&backend.request_ports.uploads)));
    tracing::info!("ready for uploads: http://{}/", listener.address());
    Ok(listener)
}

/// Warns if the API is reachable from other machines without authentication.
fn warn_if_open(config: &Config) {
    let is_guarded = !config.api_tokens.is_empty() || config.has_jwt_authorizer;
    if !is_guarded && !config.listen.ip().to_canonical().is_loopback() {
        tracing::warn!(
            "anyone who reaches {} may use the API: set DARKROOM_API_TOKEN, or let only your own clients reach it",
            config.listen
        );
    }
}

/// The parts that a worker starts with.
struct Launch<'a> {
    config: &'a Config,
    ports: &'a Ports,
    clock: SharedClock,
    shutdown: &'a CancellationToken,
}

impl Launch<'_> {
    /// Runs the worker to its end. A render thread that hangs also starts the drain.
    async fn run(self, readiness: &Readiness, starting: Latch) -> anyhow::Result<Ending> {
        let stuck = CancellationToken::new();
        let draining = self.shutdown.child_token();
        let pipeline = Arc::new(self.pipeline(stuck.clone()));
        let sampler = tokio::spawn(sample(self.ports.clone(), Arc::clone(&pipeline)));
        let worker = Worker::new(Arc::clone(&self.ports.queue), pipeline, self.clock.clone(), self.settings());
        let watch = {
            let (readiness, draining, stuck) = (readiness.clone(), draining.clone(), stuck.clone());
            tokio::spawn(async move {
                tokio::select! {
                    () = stuck.cancelled() => draining.cancel(),
                    () = draining.cancelled() => {}
                }
                readiness.drain();
            })
        };
        worker.wait_for_bucket(&draining).await?;
        drop(starting);
        let ended = worker.run(draining).await.context("the queue's rules cannot be read");
        watch.abort();
        sampler.abort();
        readiness.drain();
        Ok(match ended? {
            _ if stuck.is_cancelled() => Ending::Stuck,
            Ended::Drained => Ending::Clean,
            Ended::DeadlinePassed => Ending::DeadlinePassed,
        })
    }

    fn pipeline(&self, stuck: CancellationToken) -> Pipeline {
        let config = self.config;
        let limits = WorkLimits {
            max_bytes: config.max_bytes,
            max_pixels: config.max_pixels,
            render_timeout: config.render_timeout,
        };
        tracing::info!(
            render_slots = config.render_slots,
            memory_budget_bytes = config.memory_budget,
            max_bytes = config.max_bytes,
            max_pixels = config.max_pixels,
            "worker limits"
        );
        metrics::memory_budget(config.memory_budget);
        metrics::render_slots(config.render_slots);
        Pipeline {
            uploads: Arc::clone(&self.ports.uploads),
            thumbnails: Arc::clone(&self.ports.thumbnails),
            catalog: Arc::clone(&self.ports.catalog),
            clock: Arc::clone(&self.clock),
            access_history: AccessHistory::default(),
            admission: Admission::new(config.source_budget(), config.render_budget(), config.render_slots),
            recipe: Arc::new(config.recipe.clone()),
            limits,
            upload_location: UploadLocation {
                bucket: config.upload_bucket.clone(),
                prefix: config.upload_prefix.clone(),
            },
            stuck,
        }
    }

    fn settings(&self) -> WorkerSettings {
        // A stop waits for the current poll, so this wait is how long an idle worker takes to stop.
        let poll_wait = match self.config.backend {
            BackendConfig::Aws(_) => SQS_POLL_WAIT,
            BackendConfig::Local(_) => Duration::from_secs(1),
        };
        WorkerSettings {
            render_slots: self.config.render_slots,
            visibility_timeout: self.config.visibility_timeout,
            poll_wait,
            drain_timeout: self.config.drain_timeout,
        }
    }
}

/// Samples the free space until the process ends.
async fn sample_space(sample: Option<Arc<dyn Fn() + Send + Sync>>) {
    let Some(sample) = sample else {
        metrics::free_space(None);
        metrics::stored(None);
        return;
    };
    let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
    loop {
        ticks.tick().await;
        let sample = Arc::clone(&sample);
        // If a sample panics, the metrics keep their last values.
        let _ = tokio::task::spawn_blocking(move || sample()).await;
    }
}

/// Samples the values that are cheaper to query periodically than to count.
async fn sample(ports: Ports, pipeline: Arc<Pipeline>) {
    let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
    loop {
        ticks.tick().await;
        let (source_bytes, decode_bytes) = pipeline.admission.used_bytes();
        metrics::source_bytes_in_flight(source_bytes);
        metrics::memory_in_use(source_bytes + decode_bytes);
        metrics::render_slots_in_use(pipeline.admission.used_slots());
        metrics::sample_received_age();
        match tokio::try_join!(ports.queue.attributes(), ports.dead_letters.attributes()) {
            Ok((work, dead_letters)) => metrics::queue_depth(&work, &dead_letters),
            Err(error) => metrics::port_error(&error),
        }
    }
}
