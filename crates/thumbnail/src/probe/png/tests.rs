//! Which headers are read and refused, and the limits of a header.

use super::*;

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&kind[..], body].concat();
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &named, &crc32_iso_hdlc(&named).to_be_bytes()].concat()
}

fn ihdr(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat())
}

fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
    [SIGNATURE.to_vec(), chunks.concat()].concat()
}

#[test]
fn the_checksum_is_that_of_png() {
    assert_eq!(crc32_iso_hdlc(b"IEND"), 0xae42_6082);
}

fn read(mut bytes: &[u8]) -> PngProbe {
    PngProbe::read(&mut bytes).unwrap()
}

fn refused(mut bytes: &[u8]) -> Option<RefusalReason> {
    match PngProbe::read(&mut bytes) {
        Err(RenderError::Refused(refusal)) => Some(refusal.reason),
        _ => None,
    }
}

#[test]
fn the_header_is_read() {
    let bytes =
        file(&[ihdr(7, 5, [8, 3, 0, 0, 1]), chunk(b"PLTE", &[7; 3]), chunk(b"tRNS", &[0]), chunk(b"IDAT", &[])]);
    let probe = read(&[bytes, chunk(b"IEND", &[])].concat());
    assert_eq!((probe.width, probe.height, probe.depth, probe.channels), (7, 5, 8, 4));
    assert_eq!((probe.palette, probe.transparency), (vec![7; 3], Some(vec![0])));
    assert!(probe.has_palette && probe.is_interlaced && probe.tolerated.is_empty());
}

#[test]
fn the_image_data_ends_with_its_last_chunk_or_with_the_file() {
    let (head, data) = (file(&[ihdr(7, 5, [8, 0, 0, 0, 0])]), chunk(b"IDAT", b"data"));
    let found = |rest: &[Vec<u8>]| {
        let probe = read(&[head.clone(), rest.concat()].concat());
        (probe.data, probe.tolerated.into_iter().collect::<Vec<_>>())
    };
    let (text, end) = (chunk(b"tEXt", b"a\0b"), chunk(b"IEND", &[]));
    let (start, one) = (head.len() as u64, data.len() as u64);
    let of = |bytes: u64| Some(start..start + bytes);
    assert_eq!(found(&[data.clone(), end.clone()]), (of(one), vec![]));
    assert_eq!(found(&[data.clone(), data.clone(), text.clone(), end.clone()]), (of(2 * one), vec![]));
    let parted = of(2 * one + text.len() as u64);
    assert_eq!(found(&[data.clone(), text, data.clone(), end.clone()]), (parted, vec![Tolerated::ChunkOrder]));
    for critical in [ihdr(7, 5, [8, 0, 0, 0, 0]), chunk(b"PLTE", &[7; 3]), chunk(b"ABCD", b"x")] {
        assert_eq!(found(&[data.clone(), critical, data.clone()]), (of(one), vec![]));
    }
    assert_eq!(found(&[data.clone(), end.clone(), data.clone()]), (of(one), vec![Tolerated::TrailingBytes]));
    for length in 8..data.len() {
        assert_eq!(found(&[data[..length].to_vec()]), (of(length as u64), vec![Tolerated::MissingEnd]), "{length}");
    }
    assert_eq!(found(&[data[..7].to_vec()]).0, None);
    assert_eq!(found(&[end]).0, None);
}

#[test]
fn impossible_headers_are_corrupt() {
    for rest in [
        [3, 0, 0, 0, 0],
        [16, 3, 0, 0, 0],
        [4, 2, 0, 0, 0],
        [8, 5, 0, 0, 0],
        [8, 0, 1, 0, 0],
        [8, 0, 0, 1, 0],
        [8, 0, 0, 0, 2],
    ] {
        assert_eq!(refused(&file(&[ihdr(1, 1, rest)])), Some(RefusalReason::Corrupt), "{rest:?}");
    }
    let mut damaged = file(&[ihdr(1, 1, [8, 0, 0, 0, 0])]);
    damaged[18] ^= 1;
    assert_eq!(refused(&damaged), Some(RefusalReason::Corrupt));
}

#[test]
fn so_much_of_exif_is_read_as_a_jpeg_could_hold() {
    const LIMIT: usize = 64 << 10;
    for (end, orientation) in [(LIMIT - 1, 6), (LIMIT, 6), (LIMIT + 1, 1)] {
        // Big-endian, with the orientation as its only entry, at the end.
        let entry = [0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
        let place = u32::try_from(end - entry.len()).unwrap().to_be_bytes();
        let mut exif = [&b"MM\0*"[..], &place].concat();
        exif.resize(end - entry.len(), 0);
        exif.extend(entry);
        exif.extend([0; 100]);
        let bytes = file(&[ihdr(1, 1, [8, 0, 0, 0, 0]), chunk(b"eXIf", &exif), chunk(b"IDAT", &[])]);
        assert_eq!(read(&bytes).orientation, orientation, "{end}");
    }
}

#[test]
fn a_palette_has_one_to_256_colours_of_three_bytes() {
    let checked = |colour: u8, length: usize| {
        let palette = chunk(b"PLTE", &vec![7; length]);
        read(&file(&[ihdr(1, 1, [8, colour, 0, 0, 0]), palette, chunk(b"IDAT", &[])])).check()
    };
    for length in [3, 4, 5, 6, 7, 765, 767, 768] {
        assert_eq!(checked(3, length), Ok(()), "{length}");
    }
    for length in [0, 1, 2, 769, 771] {
        assert_eq!(checked(3, length), Err(corrupt(format!("a palette of {length} bytes"))));
        assert_eq!(checked(2, length), Ok(()), "a palette that is only suggested");
    }
}

#[test]
fn a_flood_of_chunks_is_corrupt() {
    for (others, is_taken) in [(MAX_CHUNKS - 2, true), (MAX_CHUNKS - 1, true), (MAX_CHUNKS, false)] {
        let mut bytes = file(&[ihdr(1, 1, [8, 0, 0, 0, 0])]);
        bytes.extend(chunk(b"IDAT", &[]).repeat(others));
        let checked = read(&bytes).check().map_err(|refusal| refusal.reason);
        assert_eq!(checked, if is_taken { Ok(()) } else { Err(RefusalReason::Corrupt) }, "{others}");
    }
}
