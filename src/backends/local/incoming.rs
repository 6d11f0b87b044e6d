//! A file on its way in: written, synced, and linked into place before its row is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::directory::{Directory, random_name, remove};

/// A file that is being written. Dropped before it is finished, it leaves nothing behind.
pub(super) struct Incoming {
    directory: Arc<Directory>,
    name: String,
    file: File,
    hash: Sha256,
    bytes: u64,
    is_finished: bool,
}

/// A file that stands in its place and waits for its row.
///
/// Not removed on drop: by then its row may be committed. One of [`Self::keep`] and [`Self::discard`] ends it, or
/// the next start.
#[derive(Clone)]
pub(super) struct Arrived {
    directory: Arc<Directory>,
    /// The file's name.
    pub(super) name: String,
    /// SHA-256 of the bytes, in hexadecimal.
    pub(super) etag: String,
    /// Size in bytes.
    pub(super) bytes: u64,
}

impl Incoming {
    /// Begins an empty file.
    pub(super) fn begin(directory: Arc<Directory>) -> io::Result<Self> {
        let name = random_name();
        let file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(directory.incoming(&name))?;
        Ok(Self { directory, name, file, hash: Sha256::new(), bytes: 0, is_finished: false })
    }

    /// Appends.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Syncs the file and puts it in its place.
    pub(super) fn finish(mut self) -> io::Result<Arrived> {
        self.file.sync_all()?;
        fs::hard_link(self.directory.incoming(&self.name), self.directory.object(&self.name))?;
        self.is_finished = true;
        let arrived = Arrived {
            directory: self.directory.clone(),
            name: self.name.clone(),
            etag: etag_of(std::mem::take(&mut self.hash)),
            bytes: self.bytes,
        };
        if let Err(error) = self.directory.sync_objects() {
            arrived.discard();
            return Err(error);
        }
        Ok(arrived)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_finished {
            // When it cannot be removed now, the next start does.
            drop(remove(&self.directory.incoming(&self.name)));
        }
    }
}

impl Arrived {
    /// Its row is committed.
    pub(super) fn keep(&self) {
        drop(remove(&self.directory.incoming(&self.name)));
    }

    /// Its row will never be: the file goes, its name among the incoming ones last.
    pub(super) fn discard(&self) {
        if remove(&self.directory.object(&self.name)).is_ok() {
            drop(remove(&self.directory.incoming(&self.name)));
        }
    }
}

/// The ETag of content with this hash.
pub(super) fn etag_of(hash: Sha256) -> String {
    data_encoding::HEXLOWER.encode(&hash.finalize())
}
