//! Random histories, compared with a small model of each upload's expected result.
//!
//! Two to four workers process uploads, overwrites, duplicates, late and reordered events, refused and missing objects,
//! failing and lost calls, lost leases, kills, stops, redrives and sweeps. At the end of every history the newest
//! upload of each key has its verdict, each version was decided once, and nothing is left over.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use darkroom::event::{self, ObjectCreated};
use darkroom::ports::ErrorKind;
use darkroom::record::{ImageId, Reason, Status};

use crate::dice::Dice;
use crate::images;
use crate::world::{Call, Options, PREFIX, When, World};

/// The keys of a history: few, so that many events happen to each.
const NAMES: [&str; 3] = ["cat", "dog", "emu"];

/// The calls that may fail or be delayed.
const CALLS: [Call; 7] = [
    Call::QueueReceive,
    Call::QueueExtend,
    Call::QueueRelease,
    Call::QueueDelete,
    Call::UploadsGet,
    Call::CatalogApply,
    Call::ThumbnailsPut,
];

const STEPS: usize = 30;

/// The speed of a history: a paused clock jumps over hours, but an emulator needs real time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    pub(crate) visibility: Duration,
    /// Pauses between two steps.
    pub(crate) pauses: [Duration; 4],
    /// The test hides a message for one to ten times this.
    pub(crate) held_back: Duration,
    /// How often in a row a call may fail.
    pub(crate) failures: [usize; 4],
    /// How long the test waits for a worker that was asked to stop.
    pub(crate) stop: Duration,
}

const PAUSED: Pace = Pace {
    visibility: Duration::from_secs(30),
    pauses: [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(15), Duration::from_secs(150)],
    held_back: Duration::from_secs(60),
    failures: [1, 2, 5, 40],
    stop: Duration::from_secs(300),
};

/// The expected verdict on an upload that no newer upload replaces.
type Verdict = (Status, Option<Reason>);

const PUBLISHED: Verdict = (Status::Published, None);
const VANISHED: Verdict = (Status::Failed, Some(Reason::SourceMissing));

/// The model's state of one key.
#[derive(Default)]
struct Key {
    /// The verdict on its newest upload.
    newest: Option<Verdict>,
    /// Its object was deleted after its newest upload. Unless a worker had decided by then, the verdict is "missing".
    is_deleted: bool,
}

pub(crate) struct History {
    world: World,
    dice: Dice,
    pace: Pace,
    keys: BTreeMap<&'static str, Key>,
    events: Vec<ObjectCreated>,
    poison: u64,
}

impl History {
    /// A history in a world that has no worker yet.
    pub(crate) fn of(mut world: World, seed: u64, pace: Pace) -> Self {
        let mut dice = Dice::new(seed);
        for _ in 0..2 + dice.roll(3) {
            world.start_worker();
        }
        let keys = NAMES.map(|name| (name, Key::default())).into();
        Self { world, dice, pace, keys, events: Vec::new(), poison: 0 }
    }

    /// Runs this many steps, and expects the result that the model gives.
    pub(crate) async fn live_through(mut self, steps: usize) {
        for _ in 0..steps {
            self.step().await;
        }
        self.settle().await;
        self.expect_what_the_model_says().await;
        self.expect_only_progress();
        let poison = self.poison;
        self.world.finish_with_dead_letters(poison).await;
    }

    async fn step(&mut self) {
        match self.dice.roll(17) {
            0..=3 => self.upload().await,
            4 => self.repeat_an_event().await,
            5 => self.tell_without_order().await,
            6 => self.send_several_records().await,
            7 => self.hold_messages_back().await,
            8 => self.vanish().await,
            9 | 10 => self.fail_calls(),
            11 => self.kill_at_a_call(),
            12 => self.lose_leases(),
            13 => self.stop_a_worker().await,
            14 => self.send_nonsense().await,
            15 => drop(self.world.sweep().await),
            _ => drop(self.world.redrive().await),
        }
        tokio::time::sleep(self.dice.pick(&self.pace.pauses)).await;
        self.world.replace_the_dead();
    }

    /// Uploads a picture, or bytes that are not a picture.
    async fn upload(&mut self) {
        let jpeg = images::jpeg(24, 16);
        let corrupt = jpeg[..jpeg.len() * 2 / 3].to_vec();
        let (bytes, reason) = match self.dice.roll(8) {
            0..=2 => (jpeg, None),
            3..=4 => (images::png_rgb(12, 20), None),
            5 => (corrupt, Some(Reason::Corrupt)),
            6 => (b"a text".to_vec(), Some(Reason::UnsupportedType)),
            _ => (Vec::new(), Some(Reason::Empty)),
        };
        let name = self.dice.pick(&NAMES);
        self.events.push(self.world.upload_event(name, &bytes).await);
        let verdict = reason.map_or(PUBLISHED, |reason| (Status::InvalidContentType, Some(reason)));
        self.keys.insert(name, Key { newest: Some(verdict), is_deleted: false });
    }

    async fn repeat_an_event(&mut self) {
        if !self.events.is_empty() {
            let repeated = self.dice.pick(&self.events);
            self.world.send_event(&repeated).await;
        }
    }

    /// Sends an event for the current object, as a backfill does.
    async fn tell_without_order(&mut self) {
        let name = self.dice.pick(&NAMES);
        let key = &self.keys[name];
        if key.newest.is_some() && !key.is_deleted {
            let created = self.world.event_of(name, None).await;
            self.world.send_event(&created).await;
        }
    }

    async fn send_several_records(&mut self) {
        if self.events.is_empty() {
            return;
        }
        let records: Vec<_> = (0..3)
            .flat_map(|_| {
                let text = event::notification(&self.dice.pick(&self.events), "etag");
                let message: serde_json::Value = serde_json::from_str(&text).unwrap();
                message["Records"].as_array().unwrap().clone()
            })
            .collect();
        self.world.send(&serde_json::json!({ "Records": records }).to_string()).await;
    }

    /// Receives messages and never settles them, so that they return late and out of order.
    async fn hold_messages_back(&mut self) {
        let hidden = self.pace.held_back * (1 + self.dice.roll(10) as u32);
        let queue = &self.world.ports.queue;
        drop(queue.receive(1 + self.dice.roll(3), Duration::ZERO, hidden).await.unwrap());
    }

    async fn vanish(&mut self) {
        let name = self.dice.pick(&NAMES);
        self.world.ports.uploads.delete(&format!("{PREFIX}{name}")).await.unwrap();
        self.keys.get_mut(name).unwrap().is_deleted = true;
    }

    fn fail_calls(&mut self) {
        let kind = self.dice.pick(&[ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Denied]);
        let when = self.dice.pick(&[When::Before, When::After]);
        let (n, times) = (1 + self.dice.roll(4), self.dice.pick(&self.pace.failures));
        self.world.faults.fail_many(self.dice.pick(&CALLS), n, times, kind, when);
    }

    fn kill_at_a_call(&mut self) {
        let when = self.dice.pick(&[When::KilledBefore, When::KilledAfter]);
        self.world.faults.fail(self.dice.pick(&CALLS), 1 + self.dice.roll(3), ErrorKind::Unavailable, when);
    }

    /// Delays calls beyond the lease, while no worker can extend it.
    fn lose_leases(&mut self) {
        let call = self.dice.pick(&[Call::UploadsGet, Call::CatalogApply, Call::ThumbnailsPut]);
        self.world.faults.fail(call, 1, ErrorKind::Unavailable, When::Late(3 * self.pace.visibility));
        self.world.faults.fail_many(Call::QueueExtend, 1, 8, ErrorKind::Unavailable, When::Before);
    }

    async fn stop_a_worker(&mut self) {
        let running = self.world.running();
        let number = self.dice.pick(&running);
        // The worker may be killed before it has drained.
        let _ = tokio::time::timeout(self.pace.stop, self.world.stop_worker(number)).await;
        self.world.start_worker();
    }

    async fn send_nonsense(&mut self) {
        self.world.send("no event at all").await;
        self.poison += 1;
    }

    /// Removes all faults, and redrives dead letters until only unreadable ones are left.
    async fn settle(&mut self) {
        self.world.faults.heal();
        for _ in 0..20 {
            self.world.replace_the_dead();
            self.world.run_until_idle().await;
            if self.world.redrive().await == 0 {
                return;
            }
        }
        let dead = self.world.ports.dead_letters.receive(10, Duration::ZERO, Duration::from_secs(60)).await.unwrap();
        let mut records = self.world.faults.writes();
        records.drain(..records.len().saturating_sub(20));
        panic!("dead letters come back again and again: {dead:#?}, after {records:#?}");
    }

    async fn expect_what_the_model_says(&self) {
        for (name, key) in &self.keys {
            let id = ImageId::of_key(PREFIX, &format!("{PREFIX}{name}")).unwrap();
            let record = self.world.ports.catalog.get(&id).await.unwrap();
            let found = record.as_ref().map(|record| (record.status, record.reason));
            let is_right = found == key.newest || key.is_deleted && found == Some(VANISHED);
            assert!(is_right, "{name} is {record:?}, and must be {:?}", key.newest);
            if let Some(record) = record.filter(|record| record.published.is_some()) {
                self.world.expect_thumbnails(&record).await;
            }
        }
    }

    /// A verdict on a version never changes, and an older upload never replaces a newer one.
    fn expect_only_progress(&self) {
        let mut last = HashMap::new();
        for record in self.world.faults.writes() {
            let Some(before) = last.insert(record.id.clone(), record.clone()) else { continue };
            assert!(record.seq >= before.seq, "back to an older upload: {before:?}, then {record:?}");
            let is_decided = [Status::Published, Status::InvalidContentType].contains(&before.status);
            let is_same = record.seq == before.seq && record.src == before.src;
            assert!(!(is_decided && is_same), "decided twice: {before:?}, then {record:?}");
        }
    }
}

/// Runs each history on a clock of its own.
fn live_through_all(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        eprintln!("seed {seed}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let world = World::idle(Options { visibility: PAUSED.visibility, ..Options::default() });
            History::of(world, seed, PAUSED).live_through(STEPS).await;
        });
    }
}

#[test]
fn twenty_random_histories_end_as_the_model_says() {
    live_through_all(0..20);
}

#[test]
#[ignore = "takes minutes: `make test-long`"]
fn two_hundred_random_histories_end_as_the_model_says() {
    let [one, other] = [1000..1100, 1100..1200].map(|seeds| std::thread::spawn(|| live_through_all(seeds)));
    one.join().unwrap();
    other.join().unwrap();
}
