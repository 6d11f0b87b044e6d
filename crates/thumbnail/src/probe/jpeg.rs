//! The header of a JPEG: every marker segment up to the first scan, and the work of all scans.

mod profile;
mod work;

use std::collections::BTreeSet;
use std::ops::Range;

use darkroom_codec::jpeg::markers::{EOI, SOI, SOS, Segment, Segments, is_ignored, is_table};
use darkroom_codec::jpeg::{Damage, FrameComponent, FrameHeader};

use super::super::error::{corrupt, rare_jpeg, refuse};
use super::super::{Refusal, colour, exif};
use crate::{RefusalReason, Tolerated};

use profile::Part;
use work::ComponentBlocks;

/// The most pixels per side, as in libjpeg.
pub(in super::super) const MAX_SIDE: u16 = 65_500;
/// The most marker segments before the first scan.
const MAX_SEGMENTS: usize = 4096;

/// The coding process of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Coding {
    /// One scan per component, Huffman or arithmetic.
    Sequential,
    /// Several scans that refine the picture.
    Progressive,
}

/// The colour model of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Colours {
    Gray,
    YCbCr,
    Rgb,
    Cmyk,
    Ycck,
}

/// One component's sampling factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Sampling {
    pub(in super::super) horizontal: u8,
    pub(in super::super) vertical: u8,
}

/// The header of a JPEG.
#[derive(Clone, Debug)]
pub(in super::super) struct JpegProbe {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) orientation: u8,
    pub(in super::super) coding: Coding,
    pub(in super::super) colours: Colours,
    pub(in super::super) sampling: Vec<Sampling>,
    /// The positions of the parts of the embedded profile, in order.
    profile: Vec<Range<usize>>,
    /// Block reads of all scans: a block counts once for each scan that includes it.
    block_reads: u64,
    /// The oddities of the header.
    pub(in super::super) tolerated: BTreeSet<Tolerated>,
}

impl JpegProbe {
    /// Reads the segments before the first scan, and counts the scans.
    pub(in super::super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut found = Found::default();
        let mut segments = Segments::new(bytes);
        for _ in 0..MAX_SEGMENTS {
            let segment = segments.next().ok_or_else(|| corrupt("the file ends before its picture begins"))?;
            if segment.marker == SOS {
                return found.into_probe(bytes, segments, &segment);
            }
            found.take(bytes, segment)?;
        }
        Err(corrupt(format!("more than {MAX_SEGMENTS} segments before the picture")))
    }

    /// Bytes of the embedded profile.
    pub(in super::super) fn profile_bytes(&self) -> usize {
        self.profile.iter().map(ExactSizeIterator::len).sum()
    }

    /// The embedded profile; empty if it is missing or too large.
    pub(in super::super) fn profile_in(&self, bytes: &[u8]) -> Vec<u8> {
        if self.profile_bytes() > colour::MAX_PROFILE_BYTES {
            return Vec::new();
        }
        self.profile.iter().filter_map(|part| bytes.get(part.clone())).flatten().copied().collect()
    }

    /// A progressive CMYK picture, for a test.
    #[cfg(test)]
    pub(in super::super) fn of_inks(width: u32, height: u32, factors: &[(u8, u8)]) -> Self {
        let sampling = factors.iter().map(|&(horizontal, vertical)| Sampling { horizontal, vertical }).collect();
        let (coding, colours) = (Coding::Progressive, Colours::Cmyk);
        let (profile, block_reads, tolerated) = (Vec::new(), 0, BTreeSet::new());
        Self { width, height, orientation: 1, coding, colours, sampling, profile, block_reads, tolerated }
    }

    /// Refuses a file that would take too long on any machine.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        work::check(self.block_reads)
    }

    /// Blocks of all components, including the padding of the last MCUs.
    pub(in super::super) fn blocks(&self) -> u64 {
        let blocks: u64 = self.sampling.iter().map(Sampling::blocks).sum();
        self.mcus() * blocks
    }

    fn component_blocks(&self, ids: &[u8]) -> Vec<ComponentBlocks> {
        let own = |(&id, sampling): (&u8, &Sampling)| ComponentBlocks { id, blocks: self.mcus() * sampling.blocks() };
        ids.iter().zip(&self.sampling).map(own).collect()
    }

    /// MCUs of an interleaved scan.
    fn mcus(&self) -> u64 {
        let most = |of: fn(&Sampling) -> u8| u64::from(self.sampling.iter().map(of).max().unwrap_or(1)).max(1);
        let (horizontal, vertical) = (most(|s| s.horizontal), most(|s| s.vertical));
        u64::from(self.width).div_ceil(8 * horizontal) * u64::from(self.height).div_ceil(8 * vertical)
    }
}

impl Sampling {
    /// Blocks of the component per MCU.
    fn blocks(&self) -> u64 {
        u64::from(self.horizontal) * u64::from(self.vertical)
    }
}

/// The header data of the segments so far.
#[derive(Default)]
struct Found {
    frame: Option<Frame>,
    orientation: Option<u8>,
    adobe_transform: Option<u8>,
    jfif_version: Option<u8>,
    profile: Vec<Part>,
}

/// The frame header.
struct Frame {
    marker: u8,
    width: u16,
    height: u16,
    ids: Vec<u8>,
    sampling: Vec<Sampling>,
}

impl Found {
    /// Processes a segment before the first scan.
    fn take(&mut self, bytes: &[u8], segment: Segment) -> Result<(), Refusal> {
        let Segment { marker, body: at } = segment;
        let body = &bytes[at.clone()];
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                if self.frame.is_some() {
                    return Err(corrupt("more than one frame header"));
                }
                self.frame = Some(Frame::read(marker, body)?);
            }
            EOI => return Err(corrupt("the file ends before its picture begins")),
            SOI => return Err(corrupt("a second start marker before the picture")),
            // As in libjpeg, a shorter segment is not JFIF's or Adobe's.
            0xe0 if body.starts_with(b"JFIF\0") && body.len() >= 14 => self.jfif_version = Some(body[5]),
            0xe1 if body.starts_with(b"Exif\0") && self.orientation.is_none() => {
                // A segment without data does not count.
                self.orientation = body.get(6..).filter(|tiff| !tiff.is_empty()).map(exif::orientation);
            }
            0xe2 => self.profile.extend(Part::read(body, &at)),
            0xee if body.starts_with(b"Adobe") && body.len() >= 12 => self.adobe_transform = Some(body[11]),
            0xde | 0xdf => return Err(rare_jpeg("a hierarchical JPEG")),
            0xf7 => return Err(rare_jpeg("a JPEG-LS file")),
            _ if is_ignored(marker) || is_table(marker) => {}
            _ => return Err(corrupt(Damage::Marker.to_string())),
        }
        Ok(())
    }

    fn into_probe(self, bytes: &[u8], rest: Segments<'_>, scan: &Segment) -> Result<JpegProbe, Refusal> {
        let (colours, tolerated) = (self.colours()?, self.oddities());
        let frame = self.frame.ok_or_else(|| corrupt("a scan without a frame"))?;
        let mut probe = JpegProbe {
            width: frame.width.into(),
            height: frame.height.into(),
            orientation: self.orientation.unwrap_or(1),
            coding: if frame.is_progressive() { Coding::Progressive } else { Coding::Sequential },
            colours,
            sampling: frame.sampling,
            profile: profile::in_order(&self.profile),
            block_reads: 0,
            tolerated,
        };
        probe.block_reads = work::block_reads(bytes, rest, scan, &probe.component_blocks(&frame.ids));
        Ok(probe)
    }

    /// The colour model of the components, by libjpeg's rules: the JFIF marker, then Adobe's marker, then the component
    /// ids.
    fn colours(&self) -> Result<Colours, Refusal> {
        let ids = self.frame.as_ref().map(|frame| frame.ids.as_slice()).unwrap_or_default();
        match ids.len() {
            1 => Ok(Colours::Gray),
            3 if self.jfif_version.is_some() => Ok(Colours::YCbCr),
            3 if self.adobe_transform.is_some() => {
                Ok(if self.adobe_transform == Some(0) { Colours::Rgb } else { Colours::YCbCr })
            }
            3 => Ok(if ids == b"RGB" { Colours::Rgb } else { Colours::YCbCr }),
            4 => Ok(if matches!(self.adobe_transform, None | Some(0)) { Colours::Cmyk } else { Colours::Ycck }),
            0 => Err(corrupt("a scan without a frame")),
            count => Err(rare_jpeg(format!("a JPEG of {count} components"))),
        }
    }

    /// The oddities of the header.
    fn oddities(&self) -> BTreeSet<Tolerated> {
        let transforms: &[u8] = match self.frame.as_ref().map_or(0, |frame| frame.ids.len()) {
            3 => &[0, 1],
            4 => &[0, 2],
            _ => &[0, 1, 2],
        };
        let found = [
            (Tolerated::JfifVersion, self.jfif_version.is_some_and(|major| major != 1)),
            (Tolerated::AdobeTransform, self.adobe_transform.is_some_and(|transform| !transforms.contains(&transform))),
            (Tolerated::ProfileParts, !profile::are_as_specified(&self.profile)),
        ];
        found.into_iter().filter_map(|(oddity, is_found)| is_found.then_some(oddity)).collect()
    }
}

impl Frame {
    fn read(marker: u8, body: &[u8]) -> Result<Self, Refusal> {
        let FrameHeader { precision, width, height, components } =
            FrameHeader::read(body).map_err(|_| corrupt("the frame header is cut short"))?;
        let factors = |own: &FrameComponent| Sampling { horizontal: own.horizontal, vertical: own.vertical };
        let ids = components.iter().map(|own| own.id).collect();
        let frame = Self { marker, width, height, ids, sampling: components.iter().map(factors).collect() };
        frame.check(precision)?;
        Ok(frame)
    }

    fn check(&self, precision: u8) -> Result<(), Refusal> {
        match self.marker {
            0xc0 | 0xc1 | 0xc2 | 0xc9 | 0xca => {}
            0xc3 | 0xcb => return Err(rare_jpeg("a lossless JPEG")),
            _ => return Err(rare_jpeg("a hierarchical JPEG")),
        }
        if precision != 8 {
            return Err(rare_jpeg(format!("a JPEG of {precision} bits a sample")));
        }
        if self.width > MAX_SIDE || self.height > MAX_SIDE {
            let detail = format!("a JPEG of {} x {} pixels, the limit is {MAX_SIDE} a side", self.width, self.height);
            return Err(refuse(RefusalReason::TooManyPixels, detail));
        }
        let is_valid = |s: &Sampling| (1..=4).contains(&s.horizontal) && (1..=4).contains(&s.vertical);
        if !self.sampling.iter().all(is_valid) {
            return Err(corrupt("a component without a valid sampling factor"));
        }
        Ok(())
    }

    fn is_progressive(&self) -> bool {
        matches!(self.marker, 0xc2 | 0xca)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &length[..], body].concat()
    }

    fn frame(marker: u8, precision: u8, width: u16, height: u16, sampling: &[u8]) -> Vec<u8> {
        let mut body = vec![precision];
        body.extend(height.to_be_bytes());
        body.extend(width.to_be_bytes());
        body.push(sampling.len() as u8);
        for (id, factors) in (1..).zip(sampling) {
            body.extend([id, *factors, 0]);
        }
        segment(marker, &body)
    }

    fn file(segments: &[Vec<u8>]) -> Vec<u8> {
        [b"\xff\xd8".to_vec(), segments.concat(), segment(0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0])].concat()
    }

    #[test]
    fn the_frame_is_read() {
        let probe = JpegProbe::read(&file(&[frame(0xc2, 8, 4032, 3024, &[0x22, 0x11, 0x11])])).unwrap();
        assert_eq!((probe.width, probe.height, probe.orientation), (4032, 3024, 1));
        assert_eq!((probe.coding, probe.colours), (Coding::Progressive, Colours::YCbCr));
        assert_eq!(probe.blocks(), 4032 * 3024 / 64 * 3 / 2);
    }

    #[test]
    fn profile_parts_are_put_together_up_to_the_limit() {
        let part = |number: u8, count: u8, data: &[u8]| {
            segment(0xe2, &[b"ICC_PROFILE\0", &[number, count][..], data].concat())
        };
        let frame = || frame(0xc0, 8, 8, 8, &[0x11]);
        let bytes = file(&[part(2, 2, b"def"), part(1, 2, b"abc"), frame()]);
        assert_eq!(JpegProbe::read(&bytes).unwrap().profile_in(&bytes), b"abcdef");
        let most = colour::MAX_PROFILE_BYTES;
        for (length, is_taken) in [(most - 1, true), (most, true), (most + 1, false)] {
            let whole = vec![7; length];
            let chunks = whole.chunks(65_000);
            let count = chunks.len() as u8;
            let mut parts: Vec<_> = (1..).zip(chunks).map(|(number, data)| part(number, count, data)).collect();
            parts.push(frame());
            let bytes = file(&parts);
            let probe = JpegProbe::read(&bytes).unwrap();
            assert_eq!(probe.profile_bytes(), length);
            assert_eq!(probe.profile_in(&bytes).len(), if is_taken { length } else { 0 });
        }
    }

    #[test]
    fn what_cannot_be_decoded_is_told_apart() {
        let reason = |frame: Vec<u8>| JpegProbe::read(&file(&[frame])).unwrap_err().reason;
        assert_eq!(reason(frame(0xc1, 12, 8, 8, &[0x11])), RefusalReason::UnsupportedType);
        assert_eq!(reason(frame(0xc3, 8, 8, 8, &[0x11])), RefusalReason::UnsupportedType);
        assert_eq!(reason(frame(0xc5, 8, 8, 8, &[0x11])), RefusalReason::UnsupportedType);
        assert_eq!(reason(frame(0xc0, 8, 8, 8, &[0x11, 0x11])), RefusalReason::UnsupportedType);
        assert_eq!(reason(frame(0xde, 8, 8, 8, &[0x11])), RefusalReason::UnsupportedType);
        assert_eq!(reason(frame(0xf7, 8, 8, 8, &[0x11])), RefusalReason::UnsupportedType);
        assert_eq!(reason(frame(0xf6, 8, 8, 8, &[0x11])), RefusalReason::Corrupt);
        assert_eq!(reason(frame(0xc0, 8, 65_535, 8, &[0x11])), RefusalReason::TooManyPixels);
        assert_eq!(reason(frame(0xc0, 8, 8, 8, &[0x50])), RefusalReason::Corrupt);
        assert_eq!(reason(segment(0xc0, &[8, 0, 8])), RefusalReason::Corrupt);
        assert_eq!(reason(Vec::new()), RefusalReason::Corrupt);
    }

    #[test]
    fn colours_go_by_the_rules_of_libjpeg() {
        let adobe = |transform: u8| segment(0xee, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
        let jfif = segment(0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
        let mut rgb = frame(0xc0, 8, 8, 8, &[0x11; 3]);
        (rgb[10], rgb[13], rgb[16]) = (b'R', b'G', b'B');
        let colours = |segments: &[&Vec<u8>]| {
            let segments: Vec<_> = segments.iter().map(|&segment| segment.clone()).collect();
            JpegProbe::read(&file(&segments)).unwrap().colours
        };
        let [one, three, four] = [1, 3, 4].map(|count| frame(0xc0, 8, 8, 8, &vec![0x11; count]));
        assert_eq!(colours(&[&adobe(0), &one]), Colours::Gray);
        assert_eq!([colours(&[&three]), colours(&[&rgb])], [Colours::YCbCr, Colours::Rgb]);
        assert_eq!([colours(&[&jfif, &rgb]), colours(&[&jfif, &adobe(0), &three])], [Colours::YCbCr; 2]);
        assert_eq!(colours(&[&adobe(0), &three]), Colours::Rgb);
        assert_eq!([1, 2, 9].map(|transform| colours(&[&adobe(transform), &rgb])), [Colours::YCbCr; 3]);
        assert_eq!([colours(&[&four]), colours(&[&adobe(0), &four])], [Colours::Cmyk; 2]);
        assert_eq!([1, 2, 9].map(|transform| colours(&[&adobe(transform), &four])), [Colours::Ycck; 3]);
    }

    #[test]
    fn what_stands_between_segments_is_skipped_as_libjpeg_does() {
        let segments = |between: &[u8]| {
            let frame = frame(0xc0, 8, 8, 8, &[0x11]);
            JpegProbe::read(&file(&[between.to_vec(), frame]))
        };
        for between in [&b"\xff"[..], b"\xff\xff\xff", b"abc", b"\xff\0", b"\xff\0\xff", b"\xff\xff\0\0\xff\0"] {
            assert_eq!(segments(between).unwrap().width, 8, "{between:?}");
        }
        // If the first two bytes were a marker, the segment that is longer than the file would be part of its body.
        let refusal = segments(b"\xff\0\0\x06\xff\xe2\xff\xff").unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::Corrupt);
    }

    #[test]
    fn every_cut_of_a_header_is_corrupt() {
        let whole = file(&[frame(0xc0, 8, 8, 8, &[0x11, 0x11, 0x11])]);
        for length in 2..whole.len() {
            assert_eq!(
                JpegProbe::read(&whole[..length]).unwrap_err().reason,
                RefusalReason::Corrupt,
                "cut at {length}"
            );
        }
    }
}
