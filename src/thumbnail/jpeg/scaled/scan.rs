//! One scan of a progressive JPEG: a few bits of some coefficients, for every block of one component or of several.

use std::sync::Arc;

use super::bits::Bits;
use super::blocks::Blocks;
use super::frame::{Component, Frame, Tables};
use super::huffman::Huffman;
use super::{Band, Halt, Unusual};
use crate::thumbnail::Stop;
use crate::thumbnail::dispatch::dispatched;

/// What a scan brings.
enum Kind {
    FirstDc(Vec<Arc<Huffman>>),
    RefineDc,
    FirstAc(Arc<Huffman>),
    RefineAc(Arc<Huffman>),
}

/// A scan whose header was read.
pub(super) struct Scan {
    kind: Kind,
    /// Places of its components in the frame.
    components: Vec<usize>,
    band: Band,
    restart_interval: usize,
}

/// Where the bits of a scan are, and what is carried from block to block.
struct State<'a> {
    bits: Bits<'a>,
    /// The last DC coefficient of each component.
    last: [i32; 3],
    /// Blocks to come that have nothing in the band.
    empty: u32,
    /// Units until the next restart marker.
    left: usize,
    restarts: u8,
}

impl Scan {
    /// Reads the scan's header, and notes in the frame what the scan brings.
    pub(super) fn read(body: &[u8], frame: &mut Frame, tables: &Tables) -> Result<Self, Unusual> {
        let (&count, rest) = body.split_first().ok_or(Unusual)?;
        let (chosen, rest) = rest.split_at_checked(2 * usize::from(count)).ok_or(Unusual)?;
        let &[first, last, bits] = rest else { return Err(Unusual) };
        let (high, low) = (bits >> 4, bits & 15);
        let is_dc = first == 0;
        let is_band = if is_dc { last == 0 && count > 0 } else { first <= last && last < 64 && count == 1 };
        if !is_band || low > 13 || (high != 0 && high != low + 1) {
            return Err(Unusual);
        }
        let (pairs, _) = chosen.as_chunks::<2>();
        let components: Vec<usize> = pairs.iter().map(|pair| frame.place(pair[0])).collect::<Result<_, _>>()?;
        // In the frame's order, each once.
        if !components.is_sorted_by(|a, b| a < b) {
            return Err(Unusual);
        }
        for &component in &components {
            frame.components[component].advance(first, last, high, low, tables)?;
        }
        let kind = match (is_dc, high) {
            (true, 0) => Kind::FirstDc(pairs.iter().map(|pair| tables.dc(pair[1] >> 4)).collect::<Result<_, _>>()?),
            (true, _) => Kind::RefineDc,
            (false, 0) => Kind::FirstAc(tables.ac(pairs[0][1] & 15)?),
            (false, _) => Kind::RefineAc(tables.ac(pairs[0][1] & 15)?),
        };
        let band = Band { first: first.into(), last: last.into(), low: low.into() };
        Ok(Self { kind, components, band, restart_interval: tables.restart_interval })
    }

    /// Reads the scan's data into the blocks; returns where the marker behind it is.
    pub(super) fn run<const K: usize>(
        &self,
        bytes: &[u8],
        at: usize,
        frame: &Frame,
        blocks: &mut [Blocks<K>],
        stop: &Stop,
    ) -> Result<usize, Halt> {
        let interval = if self.restart_interval == 0 { usize::MAX } else { self.restart_interval };
        let mut state = State { bits: Bits::new(bytes, at), last: [0; 3], empty: 0, left: interval, restarts: 0 };
        let rows = match self.components.as_slice() {
            [only] => frame.components[*only].blocks.1,
            _ => frame.components[0].units.1,
        };
        for row in 0..rows {
            stop.check()?;
            dispatched(
                #[inline(always)]
                || match self.components.as_slice() {
                    [only] => self.row_of_blocks(row, &frame.components[*only], &mut blocks[*only], &mut state),
                    _ => self.row_of_units(row, frame, blocks, &mut state),
                },
            )?;
            if state.bits.is_overrun() {
                return Err(Halt::Unusual);
            }
        }
        Ok(state.bits.end().filter(|_| state.empty == 0).ok_or(Unusual)?)
    }

    /// A row of a scan of one component alone, in runs between restart markers.
    #[inline(always)]
    fn row_of_blocks<const K: usize>(
        &self,
        row: usize,
        component: &Component,
        blocks: &mut Blocks<K>,
        state: &mut State<'_>,
    ) -> Result<(), Unusual> {
        let first = row * component.stride();
        let (mut at, end) = (first, first + component.blocks.0);
        while at < end {
            if state.left == 0 {
                state.restart(self.restart_interval)?;
            }
            let run = at..end.min(at.saturating_add(state.left));
            state.left -= run.len();
            at = run.end;
            let (bits, empty) = (&mut state.bits, &mut state.empty);
            match &self.kind {
                Kind::FirstAc(table) => blocks.first_ac(run, bits, table, empty, self.band)?,
                Kind::RefineAc(table) => blocks.refine_ac(run, bits, table, empty, self.band)?,
                Kind::FirstDc(tables) => {
                    for block in run {
                        blocks.first_dc(block, bits, &tables[0], &mut state.last[0], self.band.low)?;
                    }
                }
                Kind::RefineDc => run.for_each(|block| blocks.refine_dc(block, bits, self.band.low)),
            }
        }
        Ok(())
    }

    /// A row of units, each of which holds some blocks of every component: DC coefficients only.
    #[inline(always)]
    fn row_of_units<const K: usize>(
        &self,
        row: usize,
        frame: &Frame,
        blocks: &mut [Blocks<K>],
        state: &mut State<'_>,
    ) -> Result<(), Unusual> {
        for unit in 0..frame.components[0].units.0 {
            if state.left == 0 {
                state.restart(self.restart_interval)?;
            }
            state.left -= 1;
            for (place, &index) in self.components.iter().enumerate() {
                let (component, blocks) = (&frame.components[index], &mut blocks[index]);
                let (across, down) = component.sampling;
                for y in 0..down {
                    let first = (row * down + y) * component.stride() + unit * across;
                    for block in first..first + across {
                        match &self.kind {
                            Kind::FirstDc(tables) => {
                                let last = &mut state.last[place];
                                blocks.first_dc(block, &mut state.bits, &tables[place], last, self.band.low)?;
                            }
                            _ => blocks.refine_dc(block, &mut state.bits, self.band.low),
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

impl State<'_> {
    /// Goes over the restart marker that must stand here.
    fn restart(&mut self, interval: usize) -> Result<(), Unusual> {
        self.bits = self.bits.behind_restart(self.restarts).filter(|_| self.empty == 0).ok_or(Unusual)?;
        self.restarts = (self.restarts + 1) % 8;
        self.last = [0; 3];
        self.left = interval;
        Ok(())
    }
}
