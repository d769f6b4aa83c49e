//! What a person reads after `crashtest run`. The verdict comes last, as that is what stands above the next prompt.

mod outcomes;

use std::fmt::Write as _;

use crashtest_model::{Check, Fault, Program, ResultRow, Start};

use super::histogram;
use super::terminal_text::{Style, TerminalText};
use crate::number::thousands;
use crate::render::format::Terminal;
use crate::render::words::conclusion::{Conclusion, Judgement};
use crate::render::words::counts::largest_first;
use crate::render::words::{coverage, findings, row};
use crate::results::Recorded;

/// Findings that are shown in full; the rest is counted.
const MOST_FINDINGS: usize = 6;
/// Phases that are shown; the rest is counted.
const MOST_PHASES: usize = 8;
/// The width from which on phases and gaps stand side by side.
const TWO_COLUMNS: usize = 120;

/// The report for a terminal of `width` columns. Only replay lines and paths may be longer, so that they can be copied.
#[must_use]
pub fn run(recorded: &Recorded, terminal: Terminal) -> String {
    let mut out = TerminalText::new(terminal);
    subject(&mut out, recorded);
    outcomes(&mut out, recorded);
    for row in recorded.summary.results.iter().filter(|row| row.start == Some(Start::Again)) {
        places(&mut out, row);
    }
    costs(&mut out, recorded);
    found(&mut out, recorded);
    not_tested(&mut out, recorded);
    verdict(&mut out, recorded);
    out.finish()
}

/// Writes what was tested, on what, and how it can be repeated.
fn subject(out: &mut TerminalText, recorded: &Recorded) {
    let run = &recorded.run;
    let (plan, environment) = (&run.plan, &run.environment);
    let target = &plan.target;
    let mut subject = match &plan.program {
        Some(program) => program_words(program),
        None => {
            format!("{} × {}, {} loader, {} state", target.strategy, target.workload, target.loader, target.state_size)
        }
    };
    plan.participants().iter().for_each(|words| subject += &format!(", {words}"));
    out.wrapped_in("", &subject, Some(Style::Bold));
    out.wrapped("  ", &run.strategy.recipe);
    let jobs = plan.budget.jobs;
    let mut facts = format!("seed {} · {jobs} worker{}", plan.seed.0, if jobs == 1 { "" } else { "s" });
    if let Some(seconds) = recorded.summary.completion.elapsed_s {
        let _ = write!(facts, " · {seconds:.1} s");
    }
    let file_system = &environment.file_system;
    let _ = write!(facts, " · {} ({}) · {}", file_system.kind, file_system.options, environment.kernel);
    out.wrapped("  ", &facts);
    out.wrapped_in("  ", &coverage::repeats(plan), Some(Style::Dim));
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
fn outcomes(out: &mut TerminalText, recorded: &Recorded) {
    out.blank();
    let rows = &recorded.summary.results;
    for (n, line) in outcomes::table(rows, out.width, out.color).iter().enumerate() {
        let line = if n == 0 { out.styled(line, Style::Bold) } else { line.clone() };
        out.line(&line);
    }
    out.blank();
    for row in rows {
        if row.fault != Fault::None {
            out.wrapped("  ", &row::failures_words(row));
        }
        if let Some(words) = row::lost_words(row) {
            let label = if row.fault == Fault::None { "control: lost acks" } else { "lost acks" };
            out.wrapped("  ", &format!("{label}: {words}"));
        }
        for note in coverage::notes(row) {
            out.wrapped_in("  ", &format!("{}: {note}", row::name(row)), Some(Style::Warn));
        }
    }
    // An inconclusive run's last sentence says so already.
    if Conclusion::new(recorded).judgement != Judgement::Inconclusive {
        for reason in rows.iter().flat_map(row::gate_words) {
            out.wrapped_in("  ", &format!("proves nothing: {reason}"), Some(Style::Warn));
        }
    }
}

/// Writes where the kills came, and what they left.
fn places(out: &mut TerminalText, row: &ResultRow) {
    if row.phases.is_empty() {
        return;
    }
    let (title, counts) = row::places_words(row);
    out.heading(title, &counts);
    let indented = |lines: Vec<String>| lines.into_iter().map(|line| format!("  {line}")).collect::<Vec<_>>();
    let lines = if out.width >= TWO_COLUMNS && !row.gaps.is_empty() {
        let half = out.width / 2;
        let phases = histogram::lines(&row.phases, half - 6, MOST_PHASES);
        let mut gaps = vec!["between two file-changing calls:".to_owned()];
        gaps.extend(histogram::lines(&row.gaps, out.width - half - 4, MOST_PHASES));
        histogram::beside(&phases, half, &gaps)
    } else {
        histogram::lines(&row.phases, out.width - 2, MOST_PHASES)
    };
    for line in indented(lines) {
        out.line(&line);
    }
    if let Some(words) = coverage::recording_words(row) {
        out.wrapped("  calls  ", &words);
    }
    if let Some(acks) = row.acks_per_life {
        let text = format!(
            "median {} saves per life (p10 {}, p90 {}), {} in all",
            thousands(acks.median),
            thousands(acks.p10),
            thousands(acks.p90),
            thousands(row.acked)
        );
        out.wrapped("  acked  ", &text);
    }
    if let Some(words) = row::latency_words(row) {
        out.wrapped("  ack    ", &format!("latency {words}, from the begin of a save to its ack"));
    }
    if let Some(n) = row.kills_late.filter(|n| *n > 0) {
        let text =
            format!("{} came after the last save that is aimed at: the writer was faster than the clock", thousands(n));
        out.wrapped("  late   ", &text);
    }
    if let Some(n) = row.recovery_killed.filter(|n| *n > 0) {
        let text = format!("{} hit a recovery: the next trial is judged in their place", thousands(n));
        out.wrapped("  again  ", &text);
    }
    if let Some(states) = row.distinct_states {
        let recovered = row.distinct_recovered.unwrap_or(0);
        let text =
            format!("{} distinct crash states, {} distinct recovered states", thousands(states), thousands(recovered));
        out.wrapped("  seen   ", &text);
    }
    if !row.raw.is_empty() {
        let files: Vec<String> =
            largest_first(&row.raw).iter().map(|(state, n)| format!("{} {state}", thousands(*n))).collect();
        out.wrapped("  files  ", &format!("before recovery: {}", files.join(", ")));
    }
}

/// Writes what the failures cost, in the workload's words.
fn costs(out: &mut TerminalText, recorded: &Recorded) {
    let rows = recorded.summary.results.iter().filter(|row| !row.consequences.is_empty());
    for row in rows {
        out.heading("What it cost", &format!("under {}", row::name(row)));
        let counts: Vec<String> = row.consequences.iter().map(|cost| thousands(cost.count)).collect();
        let width = counts.iter().map(String::len).max().unwrap_or(0);
        for (cost, count) in row.consequences.iter().zip(counts) {
            out.wrapped(&format!("  {count:>width$}  "), &cost.words);
        }
    }
}

/// The classes of failures, worst first.
fn found(out: &mut TerminalText, recorded: &Recorded) {
    let all = findings::worst_first(recorded);
    if all.is_empty() {
        return;
    }
    let classes = if all.len() == 1 { "1 class".to_owned() } else { format!("{} classes, worst first", all.len()) };
    out.heading("Failures", &classes);
    for (n, (row, finding)) in all.iter().take(MOST_FINDINGS).enumerate() {
        if n > 0 {
            out.blank();
        }
        let style = if finding.detected { Style::Warn } else { Style::Bad };
        let count = findings::count_words(finding);
        let head = format!("{count} ({}), {}", row::name(row), findings::detection(row, finding));
        out.entry(n + 1, finding.verdict.name(), style, &head);
        out.wrapped("     what    ", &finding.explanation);
        out.wrapped("     first   ", &findings::first_words(finding));
        for (n, call) in findings::around(finding).iter().enumerate() {
            out.cut(if n == 0 { "     calls   " } else { "             " }, call);
        }
        if let Some(files) = findings::kept_words(finding) {
            out.wrapped("     files   ", files);
        }
        match all.iter().take(n).position(|(_, earlier)| earlier.fix == finding.fix) {
            Some(earlier) => out.line(&format!("     fix     as for {}", earlier + 1)),
            None => out.wrapped("     fix     ", &finding.fix),
        }
        out.line(&format!("     replay  {}", finding.replay));
    }
    let hidden = all.len().saturating_sub(MOST_FINDINGS);
    if hidden > 0 {
        let trials: u64 = all.iter().skip(MOST_FINDINGS).map(|(_, finding)| finding.count).sum();
        let (trials, classes) = (thousands(trials), all.len());
        out.blank();
        out.wrapped("     ", &format!("not shown: {hidden} of {classes} classes (trials: {trials}): see summary.md"));
    }
}

fn not_tested(out: &mut TerminalText, recorded: &Recorded) {
    out.heading("Not tested", "");
    for line in &recorded.summary.not_tested {
        let (fault, words) = line.split_once(": ").unwrap_or((line, ""));
        out.wrapped(&format!("  {fault:<7}"), words);
    }
}

/// Writes where the record lies, and what it comes to.
fn verdict(out: &mut TerminalText, recorded: &Recorded) {
    out.blank();
    for note in &recorded.notes {
        out.wrapped_in("note: ", note, Some(Style::Warn));
    }
    if let Some(stopped) = recorded.summary.completion.stopped.as_ref().filter(|_| recorded.summary.completion.complete)
    {
        out.wrapped("note: ", stopped);
    }
    out.line(&format!("results: {}", recorded.path.display()));
    let conclusion = Conclusion::new(recorded);
    let style = match conclusion.judgement {
        Judgement::ControlFailed | Judgement::Broken => Style::Bad,
        Judgement::Incomplete | Judgement::Inconclusive => Style::Warn,
        Judgement::Unbroken => Style::Good,
    };
    out.wrapped_in("", &conclusion.sentence, Some(style));
}
