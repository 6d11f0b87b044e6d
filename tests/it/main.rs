//! The integration tests, built as one binary.
#![cfg(test)]
#![expect(unreachable_pub, reason = "nothing reaches into a test binary")]

use darkroom_testing::{dice, images};

mod api;
mod architecture;
#[cfg(feature = "aws")]
mod aws;
mod bad_input;
mod bucket_setting;
mod command_line;
mod contract;
mod documents;
mod examples;
mod faults;
mod flow;
mod foreign_events;
mod http;
#[cfg(feature = "aws")]
mod lambda;
mod local;
mod log;
mod model;
mod monitoring;
mod one_machine;
mod one_object;
mod operate;
mod peers;
mod process;
mod render;
mod simulate;
mod skip;
mod soak;
mod world;
