//! A render that nothing can stop: its process ends itself, and another one goes on with the image.

use std::time::Duration;

use turbojpeg::Subsamp;

use super::Site;
use crate::images::{self, JpegKind};
use crate::process::until;

/// Decoded by libjpeg in one go that takes a second at least, twice over since its end marker is missing. The deadline is
/// looked at before and after.
fn unstoppable() -> Vec<u8> {
    let kind = JpegKind { subsampling: Subsamp::None, is_progressive: true, is_arithmetic: true, quality: 60 };
    let mut jpeg = images::jpeg_of(kind, 9000, 9000);
    jpeg.truncate(jpeg.len() - 2);
    jpeg
}

#[tokio::test]
async fn a_render_past_twice_its_deadline_ends_the_process_and_another_publishes() {
    let site = Site::new();
    let mut command = site.command("local");
    command.env("DARKROOM_RENDER_TIMEOUT", "1s").env("DARKROOM_MEMORY_BUDGET", "3GiB");
    command.env("DARKROOM_VISIBILITY_TIMEOUT", "60s");
    let darkroom = site.run(command).await;
    let id = site.upload(&unstoppable()).await;
    let record = format!("SELECT count(*) FROM images WHERE id = '{id}' AND status = 'waiting_for_thumbnails'");
    until("it is being rendered", async || site.count(&record) == 1).await;

    // The drain cannot end while nobody can write, so there is time to look at it.
    let database = rusqlite::Connection::open(site.data().join("darkroom.db")).unwrap();
    database.busy_timeout(crate::process::PATIENCE).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    // However fast the machine is, more than two seconds pass.
    darkroom.signal("-STOP").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    darkroom.signal("-CONT").await;
    until("it is unready", async || darkroom.get("/readyz").await.contains("draining")).await;
    assert_eq!(darkroom.get("/livez").await, "alive\n");
    database.execute_batch("ROLLBACK").unwrap();
    let (code, log) = darkroom.ended().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("past twice its deadline"), "{log}");

    // It counted as a failure of the image, and not as a death: it is not rendered alone.
    let told = "SELECT count(*) FROM images WHERE record LIKE '%rendering took longer than its deadline%'";
    assert_eq!(site.count(told), 1);
    let mut command = site.command("local");
    command.env("DARKROOM_MEMORY_BUDGET", "3GiB");
    let darkroom = site.run(command).await;
    site.expect_published(&id).await;
    assert_eq!(darkroom.metric("darkroom_dead_claims_total", "").await, 0.0);
    println!("decoded in {} s", darkroom.metric("darkroom_stage_duration_seconds_sum", "\"decode\"").await);
    darkroom.stop().await;
    site.expect_nothing_but(1);
}
