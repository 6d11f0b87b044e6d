//! The current tables while a JPEG is read: quantisation, Huffman codes, arithmetic conditioning, restart interval.

use super::arithmetic::Conditioning;
use super::damage::Damage;
use super::huffman::Huffman;

/// A Huffman table as stored in its segment: the number of codes of each length, and the symbols.
#[derive(Clone, Copy)]
struct Codes<'a> {
    counts: &'a [u8; 16],
    symbols: &'a [u8],
}

/// Tables by the indices that scan headers use.
pub(super) struct Tables<'a> {
    quantisation: [Option<[u16; 64]>; 4],
    dc: [Option<Codes<'a>>; 4],
    ac: [Option<Codes<'a>>; 4],
    /// The conditioning of arithmetic coding.
    pub(super) conditioning: Conditioning,
    /// MCUs between two restart markers of a scan; zero without restart markers.
    pub(super) restart_interval: usize,
}

impl Default for Tables<'_> {
    /// No quantisation tables, and the typical Huffman tables, which cameras that write motion JPEG leave out.
    fn default() -> Self {
        Self {
            quantisation: [None; 4],
            dc: [Some(TYPICAL_LUMA_DC), Some(TYPICAL_CHROMA_DC), None, None],
            ac: [Some(TYPICAL_LUMA_AC), Some(TYPICAL_CHROMA_AC), None, None],
            conditioning: Conditioning::default(),
            restart_interval: 0,
        }
    }
}

impl<'a> Tables<'a> {
    /// Reads a DHT segment. A table is built when a scan uses it.
    pub(super) fn read_huffman(&mut self, mut body: &'a [u8]) -> Result<(), Damage> {
        while let Some((head, rest)) = body.split_first_chunk::<17>() {
            let [class, counts @ ..] = head;
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let (symbols, rest) = rest.split_at_checked(count).ok_or(Damage::SegmentLength)?;
            let tables = match class >> 4 {
                0 => &mut self.dc,
                1 => &mut self.ac,
                _ => return Err(Damage::Parameter),
            };
            *tables.get_mut(usize::from(class & 15)).ok_or(Damage::Parameter)? = Some(Codes { counts, symbols });
            body = rest;
        }
        if body.is_empty() { Ok(()) } else { Err(Damage::SegmentLength) }
    }

    /// Reads a DQT segment.
    pub(super) fn read_quantisation(&mut self, mut body: &[u8]) -> Result<(), Damage> {
        while let Some((&name, rest)) = body.split_first() {
            // As in libjpeg, any precision but 0 means 16 bits.
            let width = if name >> 4 == 0 { 1 } else { 2 };
            let (values, rest) = rest.split_at_checked(64 * width).ok_or(Damage::SegmentLength)?;
            let value = |bytes: &[u8]| bytes.iter().fold(0, |value, &byte| value << 8 | u16::from(byte));
            let mut table = [0; 64];
            table.iter_mut().zip(values.chunks_exact(width)).for_each(|(own, bytes)| *own = value(bytes));
            *self.quantisation.get_mut(usize::from(name & 15)).ok_or(Damage::Parameter)? = Some(table);
            body = rest;
        }
        Ok(())
    }

    /// Reads a DRI segment.
    pub(super) fn read_restart_interval(&mut self, body: &[u8]) -> Result<(), Damage> {
        self.restart_interval = usize::from(u16::from_be_bytes(body.try_into().map_err(|_| Damage::SegmentLength)?));
        Ok(())
    }

    /// The quantisation table with this index, in zigzag order.
    pub(super) fn quantisation(&self, number: u8) -> Result<&[u16; 64], Damage> {
        self.quantisation.get(usize::from(number)).and_then(Option::as_ref).ok_or(Damage::MissingTable)
    }

    /// The DC Huffman table with this index.
    pub(super) fn dc(&self, number: u8) -> Result<Huffman, Damage> {
        built(&self.dc, number)
    }

    /// The AC Huffman table with this index.
    pub(super) fn ac(&self, number: u8) -> Result<Huffman, Damage> {
        built(&self.ac, number)
    }
}

fn built(tables: &[Option<Codes<'_>>; 4], number: u8) -> Result<Huffman, Damage> {
    let codes = tables.get(usize::from(number)).copied().flatten().ok_or(Damage::MissingTable)?;
    Huffman::new(codes.counts, codes.symbols)
}

/// T.81, table K.3.
const TYPICAL_LUMA_DC: Codes<'_> = Codes {
    counts: &[0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// T.81, table K.4.
const TYPICAL_CHROMA_DC: Codes<'_> = Codes {
    counts: &[0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
    symbols: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
};

/// T.81, table K.5.
const TYPICAL_LUMA_AC: Codes<'_> = Codes {
    counts: &[0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125],
    symbols: b"\x01\x02\x03\x00\x04\x11\x05\x12\x21\x31\x41\x06\x13\x51\x61\x07\x22\x71\x14\x32\x81\x91\xa1\x08\
        \x23\x42\xb1\xc1\x15\x52\xd1\xf0\x24\x33\x62\x72\x82\x09\x0a\x16\x17\x18\x19\x1a\x25\x26\x27\x28\x29\x2a\
        \x34\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\x65\
        \x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x83\x84\x85\x86\x87\x88\x89\x8a\x92\x93\x94\x95\x96\
        \x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\xc4\xc5\
        \xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf1\xf2\
        \xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa",
};

/// T.81, table K.6.
const TYPICAL_CHROMA_AC: Codes<'_> = Codes {
    counts: &[0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119],
    symbols: b"\x00\x01\x02\x03\x11\x04\x05\x21\x31\x06\x12\x41\x51\x07\x61\x71\x13\x22\x32\x81\x08\x14\x42\x91\
        \xa1\xb1\xc1\x09\x23\x33\x52\xf0\x15\x62\x72\xd1\x0a\x16\x24\x34\xe1\x25\xf1\x17\x18\x19\x1a\x26\x27\x28\
        \x29\x2a\x35\x36\x37\x38\x39\x3a\x43\x44\x45\x46\x47\x48\x49\x4a\x53\x54\x55\x56\x57\x58\x59\x5a\x63\x64\
        \x65\x66\x67\x68\x69\x6a\x73\x74\x75\x76\x77\x78\x79\x7a\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x92\x93\x94\
        \x95\x96\x97\x98\x99\x9a\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xc2\xc3\
        \xc4\xc5\xc6\xc7\xc8\xc9\xca\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xf2\
        \xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa",
};

#[cfg(test)]
mod tests {
    use turbojpeg::{Compressor, Image, PixelFormat};

    use super::super::markers::Segments;
    use super::*;

    #[test]
    fn the_typical_tables_are_those_that_libjpeg_writes() {
        let pixels = [9; 3 * 16 * 16];
        let image = Image { pixels: &pixels[..], width: 16, pitch: 48, height: 16, format: PixelFormat::RGB };
        let bytes = Compressor::new().unwrap().compress_to_vec(image).unwrap();
        let segments = Segments::new(&bytes);
        let (mut written, typical) = (Tables::default(), Tables::default());
        (written.dc, written.ac) = ([None; 4], [None; 4]);
        for segment in segments {
            if segment.marker == 0xc4 {
                written.read_huffman(&bytes[segment.body]).unwrap();
            }
        }
        let plain = |codes: Option<Codes<'_>>| codes.map(|codes| (*codes.counts, codes.symbols.to_vec()));
        for number in 0..4 {
            assert_eq!(plain(written.dc[number]), plain(typical.dc[number]), "DC {number}");
            assert_eq!(plain(written.ac[number]), plain(typical.ac[number]), "AC {number}");
        }
    }
}
