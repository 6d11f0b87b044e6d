//! Who provides the ports: the only place that knows both sides.

pub mod local;
