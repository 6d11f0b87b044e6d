//! `darkroom dlq show`: everything about one.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::{Filter, in_short};
use crate::operate::{OperateError, Site, printable};

/// Tells everything about one dead letter, by its id or its image's: what it means, what to do, record and event.
///
/// # Errors
/// When there is none of that id; and as [`list`](super::list).
pub async fn show(site: &Site, id: &str, out: &mut dyn Write) -> Result<(), OperateError> {
    let filter = Filter { ids: vec![id.to_owned()], ..Filter::default() };
    let letters = site.dead_letters(&filter).await?;
    if letters.is_empty() {
        return Err(OperateError::NoSuchLetter(id.to_owned()));
    }
    for letter in &letters {
        let message = &letter.message;
        let age = in_short(Duration::from_secs(site.clock.now().since(message.sent_at).as_secs()));
        writeln!(out, "message     {}", message.id)?;
        writeln!(out, "sent        {}, {age} ago", message.sent_at)?;
        writeln!(out, "receives    {}", message.receive_count)?;
        writeln!(out, "reason      {}: {}", letter.cause.as_str(), letter.cause.meaning())?;
        writeln!(out, "last error  {}", printable(letter.last_error().as_deref().unwrap_or("none is known")))?;
        writeln!(out, "what to do  {}", letter.cause.advice())?;
        for subject in &letter.subjects {
            writeln!(out, "\nobject      {}", printable(&subject.event.key))?;
            if subject.event.bucket != site.bucket {
                let (bucket, own) = (printable(&subject.event.bucket), &site.bucket);
                writeln!(out, "bucket      {bucket}; DARKROOM_UPLOAD_BUCKET is {own}")?;
            }
            match &subject.record {
                Some(record) => writeln!(out, "record      {}", pretty(record)?)?,
                None => writeln!(out, "record      none")?,
            }
        }
        let body = serde_json::from_str::<serde_json::Value>(&message.body);
        writeln!(out, "\nbody        {}", body.map_or_else(|_| Ok(printable(&message.body)), |json| pretty(&json))?)?;
    }
    Ok(())
}

fn pretty(value: &impl Serialize) -> io::Result<String> {
    serde_json::to_string_pretty(value).map_err(io::Error::from)
}
