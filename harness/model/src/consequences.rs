//! What a failure costs, in the workload's own words: shares of drift, alerts that fire again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts by key, summed over a campaign. The keys are the workload's; [`ConsequencePhrase`] puts them into words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Consequences(pub BTreeMap<String, u64>);

impl Consequences {
    /// Adds `count` under `key`.
    pub fn count(&mut self, key: &str, count: u64) {
        *self.0.entry(key.to_owned()).or_default() += count;
    }

    /// Adds everything of `other`.
    pub fn add(&mut self, other: &Consequences) {
        for (key, count) in &other.0 {
            self.count(key, *count);
        }
    }

    /// Returns whether nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// How a workload says one of its consequences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsequencePhrase {
    /// The key in [`Consequences`].
    pub key: String,
    /// The words that follow the number, as in "41,200" + "shares of drift that nobody was told of".
    pub words: String,
}
