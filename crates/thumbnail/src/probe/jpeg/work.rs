//! The work to read the scans of a JPEG: a file may contain any number of scans, and each may read every block.

use darkroom_codec::jpeg::markers::{EOI, SOS, Segment, Segments};

use super::super::super::Refusal;
use super::super::super::error::refuse;
use crate::RefusalReason;

/// The most block reads of one image: a block counts once for each scan that includes it. Enough for 100 megapixels of
/// four components without subsampling in eight scans each. Encoders write at most six scans per component.
const MAX_BLOCK_READS: u64 = 8 * 4 * 100_000_000 / 64;
/// The cost of starting a component's scan, in block reads: building its Huffman tables.
const BLOCK_READS_TO_BEGIN: u64 = 2048;

/// A component of the frame with its number of blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct ComponentBlocks {
    pub(super) id: u8,
    pub(super) blocks: u64,
}

/// Block reads of the scan with the header `first`, and of the scans in `rest`. Stops counting above the limit.
pub(super) fn block_reads(
    bytes: &[u8],
    mut rest: Segments<'_>,
    first: &Segment,
    components: &[ComponentBlocks],
) -> u64 {
    let mut reads = of_scan(&bytes[first.body.clone()], components);
    while reads <= MAX_BLOCK_READS {
        rest.skip_scan();
        let next = std::iter::from_fn(|| rest.next()).find(|segment| matches!(segment.marker, SOS | EOI));
        match next {
            Some(segment) if segment.marker == SOS => reads += of_scan(&bytes[segment.body], components),
            _ => break,
        }
    }
    reads
}

/// Block reads of the scan with this header.
fn of_scan(header: &[u8], components: &[ComponentBlocks]) -> u64 {
    let is_named = |id: u8| match header {
        [1, only, ..] => *only == id,
        _ => true,
    };
    let named = components.iter().filter(|component| is_named(component.id));
    named.map(|component| BLOCK_READS_TO_BEGIN + component.blocks).sum()
}

/// Refuses a file with too many block reads.
pub(super) fn check(block_reads: u64) -> Result<(), Refusal> {
    if block_reads <= MAX_BLOCK_READS {
        return Ok(());
    }
    let detail = format!("its scans read more than {MAX_BLOCK_READS} blocks of 8 x 8 pixels");
    Err(refuse(RefusalReason::TooMuchWork, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The block reads of a file with these scan headers and two components of 100 and 7 blocks.
    fn reads(headers: &[&[u8]]) -> u64 {
        let mut bytes = b"\xff\xd8".to_vec();
        for header in headers {
            bytes.extend([0xff, SOS, 0, header.len() as u8 + 2]);
            bytes.extend(*header);
            bytes.extend(b"data\xff\0\xff\xd0data\xff\xfe\0\x05\xff\xd9!");
        }
        bytes.extend([0xff, EOI, 0xff, SOS, 0, 3, 0]);
        let mut segments = Segments::new(&bytes);
        let first = segments.next().unwrap();
        let components = [ComponentBlocks { id: 1, blocks: 100 }, ComponentBlocks { id: 9, blocks: 7 }];
        block_reads(&bytes, segments, &first, &components)
    }

    #[test]
    fn every_scan_counts_with_its_components_up_to_the_end_marker() {
        assert_eq!(reads(&[&[2, 1, 0, 9, 0, 0, 63, 0]]), 2 * BLOCK_READS_TO_BEGIN + 107);
        assert_eq!(reads(&[&[1, 1, 0, 0, 63, 0]]), BLOCK_READS_TO_BEGIN + 100);
        assert_eq!(reads(&[&[1, 9, 0, 0, 63, 0], &[2, 1, 0, 9, 0, 0, 0, 0]]), 3 * BLOCK_READS_TO_BEGIN + 114);
        assert_eq!(reads(&[&[]]), 2 * BLOCK_READS_TO_BEGIN + 107);
    }

    #[test]
    fn the_limit_itself_is_allowed() {
        assert_eq!(check(MAX_BLOCK_READS - 1), Ok(()));
        assert_eq!(check(MAX_BLOCK_READS), Ok(()));
        let refusal = check(MAX_BLOCK_READS + 1).unwrap_err();
        assert_eq!(refusal.reason, RefusalReason::TooMuchWork);
        assert!(refusal.detail.contains("50000000 blocks"), "{}", refusal.detail);
    }

    #[test]
    fn a_hundred_megapixels_with_the_scans_of_mozjpeg_are_allowed() {
        // Without subsampling: DC, and per component two bands and their refinements; luma has one more refinement.
        let blocks = 100_000_000 / 64;
        let components = [1, 2, 3].map(|id| ComponentBlocks { id, blocks });
        let all = of_scan(&[3, 1, 0, 2, 0, 3, 0], &components);
        let alone = |id: u8| of_scan(&[1, id, 0], &components);
        let reads = [all, 5 * alone(1), 4 * alone(2), 4 * alone(3)];
        assert!(reads.iter().sum::<u64>() <= MAX_BLOCK_READS, "{reads:?}");
    }
}
