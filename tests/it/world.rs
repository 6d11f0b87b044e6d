//! A whole darkroom in one test: the local backend in its own directory, workers, a paused clock, injected faults.
//!
//! A test reads as a sequence of events: upload, run, expect. At its end [`World::finish`] looks for forbidden
//! leftovers; a world that is dropped without it fails its test.

mod calls;
mod faults;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use darkroom::backends::local::LocalBackend;
use darkroom::clock::{SharedClock, Timestamp, TokioClock};
use darkroom::config::LocalConfig;
use darkroom::event::{self, ObjectCreated};
use darkroom::operate::OperatorContext;
use darkroom::operate::dead_letters::{self, Filter, RedriveOptions};
use darkroom::operate::progress::Progress;
use darkroom::operate::sweep::{self, SweepOptions, SweepReport};
use darkroom::pipeline::admission::Admission;
use darkroom::pipeline::{AccessHistory, Pipeline, UploadLocation, WorkLimits};
use darkroom::ports::Ports;
use darkroom::ports::queue::QueueAttributes;
use darkroom::recipe::{Format, Recipe, ThumbnailKey};
use darkroom::record::{ImageId, ImageRecord, Reason, Sequencer, SourceId, Status};
use darkroom::worker::{Ended, StartError, Worker, WorkerSettings};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use calls::Call;
pub use faults::{Faults, When};

/// The upload bucket of every world.
pub const BUCKET: &str = "photos";
/// The upload prefix of every world.
pub const PREFIX: &str = "uploads/";

const MIB: u64 = 1024 * 1024;

/// Options of a world.
#[derive(Clone, Debug)]
pub struct Options {
    pub max_receives: u32,
    pub slots: usize,
    pub max_bytes: u64,
    pub max_pixels: u64,
    pub visibility: Duration,
    pub drain_timeout: Duration,
    pub tells_outcomes: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_receives: 10,
            slots: 2,
            max_bytes: 8 * MIB,
            max_pixels: 40_000_000,
            visibility: Duration::from_secs(60),
            drain_timeout: Duration::from_secs(90),
            tells_outcomes: false,
        }
    }
}

/// A whole darkroom.
pub struct World {
    pub options: Options,
    /// The ports without faults.
    pub ports: Ports,
    /// The faults of the workers' calls, and a record of the calls.
    pub faults: Faults,
    pub clock: SharedClock,
    dir: TempDir,
    /// The store itself sends the events of its objects to the queue.
    has_notifications: bool,
    /// Uploads so far, if the store sends no events.
    uploads: AtomicUsize,
    workers: Vec<Option<RunningWorker>>,
    is_finished: bool,
}

struct RunningWorker {
    shutdown: CancellationToken,
    faults: Faults,
    task: JoinHandle<Ended>,
}

impl World {
    /// A world with one worker.
    pub async fn new() -> Self {
        let mut world = Self::idle(Options::default());
        world.start_worker();
        world
    }

    /// A world without workers.
    pub fn idle(options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(TokioClock::starting_at(Timestamp::from_millis(1_800_000_000_000)));
        let Options { max_receives, tells_outcomes, .. } = options;
        let config = LocalConfig { max_receives, tells_outcomes, ..LocalConfig::new(dir.path().to_owned()) };
        let backend = LocalBackend::open(&config, BUCKET, PREFIX, BUCKET, clock.clone()).unwrap();
        let mut world = Self::over(backend.ports(), options, clock);
        (world.dir, world.has_notifications) = (dir, true);
        world
    }

    /// A world without workers on other ports, whose store keeps versions and sends no events.
    pub fn over(ports: Ports, options: Options, clock: SharedClock) -> Self {
        Self {
            options,
            ports,
            faults: Faults::default(),
            clock,
            dir: tempfile::tempdir().unwrap(),
            has_notifications: false,
            uploads: AtomicUsize::new(0),
            workers: Vec::new(),
            is_finished: false,
        }
    }

    /// The directory of the local backend.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts a worker on the world's directory; returns its number.
    pub fn start_worker(&mut self) -> usize {
        let faults = self.faults.of_one_worker();
        let worker = self.worker(&faults);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(worker.run(shutdown.clone()));
        let task = tokio::spawn(async move { task.await.unwrap().unwrap() });
        self.workers.push(Some(RunningWorker { shutdown, faults, task }));
        self.workers.len() - 1
    }

    /// A worker's check of the bucket, before its first receive.
    pub async fn wait_for_bucket(&self, shutdown: &CancellationToken) -> Result<(), StartError> {
        self.worker(&self.faults).wait_for_bucket(shutdown).await
    }

    fn worker(&self, faults: &Faults) -> Worker {
        let ports = faults.wrap(self.ports.clone());
        let options = &self.options;
        let settings = WorkerSettings {
            render_slots: options.slots,
            visibility_timeout: options.visibility,
            poll_wait: Duration::from_secs(1),
            drain_timeout: options.drain_timeout,
        };
        let pipeline = Arc::new(self.pipeline(&ports));
        Worker::new(ports.queue, pipeline, self.clock.clone(), settings)
    }

    fn pipeline(&self, ports: &Ports) -> Pipeline {
        let options = &self.options;
        Pipeline {
            uploads: ports.uploads.clone(),
            thumbnails: ports.thumbnails.clone(),
            catalog: ports.catalog.clone(),
            clock: self.clock.clone(),
            access_history: AccessHistory::default(),
            admission: Admission::new(4 * options.max_bytes, 1024 * MIB, options.slots),
            recipe: Arc::new(Recipe::default()),
            limits: WorkLimits {
                max_bytes: options.max_bytes,
                max_pixels: options.max_pixels,
                render_timeout: Duration::from_secs(60),
            },
            upload_location: UploadLocation { bucket: BUCKET.to_owned(), prefix: PREFIX.to_owned() },
            stuck: CancellationToken::new(),
        }
    }

    /// Asks a worker to stop and waits until it has drained.
    pub async fn stop_worker(&mut self, number: usize) -> Ended {
        let worker = self.workers[number].take().expect("the worker runs");
        worker.shutdown.cancel();
        worker.task.await.unwrap()
    }

    /// Starts a new worker for each one that a fault killed.
    pub fn replace_the_dead(&mut self) {
        for number in 0..self.workers.len() {
            if self.workers[number].as_ref().is_some_and(|worker| worker.faults.is_severed()) {
                self.workers[number] = None;
                self.start_worker();
            }
        }
    }

    /// The numbers of the workers that were not stopped.
    pub fn running(&self) -> Vec<usize> {
        (0..self.workers.len()).filter(|number| self.workers[*number].is_some()).collect()
    }

    /// Waits until a fault kills the worker: none of its later calls reaches anything.
    pub async fn wait_for_death(&mut self, number: usize) {
        let worker = self.workers[number].take().expect("the worker runs");
        let died = tokio::time::timeout(Duration::from_secs(3600), worker.faults.severed()).await;
        assert!(died.is_ok(), "the worker never came to its death");
    }

    /// Uploads a file as S3 would take it: stores it and sends its event.
    pub async fn upload(&self, name: &str, bytes: &[u8]) -> ImageId {
        let key = format!("{PREFIX}{name}");
        let bytes = Bytes::copy_from_slice(bytes);
        self.ports.uploads.put(&key, bytes, "application/octet-stream", "no-store").await.unwrap();
        if !self.has_notifications {
            self.uploads.fetch_add(1, Ordering::Relaxed);
            self.send_event(&self.event_of(name, Some(&self.last_sequencer())).await).await;
        }
        ImageId::of_key(PREFIX, &key).unwrap()
    }

    /// The sequencer of the newest upload's event, if the world writes the events.
    fn last_sequencer(&self) -> String {
        format!("{:016X}", self.uploads.load(Ordering::Relaxed))
    }

    /// Like [`World::upload`], but returns the event that was sent.
    pub async fn upload_event(&self, name: &str, bytes: &[u8]) -> ObjectCreated {
        self.upload(name, bytes).await;
        if !self.has_notifications {
            return self.event_of(name, Some(&self.last_sequencer())).await;
        }
        let version = self.ports.uploads.head(&format!("{PREFIX}{name}")).await.unwrap().src;
        let database = rusqlite::Connection::open(self.dir.path().join("darkroom.db")).unwrap();
        let query = "SELECT printf('%016X', number) FROM objects WHERE version = ?1";
        let sequencer: String = database.query_row(query, [version.as_str()], |row| row.get(0)).unwrap();
        self.event_of(name, Some(&sequencer)).await
    }

    /// Sends a message to the queue.
    pub async fn send(&self, body: &str) -> String {
        self.ports.queue.send(body).await.unwrap()
    }

    /// An event of the current object, with this sequencer if there is one.
    pub async fn event_of(&self, name: &str, sequencer: Option<&str>) -> ObjectCreated {
        let key = format!("{PREFIX}{name}");
        let info = self.ports.uploads.head(&key).await.unwrap();
        ObjectCreated {
            bucket: BUCKET.to_owned(),
            key,
            size: Some(info.bytes),
            version_id: sequencer.map(|_| info.src.as_str().to_owned()),
            sequencer: sequencer.map(|text| Sequencer::parse(text).unwrap()),
            at: Some(self.clock.now()),
            is_forced: false,
            doubts: event::Doubts::default(),
        }
    }

    /// Sends an event as S3 writes it.
    pub async fn send_event(&self, created: &ObjectCreated) -> String {
        self.send(&event::notification(created, "etag")).await
    }

    /// Lets the workers run until the queue is empty, for at most six hours of the paused clock.
    pub async fn run_until_idle(&self) {
        for _ in 0..6 * 3600 {
            let QueueAttributes { visible, in_flight, delayed, .. } = self.ports.queue.attributes().await.unwrap();
            if visible + in_flight + delayed == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("the queue does not empty: {:?}", self.ports.queue.attributes().await);
    }

    /// The record of an image, which must exist.
    pub async fn record(&self, id: &ImageId) -> ImageRecord {
        self.ports.catalog.get(id).await.unwrap().unwrap_or_else(|| panic!("{id} has no record"))
    }

    /// Expects the image to be published, and every thumbnail to have the size that the record states.
    pub async fn expect_published(&self, id: &ImageId) -> ImageRecord {
        let record = self.record(id).await;
        assert_eq!(record.status, Status::Published, "{record:?}");
        self.expect_thumbnails(&record).await;
        record
    }

    /// Expects every thumbnail that the record names.
    pub async fn expect_thumbnails(&self, record: &ImageRecord) {
        let published = record.published.as_ref().expect("thumbnails are published");
        let format = Format::from_content_type(&published.content_type).unwrap();
        assert_eq!(published.thumbnails.len(), 3);
        for thumbnail in &published.thumbnails {
            let key = ThumbnailKey { id: &record.id, version: &published.version, size: &thumbnail.size, format };
            let info = self.ports.thumbnails.head(&key.to_string()).await.unwrap();
            assert_eq!(info.bytes, thumbnail.bytes, "{key}");
        }
    }

    /// Expects the image to be refused for that reason.
    pub async fn expect_rejected(&self, id: &ImageId, reason: Reason) -> ImageRecord {
        let record = self.record(id).await;
        assert_eq!((record.status, record.reason), (Status::InvalidContentType, Some(reason)), "{record:?}");
        record
    }

    /// Expects the image to have failed for that reason.
    pub async fn expect_failed(&self, id: &ImageId, reason: Reason) -> ImageRecord {
        let record = self.record(id).await;
        assert_eq!((record.status, record.reason), (Status::Failed, Some(reason)), "{record:?}");
        record
    }

    /// Expects the record to belong to the current upload.
    pub async fn expect_current(&self, id: &ImageId) {
        let record = self.record(id).await;
        let info = self.ports.uploads.head(&record.key).await.unwrap();
        assert_eq!(record.src, Some(SourceId::new(Some(info.src.as_str()), "")), "{record:?}");
    }

    /// The context of an operator's command on this world, with these faults.
    pub fn context(&self, faults: &Faults) -> OperatorContext {
        let ports = faults.wrap(self.ports.clone());
        let (bucket, prefix) = (BUCKET.to_owned(), PREFIX.to_owned());
        OperatorContext { ports, clock: self.clock.clone(), bucket, prefix, recipe: Recipe::default() }
    }

    /// Redrives every readable dead letter; returns how many.
    pub async fn redrive(&self) -> u64 {
        let options = RedriveOptions { rate: 50, is_dry_run: false, as_json: false };
        let context = self.context(&Faults::default());
        let (mut progress, mut out) = (Progress::on(None), std::io::sink());
        let redriven = dead_letters::redrive(&context, &Filter::default(), options, &mut progress, &mut out).await;
        redriven.unwrap().redriven
    }

    /// Sweeps, and expects that every call succeeds.
    pub async fn sweep(&self) -> SweepReport {
        let mut report = SweepReport::default();
        sweep::sweep(&self.context(&Faults::default()), SweepOptions::default(), &mut report).await.unwrap();
        report
    }

    /// The number of dead letters.
    pub async fn dead_letters(&self) -> u64 {
        let attributes = self.ports.dead_letters.attributes().await.unwrap();
        attributes.visible + attributes.in_flight + attributes.delayed
    }

    /// Ends the world: every worker drains, and nothing is left over.
    pub async fn finish(self) {
        self.finish_with_dead_letters(0).await;
    }

    /// Like [`World::finish`], with this number of dead letters.
    pub async fn finish_with_dead_letters(mut self, expected: u64) {
        for number in 0..self.workers.len() {
            if let Some(worker) = &self.workers[number] {
                // A fault set earlier may kill the worker during its last poll, and then the worker never answers.
                let faults = worker.faults.clone();
                tokio::select! {
                    _ = self.stop_worker(number) => {}
                    () = faults.severed() => {}
                }
            }
        }
        self.is_finished = true;
        assert_eq!(self.dead_letters().await, expected, "dead letters");
        let queue = self.ports.queue.attributes().await.unwrap();
        assert_eq!((queue.visible, queue.in_flight, queue.delayed), (0, 0, 0), "messages are left");
        let mut next = None;
        loop {
            let page = self.ports.catalog.scan(next.as_deref()).await.unwrap();
            for record in &page.records {
                assert_eq!(record.lease_until, None, "an open claim is left: {record:?}");
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let incoming = self.dir.path().join("incoming");
        let left = std::fs::read_dir(&incoming).map(|entries| {
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect::<Vec<_>>()
        });
        assert_eq!(left.unwrap_or_default(), Vec::<std::path::PathBuf>::new(), "temporary files are left");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !self.is_finished && !std::thread::panicking() {
            panic!("a world must be finished, so that it is looked at what is left behind");
        }
    }
}
