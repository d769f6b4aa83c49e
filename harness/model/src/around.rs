//! The calls around a crash point, as findings show them: one a line, the one that it is about marked.

use crate::{At, CallIndex, CrashPoint, Trace};

/// What stands before the line of the call that a crash point or a failure is about.
const MARK: &str = "▶";

impl Trace {
    /// The calls around `point`, with where the kill came, in at most `most` lines, two of them for that.
    #[must_use]
    pub fn around(&self, point: CrashPoint, most: usize) -> Vec<String> {
        let note = match point.at {
            At::Before => "killed before it".to_owned(),
            At::Inside(bytes) => format!("killed after {bytes} bytes of it"),
            At::After => "killed after it".to_owned(),
        };
        self.around_call(point.call, &note, most)
    }

    /// The calls around `call`, `call` marked and `note` below it, in at most `most` lines. A call past the last one is the end.
    #[must_use]
    pub fn around_call(&self, call: CallIndex, note: &str, most: usize) -> Vec<String> {
        let (at, calls) = (call.0 as usize, self.operations.len());
        let shown = most.saturating_sub(1).clamp(1, calls + 1);
        // What led there says more than what would have followed.
        let first = at.saturating_sub(shown * 2 / 3).min(calls + 1 - shown);
        let width = (first + shown).to_string().len();
        let mut lines = Vec::new();
        for n in (first..first + shown).filter(|n| *n < calls || *n == at) {
            let mark = if n == at { MARK } else { " " };
            lines.push(match self.operations.get(n) {
                Some(operation) => format!("{mark} {:>width$}  {operation}", n + 1),
                None => format!("{mark} {:>width$}  the end", ""),
            });
            lines.extend((n == at).then(|| format!("  {:>width$}  ← {note}", "")));
        }
        lines
    }
}

/// The call that `around` marks, without its number: `write     fills.json  8192 bytes at 0`.
#[must_use]
pub fn marked(around: &[String]) -> Option<&str> {
    let line = around.iter().find_map(|line| line.strip_prefix(MARK))?;
    Some(line.trim_start().trim_start_matches(|c: char| c.is_ascii_digit()).trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Operation, Progress};

    fn trace(calls: usize) -> Trace {
        let operation = |n| Operation {
            process: 0,
            call: "unlink".into(),
            action: Action::Unlink { path: format!("file-{n}") },
            errno: None,
            before: Progress::default(),
            after: Progress::default(),
            left: None,
        };
        Trace { operations: (1..=calls).map(operation).collect(), ..Trace::default() }
    }

    #[test]
    fn the_marked_call_is_always_shown_and_no_more_than_asked_for() {
        for calls in [0, 1, 5, 40] {
            for at in 0..=calls {
                for most in [2, 3, 12] {
                    let point = CrashPoint { call: CallIndex(at as u32), at: At::Before };
                    let around = trace(calls).around(point, most);
                    let wanted = if at == calls { "the end".to_owned() } else { format!("unlink    file-{}", at + 1) };
                    assert_eq!(marked(&around), Some(wanted.as_str()), "{at} of {calls}, {most}: {around:#?}");
                    assert!(around.len() <= most, "{around:#?}");
                }
            }
        }
    }

    #[test]
    fn what_led_there_is_shown_rather_than_what_would_have_followed() {
        let around = trace(40).around(CrashPoint { call: CallIndex(20), at: At::Inside(8192) }, 7);
        assert_eq!(
            around,
            [
                "  17  unlink    file-17",
                "  18  unlink    file-18",
                "  19  unlink    file-19",
                "  20  unlink    file-20",
                "▶ 21  unlink    file-21",
                "      ← killed after 8192 bytes of it",
                "  22  unlink    file-22",
            ]
        );
    }
}
