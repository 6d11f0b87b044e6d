//! How uploads arrive: the days that a policy must get through.

/// Seconds of an hour.
const HOUR: u64 = 3600;

/// A course of arrivals.
#[derive(Clone, Copy, Debug)]
pub struct Trace {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it stands for.
    pub meaning: &'static str,
    /// How long uploads arrive, in seconds; the simulation goes on until the queue is empty and the tasks are at rest.
    pub seconds: u64,
    /// How many tasks run at rest in it; `None`: as the policy says.
    pub min_tasks: Option<u32>,
    /// Receives that each message costs: 1, or all of them when it can never be read.
    pub receives: u32,
    /// Uploads that arrive in a second of the trace.
    pub rate: fn(u64) -> f64,
}

/// Every trace, in the order of docs/SCALING.md.
pub fn traces() -> Vec<Trace> {
    let usual = |name, meaning, seconds, rate| Trace { name, meaning, seconds, min_tasks: None, receives: 1, rate };
    vec![
        usual("steady", "two uploads a second for six hours", 6 * HOUR, |_| 2.0),
        usual("daily", "two days that rise from 0.2 to 10 uploads a second and fall again", 48 * HOUR, daily),
        usual("spike", "0.2 uploads a second, for half an hour 100 times that", 4 * HOUR, spike),
        Trace {
            min_tasks: Some(0),
            ..usual("silence", "no worker at rest; after a silent day, one upload", 25 * HOUR, one)
        },
        usual("backfill", "a million uploads, sent at 500 a second", 2000, |_| 500.0),
        Trace { receives: 10, ..usual("poison", "20,000 messages that nobody can read, in ten minutes", 600, poison) },
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
