//! Huffman codes of limited length.

/// The code of a symbol, reversed so that its first bit is the lowest. Its length is in the bits above the sixteenth;
/// it is zero for an unused symbol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Code(u32);

impl Code {
    const fn new(bits: u16, count: u8) -> Self {
        Self(bits as u32 | (count as u32) << 16)
    }

    #[inline(always)]
    pub(super) const fn bits(self) -> u64 {
        self.0 as u16 as u64
    }

    #[inline(always)]
    pub(super) const fn count(self) -> u32 {
        self.0 >> 16
    }
}

/// The codes of `N` symbols.
pub(super) struct Codes<const N: usize> {
    pub(super) lengths: [u8; N],
    pub(super) codes: [Code; N],
}

impl<const N: usize> Codes<N> {
    /// The codes, of at most `limit` bits, for symbols with these frequencies.
    pub(super) fn of(counts: &[u32; N], limit: usize) -> Self {
        let lengths = lengths(counts, limit);
        let mut next = [0; 16];
        let mut code = 0;
        for (length, next) in next.iter_mut().enumerate().take(limit + 1).skip(1) {
            *next = code;
            code = (code + lengths.iter().filter(|of| usize::from(**of) == length).count() as u16) << 1;
        }
        let codes = lengths.map(|count| {
            let code = &mut next[usize::from(count)];
            *code += 1;
            Code::new((*code - 1).reverse_bits().checked_shr(16 - u32::from(count)).unwrap_or(0), count)
        });
        Self { lengths, codes }
    }
}

/// The code length of each symbol.
fn lengths<const N: usize>(counts: &[u32; N], limit: usize) -> [u8; N] {
    let mut used: Vec<(u32, usize)> =
        counts.iter().enumerate().filter(|(_, count)| **count > 0).map(|(symbol, count)| (*count, symbol)).collect();
    // Some decoders reject a code with a single symbol.
    while used.len() < 2 {
        let unused = (0..2).find(|symbol| used.iter().all(|(_, one)| one != symbol));
        used.push((1, unused.unwrap_or_default()));
    }
    used.sort_unstable();
    let depths = limited(depths(&used), limit);
    let mut lengths = [0; N];
    // The rarest symbols get the longest codes.
    let mut from_rarest = used.iter();
    for (length, count) in depths.iter().enumerate().rev() {
        from_rarest.by_ref().take(*count).for_each(|(_, symbol)| lengths[*symbol] = length as u8);
    }
    lengths
}

/// The number of leaves at each depth of the Huffman tree of these symbols, which are sorted by frequency.
fn depths(used: &[(u32, usize)]) -> Vec<usize> {
    // Nodes are created in the order of their counts, so the rarest two are always at the front of leaves or nodes.
    let mut nodes: Vec<(u64, [usize; 2])> = Vec::with_capacity(used.len());
    let (mut leaf, mut node) = (0, 0);
    for _ in 1..used.len() {
        let mut sum = 0;
        let children = [(); 2].map(|()| {
            let of_leaf = used.get(leaf).map(|(count, _)| u64::from(*count));
            let of_node = nodes.get(node).map(|(count, _)| *count);
            if of_leaf.is_some_and(|leaf| of_node.is_none_or(|node| leaf <= node)) {
                leaf += 1;
                sum += of_leaf.unwrap_or_default();
                usize::MAX
            } else {
                node += 1;
                sum += of_node.unwrap_or_default();
                node - 1
            }
        });
        nodes.push((sum, children));
    }
    let mut counts = vec![0; used.len()];
    let mut depth_of = vec![0; nodes.len()];
    for (at, (_, children)) in nodes.iter().enumerate().rev() {
        let depth = depth_of[at] + 1;
        for child in children {
            match depth_of.get_mut(*child) {
                Some(below) => *below = depth,
                None => counts[depth] += 1,
            }
        }
    }
    counts
}

/// Limits the depth of leaves to `limit`. Each leaf that is too deep is paired with one from a higher level, which
/// moves down a level.
fn limited(mut counts: Vec<usize>, limit: usize) -> Vec<usize> {
    let too_deep: usize = counts.iter().skip(limit + 1).sum();
    counts.resize(limit + 1, 0);
    counts[limit] += too_deep;
    let mut taken: usize = counts.iter().enumerate().map(|(depth, count)| count << (limit - depth)).sum();
    while taken > 1 << limit {
        let Some(depth) = (1..limit).rev().find(|depth| counts[*depth] > 0) else { break };
        counts[limit] -= 1;
        counts[depth] -= 1;
        counts[depth + 1] += 2;
        taken -= 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_as_short_as_they_can_be() {
        assert_eq!(lengths(&[5, 9, 12, 13, 16, 45], 15), [4, 4, 3, 3, 3, 1]);
        assert_eq!(lengths(&[1, 1, 2, 4, 8, 16], 15), [5, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn a_limit_is_kept_and_every_place_is_taken() {
        for limit in [5, 7, 12] {
            for growth in 1..=3_u32 {
                let counts: [u32; 30] = std::array::from_fn(|at| growth.saturating_pow(at as u32));
                let lengths = lengths(&counts, limit);
                assert!(lengths.iter().all(|length| (1..=limit).contains(&usize::from(*length))), "{lengths:?}");
                assert_eq!(lengths.iter().map(|length| 1 << (limit - usize::from(*length))).sum::<usize>(), 1 << limit);
            }
        }
    }

    #[test]
    fn what_never_comes_has_no_code_but_there_are_two_at_least() {
        assert_eq!(lengths(&[0, 0, 7], 7), [1, 0, 1]);
        assert_eq!(lengths(&[3, 0, 0], 7), [1, 1, 0]);
        assert_eq!(lengths(&[0, 0, 0], 7), [1, 1, 0]);
    }

    #[test]
    fn codes_follow_each_other_in_the_order_of_the_format() {
        // The example of RFC 1951, 3.2.2: lengths 3, 3, 3, 3, 3, 2, 4, 4.
        let codes = Codes::of(&[8, 8, 8, 8, 8, 16, 4, 4], 15);
        assert_eq!(codes.lengths, [3, 3, 3, 3, 3, 2, 4, 4]);
        let turned = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111_u16];
        for (code, turned) in codes.codes.iter().zip(turned) {
            assert_eq!(code.bits(), u64::from(turned.reverse_bits() >> (16 - code.count())));
        }
    }
}
