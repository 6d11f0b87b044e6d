//! What the scaling policy would do: arrivals replayed second by second against the very rules that are deployed.
//!
//! Pure arithmetic: no clock, no network, no chance. The same trace and policy give the same answer everywhere.

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
