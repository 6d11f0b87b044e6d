//! What stands between the scans of a progressive JPEG: the frame's header, and tables.

use std::sync::Arc;

use super::Unusual;
use super::huffman::Huffman;

/// The marker segments of a file, one after another without a byte between them.
pub(super) struct Segments<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, Unusual> {
        if bytes.starts_with(b"\xff\xd8") { Ok(Self { bytes, at: 2 }) } else { Err(Unusual) }
    }

    /// The next marker and what belongs to it.
    pub(super) fn next(&mut self) -> Result<(u8, &'a [u8]), Unusual> {
        let rest = self.bytes.get(self.at..).ok_or(Unusual)?;
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        let marker = *rest.get(fill).filter(|_| fill > 0).ok_or(Unusual)?;
        let behind = &rest[fill + 1..];
        self.at += fill + 1;
        if marker == 0xd9 {
            return Ok((marker, &[]));
        }
        let length = usize::from(u16::from_be_bytes(*behind.first_chunk().ok_or(Unusual)?));
        let body = behind.get(2..length).ok_or(Unusual)?;
        self.at += length;
        Ok((marker, body))
    }
}

/// One component of the picture.
pub(super) struct Component {
    id: u8,
    /// Blocks of each unit of an interleaved scan, across and down.
    pub(super) sampling: (usize, usize),
    table: u8,
    /// Blocks that the picture touches, across and down.
    pub(super) blocks: (usize, usize),
    /// Units of an interleaved scan, across and down.
    pub(super) units: (usize, usize),
    /// In zigzag order, as it was when the component's first scan began.
    pub(super) quantisation: Option<[u16; 64]>,
    /// For each coefficient, how many of its last bits are still to come; nothing before its first scan.
    missing: [Option<u8>; 64],
}

impl Component {
    /// Blocks from one row to the next, those that fill up the last unit included.
    pub(super) const fn stride(&self) -> usize {
        self.units.0 * self.sampling.0
    }

    /// Rows of blocks, those that fill up the last unit included.
    pub(super) const fn rows(&self) -> usize {
        self.units.1 * self.sampling.1
    }

    /// Notes that a scan brings the band's bits from `high` on down to `low`.
    pub(super) fn advance(&mut self, first: u8, last: u8, high: u8, low: u8, tables: &Tables) -> Result<(), Unusual> {
        if self.quantisation.is_none() {
            self.quantisation = Some(*tables.quantisation(self.table)?);
        }
        if first > 0 && self.missing[0].is_none() {
            return Err(Unusual);
        }
        for missing in &mut self.missing[first.into()..=last.into()] {
            // A first scan says zero.
            let is_next = if high == 0 { missing.is_none() } else { *missing == Some(high) };
            if !is_next {
                return Err(Unusual);
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
    /// Reads a frame header of eight bits a sample.
    pub(super) fn read(body: &[u8]) -> Result<Self, Unusual> {
        let &[8, h0, h1, w0, w1, count] = body.first_chunk().ok_or(Unusual)? else { return Err(Unusual) };
        let (height, width) = (usize::from(u16::from_be_bytes([h0, h1])), usize::from(u16::from_be_bytes([w0, w1])));
        let (triples, rest) = body[6..].as_chunks::<3>();
        let is_known = matches!(count, 1 | 3) && triples.len() == usize::from(count) && rest.is_empty();
        if !is_known || height == 0 || width == 0 {
            return Err(Unusual);
        }
        let sampling = |triple: &[u8; 3]| (usize::from(triple[1] >> 4), usize::from(triple[1] & 15));
        let most = triples.iter().map(sampling).fold((0, 0), |most, own| (most.0.max(own.0), most.1.max(own.1)));
        let has_plain_chroma = triples[1..].iter().all(|triple| triple[1] == 0x11);
        let is_possible = triples.iter().map(sampling).all(|(h, v)| (1..=4).contains(&h) && (1..=4).contains(&v));
        if !is_possible || !has_plain_chroma {
            return Err(Unusual);
        }
        let units = (width.div_ceil(8 * most.0), height.div_ceil(8 * most.1));
        let component = |triple: &[u8; 3]| {
            let sampling = sampling(triple);
            let touched = |side: usize, own: usize, most: usize| (side * own).div_ceil(8 * most);
            Component {
                id: triple[0],
                sampling,
                table: triple[2],
                blocks: (touched(width, sampling.0, most.0), touched(height, sampling.1, most.1)),
                units,
                quantisation: None,
                missing: [None; 64],
            }
        };
        Ok(Self { components: triples.iter().map(component).collect() })
    }

    /// Where the component with this name stands.
    pub(super) fn place(&self, id: u8) -> Result<usize, Unusual> {
        self.components.iter().position(|component| component.id == id).ok_or(Unusual)
    }

    /// Whether every bit of every coefficient has come.
    pub(super) fn is_complete(&self) -> bool {
        self.components.iter().all(|component| component.missing == [Some(0); 64])
    }
}

/// The tables that are in force.
#[derive(Default)]
pub(super) struct Tables {
    quantisation: [Option<[u16; 64]>; 4],
    dc: [Option<Arc<Huffman>>; 4],
    ac: [Option<Arc<Huffman>>; 4],
    /// Units of a scan from one restart marker to the next; zero where there are none.
    pub(super) restart_interval: usize,
}

impl Tables {
    pub(super) fn read_huffman(&mut self, mut body: &[u8]) -> Result<(), Unusual> {
        while let Some((head, rest)) = body.split_first_chunk::<17>() {
            let [class, counts @ ..] = head;
            let (symbols, rest) =
                rest.split_at_checked(counts.iter().map(|&count| usize::from(count)).sum()).ok_or(Unusual)?;
            let tables = match class >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(Unusual),
            };
            let table = Huffman::new(counts, symbols)?;
            *tables.get_mut(usize::from(class & 15)).ok_or(Unusual)? = Some(Arc::new(table));
            body = rest;
        }
        if body.is_empty() { Ok(()) } else { Err(Unusual) }
    }

    pub(super) fn read_quantisation(&mut self, mut body: &[u8]) -> Result<(), Unusual> {
        while let Some((&name, rest)) = body.split_first() {
            let width = 1 + usize::from(name >> 4);
            let (values, rest) = rest.split_at_checked(64 * width).filter(|_| width <= 2).ok_or(Unusual)?;
            let value = |bytes: &[u8]| bytes.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
            let mut table = [0; 64];
            table.iter_mut().zip(values.chunks_exact(width)).for_each(|(own, bytes)| *own = value(bytes));
            if table.contains(&0) {
                return Err(Unusual);
            }
            *self.quantisation.get_mut(usize::from(name & 15)).ok_or(Unusual)? = Some(table);
            body = rest;
        }
        Ok(())
    }

    pub(super) fn read_restart_interval(&mut self, body: &[u8]) -> Result<(), Unusual> {
        self.restart_interval = usize::from(u16::from_be_bytes(body.try_into().map_err(|_| Unusual)?));
        Ok(())
    }

    fn quantisation(&self, name: u8) -> Result<&[u16; 64], Unusual> {
        self.quantisation.get(usize::from(name)).and_then(Option::as_ref).ok_or(Unusual)
    }

    pub(super) fn dc(&self, name: u8) -> Result<Arc<Huffman>, Unusual> {
        self.dc.get(usize::from(name)).cloned().flatten().ok_or(Unusual)
    }

    pub(super) fn ac(&self, name: u8) -> Result<Arc<Huffman>, Unusual> {
        self.ac.get(usize::from(name)).cloned().flatten().ok_or(Unusual)
    }
}
