//! `darkroom dlq drop`: deleted for good, after a question.

use std::collections::HashMap;
use std::io::{self, Write};

use super::Filter;
use crate::operate::letter::Letter;
use crate::operate::walk::Walk;
use crate::operate::{OperateError, Site};

/// Deletes dead letters for good, once `confirm` agrees to the question; tells each that is gone. How many there were.
///
/// Only those are deleted that were there when the question was asked.
///
/// # Errors
/// When a call fails, or the question cannot be asked. What was told as dropped is gone.
pub async fn drop(
    site: &Site,
    filter: &Filter,
    confirm: &mut dyn FnMut(&str) -> io::Result<bool>,
    out: &mut dyn Write,
) -> Result<u64, OperateError> {
    let chosen = site.dead_letters(filter).await?;
    if chosen.is_empty() {
        return Ok(0);
    }
    for letter in &chosen {
        writeln!(out, "to drop  {}", letter.line())?;
    }
    out.flush()?;
    if !confirm(&format!("drop {} dead letters for good?", chosen.len()))? {
        return Ok(0);
    }
    let mut walk = Walk::through(&*site.ports.dead_letters);
    let ended = drop_each(&mut walk, &chosen, out).await;
    walk.end().await;
    ended
}

async fn drop_each(walk: &mut Walk<'_>, chosen: &[Letter], out: &mut dyn Write) -> Result<u64, OperateError> {
    let mut left: HashMap<&str, &Letter> = chosen.iter().map(|letter| (&*letter.message.id, letter)).collect();
    while !left.is_empty() {
        let messages = walk.next().await?;
        if messages.is_empty() {
            break;
        }
        let here: Vec<&Letter> = messages.iter().filter_map(|message| left.remove(&*message.id)).collect();
        let ids: Vec<String> = here.iter().map(|letter| letter.message.id.clone()).collect();
        walk.delete(&ids).await?;
        for letter in here {
            writeln!(out, "dropped  {}", letter.line())?;
        }
    }
    Ok((chosen.len() - left.len()) as u64)
}
