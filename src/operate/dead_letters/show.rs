//! `darkroom dlq show`: all details of one dead letter.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;

use super::row::{Row, age};
use super::{Filter, in_short};
use crate::clock::Timestamp;
use crate::operate::dead_letters::dead_letter::{DeadLetter, Subject};
use crate::operate::{OperateError, OperatorContext, images, printable, write_json};

/// One line of `darkroom dlq show --json`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Everything<'a> {
    #[serde(flatten)]
    row: Row<'a>,
    meaning: &'static str,
    what_to_do: &'static str,
    objects: Vec<Object<'a>>,
    /// The event as JSON, or as text if it is not JSON.
    body: Value,
}

#[derive(Serialize)]
struct Object<'a> {
    key: &'a str,
    record: Option<images::View<'a>>,
}

impl<'a> Everything<'a> {
    fn of(letter: &'a DeadLetter, now: Timestamp) -> Self {
        let object = |subject: &'a Subject| Object {
            key: &subject.event.key,
            record: subject.record.as_ref().map(images::View::of),
        };
        let body = &letter.message.body;
        Self {
            row: Row::of(letter, now),
            meaning: letter.cause.meaning(),
            what_to_do: letter.cause.advice(),
            objects: letter.subjects.iter().map(object).collect(),
            body: serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.clone())),
        }
    }
}

/// Shows all details of the dead letter with this message or image id: its meaning, the advice, the record and the
/// event.
///
/// # Errors
/// When no dead letter has this id, and like [`list`](super::list).
pub async fn show(context: &OperatorContext, id: &str, as_json: bool, out: &mut dyn Write) -> Result<(), OperateError> {
    let filter = Filter { ids: vec![id.to_owned()], ..Filter::default() };
    let letters = context.dead_letters(&filter).await?;
    if letters.is_empty() {
        return Err(OperateError::NoSuchLetter(id.to_owned()));
    }
    for letter in &letters {
        if as_json {
            write_json(out, &Everything::of(letter, context.clock.now()))?;
            continue;
        }
        let message = &letter.message;
        let age = in_short(age(letter, context.clock.now()));
        writeln!(out, "message     {}", message.id)?;
        writeln!(out, "sent        {}, {age} ago", message.sent_at)?;
        writeln!(out, "receives    {}", message.receive_count)?;
        writeln!(out, "reason      {}: {}", letter.cause.as_str(), letter.cause.meaning())?;
        writeln!(out, "last error  {}", printable(letter.last_error().as_deref().unwrap_or("none is known")))?;
        writeln!(out, "what to do  {}", letter.cause.advice())?;
        for subject in &letter.subjects {
            writeln!(out, "\nobject      {}", printable(&subject.event.key))?;
            if subject.event.bucket != context.bucket {
                let (bucket, own) = (printable(&subject.event.bucket), &context.bucket);
                writeln!(out, "bucket      {bucket}; DARKROOM_UPLOAD_BUCKET is {own}")?;
            }
            match &subject.record {
                Some(record) => writeln!(out, "record      {}", pretty(record)?)?,
                None => writeln!(out, "record      none")?,
            }
        }
        let body = serde_json::from_str::<Value>(&message.body);
        writeln!(out, "\nbody        {}", body.map_or_else(|_| Ok(printable(&message.body)), |json| pretty(&json))?)?;
    }
    Ok(())
}

fn pretty(value: &impl Serialize) -> io::Result<String> {
    serde_json::to_string_pretty(value).map_err(io::Error::from)
}
