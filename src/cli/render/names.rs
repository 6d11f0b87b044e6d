//! The output files of `darkroom render` for each input. All names are checked before the first file is written.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use darkroom_thumbnail::{Format, Source};

use super::{Render, file};
use crate::config::Config;

/// The number of bytes that identify the format of a file.
const SIGNATURE_BYTES: usize = 8;

/// An input and the names of its thumbnails.
pub(super) struct Input {
    /// The source of an input that can be read only once, such as a pipe; `None` for a file.
    pub(super) source: Option<Box<dyn Source>>,
    /// The extension of the thumbnails; `None` if the input is neither JPEG nor PNG. Rendering rejects such input.
    pub(super) extension: Option<&'static str>,
    /// The output files, in the order of the sizes. Empty without an extension.
    pub(super) targets: Vec<PathBuf>,
}

/// The rules for the output names of one run.
pub(super) struct Names<'a> {
    /// The files that must not be overwritten: the inputs, and the targets of inputs that are symbolic links.
    inputs: HashMap<FileId, &'a Path>,
    /// Whether to replace existing files.
    is_forced: bool,
}

/// The identity of a file, independent of its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    inode: u64,
}

/// Opens each input and checks the names of its thumbnails. Each error belongs to one input.
pub(super) fn plan<'a>(args: &'a Render, config: &Config) -> (Names<'a>, Vec<anyhow::Result<Input>>) {
    let names = Names::of(args);
    let inputs = args.files.iter().map(|path| Input::open(path, &args.out, config)).collect();
    let inputs = refuse_shared_names(&args.files, inputs).into_iter().map(|input| {
        let input = input?;
        names.check_all(&input.targets)?;
        Ok(input)
    });
    let inputs = inputs.collect();
    (names, inputs)
}

/// Rejects every input that shares a thumbnail's name with another input.
fn refuse_shared_names(files: &[PathBuf], inputs: Vec<anyhow::Result<Input>>) -> Vec<anyhow::Result<Input>> {
    let mut owners: HashMap<PathBuf, Vec<usize>> = HashMap::new();
    for (index, input) in inputs.iter().enumerate() {
        for target in input.iter().flat_map(|input| &input.targets) {
            owners.entry(target.clone()).or_default().push(index);
        }
    }
    let shared = |index: usize, input: &Input| {
        input.targets.iter().find_map(|target| {
            let other = owners[target].iter().find(|other| **other != index)?;
            Some((target.clone(), &files[*other]))
        })
    };
    let refused = inputs.into_iter().enumerate().map(|(index, input)| {
        let input = input?;
        if let Some((target, other)) = shared(index, &input) {
            bail!(
                "{} would also be the thumbnail of {}: render them into two directories",
                target.display(),
                other.display()
            );
        }
        Ok(input)
    });
    refused.collect()
}

impl Input {
    fn open(path: &Path, out: &Path, config: &Config) -> anyhow::Result<Self> {
        let open = || {
            let is_file = fs::metadata(path)?.is_file();
            let mut source = file::open(path, config.max_bytes)?;
            let mut signature = [0; SIGNATURE_BYTES];
            let count = source.read_at(0, &mut signature)?;
            let extension = Format::of(&signature[..count]).map(|format| format.extension());
            io::Result::Ok((is_file, source, extension))
        };
        let (is_file, source, extension) = open().context("cannot be read")?;
        let names = |extension| config.recipe.sizes.iter().map(move |size| target(path, out, &size.name, extension));
        let targets = extension.into_iter().flat_map(names).collect();
        Ok(Self { source: (!is_file).then_some(source), extension, targets })
    }
}

impl<'a> Names<'a> {
    fn of(args: &'a Render) -> Self {
        let found = args.files.iter().flat_map(|path| {
            let links = [fs::metadata(path), fs::symlink_metadata(path)];
            links.into_iter().flatten().map(|found| (FileId::of(&found), path.as_path()))
        });
        Self { inputs: found.collect(), is_forced: args.force }
    }

    /// Whether existing files are replaced.
    pub(super) const fn is_forced(&self) -> bool {
        self.is_forced
    }

    /// # Errors
    /// When one of the files is an input under any name, exists and may not be replaced, or is a directory.
    pub(super) fn check_all(&self, targets: &[PathBuf]) -> anyhow::Result<()> {
        targets.iter().try_for_each(|target| self.check(target))
    }

    fn check(&self, target: &Path) -> anyhow::Result<()> {
        let name = target.display();
        let found = match fs::symlink_metadata(target) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            found => found.with_context(|| format!("cannot check {name}"))?,
        };
        let linked = fs::metadata(target).ok();
        let ids = [Some(&found), linked.as_ref()].into_iter().flatten().map(FileId::of);
        if let Some(input) = ids.filter_map(|id| self.inputs.get(&id)).next() {
            bail!("{name} is the input {}, and inputs are never written to: choose another --out", input.display());
        }
        if found.is_dir() {
            bail!("{name} is a directory");
        }
        if !self.is_forced {
            bail!("{name} exists: choose another --out, or replace it with --force");
        }
        Ok(())
    }
}

impl FileId {
    fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }
}

/// `{stem}_{size}.{extension}`
fn target(file: &Path, out: &Path, size: &str, extension: &str) -> PathBuf {
    let mut name = OsString::from(file.file_stem().unwrap_or_default());
    name.push(format!("_{size}.{extension}"));
    out.join(name)
}
