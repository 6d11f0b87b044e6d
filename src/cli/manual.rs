//! What packages install beside the binary: completion scripts and manual pages.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, CommandFactory as _};

use super::{Cli, exit};

/// `darkroom completions`
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// `darkroom man`
#[derive(Debug, Args)]
pub struct Man {
    /// The directory of the pages; created if it is missing
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

impl Completions {
    /// Writes the script. Returns the exit code.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write(&self, out: &mut impl Write) -> anyhow::Result<u8> {
        // The generator panics if it cannot write.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "darkroom", &mut script);
        out.write_all(&script).context("the script cannot be written")?;
        Ok(exit::DONE)
    }
}

impl Man {
    /// Writes the page of `darkroom` and one for each of its commands. Returns the exit code.
    ///
    /// # Errors
    /// When a page cannot be written.
    pub fn write(&self) -> anyhow::Result<u8> {
        let Self { out } = self;
        let cannot = |path: &Path| format!("{} cannot be written", path.display());
        std::fs::create_dir_all(out).with_context(|| cannot(out))?;
        clap_mangen::generate_to(Cli::command(), out).with_context(|| cannot(out))?;
        Ok(exit::DONE)
    }
}
