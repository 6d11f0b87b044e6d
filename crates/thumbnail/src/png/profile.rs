//! The embedded colour profile of a PNG, inflated up to a limit, because a few kilobytes can expand to gigabytes.

use crc_fast::crc32_iso_hdlc;

use super::super::Source;
use super::super::colour::MAX_PROFILE_BYTES;

/// The longest profile name, without its terminating zero.
const MAX_NAME_BYTES: usize = 80;
/// The chunk type.
const KIND: &[u8; 4] = b"iCCP";

/// Reads the profile in the chunk data at `at`. `None` if it is damaged or too large, which does not make the picture
/// invalid.
pub(super) fn read(source: &mut dyn Source, at: u64, length: u64) -> std::io::Result<Option<Vec<u8>>> {
    if length > MAX_PROFILE_BYTES as u64 {
        return Ok(None);
    }
    let mut chunk = vec![0; KIND.len() + length as usize + 4];
    let is_whole = source.read_at(at - KIND.len() as u64, &mut chunk)? == chunk.len();
    Ok(Some(chunk).filter(|_| is_whole).and_then(|chunk| inflated(&chunk)))
}

/// Inflates the profile of a chunk with its type and checksum.
fn inflated(chunk: &[u8]) -> Option<Vec<u8>> {
    let (checked, checksum) = chunk.split_last_chunk::<4>()?;
    let body = checked.strip_prefix(KIND)?;
    let name = body.iter().take(MAX_NAME_BYTES).position(|&byte| byte == 0).filter(|&length| length > 0)?;
    let (&method, data) = body.get(name + 1..)?.split_first()?;
    let is_sound = crc32_iso_hdlc(checked).to_be_bytes() == *checksum && method == 0;
    is_sound.then(|| fdeflate::decompress_to_vec_bounded(data, MAX_PROFILE_BYTES).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chunk with a profile that compresses well.
    fn chunk(name: &[u8], method: u8, length: usize) -> Vec<u8> {
        let data = fdeflate::compress_to_vec(&vec![7; length]);
        let checked = [KIND, name, &[0, method], &data].concat();
        let checksum = crc32_iso_hdlc(&checked).to_be_bytes();
        [checked, checksum.to_vec()].concat()
    }

    #[test]
    fn a_profile_is_inflated_up_to_the_limit_itself() {
        for (length, is_taken) in
            [(1, true), (MAX_PROFILE_BYTES - 1, true), (MAX_PROFILE_BYTES, true), (MAX_PROFILE_BYTES + 1, false)]
        {
            let inflated = inflated(&chunk(b"icc", 0, length));
            assert_eq!(inflated.map(|profile| profile.len()), is_taken.then_some(length));
        }
    }

    #[test]
    fn what_is_no_profile_is_left_out() {
        assert!(inflated(&chunk(b"icc", 0, 9)).is_some());
        assert!(inflated(&chunk(&[b'n'; 79], 0, 9)).is_some());
        for damaged in [chunk(b"icc", 1, 9), chunk(b"", 0, 9), chunk(&[b'n'; 80], 0, 9)] {
            assert_eq!(inflated(&damaged), None);
        }
        let sound = chunk(b"icc", 0, 9);
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 1;
            assert_eq!(inflated(&damaged), None, "byte {at}");
            assert_eq!(inflated(&sound[..at]), None, "cut at {at}");
        }
    }

    #[test]
    fn a_chunk_is_read_from_its_place() {
        let mut file = [b"abcd".to_vec(), chunk(b"icc", 0, 9), b"more".to_vec()].concat();
        let length = file.len() as u64 - 16;
        assert_eq!(read(&mut file, 8, length).unwrap(), Some(vec![7; 9]));
        assert_eq!(read(&mut file, 8, length + 1).unwrap(), None);
        assert_eq!(read(&mut file, 8, length + 100).unwrap(), None);
        assert_eq!(read(&mut file, 8, MAX_PROFILE_BYTES as u64 + 1).unwrap(), None);
    }
}
