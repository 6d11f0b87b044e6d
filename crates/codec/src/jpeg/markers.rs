//! The marker segments of a JPEG file, one after another (T.81, Annex B).

use std::ops::Range;

/// Start of image.
pub const SOI: u8 = 0xd8;
/// End of image.
pub const EOI: u8 = 0xd9;
/// Start of scan.
pub const SOS: u8 = 0xda;

/// A marker and the position of its parameters in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The byte after `0xff`.
    pub marker: u8,
    /// The parameters, without their length field.
    pub body: Range<usize>,
}

/// An iterator over the segments of a file.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Segments<'a> {
    /// Starts after the SOI marker.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2 }
    }

    /// Skips the entropy-coded data of a scan, restart markers included.
    pub fn skip_scan(&mut self) {
        while let Some(marker) = self.next_marker() {
            if !is_restart(marker) {
                self.at -= 2;
                return;
            }
        }
    }

    /// Continues after the last MCU of a scan, and skips the rest of the scan's data. Returns `false` if that contains
    /// another restart interval.
    pub fn leave_scan(&mut self, at: usize, has_restarts: bool) -> bool {
        self.at = at;
        while let Some(marker) = self.next_marker() {
            if !is_restart(marker) {
                self.at -= 2;
                return true;
            }
            let next = self.bytes[self.at..].first_chunk::<2>();
            let is_at_marker = next.is_none_or(|&[first, second]| first == 0xff && second != 0);
            if has_restarts && !is_at_marker {
                return false;
            }
        }
        true
    }

    /// Moves after the next marker and returns it.
    fn next_marker(&mut self) -> Option<u8> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let Some(first) = memchr::memchr(0xff, rest) else {
                self.at = self.bytes.len();
                return None;
            };
            self.at += first + 1;
            match *self.bytes.get(self.at)? {
                // A fill byte: the next byte may begin the marker.
                0xff => {}
                // A stuffed byte of entropy-coded data.
                0x00 => self.at += 1,
                marker => {
                    self.at += 1;
                    return Some(marker);
                }
            }
        }
    }
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    /// The next segment; `None` if the file ends before it or within it. Skips bytes that belong to no segment, restart
    /// markers and fill bytes.
    fn next(&mut self) -> Option<Segment> {
        loop {
            let marker = self.next_marker()?;
            match marker {
                0x01 | 0xd0..=0xd7 => {}
                SOI | EOI => return Some(Segment { marker, body: self.at..self.at }),
                _ => {
                    let length = usize::from(u16::from_be_bytes(*self.bytes[self.at..].first_chunk()?));
                    // The length includes its own two bytes. A smaller one is invalid, but libjpeg accepts it.
                    let body = self.at + 2..self.at + length.max(2);
                    if body.end > self.bytes.len() {
                        return None;
                    }
                    self.at = body.end;
                    return Some(Segment { marker, body });
                }
            }
        }
    }
}

const fn is_restart(marker: u8) -> bool {
    matches!(marker, 0xd0..=0xd7)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markers(bytes: &[u8]) -> Vec<(u8, usize)> {
        let mut segments = Segments::new(bytes);
        std::iter::from_fn(|| segments.next()).map(|segment| (segment.marker, segment.body.len())).collect()
    }

    #[test]
    fn segments_are_found_between_fill_bytes_and_rubbish() {
        for between in [&b""[..], b"\xff", b"\xff\xff\xff", b"abc", b"\xff\0", b"\xff\0\xff", b"\xff\x01\xff\xd3"] {
            let bytes = [b"\xff\xd8", between, b"\xff\xdd\0\x04\0\x01", between, b"\xff\xd9"].concat();
            assert_eq!(markers(&bytes), [(0xdd, 2), (EOI, 0)], "{between:?}");
        }
        assert_eq!(markers(b"\xff\xd8\xff\xfe\0\0\xff\xfe\0\x01\xff\xd9"), [(0xfe, 0), (0xfe, 0), (EOI, 0)]);
    }

    #[test]
    fn a_segment_that_is_cut_short_is_the_end() {
        let bytes = b"\xff\xd8\xff\xdd\0\x04\0\x01";
        for length in 2..bytes.len() {
            assert_eq!(markers(&bytes[..length]), [], "cut at {length}");
        }
        assert_eq!(markers(bytes), [(0xdd, 2)]);
    }

    #[test]
    fn data_of_a_scan_is_skipped_to_the_next_marker() {
        let bytes = b"\xff\xd8ab\xff\0cd\xff\xd0ef\xff\xd1\xff\xff\xd9";
        let mut segments = Segments::new(bytes);
        segments.skip_scan();
        assert_eq!(segments.next(), Some(Segment { marker: EOI, body: 17..17 }));
        segments.skip_scan();
        assert_eq!(segments.next(), None);
    }

    #[test]
    fn another_interval_behind_the_last_is_told_from_leftovers() {
        let left = |rest: &[u8], has_restarts| {
            let bytes = [b"\xff\xd8", rest, b"\xff\xd9"].concat();
            let mut segments = Segments::new(&bytes);
            let is_fine = segments.leave_scan(2, has_restarts);
            (is_fine, segments.next().map(|segment| segment.marker))
        };
        for rest in [&b""[..], b"\0\0\0", b"abc\xff\0d", b"\xff\xd0", b"\xff\xd0\xff\xd1"] {
            assert_eq!(left(rest, true), (true, Some(EOI)), "{rest:?}");
        }
        assert_eq!(left(b"\xff\xd0abc", false), (true, Some(EOI)));
        assert!(!left(b"\xff\xd0abc", true).0);
        assert!(!left(b"\xff\xd0\xff\0", true).0);
    }
}
