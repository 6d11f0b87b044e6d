//! The composition root: from settings to running parts, and their orderly end.

use crate::config::Config;

/// Runs API and worker on a directory until a signal asks to stop.
///
/// # Errors
/// When a part cannot start, or ends by itself.
pub fn run_local(_config: Config) -> anyhow::Result<()> {
    anyhow::bail!("this build has no local backend yet")
}

/// Runs a worker until a signal asks to stop.
///
/// # Errors
/// When a part cannot start, or ends by itself.
pub fn run_worker(_config: Config) -> anyhow::Result<()> {
    anyhow::bail!("this build has no worker yet")
}

/// Runs the API until a signal asks to stop.
///
/// # Errors
/// When a part cannot start, or ends by itself.
pub fn run_api(_config: Config) -> anyhow::Result<()> {
    anyhow::bail!("this build has no API yet")
}
