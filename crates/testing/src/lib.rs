//! Shared by the tests of several packages: generated images, and random numbers that a seed reproduces.
#![expect(clippy::unwrap_used, reason = "a test that cannot begin has failed")]

pub mod dice;
pub mod formats;
pub mod images;
