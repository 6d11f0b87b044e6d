//! Durations of different modules that must be consistent. Checked at compile time.

use crate::config::LONGEST_RENDER;
use crate::operate::sweep::SweepOptions;
use crate::pipeline::LEASE;
use crate::worker::{LONGEST_DELAY, LONGEST_PAUSE};

/// Seconds of a claim's lease that remain after the longest render, to deliver and publish the thumbnails.
const DELIVERY_SECS: u64 = 30;

const _: () = assert!(LEASE.as_secs() >= LONGEST_RENDER.as_secs() + DELIVERY_SECS, "a claim ends before its work");

const _: () = assert!(
    SweepOptions::STUCK_AFTER.as_secs() > LONGEST_DELAY.as_secs() + LONGEST_PAUSE.as_secs() + LEASE.as_secs(),
    "the sweep takes work in hand for stuck"
);

#[cfg(test)]
mod tests {
    use crate::metrics::definitions::TABLE;

    #[test]
    fn the_help_of_a_sampled_metric_names_the_interval() {
        let metric = TABLE.iter().find(|metric| metric.name == "darkroom_received_oldest_age_seconds").unwrap();
        let interval = format!("in the last {} seconds", super::super::SAMPLE_INTERVAL.as_secs());
        assert!(metric.help.contains(&interval), "{interval} is not in {:?}", metric.help);
    }
}
