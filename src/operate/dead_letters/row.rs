//! A dead letter as a JSON object on one line.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::operate::dead_letters::dead_letter::DeadLetter;
use crate::operate::write_json;

/// One line of `darkroom dlq list --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    id: &'a str,
    reason: &'static str,
    keys: Vec<&'a str>,
    receive_count: u32,
    sent_at: String,
    age_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The same row with the action that was taken, or would be in a dry run.
#[derive(Serialize)]
struct Done<'a> {
    action: &'static str,
    #[serde(flatten)]
    row: Row<'a>,
}

impl<'a> Row<'a> {
    pub(super) fn of(letter: &'a DeadLetter, now: Timestamp) -> Self {
        let message = &letter.message;
        Self {
            id: &message.id,
            reason: letter.cause.as_str(),
            keys: letter.keys(),
            receive_count: message.receive_count,
            sent_at: message.sent_at.to_string(),
            age_seconds: age(letter, now).as_secs(),
            error: letter.last_error(),
        }
    }
}

/// The time since the message was sent, in whole seconds.
pub(super) fn age(letter: &DeadLetter, now: Timestamp) -> Duration {
    Duration::from_secs(now.since(letter.message.sent_at).as_secs())
}

/// Writes the action on a dead letter: `{action}  {line}`, or a JSON object.
pub(super) fn write_done(
    action: &'static str,
    letter: &DeadLetter,
    now: Timestamp,
    as_json: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    if as_json {
        return write_json(out, &Done { action, row: Row::of(letter, now) });
    }
    writeln!(out, "{action}  {}", letter.line())
}
