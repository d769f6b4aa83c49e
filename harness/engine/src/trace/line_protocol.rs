//! What a program says of its saves on its output: `crashtest: ready`, `crashtest: begin N`, `crashtest: ack N`.
//!
//! It is taken before each file-changing call, so that a promise lies between the calls before and after it, as on a board. What several
//! processes print into one pipe is told apart by lines only: one that two of them have begun is as it would be on a terminal.

use std::collections::{BTreeSet, HashMap};

use crashtest_model::{Activity, Gaps, Generation, Progress, Promise};

use crate::error::EngineError;
use crate::output::{Lines, Listener};

/// What stands before everything that is meant for us.
pub(crate) const PREFIX: &str = "crashtest: ";
/// A line that is longer is none of ours.
const LONGEST_LINE: usize = 4096;
/// The process that has printed what anybody may have printed.
const ANYBODY: i32 = 0;

/// The promises of a program, as it prints them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Printed {
    progress: Progress,
    /// What is promised from when it is ready.
    ready: Promise,
    /// The first line that begins as one for us and is none, and what is wrong with it.
    nonsense: Option<String>,
    /// The last line about a save.
    of_a_save: Option<String>,
    /// The saves that it has acknowledged, and the least that it has begun.
    acked: BTreeSet<u64>,
    least: Option<u64>,
    /// The first save that it has begun though it had found it done.
    reused: Option<Generation>,
    /// By process, where that is known: the line that it has begun.
    partial: HashMap<i32, Lines<LONGEST_LINE>>,
}

impl Printed {
    /// What is promised before a program prints anything, and from when it is ready.
    pub(crate) fn after(before: Promise, ready: Promise) -> Printed {
        let progress = Progress { promise: before, ..Progress::default() };
        Printed { progress, ready, ..Printed::default() }
    }

    /// What a program has printed that is so far.
    pub(crate) fn so_far(progress: Progress) -> Printed {
        Printed { progress, ..Printed::default() }
    }

    /// How far the program is.
    pub(crate) fn progress(&self) -> Progress {
        self.progress
    }

    /// How many saves it has acknowledged.
    pub(crate) fn saves(&self) -> u64 {
        self.acked.len() as u64
    }

    /// The first save that it has begun though it was there when it started, if there is one.
    pub(crate) fn reused(&self) -> Option<Generation> {
        self.reused
    }

    /// The least number of a save that it has begun.
    pub(crate) fn least_begun(&self) -> Option<Generation> {
        self.least.map(Generation)
    }

    /// What is wrong with what it has printed, if something is: "“…” is none of …".
    pub(crate) fn nonsense(&self) -> Option<&str> {
        self.nonsense.as_deref()
    }

    /// The same as an error: what is promised is then not known.
    pub(crate) fn make_sense(&self) -> Result<(), EngineError> {
        match self.nonsense() {
            Some(nonsense) => Err(EngineError::Program(format!("of what the program printed, {nonsense}"))),
            None => Ok(()),
        }
    }

    /// Takes what `process` has printed.
    pub(crate) fn hear(&mut self, process: i32, bytes: &[u8]) {
        let mut lines = self.partial.remove(&process).unwrap_or_default();
        lines.hear(bytes, |line| {
            // Most of what is printed is not for us.
            if line.starts_with(PREFIX.as_bytes())
                && let Ok(line) = str::from_utf8(line)
            {
                self.line(line);
            }
        });
        self.partial.insert(process, lines);
    }

    fn line(&mut self, line: &str) {
        let Some(said) = line.trim_end().strip_prefix(PREFIX) else { return };
        let Progress { activity, opened, promise } = &mut self.progress;
        let number = |text: &str| text.parse().ok().map(Generation);
        match said.split_once(' ') {
            None if said == "ready" && self.of_a_save.is_some() => {
                let save = self.of_a_save.as_deref().unwrap_or_default();
                self.nonsense.get_or_insert_with(|| {
                    format!(
                        "“{line}” comes after “{save}”: it is printed once, before the first save",
                        line = line.trim_end()
                    )
                });
            }
            None if said == "ready" => {
                (*activity, *opened, *promise) = (Some(Activity::Idle), true, self.ready);
            }
            Some(("begin", n)) if let Some(n) = number(n) => {
                self.of_a_save = Some(line.trim_end().to_owned());
                *activity = Some(Activity::Save);
                // The last one made again is what a program does that has only one.
                if n < self.ready.acked {
                    self.reused.get_or_insert(n);
                }
                self.least = Some(self.least.map_or(n.0, |least| least.min(n.0)));
                promise.begun = promise.begun.max(n);
            }
            Some(("ack", n)) if let Some(n) = number(n) => {
                self.of_a_save = Some(line.trim_end().to_owned());
                if promise.begun < n {
                    self.nonsense
                        .get_or_insert_with(|| format!("“{line}” comes without “crashtest: begin {n}” before it"));
                }
                *activity = Some(Activity::Idle);
                self.acked.insert(n.0);
                let acked = promise.acked.max(n);
                let gaps = gaps(&self.acked, self.least, acked, self.ready);
                *promise = Promise { acked, begun: promise.begun.max(n), installed: true, gaps };
            }
            _ => {
                let why = || format!("“{line}” is none of: crashtest: ready, crashtest: begin N, crashtest: ack N");
                self.nonsense.get_or_insert_with(why);
            }
        }
    }
}

/// Which saves up to `acked` are not acknowledged, of a program that has acknowledged these in this run and began under `ready`.
fn gaps(these: &BTreeSet<u64>, least: Option<u64>, acked: Generation, ready: Promise) -> Gaps {
    let none_to = match ready.acked {
        Generation::ZERO => least.map_or(0, |least| least.saturating_sub(1)),
        _ => ready.gaps.none_to,
    };
    let is_open = |n: u64| !these.contains(&n) && !ready.requires(Generation(n));
    let bits = (0..64).filter(|bit| acked.0.checked_sub(1 + bit).is_some_and(|n| n > none_to && is_open(n)));
    let unacked = bits.fold(0, |mask, bit| mask | 1 << bit);
    // In the order of their numbers nothing is open.
    if unacked == 0 && none_to == 0 { Gaps::NONE } else { Gaps { unacked, none_to } }
}

/// Who has printed what into a pipe is not known.
impl Listener for Printed {
    fn hear(&mut self, bytes: &[u8]) {
        self.hear(ANYBODY, bytes);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn heard(parts: &[&[u8]]) -> Progress {
        let mut printed = Printed::default();
        parts.iter().for_each(|part| printed.hear(1, part));
        printed.progress()
    }

    #[test]
    fn promises_are_what_whole_lines_say() {
        let all =
            b"log line\ncrashtest: ready\ncrashtest: begin 1\ncrashtest: ack 1\r\ncrashtest: begin 2\ncrashtest: ack 2";
        let progress = heard(&[all]);
        assert_eq!((progress.promise.acked, progress.promise.begun), (Generation(1), Generation(2)));
        assert_eq!((progress.activity, progress.opened), (Some(Activity::Save), true));
    }

    #[test]
    fn nonsense_promises_nothing() {
        for nonsense in
            ["crashtest: ack", "crashtest: ack -1", "crashtest: ack 1 2", " crashtest: ack 1", "crashtest:ack 1"]
        {
            assert_eq!(heard(&[nonsense.as_bytes(), b"\n"]), Progress::default(), "{nonsense}");
        }
        assert_eq!(heard(&[b"crashtest: ack \xff1\n"]), Progress::default());
    }

    #[test]
    fn saves_may_be_acknowledged_in_another_order_and_each_is_promised_by_itself() {
        let begun = "crashtest: begin 1\ncrashtest: begin 2\ncrashtest: begin 3\n";
        let promise = heard(&[begun.as_bytes(), b"crashtest: ack 3\ncrashtest: ack 1\n"]).promise;
        let required = |promise: Promise| (1..=4).map(|n| promise.requires(Generation(n))).collect::<Vec<_>>();
        assert_eq!((promise.acked, required(promise)), (Generation(3), vec![true, false, true, false]));
        let all = heard(&[begun.as_bytes(), b"crashtest: ack 3\ncrashtest: ack 1\ncrashtest: ack 2\n"]).promise;
        assert_eq!((all.gaps, required(all)), (Gaps::NONE, vec![true, true, true, false]));
        let skipped =
            heard(&[b"crashtest: begin 10\ncrashtest: ack 10\ncrashtest: begin 20\ncrashtest: ack 20\n"]).promise;
        assert!(skipped.requires(Generation(10)) && skipped.requires(Generation(20)));
        assert!(![1, 9, 11, 19].iter().any(|n| skipped.requires(Generation(*n))), "{skipped:?}");
    }

    #[test]
    fn a_number_that_was_found_done_is_noticed_when_it_is_begun_again() {
        let found = Promise { acked: Generation(2), begun: Generation(2), installed: true, gaps: Gaps::NONE };
        let mut printed = Printed::after(found, found);
        printed.hear(1, b"crashtest: ready\ncrashtest: begin 3\n");
        assert_eq!(printed.reused(), None);
        printed.hear(1, b"crashtest: begin 2\n");
        assert_eq!(printed.reused(), None, "the last one may be made again");
        printed.hear(1, b"crashtest: begin 1\n");
        assert_eq!(printed.reused(), Some(Generation(1)));
    }

    #[test]
    fn two_processes_do_not_finish_each_other_s_lines() {
        let mut printed = Printed::default();
        printed.hear(1, b"crashtest: ack 1");
        printed.hear(2, b"0\n");
        assert_eq!(printed.progress().promise.acked, Generation(0));
        printed.hear(1, b"\n");
        assert_eq!(printed.progress().promise.acked, Generation(1));
    }

    #[test]
    fn ready_after_a_save_is_nonsense_and_takes_no_promise_back() {
        for save in ["crashtest: begin 6", "crashtest: ack 6"] {
            let mut printed = Printed::default();
            printed.hear(1, format!("crashtest: begin 6\n{save}\ncrashtest: ready\n").as_bytes());
            assert_eq!(printed.progress().promise.begun, Generation(6));
            let nonsense = printed.nonsense.as_deref().unwrap();
            assert!(nonsense.contains(&format!("“crashtest: ready” comes after “{save}”")), "{nonsense}");
        }
        let mut printed = Printed::default();
        printed.hear(1, b"crashtest: ready\ncrashtest: ready\ncrashtest: begin 1\n");
        assert_eq!(printed.nonsense.as_deref(), None, "twice before the first save is once too often and does no harm");
    }

    proptest! {
        #[test]
        fn in_which_pieces_it_is_printed_does_not_matter(cuts in prop::collection::vec(0usize..60, 0..6)) {
            let all = b"crashtest: ready\ncrashtest: begin 7\nx\ncrashtest: ack 7\n";
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(all.len())).chain([0, all.len()]).collect();
            cuts.sort_unstable();
            let parts: Vec<&[u8]> = cuts.windows(2).map(|pair| &all[pair[0]..pair[1]]).collect();
            prop_assert_eq!(heard(&parts), heard(&[all]));
        }
    }
}
