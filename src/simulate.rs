//! Simulates the scaling policy: replays arrivals second by second against the rules that are deployed.
//!
//! Pure arithmetic, without clock, network or randomness: the same trace and policy give the same result everywhere.

mod csv_trace;
mod fleet;
mod picture;
mod plan;
mod policy;
mod trace;
mod write;

pub use csv_trace::{ArrivalsError, trace_of_csv};
pub use fleet::{Outcome, Sample, run};
pub use picture::draw;
pub use plan::{PlanError, policy_of_plan};
pub use policy::{Metric, Policy};
pub use trace::{Arrivals, TRACE_NAMES, Trace, traces};
pub use write::{duration, with_decimals};
