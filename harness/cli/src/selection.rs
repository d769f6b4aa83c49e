//! `--include` and `--exclude`: which of a program's files are judged.

use clap::Args;
use crashtest_states::Selection;

use crate::problem::Problem;

/// Which files are judged.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SelectionOptions {
    /// Judge these files although they are excluded, by default (*.log, *.pid, *.lock, …) or by --exclude; may be given
    /// several times
    #[arg(long, value_name = "GLOB", help_heading = "Which files")]
    pub include: Vec<String>,
    /// Do not judge these files, relative to the state directory; may be given several times. A checker still sees them, and need not
    /// notice damage to them
    #[arg(long, value_name = "GLOB", help_heading = "Which files")]
    pub exclude: Vec<String>,
}

impl SelectionOptions {
    /// What they select.
    pub(crate) fn selection(&self) -> Result<Selection, Problem> {
        Selection::new(&self.include, &self.exclude).map_err(|bad| {
            let option = if self.include.contains(&bad.pattern) { "--include" } else { "--exclude" };
            Problem::usage(format!("{option} does not take `{}`: {}", bad.pattern, bad.why))
                .hint("globs are relative to the state directory: `*.bak`, `cache/**`, `orders/[0-9]*.json`".to_owned())
        })
    }
}
