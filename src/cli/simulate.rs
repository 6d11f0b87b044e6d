//! `darkroom simulate`: replays days of high load against the scaling policy.

use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::parse;
use super::publish::Temporary;
use crate::simulate::{self, Metric, Outcome, Policy, TRACE_NAMES, Trace, duration, with_decimals};

/// `darkroom simulate`
#[derive(Debug, Args)]
pub struct Simulate {
    /// The policy as Terraform deploys it: what `terraform show -json` prints of a plan or a state
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Only this built-in trace; may be repeated
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(TRACE_NAMES))]
    trace: Vec<String>,
    /// Your own arrivals, instead of the built-in traces that --trace doesn't name: a CSV file with the header `time`
    /// (a row for each upload), `time,count` or `time,rate` (uploads, or uploads a second, until the next row's time).
    /// Times are seconds, or timestamps such as 2026-11-28T10:00:00Z
    #[arg(long, value_name = "FILE")]
    arrivals: Option<PathBuf>,
    /// Directory for a picture of each trace, as SVG
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Fewest tasks, 0 to 10,000; the trace `silence` always begins with none [default: 1, or as the plan says]
    #[arg(long, value_name = "TASKS", value_parser = parse::number(0..=10_000_u32))]
    min_tasks: Option<u32>,
    /// Most tasks, 1 to 10,000 [default: 10, or as the plan says]
    #[arg(long, value_name = "TASKS", value_parser = parse::number(1..=10_000_u32))]
    max_tasks: Option<u32>,
    /// Seconds that one image takes in a render slot, 0.001 to 3600 [default: 0.25, or as the plan says]
    #[arg(long, value_name = "SECONDS", value_parser = parse::decimal(0.001..=3600.0))]
    seconds_per_image: Option<f64>,
    /// Seconds from the start of a task to its first receive, 0 to 3600
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = parse::number(0..=3600_u64))]
    task_start: u64,
    /// Dollars that one task costs in an hour, 0 to 1000 [default: one arm64 core and 2 GiB on Fargate]
    #[arg(long, value_name = "DOLLARS", value_parser = parse::decimal(0.0..=1000.0))]
    task_hour: Option<f64>,
    /// Scale on messages per task instead of needed tasks, with this target, 0.01 to 1,000,000
    #[arg(long, value_name = "MESSAGES", conflicts_with = "plan", value_parser = parse::decimal(0.01..=1e6))]
    backlog_per_task: Option<f64>,
}

/// A simulation with valid arguments, after its files have been read.
#[derive(Debug)]
pub struct Simulation {
    policy: Policy,
    traces: Vec<Trace>,
    out: Option<PathBuf>,
}

impl Simulate {
    /// Reads the files that the arguments name.
    ///
    /// # Errors
    /// When a file cannot be read, the plan has no policy, the arrivals are empty, or the task limits contradict each
    /// other.
    pub fn simulation(&self) -> anyhow::Result<Simulation> {
        let policy = self.policy()?;
        let (least, most) = (policy.min_tasks, policy.max_tasks);
        anyhow::ensure!(least <= most, "the fewest tasks, {least}, are more than the most, {most}");
        let simulation = Simulation { policy, traces: self.traces()?, out: self.out.clone() };
        simulation.pictures().try_for_each(|picture| self.is_not_an_input(&picture))?;
        Ok(simulation)
    }

    /// Ensures that a picture does not replace an input file, also through links.
    fn is_not_an_input(&self, picture: &Path) -> anyhow::Result<()> {
        let identity = |path: &Path| std::fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
        for (argument, input) in [("--plan", &self.plan), ("--arrivals", &self.arrivals)] {
            let is_same = input.as_deref().and_then(identity).is_some_and(|input| Some(input) == identity(picture));
            anyhow::ensure!(!is_same, "--out: the picture {} would replace the file of {argument}", picture.display());
        }
        Ok(())
    }

    fn policy(&self) -> anyhow::Result<Policy> {
        let mut policy = Policy { task_start_seconds: self.task_start, ..Policy::default() };
        if let Some(file) = &self.plan {
            let plan = serde_json::from_slice(&read("--plan", file)?)
                .with_context(|| format!("--plan {}: not JSON", file.display()))?;
            policy = simulate::policy_of_plan(&plan, &policy).with_context(|| format!("--plan {}", file.display()))?;
        }
        policy.min_tasks = self.min_tasks.unwrap_or(policy.min_tasks);
        policy.max_tasks = self.max_tasks.unwrap_or(policy.max_tasks);
        if let Some(target) = self.backlog_per_task {
            policy.metric = Metric::BacklogPerTask { target };
        }
        if let Some(seconds) = self.seconds_per_image {
            policy.seconds_per_image = seconds;
            // The metric of a plan keeps its own seconds per image, even if they are wrong.
            if let (None, Metric::Load { seconds_per_image, .. }) = (&self.plan, &mut policy.metric) {
                *seconds_per_image = seconds;
            }
        }
        policy.task_hour_dollars = self.task_hour.unwrap_or(policy.task_hour_dollars);
        Ok(policy)
    }

    fn traces(&self) -> anyhow::Result<Vec<Trace>> {
        let mut traces = simulate::traces();
        let is_every_trace = self.trace.is_empty() && self.arrivals.is_none();
        traces.retain(|trace| is_every_trace || self.trace.iter().any(|name| name == trace.name));
        if let Some(file) = &self.arrivals {
            let text = read("--arrivals", file)?;
            traces.push(simulate::trace_of_csv(&text).with_context(|| format!("--arrivals {}", file.display()))?);
        }
        Ok(traces)
    }
}

fn read(argument: &str, file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{argument} {}: cannot be read", file.display()))
}

fn picture_of(dir: &Path, trace: &Trace) -> PathBuf {
    dir.join(format!("{}.svg", trace.name))
}

impl Simulation {
    /// The files for the pictures.
    fn pictures(&self) -> impl Iterator<Item = PathBuf> {
        self.out.iter().flat_map(|dir| self.traces.iter().map(move |trace| picture_of(dir, trace)))
    }

    /// Replays the traces and writes a Markdown table.
    ///
    /// # Errors
    /// When the table or a picture cannot be written.
    pub fn run(&self, report: &mut impl Write) -> anyhow::Result<()> {
        if let Some(dir) = &self.out {
            std::fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
        }
        write_head(report)?;
        for trace in &self.traces {
            let outcome = simulate::run(&self.policy, trace);
            write_row(report, trace, &outcome)?;
            if let Some(dir) = &self.out {
                let file = picture_of(dir, trace);
                let drawn = simulate::draw(trace, &outcome);
                let written = Temporary::write(dir, drawn.as_bytes()).and_then(|picture| picture.publish(&file, true));
                written.with_context(|| format!("cannot write {}", file.display()))?;
            }
        }
        Ok(())
    }
}

fn write_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| trace | wait, half | wait, 99 % | to drain | most tasks | turns an hour | busy | cost |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")
}

fn write_row(out: &mut impl Write, trace: &Trace, outcome: &Outcome) -> io::Result<()> {
    let [half, most] = [outcome.wait_p50_seconds, outcome.wait_p99_seconds].map(duration);
    let drain = outcome.drain_seconds.map_or("over 60 d".to_owned(), duration);
    let busy = outcome.busy.map_or("-".to_owned(), |busy| format!("{:.0} %", busy * 100.0));
    let (tasks, dollars) = (with_decimals(outcome.peak_tasks.into(), 0), with_decimals(outcome.dollars, 2));
    let (name, turns) = (trace.name, outcome.turns_per_hour);
    writeln!(out, "| {name} | {half} | {most} | {drain} | {tasks} | {turns} | {busy} | ${dollars} |")
}
