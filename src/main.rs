//! The process: arguments, settings, logging, work and exit code. `app` and `cli` contain the work.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

use darkroom::app::Ending;
use darkroom::cli::{Cli, Command, VERSION, exit, render};
use darkroom::config::{Config, Environment, Loaded, Machine};
use darkroom::{app, telemetry};

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    // These need no settings, so wrong ones do not stop them.
    match &command {
        Command::Completions(completions) => return ended(completions.write(&mut std::io::stdout())),
        Command::Man(man) => return ended(man.write()),
        _ => {}
    }
    let mut environment = Environment::of_process();
    command.amend(&mut environment);
    let Loaded { config, warnings } = match Config::read(command.role(), &environment, Machine::detect()) {
        Ok(loaded) => loaded,
        Err(mistakes) => return end(exit::MISUSED, &mistakes),
    };
    if let Err(error) = telemetry::init(config.log) {
        return end(exit::MISUSED, &in_one_line(&error));
    }
    if matches!(command, Command::Local(_) | Command::Worker(_) | Command::Api(_)) {
        tracing::info!("darkroom {} starts", *VERSION);
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    ended(run(&command, config))
}

/// Reports an error. Returns the exit code.
fn ended(result: anyhow::Result<u8>) -> ExitCode {
    match result {
        Ok(code) => code.into(),
        // The reader closed standard output, as `head` does.
        Err(error) if is_broken_pipe(&error) => exit::FAILED.into(),
        Err(error) => end(if app::is_misuse(&error) { exit::MISUSED } else { exit::FAILED }, &in_one_line(&error)),
    }
}

fn run(command: &Command, config: Config) -> anyhow::Result<u8> {
    let ending = match command {
        Command::Local(_) => app::run_local(config)?,
        Command::Worker(_) => app::run_worker(config)?,
        Command::Api(_) => app::run_api(config)?,
        // `main` has run these before it read the settings.
        Command::Completions(_) | Command::Man(_) => return Ok(exit::DONE),
        Command::Check(check) if check.health => {
            app::check_health(&config)?;
            return Ok(exit::DONE);
        }
        Command::Check(check) => {
            let (table, is_all_well) = app::check(&config, command.role(), check.write)?;
            std::io::stdout().write_all(table.as_bytes()).context("the table cannot be written")?;
            return Ok(if is_all_well { exit::DONE } else { exit::FAILED });
        }
        Command::Render(args) => {
            if let Err(misuse) = args.check() {
                end(exit::MISUSED, &misuse);
                return Ok(exit::MISUSED);
            }
            let (mut report, mut failures) = (std::io::stdout().lock(), std::io::stderr());
            let are_all_rendered = render::run(args, &config, &mut report, &mut failures).context("render")?;
            return Ok(if are_all_rendered { exit::DONE } else { exit::FAILED });
        }
        Command::Dlq(args) => match args.request() {
            Ok(request) => {
                app::dead_letters(&config, &request)?;
                return Ok(exit::DONE);
            }
            Err(why) => return Ok(misused(&why)),
        },
        Command::Images(args) => {
            app::images(&config, &args.request())?;
            return Ok(exit::DONE);
        }
        Command::Sweep(args) => {
            app::sweep(&config, args.options(), args.json)?;
            return Ok(exit::DONE);
        }
        Command::Backfill(args) => match args.options(&config.upload_prefix) {
            Ok(options) => {
                let is_all_well = app::backfill(&config, &options)?;
                return Ok(if is_all_well { exit::DONE } else { exit::FAILED });
            }
            Err(why) => return Ok(misused(&why)),
        },
        Command::Simulate(args) => match args.simulation() {
            Ok(simulation) => {
                simulation.run(&mut std::io::stdout().lock())?;
                return Ok(exit::DONE);
            }
            Err(why) => return Ok(misused(&format!("{why:#}"))),
        },
    };
    Ok(match ending {
        Ending::Clean | Ending::DeadlinePassed => exit::DONE,
        Ending::Stuck => exit::FAILED,
    })
}

/// Formats an error with its causes. Skips a cause that repeats the previous text.
fn in_one_line(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |line, cause| match (line.as_str(), cause) {
        ("", cause) => cause,
        (_, cause) if line.contains(&cause) => line,
        (_, cause) => format!("{line}: {cause}"),
    })
}

/// Whether the reader closed standard output. Broken network connections are port errors and do not count.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Prints the final message as text. The log format applies only while the process runs.
fn end(code: u8, why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("darkroom: {why}");
    code.into()
}

/// Prints why the arguments cannot be used. Returns the exit code.
fn misused(why: &dyn std::fmt::Display) -> u8 {
    end(exit::MISUSED, why);
    exit::MISUSED
}
