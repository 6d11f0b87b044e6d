//! Where the bytes of an upload are read from.

use std::borrow::Cow;
use std::io::{self, Read};

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

/// The first bytes, so many or as many as there are.
pub fn first(source: &mut dyn Source, count: u64) -> io::Result<Cow<'_, [u8]>> {
    let count = usize::try_from(count.min(source.length())).map_err(io::Error::other)?;
    let mut bytes = Vec::new();
    if source.piece(0)?.len() < count {
        bytes.try_reserve_exact(count)?;
        while bytes.len() < count {
            let piece = source.piece(bytes.len() as u64)?;
            if piece.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
            }
            bytes.extend_from_slice(&piece[..piece.len().min(count - bytes.len())]);
        }
        return Ok(Cow::Owned(bytes));
    }
    let piece = source.piece(0)?;
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
            assert_eq!(bytes.piece(at).unwrap(), rest.as_bytes());
        }
        let mut space = [0; 4];
        assert_eq!([0, 3, 4, 7, 9].map(|at| bytes.look(at, &mut space).unwrap()), [4, 4, 3, 0, 0]);
    }

    /// Bytes of which two are at hand at once, and how many there are said to be.
    struct Pairs(&'static [u8], u64);

    impl Source for Pairs {
        fn length(&self) -> u64 {
            self.1
        }

        fn piece(&mut self, at: u64) -> io::Result<&[u8]> {
            self.0.piece(at).map(|piece| &piece[..piece.len().min(2)])
        }

        fn look(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
            self.0.look(at, space)
        }
    }

    #[test]
    fn the_first_bytes_are_lent_where_they_are_at_hand() {
        for (count, bytes, is_lent) in [(0, "", true), (2, "pi", true), (3, "pic", false), (8, "picture", false)] {
            let mut pairs = Pairs(b"picture", 7);
            let first = first(&mut pairs, count).unwrap();
            assert_eq!(&*first, bytes.as_bytes());
            assert_eq!(matches!(first, Cow::Borrowed(_)), is_lent, "{count}");
        }
        assert_eq!(first(&mut Pairs(b"short", 9), 9).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        assert!(matches!(first(&mut &b"picture"[..], u64::MAX).unwrap(), Cow::Borrowed(b"picture")));
    }
}
