//! Two workers on one directory under all kinds of trouble, for thousands of uploads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{OBJECTS_IN_FILES, Site};
use crate::dice::Dice;
use crate::images;
use crate::process::{Process, until};

/// The minimum number of uploads. A longer soak continues for `DARKROOM_SOAK_SECONDS`.
const UPLOADS: usize = 2000;

/// One upload in this many is not an image.
const TEXT_EACH: usize = 10;

/// How long the database stays locked: longer than the five seconds for which the processes wait.
const LOCKED: Duration = Duration::from_millis(5500);

struct Soak {
    site: Site,
    begun: Instant,
    least: Duration,
    asked_for: AtomicUsize,
    is_over: AtomicBool,
}

impl Soak {
    /// The number of the next upload, or `None` at the end.
    fn next(&self) -> Option<usize> {
        let number = self.asked_for.fetch_add(1, Ordering::Relaxed);
        (number < UPLOADS || self.begun.elapsed() < self.least).then_some(number)
    }

    /// Uploads one file after another; returns the number of images and of texts.
    async fn upload(&self) -> (usize, usize) {
        let photograph = images::jpeg(96, 64);
        let (mut uploaded, mut texts) = (0, 0);
        while let Some(number) = self.next() {
            let is_text = number % TEXT_EACH == 0;
            self.site.upload_at_last(if is_text { b"a text" } else { &photograph }).await;
            if is_text { texts += 1 } else { uploaded += 1 }
        }
        (uploaded, texts)
    }

    /// Kills, stops and starts workers, and locks the database, until all files are uploaded.
    async fn harass(&self, mut workers: [Process; 2]) -> [Process; 2] {
        let mut dice = Dice::unforeseen();
        let (mut kills, mut stops, mut locks) = (0, 0, 0);
        while !self.is_over.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(300 + dice.roll(2000) as u64)).await;
            let [one, other] = workers;
            workers = match dice.roll(6) {
                0..=2 => {
                    one.kill().await;
                    kills += 1;
                    [other, self.site.start("worker").await]
                }
                3..=4 => {
                    one.stop().await;
                    stops += 1;
                    [other, self.site.start("worker").await]
                }
                _ => {
                    self.lock().await;
                    locks += 1;
                    [other, one]
                }
            };
        }
        println!("{kills} kills, {stops} stops, the database held {locks} times");
        workers
    }

    async fn lock(&self) {
        let database = rusqlite::Connection::open(self.site.data().join("darkroom.db")).unwrap();
        database.busy_timeout(Duration::from_secs(60)).unwrap();
        database.execute_batch("BEGIN IMMEDIATE").unwrap();
        tokio::time::sleep(LOCKED).await;
        database.execute_batch("ROLLBACK").unwrap();
    }

    async fn settled(&self) {
        let started = Instant::now();
        while self.site.count("SELECT count(*) FROM messages WHERE queue = 0") > 0 {
            assert!(started.elapsed() < Duration::from_secs(1200), "the queue does not empty");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The memory in bytes and the number of descriptors of each process.
    fn held(processes: &[&Process]) -> Vec<(u64, usize)> {
        processes.iter().map(|process| (process.memory().0, process.descriptors())).collect()
    }
}

#[tokio::test]
#[ignore = "takes minutes: `make test-long`, or an hour by `make soak`"]
async fn nothing_is_lost_in_a_long_bad_day() {
    let seconds = std::env::var("DARKROOM_SOAK_SECONDS").map_or(0, |text| text.parse().unwrap());
    let soak = Arc::new(Soak {
        site: Site::new(),
        begun: Instant::now(),
        least: Duration::from_secs(seconds),
        asked_for: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    });
    let site = &soak.site;
    let (api, one, two) = tokio::join!(site.start("api"), site.start("worker"), site.start("worker"));
    let harassed = tokio::spawn({
        let soak = soak.clone();
        async move { soak.harass([one, two]).await }
    });
    let clients = (0..4).map(|_| {
        let soak = soak.clone();
        tokio::spawn(async move { soak.upload().await })
    });
    let counts = join_all(clients.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap);
    let (mut published, texts) = counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    // The trouble continues until most messages are settled.
    until("most is settled", async || site.count("SELECT count(*) FROM messages WHERE queue = 0") < 200).await;
    soak.is_over.store(true, Ordering::Relaxed);
    let [one, two] = harassed.await.unwrap();
    soak.settled().await;

    // Without trouble, the processes' memory and descriptors do not grow.
    let processes = [&api, &one, &two];
    published += site.upload_many(50).await.len();
    soak.settled().await;
    let before = Soak::held(&processes);
    published += site.upload_many(200).await.len();
    soak.settled().await;
    let after = Soak::held(&processes);
    println!(
        "{published} images and {texts} texts in {:?}; memory and descriptors {before:?}, then {after:?}",
        soak.begun.elapsed()
    );
    for (before, after) in before.iter().zip(&after) {
        assert!(
            after.0 < before.0 + before.0 / 4 + 16_000_000 && after.1 <= before.1 + 8,
            "{before:?}, then {after:?}"
        );
    }
    for process in [api, one, two] {
        process.stop().await;
    }
    let others = "SELECT record FROM images WHERE status NOT IN ('published', 'invalid_content_type')";
    println!("neither published nor refused: {:?}", site.texts(others));
    let left = "SELECT queue || ' ' || receive_count || ' ' || id || ' ' || body FROM messages";
    println!("messages that are left: {:?}", site.texts(left));
    assert_eq!(site.count("SELECT count(*) FROM images WHERE status = 'invalid_content_type'"), texts);
    assert_eq!(site.count("SELECT count(*) FROM images WHERE status = 'published'"), published);
    assert_eq!(site.count("SELECT count(*) FROM messages"), 0, "dead letters, or messages");
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'uploads/%'"), published + texts);
    assert_eq!(site.count("SELECT count(*) FROM objects WHERE key LIKE 'thumbnails/%'"), 3 * published);
    until("the files are those of the objects", async || {
        let files = std::fs::read_dir(site.data().join("objects")).unwrap().count();
        files == site.count(OBJECTS_IN_FILES)
    })
    .await;
}
