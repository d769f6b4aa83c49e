//! A histogram of durations whose size is fixed: from nanoseconds to centuries, each to one part in sixteen.

/// As fine as a power of two is divided.
const PARTS: u64 = 16;
/// Below this, each value has a bin of its own.
const EXACT: u64 = PARTS;
const BINS: usize = EXACT as usize + (64 - EXACT.ilog2() as usize) * PARTS as usize;

/// Durations in ns. Memory does not grow with their number.
#[derive(Clone, Debug, Default)]
pub struct Durations {
    /// None before the first; a row of a summary may have none at all.
    bins: Vec<u64>,
    count: u64,
    longest: u64,
}

impl Durations {
    /// Notes one.
    pub fn insert(&mut self, ns: u64) {
        self.bins.resize(BINS, 0);
        self.bins[bin(ns)] += 1;
        self.count += 1;
        self.longest = self.longest.max(ns);
    }

    /// The longest, to the ns; `None` without any.
    #[must_use]
    pub fn longest(&self) -> Option<u64> {
        (self.count > 0).then_some(self.longest)
    }

    /// The `q` quantile (0 to 1) in ns, never too short and too long by one part in sixteen at most; `None` without any.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let wanted = (q * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reached = |n: &u64| {
            seen += n;
            seen >= wanted
        };
        self.bins.iter().position(reached).map(|bin| last_of(bin).min(self.longest))
    }
}

fn bin(ns: u64) -> usize {
    if ns < EXACT {
        return ns as usize;
    }
    let octave = ns.ilog2() - EXACT.ilog2();
    EXACT as usize + octave as usize * PARTS as usize + (ns >> octave) as usize - PARTS as usize
}

/// The largest value of a bin.
fn last_of(bin: usize) -> u64 {
    let bin = bin as u64;
    if bin < EXACT {
        return bin;
    }
    let (octave, part) = ((bin - EXACT) / PARTS, (bin - EXACT) % PARTS);
    let first = (PARTS + part) << octave;
    first + ((1 << octave) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_never_too_short_and_hardly_too_long(
            mut all in proptest::collection::vec((0u32..64, any::<u64>()).prop_map(|(shift, ns)| ns >> shift), 1..300),
            q in 0.0f64..=1.0,
        ) {
            let mut durations = Durations::default();
            all.iter().for_each(|ns| durations.insert(*ns));
            all.sort_unstable();
            let exact = all[((q * all.len() as f64).ceil() as usize).max(1) - 1];
            let found = durations.quantile(q).unwrap();
            prop_assert!(exact <= found && found - exact <= exact / 16, "{exact} {found}");
            prop_assert_eq!(durations.longest(), all.last().copied());
            prop_assert_eq!(durations.quantile(1.0), all.last().copied());
        }
    }

    #[test]
    fn without_a_duration_there_is_no_quantile() {
        assert_eq!((Durations::default().quantile(0.5), Durations::default().longest()), (None, None));
    }

    #[test]
    fn the_bins_follow_each_other_without_a_gap() {
        assert_eq!(last_of(BINS - 1), u64::MAX);
        for n in 1..BINS {
            assert_eq!((bin(last_of(n - 1)), bin(last_of(n - 1) + 1)), (n - 1, n));
        }
    }
}
