//! Reads arrivals from CSV: the times of uploads, or how many arrived from one time to the next.

use jiff::Timestamp;

use super::trace::{Arrivals, Trace};
use super::write::{duration, thousands};

/// Longest trace, in seconds: 31 days.
const MAX_SECONDS: u64 = 31 * 24 * 3600;
/// Most uploads in a second.
const MAX_RATE: f64 = 1e6;
/// A lower rate than this in a second counts as no uploads: in the longest trace it is less than a hundredth of one.
const MIN_RATE: f64 = 1e-9;

/// A file that does not contain valid arrivals; names the line if there is one.
#[derive(Debug, thiserror::Error)]
pub enum ArrivalsError {
    /// The columns are not the expected ones.
    #[error("the columns are {0:?}; they must be \"time\", \"time,count\" or \"time,rate\"")]
    Columns(String),
    /// A row that is not valid CSV, or has too few or too many fields.
    #[error(transparent)]
    Row(#[from] csv::Error),
    /// A time that is neither a number of seconds nor a timestamp, or not of the same kind as the first.
    #[error("line {line}: the time {value:?} is {expected}")]
    Time {
        /// Its line in the file, from 1.
        line: u64,
        /// The value as written in the file.
        value: String,
        /// The fault.
        expected: &'static str,
    },
    /// An invalid count or rate.
    #[error("line {line}: {value:?} must be a number of uploads, 0 to {} a second", thousands(MAX_RATE))]
    Uploads {
        /// Its line in the file, from 1.
        line: u64,
        /// As it is written.
        value: String,
    },
    /// Too few rows.
    #[error("there must be {0} or more rows")]
    TooFewRows(usize),
    /// The times span too long a period.
    #[error("the times span {} s; the longest trace is {} s", thousands(*.0 as f64), thousands(MAX_SECONDS as f64))]
    TooLong(u64),
}

/// The meaning of the second column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    /// No second column: each row is one upload.
    None,
    /// Uploads from this time to the next row's.
    Count,
    /// Uploads a second from this time to the next row's.
    Rate,
}

/// A row: its line, its time in seconds, and its second column.
struct Row {
    line: u64,
    seconds: f64,
    uploads: (f64, String),
}

/// The arrivals in a CSV file with a header line: `time` (a row for each upload, in any order), `time,count` or
/// `time,rate` (uploads, or uploads a second, from this time to that of the next row; the last row lasts as long as the
/// one before it). Times are seconds, or RFC 3339 timestamps; the earliest is the start of the trace. A rate below 1e-9
/// uploads a second is 0.
///
/// # Errors
/// When the text is in another format, has no arrivals, or spans more than 31 days.
pub fn trace_of_csv(text: &[u8]) -> Result<Trace, ArrivalsError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text);
    let column = column(reader.headers()?)?;
    let mut rows = Vec::new();
    let mut is_first_timestamp = None;
    for record in reader.records() {
        rows.push(row(&record?, column, &mut is_first_timestamp)?);
    }
    let seconds = if column == Column::None { each_upload(&rows)? } else { intervals(&rows, column)? };
    let length = seconds.len() as u64;
    let uploads: f64 = seconds.iter().sum();
    Ok(Trace {
        name: "arrivals",
        description: format!("{} uploads in {}", thousands(uploads.round()), duration(length)),
        seconds: length,
        min_tasks: None,
        receives: 1,
        arrivals: Arrivals::Recorded(seconds),
    })
}

fn column(header: &csv::StringRecord) -> Result<Column, ArrivalsError> {
    let names: Vec<String> = header.iter().map(str::to_ascii_lowercase).collect();
    match names.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["time"] => Ok(Column::None),
        ["time", "count"] => Ok(Column::Count),
        ["time", "rate"] => Ok(Column::Rate),
        _ => Err(ArrivalsError::Columns(header.iter().collect::<Vec<_>>().join(","))),
    }
}

fn row(
    record: &csv::StringRecord,
    column: Column,
    is_first_timestamp: &mut Option<bool>,
) -> Result<Row, ArrivalsError> {
    let line = record.position().map_or(0, csv::Position::line);
    let text = |at| record.get(at).unwrap_or_default().to_owned();
    let time = text(0);
    let wrong = |expected| ArrivalsError::Time { line, value: time.clone(), expected };
    let (seconds, is_timestamp) = match (time.parse::<f64>(), time.parse::<Timestamp>()) {
        (Ok(seconds), _) if seconds.is_finite() => (seconds, false),
        (_, Ok(timestamp)) => (timestamp.as_millisecond() as f64 / 1000.0, true),
        _ => return Err(wrong("neither a number of seconds nor a timestamp such as 2026-11-28T10:00:00Z")),
    };
    if *is_first_timestamp.get_or_insert(is_timestamp) != is_timestamp {
        return Err(wrong("not of the kind of the first row's"));
    }
    let uploads = if column == Column::None { (1.0, String::new()) } else { (number(&text(1), line)?, text(1)) };
    Ok(Row { line, seconds, uploads })
}

fn number(text: &str, line: u64) -> Result<f64, ArrivalsError> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| ArrivalsError::Uploads { line, value: text.to_owned() })
}

/// One upload per row, in the second of its time.
fn each_upload(rows: &[Row]) -> Result<Vec<f64>, ArrivalsError> {
    let Some(start) = rows.iter().map(|row| row.seconds).reduce(f64::min) else {
        return Err(ArrivalsError::TooFewRows(1));
    };
    let end = rows.iter().map(|row| row.seconds - start).fold(0.0, f64::max);
    let mut seconds = vec![0.0; length((end as u64).saturating_add(1))?];
    for row in rows {
        seconds[(row.seconds - start) as usize] += 1.0;
    }
    Ok(seconds)
}

/// The uploads of each row, spread evenly over the seconds to the next row.
fn intervals(rows: &[Row], column: Column) -> Result<Vec<f64>, ArrivalsError> {
    let [.., before_last, last] = rows else { return Err(ArrivalsError::TooFewRows(2)) };
    spread(rows, rows[0].seconds, last.seconds - before_last.seconds, column)
}

fn spread(rows: &[Row], start: f64, last_interval: f64, column: Column) -> Result<Vec<f64>, ArrivalsError> {
    let mut seconds = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let next = rows.get(at + 1).map_or(row.seconds + last_interval, |next| next.seconds);
        let (from, to) = ((row.seconds - start).floor(), (next - start).floor());
        if to <= from {
            let later = rows.get(at + 1).unwrap_or(row);
            let value = format!("{} s after the first", later.seconds - start);
            return Err(ArrivalsError::Time {
                line: later.line,
                value,
                expected: "not a second or more after the row before",
            });
        }
        let rate = if column == Column::Count { row.uploads.0 / (to - from) } else { row.uploads.0 };
        if rate > MAX_RATE {
            return Err(ArrivalsError::Uploads { line: row.line, value: row.uploads.1.clone() });
        }
        seconds.resize(length(to as u64)?, if rate < MIN_RATE { 0.0 } else { rate });
    }
    Ok(seconds)
}

fn length(seconds: u64) -> Result<usize, ArrivalsError> {
    if seconds > MAX_SECONDS { Err(ArrivalsError::TooLong(seconds)) } else { Ok(seconds as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Policy, draw, run};

    fn seconds(text: &str) -> Result<Vec<f64>, String> {
        match trace_of_csv(text.as_bytes()) {
            Ok(Trace { arrivals: Arrivals::Recorded(seconds), seconds: length, .. }) => {
                assert_eq!(seconds.len() as u64, length);
                Ok(seconds)
            }
            Ok(_) => unreachable!("a file is recorded"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn each_row_of_times_is_one_upload_whatever_their_order() {
        assert_eq!(seconds("time\n12.9\n10\n12\n").unwrap(), [1.0, 0.0, 2.0]);
        let stamps = "Time\n2026-11-28T10:00:01.5Z\n2026-11-28T11:00:00+01:00\n";
        assert_eq!(seconds(stamps).unwrap(), [1.0, 1.0]);
    }

    #[test]
    fn counts_and_rates_hold_until_the_next_row() {
        assert_eq!(seconds("time,count\n0,4\n2,6\n").unwrap(), [2.0, 2.0, 3.0, 3.0]);
        assert_eq!(seconds("time, rate\n5, 0.5\n6, 2\n9, 1\n").unwrap(), [0.5, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn the_longest_trace_is_31_days() {
        let last = |second: u64| seconds(&format!("time\n0\n{second}\n")).map(|seconds| seconds.len() as u64);
        assert_eq!(last(MAX_SECONDS - 2), Ok(MAX_SECONDS - 1));
        assert_eq!(last(MAX_SECONDS - 1), Ok(MAX_SECONDS));
        assert_eq!(last(MAX_SECONDS), Err("the times span 2,678,401 s; the longest trace is 2,678,400 s".to_owned()));
        assert!(last(u64::MAX).is_err());
    }

    #[test]
    fn the_highest_rate_is_a_million_a_second() {
        for (rate, is_right) in [("999999", true), ("1000000", true), ("1000001", false)] {
            assert_eq!(seconds(&format!("time,rate\n0,{rate}\n1,0\n")).is_ok(), is_right, "{rate}");
            assert_eq!(seconds(&format!("time,count\n0,{rate}\n1,0\n")).is_ok(), is_right, "{rate}");
        }
    }

    #[test]
    fn the_lowest_rate_is_one_upload_in_a_billion_seconds() {
        for (rate, uploads) in [("1.1e-9", 1.1e-9), ("1e-9", 1e-9), ("0.9e-9", 0.0), ("1e-300", 0.0), ("2e-323", 0.0)] {
            assert_eq!(seconds(&format!("time,rate\n0,{rate}\n1,0\n")).unwrap(), [uploads, 0.0], "{rate}");
            assert_eq!(seconds(&format!("time,count\n0,{rate}\n1,0\n")).unwrap(), [uploads, 0.0], "{rate}");
        }
    }

    #[test]
    fn the_labels_of_the_lowest_rates_are_short() {
        for rate in ["2e-323", "1e-300", "0.9e-9", "1e-9", "1.1e-9"] {
            let trace = trace_of_csv(format!("time,rate\n0,{rate}\n60,0\n").as_bytes()).unwrap();
            let picture = draw(&trace, &run(&Policy::default(), &trace));
            assert!(!picture.contains("0.0000000000000"), "{rate}: {picture}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, message) in [
            ("", "the columns are \"\"; they must be \"time\", \"time,count\" or \"time,rate\""),
            ("when\n1\n", "the columns are \"when\"; they must be \"time\", \"time,count\" or \"time,rate\""),
            ("time\n", "there must be 1 or more rows"),
            ("time,count\n0,1\n", "there must be 2 or more rows"),
            (
                "time\n0\nsoon\n",
                "line 3: the time \"soon\" is neither a number of seconds nor a timestamp such as 2026-11-28T10:00:00Z",
            ),
            (
                "time\nnan\n",
                "line 2: the time \"nan\" is neither a number of seconds nor a timestamp such as 2026-11-28T10:00:00Z",
            ),
            (
                "time\n0\n2026-11-28T10:00:00Z\n",
                "line 3: the time \"2026-11-28T10:00:00Z\" is not of the kind of the first row's",
            ),
            (
                "time,count\n0,1\n0,1\n",
                "line 3: the time \"0 s after the first\" is not a second or more after the row before",
            ),
            ("time,rate\n0,1\n1,-1\n", "line 3: \"-1\" must be a number of uploads, 0 to 1,000,000 a second"),
            ("time,rate\n0,1\n1,inf\n", "line 3: \"inf\" must be a number of uploads, 0 to 1,000,000 a second"),
        ] {
            assert_eq!(seconds(text).unwrap_err(), message, "{text:?}");
        }
        assert!(seconds("time,count\n0\n").unwrap_err().contains("line: 2"), "a missing field names its line");
    }
}
