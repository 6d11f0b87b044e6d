//! The marker segments of a JPEG file, one after another (T.81, Annex B).

use std::ops::Range;

use super::damage::Damage;
use super::restarts::{Restarts, ScanEnd};

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

/// An iterator over the segments of a file. After an SOS, call [`Self::skip_scan`], or its data counts as stray bytes.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
    has_stray_bytes: bool,
}

impl<'a> Segments<'a> {
    /// Starts after the SOI marker.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 2, has_stray_bytes: false }
    }

    /// Skips the entropy-coded data of a scan, restart markers included.
    pub fn skip_scan(&mut self) {
        while let Some(marker) = self.next_marker(&mut false) {
            if !is_restart(marker) {
                self.at -= 2;
                return;
            }
        }
    }

    /// Continues after the last MCU of a scan, and skips the rest of the scan's data. Returns whether there is any.
    ///
    /// # Errors
    /// [`Damage::ExtraRestart`] when another restart interval follows. Rubbish that contains a restart marker is none.
    pub(super) fn leave_scan(&mut self, end: ScanEnd, restarts: &Restarts) -> Result<bool, Damage> {
        self.at = end.at;
        let mut has_leftovers = end.has_unused_bytes;
        loop {
            let Some(marker) = self.next_marker(&mut has_leftovers) else { return Ok(has_leftovers) };
            if !is_restart(marker) {
                self.at -= 2;
                return Ok(has_leftovers);
            }
            let next = self.bytes[self.at..].first_chunk::<2>();
            let is_at_marker = next.is_none_or(|&[first, second]| first == 0xff && second != 0);
            // Rubbish may contain a marker by chance, but not the right one after others that were in order.
            let is_restart_of_scan = !has_leftovers || !restarts.are_in_order || marker & 7 == restarts.next;
            if restarts.are_used() && !is_at_marker && is_restart_of_scan {
                return Err(Damage::ExtraRestart);
            }
            has_leftovers = true;
        }
    }

    /// Moves after the next end marker, wherever it is. Returns the number of bytes before it; `None` without one.
    pub(super) fn skip_to_end(&mut self) -> Option<usize> {
        let skipped = memchr::memmem::find(self.bytes.get(self.at..)?, &[0xff, EOI])?;
        self.at += skipped + 2;
        Some(skipped)
    }

    /// Whether bytes between two segments belonged to neither so far.
    pub(super) const fn has_stray_bytes(&self) -> bool {
        self.has_stray_bytes
    }

    /// Whether bytes follow.
    pub(super) const fn has_more(&self) -> bool {
        self.at < self.bytes.len()
    }

    /// Moves after the next marker and returns it. Sets `has_skipped` if there are other than fill bytes before it.
    fn next_marker(&mut self, has_skipped: &mut bool) -> Option<u8> {
        loop {
            let rest = self.bytes.get(self.at..)?;
            let Some(first) = memchr::memchr(0xff, rest) else {
                *has_skipped |= !rest.is_empty();
                self.at = self.bytes.len();
                return None;
            };
            *has_skipped |= first > 0;
            self.at += first + 1;
            match *self.bytes.get(self.at)? {
                // A fill byte: the next byte may begin the marker.
                0xff => {}
                // A stuffed byte of entropy-coded data.
                0x00 => {
                    *has_skipped = true;
                    self.at += 1;
                }
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
        let mut has_skipped = false;
        loop {
            let marker = self.next_marker(&mut has_skipped)?;
            self.has_stray_bytes |= has_skipped;
            match marker {
                0x01 | 0xd0..=0xd7 => has_skipped = true,
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

/// Whether a segment does not affect the picture: application data, comments, and the number of lines, which the frame
/// header has.
pub const fn is_ignored(marker: u8) -> bool {
    matches!(marker, 0xe0..=0xef | 0xfe | 0xdc)
}

/// Whether a segment defines tables: quantisation, Huffman codes, arithmetic conditioning, or the restart interval.
pub const fn is_table(marker: u8) -> bool {
    matches!(marker, 0xc4 | 0xcc | 0xdb | 0xdd)
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

    /// What follows the last MCU of a scan whose two restart markers had the right numbers.
    fn left(rest: &[u8], interval: usize, has_unused_bytes: bool) -> Result<bool, Damage> {
        left_after([0, 1], rest, interval, has_unused_bytes)
    }

    fn left_after(passed: [u8; 2], rest: &[u8], interval: usize, has_unused_bytes: bool) -> Result<bool, Damage> {
        let bytes = [b"\xff\xd8", rest, b"\xff\xd9"].concat();
        let mut segments = Segments::new(&bytes);
        let mut restarts = Restarts::new(interval);
        passed.into_iter().for_each(|number| restarts.pass(number));
        let has_leftovers = segments.leave_scan(ScanEnd { at: 2, has_unused_bytes }, &restarts)?;
        assert_eq!(segments.next().map(|segment| segment.marker), Some(EOI), "{rest:?}");
        assert!(!segments.has_stray_bytes());
        Ok(has_leftovers)
    }

    #[test]
    fn another_interval_behind_the_last_is_told_from_leftovers() {
        for rest in [&b""[..], b"\xff", b"\xff\xff\xff"] {
            assert_eq!(left(rest, 3, false), Ok(false), "{rest:?}");
            assert_eq!(left(rest, 3, true), Ok(true), "{rest:?}");
        }
        for rest in [&b"\0\0\0"[..], b"abc\xff\0d", b"\xff\xd0", b"\xff\xd0\xff\xd1"] {
            assert_eq!(left(rest, 3, false), Ok(true), "{rest:?}");
        }
        for number in 0..8 {
            let marker = [0xff, 0xd0 + number];
            for data in [&b"abc"[..], b"\xff\0"] {
                let interval = [&marker, data].concat();
                assert_eq!(left(&interval, 0, false), Ok(true), "{number}");
                assert_eq!(left(&interval, 3, false), Err(Damage::ExtraRestart), "{number}");
                // Behind leftovers, it is an interval by the next number, or after a number that was wrong.
                let meant = if number == 2 { Err(Damage::ExtraRestart) } else { Ok(true) };
                assert_eq!(left(&interval, 3, true), meant, "{number}");
                assert_eq!(left(&[b"\0", &interval[..]].concat(), 3, false), meant, "{number}");
                assert_eq!(left_after([0, 0], &interval, 3, true), Err(Damage::ExtraRestart), "{number}");
            }
        }
    }

    #[test]
    fn bytes_between_segments_are_noticed_but_fill_bytes_are_not() {
        let is_stray = |between: &[u8]| {
            let bytes = [b"\xff\xd8", between, b"\xff\xdd\0\x04\0\x01\xff\xd9"].concat();
            let mut segments = Segments::new(&bytes);
            assert_eq!(segments.by_ref().count(), 2);
            segments.has_stray_bytes()
        };
        assert_eq!([&b""[..], b"\xff", b"\xff\xff\xff"].map(is_stray), [false; 3]);
        assert_eq!([&b"\0"[..], b"abc", b"\xff\0", b"\xff\x01", b"\xff\xd3", b"\xff\xd3\xff"].map(is_stray), [true; 6]);
    }
}
