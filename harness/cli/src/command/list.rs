//! `crashtest list`: what there is.

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use crashtest_kit::Registry;
use crashtest_model::{Fault, Loader, Start, StrategyInfo, Verdict};
use crashtest_strategies::Builtin;

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;

/// What there is: strategies, workloads, faults, verdicts
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only one kind
    #[arg(value_enum)]
    pub kind: Option<Kind>,
    /// The canaries of the self-test as well
    #[arg(long)]
    pub planted: bool,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// How state is persisted
    Strategies,
    /// What state is persisted
    Workloads,
    /// What breaks
    Faults,
    /// What a restart can come to, worst first
    Verdicts,
}

/// Runs the command.
pub(crate) fn list(args: &ListArgs) -> Result<Exit, Problem> {
    let kinds = match args.kind {
        Some(kind) => vec![kind],
        None => vec![Kind::Strategies, Kind::Workloads, Kind::Faults, Kind::Verdicts],
    };
    let sections: Vec<String> = kinds.into_iter().map(|kind| section(kind, args.planted, console::width())).collect();
    console::print(&sections.join("\n"));
    Ok(Exit::Clean)
}

fn section(kind: Kind, planted: bool, width: u16) -> String {
    let (title, rows): (&str, Vec<[String; 2]>) = match kind {
        Kind::Strategies => (
            "Strategies (--strategy): how state is persisted",
            Builtin
                .strategies()
                .iter()
                .filter(|info| planted || !info.planted)
                .map(|info| [info.name.clone(), strategy(info)])
                .collect(),
        ),
        Kind::Workloads => (
            "Workloads (--workload): what state is persisted",
            Builtin.workloads().into_iter().map(|info| [info.name, info.summary]).collect(),
        ),
        Kind::Faults => (
            "Faults (--fault): what breaks",
            Fault::ALL.iter().map(|fault| [fault.name().to_owned(), fault.meaning().to_owned()]).collect(),
        ),
        Kind::Verdicts => (
            "Verdicts: what a restart can come to, worst first",
            Verdict::ALL.iter().map(|verdict| [verdict.name().to_owned(), verdict.meaning().to_owned()]).collect(),
        ),
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    for row in rows {
        table.add_row(row);
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    format!("{title}\n{}\n", lines.join("\n"))
}

/// What it is, its calls, where it is found, and what it is documented to show.
fn strategy(info: &StrategyInfo) -> String {
    let shows = |fault, loader| match info.expectation(loader, fault, Start::Again) {
        None => "not documented".to_owned(),
        Some(expectation) if expectation.must.is_empty() && expectation.one_of.is_empty() => "intact".to_owned(),
        Some(expectation) => {
            let names = |verdicts: &[Verdict], joint| verdicts.iter().map(|v| v.name()).collect::<Vec<_>>().join(joint);
            let parts = [names(&expectation.must, ", "), names(&expectation.one_of, " or ")];
            parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ")
        }
    };
    let under = |fault| match (shows(fault, Loader::Strict), shows(fault, Loader::Lenient)) {
        (strict, lenient) if strict == lenient => strict,
        (strict, lenient) => format!("{strict}; with a lenient loader {lenient}"),
    };
    let mut text = format!("{}\ncalls:  {}\nfound:  {}\n", info.summary, info.recipe, info.origin);
    text += &format!("killed: {}", under(Fault::Kill));
    for (fault, label) in [(Fault::Sweep, "swept: "), (Fault::Io, "io:    ")] {
        if info.documented.iter().any(|entry| entry.fault == fault) {
            text += &format!("\n{label} {}", under(fault));
        }
    }
    text
}
