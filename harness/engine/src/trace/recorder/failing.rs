//! Which call is made to fail, and how.

use crashtest_model::{Action, CallFailure, CallIndex, Lasting};
use crashtest_states::{fits, needs_room};

use crate::trace::orders::Orders;
use crate::trace::recorder::Recorder;

impl Recorder<'_> {
    /// How the call `index`, which is about to do `action`, is to fail; `None` where it is not.
    pub(super) fn failure(&mut self, index: CallIndex, action: &Action) -> Option<CallFailure> {
        let injection = self.orders.injection()?;
        if let Some((errno, lasting)) = self.full.filter(|_| needs_room(action)) {
            if lasting == Lasting::Once {
                self.full = None;
            }
            return Some(CallFailure::Errno(errno));
        }
        let is_now = self.failed.is_none() && self.comes_true(index, action);
        let is_full = matches!(injection.failure, CallFailure::Full { .. });
        let is_such = !injection.reading || matches!(action, Action::Read { .. });
        let again = injection.lasting == Lasting::FromThenOn && self.failed.is_some() && !is_full && is_such;
        if !(is_now || again) || !fits(action, injection.failure) {
            return None;
        }
        self.failed.get_or_insert(index);
        Some(injection.failure)
    }

    /// Whether the call `index`, which is about to do `action`, is the one that is to fail first.
    fn comes_true(&mut self, index: CallIndex, action: &Action) -> bool {
        match self.orders {
            Orders::Fail(injection) => index == injection.call,
            Orders::FailNth { kind, nth, .. } if action.word() == kind => {
                self.counted += 1;
                self.counted == nth + 1
            }
            _ => false,
        }
    }
}
