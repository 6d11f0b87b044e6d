//! The scaling policy as CloudWatch and Application Auto Scaling apply it, minute by minute.

use std::collections::VecDeque;

/// Datapoints above the target before target tracking adds tasks.
const HIGH_MINUTES: usize = 3;
/// Datapoints below nine tenths of the target before it removes tasks.
const LOW_MINUTES: usize = 15;
/// Below this share of the target, tasks can be removed.
const LOW_SHARE: f64 = 0.9;
/// A queue without requests for this long reports no metrics until it is active again.
const ASLEEP_AFTER_MINUTES: u64 = 6 * 60;
/// How long a queue's metrics may take to return.
const WAKING_MINUTES: u64 = 15;

/// The metric that target tracking keeps at its target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Messages, waiting or in progress, per running task.
    BacklogPerTask {
        /// Messages that a task processes in the acceptable time.
        target: f64,
    },
    /// Tasks needed per running task: for the arrivals, and to process the backlog in the acceptable time.
    Load {
        /// The ratio of needed to running tasks to keep.
        target: f64,
        /// Seconds in which a backlog should be processed.
        acceptable_latency_seconds: f64,
        /// Seconds per image on one core, as configured in the metric.
        seconds_per_image: f64,
        /// Cores of a task, possibly a fraction.
        cores: f64,
    },
}

/// The deployed policy, and the properties of the tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// The metric that target tracking keeps at its target.
    pub metric: Metric,
    /// The minimum number of tasks.
    pub min_tasks: u32,
    /// The maximum number of tasks.
    pub max_tasks: u32,
    /// Minutes between two additions of tasks.
    pub scale_out_cooldown_minutes: u64,
    /// Minutes between two removals of tasks.
    pub scale_in_cooldown_minutes: u64,
    /// Minutes between two scale-outs from zero.
    pub wake_cooldown_minutes: u64,
    /// Images that one task renders at once.
    pub render_slots: u32,
    /// Seconds per image in one slot.
    pub seconds_per_image: f64,
    /// Seconds from the decision to a task that receives messages.
    pub task_start_seconds: u64,
    /// Minutes until CloudWatch has the metrics of a minute.
    pub metric_delay_minutes: usize,
    /// Price of one task for an hour, in dollars.
    pub task_hour_dollars: f64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            metric: Metric::Load { target: 0.8, acceptable_latency_seconds: 60.0, seconds_per_image: 0.25, cores: 1.0 },
            min_tasks: 1,
            max_tasks: 10,
            scale_out_cooldown_minutes: 3,
            scale_in_cooldown_minutes: 5,
            wake_cooldown_minutes: 3,
            render_slots: 1,
            seconds_per_image: 0.25,
            task_start_seconds: 60,
            metric_delay_minutes: 1,
            // One arm64 core and 2 GiB on Fargate, us-east-1.
            task_hour_dollars: 0.032_38 + 2.0 * 0.003_56,
        }
    }
}

impl Policy {
    /// The metric of a minute as a multiple of its target.
    fn over_target(&self, minute: &Minute) -> f64 {
        let backlog = minute.visible + minute.in_flight;
        let running = f64::from(minute.running.max(1));
        match self.metric {
            Metric::BacklogPerTask { target } => backlog / running / target,
            Metric::Load { target, acceptable_latency_seconds, seconds_per_image, cores } => {
                let images_per_second = minute.sent / 60.0 + backlog / acceptable_latency_seconds;
                images_per_second * seconds_per_image / cores / running / target
            }
        }
    }
}

/// The metrics that CloudWatch received for one minute.
#[derive(Clone, Copy, Debug)]
pub(super) struct Minute {
    /// Messages sent in it.
    pub(super) sent: f64,
    /// Messages that wait.
    pub(super) visible: f64,
    /// Messages in progress.
    pub(super) in_flight: f64,
    /// Running tasks.
    pub(super) running: u32,
}

/// The state that the services keep between minutes.
#[derive(Debug)]
pub(super) struct Scaler<'a> {
    policy: &'a Policy,
    /// Metrics on their way to CloudWatch, and those that it has, the oldest first.
    minutes: VecDeque<Minute>,
    minute: u64,
    /// The first minute of the current period without a running task or a waiting message.
    quiet_since: Option<u64>,
    /// The minute at which a sleeping queue's metrics are available again.
    awake_at: u64,
    last_out: Option<u64>,
    last_in: Option<u64>,
    last_wake: Option<u64>,
}

impl<'a> Scaler<'a> {
    pub(super) fn new(policy: &'a Policy) -> Self {
        Self {
            policy,
            minutes: VecDeque::new(),
            minute: 0,
            quiet_since: None,
            awake_at: 0,
            last_out: None,
            last_in: None,
            last_wake: None,
        }
    }

    /// Ends a minute; returns the desired number of tasks.
    pub(super) fn decide(&mut self, minute: Minute, desired: u32) -> u32 {
        self.minute += 1;
        self.track_sleep(&minute);
        let minute = if self.minute < self.awake_at {
            Minute { sent: 0.0, visible: 0.0, in_flight: 0.0, ..minute }
        } else {
            minute
        };
        self.minutes.push_back(minute);
        if self.minutes.len() > LOW_MINUTES + self.policy.metric_delay_minutes {
            self.minutes.pop_front();
        }
        let wanted = self.wake(desired).or_else(|| self.track(desired)).unwrap_or(desired);
        wanted.clamp(self.policy.min_tasks, self.policy.max_tasks)
    }

    /// The polls of a worker keep a queue active. After hours without a worker its metrics stop, and they return with a
    /// delay.
    fn track_sleep(&mut self, minute: &Minute) {
        let is_busy = minute.running > 0 || minute.visible > 0.0;
        if !is_busy {
            self.quiet_since.get_or_insert(self.minute);
            return;
        }
        let was_asleep = self.quiet_since.is_some_and(|since| self.minute - since >= ASLEEP_AFTER_MINUTES);
        if was_asleep {
            self.awake_at = self.minute + WAKING_MINUTES;
        }
        self.quiet_since = None;
    }

    /// The newest `count` minutes that CloudWatch has; `None` until it has that many.
    fn known(&self, count: usize) -> Option<impl Iterator<Item = &Minute>> {
        let known = self.minutes.len().checked_sub(self.policy.metric_delay_minutes)?;
        let first = known.checked_sub(count)?;
        Some(self.minutes.range(first..known))
    }

    /// The step policy: adds a task when messages wait and no task runs.
    fn wake(&mut self, desired: u32) -> Option<u32> {
        if self.policy.min_tasks > 0 || !is_over(self.last_wake, self.minute, self.policy.wake_cooldown_minutes) {
            return None;
        }
        let waits = self.known(1)?.all(|minute| minute.running < 1 && minute.visible >= 1.0);
        waits.then(|| {
            self.last_wake = Some(self.minute);
            desired + 1
        })
    }

    /// Target tracking: the number of tasks that brings the metric to its target, if it is proportional to their
    /// number.
    fn track(&mut self, desired: u32) -> Option<u32> {
        let enough = (f64::from(desired) * self.policy.over_target(self.known(1)?.next()?)).ceil() as u32;
        if self.known(HIGH_MINUTES)?.all(|minute| self.policy.over_target(minute) > 1.0) {
            let may = enough > desired && is_over(self.last_out, self.minute, self.policy.scale_out_cooldown_minutes);
            return may.then(|| {
                self.last_out = Some(self.minute);
                enough
            });
        }
        let is_low = self.known(LOW_MINUTES)?.all(|minute| self.policy.over_target(minute) < LOW_SHARE);
        let may =
            is_low && enough < desired && is_over(self.last_in, self.minute, self.policy.scale_in_cooldown_minutes);
        may.then(|| {
            self.last_in = Some(self.minute);
            enough
        })
    }
}

fn is_over(last: Option<u64>, now: u64, cooldown_minutes: u64) -> bool {
    last.is_none_or(|last| now - last >= cooldown_minutes)
}
