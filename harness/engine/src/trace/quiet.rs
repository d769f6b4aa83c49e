//! A recorded run that we have ended counts up to the last moment at which no save was under way: as if it had ended there.

use crashtest_model::{At, CallIndex, CrashPoint, Trace};
use crashtest_states::{Quiet, Snapshot, crash_states, quiet_moment, unexplained};

use crate::trace::recorder::Cut;

/// Cuts `trace` to that moment, and gives the files as they were then. The run began on the files `before`, and has left `left`. `None`
/// where these are not what its calls come to: then nothing is cut.
pub(crate) fn cut_to_quiet(trace: &mut Trace, before: &Snapshot, left: &Snapshot, cut: &Cut) -> Option<Snapshot> {
    if !unexplained(trace, before, left).is_empty() {
        return None;
    }
    let Quiet { calls, temporary } = quiet_moment(trace, before, &cut.pauses);
    trace.cut_to(calls);
    trace.unfinished = temporary;
    let end = CrashPoint { call: CallIndex(calls as u32), at: At::Before };
    crash_states(trace, before, &[end]).next().map(|(_, state)| state)
}
