//! The report for a CI job summary: GitHub Markdown, the verdict first, well under the 1 MiB that a step may write.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crashtest_model::{Finding, ResultRow};

use super::escape::{code, plain};
use crate::number::{Rounding, percent, thousands};
use crate::render::words::conclusion::{Conclusion, Judgement};
use crate::render::words::counts::largest_first;
use crate::render::words::{coverage, findings, row};
use crate::results::Recorded;

/// Findings that are shown in full; with their longest texts they stay far below the limit.
const MOST_FINDINGS: usize = 50;
/// Lines of a histogram.
const MOST_LINES: usize = 60;
/// The report in GitHub Markdown, below 1 MiB.
#[must_use]
pub fn run(recorded: &Recorded) -> String {
    let mut text = String::new();
    head(&mut text, recorded);
    outcomes(&mut text, recorded);
    found(&mut text, recorded);
    costs(&mut text, recorded);
    for row in &recorded.summary.results {
        details(&mut text, row);
    }
    text.push_str("### Not tested\n\n");
    for line in &recorded.summary.not_tested {
        let (fault, words) = line.split_once(": ").unwrap_or((line, ""));
        let _ = writeln!(text, "- **{}**: {}", plain(fault), plain(words));
    }
    text
}

fn head(text: &mut String, recorded: &Recorded) {
    let conclusion = Conclusion::new(recorded);
    let sign = match conclusion.judgement {
        Judgement::ControlFailed | Judgement::Broken => "❌",
        Judgement::Incomplete | Judgement::Inconclusive => "⚠️",
        Judgement::Unbroken => "✅",
    };
    let (run, target) = (&recorded.run, &recorded.run.plan.target);
    let _ = writeln!(text, "## {sign} crashtest: {} × {}\n", plain(&target.strategy), plain(&target.workload));
    let _ = writeln!(text, "**{}**\n", plain(&conclusion.sentence));
    let environment = &run.environment;
    let participants: String = run.plan.participants().iter().map(|words| format!("{words}, ")).collect();
    let mut facts = format!(
        "{participants}{} loader, {} state, `{}`; seed `{}`; {} workers; {} ({}); {}",
        target.loader,
        target.state_size,
        code(&run.strategy.recipe),
        run.plan.seed.0,
        run.plan.budget.jobs,
        plain(&environment.file_system.kind),
        plain(&environment.file_system.options),
        plain(&environment.kernel),
    );
    if let Some(seconds) = recorded.summary.completion.elapsed_s {
        let _ = write!(facts, "; {seconds:.1} s");
    }
    let _ = writeln!(text, "{facts}.\n{}\n", coverage::repeats(&run.plan));
    let stopped = recorded.summary.completion.stopped.iter().filter(|_| recorded.summary.completion.complete);
    for note in recorded.notes.iter().chain(stopped) {
        let _ = writeln!(text, "> {}\n", plain(note));
    }
}

fn outcomes(text: &mut String, recorded: &Recorded) {
    text.push_str("| fault | trials | verdict | damage | count | % | 95 % interval |\n");
    text.push_str("|---|--:|---|---|--:|--:|---|\n");
    for row in &recorded.summary.results {
        let (name, trials) = (row::name(row), thousands(row.trials));
        if row.verdicts.is_empty() {
            let _ = writeln!(text, "| {name} | {trials} | no trial | | | | |");
        }
        for (verdict, count) in &row.verdicts {
            let damage = match verdict.detected() {
                Some(_) if row.unchecked => "not asked",
                Some(true) => "detected",
                Some(false) => "**undetected**",
                None => "-",
            };
            let _ = writeln!(
                text,
                "| {name} | {trials} | {verdict} | {damage} | {} | {} | {} |",
                thousands(count.count),
                percent(count.interval.rate, Rounding::Nearest),
                row::certainty_words(row, &count.interval),
            );
        }
    }
    text.push('\n');
    for row in &recorded.summary.results {
        let _ = writeln!(text, "- {}: {}", row::name(row), row::failures_words(row));
        if let Some(words) = row::lost_words(row) {
            let _ = writeln!(text, "  - lost acks: {words}");
        }
        if let Some(words) = row::latency_words(row) {
            let _ = writeln!(text, "  - ack latency {words}");
        }
        for words in coverage::recording_words(row).into_iter().chain(coverage::notes(row)) {
            let _ = writeln!(text, "  - {}", plain(&words));
        }
    }
    for reason in recorded.summary.results.iter().flat_map(row::gate_words) {
        let _ = writeln!(text, "- ⚠️ proves nothing: {}", plain(&reason));
    }
    text.push('\n');
}

fn found(text: &mut String, recorded: &Recorded) {
    let all = findings::worst_first(recorded);
    if all.is_empty() {
        return;
    }
    text.push_str("### Failures, worst first\n\n");
    for (n, (row, finding)) in all.iter().take(MOST_FINDINGS).enumerate() {
        let count = findings::count_words(finding);
        let _ = writeln!(
            text,
            "{}. **{}**, {count} ({}), {}\n   - what: {}\n   - first: {}\n   - fix: {}\n   - replay: `{}`",
            n + 1,
            finding.verdict,
            row::name(row),
            findings::detection(row, finding),
            plain(&finding.explanation),
            plain(&findings::first_words(finding)),
            plain(&finding.fix),
            code(&finding.replay),
        );
        calls(text, finding);
    }
    let hidden = all.len().saturating_sub(MOST_FINDINGS);
    if hidden > 0 {
        let _ = writeln!(text, "\nNot shown: {hidden} of {} classes: `summary.json` has them all.", all.len());
    }
    text.push('\n');
}

/// The calls around the first crash of a finding, and where its files are, as parts of its list item.
fn calls(text: &mut String, finding: &Finding) {
    let around = findings::around(finding);
    if around.is_empty() {
        return;
    }
    if let Some(files) = findings::kept_words(finding) {
        let _ = writeln!(text, "   - files: {}", plain(files));
    }
    text.push_str("   - calls:\n\n     ```text\n");
    around.iter().for_each(|line| *text += &format!("     {}\n", code(line)));
    text.push_str("     ```\n");
}

fn costs(text: &mut String, recorded: &Recorded) {
    for row in recorded.summary.results.iter().filter(|row| !row.consequences.is_empty()) {
        let _ = writeln!(text, "### What it cost ({})\n", row::name(row));
        for cost in row.consequences.iter().take(MOST_LINES) {
            let _ = writeln!(text, "- {} {}", thousands(cost.count), plain(&cost.words));
        }
        text.push('\n');
    }
}

/// The histograms of a row, folded away.
fn details(text: &mut String, row: &ResultRow) {
    let name = row::name(row);
    fold(text, &places(row), "phase", &row.phases);
    fold(text, &format!("{name}: gaps between two file-changing calls"), "gap", &row.gaps);
    fold(text, &format!("{name}: the state file before recovery"), "file", &row.raw);
}

/// The title of the histogram of a row's phases.
fn places(row: &ResultRow) -> String {
    let name = row::name(row);
    match row.fault.is_exhaustive() {
        false => format!("{name}: where the {} kills landed", thousands(row.kills_landed.unwrap_or(0))),
        true => {
            let (title, counts) = row::places_words(row);
            format!("{name}: {} ({counts})", title.to_lowercase())
        }
    }
}

fn fold(text: &mut String, title: &str, column: &str, counts: &BTreeMap<String, u64>) {
    let entries = largest_first(counts);
    let total: u64 = entries.iter().map(|(_, n)| n).sum();
    if total == 0 {
        return;
    }
    let _ = writeln!(text, "<details><summary>{}</summary>\n\n| {column} | count | % |\n|---|--:|--:|", plain(title));
    for (name, n) in entries.iter().take(MOST_LINES) {
        let share = percent(*n as f64 / total as f64, Rounding::Nearest);
        let _ = writeln!(text, "| {} | {} | {share} |", plain(name), thousands(*n));
    }
    if entries.len() > MOST_LINES {
        let rest: u64 = entries.iter().skip(MOST_LINES).map(|(_, n)| n).sum();
        let _ = writeln!(text, "| {} more | {} | |", entries.len() - MOST_LINES, thousands(rest));
    }
    text.push_str("\n</details>\n\n");
}
