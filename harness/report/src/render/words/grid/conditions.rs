//! Under which conditions the cells were compared, how the table is read, and what such a test cannot show.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crashtest_model::{Fault, MOST_SAVES, Plan, Signal};

use super::guarantee::{Guarantee, Mark, mark};
use super::variant::{self, Variant};
use crate::number::{Rounding, percent, thousands};
use crate::results::RecordedGrid;

/// "direct, atomic × fills, strict loader, 64 KiB state".
pub(crate) fn subject(grid: &RecordedGrid) -> String {
    let plans = || grid.grid.cells.iter().map(|cell| &cell.plan.target);
    let strategies = distinct(plans().map(|target| target.strategy.clone()));
    let strategies = match strategies.len() {
        0..=4 => strategies.join(", "),
        n => format!("{n} strategies"),
    };
    let workloads = distinct(plans().map(|target| target.workload.clone())).join(", ");
    let loaders = distinct(plans().map(|target| target.loader.to_string()));
    let sizes = distinct(plans().map(|target| target.state_size.to_string())).join(" and ");
    let plural = if loaders.len() > 1 { "s" } else { "" };
    format!("{strategies} × {workloads}, {} loader{plural}, {sizes} state", loaders.join(" and "))
}

/// The distinct `values`, in the order of their first appearance.
fn distinct<T: Ord + Clone>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = BTreeSet::new();
    values.filter(|value| seen.insert(value.clone())).collect()
}

/// The machine and the plans of a grid, a sentence each.
pub(crate) fn facts(grid: &RecordedGrid) -> Vec<String> {
    let environment = &grid.grid.environment;
    let plans: Vec<&Plan> = grid.grid.cells.iter().map(|cell| &cell.plan).collect();
    let seeds = distinct(plans.iter().map(|plan| plan.seed));
    let jobs = plans.iter().map(|plan| plan.budget.jobs).max().unwrap_or(1);
    let mut machine = format!("{jobs} worker{}", if jobs == 1 { "" } else { "s" });
    if let Some(seconds) = grid.summary.completion.elapsed_s {
        let _ = write!(machine, ", {seconds:.1} s");
    }
    let systems = distinct(
        grid.cells
            .iter()
            .flatten()
            .map(|cell| &cell.run.environment.file_system)
            .map(|system| format!("{} ({})", system.kind, system.options)),
    );
    let system = match systems.as_slice() {
        [] => format!("{} ({})", environment.file_system.kind, environment.file_system.options),
        systems => systems.join(" and "),
    };
    let plan = match seeds.as_slice() {
        [seed] if !kills(grid) => format!("Seed {}.", seed.0),
        [seed] => format!(
            "Seed {}: every cell gets the same plan, kills at the same positions in its saves (“2.37 saves after \
             recovery”), however long a save takes. Kills follow the wall clock: the seed repeats the plan, not each outcome.",
            seed.0
        ),
        seeds => format!("{} seeds: the cells do not share a plan.", seeds.len()),
    };
    let late = late(grid);
    let mut conditions = vec![plan];
    if plans.iter().any(|plan| plan.is_exhaustive()) {
        conditions.push(
            "Crash points and failing calls are those of one recorded run of each target: the same calls give the same \
             outcomes on every run. Crash states that fail were reached by a real SIGKILL as well, and so was a sample of the others."
                .to_owned(),
        );
    }
    conditions.extend([
        duty(grid),
        format!("File system {system}. {}; {machine}.", environment.kernel),
        "Saves per second are those of the killed lives: all saves that returned, over the time that they took. These are \
         many more than the control's, and so vary less. An ack's latency is the time from the begin of a save to its ack."
            .to_owned(),
    ]);
    conditions.extend(late);
    conditions
}

/// Whether anything is killed at random: what the table of guarantees is about. A grid without any fault has it too, to say so.
pub(crate) fn kills(grid: &RecordedGrid) -> bool {
    let cells = &grid.grid.cells;
    cells.iter().any(|cell| cell.plan.kills()) || !cells.iter().any(|cell| cell.plan.is_exhaustive())
}

/// The signals that end lives at random: "SIGKILL", "SIGKILL and SIGTERM".
pub(crate) fn signals(cells: &[Variant<'_>]) -> String {
    let plans = cells.iter().map(|cell| &cell.planned.plan).filter(|plan| plan.kills());
    let names = distinct(plans.map(|plan| plan.signal.system_name().to_owned()));
    if names.is_empty() { Signal::Kill.system_name().to_owned() } else { names.join(" and ") }
}

/// The rows whose writers outran the clock: their kills fell at rest, and say less than their number.
fn late(grid: &RecordedGrid) -> Option<String> {
    let rows = grid.summary.results.iter().filter(|row| row.kills_late.is_some_and(|late| late > 0));
    let many = rows.filter(|row| row.kills_late.unwrap_or(0) * 20 > row.kills_landed.unwrap_or(0));
    let said: Vec<String> = many
        .map(|row| {
            let [late, kills] = [row.kills_late, row.kills_landed].map(|n| thousands(n.unwrap_or(0)));
            format!("{} ({}) {late} of {kills}", row.target, row.loader)
        })
        .collect();
    (!said.is_empty()).then(|| {
        format!(
            "Late kills: where a save takes less than the clock can aim at, a writer that has made {} saves waits for its kill, \
             and that one falls between two saves: {}. One kill in four is not aimed by the clock.",
            MOST_SAVES + 1,
            said.join(", ")
        )
    })
}

/// The share of its time that a writer spends saving: equal for all, or what it is for each.
fn duty(grid: &RecordedGrid) -> String {
    if grid.grid.cells.iter().all(|cell| cell.plan.target.idle_us == 0) {
        return "Writers save without a pause: all are compared at a duty cycle of 100 %.".to_owned();
    }
    let cycles: Vec<String> = variant::all(grid)
        .iter()
        .filter_map(|cell| {
            let idle_s = cell.planned.plan.target.idle_us as f64 / 1e6;
            let duty = 1.0 / (1.0 + idle_s * cell.saves_per_second()?);
            Some(format!("{} {} %", cell.label(), percent(duty, Rounding::Nearest)))
        })
        .collect();
    format!(
        "Writers pause between saves, so their duty cycles differ: the share of the time spent saving is {}. Rates are per \
         kill at equal positions.",
        cycles.join(", ")
    )
}

/// The meaning of the words in the table, of those that are in it.
pub(crate) fn legend(cells: &[Variant<'_>], columns: &[Guarantee]) -> Vec<&'static str> {
    let marks: Vec<Mark> =
        cells.iter().flat_map(|cell| columns.iter().map(|column| mark(cell.kills(), *column))).collect();
    let any = |wanted: fn(&Mark) -> bool| marks.iter().any(wanted);
    let mut lines = Vec::new();
    if any(|mark| matches!(mark, Mark::Broken(..))) {
        lines.push("A rate is how often a restart after a kill broke the guarantee, with its 95 % interval.");
    }
    if any(|mark| *mark == Mark::Kept) {
        lines.push("“kept”: no failure among the judged kills. That is a bound, not a proof: the rate is what “kept means” (95 %).");
    }
    if any(|mark| *mark == Mark::Hidden) {
        lines.push("“hidden”: a lenient loader tells no damage from another; it starts fresh, a silent reset.");
    }
    if any(|mark| *mark == Mark::NotTested) {
        lines.push("“not tested”: nothing was killed, or nothing was counted.");
    }
    if any(|mark| *mark == Mark::Unproven) {
        lines.push("“unproven”: nothing was seen, but the kills prove nothing.");
    }
    lines.push(
        "Left-over files are counted over 20 crashes in a row, and over clean stops for a strategy that breaks sooner.",
    );
    lines
}

/// The limits of such a test in plain words: name, sentence.
pub(crate) fn limits(grid: &RecordedGrid) -> Vec<(String, String)> {
    let kind = grid
        .cells
        .iter()
        .flatten()
        .next()
        .map_or(&grid.grid.environment.file_system.kind, |cell| &cell.run.environment.file_system.kind);
    let planned = |fault| grid.grid.cells.iter().any(|cell| cell.plan.faults.contains(&fault));
    let mut limits = Vec::new();
    let mut say = |name: &str, words: String| limits.push((name.to_owned(), words));
    if planned(Fault::Kill) || planned(Fault::Sweep) {
        say(
            "power loss",
            "SIGKILL is not power loss: the system survives and keeps what was written. What was never synced can still \
             be lost when the power goes, also by a strategy that kept everything here."
                .to_owned(),
        );
    }
    if planned(Fault::Kill) {
        say(
            "each moment",
            "Kills fall at random moments. A window that was never hit was not tested, and no failure in n kills only says \
             that the rate is below about 3/n."
                .to_owned(),
        );
    }
    if planned(Fault::Sweep) || planned(Fault::Io) {
        say(
            "other calls",
            "A sweep knows the calls of the run that it recorded: another input, and a longer run, may make others."
                .to_owned(),
        );
    }
    say("two writers", "One writer at a time: two that race for one file are another test.".to_owned());
    say(
        "other disks",
        format!("This was one machine and one file system ({kind}); another may order writes otherwise."),
    );
    for limit in &grid.grid.limits {
        say("this grid", limit.clone());
    }
    limits
}
