//! The report of a backfill: a table for people, a JSON object for scripts.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::{BackfillOptions, BackfillReport};
use crate::operate::{printable, write_json};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    dry_run: bool,
    #[serde(flatten)]
    report: &'a BackfillReport,
}

impl BackfillReport {
    /// The report as a table. That of a dry run says what would be done.
    pub fn table(&self, options: &BackfillOptions) -> String {
        let (enqueued, left_alone) =
            if options.is_dry_run { ("would enqueue", "would leave alone") } else { ("enqueued", "left alone") };
        let rows = [
            ("objects looked at".to_owned(), self.objects),
            (enqueued.to_owned(), self.enqueued),
            (format!("published by this recipe, {left_alone}"), self.published),
            (format!("published by another recipe, {left_alone}"), self.outdated),
            (format!("refused, {left_alone}"), self.refused),
            (format!("in a worker's hands, {left_alone}"), self.in_hand),
            (format!("deleted, or no image, {left_alone}"), self.passed_over),
        ];
        let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0) + 2;
        let mut table = String::new();
        for (label, count) in rows {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{label:width$}{count}");
        }
        if let Some(verdicts) = &self.verdicts {
            let _ = write!(table, "{verdicts}");
        }
        table
    }

    /// A message if a successful backfill had nothing to do.
    pub fn nothing(&self, options: &BackfillOptions) -> Option<String> {
        match (self.objects, self.enqueued) {
            (0, _) => Some(format!("no objects under {:?}", options.prefix)),
            (_, 0) => Some("nothing to enqueue".to_owned()),
            _ => None,
        }
    }

    /// Writes the progress after a page of the listing.
    pub(super) fn write_progress(&self, options: &BackfillOptions, out: &mut dyn Write) -> io::Result<()> {
        if options.as_json {
            return self.write_json(options.is_dry_run, out);
        }
        let verb = if options.is_dry_run { "would enqueue" } else { "enqueued" };
        let up_to = printable(self.last_key.as_deref().unwrap_or_default());
        writeln!(out, "{verb} {} of {} up to {up_to}", self.enqueued, self.objects)
    }

    /// Writes the report as one JSON object.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, is_dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
        write_json(out, &Json { dry_run: is_dry_run, report: self })
    }
}
