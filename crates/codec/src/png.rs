//! The parts of a PNG reader and writer that take most of their time: chunks, filters, and rows of plain pictures.

mod chunk;
mod data;
mod filter;
mod plain;
mod unfilter;

pub use chunk::{Chunk, Next, SIGNATURE};
pub use filter::Filters;
pub use plain::{Error, Layout, Rows};
