//! Logs to standard error: as text for people, as JSON for machines.

use std::io::{IsTerminal, stderr};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::LogFormat;

/// The default filter: `info`. The AWS SDK warns about each place where it finds no credentials or region, in debug
/// format; darkroom's own error already names what is missing.
const DEFAULT_DIRECTIVES: &str = "info,aws_config=error";

/// Starts logging. `RUST_LOG` sets the filter; the default is `info`.
///
/// # Errors
/// When `RUST_LOG` is invalid, or the process already has a logger.
pub fn init(format: LogFormat) -> anyhow::Result<()> {
    let directives = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.trim().is_empty() => directives,
        _ => DEFAULT_DIRECTIVES.to_owned(),
    };
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .parse(&directives)
        .map_err(|error| anyhow::anyhow!("RUST_LOG={directives:?} cannot be read: {error}"))?;
    let lines = lines(format, filter, wants_colours(), stderr);
    lines.try_init().map_err(|error| anyhow::anyhow!("logging cannot begin: {error}"))
}

/// Writes log lines in `format` to `writer`. Text can have colours.
pub fn lines<W>(format: LogFormat, filter: EnvFilter, has_colours: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    match format {
        LogFormat::Text => Box::new(lines.with_ansi(has_colours).finish()),
        LogFormat::Json => Box::new(lines.json().flatten_event(true).finish()),
    }
}

/// Colours are used only on a terminal, unless the user disables them (<https://no-color.org>).
fn wants_colours() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
