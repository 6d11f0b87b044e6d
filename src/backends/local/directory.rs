//! The directory of the local backend: where files stand, and what a start clears away.
//!
//! ```text
//! darkroom.db        queue, catalog, the names of the objects, and most thumbnails
//! signing.key        signs upload and download addresses
//! start.lock         held while a process starts
//! outcomes.jsonl     what became of each image, with `DARKROOM_OUTCOMES=on`; its lock is outcomes.lock
//! objects/{random}   one file for each version of an upload, and for each large thumbnail
//! incoming/{process}/lock      held as long as the process lives
//! incoming/{process}/{random}  a file that is being written, until its row is on the disk
//! ```
//!
//! A file is written under `incoming`, linked into `objects`, synced, and forgotten under `incoming` once its row is
//! on the disk. So what a killed process left behind is exactly what its own directory names, and the next starter
//! finds it without a look at all the others: files without a row are removed, those with one stay.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::OpenError;
use super::access::{Access, Identity};
use super::file_names::{
    DATABASE, DATABASE_SUFFIXES, INCOMING, OBJECTS, OUTCOMES, OUTCOMES_LOCK, PROCESS_LOCK, SIGNING_DRAFT, SIGNING_KEY,
    START_LOCK,
};

/// Bytes of the signing key.
pub(super) const KEY_BYTES: usize = 32;

/// The directory, with this process's own corner of it.
#[derive(Debug)]
pub(super) struct Directory {
    root: PathBuf,
    incoming: PathBuf,
    access: Access,
    /// Held until the process ends, however it ends.
    _lock: File,
}

/// The right to start: others wait until it is dropped.
pub(super) struct Start {
    root: PathBuf,
    identity: Identity,
    access: Access,
    _lock: File,
}

impl Start {
    /// Makes the directory when it is missing, closes it to others, and waits for other starters.
    ///
    /// # Errors
    /// When others own what is in it, or could use it all the same. Nothing was written into it then.
    pub(super) fn begin(root: &Path, access: Access) -> Result<Self, OpenError> {
        let in_root = |error| OpenError::of_directory(root, error);
        access.make_directory(root).map_err(in_root)?;
        // From here on by its own name: who changes a link later changes nothing for this process.
        let root = &*fs::canonicalize(root).map_err(in_root)?;
        let identity = Identity::of(root).map_err(in_root)?;
        for parent in access.exposed_parents(root) {
            let parent = parent.display();
            tracing::warn!("others can replace {}, since they may rename what is in {parent}", root.display());
        }
        access.secure_root(root)?;
        let lock = root.join(START_LOCK);
        access.secure(&lock)?;
        let lock = access.open(OpenOptions::new().create(true).truncate(false).write(true), &lock).map_err(in_root)?;
        lock.lock().map_err(in_root)?;
        secure_below(root, access)?;
        sync_directory(root).map_err(in_root)?;
        Ok(Self { root: root.to_owned(), identity, access, _lock: lock })
    }

    /// The directory, its links followed.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Where the database stands.
    pub(super) fn database(&self) -> PathBuf {
        self.root.join(DATABASE)
    }

    /// The key that signs addresses; made at the first start.
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

    /// Clears away what killed processes left behind. `has_row` tells whether an object's row names this file.
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
        // Its process may be just leaving and remove it, too.
        match fs::remove_dir_all(process) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(in_process(error)),
            _ => Ok(()),
        }
    }

    /// Removes files of `objects` whose rows are gone, for good.
    pub(super) fn remove_objects(&self, files: &[String]) -> Result<(), OpenError> {
        remove_objects(&self.root, files).map_err(|error| OpenError::of_file(&self.root.join(OBJECTS), error))
    }

    /// Begins this process's own corner and lets the next starter go on.
    ///
    /// # Errors
    /// Also when another directory took the place of the one that was checked.
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
    /// Makes the file of this name that is to be written.
    pub(super) fn begin_incoming(&self, name: &str) -> io::Result<File> {
        self.access.open(OpenOptions::new().create_new(true).write(true), &self.incoming(name))
    }

    /// Where a file of this name stands while it is being written.
    pub(super) fn incoming(&self, name: &str) -> PathBuf {
        self.incoming.join(name)
    }

    /// Where an object's file stands.
    pub(super) fn object(&self, name: &str) -> PathBuf {
        self.root.join(OBJECTS).join(name)
    }

    /// Removes files of `objects` whose rows are gone, for good.
    pub(super) fn remove_objects(&self, files: &[String]) -> io::Result<()> {
        remove_objects(&self.root, files)
    }

    /// Makes what was linked into `objects` survive a loss of power.
    pub(super) fn sync_objects(&self) -> io::Result<()> {
        sync_directory(&self.root.join(OBJECTS))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Only tidiness: files that are left keep the directory in place, and a later start clears it.
        let is_empty = fs::read_dir(&self.incoming).is_ok_and(|entries| entries.count() == 1);
        if is_empty {
            drop(fs::remove_dir_all(&self.incoming));
        }
    }
}

/// Closes to others what earlier processes and builds left in the directory, and makes what is missing.
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
        match access.close_files_in(&process) {
            // Its process has just ended.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            closed => closed.map_err(|error| OpenError::of_file(&process, error))?,
        }
    }
    // SQLite makes its log, and the index of it, with the mode and the group of the database.
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

/// Whether the process of this corner is gone: corners are made under the lock of starters, so one without a lock
/// file was left by a start or a clearing that did not end.
fn is_dead(process: &Path) -> io::Result<bool> {
    match File::open(process.join(PROCESS_LOCK)).map(|lock| lock.try_lock()) {
        Ok(Ok(())) => Ok(true),
        Ok(Err(TryLockError::WouldBlock)) => Ok(false),
        Ok(Err(TryLockError::Error(error))) => Err(error),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

/// Removes a file; that it is gone already is well.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A loss of power does not bring them back: what names them may be forgotten now.
fn remove_objects(root: &Path, files: &[String]) -> io::Result<()> {
    let objects = root.join(OBJECTS);
    files.iter().try_for_each(|file| remove(&objects.join(file)))?;
    sync_directory(&objects)
}

/// 128 random bits as a file's name, which is also the version's id.
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
