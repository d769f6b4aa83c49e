//! Numbers as people read them: thousands separated, rates in per cent with as many digits as they carry.

/// The direction in which a number is rounded. The ends of an interval are rounded outwards, so that what is printed still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To the nearest.
    Nearest,
    /// For an upper bound.
    Up,
    /// For a lower bound.
    Down,
}

/// `n` with a comma before every third digit: 61,433.
#[must_use]
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `rate` (0 to 1) in per cent, without the sign: one digit after the point, or two significant ones near 0 and 100.
#[must_use]
pub fn percent(rate: f64, rounding: Rounding) -> String {
    let value = (rate * 100.0).clamp(0.0, 100.0);
    let from_the_edge = value.min(100.0 - value);
    let decimals = match from_the_edge {
        e if e < 1e-9 => return if value < 50.0 { "0".to_owned() } else { "100".to_owned() },
        e if e < 1.0 => ((-e.log10()).ceil() as usize + 1).clamp(2, 9),
        _ => 1,
    };
    let scale = 10f64.powi(decimals as i32);
    // The slack keeps 0.300000000004 from becoming 0.31.
    let scaled = match rounding {
        Rounding::Nearest => (value * scale).round(),
        Rounding::Up => (value * scale - 1e-6).ceil(),
        Rounding::Down => (value * scale + 1e-6).floor(),
    };
    format!("{:.decimals$}", scaled / scale)
}

/// A duration in the unit that fits: "412 ns", "12 µs", "1.9 ms", "1.3 s"; two digits, or whole numbers.
#[must_use]
pub(crate) fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000 => return format!("{ns} ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "µs"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    if value < 9.95 { format!("{value:.1} {unit}") } else { format!("{} {unit}", thousands(value.round() as u64)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_two_digits_and_the_unit_that_fits() {
        let shown =
            [0, 999, 1_040, 9_949, 9_950, 12_400, 999_400, 1_940_000, 72_000_000, 1_300_000_000, 5_000_000_000_000];
        let words =
            ["0 ns", "999 ns", "1.0 µs", "9.9 µs", "10 µs", "12 µs", "999 µs", "1.9 ms", "72 ms", "1.3 s", "5,000 s"];
        assert_eq!(shown.map(duration), words);
    }

    #[test]
    fn thousands_are_separated() {
        let shown: Vec<String> = [0, 999, 1_000, 61_433, 1_234_567].into_iter().map(thousands).collect();
        assert_eq!(shown, ["0", "999", "1,000", "61,433", "1,234,567"]);
    }

    #[test]
    fn rates_keep_two_digits_near_their_ends() {
        let shown = |rate| percent(rate, Rounding::Nearest);
        assert_eq!(
            [0.0, 0.000_299_5, 0.005, 0.315, 0.999_7, 1.0].map(shown),
            ["0", "0.030", "0.50", "31.5", "99.970", "100"]
        );
    }

    #[test]
    fn bounds_are_rounded_outwards() {
        assert_eq!(percent(0.311_1, Rounding::Up), "31.2");
        assert_eq!(percent(0.311_9, Rounding::Down), "31.1");
        assert_eq!(percent(0.310, Rounding::Up), "31.0");
    }
}
