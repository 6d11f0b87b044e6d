//! The integration tests: one binary.
#![cfg(test)]

mod api;
mod faults;
mod flow;
mod images;
mod render;
mod world;
