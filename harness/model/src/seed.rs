//! Seeds and digests: both 64 bits, both written as 16 hexadecimal digits, as JSON numbers lose digits past 2^53.
//!
//! A campaign has one master seed. Every other seed is *derived* from it by a label and a number. One trial can be run again alone,
//! and no two uses share a stream. The derivation is part of the results format: changing it changes every plan.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// A source of randomness. Equal seeds give equal plans on any machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed for use `label` number `n` under this one (XXH3-64 of label and number, keyed by this seed).
    #[must_use]
    pub fn derive(self, label: &str, n: u64) -> Seed {
        let mut key = Vec::with_capacity(label.len() + 9);
        key.extend_from_slice(label.as_bytes());
        key.push(0);
        key.extend_from_slice(&n.to_le_bytes());
        Seed(xxh3_64_with_seed(&key, self.0))
    }

    /// The seed as a number in [0, 1), by its upper 53 bits: exact in an f64, so equal everywhere.
    #[must_use]
    pub fn unit(self) -> f64 {
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// What identifies a content: XXH3-64. It tells generations apart; it does not resist an adversary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u64);

impl Digest {
    /// The digest of raw bytes.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Digest {
        Digest(xxhash_rust::xxh3::xxh3_64(bytes))
    }

    /// The digest of a value through its `Hash`: equal values have equal digests within one build of the program.
    #[must_use]
    pub fn of_value<T: Hash + ?Sized>(value: &T) -> Digest {
        let mut hasher = Xxh3::new();
        value.hash(&mut hasher);
        Digest(hasher.finish())
    }
}

macro_rules! hexadecimal {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:016x}", self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                u64::from_str_radix(&text, 16).map($type).map_err(de::Error::custom)
            }
        }
    };
}
hexadecimal!(Seed);
hexadecimal!(Digest);

/// What a person types after `--seed`: a decimal number, or hexadecimal digits after `0x`.
impl FromStr for Seed {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Seed, Self::Err> {
        match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16).map(Seed),
            None => text.parse().map(Seed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Plans of old runs must stay reproducible: these values may change only together with the results format.
    #[test]
    fn derived_seeds_stay_the_same_over_versions() {
        assert_eq!(Seed(1).derive("trial", 0).to_string(), "f7d191dba9fb029b");
        assert_eq!(Seed(1).derive("stream", 7).to_string(), "1652d0971a44bc33");
    }

    proptest! {
        #[test]
        fn seeds_survive_json_exactly(n: u64) {
            let json = serde_json::to_string(&Seed(n)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Seed>(&json).unwrap(), Seed(n));
        }

        #[test]
        fn a_typed_seed_is_decimal_or_prefixed_hexadecimal(n: u64) {
            prop_assert_eq!(n.to_string().parse::<Seed>().unwrap(), Seed(n));
            prop_assert_eq!(format!("0x{n:x}").parse::<Seed>().unwrap(), Seed(n));
        }

        #[test]
        fn labels_and_numbers_give_distinct_seeds(master: u64, a in 0u64..1000, b in 0u64..1000) {
            prop_assume!(a != b);
            prop_assert_ne!(Seed(master).derive("trial", a), Seed(master).derive("trial", b));
            prop_assert_ne!(Seed(master).derive("trial", a), Seed(master).derive("stream", a));
        }
    }
}
