//! The integration tests: one binary.
#![cfg(test)]
#![expect(unreachable_pub, reason = "nothing reaches into a test binary")]

mod api;
mod contract;
mod faults;
mod flow;
mod images;
mod render;
mod world;
