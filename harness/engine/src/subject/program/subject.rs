//! A program of somebody's own as a subject: each life is a run of it, each restart a question to its checker or to its files.

use crashtest_kit::Generations;
use crashtest_model::{Fault, Generation, Observed, Promise, RawFile, Start, Trace};
use crashtest_states::{CrashState, Oracle, Snapshot};

use super::checker::Checker;
use super::runtime::Runtime;
use crate::error::EngineError;
use crate::judge::file_state;
use crate::subject::life::Script;
use crate::subject::{Beginning, Confirms, Pace, Recording, Restarts, SecondLives, Subject};
use crate::trace::orders::Orders;

/// How thoroughly a program is gone through: a real kill takes as long as a run of it.
pub(crate) const PACE: Pace = Pace {
    // What there is before the first start is what the set-up makes.
    starts: &[Start::Again],
    // It saves as often as it does.
    saves: u64::MAX,
    confirms: Confirms::Each { intact: 8, failing: 2, nested: 1 },
    second_lives: SecondLives::Some { fewest: 4, most: 64, calls: 2_000 },
    starts_on_damage: 2,
    looks_around_first: true,
    follows_scripts: false,
    repeats: false,
};

/// What is said of a start on an intact state that did not go well begins so.
pub(crate) const STARTED_AGAIN: &str = "on an intact state, started again: the program ";

/// What is wrong with a program that begins a save again which it has found done.
pub(crate) fn numbers_do_not_go_on(reused: Generation, found: Generation) -> EngineError {
    EngineError::Program(format!(
        "the program began save {reused} after save {found} was acknowledged and found: one that is started again goes on from what it \
         finds (or says `crashtest: begin {}` for a new one)",
        found.0 + 1
    ))
}

impl Restarts for Runtime {
    fn generations(&mut self) -> &mut dyn Generations {
        &mut self.files
    }

    fn restart(&mut self, state: &CrashState, promise: Promise) -> Result<Observed, EngineError> {
        Ok(self.ask(&state.snapshot)?.observed(promise, state.digest))
    }

    fn answers_by_promise(&self) -> bool {
        self.names_survivors()
    }

    fn restart_anew(&mut self, state: &Snapshot, promise: Promise) -> Result<Observed, EngineError> {
        Ok(self.ask_anew(state)?.observed(promise, state.digest()))
    }

    fn files_after(&mut self, state: &CrashState, promise: Promise) -> Result<Snapshot, EngineError> {
        self.restart_anew(&state.snapshot, promise)?;
        self.files_of_restart()
    }

    fn files_of_restart(&self) -> Result<Snapshot, EngineError> {
        // One and the same directory while it writes and while it is checked.
        self.files()
    }
}

impl Subject for Runtime {
    fn pace(&self) -> Pace {
        PACE
    }

    fn install(&mut self, script: Script) -> Result<Beginning, EngineError> {
        let files = match self.kept_from() {
            Some(files) => files.clone(),
            None => self.set_up()?,
        };
        Ok(self.beginning(files, script))
    }

    fn live(&mut self, beginning: &Beginning, orders: Orders) -> Result<Recording, EngineError> {
        if orders == Orders::Record
            && !self.reads.get()
            && let Some(kept) = self.take_kept(beginning)?
        {
            return Ok(kept);
        }
        self.record(beginning, orders)
    }

    fn files(&self) -> Result<Snapshot, EngineError> {
        self.place.dir.take()
    }

    fn learn_from_whole(&mut self, before: &Snapshot, left: &Snapshot) -> Result<(), EngineError> {
        self.try_checker(before, left).map(drop)
    }

    fn learn_for_replay(&mut self, fault: Fault) -> Result<(), EngineError> {
        let installed = self.set_up()?;
        self.learn(&installed, fault)
    }

    fn check_promises(&self, trace: &Trace) -> Result<(), EngineError> {
        let saves = trace.end.promise.begun;
        let never = trace.operations.iter().all(|operation| operation.after.promise.begun == Generation::ZERO);
        if saves > Generation::ZERO && !trace.operations.is_empty() && never {
            return Err(EngineError::Program(
                "all that the program printed of its saves came after its last file-changing call: let it flush each line"
                    .into(),
            ));
        }
        Ok(())
    }

    fn did_not_start(&self, whole: &Trace, recording: &Recording) -> Option<String> {
        let silent = whole.end.opened && !recording.trace.end.opened;
        let silence = || "did not print “crashtest: ready”".to_owned();
        let how = recording.complaint.clone().or_else(|| silent.then(silence))?;
        Some(format!("{STARTED_AGAIN}{how}"))
    }

    fn check_numbers(&self, recording: &Recording, observed: &Observed) -> Result<(), EngineError> {
        match (observed, recording.reused) {
            (Observed::State { generation: Some(found), .. }, Some(reused)) if !self.names_survivors() => {
                Err(numbers_do_not_go_on(reused, *found))
            }
            _ => Ok(()),
        }
    }

    fn also_reads(&mut self, reads: bool) {
        self.reads.set(reads);
    }

    fn lost(&self) -> Option<String> {
        self.place.dir.lost()
    }

    fn remarks(&self) -> Vec<String> {
        self.checker.as_ref().and_then(Checker::remark).into_iter().collect()
    }

    fn counts(&self, path: &str) -> bool {
        Runtime::counts(self, path)
    }

    fn overlooks(&self, path: &str) -> bool {
        Runtime::overlooks(self, path)
    }

    fn oracle(&self, trace: &Trace, before: &Snapshot) -> Option<Oracle> {
        self.files.oracle(trace, before).filter(|_| self.program.check.is_none())
    }

    fn stored_file_state(&mut self, recorded: Option<&RawFile>, state: &Snapshot, promise: Promise) -> RawFile {
        recorded.cloned().unwrap_or_else(|| file_state::of_crash_state(state, &mut self.files, promise))
    }
}
