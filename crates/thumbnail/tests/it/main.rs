//! The integration tests: one binary.
#![cfg(test)]
#![expect(unreachable_pub, reason = "nothing reaches into a test binary")]

use darkroom_testing::{dice, images};

mod deadline;
mod formats;
mod golden;
mod memory;
mod mutations;
mod odd_jpegs;
mod order;
mod orientation;
mod pieces;
mod png_chunks;
mod png_data;
mod png_file;
mod render;
