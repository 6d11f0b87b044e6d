//! The header of a JPEG: every marker segment up to the first scan.

use std::ops::Range;

use super::super::{FIXED_BYTES, Header, Refusal, exif, jpeg};
use super::{corrupt, largest, refuse, unsupported};
use crate::recipe::{Format, Recipe};
use crate::record::Reason;

/// What libjpeg-turbo takes at most, on each side.
pub(in super::super) const MAX_SIDE: u16 = 65_500;
/// Scans of one image at most. Encoders write about ten; each costs a pass over all coefficients.
const MAX_SCANS: usize = 64;
/// Marker segments before the first scan at most.
const MAX_SEGMENTS: usize = 4096;

/// How a frame is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Coding {
    /// One pass over the picture, Huffman or arithmetic.
    Sequential,
    /// Several passes, each of which refines the last.
    Progressive,
}

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Colours {
    Gray,
    YCbCr,
    Rgb,
    /// CMYK or YCCK.
    FourInks,
}

/// One component's sampling factors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Sampling {
    pub(in super::super) horizontal: u8,
    pub(in super::super) vertical: u8,
}

/// What a JPEG's header says.
#[derive(Clone, Debug)]
pub(in super::super) struct JpegProbe {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) orientation: u8,
    pub(in super::super) coding: Coding,
    pub(in super::super) colours: Colours,
    pub(in super::super) sampling: Vec<Sampling>,
    /// Whether the first scan leaves out components, so that all coefficients must be kept until the last scan.
    pub(in super::super) is_multi_scan: bool,
    /// Where the parts of the embedded profile lie, in order.
    pub(in super::super) profile: Vec<Range<usize>>,
    first_scan: usize,
}

impl JpegProbe {
    /// Reads the segments before the first scan.
    pub(in super::super) fn read(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut found = Found::default();
        let mut segments = Segments { bytes, at: 2 };
        for _ in 0..MAX_SEGMENTS {
            let (marker, body) = segments.next()?;
            if let Some(scan) = found.take(bytes, marker, body)? {
                return found.into_probe(scan);
            }
        }
        Err(corrupt(format!("more than {MAX_SEGMENTS} segments before the picture")))
    }

    pub(super) fn header(&self, recipe: &Recipe) -> Header {
        Header {
            format: Format::Jpeg,
            width: self.width,
            height: self.height,
            orientation: self.orientation,
            decode_bytes: FIXED_BYTES + jpeg::decode_bytes(self, largest(recipe, self.width, self.height)),
        }
    }

    /// The embedded profile; empty where there is none.
    pub(in super::super) fn profile_in(&self, bytes: &[u8]) -> Vec<u8> {
        self.profile.iter().filter_map(|part| bytes.get(part.clone())).flatten().copied().collect()
    }

    /// A progressive picture of four inks, for a test.
    #[cfg(test)]
    pub(in super::super) fn of_inks(width: u32, height: u32, factors: &[(u8, u8)]) -> Self {
        let sampling = factors.iter().map(|&(horizontal, vertical)| Sampling { horizontal, vertical }).collect();
        let (coding, colours) = (Coding::Progressive, Colours::FourInks);
        let (profile, first_scan, orientation) = (Vec::new(), 0, 1);
        Self { width, height, orientation, coding, colours, sampling, is_multi_scan: true, profile, first_scan }
    }

    /// What only a look at the whole file shows: how many scans there are.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), Refusal> {
        if self.coding == Coding::Sequential {
            return Ok(());
        }
        let rest = bytes.get(self.first_scan..).unwrap_or_default();
        let markers = rest.windows(2).filter(|pair| pair[0] == 0xff).map(|pair| pair[1]);
        let scans = markers.take_while(|&marker| marker != 0xd9).filter(|&marker| marker == 0xda).take(MAX_SCANS + 1);
        if scans.count() > MAX_SCANS { Err(corrupt(format!("more than {MAX_SCANS} scans"))) } else { Ok(()) }
    }

    /// Coefficients of all components, the last blocks filled up.
    pub(in super::super) fn coefficients(&self) -> u64 {
        let most = |of: fn(&Sampling) -> u8| u64::from(self.sampling.iter().map(of).max().unwrap_or(1)).max(1);
        let (horizontal, vertical) = (most(|s| s.horizontal), most(|s| s.vertical));
        let units = u64::from(self.width).div_ceil(8 * horizontal) * u64::from(self.height).div_ceil(8 * vertical);
        let blocks: u64 = self.sampling.iter().map(|s| u64::from(s.horizontal) * u64::from(s.vertical)).sum();
        units * blocks * 64
    }
}

/// Walks over marker segments.
struct Segments<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Segments<'_> {
    /// The next marker and where its body lies.
    fn next(&mut self) -> Result<(u8, Range<usize>), Refusal> {
        let ends = || corrupt("the file ends before its picture begins");
        // Any number of fill bytes may stand before a marker; libjpeg skips other bytes too, with a warning, and a fill byte
        // before a zero is one of those.
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = rest.windows(2).position(|pair| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xff));
        self.at += found.ok_or_else(ends)?;
        let marker = self.bytes[self.at + 1];
        self.at += 2;
        if matches!(marker, 0x01 | 0xd0..=0xd8) {
            return Ok((marker, self.at..self.at));
        }
        let length = self.bytes.get(self.at..self.at + 2).ok_or_else(ends)?;
        let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let body = self.at + 2..self.at + length.max(2);
        if body.end > self.bytes.len() {
            return Err(ends());
        }
        self.at = body.end;
        Ok((marker, body))
    }
}

/// What the segments told so far.
#[derive(Default)]
struct Found {
    frame: Option<Frame>,
    orientation: Option<u8>,
    adobe_transform: Option<u8>,
    has_jfif: bool,
    profile: Vec<(u8, Range<usize>)>,
}

struct Frame {
    marker: u8,
    width: u16,
    height: u16,
    ids: Vec<u8>,
    sampling: Vec<Sampling>,
}

/// The first scan: where it begins, and how many components are in it.
struct Scan {
    at: usize,
    components: u8,
}

impl Found {
    /// Takes a segment in; returns the first scan when it is reached.
    fn take(&mut self, bytes: &[u8], marker: u8, at: Range<usize>) -> Result<Option<Scan>, Refusal> {
        let body = &bytes[at.clone()];
        match marker {
            0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf if self.frame.is_none() => {
                self.frame = Some(Frame::read(marker, body)?);
            }
            0xda => return Ok(Some(Scan { at: at.start - 4, components: body.first().copied().unwrap_or(0) })),
            0xd9 => return Err(corrupt("the file ends before its picture begins")),
            0xe0 if body.starts_with(b"JFIF\0") => self.has_jfif = true,
            0xe1 if body.starts_with(b"Exif\0") && self.orientation.is_none() => {
                self.orientation = body.get(6..).map(exif::orientation);
            }
            0xe2 if body.starts_with(b"ICC_PROFILE\0") && body.len() > 14 => {
                self.profile.push((body[12], at.start + 14..at.end));
            }
            0xee if body.starts_with(b"Adobe") => self.adobe_transform = body.get(11).copied(),
            _ => {}
        }
        Ok(None)
    }

    fn into_probe(mut self, scan: Scan) -> Result<JpegProbe, Refusal> {
        let colours = self.colours()?;
        let frame = self.frame.ok_or_else(|| corrupt("a scan without a frame"))?;
        self.profile.sort_by_key(|(number, _)| *number);
        Ok(JpegProbe {
            width: frame.width.into(),
            height: frame.height.into(),
            orientation: self.orientation.unwrap_or(1),
            coding: if frame.is_progressive() { Coding::Progressive } else { Coding::Sequential },
            colours,
            is_multi_scan: usize::from(scan.components) < frame.sampling.len(),
            sampling: frame.sampling,
            profile: self.profile.into_iter().map(|(_, range)| range).collect(),
            first_scan: scan.at,
        })
    }

    /// What the components mean, by libjpeg's rules: JFIF, then Adobe's marker, then the components' names.
    fn colours(&self) -> Result<Colours, Refusal> {
        let ids = self.frame.as_ref().map(|frame| frame.ids.as_slice()).unwrap_or_default();
        match ids.len() {
            1 => Ok(Colours::Gray),
            3 if self.has_jfif => Ok(Colours::YCbCr),
            3 if self.adobe_transform.is_some() => {
                Ok(if self.adobe_transform == Some(0) { Colours::Rgb } else { Colours::YCbCr })
            }
            3 => Ok(if ids == b"RGB" { Colours::Rgb } else { Colours::YCbCr }),
            4 => Ok(Colours::FourInks),
            0 => Err(corrupt("a scan without a frame")),
            count => Err(unsupported(format!("a JPEG of {count} components"))),
        }
    }
}

impl Frame {
    fn read(marker: u8, body: &[u8]) -> Result<Self, Refusal> {
        let short = || corrupt("the frame header is cut short");
        let fixed: &[u8; 6] = body.first_chunk().ok_or_else(short)?;
        let components = body.get(6..6 + 3 * usize::from(fixed[5])).ok_or_else(short)?;
        let (triples, _) = components.as_chunks::<3>();
        let frame = Self {
            marker,
            height: u16::from_be_bytes([fixed[1], fixed[2]]),
            width: u16::from_be_bytes([fixed[3], fixed[4]]),
            ids: triples.iter().map(|triple| triple[0]).collect(),
            sampling: triples
                .iter()
                .map(|triple| Sampling { horizontal: triple[1] >> 4, vertical: triple[1] & 15 })
                .collect(),
        };
        frame.check(fixed[0])?;
        Ok(frame)
    }

    fn check(&self, precision: u8) -> Result<(), Refusal> {
        match self.marker {
            0xc0 | 0xc1 | 0xc2 | 0xc9 | 0xca => {}
            0xc3 | 0xcb => return Err(unsupported("a lossless JPEG")),
            _ => return Err(unsupported("a hierarchical JPEG")),
        }
        if precision != 8 {
            return Err(unsupported(format!("a JPEG of {precision} bits a sample")));
        }
        if self.width > MAX_SIDE || self.height > MAX_SIDE {
            let detail = format!("a JPEG of {} x {} pixels, the limit is {MAX_SIDE} a side", self.width, self.height);
            return Err(refuse(Reason::TooManyPixels, detail));
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
        assert!(!probe.is_multi_scan);
        assert_eq!(probe.coefficients(), 4032 * 3024 * 3 / 2);
    }

    #[test]
    fn profile_parts_are_put_in_order() {
        let part = |number: u8, text: &[u8]| segment(0xe2, &[b"ICC_PROFILE\0", &[number, 2][..], text].concat());
        let bytes = file(&[part(2, b"def"), part(1, b"abc"), frame(0xc0, 8, 8, 8, &[0x11])]);
        let probe = JpegProbe::read(&bytes).unwrap();
        let profile: Vec<u8> = probe.profile.iter().flat_map(|range| bytes[range.clone()].to_vec()).collect();
        assert_eq!(profile, b"abcdef");
    }

    #[test]
    fn what_cannot_be_decoded_is_told_apart() {
        let reason = |frame: Vec<u8>| JpegProbe::read(&file(&[frame])).unwrap_err().reason;
        assert_eq!(reason(frame(0xc1, 12, 8, 8, &[0x11])), Reason::UnsupportedType);
        assert_eq!(reason(frame(0xc3, 8, 8, 8, &[0x11])), Reason::UnsupportedType);
        assert_eq!(reason(frame(0xc5, 8, 8, 8, &[0x11])), Reason::UnsupportedType);
        assert_eq!(reason(frame(0xc0, 8, 8, 8, &[0x11, 0x11])), Reason::UnsupportedType);
        assert_eq!(reason(frame(0xc0, 8, 65_535, 8, &[0x11])), Reason::TooManyPixels);
        assert_eq!(reason(frame(0xc0, 8, 8, 8, &[0x50])), Reason::Corrupt);
        assert_eq!(reason(segment(0xc0, &[8, 0, 8])), Reason::Corrupt);
        assert_eq!(reason(Vec::new()), Reason::Corrupt);
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
        // Were the first two bytes a marker, the segment that is longer than the file would be a part of its body.
        let refusal = segments(b"\xff\0\0\x06\xff\xe2\xff\xff").unwrap_err();
        assert_eq!(refusal.reason, Reason::Corrupt);
    }

    #[test]
    fn every_cut_of_a_header_is_corrupt() {
        let whole = file(&[frame(0xc0, 8, 8, 8, &[0x11, 0x11, 0x11])]);
        for length in 2..whole.len() {
            assert_eq!(JpegProbe::read(&whole[..length]).unwrap_err().reason, Reason::Corrupt, "cut at {length}");
        }
    }
}
