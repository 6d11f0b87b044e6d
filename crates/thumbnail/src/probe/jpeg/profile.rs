//! The embedded colour profile of a JPEG, which is stored in numbered parts (ICC.1, B.4).

use std::ops::Range;

/// The parts of a profile in order, the first of those with the same number. Empty if a part is missing. Some programs
/// count from zero.
pub(super) fn in_order(mut parts: Vec<(u8, Range<usize>)>) -> Vec<Range<usize>> {
    parts.sort_by_key(|(number, _)| *number);
    parts.dedup_by_key(|(number, _)| *number);
    let first = parts.first().map_or(0, |(number, _)| usize::from(*number));
    let is_whole = first <= 1 && (first..).zip(&parts).all(|(meant, (number, _))| usize::from(*number) == meant);
    if is_whole { parts.into_iter().map(|(_, part)| part).collect() } else { Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_put_in_order_and_taken_once() {
        let ordered = |numbers: &[u8]| {
            let parts = (0..).zip(numbers).map(|(at, number)| (*number, at..at + 1)).collect();
            in_order(parts).into_iter().map(|part| part.start).collect::<Vec<usize>>()
        };
        assert_eq!(ordered(&[]), Vec::<usize>::new());
        assert_eq!(ordered(&[1]), [0]);
        assert_eq!(ordered(&[0]), [0]);
        assert_eq!(ordered(&[2, 1]), [1, 0]);
        assert_eq!(ordered(&[1, 1]), [0]);
        assert_eq!(ordered(&[0, 1, 2, 1]), [0, 1, 2]);
        assert_eq!(ordered(&[1, 3]), Vec::<usize>::new());
        assert_eq!(ordered(&[2]), Vec::<usize>::new());
        assert_eq!(ordered(&(1..=255).collect::<Vec<u8>>()).len(), 255);
    }
}
