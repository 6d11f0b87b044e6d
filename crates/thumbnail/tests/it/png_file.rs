//! PNG files that are put together chunk by chunk, to make odd ones.

use std::collections::BTreeSet;
use std::path::Path;

use darkroom_codec::inflate::inflated;
use darkroom_thumbnail::{Limits, Recipe, RefusalReason, RenderError, Size, Thumbnail, Tolerated, render};

use crate::golden::chunks;
use crate::images::png_chunk;

/// A chunk with its type, its data, and whether its CRC is right.
#[derive(Clone, Debug)]
pub struct Chunk(pub [u8; 4], pub Vec<u8>, pub bool);

pub fn chunk(kind: &[u8; 4], data: impl AsRef<[u8]>) -> Chunk {
    Chunk(*kind, data.as_ref().to_vec(), true)
}

impl Chunk {
    pub fn with_wrong_crc(self) -> Self {
        Self(self.0, self.1, false)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = png_chunk(&self.0, &self.1);
        let last = bytes.len() - 1;
        bytes[last] ^= u8::from(!self.2);
        bytes
    }
}

/// A file in parts: the chunks before the image data, the zlib stream, and what follows.
#[derive(Clone, Debug)]
pub struct File {
    pub head: Vec<Chunk>,
    pub stream: Vec<u8>,
    pub data: Vec<Chunk>,
    pub tail: Vec<Chunk>,
}

impl File {
    /// A golden source, with its image data in one chunk.
    pub fn golden(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sources");
        let all = chunks(&std::fs::read(folder.join(name)).unwrap());
        let stream: Vec<u8> =
            all.iter().filter(|(kind, _)| kind == b"IDAT").flat_map(|(_, data)| data.clone()).collect();
        let head = all.iter().take_while(|(kind, _)| kind != b"IDAT").map(|(kind, data)| chunk(kind, data)).collect();
        Self { head, data: vec![chunk(b"IDAT", &stream)], stream, tail: vec![chunk(b"IEND", [])] }
    }

    /// With another zlib stream.
    pub fn with_stream(self, stream: impl AsRef<[u8]>) -> Self {
        Self { data: vec![chunk(b"IDAT", stream)], ..self }
    }

    pub fn with_data(self, data: impl IntoIterator<Item = Chunk>) -> Self {
        Self { data: data.into_iter().collect(), ..self }
    }

    /// With chunks directly after IHDR.
    pub fn first(mut self, chunks: impl IntoIterator<Item = Chunk>) -> Self {
        self.head.splice(1..1, chunks);
        self
    }

    /// With chunks directly before the image data.
    pub fn before(mut self, chunks: impl IntoIterator<Item = Chunk>) -> Self {
        self.head.extend(chunks);
        self
    }

    /// With chunks directly after the image data.
    pub fn after(mut self, chunks: impl IntoIterator<Item = Chunk>) -> Self {
        self.tail.splice(0..0, chunks);
        self
    }

    /// With these chunks in place of IEND.
    pub fn ending(self, tail: impl IntoIterator<Item = Chunk>) -> Self {
        Self { tail: tail.into_iter().collect(), ..self }
    }

    /// Without the chunks of a kind.
    pub fn without(mut self, kind: &[u8; 4]) -> Self {
        self.head.retain(|chunk| chunk.0 != *kind);
        self
    }

    /// The filtered rows.
    pub fn rows(&self) -> Vec<u8> {
        inflated(&self.stream, 1 << 20).unwrap()
    }

    pub fn bytes(&self) -> Vec<u8> {
        let chunks = [&self.head[..], &self.data, &self.tail].concat();
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.iter().flat_map(Chunk::bytes).collect()].concat()
    }
}

/// Deflate's stored blocks with these bytes; without the last one, the stream has no end.
pub fn stored(bytes: &[u8], has_end: bool) -> Vec<u8> {
    let mut out = b"\x78\x01".to_vec();
    let mut blocks = bytes.chunks(60_000).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap();
        out.push(u8::from(has_end && blocks.peek().is_none()));
        out.extend([length.to_le_bytes(), (!length).to_le_bytes()].concat());
        out.extend(block);
    }
    if has_end {
        out.extend(adler(bytes).to_be_bytes());
    }
    out
}

fn adler(bytes: &[u8]) -> u32 {
    let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (a + b) % 65_521)
    });
    b << 16 | a
}

/// The thumbnails of a file and its oddities, or why it is refused.
pub fn outcome(bytes: &[u8]) -> Result<(Vec<Thumbnail>, Vec<Tolerated>), RefusalReason> {
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side: 24 }], ..Recipe::default() };
    let limits = Limits { max_bytes: 1 << 26, max_pixels: 1 << 20, ..Limits::default() };
    match render(bytes, &recipe, &limits) {
        Ok(rendered) => Ok((rendered.thumbnails, rendered.tolerated.into_iter().collect())),
        Err(RenderError::Refused(refusal)) => Err(refusal.reason),
        Err(other) => panic!("{other}"),
    }
}

/// Checks that a file has the same thumbnails as another one, and these oddities.
pub fn assert_shown(name: &str, odd: &[u8], fine: &File, tolerated: &[Tolerated]) {
    let (thumbnails, seen) = outcome(odd).unwrap_or_else(|reason| panic!("{name}: {reason:?}"));
    let (expected, _) = outcome(&fine.bytes()).unwrap();
    assert!(thumbnails == expected, "{name}: another picture");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), tolerated.iter().copied().collect(), "{name}");
}

pub fn assert_corrupt(name: &str, bytes: &[u8]) {
    assert_eq!(outcome(bytes).err(), Some(RefusalReason::Corrupt), "{name}");
}
