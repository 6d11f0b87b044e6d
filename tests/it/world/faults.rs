//! Ports with injected faults: each wrapper is itself a port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use darkroom::clock::Timestamp;
use darkroom::ports::catalog::Page;
use darkroom::ports::objects::{Fetched, Listed, ObjectInfo, SignedUpload, UploadOptions, VersionCursor, VersionPage};
use darkroom::ports::queue::{Message, QueueAttributes, Receipt};
use darkroom::ports::{Catalog, ErrorKind, ObjectStore, PortError, Ports, Queue};
use darkroom::record::{Applied, ImageId, ImageRecord, Status, Transition};
use tokio_util::sync::CancellationToken;

use super::Call;
use crate::dice::Dice;

/// The kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The call fails before it has done anything.
    Before,
    /// The call does everything, and only the answer is lost.
    After,
    /// The worker dies before the call has done anything.
    KilledBefore,
    /// The worker dies after the call has done everything.
    KilledAfter,
    /// The call succeeds, but only after this time.
    Late(Duration),
}

#[derive(Clone, Debug)]
struct Fault {
    call: Call,
    /// Number of calls that succeed first.
    skip: usize,
    /// Number of calls that fail then.
    times: usize,
    kind: ErrorKind,
    when: When,
}

/// The faults and the calls so far, shared by all wrappers of a world.
#[derive(Clone, Default)]
pub struct Faults {
    state: Arc<Mutex<State>>,
    /// Cancelled when the worker behind these wrappers was killed.
    severed: CancellationToken,
}

#[derive(Default)]
struct State {
    faults: Vec<Fault>,
    /// No read of an upload states its length.
    hides_lengths: bool,
    /// Parts of keys, and how reads of such objects fail.
    unreadable: Vec<(&'static str, ErrorKind)>,
    /// One call in this many fails, chosen by these dice.
    share: Option<(usize, Dice)>,
    calls: BTreeMap<Call, usize>,
    writes: Vec<ImageRecord>,
    fired: usize,
    watches: Vec<(Call, usize, CancellationToken)>,
}

impl State {
    fn by_chance(&mut self, call: Call) -> Option<(When, PortError)> {
        let (each, dice) = self.share.as_mut()?;
        (dice.roll(*each) == 0).then(|| {
            let kind =
                dice.pick(&[ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Denied, ErrorKind::Damaged]);
            (dice.pick(&[When::Before, When::After]), PortError::new(kind, call.operation()))
        })
    }
}

impl Faults {
    /// Makes the `n`-th `call` from now (1 is the next) fail.
    pub fn fail(&self, call: Call, n: usize, kind: ErrorKind, when: When) {
        self.fail_many(call, n, 1, kind, when);
    }

    /// Makes `times` of `call` fail, from the `n`-th on.
    pub fn fail_many(&self, call: Call, n: usize, times: usize, kind: ErrorKind, when: When) {
        self.state.lock().unwrap().faults.push(Fault { call, skip: n - 1, times, kind, when });
    }

    /// Reads of uploads no longer state a length, as a store does that answers in chunks.
    pub fn hide_lengths(&self) {
        self.state.lock().unwrap().hides_lengths = true;
    }

    /// Makes reads of every upload fail whose key contains `part`.
    pub fn fail_reads_of(&self, part: &'static str, kind: ErrorKind) {
        self.state.lock().unwrap().unreadable.push((part, kind));
    }

    /// Makes one in `each` calls fail, with a random error, before or after it did everything.
    pub fn fail_one_of(&self, each: usize, dice: Dice) {
        self.state.lock().unwrap().share = Some((each, dice));
    }

    /// The same faults for one more worker, which can be killed separately.
    pub fn of_one_worker(&self) -> Self {
        Self { state: self.state.clone(), severed: CancellationToken::new() }
    }

    /// Kills the worker behind these wrappers: none of its calls starts or returns any more.
    pub fn sever(&self) {
        self.severed.cancel();
    }

    /// Whether that worker was killed.
    pub fn is_severed(&self) -> bool {
        self.severed.is_cancelled()
    }

    /// Returns when that worker was killed.
    pub async fn severed(&self) {
        self.severed.cancelled().await;
    }

    /// A token that is cancelled when the `n`-th `call`, counted from the start, begins.
    pub fn reached(&self, call: Call, n: usize) -> CancellationToken {
        let token = CancellationToken::new();
        self.state.lock().unwrap().watches.push((call, n, token.clone()));
        token
    }

    /// Removes all faults.
    pub fn heal(&self) {
        let mut state = self.state.lock().unwrap();
        state.faults.clear();
        state.unreadable.clear();
        state.share = None;
    }

    /// The number of calls that failed by a fault.
    pub fn fired(&self) -> usize {
        self.state.lock().unwrap().fired
    }

    /// How often this call was made so far.
    pub fn calls(&self, call: Call) -> usize {
        self.state.lock().unwrap().calls.get(&call).copied().unwrap_or_default()
    }

    /// How often any call was made so far.
    pub fn all_calls(&self) -> usize {
        self.state.lock().unwrap().calls.values().sum()
    }

    /// Every status that an image had, in order, including brief ones.
    pub fn statuses(&self, id: &ImageId) -> Vec<Status> {
        self.writes().iter().filter(|record| record.id == *id).map(|record| record.status).collect()
    }

    /// Every record that was written. Those of one image are in the order of the commits; answers of concurrent writes
    /// can arrive in another order.
    pub fn writes(&self) -> Vec<ImageRecord> {
        let mut writes = self.state.lock().unwrap().writes.clone();
        writes.sort_by_key(|record| (record.created_at, record.rev));
        writes
    }

    /// The ports with these faults in front of them.
    pub fn wrap(&self, ports: Ports) -> Ports {
        let wrap_store = |inner, bucket| Arc::new(FaultyStore { inner, faults: self.clone(), bucket });
        Ports {
            queue: Arc::new(FaultyQueue { inner: ports.queue, faults: self.clone() }),
            dead_letters: ports.dead_letters,
            uploads: wrap_store(ports.uploads, Bucket::Uploads),
            thumbnails: wrap_store(ports.thumbnails, Bucket::Thumbnails),
            catalog: Arc::new(FaultyCatalog { inner: ports.catalog, faults: self.clone() }),
        }
    }

    /// How a read of this object fails, if it does.
    fn unreadable(&self, key: &str) -> Option<ErrorKind> {
        let state = self.state.lock().unwrap();
        state.unreadable.iter().find(|(part, _)| key.contains(part)).map(|(_, kind)| *kind)
    }

    fn enter(&self, call: Call) -> Option<(When, PortError)> {
        let mut state = self.state.lock().unwrap();
        let count = {
            let calls = state.calls.entry(call).or_default();
            *calls += 1;
            *calls
        };
        for (_, _, token) in state.watches.iter().filter(|(watched, n, _)| *watched == call && *n == count) {
            token.cancel();
        }
        let fault = state.faults.iter_mut().filter(|fault| fault.call == call).find_map(|fault| {
            if fault.skip > 0 {
                fault.skip -= 1;
                return None;
            }
            (fault.times > 0).then(|| {
                fault.times -= 1;
                (fault.when, PortError::new(fault.kind, call.operation()))
            })
        });
        let fault = fault.or_else(|| state.by_chance(call));
        state.fired += usize::from(fault.is_some());
        fault
    }

    async fn call<T>(&self, call: Call, work: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        let work = async {
            match self.enter(call) {
                None => work.await,
                Some((When::Before, error)) => Err(error),
                Some((When::After, error)) => work.await.and(Err(error)),
                Some((When::Late(after), _)) => {
                    tokio::time::sleep(after).await;
                    work.await
                }
                Some((when, error)) => {
                    self.die(when, work).await;
                    Err(error)
                }
            }
        };
        self.unless_killed(work).await
    }

    /// Makes the worker's last call.
    async fn die<T>(&self, when: When, work: impl Future<Output = T>) {
        if when == When::KilledAfter {
            work.await;
        }
        self.sever();
    }

    async fn unless_killed<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            biased;
            () = self.severed.cancelled() => std::future::pending().await,
            done = work => {
                if self.severed.is_cancelled() {
                    std::future::pending::<()>().await;
                }
                done
            }
        }
    }

    async fn call_each(
        &self,
        call: Call,
        count: usize,
        work: impl Future<Output = Vec<Result<(), PortError>>>,
    ) -> Vec<Result<(), PortError>> {
        let work = async {
            let Some((when, error)) = self.enter(call) else { return work.await };
            match when {
                When::Before => {}
                When::After => drop(work.await),
                When::Late(after) => {
                    tokio::time::sleep(after).await;
                    return work.await;
                }
                _ => self.die(when, work).await,
            }
            (0..count).map(|_| Err(PortError::new(error.kind, call.operation()))).collect()
        };
        self.unless_killed(work).await
    }

    fn note(&self, record: ImageRecord) {
        self.state.lock().unwrap().writes.push(record);
    }
}

struct FaultyQueue {
    inner: Arc<dyn Queue>,
    faults: Faults,
}

#[async_trait]
impl Queue for FaultyQueue {
    async fn send(&self, body: &str) -> Result<String, PortError> {
        self.faults.call(Call::QueueSend, self.inner.send(body)).await
    }

    async fn receive(&self, max: usize, wait: Duration, visibility: Duration) -> Result<Vec<Message>, PortError> {
        self.faults.call(Call::QueueReceive, self.inner.receive(max, wait, visibility)).await
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Vec<Result<(), PortError>> {
        self.faults.call_each(Call::QueueExtend, receipts.len(), self.inner.extend(receipts, visibility)).await
    }

    async fn release(&self, releases: &[(Receipt, Duration)]) -> Vec<Result<(), PortError>> {
        self.faults.call_each(Call::QueueRelease, releases.len(), self.inner.release(releases)).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), PortError>> {
        self.faults.call_each(Call::QueueDelete, receipts.len(), self.inner.delete(receipts)).await
    }

    async fn attributes(&self) -> Result<QueueAttributes, PortError> {
        self.faults.call(Call::QueueAttributes, self.inner.attributes()).await
    }
}

#[derive(Clone, Copy)]
enum Bucket {
    Uploads,
    Thumbnails,
}

struct FaultyStore {
    inner: Arc<dyn ObjectStore>,
    faults: Faults,
    bucket: Bucket,
}

impl FaultyStore {
    const fn named(&self, uploads: Call, thumbnails: Call) -> Call {
        match self.bucket {
            Bucket::Uploads => uploads,
            Bucket::Thumbnails => thumbnails,
        }
    }
}

#[async_trait]
impl ObjectStore for FaultyStore {
    async fn check_bucket(&self, prefix: &str) -> Result<(), PortError> {
        let call = self.named(Call::UploadsCheckBucket, Call::ThumbnailsCheckBucket);
        self.faults.call(call, self.inner.check_bucket(prefix)).await
    }

    async fn get(&self, key: &str, version: Option<&str>, limit_bytes: u64) -> Result<Fetched, PortError> {
        let call = self.named(Call::UploadsGet, Call::ThumbnailsGet);
        let get = async {
            match self.faults.unreadable(key) {
                Some(kind) => Err(PortError::new(kind, call.operation())),
                None => self.inner.get(key, version, limit_bytes).await,
            }
        };
        let fetched = self.faults.call(call, get).await?;
        Ok(match fetched {
            Fetched::TooLarge(info) if self.faults.state.lock().unwrap().hides_lengths => {
                Fetched::TooLarge(ObjectInfo { bytes: limit_bytes + 1, ..info })
            }
            fetched => fetched,
        })
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, PortError> {
        self.faults.call(self.named(Call::UploadsHead, Call::ThumbnailsHead), self.inner.head(key)).await
    }

    async fn put(&self, key: &str, bytes: Bytes, content_type: &str, cache: &str) -> Result<(), PortError> {
        let call = self.named(Call::UploadsPut, Call::ThumbnailsPut);
        self.faults.call(call, self.inner.put(key, bytes, content_type, cache)).await
    }

    async fn sign_upload(&self, key: &str, options: &UploadOptions) -> Result<SignedUpload, PortError> {
        self.inner.sign_upload(key, options).await
    }

    async fn sign_download(&self, key: &str, at: Timestamp, valid_for: Duration) -> Result<String, PortError> {
        self.inner.sign_download(key, at, valid_for).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>, PortError> {
        self.faults.call(self.named(Call::UploadsList, Call::ThumbnailsList), self.inner.list(prefix, after)).await
    }

    async fn list_versions(&self, prefix: &str, after: Option<&VersionCursor>) -> Result<VersionPage, PortError> {
        let call = self.named(Call::UploadsListVersions, Call::ThumbnailsListVersions);
        self.faults.call(call, self.inner.list_versions(prefix, after)).await
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<(), PortError> {
        let call = self.named(Call::UploadsDeleteVersion, Call::ThumbnailsDeleteVersion);
        self.faults.call(call, self.inner.delete_version(key, id)).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.faults.call(self.named(Call::UploadsDelete, Call::ThumbnailsDelete), self.inner.delete(key)).await
    }
}

struct FaultyCatalog {
    inner: Arc<dyn Catalog>,
    faults: Faults,
}

#[async_trait]
impl Catalog for FaultyCatalog {
    async fn create(&self, record: &ImageRecord) -> Result<(), PortError> {
        self.faults.call(Call::CatalogCreate, self.inner.create(record)).await?;
        self.faults.note(record.clone());
        Ok(())
    }

    async fn get(&self, id: &ImageId) -> Result<Option<ImageRecord>, PortError> {
        self.faults.call(Call::CatalogLook, self.inner.get(id)).await
    }

    async fn update(&self, transition: &Transition) -> Result<Applied, PortError> {
        let work = async {
            let applied = self.inner.update(transition).await?;
            if let Applied::Written { before } = &applied {
                self.faults.note(transition.apply_to(before.clone()));
            }
            Ok(applied)
        };
        self.faults.call(Call::CatalogApply, work).await
    }

    async fn scan(&self, next: Option<&str>) -> Result<Page, PortError> {
        self.faults.call(Call::CatalogScan, self.inner.scan(next)).await
    }

    async fn delete(&self, id: &ImageId, rev: Option<u64>) -> Result<(), PortError> {
        self.inner.delete(id, rev).await
    }
}
