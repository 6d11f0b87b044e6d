//! `darkroom dlq drop`: deletes dead letters permanently, after a confirmation.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::Serialize;

use super::row::write_done;
use super::{Filter, check_ids};
use crate::operate::dead_letters::dead_letter::DeadLetter;
use crate::operate::walk::Walk;
use crate::operate::{OperateError, OperatorContext, write_json};

/// The options of a drop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropOptions {
    /// Whether to skip the confirmation.
    pub is_confirmed: bool,
    /// Show what would be done, and do nothing.
    pub is_dry_run: bool,
    /// Whether to report JSON, one object per line.
    pub as_json: bool,
}

/// The last line of a JSON report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    dry_run: bool,
    dropped: u64,
}

/// Deletes dead letters permanently, after `confirm` agrees or if the options skip it. Reports each deletion. Returns
/// how many were deleted, or would be.
///
/// Deletes only those that existed when the confirmation was requested.
///
/// # Errors
/// When a call fails, the confirmation cannot be requested, or an id in the filter has no dead letter. Reported
/// deletions are done.
pub async fn drop(
    context: &OperatorContext,
    filter: &Filter,
    options: DropOptions,
    confirm: &mut dyn FnMut(&str) -> io::Result<bool>,
    out: &mut dyn Write,
) -> Result<u64, OperateError> {
    let chosen = context.dead_letters(filter).await?;
    check_ids(filter, &chosen)?;
    if chosen.is_empty() && !options.as_json {
        writeln!(out, "nothing to drop")?;
        return Ok(0);
    }
    let dropped = if options.is_dry_run {
        let action = if options.as_json { "would_drop" } else { "would drop" };
        for letter in &chosen {
            write_done(action, letter, context.clock.now(), options.as_json, out)?;
        }
        chosen.len() as u64
    } else if chosen.is_empty() || !(options.is_confirmed || is_agreed(&chosen, confirm, out)?) {
        0
    } else {
        let mut walk = Walk::through(&*context.ports.dead_letters);
        let ended = drop_each(context, &mut walk, &chosen, options.as_json, out).await;
        walk.end().await;
        ended?
    };
    if options.as_json {
        write_json(out, &Summary { dry_run: options.is_dry_run, dropped })?;
    } else {
        writeln!(out, "{} {dropped}", if options.is_dry_run { "would drop" } else { "dropped" })?;
    }
    Ok(dropped)
}

/// Shows what would be dropped, and asks for confirmation.
fn is_agreed(
    chosen: &[DeadLetter],
    confirm: &mut dyn FnMut(&str) -> io::Result<bool>,
    out: &mut dyn Write,
) -> io::Result<bool> {
    for letter in chosen {
        writeln!(out, "to drop  {}", letter.line())?;
    }
    out.flush()?;
    confirm(&format!("drop {} dead letters for good?", chosen.len()))
}

async fn drop_each(
    context: &OperatorContext,
    walk: &mut Walk<'_>,
    chosen: &[DeadLetter],
    as_json: bool,
    out: &mut dyn Write,
) -> Result<u64, OperateError> {
    let mut left: HashMap<&str, &DeadLetter> = chosen.iter().map(|letter| (&*letter.message.id, letter)).collect();
    while !left.is_empty() {
        let messages = walk.next().await?;
        if messages.is_empty() {
            break;
        }
        let here: Vec<&DeadLetter> = messages.iter().filter_map(|message| left.remove(&*message.id)).collect();
        let ids: Vec<String> = here.iter().map(|letter| letter.message.id.clone()).collect();
        walk.delete(&ids).await?;
        for letter in here {
            write_done("dropped", letter, context.clock.now(), as_json, out)?;
        }
    }
    Ok((chosen.len() - left.len()) as u64)
}
