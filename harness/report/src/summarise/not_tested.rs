//! What a run leaves unsaid, as it did not inject it.

use crashtest_model::{Plan, Signal};

/// The statements about faults that a run did not inject, by the fault. No run of this version has the last two.
const NOT_TESTED: [(&str, &str); 4] = [
    ("sweep", "kills fell at random moments, not before, after and inside each single call"),
    ("io", "no call was made to fail: full disks, I/O errors and short writes"),
    ("power", "surviving SIGKILL says nothing about power loss, which also takes what was not synced"),
    ("disk", "no real file system was cut off from its disk and mounted again"),
];

/// The lines about what a run without any fault leaves unsaid.
pub(super) fn without_a_fault() -> Vec<String> {
    NOT_TESTED.iter().map(|(fault, words)| format!("{fault}: {words}")).collect()
}

/// The lines about what `plan` leaves unsaid.
pub(super) fn not_tested(plan: &Plan) -> Vec<String> {
    let stopped = plan.kills() && plan.signal == Signal::Term;
    let kill =
        stopped.then(|| "kill: lives were stopped by SIGTERM: nothing is known of those that are killed".to_owned());
    let not_injected = |(fault, _): &&(&str, &str)| !plan.faults.iter().any(|planned| planned.name() == *fault);
    let others = NOT_TESTED.iter().filter(not_injected).map(|(fault, words)| format!("{fault}: {words}"));
    kill.into_iter().chain(others).collect()
}
