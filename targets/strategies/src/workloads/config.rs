//! `config`: what an operator has set differently from the defaults.
//!
//! A key that is not in the file has its default, so losing the file is no error to anyone: every limit that had been tightened
//! is silently as wide again as it was shipped.

use std::collections::BTreeMap;

use crashtest_kit::{Found, Workload, operation_rng};
use crashtest_model::{Bytes, Consequences, Generation, Seed, Shape, WorkloadInfo};
use rand::{Rng, RngExt};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Capacity, Difference, REFUSED, any_value, cost, phrase, thin_out, time_ms};

/// What an override takes in the file at most, with the comma.
const OVERRIDE_BYTES: u64 = 96;
/// What everything else takes at most.
const HEADER_BYTES: u64 = 48;

/// What each strategy of the desk is limited by, with the default in cents.
const LIMITS: [(&str, i64); 6] = [
    ("max-position", 900_000),
    ("max-day-loss", 250_000),
    ("max-order", 450_000),
    ("max-spread", 100_500),
    ("max-margin", 750_000),
    ("max-open", 800_000),
];

/// One override. Money is a decimal *string* in the file, never a float.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Override {
    /// What is in force, in dollars.
    value: Decimal,
    /// What would be in force without it; for whoever reads the file.
    default: Decimal,
    /// Milliseconds since 1970.
    set_ms: u64,
}

/// The overrides, by their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Overrides {
    /// How many operations are in it.
    sequence: Generation,
    overrides: BTreeMap<String, Override>,
}

impl Overrides {
    /// Overrides any one of `keys` keys, again if it is overridden already.
    fn set(&mut self, keys: usize, set_ms: u64, rng: &mut impl Rng) {
        let key = rng.random_range(0..keys);
        let (limit, default) = LIMITS[key % LIMITS.len()];
        let default = Decimal::new(default, 2);
        let set = Override { value: value(rng), default, set_ms };
        self.overrides.insert(format!("strategy-{:06}.{limit}", key / LIMITS.len()), set);
    }

    /// Clears all but `keep` overrides.
    fn clear(&mut self, keep: usize, rng: &mut impl Rng) {
        thin_out(&mut self.overrides, keep, rng);
    }
}

/// Between 1,000.00 and 9,999.99 dollars.
fn value(rng: &mut impl Rng) -> Decimal {
    Decimal::new(rng.random_range(100_000..1_000_000), 2)
}

/// The workload.
pub(crate) struct Config;

/// How many overrides a file of `bound` bytes can hold.
fn capacity(bound: Bytes) -> Capacity {
    Capacity::within(bound, HEADER_BYTES, OVERRIDE_BYTES)
}

/// How many keys there are: about half of them are overridden.
fn keys(capacity: Capacity) -> usize {
    2 * capacity.0
}

impl Workload for Config {
    type State = Overrides;

    const NAME: &str = "config";

    fn info() -> WorkloadInfo {
        WorkloadInfo {
            name: Self::NAME.into(),
            summary: "what an operator has set differently from the defaults".into(),
            shapes: vec![Shape::Document],
            phrases: vec![
                phrase("defaulted", "overrides silently back to their default"),
                phrase("revived", "cleared overrides that are in force again"),
                phrase("outdated", "overrides with a value that had been replaced"),
                phrase(REFUSED, "restarts that stopped with an error: nothing runs on the wrong limits"),
            ],
        }
    }

    fn initial(stream: Seed, bound: Bytes) -> Overrides {
        let mut rng = operation_rng(stream, Generation::ZERO);
        let mut config = Overrides::default();
        let capacity = capacity(bound);
        let overrides = capacity.nearly_full(&mut rng);
        while config.overrides.len() < overrides {
            config.set(keys(capacity), time_ms(0), &mut rng);
        }
        config
    }

    /// Overrides are set, new or again (6 in 10), cleared (2 in 10), or one gets another value at equal length (2 in 10).
    fn apply(stream: Seed, generation: Generation, bound: Bytes, config: &mut Overrides) {
        let mut rng = operation_rng(stream, generation);
        let capacity = capacity(bound);
        let few = capacity.few(&mut rng);
        let now_ms = time_ms(generation.0);
        match rng.random_range(0..10) {
            0..6 => (0..few).for_each(|_| config.set(keys(capacity), now_ms, &mut rng)),
            6..8 => config.clear(capacity.without(few, config.overrides.len()), &mut rng),
            _ => {
                if let Some(set) = any_value(&mut config.overrides, &mut rng) {
                    (set.value, set.set_ms) = (value(&mut rng), now_ms);
                }
            }
        }
        if config.overrides.len() > capacity.0 {
            config.clear(capacity.nearly_full(&mut rng), &mut rng);
        }
        config.sequence = generation;
    }

    fn sequence(config: &Overrides) -> Generation {
        config.sequence
    }

    fn consequences(promised: &Overrides, found: &Found<&Overrides>) -> Consequences {
        cost(found, |config, consequences| {
            let difference = Difference::between(&promised.overrides, &config.overrides);
            consequences.count("defaulted", difference.missing);
            consequences.count("revived", difference.revived);
            consequences.count("outdated", difference.outdated);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::laws;
    use super::*;

    #[test]
    fn it_keeps_the_laws_of_workloads() {
        laws::hold_for::<Config>();
    }

    #[test]
    fn an_older_file_has_defaults_revived_overrides_and_replaced_values() {
        let older = Config::initial(Seed(2), Bytes::kib(16));
        let mut promised = older.clone();
        let new = promised.overrides.values().next().unwrap().clone();
        for key in ["a-new-one", "another", "a-third"] {
            promised.overrides.insert(key.into(), new.clone());
        }
        promised.overrides.pop_last();
        promised.overrides.pop_last();
        promised.overrides.last_entry().unwrap().get_mut().value = Decimal::ONE;
        let lost = Config::consequences(&promised, &Found::State(&older)).0;
        assert_eq!((lost["defaulted"], lost["revived"], lost["outdated"]), (3, 2, 1));
    }

    #[test]
    fn a_fresh_file_has_every_key_back_at_its_default() {
        let promised = Config::initial(Seed(3), Bytes::kib(16));
        let lost = Config::consequences(&promised, &Found::Fresh).0;
        assert_eq!(lost.into_iter().collect::<Vec<_>>(), [("defaulted".to_owned(), promised.overrides.len() as u64)]);
    }
}
