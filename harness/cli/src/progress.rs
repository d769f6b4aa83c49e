//! Live progress: a bar on a terminal, a line every ten seconds elsewhere.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use crashtest_engine::{AuditProgress, SoFar};
use crashtest_model::{Fault, Group, Rows, Start, Tally, Until, Verdict};
use crashtest_report::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console;

/// Nothing is shown of work that is over before this.
const PATIENCE: Duration = Duration::from_millis(250);
/// Nothing is shown of a recording that is over before this.
const LONG_RECORDING: Duration = Duration::from_secs(2);
/// How often a log gets a line.
const LOG_INTERVAL: Duration = Duration::from_secs(10);
/// How often the bar's counts change.
const REDRAW: Duration = Duration::from_millis(100);

/// Where progress goes.
enum Display {
    Bar(ProgressBar),
    Log,
    Nothing,
}

/// The progress of one campaign.
pub(crate) struct Progress {
    display: Display,
    label: String,
    planned: Option<u64>,
    began: Instant,
    shown: Instant,
}

impl Progress {
    /// Starts progress towards `planned` kills, if their number is known; nothing is shown if `quiet`.
    pub(crate) fn new(planned: Option<u64>, quiet: bool) -> Progress {
        let display = match (quiet, io::stderr().is_terminal()) {
            (true, _) => Display::Nothing,
            (false, true) => Display::Bar(bar(planned)),
            (false, false) => Display::Log,
        };
        Progress { display, label: String::new(), planned, began: Instant::now(), shown: Instant::now() }
    }

    /// Puts `label` in front, for one campaign of several; a log had its last line at `shown`.
    pub(crate) fn labelled(mut self, label: &str, shown: Instant) -> Progress {
        self.label = format!("{label}: ");
        self.shown = shown;
        if let Display::Bar(bar) = &self.display {
            bar.set_prefix(format!("{label} "));
        }
        self
    }

    /// When something was last shown.
    pub(crate) fn last_shown(&self) -> Instant {
        self.shown
    }

    /// Shows the counts, if it is time to.
    pub(crate) fn show(&mut self, rows: &Rows) {
        let interval = match self.display {
            Display::Bar(_) if self.began.elapsed() < PATIENCE => return,
            Display::Bar(_) => REDRAW,
            Display::Log => LOG_INTERVAL,
            Display::Nothing => return,
        };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let trials = |fault| rows.get(fault, Start::Again).map_or(0, |tally| tally.trials);
        let done: u64 = match self.planned {
            Some(_) => trials(Fault::Kill),
            None => Fault::ALL.into_iter().filter(|fault| *fault != Fault::None).map(trials).sum(),
        };
        let rate = done as f64 / self.began.elapsed().as_secs_f64();
        let counts = format!("{rate:.0}/s: {}", counts(rows));
        match &self.display {
            Display::Bar(bar) => {
                if bar.is_hidden() {
                    bar.set_draw_target(ProgressDrawTarget::stderr());
                }
                bar.set_position(done);
                bar.set_message(counts);
            }
            Display::Log => {
                let planned = self.planned.map_or(String::new(), |n| format!(" of {}", thousands(n)));
                console::complain(&format!("{}{}{planned} trials, {counts}", self.label, thousands(done)));
            }
            Display::Nothing => {}
        }
    }
}

/// How far an audit is, on a terminal.
pub(crate) struct AuditLine {
    /// Of a recording.
    recording: ProgressBar,
    /// Of the crash states that were asked about.
    asking: ProgressBar,
    command: String,
    /// What ends the recording.
    ends: &'static str,
    began: Instant,
    /// When a bar was shown or changed last.
    shown: Option<Instant>,
}

impl AuditLine {
    /// Starts with the recording of `command`, which goes on until it ends, or `until` then.
    pub(crate) fn new(command: &str, until: Until) -> AuditLine {
        let hidden = || ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        let recording = style.map_or_else(|_| hidden(), |style| hidden().with_style(style));
        let ends = match until.is_never() {
            true => "crashtest: Ctrl-C ends the program and reports; --for 5s does so by itself",
            false => "crashtest: Ctrl-C ends the program sooner, and reports",
        };
        let command = command.to_owned();
        AuditLine { recording, asking: bar(Some(0)), command, ends, began: Instant::now(), shown: None }
    }

    /// Shows how far it is.
    pub(crate) fn show(&mut self, so_far: AuditProgress) {
        if !io::stderr().is_terminal() || self.shown.is_some_and(|shown| shown.elapsed() < REDRAW) {
            return;
        }
        let (bar, patience) = match so_far {
            AuditProgress::Recording(_) => (&self.recording, LONG_RECORDING),
            AuditProgress::Asked { .. } => (&self.asking, PATIENCE),
        };
        if self.began.elapsed() < patience {
            return;
        }
        if self.shown.is_none() && matches!(so_far, AuditProgress::Recording(_)) {
            console::complain(self.ends);
        }
        self.shown = Some(Instant::now());
        match so_far {
            AuditProgress::Recording(so_far) => bar.set_message(recorded(&self.command, so_far)),
            AuditProgress::Asked { done, of } => {
                self.recording.finish_and_clear();
                bar.set_length(of);
                bar.set_position(done);
                bar.set_message("crash states");
            }
        }
        if bar.is_hidden() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.tick();
    }
}

/// "1,240 file-changing calls, 31 saves of 3 files: recording python3 bot.py".
fn recorded(command: &str, so_far: SoFar) -> String {
    let of = |n: u64, one: &str| format!("{} {one}{}", thousands(n), if n == 1 { "" } else { "s" });
    let SoFar { calls, saves, files } = so_far;
    let saves = match files {
        0 => of(saves, "save"),
        files => format!("{} of {}", of(saves, "save"), of(files, "file")),
    };
    format!("{}, {saves}: recording {command}", of(calls, "file-changing call"))
}

impl Drop for AuditLine {
    fn drop(&mut self) {
        self.recording.finish_and_clear();
        self.asking.finish_and_clear();
    }
}

/// Which of several steps is under way, on a terminal, below what is printed meanwhile.
pub(crate) struct Steps {
    /// The bar, where standard error is a terminal.
    bar: Option<ProgressBar>,
    what: &'static str,
    of: usize,
}

impl Steps {
    /// Starts `of` steps, each of them one `what`.
    pub(crate) fn new(what: &'static str, of: usize) -> Steps {
        let shown = io::stderr().is_terminal().then(|| {
            let bar = bar(Some(of as u64));
            bar.set_draw_target(ProgressDrawTarget::stderr());
            bar
        });
        Steps { bar: shown, what, of }
    }

    /// The step after `done` others begins; it is called `name`.
    pub(crate) fn begin(&self, done: usize, name: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            bar.set_message(self.step(done, name));
            bar.tick();
        }
    }

    /// Prints `text` above the bar.
    pub(crate) fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| console::print(text)),
            None => console::print(text),
        }
    }

    fn step(&self, done: usize, name: &str) -> String {
        format!("{} {} of {}: {name}", self.what, done + 1, self.of)
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

fn bar(planned: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(planned, ProgressDrawTarget::hidden());
    let template = match planned {
        Some(_) => "{prefix}{bar:20} {human_pos}/{human_len}, {eta} left, {wide_msg}",
        None => "{prefix}{spinner} {human_pos} trials in {elapsed}, {wide_msg}",
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸─")),
        Err(_) => bar,
    }
}

/// Counts in words, worst first: `empty 512 · torn 60 · intact 904`, then `sweep 210 of 1,550 crash points, 1 finding: torn in-write`.
fn counts(rows: &Rows) -> String {
    let of = |fault| rows.get(fault, Start::Again);
    let shown = |tally: &Tally| {
        let present = Verdict::ALL.into_iter().filter(|verdict| tally.count(*verdict) > 0);
        present.map(|verdict| (verdict, thousands(tally.count(verdict)))).collect::<Vec<_>>()
    };
    let mut parts: Vec<String> =
        of(Fault::Kill).iter().flat_map(|kills| shown(kills)).map(|(verdict, n)| format!("{verdict} {n}")).collect();
    for fault in Fault::ALL.into_iter().filter(|fault| fault.is_exhaustive()) {
        let Some(tally) = of(fault) else { continue };
        let [one, many] = fault.trial_words();
        let planned = tally.coverage.as_ref().map_or(0, |coverage| coverage.points + coverage.points_again);
        let of_planned = if planned > tally.trials { format!(" of {}", thousands(planned)) } else { String::new() };
        let trials = if tally.trials == 1 && of_planned.is_empty() { one } else { many };
        parts.push(format!("{fault} {}{of_planned} {trials}{}", thousands(tally.trials), findings(tally)));
    }
    if parts.is_empty() { "control".to_owned() } else { parts.join(" · ") }
}

/// ", 2 findings: torn in-write, empty after-create": the classes of failures so far, worst first.
fn findings(tally: &Tally) -> String {
    let mut found: Vec<&Group> = tally.groups.values().filter(|group| group.verdict.is_violation()).collect();
    found.sort_by_key(|group| (group.verdict, group.first.trial));
    let words = |group: &&Group| format!("{} {}", group.verdict, group.first.phase.replace(':', " "));
    match found.len() {
        0 => String::new(),
        n => {
            let all = found.iter().map(words).collect::<Vec<_>>().join(", ");
            format!(", {n} finding{}: {all}", if n == 1 { "" } else { "s" })
        }
    }
}

#[cfg(test)]
mod tests {
    use crashtest_model::{About, Aim, At, CallIndex, Coverage, CrashPoint, Note, Outcome, Seed, TrialRecord};

    use super::*;

    fn trial(fault: Fault, verdict: Verdict) -> TrialRecord {
        let aim = Aim::Call(CrashPoint { call: CallIndex(0), at: At::Before });
        let outcome = Outcome::Judged(verdict);
        TrialRecord { outcome, ..TrialRecord::planned(0, fault, Start::Again, Seed(0), aim) }
    }

    #[test]
    fn a_recording_is_shown_with_what_it_has_seen() {
        let words = |calls, saves, files| recorded("python3 bot.py", SoFar { calls, saves, files });
        assert_eq!(words(1240, 31, 3), "1,240 file-changing calls, 31 saves of 3 files: recording python3 bot.py");
        assert_eq!(words(1, 1, 0), "1 file-changing call, 1 save: recording python3 bot.py");
    }

    #[test]
    fn a_step_is_shown_with_its_number_and_name() {
        assert_eq!(Steps::new("canary", 21).step(4, "planted-leak"), "canary 5 of 21: planted-leak");
    }

    #[test]
    fn each_fault_counts_in_its_own_words() {
        let mut rows = Rows::default();
        assert_eq!(counts(&rows), "control");
        rows.add(&trial(Fault::Kill, Verdict::Empty));
        rows.add(&trial(Fault::Kill, Verdict::Intact));
        assert_eq!(counts(&rows), "empty 1 · intact 1");
        (0..1201).for_each(|_| rows.add(&trial(Fault::Sweep, Verdict::Intact)));
        (0..3).for_each(|_| rows.add(&trial(Fault::Sweep, Verdict::Torn)));
        rows.add(&trial(Fault::Io, Verdict::FalseAck));
        assert_eq!(
            counts(&rows),
            "empty 1 · intact 1 · sweep 1,204 crash points, 1 finding: torn unknown · io 1 failing call, 1 finding: false-ack unknown"
        );
        let known = Coverage { points: 1_500, points_again: 50, ..Coverage::default() };
        rows.note(&Note { fault: Fault::Sweep, start: Start::Again, about: About::Coverage(Box::new(known)) });
        let of_planned = counts(&rows);
        assert!(of_planned.contains("sweep 1,204 of 1,550 crash points, 1 finding"), "{of_planned}");
    }
}
