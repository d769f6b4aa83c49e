//! The exit statuses, one sentence each, and which of them a campaign ends with.

use std::process::ExitCode;

use crashtest_engine::{Blame, End, Ended};
use crashtest_model::{Conformance, GridSummary, Plan, Start, vacuity};

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// No claim was broken, and the run proves something.
    Clean = 0,
    /// A claim is broken.
    Broken = 1,
    /// Bad input: nothing was lost.
    Usage = 2,
    /// The run proves nothing.
    Inconclusive = 3,
    /// The control failed: this says more about the set-up than about crashes.
    ControlFailed = 4,
    /// This machine lacks what the fault needs.
    Lacking = 5,
    /// A bug of crashtest.
    Bug = 70,
    /// Interrupted; a partial report was written.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

impl Exit {
    /// The exit of this number, where there is one.
    #[must_use]
    pub(crate) fn from_status(status: i32) -> Option<Exit> {
        use Exit::{Broken, Bug, Clean, ControlFailed, Inconclusive, Interrupted, Lacking, Usage};
        let all = [Clean, Broken, Usage, Inconclusive, ControlFailed, Lacking, Bug, Interrupted];
        all.into_iter().find(|exit| *exit as i32 == status)
    }

    /// The exit of a campaign: the first that applies of 70, 130, 2, 5, 4, 1, 3, 0.
    #[must_use]
    pub(crate) fn of_campaign(ended: &Ended, plan: &Plan) -> Exit {
        match &ended.end {
            End::Broken { blame: Blame::Us, .. } => return Exit::Bug,
            End::Interrupted => return Exit::Interrupted,
            End::Broken { blame: Blame::Input, .. } => return Exit::Usage,
            End::Broken { blame: Blame::Machine, .. } => return Exit::Lacking,
            End::ControlFailed => return Exit::ControlFailed,
            End::Finished | End::TimeUp | End::EnoughFailures => {}
        }
        let missing = plan.faults.iter().any(|fault| ended.rows.get(*fault, Start::Again).is_none());
        let vacuous = ended.rows.iter().any(|(fault, start, tally)| !vacuity(fault, start, tally).is_empty());
        match () {
            () if ended.rows.violations() > 0 => Exit::Broken,
            () if missing || vacuous => Exit::Inconclusive,
            () => Exit::Clean,
        }
    }

    /// The exit of a grid: the first that applies of 70, 130, 2, 5 (a cell ended so), 4, 1, 3, 0.
    ///
    /// A control that showed what is not documented is 4, a cell that is not as documented 1, one that proves nothing 3.
    #[must_use]
    pub(crate) fn of_grid(cells: &[Exit], summary: &GridSummary) -> Exit {
        let ended =
            [Exit::Bug, Exit::Interrupted, Exit::Usage, Exit::Lacking].into_iter().find(|exit| cells.contains(exit));
        ended.unwrap_or_else(|| match summary.cells.iter().map(|cell| cell.conformance).min() {
            Some(Conformance::ControlFailed) => Exit::ControlFailed,
            Some(Conformance::Differs) => Exit::Broken,
            Some(Conformance::AsDocumented) => Exit::Clean,
            Some(Conformance::Inconclusive | Conformance::Incomplete | Conformance::NotRun) | None => {
                Exit::Inconclusive
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use crashtest_model::{Aim, Fault, Outcome, Rows, Seed, Start, TrialRecord, Verdict};

    use super::*;
    use crate::args::{Cli, Command};
    use crate::registry::Known;

    fn plan(faults: &str) -> Plan {
        match Cli::parse_from(["crashtest", "run", "--strategy", "atomic", "--fault", faults]).command {
            Command::Run(args) => args.plan(&Known::default()).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_planned_fault_without_a_trial_is_inconclusive() {
        let mut rows = Rows::default();
        let trial = TrialRecord::planned(0, Fault::None, Start::Again, Seed(0), Aim::Save(0.0));
        rows.add(&TrialRecord { outcome: Outcome::Judged(Verdict::Intact), ..trial });
        let ended = Ended { end: End::Finished, rows, elapsed_s: 1.0 };
        assert_eq!(Exit::of_campaign(&ended, &plan("none")), Exit::Clean);
        for faults in ["kill", "sweep", "none,io"] {
            assert_eq!(Exit::of_campaign(&ended, &plan(faults)), Exit::Inconclusive, "{faults}");
        }
    }

    #[test]
    fn faults_are_planned_each_once_in_their_order() {
        assert_eq!(plan("io,kill,io,sweep").faults, [Fault::Kill, Fault::Sweep, Fault::Io]);
    }
}
