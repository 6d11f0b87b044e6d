//! The command line.

pub mod backfill;
pub mod dlq;
mod file;
pub mod images;
pub mod manual;
mod parse;
mod publish;
pub mod render;
pub mod simulate;
pub mod sweep;

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Environment, Role};
use crate::recipe::RENDER_REVISION;

/// The exit codes. The help text lists them.
pub mod exit {
    /// The work is done, or a signal stopped the process and its unfinished work was returned to the queue.
    pub const DONE: u8 = 0;
    /// Something failed. Standard error has the details.
    pub const FAILED: u8 = 1;
    /// The arguments or settings are invalid. No work began.
    pub const MISUSED: u8 = 2;
}

/// The version, the commit if the build was told it, and the revision of the renderer: a higher one means other bytes
/// of thumbnails.
pub static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("BUILD_COMMIT").map(|commit| format!("commit {commit}, ")).unwrap_or_default();
    format!("{} ({commit}renderer {RENDER_REVISION})", env!("CARGO_PKG_VERSION"))
});

/// Turns images into thumbnails the moment they are uploaded.
#[derive(Debug, Parser)]
#[command(name = "darkroom", version = VERSION.as_str(), about, long_about = None, after_long_help = AFTER_HELP)]
#[command(max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Settings come from the environment: DARKROOM_* (the README lists them), RUST_LOG for the log (default: info), and
those of the AWS SDK. All invalid settings are reported together, before any work begins.

Signals: on SIGTERM or SIGINT, darkroom stops receiving, finishes the work that it has begun, and returns the rest to
the queue. A second signal ends the process at once.

Exit codes:
  0  done, or stopped by a signal
  1  something failed; standard error has the details
  2  invalid arguments or settings; no work began";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run API and worker in one process on this machine
    ///
    /// Objects, queue and catalog are in one directory and survive a restart. More `darkroom worker` and `darkroom api`
    /// processes can share the directory with DARKROOM_BACKEND=local.
    Local(Local),
    /// Receive upload events from the queue, and make thumbnails
    ///
    /// Any number of workers can share a queue. DARKROOM_ADMIN_LISTEN is the address of health and metrics.
    Worker(Worker),
    /// Serve the HTTP API: upload URLs and the status of images
    Api(Api),
    /// Make thumbnails of files, without queue or catalog
    ///
    /// Writes {stem}_{size}.{jpg|png} into a directory, with the bytes that a worker would write: upright, inside their
    /// boxes, without metadata. Never overwrites an input, and overwrites other files only with --force. A file that
    /// fails does not stop the others; its error goes to standard error, with --json also to the report, which lists
    /// faults of the file that cost no pixel as `tolerated`. Uses DARKROOM_SIZES, DARKROOM_MAX_BYTES,
    /// DARKROOM_MAX_PIXELS and DARKROOM_RENDER_TIMEOUT.
    Render(render::Render),
    /// Simulate the scaling policy under load: waiting times, tasks, cost
    ///
    /// The built-in traces are a steady load, a daily wave, a spike to a hundred times the load, one upload after a
    /// silent day, a backfill of a million images, and a flood of messages that always fail. Prints a table, and draws
    /// tasks and backlog over time.
    Simulate(simulate::Simulate),
    /// Show, redrive and drop dead letters: messages that failed on every receive
    ///
    /// Needs the worker's settings and DARKROOM_DLQ_URL; on one machine DARKROOM_BACKEND=local and DARKROOM_DIR.
    /// Reading a dead letter hides it from other readers for a moment, and counts as one of its receives.
    Dlq(dlq::Dlq),
    /// Repair stuck images, and delete records and thumbnails that are no longer needed
    ///
    /// Deletes records of uploads that never arrived, and thumbnails of superseded versions after a day. Puts uploads
    /// whose event was lost, and images that no worker holds, into the queue. Sets images of dead letters without a
    /// verdict to `failed`. With DARKROOM_DELETE_ORIGINALS_AFTER, deletes superseded and refused originals. Prints a
    /// report. Any number of sweeps can run at the same time, beside workers; `darkroom local` sweeps every hour. Needs
    /// the settings of `darkroom dlq`.
    Sweep(sweep::Sweep),
    /// Put existing objects into the queue, to be rendered
    ///
    /// Without --force only objects that have neither thumbnails nor a refusal: after an interruption, repeat the
    /// command. With --force all objects: after an interruption, continue with --start-after and the key in the last
    /// printed line. Pauses while the queue is full. Needs the settings of `darkroom dlq`, and the workers'
    /// DARKROOM_SIZES.
    Backfill(backfill::Backfill),
    /// List the images in the catalog, or show one
    ///
    /// Changes nothing. Needs the settings of `darkroom api`; on one machine DARKROOM_BACKEND=local and DARKROOM_DIR.
    Images(images::Images),
    /// Check the permissions of a role, and whether uploads reach the queue
    ///
    /// Names what is missing, and reports whether the bucket's notification sends every upload to this queue. Unless
    /// --write is given, the calls change and store nothing; at most one message is received from each queue and
    /// returned, which counts as one of its receives. Ends with 1 if a check fails; a check that cannot be made is not
    /// a failure.
    Check(Check),
    /// Print a completion script for a shell
    ///
    /// Packages install it; for bash, put `source <(darkroom completions bash)` into ~/.bashrc.
    Completions(manual::Completions),
    /// Write the manual pages into a directory
    Man(manual::Man),
}

/// `darkroom check`
#[derive(Debug, Args)]
pub struct Check {
    /// The role to check [default: worker]
    #[arg(long, value_enum)]
    pub role: Option<CheckedRole>,
    /// Also put a small object into the upload bucket and remove it: finds what a store other than S3 lacks
    #[arg(long, conflicts_with = "health")]
    pub write: bool,
    /// Only check that the process at DARKROOM_ADMIN_LISTEN is alive: for health checks of containers
    #[arg(long)]
    pub health: bool,
    /// The admin address of the process [default: DARKROOM_ADMIN_LISTEN, else 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR", requires = "health", value_parser = NonEmptyStringValueParser::new())]
    pub admin_listen: Option<String>,
}

/// A role that can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckedRole {
    /// Receives upload events and renders.
    Worker,
    /// Serves the HTTP API.
    Api,
    /// Shows, redrives and drops dead letters: `darkroom dlq`.
    Operator,
    /// Repairs stuck images: `darkroom sweep`.
    Sweep,
    /// Enqueues existing objects: `darkroom backfill`.
    Backfill,
    /// Lists images: `darkroom images`.
    Images,
}

impl CheckedRole {
    const fn role(self) -> Role {
        match self {
            Self::Worker => Role::Worker,
            Self::Api => Role::Api,
            Self::Operator => Role::Operator,
            Self::Sweep => Role::Sweep,
            Self::Backfill => Role::Backfill,
            Self::Images => Role::Images,
        }
    }
}

/// `darkroom local`
#[derive(Debug, Args)]
pub struct Local {
    /// Directory of all data; created if it is missing [default: DARKROOM_DIR, else ./darkroom-data]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    #[command(flatten)]
    listen: ListenArgument,
    #[command(flatten)]
    admin_listen: AdminListenArgument,
}

/// `darkroom worker`
#[derive(Debug, Args)]
pub struct Worker {
    #[command(flatten)]
    admin_listen: AdminListenArgument,
}

/// `darkroom api`
#[derive(Debug, Args)]
pub struct Api {
    #[command(flatten)]
    listen: ListenArgument,
    #[command(flatten)]
    admin_listen: AdminListenArgument,
}

#[derive(Debug, Args)]
struct ListenArgument {
    /// Address of the API; a port alone means 127.0.0.1 [default: DARKROOM_LISTEN, else 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR", value_parser = NonEmptyStringValueParser::new())]
    listen: Option<String>,
}

#[derive(Debug, Args)]
struct AdminListenArgument {
    /// Address of health and metrics [default: DARKROOM_ADMIN_LISTEN, else 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR", value_parser = NonEmptyStringValueParser::new())]
    admin_listen: Option<String>,
}

impl Command {
    /// The role, which determines the settings that the command needs.
    pub const fn role(&self) -> Role {
        match self {
            Self::Local(_) | Self::Render(_) | Self::Simulate(_) => Role::Local,
            Self::Images(_) => Role::Images,
            Self::Dlq(_) => Role::Operator,
            Self::Sweep(_) => Role::Sweep,
            Self::Backfill(_) => Role::Backfill,
            Self::Worker(_) => Role::Worker,
            Self::Api(_) => Role::Api,
            Self::Check(Check { role: Some(role), .. }) => role.role(),
            Self::Check(Check { role: None, health: true, .. }) | Self::Completions(_) | Self::Man(_) => Role::Health,
            Self::Check(Check { role: None, health: false, .. }) => Role::Worker,
        }
    }

    /// Applies arguments that replace settings to the environment, so that both are validated alike.
    pub fn amend(&self, environment: &mut Environment) {
        let (dir, listen, admin_listen) = match self {
            Self::Local(Local { dir, listen, admin_listen }) => {
                (dir.as_ref(), listen.listen.as_ref(), admin_listen.admin_listen.as_ref())
            }
            Self::Api(Api { listen, admin_listen }) => {
                (None, listen.listen.as_ref(), admin_listen.admin_listen.as_ref())
            }
            Self::Worker(Worker { admin_listen }) => (None, None, admin_listen.admin_listen.as_ref()),
            Self::Check(Check { admin_listen, .. }) => (None, None, admin_listen.as_ref()),
            _ => return,
        };
        if let Some(dir) = dir {
            environment.replace("DARKROOM_DIR", "--dir", dir.to_string_lossy());
        }
        if let Some(listen) = listen {
            environment.replace("DARKROOM_LISTEN", "--listen", listen);
        }
        if let Some(admin_listen) = admin_listen {
            environment.replace("DARKROOM_ADMIN_LISTEN", "--admin-listen", admin_listen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BackendConfig, Config, Machine};

    #[test]
    fn the_commands_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_win_over_the_environment() {
        let cli = Cli::parse_from(["darkroom", "local", "--dir", "here", "--listen", "[::1]:81"]);
        let mut environment: Environment =
            [("DARKROOM_DIR", "there"), ("DARKROOM_LISTEN", "127.0.0.1:80")].into_iter().collect();
        cli.command.amend(&mut environment);
        let config = Config::read(cli.command.role(), &environment, Machine::detect()).unwrap().config;
        assert_eq!(config.listen, "[::1]:81".parse().unwrap());
        assert!(matches!(config.backend, BackendConfig::Local(local) if local.dir.as_os_str() == "here"));
    }

    #[test]
    fn render_needs_a_file_and_a_directory() {
        for (arguments, is_right) in [
            (&["render", "a.jpg", "--out", "d"][..], true),
            (&["render", "a.jpg", "b.png", "--out", "d", "--json"], true),
            (&["render", "a.jpg"], false),
            (&["render", "--out", "d"], false),
        ] {
            let parsed = Cli::try_parse_from([&["darkroom"], arguments].concat());
            assert_eq!(parsed.is_ok(), is_right, "{arguments:?}");
        }
    }
}
