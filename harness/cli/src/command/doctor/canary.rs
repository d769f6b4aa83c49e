//! The canaries: planted bugs, what must be seen of each, and how few trials show it.

use std::collections::BTreeSet;
use std::path::Path;

use crashtest_kit::Registry;
use crashtest_model::{
    Budget, Bytes, Confirm, Fault, HarnessBug, KillAt, Loader, Plan, Seed, Signal, Start, StrategyInfo, TargetSpec,
    Tears, Verdict,
};

use super::pace::Pace;
use crate::campaign::FinishedCampaign;
use crate::exit::Exit;

/// Every attempt to catch a canary does more than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Ends at the first failure.
    First,
    /// Ends at the eighth: the first of them may be another damage than the one that must show.
    Again,
    /// Does all that there is.
    Last,
}

impl Attempt {
    pub(super) const ALL: [Attempt; 3] = [Attempt::First, Attempt::Again, Attempt::Last];

    fn max_failures(self) -> Option<u64> {
        match self {
            Attempt::First => Some(1),
            Attempt::Again => Some(8),
            Attempt::Last => None,
        }
    }

    /// Trials of a run that must be inconclusive: a worker dies in the sixth, and more than one in a hundred are to be lost.
    fn trials(self) -> u64 {
        match self {
            Attempt::First => 6,
            Attempt::Again => 20,
            Attempt::Last => 40,
        }
    }

    /// Crash points of a sweep that must be inconclusive.
    fn max_states(self) -> Option<u64> {
        match self {
            Attempt::First => Some(4),
            Attempt::Again => Some(64),
            Attempt::Last => None,
        }
    }
}

/// A planted bug and what must be seen of it.
pub(super) struct Canary {
    pub name: String,
    pub summary: String,
    pub fault: Fault,
    strategy: String,
    bug: Option<HarnessBug>,
    signal: Signal,
    expected: Vec<Verdict>,
    exit: Exit,
}

impl Canary {
    /// Every canary: the planted strategies that are known, and the bugs of the harness itself.
    pub(super) fn all(known: &dyn Registry) -> Vec<Canary> {
        let mut canaries: Vec<Canary> =
            known.strategies().into_iter().filter(|info| info.planted).map(Canary::strategy).collect();
        let in_the_harness = [
            ("no-kill", "a worker that never sends the kill", HarnessBug::NoKill, Fault::Kill),
            ("worker-dies", "a worker that dies", HarnessBug::WorkerDies, Fault::Kill),
            ("misderives", "a sweep that derives other files than a kill leaves", HarnessBug::Misderives, Fault::Sweep),
        ];
        canaries.extend(in_the_harness.map(|(name, summary, bug, fault)| Canary::harness(name, summary, bug, fault)));
        canaries
    }

    /// The canary that a planted strategy is, with what it is documented to show.
    fn strategy(info: StrategyInfo) -> Canary {
        let expected = |fault| info.expectation(Loader::Strict, fault, Start::Again).map(|e| e.must.clone());
        let stopped = info.documented.iter().find(|row| row.conditions.signal == Signal::Term);
        let by_sigterm = stopped.map(|row| row.expectation.must.clone());
        let signal = if stopped.is_some() { Signal::Term } else { Signal::Kill };
        let (fault, exit, expected) = match (expected(Fault::None), expected(Fault::Kill), expected(Fault::Io)) {
            (Some(control), ..) => (Fault::Kill, Exit::ControlFailed, control),
            (None, Some(kill), _) if kill == [Verdict::Inconclusive] => (Fault::Kill, Exit::Inconclusive, kill),
            (None, Some(kill), _) => (Fault::Kill, Exit::Broken, kill),
            (None, None, _) if by_sigterm.is_some() => (Fault::Kill, Exit::Broken, by_sigterm.unwrap_or_default()),
            (None, None, io) => (Fault::Io, Exit::Broken, io.unwrap_or_default()),
        };
        let strategy = info.name.clone();
        Canary { name: info.name, summary: info.summary, strategy, bug: None, fault, signal, expected, exit }
    }

    fn harness(name: &str, summary: &str, bug: HarnessBug, fault: Fault) -> Canary {
        Canary {
            name: name.to_owned(),
            summary: summary.to_owned(),
            strategy: "atomic".to_owned(),
            bug: Some(bug),
            fault,
            signal: Signal::Kill,
            expected: vec![Verdict::Inconclusive],
            exit: Exit::Inconclusive,
        }
    }

    /// Whether it is caught by something that hangs until the limit ends it, and every trial takes as long. A victim that waits in a gap
    /// for a kill that is never sent does so as well.
    fn hangs(&self) -> bool {
        let waits = self.expected.iter().any(|verdict| matches!(verdict, Verdict::Stuck | Verdict::WontOpen));
        waits || self.bug == Some(HarnessBug::NoKill)
    }

    /// How `attempt` to catch it is made in `dir`, on a machine of this pace.
    pub(super) fn plan(&self, dir: &Path, attempt: Attempt, pace: Pace) -> Plan {
        let inconclusive = self.exit == Exit::Inconclusive;
        let iterations = match (inconclusive, self.signal) {
            (true, _) => attempt.trials(),
            (false, Signal::Kill) => 100,
            (false, Signal::Term | Signal::Abort) => 20,
        };
        Plan {
            target: TargetSpec {
                strategy: self.strategy.clone(),
                workload: "fills".to_owned(),
                loader: Loader::Strict,
                state_size: Bytes::kib(32),
                idle_us: 0,
                writers: 1,
                threads: false,
                readers: 0,
            },
            faults: vec![self.fault],
            kill_at: KillAt::Any,
            signal: self.signal,
            tears: Tears::Kernel,
            confirm: Confirm::Sample,
            max_states: if inconclusive { attempt.max_states() } else { None },
            seed: Seed(1),
            budget: Budget {
                iterations: Some(iterations),
                duration_ms: None,
                max_ms: None,
                max_failures: if inconclusive { None } else { attempt.max_failures() },
                jobs: 1,
            },
            fresh: false,
            limit_ms: if self.hangs() { pace.tight_ms() } else { pace.generous_ms() },
            sandbox_parent: dir.to_owned(),
            planted: self.bug,
            program: None,
        }
    }

    /// Whether what must be seen of it was seen, and the run ended as it must.
    pub(super) fn is_caught(&self, finished: &FinishedCampaign) -> bool {
        let seen = seen(finished);
        self.expected.iter().any(|verdict| seen.contains(verdict)) && finished.exit == self.exit
    }
}

/// Everything but what is right that a run has shown, in words.
pub(super) fn seen_words(finished: &FinishedCampaign) -> String {
    let names: Vec<&str> = seen(finished).into_iter().map(Verdict::name).collect();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

fn seen(finished: &FinishedCampaign) -> BTreeSet<Verdict> {
    let rows = finished.recorded.rows.iter();
    let verdicts = rows.flat_map(|(.., tally)| tally.verdicts.keys().copied().collect::<Vec<_>>());
    verdicts.filter(|verdict| *verdict != Verdict::Intact).collect()
}

#[cfg(test)]
mod tests {
    use super::super::pace::tests::{BESIDE_LOAD, QUIET};
    use super::*;
    use crate::registry::Known;

    fn plan(name: &str, attempt: Attempt, pace: Pace) -> Plan {
        let canaries = Canary::all(&Known::default());
        canaries.iter().find(|canary| canary.name == name).unwrap().plan(Path::new("/nowhere"), attempt, pace)
    }

    #[test]
    fn each_canary_is_caught_by_its_verdict_and_the_exit_of_its_run() {
        let canaries = Canary::all(&Known::default());
        let caught_by: Vec<(&str, &[Verdict], Exit)> =
            canaries.iter().map(|canary| (canary.name.as_str(), &canary.expected[..], canary.exit)).collect();
        let mut documented: Vec<(&str, &[Verdict], Exit)> = vec![
            ("planted-rename-first", &[Verdict::Torn, Verdict::Empty], Exit::Broken),
            ("planted-unlink-first", &[Verdict::Missing], Exit::Broken),
            ("planted-ack-first", &[Verdict::LostAck], Exit::Broken),
            ("planted-skip", &[Verdict::LostAck], Exit::ControlFailed),
            ("planted-leak", &[Verdict::Residue], Exit::ControlFailed),
            ("planted-exit", &[Verdict::Inconclusive], Exit::Inconclusive),
            ("planted-fail", &[Verdict::FailedSave], Exit::ControlFailed),
            ("planted-stall", &[Verdict::Stuck], Exit::ControlFailed),
            ("planted-swallow", &[Verdict::SilentReset], Exit::Broken),
            ("planted-invent", &[Verdict::AcceptedGarbage], Exit::Broken),
            ("planted-hang", &[Verdict::WontOpen], Exit::Broken),
            ("planted-panic", &[Verdict::WontOpen], Exit::Broken),
            ("planted-undecided", &[Verdict::Torn], Exit::Broken),
            ("planted-short-write", &[Verdict::FalseAck], Exit::Broken),
            ("planted-fsync-ignored", &[Verdict::FalseAck], Exit::Broken),
            ("planted-fsync-retried", &[Verdict::FalseAck], Exit::Broken),
            ("planted-truncated", &[Verdict::Torn], Exit::Broken),
            ("planted-deaf", &[Verdict::Stuck], Exit::Broken),
            ("no-kill", &[Verdict::Inconclusive], Exit::Inconclusive),
            ("worker-dies", &[Verdict::Inconclusive], Exit::Inconclusive),
            ("misderives", &[Verdict::Inconclusive], Exit::Inconclusive),
        ];
        documented.sort_by_key(|(name, ..)| caught_by.iter().position(|(known, ..)| known == name));
        assert_eq!(caught_by, documented);
    }

    #[test]
    fn every_attempt_does_more_than_the_one_before() {
        let budgets = |name| {
            Attempt::ALL.map(|attempt| {
                let plan = plan(name, attempt, QUIET);
                (plan.budget.max_failures, plan.budget.iterations.unwrap(), plan.max_states)
            })
        };
        assert_eq!(budgets("planted-panic"), [(Some(1), 100, None), (Some(8), 100, None), (None, 100, None)]);
        assert_eq!(budgets("worker-dies"), [(None, 6, Some(4)), (None, 20, Some(64)), (None, 40, None)]);
    }

    #[test]
    fn only_the_limit_that_is_waited_for_is_tight() {
        let limits = |name| [QUIET, BESIDE_LOAD].map(|pace| plan(name, Attempt::First, pace).limit_ms);
        for name in ["planted-stall", "planted-deaf", "planted-hang", "no-kill"] {
            assert_eq!(limits(name), [200, 1_700], "{name}");
        }
        assert_eq!(limits("planted-short-write"), [10_000, 34_000]);
    }
}
