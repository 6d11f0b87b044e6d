//! The arguments of `darkroom backfill`.

use clap::Args;

use super::parse;
use crate::operate::backfill::BackfillOptions;

/// `darkroom backfill`
#[derive(Debug, Args)]
pub struct Backfill {
    /// Only objects whose keys begin with this prefix [default: the upload prefix]
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// Start after this key: the last one of an earlier backfill
    #[arg(long, value_name = "KEY")]
    start_after: Option<String>,
    /// Also render published and refused images: after a change of sizes or limits
    #[arg(long)]
    force: bool,
    /// The most messages in the queue, including those of other senders: new uploads wait behind them
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = parse::number(1..=100_000_u64))]
    max_queue: u64,
    /// Messages a second, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = parse::number(1..=1000_u32))]
    rate: u32,
    /// Wait until every image has a verdict, and report the verdicts; ends with 1 if any failed
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Print one JSON object a line: the progress after each thousand objects, and the report at the end
    #[arg(long)]
    json: bool,
}

impl Backfill {
    /// The options of the backfill, for the given upload prefix.
    ///
    /// # Errors
    /// When the requested keys are outside the upload prefix.
    pub fn options(&self, upload_prefix: &str) -> Result<BackfillOptions, String> {
        let prefix = self.prefix.as_deref().unwrap_or(upload_prefix);
        if !prefix.starts_with(upload_prefix) {
            return Err(format!("--prefix {prefix:?} must begin with DARKROOM_UPLOAD_PREFIX, {upload_prefix:?}"));
        }
        if let Some(key) = self.start_after.as_deref().filter(|key| !key.starts_with(prefix)) {
            return Err(format!("--start-after {key:?} must begin with the prefix of the objects, {prefix:?}"));
        }
        Ok(BackfillOptions {
            prefix: prefix.to_owned(),
            start_after: self.start_after.clone(),
            is_forced: self.force,
            max_queue: self.max_queue,
            rate: self.rate,
            waits: self.wait,
            is_dry_run: self.dry_run,
            as_json: self.json,
        })
    }
}
