//! The report of a sweep: a table for people, a JSON object for scripts.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;

use super::SweepReport;
use crate::operate::write_json;

/// A count: its label in a report, its label in the report of a dry run, and its value.
type Row = (&'static str, &'static str, fn(&SweepReport) -> u64);

const ROWS: [Row; 13] = [
    ("records looked at", "records looked at", |report| report.records),
    ("uploads that never came, forgotten", "uploads that never came, would forget", |report| report.uploads_forgotten),
    ("uploads whose event got lost, enqueued", "uploads whose event got lost, would enqueue", |report| {
        report.uploads_enqueued
    }),
    ("images left alone by workers, enqueued", "images left alone by workers, would enqueue", |report| {
        report.images_enqueued
    }),
    ("left for later, since the queue is long", "would leave for later, since the queue is long", |report| {
        report.left_for_later
    }),
    ("dead letters without verdict, failed", "dead letters without verdict, would fail", |report| {
        report.verdicts_written
    }),
    ("deleted images, forgotten", "deleted images, would forget", |report| report.deletions_forgotten),
    ("superseded thumbnails, removed", "superseded thumbnails, would remove", |report| report.thumbnails_removed),
    ("  their bytes", "  their bytes", |report| report.bytes_removed),
    ("superseded or refused originals, removed", "superseded or refused originals, would remove", |report| {
        report.originals_removed
    }),
    ("  their bytes", "  their bytes", |report| report.original_bytes_removed),
    ("thumbnails without a record, left alone", "thumbnails without a record, would leave alone", |report| {
        report.thumbnails_unknown
    }),
    ("changed meanwhile, left alone", "changed meanwhile, would leave alone", |report| report.changed_meanwhile),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    dry_run: bool,
    #[serde(flatten)]
    report: &'a SweepReport,
}

impl SweepReport {
    /// The report as a table. That of a dry run says what would be done.
    pub fn table(&self, is_dry_run: bool) -> String {
        let label = |row: &Row| if is_dry_run { row.1 } else { row.0 };
        let width = ROWS.iter().map(|row| label(row).len()).max().unwrap_or(0);
        let mut table = String::new();
        for row in &ROWS {
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{:width$} {}", label(row), (row.2)(self));
        }
        table
    }

    /// Writes the report as one JSON object.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json(&self, is_dry_run: bool, out: &mut dyn Write) -> io::Result<()> {
        write_json(out, &Json { dry_run: is_dry_run, report: self })
    }
}
