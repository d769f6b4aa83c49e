//! What there is to put under test, as data: names, recipes, origins, and the ground truth beside each strategy.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ConsequencePhrase, Fault, Plan, Signal, Start, Verdict};

/// What a target's loader does with damage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loader {
    /// Refuses a missing or damaged file with an error.
    #[default]
    Strict,
    /// Catches every error and starts fresh: `except: return []`.
    Lenient,
}

impl Loader {
    /// Every loader.
    pub const ALL: [Loader; 2] = [Loader::Strict, Loader::Lenient];

    /// The name that reports, files and the command line use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Loader::Strict => "strict",
            Loader::Lenient => "lenient",
        }
    }
}

impl fmt::Display for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The ground truth for one target under one fault. Each verdict of `must` shows, and at least one of `one_of`; none outside these
/// and `may` does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// Verdicts that show in every long enough campaign.
    pub must: Vec<Verdict>,
    /// Verdicts of which at least one shows in every long enough campaign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_of: Vec<Verdict>,
    /// Verdicts that may show.
    pub may: Vec<Verdict>,
}

impl Expectation {
    /// Returns whether `verdict` is documented. Intact always is; inconclusive is never a statement about the target.
    #[must_use]
    pub fn allows(&self, verdict: Verdict) -> bool {
        !verdict.is_violation() || [&self.must, &self.one_of, &self.may].into_iter().any(|v| v.contains(&verdict))
    }
}

/// Who shares a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Concurrency {
    /// Nobody: one writer has it for itself.
    #[default]
    None,
    /// One writer, and readers beside it.
    Readers,
    /// Several writers, each a process.
    Writers,
    /// Several writers, threads of one process.
    Threads,
}

/// How the lives of a campaign are lived and ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Conditions {
    /// Who shares the state.
    #[serde(rename = "company")]
    pub concurrency: Concurrency,
    /// By which signal they are ended.
    pub signal: Signal,
}

/// The ground truth of one strategy with one loader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Documented {
    /// The loader that the entry is about.
    pub loader: Loader,
    /// The fault that the entry is about.
    pub fault: Fault,
    /// The start that the entry is about.
    #[serde(default = "restart")]
    pub start: Start,
    /// The lives that the entry is about: of one writer, ended by SIGKILL, where it does not say so.
    #[serde(default, rename = "lives")]
    pub conditions: Conditions,
    /// What shows.
    #[serde(flatten)]
    pub expectation: Expectation,
}

/// What a strategy persists, and what a workload can be persisted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// The whole state, with each save.
    Document,
    /// One operation after the other.
    Log,
    /// Several files, which belong together, of a workload of its own.
    System,
}

impl Shape {
    /// The name that listings and errors use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Shape::Document => "document",
            Shape::Log => "log",
            Shape::System => "system",
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A strategy: one way to persist state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyInfo {
    /// The command line's name.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// What it persists.
    pub shape: Shape,
    /// The calls of one save, in order.
    pub recipe: String,
    /// Where the pattern is found.
    pub origin: String,
    /// The ground truth.
    pub documented: Vec<Documented>,
    /// A canary: a target with a planted bug that the self-test must see caught. Not listed unless asked for.
    pub planted: bool,
}

impl StrategyInfo {
    /// Returns what is documented for `loader` under `fault`, for restarts or the first start, with one writer, ended by SIGKILL;
    /// `None` where nothing is.
    #[must_use]
    pub fn expectation(&self, loader: Loader, fault: Fault, start: Start) -> Option<&Expectation> {
        self.under_conditions(loader, fault, start, Conditions::default())
    }

    /// Returns whether it is documented to acknowledge what it has not written yet: a kill then loses acks, whatever the loader
    /// does.
    #[must_use]
    pub fn acks_early(&self) -> bool {
        let killed = self.under_conditions(Loader::Strict, Fault::Kill, Start::Again, Conditions::default());
        killed.is_some_and(|expectation| expectation.must.contains(&Verdict::LostAck))
    }

    /// Returns what is documented for `plan` under `fault`, for restarts or the first start; `None` where nothing is.
    #[must_use]
    pub fn expectation_of(&self, plan: &Plan, fault: Fault, start: Start) -> Option<&Expectation> {
        self.under_conditions(plan.target.loader, fault, start, plan.conditions(fault))
    }

    fn under_conditions(
        &self,
        loader: Loader,
        fault: Fault,
        start: Start,
        conditions: Conditions,
    ) -> Option<&Expectation> {
        let entry = |d: &&Documented| (d.loader, d.fault, d.start, d.conditions) == (loader, fault, start, conditions);
        self.documented.iter().find(entry).map(|d| &d.expectation)
    }
}

/// Returns what an entry that does not say so is about.
fn restart() -> Start {
    Start::Again
}

/// A workload: what state is persisted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkloadInfo {
    /// The command line's name.
    pub name: String,
    /// One line for people.
    pub summary: String,
    /// What it can be persisted as.
    pub shapes: Vec<Shape>,
    /// How its consequences are said, in the order in which they are shown.
    pub phrases: Vec<ConsequencePhrase>,
}
