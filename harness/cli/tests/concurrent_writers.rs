//! Several processes on one state: writers that come into each other's way, and readers that see what they should not.

mod support;

use serde_json::Value;
use support::{Place, count, row};

/// The verdicts of a campaign under `fault` that are violations, by name.
fn broken(summary: &Value, fault: &str) -> Vec<String> {
    let verdicts = row(summary, fault)["verdicts"].as_object().unwrap_or_else(|| panic!("no {fault} in {summary}"));
    verdicts.keys().filter(|name| *name != "intact").cloned().collect()
}

/// The details of the failures with `verdict`: why, and who did what.
fn details(place: &Place, verdict: &str) -> String {
    let failed = |trial: &Value| trial["outcome"]["judged"] == verdict;
    let details = place.trials().into_iter().filter(failed).map(|trial| trial["detail"].to_string());
    details.collect::<Vec<_>>().join("\n")
}

#[test]
fn under_one_lock_nothing_is_opened_twice_and_no_cap_is_exceeded() {
    let place = Place::new();
    let (exit, summary) =
        place.campaign("locked-store", "--writers 2 --fault kill,sweep --iterations 150 --state-size 16KiB");
    assert_eq!(exit, Some(0), "{summary}");
    for fault in ["none", "kill", "sweep"] {
        assert_eq!(broken(&summary, fault), Vec::<String>::new());
        assert!(count(row(&summary, fault), "intact") > 50, "{fault}: {summary}");
    }
    assert!(row(&summary, "kill")["acked"].as_u64().unwrap() > 150);
}

#[test]
fn without_the_lock_updates_are_lost_and_the_story_says_who_came_in_between() {
    let place = Place::new();
    let (exit, summary) =
        place.campaign("locked-store-nolock", "--fault kill,sweep --iterations 150 --state-size 16KiB");
    assert_eq!(exit, Some(1), "{summary}");
    for fault in ["none", "kill", "sweep"] {
        assert!(broken(&summary, fault).contains(&"broken-invariant".to_owned()), "{fault}: {summary}");
    }
    let details = details(&place, "broken-invariant");
    assert!(details.contains("was acknowledged, the log has it up to"), "{details}");
    let story = place.kept_failures().into_iter().find(|folder| folder.to_string_lossy().contains("broken-invariant"));
    let story = std::fs::read_to_string(story.unwrap().join("trace.txt")).unwrap();
    for part in ["writer 0  begins save", "writer 1  begins save", "read      trade_log.json", "is acknowledged"] {
        assert!(story.contains(part), "{part} in {story}");
    }
    let tickets: Vec<u64> =
        story.lines().map(|line| line.split_whitespace().next().unwrap().parse().unwrap()).collect();
    assert!(tickets.is_sorted(), "{story}");
}

#[test]
fn rules_that_are_asked_before_the_lock_is_taken_let_a_trade_too_many_in() {
    let place = Place::new();
    let (exit, summary) = place.campaign("locked-store-toctou", "--fault sweep --state-size 16KiB");
    assert_eq!(exit, Some(1), "{summary}");
    assert_eq!(broken(&summary, "sweep"), ["broken-invariant"]);
    let details = details(&place, "broken-invariant");
    assert!(details.contains("trades are open, of at most 5"), "{details}");
    assert!(details.contains("open twice: "), "{details}");
    assert!(!details.contains("lost"), "every save is under the lock: {details}");
}

#[test]
fn a_lock_that_is_taken_twice_is_stuck_at_once_and_says_who_holds_it() {
    let place = Place::new();
    let begun = std::time::Instant::now();
    let (exit, summary) = place.campaign("locked-store-relock", "--fault kill --iterations 30 --limit 5m");
    assert_eq!((exit, broken(&summary, "kill")), (Some(1), vec!["stuck".to_owned()]), "{summary}");
    assert!(begun.elapsed().as_secs() < 300, "nobody waits for the limit of somebody who waits for ever");
    let details = details(&place, "stuck");
    let why =
        "waits for the lock of trade_log.lock and will for ever: it holds the lock itself, through another descriptor";
    assert!(details.contains(why), "{details}");
}

#[test]
fn two_writers_with_one_temporary_name_fail_and_with_names_of_their_own_do_not() {
    let place = Place::new();
    let (exit, summary) = place.campaign("atomic", "--writers 2 --fault sweep");
    assert_eq!(exit, Some(1), "{summary}");
    for fault in ["none", "sweep"] {
        let broken = broken(&summary, fault);
        assert!(
            broken.contains(&"failed-save".to_owned()) && broken.contains(&"torn".to_owned()),
            "{fault}: {broken:?}"
        );
    }
    let (exit, summary) = place.campaign("atomic-fsync", "--writers 2 --readers 1 --fault kill,sweep --iterations 60");
    assert_eq!(exit, Some(0), "{summary}");
    let (exit, summary) = place.campaign("atomic-fsync-badsweep", "--writers 2 --fault sweep");
    assert_eq!((exit, broken(&summary, "sweep")), (Some(1), vec!["failed-save".to_owned()]), "{summary}");
}

#[test]
fn two_targets_that_share_a_temporary_take_each_others_content_for_their_own() {
    let place = Place::new();
    let (exit, summary) = place.campaign("atomic-suffix-pair", "--fault sweep");
    assert_eq!(exit, Some(1), "{summary}");
    assert!(broken(&summary, "sweep").contains(&"accepted-garbage".to_owned()), "{summary}");
}

#[test]
fn what_a_reader_finds_while_somebody_saves_counts_a_file_that_is_not_there_too() {
    let place = Place::new();
    let seen = |strategy: &str| {
        let (_, summary) = place.campaign(strategy, "--readers 1 --fault kill,sweep --iterations 30");
        broken(&summary, "sweep")
    };
    // Not what a restart finds after the kill: what the reader found before it.
    let found_meanwhile = |verdict: &str, words: &str| {
        let details = details(&place, verdict);
        assert!(details.contains(words), "{words}: {details}");
    };
    assert_eq!(seen("direct"), ["empty", "torn"]);
    found_meanwhile("torn", "while others saved, refused");
    assert_eq!(seen("delete-then-write"), ["empty", "missing", "torn"]);
    assert_eq!(seen("atomic"), Vec::<String>::new());
    let lenient = place.campaign("direct", "--readers 1 --fault sweep --loader lenient").1;
    assert_eq!(broken(&lenient, "sweep"), ["silent-reset"]);
    found_meanwhile("silent-reset", "while others saved, loaded a fresh, empty state");
}

#[test]
fn schedules_come_to_the_same_on_every_run_and_with_any_number_of_workers() {
    let outcomes = |jobs: &str| {
        let place = Place::new();
        place.campaign("atomic-suffix", &format!("--writers 2 --fault sweep --max-states 150 --jobs {jobs}"));
        let swept = place.trials().into_iter().filter(|trial| trial["fault"] == "sweep");
        let mut outcomes: Vec<(u64, String, String)> = swept
            .map(|trial| {
                (trial["trial"].as_u64().unwrap(), trial["outcome"].to_string(), trial["crash_state"].to_string())
            })
            .collect();
        outcomes.sort();
        outcomes
    };
    let one = outcomes("1");
    assert!(one.len() > 80, "{}", one.len());
    assert_eq!(one, outcomes("2"));
}

#[test]
fn a_schedule_is_replayed() {
    let place = Place::new();
    place.campaign("atomic", "--writers 2 --fault sweep --max-states 200");
    let folders = place.kept_failures();
    let torn = folders.iter().find(|folder| folder.to_string_lossy().contains("sweep.torn")).unwrap();
    let ran = place.crashtest(&format!("replay {} --tries 5", torn.display()));
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("Restart on the stored crash state: torn shows again"), "{}", ran.out);
    assert!(ran.out.contains("torn reproduced 5 of 5"), "{}", ran.out);
    assert!(ran.out.contains("writer 0  save ") && ran.out.contains("writer 1  save "), "{}", ran.out);
}

#[test]
fn what_does_not_go_with_several_processes_is_a_usage_error() {
    let place = Place::new();
    for (arguments, said) in [
        ("--strategy locked-store --writers 1", "it needs at least 2"),
        ("--strategy atomic --writers 2 --fault io", "--fault io goes with one writer"),
        ("--strategy append-log --writers 2", "append-log has one writer"),
        ("--strategy persistent-map --readers 1", "persistent-map has one writer"),
        ("--strategy atomic --writers 2 --signal term", "several processes are ended by SIGKILL"),
        ("--strategy atomic --writers 9", "must be at most 8"),
        ("--strategy atomic --writers 0", "must be at least 1"),
    ] {
        let ran = place.crashtest(&format!("run {arguments}"));
        assert_eq!(ran.exit, Some(2), "{arguments}: {}{}", ran.out, ran.err);
        assert!(ran.err.contains(said), "{arguments}: {}", ran.err);
    }
}

#[test]
fn two_savers_in_one_process_meet_on_one_temporary_name_and_not_on_names_of_their_own() {
    let place = Place::new();
    let (exit, summary) = place.campaign("path-storage", "--threads --fault sweep");
    assert_eq!(exit, Some(1), "{summary}");
    for fault in ["none", "sweep"] {
        let broken = broken(&summary, fault);
        assert!(
            broken.contains(&"failed-save".to_owned()) && broken.contains(&"torn".to_owned()),
            "{fault}: {broken:?}"
        );
    }
    let (exit, summary) = place.campaign("path-storage-unique", "--threads --fault kill,sweep --iterations 60");
    assert_eq!(exit, Some(0), "{summary}");
    assert!(count(row(&summary, "sweep"), "intact") > 50, "{summary}");
    // They are killed together: nobody saves who is left over.
    let trials = place.trials();
    let killed: Vec<_> =
        trials.iter().filter(|trial| trial["fault"] == "kill").map(|trial| &trial["landed"]["by"]).collect();
    assert!(killed.len() >= 60 && killed.iter().all(|landed| **landed == "kill"), "{killed:?}");
    let refused = place.crashtest("run --strategy locked-store --threads --iterations 5");
    assert_eq!(refused.exit, Some(2));
    assert!(refused.err.contains("locks by process"), "{}", refused.err);
}
