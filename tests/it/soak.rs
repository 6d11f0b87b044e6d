//! Thousands of uploads while one call in ten fails, and workers are killed and stopped.
//!
//! The soak of real processes, `one_machine/soak.rs`, can only lock the whole database. Here the workers run inside the
//! test, so that any single call of any port may fail.

use std::time::Duration;

use darkroom::ports::ErrorKind;
use darkroom::record::{ImageId, Reason};

use crate::dice::Dice;
use crate::images;
use crate::world::{Call, Options, When, World};

const UPLOADS: usize = 2000;

/// One upload in this many is not an image.
const TEXT_EACH: usize = 10;

/// One call in this many fails.
const FAULT_EACH: usize = 10;

/// An image takes at least six calls, so half of all attempts fail. The ports retry nothing here, unlike the SDK on
/// AWS, so an image may need more than the usual ten attempts.
const MAX_RECEIVES: u32 = 20;

/// Calls at which a worker may be killed.
const CALLS: [Call; 5] =
    [Call::QueueReceive, Call::UploadsGet, Call::CatalogApply, Call::ThumbnailsPut, Call::QueueDelete];

struct Soak {
    world: World,
    dice: Dice,
    kills: usize,
    stops: usize,
    images: Vec<ImageId>,
    texts: Vec<ImageId>,
}

impl Soak {
    fn new() -> Self {
        let options = Options { max_receives: MAX_RECEIVES, visibility: Duration::from_secs(30), ..Options::default() };
        let mut world = World::idle(options);
        let mut dice = Dice::unforeseen();
        world.faults.fail_one_of(FAULT_EACH, Dice::new(dice.roll(usize::MAX) as u64));
        world.start_worker();
        world.start_worker();
        Self { world, dice, kills: 0, stops: 0, images: Vec::new(), texts: Vec::new() }
    }

    async fn upload(&mut self, number: usize, photograph: &[u8]) {
        let name = format!("image-{number}");
        if number.is_multiple_of(TEXT_EACH) {
            self.texts.push(self.world.upload(&name, b"a text").await);
        } else {
            self.images.push(self.world.upload(&name, photograph).await);
        }
    }

    /// Kills a worker at a random call, or stops one and starts another.
    async fn harass(&mut self) {
        if self.dice.roll(2) == 0 {
            let when = self.dice.pick(&[When::KilledBefore, When::KilledAfter]);
            self.world.faults.fail(self.dice.pick(&CALLS), 1 + self.dice.roll(3), ErrorKind::Unavailable, when);
            self.kills += 1;
        } else {
            let running = self.world.running();
            // The worker may be killed before it has drained.
            let stop = self.world.stop_worker(self.dice.pick(&running));
            let _ = tokio::time::timeout(Duration::from_secs(300), stop).await;
            self.world.start_worker();
            self.stops += 1;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_thousand_uploads_outlive_a_fault_in_one_call_of_ten() {
    let mut soak = Soak::new();
    let photograph = images::jpeg(96, 64);
    for number in 0..UPLOADS {
        soak.upload(number, &photograph).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        soak.world.replace_the_dead();
        if number % 40 == 39 {
            soak.harass().await;
        }
    }
    let Soak { mut world, kills, stops, images, texts, .. } = soak;
    // Faults continue until the last message is settled.
    for _ in 0..6 * 360 {
        world.replace_the_dead();
        tokio::time::sleep(Duration::from_secs(10)).await;
        let queue = world.ports.queue.attributes().await.unwrap();
        if queue.visible + queue.in_flight == 0 {
            break;
        }
    }
    let (calls, fired) = (world.faults.all_calls(), world.faults.fired());
    println!(
        "{kills} kills, {stops} stops; of {calls} calls {fired} failed, {:.1} %",
        100.0 * fired as f64 / calls as f64
    );
    assert!(fired * 12 > calls, "only {fired} of {calls} calls failed");
    world.faults.heal();
    world.run_until_idle().await;
    for id in &images {
        world.expect_published(id).await;
    }
    for id in &texts {
        world.expect_rejected(id, Reason::UnsupportedType).await;
    }
    assert_eq!(images.len() + texts.len(), UPLOADS);

    for number in world.running() {
        world.stop_worker(number).await;
    }
    // Two days later a sweep finds nothing to repair and no orphan to remove.
    tokio::time::sleep(Duration::from_secs(48 * 3600)).await;
    let report = world.sweep().await;
    assert_eq!((report.thumbnails_removed, report.thumbnails_unknown, report.images_enqueued), (0, 0, 0), "{report:?}");
    world.finish().await;
}
