//! Log lines to standard error: text for people, JSON for machines.

use std::io::{IsTerminal, stderr};

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;

/// Begins to log. `RUST_LOG` says what, `info` and worse without it.
///
/// # Errors
/// When `RUST_LOG` cannot be read, or something else in this process logs already.
pub fn init(format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env()
        .context("RUST_LOG cannot be read")?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let installed = match format {
        LogFormat::Text => lines.with_ansi(wants_colours()).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("logging cannot begin: {error}"))
}

/// Colours are for a terminal whose owner has not asked for none (<https://no-color.org>).
fn wants_colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
