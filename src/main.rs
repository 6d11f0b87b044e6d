//! The process: arguments, settings, telemetry, run, exit code.

fn main() {}
