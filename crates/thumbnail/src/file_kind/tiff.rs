//! TIFF, and the raw images of cameras that are built like one.

use super::FileKind;

/// `DNGVersion` of Adobe's DNG.
const DNG_VERSION: u16 = 0xc612;
/// `NewSubfileType`: 1 for a reduced picture.
const NEW_SUBFILE_TYPE: u16 = 0x00fe;
const MAKE: u16 = 0x010f;
const SUB_IFDS: u16 = 0x014a;

/// The kind of a file with a TIFF header.
pub(super) fn kind(head: &[u8]) -> Option<FileKind> {
    let is_little_endian = head.starts_with(b"II");
    match head.first_chunk::<4>()? {
        // Olympus and Panasonic.
        b"IIRO" | b"IIRS" | b"MMOR" | b"IIU\0" => Some(FileKind::Raw),
        // Canon's older raw files.
        b"II\x1a\0" if head.get(6..14) == Some(b"HEAPCCDR") => Some(FileKind::Raw),
        b"II\xbc\x01" => Some(FileKind::JpegXr),
        b"II\x2b\0" | b"MM\0\x2b" => Some(FileKind::Tiff),
        b"II\x2a\0" | b"MM\0\x2a" => {
            let is_cr2 = head.get(8..10) == Some(b"CR");
            let is_raw = is_cr2 || Directory { head, is_little_endian }.is_raw().unwrap_or(false);
            Some(if is_raw { FileKind::Raw } else { FileKind::Tiff })
        }
        _ => None,
    }
}

/// Reads the first directory of a TIFF.
struct Directory<'a> {
    head: &'a [u8],
    is_little_endian: bool,
}

impl Directory<'_> {
    fn u16(&self, at: usize) -> Option<u16> {
        let bytes = *self.head.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn u32(&self, at: usize) -> Option<u32> {
        let bytes = *self.head.get(at..)?.first_chunk()?;
        Some(if self.is_little_endian { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// Whether it is a DNG, or begins with a camera's reduced picture and keeps others in further directories, as
    /// Nikon's and Sony's raw files do. `None` when the directory is not in the head of the file.
    fn is_raw(&self) -> Option<bool> {
        let start = usize::try_from(self.u32(4)?).ok()?;
        let count = usize::from(self.u16(start)?);
        let (mut has_make, mut is_reduced, mut has_others) = (false, false, false);
        for entry in 0..count {
            let at = start.checked_add(2 + entry * 12)?;
            match self.u16(at)? {
                DNG_VERSION => return Some(true),
                NEW_SUBFILE_TYPE => is_reduced = self.u32(at + 8)? == 1,
                MAKE => has_make = true,
                SUB_IFDS => has_others = true,
                _ => {}
            }
        }
        Some(has_make && is_reduced && has_others)
    }
}
