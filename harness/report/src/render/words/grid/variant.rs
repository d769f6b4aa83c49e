//! One row of a comparison: a cell of the grid with what came of it.

use std::collections::BTreeSet;

use crashtest_model::{AckLatency, CellSummary, Fault, Finding, Plan, PlannedCell, ResultRow, Start};

use crate::results::{RecordedCell, RecordedGrid};

/// A cell of a grid.
#[derive(Clone, Copy)]
pub(crate) struct Variant<'g> {
    pub(crate) planned: &'g PlannedCell,
    pub(crate) cell: Option<&'g RecordedCell>,
    pub(crate) summary: &'g CellSummary,
    grid: &'g RecordedGrid,
}

/// The rows of `grid`, in the order of its plan.
pub(crate) fn all(grid: &RecordedGrid) -> Vec<Variant<'_>> {
    let cells = grid.grid.cells.iter().zip(&grid.cells).zip(&grid.summary.cells);
    cells.map(|((planned, cell), summary)| Variant { planned, cell: cell.as_ref(), summary, grid }).collect()
}

/// The name of the cell with `plan` among those of `grid`: "direct", "direct × signals, lenient".
#[must_use]
pub fn label(grid: &RecordedGrid, plan: &Plan) -> String {
    joined(grid, plan, others(grid, plan).into_iter().chain(under(grid, plan)).collect())
}

/// The name of a target, with the `rest` that tells it from others.
fn joined(grid: &RecordedGrid, plan: &Plan, rest: Vec<String>) -> String {
    let mut label = plan.target.strategy.clone();
    if differ(grid, |plan| &plan.target.workload) {
        label += &format!(" × {}", plan.target.workload);
    }
    if rest.is_empty() { label } else { format!("{label}, {}", rest.join(", ")) }
}

/// The faults of `plan`, where another plan has the same target under others.
fn under(grid: &RecordedGrid, plan: &Plan) -> Option<String> {
    let names = || plan.faults.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(", ");
    let same = |other: &Plan| (&other.target, other.seed) == (&plan.target, plan.seed) && other.faults != plan.faults;
    grid.grid.cells.iter().any(|cell| same(&cell.plan)).then(|| format!("under {}", names()))
}

/// The words that tell `plan` from the other plans, beside its strategy and workload.
fn others(grid: &RecordedGrid, plan: &Plan) -> Vec<String> {
    let target = &plan.target;
    let mut words = Vec::new();
    if differ(grid, |plan| plan.target.loader) {
        words.push(target.loader.to_string());
    }
    if differ(grid, Plan::participants) {
        words.extend(plan.participants());
    }
    if differ(grid, |plan| plan.target.state_size) {
        words.push(target.state_size.to_string());
    }
    if differ(grid, |plan| plan.target.idle_us) {
        words.push(format!("idle {} µs", target.idle_us));
    }
    if differ(grid, |plan| plan.signal) {
        words.push(plan.signal.system_name().to_owned());
    }
    if differ(grid, |plan| plan.seed) {
        words.push(format!("seed {}", plan.seed.0));
    }
    words
}

fn differ<'g, T: Ord>(grid: &'g RecordedGrid, what: impl Fn(&'g Plan) -> T) -> bool {
    grid.grid.cells.iter().map(|cell| what(&cell.plan)).collect::<BTreeSet<T>>().len() > 1
}

impl<'g> Variant<'g> {
    /// The name among the others.
    pub(crate) fn label(&self) -> String {
        label(self.grid, &self.planned.plan)
    }

    /// The name of its target, whichever faults it is under.
    pub(crate) fn target_label(&self) -> String {
        joined(self.grid, &self.planned.plan, others(self.grid, &self.planned.plan))
    }

    /// The name in parts: the strategy, then the rest.
    pub(crate) fn label_parts(&self) -> (&'g str, Vec<String>) {
        let (strategy, mut rest) = self.target_parts();
        rest.extend(under(self.grid, &self.planned.plan));
        (strategy, rest)
    }

    /// The name of its target in parts.
    pub(crate) fn target_parts(&self) -> (&'g str, Vec<String>) {
        let target = &self.planned.plan.target;
        let workload = differ(self.grid, |plan| &plan.target.workload).then(|| target.workload.clone());
        (&target.strategy, workload.into_iter().chain(others(self.grid, &self.planned.plan)).collect())
    }

    fn row(&self, fault: Fault, start: Option<Start>) -> Option<&'g ResultRow> {
        self.cell?.summary.results.iter().find(|row| row.fault == fault && row.start == start)
    }

    /// The kills with a state installed: what the table is about.
    pub(crate) fn kills(&self) -> Option<&'g ResultRow> {
        self.row(Fault::Kill, Some(Start::Again))
    }

    /// The kills in the very first start.
    pub(crate) fn first_starts(&self) -> Option<&'g ResultRow> {
        self.row(Fault::Kill, Some(Start::First))
    }

    /// The rows of everything that was injected, with a state installed.
    pub(crate) fn faulty(&self) -> impl Iterator<Item = &'g ResultRow> {
        self.rows().filter(|row| row.fault != Fault::None && row.start == Some(Start::Again))
    }

    /// The rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'g ResultRow> {
        self.cell.into_iter().flat_map(|cell| &cell.summary.results)
    }

    /// The failing example to show: of the worst class of its kills, else of any other row.
    pub(crate) fn example(&self) -> Option<&'g Finding> {
        let kills = self.kills().into_iter().flat_map(|row| &row.findings).next();
        kills.or_else(|| self.rows().flat_map(|row| &row.findings).min_by_key(|finding| finding.verdict))
    }

    /// Saves per second: of the kills, as these are many more saves than the control's.
    pub(crate) fn saves_per_second(&self) -> Option<f64> {
        self.kills().or_else(|| self.row(Fault::None, None))?.saves_per_second
    }

    /// The time that its saves take until they are acked.
    pub(crate) fn ack_latency(&self) -> Option<AckLatency> {
        self.kills().or_else(|| self.row(Fault::None, None))?.ack_latency_ns
    }

    /// The saves per second as a share of the fastest of `all` with an equal workload.
    pub(crate) fn share_of_fastest(&self, all: &[Variant<'_>]) -> Option<f64> {
        let same = |other: &&Variant<'_>| {
            let (a, b) = (&self.planned.plan.target, &other.planned.plan.target);
            (&a.workload, a.state_size) == (&b.workload, b.state_size)
        };
        let fastest = all.iter().filter(same).filter_map(Variant::saves_per_second).fold(0.0, f64::max);
        self.saves_per_second().filter(|_| fastest > 0.0).map(|saves| saves / fastest)
    }
}
