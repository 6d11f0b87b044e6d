//! EXIF: reads only the orientation, as Chromium does.

/// The tag of the orientation.
const ORIENTATION: u16 = 0x0112;
/// The tag that points to the directory of the camera's settings.
const EXIF_DIRECTORY: u16 = 0x8769;
/// The type of a 16-bit number.
const SHORT: u16 = 3;
/// The type of a 32-bit number.
const LONG: u16 = 4;
/// Bytes of a directory's entry.
const ENTRY_BYTES: usize = 12;

/// The orientation in a TIFF structure, 1 to 8; 1 if it is missing or invalid.
pub(super) fn orientation(tiff: &[u8]) -> u8 {
    read(tiff).unwrap_or(1)
}

fn read(tiff: &[u8]) -> Option<u8> {
    let is_little_endian = match tiff.first_chunk()? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let tiff = Tiff { bytes: tiff, is_little_endian };
    tiff.orientation(tiff.long(4)?, true)
}

struct Tiff<'a> {
    bytes: &'a [u8],
    is_little_endian: bool,
}

/// An entry with a single value. A short value is in the first two bytes of `value`.
struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    value: usize,
}

impl Tiff<'_> {
    /// The first valid orientation in the directory at `at` or, where the root directory points to it, in the directory
    /// of the camera's settings.
    fn orientation(&self, at: u32, is_root: bool) -> Option<u8> {
        let at = at as usize;
        let mut has_pointer = false;
        (0..self.short(at)?).map_while(|index| self.entry(at + 2 + ENTRY_BYTES * usize::from(index))).find_map(
            |entry| match entry {
                Entry { tag: ORIENTATION, kind: SHORT, count: 1, value } => {
                    self.short(value).and_then(|value| u8::try_from(value).ok()).filter(|value| (1..=8).contains(value))
                }
                Entry { tag: EXIF_DIRECTORY, kind: LONG, count: 1, value } if is_root && !has_pointer => {
                    has_pointer = true;
                    self.orientation(self.long(value)?, false)
                }
                _ => None,
            },
        )
    }

    /// The entry at a position; `None` if it is cut short.
    fn entry(&self, at: usize) -> Option<Entry> {
        self.bytes.get(at..at + ENTRY_BYTES)?;
        Some(Entry { tag: self.short(at)?, kind: self.short(at + 2)?, count: self.long(at + 4)?, value: at + 8 })
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiff(is_little_endian: bool, value: u16) -> Vec<u8> {
        let short = |v: u16| if is_little_endian { v.to_le_bytes() } else { v.to_be_bytes() };
        let long = |v: u32| if is_little_endian { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut out = if is_little_endian { b"II*\0".to_vec() } else { b"MM\0*".to_vec() };
        out.extend(long(8));
        out.extend(short(1));
        out.extend(short(ORIENTATION));
        out.extend(short(SHORT));
        out.extend(long(1));
        out.extend(short(value));
        out.extend([0; 6]);
        out
    }

    #[test]
    fn both_byte_orders_are_read() {
        for value in 1..=8 {
            assert_eq!(orientation(&tiff(true, value)), value as u8);
            assert_eq!(orientation(&tiff(false, value)), value as u8);
        }
    }

    #[test]
    fn nonsense_is_upright() {
        assert_eq!(orientation(&tiff(true, 0)), 1);
        assert_eq!(orientation(&tiff(true, 9)), 1);
        assert_eq!(orientation(&tiff(true, 256 + 6)), 1);
        assert_eq!(orientation(b""), 1);
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), 1);
        let whole = tiff(false, 6);
        // The entry ends before the offset of the next directory.
        for length in 0..22 {
            assert_eq!(orientation(&whole[..length]), 1, "cut at {length}");
        }
        assert_eq!(orientation(&whole[..22]), 6);
    }
}
