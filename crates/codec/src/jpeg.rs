//! Decodes a JPEG at a fraction of its size: only the coefficients that the scaled picture uses are kept.
//!
//! libjpeg decodes all coefficients and then ignores most of them. This decoder skips the unused ones several at a
//! time. This loses nothing, because the inverse transform to fewer samples does not use them. A progressive file,
//! whose coefficients must be kept until its last scan, takes a quarter of libjpeg's memory, and its refinement bits
//! are read in runs.
//!
//! It decodes what T.81 calls baseline, extended sequential and progressive, with Huffman or arithmetic coding and
//! eight bits a sample. The result depends on the file's bytes alone: no state is kept from one file to the next.

mod ac_lookup;
mod arithmetic;
mod arithmetic_blocks;
mod bits;
mod damage;
mod frame;
mod huffman;
pub mod markers;
mod oddity;
mod progressive;
mod progressive_blocks;
mod restarts;
mod sequential;
mod tables;
mod transform;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::dispatch::dispatched;
use crate::{Stop, Stopped};
use markers::{EOI, SOS, Segment, Segments};

use frame::{Component, Frame};
use progressive::Scan;
use progressive_blocks::Blocks;
use sequential::Sequential;
use tables::Tables;
use transform::Transform;

pub use damage::Damage;
pub use frame::{FrameComponent, FrameHeader};
pub use oddity::Oddity;

/// Coefficients of a block.
const COEFFICIENTS: usize = 64;

/// Why a picture was not decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Pixels are lost.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// The caller asked to stop.
    #[error("decoding {0}")]
    Stopped(#[from] Stopped),
}

/// The samples of one component, filled row after row.
pub struct PlaneMut<'a> {
    /// Samples of a row.
    pub width: usize,
    /// The samples, row after row.
    pub samples: &'a mut [u8],
}

/// The result of decoding a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Its faults, none of which changes the picture.
    pub oddities: BTreeSet<Oddity>,
}

/// A band of coefficients in zigzag order, and the number of their lowest bits that later scans refine.
#[derive(Clone, Copy, Debug)]
struct Band {
    first: u32,
    last: u32,
    low: u32,
}

/// Fills a plane for each component, in the order of the frame header, with the picture at `eighths / 8` of its size.
/// `eighths` is 1 to 8; any other number counts as 8.
///
/// # Errors
/// When pixels are lost, or when `stop` says so. The content of the planes is then unspecified.
pub fn decode(bytes: &[u8], eighths: u32, planes: &mut [PlaneMut<'_>], stop: &Stop) -> Result<Decoded, Error> {
    match eighths {
        1 => decode_square::<1, { KEPT[1] }>(bytes, planes, stop),
        2 => decode_square::<2, { KEPT[2] }>(bytes, planes, stop),
        3 => decode_square::<3, { KEPT[3] }>(bytes, planes, stop),
        4 => decode_square::<4, { KEPT[4] }>(bytes, planes, stop),
        5 => decode_square::<5, { KEPT[5] }>(bytes, planes, stop),
        6 => decode_square::<6, { KEPT[6] }>(bytes, planes, stop),
        7 => decode_square::<7, { KEPT[7] }>(bytes, planes, stop),
        _ => decode_square::<8, { KEPT[8] }>(bytes, planes, stop),
    }
}

/// By the side of a square of coefficients, the number of coefficients in zigzag order up to the last one in it.
const KEPT: [usize; 9] = [0, 1, 5, 13, 25, 40, 52, 60, 64];

/// The coefficients that [`decode`] keeps per block of a progressive picture at `eighths / 8` of its size. Numbers
/// outside 1 to 8 count as 8, as in [`decode`].
pub const fn kept_coefficients(eighths: u32) -> u64 {
    let side = if eighths >= 1 && eighths <= 8 { eighths as usize } else { 8 };
    KEPT[side] as u64
}

/// A frame and the data of its scans.
struct Picture<const K: usize> {
    frame: Frame,
    is_arithmetic: bool,
    /// The coefficients of each component of a progressive picture; empty for a sequential one, whose scans are painted
    /// as they are read.
    blocks: Vec<Blocks<K>>,
}

/// What was read of a file.
struct Reader<'a, const K: usize> {
    tables: Tables<'a>,
    picture: Option<Picture<K>>,
    oddities: BTreeSet<Oddity>,
}

fn decode_square<const N: usize, const K: usize>(
    bytes: &[u8],
    planes: &mut [PlaneMut<'_>],
    stop: &Stop,
) -> Result<Decoded, Error> {
    let mut segments = Segments::new(bytes);
    let mut reader = Reader { tables: Tables::default(), picture: None, oddities: BTreeSet::new() };
    let mut has_end = false;
    while !has_end && let Some(Segment { marker, body }) = segments.next() {
        stop.check()?;
        match marker {
            EOI => has_end = true,
            SOS => {
                reader.scan::<N>((bytes, body), &mut segments, planes, stop)?;
                // No scan can add to a sequential picture.
                if reader.picture.as_ref().is_some_and(|picture| picture.is_read() && picture.is_sequential()) {
                    break;
                }
            }
            marker => match reader.segment(marker, &bytes[body], planes) {
                // A leftover of the picture's last scan.
                Err(_) if reader.picture.as_ref().is_some_and(Picture::is_read) => break,
                result => result?,
            },
        }
    }
    let Reader { picture, mut oddities, .. } = reader;
    let picture = picture.ok_or(Damage::NoFrame)?;
    if !has_end && picture.is_read() {
        let has_more = segments.has_more();
        let skipped = segments.skip_to_end();
        has_end = skipped.is_some();
        oddities.extend((has_more && skipped != Some(0)).then_some(Oddity::LeftoverBytes));
    }
    if !picture.is_whole(has_end) {
        return Err(Damage::Incomplete.into());
    }
    if !picture.is_sequential() {
        paint::<N, K>(&picture.frame.components, &picture.blocks, planes, stop)?;
    }
    oddities.extend((!has_end).then_some(Oddity::MissingEnd));
    oddities.extend((has_end && segments.has_more()).then_some(Oddity::TrailingBytes));
    oddities.extend(segments.has_stray_bytes().then_some(Oddity::StrayBytes));
    Ok(Decoded { oddities })
}

impl<'a, const K: usize> Reader<'a, K> {
    /// Reads a segment other than a scan.
    fn segment(&mut self, marker: u8, body: &'a [u8], planes: &[PlaneMut<'_>]) -> Result<(), Damage> {
        match marker {
            0xc4 => self.tables.read_huffman(body),
            0xcc => self.tables.conditioning.read(body),
            0xdb => self.tables.read_quantisation(body),
            0xdd => self.tables.read_restart_interval(body),
            0xc0..=0xc2 | 0xc9 | 0xca if self.picture.is_some() => Err(Damage::SecondFrame),
            0xc0..=0xc2 | 0xc9 | 0xca => {
                self.picture = Some(Picture::read(marker, body, planes)?);
                Ok(())
            }
            _ if markers::is_ignored(marker) => Ok(()),
            _ => Err(Damage::Marker),
        }
    }

    /// Reads the scan with the header `body`, and moves `segments` behind its data.
    fn scan<const N: usize>(
        &mut self,
        (bytes, body): (&'a [u8], Range<usize>),
        segments: &mut Segments<'_>,
        planes: &mut [PlaneMut<'_>],
        stop: &Stop,
    ) -> Result<(), Error> {
        let Self { tables, picture, oddities } = self;
        let Picture { frame, is_arithmetic, blocks } = picture.as_mut().ok_or(Damage::NoFrame)?;
        let (data, body) = ((bytes, body.end), &bytes[body]);
        let (end, restarts) = if blocks.is_empty() {
            let scan = Sequential::read(body, frame, tables, *is_arithmetic)?;
            oddities.extend((!scan.has_usual_parameters()).then_some(Oddity::ScanParameters));
            scan.run::<N, K>(data, frame, tables, planes, stop)?
        } else {
            Scan::read(body, frame, tables, *is_arithmetic)?.run(data, frame, tables, blocks, stop)?
        };
        let has_leftovers = segments.leave_scan(end, &restarts)?;
        oddities.extend(has_leftovers.then_some(Oddity::LeftoverBytes));
        oddities.extend((!restarts.are_in_order).then_some(Oddity::RestartNumber));
        Ok(())
    }
}

impl<const K: usize> Picture<K> {
    /// Reads the frame header after `marker`.
    fn read(marker: u8, body: &[u8], planes: &[PlaneMut<'_>]) -> Result<Self, Damage> {
        let frame = Frame::read(body)?;
        if frame.components.len() != planes.len() {
            return Err(Damage::Frame);
        }
        let is_progressive = matches!(marker, 0xc2 | 0xca);
        let kept = if is_progressive { frame.components.as_slice() } else { &[] };
        let blocks = kept.iter().map(|component| Blocks::new(component.stride(), component.rows())).collect();
        Ok(Self { frame, is_arithmetic: marker >= 0xc9, blocks })
    }

    fn is_sequential(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether the data so far proves that no pixel is missing. Arithmetic-coded data does not show where it was
    /// truncated.
    fn is_read(&self) -> bool {
        self.frame.is_complete() && !self.is_arithmetic
    }

    /// Whether no pixel is missing. A progression may be unfinished, but then the file must have an end marker.
    fn is_whole(&self, has_end: bool) -> bool {
        self.is_read() || (has_end && self.frame.has_all_components())
    }
}

fn paint<const N: usize, const K: usize>(
    components: &[Component],
    blocks: &[Blocks<K>],
    planes: &mut [PlaneMut<'_>],
    stop: &Stop,
) -> Result<(), Error> {
    for (plane, (component, blocks)) in planes.iter_mut().zip(components.iter().zip(blocks)) {
        stop.check()?;
        let quantisation = component.quantisation.as_ref().ok_or(Damage::MissingTable)?;
        if plane.width > blocks.stride * N || plane.samples.len() > plane.width * N * component.rows() {
            return Err(Damage::Frame.into());
        }
        let transform = Transform::<N, K>::new(quantisation);
        dispatched(
            #[inline(always)]
            || transform.apply(blocks, plane.samples, plane.width),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
