//! GitHub Actions: annotations of what is not as documented, and the job summary. Does nothing anywhere else.
//!
//! <https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>. GitHub reads commands from standard
//! error as well, which keeps standard output for the result.

use std::fs::File;
use std::io::Write as _;

use crashtest_report::render::{difference, label};
use crashtest_report::{Recorded, RecordedGrid};

use crate::console;

/// GitHub shows so many errors of a step.
const MOST_ANNOTATIONS: usize = 10;

/// An error that GitHub shows beside a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    title: String,
    message: String,
}

/// The annotations of a run: one for each class of failures that its target does not document.
pub(crate) fn of_run(recorded: &Recorded) -> Vec<Annotation> {
    let target = &recorded.run.plan.target;
    let findings = recorded.summary.results.iter().flat_map(|row| row.findings.iter().map(move |f| (row, f)));
    findings
        .filter(|(_, finding)| !finding.documented)
        .map(|(row, finding)| Annotation {
            title: format!("{} × {}: {} under {}", target.strategy, target.workload, finding.verdict, row.fault),
            message: format!("{}\n{}", finding.explanation, finding.replay),
        })
        .collect()
}

/// The annotations of a grid: one for each cell that is not as documented.
pub(crate) fn of_grid(grid: &RecordedGrid) -> Vec<Annotation> {
    let cells = grid.grid.cells.iter().zip(&grid.summary.cells);
    let departed = cells.filter_map(|(planned, cell)| Some((planned, difference(cell)?)));
    departed
        .map(|(planned, why)| Annotation {
            title: format!("{} is not as documented", label(grid, &planned.plan)),
            message: format!("{why}\nresults: {}", grid.path.join(&planned.folder).display()),
        })
        .collect()
}

/// Prints `annotations` in GitHub Actions, and appends `summary` to the job's.
pub(crate) fn publish(annotations: &[Annotation], summary: &str) {
    if std::env::var_os("GITHUB_ACTIONS").is_none_or(|value| value != "true") {
        return;
    }
    commands(annotations).iter().for_each(|line| console::complain(line));
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return };
    let appended =
        File::options().append(true).create(true).open(&path).and_then(|mut file| file.write_all(summary.as_bytes()));
    if let Err(error) = appended {
        console::complain(&format!("note: failed to write the job summary `{}`: {error}", path.display()));
    }
}

/// The lines that GitHub reads.
fn commands(annotations: &[Annotation]) -> Vec<String> {
    let shown = if annotations.len() > MOST_ANNOTATIONS { MOST_ANNOTATIONS - 1 } else { annotations.len() };
    let mut lines: Vec<String> = annotations[..shown].iter().map(command).collect();
    if annotations.len() > shown {
        let more = annotations.len() - shown;
        lines.push(command(&Annotation {
            title: format!("{more} more are not as documented"),
            message: "the job summary has them all".to_owned(),
        }));
    }
    lines
}

fn command(annotation: &Annotation) -> String {
    format!("::error title={}::{}", property(&annotation.title), data(&annotation.message))
}

/// `text` as the data of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// `text` as a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(title: &str, message: &str) -> Annotation {
        Annotation { title: title.to_owned(), message: message.to_owned() }
    }

    #[test]
    fn what_would_end_a_command_or_a_property_is_escaped() {
        assert_eq!(
            command(&annotation("a: b, 5 %\r\n::", "25 %, x: y\r\n::error::z")),
            "::error title=a%3A b%2C 5 %25%0D%0A%3A%3A::25 %25, x: y%0D%0A::error::z"
        );
    }

    #[test]
    fn no_more_annotations_than_are_shown() {
        let many: Vec<Annotation> = (0..30).map(|n| annotation(&n.to_string(), "x")).collect();
        let lines = commands(&many);
        assert_eq!(lines.len(), MOST_ANNOTATIONS);
        assert!(lines[9].contains("21 more"), "{}", lines[9]);
        assert_eq!(commands(&many[..10]).len(), 10);
    }
}
