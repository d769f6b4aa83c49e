//! What is known of a fault as a whole, apart from its trials.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{Fault, Sensitivity, Start};

/// Something that is known of all trials of a fault together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The fault; `none` is the control.
    pub fault: Fault,
    /// From which kind of start on.
    pub start: Start,
    /// What is known.
    #[serde(flatten)]
    pub about: About,
}

/// What a note is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum About {
    /// What was recorded and swept, as far as one worker knows.
    #[serde(rename = "swept")]
    Coverage(Box<Coverage>),
    /// How the checker of a program takes planted damage.
    #[serde(rename = "tried")]
    Sensitivity(Sensitivity),
    /// What a save keeps of its file.
    Metadata(Metadata),
}

/// What is left of a file's mode, owner and links after a save. `None`: not tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The mode of a file that only its owner could read (0600) is still that.
    pub mode: Option<bool>,
    /// A file that belongs to somebody else still does (only root can try).
    pub owner: Option<bool>,
    /// A symbolic link to the file is still one, and the file behind it has the new content.
    pub symlink: Option<bool>,
    /// A hard link to the file still is the same file.
    pub hard_link: Option<bool>,
}

/// What is known of a sweep as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// Calls of the recorded run.
    pub calls: u64,
    /// Crash points of the recorded run, or ways in which its calls can fail, that are gone through: as many as come, unless somebody
    /// interrupts it.
    #[serde(default)]
    pub points: u64,
    /// Crash points of the lives after its crash states, as far as these were begun.
    #[serde(default)]
    pub points_again: u64,
    /// How far the recorded run was when crashtest ended it, as it does not end by itself: "after 3 s, 12 saves".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// Crash points of the recorded run that were left out, to stay within a bound.
    pub left_out: u64,
    /// Those of the lives after its crash states.
    #[serde(default)]
    pub left_out_again: u64,
    /// Distinct crash states that were swept again, in recovery and the first save after it. It is 0 in a note: the trials are
    /// counted.
    pub nested: u64,
    /// Kills at random moments of the recorded life, each of which left one of the derived states.
    #[serde(default)]
    pub random_kills: u64,
    /// How many different ones, at least.
    #[serde(default)]
    pub random_states: u64,
    /// Whether two runs made calls of different shapes: the states of other runs may be others.
    pub differs: bool,
    /// What differs between two runs, a phrase each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// Crash states of a first look: one of each place among the calls and each file.
    #[serde(default)]
    pub first_look: u64,
    /// Those of them that were looked at.
    #[serde(default)]
    pub first_looked: u64,
    /// Other orders in which the calls of the recorded run can have taken effect, as some overlap.
    #[serde(default)]
    pub interleavings: u64,
    /// Whether nothing could be derived: every crash point was reached by a real kill.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_real_kills: bool,
    /// Files that the recorded run has left other than its calls come to, and how: calls were missed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missed: Vec<String>,
    /// What of the state that lives were to begin on cannot be put back, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<String>,
    /// Real kills that left files which their own calls do not come to: what is derived is not what a kill leaves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disproved: Vec<String>,

    /// Calls that may change files and that crashtest has no model of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmodelled: Vec<String>,
    /// Files that are written through a shared mapping: the order of these writes is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped: Vec<String>,
    /// Those of them that are judged: what a kill leaves of them between two calls is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stored: Vec<String>,
    /// Files outside the state directory that were written.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outside: Vec<String>,
    /// What has to be said of how restarts were made, a sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
    /// Of a program without a checker: files that were excluded, and not judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
}

impl Coverage {
    /// Returns what two of one sweep know together. Each worker records the run for itself, and a target that is not the same every
    /// time may show it to one alone. A life after a crash state is one worker's.
    #[must_use]
    pub fn with(&self, other: Option<&Coverage>) -> Coverage {
        let Some(other) = other else { return self.clone() };
        let either = |ours: &[String], its: &[String]| -> Vec<String> {
            ours.iter().chain(its).cloned().collect::<BTreeSet<String>>().into_iter().collect()
        };
        Coverage {
            calls: self.calls.max(other.calls),
            points: self.points.max(other.points),
            points_again: self.points_again + other.points_again,
            cut: self.cut.clone().or_else(|| other.cut.clone()),
            left_out: self.left_out.max(other.left_out),
            left_out_again: self.left_out_again + other.left_out_again,
            nested: self.nested.max(other.nested),
            unmodelled: either(&self.unmodelled, &other.unmodelled),
            mapped: either(&self.mapped, &other.mapped),
            stored: either(&self.stored, &other.stored),
            outside: either(&self.outside, &other.outside),
            remarks: either(&self.remarks, &other.remarks),
            excluded: either(&self.excluded, &other.excluded),
            random_kills: self.random_kills + other.random_kills,
            random_states: self.random_states.max(other.random_states),
            differs: self.differs || other.differs,
            // Of several workers each has compared two runs of its own: what one of them saw is an example.
            differences: if self.differences.is_empty() { other.differences.clone() } else { self.differences.clone() },
            first_look: self.first_look + other.first_look,
            first_looked: self.first_looked + other.first_looked,
            interleavings: self.interleavings.max(other.interleavings),
            by_real_kills: self.by_real_kills || other.by_real_kills,
            missed: either(&self.missed, &other.missed),
            lost: either(&self.lost, &other.lost),
            disproved: either(&self.disproved, &other.disproved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_workers_know_of_the_recorded_run_is_the_same_and_of_the_lives_after_it_adds_up() {
        let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let of_run = Coverage { calls: 9, points: 7, left_out: 3, outside: words(&["/a"]), ..Coverage::default() };
        let one = Coverage { left_out_again: 2, points_again: 1, unmodelled: words(&["tee"]), ..of_run.clone() };
        let other =
            Coverage { left_out_again: 5, points_again: 4, differs: true, outside: words(&["/b"]), ..of_run.clone() };
        let both = Coverage {
            left_out_again: 7,
            points_again: 5,
            unmodelled: words(&["tee"]),
            outside: words(&["/a", "/b"]),
            differs: true,
            ..of_run
        };
        assert_eq!(one.with(Some(&other)), both);
        assert_eq!(other.with(Some(&one)), both);
        assert_eq!(one.with(None), one);
    }
}
