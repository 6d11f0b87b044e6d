//! Files of the ISO base media file format (ISO/IEC 14496-12): HEIF, AVIF, Canon's CR3, MP4, QuickTime, 3GP.

use super::FileKind;

/// Brands of images, with the HEIF brands that say nothing about the codec below.
const IMAGES: [(&[u8; 4], FileKind); 19] = [
    (b"heic", FileKind::Heic),
    (b"heix", FileKind::Heic),
    (b"heim", FileKind::Heic),
    (b"heis", FileKind::Heic),
    (b"hevc", FileKind::Heic),
    (b"hevx", FileKind::Heic),
    (b"hevm", FileKind::Heic),
    (b"hevs", FileKind::Heic),
    (b"avci", FileKind::Heic),
    (b"avcs", FileKind::Heic),
    (b"vvic", FileKind::Heic),
    (b"avif", FileKind::Avif),
    (b"avis", FileKind::Avif),
    (b"avio", FileKind::Avif),
    (b"crx ", FileKind::Raw),
    (b"jxl ", FileKind::JpegXl),
    (b"jp2 ", FileKind::Jpeg2000),
    (b"jpx ", FileKind::Jpeg2000),
    (b"jph ", FileKind::Jpeg2000),
];

/// Brands of every HEIF file.
const HEIF: [&[u8; 4]; 4] = [b"mif1", b"mif2", b"msf1", b"miaf"];

/// Boxes with which QuickTime movies without `ftyp`, and segments of videos, begin.
const MOVIE_BOXES: [&[u8; 4]; 7] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"styp"];

/// The kind by the first box of a file of `length` bytes: by its brands, the major one first.
pub(super) fn kind(head: &[u8], length: u64) -> Option<FileKind> {
    let size = u64::from(u32::from_be_bytes(*head.first_chunk()?));
    let (box_type, rest) = head.get(4..)?.split_first_chunk::<4>()?;
    let header_bytes = if size == 1 { 16 } else { 8 };
    if box_type != b"ftyp" {
        let is_movie = MOVIE_BOXES.contains(&box_type) && (size == 1 || (8..=length).contains(&size));
        return is_movie.then_some(FileKind::Video);
    }
    // A size of 1 is followed by one of 64 bits; 0 means to the end.
    let size = match size {
        0 => length,
        1 => u64::from_be_bytes(*rest.first_chunk()?),
        size => size,
    };
    let end = usize::try_from(size).unwrap_or(usize::MAX).min(head.len());
    let (brands, _) = head.get(header_bytes..end)?.as_chunks::<4>();
    // The second word is the version of the major brand.
    let (major, compatible) = (brands.first()?, brands.get(2..).unwrap_or_default());
    let mut all = std::iter::once(major).chain(compatible);
    let image = all.clone().find_map(|brand| IMAGES.iter().find(|(known, _)| *known == brand));
    match image {
        Some((_, kind)) => Some(*kind),
        None if all.any(|brand| HEIF.contains(&brand)) => Some(FileKind::Heic),
        None => Some(FileKind::Video),
    }
}
