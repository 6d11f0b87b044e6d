//! darkroom over AWS's protocol: against emulators that nobody here wrote, and AWS itself where that is asked for.
//!
//! `scripts/with-emulators` starts MiniStack and says where it is. `DARKROOM_TEST_AWS=1` runs the contracts against
//! AWS instead, with the credentials and region of the SDK's own chain; what they make there they remove.

pub(crate) mod account;
mod bucket_setting;
mod calls;
mod check;
mod crashes;
pub(crate) mod curl;
mod deployment;
mod end_to_end;
mod faults;
mod incident;
mod model;
mod operate;
mod outcomes;
mod rules;
mod silence;
mod soak;
mod stopping;
mod walk_through;
