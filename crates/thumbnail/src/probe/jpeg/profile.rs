//! The embedded colour profile of a JPEG, which is stored in numbered parts (ICC.1, B.4).

use std::ops::Range;

/// A part of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its number, from 1.
    pub(super) number: u8,
    /// How many parts it says there are.
    pub(super) count: u8,
    /// Its position in the file.
    pub(super) data: Range<usize>,
}

impl Part {
    /// Reads the parameters of an APP2 segment at a position. A part without data is none.
    pub(super) fn read(body: &[u8], at: &Range<usize>) -> Option<Self> {
        match body.strip_prefix(b"ICC_PROFILE\0")? {
            &[number, count, _, ..] => Some(Self { number, count, data: at.start + 14..at.end }),
            _ => None,
        }
    }
}

/// The data of the parts in order, the first of those with the same number. Empty if a part is missing, or if they are
/// counted from zero, as in browsers.
pub(super) fn in_order(parts: &[Part]) -> Vec<Range<usize>> {
    let mut ordered = parts.to_vec();
    ordered.sort_by_key(|part| part.number);
    ordered.dedup_by_key(|part| part.number);
    let is_next =
        |(number, part): (usize, &Part)| usize::from(part.number) == number && usize::from(part.count) == ordered.len();
    let is_whole = (1..).zip(&ordered).all(is_next);
    if is_whole { ordered.into_iter().map(|part| part.data).collect() } else { Vec::new() }
}

/// Whether the parts are those that the specification requires.
pub(super) fn are_as_specified(parts: &[Part]) -> bool {
    (1..).zip(parts).all(|(number, part)| usize::from(part.number) == number && usize::from(part.count) == parts.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(numbers: &[(u8, u8)]) -> Vec<Part> {
        (0..).zip(numbers).map(|(at, &(number, count))| Part { number, count, data: at..at + 1 }).collect()
    }

    #[test]
    fn parts_are_put_in_order_and_taken_once() {
        let ordered =
            |numbers: &[(u8, u8)]| in_order(&parts(numbers)).into_iter().map(|part| part.start).collect::<Vec<usize>>();
        assert_eq!(ordered(&[]), Vec::<usize>::new());
        assert_eq!(ordered(&[(1, 1)]), [0]);
        assert_eq!(ordered(&[(2, 2), (1, 2)]), [1, 0]);
        assert_eq!(ordered(&[(1, 1), (1, 1)]), [0]);
        assert_eq!(ordered(&[(1, 2), (2, 2), (2, 2), (1, 2)]), [0, 1]);
        for missing in [
            &[(0, 1)][..],
            &[(1, 2), (0, 2)],
            &[(1, 3), (3, 3)],
            &[(2, 2)],
            &[(1, 2)],
            &[(1, 0)],
            &[(0, 0)],
            &[(1, 2), (2, 3)],
            &[(2, 1)],
        ] {
            assert_eq!(ordered(missing), Vec::<usize>::new(), "{missing:?}");
        }
        let most: Vec<_> = (1..=255).map(|number| (number, 255)).collect();
        assert_eq!(ordered(&most), (0..255).collect::<Vec<_>>());
    }

    #[test]
    fn each_disorder_is_noticed() {
        for fine in [&[][..], &[(1, 1)], &[(1, 2), (2, 2)]] {
            assert!(are_as_specified(&parts(fine)), "{fine:?}");
        }
        for odd in [&[(0, 1)][..], &[(1, 1), (1, 1)], &[(2, 2), (1, 2)], &[(1, 2)], &[(1, 1), (2, 2)], &[(1, 0)]] {
            assert!(!are_as_specified(&parts(odd)), "{odd:?}");
        }
    }

    #[test]
    fn a_part_has_two_numbers_and_data() {
        let read = |body: &[u8]| Part::read(body, &(100..100 + body.len()));
        assert_eq!(read(b"ICC_PROFILE\0\x02\x03ab"), Some(Part { number: 2, count: 3, data: 114..116 }));
        for body in
            [&b"ICC_PROFILE\0\x01\x01"[..], b"ICC_PROFILE\0\x01", b"ICC_PROFILE\0", b"ICC_PROFILES\0\x01\x01a", b""]
        {
            assert_eq!(read(body), None, "{body:?}");
        }
    }
}
