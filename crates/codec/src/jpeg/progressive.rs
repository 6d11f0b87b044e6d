//! One scan of a progressive JPEG: some bits of some coefficients, for every block of one or several components.

use std::sync::Arc;

use super::arithmetic::Decoder;
use super::arithmetic_blocks::{Predictor, Statistics};
use super::bits::Bits;
use super::damage::Damage;
use super::frame::{Frame, MAX_COMPONENTS, ScanComponent};
use super::huffman::Huffman;
use super::progressive_blocks::Blocks;
use super::restarts::{Restarts, ScanEnd};
use super::tables::Tables;
use super::{Band, Error};
use crate::Stop;
use crate::dispatch::dispatched;

/// The kind of data in a scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    FirstDc,
    RefineDc,
    FirstAc,
    RefineAc,
}

/// A scan with a parsed header.
pub(super) struct Scan {
    kind: Kind,
    components: Vec<ScanComponent>,
    band: Band,
    restart_interval: usize,
    is_arithmetic: bool,
}

/// The entropy decoder of a scan, with the state that it carries from block to block.
trait Coder {
    /// Moves after a restart marker; returns its number.
    fn restart(&mut self) -> Result<u8, Damage>;
    /// Reads consecutive blocks of one component in one row.
    fn blocks<const K: usize>(
        &mut self,
        scan: &Scan,
        position: usize,
        run: std::ops::Range<usize>,
        blocks: &mut Blocks<K>,
    ) -> Result<(), Damage>;
    fn is_overrun(&self) -> bool;
    fn end(&self) -> Result<ScanEnd, Damage>;
}

impl Scan {
    /// Reads the scan header, and records the scan in the frame.
    pub(super) fn read(
        body: &[u8],
        frame: &mut Frame,
        tables: &Tables<'_>,
        is_arithmetic: bool,
    ) -> Result<Self, Damage> {
        let (components, rest) = frame.scan_components(body)?;
        let &[first, last, bits] = rest.first_chunk().ok_or(Damage::SegmentLength)?;
        let (high, low) = (bits >> 4, bits & 15);
        let is_dc = first == 0;
        let is_band = if is_dc { last == 0 } else { first <= last && last < 64 && components.len() == 1 };
        if !is_band || low > 13 || (high != 0 && high != low + 1) {
            return Err(Damage::Parameter);
        }
        for component in &components {
            frame.components[component.index].begin_progressive_scan((first, last), (high, low), tables)?;
        }
        let kind = match (is_dc, high) {
            (true, 0) => Kind::FirstDc,
            (true, _) => Kind::RefineDc,
            (false, 0) => Kind::FirstAc,
            (false, _) => Kind::RefineAc,
        };
        let band = Band { first: first.into(), last: last.into(), low: low.into() };
        Ok(Self { kind, components, band, restart_interval: tables.restart_interval, is_arithmetic })
    }

    /// Reads the scan's data into the blocks; returns its end.
    pub(super) fn run<const K: usize>(
        &self,
        (bytes, at): (&[u8], usize),
        frame: &Frame,
        tables: &Tables<'_>,
        blocks: &mut [Blocks<K>],
        stop: &Stop,
    ) -> Result<(ScanEnd, Restarts), Error> {
        if self.is_arithmetic {
            let coder = ArithmeticCoder::new(self, bytes, at, tables);
            return self.run_with(coder, frame, blocks, stop);
        }
        self.run_with(HuffmanCoder::new(self, bytes, at, tables)?, frame, blocks, stop)
    }

    fn run_with<const K: usize>(
        &self,
        mut coder: impl Coder,
        frame: &Frame,
        blocks: &mut [Blocks<K>],
        stop: &Stop,
    ) -> Result<(ScanEnd, Restarts), Error> {
        let mut restarts = Restarts::new(self.restart_interval);
        for row in 0..frame.mcus_of(&self.components).1 {
            stop.check()?;
            dispatched(
                #[inline(always)]
                || match self.components.as_slice() {
                    [only] => self.row_of_blocks(row, frame, &mut blocks[only.index], &mut coder, &mut restarts),
                    _ => self.row_of_mcus(row, frame, blocks, &mut coder, &mut restarts),
                },
            )?;
            if coder.is_overrun() {
                return Err(Damage::EndsEarly.into());
            }
        }
        Ok((coder.end()?, restarts))
    }

    /// Reads a row of a non-interleaved scan, in runs between restart markers.
    #[inline(always)]
    fn row_of_blocks<const K: usize>(
        &self,
        row: usize,
        frame: &Frame,
        blocks: &mut Blocks<K>,
        coder: &mut impl Coder,
        restarts: &mut Restarts,
    ) -> Result<(), Damage> {
        let component = &frame.components[self.components[0].index];
        let first = row * component.stride();
        let (mut at, end) = (first, first + component.blocks.0);
        while at < end {
            if restarts.left == 0 {
                restarts.pass(coder.restart()?);
            }
            let run = at..end.min(at.saturating_add(restarts.left));
            restarts.left -= run.len();
            at = run.end;
            coder.blocks(self, 0, run, blocks)?;
        }
        Ok(())
    }

    /// Reads a row of MCUs of an interleaved scan, which contains only DC coefficients.
    #[inline(always)]
    fn row_of_mcus<const K: usize>(
        &self,
        row: usize,
        frame: &Frame,
        blocks: &mut [Blocks<K>],
        coder: &mut impl Coder,
        restarts: &mut Restarts,
    ) -> Result<(), Damage> {
        for mcu in 0..frame.components[0].mcus.0 {
            if restarts.left == 0 {
                restarts.pass(coder.restart()?);
            }
            restarts.left -= 1;
            for (position, &ScanComponent { index, .. }) in self.components.iter().enumerate() {
                let component = &frame.components[index];
                let (across, down) = component.sampling;
                for y in 0..down {
                    let first = (row * down + y) * component.stride() + mcu * across;
                    coder.blocks(self, position, first..first + across, &mut blocks[index])?;
                }
            }
        }
        Ok(())
    }
}

/// Huffman coding.
struct HuffmanCoder<'a> {
    bits: Bits<'a>,
    /// The table of each component of a DC scan, or the only table of an AC scan.
    tables: Vec<Arc<Huffman>>,
    /// The last DC coefficient of each component.
    last: [i32; MAX_COMPONENTS],
    /// The blocks left in the current EOB run.
    end_of_band_run: u32,
}

impl<'a> HuffmanCoder<'a> {
    fn new(scan: &Scan, bytes: &'a [u8], at: usize, tables: &Tables<'_>) -> Result<Self, Damage> {
        let chosen = |component: &ScanComponent| match scan.kind {
            Kind::FirstDc => tables.dc(component.dc_table).map(Arc::new),
            _ => tables.ac(component.ac_table).map(Arc::new),
        };
        let tables = match scan.kind {
            Kind::RefineDc => Vec::new(),
            _ => scan.components.iter().map(chosen).collect::<Result<_, _>>()?,
        };
        Ok(Self { bits: Bits::new(bytes, at), tables, last: [0; MAX_COMPONENTS], end_of_band_run: 0 })
    }
}

impl Coder for HuffmanCoder<'_> {
    fn restart(&mut self) -> Result<u8, Damage> {
        if self.end_of_band_run > 0 {
            return Err(Damage::MissingRestart);
        }
        let number;
        (self.bits, number) = self.bits.behind_restart()?;
        self.last = [0; MAX_COMPONENTS];
        Ok(number)
    }

    #[inline(always)]
    fn blocks<const K: usize>(
        &mut self,
        scan: &Scan,
        position: usize,
        run: std::ops::Range<usize>,
        blocks: &mut Blocks<K>,
    ) -> Result<(), Damage> {
        let (bits, empty, band) = (&mut self.bits, &mut self.end_of_band_run, scan.band);
        match scan.kind {
            Kind::FirstAc => blocks.first_ac(run, bits, &self.tables[0], empty, band),
            Kind::RefineAc => blocks.refine_ac(run, bits, &self.tables[0], empty, band),
            Kind::FirstDc => {
                for block in run {
                    blocks.first_dc(block, bits, &self.tables[position], &mut self.last[position], band.low)?;
                }
                Ok(())
            }
            Kind::RefineDc => {
                run.for_each(|block| blocks.refine_dc(block, bits, band.low));
                Ok(())
            }
        }
    }

    fn is_overrun(&self) -> bool {
        self.bits.is_overrun()
    }

    fn end(&self) -> Result<ScanEnd, Damage> {
        if self.end_of_band_run > 0 { Err(Damage::Code) } else { self.bits.end() }
    }
}

/// Arithmetic coding.
struct ArithmeticCoder<'a> {
    decoder: Decoder<'a>,
    statistics: Statistics,
    predictors: Vec<Predictor>,
}

impl<'a> ArithmeticCoder<'a> {
    fn new(scan: &Scan, bytes: &'a [u8], at: usize, tables: &Tables<'_>) -> Self {
        Self {
            decoder: Decoder::new(bytes, at),
            statistics: Statistics::new(tables.conditioning.clone()),
            predictors: scan.components.iter().map(Predictor::new).collect(),
        }
    }
}

impl Coder for ArithmeticCoder<'_> {
    fn restart(&mut self) -> Result<u8, Damage> {
        let number;
        (self.decoder, number) = self.decoder.behind_restart()?;
        self.statistics.restart();
        self.predictors.iter_mut().for_each(Predictor::restart);
        Ok(number)
    }

    fn blocks<const K: usize>(
        &mut self,
        scan: &Scan,
        position: usize,
        run: std::ops::Range<usize>,
        blocks: &mut Blocks<K>,
    ) -> Result<(), Damage> {
        let (decoder, band, table) = (&mut self.decoder, scan.band, scan.components[position].ac_table);
        for block in run {
            match scan.kind {
                Kind::FirstDc => {
                    let value = self.statistics.dc(decoder, &mut self.predictors[position])?;
                    blocks.values[block][0] = (value << band.low) as i16;
                }
                Kind::RefineDc => blocks.values[block][0] |= i16::from(decoder.decide_evenly()) << band.low,
                Kind::FirstAc => self.statistics.first_ac(decoder, table, (blocks, block), band)?,
                Kind::RefineAc => self.statistics.refine_ac(decoder, table, (blocks, block), band)?,
            }
        }
        Ok(())
    }

    fn is_overrun(&self) -> bool {
        self.decoder.is_overrun()
    }

    fn end(&self) -> Result<ScanEnd, Damage> {
        self.decoder.end()
    }
}
