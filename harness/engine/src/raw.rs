//! What the state file is like before recovery touches it: the second line of every report.

use crashtest_kit::Generations;
use crashtest_model::{Promise, RawFile, RawState};
use crashtest_states::Snapshot;

/// Classifies the state file of a crash state against the generations that it may hold.
pub(crate) fn of_crash_state(state: &Snapshot, generations: &mut dyn Generations, promise: Promise) -> RawFile {
    let name = generations.state_file();
    let without_content = |state| RawFile { state, length: None, tear_offset: None, whole_length: None };
    match state.file(&name) {
        Some(content) => generations.classify(content, promise),
        None if state.has(&name) => without_content(RawState::Other),
        None => without_content(RawState::Missing),
    }
}
