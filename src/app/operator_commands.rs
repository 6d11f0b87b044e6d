//! Runs the operator's commands on the configured backend, with a terminal.

use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;

use super::block_on;
use crate::backends;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::operate::backfill::{self, BackfillOptions, BackfillReport};
use crate::operate::dead_letters::{self, Request};
use crate::operate::images;
use crate::operate::progress::Progress;
use crate::operate::sweep::{self, SweepOptions, SweepReport};
use crate::operate::{OperateError, OperatorContext};
use crate::ports::Ports;

/// Runs a command on the dead letters. Writes the report to standard output, and progress only to a terminal.
///
/// # Errors
/// When the backend cannot be opened, a call fails, or the dead letter does not exist.
pub fn dead_letters(config: &Config, request: &Request) -> anyhow::Result<()> {
    block_on(async {
        let context = context(config).await?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        match request {
            Request::List { filter, as_json } => {
                dead_letters::list(&context, filter, *as_json, &mut out).await?;
            }
            Request::Show { id, as_json } => dead_letters::show(&context, id, *as_json, &mut out).await?,
            Request::Redrive { filter, options } => {
                let mut terminal = io::stderr();
                let mut progress = progress_on(&mut terminal);
                dead_letters::redrive(&context, filter, *options, &mut progress, &mut out).await?;
            }
            Request::Drop { filter, options } => {
                dead_letters::drop(&context, filter, *options, &mut ask, &mut out).await?;
            }
        }
        Ok(out.flush()?)
    })
}

/// Lists the catalog's records, or shows one. Stops when the reader of standard output closes it, as `head` does.
///
/// # Errors
/// When the backend cannot be opened, a call fails, or the image does not exist.
pub fn images(config: &Config, request: &images::Request) -> anyhow::Result<()> {
    block_on(async {
        let context = context(config).await?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let ended = match request {
            images::Request::List(options) => images::list(&context, options, &mut out).await.map(drop),
            images::Request::Show { id, as_json } => images::show(&context, id, *as_json, &mut out).await,
        };
        match ended.and_then(|()| Ok(out.flush()?)) {
            Err(OperateError::Terminal(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            ended => Ok(ended?),
        }
    })
}

/// Finds and repairs stuck images. Writes the report to standard output, even if the sweep failed.
///
/// # Errors
/// When the backend cannot be opened, or a call fails.
pub fn sweep(config: &Config, options: SweepOptions, as_json: bool) -> anyhow::Result<()> {
    block_on(async {
        let context = context(config).await?;
        let mut report = SweepReport::default();
        let options = SweepOptions { delete_originals_after: config.delete_originals_after, ..options };
        let ended = sweep::sweep(&context, options, &mut report).await;
        let mut out = io::stdout().lock();
        if as_json {
            report.write_json(options.is_dry_run, &mut out)?;
            return Ok(ended?);
        }
        if options.is_dry_run {
            writeln!(out, "dry run: nothing is changed")?;
        }
        write!(out, "{}", report.table(options.is_dry_run))?;
        if ended.is_ok() && report.is_clean() {
            writeln!(out, "nothing to repair")?;
        }
        Ok(ended?)
    })
}

/// Puts existing objects into the queue. Writes the report to standard output, even if the backfill failed, and
/// progress only to a terminal. Returns whether all awaited images were published or refused.
///
/// # Errors
/// When the backend cannot be opened, or a call fails.
pub fn backfill(config: &Config, options: &BackfillOptions) -> anyhow::Result<bool> {
    block_on(async {
        let context = context(config).await?;
        let (mut terminal, mut out) = (io::stderr(), io::stdout());
        if options.is_dry_run && !options.as_json {
            writeln!(out, "dry run: nothing is changed")?;
        }
        let mut report = BackfillReport::default();
        let ended = {
            let mut progress = progress_on(&mut terminal);
            backfill::backfill(&context, options, &mut progress, &mut out, &mut report).await
        };
        if options.as_json {
            report.write_json(options.is_dry_run, &mut out)?;
        } else {
            write!(out, "{}", report.table(options))?;
            if let (Ok(()), Some(nothing)) = (&ended, report.nothing(options)) {
                writeln!(out, "{nothing}")?;
            }
        }
        if let (Err(_), Some(key), false) = (&ended, &report.last_key, options.as_json) {
            writeln!(out, "to go on from here: --start-after {key:?}")?;
        }
        ended?;
        Ok(report.is_all_well())
    })
}

/// Shows progress if standard error is a terminal.
fn progress_on(terminal: &mut io::Stderr) -> Progress<'_> {
    Progress::on(if terminal.is_terminal() { Some(terminal) } else { None })
}

/// Asks a question on the terminal. Every answer except yes is a no.
fn ask(question: &str) -> io::Result<bool> {
    let mut terminal = io::stderr();
    write!(terminal, "{question} [y/N] ").and_then(|()| terminal.flush())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The options of the hourly sweep of `darkroom local`.
pub(super) fn hourly_options(config: &Config) -> SweepOptions {
    SweepOptions { delete_originals_after: config.delete_originals_after, ..SweepOptions::default() }
}

async fn context(config: &Config) -> anyhow::Result<OperatorContext> {
    let clock: SharedClock = Arc::new(SystemClock);
    let backend = backends::connect_existing(config, Arc::clone(&clock)).await?;
    Ok(operator_context(config, backend.ports, clock))
}

/// The operator's context for an open backend.
pub(super) fn operator_context(config: &Config, ports: Ports, clock: SharedClock) -> OperatorContext {
    OperatorContext {
        ports,
        clock,
        bucket: config.upload_bucket.clone(),
        prefix: config.upload_prefix.clone(),
        recipe: config.recipe.clone(),
    }
}
