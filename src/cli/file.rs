//! A file that is read in pieces.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use darkroom_thumbnail::Source;

/// The bytes of one piece: as much as the inflater reads at once, and small enough for the L2 cache.
const PIECE_BYTES: usize = 60 << 10;

/// Opens a file as a source. If its length is unknown, as for a pipe, reads it to its end or to one byte more than
/// `max_bytes`, which is then rejected as too large.
pub(super) fn open(path: &Path, max_bytes: u64) -> io::Result<Box<dyn Source>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_file() && metadata.len() > 0 {
        return Ok(Box::new(Pieces::of(file, metadata.len())));
    }
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Box::new(bytes))
}

/// A file with one piece in memory.
struct Pieces {
    file: File,
    length: u64,
    piece: Box<[u8]>,
    /// The range of the file that the piece covers.
    held: Range<u64>,
}

impl Pieces {
    fn of(file: File, length: u64) -> Self {
        Self { file, length, piece: vec![0; PIECE_BYTES].into(), held: 0..0 }
    }

    /// The bytes in memory from offset `at` on.
    fn held(&self, at: u64) -> &[u8] {
        let count = (self.held.end - self.held.start) as usize;
        let from = at.checked_sub(self.held.start).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| self.piece[..count].get(from..)).unwrap_or_default()
    }
}

impl Source for Pieces {
    fn length(&self) -> u64 {
        self.length
    }

    fn bytes_at(&mut self, at: u64) -> io::Result<&[u8]> {
        if self.held(at).is_empty() {
            // If the read fails, the piece is empty.
            self.held = at..at;
            self.held.end += read_at(&self.file, at, &mut self.piece)? as u64;
        }
        Ok(self.held(at))
    }

    fn read_at(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        match self.held(at).get(..space.len()) {
            Some(held) => space.copy_from_slice(held),
            None => return read_at(&self.file, at, space),
        }
        Ok(space.len())
    }
}

/// Fills `space` from offset `at`, or up to the end of the file.
fn read_at(file: &File, at: u64, space: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while count < space.len() {
        match file.read_at(&mut space[count..], at.saturating_add(count as u64)) {
            Ok(0) => break,
            Ok(more) => count += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(bytes: &[u8]) -> Box<dyn Source> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, bytes).unwrap();
        open(&path, 10).unwrap()
    }

    #[test]
    fn pieces_are_those_of_the_file() {
        for length in [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7] {
            let bytes: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut source = source(&bytes);
            assert_eq!(source.length(), length as u64);
            let mut all = Vec::new();
            loop {
                let piece = source.bytes_at(all.len() as u64).unwrap();
                assert!(piece.len() <= PIECE_BYTES);
                if piece.is_empty() {
                    break;
                }
                // Consumes only half, so that the next piece overlaps this one.
                all.extend_from_slice(&piece[..piece.len().div_ceil(2)]);
            }
            assert!(all == bytes, "{length}");
            for at in [0, 1, length / 2, length, length + 1, 0] {
                let rest = bytes.get(at..).unwrap_or_default();
                let mut space = [0; 300];
                let count = source.read_at(at as u64, &mut space).unwrap();
                assert!(space[..count] == rest[..rest.len().min(300)], "{length} at {at}");
                let piece = source.bytes_at(at as u64).unwrap();
                assert!(rest.starts_with(piece) && piece.is_empty() == rest.is_empty(), "{length} at {at}");
            }
        }
    }

    #[test]
    fn a_file_that_reports_no_length_is_read() {
        let mut source = open("/proc/self/status".as_ref(), 1 << 20).unwrap();
        assert!(source.length() > 100 && source.bytes_at(0).unwrap().starts_with(b"Name:"));
    }

    #[test]
    fn a_pipe_is_read_to_one_byte_more_than_allowed() {
        for (length, known) in [(9, 9), (10, 10), (11, 11), (12, 11)] {
            let (read, mut write) = io::pipe().unwrap();
            std::io::Write::write_all(&mut write, &vec![7; length]).unwrap();
            drop(write);
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&read));
            let mut source = open(path.as_ref(), 10).unwrap();
            assert_eq!(source.length(), known);
            assert_eq!(source.bytes_at(1).unwrap().len() as u64, known - 1);
            assert_eq!(source.read_at(8, &mut [0; 2]).unwrap() as u64, (known - 8).min(2));
        }
    }
}
