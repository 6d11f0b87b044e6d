//! A render thread that hangs, which no file can cause: its process exits, and another one processes the image.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use turbojpeg::Subsamp;

use super::Site;
use crate::images::{self, JpegKind};
use crate::process::until;
use crate::skip::skip;

/// Thumbnails of 64 to 81 megapixels.
const LARGE_SIZES: &str = "a:8000,b:8500,c:9000";

/// Takes many seconds with [`LARGE_SIZES`].
fn long() -> Vec<u8> {
    let kind = JpegKind { subsampling: Subsamp::None, is_progressive: true, is_arithmetic: true, quality: 60 };
    images::jpeg_of(kind, 9000, 9000)
}

/// Stops the render thread until the returned child is dropped. Returns `None`, and prints why, if not permitted.
async fn stop_the_render_thread(process: u32) -> Option<Child> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/one_machine/stop_busiest_thread.py");
    let mut command = Command::new("python3");
    command.args([script, &process.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    if line == "stopped\n" {
        return Some(child);
    }
    skip("threads of other processes cannot be stopped here");
    None
}

#[tokio::test]
async fn a_render_past_twice_its_deadline_ends_the_process_and_another_publishes() {
    let site = Site::new();
    let mut command = site.command("local");
    command
        .env("DARKROOM_RENDER_TIMEOUT", "5s")
        .env("DARKROOM_MEMORY_BUDGET", "16GiB")
        .env("DARKROOM_SIZES", LARGE_SIZES);
    command.env("DARKROOM_VISIBILITY_TIMEOUT", "60s");
    let darkroom = site.run(command).await;
    let id = site.upload(&long()).await;
    let record = format!("SELECT count(*) FROM images WHERE id = '{id}' AND status = 'waiting_for_thumbnails'");
    until("it is being rendered", async || site.count(&record) == 1).await;
    let Some(stopped) = stop_the_render_thread(darkroom.id()).await else { return };

    // The drain cannot end while the database is locked, so there is time to check it.
    let database = rusqlite::Connection::open(site.data().join("darkroom.db")).unwrap();
    database.busy_timeout(crate::process::PATIENCE).unwrap();
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    until("it is unready", async || darkroom.get("/readyz").await.contains("draining")).await;
    assert_eq!(darkroom.get("/livez").await, "alive\n");
    database.execute_batch("ROLLBACK").unwrap();
    until("it gave up", async || darkroom.printed().contains("ending=Stuck")).await;
    // A thread that ptrace stopped does not die with its process.
    drop(stopped);
    let (code, log) = darkroom.ended().await;
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("past twice its deadline"), "{log}");

    // It counted as a failure of the image, not as a death, so the image is not rendered alone.
    let query = "SELECT count(*) FROM images WHERE record LIKE '%rendering took longer than its deadline%'";
    assert_eq!(site.count(query), 1);
    let mut command = site.command("local");
    command
        .env("DARKROOM_MEMORY_BUDGET", "16GiB")
        .env("DARKROOM_SIZES", LARGE_SIZES)
        .env("DARKROOM_RENDER_TIMEOUT", "90s");
    let darkroom = site.run(command).await;
    site.expect_published(&id).await;
    assert_eq!(darkroom.metric("darkroom_dead_claims_total", "").await, 0.0);
    println!("decoded in {} s", darkroom.metric("darkroom_stage_duration_seconds_sum", "\"decode\"").await);
    darkroom.stop().await;
    site.expect_nothing_but(1);
}
