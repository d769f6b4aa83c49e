//! Whole campaigns of the program: what each strategy shows, and that every planted bug is caught.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Place, count, kills, verdicts};

#[test]
fn the_files_of_a_state_in_several_files_are_not_left_over() {
    let place = Place::new();
    let (exit, summary) = place.campaign("reconciler", "--iterations 100 --jobs 1 --state-size 16KiB");
    let seen = verdicts(&summary);
    assert!(exit == Some(0) && seen.iter().all(|verdict| verdict == "intact"), "{exit:?} {seen:?}");
    let counted: Vec<u64> = place.trials().iter().filter_map(|trial| trial["left_over"].as_u64()).collect();
    assert!(!counted.is_empty() && counted.iter().all(|left_over| *left_over <= 1), "{counted:?}");
}

#[test]
fn without_the_sigkill_a_run_is_inconclusive_not_green() {
    let (exit, summary) = Place::new().campaign("atomic", "--iterations 5 --plant no-kill --limit 2s");
    let row = kills(&summary, "again");
    assert_eq!(exit, Some(3));
    assert_eq!(row["kills_landed"], 0);
    assert_eq!(count(row, "inconclusive"), 5);
    assert_eq!(row["gate"]["passed"], false);
    assert!(row["gate"]["reasons"].to_string().contains("no kill landed in 5 trials"), "{}", row["gate"]);
}

#[test]
fn what_a_victim_cannot_have_promised_is_no_promise() {
    for target in ["atomic", "locked-store --writers 2"] {
        let (exit, summary) = Place::new().campaign(target, "--iterations 100 --jobs 1 --plant overwrites-board");
        let row = kills(&summary, "again");
        assert_eq!((exit, row["gate"]["passed"].as_bool()), (Some(3), Some(false)), "{target}: {row}");
        let verdicts: Vec<&String> = row["verdicts"].as_object().unwrap().keys().collect();
        assert!(verdicts.iter().all(|verdict| ["intact", "inconclusive"].contains(&verdict.as_str())), "{row}");
        assert!(count(row, "inconclusive") > 30, "{target}: {row}");
    }
}

#[test]
fn a_worker_that_dies_costs_one_inconclusive_trial() {
    let place = Place::new();
    let (exit, summary) = place.campaign("atomic", "--iterations 200 --plant worker-dies");
    let row = kills(&summary, "again");
    assert_eq!((row["trials"].as_u64(), count(row, "inconclusive")), (Some(200), 1));
    assert_eq!(exit, Some(0), "one in 200 is within the limit of 1 %");
    let numbers: Vec<u64> = restarts(&place).iter().map(|t| t["trial"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 200);
    let (exit, summary) = Place::new().campaign("atomic", "--iterations 6 --jobs 1 --plant worker-dies");
    assert_eq!(kills(&summary, "again")["trials"], 6, "also when it was the very last trial");
    assert_eq!(exit, Some(3));
    let (exit, _) = Place::new().campaign("atomic", "--iterations 20 --plant worker-dies");
    assert_eq!(exit, Some(3), "one in 20 is not");
}

#[test]
fn doctor_catches_every_planted_bug_by_its_verdict() {
    let place = Place::new();
    let ran = place.crashtest("doctor --dir .");
    assert!(ran.out.contains("\n  ptrace                   yes\n"), "{}", ran.out);
    match ran.exit {
        Some(3) => {
            let load = fs::read_to_string("/proc/loadavg").unwrap();
            let load: f64 = load.split(' ').next().unwrap().parse().unwrap();
            let processors = std::thread::available_parallelism().unwrap().get();
            assert!(load > processors as f64, "a machine that does little is not busy: {load} {}", ran.out);
            assert!(ran.out.contains("too busy to tell") || ran.err.contains("too busy to tell"), "{}", ran.out);
        }
        exit => {
            assert_eq!(exit, Some(0), "{}{}", ran.out, ran.err);
            assert!(ran.out.contains("All 21 planted bugs were caught."), "{}", ran.out);
        }
    }
    assert!(place.names(".").is_empty(), "doctor leaves nothing behind");
    // What it has caught it has seen, and the run ended as it must: command::doctor::canary pins these exits. The others are run once more:
    // beside other work it cannot tell, and it ends at the first damage, which may be another one.
    let listed = place.crashtest("list strategies --planted").out;
    assert_eq!(listed.matches("planted-").count(), CANARIES.len(), "every canary has its line here");
    let others = CANARIES.into_iter().filter(|(canary, verdict, _)| !is_caught(&ran.out, canary, verdict));
    // Each failing trial of some takes as long as the limit, and no processor: they wait beside the others.
    let (waiting, busy): (Vec<_>, Vec<_>) = others.partition(|(canary, ..)| waits(canary));
    std::thread::scope(|scope| {
        for canary in waiting {
            scope.spawn(move || assert_shows(canary));
        }
        busy.into_iter().for_each(assert_shows);
    });
}

/// The canaries, each with the verdict that must show and the exit of its run.
const CANARIES: [(&str, &str, i32); 18] = [
    ("planted-rename-first", "torn", 1),
    ("planted-unlink-first", "missing", 1),
    ("planted-ack-first", "lost-ack", 1),
    ("planted-skip", "lost-ack", 4),
    ("planted-leak", "residue", 4),
    ("planted-exit", "inconclusive", 3),
    ("planted-fail", "failed-save", 4),
    ("planted-stall", "stuck", 4),
    ("planted-swallow", "silent-reset", 1),
    ("planted-invent", "accepted-garbage", 1),
    ("planted-hang", "wont-open", 1),
    ("planted-panic", "wont-open", 1),
    ("planted-undecided", "torn", 1),
    ("planted-short-write", "false-ack", 1),
    ("planted-fsync-ignored", "false-ack", 1),
    ("planted-fsync-retried", "false-ack", 1),
    ("planted-truncated", "torn", 1),
    ("planted-deaf", "stuck", 1),
];

/// Whether the doctor has caught `canary`, and has seen `verdict` of it.
fn is_caught(said: &str, canary: &str, verdict: &str) -> bool {
    let mut lines = said.lines().skip_while(|line| !line.starts_with(&format!("  caught  {canary} ")));
    let seen = lines.nth(1).and_then(|line| line.trim().strip_prefix("saw "));
    seen.is_some_and(|seen| seen.split(", ").any(|name| name == verdict))
}

/// Whether every failing trial of `canary` takes as long as the limit.
fn waits(canary: &str) -> bool {
    ["planted-deaf", "planted-hang", "planted-stall"].contains(&canary)
}

/// Runs a campaign of `canary`, in which `verdict` must show.
fn assert_shows((canary, verdict, exit): (&str, &str, i32)) {
    let of_failing_calls = &CANARIES[13..17];
    let fault = if of_failing_calls.iter().any(|(name, ..)| *name == canary) { "io" } else { "kill" };
    let trials = match (canary, fault) {
        ("planted-deaf", _) => " --signal term --iterations 5",
        ("planted-hang", _) => " --iterations 8",
        (_, "io") => "",
        _ => " --iterations 100",
    };
    let limit = if waits(canary) { "2s" } else { "4s" };
    let options = format!("--fault {fault}{trials} --limit {limit} --jobs 1 --state-size 16KiB");
    let (status, summary) = Place::new().campaign(canary, &options);
    assert!(verdicts(&summary).contains(&verdict.to_owned()), "{canary}: {:?}", verdicts(&summary));
    assert_eq!(status, Some(exit), "{canary}");
}

#[test]
fn atomic_strategies_survive_every_kill_and_say_so_as_a_bound() {
    for strategy in ["atomic", "atomic-fsync"] {
        let place = Place::new();
        let (exit, summary) = place.campaign(strategy, "--iterations 300");
        let row = kills(&summary, "again");
        assert_eq!(exit, Some(0), "{strategy}: {summary}");
        assert_eq!(row["kills_landed"], 300);
        assert_eq!(count(row, "intact") + row["recovery_killed"].as_u64().unwrap(), 300);
        assert!(row["failure_rate"]["high"].as_f64().unwrap() > 0.0, "a bound, never 0");
        // Two a life on an idle machine, fewer on a busy one.
        assert!(row["acked"].as_u64() >= Some(100), "the victims save: {row}");
        assert!(kills(&summary, "first")["kills_landed"].as_u64() >= Some(15));
        let report = place.crashtest("report").out;
        assert!(report.contains("failure rate below"), "{report}");
        assert!(report.contains("says nothing about power loss"), "{report}");
    }
}

#[test]
fn direct_leaves_empty_and_torn_files_with_all_their_evidence() {
    let place = Place::new();
    let (exit, summary) = place.campaign("direct", "--iterations 400");
    let row = kills(&summary, "again");
    assert_eq!(exit, Some(1));
    assert!(count(row, "empty") >= 40 && count(row, "torn") >= 10, "{}", row["verdicts"]);
    for trial in restarts(&place).iter().filter(|t| matches!(t["outcome"]["judged"].as_str(), Some("empty" | "torn"))) {
        let raw = &trial["raw"];
        let (length, tear) = (raw["length"].as_u64().unwrap(), raw["tear_offset"].as_u64().unwrap());
        assert!(tear <= length && length < raw["whole_length"].as_u64().unwrap(), "{trial}");
        assert!(trial["detail"]["why"].as_str().unwrap().starts_with("refused: "), "{trial}");
        // A kill inside write(2) tears at a page boundary, or comes before the write has begun or when it is done.
        let last = trial["detail"]["calls"].as_array().and_then(|calls| calls.last());
        if let (true, true, Some(last)) = (
            trial["phase"] == "save:in-write",
            trial["damaged_in"].is_null(),
            last.filter(|call| call["call"] == "write"),
        ) {
            let offset = last["offset"].as_u64().unwrap();
            let ends = [offset, offset + last["length"].as_u64().unwrap()];
            assert!(length.is_multiple_of(4096) || ends.contains(&length), "{trial}");
        }
    }
    for finding in row["findings"].as_array().unwrap() {
        assert_eq!(finding["documented"], true, "{finding}");
        let kept = finding["evidence"].as_array().unwrap();
        assert_eq!(kept.len() as u64, finding["count"].as_u64().unwrap().min(3), "{finding}");
        for folder in kept {
            let folder = place.latest().join(folder.as_str().unwrap());
            assert!(folder.join("crash-state").is_dir() && folder.join("failure.json").is_file());
            let script = fs::metadata(folder.join("replay.sh")).unwrap();
            assert!(script.permissions().mode() & 0o100 != 0, "replay.sh can be run");
        }
    }
}

#[test]
fn a_lenient_loader_turns_the_damage_into_silent_resets_and_the_cost_is_counted() {
    let place = Place::new();
    let (exit, summary) = place.campaign("direct", "--iterations 200 --loader lenient");
    let row = kills(&summary, "again");
    let resets = count(row, "silent-reset");
    assert_eq!(exit, Some(1));
    assert!(resets >= 50 && count(row, "torn") + count(row, "empty") == 0, "{}", row["verdicts"]);
    let cost: BTreeMap<&str, u64> = row["consequences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["key"].as_str().unwrap(), c["count"].as_u64().unwrap()))
        .collect();
    assert_eq!(cost["quiet"], resets, "the reconciler stays quiet each time");
    assert!(cost["shares-missed"] > resets);
    let (_, summary) = place.campaign("direct", "--iterations 200 --loader lenient --workload signals");
    let words = kills(&summary, "again")["consequences"].to_string();
    assert!(words.contains("alerts that fire again"), "{words}");
}

#[test]
fn the_same_seed_plans_the_same_trials_and_contents_whatever_the_number_of_workers() {
    let plan = |seed: u64, jobs: u64| {
        let place = Place::new();
        let ran =
            place.crashtest(&format!("run --strategy atomic --iterations 250 --quiet --seed {seed} --jobs {jobs}"));
        assert_eq!(ran.exit, Some(0), "{}", ran.out);
        let trials = restarts(&place);
        let planned: BTreeMap<u64, [Value; 4]> = trials
            .iter()
            .map(|t| (t["trial"].as_u64().unwrap(), ["seed", "series", "stream", "aim"].map(|key| t[key].clone())))
            .collect();
        let contents: BTreeMap<(String, u64), String> = trials
            .iter()
            .filter_map(|t| {
                let observed = &t["observed"];
                let content = observed["digest"].as_str()?.to_owned();
                Some(((t["stream"].as_str()?.to_owned(), observed["generation"].as_u64()?), content))
            })
            .collect();
        (planned, contents)
    };
    let (one, two, other) = (plan(7, 1), plan(7, 2), plan(8, 2));
    assert_eq!(one.0, two.0);
    assert_eq!(one.0.len(), 250);
    assert_ne!(one.0, other.0);
    let shared: Vec<_> = one.1.iter().filter_map(|(key, content)| Some((content, two.1.get(key)?))).collect();
    assert!(shared.len() >= 20, "both runs recovered the same generations {} times", shared.len());
    assert!(shared.iter().all(|(a, b)| a == b), "equal stream and generation, equal content");
}

#[test]
fn a_stored_failure_replays_exactly_and_its_trial_by_the_clock() {
    let place = Place::new();
    let (_, summary) = place.campaign("direct", "--iterations 300");
    let findings = kills(&summary, "again")["findings"].as_array().unwrap();
    let kept = place.failures_in_gaps();
    assert!(!kept.is_empty(), "a failure in a gap is kept");
    for folder in kept {
        let signature = folder.parent().unwrap().file_name().unwrap().to_str().unwrap();
        let finding = findings.iter().find(|finding| finding["replay"].as_str().unwrap().contains(signature)).unwrap();
        let ran = place.crashtest(&format!("replay {} --tries 5", folder.display()));
        assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
        let verdict = finding["verdict"].as_str().unwrap();
        assert!(ran.out.contains(&format!("Restart on the stored crash state: {verdict} shows again")), "{}", ran.out);
        assert!(ran.out.contains(" reproduced 5 of 5\n"), "{}", ran.out);
        assert!(ran.out.contains("killed before this returned") || ran.out.contains("The last calls before the kill"));
    }
    // The line that a report prints is one that works.
    let line = findings[0]["replay"].as_str().unwrap().strip_prefix("crashtest ").unwrap().to_owned();
    let ran = place.crashtest(&format!("{line} --tries 5"));
    let verdict = findings[0]["verdict"].as_str().unwrap();
    assert_eq!(ran.exit, Some(1), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains(&format!("Restart on the stored crash state: {verdict} shows again")), "{}", ran.out);
    assert!(!place.names("results").iter().any(|name| name.starts_with(".crashtest")), "no sandbox is left");
}

#[test]
fn a_trial_that_passed_does_not_show_as_a_failure() {
    let place = Place::new();
    place.campaign("atomic", "--iterations 50");
    let ran = place.crashtest("replay results/latest --trial 3 --tries 3");
    assert_eq!(ran.exit, Some(0), "{}{}", ran.out, ran.err);
}

#[test]
fn the_options_do_what_they_say() {
    let place = Place::new();
    let (exit, summary) = place.campaign("direct", "--iterations 5000 --max-failures 5 --jobs 1");
    let trials: u64 =
        ["again", "first"].iter().map(|start| kills(&summary, start)["trials"].as_u64().unwrap_or(0)).sum();
    assert!(exit == Some(1) && trials < 1000, "--max-failures ended it after {trials}");

    let (exit, summary) = place.campaign("atomic", "--fault none");
    assert_eq!((exit, summary["results"][0]["trials"].as_u64()), (Some(0), Some(44)));
    assert!(kills(&summary, "first").is_null() && kills(&summary, "again").is_null(), "nothing was killed");
    let said = place.crashtest("report results/latest").out;
    assert!(said.contains("NO BROKEN CLAIM in 44 clean stops; nothing was killed"), "{said}");

    let in_recovery = |more: &str| {
        let (exit, summary) = place.campaign("atomic", &format!("--iterations 100 {more}"));
        assert_eq!(exit, Some(0));
        kills(&summary, "again")["recovery_killed"].as_u64().unwrap()
    };
    // How many of the fifty that are aimed there hit depends on how busy the machine is; that they are many more does not.
    let (aimed, without) = (in_recovery("--kill-at recovery"), in_recovery(""));
    assert!(aimed > without, "{aimed} kills in a recovery, {without} where none is aimed there");

    let (exit, summary) = place.campaign("atomic", "--iterations 60 --fresh --idle 1ms --jobs 1");
    assert_eq!((exit, kills(&summary, "again")["kills_landed"].as_u64()), (Some(0), Some(60)));

    // How many trials five seconds are depends on the machine: where they prove nothing, more time does.
    let passed = [5, 20, 80].into_iter().any(|seconds| {
        let begun = Instant::now();
        let (exit, summary) = place.campaign("atomic", &format!("--duration {seconds}s"));
        assert!(begun.elapsed() >= Duration::from_secs(seconds));
        assert_eq!(summary["complete"], true);
        let row = kills(&summary, "again");
        let proves = row["gate"]["passed"] == true;
        assert_eq!(exit, Some(if proves { 0 } else { 3 }), "{row}");
        assert!(!proves || row["trials"].as_u64() > Some(0), "{row}");
        proves
    });
    assert!(passed, "80 seconds are enough on any machine");
}

/// The kill trials of the newest run, without first starts.
fn restarts(place: &Place) -> Vec<Value> {
    place.trials().into_iter().filter(|t| t["fault"] == "kill" && t["start"] == "again").collect()
}
