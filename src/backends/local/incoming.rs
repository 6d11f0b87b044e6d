//! A file that is being stored: written, linked into `objects`, and synced before its row is inserted.

use std::fs::{self, File};
use std::io::{self, Write};
use std::sync::Arc;

use crc_fast::CrcAlgorithm::Crc32IsoHdlc;
use sha2::{Digest, Sha256};

use super::directory::{Directory, random_name, remove};

/// A file that is being written. Dropping it unfinished removes the file.
pub(super) struct Incoming {
    directory: Arc<Directory>,
    name: String,
    file: File,
    crc: crc_fast::Digest,
    bytes: u64,
    is_finished: bool,
}

/// A file that is linked into `objects` and has no row yet.
///
/// Not removed on drop, since its row may be committed by then. The caller ends it with [`Self::keep`] or
/// [`Self::discard`]; otherwise the next start does.
#[derive(Clone)]
pub(super) struct Arrived {
    directory: Arc<Directory>,
    pub(super) name: String,
    /// The ETag, which [`is_intact`] checks the bytes against.
    pub(super) etag: String,
    /// Size in bytes.
    pub(super) bytes: u64,
}

impl Incoming {
    /// Creates an empty file.
    pub(super) fn begin(directory: Arc<Directory>) -> io::Result<Self> {
        let name = random_name();
        let file = directory.begin_incoming(&name)?;
        Ok(Self { directory, name, file, crc: crc_fast::Digest::new(Crc32IsoHdlc), bytes: 0, is_finished: false })
    }

    /// Bytes written so far.
    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends `bytes`.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.crc.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Links the file into `objects` and syncs it. In this order, one commit of the file system's journal covers both
    /// file and name.
    pub(super) fn finish(mut self) -> io::Result<Arrived> {
        fs::hard_link(self.directory.incoming(&self.name), self.directory.object(&self.name))?;
        self.is_finished = true;
        let arrived = Arrived {
            directory: self.directory.clone(),
            name: self.name.clone(),
            etag: etag_of(&self.name, self.crc.finalize()),
            bytes: self.bytes,
        };
        if let Err(error) = self.file.sync_all().and_then(|()| self.directory.sync_objects()) {
            arrived.discard();
            return Err(error);
        }
        Ok(arrived)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_finished {
            // If it cannot be removed now, the next start removes it.
            drop(remove(&self.directory.incoming(&self.name)));
        }
    }
}

impl Arrived {
    /// Removes the incoming name, once the row is committed.
    pub(super) fn keep(&self) {
        drop(remove(&self.directory.incoming(&self.name)));
    }

    /// Deletes the file, since no row will be written. The incoming name goes last.
    pub(super) fn discard(&self) {
        if remove(&self.directory.object(&self.name)).is_ok() {
            drop(remove(&self.directory.incoming(&self.name)));
        }
    }
}

/// The ETag of an object: its unique file name and the CRC-32 of its bytes, which detects damage.
pub(super) fn etag_of(file: &str, crc: u64) -> String {
    format!("{file}-{crc:08x}")
}

/// Whether `bytes` match the ETag.
pub(super) fn is_intact(etag: &str, bytes: &[u8]) -> bool {
    match etag.split_once('-') {
        Some((_, crc)) => u32::from_str_radix(crc, 16) == Ok(crc_fast::crc32_iso_hdlc(bytes)),
        // Older builds used the SHA-256 of the bytes as ETag.
        None => etag == data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_shows_under_each_kind_of_etag() {
        let crc = etag_of("name", crc_fast::crc32_iso_hdlc(b"123456789").into());
        assert_eq!(crc, "name-cbf43926");
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(b"123456789"));
        for etag in [crc, hash.clone(), format!("{hash}-cbf43926")] {
            let etag = etag.as_str();
            assert!(is_intact(etag, b"123456789"), "{etag}");
            assert!(!is_intact(etag, b"123456788"), "{etag}");
            assert!(!is_intact(etag, b"12345678"), "{etag}");
        }
        assert!(!is_intact("a-b-c", b""));
    }
}
