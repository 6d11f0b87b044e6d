//! EXIF: the orientation, and nothing else.

/// The tag of the orientation.
const ORIENTATION: u16 = 0x0112;
/// The type of a 16-bit number.
const SHORT: u16 = 3;
/// Entries of a directory that are looked at.
const MAX_ENTRIES: usize = 1024;

/// The orientation in a TIFF structure, 1 to 8; 1 where there is none or it makes no sense.
pub(super) fn orientation(tiff: &[u8]) -> u8 {
    read_orientation(tiff).filter(|value| (1..=8).contains(value)).map_or(1, |value| value as u8)
}

fn read_orientation(tiff: &[u8]) -> Option<u16> {
    let is_little_endian = match tiff.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let bytes = |at: usize, count: usize| tiff.get(at..at.checked_add(count)?);
    let u16_at = |at: usize| {
        let pair = <[u8; 2]>::try_from(bytes(at, 2)?).ok()?;
        Some(if is_little_endian { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
    };
    let u32_at = |at: usize| {
        let quad = <[u8; 4]>::try_from(bytes(at, 4)?).ok()?;
        Some(if is_little_endian { u32::from_le_bytes(quad) } else { u32::from_be_bytes(quad) })
    };
    let directory = u32_at(4)? as usize;
    let entries = usize::from(u16_at(directory)?).min(MAX_ENTRIES);
    for entry in (0..entries).map(|index| directory + 2 + 12 * index) {
        if u16_at(entry)? == ORIENTATION {
            return (u16_at(entry + 2)? == SHORT && u32_at(entry + 4)? == 1).then(|| u16_at(entry + 8)).flatten();
        }
    }
    None
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
        assert_eq!(orientation(b""), 1);
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), 1);
        let whole = tiff(false, 6);
        for length in 0..18 {
            assert_eq!(orientation(&whole[..length]), 1, "cut at {length}");
        }
    }
}
