//! When a program is ended that does not end by itself: the options, and what holds where nobody names one.

use std::time::Duration;

use clap::Args;
use crashtest_model::Until;

use crate::values;

/// How long a program is recorded that goes on for ever, where nobody says so.
const USUAL: Duration = Duration::from_millis(Until::USUAL_MS);

/// When a program is ended that does not end by itself.
#[derive(Clone, Copy, Debug, Default, Args)]
pub(crate) struct UntilOptions {
    /// End the program so long after its first file-changing call, where it goes on for ever. That end is a crash like any other, and what
    /// it had not finished does not count [default: 10s; with --saves, or for an audit on a terminal, where Ctrl-C ends it, none]
    #[arg(id = "for", long = "for", value_name = "TIME", value_parser = values::positive_duration)]
    pub after: Option<Duration>,
    /// The same once it has made so many saves: those that it acknowledges, or else whatever it has written and then synced, closed or
    /// renamed
    #[arg(long, value_name = "N", value_parser = values::count)]
    pub saves: Option<u64>,
}

impl UntilOptions {
    /// When it is ended; `asked_to` says whether somebody is there to end it.
    pub(crate) fn until(self, asked_to: bool) -> Until {
        let usual = (self.saves.is_none() && !asked_to).then_some(USUAL);
        Until { after_ms: self.after.or(usual).map(values::millis), saves: self.saves }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_where_nobody_sees_it() {
        let after = |options: UntilOptions, asked_to| options.until(asked_to).after_ms;
        assert_eq!(after(UntilOptions::default(), false), Some(10_000));
        assert_eq!(after(UntilOptions::default(), true), None, "Ctrl-C ends it");
        assert_eq!(after(UntilOptions { saves: Some(3), after: None }, false), None);
        let both = UntilOptions { saves: Some(3), after: Some(Duration::from_secs(5)) };
        assert_eq!(both.until(true), Until { after_ms: Some(5000), saves: Some(3) });
    }
}
