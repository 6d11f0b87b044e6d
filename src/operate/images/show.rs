//! `darkroom images show`: the whole record of one image.

use std::io::{self, Write};

use super::view::View;
use crate::operate::{OperateError, OperatorContext, printable, write_json};
use crate::recipe::{Format, ThumbnailKey};
use crate::record::{ImageId, ImageRecord, Published};

/// Shows the record of one image.
///
/// # Errors
/// When the record does not exist, cannot be read, or cannot be written.
pub async fn show(
    context: &OperatorContext,
    id: &ImageId,
    as_json: bool,
    out: &mut dyn Write,
) -> Result<(), OperateError> {
    let record = context.ports.catalog.get(id).await?;
    let record = record.ok_or_else(|| OperateError::NoSuchImage(id.clone()))?;
    if as_json {
        write_json(out, &View::of(&record))?;
    } else {
        write(&record, out)?;
    }
    Ok(out.flush()?)
}

fn write(record: &ImageRecord, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "image       {}", record.id)?;
    writeln!(out, "key         {}", printable(&record.key))?;
    match record.reason {
        Some(reason) => writeln!(out, "status      {}: {reason}", record.status)?,
        None => writeln!(out, "status      {}", record.status)?,
    }
    if let Some(detail) = record.detail() {
        writeln!(out, "detail      {detail}")?;
    }
    if record.is_of_a_newer_schema() {
        writeln!(out, "schema      {}: a newer darkroom wrote it, and this one may misread it", record.v)?;
    }
    writeln!(out, "created     {}", record.created_at)?;
    writeln!(out, "updated     {}", record.updated_at)?;
    if let Some(until) = record.lease_until {
        writeln!(out, "held until  {until}")?;
    }
    if let Some(error) = &record.last_error {
        writeln!(out, "last error  {}", printable(error))?;
    }
    if let Some(original) = &record.original {
        let (content_type, bytes) = (printable(&original.content_type), original.bytes);
        writeln!(out, "original    {content_type}, {} x {} pixels, {bytes} bytes", original.width, original.height)?;
    }
    record.published.as_ref().map_or(Ok(()), |published| write_published(&record.id, published, out))
}

fn write_published(id: &ImageId, published: &Published, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "published   {}", published.at)?;
    for thumbnail in &published.thumbnails {
        let (size, width, height, bytes) = (&thumbnail.size, thumbnail.width, thumbnail.height, thumbnail.bytes);
        let format = Format::from_content_type(&published.content_type);
        let key = format.map(|format| ThumbnailKey { id, version: &published.version, size, format }.to_string());
        let key = key.unwrap_or_default();
        writeln!(out, "thumbnail   {}: {width} x {height} pixels, {bytes} bytes, {key}", printable(size))?;
    }
    Ok(())
}
