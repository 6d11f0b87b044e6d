//! The parts of a PNG reader and writer that take most of the time: chunks, filters, and rows.

mod chunk;
mod filter;
mod idat;
mod rows;
mod unfilter;

pub use chunk::{Chunk, Next, SIGNATURE};
pub use filter::Filters;
pub use rows::{Error, Faults, Layout, MAX_EXTRA_BYTES, Rows};
