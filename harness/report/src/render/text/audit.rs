//! An audit for people, as `crashtest audit` prints it: how each file is written, what a kill could leave of it, what to change.

mod table;

use crashtest_model::{Audit, AuditRecord, AuditedFile, Example, PlainName, Program};

use super::terminal_text::{Style, TerminalText};
use crate::number::thousands;
use crate::render::format::Terminal;
use crate::render::words::audit::basis::{Line, basis};
use crate::render::words::audit::{Tone, conclusion, file, next_step};
use crate::render::words::coverage::{listed, unseen};
use crate::results::RecordedAudit;

/// Broken files that are shown with an example each.
const MOST_EXAMPLES: usize = 10;

/// The audit for a terminal of `width` columns. Only names, calls and commands may be wider.
#[must_use]
pub fn audit(record: &AuditRecord, terminal: Terminal) -> String {
    let mut out = TerminalText::new(terminal);
    let audit = &record.audit;
    let (tone, sentence) = conclusion(record);
    let style = match tone {
        Tone::Good => Style::Good,
        Tone::Bad => Style::Bad,
        Tone::Warn => Style::Warn,
    };
    out.wrapped_in("", &sentence, Some(style));
    if !audit.files.is_empty() {
        out.blank();
        table::lines(audit, record.checked.is_some(), out.width, out.color).iter().for_each(|line| out.line(line));
    }
    checked(&mut out, record);
    let broken = || record.broken();
    if broken().next().is_some() {
        out.heading("What a kill breaks", "");
    }
    for (n, file) in broken().take(MOST_EXAMPLES).enumerate() {
        example(&mut out, n + 1, file);
    }
    if let Some(more) = broken().count().checked_sub(MOST_EXAMPLES).filter(|more| *more > 0) {
        out.wrapped("     ", &format!("and {} more", thousands(more as u64)));
    }
    if record.checked.is_none() {
        unclear(&mut out, audit);
    }
    power(&mut out, record);
    proof(&mut out, record);
    if let Some(next) = next_step(record) {
        out.heading("Next", "only a checker can say whether the program copes");
        out.line(&format!("  {}", PlainName(&next)));
    }
    out.finish()
}

/// The same, and where it is kept: of an audit with a results folder.
#[must_use]
pub fn recorded_audit(recorded: &RecordedAudit, terminal: Terminal) -> String {
    let mut out = TerminalText::new(terminal);
    out.heading("Kept", &PlainName(&recorded.path.to_string_lossy()).to_string());
    let kept = || recorded.kept.iter().flatten();
    for folder in kept().take(MOST_EXAMPLES) {
        let failure = recorded.path.join(folder);
        out.line(&format!("  replay      crashtest replay {}", PlainName(&failure.to_string_lossy())));
    }
    if let Some(more) = kept().count().checked_sub(MOST_EXAMPLES).filter(|more| *more > 0) {
        out.wrapped("              ", &format!("and {} more", thousands(more as u64)));
    }
    audit(&recorded.record, terminal) + &out.finish()
}

/// Writes what the checker said.
fn checked(out: &mut TerminalText, record: &AuditRecord) {
    let Some(checked) = &record.checked else { return };
    out.heading("What the checker says", &Program::words_for_a_shell(checked.check.command()));
    let points: u64 = checked.verdicts.values().sum();
    let verdicts: Vec<String> =
        checked.verdicts.iter().map(|(verdict, n)| format!("{verdict} {}", thousands(*n))).collect();
    let asked = match checked.states {
        0 => "nothing".to_owned(),
        states => format!(
            "{} distinct crash states; of the {} crash points that leave them: {}",
            thousands(states),
            thousands(points),
            verdicts.join(" · ")
        ),
    };
    out.wrapped("  asked       ", &asked);
    if let Some(example) = &checked.example {
        out.line(&format!("  {}", out.styled(&format!("{}", example.verdict), Style::Bad)));
        out.wrapped("     killed  ", &format!("{}: {}", example.place, PlainName(&example.call)));
        out.wrapped("     found   ", &PlainName(&example.why).to_string());
    }
    let (words, style) = match &checked.sensitivity {
        sensitivity if !sensitivity.planted && record.interrupted => {
            ("not known: interrupted before it was tried".to_owned(), Some(Style::Warn))
        }
        sensitivity if !sensitivity.planted => (
            "not known: the run leaves no file that could be damaged to see whether the checker notices".to_owned(),
            Some(Style::Warn),
        ),
        sensitivity => match unseen(sensitivity) {
            Some(words) => (words, Some(Style::Warn)),
            None => ("it noticed files that were torn, empty and missing on purpose".to_owned(), None),
        },
    };
    out.wrapped_in("  looks       ", &words, style);
}

/// A broken file: where, what is found then, what to do.
fn example(out: &mut TerminalText, number: usize, file: &AuditedFile) {
    let Some(Example { damage, place, call, before, after, found, copy, .. }) = &file.example else { return };
    let bytes = |length: &Option<u64>| match length {
        Some(1) => "1 byte".to_owned(),
        Some(length) => format!("{} bytes", thousands(*length)),
        None => "no file".to_owned(),
    };
    out.line(&format!("{number:>3}. {}", out.styled(&format!("{}: {damage}", PlainName(&file.path)), Style::Bad)));
    out.wrapped("     killed  ", &format!("{place}: {}", PlainName(call)));
    let next = after.map_or_else(String::new, |_| format!(", then {}", bytes(after)));
    out.wrapped("     found   ", &format!("{}; the versions are {}{next}", bytes(found), bytes(before)));
    if let Some(copy) = copy {
        let note = format!("{} then holds a whole version: harmless if the program falls back on it", PlainName(copy));
        out.wrapped("     copy    ", &note);
    }
    if let Some(fix) = file::fix(file) {
        out.wrapped("     fix     ", &fix);
    }
}

/// Writes what a checker is needed for, file by file.
fn unclear(out: &mut TerminalText, audit: &Audit) {
    let unclear = || audit.files.iter().filter_map(|file| file::unclear(file).map(|why| (file, why)));
    if unclear().next().is_none() {
        return;
    }
    out.heading("What needs --check", "");
    for (file, why) in unclear().take(MOST_EXAMPLES) {
        out.line(&format!("  {}", PlainName(&file.path)));
        out.wrapped("     ", &why);
    }
    if let Some(more) = unclear().count().checked_sub(MOST_EXAMPLES).filter(|more| *more > 0) {
        out.wrapped("     ", &format!("and {} more", thousands(more as u64)));
    }
}

/// Writes which calls there should be before the power goes, file by file.
fn power(out: &mut TerminalText, record: &AuditRecord) {
    let mut missing: Vec<(String, Vec<&str>)> = Vec::new();
    // The fix of what a kill breaks has these calls in it.
    let fixed: Vec<&str> = record.broken().map(|file| file.path.as_str()).collect();
    for file in record.audit.files.iter().filter(|file| !fixed.contains(&file.path.as_str())) {
        let Some(words) = file::power(file) else { continue };
        match missing.iter_mut().find(|(other, _)| *other == words) {
            Some((_, files)) => files.push(&file.path),
            None => missing.push((words, vec![&file.path])),
        }
    }
    if missing.is_empty() {
        return;
    }
    out.heading("Missing for a power cut", "not tested: read from the calls");
    for (words, files) in missing {
        out.wrapped("  ", &listed(&files));
        out.wrapped("     add     ", &words);
    }
}

/// Writes what the run proves, and what it does not.
fn proof(out: &mut TerminalText, record: &AuditRecord) {
    out.heading("What this rests on", &record.status);
    for Line { label, words, is_doubt } in basis(record) {
        out.wrapped_in(&format!("  {label:<12}"), &words, is_doubt.then_some(Style::Warn));
    }
}
