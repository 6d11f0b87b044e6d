//! Restart markers with wrong numbers are no damage, but restart intervals that are dropped, repeated or shortened are.

use darkroom_codec::jpeg::markers::{EOI, SOS, Segments};
use darkroom_thumbnail::Tolerated;

use super::{DRI, END, assert_corrupt, assert_like, golden, replaced, restarts, scans};

/// Browsers show a damaged strip there: they believe the number.
#[test]
fn numbers_of_restart_markers_do_not_matter() {
    for name in ["restart_markers.jpg", "restart_markers_progressive.jpg", "sampling_422_restart_markers.jpg"] {
        let plain = golden(name);
        let markers = restarts(&plain);
        assert!(markers.len() > 7, "{name}");
        for &at in markers.iter().step_by(markers.len() / 7) {
            for change in 1..8 {
                let mut odd = plain.clone();
                odd[at] ^= change;
                assert_like(&plain, &odd, &[Tolerated::RestartNumber], &format!("{name}, at {at}"));
            }
        }
        let mut odd = plain.clone();
        markers.iter().for_each(|&at| odd[at] = 0xd0);
        assert_like(&plain, &odd, &[Tolerated::RestartNumber], name);
    }
}

/// Rubbish behind the last interval may contain the bytes of a restart marker.
#[test]
fn a_restart_marker_in_rubbish_begins_no_interval() {
    let plain = golden("sampling_422_restart_markers.jpg");
    let picture = &plain[..plain.len() - 2];
    let next = (restarts(&plain).len() % 8) as u8;
    for number in 0..8 {
        let marker = [0xff, 0xd0 + number];
        let behind_rubbish = [picture, b"rubbish", &marker, b"more", END].concat();
        if number == next {
            assert_corrupt(&behind_rubbish, "the next interval");
        } else {
            assert_like(&plain, &behind_rubbish, &[Tolerated::LeftoverBytes], &format!("{number}"));
        }
        assert_corrupt(&[picture, &marker, b"more", END].concat(), "an interval");
        assert_like(&plain, &[picture, &marker, END].concat(), &[Tolerated::LeftoverBytes], "an empty interval");
    }
}

#[test]
fn intervals_that_are_dropped_repeated_or_shortened_are_damage() {
    for name in ["restart_markers.jpg", "sampling_422_restart_markers.jpg", "restart_markers_progressive.jpg"] {
        let plain = golden(name);
        // The intervals of the first scan, each with the marker before it.
        let first = scans(&plain)[0].end;
        let mut rest = Segments::new(&plain);
        rest.find(|segment| segment.marker == SOS).unwrap();
        rest.skip_scan();
        let end = rest.next().map(|segment| segment.body.start - if segment.marker == EOI { 2 } else { 4 }).unwrap();
        let starts: Vec<usize> = restarts(&plain).into_iter().map(|at| at - 1).filter(|&at| at < end).collect();
        let ends = starts[1..].iter().copied().chain([end]);
        let renumbered = |mut jpeg: Vec<u8>| {
            let numbers: Vec<usize> = restarts(&jpeg).into_iter().filter(|&at| at < jpeg.len() - 2).collect();
            numbers.into_iter().zip((0..8).cycle()).for_each(|(at, number)| jpeg[at] = 0xd0 + number);
            jpeg
        };
        assert!(starts.len() > 7 && starts[0] > first, "{name}");
        for (start, end) in starts.iter().copied().zip(ends) {
            let what = format!("{name}, the interval at {start}");
            let dropped = [&plain[..start], &plain[end..]].concat();
            let repeated = [&plain[..end], &plain[start..]].concat();
            for odd in [dropped, repeated] {
                assert_corrupt(&odd, &what);
                assert_corrupt(&renumbered(odd), &what);
            }
            assert_corrupt(&[&plain[..start], &plain[start + 2..]].concat(), &format!("{what} without its marker"));
            assert_corrupt(&[&plain[..start + 2], &plain[end..]].concat(), &format!("{what} without its data"));
        }
    }
    let plain = golden("sampling_422_restart_markers.jpg");
    assert_corrupt(&replaced(&plain, DRI, b""), "restart markers without an interval");
}
