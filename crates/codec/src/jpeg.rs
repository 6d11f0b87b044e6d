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
mod progressive;
mod progressive_blocks;
mod sequential;
mod tables;
mod transform;

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Whether it has an end marker.
    pub has_end: bool,
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

fn decode_square<const N: usize, const K: usize>(
    bytes: &[u8],
    planes: &mut [PlaneMut<'_>],
    stop: &Stop,
) -> Result<Decoded, Error> {
    let mut segments = Segments::new(bytes);
    let mut tables = Tables::default();
    let mut picture: Option<Picture<K>> = None;
    let mut has_end = false;
    while let Some(Segment { marker, body }) = segments.next() {
        stop.check()?;
        let at = body.end;
        let body = &bytes[body];
        match marker {
            0xc4 => tables.read_huffman(body)?,
            0xcc => tables.conditioning.read(body)?,
            0xdb => tables.read_quantisation(body)?,
            0xdd => tables.read_restart_interval(body)?,
            0xc0..=0xc2 | 0xc9 | 0xca if picture.is_some() => return Err(Damage::SecondFrame.into()),
            0xc0..=0xc2 | 0xc9 | 0xca => picture = Some(Picture::read(marker, body, planes)?),
            SOS => {
                let picture = picture.as_mut().ok_or(Damage::NoFrame)?;
                let at = picture.scan::<N>((bytes, at), body, &tables, planes, stop)?;
                if !segments.leave_scan(at, tables.restart_interval > 0) {
                    return Err(Damage::ExtraRestart.into());
                }
            }
            EOI => {
                has_end = true;
                break;
            }
            // Application data, comments, and the number of lines, which the frame header has.
            0xe0..=0xef | 0xfe | 0xdc => {}
            _ => return Err(Damage::Marker.into()),
        }
    }
    let picture = picture.ok_or(Damage::NoFrame)?;
    // A progression may be unfinished, but then the file must have an end marker. Arithmetic-coded data does not show
    // where it was truncated.
    let is_whole = if has_end {
        picture.frame.has_all_components()
    } else {
        picture.frame.is_complete() && !picture.is_arithmetic
    };
    if !is_whole {
        return Err(Damage::Incomplete.into());
    }
    if !picture.blocks.is_empty() {
        paint::<N, K>(&picture.frame.components, &picture.blocks, planes, stop)?;
    }
    Ok(Decoded { has_end })
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

    /// Reads the scan with the header `body`; returns the position after it.
    fn scan<const N: usize>(
        &mut self,
        data: (&[u8], usize),
        body: &[u8],
        tables: &Tables<'_>,
        planes: &mut [PlaneMut<'_>],
        stop: &Stop,
    ) -> Result<usize, Error> {
        let Self { frame, is_arithmetic, blocks } = self;
        if blocks.is_empty() {
            let scan = Sequential::read(body, frame, tables, *is_arithmetic)?;
            return scan.run::<N, K>(data, frame, tables, planes, stop);
        }
        let scan = Scan::read(body, frame, tables, *is_arithmetic)?;
        scan.run(data, frame, tables, blocks, stop)
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
