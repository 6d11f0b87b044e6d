//! The arguments of `darkroom images`.

use clap::{Args, Subcommand};

use super::parse;
use crate::clock::Timestamp;
use crate::operate::images::{ListOptions, Request, Since};
use crate::record::{ImageId, Status};

/// `darkroom images`
#[derive(Debug, Args)]
pub struct Images {
    #[command(subcommand)]
    command: ImagesCommand,
}

#[derive(Debug, Subcommand)]
enum ImagesCommand {
    /// List images: id, status, reason, time of the last change, key; in no particular order
    ///
    /// Reads the whole catalog, a page of 1,000 records at a time, and prints each page as it arrives. `deleted` images
    /// are listed only with --status deleted.
    List {
        /// Only images with this status; may be repeated
        #[arg(long, value_name = "STATUS", value_parser = status)]
        status: Vec<Status>,
        /// Only images that changed since then: an age such as 2h, a date such as 2026-01-31 (UTC), or a time such as
        /// 2026-01-31T12:00:00Z
        #[arg(long, value_name = "TIME", value_parser = since)]
        since: Option<Since>,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show the record of one image: status, original, thumbnails, the last error
    Show {
        /// Id of the image
        #[arg(value_parser = ImageId::parse)]
        id: ImageId,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Images {
    /// The requested operation.
    pub fn request(&self) -> Request {
        match &self.command {
            ImagesCommand::List { status, since, json } => {
                Request::List(ListOptions { statuses: status.clone(), since: *since, as_json: *json })
            }
            ImagesCommand::Show { id, json } => Request::Show { id: id.clone(), as_json: *json },
        }
    }
}

fn status(name: &str) -> Result<Status, String> {
    let known = || Status::ALL.map(Status::as_str).join(", ");
    Status::from_name(name).ok_or_else(|| format!("there is no such status; there are {}", known()))
}

fn since(text: &str) -> Result<Since, &'static str> {
    let since = parse::age(text).ok().map(Since::Ago).or_else(|| Timestamp::parse(text).map(Since::At));
    since.ok_or("must be an age such as 2h, a date such as 2026-01-31, or a time such as 2026-01-31T12:00:00Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn since_is_an_age_a_date_or_a_time() {
        assert_eq!(since("2h"), Ok(Since::Ago(Duration::from_hours(2))));
        let noon = Timestamp::from_millis(1_769_860_800_000);
        assert_eq!(since("2026-01-31T12:00:00Z"), Ok(Since::At(noon)));
        assert_eq!(since("2026-01-31T14:00:00+02:00"), Ok(Since::At(noon)));
        assert_eq!(since("2026-01-31"), Ok(Since::At(Timestamp::from_millis(noon.as_millis() - 43_200_000))));
        for text in ["", "2", "yesterday", "-2h", "2026-02-30", "2026-01-31T12:00:00", "12:00"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
