//! The integration tests: one binary.
#![cfg(test)]
#![expect(unreachable_pub, reason = "nothing reaches into a test binary")]

mod api;
mod architecture;
#[cfg(feature = "aws")]
mod aws;
mod contract;
mod documents;
mod faults;
mod flow;
mod images;
mod local;
mod monitoring;
mod process;
mod render;
mod world;
