//! `crashtest list`: what there is.

use std::path::Path;

use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets};
use crashtest_kit::Registry;
use crashtest_model::{
    Concurrency, Conditions, Documented, Expectation, Fault, Loader, Signal, Start, StrategyInfo, Verdict,
};

use crate::console;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::registry::{Known, TargetsOption};

/// What there is: strategies, workloads, faults, verdicts
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only one kind
    #[arg(value_enum)]
    pub kind: Option<Kind>,
    /// The canaries of the self-test as well
    #[arg(long)]
    pub planted: bool,
    /// What else there is
    #[command(flatten)]
    pub targets: TargetsOption,
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
    let known = args.targets.known()?;
    let sections = kinds.into_iter().flat_map(|kind| sections(kind, &known, args.planted));
    let texts: Vec<String> = sections.map(|section| section.text(console::width())).collect();
    console::print(&texts.join("\n"));
    Ok(Exit::Clean)
}

/// A title, and what there is: names, and what each is.
struct Section {
    title: String,
    rows: Vec<[String; 2]>,
}

impl Section {
    fn text(self, width: u16) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        for row in self.rows {
            table.add_row(row);
        }
        let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
        format!("{}\n{}\n", self.title, lines.join("\n"))
    }
}

/// What there is of a kind: strategies and workloads by the binary that holds them.
fn sections(kind: Kind, known: &Known, planted: bool) -> Vec<Section> {
    let section = |title: &str, rows| vec![Section { title: title.to_owned(), rows }];
    let of_parts = |title: &str, rows: &dyn Fn(&dyn Registry) -> Vec<[String; 2]>| {
        let of = |path: Option<&Path>| path.map_or_else(String::new, |path| format!(", of {}", path.display()));
        let parts =
            known.parts().map(|(path, part)| Section { title: format!("{title}{}", of(path)), rows: rows(part) });
        parts.filter(|section| !section.rows.is_empty()).collect()
    };
    match kind {
        Kind::Strategies => of_parts("Strategies (--strategy): how state is persisted", &|part| {
            let listed = part.strategies().into_iter().filter(|info| planted || !info.planted);
            listed.map(|info| [info.name.clone(), strategy(&info)]).collect()
        }),
        Kind::Workloads => of_parts("Workloads (--workload): what state is persisted", &|part| {
            part.workloads().into_iter().map(|info| [info.name, info.summary]).collect()
        }),
        Kind::Faults => section(
            "Faults (--fault): what breaks",
            Fault::ALL.iter().map(|fault| [fault.name().to_owned(), fault.meaning().to_owned()]).collect(),
        ),
        Kind::Verdicts => section(
            "Verdicts: what a restart can come to, worst first",
            Verdict::ALL.iter().map(|verdict| [verdict.name().to_owned(), verdict.meaning().to_owned()]).collect(),
        ),
    }
}

/// What it is, its calls, where it is found, and what it is documented to show.
fn strategy(info: &StrategyInfo) -> String {
    let shows = |entry: &Documented| {
        let Expectation { must, one_of, .. } = &entry.expectation;
        let names = |verdicts: &[Verdict], joint| verdicts.iter().map(|v| v.name()).collect::<Vec<_>>().join(joint);
        let parts = [names(must, ", "), names(one_of, " or ")];
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        if parts.is_empty() { "intact".to_owned() } else { parts.join("; ") }
    };
    let under = |fault, conditions| {
        let of = |loader| {
            let entry = |entry: &&Documented| {
                (entry.loader, entry.fault, entry.start, entry.conditions) == (loader, fault, Start::Again, conditions)
            };
            info.documented.iter().find(entry).map(shows)
        };
        match (of(Loader::Strict), of(Loader::Lenient)) {
            (None, None) => None,
            (Some(strict), Some(lenient)) if strict == lenient => Some(strict),
            (strict, lenient) => {
                let words = |shown: Option<String>| shown.unwrap_or_else(|| "not documented".to_owned());
                Some(format!("{}; with a lenient loader {}", words(strict), words(lenient)))
            }
        }
    };
    let alone = Conditions::default();
    let lines = [
        ("killed: ", Fault::Kill, alone),
        ("swept:  ", Fault::Sweep, alone),
        ("io:     ", Fault::Io, alone),
        ("SIGTERM:", Fault::Kill, Conditions { signal: Signal::Term, ..alone }),
        ("readers:", Fault::Kill, Conditions { concurrency: Concurrency::Readers, ..alone }),
        ("writers:", Fault::Kill, Conditions { concurrency: Concurrency::Writers, ..alone }),
        ("threads:", Fault::Kill, Conditions { concurrency: Concurrency::Threads, ..alone }),
    ];
    let mut text = format!("{}\ncalls:   {}\nfound:   {}", info.summary, info.recipe, info.origin);
    for (label, fault, conditions) in lines {
        if let Some(shown) = under(fault, conditions) {
            text += &format!("\n{label} {shown}");
        }
    }
    text
}
