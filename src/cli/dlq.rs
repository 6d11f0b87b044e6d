//! The arguments of `darkroom dlq`.

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::parse;
use crate::operate::dead_letters::dead_letter::Cause;
use crate::operate::dead_letters::{DropOptions, Filter, RedriveOptions, Request};

/// `darkroom dlq`
#[derive(Debug, Args)]
pub struct Dlq {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// List dead letters: id, receives, age, reason, key; oldest first
    ///
    /// Reasons: `unavailable`, `render_timeout`, `killed`, `internal`, `source_missing` and `archived` are those of the
    /// image; `unfinished`: the image has no verdict; `settled`: it got one meanwhile; `unreadable`: not an upload
    /// event; `other_bucket`: an event of another bucket; `wrong_bucket`: the same, and an image waits for this very
    /// upload, so DARKROOM_UPLOAD_BUCKET is wrong.
    List {
        #[command(flatten)]
        selection: Selection,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show one dead letter: its cause, what to do, the image's record, the event
    Show {
        /// Id of the message, or of its image
        id: String,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Send dead letters to the queue again
    ///
    /// Each is sent before it is deleted: an interrupted redrive loses nothing, and duplicates change nothing.
    /// `unreadable`, `other_bucket` and `wrong_bucket` are skipped unless an id or --reason selects them.
    Redrive {
        #[command(flatten)]
        selection: Selection,
        /// Show what would be redriven, and do nothing
        #[arg(long)]
        dry_run: bool,
        /// Messages a second, at most
        #[arg(long, value_name = "N", default_value_t = 50, value_parser = parse::number(1..=1000_u32))]
        rate: u32,
        /// Print one JSON object a line: with --dry-run each dead letter, then the counts
        #[arg(long)]
        json: bool,
    },
    /// Delete dead letters permanently, after a confirmation
    Drop {
        #[command(flatten)]
        selection: Selection,
        /// Show what would be dropped, and do nothing
        #[arg(long, conflicts_with = "yes")]
        dry_run: bool,
        /// Skip the confirmation
        #[arg(long)]
        yes: bool,
        /// Print one JSON object a line: each dead letter, then the count; with --yes or --dry-run
        #[arg(long)]
        json: bool,
    },
}

/// Which dead letters: all without any of these, else those that every one admits.
#[derive(Debug, Args)]
struct Selection {
    /// Ids of messages, or of their images
    ids: Vec<String>,
    /// Only dead letters with this reason; may be repeated
    #[arg(long, value_name = "REASON", value_parser = cause)]
    reason: Vec<Cause>,
    /// Only dead letters whose object's key begins with this prefix
    #[arg(long, value_name = "PREFIX")]
    key_prefix: Option<String>,
    /// Only dead letters that were sent at least this long ago, such as 2h
    #[arg(long, value_name = "AGE", value_parser = parse::age)]
    older_than: Option<Duration>,
    /// Only dead letters that were sent at most this long ago
    #[arg(long, value_name = "AGE", value_parser = parse::age)]
    newer_than: Option<Duration>,
}

impl Dlq {
    /// The requested operation.
    ///
    /// # Errors
    /// When the command needs confirmation and has no terminal to ask on.
    pub fn request(&self) -> Result<Request, &'static str> {
        Ok(match &self.command {
            DlqCommand::List { selection, json } => Request::List { filter: selection.filter(), as_json: *json },
            DlqCommand::Show { id, json } => Request::Show { id: id.clone(), as_json: *json },
            DlqCommand::Redrive { selection, dry_run, rate, json } => {
                let options = RedriveOptions { rate: *rate, is_dry_run: *dry_run, as_json: *json };
                Request::Redrive { filter: selection.filter(), options }
            }
            DlqCommand::Drop { selection, dry_run, yes, json } => {
                let asks = !yes && !dry_run;
                if asks && *json {
                    return Err("drop asks before it deletes, but not with --json: add --yes or --dry-run");
                }
                if asks && !std::io::stdin().is_terminal() {
                    return Err(
                        "drop asks before it deletes, and standard input is no terminal: add --yes or --dry-run",
                    );
                }
                let options = DropOptions { is_confirmed: *yes, is_dry_run: *dry_run, as_json: *json };
                Request::Drop { filter: selection.filter(), options }
            }
        })
    }
}

impl Selection {
    fn filter(&self) -> Filter {
        Filter {
            ids: self.ids.clone(),
            causes: self.reason.clone(),
            key_prefix: self.key_prefix.clone(),
            older_than: self.older_than,
            newer_than: self.newer_than,
        }
    }
}

fn cause(name: &str) -> Result<Cause, String> {
    Cause::from_name(name).ok_or_else(|| "no such reason; `darkroom dlq list --help` names them".to_owned())
}
