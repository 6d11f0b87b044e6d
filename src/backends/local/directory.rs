//! The directory of the local backend: its files, and the cleanup at a start.
//!
//! ```text
//! darkroom.db        queue, catalog, the names of the objects, and most thumbnails
//! signing.key        signs upload and download URLs
//! start.lock         held while a process starts
//! outcomes.jsonl     the outcome of each image, with `DARKROOM_OUTCOMES=on`; its lock is outcomes.lock
//! objects/{random}   one file for each version of an upload, and for each large thumbnail
//! incoming/{process}/lock      held as long as the process lives
//! incoming/{process}/{random}  a file that is being written, until its row is on the disk
//! ```
//!
//! A file is written under `incoming`, linked into `objects` and synced. Its name under `incoming` is removed once its
//! row is on the disk. So the directory of a killed process names exactly the files that it left behind, and the next
//! start need not scan `objects`: it removes files without a row and keeps the others.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_names::{
    DATABASE, DATABASE_SUFFIXES, INCOMING, OBJECTS, OUTCOMES, OUTCOMES_LOCK, PROCESS_LOCK, SIGNING_DRAFT, SIGNING_KEY,
    START_LOCK,
};
use super::permissions::{Access, Identity};
use super::{OpenError, file_system};

/// Bytes of the signing key.
pub(super) const KEY_BYTES: usize = 32;

/// The data directory, with this process's own directory under `incoming`.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    incoming: PathBuf,
    access: Access,
    /// Held until the process ends.
    _lock: File,
}

/// Holds the start lock: other processes wait until it is dropped.
pub(super) struct Start {
    root: PathBuf,
    identity: Identity,
    access: Access,
    _lock: File,
}

impl Start {
    /// Creates the directory if it is missing, closes it to others, and waits for the start lock.
    ///
    /// # Errors
    /// When others own files in it, or can still use it. Nothing is written into it in that case.
    pub(super) fn begin(root: &Path, access: Access) -> Result<Self, OpenError> {
        let in_root = |error| OpenError::of_directory(root, error);
        access.make_directory(root).map_err(in_root)?;
        // From here on, the canonical path: a link that is changed later does not affect this process.
        let root = &*fs::canonicalize(root).map_err(in_root)?;
        let identity = Identity::of(root).map_err(in_root)?;
        for parent in access.exposed_parents(root) {
            let parent = parent.display();
            tracing::warn!("others can replace {}, since they may rename what is in {parent}", root.display());
        }
        access.secure_root(root)?;
        if let Some(kind) = file_system::not_local(root).map_err(in_root)? {
            tracing::warn!(
                "{} is on {kind}: processes on other machines must not use it, and an interrupted write may damage it; set \
                 DARKROOM_DIR to a directory on a disk of this machine",
                root.display()
            );
        }
        let lock = root.join(START_LOCK);
        access.secure(&lock)?;
        let lock = access.open(OpenOptions::new().create(true).truncate(false).write(true), &lock).map_err(in_root)?;
        lock.lock().map_err(in_root)?;
        secure_below(root, access)?;
        sync_directory(root).map_err(in_root)?;
        Ok(Self { root: root.to_owned(), identity, access, _lock: lock })
    }

    /// The canonical path of the directory.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The path of the database.
    pub(super) fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    /// The key that signs URLs. Creates it at the first start.
    pub(super) fn signing_key(&self) -> Result<[u8; KEY_BYTES], OpenError> {
        let path = self.root.join(SIGNING_KEY);
        match fs::read(&path) {
            Ok(bytes) => bytes.try_into().map_err(|_| OpenError::Key { path }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut key = [0; KEY_BYTES];
                getrandom::fill(&mut key).map_err(|error| OpenError::of_file(&path, error.into()))?;
                write_durably(&path, &key, self.access).map_err(|error| OpenError::of_file(&path, error))?;
                Ok(key)
            }
            Err(error) => Err(OpenError::of_file(&path, error)),
        }
    }

    /// Cleans up after killed processes. `has_row` returns whether an object's row names the file.
    pub(super) fn recover(&self, has_row: impl Fn(&str) -> Result<bool, OpenError>) -> Result<(), OpenError> {
        let incoming = self.root.join(INCOMING);
        for entry in fs::read_dir(&incoming).map_err(|error| OpenError::of_file(&incoming, error))? {
            let process = entry.map_err(|error| OpenError::of_file(&incoming, error))?.path();
            if is_dead(&process).map_err(|error| OpenError::of_file(&process, error))? {
                self.clear(&process, &has_row)?;
            }
        }
        Ok(())
    }

    fn clear(&self, process: &Path, has_row: impl Fn(&str) -> Result<bool, OpenError>) -> Result<(), OpenError> {
        let in_process = |error| OpenError::of_file(process, error);
        let entries = match fs::read_dir(process) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(in_process)?,
        };
        for entry in entries {
            let name = entry.map_err(in_process)?.file_name();
            let name = name.to_string_lossy();
            if name != PROCESS_LOCK && !has_row(&name)? {
                remove(&self.root.join(OBJECTS).join(&*name)).map_err(in_process)?;
            }
        }
        // The process may be ending and removing it at the same time.
        match fs::remove_dir_all(process) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(in_process(error)),
            _ => Ok(()),
        }
    }

    /// Removes the files from `objects` and syncs. Their rows must be deleted.
    pub(super) fn remove_objects(&self, files: &[String]) -> Result<(), OpenError> {
        remove_objects(&self.root, files).map_err(|error| OpenError::of_file(&self.root.join(OBJECTS), error))
    }

    /// Creates this process's own directory and releases the start lock.
    ///
    /// # Errors
    /// Also when the directory was replaced since it was checked.
    pub(super) fn finish(self) -> Result<Arc<Directory>, OpenError> {
        self.identity.check().map_err(|error| OpenError::of_file(&self.root, error))?;
        let incoming = self.root.join(INCOMING).join(random_name());
        let in_incoming = |error| OpenError::of_file(&incoming, error);
        self.access.make_directory(&incoming).map_err(in_incoming)?;
        let lock = self.access.open(OpenOptions::new().create_new(true).write(true), &incoming.join(PROCESS_LOCK));
        let lock = lock.map_err(in_incoming)?;
        lock.lock().map_err(in_incoming)?;
        Ok(Arc::new(Directory { root: self.root, incoming, access: self.access, _lock: lock }))
    }
}

impl Directory {
    /// Creates a file under this process's `incoming` directory.
    pub(super) fn begin_incoming(&self, name: &str) -> io::Result<File> {
        self.access.open(OpenOptions::new().create_new(true).write(true), &self.incoming(name))
    }

    /// The path of a file while it is being written.
    pub(super) fn incoming(&self, name: &str) -> PathBuf {
        self.incoming.join(name)
    }

    /// The path of an object's file.
    pub(super) fn object(&self, name: &str) -> PathBuf {
        self.root.join(OBJECTS).join(name)
    }

    /// Removes the files from `objects` and syncs. Their rows must be deleted.
    pub(super) fn remove_objects(&self, files: &[String]) -> io::Result<()> {
        remove_objects(&self.root, files)
    }

    /// Syncs `objects`, so that new links in it survive a power loss.
    pub(super) fn sync_objects(&self) -> io::Result<()> {
        sync_directory(&self.root.join(OBJECTS))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Best effort: if files are left, the directory stays until a later start cleans it up.
        let is_empty = fs::read_dir(&self.incoming).is_ok_and(|entries| entries.count() == 1);
        if is_empty {
            drop(fs::remove_dir_all(&self.incoming));
        }
    }
}

/// Corrects the modes of files from earlier processes and builds, and creates missing files and directories.
fn secure_below(root: &Path, access: Access) -> Result<(), OpenError> {
    let [objects, incoming] = [OBJECTS, INCOMING].map(|name| root.join(name));
    for directory in [&objects, &incoming] {
        access.make_directory(directory).map_err(|error| OpenError::of_file(directory, error))?;
    }
    access.secure_with_files(&objects)?;
    access.secure(&incoming)?;
    for entry in fs::read_dir(&incoming).map_err(|error| OpenError::of_file(&incoming, error))? {
        let process = entry.map_err(|error| OpenError::of_file(&incoming, error))?.path();
        access.secure(&process)?;
        match access.restrict_files_in(&process) {
            // The process has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            closed => closed.map_err(|error| OpenError::of_file(&process, error))?,
        }
    }
    // SQLite creates its log and the log's index with the mode and group of the database.
    let database = root.join(DATABASE);
    if !database.exists() {
        let made = access.open(OpenOptions::new().create(true).truncate(false).write(true), &database);
        made.map_err(|error| OpenError::of_file(&database, error))?;
    }
    for file in [SIGNING_KEY, SIGNING_DRAFT, OUTCOMES, OUTCOMES_LOCK] {
        access.secure(&root.join(file))?;
    }
    for suffix in DATABASE_SUFFIXES {
        access.secure(&root.join(format!("{DATABASE}{suffix}")))?;
    }
    Ok(())
}

/// Whether the process of this directory is gone. Directories are created under the start lock, so one without a lock
/// file is left from an interrupted start or cleanup.
fn is_dead(process: &Path) -> io::Result<bool> {
    match File::open(process.join(PROCESS_LOCK)).map(|lock| lock.try_lock()) {
        Ok(Ok(())) => Ok(true),
        Ok(Err(TryLockError::WouldBlock)) => Ok(false),
        Ok(Err(TryLockError::Error(error))) => Err(error),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Removes a file. A missing file is not an error.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Syncs the removal, so that the caller may delete its list of these files.
fn remove_objects(root: &Path, files: &[String]) -> io::Result<()> {
    let objects = root.join(OBJECTS);
    files.iter().try_for_each(|file| remove(&objects.join(file)))?;
    sync_directory(&objects)
}

/// A file name of 128 random bits, which is also the version's id.
pub(super) fn random_name() -> String {
    let mut bits = [0; 16];
    #[expect(
        clippy::expect_used,
        reason = "the system gave randomness when the backend was opened; without it nothing works"
    )]
    getrandom::fill(&mut bits).expect("the system has randomness");
    data_encoding::HEXLOWER.encode(&bits)
}

fn write_durably(path: &Path, bytes: &[u8], access: Access) -> io::Result<()> {
    let draft = path.with_file_name(SIGNING_DRAFT);
    remove(&draft)?;
    let mut file = access.open(OpenOptions::new().create_new(true).write(true), &draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), sync_directory)
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_does_not_go_on_in_a_directory_that_it_has_not_checked() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("data");
        let start = Start::begin(&root, Access::new(None)).unwrap();
        fs::rename(&root, dir.path().join("moved")).unwrap();
        fs::create_dir_all(root.join("incoming")).unwrap();
        assert!(start.finish().unwrap_err().to_string().contains("data"));
        assert_eq!(fs::read_dir(root.join("incoming")).unwrap().count(), 0);
    }
}
