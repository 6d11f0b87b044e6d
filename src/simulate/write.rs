//! Formats numbers and durations for people.

/// A number with its thousands separated by commas: two decimals below 1, one below 10, none above, unless it is whole.
pub(super) fn thousands(number: f64) -> String {
    let decimals = match number.abs() {
        _ if number.fract() == 0.0 => 0,
        0.0..1.0 => 2,
        1.0..10.0 => 1,
        _ => 0,
    };
    with_decimals(number, decimals)
}

/// A number with its thousands separated by commas, and this many decimals.
pub fn with_decimals(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut separated = String::with_capacity(text.len() + whole.len() / 3);
    for (at, digit) in whole.chars().enumerate() {
        let left = whole.len() - at;
        if at > 0 && left % 3 == 0 && !separated.ends_with('-') {
            separated.push(',');
        }
        separated.push(digit);
    }
    separated + fraction
}

/// A duration in a suitable unit: seconds, minutes rounded up, hours, days.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        7200..172_800 => format!("{:.1} h", seconds as f64 / 3600.0),
        _ => format!("{:.1} d", seconds as f64 / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated() {
        for (number, text) in [
            (0.0, "0"),
            (0.016_666, "0.02"),
            (2.5, "2.5"),
            (33.4, "33"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (999_999.0, "999,999"),
            (1_000_000.0, "1,000,000"),
            (-1000.0, "-1,000"),
            (-100.0, "-100"),
        ] {
            assert_eq!(thousands(number), text);
        }
        assert_eq!(with_decimals(1234.5, 2), "1,234.50");
    }

    #[test]
    fn durations_change_their_unit_at_two_of_the_next() {
        for (seconds, text) in [
            (119, "119 s"),
            (120, "2 min"),
            (7199, "120 min"),
            (7200, "2.0 h"),
            (172_799, "48.0 h"),
            (172_800, "2.0 d"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
