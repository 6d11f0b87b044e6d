//! Where the bytes of an upload are read from.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// The bytes of an upload: in memory, or elsewhere and here piece by piece.
pub trait Source {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// The bytes from this place on, as far as they are at hand; none only where there are none.
    ///
    /// # Errors
    /// When they cannot be read.
    fn piece(&mut self, at: u64) -> io::Result<&[u8]>;

    /// Fills `space` with the bytes from this place on, without a look further; returns how many there are, all that fit or
    /// fewer at the end.
    ///
    /// # Errors
    /// When they cannot be read.
    fn look(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize>;
}

/// Bytes in memory.
impl<T: AsRef<[u8]>> Source for T {
    fn length(&self) -> u64 {
        T::as_ref(self).len() as u64
    }

    fn piece(&mut self, at: u64) -> io::Result<&[u8]> {
        let bytes = T::as_ref(self);
        Ok(usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default())
    }

    fn look(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        self.piece(at)?.read(space)
    }
}

/// A source read from its beginning, `behind` it added at its end.
pub(super) struct Reading<'a> {
    source: &'a mut dyn Source,
    behind: &'static [u8],
    at: u64,
}

impl<'a> Reading<'a> {
    pub(super) fn new(source: &'a mut dyn Source, behind: &'static [u8]) -> Self {
        Self { source, behind, at: 0 }
    }
}

impl BufRead for Reading<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self.at.checked_sub(self.source.length()) {
            None => self.source.piece(self.at),
            Some(beyond) => Ok(self.behind.get(beyond as usize..).unwrap_or_default()),
        }
    }

    fn consume(&mut self, count: usize) {
        self.at += count as u64;
    }
}

impl Read for Reading<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(space)?;
        self.consume(count);
        Ok(count)
    }
}

impl Seek for Reading<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.source.length() + self.behind.len() as u64;
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => end.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_one_piece() {
        let mut bytes = &b"picture"[..];
        assert_eq!(bytes.length(), 7);
        for (at, rest) in [(0, "picture"), (6, "e"), (7, ""), (8, ""), (u64::MAX, "")] {
            assert_eq!(bytes.piece(at).unwrap(), rest.as_bytes());
        }
        let mut space = [0; 4];
        assert_eq!([0, 3, 4, 7, 9].map(|at| bytes.look(at, &mut space).unwrap()), [4, 4, 3, 0, 0]);
    }

    #[test]
    fn what_is_added_comes_behind_the_end() {
        let mut bytes = &b"pict"[..];
        let mut reading = Reading::new(&mut bytes, b"ure");
        let mut all = String::new();
        reading.read_to_string(&mut all).unwrap();
        assert_eq!(all, "picture");
        for (to, rest) in [(SeekFrom::Start(2), "cture"), (SeekFrom::End(-2), "re"), (SeekFrom::Current(-7), "picture")]
        {
            reading.seek(to).unwrap();
            let mut all = String::new();
            reading.read_to_string(&mut all).unwrap();
            assert_eq!(all, rest);
        }
        assert!(reading.seek(SeekFrom::Current(-8)).is_err());
    }
}
