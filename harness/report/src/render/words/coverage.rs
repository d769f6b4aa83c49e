//! What a reader must know of a sweep beside its counts: what was recorded, and what the recording could not see.

use crashtest_model::{Damage, Fault, PlainName, Plan, ResultRow, Sensitivity, Signal};

use super::row::unasked;
use crate::number::thousands;

/// Names that one note lists.
const MOST_NAMES: usize = 8;

/// Whether a second run with the same seed comes to the same, in a sentence for each kind of fault that was planned.
pub(crate) fn repeats(plan: &Plan) -> String {
    let mut sentences = Vec::new();
    if plan.kills() || !plan.is_exhaustive() {
        sentences.push(match &plan.program {
            Some(program) if !program.continues && plan.signal == Signal::Kill => {
                "Of two kills one comes right behind a call, where programs can be traced, and one follows the wall clock: the seed \
                 repeats the plan, not each outcome."
            }
            _ => "Kills follow the wall clock: the seed repeats the plan, not each outcome.",
        });
    }
    if plan.is_exhaustive() && plan.target.is_shared() {
        sentences.push(
            "Crash points of several writers and readers are schedules: each of them held after so many calls of a save, every pair of positions.",
        );
    } else if plan.is_exhaustive() {
        sentences.push(
            "Crash points and failing calls are those of one recorded run: the same calls give the same outcomes.",
        );
    }
    sentences.join(" ")
}

/// The extent of a recording: "of 141 calls in one recorded run; 18 reached by a real SIGKILL, the others derived from the recording".
pub(crate) fn recording_words(row: &ResultRow) -> Option<String> {
    let coverage = row.coverage.as_ref()?;
    let mut words = format!("of {} calls in one recorded run", thousands(coverage.calls));
    let real = row.kills_landed.filter(|_| row.fault == Fault::Sweep).unwrap_or(row.trials);
    if real < row.trials && !coverage.by_real_kills {
        words += &format!("; {} reached by a real SIGKILL, the others derived from the recording", thousands(real));
    }
    if coverage.random_kills > 0 {
        words += &format!(
            "; {} kills at random moments of that run left {} different states, each of them among the derived ones",
            thousands(coverage.random_kills),
            thousands(coverage.random_states)
        );
    }
    if coverage.nested > 0 {
        words += &format!(
            "; {} distinct crash states were swept again, in recovery and the first save after it",
            thousands(coverage.nested)
        );
    }
    Some(words)
}

/// The limits of the recording, a sentence each.
pub(crate) fn notes(row: &ResultRow) -> Vec<String> {
    let mut notes: Vec<String> = overlooked(row).into_iter().collect();
    let Some(coverage) = &row.coverage else { return notes };
    if let Some(cut) = &coverage.cut {
        notes.push(format!("the program does not end by itself: crashtest ended its recorded run {cut}"));
    }
    notes.extend(coverage.remarks.iter().cloned());
    if coverage.by_real_kills {
        notes.push(
            "nothing could be derived from the recorded run: each crash point is one of it that was reached by a real kill in another, \
             and the recovery from it was not swept again"
                .to_owned(),
        );
    }
    if coverage.first_look > 0 && unasked(row) > 0 {
        let (asked, all) = (thousands(coverage.first_looked), thousands(coverage.first_look));
        notes.push(match coverage.first_looked == coverage.first_look {
            true => format!("a first look, at one crash state of each place among the calls and each file, was finished: {all} states"),
            false => format!("not even a first look was finished: {asked} of {all} crash states, one of each place among the calls and each file"),
        });
    }
    if coverage.interleavings > 0 {
        notes.push(format!(
            "calls of this run overlap, as one waits inside the kernel while others are made: the crash states of all {} orders in which \
             they can have taken effect are derived, and the recovery is swept again from those of the first",
            thousands(coverage.interleavings + 1)
        ));
    }
    if !coverage.differences.is_empty() {
        let what = coverage.differences.join("; ");
        notes.push(match coverage.differs {
            true => format!(
                "two runs are not alike: {what}. The crash states are those of the first; other runs may leave others"
            ),
            false => format!("two runs make the same calls, and differ in {what}"),
        });
    }
    let mut name = |names: &[String], words: &str| {
        if !names.is_empty() {
            notes.push(format!("{words}: {}", listed(names)));
        }
    };
    name(
        &coverage.unmodelled,
        "calls that may change files, whose effect is in no crash state, as crashtest has no model of them",
    );
    name(&coverage.mapped, "files written through a shared mapping: in which order is not known");
    name(&coverage.outside, "files written outside the state directory, which no crash state holds");
    name(&coverage.excluded, "files that are excluded, and not judged (--include GLOB brings one back)");
    notes
}

/// The damage that the checker of a program does not see, where it sees some.
fn overlooked(row: &ResultRow) -> Option<String> {
    unseen(row.sensitivity.as_ref().filter(|sensitivity| !sensitivity.is_blind())?)
}

/// The damage that a checker does not see, where it sees something.
pub(crate) fn unseen(sensitivity: &Sensitivity) -> Option<String> {
    let kinds: Vec<String> = sensitivity.unnoticed.iter().map(Damage::to_string).collect();
    let kinds = (!kinds.is_empty()).then(|| {
        format!(
            "the checker says the same when all files that the run changed are {}: such damage it does not see",
            any_of(&kinds)
        )
    });
    let files = (!sensitivity.unopened.is_empty()).then(|| {
        format!("the checker opens other files than {}: damage to it is not seen", listed(&sensitivity.unopened))
    });
    let alone = sensitivity.overlooked.iter().map(|(path, damage)| {
        let kinds: Vec<String> = damage.iter().map(Damage::to_string).collect();
        let judged = if sensitivity.judges(path) { "" } else { ": not judged" };
        format!("the checker does not notice that `{}` is {}{judged}", PlainName(path), any_of(&kinds))
    });
    let words: Vec<String> = kinds.into_iter().chain(files).chain(alone).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// "torn, empty or missing".
pub(crate) fn any_of(words: &[String]) -> String {
    match words {
        [before @ .., last] if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        _ => words.concat(),
    }
}

/// The first of `names`, and how many more there are; on one line, whatever a file is called.
pub(crate) fn listed<S: AsRef<str>>(names: &[S]) -> String {
    let plain = |name: &S| PlainName(name.as_ref()).to_string();
    let mut words: Vec<String> = names.iter().take(MOST_NAMES).map(plain).collect();
    if names.len() > MOST_NAMES {
        words.push(format!("and {} more", thousands((names.len() - MOST_NAMES) as u64)));
    }
    words.join(", ")
}
