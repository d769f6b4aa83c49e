//! Fault `sweep` and fault `io`, end to end: what they find is what is documented, the same on every run.

mod support;

use serde_json::Value;
use support::{Place, count};

fn row<'s>(summary: &'s Value, fault: &str, start: &str) -> &'s Value {
    let rows = summary["results"].as_array().unwrap();
    rows.iter().find(|row| row["fault"] == fault && (row["start"] == start)).unwrap()
}

const SMALL: &str = "--state-size 16KiB";

#[test]
fn a_sweep_of_direct_finds_empty_and_torn_files_the_same_on_every_run_and_with_any_number_of_workers() {
    let run = |jobs: u32| {
        let (exit, mut summary) = Place::new().campaign("direct", &format!("{SMALL} --fault sweep --jobs {jobs}"));
        assert_eq!(exit, Some(1));
        let row = row(&summary, "sweep", "again");
        assert!(count(row, "empty") > 0 && count(row, "torn") > 0, "{row}");
        assert_eq!(count(row, "inconclusive"), 0, "a real kill left other files than were derived");
        let row =
            summary["results"].as_array_mut().unwrap().iter_mut().find(|row| row["fault"] == "sweep").unwrap().take();
        ["trials", "distinct_states", "phases", "verdicts", "raw"].map(|key| row[key].clone())
    };
    let first = run(1);
    assert_eq!(run(1), first);
    assert_eq!(run(2), first);
}

#[test]
fn second_kills_are_found_by_a_sweep_every_time_and_their_mended_forms_pass() {
    for (strategy, exit, verdicts) in [
        ("forward-journal", 1, &["missing", "torn", "empty"][..]),
        ("backup", 1, &["torn", "empty"]),
        ("forward-journal-promote", 0, &[]),
        ("backup-restore", 1, &[]),
    ] {
        let (status, summary) = Place::new().campaign(strategy, &format!("{SMALL} --fault sweep"));
        let row = row(&summary, "sweep", "again");
        for verdict in ["missing", "torn", "empty"] {
            assert_eq!(count(row, verdict) > 0, verdicts.contains(&verdict), "{strategy}: {verdict}");
        }
        // The first start of the backups may be damaged, which `run` counts.
        assert_eq!(status, Some(exit), "{strategy}");
        assert!(row["kills_landed"].as_u64().unwrap() > 0, "some points are reached by real kills");
        assert!(row["swept"]["nested"].as_u64().unwrap() > 10);
    }
}

#[test]
fn an_atomic_writer_survives_every_failing_call_and_a_direct_one_does_not() {
    let (exit, summary) = Place::new().campaign("atomic-fsync", &format!("{SMALL} --fault io"));
    let io = row(&summary, "io", "again");
    assert_eq!((exit, io["findings"].as_array().unwrap().len()), (Some(0), 0));
    assert!(io["trials"].as_u64().unwrap() > 100);
    let (exit, summary) = Place::new().campaign("direct", &format!("{SMALL} --fault io"));
    let io = row(&summary, "io", "again");
    assert!(exit == Some(1) && count(io, "torn") > 0 && count(io, "empty") > 0);
}

#[test]
fn what_a_bound_leaves_out_is_counted_and_named_in_the_life_after_each_crash_too() {
    let place = Place::new();
    let (_, whole) = place.campaign("atomic", &format!("{SMALL} --fault sweep --jobs 2"));
    let whole = row(&whole, "sweep", "again");
    assert_eq!((&whole["swept"]["left_out"], &whole["swept"]["left_out_again"]), (&0.into(), &0.into()));
    for jobs in [1, 2] {
        let options = format!("{SMALL} --fault sweep --max-states 5 --jobs {jobs}");
        let (exit, bounded) = Place::new().campaign("atomic", &options);
        let bounded = row(&bounded, "sweep", "again");
        let number = |key: &str| bounded["swept"][key].as_u64().unwrap();
        assert!(number("left_out") > 10 && number("left_out_again") > 10, "{bounded}");
        // Five points of the recorded life, and at most five of the life after each of their states.
        let nested = number("nested");
        assert!((1..=5).contains(&nested), "{bounded}");
        assert_eq!(bounded["trials"].as_u64().unwrap(), 5 + 5 * nested);
        assert_eq!(exit, Some(0));
    }
}
