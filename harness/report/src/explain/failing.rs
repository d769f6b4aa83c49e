//! What would have prevented a failure that began with a call that failed.

use crashtest_model::{FailedCall, Verdict};

use super::remedy::REFUSE;

/// The remedy, as an instruction without its full stop; `None` where the call says nothing beyond the verdict.
pub(super) fn fix(call: FailedCall, verdict: Verdict) -> Option<&'static str> {
    match (call, verdict) {
        (FailedCall::Read, Verdict::SilentReset | Verdict::LostAck | Verdict::FalseAck) => Some(
            "tell errors apart when reading: only ENOENT means a first start; on any other one stop and say so, and write nothing",
        ),
        // Whether the file is replaced as a whole has nothing to do with it.
        (
            FailedCall::Append
            | FailedCall::SyncAppended
            | FailedCall::SyncDirectory
            | FailedCall::Name
            | FailedCall::Remove,
            Verdict::SilentReset,
        ) => Some(REFUSE),
        (
            FailedCall::Append
            | FailedCall::SyncAppended
            | FailedCall::SyncDirectory
            | FailedCall::Name
            | FailedCall::Remove,
            Verdict::Torn | Verdict::Empty | Verdict::Missing | Verdict::AcceptedGarbage,
        ) => Some(after(call)),
        (FailedCall::WriteAside, Verdict::Torn | Verdict::Empty | Verdict::AcceptedGarbage) => Some(ASIDE),
        (_, Verdict::FalseAck | Verdict::LostAck) => Some(after(call)),
        _ => None,
    }
}

const ASIDE: &str = "check what write returned and write the rest; where it fails, remove the temporary file, report the save as failed, \
     and never rename it over the good one";

/// What to do where the call fails, so that nothing is acknowledged that may be lost.
fn after(call: FailedCall) -> &'static str {
    match call {
        FailedCall::WriteAside => ASIDE,
        FailedCall::Append => {
            "check what write returned; where it is short or fails, cut the file back to its last whole record before anything else \
             is appended, and report the save as failed"
        }
        FailedCall::WriteInPlace => {
            "check what write returned and write the rest; where it fails, report the save as failed"
        }
        FailedCall::SyncAppended => {
            "acknowledge nothing after a failed fsync, and never fsync again in the hope of it: what was appended may be gone; append \
             to another file, or stop"
        }
        FailedCall::Sync => {
            "acknowledge nothing after a failed fsync, and never fsync again in the hope of it: the data may be gone; write it anew, to \
             another file"
        }
        FailedCall::SyncDirectory => {
            "acknowledge nothing after a failed fsync of the directory: the new name may be gone after a power cut; report the save \
             as failed"
        }
        FailedCall::Open => "check what open returned: where it fails, nothing is saved; report the save as failed",
        FailedCall::Name => {
            "check what rename, link and mkdir returned: where one fails, the file does not have its new name; report the save as failed"
        }
        FailedCall::Remove => {
            "check what unlink returned: where it fails, the old file is still there, and the next start finds it"
        }
        FailedCall::Close => "check what close returned: it may be the first to say that data was not written",
        FailedCall::Read => "check what read returned: what could not be read is not known to be there",
        FailedCall::Other => "check what the call returned, and report the save as failed where it fails",
    }
}
