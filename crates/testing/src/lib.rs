//! What the tests of several packages share: pictures of every kind, and random numbers that a seed repeats.
#![expect(clippy::unwrap_used, reason = "a test that cannot begin has failed")]

pub mod dice;
pub mod images;
