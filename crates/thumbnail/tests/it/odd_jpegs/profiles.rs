//! Profiles whose parts are in disorder, or not whole.

use darkroom_thumbnail::Tolerated;

use super::{APP0, APP2, DHT, SOF, SOS, assert_like, before, golden, rendered, segment, sequential};

fn with_profile(jpeg: &[u8], parts: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let part = |&(number, count, data): &(u8, u8, &[u8])| {
        segment(APP2, &[b"ICC_PROFILE\0", &[number, count][..], data].concat())
    };
    before(jpeg, APP0, &parts.iter().flat_map(part).collect::<Vec<_>>())
}

#[test]
fn a_profile_in_disorder_is_used() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let other = moxcms::ColorProfile::new_adobe_rgb().encode().unwrap();
    let (first, second) = profile.split_at(profile.len() / 2);
    for (name, plain) in sequential().into_iter().filter(|(name, _)| *name != "gray.jpg") {
        let fine = with_profile(&plain, &[(1, 1, &profile)]);
        let is_used = |thumbnail: &[u8]| thumbnail.windows(profile.len()).any(|window| window == profile);
        assert!(rendered(&fine).unwrap().thumbnails.iter().all(|thumbnail| is_used(&thumbnail.bytes)));
        let in_two = with_profile(&plain, &[(1, 2, first), (2, 2, second)]);
        assert_like(&fine, &in_two, &[], name);
        for parts in [
            &[(1, 1, &profile[..]), (1, 1, &profile)][..],
            &[(1, 1, &profile), (1, 1, &other)],
            &[(2, 2, second), (1, 2, first)],
            &[(1, 2, first), (2, 2, second), (1, 2, first), (2, 2, second)],
        ] {
            let numbers: Vec<_> = parts.iter().map(|(number, count, _)| (number, count)).collect();
            let odd = with_profile(&plain, parts);
            assert_like(&fine, &odd, &[Tolerated::ProfileParts], &format!("{name}, {numbers:?}"));
        }
        let part = segment(APP2, &[b"ICC_PROFILE\0\x01\x01", &profile[..]].concat());
        for marker in [SOF, DHT, SOS] {
            assert_like(&fine, &before(&plain, marker, &part), &[], &format!("{name}, before {marker:#x}"));
        }
        assert_like(&fine, &before(&fine, SOS, &part), &[Tolerated::ProfileParts], "again behind the frame header");
    }
}

#[test]
fn a_profile_that_is_not_whole_is_ignored() {
    let profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let (first, second) = profile.split_at(profile.len() / 2);
    let plain = golden("sampling_422.jpg");
    for parts in [
        &[(1, 2, first)][..],
        &[(2, 2, second)],
        &[(1, 3, first), (2, 3, second)],
        &[(1, 2, first), (2, 3, second)],
        &[(1, 1, first), (1, 1, second)],
        &[(1, 2, &profile)],
        &[(1, 0, &profile)],
        // Browsers count parts from 1.
        &[(0, 1, &profile)],
        &[(0, 2, first), (1, 2, second)],
    ] {
        let numbers: Vec<_> = parts.iter().map(|(number, count, _)| (number, count)).collect();
        assert_like(&plain, &with_profile(&plain, parts), &[Tolerated::ProfileParts], &format!("{numbers:?}"));
    }
    for garbage in [&b"garbage"[..], &[0xff; 600], &profile[..profile.len() - 1]] {
        assert_like(&plain, &with_profile(&plain, &[(1, 1, garbage)]), &[], "garbage");
    }
}
