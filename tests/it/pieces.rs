//! A file that is read piece by piece becomes what it becomes in memory, and reading that fails is told as such.

use std::io;
use std::path::Path;

use darkroom::recipe::{Recipe, Size};
use darkroom::thumbnail::{Limits, RenderError, Rendered, Source, Stop, render, render_from};

/// Bytes of which so many at most are at hand at once.
pub struct Pieces<'a> {
    pub bytes: &'a [u8],
    pub most: usize,
    /// How often it can be read before it fails.
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

    fn piece(&mut self, at: u64) -> io::Result<&[u8]> {
        self.wear()?;
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        Ok(&rest[..rest.len().min(self.most)])
    }

    fn look(&mut self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        self.wear()?;
        let rest = self.bytes.get(at as usize..).unwrap_or_default();
        let count = rest.len().min(space.len());
        space[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// What must be the same: only the times differ.
pub fn told(result: Result<Rendered, RenderError>) -> Result<impl PartialEq + std::fmt::Debug, RenderError> {
    result.map(|rendered| (rendered.header, rendered.thumbnails, rendered.lacks_end))
}

fn recipe() -> Recipe {
    Recipe { sizes: vec![Size { name: "box".to_owned(), side: 16 }], ..Recipe::default() }
}

fn limits(max_bytes: u64) -> Limits {
    Limits { max_bytes, max_pixels: 1 << 22, stop: Stop::default() }
}

fn golden_files() -> Vec<(String, Vec<u8>)> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
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
        let whole = told(render(&bytes, &recipe(), &limits));
        for most in [1, 7, 4096] {
            let pieces = told(render_from(&mut Pieces::new(&bytes, most), &recipe(), &limits));
            assert!(pieces == whole, "{name} in pieces of {most}: {:?}", pieces.err());
        }
    }
}

#[test]
fn a_file_that_ends_early_is_refused_alike() {
    for (name, bytes) in golden_files().iter().step_by(11) {
        for length in (0..bytes.len()).step_by(1 + bytes.len() / 40) {
            let limits = limits(1 << 20);
            let whole = told(render(&bytes[..length], &recipe(), &limits));
            let pieces = told(render_from(&mut Pieces::new(&bytes[..length], 100), &recipe(), &limits));
            assert!(pieces == whole, "{name} cut at {length}: {:?} and {:?}", pieces.err(), whole.err());
        }
    }
}

#[test]
fn reading_that_fails_is_no_damage() {
    for (name, bytes) in golden_files().iter().step_by(7) {
        let limits = limits(1 << 20);
        let whole = told(render(bytes, &recipe(), &limits));
        let worn_out = Err(RenderError::Unreadable("worn out".to_owned()));
        let outcomes =
            (0..).map(|lasts| told(render_from(&mut Pieces { bytes, most: 300, lasts }, &recipe(), &limits)));
        let readings = outcomes.take_while(|outcome| *outcome != whole).inspect(|outcome| {
            assert!(*outcome == worn_out, "{name}: {outcome:?}");
        });
        assert!(readings.count() > 1, "{name}");
    }
}

#[test]
fn one_byte_over_the_limit_is_too_many_and_none_is_read() {
    let (_, png) = golden_files().into_iter().find(|(name, _)| name.ends_with("rgb_8.png")).unwrap();
    let length = png.len() as u64;
    for (max_bytes, is_taken) in [(length - 1, false), (length, true), (length + 1, true)] {
        for bytes in [&png, &[&b"x"[..], &png[1..]].concat()] {
            // The signature is looked at to tell what it is.
            let mut source = Pieces { bytes, most: 300, lasts: 1 };
            let result = render_from(&mut source, &recipe(), &limits(max_bytes));
            let is_refused =
                matches!(&result, Err(RenderError::Refused(refusal)) if refusal.reason.as_str() == "too_many_bytes");
            assert_eq!(!is_refused, is_taken, "{max_bytes} of {length}: {result:?}");
        }
    }
}
