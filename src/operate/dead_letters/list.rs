//! `darkroom dlq list`: one line for each, for people or for machines.

use std::io::Write;
use std::time::Duration;

use serde::Serialize;

use super::{Filter, in_short};
use crate::operate::{OperateError, Site, printable, write_json};

/// One line of `darkroom dlq list --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    reason: &'static str,
    keys: Vec<&'a str>,
    receive_count: u32,
    sent_at: String,
    age_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Lists the dead letters that the filter admits, oldest first. How many there are.
///
/// # Errors
/// When the dead letters or a record cannot be read, or the list not be written.
pub async fn list(site: &Site, filter: &Filter, as_json: bool, out: &mut dyn Write) -> Result<u64, OperateError> {
    let letters = site.dead_letters(filter).await?;
    let now = site.clock.now();
    if !as_json && !letters.is_empty() {
        writeln!(out, "{:36}  {:>8}  {:>12}  {:14}  KEY", "ID", "RECEIVES", "AGE", "REASON")?;
    }
    for letter in &letters {
        let message = &letter.message;
        let age = Duration::from_secs(now.since(message.sent_at).as_secs());
        if as_json {
            let row = Row {
                id: &message.id,
                reason: letter.cause.as_str(),
                keys: letter.keys(),
                receive_count: message.receive_count,
                sent_at: message.sent_at.to_string(),
                age_seconds: age.as_secs(),
                error: letter.last_error(),
            };
            write_json(out, &row)?;
        } else {
            let (id, reason, keys) = (&message.id, letter.cause.as_str(), printable(&letter.keys().join(" ")));
            let age = in_short(age);
            writeln!(out, "{id:36}  {:>8}  {age:>12}  {reason:14}  {keys}", message.receive_count)?;
        }
    }
    Ok(letters.len() as u64)
}
