//! The scan of a sequential JPEG, which most are: block after block, each as a whole.
//!
//! A row of units is read, transformed and painted before the next. Of a block only the coefficients that are shown
//! become numbers; those behind them are gone over several at a time.

use std::sync::Arc;

use super::bits::Bits;
use super::frame::{Frame, Tables};
use super::huffman::Huffman;
use super::lookahead::Lookahead;
use super::transform::{Batch, LANES, Transform};
use super::{Halt, Unusual};
use crate::thumbnail::Stop;
use crate::thumbnail::dispatch::dispatched;
use crate::thumbnail::planes::Planes;

/// The scan's header and the tables that it is read by.
pub(super) struct Sequential {
    dc: Vec<Arc<Huffman>>,
    ac: Vec<Arc<Lookahead>>,
    restart_interval: usize,
}

/// One component while its rows come in.
struct Part<'a, const N: usize, const K: usize> {
    /// Blocks of a unit, across and down.
    sampling: (usize, usize),
    dc: &'a Huffman,
    ac: &'a Lookahead,
    /// The last DC coefficient.
    last: i32,
    /// The blocks that were read last in each row of the units.
    batches: Vec<Batch>,
    transform: Transform<N, K>,
    /// What is still to be painted, and the length of its rows.
    plane: &'a mut [u8],
    width: usize,
}

/// Where in the file the scan is.
struct Place<'a> {
    bits: Bits<'a>,
    /// Units until the next restart marker.
    left: usize,
    restarts: u8,
}

impl Sequential {
    /// Reads the header of a scan that holds the whole picture.
    pub(super) fn read(body: &[u8], frame: &mut Frame, tables: &Tables) -> Result<Self, Unusual> {
        let count = frame.components.len();
        let (chosen, rest) =
            body.split_first().and_then(|(_, rest)| rest.split_at_checked(2 * count)).ok_or(Unusual)?;
        if body.first() != Some(&(count as u8)) || rest != [0, 63, 0] {
            return Err(Unusual);
        }
        let (mut dc, mut ac): (Vec<_>, Vec<Arc<Lookahead>>) = (Vec::new(), Vec::new());
        for (place, &[id, names]) in chosen.as_chunks::<2>().0.iter().enumerate() {
            if frame.place(id)? != place {
                return Err(Unusual);
            }
            frame.components[place].advance(0, 63, 0, 0, tables)?;
            dc.push(tables.dc(names >> 4)?);
            // Both planes of chroma have the same table.
            let before = chosen.as_chunks::<2>().0[..place].iter().position(|&[_, other]| other & 15 == names & 15);
            ac.push(match before {
                Some(same) => Arc::clone(&ac[same]),
                None => Arc::new(Lookahead::new(&*tables.ac(names & 15)?)),
            });
        }
        Ok(Self { dc, ac, restart_interval: tables.restart_interval })
    }

    /// Reads the scan's data and paints it; returns where the marker behind it is.
    pub(super) fn run<const N: usize, const K: usize>(
        &self,
        bytes: &[u8],
        at: usize,
        frame: &Frame,
        planes: &mut Planes,
        stop: &Stop,
    ) -> Result<usize, Halt> {
        let mut parts = self.parts::<N, K>(frame, planes)?;
        // A component alone comes block by block, without those that would fill up a unit.
        let units = match frame.components.as_slice() {
            [only] => only.blocks,
            all => all.first().ok_or(Unusual)?.units,
        };
        let mut place = Place { bits: Bits::new(bytes, at), left: self.interval(), restarts: 0 };
        for _ in 0..units.1 {
            stop.check()?;
            dispatched(
                #[inline(always)]
                || self.row_of_units(units.0, &mut parts, &mut place),
            )?;
            if place.bits.is_overrun() {
                return Err(Halt::Unusual);
            }
        }
        Ok(place.bits.end().ok_or(Unusual)?)
    }

    fn parts<'a, const N: usize, const K: usize>(
        &'a self,
        frame: &Frame,
        planes: &'a mut Planes,
    ) -> Result<Vec<Part<'a, N, K>>, Unusual> {
        let is_alone = frame.components.len() == 1;
        let tables = self.dc.iter().zip(&self.ac);
        let mut parts = Vec::new();
        for ((width, plane), (component, (dc, ac))) in planes.parts_mut().zip(frame.components.iter().zip(tables)) {
            if width > component.stride() * N || plane.len() > width * N * component.rows() {
                return Err(Unusual);
            }
            let sampling = if is_alone { (1, 1) } else { component.sampling };
            let batches = vec![[[0; LANES]; 64]; sampling.1];
            let transform = Transform::new(component.quantisation.as_ref().ok_or(Unusual)?);
            parts.push(Part { sampling, dc, ac, last: 0, batches, transform, plane, width });
        }
        if parts.len() == frame.components.len() { Ok(parts) } else { Err(Unusual) }
    }

    const fn interval(&self) -> usize {
        if self.restart_interval == 0 { usize::MAX } else { self.restart_interval }
    }

    #[inline(always)]
    fn row_of_units<const N: usize, const K: usize>(
        &self,
        units: usize,
        parts: &mut [Part<'_, N, K>],
        place: &mut Place<'_>,
    ) -> Result<(), Unusual> {
        let mut bits = place.bits;
        for unit in 0..units {
            if place.left == 0 {
                bits = place.restart(bits, self.restart_interval)?;
                parts.iter_mut().for_each(|part| part.last = 0);
            }
            place.left -= 1;
            for part in &mut *parts {
                let (across, down) = part.sampling;
                for y in 0..down {
                    for column in unit * across..(unit + 1) * across {
                        part.read(y, column, &mut bits)?;
                    }
                }
            }
        }
        place.bits = bits;
        parts.iter_mut().for_each(|part| part.end_row(units));
        Ok(())
    }
}

impl<const N: usize, const K: usize> Part<'_, N, K> {
    /// Reads the block of a column in one of the units' rows.
    #[inline(always)]
    fn read(&mut self, y: usize, column: usize, bits: &mut Bits<'_>) -> Result<(), Unusual> {
        let (batch, lane) = (&mut self.batches[y], column % LANES);
        bits.fill_up();
        self.last = self.last.wrapping_add(self.dc.difference(bits)?);
        batch[0][lane] = self.last as i16;
        self.ac.read::<K>(bits, batch, lane)?;
        if lane == LANES - 1 {
            self.paint(y, column - lane);
        }
        Ok(())
    }

    /// Paints the blocks that were read last, which begin at a column.
    #[inline(always)]
    fn paint(&mut self, y: usize, column: usize) {
        let rows = self.plane.get_mut(y * N * self.width..).unwrap_or_default();
        let strip = rows.len().min(N * self.width);
        self.transform.paint(&self.batches[y], &mut rows[..strip], self.width, column * N);
        self.batches[y][..K].fill([0; LANES]);
    }

    /// Paints what is left of a row of units, and goes to the next.
    #[inline(always)]
    fn end_row(&mut self, units: usize) {
        let (across, down) = self.sampling;
        let columns = units * across;
        if !columns.is_multiple_of(LANES) {
            (0..down).for_each(|y| self.paint(y, columns - columns % LANES));
        }
        let rest = std::mem::take(&mut self.plane);
        self.plane = rest.get_mut(self.width * N * down..).unwrap_or_default();
    }
}

impl<'a> Place<'a> {
    /// Goes over the restart marker that must stand here; returns what stands behind it.
    #[inline(never)]
    fn restart(&mut self, bits: Bits<'a>, interval: usize) -> Result<Bits<'a>, Unusual> {
        let behind = bits.behind_restart(self.restarts).ok_or(Unusual)?;
        self.restarts = (self.restarts + 1) % 8;
        self.left = interval;
        Ok(behind)
    }
}
