//! The report of an audit for a CI job summary: the sentence first, then a row a file, then the crash states that break one.

use std::fmt::Write as _;

use crashtest_model::{AuditFailure, AuditRecord, AuditedFile, Program};

use super::escape::{code, plain};
use crate::number::thousands;
use crate::render::words::audit::basis::{Line, basis};
use crate::render::words::audit::{Tone, conclusion, file, next_step};
use crate::render::words::coverage::unseen;
use crate::results::RecordedAudit;

/// Files, and failures, that are shown.
const MOST: usize = 50;
/// Bytes after which no more are shown: the longest names there are take tens of thousands each.
const ENOUGH: usize = 400_000;

/// The report in GitHub Markdown, below 1 MiB.
#[must_use]
pub fn audit(recorded: &RecordedAudit) -> String {
    let mut text = String::new();
    let record = &recorded.record;
    head(&mut text, record);
    files(&mut text, record);
    failures(&mut text, recorded);
    if record.checked.as_ref().is_some_and(|checked| checked.states > 0)
        && let Some(words) = record.checked.as_ref().and_then(|checked| unseen(&checked.sensitivity))
    {
        let _ = writeln!(text, "> ⚠️ {}\n", plain(&words));
    }
    text.push_str("### What this rests on\n\n");
    for Line { label, words, .. } in basis(record) {
        let _ = writeln!(text, "- **{label}**: {}", plain(&words));
    }
    text.push('\n');
    if let Some(next) = next_step(record) {
        let _ = writeln!(text, "Next: `{}`\n", code(&next));
    }
    text
}

fn head(text: &mut String, record: &AuditRecord) {
    let (tone, sentence) = conclusion(record);
    let sign = match tone {
        Tone::Bad => "❌",
        Tone::Warn => "⚠️",
        Tone::Good => "✅",
    };
    let command = Program::words_for_a_shell(&record.command);
    let _ = writeln!(text, "## {sign} crashtest audit: `{}`\n\n**{}**\n", code(&command), plain(&sentence));
    let _ = writeln!(text, "How the run ended: {}.\n", plain(&record.status));
}

fn files(text: &mut String, record: &AuditRecord) {
    let audit = &record.audit;
    if audit.files.is_empty() {
        return;
    }
    text.push_str("| file | written | under kill |\n|---|---|---|\n");
    let mut shown = 0;
    for audited in audit.files.iter().take(MOST) {
        if text.len() > ENOUGH {
            break;
        }
        shown += 1;
        let under_kill = file::under_kill(audited, audit.crash_points, record.checked.is_some());
        let written = file::written(audited);
        let _ = writeln!(text, "| {} | {} | {} |", plain(&audited.path), plain(&written), plain(&under_kill));
    }
    text.push('\n');
    more(text, audit.files.len() - shown);
}

fn failures(text: &mut String, recorded: &RecordedAudit) {
    let failures: Vec<AuditFailure> = recorded.record.failures().collect();
    if failures.is_empty() {
        return;
    }
    text.push_str("### What a kill breaks\n\n");
    let mut shown = 0;
    for (n, failure) in failures.iter().take(MOST).enumerate() {
        if text.len() > 2 * ENOUGH {
            break;
        }
        shown += 1;
        let (what, place, call, why) = match failure {
            AuditFailure::File { path, example } => {
                let fix = fix(&recorded.record, path);
                (format!("{path}: {}", example.damage), &example.place, &example.call, fix)
            }
            AuditFailure::Checker(example) => (
                format!("the checker: {}", example.verdict),
                &example.place,
                &example.call,
                Some(format!("what: {}", example.why)),
            ),
        };
        let _ = writeln!(text, "{}. **{}**, killed {}: `{}`", n + 1, plain(&what), plain(place), code(call));
        if let Some(why) = why {
            let _ = writeln!(text, "   - {}", plain(&why));
        }
        if let Some(folder) = recorded.kept.get(n).into_iter().flatten().next() {
            let folder = recorded.path.join(folder);
            let _ = writeln!(text, "   - replay: `crashtest replay {}`", code(&folder.to_string_lossy()));
        }
    }
    text.push('\n');
    more(text, failures.len() - shown);
}

/// "fix: write the new content to …", for the file `path`.
fn fix(record: &AuditRecord, path: &str) -> Option<String> {
    let audited: &AuditedFile = record.audit.files.iter().find(|file| file.path == path)?;
    file::fix(audited).map(|fix| format!("fix: {fix}"))
}

/// How many were left away.
fn more(text: &mut String, hidden: usize) {
    if hidden > 0 {
        let _ = writeln!(text, "…and {} more: `audit.json` has them all.\n", thousands(hidden as u64));
    }
}
