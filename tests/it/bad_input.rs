//! Bad uploads through the whole darkroom: each ends with its reason after one attempt, and the worker continues.

use darkroom::record::{Reason, Status};

use crate::images;
use crate::world::{Call, Options, World};

/// Every kind of bad upload: its name, its bytes, and the reason for which it is refused.
fn bad_uploads(max_bytes: usize) -> Vec<(String, Vec<u8>, Reason)> {
    let mut uploads = vec![
        ("empty".to_owned(), Vec::new(), Reason::Empty),
        ("text.jpg".to_owned(), b"this is no picture".to_vec(), Reason::UnsupportedType),
        ("claims-100000".to_owned(), images::claims_100000_png(), Reason::TooManyPixels),
        ("gray-400mp".to_owned(), images::gray_400mp_png(), Reason::TooManyPixels),
        ("25000-scans".to_owned(), images::jpeg_of_scans(25_000), Reason::TooMuchWork),
        ("zero-height.jpg".to_owned(), images::zero_height_jpeg(), Reason::Corrupt),
        ("zero-width.png".to_owned(), images::png_claiming(0, 10), Reason::Corrupt),
    ];
    for (name, bytes) in images::other_kinds() {
        uploads.push((format!("other-{name}"), bytes, Reason::UnsupportedType));
    }
    for (name, whole) in [("jpeg", images::jpeg(640, 480)), ("png", images::png_rgb(320, 240))] {
        for (cut, length) in [("half", whole.len() / 2), ("200", whole.len() - 200), ("20", whole.len() - 20)] {
            uploads.push((format!("cut-{name}-{cut}"), whole[..length].to_vec(), Reason::Corrupt));
        }
    }
    let mut one_byte_over = images::jpeg(64, 48);
    one_byte_over.resize(max_bytes + 1, 0);
    uploads.push(("one-byte-over".to_owned(), one_byte_over, Reason::TooManyBytes));
    uploads
}

#[tokio::test(start_paused = true)]
async fn every_bad_upload_is_refused_for_its_reason_after_one_attempt() {
    let options = Options::default();
    let uploads = bad_uploads(usize::try_from(options.max_bytes).unwrap());
    let metrics = darkroom::metrics::install(darkroom::metrics::Scope::WithApi).unwrap();
    let mut world = World::idle(options);
    world.start_worker();
    for (name, bytes, reason) in &uploads {
        let id = world.upload(name, bytes).await;
        world.run_until_idle().await;
        let record = world.record(&id).await;
        assert_eq!((record.status, record.reason), (Status::InvalidContentType, Some(*reason)), "{name}: {record:?}");
    }
    assert_eq!(world.faults.calls(Call::UploadsGet), uploads.len(), "one attempt each");
    let scrape = metrics.render();
    for (_, _, reason) in &uploads {
        let count = uploads.iter().filter(|upload| upload.2 == *reason).count();
        let series = format!("darkroom_images_rejected_total{{reason=\"{reason}\"}} ");
        let counted = scrape.lines().find_map(|line| line.strip_prefix(&series)).unwrap();
        // Tests in the same process share the counters.
        assert!(counted.parse::<usize>().unwrap() >= count, "{reason} was counted {counted} times of {count}");
    }
    let id = world.upload("good", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_of_just_the_most_bytes_and_a_plain_white_one_are_taken() {
    let options = Options::default();
    let max_bytes = usize::try_from(options.max_bytes).unwrap();
    let mut world = World::idle(options);
    world.start_worker();
    for length in [max_bytes - 1, max_bytes] {
        // Bytes after the end marker are not part of the picture.
        let mut bytes = images::jpeg(64, 48);
        bytes.resize(length, 0);
        let id = world.upload(&format!("bytes-{length}"), &bytes).await;
        world.run_until_idle().await;
        world.expect_published(&id).await;
    }
    let id = world.upload("white", &images::white_30mp_png()).await;
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}
