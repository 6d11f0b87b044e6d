//! `darkroom images list`: one line for each record, printed page by page as the catalog returns them.

use std::io::Write;

use super::ListOptions;
use super::view::View;
use crate::operate::{OperateError, OperatorContext, printable, write_json};
use crate::record::ImageRecord;

/// Lists the records that match the options, in the order of the catalog. Returns how many there are.
///
/// Holds one page of records at a time.
///
/// # Errors
/// When a page cannot be read, or the list cannot be written. The lines that were printed are valid.
pub async fn list(context: &OperatorContext, options: &ListOptions, out: &mut dyn Write) -> Result<u64, OperateError> {
    let since = options.since.map(|since| since.resolve(context.clock.now()));
    let (mut next, mut listed) = (None, 0);
    loop {
        let page = context.ports.catalog.scan(next.as_deref()).await?;
        for record in page.records.iter().filter(|record| options.admit(record, since)) {
            if options.as_json {
                write_json(out, &View::of(record))?;
            } else {
                if listed == 0 {
                    writeln!(out, "{:33}  {:22}  {:16}  {:24}  KEY", "ID", "STATUS", "REASON", "UPDATED")?;
                }
                writeln!(out, "{}", line(record))?;
            }
            listed += 1;
        }
        out.flush()?;
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    if listed == 0 && !options.as_json {
        writeln!(out, "no images")?;
    }
    Ok(listed)
}

fn line(record: &ImageRecord) -> String {
    let (id, status, updated) = (record.id.as_str(), record.status.as_str(), record.updated_at.to_string());
    let reason = record.reason.map_or("-", |reason| reason.as_str());
    format!("{id:33}  {status:22}  {reason:16}  {updated:24}  {}", printable(&record.key))
}
