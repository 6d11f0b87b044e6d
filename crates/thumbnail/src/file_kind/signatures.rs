//! Files with a signature at their beginning.

use super::FileKind;

/// The first bytes of each kind.
const PREFIXES: [(&[u8], FileKind); 38] = [
    (b"GIF87a", FileKind::Gif),
    (b"GIF89a", FileKind::Gif),
    (b"\0\0\0\x0cjP  \r\n\x87\n", FileKind::Jpeg2000),
    (b"\xff\x4f\xff\x51", FileKind::Jpeg2000),
    (b"\0\0\0\x0cJXL \r\n\x87\n", FileKind::JpegXl),
    (b"\xff\x0a", FileKind::JpegXl),
    (b"8BPS\0\x01", FileKind::Photoshop),
    (b"8BPS\0\x02", FileKind::Photoshop),
    // Fujifilm, Sigma, Minolta.
    (b"FUJIFILMCCD-RAW", FileKind::Raw),
    (b"FOVb", FileKind::Raw),
    (b"\0MRM", FileKind::Raw),
    // Matroska and WebM; ASF; Flash; Ogg; FLAC; MP3; MPEG program streams and video.
    (b"\x1a\x45\xdf\xa3", FileKind::Video),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", FileKind::Video),
    (b"FLV\x01", FileKind::Video),
    (b"OggS\0", FileKind::Video),
    (b"fLaC", FileKind::Video),
    (b"ID3", FileKind::Video),
    (b"\0\0\x01\xba", FileKind::Video),
    (b"\0\0\x01\xb3", FileKind::Video),
    (b"\x1f\x8b\x08", FileKind::Gzip),
    (b"PK\x03\x04", FileKind::Zip),
    (b"PK\x05\x06", FileKind::Zip),
    (b"PK\x07\x08", FileKind::Zip),
    (b"7z\xbc\xaf\x27\x1c", FileKind::Archive),
    (b"Rar!\x1a\x07", FileKind::Archive),
    (b"\xfd7zXZ\0", FileKind::Archive),
    (b"BZh", FileKind::Archive),
    (b"\x28\xb5\x2f\xfd", FileKind::Archive),
    (b"\0\x05\x16\x07", FileKind::AppleDouble),
    // U+FFFD in place of the bytes that are not UTF-8.
    (b"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", FileKind::DecodedAsText),
    (b"\xef\xbf\xbdPNG\r\n\x1a\n", FileKind::DecodedAsText),
    (b"\xef\xbf\xbdPNG\n\x1a\n", FileKind::DecodedAsText),
    // Latin-1 encoded as UTF-8.
    (b"\xc3\xbf\xc3\x98\xc3\xbf", FileKind::DecodedAsText),
    (b"\xc2\x89PNG", FileKind::DecodedAsText),
    // Changed line ends, which PNG's signature reveals, and its cleared eighth bit.
    (b"\x89PNG\n", FileKind::DecodedAsText),
    (b"\x89PNG\r\r\n", FileKind::DecodedAsText),
    (b"\x89PNG\r\x1a", FileKind::DecodedAsText),
    (b"\x09PNG\r\n\x1a\n", FileKind::DecodedAsText),
];

/// Sizes of the second header of a BMP, by version.
const BMP_HEADER_BYTES: [u32; 8] = [12, 16, 40, 52, 56, 64, 108, 124];

/// Bytes of a packet of an MPEG transport stream, and of one with a time stamp before it.
const PACKET_BYTES: usize = 188;
const STAMPED_PACKET_BYTES: usize = 192;

/// How far behind its beginning a PDF may have its header.
const PDF_HEADER_WITHIN: usize = 1024;

/// The kind by the first bytes.
pub(super) fn kind(head: &[u8]) -> Option<FileKind> {
    let known = PREFIXES.iter().find(|(prefix, _)| head.starts_with(prefix)).map(|(_, kind)| *kind);
    known.or_else(|| riff(head)).or_else(|| is_bmp(head).then_some(FileKind::Bmp)).or_else(|| {
        if is_icon(head) { Some(FileKind::Icon) } else { is_transport_stream(head).then_some(FileKind::Video) }
    })
}

/// Whether the beginning contains a PDF's header: readers accept other bytes before it.
pub(super) fn has_pdf_header(head: &[u8]) -> bool {
    head[..head.len().min(PDF_HEADER_WITHIN)].windows(5).any(|window| window == b"%PDF-")
}

fn riff(head: &[u8]) -> Option<FileKind> {
    match (head.starts_with(b"RIFF"), head.get(8..12)?) {
        (true, b"WEBP") => Some(FileKind::WebP),
        (true, b"AVI " | b"AVIX" | b"WAVE") => Some(FileKind::Video),
        (true, b"ACON") => Some(FileKind::Icon),
        _ => None,
    }
}

fn is_bmp(head: &[u8]) -> bool {
    let header_bytes = head.get(14..).and_then(|rest| rest.first_chunk()).map(|bytes| u32::from_le_bytes(*bytes));
    head.starts_with(b"BM") && header_bytes.is_some_and(|bytes| BMP_HEADER_BYTES.contains(&bytes))
}

/// An icon or cursor: a directory of at least one picture, whose first entry has a reserved zero.
fn is_icon(head: &[u8]) -> bool {
    let is_directory = head.starts_with(b"\0\0\x01\0") || head.starts_with(b"\0\0\x02\0");
    let count = head.get(4..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u16::from_le_bytes(*bytes));
    is_directory && (1..=256).contains(&count) && head.len() >= 22 && head[9] == 0
}

/// Three packets in a row that begin with the sync byte.
fn is_transport_stream(head: &[u8]) -> bool {
    [(0, PACKET_BYTES), (4, STAMPED_PACKET_BYTES)]
        .into_iter()
        .any(|(first, step)| (0..3).all(|packet| head.get(first + packet * step) == Some(&0x47)))
}
