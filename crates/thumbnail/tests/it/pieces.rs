//! A file that is read piece by piece has the same result as in memory, and a read error is reported as such.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use darkroom_thumbnail::{
    Header, Limits, Recipe, RefusalReason, RenderError, Rendered, Size, Source, Stop, Thumbnail, Tolerated, render,
    render_from,
};

use crate::golden::{assembled, chunks};

/// A source that returns at most `most` bytes at once.
pub struct Pieces<'a> {
    pub bytes: &'a [u8],
    pub most: usize,
    /// The number of reads before it fails.
    pub lasts: usize,
}

impl<'a> Pieces<'a> {
    pub fn new(bytes: &'a [u8], most: usize) -> Self {
        Self { bytes, most, lasts: usize::MAX }
    }

    fn wear(&mut self) -> io::Result<()> {
        self.lasts = self.lasts.checked_sub(1).ok_or_else(|| io::Error::other("worn out"))?;
        Ok(())
    }
}

impl Source for Pieces<'_> {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn bytes_at(&mut self, at: u64) -> io::Result<&[u8]> {
        self.wear()?;
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        Ok(&rest[..rest.len().min(self.most)])
    }

    fn read_at(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        self.wear()?;
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// The parts of a result that must be the same; times differ.
pub fn comparable(
    result: Result<Rendered, RenderError>,
) -> Result<(Header, Vec<Thumbnail>, BTreeSet<Tolerated>), RenderError> {
    result.map(|rendered| (rendered.header, rendered.thumbnails, rendered.tolerated))
}

fn recipe() -> Recipe {
    Recipe { sizes: vec![Size { name: "box".to_owned(), side: 16 }], ..Recipe::default() }
}

fn limits(max_bytes: u64) -> Limits {
    Limits { max_bytes, max_pixels: 1 << 22, stop: Stop::default() }
}

fn golden_files() -> Vec<(String, Vec<u8>)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let folders = ["sources", "pngsuite"].map(|folder| std::fs::read_dir(golden.join(folder)).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    paths.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[test]
fn pieces_of_any_size_make_the_same_thumbnails() {
    let files = golden_files();
    assert!(files.iter().filter(|(_, bytes)| bytes.starts_with(b"\x89PNG")).count() > 100, "{}", files.len());
    for (name, bytes) in files {
        let limits = limits(1 << 20);
        let whole = comparable(render(&bytes, &recipe(), &limits));
        for most in [1, 7, 4096] {
            let pieces = comparable(render_from(&mut Pieces::new(&bytes, most), &recipe(), &limits));
            assert!(pieces == whole, "{name} in pieces of {most}: {:?}", pieces.err());
        }
    }
}

/// A plain PNG with its data in these chunks, and other chunks after them.
fn in_chunks<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, behind: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut all = chunks(&plain());
    all.retain(|(kind, _)| kind != b"IDAT" && kind != b"IEND");
    all.extend(pieces.into_iter().map(|data| (*b"IDAT", data.to_vec())));
    assembled(&[&all, behind].concat())
}

fn plain() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sources/rgb_8.png")).unwrap()
}

fn plain_data() -> Vec<u8> {
    chunks(&plain()).into_iter().filter(|(kind, _)| kind == b"IDAT").flat_map(|(_, data)| data).collect()
}

/// The result for a file, which must not depend on the pieces in which it is read.
fn outcome(bytes: &[u8]) -> Result<(Header, Vec<Thumbnail>), RefusalReason> {
    let outcomes = [1, 7, 4096, usize::MAX]
        .map(|most| comparable(render_from(&mut Pieces::new(bytes, most), &recipe(), &limits(1 << 20))));
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{outcomes:?}");
    let [outcome, ..] = outcomes;
    outcome.map(|(header, thumbnails, _)| (header, thumbnails)).map_err(|error| match error {
        RenderError::Refused(refusal) => refusal.reason,
        other => panic!("{other}"),
    })
}

const IEND: ([u8; 4], Vec<u8>) = (*b"IEND", Vec::new());

#[test]
fn however_the_data_is_cut_into_chunks_the_picture_is_the_same() {
    let (whole, data) = (outcome(&plain()), plain_data());
    assert!(whole.is_ok());
    for length in [1, 2, 7, data.len() - 1, data.len()] {
        let with_empty_ones = || data.chunks(length).flat_map(|piece| [&[], piece, &[]]);
        for behind in [vec![IEND], vec![(*b"tEXt", b"a\0b".to_vec()), IEND], vec![]] {
            assert!(outcome(&in_chunks(data.chunks(length), &behind)) == whole, "{length}, {behind:?}");
            assert!(outcome(&in_chunks(with_empty_ones(), &behind)) == whole, "{length}, {behind:?}");
        }
    }
    // Data after the end of the stream is ignored, as in browsers.
    assert!(outcome(&in_chunks([&data[..], b"more"], &[IEND])) == whole);
    assert!(outcome(&in_chunks([&[&data[..], b"more"].concat()[..]], &[IEND])) == whole);
}

#[test]
fn faults_of_the_data_end_alike_in_pieces() {
    let data = plain_data();
    let (first, second) = data.split_at(data.len() / 2);
    let whole = outcome(&plain());
    let fine = in_chunks([first, &[], second], &[(*b"tIME", vec![7, 230, 1, 1, 0, 0, 0]), IEND]);
    assert!(outcome(&fine) == whole);
    // The Adler-32 proves the data in place of the checksum of a chunk.
    let mut at = 8;
    for (kind, body) in chunks(&fine) {
        at += body.len() + 12;
        if &kind == b"IDAT" {
            let mut damaged = fine.clone();
            damaged[at - 1] ^= 1;
            assert!(outcome(&damaged) == whole, "checksum before {at}");
            damaged[at - 14] ^= 1;
            let reason = if body.is_empty() { None } else { Some(RefusalReason::Corrupt) };
            assert_eq!(outcome(&damaged).err(), reason, "data before {at}");
        }
    }
    let text = (*b"tEXt", b"a\0b".to_vec());
    let parted = in_chunks([first], &[text, (*b"IDAT", second.to_vec()), IEND]);
    assert!(outcome(&parted) == whole);
    assert_eq!(outcome(&in_chunks([first], &[IEND])).err(), Some(RefusalReason::Corrupt));
}

#[test]
fn a_file_that_ends_early_is_refused_alike() {
    for (name, bytes) in golden_files().iter().step_by(11) {
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 40) {
            let limits = limits(1 << 20);
            let whole = comparable(render(&bytes[..length], &recipe(), &limits));
            let pieces = comparable(render_from(&mut Pieces::new(&bytes[..length], 100), &recipe(), &limits));
            assert!(pieces == whole, "{name} cut at {length}: {:?} and {:?}", pieces.err(), whole.err());
        }
    }
}

#[test]
fn reading_that_fails_is_no_damage() {
    for (name, bytes) in golden_files().iter().step_by(7) {
        let limits = limits(1 << 20);
        let whole = comparable(render(bytes, &recipe(), &limits));
        let worn_out = Err(RenderError::Unreadable("worn out".to_owned()));
        let outcomes =
            (0..).map(|lasts| comparable(render_from(&mut Pieces { bytes, most: 300, lasts }, &recipe(), &limits)));
        let readings = outcomes.take_while(|outcome| *outcome != whole).inspect(|outcome| {
            assert!(*outcome == worn_out, "{name}: {outcome:?}");
        });
        assert!(readings.count() > 1, "{name}");
    }
}

/// A file that is replaced by another one after a number of reads.
struct Overwritten<'a> {
    before: Pieces<'a>,
    after: Pieces<'a>,
}

impl Overwritten<'_> {
    fn now(&mut self) -> &mut dyn Source {
        if self.before.lasts == 0 { &mut self.after } else { &mut self.before }
    }
}

impl Source for Overwritten<'_> {
    fn length(&self) -> u64 {
        self.before.length()
    }

    fn bytes_at(&mut self, at: u64) -> io::Result<&[u8]> {
        self.now().bytes_at(at)
    }

    fn read_at(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        self.now().read_at(at, space)
    }
}

#[test]
fn a_file_that_is_overwritten_while_it_is_read_is_no_fault_of_ours() {
    let sources = golden_files().into_iter().filter(|(name, _)| name.contains("sources") && name.ends_with("_8.png"));
    let kinds: Vec<_> = sources.chain(golden_files().into_iter().filter(|(name, _)| name.contains("_8_in"))).collect();
    assert!(kinds.len() > 8, "{}", kinds.len());
    let mut changes_seen = 0;
    for (name, first) in &kinds {
        for (other, second) in &kinds {
            // Long enough that no file ends early, so that only the content differs.
            let longest = first.len().max(second.len());
            let [first, second] = [first, second].map(|bytes| [&bytes[..], &vec![0; longest - bytes.len()]].concat());
            for lasts in 1.. {
                let [before, after] =
                    [(&first, lasts), (&second, usize::MAX)].map(|(bytes, lasts)| Pieces { bytes, most: 300, lasts });
                let mut source = Overwritten { before, after };
                let result = render_from(&mut source, &recipe(), &limits(1 << 20));
                match &result {
                    Err(RenderError::Unreadable(_)) => changes_seen += 1,
                    Err(RenderError::Internal(detail)) => panic!("{name}, then {other}, after {lasts}: {detail}"),
                    _ => {}
                }
                if source.before.lasts > 0 {
                    break;
                }
            }
        }
    }
    assert!(changes_seen > 0);
}

#[test]
fn one_byte_over_the_limit_is_too_many_and_none_is_read() {
    let (_, png) = golden_files().into_iter().find(|(name, _)| name.ends_with("rgb_8.png")).unwrap();
    let length = png.len() as u64;
    for (max_bytes, is_taken) in [(length - 1, false), (length, true), (length + 1, true)] {
        for bytes in [&png, &[&b"x"[..], &png[1..]].concat()] {
            // The first read detects the format.
            let mut source = Pieces { bytes, most: 300, lasts: 1 };
            let result = render_from(&mut source, &recipe(), &limits(max_bytes));
            let is_refused =
                matches!(&result, Err(RenderError::Refused(refusal)) if refusal.reason == RefusalReason::TooManyBytes);
            assert_eq!(!is_refused, is_taken, "{max_bytes} of {length}: {result:?}");
        }
    }
}
