//! The ticks of an axis and their labels.

use crate::simulate::write::with_decimals;

/// The most intervals between the ticks of a value axis.
const VALUE_INTERVALS: f64 = 4.0;
/// The most intervals between the ticks of the time axis.
const TIME_INTERVALS: f64 = 12.0;

/// An axis from 0: the value at its end, and its ticks with their labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) end: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis for values up to `largest`: ticks at multiples of 1, 2 or 5 times a power of ten.
    pub(super) fn of_values(largest: f64, is_whole: bool) -> Self {
        let mut step = round_up(largest / VALUE_INTERVALS);
        if is_whole {
            step = step.max(1.0);
        }
        let intervals = (largest / step - 1e-9).ceil().max(1.0);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let tick = |at: u32| (f64::from(at) * step, with_decimals(f64::from(at) * step, decimals));
        Self { end: intervals * step, ticks: (0..=intervals as u32).map(tick).collect() }
    }

    /// The time axis of `minutes`, labelled in minutes, hours or days; it ends with the last minute.
    pub(super) fn of_minutes(minutes: f64) -> Self {
        let (unit, name, steps): (f64, &str, &[f64]) = match minutes {
            ..=120.0 => (1.0, "min", &[1.0, 2.0, 5.0, 10.0, 15.0, 30.0]),
            ..=4320.0 => (60.0, "h", &[1.0, 2.0, 3.0, 6.0, 12.0]),
            _ => (1440.0, "d", &[1.0, 2.0, 5.0, 10.0]),
        };
        let length = minutes / unit;
        let step = steps.iter().copied().find(|step| length / step <= TIME_INTERVALS);
        let step = step.unwrap_or_else(|| round_up(length / TIME_INTERVALS));
        let tick = |at: u32| (f64::from(at) * step * unit, format!("{} {name}", f64::from(at) * step));
        Self { end: minutes, ticks: (0..=(length / step + 1e-9) as u32).map(tick).collect() }
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is not less than a positive `number`; 1 for 0.
fn round_up(number: f64) -> f64 {
    if number <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(number.log10().floor());
    let multiple = [1.0, 2.0, 5.0].into_iter().find(|multiple| multiple * power >= number * (1.0 - 1e-9));
    multiple.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn values_have_round_ticks_that_reach_above_the_largest() {
        let values = |largest| Axis::of_values(largest, false);
        assert_eq!(texts(&values(34_000.0)), ["0", "10,000", "20,000", "30,000", "40,000"]);
        assert_eq!(texts(&values(20.0)), ["0", "5", "10", "15", "20"]);
        assert_eq!(texts(&values(0.016)), ["0.000", "0.005", "0.010", "0.015", "0.020"]);
        assert_eq!(texts(&values(2.0)), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
        assert_eq!((values(995_000.0).end, values(0.0).end), (1_000_000.0, 1.0));
    }

    #[test]
    fn tasks_have_whole_ticks() {
        let tasks = |most| Axis::of_values(most, true);
        assert_eq!(texts(&tasks(1.0)), ["0", "1"]);
        assert_eq!(texts(&tasks(3.0)), ["0", "1", "2", "3"]);
        assert_eq!(texts(&tasks(10.0)), ["0", "5", "10"]);
        assert_eq!(texts(&tasks(0.0)), ["0", "1"]);
    }

    #[test]
    fn time_is_in_the_unit_that_suits_it() {
        assert_eq!(
            texts(&Axis::of_minutes(30.0)),
            ["0 min", "5 min", "10 min", "15 min", "20 min", "25 min", "30 min"]
        );
        assert_eq!(texts(&Axis::of_minutes(290.0)), ["0 h", "1 h", "2 h", "3 h", "4 h"]);
        assert_eq!(texts(&Axis::of_minutes(4320.0)).last(), Some(&"72 h"));
        assert_eq!(texts(&Axis::of_minutes(4321.0)), ["0 d", "1 d", "2 d", "3 d"]);
        assert!(Axis::of_minutes(86_400.0).ticks.len() <= 13);
    }
}
