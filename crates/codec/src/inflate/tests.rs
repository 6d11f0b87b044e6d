//! Compares inflate with zlib-rs, and tests the streams that it rejects.

use zlib_rs::{Deflate as Deflater, DeflateFlush, Inflate as Reference, InflateFlush, Status};

use super::code_tables::DISTANCE_CODES;
use super::*;
use crate::deflate::Deflate;

/// Bytes that look random.
fn noise(seed: u32) -> impl Iterator<Item = u8> {
    (0..).map(move |i: u32| ((i ^ seed).wrapping_mul(2_654_435_761).rotate_left(i % 31) >> 13) as u8)
}

fn deflated(bytes: &[u8], level: i32) -> Vec<u8> {
    let mut stream = vec![0; 2 * bytes.len() + 1000];
    let mut deflate = Deflater::new(level, true, 15);
    assert_eq!(deflate.compress(bytes, &mut stream, DeflateFlush::Finish), Ok(Status::StreamEnd));
    stream.truncate(deflate.total_out() as usize);
    stream
}

/// Decompresses a stream in pieces of `piece` bytes, through a buffer with `room` more bytes than the minimum. Returns
/// the output, how the stream ended, and whether that is the end of the input.
fn output_by_pieces(stream: &[u8], piece: usize, room: usize) -> (Vec<u8>, End, bool) {
    let (mut inflate, mut input) = (Inflate::new(), Input::new());
    let mut pieces = stream.chunks(piece);
    let mut buffer = vec![0; WINDOW + MAX_STEP_BYTES + room];
    let (mut all, mut end) = (Vec::new(), 0);
    loop {
        if let Some(ended) = inflate.end() {
            return (all, ended, input.is_drained() && pieces.next().is_none());
        }
        let kept = end - end.min(WINDOW);
        buffer.copy_within(kept..end, 0);
        end -= kept;
        while !input.is_ready() {
            match pieces.next() {
                Some(piece) => assert_eq!(input.feed(piece), piece.len()),
                None => input.close(),
            }
        }
        let to = inflate.inflate(&mut input, &mut buffer, end);
        all.extend_from_slice(&buffer[end..to]);
        end = to;
    }
}

fn inflated_by_pieces(stream: &[u8], piece: usize, room: usize) -> Result<Vec<u8>, Invalid> {
    let (all, ended, is_whole) = output_by_pieces(stream, piece, room);
    if ended == End::Intact && is_whole { Ok(all) } else { Err(Invalid) }
}

/// The output of zlib-rs.
fn reference(stream: &[u8], room: usize) -> Option<Vec<u8>> {
    let mut all = vec![0; room];
    let mut inflate = Reference::new(true, 15);
    let status = inflate.decompress(stream, &mut all, InflateFlush::Finish);
    all.truncate(inflate.total_out() as usize);
    (status == Ok(Status::StreamEnd) && inflate.total_in() == stream.len() as u64).then_some(all)
}

/// Noise of few and of many values, runs, near and far repetitions, gradients, and a mixture of these.
fn samples() -> Vec<Vec<u8>> {
    let mut samples: Vec<Vec<u8>> = vec![vec![], b"a".to_vec(), b"hello hello hello".to_vec(), vec![7; 100_000]];
    for values in [2, 5, 60, 180, 256] {
        samples.push(noise(values).take(70_000).map(|byte| (u32::from(byte) * values / 256) as u8).collect());
    }
    for distance in (1..=40).chain([255, 256, 257, 4_000, 32_505, 32_767, 32_768, 32_769]) {
        let block: Vec<u8> = noise(distance).take(distance as usize).collect();
        samples.push(block.iter().copied().cycle().take(3 * distance as usize + 900).collect());
    }
    samples.push((0..90_000_u32).map(|i| (i / 37 + i % 3 * 80) as u8).collect());
    // Each value is twice as frequent as the one before: codes of up to fourteen bits.
    let rare = (0..15_u8).flat_map(|value| std::iter::repeat_n(value, 1 << value)).collect::<Vec<_>>();
    let order = noise(3).zip(noise(5)).map(|(a, b)| usize::from(a) << 8 | usize::from(b));
    samples.push(order.take(16_000).map(|at| rare[at % rare.len()]).collect());
    samples.push(samples.concat());
    samples
}

#[test]
fn what_was_deflated_comes_back() {
    for sample in samples() {
        for level in [0, 1, 2, 4, 6, 9] {
            let stream = deflated(&sample, level);
            assert_eq!(inflated_by_pieces(&stream, 8192, 100_000).as_ref(), Ok(&sample), "{} at {level}", sample.len());
            assert_eq!(inflated(&stream, sample.len()).as_ref(), Ok(&sample), "{} at {level}", sample.len());
        }
    }
}

#[test]
fn no_more_is_inflated_than_the_limit() {
    let stream = deflated(&[7; 100_000], 6);
    for (limit, is_taken) in [(0, false), (99_999, false), (100_000, true), (100_001, true)] {
        assert_eq!(inflated(&stream, limit).is_ok(), is_taken, "{limit}");
    }
}

#[test]
fn pieces_and_room_do_not_matter() {
    let sample = samples().pop().unwrap();
    for level in [0, 6] {
        let stream = deflated(&sample, level);
        for (piece, room) in [(1, 0), (7, 1), (639, 2), (640, 300), (641, 5), (60_000, 0)] {
            assert!(inflated_by_pieces(&stream, piece, room).as_ref() == Ok(&sample), "{piece}, {room}, level {level}");
        }
    }
}

#[test]
fn a_stream_cut_anywhere_is_not_taken_nor_one_with_more_behind() {
    let sample: Vec<u8> = noise(1).take(500).map(|byte| byte % 20).chain([9; 300]).collect();
    for level in [0, 6] {
        let stream = deflated(&sample, level);
        for length in 0..stream.len() {
            assert_eq!(inflated_by_pieces(&stream[..length], 100, 0), Err(Invalid), "{length}");
        }
        assert_eq!(inflated_by_pieces(&[&stream[..], b"x"].concat(), 100, 0), Err(Invalid));
    }
}

#[test]
fn a_cut_stream_gives_the_bytes_before_the_cut_and_makes_up_none() {
    let sample: Vec<u8> = noise(1).take(1500).map(|byte| byte % 20).chain([9; 300]).chain(noise(2).take(90)).collect();
    for level in [0, 1, 6] {
        let stream = deflated(&sample, level);
        let mut longest = 0;
        for length in 0..stream.len() {
            let (output, ended, _) = output_by_pieces(&stream[..length], 100, 0);
            assert_eq!(ended, End::Damaged, "{length}");
            assert!(sample.starts_with(&output) && output.len() >= longest, "cut at {length}, level {level}");
            longest = output.len();
        }
        assert_eq!(longest, sample.len());
        // Bytes of the next symbols may be in the last byte, but no more.
        let (output, ..) = output_by_pieces(&stream[..stream.len() - 5], 100, 0);
        assert!(output.len() + 258 >= sample.len(), "level {level}");
        let (output, ..) = output_by_pieces(&stream[..stream.len() - 4], 100, 0);
        assert_eq!(output, sample, "only the checksum is missing, level {level}");
    }
}

#[test]
fn a_wrong_checksum_is_told_from_a_missing_one() {
    let sample: Vec<u8> = noise(1).take(900).collect();
    let stream = deflated(&sample, 6);
    for byte in stream.len() - 4..stream.len() {
        let mut wrong = stream.clone();
        wrong[byte] ^= 1;
        assert_eq!(output_by_pieces(&wrong, 100, 0), (sample.clone(), End::WrongChecksum, true));
        let (output, ended, _) = output_by_pieces(&stream[..byte], 100, 0);
        assert_eq!((output, ended), (sample.clone(), End::Damaged));
    }
}

/// The distance code of our own streams has one symbol, whose code is one bit: the other bit stands for nothing.
#[test]
fn a_distance_without_a_code_is_damage() {
    let sample: Vec<u8> = noise(4).take(40).chain([0; 600]).chain(noise(5).take(900)).collect();
    let stream = Deflate::new().block(&sample, true).to_vec();
    assert_eq!(inflated(&stream, sample.len()), Ok(sample));
    let mut accepted = 0;
    for bit in 16..8 * (stream.len() - 4) {
        let mut damaged = stream.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (own, ended, is_whole) = output_by_pieces(&damaged, 1 << 16, 0);
        if ended == End::WrongChecksum && is_whole {
            // With the checksum of this output, zlib-rs accepts the stream, too.
            damaged.truncate(stream.len() - 4);
            damaged.extend(adler32(1, &own).to_be_bytes());
            assert_eq!(reference(&damaged, 1 << 12), Some(own), "bit {bit}");
            accepted += 1;
        }
    }
    assert!(accepted > 0);
}

#[test]
fn damage_is_not_taken_and_what_is_taken_is_right() {
    let sample: Vec<u8> = noise(1).take(900).map(|byte| byte % 20).chain([9; 300]).chain(noise(2).take(50)).collect();
    for level in [0, 1, 6] {
        let stream = deflated(&sample, level);
        for bit in 0..8 * stream.len() {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(own) = inflated_by_pieces(&damaged, 1 << 16, 0) {
                assert_eq!(Some(own), reference(&damaged, 1 << 20), "bit {bit}");
            }
        }
    }
}

#[test]
fn each_code_of_the_format_is_known() {
    assert_eq!(
        (LENGTH_CODES[0], LENGTH_CODES[8], LENGTH_CODES[27], LENGTH_CODES[28]),
        ((3, 0), (11, 1), (227, 5), (258, 0))
    );
    assert_eq!((DISTANCE_CODES[0], DISTANCE_CODES[4], DISTANCE_CODES[29]), ((1, 0), (5, 1), (24_577, 13)));
}

#[test]
fn what_no_encoder_writes_is_left_alone() {
    // An invalid block type, a distance before the start, too many codes, and a stored block with a wrong complement of
    // its length.
    for stream in ["789c07", "789c4b040200", "789cedfd010000", "789c010100feff"] {
        let bytes = data_encoding::HEXLOWER.decode(stream.as_bytes()).unwrap();
        assert_eq!(inflated_by_pieces(&[&bytes[..], &[0; 700]].concat(), 100, 0), Err(Invalid), "{stream}");
    }
}
