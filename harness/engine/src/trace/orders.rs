//! What is done to a life while it is recorded.

use crashtest_model::{CrashPoint, Injection, Trace};

/// What is done besides recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Orders {
    /// Nothing.
    Record,
    /// Nothing, and nothing is learnt from it: it begins on damaged files.
    Watch,
    /// Everything is killed there.
    Kill(CrashPoint),
    /// Everything is killed so long after its first call, in ms, whatever it does then.
    KillAfter(u64),
    /// A call fails: the one at this place.
    Fail(Injection),
    /// A call fails: of those of its kind the one that comes at this place. Other runs may make other calls in between.
    FailNth {
        /// How it fails.
        injection: Injection,
        /// Its kind: the word for what it does.
        kind: &'static str,
        /// How many of its kind come before it.
        nth: u32,
    },
}

impl Orders {
    /// The order that `injection`, which is about a call of `trace`, comes true in another run, whatever calls of other kinds that makes.
    pub(crate) fn fail_in(trace: &Trace, injection: Injection) -> Orders {
        let at = injection.call.0 as usize;
        let Some(operation) = trace.operations.get(at) else { return Orders::Fail(injection) };
        let kind = operation.action.word();
        let nth = trace.operations[..at].iter().filter(|before| before.action.word() == kind && !before.is_store());
        let nth = nth.count() as u32;
        Orders::FailNth { injection, kind, nth }
    }

    /// How a call is to fail, if one is.
    pub(crate) fn injection(self) -> Option<Injection> {
        match self {
            Orders::Fail(injection) | Orders::FailNth { injection, .. } => Some(injection),
            Orders::Record | Orders::Watch | Orders::Kill(_) | Orders::KillAfter(_) => None,
        }
    }
}
