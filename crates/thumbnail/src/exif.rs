//! EXIF: reads only the orientation.

use image::metadata::Orientation;

/// The orientation in a TIFF structure, 1 to 8; 1 if it is missing or invalid.
pub(super) fn orientation(tiff: &[u8]) -> u8 {
    Orientation::from_exif_chunk(tiff).map_or(1, Orientation::to_exif)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tag of the orientation.
    const ORIENTATION: u16 = 0x0112;
    /// The type of a 16-bit number.
    const SHORT: u16 = 3;

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
