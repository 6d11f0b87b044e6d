//! Reversing PNG's filters (PNG specification, 9.2).

/// Unfilters a row in place, with pixels of this many bytes; `above` is the row before. `None` for an unknown filter
/// type.
#[inline(always)]
pub(super) fn unfilter(filter: u8, pixel_bytes: u8, above: &[u8], row: &mut [u8]) -> Option<()> {
    match pixel_bytes {
        1 => unfilter_pixels::<1>(filter, above, row),
        2 => unfilter_pixels::<2>(filter, above, row),
        3 => unfilter_pixels::<3>(filter, above, row),
        4 => unfilter_pixels::<4>(filter, above, row),
        6 => unfilter_pixels::<6>(filter, above, row),
        8 => unfilter_pixels::<8>(filter, above, row),
        _ => None,
    }
}

#[inline(always)]
fn unfilter_pixels<const N: usize>(filter: u8, above: &[u8], row: &mut [u8]) -> Option<()> {
    let above_pixels = above.as_chunks::<N>().0;
    let pixels = row.as_chunks_mut::<N>().0;
    let mut left = [0; N];
    let mut corner = [0; N];
    match filter {
        0 => {}
        1 => {
            for pixel in pixels {
                left = each(|i| pixel[i].wrapping_add(left[i]));
                *pixel = left;
            }
        }
        2 => row.iter_mut().zip(above).for_each(|(byte, above)| *byte = byte.wrapping_add(*above)),
        3 => {
            for (pixel, above) in pixels.iter_mut().zip(above_pixels) {
                left = each(|i| pixel[i].wrapping_add(mean(left[i], above[i])));
                *pixel = left;
            }
        }
        4 => {
            for (pixel, above) in pixels.iter_mut().zip(above_pixels) {
                left = each(|i| pixel[i].wrapping_add(paeth(left[i], above[i], corner[i])));
                corner = *above;
                *pixel = left;
            }
        }
        _ => return None,
    }
    Some(())
}

#[inline(always)]
fn each<const N: usize>(sample: impl Fn(usize) -> u8) -> [u8; N] {
    std::array::from_fn(sample)
}

#[inline(always)]
pub(super) const fn mean(left: u8, above: u8) -> u8 {
    (left & above) + ((left ^ above) >> 1)
}

/// The Paeth predictor (PNG specification, 9.4).
#[inline(always)]
pub(super) fn paeth(left: u8, above: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(above), i16::from(corner));
    let (to_a, to_b) = ((b - c).abs(), (a - c).abs());
    let to_c = (a + b - 2 * c).abs();
    let of_first = if to_b < to_a { b } else { a };
    let guess = if to_c < to_a.min(to_b) { c } else { of_first };
    guess as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_is_undone_as_the_specification_says() {
        let above: Vec<u8> = (0..60).map(|i| (i * 37 % 251) as u8).collect();
        let row: Vec<u8> = (0..60).map(|i| (i * i * 11 % 256) as u8).collect();
        for channels in 1..=4_usize {
            for filter in 0..=4 {
                let at = |line: &[u8], index: usize, back: usize| index.checked_sub(back).map_or(0, |at| line[at]);
                let stored: Vec<u8> = (0..row.len())
                    .map(|i| {
                        let (a, b, c) = (at(&row, i, channels), above[i], at(&above, i, channels));
                        let guess = match filter {
                            0 => 0,
                            1 => a,
                            2 => b,
                            3 => ((u16::from(a) + u16::from(b)) / 2) as u8,
                            _ => {
                                let p = i32::from(a) + i32::from(b) - i32::from(c);
                                *[a, b, c].iter().min_by_key(|&&of| (p - i32::from(of)).abs()).unwrap()
                            }
                        };
                        row[i].wrapping_sub(guess)
                    })
                    .collect();
                let mut decoded = stored;
                unfilter(filter, channels as u8, &above, &mut decoded).unwrap();
                assert_eq!(decoded, row, "filter {filter}, {channels} channels");
            }
        }
        assert_eq!(unfilter(5, 3, &above, &mut row.clone()), None);
    }
}
