//! The integration tests: one binary.

mod images;
mod render;
