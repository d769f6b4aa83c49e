//! Values as people type them: sizes, durations, seeds, counts.

use std::num::IntErrorKind;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use crashtest_model::{Bytes, Confirm, Fault, Seed, Signal, Tears};

/// The most writers, and the most readers, of one directory.
const MOST_TOGETHER: u64 = 8;

/// A [`Fault`], by its name.
pub(crate) fn fault() -> impl TypedValueParser<Value = Fault> {
    word(&Fault::ALL, Fault::name, Fault::meaning)
}

/// [`Tears`], by their name.
pub(crate) fn tears() -> impl TypedValueParser<Value = Tears> {
    word(&Tears::ALL, Tears::name, Tears::meaning)
}

/// A [`Confirm`], by its name.
pub(crate) fn confirm() -> impl TypedValueParser<Value = Confirm> {
    word(&Confirm::ALL, Confirm::name, Confirm::meaning)
}

/// A [`Signal`], by its name.
pub(crate) fn signal() -> impl TypedValueParser<Value = Signal> {
    word(&Signal::ALL, Signal::name, Signal::meaning)
}

/// One of `all`, which the help lists with what they mean.
fn word<T: Copy + Send + Sync>(
    all: &'static [T],
    name: fn(T) -> &'static str,
    meaning: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let words = all.iter().map(|word| PossibleValue::new(name(*word)).help(meaning(*word)));
    PossibleValuesParser::new(words)
        .try_map(move |typed| all.iter().copied().find(|word| name(*word) == typed).ok_or("not one of them"))
}

/// `64KiB`, `64k` (1,024 bytes each), `1MiB`, `4096`.
pub(crate) fn size(text: &str) -> Result<Bytes, String> {
    const SMALLEST: Bytes = Bytes::kib(1);
    const LARGEST: Bytes = Bytes::kib(64 * 1024);
    let bytes = parse_size::Config::new().with_binary().parse_size(text).map(Bytes).map_err(|e| e.to_string())?;
    if (SMALLEST..=LARGEST).contains(&bytes) { Ok(bytes) } else { Err(format!("must be from {SMALLEST} to {LARGEST}")) }
}

/// `10ms`, `30s`, `2h 30m`; `0` is no time.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let parsed: jiff::SignedDuration =
        text.parse().map_err(|_| "expected a duration such as 10ms, 30s or 2h".to_owned())?;
    Duration::try_from(parsed).map_err(|_| "must not be negative".to_owned())
}

/// As [`duration`], and more than no time.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| if time.is_zero() { Err("must not be 0".to_owned()) } else { Ok(time) })
}

/// Whole milliseconds, as many as a plan can hold.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Whole microseconds, as many as a plan can hold.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A decimal number, or hexadecimal digits after `0x`.
pub(crate) fn seed(text: &str) -> Result<Seed, String> {
    text.parse().map_err(|_| "expected a number from 0 to 2^64 - 1, or hexadecimal digits after 0x".to_owned())
}

/// At least one; `10_000` and `10,000` are 10000.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, '_' | ',')).collect();
    match digits.parse::<u64>() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(n) if n <= 1 << 40 => Ok(n),
        Ok(_) => Err("must be at most 2^40".to_owned()),
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => Err("must be at most 2^40".to_owned()),
        Err(_) if digits.parse::<i128>().is_ok_and(|n| n < 0) => Err("must be at least 1".to_owned()),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// Worker processes: one to 256.
pub(crate) fn jobs(text: &str) -> Result<usize, String> {
    match count(text)? {
        n @ 1..=256 => Ok(n as usize),
        _ => Err("must be at most 256".to_owned()),
    }
}

/// Processes that write: one to eight.
pub(crate) fn writers(text: &str) -> Result<u32, String> {
    match count(text)? {
        n @ 1..=MOST_TOGETHER => Ok(n as u32),
        _ => Err(format!("must be at most {MOST_TOGETHER}")),
    }
}

/// Processes that read: none to eight.
pub(crate) fn readers(text: &str) -> Result<u32, String> {
    if text == "0" { Ok(0) } else { writers(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_durations_and_counts_are_read_as_people_write_them() {
        assert_eq!(size("64KiB"), Ok(Bytes::kib(64)));
        assert_eq!(size("64k"), Ok(Bytes::kib(64)));
        assert_eq!(size("4096"), Ok(Bytes::kib(4)));
        assert_eq!(duration("10ms"), Ok(Duration::from_millis(10)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(count("10_000"), Ok(10_000));
        assert_eq!(seed("0xff"), Ok(Seed(255)));
    }

    #[test]
    fn impossible_values_are_refused_with_a_reason() {
        assert!(size("12").unwrap_err().contains("from 1 KiB"));
        assert!(size("2GiB").is_err());
        assert!(duration("-1s").unwrap_err().contains("negative"));
        assert!(duration("soon").unwrap_err().contains("10ms"));
        assert!(count("0").unwrap_err().contains("at least 1"));
        assert!(count("-3").unwrap_err().contains("at least 1"));
        assert!(count("99999999999999999999").unwrap_err().contains("2^40"));
        assert!(count("3.5").unwrap_err().contains("whole"));
        assert!(positive_duration("0s").unwrap_err().contains("must not be 0"));
        assert!(seed("x").is_err());
        assert!(jobs("1000").is_err());
        assert!(writers("0").is_err() && writers("9").is_err() && readers("9").is_err());
        assert_eq!((readers("0"), writers("8")), (Ok(0), Ok(8)));
    }
}
