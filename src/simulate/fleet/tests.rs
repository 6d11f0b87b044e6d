//! The default policy's results, and the fleet's behaviour under it.

use super::*;
use crate::simulate::{Metric, traces};

fn replay(policy: &Policy, name: &str) -> Outcome {
    let trace = traces().into_iter().find(|trace| trace.name == name).unwrap();
    run(policy, &trace)
}

/// Two uploads a second on tasks that render four: one task suffices, and no upload waits.
#[test]
fn a_load_that_one_task_carries_needs_no_second() {
    let steady = replay(&Policy::default(), "steady");
    assert_eq!((steady.peak_tasks, steady.turns_per_hour, steady.wait_p99_seconds), (1, 0, 0));
}

#[test]
fn a_daily_wave_is_followed_without_flapping() {
    let daily = replay(&Policy::default(), "daily");
    assert!(daily.turns_per_hour <= 1, "{}", daily.turns_per_hour);
    assert!(daily.wait_p99_seconds <= 60, "{}", daily.wait_p99_seconds);
}

#[test]
fn a_spike_to_a_hundred_times_is_drained_with_at_most_two_turns_an_hour() {
    let spike = replay(&Policy::default(), "spike");
    assert!(spike.turns_per_hour <= 2, "{}", spike.turns_per_hour);
    assert!(spike.wait_p99_seconds <= 10 * 60, "{}", spike.wait_p99_seconds);
}

/// A sleeping queue takes up to a quarter of an hour to report, the alarm two minutes, the task one.
#[test]
fn one_upload_after_silence_starts_within_twenty_minutes() {
    let silence = replay(&Policy::default(), "silence");
    assert!((15 * 60..=20 * 60).contains(&silence.wait_p99_seconds), "{}", silence.wait_p99_seconds);
}

#[test]
fn a_backfill_keeps_all_tasks_busy() {
    let backfill = replay(&Policy::default(), "backfill");
    assert_eq!(backfill.peak_tasks, Policy::default().max_tasks);
    assert!(backfill.busy.unwrap() > 0.98, "{:?}", backfill.busy);
}

#[test]
fn poison_does_not_outlive_its_flood_by_more_than_ten_minutes() {
    let poison = replay(&Policy::default(), "poison");
    assert!(poison.drain_seconds.unwrap() <= 600, "{:?}", poison.drain_seconds);
}

/// Why arrivals are part of the metric: with the backlog alone, the fleet appears idle as soon as the tasks keep up.
#[test]
fn the_backlog_alone_flaps() {
    let policy = Policy { metric: Metric::BacklogPerTask { target: 240.0 }, ..Policy::default() };
    assert!(replay(&policy, "daily").turns_per_hour > 2);
}

#[test]
fn every_upload_is_waited_for_once() {
    let policy = Policy::default();
    for trace in traces() {
        let sent: f64 = (0..trace.seconds).map(|second| trace.arrivals.at(second)).sum();
        let mut fleet = Fleet::new(&policy, &trace);
        for second in 0..trace.seconds + 2_000_000 {
            fleet.tick(second);
            if second > trace.seconds && fleet.backlog < 1e-6 {
                break;
            }
        }
        let waited: f64 = fleet.waits.iter().map(|(_, images)| images).sum();
        assert!((waited - sent).abs() < 1e-3 * sent.max(1.0), "{}: {waited} of {sent}", trace.name);
    }
}
