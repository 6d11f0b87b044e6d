//! Bad uploads through the whole darkroom: each ends with its reason after one attempt, and the worker continues.

use darkroom::record::{FIRST_SCHEMA, Reason, Status};
use darkroom_thumbnail::FileKind;

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

/// A JPEG in what clients wrap around it by mistake, and files of other kinds.
fn recognised_uploads() -> Vec<(FileKind, Vec<u8>)> {
    let jpeg = images::jpeg(64, 48);
    let form = b"--boundary\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n";
    let chunk = format!("{:x};chunk-signature={}\r\n", jpeg.len(), "0".repeat(64));
    let unsigned = format!("{:x}\r\n", jpeg.len());
    let png = images::png_rgb(32, 24);
    let (signature, chunks) = png.split_at(8);
    let cgbi_chunk = b"\0\0\0\x04CgBI\x50\0\x20\x02\x2b\xd5\xb3\x7f";
    let mut lossless = jpeg.clone();
    let frame = lossless.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    lossless[frame + 1] = 0xc3;
    vec![
        (FileKind::Multipart, [form, &*jpeg, b"\r\n--boundary--\r\n"].concat()),
        (FileKind::AwsChunked, [chunk.as_bytes(), &jpeg, b"\r\n0;chunk-signature=0\r\n\r\n"].concat()),
        (FileKind::AwsChunked, [unsigned.as_bytes(), &jpeg, b"\r\n0\r\n\r\n"].concat()),
        (FileKind::Gzip, [b"\x1f\x8b\x08\0", &*jpeg].concat()),
        (FileKind::CgBi, [signature, cgbi_chunk, chunks].concat()),
        (FileKind::RareJpeg, lossless),
        (FileKind::Heic, b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec()),
        (FileKind::Video, b"\0\0\0\x14ftypqt  \0\0\0\0qt  ".to_vec()),
    ]
}

/// The detail names the kind, and shows nothing of the file.
#[tokio::test(start_paused = true)]
async fn a_file_of_another_kind_is_refused_with_its_name_and_the_next_upload_clears_it() {
    let mut world = World::idle(Options::default());
    world.start_worker();
    for (number, (kind, bytes)) in recognised_uploads().into_iter().enumerate() {
        let id = world.upload(&format!("file-{number}"), &bytes).await;
        world.run_until_idle().await;
        let record = world.record(&id).await;
        assert_eq!((record.status, record.reason), (Status::InvalidContentType, Some(Reason::UnsupportedType)));
        assert_eq!(record.detail(), Some(kind.sentence()));
        assert_eq!(record.v, FIRST_SCHEMA, "an older build can go on with the record");
        for (bytes, expected) in [(&b"a text"[..], Reason::UnsupportedType.detail(None)), (&images::jpeg(8, 8), None)] {
            world.upload(&format!("file-{number}"), bytes).await;
            world.run_until_idle().await;
            let record = world.record(&id).await;
            assert_eq!((record.detail(), record.refused_kind), (expected, None), "{kind:?}");
        }
    }
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
