//! The integration tests: one binary.
#![cfg(test)]
#![expect(unreachable_pub, reason = "nothing reaches into a test binary")]

mod api;
mod architecture;
#[cfg(feature = "aws")]
mod aws;
mod bad_input;
mod command_line;
mod contract;
mod deadline;
mod dice;
mod documents;
mod examples;
mod faults;
mod flow;
mod golden;
mod images;
#[cfg(feature = "aws")]
mod lambda;
mod local;
mod log;
mod memory;
mod model;
mod monitoring;
mod mutations;
mod one_machine;
mod operate;
mod order;
mod peers;
mod pieces;
mod process;
mod render;
mod simulate;
mod soak;
mod world;
