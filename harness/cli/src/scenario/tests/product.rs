//! What a right file comes to: the product of its campaigns, the settings, the expectations.

use crashtest_model::{Bytes, Expectation, Fault, KillAt, Seed, Tears, Verdict};

use super::schema::{folder, shipped};
use super::{Shelf, campaign, read};
use crate::scenario::{load, parse};

#[test]
fn a_campaign_is_the_product_of_its_targets_loaders_and_faults() {
    let text = campaign(
        "strategies = [\"direct\", \"atomic\"]\nworkloads = [\"fills\", \"signals\"]\nloaders = [\"strict\", \"lenient\"]\nfaults = [\"none\", \"kill\"]",
    );
    let scenario = read(&text).unwrap();
    assert_eq!(scenario.cells.len(), 16);
    let first = &scenario.cells[1];
    assert_eq!((first.plan.target.strategy.as_str(), &first.plan.faults), ("direct", &vec![Fault::Kill]));
    assert_eq!(first.expect.as_ref().unwrap().must, [Verdict::Empty, Verdict::Torn]);
    assert_eq!(scenario.cells[0].expect, None, "nothing is documented under `none`");
    assert_eq!(first.plan.budget.jobs, 2);
    assert!(first.plan.sandbox_parent.as_os_str().is_empty());
}

#[test]
fn a_group_and_all_workloads_leave_out_what_does_not_fit() {
    let pairs = |lines| {
        let cells = read(&campaign(lines)).unwrap().cells;
        cells.iter().map(|c| format!("{} {}", c.plan.target.strategy, c.plan.target.workload)).collect::<Vec<_>>()
    };
    let documents = ["direct fills", "direct signals", "atomic fills", "atomic signals"];
    let logs = ["append-log fills", "append-log hash-chain"];
    assert_eq!(pairs("group = \"documents\"\nworkloads = \"all\""), documents);
    assert_eq!(pairs("group = \"all\"\nworkloads = \"all\""), [&documents[..], &logs[..]].concat());
    assert_eq!(pairs("group = \"all\"\nworkloads = [\"hash-chain\"]"), [logs[1]]);
    assert_eq!(pairs("strategies = [\"append-log\"]\nworkloads = \"all\""), logs);
    assert_eq!(pairs("strategies = [\"planted-hang\"]"), ["planted-hang fills"], "by name alone, as `run` has it");
}

#[test]
fn every_setting_reaches_the_plan() {
    let text = campaign(
        "strategies = [\"direct\"]\nstate_size = 4096\nidle = \"10ms\"\ntears = \"posix\"\nmax_states = 70\nkill_at = \"save\"\niterations = 2_000\nduration = \"5m\"\nlimit = \"2s\"\nfresh = true\nmax_failures = 3",
    )
    .replace("[[campaign]]", "limits = [\"one\"]\nseed = 0xff\n[[campaign]]");
    let scenario = read(&text).unwrap();
    assert_eq!((scenario.name.as_str(), scenario.why.as_str()), ("mine", "to see"));
    assert_eq!(scenario.limits, ["one"]);
    let plan = &scenario.cells[0].plan;
    assert_eq!((plan.target.state_size, plan.target.idle_us), (Bytes::kib(4), 10_000));
    assert_eq!((plan.kill_at, plan.seed, plan.limit_ms, plan.fresh), (KillAt::Save, Seed(255), 2000, true));
    assert_eq!((plan.tears, plan.max_states), (Tears::Posix, Some(70)));
    let budget = &plan.budget;
    assert_eq!((budget.iterations, budget.duration_ms, budget.max_failures), (Some(2000), Some(300_000), Some(3)));
}

#[test]
fn an_expectation_replaces_what_is_documented_where_it_is_about() {
    let text = campaign(
        "strategies = [\"direct\", \"atomic\"]\nloaders = [\"strict\", \"lenient\"]\n\n[[expect]]\nstrategy = \"direct\"\nloader = \"lenient\"\nmust = [\"silent-reset\"]\none_of = [\"torn\"]\nmay = [\"lost-ack\"]",
    );
    let cells = read(&text).unwrap().cells;
    let lenient =
        Expectation { must: vec![Verdict::SilentReset], one_of: vec![Verdict::Torn], may: vec![Verdict::LostAck] };
    assert_eq!(cells[0].expect.as_ref().unwrap().must, [Verdict::Empty, Verdict::Torn]);
    assert_eq!(cells[1].expect.as_ref(), Some(&lenient));
    assert_eq!(cells[2].expect, Some(Expectation::default()));
    assert_eq!(cells[3].expect, None);
}

#[test]
fn a_campaign_that_says_nothing_is_run_without_options() {
    use clap::Parser;

    let cli = crate::args::Cli::parse_from(["crashtest", "run", "--strategy", "direct", "--seed", "1", "--jobs", "2"]);
    let crate::args::Command::Run(run) = cli.command else { panic!("run is run") };
    let scenario = read(&campaign("strategies = [\"direct\"]")).unwrap();
    assert_eq!(scenario.cells[0].plan, run.plan(&Shelf).unwrap());
}

#[test]
fn a_time_limit_alone_takes_the_place_of_iterations() {
    let budget = |lines| read(&campaign(lines)).unwrap().cells.remove(0).plan.budget;
    let timed = budget("strategies = [\"direct\"]\nduration = \"1m\"");
    assert_eq!((timed.iterations, timed.duration_ms), (None, Some(60_000)));
}

#[test]
fn every_shipped_scenario_loads_and_says_what_it_cannot_show() {
    let shipped = shipped();
    assert!(shipped.len() >= 3);
    for path in shipped {
        let scenario = load(&path, &crashtest_strategies::Builtin, 2).unwrap_or_else(|problem| panic!("{problem}"));
        assert!(!scenario.limits.is_empty() && !scenario.cells.is_empty(), "{}", path.display());
        assert!(scenario.cells.iter().all(|cell| cell.expect.is_some()), "{}: undocumented", path.display());
    }
}

#[test]
fn the_examples_of_the_page_are_right() {
    let page = std::fs::read_to_string(folder().join("README.md")).unwrap();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        let scenario = parse("example", example, &crashtest_strategies::Builtin, 1);
        scenario.unwrap_or_else(|mistake| panic!("{mistake:?}\n{example}"));
    }
}
