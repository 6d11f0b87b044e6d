//! A process killed or stopped during its work: every upload is published.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::Site;
use crate::dice::Dice;
use crate::images;
use crate::process::until;

#[tokio::test]
async fn killed_in_the_middle_of_fifty_uploads_it_publishes_all_of_them() {
    let site = Site::new();
    let darkroom = site.start("local").await;
    let ids = site.upload_many(50).await;
    darkroom.kill().await;
    let darkroom = site.start("local").await;
    for id in &ids {
        site.expect_published(id).await;
    }
    darkroom.stop().await;
    site.expect_nothing_but(ids.len());
}

#[tokio::test]
async fn terminated_with_fifty_in_the_queue_it_ends_in_order_and_goes_on_later() {
    let site = Site::new();
    let darkroom = site.start("local").await;
    let ids = site.upload_many(50).await;
    darkroom.stop().await;
    let darkroom = site.start("local").await;
    for id in &ids {
        site.expect_published(id).await;
    }
    darkroom.stop().await;
    site.expect_nothing_but(ids.len());
}

/// Number of photographs uploaded while the process is killed, and number of kills.
const PHOTOGRAPHS: usize = 200;
const KILLS: usize = 10;

#[tokio::test]
async fn two_hundred_uploads_outlive_ten_random_kills() {
    let site = Arc::new(Site::new());
    let mut darkroom = site.start("local").await;
    let uploaded = Arc::new(AtomicUsize::new(0));
    let clients = (0..4).map(|_| {
        let (site, uploaded) = (site.clone(), uploaded.clone());
        tokio::spawn(async move {
            let photograph = images::jpeg(1000, 750);
            let mut ids = Vec::new();
            while uploaded.fetch_add(1, Ordering::Relaxed) < PHOTOGRAPHS {
                ids.push(site.upload_at_last(&photograph).await);
            }
            ids
        })
    });
    let clients: Vec<_> = clients.collect();
    let mut dice = Dice::unforeseen();
    for _ in 0..KILLS {
        tokio::time::sleep(Duration::from_millis(50 + dice.roll(800) as u64)).await;
        darkroom.kill().await;
        darkroom = site.start("local").await;
    }
    let ids: Vec<String> = join_all(clients).await.into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(ids.len(), PHOTOGRAPHS);
    for id in &ids {
        site.expect_published(id).await;
    }
    until("nothing is queued", async || site.count("SELECT count(*) FROM messages") == 0).await;
    darkroom.stop().await;
    site.expect_nothing_but(PHOTOGRAPHS);
}
