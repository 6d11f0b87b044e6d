//! The arguments of `darkroom sweep`.

use std::time::Duration;

use clap::Args;

use super::parse;
use crate::operate::sweep::SweepOptions;

/// `darkroom sweep`
#[derive(Debug, Args)]
pub struct Sweep {
    /// Show what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub json: bool,
    /// How long an image may be `waiting_for_thumbnails` without a worker before it is put into the queue again
    #[arg(long, value_name = "AGE", default_value = "1h", value_parser = parse::age)]
    pub stuck_after: Duration,
}

impl Sweep {
    /// The options of the sweep, without those from the settings.
    pub const fn options(&self) -> SweepOptions {
        SweepOptions { stuck_after: self.stuck_after, delete_originals_after: None, is_dry_run: self.dry_run }
    }
}
