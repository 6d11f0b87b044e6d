//! The arrivals for a simulation: six built-in traces, or the user's own.

use std::fmt;

/// Seconds of an hour.
const HOUR: u64 = 3600;

/// How uploads arrive over time.
#[derive(Clone)]
pub enum Arrivals {
    /// Uploads in a second, computed.
    Computed(fn(u64) -> f64),
    /// Uploads in each second from the start.
    Recorded(Vec<f64>),
}

impl Arrivals {
    /// Uploads that arrive in a second of the trace.
    pub fn at(&self, second: u64) -> f64 {
        match self {
            Self::Computed(rate) => rate(second),
            Self::Recorded(seconds) => seconds.get(second as usize).copied().unwrap_or(0.0),
        }
    }
}

impl fmt::Debug for Arrivals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Computed(_) => f.write_str("Computed"),
            Self::Recorded(seconds) => write!(f, "Recorded({} seconds)", seconds.len()),
        }
    }
}

/// Arrivals with the conditions under which they are replayed.
#[derive(Clone, Debug)]
pub struct Trace {
    /// Its name on the command line.
    pub name: &'static str,
    /// A description in one line.
    pub description: String,
    /// The length of the arrivals, in seconds; the simulation continues until the queue is empty and the tasks are at
    /// rest.
    pub seconds: u64,
    /// The minimum number of tasks, if it differs from the policy's.
    pub min_tasks: Option<u32>,
    /// Receives per message: 1, or all of them when it can never be read.
    pub receives: u32,
    /// The uploads.
    pub arrivals: Arrivals,
}

/// The names of the built-in traces, in the order of docs/SCALING.md.
pub const TRACE_NAMES: [&str; 6] = ["steady", "daily", "spike", "silence", "backfill", "poison"];

/// The built-in traces, in the order of [`TRACE_NAMES`].
pub fn traces() -> Vec<Trace> {
    let usual = |name, description: &str, seconds, rate| Trace {
        name,
        description: description.to_owned(),
        seconds,
        min_tasks: None,
        receives: 1,
        arrivals: Arrivals::Computed(rate),
    };
    vec![
        usual("steady", "two uploads a second for six hours", 6 * HOUR, |_| 2.0),
        usual("daily", "two days that rise from 0.2 to 10 uploads a second and fall again", 48 * HOUR, daily),
        usual("spike", "0.2 uploads a second, for half an hour 100 times that", 4 * HOUR, spike),
        Trace {
            min_tasks: Some(0),
            ..usual("silence", "no worker at rest; after a silent day, one upload", 25 * HOUR, one)
        },
        usual("backfill", "a million uploads, sent at 500 a second", 2000, |_| 500.0),
        Trace { receives: 10, ..usual("poison", "20,000 messages that cannot be read, in ten minutes", 600, poison) },
    ]
}

fn daily(second: u64) -> f64 {
    let of_day = (second % (24 * HOUR)) as f64 / (24 * HOUR) as f64;
    0.2 + 9.8 * (0.5 - 0.5 * (of_day * std::f64::consts::TAU).cos())
}

fn spike(second: u64) -> f64 {
    if (HOUR..HOUR + HOUR / 2).contains(&second) { 20.0 } else { 0.2 }
}

fn one(second: u64) -> f64 {
    if second == 24 * HOUR { 1.0 } else { 0.0 }
}

fn poison(_second: u64) -> f64 {
    20_000.0 / 600.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_of_the_traces() {
        assert_eq!(traces().iter().map(|trace| trace.name).collect::<Vec<_>>(), TRACE_NAMES);
    }
}
