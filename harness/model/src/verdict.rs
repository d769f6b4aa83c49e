//! What one crash and one recovery came to, worst first.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The verdict on one trial. The order of the variants is the order of severity, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Recovery reported a fresh, empty state and no error, though a save had been acked (or init had returned).
    SilentReset,
    /// Recovery accepted a content that is no generation: torn or mixed data taken as valid.
    AcceptedGarbage,
    /// A save was acked although one of its calls failed or fell short and was not repaired.
    FalseAck,
    /// A consistent but older generation than the last acked one.
    LostAck,
    /// Recovery refused: the file is partial.
    Torn,
    /// Recovery refused: the file has 0 bytes or only zeros.
    Empty,
    /// Recovery refused: the file is not there.
    Missing,
    /// Recovery crashed, hung past its limit, or does not converge when crashed again.
    WontOpen,
    /// A save or a lock makes no progress for longer than the limit.
    Stuck,
    /// A save failed though no fault was injected.
    FailedSave,
    /// The generation is fine, a domain rule is broken.
    BrokenInvariant,
    /// Intact, but foreign files grow from crash to crash.
    Residue,
    /// The last acked or the in-flight generation.
    Intact,
    /// The harness cannot tell. Counted, never dropped.
    Inconclusive,
}

impl Verdict {
    /// Every verdict, worst first.
    pub const ALL: [Verdict; 14] = [
        Verdict::SilentReset,
        Verdict::AcceptedGarbage,
        Verdict::FalseAck,
        Verdict::LostAck,
        Verdict::Torn,
        Verdict::Empty,
        Verdict::Missing,
        Verdict::WontOpen,
        Verdict::Stuck,
        Verdict::FailedSave,
        Verdict::BrokenInvariant,
        Verdict::Residue,
        Verdict::Intact,
        Verdict::Inconclusive,
    ];

    /// The name that reports, files and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::SilentReset => "silent-reset",
            Verdict::AcceptedGarbage => "accepted-garbage",
            Verdict::FalseAck => "false-ack",
            Verdict::LostAck => "lost-ack",
            Verdict::Torn => "torn",
            Verdict::Empty => "empty",
            Verdict::Missing => "missing",
            Verdict::WontOpen => "wont-open",
            Verdict::Stuck => "stuck",
            Verdict::FailedSave => "failed-save",
            Verdict::BrokenInvariant => "broken-invariant",
            Verdict::Residue => "residue",
            Verdict::Intact => "intact",
            Verdict::Inconclusive => "inconclusive",
        }
    }

    /// One line for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Verdict::SilentReset => "started fresh and empty without an error, though a save had been acknowledged",
            Verdict::AcceptedGarbage => "accepted a content that no save ever made",
            Verdict::FalseAck => "acknowledged a save although one of its calls failed",
            Verdict::LostAck => "came back with an older state than the last acknowledged save",
            Verdict::Torn => "refused: the file is partial",
            Verdict::Empty => "refused: the file has 0 bytes or only zeros",
            Verdict::Missing => "refused: the file is not there",
            Verdict::WontOpen => "recovery crashed or hung",
            Verdict::Stuck => "a save made no progress within the limit",
            Verdict::FailedSave => "a save failed though no fault was injected",
            Verdict::BrokenInvariant => "the state is a real one, but a rule of its domain is broken",
            Verdict::Residue => "intact, but left-over files pile up from crash to crash",
            Verdict::Intact => "came back with the last acknowledged save, or with the one in flight",
            Verdict::Inconclusive => "the harness cannot tell",
        }
    }

    /// Returns whether this verdict breaks a claim.
    #[must_use]
    pub fn is_violation(self) -> bool {
        !matches!(self, Verdict::Intact | Verdict::Inconclusive)
    }

    /// Returns whether the damage was *detected* (recovery refused it), was not, or there is none.
    #[must_use]
    pub fn detected(self) -> Option<bool> {
        match self {
            Verdict::Torn
            | Verdict::Empty
            | Verdict::Missing
            | Verdict::WontOpen
            | Verdict::Stuck
            | Verdict::FailedSave => Some(true),
            Verdict::SilentReset
            | Verdict::AcceptedGarbage
            | Verdict::FalseAck
            | Verdict::LostAck
            | Verdict::BrokenInvariant
            | Verdict::Residue => Some(false),
            Verdict::Intact | Verdict::Inconclusive => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Verdict {
    type Err = String;

    fn from_str(name: &str) -> Result<Verdict, String> {
        Verdict::ALL.into_iter().find(|v| v.name() == name).ok_or_else(|| format!("unknown verdict `{name}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_verdicts_are_listed_worst_first_and_named_as_they_are_stored() {
        assert!(Verdict::ALL.is_sorted());
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
            assert_eq!(verdict.name().parse::<Verdict>().unwrap(), verdict);
        }
    }

    #[test]
    fn only_violations_are_detected_or_undetected() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict.is_violation(), verdict.detected().is_some(), "{verdict}");
        }
    }
}
