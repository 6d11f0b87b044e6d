//! The command line.

pub mod backfill;
pub mod dlq;
mod file;
pub mod images;
mod parse;
mod publish;
pub mod render;
pub mod simulate;
pub mod sweep;

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Environment, Role};

/// The exit codes. The help text lists them.
pub mod exit {
    /// The work is done, or a signal stopped the process and its unfinished work was returned to the queue.
    pub const DONE: u8 = 0;
    /// Something failed. Standard error has the details.
    pub const FAILED: u8 = 1;
    /// The arguments or settings are invalid. No work began.
    pub const MISUSED: u8 = 2;
}

/// Turns images into thumbnails the moment they are uploaded.
#[derive(Debug, Parser)]
#[command(name = "darkroom", version, about, long_about = None, after_long_help = AFTER_HELP)]
#[command(max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Settings come from the environment: DARKROOM_* for darkroom's own (the README lists them), RUST_LOG for the log
(default: info), and the AWS SDK's usual ones. All mistakes are reported at once, before anything begins.

Signals: SIGTERM and SIGINT stop receiving, finish what is in hand, and give back the rest. A second one ends at once.

Exit codes:
  0  done, or stopped in order when asked to
  1  something failed; standard error says what
  2  arguments or settings that cannot be used; nothing was begun";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run everything on this machine: API and worker in one process
    ///
    /// Objects, queue and catalog live in one directory and survive a restart. Further `darkroom worker` and
    /// `darkroom api` processes may join on the same directory with DARKROOM_BACKEND=local.
    Local(Local),
    /// Drain the queue: make thumbnails of every upload
    ///
    /// Any number of workers may drain one queue. Metrics and health: DARKROOM_ADMIN_LISTEN.
    Worker(Worker),
    /// Answer clients: hand out upload URLs, tell the status of images
    Api(Api),
    /// Make thumbnails of files, without queue or catalog
    ///
    /// Writes {stem}_{size}.{jpg|png} into a directory, as the worker would have made them: upright, inside their
    /// boxes, without metadata. Never writes to an input, and keeps files that exist unless --force replaces them. A file
    /// that fails does not stop the others; its message goes to standard error, with --json to the report as well. With
    /// --json the report also lists the oddities of a file that cost no pixel, as `tolerated`.
    /// Honours DARKROOM_SIZES, DARKROOM_MAX_BYTES, DARKROOM_MAX_PIXELS and DARKROOM_RENDER_TIMEOUT.
    Render(render::Render),
    /// Replay hard days against the scaling policy: waits, tasks, cost
    ///
    /// A steady load, a daily wave, a spike to a hundred times, one upload after a silent day, a backfill of a million,
    /// a flood of poison. Prints a table, and draws tasks and backlog over time.
    Simulate(simulate::Simulate),
    /// Look after the dead letters: messages that outlived every attempt
    ///
    /// Needs the worker's settings, DARKROOM_DLQ_URL included; on one machine DARKROOM_BACKEND=local and DARKROOM_DIR.
    /// Looking at a dead letter hides it from others for a moment, and counts as one of its receives.
    Dlq(dlq::Dlq),
    /// Repair images that got stuck, and remove thumbnails that are no longer needed
    ///
    /// Removes records of uploads that never came, and thumbnails of superseded versions after a day. Puts uploads whose event
    /// got lost, and images that no worker holds, into the queue. Dead letters without a verdict become `failed`. With
    /// DARKROOM_DELETE_ORIGINALS_AFTER, deletes superseded and refused originals. Prints a report. Any number of sweeps may
    /// run at once, beside everything else; `darkroom local` sweeps every hour. Needs the settings of `darkroom dlq`.
    Sweep(sweep::Sweep),
    /// Put objects into the queue that are there already, to be rendered
    ///
    /// Without --force only those that have neither thumbnails nor a refusal: repeated, it goes on where it was killed.
    /// With --force all, again: after a kill, go on with --start-after and the key in the last line that it printed.
    /// Holds back while the queue is full. Needs the settings of `darkroom dlq`, and the workers' DARKROOM_SIZES.
    Backfill(backfill::Backfill),
    /// List the images in the catalog, or show one
    ///
    /// Changes nothing. Needs the settings of `darkroom api`; on one machine DARKROOM_BACKEND=local and DARKROOM_DIR.
    Images(images::Images),
    /// Try every permission that a role needs, and whether uploads reach the queue
    ///
    /// Names what is missing, and says whether the bucket's notification leads every upload to this queue. The calls change
    /// nothing and store nothing; one message at most is received from each queue and given back, which counts as one of its
    /// receives. Ends with 1 when something does not work; what cannot be checked is no failure.
    Check(Check),
}

/// `darkroom check`
#[derive(Debug, Args)]
pub struct Check {
    /// Whose permissions to try [default: worker]
    #[arg(long, value_enum)]
    pub role: Option<CheckedRole>,
    /// Only ask the process at DARKROOM_ADMIN_LISTEN whether it lives: for health checks of containers
    #[arg(long)]
    pub health: bool,
    /// The process' admin address [default: DARKROOM_ADMIN_LISTEN, else 127.0.0.1:9464]
    #[arg(long, value_name = "ADDR", requires = "health", value_parser = NonEmptyStringValueParser::new())]
    pub admin_listen: Option<String>,
}

/// A role that can be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckedRole {
    /// Drains the queue.
    Worker,
    /// Answers clients.
    Api,
    /// Looks after the dead letters: `darkroom dlq`.
    Operator,
    /// Repairs what got stuck: `darkroom sweep`.
    Sweep,
    /// Enqueues what is there already: `darkroom backfill`.
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
    /// Directory that holds everything; made when it is missing [default: DARKROOM_DIR, else ./darkroom-data]
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
    /// Address of the API; a port alone is one of 127.0.0.1 [default: DARKROOM_LISTEN, else 127.0.0.1:8080]
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
            Self::Check(Check { role: None, health: true, .. }) => Role::Health,
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
