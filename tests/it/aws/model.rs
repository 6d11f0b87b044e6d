//! The same random histories as on one machine, with the queue, the store and the catalog of AWS.

use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};

use super::account::{Account, ministack};
use super::crashes::world;
use crate::model::{History, Pace};
use crate::world::Options;

const STEPS: usize = 20;

/// The clock is real here, so all times are short, except for the worker's own delays.
const PACE: Pace = Pace {
    visibility: Duration::from_secs(3),
    pauses: [Duration::ZERO, Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(4)],
    held_back: Duration::from_secs(1),
    failures: [1, 1, 2, 3],
    stop: Duration::from_secs(30),
};

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn sixteen_random_histories_end_as_the_model_says() {
    let Some(endpoint) = ministack() else { return };
    let account = Account::at(&endpoint);
    let options = Options { visibility: PACE.visibility, ..Options::default() };
    // Concurrent: each has a queue, a bucket and a table of its own, and mostly waits.
    iter(0..16)
        .for_each_concurrent(None, async |seed| {
            let world = world(&account, options.clone()).await;
            let begun = tokio::time::Instant::now();
            History::of(world, seed, PACE).live_through(STEPS).await;
            println!("seed {seed}: {:?}", begun.elapsed());
        })
        .await;
}
