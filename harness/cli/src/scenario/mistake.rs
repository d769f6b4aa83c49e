//! A mistake in a scenario file: what is wrong, where, what was probably meant, what may stand there.

use std::ops::Range;
use std::path::Path;

use crashtest_report::render::Color;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};

/// A place in a file, in bytes.
pub(crate) type Place = Range<usize>;

/// A mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    message: String,
    /// The first is where it is; others show what it is at odds with. An empty text leaves the bare mark.
    labels: Vec<(Place, String)>,
    help: Option<String>,
}

impl Mistake {
    /// `message` about what stands at `place`, where `label` is written under it.
    pub(crate) fn new(message: impl Into<String>, place: Place, label: impl Into<String>) -> Mistake {
        Mistake { message: message.into(), labels: vec![(place, label.into())], help: None }
    }

    /// What the TOML parser says. It has no place for what is missing at the end of the file.
    pub(crate) fn of_syntax(error: &toml::de::Error, text: &str) -> Mistake {
        let end = text.trim_end().len();
        let place = error.span().unwrap_or(end..end);
        let start = text.floor_char_boundary(place.start);
        let place = start..text.ceil_char_boundary(place.end).max(start);
        match error.message() {
            "duplicate key" => Mistake::new(format!("`{}` twice in one table", &text[place.clone()]), place, "again")
                .help("keep one of the two"),
            message => Mistake::new("not valid TOML", place, message)
                .help("text stands in \"quotes\", lists in [brackets], each `key = value` on a line of its own"),
        }
    }

    /// The same mistake with a second place that belongs to it.
    #[must_use]
    pub(crate) fn and(mut self, place: Place, label: impl Into<String>) -> Mistake {
        self.labels.push((place, label.into()));
        self
    }

    /// The same mistake with the way out.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Mistake {
        self.help = Some(help.into());
        self
    }

    /// Renders the mistake and its place in `text`, the content of the file at `path`, in lines of at most `width` columns. Lines of
    /// the file are not cut.
    pub(crate) fn render(&self, path: &Path, text: &str, width: u16, color: Color) -> String {
        let mut theme = match color {
            Color::Always => GraphicalTheme::unicode(),
            Color::Never => GraphicalTheme::unicode_nocolor(),
        };
        theme.characters.error = "error:".to_owned();
        let labels = self.labels.iter().enumerate().map(|(n, (place, label))| {
            let label = Some(label.clone()).filter(|label| !label.is_empty());
            match n {
                0 => LabeledSpan::new_primary_with_span(label, place.clone()),
                _ => LabeledSpan::new_with_span(label, place.clone()),
            }
        });
        let mut diagnostic = MietteDiagnostic::new(&self.message).with_labels(labels);
        diagnostic.help.clone_from(&self.help);
        // A mark at the very end needs a line that it can stand under.
        let at_the_end = self.labels.iter().any(|(place, _)| place.start == text.len());
        let source = if at_the_end { format!("{text}\n") } else { text.to_owned() };
        let source = NamedSource::new(path.display().to_string(), source);
        let report = Report::new(diagnostic).with_source_code(source);
        let mut rendered = String::new();
        let handler = GraphicalReportHandler::new_themed(theme).with_width(width.into()).with_links(false);
        match handler.render_report(&mut rendered, report.as_ref()) {
            Ok(()) => rendered.trim_start().to_owned(),
            // A String takes everything; a file whose place cannot be shown still has its sentence.
            Err(_) => format!("error: {}: {}", path.display(), self.message),
        }
    }
}

#[cfg(test)]
impl Mistake {
    /// Every place that it shows.
    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.labels.iter().map(|(place, _)| place)
    }
}
