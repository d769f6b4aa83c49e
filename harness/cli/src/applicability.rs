//! Which options of `run` go with what: with strategies, with a program of one's own, or with both; and with which faults.
//!
//! One table. The headings of the help are made from it, and the errors: an option that does not apply would be obeyed by nobody.

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};
use crashtest_model::Fault;

use crate::problem::Problem;

/// What an option applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AppliesTo {
    /// A strategy that --strategy names.
    Strategies,
    /// A program after `--`.
    Programs,
    /// Either of them.
    Both,
}

impl AppliesTo {
    /// Where the help lists its options; `None`: where they say themselves.
    fn heading(self) -> Option<&'static str> {
        match self {
            AppliesTo::Strategies => Some("With --strategy"),
            AppliesTo::Programs => Some("With a program of your own (-- CMD)"),
            AppliesTo::Both => None,
        }
    }
}

/// An option.
struct Row {
    /// What clap knows it by.
    id: &'static str,
    applies_to: AppliesTo,
    /// Only under one of these; empty: under any.
    faults: &'static [Fault],
    /// What it does, of those with which it goes: fits "it …".
    purpose: &'static str,
    /// What to do about it where it does not go.
    hint: &'static str,
}

impl Row {
    const fn both(id: &'static str) -> Row {
        Row { id, applies_to: AppliesTo::Both, faults: &[], purpose: "", hint: "" }
    }

    const fn strategies(id: &'static str, purpose: &'static str, hint: &'static str) -> Row {
        Row { id, applies_to: AppliesTo::Strategies, faults: &[], purpose, hint }
    }

    const fn programs(id: &'static str, purpose: &'static str, hint: &'static str) -> Row {
        Row { id, applies_to: AppliesTo::Programs, faults: &[], purpose, hint }
    }

    const fn under(self, faults: &'static [Fault]) -> Row {
        Row { faults, ..self }
    }

    /// As it is typed.
    fn name(&self) -> String {
        match self.id {
            "command" => "-- CMD".to_owned(),
            id => format!("--{}", id.replace('_', "-")),
        }
    }
}

/// Every option of `run`.
const TABLE: &[Row] = &[
    Row::strategies("strategy", "it names one", "leave it out"),
    Row::strategies(
        "loader",
        "it says what they do with a damaged file",
        "leave it out: a program loads as it does, and --check says what came of it",
    ),
    Row::strategies("targets", "it names a binary that holds more of them", "leave it out"),
    Row::strategies(
        "workload",
        "it chooses the state that they save",
        "leave it out: a program of your own saves its own state",
    ),
    Row::strategies(
        "state_size",
        "it bounds the state that they save",
        "leave it out: what --setup makes is as large as you want it",
    ),
    Row::strategies("idle", "it lets them wait between two saves", "leave it out: let the program wait by itself"),
    Row::strategies(
        "writers",
        "it starts several processes that save to one directory",
        "leave it out: let the program start them",
    ),
    Row::strategies(
        "threads",
        "it makes the writers threads of one process",
        "leave it out: let the program start its threads",
    ),
    Row::strategies(
        "readers",
        "it starts processes that load while others save",
        "leave it out: let the program start them",
    ),
    Row::strategies(
        "fresh",
        "it gives each trial an empty directory",
        "leave it out: a program starts from what --setup makes each time, unless --continue is given",
    ),
    Row::strategies(
        "kill_at",
        "it aims at saves or at recoveries",
        "leave it out: kills fall anywhere in the run of a program",
    )
    .under(&[Fault::Kill]),
    Row::programs("command", "it is one", "leave it out"),
    Row::programs("setup", "it makes the state that the program starts from", "leave it out: a strategy makes its own"),
    Row::programs("check", CHECKS, CHECKED),
    Row::programs("check_batch", CHECKS, CHECKED),
    Row::programs("include", SELECTS, SELECTED),
    Row::programs("exclude", SELECTS, SELECTED),
    Row::programs("for", ENDS, ENDED),
    Row::programs("saves", ENDS, ENDED),
    Row::programs(
        "continue",
        "it starts each life on what the one before has left",
        "leave it out: the lives of a strategy do that anyway, unless --fresh is given",
    )
    .under(&[Fault::Kill]),
    Row::programs("cwd", "it starts the program inside the state directory", TOLD),
    Row::programs("uses_env", "it says that the program reads CRASHTEST_DIR", TOLD),
    Row::both("dir"),
    Row::both("fault"),
    Row::both("tears").under(&[Fault::Sweep]),
    Row::both("confirm").under(&[Fault::Sweep]),
    Row::both("max_states").under(&[Fault::Sweep, Fault::Io]),
    Row::both("limit"),
    Row::both("iterations"),
    Row::both("duration"),
    Row::both("max_time"),
    Row::both("signal"),
    Row::both("seed"),
    Row::both("jobs"),
    Row::both("max_failures"),
    Row::both("out"),
    Row::both("quiet"),
    Row::both("output_format"),
    Row::both("plant"),
    Row::both("help"),
    Row::both("version"),
];

/// What --for and --saves do.
const ENDS: &str = "it ends a program that goes on for ever";
const ENDED: &str = "leave it out: a strategy makes as many saves as are needed";

const CHECKS: &str = "it says what a crash has left of the program's files";
const CHECKED: &str = "leave it out: crashtest knows what a strategy has saved, and checks that";
const SELECTS: &str = "it chooses which of the program's files are judged";
const SELECTED: &str = "leave it out: all files of a strategy are judged";
const TOLD: &str = "leave it out: a strategy is told its directory";

/// The command line with the options of `run` under the headings of the table.
pub(crate) fn with_headings(command: Command) -> Command {
    command.mut_subcommand("run", |run| {
        run.mut_args(|arg| {
            let row = TABLE.iter().find(|row| row.id == arg.get_id().as_str());
            match row.and_then(|row| row.applies_to.heading()) {
                Some(heading) => arg.help_heading(heading),
                None => arg,
            }
        })
    })
}

/// Refuses what was typed after `run` and goes with nothing that was typed beside it.
pub(crate) fn check(run: &ArgMatches) -> Result<(), Problem> {
    let is_typed = |id: &str| run.value_source(id) == Some(ValueSource::CommandLine);
    let applies_to = match (is_typed("strategy"), is_typed("command")) {
        (_, true) => AppliesTo::Programs,
        (true, false) => AppliesTo::Strategies,
        (false, false) => {
            let why = "there is nothing to run: name a strategy, or a program of your own after `--`";
            return Err(Problem::usage(why)
                .hint("crashtest run --strategy direct".to_owned())
                .hint("crashtest run -- python3 bot.py {dir}".to_owned()));
        }
    };
    let faults: Vec<Fault> = match run.get_many::<Fault>("fault") {
        Some(typed) => typed.copied().collect(),
        None if applies_to == AppliesTo::Programs => vec![Fault::Sweep],
        None => vec![Fault::Kill],
    };
    for row in TABLE.iter().filter(|row| row.applies_to != AppliesTo::Both && is_typed(row.id)) {
        match (row.applies_to, applies_to) {
            (AppliesTo::Strategies, AppliesTo::Programs) => {
                let why = format!("{} is for strategies: {}", row.name(), row.purpose);
                return Err(Problem::usage(why).hint(row.hint.to_owned()));
            }
            (AppliesTo::Programs, AppliesTo::Strategies) => {
                let why = format!("{} is for a program of your own: {}", row.name(), row.purpose);
                let instead = "name the program after `--`, in place of --strategy, if it is meant".to_owned();
                return Err(Problem::usage(why).hint(row.hint.to_owned()).hint(instead));
            }
            _ => {}
        }
    }
    for row in TABLE.iter().filter(|row| !row.faults.is_empty() && is_typed(row.id)) {
        if !faults.iter().any(|fault| row.faults.contains(fault)) {
            let needed: Vec<&str> = row.faults.iter().map(|fault| fault.name()).collect();
            let with: Vec<&str> = faults.iter().map(|fault| fault.name()).chain(needed.first().copied()).collect();
            let why = format!(
                "{} is for the fault `{}`, which is not among those of this run",
                row.name(),
                needed.join("` or `")
            );
            return Err(Problem::usage(why).hint(format!("leave it out, or add the fault: --fault {}", with.join(","))));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    fn checked(words: &str) -> Result<(), String> {
        let words = ["crashtest", "run"].into_iter().chain(words.split_whitespace());
        let matches = with_headings(Cli::command()).try_get_matches_from(words).map_err(|error| error.to_string())?;
        check(matches.subcommand_matches("run").unwrap()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn every_option_of_run_is_in_the_table_once() {
        let mut command = Cli::command();
        command.build();
        let run = command.find_subcommand("run").unwrap();
        let options: BTreeSet<&str> = run.get_arguments().map(|arg| arg.get_id().as_str()).collect();
        let rows: BTreeSet<&str> = TABLE.iter().map(|row| row.id).collect();
        assert_eq!(rows, options);
        assert_eq!(TABLE.len(), rows.len());
        assert!(options.contains("plant"), "hidden ones too");
        // The name in an error is the one that is typed.
        for arg in run.get_arguments() {
            let row = TABLE.iter().find(|row| row.id == arg.get_id().as_str()).unwrap();
            assert!(arg.get_long().is_none_or(|long| row.name() == format!("--{long}")), "{}", row.name());
        }
    }

    #[test]
    fn what_goes_with_one_subject_is_refused_beside_the_other() {
        let value = |row: &Row| match row.id {
            "loader" => "--loader=strict",
            "signal" => "--signal=kill",
            "kill_at" => "--kill-at=any",
            "state_size" => "--state-size=64KiB",
            "idle" => "--idle=0",
            "readers" => "--readers=0",
            "writers" => "--writers=1",
            "threads" => "--threads",
            "fresh" => "--fresh",
            "continue" => "--continue",
            "cwd" => "--cwd",
            "uses_env" => "--uses-env",
            "check_batch" => "--check-batch=x",
            "for" => "--for=5s",
            "saves" => "--saves=5",
            "targets" | "workload" | "setup" | "check" | "include" | "exclude" => "",
            other => panic!("{other} needs a value here"),
        };
        let is_one = |row: &&Row| row.applies_to != AppliesTo::Both && !matches!(row.id, "strategy" | "command");
        for row in TABLE.iter().filter(is_one) {
            // Given as the default is given, too.
            let option = match value(row) {
                "" => format!("{}=x", row.name()),
                option => option.to_owned(),
            };
            let (wrong, words) = match row.applies_to {
                AppliesTo::Strategies => (format!("--fault kill {option} -- x"), "is for strategies: it "),
                _ => (format!("--fault kill --strategy direct {option}"), "is for a program of your own: it "),
            };
            let problem = checked(&wrong).unwrap_err();
            let wanted = format!("error: {} {words}", row.name());
            assert!(problem.starts_with(&wanted) && problem.contains("\n  hint: "), "{wrong}: {problem}");
            let right = match row.applies_to {
                AppliesTo::Strategies => format!("--fault kill --strategy direct {option}"),
                _ => format!("--fault kill {option} -- x"),
            };
            assert_eq!(checked(&right), Ok(()), "{right}");
        }
    }

    #[test]
    fn what_goes_with_a_fault_is_refused_without_it() {
        for (words, named) in [
            ("--strategy direct --tears kernel", "--tears is for the fault `sweep`"),
            ("--strategy direct --confirm sample", "--fault kill,sweep"),
            ("--strategy direct --max-states 5", "`sweep` or `io`"),
            ("--strategy direct --fault sweep,io --kill-at any", "--fault sweep,io,kill"),
            ("--continue -- x", "--continue is for the fault `kill`"),
        ] {
            let problem = checked(words).unwrap_err();
            assert!(problem.contains(named), "{words}: {problem}");
        }
        for words in ["--max-states 5 -- x", "--strategy direct --fault io --max-states 5", "--strategy direct"] {
            assert_eq!(checked(words), Ok(()), "{words}");
        }
    }

    #[test]
    fn a_run_of_nothing_is_refused() {
        assert!(checked("--check x").unwrap_err().contains("there is nothing to run"));
    }
}
