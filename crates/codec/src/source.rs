//! The source of a file's bytes.

use std::borrow::Cow;
use std::io::{self, Read};

/// The bytes of a file, in memory or elsewhere.
///
/// Implemented for all bytes in memory: `&[u8]`, `Vec<u8>`, and any other `AsRef<[u8]>`.
pub trait Source {
    /// How many bytes there are.
    fn length(&self) -> u64;

    /// The bytes from position `at` on: any number of them; none only at the end of the file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn bytes_at(&mut self, at: u64) -> io::Result<&[u8]>;

    /// Fills `space` with the bytes from position `at` on, without reading further. Returns their number, which is less
    /// than `space` holds only at the end of the file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn read_at(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize>;
}

/// Bytes in memory.
impl<T: AsRef<[u8]>> Source for T {
    fn length(&self) -> u64 {
        T::as_ref(self).len() as u64
    }

    fn bytes_at(&mut self, at: u64) -> io::Result<&[u8]> {
        let bytes = T::as_ref(self);
        Ok(usize::try_from(at).ok().and_then(|at| bytes.get(at..)).unwrap_or_default())
    }

    fn read_at(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        self.bytes_at(at)?.read(space)
    }
}

/// The first `count` bytes of a source, or all if it has fewer. They are borrowed if the source holds them in memory.
///
/// # Errors
/// When they cannot be read, or the source has fewer bytes than its [`length`](Source::length).
pub fn read_prefix(source: &mut dyn Source, count: u64) -> io::Result<Cow<'_, [u8]>> {
    let count = usize::try_from(count.min(source.length())).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    if source.bytes_at(0)?.len() < count {
        bytes.try_reserve_exact(count)?;
        while bytes.len() < count {
            let piece = source.bytes_at(bytes.len() as u64)?;
            if piece.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
            }
            bytes.extend_from_slice(&piece[..piece.len().min(count - bytes.len())]);
        }
        return Ok(Cow::Owned(bytes));
    }
    let piece = source.bytes_at(0)?;
    Ok(Cow::Borrowed(piece.get(..count).ok_or(io::ErrorKind::UnexpectedEof)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_one_piece() {
        let mut bytes = &b"picture"[..];
        assert_eq!(bytes.length(), 7);
        for (at, rest) in [(0, "picture"), (6, "e"), (7, ""), (8, ""), (u64::MAX, "")] {
            assert_eq!(bytes.bytes_at(at).unwrap(), rest.as_bytes());
        }
        let mut space = [0; 4];
        assert_eq!([0, 3, 4, 7, 9].map(|at| bytes.read_at(at, &mut space).unwrap()), [4, 4, 3, 0, 0]);
    }

    /// A source that returns at most two bytes at once, with the length that it claims.
    struct Pairs(&'static [u8], u64);

    impl Source for Pairs {
        fn length(&self) -> u64 {
            self.1
        }

        fn bytes_at(&mut self, at: u64) -> io::Result<&[u8]> {
            self.0.bytes_at(at).map(|piece| &piece[..piece.len().min(2)])
        }

        fn read_at(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
            self.0.read_at(at, space)
        }
    }

    #[test]
    fn the_first_bytes_are_lent_where_they_are_at_hand() {
        for (count, bytes, is_lent) in [(0, "", true), (2, "pi", true), (3, "pic", false), (8, "picture", false)] {
            let mut pairs = Pairs(b"picture", 7);
            let first = read_prefix(&mut pairs, count).unwrap();
            assert_eq!(&*first, bytes.as_bytes());
            assert_eq!(matches!(first, Cow::Borrowed(_)), is_lent, "{count}");
        }
        assert_eq!(read_prefix(&mut Pairs(b"short", 9), 9).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(matches!(read_prefix(&mut &b"picture"[..], u64::MAX).unwrap(), Cow::Borrowed(b"picture")));
    }
}
