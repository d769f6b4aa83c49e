//! How much a count over trials says about the rate behind it: exact (Clopper–Pearson) intervals at 95 %.
//!
//! Clopper and Pearson, "The use of confidence or fiducial limits illustrated in the case of the binomial", Biometrika 26 (1934).

use crashtest_model::Interval;
use statrs::distribution::{Beta, ContinuousCDF as _};

const CONFIDENCE: f64 = 0.95;

/// The rate of `count` in `trials` with its 95 % interval; `None` without trials, as nothing is known then.
///
/// Two-sided, but one-sided where all trials agree: then only one end is open, and 0 in n gives 1 − 0.05^(1/n), about 3/n.
#[must_use]
pub fn exact_interval(count: u64, trials: u64) -> Option<Interval> {
    if trials == 0 {
        return None;
    }
    let count = count.min(trials);
    let (k, n) = (count as f64, trials as f64);
    let one_sided = (1.0 - CONFIDENCE).powf(1.0 / n);
    let tail = (1.0 - CONFIDENCE) / 2.0;
    let low = match count {
        0 => 0.0,
        _ if count == trials => one_sided,
        _ => beta_quantile(k, n - k + 1.0, tail),
    };
    let high = match count {
        0 => 1.0 - one_sided,
        _ if count == trials => 1.0,
        _ => beta_quantile(k + 1.0, n - k, 1.0 - tail),
    };
    let rate = k / n;
    Some(Interval { rate, low: low.min(rate), high: high.max(rate) })
}

/// The `p` quantile of the beta distribution, by bisection of its distribution function.
///
/// Bisection is monotone and bounded, where Newton steps can overshoot for shapes in the thousands.
fn beta_quantile(a: f64, b: f64, p: f64) -> f64 {
    let Ok(beta) = Beta::new(a, b) else { return f64::NAN };
    let (mut low, mut high) = (0.0f64, 1.0f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beta.cdf(middle) < p { low = middle } else { high = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Values of R's `binom.test`.
    #[test]
    fn the_interval_is_that_of_the_books() {
        let interval = exact_interval(5, 20).unwrap();
        assert!((interval.low - 0.086_571).abs() < 1e-5, "{interval:?}");
        assert!((interval.high - 0.491_045).abs() < 1e-5, "{interval:?}");
        let interval = exact_interval(1, 10).unwrap();
        assert!((interval.low - 0.002_528_6).abs() < 1e-6, "{interval:?}");
        assert!((interval.high - 0.445_016).abs() < 1e-5, "{interval:?}");
    }

    #[test]
    fn no_failure_in_ten_thousand_is_at_most_three_in_ten_thousand() {
        let interval = exact_interval(0, 10_000).unwrap();
        assert_eq!((interval.rate, interval.low), (0.0, 0.0));
        assert!((interval.high - 0.000_299_5).abs() < 1e-6, "{interval:?}");
        assert_eq!(exact_interval(0, 0), None);
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_rate(trials in 1u64..1_000_000, share in 0.0f64..=1.0) {
            let count = (share * trials as f64) as u64;
            let Interval { rate, low, high } = exact_interval(count, trials).unwrap();
            prop_assert!(0.0 <= low && low <= rate && rate <= high && high <= 1.0);
            prop_assert_eq!(low > 0.0, count > 0);
            prop_assert_eq!(high < 1.0, count < trials);
        }

        #[test]
        fn more_failures_never_lower_the_interval(trials in 2u64..100_000, share in 0.0f64..1.0) {
            let count = ((share * trials as f64) as u64).min(trials - 1);
            let (a, b) = (exact_interval(count, trials).unwrap(), exact_interval(count + 1, trials).unwrap());
            prop_assert!(a.low <= b.low && a.high <= b.high, "{:?} {:?}", a, b);
        }

        #[test]
        fn more_trials_without_failure_lower_the_bound_to_about_three_in_n(trials in 30u64..1_000_000) {
            let bound = |n| exact_interval(0, n).unwrap().high;
            prop_assert!(bound(trials + 1) < bound(trials));
            prop_assert!(bound(trials) <= 3.0 / trials as f64);
            prop_assert!(bound(trials) >= 2.8 / trials as f64);
        }
    }
}
