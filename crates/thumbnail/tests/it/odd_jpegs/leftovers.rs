//! Bytes behind the last MCU of a scan, and behind the picture.

use darkroom_thumbnail::Tolerated;

use super::{COM, DHT, END, SOS, assert_like, body, golden, rendered, scans, segment, sequential};
use crate::images::{self, JpegKind};

/// Scanners leave rubbish behind the picture, cameras fill a block of their card, phones append pictures and videos.
#[test]
fn bytes_behind_the_last_mcu_do_not_matter() {
    let second = images::jpeg(16, 16);
    let rubbish: Vec<u8> = images::noise(600).into_iter().map(|byte| byte.min(0xfe)).collect();
    for (name, plain) in sequential() {
        let picture = &plain[..plain.len() - 2];
        let codes = segment(DHT, &body(&plain, DHT));
        let scan = segment(SOS, &body(&plain, SOS));
        for leftovers in [
            &[0][..],
            &[0; 40],
            &rubbish,
            b"stuffed \xff\0 and \xff\0",
            b"a frame \xff\xc2\0\x0b\x08\0\x08\0\x08\x01\x01\x11\0",
            b"reserved \xff\x02 and too long \xff\xe3\xff\xff",
            b"broken codes \xff\xc4\0\x05abc",
            b"a broken scan \xff\xda\0\x08\x09\x01\0\0\x3f\0",
            b"a marker \xff\xd9 and more",
            &[b"a scan ", &scan[..]].concat(),
            &[b"codes ", &codes[..]].concat(),
            &[b"a picture ", &second[..]].concat(),
            &segment(COM, b"a comment"),
            &second,
        ] {
            let odd = [picture, leftovers, END].concat();
            let ends_early = leftovers.windows(2).any(|pair| pair == END);
            let tolerated = [Tolerated::LeftoverBytes, Tolerated::TrailingBytes];
            let tolerated = if ends_early { &tolerated[..] } else { &tolerated[..1] };
            assert_like(&plain, &odd, tolerated, &format!("{name}, {}", leftovers.escape_ascii()));
        }
        assert_like(&plain, &[picture, &[0xff; 20], END].concat(), &[], "fill bytes");
        for trailer in
            [&b"\0"[..], &[0; 5000], &second, &plain, b"\0\0\0\x18ftypmp42", END, b"\xff\xda\0\x08", &rubbish]
        {
            let (odd, padded) = ([&plain[..], trailer].concat(), [picture, &[0; 40], END, trailer].concat());
            let what = format!("{name}, {}", trailer.escape_ascii());
            assert_like(&plain, &odd, &[Tolerated::TrailingBytes], &what);
            assert_like(&plain, &padded, &[Tolerated::LeftoverBytes, Tolerated::TrailingBytes], &what);
        }
        for (cut, tolerated) in [(&b""[..], &[][..]), (b"\xff", &[]), (b"\0\0", &[Tolerated::LeftoverBytes])] {
            let tolerated = [tolerated, &[Tolerated::MissingEnd]].concat();
            assert_like(&plain, &[picture, cut].concat(), &tolerated, &format!("{name} without its end, {cut:?}"));
        }
    }
}

#[test]
fn bytes_between_the_scans_do_not_matter() {
    for name in ["one_scan_per_component.jpg", "sampling_420_progressive.jpg", "restart_markers_progressive.jpg"] {
        let plain = golden(name);
        for scan in &scans(&plain)[1..] {
            // Tables may come before the scan: in front of them is behind the last scan's data.
            let at = (0..scan.start).rev().find(|&at| plain[at] == 0xff && matches!(plain[at + 1], DHT | SOS)).unwrap();
            let with = |extra: &[u8]| [&plain[..at], extra, &plain[at..]].concat();
            let is_behind_scan = plain[at + 1] != SOS || at + 4 == scan.start;
            assert!(is_behind_scan, "{name}");
            assert_like(&plain, &with(&segment(COM, b"\xff\xd9")), &[], name);
            let odd = rendered(&with(b"zeros \0\0\0\xff\0")).unwrap();
            assert_eq!(odd.thumbnails, rendered(&plain).unwrap().thumbnails, "{name}");
            assert_eq!(odd.tolerated.len(), 1, "{name}: {:?}", odd.tolerated);
        }
    }
}

#[test]
fn bytes_behind_a_finished_progression_do_not_matter() {
    for name in ["sampling_420_progressive.jpg", "sampling_444_progressive.jpg", "gray_progressive.jpg"] {
        let plain = golden(name);
        let picture = &plain[..plain.len() - 2];
        for leftovers in [&[0; 40][..], b"\xff\0", b"\xff\xc3\0\x04abc", b"\xff\x02", b"\xff\xd8", b"\xff\xc4\0\x05abc"]
        {
            let odd = [picture, b"rubbish", leftovers, END].concat();
            let what = format!("{name}, {}", leftovers.escape_ascii());
            assert!(rendered(&odd).unwrap().tolerated.contains(&Tolerated::LeftoverBytes), "{what}");
            assert_eq!(rendered(&odd).unwrap().thumbnails, rendered(&plain).unwrap().thumbnails, "{what}");
        }
        assert_like(&plain, picture, &[Tolerated::MissingEnd], name);
    }
    for is_progressive in [false, true] {
        let plain = images::jpeg_of(JpegKind { is_progressive, is_arithmetic: true, ..JpegKind::default() }, 97, 65);
        let picture = &plain[..plain.len() - 2];
        assert_like(&plain, &[picture, &[0; 40], END].concat(), &[Tolerated::LeftoverBytes], "arithmetic");
        assert_like(&plain, &[&plain, &plain[..]].concat(), &[Tolerated::TrailingBytes], "arithmetic");
    }
}
