//! darkroom over AWS's protocol: against emulators from other projects, and optionally against AWS itself.
//!
//! `scripts/with-emulators` starts MiniStack and sets its address. `DARKROOM_TEST_AWS=1` runs the contracts against AWS
//! instead, with the credentials and region of the SDK's own chain; the contracts remove what they create there.

pub(crate) mod account;
mod bucket_setting;
mod calls;
mod check;
mod crashes;
pub(crate) mod curl;
mod deployment;
mod end_to_end;
mod engines;
mod faults;
mod incident;
mod model;
mod one_object;
mod operate;
mod outcomes;
mod rules;
mod silence;
mod soak;
mod stopping;
mod traces;
mod walk_through;
