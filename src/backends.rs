//! Who provides the ports: the only place that knows both sides.

#[cfg(feature = "aws")]
pub mod aws;
pub mod local;
