//! How long a released message stays invisible.

use std::time::Duration;

/// The longest delay after the first receive.
const FIRST_DELAY: Duration = Duration::from_secs(5);
/// The longest delay of a retry.
pub(crate) const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);
/// The longest delay of a kept message of another bucket. With ten receives it is kept for more than five hours.
const LONGEST_KEPT_DELAY: Duration = Duration::from_secs(60 * 60);

/// 5 s doubling with each receive, full jitter, at most 15 minutes, so that the retries after one outage spread out.
pub(super) fn retry_delay(receive_count: u32) -> Duration {
    let share = f64::from(getrandom::u32().unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    growing(2, receive_count, LONGEST_DELAY).mul_f64(share)
}

/// The delay of a message that belongs in the dead-letter queue. The queue moves it there after its last receive, so it
/// is released at once. A queue without a receive limit never moves it: there the delay grows like that of a retry.
pub(super) fn dead_delay(receive_count: u32, max_receives: Option<u32>) -> Duration {
    if max_receives.is_some() { Duration::ZERO } else { growing(2, receive_count, LONGEST_DELAY) }
}

/// The delay of a message that waits until an operator corrects `DARKROOM_UPLOAD_BUCKET`. It grows faster than that of
/// a retry, because receives are few.
pub(super) fn kept_delay(receive_count: u32, is_last: bool) -> Duration {
    if is_last { LONGEST_KEPT_DELAY } else { growing(4, receive_count, LONGEST_KEPT_DELAY) }
}

/// 5 s after the first receive, multiplied by `factor` after each further one.
fn growing(factor: u32, receive_count: u32, longest: Duration) -> Duration {
    let times = factor.saturating_pow(receive_count.saturating_sub(1));
    FIRST_DELAY.saturating_mul(times).min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_delays_double_up_to_fifteen_minutes() {
        for (receive_count, longest_secs) in [(1, 5), (2, 10), (3, 20), (8, 640), (9, 900), (10, 900), (u32::MAX, 900)]
        {
            let longest = (0..200).map(|_| retry_delay(receive_count)).max().unwrap();
            let bound = Duration::from_secs(longest_secs);
            assert!(longest <= bound && longest > bound / 2, "{receive_count}: {longest:?}");
        }
    }

    #[test]
    fn an_unusable_message_is_released_at_once_only_where_the_queue_has_a_receive_limit() {
        for (receive_count, secs) in [(0, 5), (1, 5), (2, 10), (8, 640), (9, 900), (u32::MAX, 900)] {
            assert_eq!(dead_delay(receive_count, None), Duration::from_secs(secs), "{receive_count}");
            assert_eq!(dead_delay(receive_count, Some(10)), Duration::ZERO);
        }
    }

    #[test]
    fn a_kept_message_outlasts_five_hours_with_ten_receives() {
        for (receive_count, secs) in [(1, 5), (2, 20), (5, 1280), (6, 3600), (u32::MAX, 3600)] {
            assert_eq!(kept_delay(receive_count, false), Duration::from_secs(secs), "{receive_count}");
        }
        let all: Duration = (1..=10).map(|receive| kept_delay(receive, receive == 10)).sum();
        assert!(all > Duration::from_secs(5 * 3600), "{all:?}");
        assert_eq!(kept_delay(1, true), Duration::from_secs(3600));
    }
}
