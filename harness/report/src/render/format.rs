//! What a format is: its name, its file in a results folder, and how it renders a run, a grid and an audit.

use crate::results::{Recorded, RecordedAudit, RecordedGrid, Results};

/// Whether the text carries ANSI colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// With escape sequences.
    Always,
}

/// The terminal that text is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terminal {
    /// Its columns.
    pub width: u16,
    /// Whether it takes colours.
    pub color: Color,
}

impl Terminal {
    /// A terminal of `width` columns without colours.
    #[must_use]
    pub const fn plain(width: u16) -> Terminal {
        Terminal { width, color: Color::Never }
    }
}

/// A format of reports.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// The name by which `report --format` knows it.
    pub name: &'static str,
    /// The sentence that says what it is for.
    pub purpose: &'static str,
    /// The file of a results folder that holds it; `None` where none does.
    pub file: Option<&'static str>,
    /// The report of a run. Only a format for a terminal looks at that.
    pub run: fn(&Recorded, Terminal) -> String,
    /// The report of a grid.
    pub grid: fn(&RecordedGrid, Terminal) -> String,
    /// The report of an audit.
    pub audit: fn(&RecordedAudit, Terminal) -> String,
}

impl Format {
    /// Renders whatever a results folder holds.
    #[must_use]
    pub fn render(&self, results: &Results, terminal: Terminal) -> String {
        match results {
            Results::Run(run) => (self.run)(run, terminal),
            Results::Grid(grid) => (self.grid)(grid, terminal),
            Results::Audit(audit) => (self.audit)(audit, terminal),
        }
    }
}
