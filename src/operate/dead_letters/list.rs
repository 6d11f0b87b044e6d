//! `darkroom dlq list`: one line for each dead letter, as text or JSON.

use std::io::Write;

use super::row::{Row, age};
use super::{Filter, in_short};
use crate::operate::{OperateError, OperatorContext, printable, write_json};

/// Lists the dead letters that the filter selects, oldest first. Returns how many there are.
///
/// # Errors
/// When the dead letters or a record cannot be read, or the list cannot be written.
pub async fn list(
    context: &OperatorContext,
    filter: &Filter,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<u64, OperateError> {
    let letters = context.dead_letters(filter).await?;
    let now = context.clock.now();
    if letters.is_empty() && !as_json {
        let is_all = *filter == Filter::default();
        writeln!(out, "{}", if is_all { "no dead letters" } else { "no dead letters match" })?;
    } else if !as_json {
        writeln!(out, "{:36}  {:>8}  {:>12}  {:14}  KEY", "ID", "RECEIVES", "AGE", "REASON")?;
    }
    for letter in &letters {
        if as_json {
            write_json(out, &Row::of(letter, now))?;
        } else {
            let message = &letter.message;
            let (id, reason, keys) = (&message.id, letter.cause.as_str(), printable(&letter.keys().join(" ")));
            let age = in_short(age(letter, now));
            writeln!(out, "{id:36}  {:>8}  {age:>12}  {reason:14}  {keys}", message.receive_count)?;
        }
    }
    Ok(letters.len() as u64)
}
