//! What a trial of several processes came to: its record, worst verdict first.

use crashtest_kit::{Deed, Event, OpenedAs};
use crashtest_model::{
    Consequences, Damage, Digest, FailureDetail, Fault, Gaps, Generation, Observed, Outcome, Promise, RawFile,
    RawState, Start, Termination, TrialRecord, Verdict,
};
use crashtest_states::Snapshot;

use super::participants::Participants;
use super::process::Ran;
use super::timeline;
use crate::context::Context;
use crate::context::trial::Trial;
use crate::error::EngineError;
use crate::judge::history::{self, Broken, Load, Save};
use crate::judge::oracle;
use crate::judge::replayed::Replayed;
use crate::subject::life::{Member, Script};
use crate::subject::victims::{Recovery, Victims};

/// What a process loaded.
struct Loaded {
    by: String,
    load: Load,
}

/// Everything that is known of a trial when its files are at rest.
struct Findings {
    wrong: Vec<(Verdict, String)>,
    observed: Observed,
    raw: RawFile,
    consequences: Consequences,
    /// What is there from now on, if nothing is wrong.
    holds: Vec<Digest>,
    applied: Vec<Generation>,
    /// The files after the restart.
    after: Snapshot,
}

impl Participants<'_, '_, '_> {
    /// Starts on what a trial has left, judges everything, and reports it.
    pub(super) fn judge(&mut self, trial: Trial, ran: Ran) -> Result<(), EngineError> {
        let state = self.victims.crash_state()?;
        let promised: Vec<Option<Promise>> = (0..self.writers()).map(|writer| self.promise(writer)).collect();
        let overwritten = promised.iter().any(Option::is_none);
        let writers: Vec<Promise> = promised.into_iter().map(Option::unwrap_or_default).collect();
        let mut found = self.restart(trial, &state, &writers)?;
        found.wrong.extend(ran.wrong);
        if overwritten {
            // Whatever else was seen was seen by promises that nobody can believe.
            let why = "the board shows saves that the victim cannot have made".to_owned();
            found.wrong = vec![(Verdict::Inconclusive, why)];
        }
        let board = self.boards[ran.of];
        let phase = board.phase();
        let total = |of: fn(&Promise) -> Generation| Generation(writers.iter().map(|promise| of(promise).0).sum());
        let mut record = TrialRecord {
            series: self.series,
            stream: self.stream,
            delay_ns: ran.delay_ns,
            calibrated_ns: ran.calibrated_ns,
            promise: Promise {
                acked: total(|promise| promise.acked),
                begun: total(|promise| promise.begun),
                installed: true,
                gaps: Gaps::NONE,
            },
            acks: self.boards[..self.writers()].iter().map(|board| board.saves()).sum(),
            saving_ns: self.boards[..self.writers()].iter().map(|board| board.saving_ns()).sum(),
            termination: ran.termination.unwrap_or(Termination::Nothing),
            phase: phase.map_or_else(|| "unknown".to_owned(), String::from),
            in_save: phase.is_some_and(crashtest_model::Phase::in_save),
            crash_state: Some(state.digest()),
            raw: Some(found.raw),
            observed: Some(found.observed),
            outcome: Outcome::Judged(Verdict::Intact),
            consequences: found.consequences,
            writers,
            ..TrialRecord::planned(trial.number, self.fault, Start::Again, trial.seed, trial.aim)
        };
        if self.fault == Fault::Kill {
            record.gap = phase.and_then(crashtest_model::Phase::gap);
        }
        found.wrong.sort_by_key(|(verdict, _)| *verdict);
        let Some((verdict, _)) = found.wrong.first() else {
            (self.holds, self.applied) = (found.holds, found.applied);
            return self.context.report(record, &state, None);
        };
        record.outcome = Outcome::Judged(*verdict);
        let why: Vec<&str> = found.wrong.iter().map(|(_, why)| why.as_str()).collect();
        let around = timeline::lines(self);
        record.detail =
            Some(FailureDetail { why: why.join("; "), around: timeline::last(&around), ..FailureDetail::default() });
        self.context.report_with(record, &state, Some(&found.after), Some(around.join("\n") + "\n"))?;
        self.anew()
    }

    /// What writer `writer` was promised; `None` where its board shows what it cannot have written.
    fn promise(&self, writer: usize) -> Option<Promise> {
        let (acked, begun) = (self.boards[writer].acked().ok()?, self.boards[writer].begun().ok()?);
        let base = self.base(writer);
        (acked <= begun && begun.0 <= base.0 + self.boards[writer].saves() + 1).then_some(Promise {
            acked,
            begun,
            installed: true,
            gaps: Gaps::NONE,
        })
    }

    /// Starts a process on each document.
    fn restart(&mut self, trial: Trial, state: &Snapshot, writers: &[Promise]) -> Result<Findings, EngineError> {
        let mut found = Findings {
            wrong: Vec::new(),
            observed: Observed::Fresh,
            raw: RawFile { state: RawState::Whole, length: None, tear_offset: None, whole_length: None },
            consequences: Consequences::default(),
            holds: self.holds.clone(),
            applied: self.applied.clone(),
            after: Snapshot::default(),
        };
        for document in 0..self.documents {
            let opened = self.open(trial, document)?;
            self.judge_opened(trial, document, opened, state, &mut found)?;
        }
        found.after = self.victims.crash_state()?;
        if let Some(shared) = &self.shared
            && matches!(found.observed, Observed::State { .. })
        {
            let content = found.after.file(&shared.state_file());
            match content.and_then(|content| shared.judge(content, writers)) {
                None => {
                    found.wrong.push((Verdict::AcceptedGarbage, "accepted a content that is no such state".to_owned()))
                }
                Some(judged) => {
                    found.wrong.extend(judged.broken.into_iter().map(|why| (Verdict::BrokenInvariant, why)));
                    let total = judged.applied.iter().map(|applied| applied.0).sum();
                    if let Observed::State { generation, .. } = &mut found.observed {
                        *generation = Some(Generation(total));
                    }
                    (found.applied, found.consequences) = (judged.applied, judged.consequences);
                }
            }
        }
        Ok(found)
    }

    /// What a start on `document` gives.
    fn open(&mut self, trial: Trial, document: usize) -> Result<Observed, EngineError> {
        let member = Member { writer: document as u32, ..self.member(0, Generation::ZERO) };
        let board = self.victims.board;
        board.reset(Generation::ZERO, Generation::ZERO);
        // It has no ring of its own: its load comes after everything else.
        let names = trial.seed.derive("check", document as u64);
        let life = self.life(board, self.stream, names, (document > 0).then_some(member));
        let mut victim = self.victims.fork_life(life, Script::SaveThenStop(0))?;
        let recovery = self.victims.await_recovery(&mut victim, false)?;
        self.victims.terminate_unlearnt(victim)?;
        Ok(match recovery {
            Recovery::Failed(observed) => observed,
            Recovery::Opened(opened) => match opened.as_what {
                OpenedAs::Fresh => Observed::Fresh,
                OpenedAs::Refused { why, damage } => Observed::Refused { why, damage },
                OpenedAs::State { digest, .. } => {
                    Observed::State { generation: None, digest, missing: Vec::new(), mixed: Vec::new() }
                }
            },
        })
    }

    fn judge_opened(
        &mut self,
        trial: Trial,
        document: usize,
        opened: Observed,
        state: &Snapshot,
        found: &mut Findings,
    ) -> Result<(), EngineError> {
        let mut loads = self.loads(document);
        let mut digest = None;
        match &opened {
            Observed::State { digest: own, .. } => {
                digest = Some(*own);
                loads.push(Loaded {
                    by: "a restart".to_owned(),
                    load: Load { digest: *own, from: u64::MAX - 1, to: u64::MAX },
                });
            }
            Observed::Fresh => found.wrong.push((
                Verdict::SilentReset,
                "started fresh and empty without an error, though init had returned".to_owned(),
            )),
            Observed::Refused { why, damage } => {
                found.wrong.push((refusal(*damage), format!("a restart refused: {why}")))
            }
            Observed::Crashed { .. }
            | Observed::Shot
            | Observed::Hung { .. }
            | Observed::Opened
            | Observed::Damaged { .. }
            | Observed::Unclear { .. }
            | Observed::Garbage { .. } => {
                found.wrong.push(oracle::unopened(&opened));
            }
        }
        // What processes refused while others were saving.
        for process in (0..self.boards.len()).filter(|process| self.serves(*process) == document) {
            if self.tickets.fresh_loads(process) > 0 {
                let who = self.name(process);
                let why = format!("{who}, while others saved, loaded a fresh, empty state without an error");
                found.wrong.push((Verdict::SilentReset, why));
            }
            if self.tickets.refusals(process) > 0 {
                let (why, damage) = match self.boards[process].recovery().map(|opened| opened.as_what) {
                    Some(OpenedAs::Refused { why, damage }) => (why, damage),
                    _ => ("and went on to something it could load".to_owned(), None),
                };
                let who = self.name(process);
                found.wrong.push((refusal(damage), format!("{who}, while others saved, refused: {why}")));
            }
        }
        if self.shared.is_none() {
            let saves = self.saves(trial, document)?;
            let all: Vec<Load> = loads.iter().map(|loaded| loaded.load.clone()).collect();
            if let Err(broken) = history::check(&saves, &all) {
                found.wrong.push(self.broken_words(&broken, &saves, &loads));
            }
            if let Some(digest) = digest {
                found.holds[document] = digest;
            }
            let generation = digest.and_then(|digest| saves.iter().find(|save| save.digest == digest));
            found.observed = match opened {
                Observed::State { digest, missing, mixed, .. } => {
                    Observed::State { generation: generation.map(|save| save.generation), digest, missing, mixed }
                }
                other => other,
            };
        } else {
            found.observed = opened;
        }
        let name = self.state_file(trial, document)?;
        if found.raw.state == RawState::Whole {
            found.raw = raw_of(state, &name, refused(&found.observed));
        }
        Ok(())
    }

    fn state_file(&self, trial: Trial, document: usize) -> Result<String, EngineError> {
        Ok(match &self.shared {
            Some(shared) => shared.state_file(),
            None => self.generations_of(trial.seed, document)?.state_file(),
        })
    }

    /// The saves of one document, what was there before them first.
    fn saves(&self, trial: Trial, document: usize) -> Result<Vec<Save>, EngineError> {
        let before = Save {
            writer: None,
            generation: Generation::ZERO,
            digest: self.holds[document],
            from: 0,
            to: Some(0),
            dead: None,
        };
        let mut saves = vec![before];
        for writer in (0..self.writers()).filter(|writer| self.serves(*writer) == document) {
            let mut generations = self.generations_of(trial.seed, writer)?;
            for Event { from, to, what } in self.tickets.events(writer) {
                if let Deed::Saved(generation) = what {
                    let digest = generations.digest(generation);
                    let dead = self.tickets.dead(writer);
                    saves.push(Save { writer: Some(writer), generation, digest, from, to, dead });
                }
            }
        }
        Ok(saves)
    }

    /// What everybody loaded of a document while it was saved.
    fn loads(&self, document: usize) -> Vec<Loaded> {
        let mut loads = Vec::new();
        for process in (0..self.boards.len()).filter(|process| self.serves(*process) == document) {
            for Event { from, to, what } in self.tickets.events(process) {
                if let (Deed::Loaded(digest), Some(to)) = (what, to) {
                    loads.push(Loaded { by: self.name(process), load: Load { digest, from, to } });
                }
            }
        }
        loads
    }

    fn broken_words(&self, broken: &Broken, saves: &[Save], loads: &[Loaded]) -> (Verdict, String) {
        let save_words = |save: &Save| match save.writer {
            None => "what was there before".to_owned(),
            Some(writer) => format!("save {} of {}", save.generation, self.name(writer)),
        };
        match broken {
            Broken::NoSave(n) => {
                let Loaded { by, load } = &loads[*n];
                let why = format!("{by} accepted a content that no save made (digest {})", load.digest);
                (Verdict::AcceptedGarbage, why)
            }
            Broken::NotYet(n) => {
                (Verdict::AcceptedGarbage, format!("{} loaded a content before any save of it had begun", loads[*n].by))
            }
            Broken::Between(one, other) => {
                let (one, other) = (&saves[*one], &saves[*other]);
                let last = loads.iter().filter(|loaded| loaded.load.digest == one.digest).max_by_key(|l| l.load.from);
                let by = last.map_or("nobody", |loaded| loaded.by.as_str());
                let why = format!(
                    "{} was acknowledged, and after it {by} loaded {}, which had been overwritten",
                    save_words(other),
                    save_words(one)
                );
                (Verdict::LostAck, why)
            }
        }
    }
}

/// Starts on the stored crash state of `record` once more. What others were acknowledged meanwhile is not in the files: where the same
/// content comes back, so does the verdict on it.
pub(crate) fn restart_on(
    context: &mut Context<'_>,
    victims: &mut Victims<'_>,
    record: &TrialRecord,
    crash_state: &Snapshot,
) -> Result<Replayed, EngineError> {
    let verdict = record.verdict().unwrap_or(Verdict::Inconclusive);
    let trial = Trial { number: record.trial, seed: record.seed, aim: record.aim };
    let mut participants = Participants::start(context, victims, record.fault, record.series)?;
    participants.victims.dir.restore(crash_state)?;
    participants.tickets.clear();
    let mut opened = Vec::new();
    for document in 0..participants.documents {
        opened.push(participants.open(trial, document)?);
    }
    let observed = opened.into_iter().max_by_key(|observed| refused(observed).is_some()).unwrap_or(Observed::Fresh);
    let name = participants.state_file(trial, 0)?;
    let raw = raw_of(crash_state, &name, refused(&observed));
    let digest = |observed: &Observed| match observed {
        Observed::State { digest, .. } => Some(*digest),
        _ => None,
    };
    let (verdict, why) = match &observed {
        Observed::Refused { why, damage } => (refusal(*damage), format!("a restart refused: {why}")),
        Observed::Fresh => (Verdict::SilentReset, "started fresh and empty without an error".to_owned()),
        Observed::State { .. } if record.observed.as_ref().and_then(digest) == digest(&observed) => match verdict {
            Verdict::LostAck | Verdict::AcceptedGarbage | Verdict::BrokenInvariant => {
                (verdict, "the same content came back".to_owned())
            }
            _ => (Verdict::Intact, "the same content came back: what went wrong is not in the files".to_owned()),
        },
        Observed::State { .. } => (Verdict::Inconclusive, "another content came back".to_owned()),
        Observed::Crashed { .. }
        | Observed::Shot
        | Observed::Hung { .. }
        | Observed::Opened
        | Observed::Damaged { .. }
        | Observed::Unclear { .. }
        | Observed::Garbage { .. } => oracle::unopened(&observed),
    };
    Ok(Replayed { raw, observed, verdict, why })
}

fn refused(observed: &Observed) -> Option<&str> {
    match observed {
        Observed::Refused { why, .. } => Some(why),
        _ => None,
    }
}

/// What the state file is like, as far as that can be said when nobody knows who saved last.
fn raw_of(state: &Snapshot, name: &str, refused: Option<&str>) -> RawFile {
    let file = |state, length| RawFile { state, length, tear_offset: None, whole_length: None };
    match state.file(name) {
        None => file(RawState::Missing, None),
        Some([]) => file(RawState::Empty, Some(0)),
        Some(content) if content.iter().all(|byte| *byte == 0) => {
            file(RawState::ZeroFilled, Some(content.len() as u64))
        }
        Some(content) if refused.is_some() => file(RawState::Other, Some(content.len() as u64)),
        Some(content) => file(RawState::Whole, Some(content.len() as u64)),
    }
}

/// The verdict on a refusal that nobody can hold against the file any more: what the target found its file to be.
fn refusal(damage: Option<Damage>) -> Verdict {
    match damage {
        Some(Damage::Missing) => Verdict::Missing,
        Some(Damage::Empty) => Verdict::Empty,
        Some(Damage::Torn) | None => Verdict::Torn,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_named_after_what_the_target_found() {
        let named = [None, Some(Damage::Torn), Some(Damage::Empty), Some(Damage::Missing)].map(refusal);
        assert_eq!(named, [Verdict::Torn, Verdict::Torn, Verdict::Empty, Verdict::Missing]);
    }
}
