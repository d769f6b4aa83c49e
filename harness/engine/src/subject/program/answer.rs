//! What a checker says of a crash state, in lines that begin with `crashtest: `, and what that means under a promise.

use std::collections::{BTreeSet, VecDeque};

use crashtest_model::{Damage, Digest, Generation, Observed, Promise};

use crate::output::{Lines, Listener};
use crate::trace::line_protocol::PREFIX;

/// The longest answer, in bytes: of a longer one this much is taken.
const LONGEST: usize = 64 * 1024;

/// What a start on a crash state came to, whatever had been promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It opened; with which state nobody said.
    Opened,
    /// It opened with the state after this operation.
    State(Generation),
    /// It opened as new and empty.
    Fresh,
    /// It opened with a content that, as it says itself, no operation made.
    Garbage(String),
    /// It opened, and the effects of these operations are there.
    Has(BTreeSet<Generation>),
    /// It noticed damage and said so.
    Refused(String),
    /// Nobody was asked, and a file is not as any save leaves it.
    Damaged {
        /// Which.
        path: String,
        damage: Damage,
        why: String,
    },
    /// Nobody can tell, and why.
    Unclear(String),
    /// It ended in another way.
    Broke(String),
    /// It did not come back within the limit, in ms.
    Hung(u64),
}

/// A line that begins as one of ours does and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Nonsense(pub(crate) String);

/// A line for us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// An answer, or one of several.
    Answer(Answer),
    /// That there are no more of them for this state.
    Done,
}

/// What one line says; `None` for one that is not for us.
pub(crate) fn of_line(line: &str) -> Result<Option<Said>, Nonsense> {
    let Some(said) = line.trim_end().strip_prefix(PREFIX) else { return Ok(None) };
    let (word, rest) = said.split_once(' ').unwrap_or((said, ""));
    let number = || rest.trim().parse().map(Generation).map_err(|_| Nonsense(line.to_owned()));
    Ok(Some(Said::Answer(match word {
        "done" if rest.is_empty() => return Ok(Some(Said::Done)),
        "ok" => Answer::Opened,
        "state" => Answer::State(number()?),
        "fresh" => Answer::Fresh,
        "garbage" => Answer::Garbage(rest.to_owned()),
        "has" => Answer::Has(BTreeSet::from([number()?])),
        "refused" => Answer::Refused(rest.to_owned()),
        _ => return Err(Nonsense(line.to_owned())),
    })))
}

/// What one line says, as it was printed; most are not for us.
fn of_bytes(line: &[u8]) -> Result<Option<Said>, Nonsense> {
    if line.starts_with(PREFIX.as_bytes()) { of_line(&String::from_utf8_lossy(line)) } else { Ok(None) }
}

/// What all lines say together: the last word counts, and what survives is added up.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastWord {
    lines: Lines<LONGEST>,
    said: Option<Answer>,
    nonsense: Option<Nonsense>,
}

impl LastWord {
    /// What it was, once nothing more is said. A last line need not have an end.
    pub(crate) fn end(mut self) -> Result<Option<Answer>, Nonsense> {
        let begun = of_bytes(self.lines.begun());
        self.add(begun);
        self.nonsense.map_or(Ok(self.said), Err)
    }

    /// Whether whole lines have said what there is to say: of what survives there may be more.
    pub(crate) fn is_answer(&self) -> bool {
        let is_one = self.said.as_ref().is_some_and(|said| !matches!(said, Answer::Has(_)));
        is_one && self.nonsense.is_none() && self.lines.begun().is_empty()
    }

    fn add(&mut self, line: Result<Option<Said>, Nonsense>) {
        match line {
            Ok(None) => {}
            // Nothing that survives is an answer as well.
            Ok(Some(Said::Done)) => drop(self.said.get_or_insert_with(|| Answer::Has(BTreeSet::new()))),
            Ok(Some(Said::Answer(now))) => together(&mut self.said, now),
            Err(nonsense) => drop(self.nonsense.get_or_insert(nonsense)),
        }
    }
}

/// Adds an answer to those before: what survives is added up, of others the last word counts.
fn together(said: &mut Option<Answer>, now: Answer) {
    match (said, now) {
        (Some(Answer::Has(some)), Answer::Has(more)) => some.extend(more),
        (said, now) => *said = Some(now),
    }
}

impl Listener for LastWord {
    fn hear(&mut self, bytes: &[u8]) {
        let mut lines = std::mem::take(&mut self.lines);
        lines.hear(bytes, |line| self.add(of_bytes(line)));
        self.lines = lines;
    }
}

/// One answer after the other.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    lines: Lines<LONGEST>,
    /// Those that nobody has taken yet.
    pub(crate) untaken: VecDeque<Result<Said, Nonsense>>,
}

impl Answers {
    /// Takes the answer about one state; `None` where there is none yet. Of what survives there are several lines: they are one answer
    /// once the last of them has come, which a line says, or the `end` of all.
    pub(crate) fn take(&mut self, end: bool) -> Option<Result<Answer, Nonsense>> {
        let is_one = |said: &Result<Said, Nonsense>| !matches!(said, Ok(Said::Answer(Answer::Has(_))));
        let last = match self.untaken.iter().position(is_one) {
            Some(last) => last,
            None if end && !self.untaken.is_empty() => self.untaken.len() - 1,
            None => return None,
        };
        let mut answer = None;
        for said in self.untaken.drain(..=last) {
            match said {
                Err(nonsense) => return Some(Err(nonsense)),
                Ok(Said::Done) => drop(answer.get_or_insert_with(|| Answer::Has(BTreeSet::new()))),
                Ok(Said::Answer(now)) => together(&mut answer, now),
            }
        }
        answer.map(Ok)
    }

    /// Whether some of what survives was said, and not that it is all.
    pub(crate) fn is_begun(&self) -> bool {
        !self.untaken.is_empty()
    }
}

impl Listener for Answers {
    fn hear(&mut self, bytes: &[u8]) {
        self.lines.hear(bytes, |line| self.untaken.extend(of_bytes(line).transpose()));
    }
}

impl Answer {
    /// Whether it says the same as `other`, in whatever words.
    pub(crate) fn agrees_with(&self, other: &Answer) -> bool {
        match (self, other) {
            (Answer::State(one), Answer::State(other)) => one == other,
            (Answer::Has(one), Answer::Has(other)) => one == other,
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }

    /// Whether it opened, as far as it says itself.
    pub(crate) fn is_sound(&self) -> bool {
        matches!(self, Answer::Opened | Answer::State(_) | Answer::Fresh | Answer::Has(_))
    }

    /// What it is to have been observed under `promise`, on a crash state of this digest.
    pub(crate) fn observed(&self, promise: Promise, digest: Digest) -> Observed {
        let state = |generation, missing| Observed::State { generation, digest, missing, mixed: Vec::new() };
        match self {
            Answer::Opened => Observed::Opened,
            Answer::State(generation) => state(Some(*generation), Vec::new()),
            Answer::Fresh => Observed::Fresh,
            Answer::Garbage(why) => Observed::Garbage { why: why.clone() },
            Answer::Refused(why) => Observed::Refused { why: why.clone(), damage: None },
            Answer::Damaged { damage, why, .. } => Observed::Damaged { damage: *damage, why: why.clone() },
            Answer::Unclear(why) => Observed::Unclear { why: why.clone() },
            Answer::Broke(how) => Observed::Crashed { how: how.clone() },
            Answer::Hung(limit_ms) => Observed::Hung { limit_ms: *limit_ms },
            Answer::Has(there) => {
                // Each for itself: what was begun and not acked may be there or not.
                let last = there.last().copied().unwrap_or_default();
                let missing: Vec<Generation> = (1..=promise.acked.0)
                    .map(Generation)
                    .filter(|n| promise.requires(*n) && !there.contains(n))
                    .collect();
                state(Some(last.max(if missing.is_empty() { promise.acked } else { last })), missing)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crashtest_model::Gaps;

    fn of_output(output: &str) -> Result<Option<Answer>, Nonsense> {
        let mut said = LastWord::default();
        said.hear(output.as_bytes());
        said.end()
    }

    #[test]
    fn the_last_word_counts_and_other_lines_do_not() {
        assert_eq!(of_output("loading\ncrashtest: state 3\n"), Ok(Some(Answer::State(Generation(3)))));
        assert_eq!(
            of_output("crashtest: state 3\ncrashtest: refused it is torn\n"),
            Ok(Some(Answer::Refused("it is torn".into())))
        );
        assert_eq!(of_output("all is well\n"), Ok(None));
        let all = BTreeSet::from([Generation(1), Generation(4)]);
        assert_eq!(of_output("crashtest: has 4\ncrashtest: has 1\n"), Ok(Some(Answer::Has(all))));
    }

    #[test]
    fn several_lines_of_one_state_are_one_answer_and_the_last_says_so() {
        let mut answers = Answers::default();
        let has = |all: &[u64]| Some(Ok(Answer::Has(all.iter().copied().map(Generation).collect())));
        answers.hear(b"crashtest: has 1\ncrashtest: has 3\n");
        assert_eq!((answers.take(false), answers.is_begun()), (None, true));
        answers.hear(b"crashtest: done\ncrashtest: done\ncrashtest: state 4\ncrashtest: has 2\n");
        assert_eq!((answers.take(false), answers.take(false)), (has(&[1, 3]), has(&[])));
        assert_eq!(answers.take(false), Some(Ok(Answer::State(Generation(4)))));
        assert_eq!((answers.take(false), answers.take(true)), (None, has(&[2])), "there are no more");
        assert_eq!(answers.take(true), None);
    }

    #[test]
    fn what_looks_like_an_answer_and_is_none_is_not_passed_over() {
        for line in ["crashtest: stat 3", "crashtest: state", "crashtest: state three", "crashtest: has -1"] {
            assert_eq!(of_output(line), Err(Nonsense(line.to_owned())), "{line}");
        }
    }

    proptest! {
        #[test]
        fn of_independent_operations_exactly_the_acked_ones_must_be_there(acked in 0u64..20, more in 0u64..3, there in prop::collection::btree_set(1u64..24, 0..24)) {
            let promise = Promise { acked: Generation(acked), begun: Generation(acked + more), installed: true, gaps: Gaps::NONE };
            let observed = Answer::Has(there.iter().copied().map(Generation).collect()).observed(promise, Digest(0));
            let raw = crashtest_model::RawFile { state: crashtest_model::RawState::Whole, length: None, tear_offset: None, whole_length: None };
            let verdict = crate::judge::oracle::judge(promise, &observed, &raw).0;
            let all = (1..=acked).all(|n| there.contains(&n));
            let none_of_the_future = there.iter().all(|n| *n <= acked + more);
            prop_assert_eq!(verdict == crashtest_model::Verdict::Intact, all && none_of_the_future);
        }
    }
}
