//! Parses argument values. Each error states which values are valid.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Parses an age with a unit.
pub(super) fn age(text: &str) -> Result<Duration, &'static str> {
    humantime::parse_duration(text)
        .ok()
        .filter(|_| text.ends_with(|c: char| c.is_ascii_alphabetic()))
        .ok_or("must be an age with a unit, such as 30m or 2h")
}

/// Parses a whole number within a range.
pub(super) fn number<T>(range: RangeInclusive<T>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display + Clone + Send + Sync,
{
    move |text| {
        let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let value = text.parse().ok().filter(|value| is_plain && range.contains(value));
        value.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Parses a number within a range.
pub(super) fn decimal(range: RangeInclusive<f64>) -> impl Fn(&str) -> Result<f64, String> + Clone + Send + Sync {
    move |text| {
        let value = text.parse().ok().filter(|value| range.contains(value));
        value.ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_whole_and_within_their_range() {
        let numbers = number(1..=1000_u32);
        for (text, value) in
            [("0", None), ("1", Some(1)), ("2", Some(2)), ("999", Some(999)), ("1000", Some(1000)), ("1001", None)]
        {
            assert_eq!(numbers(text).ok(), value, "{text}");
        }
        for text in ["", "x", "+1", "-1", "1.0", " 1", "99999999999"] {
            assert_eq!(numbers(text).unwrap_err(), "must be a whole number from 1 to 1000", "{text}");
        }
    }

    #[test]
    fn decimals_are_within_their_range() {
        let decimals = decimal(0.01..=1000.0);
        for (text, value) in [
            ("0.009", None),
            ("0.01", Some(0.01)),
            ("0.011", Some(0.011)),
            ("999.9", Some(999.9)),
            ("1000", Some(1000.0)),
            ("1000.1", None),
        ] {
            assert_eq!(decimals(text).ok(), value, "{text}");
        }
        for text in ["", "x", "-1", "nan", "inf"] {
            assert_eq!(decimals(text).unwrap_err(), "must be a number from 0.01 to 1000", "{text}");
        }
    }

    #[test]
    fn an_age_has_a_unit() {
        assert_eq!(age("2h"), Ok(Duration::from_hours(2)));
        for text in ["", "2", "0", "x", "-2h", "2 parsecs"] {
            assert!(age(text).is_err(), "{text}");
        }
    }
}
