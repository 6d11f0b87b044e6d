//! The scans of a sequential JPEG, the most common kind: each block is complete.
//!
//! A row of MCUs is read, transformed and painted before the next. Only the coefficients that the scaled picture uses
//! are decoded; those after them are skipped several at a time.

use std::sync::Arc;

use super::ac_lookup::Lookahead;
use super::arithmetic::Decoder;
use super::arithmetic_blocks::{Predictor, Statistics};
use super::bits::Bits;
use super::damage::Damage;
use super::frame::{Frame, ScanComponent};
use super::huffman::Huffman;
use super::restarts::{Restarts, ScanEnd};
use super::tables::Tables;
use super::transform::{Batch, LANES, Transform};
use super::{Error, PlaneMut};
use crate::Stop;
use crate::dispatch::dispatched;

/// A scan with a parsed header.
pub(super) struct Sequential {
    components: Vec<ScanComponent>,
    /// Whether spectral selection and successive approximation have the only values of a sequential scan.
    has_usual_parameters: bool,
    restart_interval: usize,
    is_arithmetic: bool,
}

/// Entropy-coded data, and the state that is carried from block to block of all components.
trait Stream: Default {
    /// The stream after the restart marker, which must follow here, and the marker's number. By value, so that it can
    /// stay in registers until then.
    fn behind_restart(self) -> Result<(Self, u8), Damage>;
    fn is_overrun(&self) -> bool;
    fn end(&self) -> Result<ScanEnd, Damage>;
}

/// A reader of one component's blocks.
trait BlockReader<S> {
    /// Resets the state of the previous block.
    fn restart(&mut self);
    /// Reads a block into its lane. Coefficients from the `K`th on are unspecified afterwards.
    fn read<const K: usize>(&mut self, stream: &mut S, batch: &mut Batch, lane: usize) -> Result<(), Damage>;
}

/// One component while its rows are read.
struct Part<'a, R, const N: usize, const K: usize> {
    /// Blocks per MCU, across and down.
    sampling: (usize, usize),
    reader: R,
    /// The last blocks read in each block row of the MCU row.
    batches: Vec<Batch>,
    transform: Transform<N, K>,
    /// The samples that are still to be painted, and the length of their rows.
    samples: &'a mut [u8],
    width: usize,
}

/// The position of the scan in the file.
struct Cursor<S> {
    stream: S,
    restarts: Restarts,
}

impl Sequential {
    /// Reads the scan header. Ignores spectral selection and successive approximation, which mean nothing in a
    /// sequential scan: some cameras write zeros.
    pub(super) fn read(
        body: &[u8],
        frame: &mut Frame,
        tables: &Tables<'_>,
        is_arithmetic: bool,
    ) -> Result<Self, Damage> {
        let (components, parameters) = frame.scan_components(body)?;
        for component in &components {
            frame.components[component.index].begin_sequential_scan(tables)?;
        }
        let has_usual_parameters = parameters.starts_with(&[0, 63, 0]);
        Ok(Self { components, has_usual_parameters, restart_interval: tables.restart_interval, is_arithmetic })
    }

    /// Reads the scan's data and paints it; returns its end.
    pub(super) fn run<const N: usize, const K: usize>(
        &self,
        (bytes, at): (&[u8], usize),
        frame: &Frame,
        tables: &Tables<'_>,
        planes: &mut [PlaneMut<'_>],
        stop: &Stop,
    ) -> Result<(ScanEnd, Restarts), Error> {
        if self.is_arithmetic {
            let readers = self.components.iter().map(Predictor::new).collect();
            let stream = ArithmeticStream {
                decoder: Decoder::new(bytes, at),
                statistics: Some(Statistics::new(tables.conditioning.clone())),
            };
            return self.run_with::<_, _, N, K>(stream, readers, frame, planes, stop);
        }
        let tables = self.huffman_tables(tables)?;
        let readers = tables.iter().map(|(dc, ac)| HuffmanReader { dc, ac, last: 0 }).collect();
        self.run_with::<_, _, N, K>(Bits::new(bytes, at), readers, frame, planes, stop)
    }

    /// The tables of each component.
    fn huffman_tables(&self, tables: &Tables<'_>) -> Result<Vec<(Huffman, Arc<Lookahead>)>, Damage> {
        let mut chosen: Vec<(Huffman, Arc<Lookahead>)> = Vec::new();
        for (position, component) in self.components.iter().enumerate() {
            // Both chroma components usually share a table.
            let same = self.components[..position].iter().position(|other| other.ac_table == component.ac_table);
            let ac = match same {
                Some(same) => Arc::clone(&chosen[same].1),
                None => Arc::new(Lookahead::new(&tables.ac(component.ac_table)?)),
            };
            chosen.push((tables.dc(component.dc_table)?, ac));
        }
        Ok(chosen)
    }

    /// Whether its parameters have the only values that a sequential scan can have.
    pub(super) const fn has_usual_parameters(&self) -> bool {
        self.has_usual_parameters
    }

    fn run_with<S: Stream, R: BlockReader<S>, const N: usize, const K: usize>(
        &self,
        stream: S,
        readers: Vec<R>,
        frame: &Frame,
        planes: &mut [PlaneMut<'_>],
        stop: &Stop,
    ) -> Result<(ScanEnd, Restarts), Error> {
        let mut parts = self.parts::<R, N, K>(readers, frame, planes)?;
        let (across, down) = frame.mcus_of(&self.components);
        let mut cursor = Cursor { stream, restarts: Restarts::new(self.restart_interval) };
        for _ in 0..down {
            stop.check()?;
            dispatched(
                #[inline(always)]
                || Self::row_of_mcus(across, &mut parts, &mut cursor),
            )?;
            if cursor.stream.is_overrun() {
                return Err(Damage::EndsEarly.into());
            }
        }
        Ok((cursor.stream.end()?, cursor.restarts))
    }

    /// The components of the scan in its order, each with its plane.
    fn parts<'a, R, const N: usize, const K: usize>(
        &self,
        readers: Vec<R>,
        frame: &Frame,
        planes: &'a mut [PlaneMut<'_>],
    ) -> Result<Vec<Part<'a, R, N, K>>, Damage> {
        let is_alone = self.components.len() == 1;
        let mut free: Vec<Option<(usize, &mut [u8])>> =
            planes.iter_mut().map(|plane| Some((plane.width, &mut *plane.samples))).collect();
        let mut parts = Vec::with_capacity(readers.len());
        for (&ScanComponent { index, .. }, reader) in self.components.iter().zip(readers) {
            let component = &frame.components[index];
            let (width, samples) = free.get_mut(index).and_then(Option::take).ok_or(Damage::Frame)?;
            if width > component.stride() * N || samples.len() > width * N * component.rows() {
                return Err(Damage::Frame);
            }
            let sampling = if is_alone { (1, 1) } else { component.sampling };
            let batches = vec![[[0; LANES]; 64]; sampling.1];
            let transform = Transform::new(component.quantisation.as_ref().ok_or(Damage::MissingTable)?);
            parts.push(Part { sampling, reader, batches, transform, samples, width });
        }
        Ok(parts)
    }

    #[inline(always)]
    fn row_of_mcus<S: Stream, R: BlockReader<S>, const N: usize, const K: usize>(
        across: usize,
        parts: &mut [Part<'_, R, N, K>],
        cursor: &mut Cursor<S>,
    ) -> Result<(), Damage> {
        // A local variable can stay in registers.
        let mut stream = std::mem::take(&mut cursor.stream);
        for mcu in 0..across {
            if cursor.restarts.left == 0 {
                let number;
                (stream, number) = stream.behind_restart()?;
                cursor.restarts.pass(number);
                parts.iter_mut().for_each(|part| part.reader.restart());
            }
            cursor.restarts.left -= 1;
            for part in &mut *parts {
                let (across, down) = part.sampling;
                for y in 0..down {
                    for column in mcu * across..(mcu + 1) * across {
                        part.read(y, column, &mut stream)?;
                    }
                }
            }
        }
        cursor.stream = stream;
        parts.iter_mut().for_each(|part| part.end_row(across));
        Ok(())
    }
}

impl<R, const N: usize, const K: usize> Part<'_, R, N, K> {
    /// Reads the block of a column in one block row of the MCU row.
    #[inline(always)]
    fn read<S>(&mut self, y: usize, column: usize, stream: &mut S) -> Result<(), Damage>
    where
        R: BlockReader<S>,
    {
        let lane = column % LANES;
        self.reader.read::<K>(stream, &mut self.batches[y], lane)?;
        if lane == LANES - 1 {
            self.paint(y, column - lane);
        }
        Ok(())
    }

    /// Paints the last blocks read, which begin at a column.
    #[inline(always)]
    fn paint(&mut self, y: usize, column: usize) {
        let rows = self.samples.get_mut(y * N * self.width..).unwrap_or_default();
        let strip = rows.len().min(N * self.width);
        self.transform.paint(&self.batches[y], &mut rows[..strip], self.width, column * N);
        self.batches[y][..K].fill([0; LANES]);
    }

    /// Paints the rest of an MCU row, and moves to the next.
    #[inline(always)]
    fn end_row(&mut self, mcus: usize) {
        let (across, down) = self.sampling;
        let columns = mcus * across;
        if !columns.is_multiple_of(LANES) {
            (0..down).for_each(|y| self.paint(y, columns - columns % LANES));
        }
        let rest = std::mem::take(&mut self.samples);
        self.samples = rest.get_mut(self.width * N * down..).unwrap_or_default();
    }
}

impl Stream for Bits<'_> {
    #[inline(never)]
    fn behind_restart(self) -> Result<(Self, u8), Damage> {
        Bits::behind_restart(&self)
    }

    fn is_overrun(&self) -> bool {
        Bits::is_overrun(self)
    }

    fn end(&self) -> Result<ScanEnd, Damage> {
        Bits::end(self)
    }
}

/// The Huffman tables of one component.
struct HuffmanReader<'a> {
    dc: &'a Huffman,
    ac: &'a Lookahead,
    /// The last DC coefficient.
    last: i32,
}

impl BlockReader<Bits<'_>> for HuffmanReader<'_> {
    fn restart(&mut self) {
        self.last = 0;
    }

    #[inline(always)]
    fn read<const K: usize>(&mut self, bits: &mut Bits<'_>, batch: &mut Batch, lane: usize) -> Result<(), Damage> {
        bits.fill_up();
        self.last = self.last.wrapping_add(self.dc.difference(bits)?);
        batch[0][lane] = self.last as i16;
        self.ac.read::<K>(bits, batch, lane)
    }
}

/// Arithmetic-coded data and the estimates to decode it.
#[derive(Default)]
struct ArithmeticStream<'a> {
    decoder: Decoder<'a>,
    statistics: Option<Statistics>,
}

impl Stream for ArithmeticStream<'_> {
    fn behind_restart(mut self) -> Result<(Self, u8), Damage> {
        let number;
        (self.decoder, number) = self.decoder.behind_restart()?;
        self.statistics.iter_mut().for_each(Statistics::restart);
        Ok((self, number))
    }

    fn is_overrun(&self) -> bool {
        self.decoder.is_overrun()
    }

    fn end(&self) -> Result<ScanEnd, Damage> {
        self.decoder.end()
    }
}

impl BlockReader<ArithmeticStream<'_>> for Predictor {
    fn restart(&mut self) {
        Predictor::restart(self);
    }

    fn read<const K: usize>(
        &mut self,
        stream: &mut ArithmeticStream<'_>,
        batch: &mut Batch,
        lane: usize,
    ) -> Result<(), Damage> {
        let statistics = stream.statistics.as_mut().ok_or(Damage::MissingTable)?;
        statistics.block::<K>(&mut stream.decoder, self, batch, lane)
    }
}
