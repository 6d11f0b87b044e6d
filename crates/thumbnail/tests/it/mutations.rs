//! Thousands of damaged files: each is rendered or refused in time, without a panic.

use std::path::Path;
use std::time::{Duration, Instant};

use darkroom_thumbnail::{Limits, Recipe, RenderError, Size, Stop, render, render_from};

use crate::dice::Dice;
use crate::images::png_chunk;
use crate::pieces::{Pieces, comparable};

/// The most CPU time for one small file, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(1);

/// Applies one to four faults: bits, bytes, runs, truncations, repetitions.
fn mutated(original: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for _ in 0..=dice.roll(4) {
        let at = dice.roll(bytes.len());
        let length = 1 + dice.roll((bytes.len() - at).min(64));
        match dice.roll(7) {
            0 => bytes[at] ^= 1 << dice.roll(8),
            1 => bytes[at] = dice.roll(256) as u8,
            2 => bytes[at..at + length].fill(if dice.roll(2) == 0 { 0 } else { 0xff }),
            3 => bytes.truncate(at.max(1)),
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let copy = bytes[at..at + length].to_vec();
                bytes.splice(at..at, copy);
            }
            // Most of the important data is at the beginning.
            _ => bytes[at % original.len().min(400).min(at + 1)] = dice.roll(256) as u8,
        }
        if bytes.len() < 2 {
            return bytes;
        }
    }
    bytes
}

/// Corrects the checksum of each chunk, as an attacker would: otherwise few faults get past the checksums.
fn checked(bytes: &[u8]) -> Vec<u8> {
    let mut checked = bytes.to_vec();
    let mut at = 8;
    while let Some(head) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let [l0, l1, l2, l3, kind @ ..] = *head;
        let end = at + 8 + u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let Some(sum) = checked.get_mut(end..end + 4) else { break };
        let body = &bytes[at + 8..end];
        sum.copy_from_slice(&png_chunk(&kind, body)[body.len() + 8..]);
        at = end + 4;
    }
    checked
}

/// The CPU time of this thread.
pub(crate) fn cpu_time() -> Duration {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(statistics.split_whitespace().next().unwrap().parse().unwrap())
}

fn survive(count: usize, seed: u64) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sources");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let originals: Vec<_> = paths.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side: 16 }], ..Recipe::default() };
    let mut dice = Dice::new(seed);
    let (mut rendered, mut refused) = (0, 0);
    for number in 0..count {
        let which = dice.roll(originals.len());
        let mut bytes = mutated(&originals[which], &mut dice);
        if dice.roll(2) == 0 && bytes.starts_with(b"\x89PNG") {
            bytes = checked(&bytes);
        }
        let stop = Stop::at(Instant::now() + Duration::from_secs(60));
        let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 22, stop };
        let begun = cpu_time();
        let result = render(&bytes, &recipe, &limits);
        let took = cpu_time() - begun;
        match &result {
            Ok(_) => rendered += 1,
            Err(RenderError::Refused(_)) => refused += 1,
            Err(error) => panic!("number {number}, of {}: {error}", paths[which].display()),
        }
        let most = 1 + dice.roll(1000);
        let (whole, pieces) =
            (comparable(result), comparable(render_from(&mut Pieces::new(&bytes, most), &recipe, &limits)));
        let name = paths[which].display();
        assert!(
            pieces == whole,
            "number {number}, of {name}, in pieces of {most}: {:?}, {:?}",
            pieces.err(),
            whole.err()
        );
        assert!(took < LONGEST, "number {number}, of {}, took {took:?}", paths[which].display());
    }
    // If all files had the same result, the faults would be too large or too small to test anything.
    assert!(rendered > count / 100 && refused > count / 3, "{rendered} rendered, {refused} refused");
}

#[test]
fn a_thousand_damaged_files_are_rendered_or_refused() {
    survive(1000, 0x5eed);
}

#[test]
#[ignore = "takes minutes in a debug build: make test-all"]
fn ten_thousand_damaged_files_are_rendered_or_refused() {
    survive(10_000, 0xd1ce);
}
