//! The one sentence that an audit comes to, and the command that goes on from it.

pub(crate) mod basis;
pub(crate) mod file;

use std::collections::BTreeSet;

use crashtest_model::{AuditRecord, AuditedFile, Checked, DIR, Damage, PlainName, Program, UnderKill};

use super::coverage::{any_of, listed};
use crate::number::thousands;

/// The tone of what an audit comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing is broken.
    Good,
    /// A kill breaks something.
    Bad,
    /// It proves nothing, or not enough.
    Warn,
}

/// The one sentence that an audit comes to, and its tone.
pub(crate) fn conclusion(record: &AuditRecord) -> (Tone, String) {
    let audit = &record.audit;
    let files = match audit.files.len() {
        1 => "the one state file".to_owned(),
        n => format!("{} state files", thousands(n as u64)),
    };
    let share = |n: usize| match audit.files.len() {
        1 => files.clone(),
        all if all == n => format!("all {files}"),
        _ => format!("{} of {files}", thousands(n as u64)),
    };
    let points = thousands(audit.crash_points);
    let (broken, unknown) = (record.broken().count(), audit.count(UnderKill::Unknown));
    let (unclear, once) = (audit.count(UnderKill::NeedsCheck), audit.count(UnderKill::WrittenOnce));
    match () {
        () if record.checked.as_ref().is_some_and(|checked| checked.violations() > 0) => (
            Tone::Bad,
            format!("the program does not get over a kill: {}", file::found(record.checked.as_ref(), &points)),
        ),
        () if record.interrupted && record.ended_well() && broken == 0 => {
            let looked_at = match &record.checked {
                Some(checked) => format!(
                    "the checker was asked about {} of {} distinct crash states",
                    thousands(checked.states),
                    thousands(checked.states + checked.left_out)
                ),
                None => format!(
                    "{points} of {} crash points were looked at",
                    thousands(audit.crash_points + audit.left_out)
                ),
            };
            (Tone::Warn, format!("interrupted: {looked_at}"))
        }
        () if audit.calls == 0 && !record.ended_well() => {
            (Tone::Warn, format!("{} before it changed a file: nothing was tested", how_it_ended(record)))
        }
        () if audit.files.is_empty() => {
            let what = match audit.excluded.is_empty() && audit.temporaries.is_empty() {
                true => "nothing",
                false => "only excluded and temporary files",
            };
            let dir = record.dir.as_deref().unwrap_or("{dir}");
            (Tone::Warn, format!("the run wrote {what} below {}: nothing was tested", PlainName(dir)))
        }
        () if broken > 0 => {
            let damage: BTreeSet<Damage> = record.broken().flat_map(|file| file.damage.keys().copied()).collect();
            let words: Vec<String> = damage.iter().map(Damage::to_string).collect();
            (Tone::Bad, format!("a kill can leave {} {}", share(broken), any_of(&words)))
        }
        () if unknown > 0 => {
            (Tone::Warn, format!("nothing is known of {}: its calls do not come to what it holds", share(unknown)))
        }
        () if !audit.unmodelled.is_empty() => {
            let calls: Vec<&String> = audit.unmodelled.keys().collect();
            (Tone::Warn, format!("crashtest has no model of {}: what a kill there leaves is not known", listed(&calls)))
        }
        () if !record.ended_well() => {
            (Tone::Warn, format!("{}: what it does when it succeeds is not known", how_it_ended(record)))
        }
        () => match &record.checked {
            Some(checked) => checker_conclusion(record, checked, &points),
            None if unclear > 0 => {
                let needs = if unclear == 1 { "needs" } else { "need" };
                let judged = match audit.count(UnderKill::Whole) {
                    0 if !record.accept_unchecked => "nothing was judged",
                    _ => "nothing is broken that shows without a checker",
                };
                (Tone::Warn, format!("{judged}; {} {needs} --check", share(unclear)))
            }
            None if once > 0 && audit.count(UnderKill::Whole) == 0 && !record.accept_unchecked => {
                let (is, it) = if once == 1 { ("is", "it") } else { ("are", "they") };
                (Tone::Warn, format!("nothing was judged; {} {is} written only once, when {it} {is} made", share(once)))
            }
            None if once > 0 => {
                let (is, it) = if once == 1 { ("is", "it") } else { ("are", "they") };
                let words = format!(
                    "nothing is broken at {points} crash points; {} {is} written only once, when {it} {is} made",
                    share(once)
                );
                (Tone::Good, words)
            }
            None => {
                let each = if audit.files.len() == 1 { files } else { format!("each of {files}") };
                (Tone::Good, format!("{each} is a whole version at all {points} crash points"))
            }
        },
    }
}

/// The conclusion where the checker has found nothing wrong.
fn checker_conclusion(record: &AuditRecord, checked: &Checked, points: &str) -> (Tone, String) {
    let states = thousands(checked.states);
    let mapped: Vec<&str> = record.mapped().map(|file| file.path.as_str()).collect();
    match checked.left_out {
        _ if checked.sensitivity.is_blind() => {
            let words = "the checker accepts files that are torn, empty or missing: what it accepts proves nothing";
            (Tone::Warn, words.to_owned())
        }
        0 if !mapped.is_empty() => {
            let words = format!(
                "what is stored in {} is in no crash state, as stores through a mapping are no calls: only real kills show it (run --fault kill)",
                listed(&mapped)
            );
            (Tone::Warn, words)
        }
        _ if !record.interrupted && checked.left_out > 0 => {
            let all = thousands(checked.states + checked.left_out);
            let words =
                format!("the checker accepts {states} of {all} distinct states that a kill can leave (--max-states)");
            (Tone::Good, words)
        }
        0 => {
            let words = format!(
                "the checker accepts all {states} distinct states that a kill can leave at {points} crash points"
            );
            (Tone::Good, words)
        }
        left_out => {
            let all = thousands(checked.states + left_out);
            (Tone::Warn, format!("interrupted: the checker was asked about {states} of {all} distinct crash states"))
        }
    }
}

/// "The program ended with exit status 2", of a run that nobody wanted to end so.
fn how_it_ended(record: &AuditRecord) -> String {
    let status = &record.status;
    match status.split(' ').next() {
        Some("exit") => format!("the program ended with {status}"),
        Some("killed" | "stopped" | "interrupted") => format!("the program was {status}"),
        _ => status.clone(),
    }
}

/// The command that judges what this one cannot; `None` where it would have nothing to add.
pub(crate) fn next_step(record: &AuditRecord) -> Option<String> {
    let judged = |file: &AuditedFile| {
        let is_accepted = record.accept_unchecked || record.audit.count(UnderKill::Whole) > 0;
        file.under_kill == UnderKill::Whole || (file.under_kill == UnderKill::WrittenOnce && is_accepted)
    };
    let open = |file: &AuditedFile| !judged(file);
    let command = Program::words_for_a_shell(&record.command);
    // A program that is not told its directory can only be asked where it is.
    let how = if command.contains(DIR) { "run" } else { "audit" };
    let mut checkers = record.audit.files.iter().filter_map(|file| file.database.as_ref()?.checker());
    let check = checkers.next().unwrap_or_else(|| "CHECK {dir}".to_owned());
    let check = Program::words_for_a_shell(&[check]);
    let check = if check.starts_with('\'') { check } else { format!("'{check}'") };
    let next = || format!("crashtest {how} --check {check} -- {command}");
    (record.checked.is_none() && record.audit.files.iter().any(open)).then(next)
}
