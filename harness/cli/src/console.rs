//! The terminal: how wide, whether coloured, and writing to it. A reader that has gone away (`| head`) is no error.

use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crashtest_report::render::{Color, Terminal};

/// Columns of standard output; 80 where it is no terminal.
pub(crate) fn width() -> u16 {
    columns(&::console::Term::stdout())
}

/// Columns of standard error; 80 where it is no terminal.
pub(crate) fn error_width() -> u16 {
    columns(&::console::Term::stderr())
}

fn columns(terminal: &::console::Term) -> u16 {
    match terminal.size_checked() {
        Some((_, columns)) if terminal.is_term() => columns.clamp(60, 200),
        _ => 80,
    }
}

/// Standard output, as reports are made for it.
pub(crate) fn terminal() -> Terminal {
    Terminal { width: width(), color: color() }
}

/// Whether somebody sees standard error as it is written.
pub(crate) fn error_is_seen() -> bool {
    io::stderr().is_terminal()
}

/// Whether standard output takes colour: a terminal, and <https://no-color.org> is not asked for.
pub(crate) fn color() -> Color {
    colored(&io::stdout())
}

/// Whether standard error takes colour.
pub(crate) fn error_color() -> Color {
    colored(&io::stderr())
}

fn colored(stream: &impl IsTerminal) -> Color {
    let wanted = stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { Color::Always } else { Color::Never }
}

/// Whether standard output has taken less than it was given.
static LOST: AtomicBool = AtomicBool::new(false);

/// Writes a result to standard output. A reader that has closed the pipe wants no more; of any other failure see [`lost_output`].
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
        && !LOST.swap(true, Ordering::Relaxed)
    {
        complain(&format!("error: failed to write to standard output: {error}"));
    }
}

/// Whether standard output has not taken all that was printed, as on a full disk. That was said already.
pub(crate) fn lost_output() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Writes a remark to standard error, on a line of its own.
pub(crate) fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
