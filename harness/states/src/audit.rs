//! The generic oracle: what one recorded run shows of a program's files, without knowing what is in them.
//!
//! At each crash point each state file has to be the version of the last finished save, or of the save under way. What a version
//! is, [`versions`] says; where saves begin and end, [`saves`].
//!
//! What it does not hold against a program:
//! - a file that was not there, is made under its own name once, and is written anew at no time: set-up. Where the call that makes it
//!   would empty it, an audit judges it as if it had been there: that is what the next run does;
//! - a record that is half appended, and a page that is half written in place. Journals, checksums and readers that skip a torn end
//!   exist, and only a checker knows. So does what is written or appended beside another file that the run changed and that it may
//!   depend on. A file that is rewritten in place from start to end, with no other file beside it, is judged as a document;
//! - temporaries, which are there neither before the run nor after it; and files that somebody has excluded.
//!
//! Deliberately left out: modes, owners, directories, and whether several files fit together.

mod chosen;
mod companions;
mod databases;
mod known;
mod oracle;
mod quiet;
mod saves;
mod seen;
#[cfg(test)]
mod tests;
mod versions;
mod ways;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crashtest_model::{Action, Audit, AuditedFile, Damage, Digest, ExcludedFile, FileId, Trace, UnderKill};

pub use self::chosen::audited_states;
use self::chosen::{Chosen, concerned};
use self::companions::{beside, companions};
use self::databases::{database_of, databases};
pub use self::known::{StateFile, state_files};
use self::oracle::is_unfinished;
pub use self::oracle::{Oracle, Severity};
pub use self::quiet::{Quiet, quiet_moment};
use self::seen::{Seen, example};
use self::versions::{Timeline, Version};
use crate::{Entry, Snapshot, Tree, crash_states};

/// Returns what `trace` shows, of files that were as in `before` at its start and as in `after` at its end.
///
/// `excluded` gives the pattern by which a file is not to be judged. The trace holds what was written, not only how much. Once it is
/// `enough`, the crash points that were not looked at yet are left out.
#[must_use]
pub fn audit(
    trace: &Trace,
    before: &Snapshot,
    after: &Snapshot,
    excluded: &dyn Fn(&Path) -> Option<String>,
    enough: &dyn Fn() -> bool,
) -> Audit {
    let all_before = before;
    let before = concerned(trace, before);
    let is_judged = |path: &Path| excluded(path).is_none();
    let oracle = Oracle::new(trace, &before, true, &is_judged);
    let Oracle { timelines, ways, rules, .. } = &oracle;
    // Where state was there already, a new name is a new file, and its next save has another one: a backup, a release.
    let is_first_run = !rules.keys().any(|path| before.entry(path).is_some());
    let unexplained = unexplained(trace, Tree::new(&before, &trace.files), after, timelines);
    let companions = companions(timelines, ways, &is_judged);

    let changed: Vec<&Path> = timelines.keys().map(PathBuf::as_path).collect();
    let databases = databases(all_before, after, &changed);
    let mut found = Audit::default();
    for (path, timeline) in timelines {
        let name = path.to_string_lossy().into_owned();
        match excluded(path) {
            _ if database_of(path, &databases).is_some() => {}
            _ if !timeline.is_state() || is_unfinished(trace, path) => found.temporaries.push(name),
            Some(pattern) => found.excluded.push(ExcludedFile { path: name, pattern }),
            None => {}
        }
    }
    for database in databases.iter().filter(|database| {
        timelines.keys().any(|path| database_of(path, std::slice::from_ref(database)).is_some() && is_judged(path))
    }) {
        found.files.push(AuditedFile {
            path: if database.path.is_empty() { ".".to_owned() } else { database.path.clone() },
            written: Vec::new(),
            under_kill: UnderKill::NeedsCheck,
            damage: BTreeMap::new(),
            beside: Vec::new(),
            example: None,
            database: Some(database.clone()),
            as_if_there: false,
        });
    }

    let chosen = Chosen::new(trace, &before);
    let representatives = chosen.representatives();
    let mut distinct: BTreeSet<Digest> = BTreeSet::new();
    let mut seen: BTreeMap<&Path, Seen> = BTreeMap::new();
    let states = crash_states(trace, &before, &representatives).zip(&chosen.groups);
    let mut looked_at = 0;
    for ((point, state), group) in states.take_while(|_| !enough()) {
        looked_at += group.len() as u64;
        distinct.insert(state.digest());
        for (path, damage, severity) in oracle.judge(trace, point, &state) {
            let is_made = is_first_run && severity == Severity::Made && damage != Damage::Missing;
            let would_empty = is_made && oracle.would_empty(trace, path);
            let severity = if would_empty { Severity::Broken } else { severity };
            let seen = seen.entry(path).or_default();
            seen.as_if_there |= would_empty;
            seen.note(damage, severity, group.len() as u64);
            let is_worse = seen.example.as_ref().is_none_or(|example| damage < example.damage);
            if severity == Severity::Broken && is_worse {
                seen.example = Some(example(trace, &oracle, path, damage, point, &state));
            }
        }
    }

    for (path, rules) in rules.iter().filter(|(path, _)| database_of(path, &databases).is_none()) {
        let seen = seen.remove(path.as_path()).unwrap_or_default();
        let under_kill = seen.comes_to(*rules, unexplained.contains(path));
        let beside = if under_kill == UnderKill::NeedsCheck { beside(path, &companions) } else { Vec::new() };
        found.files.push(AuditedFile {
            path: path.to_string_lossy().into_owned(),
            written: ways.written(path),
            under_kill,
            damage: seen.damage,
            beside,
            example: seen.example.filter(|_| under_kill == UnderKill::Broken),
            database: None,
            as_if_there: seen.as_if_there,
        });
    }
    found.files.sort_by(|a, b| {
        let key = |file: &AuditedFile| (file.under_kill, file.written.first().map(|written| written.way));
        key(a).cmp(&key(b)).then_with(|| a.path.cmp(&b.path))
    });
    let all: u64 = chosen.groups.iter().map(|group| group.len() as u64).sum();
    Audit {
        calls: trace.operations.len() as u64,
        processes: trace.processes,
        crash_points: looked_at,
        left_out: chosen.left_out + all - looked_at,
        distinct_states: distinct.len() as u64,
        outside: trace.outside.clone(),
        unmodelled: trace.unmodelled.clone(),
        concurrent: trace.concurrent,
        ..found
    }
}

/// The names under which the run has left something else than its calls come to. What is stored through a mapping is no call.
fn unexplained(
    trace: &Trace,
    mut tree: Tree,
    after: &Snapshot,
    timelines: &BTreeMap<PathBuf, Timeline>,
) -> BTreeSet<PathBuf> {
    let mut mapped: BTreeSet<FileId> = BTreeSet::new();
    for operation in trace.operations.iter().filter(|operation| operation.errno.is_none()) {
        if let Action::Map { file, .. } = operation.action {
            mapped.insert(file);
        }
        tree.apply(operation);
    }
    let differs = |path: &Path| {
        let file = |entry: Option<&Entry>| Version::from_entry(entry);
        file(tree.entry(path).as_ref()) != file(after.entry(path))
    };
    let is_mapped = |path: &Path| tree.file(path).is_some_and(|file| mapped.contains(&file));
    timelines.keys().filter(|path| differs(path) && !is_mapped(path)).cloned().collect()
}
