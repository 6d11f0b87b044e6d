//! The frame header of a JPEG: its components, and which of their coefficients were read (T.81, B.2.2).

use super::damage::Damage;
use super::tables::Tables;

/// Components of one frame at most: the inks of CMYK.
pub(super) const MAX_COMPONENTS: usize = 4;

/// A frame header as stored, with unchecked values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// Bits per sample.
    pub precision: u8,
    /// Samples per line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// The components in the header's order.
    pub components: Vec<FrameComponent>,
}

/// A component in a [`FrameHeader`], as the file states it: its values may be invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameComponent {
    /// The component identifier, used by scan headers.
    pub id: u8,
    /// Horizontal sampling factor; 1 to 4 is valid.
    pub horizontal: u8,
    /// Vertical sampling factor; 1 to 4 is valid.
    pub vertical: u8,
    /// The index of its quantisation table.
    pub quantisation_table: u8,
}

impl FrameHeader {
    /// Reads the parameters of a frame's marker segment, without a check of their values.
    ///
    /// # Errors
    /// [`Damage::SegmentLength`] when they are cut short.
    pub fn read(body: &[u8]) -> Result<Self, Damage> {
        let &[precision, h0, h1, w0, w1, count] = body.first_chunk().ok_or(Damage::SegmentLength)?;
        let (triples, _) = body[6..].as_chunks::<3>();
        let triples = triples.get(..count.into()).ok_or(Damage::SegmentLength)?;
        let component = |&[id, sampling, quantisation_table]: &[u8; 3]| FrameComponent {
            id,
            horizontal: sampling >> 4,
            vertical: sampling & 15,
            quantisation_table,
        };
        let (height, width) = (u16::from_be_bytes([h0, h1]), u16::from_be_bytes([w0, w1]));
        Ok(Self { precision, width, height, components: triples.iter().map(component).collect() })
    }
}

/// One component of the picture.
pub(super) struct Component {
    id: u8,
    /// Blocks per MCU of an interleaved scan, across and down.
    pub(super) sampling: (usize, usize),
    /// The index of its quantisation table.
    table: u8,
    /// Blocks that cover the picture, across and down.
    pub(super) blocks: (usize, usize),
    /// MCUs of an interleaved scan, across and down.
    pub(super) mcus: (usize, usize),
    /// In zigzag order, as defined when the component's first scan began.
    pub(super) quantisation: Option<[u16; 64]>,
    /// For each coefficient, how many of its lowest bits are still missing; `None` before its first scan.
    missing_bits: [Option<u8>; 64],
}

impl Component {
    /// Blocks per row, including the padding of the last MCU.
    pub(super) const fn stride(&self) -> usize {
        self.mcus.0 * self.sampling.0
    }

    /// Rows of blocks, including the padding of the last MCU.
    pub(super) const fn rows(&self) -> usize {
        self.mcus.1 * self.sampling.1
    }

    /// Stores the quantisation table at the component's first scan.
    fn begin_scan(&mut self, tables: &Tables<'_>) -> Result<(), Damage> {
        if self.quantisation.is_none() {
            self.quantisation = Some(*tables.quantisation(self.table)?);
        }
        Ok(())
    }

    /// Records a sequential scan, which contains all coefficients. A second one replaces the first.
    pub(super) fn begin_sequential_scan(&mut self, tables: &Tables<'_>) -> Result<(), Damage> {
        self.missing_bits = [Some(0); 64];
        self.begin_scan(tables)
    }

    /// Records that a scan contains bits of the coefficients `first` to `last`: successive approximation from `high`
    /// (Ah) to `low` (Al). A `high` of zero means their first scan.
    pub(super) fn begin_progressive_scan(
        &mut self,
        (first, last): (u8, u8),
        (high, low): (u8, u8),
        tables: &Tables<'_>,
    ) -> Result<(), Damage> {
        self.begin_scan(tables)?;
        if first > 0 && self.missing_bits[0].is_none() {
            return Err(Damage::Progression);
        }
        for missing in &mut self.missing_bits[first.into()..=last.into()] {
            let is_next = if high == 0 { missing.is_none() } else { *missing == Some(high) };
            if !is_next {
                return Err(Damage::Progression);
            }
            *missing = Some(low);
        }
        Ok(())
    }
}

/// The frame: the components of the picture.
pub(super) struct Frame {
    pub(super) components: Vec<Component>,
}

impl Frame {
    /// Reads a frame header; accepts only eight bits a sample.
    pub(super) fn read(body: &[u8]) -> Result<Self, Damage> {
        let FrameHeader { precision, width, height, components } = FrameHeader::read(body)?;
        let (width, height) = (usize::from(width), usize::from(height));
        let sampling = |own: &FrameComponent| (usize::from(own.horizontal), usize::from(own.vertical));
        let is_possible = components.iter().map(sampling).all(|(h, v)| (1..=4).contains(&h) && (1..=4).contains(&v));
        let has_components = (1..=MAX_COMPONENTS).contains(&components.len());
        if precision != 8 || !is_possible || !has_components || height == 0 || width == 0 {
            return Err(Damage::Parameter);
        }
        let most = components.iter().map(sampling).fold((0, 0), |most, own| (most.0.max(own.0), most.1.max(own.1)));
        let mcus = (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1));
        let component = |header: &FrameComponent| {
            let sampling = sampling(header);
            let touched = |side: usize, own: usize, most: usize| (side * own).div_ceil(8 * most);
            Component {
                id: header.id,
                sampling,
                table: header.quantisation_table,
                blocks: (touched(width, sampling.0, most.0), touched(height, sampling.1, most.1)),
                mcus,
                quantisation: None,
                missing_bits: [None; 64],
            }
        };
        Ok(Self { components: components.iter().map(component).collect() })
    }

    /// The components in a scan header, as indices with table selectors, and the rest of the header. If several
    /// components have the same id, they are used in turn, as in libjpeg.
    pub(super) fn scan_components<'b>(&self, body: &'b [u8]) -> Result<(Vec<ScanComponent>, &'b [u8]), Damage> {
        let (&count, rest) = body.split_first().ok_or(Damage::SegmentLength)?;
        let (chosen, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or(Damage::SegmentLength)?;
        if !(1..=self.components.len()).contains(&count.into()) {
            return Err(Damage::Component);
        }
        let mut found: Vec<ScanComponent> = Vec::with_capacity(count.into());
        for &[id, tables] in chosen.as_chunks::<2>().0 {
            let is_free = |index: usize| found.iter().all(|other| other.index != index);
            let index = (0..self.components.len()).find(|&index| self.components[index].id == id && is_free(index));
            let index = index.ok_or(Damage::Component)?;
            found.push(ScanComponent { index, dc_table: tables >> 4, ac_table: tables & 15 });
        }
        Ok((found, rest))
    }

    /// The number of MCUs in a scan of these components, across and down. In a scan of a single component, an MCU is
    /// one block, without the padding of interleaved MCUs.
    pub(super) fn mcus_of(&self, components: &[ScanComponent]) -> (usize, usize) {
        match components {
            [only] => self.components[only.index].blocks,
            _ => self.components[0].mcus,
        }
    }

    /// Whether every component has a scan.
    pub(super) fn has_all_components(&self) -> bool {
        self.components.iter().all(|component| component.missing_bits[0].is_some())
    }

    /// Whether every bit of every coefficient was read.
    pub(super) fn is_complete(&self) -> bool {
        self.components.iter().all(|component| component.missing_bits == [Some(0); 64])
    }
}

/// A component in a scan header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanComponent {
    /// Its index in the frame.
    pub(super) index: usize,
    pub(super) dc_table: u8,
    pub(super) ac_table: u8,
}
