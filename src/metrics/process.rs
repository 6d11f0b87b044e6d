//! Process metrics: CPU time, memory and file descriptors, read from `/proc` at each scrape.
//!
//! Formatted here rather than by the recorder, whose counters are integers, while CPU time is not. The names are
//! Prometheus' standard process metrics. Without `/proc`, nothing is written.

use std::fmt::Write as _;
use std::fs;

use super::definitions::{Definition, Kind, Unit};

/// Clock ticks per second in `/proc`: fixed by Linux' user-space ABI, whatever the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// The metrics of the process, in the order of docs/METRICS.md.
pub static TABLE: &[&Definition] = &[&CPU_SECONDS, &RESIDENT_MEMORY, &OPEN_DESCRIPTORS, &MAX_DESCRIPTORS, &START_TIME];

static CPU_SECONDS: Definition = define(
    "process_cpu_seconds_total",
    Kind::Counter,
    Unit::Seconds,
    "Processor time that the process used, in user and system mode.",
);
static RESIDENT_MEMORY: Definition =
    define("process_resident_memory_bytes", Kind::Gauge, Unit::Bytes, "Memory that the process occupies.");
static OPEN_DESCRIPTORS: Definition = define("process_open_fds", Kind::Gauge, Unit::One, "Open file descriptors.");
static MAX_DESCRIPTORS: Definition =
    define("process_max_fds", Kind::Gauge, Unit::One, "File descriptors that the process may open.");
static START_TIME: Definition = define(
    "process_start_time_seconds",
    Kind::Gauge,
    Unit::Seconds,
    "When the process began, in seconds since the Unix epoch.",
);

const fn define(name: &'static str, kind: Kind, unit: Unit, help: &'static str) -> Definition {
    Definition { name, kind, unit, labels: &[], series: || vec![vec![]], help }
}

/// Writes the process' current metrics.
pub(super) fn render(out: &mut String) {
    let stat = fs::read_to_string("/proc/self/stat").ok();
    let stat = stat.as_deref().and_then(Stat::parse);
    let limits = fs::read_to_string("/proc/self/limits").ok();
    for (metric, value) in [
        (&CPU_SECONDS, stat.as_ref().map(|stat| stat.cpu_seconds)),
        (&RESIDENT_MEMORY, resident_bytes()),
        (&OPEN_DESCRIPTORS, fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as f64)),
        (&MAX_DESCRIPTORS, limits.as_deref().and_then(max_descriptors)),
        (&START_TIME, stat.as_ref().and_then(|stat| Some(boot_time()? + stat.started_seconds))),
    ] {
        if let Some(value) = value {
            let Definition { name, help, kind, .. } = metric;
            let kind = kind.as_str();
            // Writing to a String cannot fail.
            let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
        }
    }
}

/// The fields of `/proc/self/stat`.
struct Stat {
    /// User and system time.
    cpu_seconds: f64,
    /// When the process started, after the machine's boot.
    started_seconds: f64,
}

impl Stat {
    /// The fields after the program's name, which may contain spaces and brackets.
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        // proc_pid_stat(5) counts from 1, and the name was its field 2.
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            started_seconds: field(22)? / TICKS_PER_SECOND,
        })
    }
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(kib.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? * 1024.0)
}

fn max_descriptors(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_brackets_does_not_shift_the_fields() {
        let text = "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 1 0 12300 4 5";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(stat.cpu_seconds, 2.0);
        assert_eq!(stat.started_seconds, 123.0);
    }

    #[test]
    fn an_unlimited_process_has_no_maximum() {
        assert_eq!(max_descriptors("Max open files            1024   4096   files\n"), Some(1024.0));
        assert_eq!(max_descriptors("Max open files            unlimited unlimited files\n"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn all_of_them_can_be_read_here() {
        let mut scrape = String::new();
        render(&mut scrape);
        for metric in TABLE {
            let Some(line) = scrape.lines().find(|line| line.starts_with(&format!("{} ", metric.name))) else {
                assert_eq!(metric.name, "process_max_fds", "{} is missing", metric.name);
                continue;
            };
            let value: f64 = line.rsplit_once(' ').unwrap().1.parse().unwrap();
            assert!(value >= 0.0 && value.is_finite(), "{line}");
        }
    }
}
