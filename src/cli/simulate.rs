//! `darkroom simulate`: what the scaling policy would do on hard days, before it costs money.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::simulate::{self, Metric, Outcome, Policy, Trace};

/// `darkroom simulate`
#[derive(Debug, Args)]
pub struct Simulate {
    /// The policy as Terraform deploys it: what `terraform show -json` prints of a plan or a state
    #[arg(long, value_name = "FILE")]
    pub plan: Option<PathBuf>,
    /// Only these traces
    #[arg(long, value_name = "NAME")]
    pub trace: Vec<String>,
    /// Directory for a picture of each trace, as SVG
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Seconds that one image takes in a render slot [default: 0.25, or as the plan says]
    #[arg(long, value_name = "SECONDS")]
    pub seconds_per_image: Option<f64>,
    /// Seconds from the start of a task to its first receive
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub task_start: u64,
    /// Dollars that one task costs in an hour [default: one arm64 core and 2 GiB on Fargate]
    #[arg(long, value_name = "DOLLARS")]
    pub task_hour: Option<f64>,
    /// Scale on messages per task instead of needed tasks, with this target
    #[arg(long, value_name = "MESSAGES", conflicts_with = "plan")]
    pub backlog_per_task: Option<f64>,
}

/// Replays the traces and writes a table, as Markdown.
///
/// # Errors
/// When a file cannot be read or written, the plan has no policy, or there is no such trace.
pub fn run(args: &Simulate, report: &mut impl Write) -> anyhow::Result<()> {
    let policy = policy(args)?;
    let traces = chosen(&args.trace)?;
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    }
    write_head(report)?;
    for trace in traces {
        let outcome = simulate::run(&policy, &trace);
        write_row(report, &trace, &outcome)?;
        if let Some(dir) = &args.out {
            let file = dir.join(format!("{}.svg", trace.name));
            std::fs::write(&file, simulate::draw(&trace, &outcome))
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

fn policy(args: &Simulate) -> anyhow::Result<Policy> {
    let mut policy = Policy { task_start_seconds: args.task_start, ..Policy::default() };
    if let Some(file) = &args.plan {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let plan = serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
        policy = simulate::policy_of_plan(&plan, &policy).with_context(|| file.display().to_string())?;
    }
    if let Some(target) = args.backlog_per_task {
        policy.metric = Metric::BacklogPerTask { target };
    }
    if let Some(seconds) = args.seconds_per_image {
        policy.seconds_per_image = seconds;
        // A plan's metric goes on believing what it was told.
        if let (None, Metric::Load { seconds_per_image, .. }) = (&args.plan, &mut policy.metric) {
            *seconds_per_image = seconds;
        }
    }
    policy.task_hour_dollars = args.task_hour.unwrap_or(policy.task_hour_dollars);
    Ok(policy)
}

fn chosen(names: &[String]) -> anyhow::Result<Vec<Trace>> {
    let mut all = simulate::traces();
    let known: Vec<&str> = all.iter().map(|trace| trace.name).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        anyhow::bail!("there is no trace {unknown:?}; there are {}", known.join(", "));
    }
    all.retain(|trace| names.is_empty() || names.iter().any(|name| name == trace.name));
    Ok(all)
}

fn write_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "| trace | wait, half | wait, 99 % | to drain | most tasks | turns an hour | busy | cost |")?;
    writeln!(out, "|---|---|---|---|---|---|---|---|")
}

fn write_row(out: &mut impl Write, trace: &Trace, outcome: &Outcome) -> io::Result<()> {
    let [half, most, drain] = [outcome.wait_p50_seconds, outcome.wait_p99_seconds, outcome.drain_seconds].map(duration);
    let Outcome { peak_tasks, turns_per_hour, dollars, busy, .. } = outcome;
    let busy = busy.map_or("-".to_owned(), |busy| format!("{:.0} %", busy * 100.0));
    let name = trace.name;
    writeln!(out, "| {name} | {half} | {most} | {drain} | {peak_tasks} | {turns_per_hour} | {busy} | ${dollars:.2} |")
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        simulate: Simulate,
    }

    fn report(arguments: &[&str]) -> anyhow::Result<String> {
        let line = Line::parse_from([&["simulate"], arguments].concat());
        let mut report = Vec::new();
        run(&line.simulate, &mut report)?;
        Ok(String::from_utf8(report)?)
    }

    #[test]
    fn a_chosen_trace_is_reported_and_drawn() {
        let dir = tempfile::tempdir().unwrap();
        let report = report(&["--trace", "spike", "--out", dir.path().to_str().unwrap()]).unwrap();
        assert_eq!(report.lines().count(), 3, "{report}");
        assert!(report.contains("\n| spike | "), "{report}");
        let picture = std::fs::read_to_string(dir.path().join("spike.svg")).unwrap();
        assert!(picture.contains("<polyline") && !picture.contains("NaN"), "{picture}");
    }

    #[test]
    fn an_unknown_trace_is_named_with_those_that_there_are() {
        let error = report(&["--trace", "splash"]).unwrap_err().to_string();
        assert!(error.contains("\"splash\"") && error.contains("spike"), "{error}");
    }
}
