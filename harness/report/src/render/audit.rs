//! An audit for people, as `crashtest audit` prints it: how each file is written, what a kill could leave of it, what to change.

mod json;
mod table;
mod words;

use std::collections::BTreeSet;

use crashtest_model::{Audit, AuditRecord, AuditedFile, Checked, DIR, Damage, Example, PlainName, Program, UnderKill};

pub use json::json;

use super::page::{Color, Page, Style};
use super::swept::{any_of, listed, unseen};
use crate::number::thousands;

/// Broken files that are shown with an example each.
const MOST_EXAMPLES: usize = 10;

/// The audit for a terminal of `width` columns. Only names, calls and commands may be wider.
#[must_use]
pub fn terminal(record: &AuditRecord, width: u16, color: Color) -> String {
    let mut page = Page::new(width, color);
    let audit = &record.audit;
    let (style, conclusion) = conclusion(record);
    page.wrapped_in("", &conclusion, Some(style));
    if !audit.files.is_empty() {
        page.blank();
        table::lines(audit, record.checked.is_some(), page.width, color).iter().for_each(|line| page.line(line));
    }
    checked(&mut page, record);
    let broken = || record.broken();
    if broken().next().is_some() {
        page.heading("What a kill breaks", "");
    }
    for (n, file) in broken().take(MOST_EXAMPLES).enumerate() {
        example(&mut page, n + 1, file);
    }
    if let Some(more) = broken().count().checked_sub(MOST_EXAMPLES).filter(|more| *more > 0) {
        page.wrapped("     ", &format!("and {} more", thousands(more as u64)));
    }
    if record.checked.is_none() {
        unclear(&mut page, audit);
    }
    power(&mut page, record);
    proof(&mut page, record);
    if let Some(next) = next_step(record) {
        page.heading("Next", "only a checker can say whether the program copes");
        page.line(&format!("  {}", PlainName(&next)));
    }
    page.finish()
}

/// The one sentence that an audit comes to, and how it looks.
fn conclusion(record: &AuditRecord) -> (Style, String) {
    let audit = &record.audit;
    let files = match audit.files.len() {
        1 => "the one state file".to_owned(),
        n => format!("{} state files", thousands(n as u64)),
    };
    let of = |n: usize| match audit.files.len() {
        1 => files.clone(),
        all if all == n => format!("all {files}"),
        _ => format!("{} of {files}", thousands(n as u64)),
    };
    let points = thousands(audit.crash_points);
    let (broken, unknown) = (record.broken().count(), audit.count(UnderKill::Unknown));
    let (unclear, once) = (audit.count(UnderKill::NeedsCheck), audit.count(UnderKill::WrittenOnce));
    match () {
        () if record.checked.as_ref().is_some_and(|checked| checked.violations() > 0) => (
            Style::Bad,
            format!("the program does not get over a kill: {}", words::found(record.checked.as_ref(), &points)),
        ),
        () if audit.files.is_empty() => {
            let what = match audit.excluded.is_empty() && audit.temporaries.is_empty() {
                true => "nothing",
                false => "only excluded and temporary files",
            };
            let dir = record.dir.as_deref().unwrap_or("{dir}");
            (Style::Warn, format!("the run wrote {what} below {}: nothing was tested", PlainName(dir)))
        }
        () if broken > 0 => {
            let damage: BTreeSet<Damage> = record.broken().flat_map(|file| file.damage.keys().copied()).collect();
            let words: Vec<String> = damage.iter().map(Damage::to_string).collect();
            (Style::Bad, format!("a kill can leave {} {}", of(broken), any_of(&words)))
        }
        () if unknown > 0 => {
            (Style::Warn, format!("nothing is known of {}: its calls do not come to what it holds", of(unknown)))
        }
        () if !audit.unmodelled.is_empty() => {
            let calls: Vec<&String> = audit.unmodelled.keys().collect();
            (
                Style::Warn,
                format!("crashtest has no model of {}: what a kill there leaves is not known", listed(&calls)),
            )
        }
        () if !record.ended_well() => (
            Style::Warn,
            format!("the program ended with {}: what it does when it succeeds is not known", record.status),
        ),
        () => match &record.checked {
            Some(checked) => of_checker(record, checked, &points),
            None if unclear > 0 => {
                let needs = if unclear == 1 { "needs" } else { "need" };
                (
                    Style::Warn,
                    format!("nothing is broken that shows without a checker; {} {needs} --check", of(unclear)),
                )
            }
            None if once > 0 => {
                let (is, it) = if once == 1 { ("is", "it") } else { ("are", "they") };
                let words = format!(
                    "nothing is broken at {points} crash points; {} {is} written only once, when {it} {is} made",
                    of(once)
                );
                (Style::Good, words)
            }
            None => {
                let each = if audit.files.len() == 1 { files } else { format!("each of {files}") };
                (Style::Good, format!("{each} is a whole version at all {points} crash points"))
            }
        },
    }
}

/// What it comes to that the checker has found nothing wrong.
fn of_checker(record: &AuditRecord, checked: &Checked, points: &str) -> (Style, String) {
    let states = thousands(checked.states);
    let mapped: Vec<&str> = record.mapped().map(|file| file.path.as_str()).collect();
    match checked.left_out {
        _ if checked.tried.is_blind() => {
            let words = "the checker accepts files that are torn, empty or missing: what it accepts proves nothing";
            (Style::Warn, words.to_owned())
        }
        0 if !mapped.is_empty() => {
            let words = format!(
                "what is stored in {} is in no crash state, as stores through a mapping are no calls: only real kills show it (run --fault kill)",
                listed(&mapped)
            );
            (Style::Warn, words)
        }
        0 => {
            let words = format!(
                "the checker accepts all {states} distinct states that a kill can leave at {points} crash points"
            );
            (Style::Good, words)
        }
        left_out => {
            let all = thousands(checked.states + left_out);
            (Style::Warn, format!("interrupted: the checker was asked about {states} of {all} distinct crash states"))
        }
    }
}

/// What the checker said.
fn checked(page: &mut Page, record: &AuditRecord) {
    let Some(checked) = &record.checked else { return };
    page.heading("What the checker says", &Program::words_for_a_shell(checked.check.words()));
    let points: u64 = checked.verdicts.values().sum();
    let verdicts: Vec<String> =
        checked.verdicts.iter().map(|(verdict, n)| format!("{verdict} {}", thousands(*n))).collect();
    let asked = format!(
        "{} distinct crash states; of the {} crash points that leave them: {}",
        thousands(checked.states),
        thousands(points),
        verdicts.join(" · ")
    );
    page.wrapped("  asked       ", &asked);
    if let Some(example) = &checked.example {
        page.line(&format!("  {}", page.styled(&format!("{}", example.verdict), Style::Bad)));
        page.wrapped("     killed  ", &format!("{}: {}", example.place, PlainName(&example.call)));
        page.wrapped("     found   ", &PlainName(&example.why).to_string());
    }
    let (words, style) = match &checked.tried {
        tried if !tried.planted => (
            "not known: the run leaves no file that could be damaged to see whether the checker notices".to_owned(),
            Some(Style::Warn),
        ),
        tried => match unseen(tried) {
            Some(words) => (words, Some(Style::Warn)),
            None => ("it noticed files that were torn, empty and missing on purpose".to_owned(), None),
        },
    };
    page.wrapped_in("  looks       ", &words, style);
}

/// A broken file: where, what is found then, what to do.
fn example(page: &mut Page, number: usize, file: &AuditedFile) {
    let Some(Example { damage, place, call, before, after, found, copy, .. }) = &file.example else { return };
    let bytes = |length: &Option<u64>| match length {
        Some(1) => "1 byte".to_owned(),
        Some(length) => format!("{} bytes", thousands(*length)),
        None => "no file".to_owned(),
    };
    page.line(&format!("{number:>3}. {}", page.styled(&format!("{}: {damage}", PlainName(&file.path)), Style::Bad)));
    page.wrapped("     killed  ", &format!("{place}: {}", PlainName(call)));
    let next = after.map_or_else(String::new, |_| format!(", then {}", bytes(after)));
    page.wrapped("     found   ", &format!("{}; the versions are {}{next}", bytes(found), bytes(before)));
    if let Some(copy) = copy {
        let note = format!("{} then holds a whole version: harmless if the program falls back on it", PlainName(copy));
        page.wrapped("     copy    ", &note);
    }
    if let Some(fix) = words::fix(file) {
        page.wrapped("     fix     ", &fix);
    }
}

/// What a checker is needed for, file by file.
fn unclear(page: &mut Page, audit: &Audit) {
    let unclear = || audit.files.iter().filter_map(|file| words::unclear(file).map(|why| (file, why)));
    if unclear().next().is_none() {
        return;
    }
    page.heading("What needs --check", "");
    for (file, why) in unclear().take(MOST_EXAMPLES) {
        page.line(&format!("  {}", PlainName(&file.path)));
        page.wrapped("     ", &why);
    }
    if let Some(more) = unclear().count().checked_sub(MOST_EXAMPLES).filter(|more| *more > 0) {
        page.wrapped("     ", &format!("and {} more", thousands(more as u64)));
    }
}

/// Which calls there should be before the power goes, file by file.
fn power(page: &mut Page, record: &AuditRecord) {
    let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
    // The fix of what a kill breaks has these calls in it.
    let fixed: Vec<&str> = record.broken().map(|file| file.path.as_str()).collect();
    for file in record.audit.files.iter().filter(|file| !fixed.contains(&file.path.as_str())) {
        let Some(words) = words::power(file) else { continue };
        match missing.iter_mut().find(|(other, _)| *other == words) {
            Some((_, files)) => files.push(&file.path),
            None => missing.push((words, vec![&file.path])),
        }
    }
    if missing.is_empty() {
        return;
    }
    page.heading("Missing for a power cut", "not tested: read from the calls");
    for (words, files) in missing {
        page.wrapped("  ", &listed(&files));
        page.wrapped("     add     ", &words);
    }
}

/// What the run proves, and what it does not.
fn proof(page: &mut Page, record: &AuditRecord) {
    let audit = &record.audit;
    page.heading("What this rests on", &record.status);
    if !record.ended_well() {
        page.wrapped_in(
            "  ended       ",
            "a run that fails, or is ended, may not do all that it does otherwise",
            Some(Style::Warn),
        );
    }
    let processes = match audit.processes {
        0 | 1 => String::new(),
        n => format!(" of {} processes", thousands(n.into())),
    };
    let mut tested = format!(
        "one recorded run: {} calls{processes}, {} crash points (before and after each call, and at each page inside a write), {} distinct states, derived and not reached by a kill",
        thousands(audit.calls),
        thousands(audit.crash_points),
        thousands(audit.distinct_states)
    );
    if audit.left_out > 0 {
        tested += &format!(
            "; {} more crash points were left out, most of them inside long writes",
            thousands(audit.left_out)
        );
    }
    if let Some(original) = &record.copy_of {
        let words = format!("the program worked on a copy of {}, which is gone", PlainName(original));
        page.wrapped("  copy        ", &words);
    }
    page.wrapped("  tested      ", &tested);
    let unseen = match record.checked {
        Some(_) => "power cuts; other inputs; a second kill, while the program recovers",
        None => "power cuts; other inputs; whether files fit together; what the program makes of what it finds",
    };
    page.wrapped("  not tested  ", unseen);
    let mut note = |label: &str, names: &[String], words: &str| {
        if !names.is_empty() {
            page.wrapped(label, &format!("{}{words}", listed(names)));
        }
    };
    let excluded: Vec<String> = audit.excluded.iter().map(|file| format!("{} ({})", file.path, file.pattern)).collect();
    note("  excluded    ", &excluded, ": not judged; --include GLOB brings a file back");
    note("  temporary   ", &audit.temporaries, ": there only while the program ran, not judged");
    let unmodelled: Vec<String> =
        audit.unmodelled.iter().map(|(call, n)| format!("{call} × {}", thousands(*n))).collect();
    note("  unmodelled  ", &unmodelled, ": calls that may change files, and that crashtest has no model of");
    note("  outside     ", &audit.outside, ": written outside the state directory, not judged");
    if audit.concurrent {
        page.wrapped(
            "  order       ",
            "threads or processes ran side by side: the order of calls may differ in another run",
        );
    }
}

/// The command that judges what this one cannot; `None` where it would have nothing to add.
fn next_step(record: &AuditRecord) -> Option<String> {
    let open = |file: &AuditedFile| !matches!(file.under_kill, UnderKill::Whole | UnderKill::WrittenOnce);
    let command = Program::words_for_a_shell(&record.command);
    // A program that is not told its directory can only be asked where it is.
    let how = if command.contains(DIR) { "run" } else { "audit" };
    let next = || format!("crashtest {how} --check 'CHECK {{dir}}' -- {command}");
    (record.checked.is_none() && record.audit.files.iter().any(open)).then(next)
}
