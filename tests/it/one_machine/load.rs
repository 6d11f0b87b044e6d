//! Memory and order under the uploads that need the most memory within the limits.

use std::time::Instant;

use jiff::Timestamp;
use png::{BitDepth, ColorType};
use turbojpeg::Subsamp;

use super::Site;
use crate::images::{self, JpegKind};

const MIB: u64 = 1024 * 1024;

/// A JPEG of at most this many pixels.
fn jpeg(pixels: u64, subsampling: Subsamp, is_progressive: bool) -> Vec<u8> {
    let side = pixels.isqrt() as u32;
    images::jpeg_of(JpegKind { subsampling, is_progressive, is_arithmetic: false, quality: 60 }, side, side)
}

/// All slots render the largest images of the most expensive kinds at once, repeatedly.
#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn a_budget_of_256_mib_keeps_the_process_under_400_mb() {
    let site = Site::new();
    let mut command = site.command("local");
    command.env("DARKROOM_MEMORY_BUDGET", "256MiB").env("DARKROOM_RENDER_SLOTS", "4");
    let darkroom = site.run(command).await;
    let log = darkroom.printed();
    let limit: u64 = log.split("max_pixels=").nth(1).unwrap().split_whitespace().next().unwrap().parse().unwrap();
    let side = limit.isqrt() as u32;
    let deep = vec![0; (side * side * 8) as usize];
    let dearest = [
        ("baseline", jpeg(limit, Subsamp::Sub2x2, false)),
        ("progressive 4:4:4", jpeg(limit, Subsamp::None, true)),
        ("16 bits", images::png_of(ColorType::Rgba, BitDepth::Sixteen, side, side, &deep)),
        ("interlaced", images::png_interlaced(side, side)),
    ];
    let mut ids = Vec::new();
    for _ in 0..3 {
        for (_, bytes) in &dearest {
            ids.push(site.upload(bytes).await);
        }
    }
    for id in &ids {
        site.expect_published(id).await;
    }
    let (_, most) = darkroom.memory();
    println!("{} images of {side}x{side}: at most {} MB resident", ids.len(), most / 1_000_000);
    assert!(most < 400_000_000, "{} MB", most / 1_000_000);
    assert!(most > 100 * MIB, "the load was none: {} MB", most / 1_000_000);
    darkroom.stop().await;
}

/// Images of 100 megapixels arrive among small ones. The worker serves them in order, so no small image waits for a
/// large one that arrived later.
#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn small_images_are_not_starved_by_large_ones() {
    const LARGE: usize = 6;
    const SMALL_BETWEEN: usize = 20;
    let site = Site::new();
    let mut command = site.command("local");
    command.env("DARKROOM_MEMORY_BUDGET", "2GiB").env("DARKROOM_RENDER_SLOTS", "2");
    let darkroom = site.run(command).await;
    let (large, small) = (jpeg(100_000_000, Subsamp::Sub2x2, false), images::jpeg(320, 240));
    let begun = Instant::now();
    let mut rounds = Vec::new();
    for _ in 0..LARGE {
        let large = site.upload(&large).await;
        let mut ids = Vec::new();
        for _ in 0..SMALL_BETWEEN {
            ids.push(site.upload(&small).await);
        }
        rounds.push((large, ids));
    }
    let times = async |id: &str| {
        let image = site.expect_published(id).await;
        ["createdAt", "publishedAt"].map(|field| image[field].as_str().unwrap().parse::<Timestamp>().unwrap())
    };
    let (mut ends, mut waits) = (Vec::new(), [Vec::new(), Vec::new()]);
    for (large, small) in &rounds {
        let mut last_small = Timestamp::MIN;
        for id in small {
            let [created, published] = times(id).await;
            last_small = last_small.max(published);
            waits[0].push(published.duration_since(created).as_millis_f64());
        }
        let [created, published] = times(large).await;
        ends.push((published, last_small));
        waits[1].push(published.duration_since(created).as_millis_f64());
    }
    println!("{LARGE} x 100 MP and {} small images in {:?}", LARGE * SMALL_BETWEEN, begun.elapsed());
    for (size, waits) in ["small", "100 MP"].iter().zip(&mut waits) {
        waits.sort_by(f64::total_cmp);
        let (half, all) = (waits[waits.len() / 2], waits[waits.len() - 1]);
        println!("{size}: half are published {half:.0} ms after their upload began, all of them {all:.0} ms");
    }
    for (number, (_, last_small)) in ends.iter().enumerate() {
        // There are two slots, and up to ten messages may be received out of order: two large images may overtake.
        if let Some((later_large, _)) = ends.get(number + 3) {
            assert!(last_small <= later_large, "small images of round {number} waited for a later large one: {ends:?}");
        }
    }
    darkroom.stop().await;
}

/// A render past its deadline stops between its stages, strips and scans. This counts as an attempt, and the last
/// attempt records the reason.
#[tokio::test]
async fn a_render_past_its_deadline_is_a_failure_that_counts() {
    let site = Site::new();
    // Each of them takes a part of a second, all together seconds.
    let many_sizes = (0..16).map(|at| format!("s{at}:{}", 4000 + at)).collect::<Vec<_>>().join(",");
    let mut command = site.command("local");
    command
        .env("DARKROOM_RENDER_TIMEOUT", "1s")
        .env("DARKROOM_SIZES", &many_sizes)
        .env("DARKROOM_MAX_RECEIVES", "2")
        .env("DARKROOM_MEMORY_BUDGET", "16GiB");
    let darkroom = site.run(command).await;
    let id = site.upload(&images::png_of(ColorType::Rgb, BitDepth::Eight, 10_000, 10_000, &vec![0; 300_000_000])).await;
    let url = format!("{}/images/{id}", site.api);
    let shown = || async {
        let answer = site.http.get(&url).send().await.unwrap_or_else(|error| panic!("{error}: {}", darkroom.printed()));
        answer.json::<serde_json::Value>().await.unwrap()
    };
    crate::process::until("it is given up", async || shown().await["status"] == "failed").await;
    assert_eq!(shown().await["reason"], "render_timeout");
    darkroom.stop().await;
    assert_eq!(site.count("SELECT count(*) FROM messages WHERE queue = 1"), 1);
}
