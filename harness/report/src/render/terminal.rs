//! What a person reads after `crashtest run`. The verdict comes last, as that is what stands above the next prompt.

use std::fmt::Write as _;

use crashtest_model::{Check, Fault, Program, ResultRow, Start};

use super::conclusion::{Conclusion, Judgement};
use super::page::{Color, Page, Style};
use super::{findings, histogram, row, swept, table};
use crate::number::thousands;
use crate::results::Recorded;

/// Findings that are shown in full; the rest is counted.
const MOST_FINDINGS: usize = 6;
/// Phases that are shown; the rest is counted.
const MOST_PHASES: usize = 8;
/// From this width on, phases and gaps stand side by side.
const TWO_COLUMNS: usize = 120;

/// The report for a terminal of `width` columns. Only replay lines and paths may be longer, so that they can be copied.
#[must_use]
pub fn terminal(recorded: &Recorded, width: u16, color: Color) -> String {
    let mut page = Page::new(width, color);
    subject(&mut page, recorded);
    outcomes(&mut page, recorded);
    for row in recorded.summary.results.iter().filter(|row| row.start == Some(Start::Again)) {
        landed(&mut page, row);
    }
    costs(&mut page, recorded);
    found(&mut page, recorded);
    not_tested(&mut page, recorded);
    verdict(&mut page, recorded);
    page.finish()
}

/// What was tested, on what, and how it can be repeated.
fn subject(page: &mut Page, recorded: &Recorded) {
    let run = &recorded.run;
    let (plan, environment) = (&run.plan, &run.environment);
    let target = &plan.target;
    let mut subject = match &plan.program {
        Some(program) => program_words(program),
        None => {
            format!("{} × {}, {} loader, {} state", target.strategy, target.workload, target.loader, target.state_size)
        }
    };
    plan.company().iter().for_each(|words| subject += &format!(", {words}"));
    page.wrapped_in("", &subject, Some(Style::Bold));
    page.wrapped("  ", &run.strategy.recipe);
    let jobs = plan.budget.jobs;
    let mut facts = format!("seed {} · {jobs} worker{}", plan.seed.0, if jobs == 1 { "" } else { "s" });
    if let Some(seconds) = recorded.summary.completion.elapsed_s {
        let _ = write!(facts, " · {seconds:.1} s");
    }
    let file_system = &environment.file_system;
    let _ = write!(facts, " · {} ({}) · {}", file_system.kind, file_system.options, environment.kernel);
    page.wrapped("  ", &facts);
    page.wrapped_in("  ", &swept::repeats(plan), Some(Style::Dim));
}

/// "bot.py, a program of your own, checked by `python3 check.py {dir}`".
fn program_words(program: &Program) -> String {
    let checked = match &program.check {
        Some(Check::Each(words)) => format!("checked by `{}`", Program::words_for_a_shell(words)),
        Some(Check::Batch(words)) => format!("checked by `{}`, started once", Program::words_for_a_shell(words)),
        None => "without a checker: every file must be as some run has left it".to_owned(),
    };
    format!("{}, a program of your own, {checked}", program.name())
}

/// The table of verdicts, and a sentence a row.
fn outcomes(page: &mut Page, recorded: &Recorded) {
    page.blank();
    let rows = &recorded.summary.results;
    for (n, line) in table::lines(rows, page.width, page.color).iter().enumerate() {
        let line = if n == 0 { page.styled(line, Style::Bold) } else { line.clone() };
        page.line(&line);
    }
    page.blank();
    for row in rows {
        if row.fault != Fault::None {
            page.wrapped("  ", &row::failures_words(row));
        }
        if let Some(words) = row::lost_words(row) {
            let of = if row.fault == Fault::None { "control: lost acks" } else { "lost acks" };
            page.wrapped("  ", &format!("{of}: {words}"));
        }
        for note in swept::notes(row) {
            page.wrapped_in("  ", &format!("{}: {note}", row::name(row)), Some(Style::Warn));
        }
    }
    // An inconclusive run's last sentence says so already.
    if Conclusion::of(recorded).judgement != Judgement::Inconclusive {
        for reason in rows.iter().flat_map(row::gate_words) {
            page.wrapped_in("  ", &format!("proves nothing: {reason}"), Some(Style::Warn));
        }
    }
}

/// Where the kills landed, and what they left.
fn landed(page: &mut Page, row: &ResultRow) {
    if row.phases.is_empty() {
        return;
    }
    let (title, counts) = row::places_words(row);
    page.heading(title, &counts);
    let indented = |lines: Vec<String>| lines.into_iter().map(|line| format!("  {line}")).collect::<Vec<_>>();
    let lines = if page.width >= TWO_COLUMNS && !row.gaps.is_empty() {
        let half = page.width / 2;
        let phases = histogram::lines(&row.phases, half - 6, MOST_PHASES);
        let mut gaps = vec!["between two file-changing calls:".to_owned()];
        gaps.extend(histogram::lines(&row.gaps, page.width - half - 4, MOST_PHASES));
        histogram::beside(&phases, half, &gaps)
    } else {
        histogram::lines(&row.phases, page.width - 2, MOST_PHASES)
    };
    for line in indented(lines) {
        page.line(&line);
    }
    if let Some(words) = swept::recording_words(row) {
        page.wrapped("  calls  ", &words);
    }
    if let Some(acks) = row.acks_per_life {
        let text = format!(
            "median {} saves per life (p10 {}, p90 {}), {} in all",
            thousands(acks.median),
            thousands(acks.p10),
            thousands(acks.p90),
            thousands(row.acked)
        );
        page.wrapped("  acked  ", &text);
    }
    if let Some(words) = row::latency_words(row) {
        page.wrapped("  ack    ", &format!("latency {words}, from the begin of a save to its ack"));
    }
    if let Some(n) = row.kills_late.filter(|n| *n > 0) {
        let text =
            format!("{} came after the last save that is aimed at: the writer was faster than the clock", thousands(n));
        page.wrapped("  late   ", &text);
    }
    if let Some(n) = row.recovery_killed.filter(|n| *n > 0) {
        let text = format!("{} hit a recovery: the next trial is judged in their place", thousands(n));
        page.wrapped("  again  ", &text);
    }
    if let Some(states) = row.distinct_states {
        let recovered = row.distinct_recovered.unwrap_or(0);
        let text =
            format!("{} distinct crash states, {} distinct recovered states", thousands(states), thousands(recovered));
        page.wrapped("  seen   ", &text);
    }
    if !row.raw.is_empty() {
        let files: Vec<String> =
            histogram::sorted(&row.raw).iter().map(|(state, n)| format!("{} {state}", thousands(*n))).collect();
        page.wrapped("  files  ", &format!("before recovery: {}", files.join(", ")));
    }
}

/// What the failures cost, in the workload's words.
fn costs(page: &mut Page, recorded: &Recorded) {
    let rows = recorded.summary.results.iter().filter(|row| !row.consequences.is_empty());
    for row in rows {
        page.heading("What it cost", &format!("under {}", row::name(row)));
        let counts: Vec<String> = row.consequences.iter().map(|cost| thousands(cost.count)).collect();
        let width = counts.iter().map(String::len).max().unwrap_or(0);
        for (cost, count) in row.consequences.iter().zip(counts) {
            page.wrapped(&format!("  {count:>width$}  "), &cost.words);
        }
    }
}

/// The classes of failures, worst first.
fn found(page: &mut Page, recorded: &Recorded) {
    let all = findings::worst_first(recorded);
    if all.is_empty() {
        return;
    }
    let classes = if all.len() == 1 { "1 class".to_owned() } else { format!("{} classes, worst first", all.len()) };
    page.heading("Failures", &classes);
    for (n, (row, finding)) in all.iter().take(MOST_FINDINGS).enumerate() {
        if n > 0 {
            page.blank();
        }
        let style = if finding.detected { Style::Warn } else { Style::Bad };
        let count = findings::count_words(finding);
        let standing = format!("{count} ({}), {}", row::name(row), findings::standing(row, finding));
        page.entry(n + 1, finding.verdict.name(), style, &standing);
        page.wrapped("     what    ", &finding.explanation);
        page.wrapped("     first   ", &findings::first_words(finding));
        for (n, call) in findings::around(finding).iter().enumerate() {
            page.cut(if n == 0 { "     calls   " } else { "             " }, call);
        }
        if let Some(files) = findings::kept_words(finding) {
            page.wrapped("     files   ", files);
        }
        match all.iter().take(n).position(|(_, earlier)| earlier.fix == finding.fix) {
            Some(earlier) => page.line(&format!("     fix     as for {}", earlier + 1)),
            None => page.wrapped("     fix     ", &finding.fix),
        }
        page.line(&format!("     replay  {}", finding.replay));
    }
    let hidden = all.len().saturating_sub(MOST_FINDINGS);
    if hidden > 0 {
        let trials: u64 = all.iter().skip(MOST_FINDINGS).map(|(_, finding)| finding.count).sum();
        page.blank();
        page.wrapped("     ", &format!("and {hidden} more classes with {} trials: see summary.md", thousands(trials)));
    }
}

fn not_tested(page: &mut Page, recorded: &Recorded) {
    page.heading("Not tested", "");
    for line in &recorded.summary.not_tested {
        let (fault, words) = line.split_once(": ").unwrap_or((line, ""));
        page.wrapped(&format!("  {fault:<7}"), words);
    }
}

/// Where the record lies, and what it comes to.
fn verdict(page: &mut Page, recorded: &Recorded) {
    page.blank();
    for note in &recorded.notes {
        page.wrapped_in("note: ", note, Some(Style::Warn));
    }
    if let Some(stopped) = recorded.summary.completion.stopped.as_ref().filter(|_| recorded.summary.completion.complete)
    {
        page.wrapped("note: ", stopped);
    }
    page.line(&format!("results: {}", recorded.path.display()));
    let conclusion = Conclusion::of(recorded);
    let style = match conclusion.judgement {
        Judgement::ControlFailed | Judgement::Broken => Style::Bad,
        Judgement::Incomplete | Judgement::Inconclusive => Style::Warn,
        Judgement::Unbroken => Style::Good,
    };
    page.wrapped_in("", &conclusion.sentence, Some(style));
}
