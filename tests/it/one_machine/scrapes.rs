//! A scrape after ten thousand images has the same series as before, and no values from any image.

use std::collections::BTreeSet;
use std::sync::Arc;

use darkroom::metrics::definitions;
use futures_util::future::join_all;

use super::Site;
use crate::images;
use crate::process::{Process, until};

const IMAGES: usize = 10_000;

/// Images between two checks of the progress.
const ROUND: usize = 1000;

/// Number of concurrent clients.
const CLIENTS: usize = 8;

/// The names and labels of a scrape's lines.
fn series(scrape: &str) -> BTreeSet<String> {
    let samples = scrape.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

/// The values of a series' labels, without the bounds of buckets.
fn label_values(series: &str) -> Vec<&str> {
    let labels = series.split_once('{').map_or("", |(_, labels)| labels.trim_end_matches('}'));
    let pairs = labels.split(',').filter_map(|label| label.split_once('='));
    pairs.filter(|(name, _)| *name != "le").map(|(_, value)| value.trim_matches('"')).collect()
}

async fn wait_until_published(darkroom: &Process, count: usize) {
    until("they are published", async || {
        darkroom.metric("darkroom_messages_settled_total", "outcome=\"published\"").await >= count as f64
    })
    .await;
}

/// Uploads a few images of each kind, and sends requests that fail.
async fn warm_up(site: &Site) -> usize {
    let jpeg = images::jpeg(64, 48);
    let pictures = [images::png_rgb(8, 8), images::jpeg_progressive(40, 30), jpeg.clone()];
    for bytes in [b"a text".to_vec(), Vec::new(), jpeg[..jpeg.len() / 2].to_vec()].iter().chain(&pictures) {
        site.upload(bytes).await;
    }
    for path in ["/images/no-such-image", "/nothing", "/images?key=nothing", "/", "/openapi.json"] {
        site.http.get(format!("{}{path}", site.api)).send().await.unwrap();
    }
    pictures.len()
}

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn ten_thousand_images_later_the_series_are_the_same() {
    let site = Arc::new(Site::new());
    let darkroom = site.start("local").await;
    let first = series(&darkroom.get("/metrics").await);
    let mut expected = warm_up(&site).await;
    wait_until_published(&darkroom, expected).await;
    let before = series(&darkroom.get("/metrics").await);
    assert_eq!(before, first, "a few images of each kind have added series");

    let tiny = Arc::new(images::png_rgb(8, 8));
    let mut ids = Vec::new();
    for _ in 0..IMAGES / ROUND {
        let clients = (0..CLIENTS).map(|_| {
            let (site, tiny) = (site.clone(), tiny.clone());
            tokio::spawn(async move {
                let mut ids = Vec::new();
                for _ in 0..ROUND / CLIENTS {
                    ids.push(site.upload(&tiny).await);
                }
                ids
            })
        });
        ids.extend(join_all(clients).await.into_iter().flat_map(Result::unwrap));
        expected += ROUND;
        wait_until_published(&darkroom, expected).await;
    }
    assert_eq!(ids.len(), IMAGES);

    let scrape = darkroom.get("/metrics").await;
    let after = series(&scrape);
    println!(
        "{} series before {IMAGES} images, {} after; a scrape of {} bytes",
        before.len(),
        after.len(),
        scrape.len()
    );
    assert_eq!(after, before);
    assert!(ids.iter().all(|id| !scrape.contains(id.as_str())), "a scrape holds an image's id");
    assert!(!scrape.contains("uploads/"), "a scrape holds a key");
    let known: BTreeSet<&str> = definitions::TABLE.iter().flat_map(|metric| (metric.series)()).flatten().collect();
    for series in &after {
        let unknown: Vec<_> = label_values(series).into_iter().filter(|value| !known.contains(value)).collect();
        assert!(unknown.is_empty(), "{series}: {unknown:?} are in no list");
    }
    darkroom.stop().await;
}
