//! The workers and their queue, simulated second by second.

use std::collections::VecDeque;

use super::policy::{Minute, Policy, Scaler};
use super::trace::Trace;

/// Slot time of a message that cannot be read, in seconds.
const UNREADABLE_SECONDS: f64 = 0.02;
/// Messages that a worker holds in addition to those it renders.
const HELD_BESIDES: f64 = 10.0;
/// Longest simulation, in seconds.
const MOST_SECONDS: u64 = 60 * 24 * 3600;

/// A minute's arrivals, and the tasks and the queue at its end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Uploads a second in this minute.
    pub arrivals: f64,
    /// Tasks that are running.
    pub tasks: u32,
    /// Messages that wait or are in progress.
    pub backlog: f64,
    /// The utilisation of the running tasks, 0 to 1.
    pub busy: f64,
}

/// The result of a policy for a trace.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One sample per minute.
    pub minutes: Vec<Sample>,
    /// From the last upload to the empty queue, in seconds; `None` if it was not empty after 60 days.
    pub drain_seconds: Option<u64>,
    /// The median wait of the rendered images, in seconds.
    pub wait_p50_seconds: u64,
    /// The 99th percentile of the wait, in seconds.
    pub wait_p99_seconds: u64,
    /// The most tasks at once.
    pub peak_tasks: u32,
    /// The most changes between adding and removing tasks within any hour.
    pub turns_per_hour: usize,
    /// The cost of the tasks, in dollars.
    pub dollars: f64,
    /// The mean utilisation of the tasks while there was a backlog; `None` without a backlog.
    pub busy: Option<f64>,
}

/// The uploads that arrived in one second.
#[derive(Clone, Copy, Debug)]
struct Batch {
    second: u64,
    left: f64,
}

/// Replays a trace until the queue is empty and the tasks are at rest again.
pub fn run(policy: &Policy, trace: &Trace) -> Outcome {
    let mut policy = policy.clone();
    policy.min_tasks = trace.min_tasks.unwrap_or(policy.min_tasks);
    let mut fleet = Fleet::new(&policy, trace);
    let mut scaler = Scaler::new(&policy);
    let mut second = 0;
    // At least a minute, because samples are per minute.
    while second < MOST_SECONDS && !(second >= trace.seconds.max(60) && fleet.is_at_rest()) {
        fleet.tick(second);
        second += 1;
        if second % 60 == 0 {
            let minute = fleet.end_minute();
            let wanted = scaler.decide(minute, fleet.desired);
            fleet.resize(wanted, second);
        }
    }
    fleet.outcome()
}

struct Fleet<'a> {
    policy: &'a Policy,
    trace: &'a Trace,
    queue: VecDeque<Batch>,
    backlog: f64,
    running: u32,
    /// When further tasks start to run, in order.
    starting: VecDeque<u64>,
    desired: u32,
    /// The capacity of the tasks in this minute, and how much of it they used.
    possible: f64,
    done: f64,
    /// Messages that arrived in this minute.
    sent: f64,
    minutes: Vec<Sample>,
    waits: Vec<(u64, f64)>,
    turns: Vec<u64>,
    was_growing: Option<bool>,
    empty_at: u64,
    task_seconds: f64,
}

impl<'a> Fleet<'a> {
    fn new(policy: &'a Policy, trace: &'a Trace) -> Self {
        Self {
            policy,
            trace,
            queue: VecDeque::new(),
            backlog: 0.0,
            running: policy.min_tasks,
            starting: VecDeque::new(),
            desired: policy.min_tasks,
            possible: 0.0,
            done: 0.0,
            sent: 0.0,
            minutes: Vec::new(),
            waits: Vec::new(),
            turns: Vec::new(),
            was_growing: None,
            empty_at: 0,
            task_seconds: 0.0,
        }
    }

    fn is_at_rest(&self) -> bool {
        self.backlog < 1e-6 && self.running == self.policy.min_tasks && self.starting.is_empty()
    }

    /// Images that one running task finishes in a second.
    fn rate_of_task(&self) -> f64 {
        let seconds = match self.trace.receives {
            1 => self.policy.seconds_per_image,
            receives => UNREADABLE_SECONDS * f64::from(receives),
        };
        f64::from(self.policy.render_slots) / seconds
    }

    fn tick(&mut self, second: u64) {
        while self.starting.front().is_some_and(|at| *at <= second) {
            self.starting.pop_front();
            self.running += 1;
        }
        // A task costs money from its start.
        self.task_seconds += f64::from(self.running) + self.starting.len() as f64;
        let arrived = if second < self.trace.seconds { self.trace.arrivals.at(second) } else { 0.0 };
        if arrived > 0.0 {
            self.queue.push_back(Batch { second, left: arrived });
            self.backlog += arrived;
            self.sent += arrived;
        }
        let possible = f64::from(self.running) * self.rate_of_task();
        let done = possible.min(self.backlog);
        self.possible += possible;
        self.done += done;
        self.work_off(done, second);
        if self.backlog >= 1e-6 {
            self.empty_at = second + 1;
        }
    }

    /// Processes messages, first come, first served.
    fn work_off(&mut self, mut amount: f64, second: u64) {
        self.backlog = (self.backlog - amount).max(0.0);
        while let Some(batch) = self.queue.front_mut() {
            let part = batch.left.min(amount);
            if part > 0.0 {
                self.waits.push((second - batch.second, part));
            }
            batch.left -= part;
            amount -= part;
            if batch.left > 1e-9 {
                break;
            }
            self.queue.pop_front();
        }
    }

    fn end_minute(&mut self) -> Minute {
        let busy = if self.possible > 0.0 { self.done / self.possible } else { 0.0 };
        (self.possible, self.done) = (0.0, 0.0);
        self.minutes.push(Sample { arrivals: self.sent / 60.0, tasks: self.running, backlog: self.backlog, busy });
        let held = f64::from(self.running) * (f64::from(self.policy.render_slots) + HELD_BESIDES);
        let in_flight = self.backlog.min(held);
        let sent = std::mem::take(&mut self.sent);
        Minute { sent, visible: self.backlog - in_flight, in_flight, running: self.running }
    }

    fn resize(&mut self, wanted: u32, second: u64) {
        if wanted == self.desired {
            return;
        }
        let grows = wanted > self.desired;
        if self.was_growing.replace(grows).is_some_and(|grew| grew != grows) {
            self.turns.push(second);
        }
        self.desired = wanted;
        while self.running + self.starting.len() as u32 > wanted && self.starting.pop_back().is_some() {}
        self.running = self.running.min(wanted);
        while self.running + (self.starting.len() as u32) < wanted {
            self.starting.push_back(second + self.policy.task_start_seconds);
        }
    }

    fn outcome(mut self) -> Outcome {
        self.waits.sort_unstable_by_key(|(wait, _)| *wait);
        let waiting: Vec<&Sample> = self.minutes.iter().filter(|minute| minute.backlog > 0.0).collect();
        let busy: f64 = waiting.iter().map(|minute| minute.busy).sum();
        Outcome {
            drain_seconds: (self.backlog < 1e-6).then(|| self.empty_at.saturating_sub(self.trace.seconds)),
            wait_p50_seconds: quantile(&self.waits, 0.5),
            wait_p99_seconds: quantile(&self.waits, 0.99),
            peak_tasks: self.minutes.iter().map(|minute| minute.tasks).max().unwrap_or(0),
            turns_per_hour: most_in_an_hour(&self.turns),
            dollars: self.task_seconds / 3600.0 * self.policy.task_hour_dollars,
            busy: (!waiting.is_empty()).then(|| busy / waiting.len() as f64),
            minutes: self.minutes,
        }
    }
}

/// The wait that this share of the images does not exceed; `waits` is sorted.
fn quantile(waits: &[(u64, f64)], share: f64) -> u64 {
    let all: f64 = waits.iter().map(|(_, images)| images).sum();
    let mut sum = 0.0;
    let found = waits.iter().find(|(_, images)| {
        sum += images;
        sum >= all * share
    });
    found.or(waits.last()).map_or(0, |(wait, _)| *wait)
}

fn most_in_an_hour(turns: &[u64]) -> usize {
    let from = |start: u64| turns.iter().filter(|turn| (start..start + 3600).contains(*turn)).count();
    turns.iter().map(|turn| from(*turn)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests;
