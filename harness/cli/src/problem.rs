//! What goes wrong before or instead of a result: a message, hints on their own lines, and an exit status. Printed in one place.

use std::fmt;

use crashtest_engine::{Blame, EngineError};
use crashtest_report::FolderError;

use crate::exit::Exit;

/// A problem that ends the program.
#[derive(Debug)]
pub(crate) struct Problem {
    said: Said,
    hints: Vec<String>,
    /// What the program exits with.
    pub exit: Exit,
}

/// The text of a problem.
#[derive(Debug)]
enum Said {
    /// A sentence.
    Message(String),
    /// Lines that are rendered already: they show a place in a file.
    Report(String),
}

impl Problem {
    /// Bad input.
    pub(crate) fn usage(message: impl Into<String>) -> Problem {
        Problem { said: Said::Message(message.into()), hints: Vec::new(), exit: Exit::Usage }
    }

    /// This machine lacks what was asked for.
    pub(crate) fn lacking(message: impl Into<String>) -> Problem {
        Problem { exit: Exit::Lacking, ..Problem::usage(message) }
    }

    /// Nothing is proven, neither for nor against.
    pub(crate) fn inconclusive(message: impl Into<String>) -> Problem {
        Problem { exit: Exit::Inconclusive, ..Problem::usage(message) }
    }

    /// Bad input in a file, as a rendered report that shows the place.
    pub(crate) fn report(rendered: impl Into<String>) -> Problem {
        Problem { said: Said::Report(rendered.into()), hints: Vec::new(), exit: Exit::Usage }
    }

    /// A bug of ours.
    pub(crate) fn bug(message: impl Into<String>) -> Problem {
        let hints =
            vec!["this is a bug of crashtest: please report it with the command and the results folder".to_owned()];
        Problem { said: Said::Message(message.into()), hints, exit: Exit::Bug }
    }

    /// What the engine could not do, by whose affair that is.
    pub(crate) fn failed_to(why: &str, blame: Blame, hint: Option<String>) -> Problem {
        let message = format!("failed to {why}");
        let problem = match blame {
            Blame::Input => Problem::usage(message),
            Blame::Machine => Problem::lacking(message),
            Blame::Us => Problem::bug(message),
        };
        problem.hint(hint)
    }

    /// What it says, without the hints: a fragment for a record.
    #[must_use]
    pub(crate) fn message(&self) -> String {
        match &self.said {
            Said::Message(text) | Said::Report(text) => text.trim_end().to_owned(),
        }
    }

    /// The same problem with a hint on a line of its own.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<Option<String>>) -> Problem {
        self.hints.extend(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.said {
            Said::Message(message) => write!(f, "error: {message}")?,
            Said::Report(report) => f.write_str(report.trim_end())?,
        }
        self.hints.iter().try_for_each(|hint| write!(f, "\n  hint: {hint}"))
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Problem {
        Problem::failed_to(&error.to_string(), error.blame(), error.hint())
    }
}

impl From<FolderError> for Problem {
    fn from(error: FolderError) -> Problem {
        let mut message = format!("failed to {error}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message += &format!(": {cause}");
            source = cause.source();
        }
        Problem::usage(message).hint(error.hint())
    }
}
