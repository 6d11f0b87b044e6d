//! Space for uploads: the free space that the disk must keep, and the limit of stored bytes.
//!
//! Uploads are rejected below a minimum of free space. Work on accepted uploads continues and uses the space that is
//! left. If a write still fails because the disk is full, no messages are received until it would fit, so that a full
//! disk does not increase receive counts.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FallocateFlags;

use super::database::Database;
use super::directory::{Directory, random_name};
use super::failure::{Failure, NoSpace};
use super::stored_bytes;
use crate::config::LocalConfig;
use crate::metrics;
use crate::ports::{ErrorKind, Operation, PortError};

/// Default of the minimum free space, on large disks.
const DEFAULT_FLOOR_BYTES: u64 = 1 << 30;

/// Default on smaller disks, as a fraction of the disk: 5%.
const DEFAULT_FLOOR_PART: u64 = 20;

/// Minimum of free inodes for uploads; on a disk with few inodes, 5% of them.
const MIN_FREE_FILES: u64 = 1000;

/// Minimum space before messages are received again: for a thumbnail, and growth of the database's log.
const LEAST_PROBE_BYTES: u64 = 1 << 20;

/// The size and free space of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    /// Size in bytes.
    pub(super) total_bytes: u64,
    /// Bytes that this user can still write.
    pub(super) free_bytes: u64,
    /// Maximum number of files; 0 if there is no limit.
    pub(super) total_files: u64,
    /// Files that this user can still create.
    pub(super) free_files: u64,
}

/// The limits, and the directory and database that they apply to.
pub(super) struct Space {
    root: PathBuf,
    directory: Arc<Directory>,
    database: Database,
    min_free_bytes: Option<u64>,
    max_stored_bytes: Option<u64>,
    /// Size of the largest write that failed because the disk was full; 0 once it would fit.
    lacking_bytes: AtomicU64,
    #[cfg(test)]
    pretended: std::sync::Mutex<Option<Disk>>,
}

impl Disk {
    fn of(path: &std::path::Path) -> io::Result<Self> {
        let found = rustix::fs::statvfs(path)?;
        Ok(Self {
            total_bytes: found.f_blocks.saturating_mul(found.f_frsize),
            free_bytes: found.f_bavail.saturating_mul(found.f_frsize),
            total_files: found.f_files,
            free_files: found.f_favail,
        })
    }

    /// The minimum of free bytes if the settings do not set one.
    fn default_floor(&self) -> u64 {
        DEFAULT_FLOOR_BYTES.min(self.total_bytes / DEFAULT_FLOOR_PART)
    }

    /// Whether an upload leaves `floor_bytes` free.
    fn holds(&self, upload_bytes: u64, floor_bytes: u64) -> bool {
        let has_files =
            self.total_files == 0 || self.free_files >= MIN_FREE_FILES.min(self.total_files / DEFAULT_FLOOR_PART);
        has_files && self.free_bytes >= floor_bytes.saturating_add(upload_bytes)
    }
}

impl Space {
    pub(super) fn new(config: &LocalConfig, root: PathBuf, directory: Arc<Directory>, database: Database) -> Self {
        Self {
            root,
            directory,
            database,
            min_free_bytes: config.min_free_space,
            max_stored_bytes: config.max_stored_bytes,
            lacking_bytes: AtomicU64::new(0),
            #[cfg(test)]
            pretended: std::sync::Mutex::default(),
        }
    }

    /// The limit of stored bytes.
    pub(super) const fn max_stored_bytes(&self) -> Option<u64> {
        self.max_stored_bytes
    }

    /// Checks that there is space for `more_bytes` of an upload that has already written `so_far_bytes`. Blocks for
    /// microseconds.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] when there is not.
    pub(super) fn check(&self, operation: Operation, so_far_bytes: u64, more_bytes: u64) -> Result<(), PortError> {
        let refused = |why| Err(Failure::NoSpace(why).into_port_error(operation));
        let disk = self.disk().map_err(|error| Failure::File(error).into_port_error(operation))?;
        metrics::free_space(Some(disk.free_bytes));
        if !disk.holds(more_bytes, self.min_free_bytes.unwrap_or_else(|| disk.default_floor())) {
            return refused(NoSpace::Floor);
        }
        let Some(max_bytes) = self.max_stored_bytes else { return Ok(()) };
        let stored_bytes = self.stored_bytes().map_err(|failure| failure.into_port_error(operation))?;
        if stored_bytes.saturating_add(so_far_bytes).saturating_add(more_bytes) > max_bytes {
            return refused(NoSpace::Stored);
        }
        Ok(())
    }

    fn stored_bytes(&self) -> Result<u64, Failure> {
        self.database.read_here(|connection| Ok(stored_bytes::bytes(connection)?))
    }

    fn disk(&self) -> io::Result<Disk> {
        #[cfg(test)]
        if let Some(pretended) = *self.pretended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            return Ok(pretended);
        }
        Disk::of(&self.root)
    }

    /// Updates the metrics of free space and stored bytes. Blocks for microseconds.
    pub(super) fn sample(&self) {
        metrics::free_space(self.disk().ok().map(|disk| disk.free_bytes));
        metrics::stored(self.max_stored_bytes.and_then(|_| self.stored_bytes().ok()));
    }

    /// Records that a write of `bytes` failed because the disk was full.
    pub(super) fn did_not_hold(&self, bytes: u64) {
        self.lacking_bytes.fetch_max(bytes.max(LEAST_PROBE_BYTES), Ordering::Relaxed);
    }

    /// Checks whether the largest failed write would fit now. Makes a file system call, but only after a failed write.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] when it would not fit.
    pub(super) fn probe(&self, operation: Operation) -> Result<(), PortError> {
        let bytes = self.lacking_bytes.load(Ordering::Relaxed);
        if bytes == 0 {
            return Ok(());
        }
        match self.reserve(bytes) {
            Ok(()) => {}
            // The file system cannot reserve space: the next put shows whether it fits.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(error) => return Err(PortError::with_source(ErrorKind::NoSpace, operation, error)),
        }
        self.lacking_bytes.store(0, Ordering::Relaxed);
        tracing::info!("the disk has space again: work goes on");
        Ok(())
    }

    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let name = random_name();
        let file = self.directory.begin_incoming(&name)?;
        let reserved = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, bytes);
        super::directory::remove(&self.directory.incoming(&name))?;
        Ok(reserved?)
    }

    /// Sets the size and free space that later checks see.
    #[cfg(test)]
    pub(super) fn pretend(&self, disk: Disk) {
        *self.pretended.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(disk);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backends::local::LocalBackend;
    use crate::clock::SystemClock;

    /// More than any disk holds.
    const TOO_MUCH: u64 = 1 << 62;

    #[tokio::test]
    async fn a_full_disk_spends_no_receive() {
        const WAIT: Duration = Duration::from_secs(60);
        let dir = tempfile::tempdir().unwrap();
        let config = LocalConfig { max_receives: 1, ..LocalConfig::new(dir.path().to_owned()) };
        let backend = LocalBackend::open(&config, "photos", "uploads/", "photos", Arc::new(SystemClock)).unwrap();
        let ports = backend.ports();
        ports.queue.send("message").await.unwrap();
        backend.space.did_not_hold(TOO_MUCH);
        for _ in 0..3 {
            let refused = ports.queue.receive(10, Duration::ZERO, WAIT).await.unwrap_err();
            assert_eq!(refused.kind, ErrorKind::NoSpace);
        }
        assert!(ports.dead_letters.receive(10, Duration::ZERO, WAIT).await.unwrap().is_empty());
        // Now there is space for the failed write.
        backend.space.lacking_bytes.store(LEAST_PROBE_BYTES, Ordering::Relaxed);
        let received = ports.queue.receive(10, Duration::ZERO, WAIT).await.unwrap();
        assert_eq!(received[0].receive_count, 1);
        assert_eq!(backend.space.lacking_bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_has_to_fit_is_the_largest_that_did_not() {
        let dir = tempfile::tempdir().unwrap();
        let config = LocalConfig::new(dir.path().to_owned());
        let backend = LocalBackend::open(&config, "photos", "uploads/", "photos", Arc::new(SystemClock)).unwrap();
        for (bytes, lacking) in [(1, LEAST_PROBE_BYTES), (TOO_MUCH, TOO_MUCH), (2, TOO_MUCH)] {
            backend.space.did_not_hold(bytes);
            assert_eq!(backend.space.lacking_bytes.load(Ordering::Relaxed), lacking);
        }
    }

    const DISK: Disk = Disk { total_bytes: 1000, free_bytes: 100, total_files: 0, free_files: 0 };

    #[test]
    fn an_upload_leaves_the_floor_alone() {
        for (floor_bytes, upload_bytes, holds) in [
            (99, 0, true),
            (100, 0, true),
            (101, 0, false),
            (90, 9, true),
            (90, 10, true),
            (90, 11, false),
            (0, 100, true),
            (0, 101, false),
            (u64::MAX, 1, false),
        ] {
            assert_eq!(DISK.holds(upload_bytes, floor_bytes), holds, "{upload_bytes} above {floor_bytes}");
        }
    }

    #[test]
    fn the_floor_is_1_gib_or_5_percent_whichever_is_less() {
        const GIB: u64 = 1 << 30;
        for (total_bytes, floor_bytes) in
            [(20 * GIB - 20, GIB - 1), (20 * GIB, GIB), (20 * GIB + 20, GIB), (2 * GIB, GIB / 10), (0, 0)]
        {
            assert_eq!(Disk { total_bytes, ..DISK }.default_floor(), floor_bytes, "{total_bytes}");
        }
    }

    #[test]
    fn a_disk_that_holds_no_more_files_has_no_room() {
        for (total_files, free_files, holds) in [
            (0, 0, true),
            (1_000_000, 999, false),
            (1_000_000, 1000, true),
            (1_000_000, 1001, true),
            (2000, 99, false),
            (2000, 100, true),
        ] {
            assert_eq!(Disk { total_files, free_files, ..DISK }.holds(1, 0), holds, "{free_files} of {total_files}");
        }
    }
}
